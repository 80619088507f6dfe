// Random events, random views, random cuts into batches, restarts in between: the state always says what the view's own
// SQL says of all events at once. A failure prints its seed; INLET_DIFFERENTIAL_SEED=N runs that case alone, and
// INLET_DIFFERENTIAL_CASES=N as many as wanted from there on.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "duck/database.h"
#include "views/planner.h"
#include "views/sample_check.h"
#include "views/state_files.h"
#include "views/view_state.h"

namespace inlet::views {
namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t limit) { return static_cast<std::size_t>(random() % limit); }
bool chance(Random& random, unsigned percent) { return random() % 100 < percent; }

template <class T>
const T& one_of(Random& random, const std::vector<T>& all) {
  return all[below(random, all.size())];
}

// ---- events ---------------------------------------------------------------------------------------------------------

struct EventColumn {
  Column column;
  std::string sql;  // its value, by `i` and a hash `h(n)` of the row
};

std::string hash(std::size_t column) { return "(hash(i, seed, " + std::to_string(column) + ") % 1000003)::BIGINT"; }

EventColumn random_column(Random& random, std::size_t n) {
  const std::string h = hash(n);
  const std::string name = "c" + std::to_string(n);
  const auto distinct = std::to_string(one_of<int>(random, {2, 3, 5, 40, 1000}));
  const std::string small = "(" + h + " % " + distinct + " - " + distinct + " // 2)";
  const std::string nulls =
      chance(random, 60) ? "CASE WHEN " + h + " % 7 = 3 THEN NULL ELSE " : "CASE WHEN false THEN NULL ELSE ";
  switch (below(random, 8)) {
    case 0:
      return {{name, {TypeKind::kBigint}},
              nulls + small + " * " + (chance(random, 30) ? "1000000000000" : "1") + " END"};
    case 1: return {{name, {TypeKind::kInt}}, nulls + small + "::INTEGER END"};
    case 2: {
      const bool wide = chance(random, 25);
      const ColumnType type{TypeKind::kDecimal, static_cast<std::uint8_t>(wide ? 20 : 12),
                            static_cast<std::uint8_t>(wide ? 4 : 2)};
      return {{name, type},
              nulls + "(" + h + " * 7 - 3000000)::" + (wide ? "DECIMAL(20,4)" : "DECIMAL(12,2)") + " / 100 END"};
    }
    case 3:
      return {{name, {TypeKind::kVarchar}},
              nulls +
                  "list_extract(['', 'a', 'b', 'é', '東京', 'a longer text that needs memory of its own', 'B'], 1 + " +
                  h + " % 7) END"};
    case 4:
      return {{name, {TypeKind::kDouble}},
              nulls + "CASE WHEN " + h + " % 11 = 0 THEN -0.0 ELSE " + small + " / 8.0 END END"};
    case 5: return {{name, {TypeKind::kBoolean}}, nulls + h + " % 2 = 0 END"};
    case 6: return {{name, {TypeKind::kDate}}, nulls + "DATE '2026-01-01' + " + small + "::INTEGER END"};
    default:
      return {{name, {TypeKind::kTimestamp}},
              nulls + "TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_seconds(" + small + " * 1000) END"};
  }
}

std::vector<EventColumn> random_columns(Random& random) {
  std::vector<EventColumn> columns;
  const std::size_t count = 3 + below(random, 5);
  for (std::size_t n = 0; n < count; ++n) columns.push_back(random_column(random, n));
  columns.push_back({{"_source", {TypeKind::kVarchar}}, "'test'"});
  columns.push_back({{"_partition", {TypeKind::kInt}}, "(i % 3)::INTEGER"});
  columns.push_back({{"_offset", {TypeKind::kBigint}}, "i"});
  return columns;
}

// ---- views ----------------------------------------------------------------------------------------------------------

class ViewMaker {
 public:
  ViewMaker(Random& random, const std::vector<EventColumn>& columns) : random_(random) {
    for (std::size_t i = 0; i + 3 < columns.size(); ++i) columns_.push_back(columns[i].column);
  }

  std::string sql() {
    std::string select;
    std::string group;
    const auto item = [&](const std::string& expression) {
      select += (select.empty() ? "" : ", ") + expression + " AS o" + std::to_string(outputs_++);
    };
    const std::size_t keys = below(random_, 4);
    for (std::size_t k = 0; k < keys; ++k) {
      const std::string key = key_expression();
      item(key);
      group += (group.empty() ? "" : ", ") + key;
    }
    const std::size_t aggregates = 1 + below(random_, 4);
    for (std::size_t a = 0; a < aggregates; ++a) item(aggregate_expression());
    std::string text = "SELECT " + select + " FROM bronze.events";
    if (chance(random_, 30)) text += " WHERE " + condition();
    if (!group.empty()) text += chance(random_, 30) ? " GROUP BY ALL" : " GROUP BY " + group;
    if (chance(random_, 25)) text += " HAVING " + having();
    return text;
  }

