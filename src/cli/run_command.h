// `inlet run` and `inlet demo`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "cli/exit_code.h"
#include "config/pipeline_config.h"
#include "pipeline/pipeline.h"

namespace inlet::cli {

struct RunCommand {
  bool until_caught_up = false;
  std::optional<std::int64_t> events;
  std::optional<std::chrono::milliseconds> duration;
  bool quiet = false;
  pipeline::RunOptions::Only only = pipeline::RunOptions::Only::kEverything;
  Output output = Output::kHuman;
};

/// Runs until done, stopped by a signal, or failed. With kJson the summary is one JSON object on stdout.
ExitCode run_pipeline(const config::PipelineConfig& config, const RunCommand& command);

/// The same on the embedded generator, then answers over what arrived and the commands to type next.
ExitCode run_demo(const config::PipelineConfig& config, const RunCommand& command);

}  // namespace inlet::cli
