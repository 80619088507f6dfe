// `inlet tables`: what the lake holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "cli/exit_code.h"
#include "config/pipeline_config.h"
#include "lake/table.h"

namespace inlet::cli {

struct TableSummary {
  std::string name;
  TableVersion version;
  std::int64_t files = 0;
  std::int64_t bytes = 0;
  std::optional<std::int64_t> rows;  // nullopt: a file's statistics do not say
  std::vector<std::string> partition_columns;
  std::optional<Timestamp> last_commit;
  std::string last_operation;
  Status problem;  // not ok: the table cannot be read; the rest is then empty
};

/// Looks at every table's log.
Result<std::vector<TableSummary>> summarize_tables(lake::Lake& lake);

/// As `inlet tables --json` prints them.
Json tables_json(const std::vector<TableSummary>& tables);

/// Exit 1 when a table cannot be read; the others are listed all the same.
ExitCode run_tables(const config::PipelineConfig& config, Output output);

/// "1.2 MiB"
std::string size_text(std::int64_t bytes);

}  // namespace inlet::cli
