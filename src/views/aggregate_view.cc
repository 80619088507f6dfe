#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/format.h"
#include "views/aggregate_plan.h"
#include "views/allowed_functions.h"
#include "views/maintained_plan.h"
#include "views/output_columns.h"
#include "views/row_origins.h"

namespace inlet::views {
namespace {

struct Key {
  std::string tree_key;   // how its occurrences are found
  std::string event_sql;  // over the events, its own type
  std::string state_sql;  // over the events, the type it is kept in
  std::string final_sql;  // over the state, its own type again
  ColumnType type;        // it is kept in
  Tree event_tree;
  Tree final_tree;
};

// Functions that change little where their argument changes little.
constexpr std::array<std::string_view, 19> kContinuous{"+",   "-",   "*",     "/",        "abs",   "sqrt", "cbrt",
                                                       "exp", "ln",  "log",   "log10",    "log2",  "pow",  "power",
                                                       "sin", "cos", "least", "greatest", "nullif"};

class Assembler {
 public:
  Assembler(duck::Connection& connection, const PlannerInput& input, const ViewQuery& query, const Refusal& refuse,
            SqlTrees& trees)
      : connection_(connection),
        input_(input),
        query_(query),
        refuse_(refuse),
        trees_(trees),
        aggregates_(connection, input, query, refuse, trees) {}

  Result<ViewPlan> assemble() {
    plan_.kind = ViewPlan::Kind::kAggregate;
    if (query_.where) {
      INLET_ASSIGN_OR_RETURN(where_, trees_.to_sql(*query_.where));
    }
    INLET_RETURN_IF_ERROR(read_keys());
    INLET_RETURN_IF_ERROR(rewrite_items());
    INLET_RETURN_IF_ERROR(rewrite_having());
    // Only distinct counts, or nothing, and no key: a batch's partials are a row all the same.
    if (keys_.empty() && aggregates_.partials().empty()) aggregates_.keep_row_count();
    write_state();
    write_group_sql();
    write_distinct_sql();
    write_event_sql();
    INLET_RETURN_IF_ERROR(write_outputs());
    write_origins();
    return std::move(plan_);
  }

 private:
  struct Item {
    std::string final_sql;
    std::string reference_sql;
    std::optional<std::size_t> key;
    bool is_exact = true;
    bool is_stable = true;
  };

  Status read_keys() {
    for (const auto& group : query_.groups) {
      Key key{.tree_key = expression_key(group)};
      INLET_ASSIGN_OR_RETURN(const std::string sql, trees_.to_sql(group));
      INLET_ASSIGN_OR_RETURN(const std::string type, aggregates_.type_of(sql));
      const auto stored = stored_type(type);
      if (!stored)
        return refuse_(group, "keys of type " + type + " are not kept", "cast it, e.g. CAST(" + sql + " AS VARCHAR)");
      key.event_sql = without_negative_zero(sql, type);
      key.state_sql = cast_to(key.event_sql, type, *stored);
      key.final_sql = cast_back("k" + std::to_string(keys_.size()), *stored, type);
      key.type = *stored;
      INLET_ASSIGN_OR_RETURN(key.event_tree, trees_.parse_expression(key.event_sql));
      INLET_ASSIGN_OR_RETURN(key.final_tree, trees_.parse_expression(key.final_sql));
      keys_.push_back(std::move(key));
    }
    plan_.keys = keys_.size();
    return Status::ok();
  }

  const Key* key_of(const Tree& expression) const {
    const std::string tree_key = expression_key(expression);
    const auto found =
        std::find_if(keys_.begin(), keys_.end(), [&](const Key& key) { return key.tree_key == tree_key; });
    return found == keys_.end() ? nullptr : &*found;
  }

  static bool is_aggregate_call(const Tree& node) {
    return text_field(node, "class") == "FUNCTION" &&
           maintained_aggregate(text_field(node, "function_name")).has_value();
  }

