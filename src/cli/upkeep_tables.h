// The tables that optimize and vacuum look after: those of the pipeline.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "cli/exit_code.h"
#include "config/pipeline_config.h"
#include "lake/table.h"

namespace inlet::cli {

/// Names of the pipeline's tables that the lake holds: bronze, quarantine, late, the views'. With `asked_for` that
/// table alone, which may be any of the lake (as find_table takes it).
Result<std::vector<std::string>> upkeep_tables(const config::PipelineConfig& config, lake::Lake& lake,
                                               const std::string& asked_for);

/// The end of such a command: with kJson what was done, unless it failed; the error otherwise, which is no mistake in
/// the configuration.
ExitCode finish_upkeep(const Status& status, const Json& tables, bool dry_run, Output output);

/// A line on stderr that is rewritten, where stderr is a terminal; nothing elsewhere.
class UpkeepLine {
 public:
  UpkeepLine();
  ~UpkeepLine();
  UpkeepLine(const UpkeepLine&) = delete;
  UpkeepLine& operator=(const UpkeepLine&) = delete;

  /// At most ten times a second.
  void show(const std::string& text);

 private:
  const bool terminal_;
  std::int64_t shown_at_ms_ = 0;
};

}  // namespace inlet::cli
