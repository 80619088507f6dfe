// `inlet diff`: what differs between two versions of a table.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "config/pipeline_config.h"

namespace inlet::cli {

struct DiffCommand {
  std::string table;  // as find_table takes it
  std::string from;   // a version or a time
  std::string to;
  std::vector<std::string> key;  // empty: a row's position in its source, or the group keys of the view
  std::size_t most = 20;
  Output output = Output::kHuman;
};

/// Rows added, removed and changed, and the first of them. A view's `processing_time` is not compared. Exit 0 whether
/// there are differences or not.
ExitCode run_diff(const config::PipelineConfig& config, const DiffCommand& command);

}  // namespace inlet::cli
