// SQL text cut into statements, for prompts and scripts. Knows quotes and comments, not grammar: what a piece means is
// for DuckDB and query/statement_check.h to say. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace inlet::query {

struct StatementPieces {
  /// Those that a ';' ends, without it; none of them only blanks and comments.
  std::vector<std::string> complete;
  /// What stands behind the last ';'.
  std::string rest;
  /// `rest` is more than blanks and comments, or ends inside a quote or a comment: more is to come.
  bool rest_has_text = false;
};

/// Quotes: '…', E'…', "…", $tag$…$tag$. Comments: -- to the end of the line, /* … */ nested.
StatementPieces split_statements(std::string_view sql);

/// Every statement of a script, the unterminated last one included.
std::vector<std::string> all_statements(std::string_view sql);

}  // namespace inlet::query
