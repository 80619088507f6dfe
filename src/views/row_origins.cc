#include "views/row_origins.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/letter_case.h"
#include "views/output_columns.h"
#include "views/select_check.h"

namespace inlet::views {
namespace {

bool is_group_by_all(const Tree& node) { return text_field(node, "aggregate_handling") == "FORCE_AGGREGATES"; }

// The same SELECT without what only picks among the groups, or among the rows, it has: the events of those that are
// left are the same. Nullopt: more than that depends on what is not understood.
Result<std::optional<Tree>> without_choice(const Tree& node, const Refusal& refuse, SqlTrees& trees) {
  Tree plain = node;
  const bool has_groups = !is_default(node, "group_expressions");
  bool is_changed = !is_default(node, "having");
  if (has_groups || is_group_by_all(node)) plain["having"] = nullptr;
  for (const char* key : {"qualify", "modifiers"}) {
    if (!is_default(node, key)) plain[key] = node[key].is_array() ? Tree::array() : Tree(nullptr);
  }
  for (auto& item : plain["select_list"]) {
    if (text_field(item, "class") == "STAR" || check_expression(item, refuse).is_ok()) continue;
    // median(x), say: no key, and nothing that says which events there are.
    if (!has_groups) return std::optional<Tree>();
    is_changed = true;
    INLET_ASSIGN_OR_RETURN(Tree count, trees.parse_expression("count(*)"));
    count["alias"] = text_field(item, "alias");
    item = std::move(count);
  }
  // What is left out may be a key of its own there.
  if (is_changed && is_group_by_all(node)) return std::optional<Tree>();
  return std::optional<Tree>(std::move(plain));
}

// "a AS k0, b AS k1" grows by one.
void add_key(std::string& keys, RowOrigins& origins, const std::string& sql, const std::string& column) {
  keys += keys.empty() ? "" : ", ";
  keys += sql;
  keys += " AS k" + std::to_string(origins.event_columns.size());
  origins.event_columns.push_back(column);
}

class Recomputed {
 public:
  Recomputed(duck::Connection& connection, const PlannerInput& input, const std::vector<OutputColumn>& output,
             const ViewQuery& query, SqlTrees& trees)
      : connection_(connection), input_(input), output_(output), query_(query), trees_(trees) {}

  Result<RowOrigins> plan() {
    origins_.repeats = query_.from.relations.size() > 1;
    origins_.shown.resize(output_.size());
    std::string where;
    if (query_.where) {
      INLET_ASSIGN_OR_RETURN(where, trees_.to_sql(*query_.where));
    }
    INLET_RETURN_IF_ERROR(query_.is_aggregate ? add_groups() : add_items());
    origins_.sql = origins_sql(query_.from, keys_, where);
    return std::move(origins_);
  }

 private:
  Result<std::string> type_of(const std::string& sql) {
    INLET_ASSIGN_OR_RETURN(const auto columns, describe_columns(connection_, empty_source(input_.events),
                                                                "SELECT " + sql + " AS x FROM " + query_.from.sql));
    return columns.front().type;
  }

  Status add_groups() {
    for (const auto& group : query_.groups) {
      INLET_ASSIGN_OR_RETURN(const std::string sql, trees_.to_sql(group));
      INLET_ASSIGN_OR_RETURN(const std::string type, type_of(sql));
      const auto stored = stored_type(type);
      if (!stored) continue;
      const std::string group_key = expression_key(group);
      for (std::size_t i = 0; i < output_.size(); ++i) {
        if (expression_key(query_.items[i].expression) == group_key && *stored == output_[i].column.type)
          origins_.shown[i] = origins_.event_columns.size();
      }
      add_key(keys_, origins_, cast_to(without_negative_zero(sql, type), type, *stored),
              event_column(query_.from, group));
    }
    return Status::ok();
  }

  Status add_items() {
    for (std::size_t i = 0; i < output_.size(); ++i) {
      INLET_ASSIGN_OR_RETURN(const std::string sql, trees_.to_sql(query_.items[i].expression));
      INLET_ASSIGN_OR_RETURN(const std::string type, type_of(sql));
      origins_.shown[i] = i;
      add_key(keys_, origins_, cast_to(sql, type, output_[i].column.type),
              event_column(query_.from, query_.items[i].expression));
    }
    return Status::ok();
  }

  duck::Connection& connection_;
  const PlannerInput& input_;
  const std::vector<OutputColumn>& output_;
  const ViewQuery& query_;
  SqlTrees& trees_;
  RowOrigins origins_;
  std::string keys_;
};

Result<RowOrigins> plan_recomputed(duck::Connection& connection, const Tree& node, const PlannerInput& input,
                                   const std::vector<OutputColumn>& output, const Refusal& refuse, SqlTrees& trees) {
  INLET_ASSIGN_OR_RETURN(const auto plain, without_choice(node, refuse, trees));
  if (!plain) return RowOrigins{};
  INLET_ASSIGN_OR_RETURN(const ViewQuery query, read_view_query(connection, *plain, input, refuse, trees));
  if (query.items.size() != output.size()) return RowOrigins{};
  return Recomputed(connection, input, output, query, trees).plan();
}

}  // namespace

std::string origins_file_column(const Schema& events) {
  std::string name = "inlet_file";
  const auto is_taken = [&](const Column& column) { return equal_ignoring_case(column.name, name); };
  while (std::any_of(events.columns.begin(), events.columns.end(), is_taken)) name += "_";
  return name;
}

std::string origins_sql(const FromClause& from, std::string_view keys, std::string_view where) {
  const std::string event = duck::quote_identifier(from.events().alias) + ".";
  std::string sql = "SELECT ";
  sql += keys;
  sql += keys.empty() ? "" : ", ";
  for (const char* name : {"_source", "_partition", "_offset"}) sql += event + name + " AS " + name + ", ";
  sql += event + origins_file_column(from.events().schema) + " AS _file FROM " + from.sql;
  if (!where.empty()) {
    sql += " WHERE ";
    sql += where;
  }
  return sql;
}

bool may_hold(const std::map<std::string, std::optional<std::string>>& partition_values,
              const std::string& event_column, const ColumnType& type, const std::optional<std::string>& value) {
  const auto found = partition_values.find(event_column);
  // Other types than text have more than one text for a value.
  if (found == partition_values.end() || type.kind != TypeKind::kVarchar || (value && value->empty())) return true;
  const bool is_null = !found->second || found->second->empty();
  return is_null ? !value.has_value() : found->second == value;
}

std::string event_column(const FromClause& from, const Tree& expression) {
  if (text_field(expression, "class") != "COLUMN_REF") return {};
  const auto names = expression["column_names"].get<std::vector<std::string>>();
  return names.size() == 2 && names[0] == from.events().alias ? names[1] : std::string();
}

RowOrigins origins_of_recomputed(duck::Connection& connection, const Tree& node, const PlannerInput& input,
                                 const std::vector<OutputColumn>& output, const Refusal& refuse, SqlTrees& trees) {
  // Such a view may hold any SQL: what is not as expected is only not understood.
  try {
    auto origins = plan_recomputed(connection, node, input, output, refuse, trees);
    if (origins.is_ok()) return std::move(*origins);
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
  }
  return {};
}

}  // namespace inlet::views
