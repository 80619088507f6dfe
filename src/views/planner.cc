#include "views/planner.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <string_view>
#include <utility>

#include "base/fnv.h"
#include "base/letter_case.h"
#include "views/from_clause.h"
#include "views/maintained_plan.h"
#include "views/recompute_plan.h"
#include "views/refusal.h"
#include "views/sample_check.h"
#include "views/sql_tree.h"
#include "views/view_query.h"

namespace inlet::views {
namespace {

// Raised when the same plan comes to mean other rows: state of an earlier format is then rebuilt.
constexpr std::string_view kPlanFormat = "2";

// FNV-1a over texts with their lengths, so that no two lists of texts run together.
class Fingerprint {
 public:
  void add(std::string_view text) {
    add_bytes(std::to_string(text.size()) + ":");
    add_bytes(text);
  }
  void add(std::size_t number) { add(std::to_string(number)); }

  std::string hex() const { return hexadecimal(hash_); }

 private:
  void add_bytes(std::string_view text) { hash_ = fnv(text, hash_); }

  std::uint64_t hash_ = kFnvOffset;
};

// The columns of the events that the plan reads, and perhaps some more: a column that the events gain rebuilds no view
// that knows nothing of it. A view that is recomputed may read all of them by an asterisk, and has no state to lose.
Schema events_read(const ViewPlan& plan, const Schema& events) {
  if (plan.kind == ViewPlan::Kind::kRecompute) return events;
  std::string sql = plan.group_sql + plan.event_sql + plan.final_sql + plan.reference_sql;
  for (const auto& distinct : plan.distinct_counts) sql += distinct.sql;
  sql = lower_case(sql);
  Schema read;
  for (const auto& column : events.columns) {
    if (sql.find(lower_case(column.name)) != std::string::npos) read.columns.push_back(column);
  }
  return read;
}

std::string fingerprint_of(const ViewPlan& plan, const PlannerInput& input) {
  Fingerprint print;
  print.add(kPlanFormat);
  print.add(static_cast<std::size_t>(plan.kind));
  for (const auto& sql : {plan.group_sql, plan.event_sql, plan.final_sql, plan.reference_sql}) print.add(sql);
  for (const auto& distinct : plan.distinct_counts) print.add(distinct.sql);
  for (const auto& merge : plan.merges) {
    print.add(static_cast<std::size_t>(merge.kind));
    print.add(merge.column);
    print.add(merge.width);
  }
  for (const auto& schema : {plan.state, plan.output_schema(), events_read(plan, input.events)}) {
    print.add(schema.columns.size());
    for (const auto& column : schema.columns) {
      print.add(column.name);
      print.add(column.type.to_pipeline());
    }
  }
  for (const auto& name : plan.partition_by) print.add(name);
  // Only the dimensions that the view reads: a change of another one rebuilds nothing.
  for (const auto& dimension : input.dimensions) {
    const std::string table = "inlet_dimensions." + dimension.name;
    const std::string quoted = "inlet_dimensions." + duck::quote_identifier(dimension.name);
    if (plan.reference_sql.find(table) == std::string::npos && plan.reference_sql.find(quoted) == std::string::npos)
      continue;
    print.add(dimension.name);
    print.add(dimension.fingerprint);
  }
  return print.hex();
}

Status check_partition_by(ViewPlan& plan, const PlannerInput& input, const Refusal& refuse) {
  for (const auto& name : input.view.partition_by) {
    const auto found = std::find_if(plan.output.begin(), plan.output.end(),
                                    [&](const OutputColumn& o) { return equal_ignoring_case(o.column.name, name); });
    if (found == plan.output.end())
      return refuse.with_id("view.partition_by", "partition_by names " + name + ", which is no output column", nullptr,
                            "a partition is the value of a column", "name a column of the SELECT list");
    if (plan.kind == ViewPlan::Kind::kAggregate && !found->key)
      return refuse.with_id("view.partition_by", "partition_by names " + name + ", which shows no key as it is",
                            nullptr, "a row of the view would move from partition to partition",
                            "name a column that is a key of GROUP BY");
    plan.partition_by.push_back(found->column.name);
  }
  return Status::ok();
}

Status check_seal_after(const ViewPlan& plan, const PlannerInput& input, const Refusal& refuse) {
  if (!input.view.seal_after) return Status::ok();
  if (plan.kind != ViewPlan::Kind::kAggregate)
    return refuse.with_id("view.seal_after", "seal_after is set, and the view keeps no state", nullptr,
                          "it says when state may leave the memory", "leave it out");
  const bool has_time = std::any_of(plan.output.begin(), plan.output.end(), [&](const OutputColumn& o) {
    const auto kind = o.column.type.kind;
    const bool may_be_time = kind == TypeKind::kDate || kind == TypeKind::kTimestamp || kind == TypeKind::kVarchar;
    return may_be_time &&
           std::find(plan.partition_by.begin(), plan.partition_by.end(), o.column.name) != plan.partition_by.end();
  });
  if (has_time) return Status::ok();
  return refuse.with_id("view.seal_after", "seal_after is set, and the view is not partitioned by time", nullptr,
                        "partitions are sealed by the day, month or hour that they stand for",
                        "name its day, month or hour in partition_by, or leave it out");
}

Result<ViewPlan> plan_by_kind(duck::Connection& connection, const Tree& node, const PlannerInput& input,
                              const Refusal& refuse, SqlTrees& trees) {
  if (input.view.refresh) return plan_recomputed_view(connection, node, input, refuse, trees);
  INLET_ASSIGN_OR_RETURN(const ViewQuery query, read_view_query(connection, node, input, refuse, trees));
  return query.is_aggregate ? plan_aggregate_view(connection, input, query, refuse, trees)
                            : plan_append_view(connection, input, query, refuse, trees);
}

Result<ViewPlan> make_plan(duck::Connection& connection, const PlannerInput& input) {
  SqlTrees trees(connection);
  const Refusal refuse(input.view, trees);
  const auto node = trees.parse(input.view.sql);
  if (!node) return refuse.sql(node.status());
  INLET_ASSIGN_OR_RETURN(ViewPlan plan, plan_by_kind(connection, *node, input, refuse, trees));
  plan.name = input.view.name;
  INLET_RETURN_IF_ERROR(check_partition_by(plan, input, refuse));
  INLET_RETURN_IF_ERROR(check_seal_after(plan, input, refuse));
  plan.fingerprint = fingerprint_of(plan, input);
  if (!input.prove) return plan;
  if (const Status same = check_on_samples(connection, plan, input.events); !same.is_ok())
    return refuse.of_part(same.detail().what,
                          "the parts put together are not what the query gives; this is a defect of "
                          "the planner, found before it could do harm");
  return plan;
}

}  // namespace

Result<ViewPlan> plan_view(duck::Connection& connection, const PlannerInput& input) {
  // The JSON library throws where a tree has not the shape we know: another DuckDB, say.
  try {
    return make_plan(connection, input);
  } catch (const std::exception& error) {
    return Status(StatusCode::kInternal, "view.parse_tree",
                  "view " + input.view.name + ": DuckDB's parse tree is not as expected")
        .at(input.view.where)
        .because(error.what())
        .fix("use the DuckDB version Inlet is built for; see `inlet version`");
  }
}

}  // namespace inlet::views
