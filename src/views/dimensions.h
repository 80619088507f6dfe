// Dimension files and tables, as tables of the views' database: read once, at the start, and pinned by their content.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "config/pipeline_config.h"
#include "duck/database.h"
#include "duck/file_values.h"
#include "lake/table.h"
#include "views/planner.h"

namespace inlet::views {

/// Creates `inlet_dimensions."name"` for every dimension of the pipeline file. One that cannot be read is a line in
/// `problems`. `file_values` is what inlet_file_value() of the database looks into. The fingerprint of a file is that
/// of its bytes, of a Delta table its id and version.
Result<std::vector<Dimension>> load_dimensions(duck::Connection& connection, lake::Lake& lake,
                                               duck::FileValues& file_values, const config::PipelineConfig& config,
                                               std::vector<Status>& problems);

}  // namespace inlet::views
