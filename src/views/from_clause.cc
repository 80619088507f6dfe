#include "views/from_clause.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/letter_case.h"
#include "views/select_check.h"

namespace inlet::views {
namespace {

constexpr std::string_view kJoinFix = "write FROM the bronze table, then JOIN or LEFT JOIN a dimension ON …";

// Fields of a table or join that hold something, and are not among `known`.
Status check_fields(const Tree& table, std::initializer_list<std::string_view> known, const Refusal& refuse) {
  for (const auto& [key, value] : table.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end() || is_default(table, key.c_str())) continue;
    if (key == "at_clause")
      return refuse.of_part("AT (…)", "a view follows the table's newest version", "leave it out");
    if (key == "sample") return refuse.of_part("TABLESAMPLE", "another run would pick other rows");
    return refuse.of_part("this FROM clause", "it has a part that is not understood: " + key);
  }
  return Status::ok();
}

class Reader {
 public:
  Reader(const PlannerInput& input, const Refusal& refuse, SqlTrees& trees)
      : input_(input), refuse_(refuse), trees_(trees), bronze_(lake_table_name(input.bronze_table)) {
    clause_.schema = bronze_.schema;
  }

  Result<FromClause> read(const Tree& from) {
    clause_.tree = from;
    INLET_RETURN_IF_ERROR(read_table(clause_.tree));
    return std::move(clause_);
  }

 private:
  Status read_table(Tree& table) {
    const std::string type = text_field(table, "type");
    if (type == "BASE_TABLE") return clause_.relations.empty() ? read_bronze(table) : read_dimension(table);
    if (type == "JOIN") return read_join(table);
    if (type == "EMPTY")
      return refuse_.of_part("a SELECT without FROM", "nothing flows into it", std::string(kJoinFix));
    if (type == "TABLE_FUNCTION")
      return refuse_.of_part("a table function in FROM", "only the bronze table and dimensions are read",
                             "declare the file as a [[dimension]], and join that");
    return refuse_.of_part("a subquery in FROM", "it is evaluated over all rows, not over a batch");
  }

  static std::string alias_of(const Tree& table) {
    const std::string alias = text_field(table, "alias");
    return alias.empty() ? text_field(table, "table_name") : alias;
  }

  Status read_bronze(Tree& table) {
    INLET_RETURN_IF_ERROR(check_base_table(table));
    const std::string schema = text_field(table, "schema_name");
    const bool is_bronze = equal_ignoring_case(text_field(table, "table_name"), bronze_.name) &&
                           (schema.empty() || equal_ignoring_case(schema, bronze_.schema));
    if (!is_bronze)
      return refuse_.with_id("view.not_maintainable", "it reads " + qualified_name(table), nullptr,
                             "a view is kept from the events of " + bronze_.schema + "." + bronze_.name,
                             "read FROM " + bronze_.schema + "." + bronze_.name + "; dimensions are joined to it");
    const std::string alias = alias_of(table);
    table["alias"] = alias;
    table["schema_name"] = "";
    table["table_name"] = "inlet_source";
    clause_.relations.push_back({alias, input_.events});
    clause_.sql = "inlet_source AS " + duck::quote_identifier(alias);
    return Status::ok();
  }

  Status read_dimension(Tree& table) {
    INLET_RETURN_IF_ERROR(check_base_table(table));
    const std::string name = text_field(table, "table_name");
    const auto found = std::find_if(input_.dimensions.begin(), input_.dimensions.end(),
                                    [&](const Dimension& d) { return equal_ignoring_case(d.name, name); });
    if (!text_field(table, "schema_name").empty() || found == input_.dimensions.end())
      return refuse_.with_id("view.not_maintainable", "it joins " + qualified_name(table), nullptr,
                             "only dimensions of the pipeline file are joined to the events",
                             "declare it: [[dimension]] name = \"" + name + "\", or write refresh = \"30s\"");
    const std::string alias = alias_of(table);
    table["alias"] = alias;
    table["schema_name"] = "inlet_dimensions";
    table["table_name"] = found->name;
    clause_.relations.push_back({alias, found->schema});
    clause_.sql += "inlet_dimensions." + duck::quote_identifier(found->name) + " AS " + duck::quote_identifier(alias);
    return Status::ok();
  }

