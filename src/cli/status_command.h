// `inlet status`, `inlet check` and `inlet version`.
#pragma once

#include "base/json.h"
#include "cli/exit_code.h"
#include "config/pipeline_config.h"

namespace inlet::cli {

/// Per partition: committed offset, the source's end, lag, last commit, rate.
ExitCode run_status(const config::PipelineConfig& config, Output output);

/// Looks at everything a run needs and says how to mend each thing that is missing. Exit 69 when something is. Tries an
/// object store by a put, as a run does before it reads.
ExitCode run_check(const config::PipelineConfig& config, Output output);

ExitCode run_version(Output output);

/// What --json prints. Fails as pipeline::read_status; like that it waits a few seconds for a broker that is away.
Result<Json> status_document(const config::PipelineConfig& config);
/// Without the source, which status_document asks, and without trying an object store by a put.
Json check_document(const config::PipelineConfig& config);
Json version_document();

}  // namespace inlet::cli
