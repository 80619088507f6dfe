// A view's SELECT with every name resolved: columns qualified, aliases and positions replaced by what they stand for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "views/from_clause.h"
#include "views/planner.h"
#include "views/refusal.h"
#include "views/sql_tree.h"

namespace inlet::views {

struct SelectItem {
  std::string name;  // of the output column
  Tree expression;
};

struct ViewQuery {
  FromClause from;
  std::vector<SelectItem> items;
  std::optional<Tree> where;
  std::optional<Tree> having;
  std::vector<Tree> groups;  // each once; expressions over columns only
  bool is_aggregate = false;
};

/// Whether an aggregate stands anywhere in the expression.
bool has_aggregate(const Tree& expression);

/// `node`: of the statement, as parsed. What DuckDB would not bind is refused as "view.sql" with its own message.
Result<ViewQuery> read_view_query(duck::Connection& connection, const Tree& node, const PlannerInput& input,
                                  const Refusal& refuse, SqlTrees& trees);

}  // namespace inlet::views
