#include "views/view_query.h"

#include <algorithm>
#include <utility>

#include "base/letter_case.h"
#include "views/allowed_functions.h"
#include "views/output_columns.h"
#include "views/select_check.h"

namespace inlet::views {
namespace {

bool is_aggregate_call(const Tree& node) {
  return text_field(node, "class") == "FUNCTION" && maintained_aggregate(text_field(node, "function_name")).has_value();
}

// The name of an unqualified reference; empty for anything else.
std::string plain_name(const Tree& node) {
  if (text_field(node, "class") != "COLUMN_REF" || node["column_names"].size() != 1) return {};
  return node["column_names"][0].get<std::string>();
}

// "main.date_part(…)", which EXTRACT gives, and date_part(…) are one function.
void forget_default_schema(Tree& node) {
  if (text_field(node, "schema") == "main") node["schema"] = "";
  for (Tree* child : children_of(node)) forget_default_schema(*child);
}

// bronze.ventes_stream.client_id → ventes_stream.client_id, in the whole tree: the schema is gone from FROM.
void forget_bronze_schema(Tree& node, const std::string& schema) {
  if (text_field(node, "class") == "COLUMN_REF") {
    Tree& names = node["column_names"];
    if (names.size() == 3 && equal_ignoring_case(names[0].get<std::string>(), schema)) names.erase(names.begin());
  }
  if (node.is_structured()) {
    for (auto& child : node) forget_bronze_schema(child, schema);
  }
}

class Resolver {
 public:
  Resolver(const Tree& node, const Refusal& refuse, SqlTrees& trees) : node_(node), refuse_(refuse), trees_(trees) {}

  Result<ViewQuery> resolve(FromClause from) {
    query_.from = std::move(from);
    INLET_RETURN_IF_ERROR(read_items());
    INLET_RETURN_IF_ERROR(read_where());
    INLET_RETURN_IF_ERROR(read_groups());
    INLET_RETURN_IF_ERROR(read_having());
    const bool has_aggregates = std::any_of(query_.items.begin(), query_.items.end(),
                                            [](const SelectItem& i) { return has_aggregate(i.expression); });
    query_.is_aggregate =
        has_aggregates || query_.having || !query_.groups.empty() || !node_["group_sets"].empty() || is_group_by_all();
    return std::move(query_);
  }

 private:
  bool is_group_by_all() const { return text_field(node_, "aggregate_handling") == "FORCE_AGGREGATES"; }

  // As DuckDB does everywhere but in HAVING: a column wins over an alias.
  void resolve_expression(Tree& expression, std::size_t aliases) const {
    query_.from.qualify(expression);
    replace_aliases(expression, aliases);
  }

  void replace_aliases(Tree& expression, std::size_t aliases) const {
    const std::string name = plain_name(expression);
    if (name.empty()) {
      for (Tree* child : children_of(expression)) replace_aliases(*child, aliases);
      return;
    }
    for (std::size_t i = 0; i < aliases; ++i) {
      if (!equal_ignoring_case(query_.items[i].name, name)) continue;
      expression = query_.items[i].expression;
      return;
    }
  }

  Status check_resolved(const Tree& expression) const {
    if (text_field(expression, "class") == "COLUMN_REF" && expression["column_names"].size() != 2)
      return refuse_(expression, "it is no column of the events or of a dimension joined to them",
                     "name a column; what the clock or the session says cannot be kept");
    for (const Tree* child : children_of(expression)) INLET_RETURN_IF_ERROR(check_resolved(*child));
    return Status::ok();
  }

  Status read_items() {
    for (const auto& item : node_["select_list"]) {
      if (text_field(item, "class") == "STAR") {
        INLET_RETURN_IF_ERROR(expand_star(item));
        continue;
      }
      SelectItem read{text_field(item, "alias"), item};
      read.expression["alias"] = "";
      forget_default_schema(read.expression);
      resolve_expression(read.expression, query_.items.size());
      INLET_RETURN_IF_ERROR(check_resolved(read.expression));
      if (read.name.empty() && text_field(item, "class") == "COLUMN_REF")
        read.name = read.expression["column_names"].back().get<std::string>();
      if (read.name.empty())
        return refuse_.with_id("view.output_name", trees_.describe(item) + " has no name", &item,
                               "a table's column needs one", "give it a name: … AS name");
      query_.items.push_back(std::move(read));
    }
    return Status::ok();
  }

  Status expand_star(const Tree& star) {
    for (const auto& [key, value] : star.items()) {
      const bool is_known = key == "class" || key == "type" || key == "query_location" || key == "relation_name";
      if (!is_known && !is_default(star, key.c_str()))
        return refuse_(star, "only the plain * is expanded", "name the columns");
    }
    const std::string relation_name = text_field(star, "relation_name");
    const bool groups = !node_["group_sets"].empty() || is_group_by_all() || !is_default(node_, "having");
    const bool aggregates = std::any_of(node_["select_list"].begin(), node_["select_list"].end(),
                                        [](const Tree& item) { return has_aggregate(item); });
    if (groups || aggregates)
      return refuse_(star, "* stands for columns only in a view without aggregates", "name the columns");
    for (const auto& relation : query_.from.relations) {
      if (!relation_name.empty() && !equal_ignoring_case(relation.alias, relation_name)) continue;
      for (const auto& column : relation.schema.columns)
        query_.items.push_back({column.name, column_reference(relation.alias, column.name)});
    }
    return Status::ok();
  }

  static Tree column_reference(const std::string& relation, const std::string& column) {
    return Tree{{"class", "COLUMN_REF"},
                {"type", "COLUMN_REF"},
                {"alias", ""},
                {"query_location", static_cast<std::uint64_t>(-1)},
                {"column_names", {relation, column}}};
  }

