// `inlet verify` and `inlet late preview`: the views' tables against the views' own SQL over bronze.
#pragma once

#include <string>

#include "cli/exit_code.h"
#include "config/pipeline_config.h"

namespace inlet::cli {

/// Every view, or the one named. Exit 4 when a row differs, with the first 20 of them and their number.
ExitCode run_verify(const config::PipelineConfig& config, const std::string& view, Output output);

/// `inlet late preview`: which rows of the views would change if the late rows were applied now.
ExitCode run_late_preview(const config::PipelineConfig& config, Output output);

}  // namespace inlet::cli
