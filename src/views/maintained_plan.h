// The plans of views that are kept batch by batch: aggregates, and rows that are filtered and projected.
#pragma once

#include "base/status.h"
#include "duck/database.h"
#include "views/planner.h"
#include "views/refusal.h"
#include "views/view_plan.h"
#include "views/view_query.h"

namespace inlet::views {

/// All of the plan but `fingerprint`. Preconditions: query.is_aggregate, and not.
Result<ViewPlan> plan_aggregate_view(duck::Connection& connection, const PlannerInput& input, const ViewQuery& query,
                                     const Refusal& refuse, SqlTrees& trees);
Result<ViewPlan> plan_append_view(duck::Connection& connection, const PlannerInput& input, const ViewQuery& query,
                                  const Refusal& refuse, SqlTrees& trees);

}  // namespace inlet::views
