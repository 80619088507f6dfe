// `inlet quarantine list | show | replay`: the events that could not be read, and their way back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/status.h"
#include "cli/exit_code.h"
#include "config/pipeline_config.h"

namespace inlet::cli {

struct QuarantineListCommand {
  std::optional<std::string> reason;
  std::size_t limit = 20;  // of the rows, newest first
  Output output = Output::kHuman;
};

/// Per reason: how many rows, first and last seen, how many were replayed and can be; then the newest rows.
ExitCode run_quarantine_list(const config::PipelineConfig& config, const QuarantineListCommand& command);

/// The row to show: its position, or as much of it as names one row.
struct QuarantinePosition {
  std::optional<std::string> source;
  std::optional<std::int32_t> partition;
  Offset offset;
};
/// "kafka:ventes/0/17": the source id may hold slashes itself. InvalidArgument: not of that form.
Result<QuarantinePosition> parse_quarantine_position(std::string_view text);

struct QuarantineShowCommand {
  QuarantinePosition position;
  Output output = Output::kHuman;
};

/// One row whole; two where the log was made anew and both had a bad event at the offset. Control characters of an
/// event never reach the terminal. Exit 1: no such row. Exit 2: rows of several partitions are meant.
ExitCode run_quarantine_show(const config::PipelineConfig& config, const QuarantineShowCommand& command);

struct QuarantineReplayCommand {
  std::optional<std::string> reason;
  bool dry_run = false;
  Output output = Output::kHuman;
};

/// Rows that can be read by the pipeline file as it is now enter bronze, in one commit. Beside a run, and as often as
/// one likes: a row enters once.
ExitCode run_quarantine_replay(const config::PipelineConfig& config, const QuarantineReplayCommand& command);

}  // namespace inlet::cli
