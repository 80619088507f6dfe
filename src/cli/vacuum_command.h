// `inlet vacuum`: what no version within the retention needs is deleted.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "cli/exit_code.h"
#include "config/pipeline_config.h"

namespace inlet::cli {

struct VacuumCommand {
  std::string table;                                // as find_table takes it; empty: every table of the pipeline
  std::optional<std::chrono::milliseconds> retain;  // nullopt: each table's own; a shorter one is what was asked for
  bool dry_run = false;
  Output output = Output::kHuman;
};

/// Data files, then the log (delta.logRetentionDuration). What a view of the pipeline still reads of bronze stays, and
/// so does what `late` still reads of its table. The first table that fails ends it.
ExitCode run_vacuum(const config::PipelineConfig& config, const VacuumCommand& command);

}  // namespace inlet::cli
