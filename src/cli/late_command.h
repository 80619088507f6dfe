// `inlet late list` and `inlet late apply`: the rows that came late and were diverted.
#pragma once

#include "cli/exit_code.h"
#include "config/pipeline_config.h"

namespace inlet::cli {

struct LateListCommand {
  int limit = 10;  // newest rows shown
  Output output = Output::kHuman;
};

struct LateApplyCommand {
  bool dry_run = false;
  Output output = Output::kHuman;
};

ExitCode run_late_list(const config::PipelineConfig& config, const LateListCommand& command);

/// May run beside `inlet run`. Twice does nothing.
ExitCode run_late_apply(const config::PipelineConfig& config, const LateApplyCommand& command);

}  // namespace inlet::cli
