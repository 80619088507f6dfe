#include "views/recompute_plan.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/letter_case.h"
#include "views/allowed_functions.h"
#include "views/from_clause.h"
#include "views/output_columns.h"
#include "views/row_origins.h"

namespace inlet::views {
namespace {

constexpr std::array<std::string_view, 3> kTableFunctions{"range", "generate_series", "unnest"};
constexpr std::array<std::string_view, 6> kTables{"BASE_TABLE",     "JOIN",  "SUBQUERY",
                                                  "TABLE_FUNCTION", "EMPTY", "EXPRESSION_LIST"};

class Rewriter {
 public:
  Rewriter(duck::Connection& connection, const PlannerInput& input, const Refusal& refuse)
      : connection_(connection), input_(input), refuse_(refuse), bronze_(lake_table_name(input.bronze_table)) {}

  Status rewrite(Tree& node) {
    INLET_RETURN_IF_ERROR(read_volatile_functions());
    collect_names(node);
    return walk(node);
  }

 private:
  // DuckDB's own word on what is volatile, beside our list: macros and what reads the session are on that only.
  Status read_volatile_functions() {
    INLET_ASSIGN_OR_RETURN(
        const auto result,
        connection_.query("SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE stability IN "
                          "('VOLATILE', 'CONSISTENT_WITHIN_QUERY')"));
    for (std::size_t row = 0; row < result.rows(); ++row) volatile_.insert(result.text(row, 0));
    return Status::ok();
  }

  void collect_names(const Tree& node) {
    if (node.is_object()) {
      if (const auto map = node.find("cte_map"); map != node.end() && map->is_object() && map->contains("map")) {
        for (const auto& entry : (*map)["map"]) common_tables_.insert(lower_case(text_field(entry, "key")));
      }
      if (const std::string name = text_field(node, "cte_name"); !name.empty()) common_tables_.insert(lower_case(name));
    }
    if (node.is_structured()) {
      for (const auto& child : node) collect_names(child);
    }
  }

  Status walk(Tree& node) {
    if (node.is_object()) INLET_RETURN_IF_ERROR(look_at(node));
    if (node.is_structured()) {
      for (auto& child : node) INLET_RETURN_IF_ERROR(walk(child));
    }
    return Status::ok();
  }

  Status look_at(Tree& node) {
    const std::string kind = text_field(node, "class");
    const std::string type = text_field(node, "type");
    if (kind == "FUNCTION" || kind == "WINDOW")
      return check_function(node, lower_case(text_field(node, "function_name")));
    if (kind == "COLUMN_REF") return check_column(node);
    if (kind == "PARAMETER") return refuse_(node, "a parameter has no value here", "write the value");
    if (!is_default(node, "sample"))
      return refuse_.of_part("SAMPLE", "another run would pick other rows", "leave it out");
    const bool is_table = kind.empty() && node.contains("alias") && node.contains("sample");
    if (!is_table) return Status::ok();
    if (std::find(kTables.begin(), kTables.end(), type) == kTables.end())
      return refuse_.of_part(type + " in FROM", "it is not on the list of what is understood", "write it as a SELECT");
    if (type == "TABLE_FUNCTION") return check_table_function(node);
    return type == "BASE_TABLE" ? name_table(node) : Status::ok();
  }

  Status check_function(const Tree& node, const std::string& name) const {
    if (!volatile_.contains(name) && !is_volatile_function(name)) return Status::ok();
    return refuse_(node, name + "() gives another value each time it is asked, so that no two runs agree",
                   "compute from the event's columns, e.g. its event time");
  }

  // current_date and its kin are written as columns, and are no column of what is read.
  Status check_column(const Tree& node) const {
    if (node["column_names"].size() != 1) return Status::ok();
    const std::string name = lower_case(node["column_names"][0].get<std::string>());
    const auto has_column = [&](const Schema& schema) {
      return std::any_of(schema.columns.begin(), schema.columns.end(),
                         [&](const Column& column) { return equal_ignoring_case(column.name, name); });
    };
    const bool is_column = has_column(input_.events) ||
                           std::any_of(input_.dimensions.begin(), input_.dimensions.end(),
                                       [&](const Dimension& dimension) { return has_column(dimension.schema); });
    return is_column || !is_session_keyword(name) ? Status::ok() : check_function(node, name);
  }

