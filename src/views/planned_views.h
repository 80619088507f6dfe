// The views of a pipeline file, planned against one database: what run, check and verify have in common.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "config/pipeline_config.h"
#include "duck/database.h"
#include "duck/file_values.h"
#include "lake/table.h"
#include "views/view_plan.h"

namespace inlet::views {

struct PlannedView {
  const config::ViewConfig* config = nullptr;
  ViewPlan plan;
};

/// Outlived by `config`, which it points into.
struct PlannedViews {
  std::vector<std::unique_ptr<PlannedView>> views;  // addresses stay
  std::vector<Status> problems;                     // one per view or dimension that cannot be kept
};

/// Loads the dimensions into `connection`'s database and plans every view. `file_values` is what inlet_file_value() of
/// that database looks into. `bronze_schema`: all columns of the bronze
/// table. Internal: DuckDB failed; what is wrong with the pipeline file is in `problems`.
Result<PlannedViews> plan_views(duck::Connection& connection, lake::Lake& lake, duck::FileValues& file_values,
                                const config::PipelineConfig& config, const Schema& bronze_schema);

/// The plans alone, made in a database of its own and without the comparison on sample rows: for whoever shows what the
/// views are, beside a run that proves them.
Result<PlannedViews> describe_views(const config::PipelineConfig& config, const Schema& bronze_schema);

/// What is wrong with the views and dimensions of a pipeline file, in a database of its own; empty: nothing.
Result<std::vector<Status>> check_views(const config::PipelineConfig& config, const Schema& bronze_schema);

}  // namespace inlet::views
