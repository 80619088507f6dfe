// The FROM clause of a maintained view: the bronze table once, on the left, and dimensions joined to it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "views/planner.h"
#include "views/refusal.h"
#include "views/sql_tree.h"

namespace inlet::views {

/// What a column name may refer to.
struct Relation {
  std::string alias;
  Schema schema;
};

struct FromClause {
  std::vector<Relation> relations;  // the events first, then the dimensions in order
  std::string schema;               // of the bronze table, "bronze"
  Tree tree;                        // reads inlet_source and inlet_dimensions
  std::string sql;                  // the same as text, behind FROM

  const Relation& events() const { return relations.front(); }

  /// Writes a column reference as alias.column, exactly as declared, wherever it names exactly one column; a reference
  /// that does not is left as it is.
  void qualify(Tree& expression) const;
};

Result<FromClause> read_from_clause(const Tree& from, const PlannerInput& input, const Refusal& refuse,
                                    SqlTrees& trees);

/// "bronze" and "ventes_stream" of "bronze/ventes_stream".
struct LakeTableName {
  std::string schema;
  std::string name;
};
LakeTableName lake_table_name(std::string_view table);

/// "WITH inlet_source AS NOT MATERIALIZED (…) ": no rows, with the columns of `schema`. To be put before a SQL text.
std::string empty_source(const Schema& schema);

}  // namespace inlet::views
