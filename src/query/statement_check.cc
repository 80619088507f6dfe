#include "query/statement_check.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <set>
#include <utility>

#include "base/json.h"
#include "base/letter_case.h"

namespace inlet::query {
namespace {

constexpr std::array<std::string_view, 38> kAllowedTableFunctions{
    // make rows of values
    "range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "test_all_types",
    // read files: DuckDB's settings bound them to the lake
    "glob", "read_parquet", "parquet_scan", "parquet_metadata", "parquet_file_metadata", "parquet_kv_metadata",
    "parquet_schema", "read_json", "read_json_auto", "read_json_objects", "read_ndjson", "read_ndjson_auto",
    "read_ndjson_objects", "read_text", "read_csv", "read_csv_auto",
    // say what there is
    "duckdb_columns", "duckdb_tables", "duckdb_views", "duckdb_schemas", "duckdb_databases", "duckdb_functions",
    "duckdb_types", "duckdb_keywords", "duckdb_settings", "duckdb_memory", "pragma_table_info", "pragma_version",
    "icu_calendar_names", "pg_timezone_names"};

Status not_allowed(std::string what) {
  return Status(StatusCode::kInvalidArgument, "sql.not_allowed", std::move(what))
      .because("a query session reads the lake and does nothing else")
      .fix("write a SELECT, or DESCRIBE, SHOW TABLES, SUMMARIZE, EXPLAIN");
}

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  return text;
}

// Takes `word` off the front where it stands there as a whole word.
bool take_word(std::string_view& text, std::string_view word) {
  if (lower_case(text.substr(0, word.size())) != word) return false;
  const auto behind = text.substr(word.size());
  if (!behind.empty() && (std::isalnum(static_cast<unsigned char>(behind[0])) != 0 || behind[0] == '_')) return false;
  text = trim_blanks(behind);
  return true;
}

// The statement an EXPLAIN is about. EXPLAIN ANALYZE runs it, so it must be harmless itself. Comments among the first
// words are not understood on purpose: what is handed on then starts with one that is no SELECT, and is refused.
std::string_view explained(std::string_view sql) {
  std::string_view rest = trim_blanks(sql);
  if (!take_word(rest, "explain")) return sql;
  take_word(rest, "analyze");
  if (rest.starts_with('(')) {
    // Options are words: (FORMAT json). Anything else, a parenthesised SELECT for one, is left for the parser.
    const auto close = rest.find(')');
    const auto options = rest.substr(1, close == std::string_view::npos ? close : close - 1);
    const bool are_words =
        close != std::string_view::npos && std::all_of(options.begin(), options.end(), [](char c) {
          return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == ' ' || c == ',' || c == '_';
        });
    auto first = trim_blanks(options);
    const bool is_option_list = are_words && !take_word(first, "select") && !take_word(first, "from");
    if (is_option_list) rest = trim_blanks(rest.substr(close + 1));
  }
  return rest;
}

// Walks the whole tree with a stack of its own: how deep a statement nests is up to who wrote it.
class TreeCheck {
 public:
  Status check(const Json& root) {
    std::vector<const Json*> pending{&root};
    while (!pending.empty()) {
      const Json& node = *pending.back();
      pending.pop_back();
      if (node.is_object()) INLET_RETURN_IF_ERROR(look_at(node));
      if (node.is_structured()) {
        for (const auto& child : node) pending.push_back(&child);
      }
    }
    return Status::ok();
  }

  CheckedStatement finish(std::string_view sql) {
    CheckedStatement checked;
    checked.sql = std::string(sql);
    checked.lists_tables = lists_tables_;
    for (auto& table : tables_) {
      if (!table.schema.empty() || !common_tables_.contains(lower_case(table.name)))
        checked.tables.push_back(std::move(table));
    }
    return checked;
  }

 private:
  static std::string text_of(const Json& node, const char* key) {
    const auto found = node.find(key);
    return found != node.end() && found->is_string() ? found->get<std::string>() : std::string();
  }