  Status check_table_function(const Tree& node) const {
    const auto function = node.find("function");
    const std::string name = function == node.end() ? "" : lower_case(text_field(*function, "function_name"));
    if (std::find(kTableFunctions.begin(), kTableFunctions.end(), name) != kTableFunctions.end()) return Status::ok();
    return refuse_.of_part("the table function " + name + "()", "a view reads the events and the dimensions only",
                           "declare the file as a [[dimension]], and read that");
  }

  Status name_table(Tree& table) const {
    const std::string schema = text_field(table, "schema_name");
    const std::string name = text_field(table, "table_name");
    if (!is_default(table, "at_clause"))
      return refuse_.of_part("AT (…)", "a view follows the table's newest version", "leave it out");
    if (schema.empty() && common_tables_.contains(lower_case(name))) return Status::ok();
    const bool has_alias = !is_default(table, "alias");
    const auto dimension = std::find_if(input_.dimensions.begin(), input_.dimensions.end(),
                                        [&](const Dimension& d) { return equal_ignoring_case(d.name, name); });
    const bool is_bronze =
        equal_ignoring_case(name, bronze_.name) && (schema.empty() || equal_ignoring_case(schema, bronze_.schema));
    if (!is_bronze && (!schema.empty() || dimension == input_.dimensions.end()))
      return refuse_.with_id(
          "view.not_maintainable", "it reads " + (schema.empty() ? "" : schema + ".") + name, nullptr,
          "a view reads the events of " + bronze_.schema + "." + bronze_.name + " and the dimensions",
          "read one of those");
    if (!has_alias) table["alias"] = name;
    table["schema_name"] = is_bronze ? "" : "inlet_dimensions";
    table["table_name"] = is_bronze ? "inlet_source" : dimension->name;
    return Status::ok();
  }

  duck::Connection& connection_;
  const PlannerInput& input_;
  const Refusal& refuse_;
  LakeTableName bronze_;
  std::set<std::string> volatile_;
  std::set<std::string> common_tables_;
};

}  // namespace

Result<ViewPlan> plan_recomputed_view(duck::Connection& connection, const Tree& node, const PlannerInput& input,
                                      const Refusal& refuse, SqlTrees& trees) {
  Tree rewritten = node;
  INLET_RETURN_IF_ERROR(Rewriter(connection, input, refuse).rewrite(rewritten));
  INLET_ASSIGN_OR_RETURN(const std::string query, trees.select_to_sql(rewritten));
  const auto described = describe_columns(connection, empty_source(input.events), "SELECT * FROM (" + query + ")");
  if (!described) return refuse.sql(described.status());
  // Columns that are named twice come with a number behind the name, as DuckDB names them in any subquery.
  std::vector<std::string> names;
  for (const auto& column : *described) names.push_back(column.name);
  INLET_RETURN_IF_ERROR(check_output_names(names, refuse));

  ViewPlan plan;
  plan.kind = ViewPlan::Kind::kRecompute;
  std::string list;
  for (const auto& column : *described) {
    const auto type = published_type(column.type);
    if (!type) return refuse_output_type(column.name, column.type, nullptr, refuse);
    const std::string name = duck::quote_identifier(column.name);
    list += (list.empty() ? "" : ", ") + cast_to(name, column.type, *type) + " AS " + name;
    plan.output.push_back({{column.name, *type}, /*is_exact=*/type->kind != TypeKind::kDouble, std::nullopt});
  }
  plan.reference_sql = "SELECT " + list + " FROM (" + query + ") AS recomputed";
  plan.origins = origins_of_recomputed(connection, node, input, plan.output, refuse, trees);
  return plan;
}

}  // namespace inlet::views
