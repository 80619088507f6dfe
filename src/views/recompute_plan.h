// The plan of a view with `refresh`: any SELECT over the events and the dimensions, run whole again and again.
#pragma once

#include "base/status.h"
#include "duck/database.h"
#include "views/planner.h"
#include "views/refusal.h"
#include "views/sql_tree.h"
#include "views/view_plan.h"

namespace inlet::views {

/// All of the plan but `fingerprint`. Refused are functions whose value changes from call to call, table functions but
/// range, generate_series and unnest, and tables other than the bronze table and the dimensions.
Result<ViewPlan> plan_recomputed_view(duck::Connection& connection, const Tree& node, const PlannerInput& input,
                                      const Refusal& refuse, SqlTrees& trees);

}  // namespace inlet::views
