// A view's SQL → how it is maintained (view_plan.h), or why it cannot be, with the place and the alternative.
//
//   parse (sql_tree) → allow-list (select_check) → names, aliases, group keys (view_query)
//     → partials, merges, final expressions (aggregate_plan) → types and casts (column_types)
//     → the re-assembled pipeline compared with the original on sample rows (sample_check)
// A view with `refresh` takes the short way: recompute_plan.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "config/pipeline_config.h"
#include "duck/database.h"
#include "views/view_plan.h"

namespace inlet::views {

/// A small table that views may join; stands as inlet_dimensions."name" in the connection's database.
struct Dimension {
  std::string name;
  Schema schema;
  std::string fingerprint;  // of its content
};

struct PlannerInput {
  const config::ViewConfig& view;
  std::string bronze_table;  // "bronze/ventes_stream"
  /// Columns of the bronze table, `_source`, `_partition`, `_offset` and `date_ingestion` among them.
  Schema events;
  std::vector<Dimension> dimensions;
  bool prove = true;  // compare on sample rows, which takes longer than all the rest
};

/// Runs nothing but DESCRIBE and SELECTs over sample rows (and the dimensions). The dimensions stand in the
/// connection's database. Every refusal is InvalidArgument: "view.sql" (does not parse or bind),
/// "view.not_maintainable", "view.output_name", "view.output_type", "view.partition_by", "view.seal_after".
Result<ViewPlan> plan_view(duck::Connection& connection, const PlannerInput& input);

}  // namespace inlet::views
