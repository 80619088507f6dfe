// One aggregate of a view → the partials a batch is reduced to, how they merge, and the SQL that reads the result off.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "duck/database.h"
#include "views/refusal.h"
#include "views/sql_tree.h"
#include "views/view_plan.h"
#include "views/view_query.h"

namespace inlet::views {

struct Partial {
  std::string of_group;  // SQL over inlet_source, an aggregate
  std::string of_event;  // SQL over inlet_source, the same of one event alone: NULL where it does not count
  ColumnType type;
};

struct AggregatePlan {
  Tree final_expression;      // over p0…, d0…
  Tree reference_expression;  // over the events
  /// By `=`, against DuckDB's own result over all rows.
  bool is_exact = true;
  /// The same value whatever the batches were. What is not may stand only where a small difference stays small.
  bool is_stable = true;
};

/// Collects the state columns of a view's aggregates; equal partials are kept once.
class AggregatePlanner {
 public:
  AggregatePlanner(duck::Connection& connection, const PlannerInput& input, const ViewQuery& query,
                   const Refusal& refuse, SqlTrees& trees)
      : connection_(connection), input_(input), query_(query), refuse_(refuse), trees_(trees) {}

  /// The aggregate's plan; the same one for an equal call.
  Result<AggregatePlan> plan(const Tree& call);

  void keep_row_count() { add_count("count(*)", {}); }

  const std::vector<Partial>& partials() const { return partials_; }
  /// `column` counts from p0.
  const std::vector<Merge>& merges() const { return merges_; }

  struct Distinct {
    std::string value;   // SQL over inlet_source
    std::string filter;  // SQL, which rows count
    ColumnType type;
  };
  const std::vector<Distinct>& distincts() const { return distincts_; }

  /// DuckDB's type of a scalar expression over the events.
  Result<std::string> type_of(const std::string& sql);

 private:
  struct Call;
  struct Texts;
  Result<AggregatePlan> make_plan(const Tree& call);
  Result<Call> read_call(const Tree& tree);
  Result<Texts> plan_count(const Call& call);
  Result<Texts> plan_distinct_count(const Call& call);
  Result<Texts> plan_sum(const Call& call);
  Result<Texts> plan_average(const Call& call);
  Result<Texts> plan_extreme(const Call& call, Merge::Kind kind, const char* function);
  Result<Texts> plan_arg(const Call& call);
  Result<Texts> plan_ordered(const Call& call);
  Result<Texts> plan_moments(const Call& call);

  struct Pick;
  Result<Texts> add_pick(const Call& call, const Pick& pick);
  Status check_arguments(const Call& call, std::size_t count) const;

  /// The name of the first state column, "p3".
  std::string add(Merge::Kind kind, std::vector<Partial> partials);
  std::string add_count(const std::string& aggregate, const std::vector<std::string>& conditions);
  std::string add_count_of(const Call& call);
  std::string add_exact_sum(const Call& call, int scale);
  std::string add_double_sum(const Call& call);

  duck::Connection& connection_;
  const PlannerInput& input_;
  const ViewQuery& query_;
  const Refusal& refuse_;
  SqlTrees& trees_;
  std::vector<Partial> partials_;
  std::vector<Merge> merges_;
  std::map<std::string, std::size_t> known_;  // partials by kind and text → first column
  std::vector<Distinct> distincts_;
  std::map<std::string, AggregatePlan> plans_;
};

}  // namespace inlet::views