  // Puts keys and aggregates in the place of what stands for them; both trees start as the item's own.
  Status rewrite(Tree& final_tree, Tree& reference_tree, Item& item) {
    if (const Key* key = key_of(final_tree); key != nullptr) {
      final_tree = key->final_tree;
      reference_tree = key->event_tree;
      return Status::ok();
    }
    if (is_aggregate_call(final_tree)) {
      INLET_ASSIGN_OR_RETURN(const AggregatePlan plan, aggregates_.plan(final_tree));
      final_tree = plan.final_expression;
      reference_tree = plan.reference_expression;
      item.is_exact = item.is_exact && plan.is_exact;
      item.is_stable = item.is_stable && plan.is_stable;
      return Status::ok();
    }
    if (text_field(final_tree, "class") == "COLUMN_REF")
      return refuse_(final_tree, "it is neither a key of GROUP BY nor inside an aggregate",
                     "add it to GROUP BY, or take e.g. max of it");
    const auto finals = children_of(final_tree);
    const auto references = children_of(reference_tree);
    for (std::size_t i = 0; i < finals.size(); ++i) INLET_RETURN_IF_ERROR(rewrite(*finals[i], *references[i], item));
    return Status::ok();
  }

  // A sum of DOUBLEs depends on the order of its terms: where a small difference decides between two results, the view
  // would not be what the query says.
  Status check_stability(const Tree& expression, bool is_smooth) {
    if (is_aggregate_call(expression)) {
      INLET_ASSIGN_OR_RETURN(const AggregatePlan plan, aggregates_.plan(expression));
      if (plan.is_stable || is_smooth) return Status::ok();
      return refuse_(
          expression,
          "it is a floating-point result whose last digits depend on the order of the rows, and here they decide",
          "make it exact, e.g. sum(CAST(x AS DECIMAL(18,4))), or show it as it is");
    }
    if (key_of(expression) != nullptr) return Status::ok();
    const std::string kind = text_field(expression, "class");
    const bool is_case = kind == "CASE";
    const bool passes = is_case || text_field(expression, "type") == "OPERATOR_COALESCE" || is_continuous(expression);
    for (const Tree* child : children_of(expression)) {
      bool child_is_smooth = is_smooth && passes;
      if (is_case) {
        for (const auto& check : expression["case_checks"])
          child_is_smooth = child_is_smooth && child != &check["when_expr"];
      }
      INLET_RETURN_IF_ERROR(check_stability(*child, child_is_smooth));
    }
    return Status::ok();
  }

  static bool is_continuous(const Tree& expression) {
    const std::string kind = text_field(expression, "class");
    if (kind == "FUNCTION")
      return std::find(kContinuous.begin(), kContinuous.end(), text_field(expression, "function_name")) !=
             kContinuous.end();
    if (kind != "CAST") return false;
    const std::string type = text_field(expression["cast_type"], "id");
    return type == "DOUBLE" || type == "FLOAT";
  }

  Status rewrite_items() {
    for (const auto& selected : query_.items) {
      Item item;
      Tree final_tree = selected.expression;
      Tree reference_tree = selected.expression;
      INLET_RETURN_IF_ERROR(check_stability(selected.expression, true));
      INLET_RETURN_IF_ERROR(rewrite(final_tree, reference_tree, item));
      INLET_ASSIGN_OR_RETURN(item.final_sql, trees_.to_sql(final_tree));
      INLET_ASSIGN_OR_RETURN(item.reference_sql, trees_.to_sql(reference_tree));
      if (const Key* key = key_of(selected.expression); key != nullptr)
        item.key = static_cast<std::size_t>(key - keys_.data());
      items_.push_back(std::move(item));
    }
    return Status::ok();
  }

  Status rewrite_having() {
    if (!query_.having) return Status::ok();
    Item item;
    Tree final_tree = *query_.having;
    Tree reference_tree = *query_.having;
    INLET_RETURN_IF_ERROR(check_stability(*query_.having, false));
    INLET_RETURN_IF_ERROR(rewrite(final_tree, reference_tree, item));
    INLET_ASSIGN_OR_RETURN(having_.final_sql, trees_.to_sql(final_tree));
    INLET_ASSIGN_OR_RETURN(having_.reference_sql, trees_.to_sql(reference_tree));
    return Status::ok();
  }

