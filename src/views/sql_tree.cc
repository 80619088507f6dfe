#include "views/sql_tree.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace inlet::views {
namespace {

// Where the classes of expressions keep what stands below them.
constexpr std::array kChildFields{"left", "right", "child", "input", "lower", "upper", "filter", "else_expr"};

template <class Node>
void collect_children(Node& node, std::vector<Node*>& found) {
  if (!node.is_object()) return;
  const auto add = [&](Node& child) {
    if (child.is_object()) found.push_back(&child);
  };
  if (auto children = node.find("children"); children != node.end()) {
    for (auto& child : *children) add(child);
  }
  if (auto checks = node.find("case_checks"); checks != node.end()) {
    for (auto& check : *checks) {
      add(check["when_expr"]);
      add(check["then_expr"]);
    }
  }
  for (const char* field : kChildFields) {
    if (auto child = node.find(field); child != node.end()) add(*child);
  }
  if (auto orders = node.find("order_bys"); orders != node.end() && orders->is_object() && orders->contains("orders")) {
    for (auto& order : (*orders)["orders"]) add(order["expression"]);
  }
}

void strip_places(Tree& node) {
  if (node.is_object()) {
    node.erase("query_location");
    if (node.contains("class")) node.erase("alias");
  }
  if (node.is_structured()) {
    for (auto& child : node) strip_places(child);
  }
}

// DuckDB writes the DOUBLE 1e0 as 1.0, which is a DECIMAL when it is read again, and a BOOLEAN constant as a cast.
void write_constants_as_casts(Tree& node) {
  if (text_field(node, "class") == "CONSTANT" && node.contains("value")) {
    const Tree& value = node["value"];
    const std::string type = value.contains("type") ? text_field(value["type"], "id") : "";
    const bool is_null = value.contains("is_null") && value["is_null"] == true;
    if (!is_null && value.contains("value") && (type == "DOUBLE" || type == "FLOAT" || type == "BOOLEAN")) {
      const std::string text = type == "BOOLEAN" ? (value["value"] == true ? "t" : "f") : dump_json(value["value"]);
      Tree child = node;
      child["value"] = Tree{{"type", {{"id", "VARCHAR"}, {"type_info", nullptr}}}, {"is_null", false}, {"value", text}};
      Tree type_tree{{"id", type}, {"type_info", nullptr}};
      child["alias"] = "";
      node = Tree{{"class", "CAST"},
                  {"type", "OPERATOR_CAST"},
                  {"alias", text_field(node, "alias")},
                  {"query_location", node.value("query_location", Tree(0))},
                  {"child", child},
                  {"cast_type", type_tree},
                  {"try_cast", false}};
      return;
    }
  }
  for (Tree* child : children_of(node)) write_constants_as_casts(*child);
}

Status no_sql(std::string what) { return {StatusCode::kInvalidArgument, "view.sql", std::move(what)}; }

}  // namespace

