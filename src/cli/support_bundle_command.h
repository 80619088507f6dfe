// `inlet support-bundle`: what somebody who helps needs to see of a pipeline, in one archive, without its secrets and
// without its rows.
#pragma once

#include <string>

#include "cli/exit_code.h"
#include "config/pipeline_config.h"

namespace inlet::cli {

struct SupportBundleCommand {
  std::string output_file;   // empty: inlet-support-<pipeline>-<UTC time>.tar.gz in the working directory
  int commits = 20;          // of each table, the newest
  bool with_values = false;  // values of partitions and predicates as they are
  bool force = false;        // over a file of that name
  Output output = Output::kHuman;
};

/// Reads only, beside a run or without one, and makes no lake. What cannot be read is said in the archive's
/// problems.txt and on stderr; the rest is there all the same, a pipeline file that is wrong included. Exit 0: the
/// archive is written.
ExitCode run_support_bundle(const std::string& pipeline_file, const config::LoadOptions& options,
                            const SupportBundleCommand& command);

}  // namespace inlet::cli
