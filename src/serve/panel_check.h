// What is wrong with the panels and filters of a pipeline file, found by asking DuckDB about tables without rows.
#pragma once

#include <vector>

#include "base/status.h"
#include "config/pipeline_config.h"
#include "serve/page_model.h"

namespace inlet::serve {

/// One InvalidArgument per problem ("page.bad_sql", "page.no_column"), with its place in the file; empty: nothing is
/// wrong. `tables`: those of the pipeline without its views', which are planned here. Internal: DuckDB failed, or the
/// views cannot be planned.
Result<std::vector<Status>> check_page(const config::PipelineConfig& config, const Schema& bronze_schema,
                                       std::vector<TableInfo> tables);

/// The views of the pipeline file as the planner understands them. InvalidArgument: one cannot be kept.
Result<std::vector<ViewInfo>> describe_views(const config::PipelineConfig& config, const Schema& bronze_schema);

/// `tables`, and those of the views.
std::vector<TableInfo> with_views(std::vector<TableInfo> tables, const std::vector<ViewInfo>& views);

}  // namespace inlet::serve