 private:
  const Column& column(const std::vector<TypeKind>& kinds) {
    std::vector<const Column*> fitting;
    for (const auto& c : columns_) {
      for (const auto kind : kinds) {
        if (c.type.kind == kind) fitting.push_back(&c);
      }
    }
    static const Column none{"_offset", {TypeKind::kBigint}};
    return fitting.empty() ? none : *fitting[below(random_, fitting.size())];
  }
  const Column& any() { return columns_[below(random_, columns_.size())]; }
  const Column& number() { return column({TypeKind::kBigint, TypeKind::kInt, TypeKind::kDecimal}); }

  std::string key_expression() {
    switch (below(random_, 6)) {
      case 0: {
        const auto& time = column({TypeKind::kTimestamp});
        return time.type.kind == TypeKind::kTimestamp ? "date_trunc('day', " + time.name + ")" : time.name;
      }
      case 1: {
        const auto& text = column({TypeKind::kVarchar});
        return text.type.kind == TypeKind::kVarchar ? "upper(" + text.name + ")" : text.name;
      }
      case 2: return "_partition";
      default: return any().name;
    }
  }

  std::string condition() {
    const auto& c = any();
    switch (below(random_, 3)) {
      case 0: return c.name + " IS NOT NULL";
      case 1: return number().name + " > 0";
      default: return "_offset % 3 <> 1";
    }
  }

  std::string filter() { return chance(random_, 20) ? " FILTER (WHERE " + condition() + ")" : ""; }

  std::string exact() {
    switch (below(random_, 8)) {
      case 0: return "count(*)" + filter();
      case 1: return "count(" + any().name + ")" + filter();
      case 2:
      case 3: return "sum(" + number().name + ")" + filter();
      case 4: return "min(" + any().name + ")" + filter();
      case 5: return "max(" + any().name + ")" + filter();
      case 6: return "count(DISTINCT " + any().name + ")" + filter();
      default: return "sum(" + column({TypeKind::kInt}).name + " + 1)" + filter();
    }
  }

  std::string aggregate_expression() {
    switch (below(random_, 12)) {
      case 0: return "avg(" + number().name + ")" + filter();
      case 1: return "stddev(" + column({TypeKind::kDouble, TypeKind::kInt}).name + ")" + filter();
      case 2: return "var_pop(" + number().name + ")" + filter();
      case 3: return "sum(" + column({TypeKind::kDouble}).name + ")" + filter();
      case 4: {
        const auto& flag = column({TypeKind::kBoolean});
        return flag.type.kind == TypeKind::kBoolean ? "bool_and(" + flag.name + ")" + filter() : exact();
      }
      case 5: return "arg_max(" + any().name + ", " + any().name + ")" + filter();
      case 6: return "first(" + any().name + " ORDER BY " + any().name + ")" + filter();
      case 7: return "last(" + any().name + " ORDER BY " + any().name + ")";
      case 8: return "CASE WHEN count(*) > 3 THEN 'many' WHEN " + exact() + " IS NULL THEN 'none' ELSE 'few' END";
      case 9: return "count(*) * 2 + coalesce(count(" + any().name + "), 0)";
      default: return exact();
    }
  }

  std::string having() { return chance(random_, 50) ? "count(*) > 1" : "count(" + any().name + ") >= 1"; }

  Random& random_;
  std::vector<Column> columns_;
  std::size_t outputs_ = 0;
};

// ---- one case -------------------------------------------------------------------------------------------------------

class Differential : public ::testing::Test {
 protected:
  Differential() : database_(duck::Database::open({}).value()), connection_(database_.connect().value()) {
    directory_ = std::filesystem::temp_directory_path() / ("inlet-differential-" + std::to_string(::getpid()));
  }
  ~Differential() override { std::filesystem::remove_all(directory_); }

