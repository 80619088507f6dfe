// The partials of several batches, merged as view_plan.h says (here by SQL, in the state by our own code), give what
// DuckDB gives over all rows.
#include "tests/views/maintained_views.h"
#include "tests/views/planning.h"

namespace inlet::views {
namespace {

class Merged : public PlannerTest, public ::testing::WithParamInterface<const char*> {
 protected:
  // The rows of one of three batches; the fourth is empty.
  static std::string batch(const std::string& source, int number) {
    return "SELECT * FROM (" + source + ") WHERE " +
           (number == 3 ? "false" : "_offset % 7 % 3 = " + std::to_string(number));
  }

  static std::string all_batches(const std::string& source, const std::string& sql) {
    std::string rows;
    for (int i = 0; i < 4; ++i) rows += (i == 0 ? "" : " UNION ALL ") + over(batch(source, i), sql);
    return "(" + rows + ")";
  }

  static std::string merged_columns(const ViewPlan& plan, const Merge& merge) {
    const auto name = [&](std::size_t i) { return plan.state.columns[merge.column + i].name; };
    const std::string type = plan.state.columns[merge.column].type.to_duckdb();
    const std::string first = name(0);
    switch (merge.kind) {
      case Merge::Kind::kSum: return "CAST(sum(" + first + ") AS " + type + ") AS " + first;
      case Merge::Kind::kMin: return "min(" + first + ") AS " + first;
      case Merge::Kind::kMax: return "max(" + first + ") AS " + first;
      case Merge::Kind::kMoments: {
        const std::string n = "sum(t." + first + ")";
        const std::string mean = "(sum(t." + first + " * t." + name(1) + ") / " + n + ")";
        return "CAST(" + n + " AS BIGINT) AS " + first + ", " + mean + " AS " + name(1) + ", sum(t." + name(2) +
               ") + sum(t." + first + " * t." + name(1) + " * t." + name(1) + ") - " + n + " * " + mean + " * " + mean +
               " AS " + name(2);
      }
      case Merge::Kind::kPickSmallest:
      case Merge::Kind::kPickLargest: break;
    }
    std::string order;
    for (std::size_t i = 1; i < merge.width; ++i) order += (i == 1 ? "t." : ", t.") + name(i);
    const std::string pick = merge.kind == Merge::Kind::kPickSmallest ? "arg_min_null(" : "arg_max_null(";
    std::string columns;
    for (std::size_t i = 0; i < merge.width; ++i) {
      columns += (i == 0 ? "" : ", ") + pick + "t." + name(i) + ", row(" + order + ")) FILTER (WHERE t." +
                 name(merge.width - 1) + " IS NOT NULL) AS " + name(i);
    }
    return columns;
  }

  static std::string state_sql(const ViewPlan& plan, const std::string& source) {
    std::string keys;
    for (std::size_t k = 0; k < plan.keys; ++k) keys += (k == 0 ? "k" : ", k") + std::to_string(k);
    const std::string group_by = keys.empty() ? "" : " GROUP BY " + keys;
    std::string columns = keys;
    for (const auto& merge : plan.merges) columns += (columns.empty() ? "" : ", ") + merged_columns(plan, merge);
    std::string state = "SELECT " + columns + " FROM " + all_batches(source, plan.group_sql) + " AS t" + group_by;
    std::string selected = "merged.*";
    std::string joins;
    for (std::size_t i = 0; i < plan.distinct_counts.size(); ++i) {
      const std::string name = "v" + std::to_string(i);
      std::string match = "true";
      for (std::size_t k = 0; k < plan.keys; ++k) {
        const std::string key = "k" + std::to_string(k);
        match += " AND merged." + key + " IS NOT DISTINCT FROM " + name + "." + key;
      }
      selected += ", coalesce(" + name + ".n, 0) AS d" + std::to_string(i);
      joins += " LEFT JOIN (SELECT " + keys + (keys.empty() ? "" : ", ") + "count(DISTINCT v) AS n FROM " +
               all_batches(source, plan.distinct_counts[i].sql) + " AS t" + group_by + ") AS " + name + " ON " + match;
    }
    return "SELECT " + selected + " FROM (" + state + ") AS merged" + joins;
  }
};

TEST_P(Merged, batches_give_what_the_query_gives_over_all_rows) {
  const auto plan = this->plan(GetParam());
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  const std::string source = sample_events(events(), SampleTexts::kWords);
  const std::string actual = over(state_sql(*plan, source), plan->final_sql);
  const auto difference = first_difference(connection_, *plan, actual, over(source, plan->reference_sql));
  ASSERT_TRUE(difference.is_ok()) << difference.status().to_line() << "\n" << actual;
  EXPECT_FALSE(difference->has_value()) << **difference << "\n" << actual;
}

INSTANTIATE_TEST_SUITE_P(Views, Merged, ::testing::ValuesIn(kMaintainedViews));

}  // namespace
}  // namespace inlet::views