std::string text_field(const Tree& node, const char* key) {
  if (!node.is_object()) return {};
  const auto found = node.find(key);
  return found != node.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_default(const Tree& node, const char* key) {
  const auto found = node.find(key);
  if (found == node.end() || found->is_null()) return true;
  if (found->is_string()) return found->get_ref<const std::string&>().empty();
  if (found->is_boolean()) return !found->get<bool>();
  return found->is_structured() && found->empty();
}

std::vector<Tree*> children_of(Tree& node) {
  std::vector<Tree*> found;
  collect_children(node, found);
  return found;
}

std::vector<const Tree*> children_of(const Tree& node) {
  std::vector<const Tree*> found;
  for (Tree* child : children_of(const_cast<Tree&>(node))) found.push_back(child);  // NOLINT: read only
  return found;
}

std::string expression_key(const Tree& node) {
  Tree stripped = node;
  strip_places(stripped);
  return dump_json(stripped);
}

std::optional<std::size_t> location_of(const Tree& node) {
  constexpr auto kNone = static_cast<std::uint64_t>(-1);
  if (node.is_object()) {
    if (const auto found = node.find("query_location"); found != node.end() && found->is_number()) {
      if (const auto at = found->get<std::uint64_t>(); at != kNone) return at;
    }
  }
  std::optional<std::size_t> first;
  for (const Tree* child : children_of(node)) {
    const auto at = location_of(*child);
    if (at && (!first || *at < *first)) first = at;
  }
  return first;
}

std::string line_and_column(std::string_view sql, std::size_t offset) {
  const auto before = sql.substr(0, std::min(offset, sql.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const auto newline = before.rfind('\n');
  const auto in_line = before.substr(newline == std::string_view::npos ? 0 : newline + 1);
  const auto column = std::count_if(in_line.begin(), in_line.end(),
                                    [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
  return "line " + std::to_string(line) + ", column " + std::to_string(column + 1);
}

Result<Tree> SqlTrees::parse_document(std::string_view sql) {
  INLET_ASSIGN_OR_RETURN(const auto result,
                         connection_.query("SELECT json_serialize_sql(" + duck::quote_literal(sql) + ")"));
  if (result.rows() != 1 || result.is_null(0, 0))
    return Status(StatusCode::kInternal, "view.no_parse_tree", "DuckDB gave no parse tree for the view's SQL");
  return parse_json(result.text(0, 0));
}

Result<Tree> SqlTrees::parse(std::string_view sql) {
  INLET_ASSIGN_OR_RETURN(Tree document, parse_document(sql));
  if (!document.contains("error") || document["error"] != false) {
    if (text_field(document, "error_type") == "not implemented")
      return no_sql("the SQL is not a SELECT").because(text_field(document, "error_message"));
    const std::string position = text_field(document, "position");
    std::size_t at = 0;
    const bool has_place = std::from_chars(position.data(), position.data() + position.size(), at).ec == std::errc();
    return no_sql("the SQL does not parse")
        .because(text_field(document, "error_message"))
        .at(has_place ? line_and_column(sql, at) : "");
  }
  if (!document.contains("statements") || document["statements"].size() != 1)
    return no_sql("there is not exactly one statement").fix("write one SELECT");
  const Tree& statement = document["statements"][0];
  if (!is_default(statement, "named_param_map")) return no_sql("the SQL has parameters, and nobody gives them values");
  return statement["node"];
}

Result<Tree> SqlTrees::parse_expression(std::string_view expression) {
  INLET_ASSIGN_OR_RETURN(const Tree node, parse("SELECT " + std::string(expression)));
  return node["select_list"][0];
}

Result<std::string> SqlTrees::print_document(const Tree& document) {
  INLET_ASSIGN_OR_RETURN(const auto result, connection_.query("SELECT json_deserialize_sql(" +
                                                              duck::quote_literal(dump_json(document)) + ")"));
  if (result.rows() != 1 || result.is_null(0, 0))
    return Status(StatusCode::kInternal, "view.no_sql_text", "DuckDB gave no SQL text for a parse tree");
  return result.text(0, 0);
}

Result<Tree> SqlTrees::document_of(const Tree& expression) {
  if (!template_) {
    INLET_ASSIGN_OR_RETURN(template_, parse_document("SELECT 1"));
  }
  Tree document = *template_;
  Tree& item = document["statements"][0]["node"]["select_list"][0];
  item = expression;
  item["alias"] = "";
  return document;
}

Result<std::string> SqlTrees::to_sql(const Tree& expression) {
  Tree writable = expression;
  write_constants_as_casts(writable);
  INLET_ASSIGN_OR_RETURN(const Tree document, document_of(writable));
  INLET_ASSIGN_OR_RETURN(const std::string text, print_document(document));
  constexpr std::string_view kSelect = "SELECT ";
  if (!text.starts_with(kSelect))
    return Status(StatusCode::kInternal, "view.no_sql_text", "DuckDB wrote an expression as: " + text);
  std::string sql = text.substr(kSelect.size());
  INLET_ASSIGN_OR_RETURN(const Tree again, parse_expression(sql));
  if (expression_key(again) != expression_key(writable))
    return Status(StatusCode::kInvalidArgument, "view.not_maintainable",
                  "DuckDB does not write back as it reads: " + sql);
  return sql;
}

Result<std::string> SqlTrees::select_to_sql(const Tree& node) {
  if (!template_) {
    INLET_ASSIGN_OR_RETURN(template_, parse_document("SELECT 1"));
  }
  Tree document = *template_;
  document["statements"][0]["node"] = node;
  return print_document(document);
}

std::string SqlTrees::describe(const Tree& expression) {
  const auto document = document_of(expression);
  if (document) {
    const auto text = print_document(*document);
    if (text && text->starts_with("SELECT ")) return text->substr(7);
  }
  return text_field(expression, "type");
}

}  // namespace inlet::views