  void write_state() {
    auto& columns = plan_.state.columns;
    for (std::size_t i = 0; i < keys_.size(); ++i) columns.push_back({"k" + std::to_string(i), keys_[i].type});
    for (std::size_t i = 0; i < aggregates_.partials().size(); ++i)
      columns.push_back({"p" + std::to_string(i), aggregates_.partials()[i].type});
    for (Merge merge : aggregates_.merges()) {
      merge.column += keys_.size();
      plan_.merges.push_back(merge);
    }
    for (std::size_t i = 0; i < aggregates_.distincts().size(); ++i)
      columns.push_back({"d" + std::to_string(i), {TypeKind::kBigint}, /*nullable=*/false});
  }

  // "a AS k0, b AS k1"
  std::string key_columns() const {
    std::string columns;
    for (std::size_t i = 0; i < keys_.size(); ++i)
      columns += (i == 0 ? "" : ", ") + keys_[i].state_sql + " AS k" + std::to_string(i);
    return columns;
  }

  // " GROUP BY 1, 2"
  static std::string group_by_first(std::size_t count) {
    std::string clause;
    for (std::size_t i = 1; i <= count; ++i) clause += (i == 1 ? " GROUP BY " : ", ") + std::to_string(i);
    return clause;
  }

  std::string from_where() const { return " FROM " + query_.from.sql + (where_.empty() ? "" : " WHERE " + where_); }

  // "<keys>, a AS p0, b AS p1"
  std::string key_and_partial_columns(std::string Partial::*sql) const {
    std::string columns = key_columns();
    for (std::size_t i = 0; i < aggregates_.partials().size(); ++i)
      columns += (columns.empty() ? "" : ", ") + aggregates_.partials()[i].*sql + " AS p" + std::to_string(i);
    return columns;
  }

  void write_group_sql() {
    plan_.group_sql =
        "SELECT " + key_and_partial_columns(&Partial::of_group) + from_where() + group_by_first(keys_.size());
  }

  void write_event_sql() {
    std::string columns = key_and_partial_columns(&Partial::of_event);
    for (std::size_t i = 0; i < aggregates_.distincts().size(); ++i) {
      const auto& distinct = aggregates_.distincts()[i];
      columns += columns.empty() ? "" : ", ";
      columns += distinct.filter.empty() ? distinct.value
                                         : "CASE WHEN " + distinct.filter + " THEN " + distinct.value + " END";
      columns += " AS v" + std::to_string(i);
    }
    plan_.event_sql = "SELECT " + columns + from_where();
  }

  void write_distinct_sql() {
    const std::size_t first = keys_.size() + aggregates_.partials().size();
    for (std::size_t i = 0; i < aggregates_.distincts().size(); ++i) {
      const auto& distinct = aggregates_.distincts()[i];
      std::string condition = where_.empty() ? "" : "(" + where_ + ") AND ";
      if (!distinct.filter.empty()) condition += "(" + distinct.filter + ") AND ";
      condition += "(" + distinct.value + ") IS NOT NULL";
      const std::string keys = key_columns();
      plan_.distinct_counts.push_back(
          {first + i, distinct.type,
           fmt::format("SELECT {}{}{} AS v FROM {} WHERE {}{}", keys, keys.empty() ? "" : ", ", distinct.value,
                       query_.from.sql, condition, group_by_first(keys_.size() + 1))});
    }
  }

  void write_origins() {
    auto& origins = plan_.origins;
    origins.sql = origins_sql(query_.from, key_columns(), where_);
    origins.repeats = query_.from.relations.size() > 1;
    for (const auto& output : plan_.output) origins.shown.push_back(output.key);
    for (const auto& group : query_.groups) origins.event_columns.push_back(event_column(query_.from, group));
  }

  using Text = std::string Item::*;

  // "a AS c0, b AS c1", with the casts once the types are known.
  static std::string select_list(std::span<const std::string> expressions, std::span<const std::string> names) {
    std::string list;
    for (std::size_t i = 0; i < expressions.size(); ++i)
      list += (i == 0 ? "" : ", ") + expressions[i] + " AS " + duck::quote_identifier(names[i]);
    return list;
  }

