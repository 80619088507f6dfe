#include "views/aggregate_plan.h"

#include <algorithm>
#include <array>
#include <utility>

#include "views/allowed_functions.h"
#include "views/from_clause.h"
#include "views/output_columns.h"

namespace inlet::views {
namespace {

constexpr ColumnType kBigint{TypeKind::kBigint};
constexpr ColumnType kDouble{TypeKind::kDouble};

ColumnType decimal(int precision, int scale) {
  return {TypeKind::kDecimal, static_cast<std::uint8_t>(precision), static_cast<std::uint8_t>(scale)};
}

bool is_whole_number(std::string_view type) {
  constexpr std::array<std::string_view, 10> kTypes{"BOOLEAN",  "TINYINT",   "SMALLINT", "INTEGER", "BIGINT",
                                                    "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT"};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

bool is_floating(std::string_view type) { return type == "DOUBLE" || type == "FLOAT"; }

std::string all_of(const std::vector<std::string>& conditions) {
  std::string joined;
  for (const auto& condition : conditions) {
    if (!condition.empty()) joined += (joined.empty() ? "(" : " AND (") + condition + ")";
  }
  return joined;
}

// " FILTER (WHERE a AND b)"; empty where there is no condition.
std::string filter_clause(const std::vector<std::string>& conditions) {
  const std::string joined = all_of(conditions);
  return joined.empty() ? "" : " FILTER (WHERE " + joined + ")";
}

// What an aggregate over one event is: the value, or NULL where the event is filtered out.
std::string where_it_counts(const std::string& value, const std::vector<std::string>& conditions) {
  const std::string joined = all_of(conditions);
  return joined.empty() ? value : "CASE WHEN " + joined + " THEN " + value + " END";
}

std::string is_not_null(const std::string& expression) { return "(" + expression + ") IS NOT NULL"; }

std::string as_count(const std::string& column) { return "CAST(coalesce(" + column + ", 0) AS BIGINT)"; }

}  // namespace

struct AggregatePlanner::Call {
  const Tree& tree;
  AggregateFunction function;
  std::string name;
  std::vector<std::string> arguments;
  std::vector<std::string> types;  // of the arguments
  std::string filter;              // the condition
  bool is_distinct = false;
  // ORDER BY inside the call.
  std::string order;
  std::string order_type;
  bool is_descending = false;
  bool nulls_first = false;

