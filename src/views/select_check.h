// What the SQL of a maintained view may consist of: every field of DuckDB's parse tree is looked at, and one that is
// not known here and holds anything is refused, so that syntax a later DuckDB adds is never silently ignored.
#pragma once

#include "base/status.h"
#include "views/refusal.h"
#include "views/sql_tree.h"

namespace inlet::views {

/// The whole SELECT node but its FROM clause, which from_clause.h reads.
Status check_select(const Tree& node, const Refusal& refuse);

/// One expression: a join condition.
Status check_expression(const Tree& expression, const Refusal& refuse);

}  // namespace inlet::views
