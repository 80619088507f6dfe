// `inlet optimize`: small files brought together.
#pragma once

#include <cstdint>
#include <string>

#include "cli/exit_code.h"
#include "config/pipeline_config.h"

namespace inlet::cli {

struct OptimizeCommand {
  std::string table;  // as find_table takes it; empty: every table of the pipeline
  std::int64_t target_bytes = 128'000'000;
  bool dry_run = false;
  Output output = Output::kHuman;
};

/// Beside a run or without one; a signal ends it between two files, with what is committed. The first table that fails
/// ends it, those before stay as they are then.
ExitCode run_optimize(const config::PipelineConfig& config, const OptimizeCommand& command);

}  // namespace inlet::cli