  std::vector<std::string> texts(Text text) const {
    std::vector<std::string> found;
    for (const auto& item : items_) found.push_back(item.*text);
    return found;
  }

  std::string final_select(std::span<const std::string> expressions, std::span<const std::string> names) const {
    return "SELECT " + select_list(expressions, names) + " FROM inlet_source" +
           (having_.final_sql.empty() ? "" : " WHERE " + having_.final_sql);
  }

  std::string reference_select(std::span<const std::string> expressions, std::span<const std::string> names) const {
    std::string groups;
    for (const auto& key : keys_) groups += (groups.empty() ? "" : ", ") + key.event_sql;
    return "SELECT " + select_list(expressions, names) + from_where() + " GROUP BY " +
           (groups.empty() ? "()" : groups) + (having_.reference_sql.empty() ? "" : " HAVING " + having_.reference_sql);
  }

  Status write_outputs() {
    std::vector<std::string> names;
    for (const auto& item : query_.items) names.push_back(item.name);
    INLET_RETURN_IF_ERROR(check_output_names(names, refuse_));
    auto finals = texts(&Item::final_sql);
    auto references = texts(&Item::reference_sql);
    const auto final_types = describe_columns(connection_, empty_source(plan_.state), final_select(finals, names));
    if (!final_types) return refuse_.sql(final_types.status());
    const auto reference_types =
        describe_columns(connection_, empty_source(input_.events), reference_select(references, names));
    if (!reference_types) return refuse_.sql(reference_types.status());
    for (std::size_t i = 0; i < items_.size(); ++i) {
      INLET_RETURN_IF_ERROR(
          add_output(i, (*final_types)[i].type, (*reference_types)[i].type, finals[i], references[i]));
    }
    plan_.final_sql = final_select(finals, names);
    plan_.final_having = having_.final_sql;
    for (std::size_t i = 0; i < finals.size(); ++i)
      plan_.final_columns.push_back({finals[i], (*final_types)[i].type == "HUGEINT"});
    for (const auto& key : keys_) plan_.key_names.push_back(key.event_sql);
    for (const auto& output : plan_.output) {
      if (output.key) plan_.key_names[*output.key] = output.column.name;
    }
    plan_.reference_sql = reference_select(references, names);
    return Status::ok();
  }

  Status add_output(std::size_t i, const std::string& final_type, const std::string& reference_type,
                    std::string& final_sql, std::string& reference_sql) {
    const auto& selected = query_.items[i];
    const Item& item = items_[i];
    const auto type = published_type(reference_type);
    if (!type) return refuse_output_type(selected.name, reference_type, &selected.expression, refuse_);
    if (final_type != reference_type)
      return refuse_(selected.expression,
                     "it is " + reference_type + " over all rows, but " + final_type + " over the parts that are kept");
    if (!item.is_stable && type->kind != TypeKind::kDouble)
      return refuse_(selected.expression, "it makes " + type->to_pipeline() + " of a floating-point result",
                     "make the aggregate exact, e.g. sum(CAST(x AS DECIMAL(18,4)))");
    std::optional<std::size_t> key = item.key;
    if (key && keys_[*key].type == *type) {
      final_sql = "k" + std::to_string(*key);
    } else {
      key.reset();
      final_sql = cast_to(final_sql, final_type, *type);
    }
    reference_sql = cast_to(reference_sql, reference_type, *type);
    plan_.output.push_back({{selected.name, *type}, item.is_exact || type->kind != TypeKind::kDouble, key});
    return Status::ok();
  }

  duck::Connection& connection_;
  const PlannerInput& input_;
  const ViewQuery& query_;
  const Refusal& refuse_;
  SqlTrees& trees_;
  AggregatePlanner aggregates_;
  std::vector<Key> keys_;
  std::vector<Item> items_;
  Item having_;
  std::string where_;
  ViewPlan plan_;
};

}  // namespace

Result<ViewPlan> plan_aggregate_view(duck::Connection& connection, const PlannerInput& input, const ViewQuery& query,
                                     const Refusal& refuse, SqlTrees& trees) {
  return Assembler(connection, input, query, refuse, trees).assemble();
}

}  // namespace inlet::views