  Status look_at(const Json& node) {
    const std::string type = text_of(node, "type");
    if (type == "BASE_TABLE") tables_.push_back({text_of(node, "schema_name"), text_of(node, "table_name")});
    if (type == "SHOW_REF") lists_tables_ = true;
    if (type == "TABLE_FUNCTION") INLET_RETURN_IF_ERROR(check_function(node));
    if (const auto map = node.find("cte_map"); map != node.end() && map->is_object()) collect_common_tables(*map);
    return Status::ok();
  }

  Status check_function(const Json& node) {
    const auto function = node.find("function");
    const std::string name =
        function != node.end() && function->is_object() ? lower_case(text_of(*function, "function_name")) : "";
    if (std::find(kAllowedTableFunctions.begin(), kAllowedTableFunctions.end(), name) == kAllowedTableFunctions.end())
      return not_allowed("the table function " + name + "() is not allowed here");
    lists_tables_ = lists_tables_ || name.starts_with("duckdb_") || name.starts_with("pragma_");
    return Status::ok();
  }

  void collect_common_tables(const Json& cte_map) {
    const auto entries = cte_map.find("map");
    if (entries == cte_map.end() || !entries->is_array()) return;
    for (const auto& entry : *entries) {
      if (entry.is_object()) common_tables_.insert(lower_case(text_of(entry, "key")));
    }
  }

  std::vector<TableReference> tables_;
  std::set<std::string> common_tables_;
  bool lists_tables_ = false;
};

// The parse tree of a text of SELECT statements, or why there is none.
Result<Json> parse_tree(duck::Connection& connection, std::string_view sql) {
  INLET_ASSIGN_OR_RETURN(const auto result,
                         connection.query("SELECT json_serialize_sql(" + duck::quote_literal(sql) + ")"));
  if (result.rows() != 1 || result.is_null(0, 0))
    return Status(StatusCode::kInternal, "sql.no_parse_tree", "DuckDB gave no parse tree for the statement");
  return parse_json(result.text(0, 0));
}

// DuckDB's message with the place in the text that the user wrote; `offset` of the parsed part in it.
Status parse_error(const Json& error, std::string_view sql, std::size_t offset) {
  Status status(StatusCode::kInvalidArgument, "sql.parse", "Parser Error: " + error.value("error_message", ""));
  const std::string position = error.value("position", "");
  std::size_t at = 0;
  if (std::from_chars(position.data(), position.data() + position.size(), at).ec != std::errc()) return status;
  at = std::min(at + offset, sql.size());
  const auto before = sql.substr(0, at);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const auto line_begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return std::move(status).at("line " + std::to_string(line) + ", column " + std::to_string(at - line_begin + 1));
}

}  // namespace

Result<CheckedStatement> check_statement(duck::Connection& connection, std::string_view sql) {
  if (sql.find('\0') != std::string_view::npos)
    return Status(StatusCode::kInvalidArgument, "sql.nul_byte", "the SQL holds a NUL byte");
  const std::string_view select = explained(sql);
  INLET_ASSIGN_OR_RETURN(const Json tree, parse_tree(connection, select));
  if (const auto error = tree.find("error"); error == tree.end() || *error != false) {
    // "not implemented" is what DuckDB says of every statement that is no SELECT.
    if (tree.value("error_type", "") == "not implemented") return not_allowed("this statement is not allowed here");
    return parse_error(tree, sql, static_cast<std::size_t>(select.data() - sql.data()));
  }
  const auto statements = tree.find("statements");
  if (statements == tree.end() || !statements->is_array() || statements->size() != 1)
    return Status(StatusCode::kInvalidArgument, "sql.not_one_statement", "there is not exactly one statement");
  TreeCheck check;
  INLET_RETURN_IF_ERROR(check.check(tree));
  return check.finish(sql);
}

}  // namespace inlet::query