  // "": the state said what the reference says.
  std::string run(std::uint64_t seed) {
    Random random(seed);
    const auto columns = random_columns(random);
    const std::size_t rows = one_of<std::size_t>(random, {0, 1, 7, 60, 400, 3000});
    std::string select;
    Schema schema;
    for (const auto& c : columns) {
      select +=
          (select.empty() ? "CAST(" : ", CAST(") + c.sql + " AS " + c.column.type.to_duckdb() + ") AS " + c.column.name;
      schema.columns.push_back(c.column);
    }
    auto made =
        connection_.execute("CREATE OR REPLACE TEMP TABLE events AS SELECT " + select + " FROM (SELECT range AS i, " +
                            std::to_string(seed % 1000000) + " AS seed FROM range(" + std::to_string(rows) + "))");
    if (!made.is_ok()) return "events: " + made.to_line();

    config::ViewConfig view;
    view.name = "random";
    view.sql = ViewMaker(random, columns).sql();
    auto plan = plan_view(connection_, {view, "bronze/events", schema, {}});
    if (!plan.is_ok()) return view.sql + "\n" + plan.status().to_line();

    auto state = std::make_unique<ViewState>(*plan);
    std::filesystem::remove_all(directory_);
    std::optional<StateFiles> files(std::in_place, directory_.string(), *plan);
    for (std::size_t begin = 0; begin < rows;) {
      const std::size_t end = std::min(rows, begin + 1 + below(random, 1 + rows / (1 + below(random, 6))));
      const Events batch(connection_, "SELECT * FROM events WHERE _offset >= " + std::to_string(begin) +
                                          " AND _offset < " + std::to_string(end));
      if (auto merged = merge(*plan, batch, *state, /*by_group=*/chance(random, 50)); !merged.is_ok())
        return view.sql + "\n" + merged.to_line();
      begin = end;
      if (!chance(random, 25)) continue;
      auto saved = files->save(connection_, StateFiles::prepare(*state, *plan, {"t", {1}, "x", {}}));
      if (!saved.is_ok()) return view.sql + "\nsave: " + saved.to_line();
      if (chance(random, 50)) continue;
      files.emplace(directory_.string(), *plan);
      auto loaded = files->load(connection_);
      if (!loaded.state) return view.sql + "\nload: " + loaded.why_not;
      state = std::move(loaded.state);
    }

    std::vector<duck::DataChunk> chunks;
    for (const auto& [key, partition] : state->partitions()) {
      for (auto& chunk : state->rows_of(partition)) chunks.push_back(std::move(chunk));
    }
    std::vector<const duck::DataChunk*> pointers;
    for (const auto& chunk : chunks) pointers.push_back(&chunk);
    connection_.bind_chunks({plan->state, pointers});
    const Events rows_of_state(connection_, "SELECT * FROM inlet_chunks()");
    const Events all(connection_, "SELECT * FROM events");
    auto difference =
        first_difference(connection_, *plan, "SELECT * FROM (" + rows_of_state.over(plan->final_sql) + ")",
                         "SELECT * FROM (" + all.over(plan->reference_sql) + ")");
    connection_.unbind_chunks();
    if (!difference.is_ok()) return view.sql + "\n" + difference.status().to_line();
    return *difference ? view.sql + "\n" + **difference : std::string();
  }

  static Status merge(const ViewPlan& plan, const Events& batch, ViewState& state, bool by_group) {
    if (!by_group) return for_each_event_chunk(plan, batch, [&](auto chunk) { return state.merge_events(chunk); });
    INLET_ASSIGN_OR_RETURN(const auto partials, GroupPartials::of(plan, batch));
    return state.merge(partials);
  }

  void run_from(std::uint64_t first, std::size_t cases) {
    std::size_t failures = 0;
    for (std::uint64_t seed = first; seed < first + cases && failures < 3; ++seed) {
      const std::string problem = run(seed);
      EXPECT_EQ(problem, "") << "INLET_DIFFERENTIAL_SEED=" << seed;
      failures += problem.empty() ? 0 : 1;
    }
  }

  static std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
  }

  std::filesystem::path directory_;
  duck::Database database_;
  duck::Connection connection_;
};

TEST_F(Differential, the_state_says_what_the_sql_says) {
  const auto seed = number_of("INLET_DIFFERENTIAL_SEED", 0);
  run_from(seed == 0 ? 1 : seed, number_of("INLET_DIFFERENTIAL_CASES", seed == 0 ? 40 : 1));
}

constexpr std::size_t kSlice = 250;
class SlowDifferential : public Differential, public ::testing::WithParamInterface<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Slices, SlowDifferential, ::testing::Range<std::uint64_t>(0, 8));
TEST_P(SlowDifferential, of_250_random_views_the_state_says_what_the_sql_says) {
  run_from(1'000 + GetParam() * kSlice, kSlice);
}

}  // namespace
}  // namespace inlet::views
