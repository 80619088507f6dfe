// DuckDB's own parse tree of a SELECT, as JSON: read, compared, and written back as SQL text.
//
// Shapes are those of json_serialize_sql (DuckDB 1.5). The helpers here know where a node keeps its children and
// nothing of what a view may contain: select_check.h says that.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "duck/database.h"

namespace inlet::views {

/// An expression or a SELECT node.
using Tree = Json;

/// The text of a field; empty when it is absent or no text.
std::string text_field(const Tree& node, const char* key);

/// Whether the field is absent or holds nothing: null, false, "", [] or {}.
bool is_default(const Tree& node, const char* key);

/// The expressions directly below an expression: arguments, FILTER and ORDER BY of a function included.
std::vector<Tree*> children_of(Tree& node);
std::vector<const Tree*> children_of(const Tree& node);

/// Equal exactly for expressions that are the same but for their place in the text and their alias.
std::string expression_key(const Tree& node);

/// Byte offset in the SQL of the first thing of the expression that has one.
std::optional<std::size_t> location_of(const Tree& node);

/// "line 3, column 7": of a byte offset, both from 1, columns in characters.
std::string line_and_column(std::string_view sql, std::size_t offset);

/// Parses and prints through a connection, which outlives it. Runs nothing of what it parses.
class SqlTrees {
 public:
  explicit SqlTrees(duck::Connection& connection) : connection_(connection) {}

  /// The node of the one SELECT statement in `sql`. InvalidArgument "view.sql": not SQL, not one statement, or no
  /// SELECT; the detail's `where` is the line and column.
  Result<Tree> parse(std::string_view sql);
  /// Precondition: `expression` is SQL made here, not by a person.
  Result<Tree> parse_expression(std::string_view expression);

  /// SQL text that parses to `expression` again, without its alias: checked. InvalidArgument "view.not_maintainable"
  /// when DuckDB does not write back what it read.
  Result<std::string> to_sql(const Tree& expression);
  Result<std::string> select_to_sql(const Tree& node);
  /// For messages: never fails.
  std::string describe(const Tree& expression);

 private:
  Result<Tree> parse_document(std::string_view sql);
  Result<std::string> print_document(const Tree& document);
  Result<Tree> document_of(const Tree& expression);

  duck::Connection& connection_;
  std::optional<Tree> template_;  // of SELECT 1
};

}  // namespace inlet::views