  Status read_where() {
    if (is_default(node_, "where_clause")) return Status::ok();
    Tree where = node_["where_clause"];
    forget_default_schema(where);
    resolve_expression(where, query_.items.size());
    INLET_RETURN_IF_ERROR(check_resolved(where));
    query_.where = std::move(where);
    return Status::ok();
  }

  Status add_group(Tree group) {
    INLET_RETURN_IF_ERROR(check_resolved(group));
    const std::string key = expression_key(group);
    const bool is_known = std::any_of(query_.groups.begin(), query_.groups.end(),
                                      [&](const Tree& known) { return expression_key(known) == key; });
    if (!is_known) query_.groups.push_back(std::move(group));
    return Status::ok();
  }

  static bool has_column(const Tree& expression) {
    const auto children = children_of(expression);
    return text_field(expression, "class") == "COLUMN_REF" ||
           std::any_of(children.begin(), children.end(), [](const Tree* child) { return has_column(*child); });
  }

  Status read_groups() {
    if (is_group_by_all()) {
      for (const auto& item : query_.items) {
        if (!has_aggregate(item.expression) && has_column(item.expression))
          INLET_RETURN_IF_ERROR(add_group(item.expression));
      }
      return Status::ok();
    }
    for (const auto& written : node_["group_expressions"]) {
      Tree group = written;
      group["alias"] = "";
      if (text_field(group, "class") == "CONSTANT") {
        // DuckDB has bound it: a constant here is the position of an item.
        const Tree& value = group["value"]["value"];
        const bool is_position = text_field(group["value"]["type"], "id") == "INTEGER" && value.is_number_integer();
        if (!is_position) return refuse_(group, "a constant is no key", "leave it out");
        const auto position = value.get<std::int64_t>();
        if (position < 1 || position > static_cast<std::int64_t>(query_.items.size()))
          return refuse_(group, "there is no such position in the SELECT list", "name the key");
        group = query_.items[static_cast<std::size_t>(position - 1)].expression;
      } else {
        forget_default_schema(group);
        resolve_expression(group, query_.items.size());
      }
      INLET_RETURN_IF_ERROR(add_group(std::move(group)));
    }
    return Status::ok();
  }

  bool is_group(const Tree& qualified) const {
    const std::string key = expression_key(qualified);
    return std::any_of(query_.groups.begin(), query_.groups.end(),
                       [&](const Tree& group) { return expression_key(group) == key; });
  }

  bool names_a_column_that_is_no_key(const Tree& expression) const {
    if (is_aggregate_call(expression)) return false;
    if (text_field(expression, "class") == "COLUMN_REF") {
      Tree qualified = expression;
      query_.from.qualify(qualified);
      const std::string name = plain_name(expression);
      return !is_group(qualified) && std::none_of(query_.items.begin(), query_.items.end(), [&](const auto& item) {
        return equal_ignoring_case(item.name, name);
      });
    }
    const auto children = children_of(expression);
    return std::any_of(children.begin(), children.end(),
                       [&](const Tree* child) { return names_a_column_that_is_no_key(*child); });
  }

  // As DuckDB's HAVING: a group key first, then an alias, and only inside an aggregate a column.
  void resolve_having(Tree& expression) const {
    Tree qualified = expression;
    query_.from.qualify(qualified);
    if (is_group(qualified) || is_aggregate_call(expression)) {
      expression = std::move(qualified);
      return;
    }
    const std::string name = plain_name(expression);
    if (name.empty()) {
      for (Tree* child : children_of(expression)) resolve_having(*child);
      if (text_field(expression, "class") == "COLUMN_REF") expression = std::move(qualified);
      return;
    }
    replace_aliases(expression, query_.items.size());
    query_.from.qualify(expression);
  }

  Status read_having() {
    if (is_default(node_, "having")) return Status::ok();
    Tree having = node_["having"];
    forget_default_schema(having);
    if (is_group_by_all() && names_a_column_that_is_no_key(having))
      return refuse_(having, "under GROUP BY ALL a column that HAVING names becomes a key",
                     "name the keys in GROUP BY");
    resolve_having(having);
    INLET_RETURN_IF_ERROR(check_resolved(having));
    query_.having = std::move(having);
    return Status::ok();
  }

  const Tree& node_;
  const Refusal& refuse_;
  SqlTrees& trees_;
  ViewQuery query_;
};

}  // namespace

bool has_aggregate(const Tree& expression) {
  if (is_aggregate_call(expression)) return true;
  const auto children = children_of(expression);
  return std::any_of(children.begin(), children.end(), [](const Tree* child) { return has_aggregate(*child); });
}

Result<ViewQuery> read_view_query(duck::Connection& connection, const Tree& node, const PlannerInput& input,
                                  const Refusal& refuse, SqlTrees& trees) {
  INLET_RETURN_IF_ERROR(check_select(node, refuse));
  INLET_ASSIGN_OR_RETURN(FromClause from, read_from_clause(node["from_table"], input, refuse, trees));
  // DuckDB's own word on the SQL comes before ours: a misspelt column is no question of maintenance.
  Tree bindable = node;
  bindable["from_table"] = from.tree;
  forget_bronze_schema(bindable, from.schema);
  INLET_ASSIGN_OR_RETURN(const std::string sql, trees.select_to_sql(bindable));
  if (const auto bound = describe_columns(connection, empty_source(input.events), sql); !bound)
    return refuse.sql(bound.status());
  return Resolver(node, refuse, trees).resolve(std::move(from));
}

}  // namespace inlet::views
