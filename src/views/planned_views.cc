#include "views/planned_views.h"

#include "views/dimensions.h"
#include "views/planner.h"

namespace inlet::views {

namespace {

Result<PlannedViews> plan(duck::Connection& connection, lake::Lake& lake, duck::FileValues& file_values,
                          const config::PipelineConfig& config, const Schema& bronze_schema, bool prove) {
  PlannedViews planned;
  INLET_ASSIGN_OR_RETURN(const auto dimensions,
                         load_dimensions(connection, lake, file_values, config, planned.problems));
  if (!planned.problems.empty()) return planned;
  for (const auto& view : config.views) {
    auto plan = plan_view(connection, {view, config.bronze.table, bronze_schema, dimensions, prove});
    if (!plan.is_ok()) {
      planned.problems.push_back(plan.status());
      continue;
    }
    auto& entry = *planned.views.emplace_back(std::make_unique<PlannedView>());
    entry.config = &view;
    entry.plan = std::move(*plan);
  }
  return planned;
}

Result<PlannedViews> plan_alone(const config::PipelineConfig& config, const Schema& bronze_schema, bool prove) {
  INLET_ASSIGN_OR_RETURN(const auto lake, lake::open_lake(config.lake, config.storage));
  INLET_ASSIGN_OR_RETURN(auto database, duck::Database::open({}));
  INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
  const auto file_values = std::make_shared<duck::FileValues>();
  INLET_RETURN_IF_ERROR(duck::register_file_values(connection, file_values));
  return plan(connection, *lake, *file_values, config, bronze_schema, prove);
}

}  // namespace

Result<PlannedViews> plan_views(duck::Connection& connection, lake::Lake& lake, duck::FileValues& file_values,
                                const config::PipelineConfig& config, const Schema& bronze_schema) {
  return plan(connection, lake, file_values, config, bronze_schema, true);
}

Result<PlannedViews> describe_views(const config::PipelineConfig& config, const Schema& bronze_schema) {
  return plan_alone(config, bronze_schema, false);
}

Result<std::vector<Status>> check_views(const config::PipelineConfig& config, const Schema& bronze_schema) {
  INLET_ASSIGN_OR_RETURN(auto planned, plan_alone(config, bronze_schema, true));
  return std::move(planned.problems);
}

}  // namespace inlet::views
