// Which bronze versions the views of a pipeline still read: what must not be vacuumed or cleaned up (rule 8).
#pragma once

#include <optional>

#include "base/ids.h"
#include "base/status.h"
#include "config/pipeline_config.h"
#include "lake/table.h"

namespace inlet::views {

/// The lowest bronze version that a view's table reflects (`verify` reads it) or a saved state stands at (a run goes on
/// from it). nullopt: no view has been published or saved. Looks at the logs of the views' tables.
Result<std::optional<TableVersion>> lowest_version_needed(const config::PipelineConfig& config, lake::Lake& lake);

}  // namespace inlet::views