  Status check_base_table(const Tree& table) {
    return check_fields(table, {"type", "alias", "query_location", "schema_name", "table_name"}, refuse_);
  }

  Status read_join(Tree& join) {
    INLET_RETURN_IF_ERROR(check_fields(
        join, {"type", "query_location", "left", "right", "condition", "join_type", "ref_type", "using_columns"},
        refuse_));
    const std::string type = text_field(join, "join_type");
    const std::string reference = text_field(join, "ref_type");
    if (!is_default(join, "using_columns") || reference == "NATURAL")
      return refuse_.of_part("JOIN … USING or NATURAL JOIN", "columns are matched by an explicit condition",
                             "write ON a.x = b.x");
    if (reference != "REGULAR" || (type != "INNER" && type != "LEFT") || is_default(join, "condition"))
      return refuse_.of_part("a " + type + " join (" + reference + ")",
                             "each event must meet its dimension rows alone: JOIN and LEFT JOIN … ON do",
                             std::string(kJoinFix));
    INLET_RETURN_IF_ERROR(read_table(join["left"]));
    if (text_field(join["right"], "type") != "BASE_TABLE")
      return refuse_.of_part("a nested join", "dimensions are joined to the events one after the other",
                             std::string(kJoinFix));
    clause_.sql += type == "LEFT" ? " LEFT JOIN " : " INNER JOIN ";
    INLET_RETURN_IF_ERROR(read_table(join["right"]));
    Tree& condition = join["condition"];
    INLET_RETURN_IF_ERROR(check_expression(condition, refuse_));
    clause_.qualify(condition);
    INLET_ASSIGN_OR_RETURN(const std::string text, trees_.to_sql(condition));
    clause_.sql += " ON (" + text + ")";
    return Status::ok();
  }

  static std::string qualified_name(const Tree& table) {
    const std::string schema = text_field(table, "schema_name");
    return (schema.empty() ? "" : schema + ".") + text_field(table, "table_name");
  }

  const PlannerInput& input_;
  const Refusal& refuse_;
  SqlTrees& trees_;
  LakeTableName bronze_;
  FromClause clause_;
};

}  // namespace

LakeTableName lake_table_name(std::string_view table) {
  const auto slash = table.rfind('/');
  if (slash == std::string_view::npos) return {"", std::string(table)};
  return {std::string(table.substr(0, slash)), std::string(table.substr(slash + 1))};
}

void FromClause::qualify(Tree& expression) const {
  if (text_field(expression, "class") != "COLUMN_REF") {
    for (Tree* child : children_of(expression)) qualify(*child);
    return;
  }
  std::vector<std::string> names = expression["column_names"].get<std::vector<std::string>>();
  if (names.size() == 3 && equal_ignoring_case(names[0], schema)) names.erase(names.begin());
  if (names.empty() || names.size() > 2) return;
  const Relation* owner = nullptr;
  const Column* column = nullptr;
  for (const auto& relation : relations) {
    if (names.size() == 2 && !equal_ignoring_case(names[0], relation.alias)) continue;
    for (const auto& candidate : relation.schema.columns) {
      if (!equal_ignoring_case(candidate.name, names.back())) continue;
      if (owner != nullptr) return;  // ambiguous: DuckDB says so better
      owner = &relation;
      column = &candidate;
    }
  }
  if (owner != nullptr) expression["column_names"] = {owner->alias, column->name};
}

Result<FromClause> read_from_clause(const Tree& from, const PlannerInput& input, const Refusal& refuse,
                                    SqlTrees& trees) {
  return Reader(input, refuse, trees).read(from);
}

std::string empty_source(const Schema& schema) {
  std::string columns;
  for (const auto& column : schema.columns) {
    columns += columns.empty() ? "" : ", ";
    columns += "CAST(NULL AS " + column.type.to_duckdb() + ") AS " + duck::quote_identifier(column.name);
  }
  if (columns.empty()) columns = "NULL AS inlet_nothing";
  return "WITH inlet_source AS NOT MATERIALIZED (SELECT " + columns + " WHERE false) ";
}

}  // namespace inlet::views
