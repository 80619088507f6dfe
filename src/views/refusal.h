// Why a view cannot be kept: the expression as SQL, its place, the reason and the alternative, always all four.
#pragma once

#include <string>

#include "base/status.h"
#include "config/pipeline_config.h"
#include "views/sql_tree.h"

namespace inlet::views {

class Refusal {
 public:
  /// Both outlive it.
  Refusal(const config::ViewConfig& view, SqlTrees& trees) : view_(view), trees_(trees) {}

  /// "view.not_maintainable", of one expression. An empty `fix` is the general one: have it recomputed.
  Status operator()(const Tree& expression, std::string why, std::string fix = {}) const;
  /// The same of a part of the query that is no expression: "DISTINCT", "a window".
  Status of_part(std::string part, std::string why, std::string fix = {}) const;
  /// With an id of its own; `expression` may be nullptr.
  Status with_id(std::string id, std::string what, const Tree* expression, std::string why, std::string fix) const;
  /// DuckDB's message about the SQL.
  Status sql(const Status& from_duckdb) const;

 private:
  const config::ViewConfig& view_;
  SqlTrees& trees_;
};

}  // namespace inlet::views
