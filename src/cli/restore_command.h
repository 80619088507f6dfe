// `inlet restore`: a table as it was at an older version, by a new commit.
#pragma once

#include <string>

#include "cli/exit_code.h"
#include "config/pipeline_config.h"

namespace inlet::cli {

struct RestoreCommand {
  std::string table;    // as find_table takes it
  std::string to;       // a version or a time
  bool replay = false;  // read again from the source what the restored table has not got
  bool dry_run = false;
  Output output = Output::kHuman;
};

/// Says which files and source ranges go and come back; commits nothing with `dry_run`, nor when the table is as it was
/// already. Needs no lock: a run that appends meanwhile sees it as any other commit, and its views are built anew. With
/// `replay` no run may be there, and the source is asked what it still has: the markers of those partitions go back in
/// the same commit, the others stay.
ExitCode run_restore(const config::PipelineConfig& config, const RestoreCommand& command);

}  // namespace inlet::cli
