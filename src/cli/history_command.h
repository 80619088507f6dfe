// `inlet history`: the commits of one table.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "cli/exit_code.h"
#include "config/pipeline_config.h"
#include "lake/table.h"

namespace inlet::cli {

struct HistoryCommand {
  std::string table;  // "bronze/ventes_stream", "bronze.ventes_stream", or the last part where only one table has it
  std::size_t limit = 20;
  Output output = Output::kHuman;
};

/// Newest first: version, time, operation, rows, files, the source offsets a commit covers.
ExitCode run_history(const config::PipelineConfig& config, const HistoryCommand& command);

/// One commit, as `history --json` has it.
Json history_json(const lake::HistoryEntry& entry);

/// The one table that `name` stands for among `tables`. NotFound: none, with those there are. InvalidArgument: several.
Result<std::string> find_table(const std::vector<std::string>& tables, const std::string& name);

}  // namespace inlet::cli
