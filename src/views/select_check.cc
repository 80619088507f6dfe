#include "views/select_check.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>

#include "views/allowed_functions.h"

namespace inlet::views {
namespace {

using Names = std::span<const std::string_view>;

bool is_one_of(Names names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The fields of an expression's class that are understood. Others must hold nothing.
struct ClassRule {
  std::string_view name;
  std::array<std::string_view, 7> fields;
};
constexpr std::array kClasses{
    ClassRule{"COLUMN_REF", {"column_names"}},
    ClassRule{"CONSTANT", {"value"}},
    ClassRule{"FUNCTION", {"function_name", "schema", "children", "filter", "order_bys", "distinct", "is_operator"}},
    ClassRule{"CASE", {"case_checks", "else_expr"}},
    ClassRule{"COMPARISON", {"left", "right"}},
    ClassRule{"CONJUNCTION", {"children"}},
    ClassRule{"OPERATOR", {"children"}},
    ClassRule{"BETWEEN", {"input", "lower", "upper"}},
    ClassRule{"CAST", {"child", "cast_type", "try_cast"}},
};
constexpr std::array<std::string_view, 4> kCommonFields{"class", "type", "alias", "query_location"};

constexpr std::array<std::string_view, 22> kExpressionTypes{"COLUMN_REF",
                                                            "VALUE_CONSTANT",
                                                            "FUNCTION",
                                                            "CASE_EXPR",
                                                            "OPERATOR_CAST",
                                                            "COMPARE_BETWEEN",
                                                            "COMPARE_EQUAL",
                                                            "COMPARE_NOTEQUAL",
                                                            "COMPARE_LESSTHAN",
                                                            "COMPARE_GREATERTHAN",
                                                            "COMPARE_LESSTHANOREQUALTO",
                                                            "COMPARE_GREATERTHANOREQUALTO",
                                                            "COMPARE_DISTINCT_FROM",
                                                            "COMPARE_NOT_DISTINCT_FROM",
                                                            "CONJUNCTION_AND",
                                                            "CONJUNCTION_OR",
                                                            "COMPARE_IN",
                                                            "COMPARE_NOT_IN",
                                                            "OPERATOR_NOT",
                                                            "OPERATOR_IS_NULL",
                                                            "OPERATOR_IS_NOT_NULL",
                                                            "OPERATOR_COALESCE"};

constexpr std::array<std::string_view, 21> kCastTypes{
    "BOOLEAN",  "TINYINT",     "SMALLINT",    "INTEGER", "BIGINT",    "HUGEINT",
    "UTINYINT", "USMALLINT",   "UINTEGER",    "UBIGINT", "FLOAT",     "DOUBLE",
    "DECIMAL",  "VARCHAR",     "DATE",        "TIME",    "TIMESTAMP", "TIMESTAMP WITH TIME ZONE",
    "INTERVAL", "TIMESTAMP_S", "TIMESTAMP_MS"};

// What people know the other classes as.
std::string_view common_name(std::string_view name) {
  if (name == "WINDOW") return "a window function looks at other rows than its group's";
  if (name == "SUBQUERY") return "a subquery is evaluated over all rows, not over a batch";
  if (name == "STAR") return "* stands for columns only in a view without aggregates";
  if (name == "COLLATE") return "a collation changes what is equal, and the state compares by bytes";
  if (name == "PARAMETER") return "a parameter has no value here";
  if (name == "LAMBDA") return "lists and JSON steps with -> are not on the list of what is understood";
  return "this kind of expression is not on the list of what is understood";
}

Status check_type(const Tree& type, const Tree& expression, const Refusal& refuse) {
  if (type.is_object() && is_one_of(kCastTypes, text_field(type, "id"))) {
    const bool is_plain = is_default(type, "type_info");
    if (is_plain) return Status::ok();
    const Tree& info = type["type_info"];
    if (text_field(info, "type") == "DECIMAL_TYPE_INFO" && is_default(info, "alias") &&
        is_default(info, "extension_info"))
      return Status::ok();
  }
  return refuse(expression, "the type is none that a view can compute with",
                "cast to BIGINT, INTEGER, DOUBLE, DECIMAL(p,s), VARCHAR, BOOLEAN, DATE or TIMESTAMPTZ");
}

Status check_orders(const Tree& function, const Refusal& refuse) {
  const auto found = function.find("order_bys");
  if (found == function.end() || found->is_null()) return Status::ok();
  for (const auto& [key, value] : found->items()) {
    if (key != "type" && key != "orders")
      return refuse(function, "its ORDER BY has a part that is not understood: " + key);
  }
  for (const auto& order : (*found)["orders"]) {
    for (const auto& [key, value] : order.items()) {
      if (key != "type" && key != "null_order" && key != "expression")
        return refuse(function, "its ORDER BY has a part that is not understood: " + key);
    }
  }
  return Status::ok();
}

Status check_function(const Tree& function, const Refusal& refuse) {
  const std::string name = text_field(function, "function_name");
  const std::string schema = text_field(function, "schema");
  if (!schema.empty() && schema != "main") return refuse(function, "functions of a schema are not understood");
  INLET_RETURN_IF_ERROR(check_orders(function, refuse));
  if (maintained_aggregate(name)) return Status::ok();
  if (is_volatile_function(name))
    return refuse(function, name + "() gives another value each time it is asked",
                  "compute from the event's columns, e.g. its event time");
  if (is_known_aggregate(name))
    return refuse(function, "the result of " + name + "() over all rows does not follow from its results over batches");
  if (!is_scalar_function(name))
    return refuse(function,
                  name + "() is not on the list of functions that are known to depend on their arguments only");
  const bool has_order = function.contains("order_bys") && !is_default(function["order_bys"], "orders");
  if (!is_default(function, "filter") || !is_default(function, "distinct") || has_order)
    return refuse(function, name + "() is no aggregate: DISTINCT, FILTER and ORDER BY have no meaning in it");
  return Status::ok();
}

Status check_fields(const Tree& expression, const Refusal& refuse) {
  const std::string name = text_field(expression, "class");
  const auto* rule = std::find_if(kClasses.begin(), kClasses.end(), [&](const auto& r) { return r.name == name; });
  if (rule == kClasses.end()) return refuse(expression, std::string(common_name(name)));
  if (!is_one_of(kExpressionTypes, text_field(expression, "type")) && name != "COLUMN_REF")
    return refuse(expression, text_field(expression, "type") + " is not on the list of what is understood");
  for (const auto& [key, value] : expression.items()) {
    if (is_one_of(kCommonFields, key) || is_one_of(rule->fields, key) || is_default(expression, key.c_str())) continue;
    return refuse(expression, "it has a part that is not understood: " + key);
  }
  if (name == "FUNCTION") return check_function(expression, refuse);
  if (name == "CAST") return check_type(expression["cast_type"], expression, refuse);
  if (name == "CONSTANT" && expression["value"]["is_null"] == false)
    return check_type(expression["value"]["type"], expression, refuse);
  return Status::ok();
}

Status check_optional(const Tree& node, const char* key, const Refusal& refuse) {
  return is_default(node, key) ? Status::ok() : check_expression(node[key], refuse);
}

Status check_modifiers(const Tree& modifiers, const Refusal& refuse) {
  for (const auto& modifier : modifiers) {
    const std::string type = text_field(modifier, "type");
    if (type == "ORDER_MODIFIER")
      return refuse.of_part("ORDER BY", "a table has no order", "leave it out, and sort where the table is read");
    if (type == "DISTINCT_MODIFIER")
      return refuse.of_part("SELECT DISTINCT", "rows are kept per group", "write GROUP BY ALL instead of DISTINCT");
    return refuse.of_part(type.starts_with("LIMIT") ? "LIMIT" : type,
                          "which rows are left out changes with every batch");
  }
  return Status::ok();
}

Status check_grouping(const Tree& node, const Refusal& refuse) {
  const Tree& sets = node["group_sets"];
  const std::size_t groups = node["group_expressions"].size();
  const bool is_plain = sets.empty() || (sets.size() == 1 && sets[0].size() == groups);
  if (!is_plain)
    return refuse.of_part("ROLLUP, CUBE or GROUPING SETS", "one view keeps one set of groups",
                          "write a view for each set of keys");
  const std::string handling = text_field(node, "aggregate_handling");
  if (handling != "STANDARD_HANDLING" && handling != "FORCE_AGGREGATES")
    return refuse.of_part(handling, "it is not on the list of what is understood");
  return Status::ok();
}

constexpr std::array<std::string_view, 9> kSelectFields{
    "type",       "select_list",        "from_table", "where_clause", "group_expressions",
    "group_sets", "aggregate_handling", "having",     "modifiers"};

Status check_select_fields(const Tree& node, const Refusal& refuse) {
  if (text_field(node, "type") != "SELECT_NODE")
    return refuse.of_part("a set operation (UNION, EXCEPT, INTERSECT) or WITH RECURSIVE", "a view is one SELECT",
                          "write a view for each SELECT");
  for (const auto& [key, value] : node.items()) {
    if (is_one_of(kSelectFields, key)) continue;
    if (key == "cte_map") {
      if (value.is_object() && value.size() == 1 && is_default(value, "map")) continue;
      return refuse.of_part("WITH", "a common table expression is evaluated over all rows, not over a batch");
    }
    if (is_default(node, key.c_str())) continue;
    if (key == "qualify") return refuse.of_part("QUALIFY", "a window function looks at other rows than its group's");
    if (key == "sample") return refuse.of_part("SAMPLE", "another run would pick other rows");
    return refuse.of_part(key, "it is not on the list of what is understood");
  }
  return Status::ok();
}

}  // namespace

Status check_expression(const Tree& expression, const Refusal& refuse) {
  INLET_RETURN_IF_ERROR(check_fields(expression, refuse));
  for (const Tree* child : children_of(expression)) INLET_RETURN_IF_ERROR(check_expression(*child, refuse));
  return Status::ok();
}

Status check_select(const Tree& node, const Refusal& refuse) {
  INLET_RETURN_IF_ERROR(check_select_fields(node, refuse));
  INLET_RETURN_IF_ERROR(check_modifiers(node["modifiers"], refuse));
  INLET_RETURN_IF_ERROR(check_grouping(node, refuse));
  for (const auto& item : node["select_list"]) {
    // A star at the top is expanded, or refused, when the columns are known.
    if (text_field(item, "class") != "STAR") INLET_RETURN_IF_ERROR(check_expression(item, refuse));
  }
  INLET_RETURN_IF_ERROR(check_optional(node, "where_clause", refuse));
  for (const auto& group : node["group_expressions"]) INLET_RETURN_IF_ERROR(check_expression(group, refuse));
  return check_optional(node, "having", refuse);
}

}  // namespace inlet::views