  std::string filtered() const { return filter_clause({filter}); }
};

struct AggregatePlanner::Texts {
  std::string final_sql;
  std::string reference_sql;  // empty: the call as it was written
  bool is_exact = true;
  bool is_stable = true;
};

Result<std::string> AggregatePlanner::type_of(const std::string& sql) {
  INLET_ASSIGN_OR_RETURN(const auto columns, describe_columns(connection_, empty_source(input_.events),
                                                              "SELECT " + sql + " AS x FROM " + query_.from.sql));
  return columns.front().type;
}

std::string AggregatePlanner::add(Merge::Kind kind, std::vector<Partial> partials) {
  std::string key = std::to_string(static_cast<int>(kind));
  for (const auto& partial : partials) key += '\n' + partial.of_group;
  const auto [known, is_new] = known_.emplace(std::move(key), partials_.size());
  if (is_new) {
    merges_.push_back({kind, partials_.size(), partials.size()});
    for (auto& partial : partials) partials_.push_back(std::move(partial));
  }
  return "p" + std::to_string(known->second);
}

std::string AggregatePlanner::add_count(const std::string& aggregate, const std::vector<std::string>& conditions) {
  return add(Merge::Kind::kSum,
             {{aggregate + filter_clause(conditions), where_it_counts("CAST(1 AS BIGINT)", conditions), kBigint}});
}

Result<AggregatePlanner::Call> AggregatePlanner::read_call(const Tree& tree) {
  const std::string name = text_field(tree, "function_name");
  Call call{.tree = tree, .function = *maintained_aggregate(name), .name = name};
  for (const auto& child : tree["children"]) {
    INLET_ASSIGN_OR_RETURN(std::string text, trees_.to_sql(child));
    INLET_ASSIGN_OR_RETURN(std::string type, type_of(text));
    call.arguments.push_back(std::move(text));
    call.types.push_back(std::move(type));
  }
  if (!is_default(tree, "filter")) {
    INLET_ASSIGN_OR_RETURN(call.filter, trees_.to_sql(tree["filter"]));
  }
  call.is_distinct = !is_default(tree, "distinct");
  const Tree& orders = tree["order_bys"]["orders"];
  if (orders.size() > 1)
    return refuse_(tree, "several columns in its ORDER BY are not kept", "order by one expression");
  for (const auto& order : orders) {
    INLET_ASSIGN_OR_RETURN(call.order, trees_.to_sql(order["expression"]));
    INLET_ASSIGN_OR_RETURN(call.order_type, type_of(call.order));
    call.is_descending = text_field(order, "type") == "DESCENDING";
    call.nulls_first = text_field(order, "null_order") == "NULLS FIRST";
  }
  return call;
}

Status AggregatePlanner::check_arguments(const Call& call, std::size_t count) const {
  if (call.arguments.size() == count) return Status::ok();
  return refuse_(call.tree, "this form of " + call.name + "() keeps more than one value");
}

Result<AggregatePlan> AggregatePlanner::plan(const Tree& call) {
  const std::string key = expression_key(call);
  if (const auto known = plans_.find(key); known != plans_.end()) return known->second;
  INLET_ASSIGN_OR_RETURN(AggregatePlan made, make_plan(call));
  plans_.emplace(key, made);
  return made;
}

Result<AggregatePlan> AggregatePlanner::make_plan(const Tree& tree) {
  INLET_ASSIGN_OR_RETURN(const Call call, read_call(tree));
  using F = AggregateFunction;
  const bool may_be_distinct = call.function == F::kCount || call.function == F::kMin || call.function == F::kMax ||
                               call.function == F::kBoolAnd || call.function == F::kBoolOr;
  if (call.is_distinct && !may_be_distinct)
    return refuse_(tree,
                   "DISTINCT inside " + call.name + "() needs every value there was; only count(DISTINCT …) is kept");
  const auto plan_texts = [&]() -> Result<Texts> {
    switch (call.function) {
      case F::kCountStar:
      case F::kCountIf: return plan_count(call);
      case F::kCount: return call.is_distinct ? plan_distinct_count(call) : plan_count(call);
      case F::kSum: return plan_sum(call);
      case F::kAvg: return plan_average(call);
      case F::kMin: return plan_extreme(call, Merge::Kind::kMin, "min");
      case F::kMax: return plan_extreme(call, Merge::Kind::kMax, "max");
      case F::kBoolAnd: return plan_extreme(call, Merge::Kind::kMin, "bool_and");
      case F::kBoolOr: return plan_extreme(call, Merge::Kind::kMax, "bool_or");
      case F::kArgMin:
      case F::kArgMax:
      case F::kArgMinNull:
      case F::kArgMaxNull: return plan_arg(call);
      case F::kFirst:
      case F::kLast:
      case F::kAnyValue: return plan_ordered(call);
      case F::kVarSamp:
      case F::kVarPop:
      case F::kStddevSamp:
      case F::kStddevPop: return plan_moments(call);
    }
    return refuse_(tree, "it is not on the list of what is understood");
  };
  INLET_ASSIGN_OR_RETURN(const Texts texts, plan_texts());
  AggregatePlan made{.is_exact = texts.is_exact, .is_stable = texts.is_stable};
  INLET_ASSIGN_OR_RETURN(made.final_expression, trees_.parse_expression(texts.final_sql));
  made.reference_expression = tree;
  if (!texts.reference_sql.empty()) {
    INLET_ASSIGN_OR_RETURN(made.reference_expression, trees_.parse_expression(texts.reference_sql));
  }
  return made;
}

Result<AggregatePlanner::Texts> AggregatePlanner::plan_count(const Call& call) {
  if (call.function == AggregateFunction::kCountIf) {
    INLET_RETURN_IF_ERROR(check_arguments(call, 1));
    // Of a group in which no condition is true or false it is NULL, as a sum is.
    const std::string count = "CAST(" + call.name + "(" + call.arguments[0] + ")" + call.filtered() + " AS BIGINT)";
    const std::string of_event = where_it_counts("CAST((" + call.arguments[0] + ") AS BIGINT)", {call.filter});
    return Texts{"CAST(" + add(Merge::Kind::kSum, {{count, of_event, kBigint}}) + " AS HUGEINT)", ""};
  }
  if (call.arguments.empty()) return Texts{as_count(add_count("count(*)", {call.filter})), ""};
  INLET_RETURN_IF_ERROR(check_arguments(call, 1));
  return Texts{as_count(add_count_of(call)), ""};
}

std::string AggregatePlanner::add_count_of(const Call& call) {
  const std::string& value = call.arguments[0];
  return add(Merge::Kind::kSum, {{"count(" + value + ")" + call.filtered(),
                                  where_it_counts("CAST(1 AS BIGINT)", {call.filter, is_not_null(value)}), kBigint}});
}

// The exact sum of whole numbers or decimals, kept as DECIMAL(38,scale).
std::string AggregatePlanner::add_exact_sum(const Call& call, int scale) {
  const auto type = decimal(38, scale);
  const std::string cast = " AS " + type.to_duckdb() + ")";
  return add(Merge::Kind::kSum, {{"CAST(sum(" + call.arguments[0] + ")" + call.filtered() + cast,
                                  where_it_counts("CAST(" + call.arguments[0] + cast, {call.filter}), type}});
}

std::string AggregatePlanner::add_double_sum(const Call& call) {
  return add(Merge::Kind::kSum,
             {{"sum(" + call.arguments[0] + ")" + call.filtered(),
               where_it_counts("CAST(" + call.arguments[0] + " AS DOUBLE)", {call.filter}), kDouble}});
}

Result<AggregatePlanner::Texts> AggregatePlanner::plan_distinct_count(const Call& call) {
  INLET_RETURN_IF_ERROR(check_arguments(call, 1));
  const auto type = stored_type(call.types[0]);
  if (!type)
    return refuse_(call.tree, "values of type " + call.types[0] + " are not kept",
                   "cast the argument, e.g. CAST(" + call.arguments[0] + " AS VARCHAR)");
  Distinct distinct{cast_to(without_negative_zero(call.arguments[0], call.types[0]), call.types[0], *type), call.filter,
                    *type};
  const auto same = [&](const Distinct& d) { return d.value == distinct.value && d.filter == distinct.filter; };
  auto found = std::find_if(distincts_.begin(), distincts_.end(), same);
  if (found == distincts_.end()) found = distincts_.insert(distincts_.end(), std::move(distinct));
  return Texts{"d" + std::to_string(found - distincts_.begin()), ""};
}

Result<AggregatePlanner::Texts> AggregatePlanner::plan_sum(const Call& call) {
  INLET_RETURN_IF_ERROR(check_arguments(call, 1));
  const std::string& type = call.types[0];
  if (is_whole_number(type)) return Texts{"CAST(" + add_exact_sum(call, 0) + " AS HUGEINT)", ""};
  if (const auto exact = same_type(type); exact && exact->kind == TypeKind::kDecimal)
    return Texts{add_exact_sum(call, exact->scale), ""};
  if (is_floating(type)) return Texts{add_double_sum(call), "", /*is_exact=*/false, /*is_stable=*/false};
  return refuse_(call.tree, "sums of " + type + " are not kept", "cast the argument to a number");
}

Result<AggregatePlanner::Texts> AggregatePlanner::plan_average(const Call& call) {
  INLET_RETURN_IF_ERROR(check_arguments(call, 1));
  const std::string& type = call.types[0];
  const std::string sum = "sum(" + call.arguments[0] + ")" + call.filtered();
  const std::string count = "count(" + call.arguments[0] + ")" + call.filtered();
  if (is_whole_number(type)) {
    // One formula on both sides: sum and count are exact, so the quotient is the same DOUBLE whatever the batches were.
    // DuckDB's own avg() divides in long double, and may differ in the last bit.
    const auto total = add_exact_sum(call, 0);
    return Texts{"CAST(CAST(" + total + " AS HUGEINT) AS DOUBLE) / " + as_count(add_count_of(call)),
                 "CAST(" + sum + " AS DOUBLE) / " + count, /*is_exact=*/false, /*is_stable=*/true};
  }
  if (const auto exact = same_type(type); exact && exact->kind == TypeKind::kDecimal) {
    const auto result = decimal(std::min(38, exact->precision + 4), std::min(38, exact->scale + 4));
    const auto average = [&](const std::string& total, const std::string& number) {
      return "CAST(inlet_decimal_average_" + std::to_string(exact->scale) + "(" + total + ", " + number + ") AS " +
             result.to_duckdb() + ")";
    };
    const auto total = add_exact_sum(call, exact->scale);
    return Texts{average(total, as_count(add_count_of(call))), average(sum, count)};
  }
  if (is_floating(type)) {
    const auto total = add_double_sum(call);
    return Texts{total + " / " + as_count(add_count_of(call)), "", /*is_exact=*/false, /*is_stable=*/false};
  }
  return refuse_(call.tree, "averages of " + type + " are not kept", "cast the argument to a number");
}

Result<AggregatePlanner::Texts> AggregatePlanner::plan_extreme(const Call& call, Merge::Kind kind,
                                                               const char* function) {
  INLET_RETURN_IF_ERROR(check_arguments(call, 1));
  const std::string& type = call.types[0];
  const auto stored = stored_type(type);
  if (!stored)
    return refuse_(call.tree, "values of type " + type + " are not kept",
                   "cast the argument, e.g. CAST(" + call.arguments[0] + " AS VARCHAR)");
  const std::string result = std::string(function) + "(" + call.arguments[0] + ")" + call.filtered();
  const std::string of_event = where_it_counts(cast_to(call.arguments[0], type, *stored), {call.filter});
  return Texts{cast_back(add(kind, {{cast_to(result, type, *stored), of_event, *stored}}), *stored, type), ""};
}

// Which row of a group is wanted, and what of it.
struct AggregatePlanner::Pick {
  bool is_smallest = true;
  bool order_nulls_apart = false;  // NULLs of the order column stand at the other end than "larger than every value"
  std::string order;
  std::string order_type;
  std::vector<std::string> conditions;
};

Result<AggregatePlanner::Texts> AggregatePlanner::add_pick(const Call& call, const Pick& pick) {
  const std::string& type = call.types[0];
  const auto value_type = stored_type(type);
  const auto order_type = stored_type(pick.order_type);
  if (!value_type || !order_type)
    return refuse_(call.tree, "values of type " + (value_type ? pick.order_type : type) + " are not kept",
                   "cast it, e.g. to VARCHAR or TIMESTAMPTZ");
  // Ties end with the event's place, so that the winner is the same whatever the batches were; `_source` stands last
  // since it is never NULL. An event joined to several dimension rows stands several times at one place: then its
  // value decides.
  struct Place {
    std::string sql;
    ColumnType type;
  };
  std::vector<Place> order;
  if (pick.order_nulls_apart) order.push_back({is_not_null(pick.order), {TypeKind::kBoolean}});
  order.push_back({cast_to(pick.order, pick.order_type, *order_type), *order_type});
  const std::string events = duck::quote_identifier(query_.from.events().alias) + ".";
  order.push_back({"CAST(" + events + "_partition AS INTEGER)", {TypeKind::kInt}});
  order.push_back({"CAST(" + events + "_offset AS BIGINT)", kBigint});
  const std::string value = cast_to(call.arguments[0], type, *value_type);
  if (query_.from.relations.size() > 1) order.push_back({value, *value_type});
  order.push_back({events + "_source", {TypeKind::kVarchar}});

  std::string row = "row(";
  for (const auto& column : order) row += (row.back() == '(' ? "" : ", ") + column.sql;
  row += ")";
  const std::string filter = filter_clause(pick.conditions);
  const std::string end = pick.is_smallest ? "min" : "max";
  const std::string picked = "arg_" + end + "_null(" + value + ", " + row + ")" + filter;
  std::vector<Partial> partials{{picked, where_it_counts(value, pick.conditions), *value_type}};
  const std::string place = end + "(" + row + ")" + filter;
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::string part = "struct_extract_at(";
    part += place;
    part += ", ";
    part += std::to_string(i + 1);
    part += ")";
    partials.push_back({std::move(part), where_it_counts(order[i].sql, pick.conditions), order[i].type});
  }
  const auto kind = pick.is_smallest ? Merge::Kind::kPickSmallest : Merge::Kind::kPickLargest;
  const auto column = add(kind, std::move(partials));
  return Texts{cast_back(column, *value_type, type), cast_back(picked, *value_type, type)};
}

Result<AggregatePlanner::Texts> AggregatePlanner::plan_arg(const Call& call) {
  INLET_RETURN_IF_ERROR(check_arguments(call, 2));
  using F = AggregateFunction;
  if (!call.order.empty()) return refuse_(call.tree, "its second argument is the order", "leave ORDER BY out of it");
  const bool keeps_null = call.function == F::kArgMinNull || call.function == F::kArgMaxNull;
  Pick pick{.is_smallest = call.function == F::kArgMin || call.function == F::kArgMinNull,
            .order = call.arguments[1],
            .order_type = call.types[1]};
  pick.conditions = {call.filter, is_not_null(call.arguments[1])};
  if (!keeps_null) pick.conditions.push_back(is_not_null(call.arguments[0]));
  return add_pick(call, pick);
}

Result<AggregatePlanner::Texts> AggregatePlanner::plan_ordered(const Call& call) {
  INLET_RETURN_IF_ERROR(check_arguments(call, 1));
  if (call.order.empty())
    return refuse_(call.tree, "rows of a table have no order, so which is " + call.name + " differs from run to run",
                   "write " + call.name + "(" + call.arguments[0] + " ORDER BY …), or arg_min / arg_max");
  const bool is_last = call.function == AggregateFunction::kLast;
  Pick pick{.is_smallest = call.is_descending == is_last,
            .order_nulls_apart = call.is_descending != call.nulls_first,
            .order = call.order,
            .order_type = call.order_type,
            .conditions = {call.filter}};
  if (call.function == AggregateFunction::kAnyValue) pick.conditions.push_back(is_not_null(call.arguments[0]));
  return add_pick(call, pick);
}

Result<AggregatePlanner::Texts> AggregatePlanner::plan_moments(const Call& call) {
  INLET_RETURN_IF_ERROR(check_arguments(call, 1));
  const std::string value = "CAST(" + call.arguments[0] + " AS DOUBLE)";
  const std::string count = "count(" + value + ")" + call.filtered();
  const std::vector<std::string> counts{call.filter, is_not_null(call.arguments[0])};
  const auto first =
      add(Merge::Kind::kMoments, {{count, where_it_counts("CAST(1 AS BIGINT)", counts), kBigint},
                                  {"avg(" + value + ")" + call.filtered(), where_it_counts(value, counts), kDouble},
                                  {"var_pop(" + value + ")" + call.filtered() + " * " + count,
                                   where_it_counts("CAST(0 AS DOUBLE)", counts), kDouble}});
  const auto squares = "p" + std::to_string(std::stoul(first.substr(1)) + 2);
  using F = AggregateFunction;
  const bool is_population = call.function == F::kVarPop || call.function == F::kStddevPop;
  const std::string variance = is_population
                                   ? "CASE WHEN " + first + " > 0 THEN " + squares + " / " + first + " END"
                                   : "CASE WHEN " + first + " > 1 THEN " + squares + " / (" + first + " - 1) END";
  const bool is_root = call.function == F::kStddevSamp || call.function == F::kStddevPop;
  return Texts{is_root ? "sqrt(" + variance + ")" : variance, "", /*is_exact=*/false, /*is_stable=*/false};
}

}  // namespace inlet::views
