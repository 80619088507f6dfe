// The SQL that tells which events stand behind a row of a view (RowOrigins of view_plan.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "duck/database.h"
#include "views/planner.h"
#include "views/refusal.h"
#include "views/view_plan.h"
#include "views/view_query.h"

namespace inlet::views {

/// The name that the column with each event's file has in `inlet_source`: none of the events' own.
std::string origins_file_column(const Schema& events);

/// RowOrigins::sql. `keys`: "a AS k0, b AS k1", may be empty; `where`: the condition, may be empty.
std::string origins_sql(const FromClause& from, std::string_view keys, std::string_view where);

/// Whether a file of these partition values can hold an event whose column `event_column` is `value`, as SQL's text of
/// `type`; true where it is not known. Empty `event_column`: no column.
bool may_hold(const std::map<std::string, std::optional<std::string>>& partition_values,
              const std::string& event_column, const ColumnType& type, const std::optional<std::string>& value);

/// The column of the events that an expression is; empty for every other one.
std::string event_column(const FromClause& from, const Tree& expression);

/// Of a view that is recomputed whole, whose FROM, WHERE and GROUP BY can be understood all the same; otherwise one
/// without SQL. `output`: the view's columns.
RowOrigins origins_of_recomputed(duck::Connection& connection, const Tree& node, const PlannerInput& input,
                                 const std::vector<OutputColumn>& output, const Refusal& refuse, SqlTrees& trees);

}  // namespace inlet::views
