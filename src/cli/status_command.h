// `inlet status`, `inlet check` and `inlet version`.
#pragma once

#include "cli/exit_code.h"
#include "config/pipeline_config.h"

namespace inlet::cli {

/// Per partition: committed offset, the source's end, lag, last commit, rate.
ExitCode run_status(const config::PipelineConfig& config, Output output);

/// Looks at everything a run needs and says how to mend each thing that is missing. Exit 69 when something is.
ExitCode run_check(const config::PipelineConfig& config, Output output);

ExitCode run_version(Output output);

}  // namespace inlet::cli
