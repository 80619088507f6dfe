// What a statement may do: read tables, and nothing else.
//
// The sandbox has two halves. DuckDB's own settings keep every file outside the lake out of reach; but a SELECT can
// call table functions that change settings or write files (enable_logging, enable_profiling, checkpoint), so the
// parsed statement is looked at as well: the table functions on a list, and no statement but SELECT, EXPLAIN of a
// SELECT, and what DuckDB makes a SELECT of (FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE, PIVOT … IN).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "duck/database.h"

namespace inlet::query {

struct TableReference {
  std::string schema;  // empty: not qualified
  std::string name;
};

/// A statement that was found harmless. `sql` is the text that was checked and the text that runs: one and the same.
struct CheckedStatement {
  std::string sql;
  std::vector<TableReference> tables;  // names of common table expressions left out
  bool lists_tables = false;           // SHOW, DESCRIBE without a table, or a catalogue function
};

/// Parses with `connection`, runs nothing of the statement. InvalidArgument: not one statement, not allowed (names the
/// statement or function), or not SQL (DuckDB's message with line and mark).
Result<CheckedStatement> check_statement(duck::Connection& connection, std::string_view sql);

}  // namespace inlet::query
