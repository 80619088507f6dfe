// Late rows through the whole flow: the same bronze and the same late table, whatever the source does, however batches
// fall, and wherever the process dies; then each late row in bronze, once.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "bronze/late_table.h"
#include "bronze/markers.h"
#include "lake/file_statistics.h"
#include "pipeline/pipeline.h"
#include "pipeline/watermark.h"
#include "tests/fakes/pipeline_configs.h"
#include "tests/fakes/scripted_source.h"
#include "tests/pipeline/lake_runs.h"

namespace inlet::pipeline {
namespace {

using fakes::ScriptedLog;
using fakes::ScriptedSource;

constexpr std::int64_t kDelaySeconds = 600;
constexpr int kPartitions = 3;

config::PipelineConfig diverting(const std::string& lake, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto config = fakes::small_pipeline(lake);
  config.late.policy = config::LatePolicy::kDivert;
  config.late.delay = std::chrono::seconds(kDelaySeconds);
  config.bronze.batch_rows = 1 + static_cast<std::int64_t>(random() % 90);
  config.bronze.batch_interval = std::chrono::milliseconds(1 + random() % 10);
  // A row that is set aside moves no largest event time: theirs are the largest of all.
  config.expectations.push_back({"not_negative", "amount >= 0", config::ExpectAction::kQuarantine, ""});
  return config;
}

std::string record(std::int64_t id, std::optional<std::int64_t> seconds, bool is_negative) {
  std::string at = "null";
  if (seconds) at = std::to_string(*seconds * 1000);  // epoch milliseconds
  return R"({"id":)" + std::to_string(id) + R"(,"at":)" + at + R"(,"amount":)" + (is_negative ? "-1.5" : "1.25") +
         R"(,"name":"n"})";
}

// A log, and what the definition says of each record in it.
struct Planned {
  ScriptedLog log;
  std::multiset<Position> in_time;
  std::map<Position, std::int64_t> late;  // and the largest time before it, in seconds
  std::multiset<Position> rejected;
  std::map<std::int32_t, std::int64_t> largest;  // at the end, of each partition

  std::multiset<Position> late_positions() const {
    std::multiset<Position> all;
    for (const auto& [position, largest_before] : late) all.insert(position);
    return all;
  }
  std::multiset<Position> rows() const {
    auto all = in_time;
    all.merge(late_positions());
    return all;
  }
};

Planned plan(std::uint64_t seed, std::int64_t length) {
  std::mt19937_64 random(seed);
  Planned planned;
  // The records' own time is 2026-01-01T00:00:00Z: event times reach from the day before to it.
  constexpr std::int64_t kFirst = 1'767'225'600 - 80'000;
  for (std::int32_t p = 0; p < kPartitions; ++p) {
    auto& partition = planned.log[{"kafka:t", p}];
    partition.begin = static_cast<std::int64_t>(random() % 20);
    partition.end = partition.begin + length;
    std::optional<std::int64_t> largest;
    std::int64_t now = kFirst;
    for (auto offset = partition.begin; offset < partition.end; ++offset) {
      const auto kind = random() % 20;
      const Position position{p, offset};
      if (kind == 0) continue;  // a gap
      now += static_cast<std::int64_t>(random() % 120);
      if (kind <= 3) {
        const auto far = now + 7000;
        partition.records[offset] = kind == 1   ? R"({"id":)"
                                    : kind == 2 ? record(offset, far, true)                // not what is expected
                                                : record(offset, far + 1'000'000, false);  // in the future
        planned.rejected.insert(position);
        continue;
      }
      const std::int64_t time = kind <= 9 ? now - static_cast<std::int64_t>(random() % 4000) : now;
      partition.records[offset] = record(offset, time, false);
      if (largest && *largest - time > kDelaySeconds) {
        planned.late[position] = *largest;
      } else {
        planned.in_time.insert(position);
      }
      largest = std::max(largest.value_or(time), time);
      planned.largest[p] = *largest;
    }
  }
  return planned;
}

// Every row of the late table with the largest event time it was judged by, in seconds.
std::map<Position, std::int64_t> judged_rows(const config::PipelineConfig& config) {
  auto table = bronze::LateTable::open(config);
  EXPECT_TRUE(table.is_ok()) << table.status().to_line();
  auto view = (*table)->look();
  EXPECT_TRUE(view.is_ok()) << view.status().to_line();
  auto rows = (*table)->connection().query("SELECT _partition, _offset, epoch(max_event_time)::BIGINT FROM (" +
                                           view->pending_sql +
                                           ") UNION ALL SELECT _partition, _offset, "
                                           "epoch(max_event_time)::BIGINT FROM (" +
                                           view->applied_sql + ")");
  EXPECT_TRUE(rows.is_ok()) << rows.status().to_line();
  std::map<Position, std::int64_t> all;
  for (std::size_t row = 0; row < rows->rows(); ++row)
    all[{static_cast<std::int32_t>(rows->integer(row, 0)), rows->integer(row, 1)}] = rows->integer(row, 2);
  return all;
}

std::int64_t apply(const config::PipelineConfig& config) {
  auto table = bronze::LateTable::open(config);
  EXPECT_TRUE(table.is_ok()) << table.status().to_line();
  const auto applied = (*table)->apply(Clock::system(), [] { return false; });
  EXPECT_TRUE(applied.is_ok()) << applied.status().to_line();
  return applied.is_ok() ? applied->rows : -1;
}

void expect_decided_as_planned(const config::PipelineConfig& config, const Planned& planned) {
  EXPECT_EQ(positions_in(config, config.bronze.table), planned.in_time);
  EXPECT_EQ(positions_in(config, config.quarantine.table), planned.rejected);
  EXPECT_EQ(positions_in(config, config.late.table), planned.late_positions());
  EXPECT_EQ(judged_rows(config), planned.late);
  const auto snapshot = snapshot_of(config, config.bronze.table);
  EXPECT_EQ(snapshot->transaction(bronze::late_id("p")), static_cast<std::int64_t>(planned.late.size()));
  for (const auto& [partition, seconds] : planned.largest) {
    EXPECT_EQ(snapshot->transaction(bronze::max_event_time_id("p", {"kafka:t", partition})), seconds * 1'000'000);
  }
}

TEST(Late, rows_are_decided_alike_for_any_batches_rebalances_and_pieces) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const TemporaryLake lake;
    const auto config = diverting(lake.path(), seed);
    const auto planned = plan(seed, 300);
    ASSERT_FALSE(planned.late.empty());
    std::mt19937_64 random(seed);
    std::int64_t target = 0;
    for (int piece = 0; piece < 3; ++piece) {
      RunOptions options;
      options.events = target += 1 + static_cast<std::int64_t>(random() % 250);
      const auto status = run(config, planned.log,
                              {.seed = random(), .rebalance = 0.04, .largest_batch = 40, .in_group = true}, options);
      ASSERT_TRUE(status.is_ok()) << status.to_line();
    }
    const auto status =
        run(config, planned.log, {.seed = random(), .rebalance = 0.04, .largest_batch = 40, .in_group = true});
    ASSERT_TRUE(status.is_ok()) << status.to_line();
    expect_decided_as_planned(config, planned);
    EXPECT_EQ(apply(config), static_cast<std::int64_t>(planned.late.size()));
    EXPECT_EQ(positions_in(config, config.bronze.table), planned.rows());
    EXPECT_EQ(apply(config), 0);
    EXPECT_EQ(positions_in(config, config.late.table), planned.late_positions());
  }
}

TEST(Late, rows_go_into_bronze_and_are_counted_where_the_policy_is_apply) {
  const TemporaryLake lake;
  auto config = diverting(lake.path(), 3);
  config.late.policy = config::LatePolicy::kApply;
  const auto planned = plan(3, 300);
  Pipeline pipeline(config, std::make_unique<ScriptedSource>(planned.log, ScriptedSource::Mischief{}));
  const StopSignal never;
  ASSERT_TRUE(pipeline.run({.until_caught_up = true}, never, {}).is_ok());
  EXPECT_EQ(positions_in(config, config.bronze.table), planned.rows());
  EXPECT_EQ(pipeline.progress().late, static_cast<std::int64_t>(planned.late.size()));
  EXPECT_EQ(pipeline.progress().diverted, 0);
  EXPECT_EQ(snapshot_of(config, config.bronze.table)->transaction(bronze::late_id("p")),
            static_cast<std::int64_t>(planned.late.size()));
}

// --- rule 5: decided once ---

TEST(Rule05DecidedOnce, a_late_row_that_stands_above_the_marker_is_not_written_again_by_whatever_policy) {
  for (const auto policy : {config::LatePolicy::kDivert, config::LatePolicy::kApply}) {
    const TemporaryLake lake;
    auto config = diverting(lake.path(), 4);
    const auto planned = plan(4, 100);
    // What a process leaves behind that diverts the first late row of partition 0 and dies before its bronze commit.
    const auto first = planned.late.begin()->first;
    ASSERT_EQ(first.first, 0);
    RunOptions up_to_it;
    ScriptedLog one_partition{{{"kafka:t", 0}, planned.log.at({"kafka:t", 0})}};
    one_partition.begin()->second.end = first.second + 1;
    one_partition.begin()->second.records.erase(std::next(one_partition.begin()->second.records.find(first.second)),
                                                one_partition.begin()->second.records.end());
    ASSERT_TRUE(run(config, one_partition, {}).is_ok());
    ASSERT_EQ(positions_in(config, config.late.table).size(), 1U);
    {
      auto opened = lake::open_lake(config.lake);
      auto bronze = (*opened)->open(config.bronze.table);
      const auto lower = [&](const lake::Snapshot&) -> Result<lake::Commit> {
        lake::Commit commit;
        commit.operation = "TEST";
        commit.data_change = false;
        commit.transactions = {{bronze::marker_id("p", {"kafka:t", 0}), first.second - 1},
                               {bronze::fingerprint_id("p", {"kafka:t", 0}), bronze::kNoRecordAtMarker}};
        return commit;
      };
      ASSERT_TRUE((*bronze)->commit(lower, [] { return false; }).is_ok());
    }
    config.late.policy = policy;
    ASSERT_TRUE(run(config, planned.log, {}).is_ok());
    const auto late = positions_in(config, config.late.table);
    EXPECT_EQ(late.count(first), 1U);
    EXPECT_EQ(positions_in(config, config.bronze.table).count(first), 0U);
    auto both = positions_in(config, config.bronze.table);
    both.merge(positions_in(config, config.late.table));
    EXPECT_EQ(both, planned.rows());
  }
}

// --- dying at every step ---

// Not a test: the process that LateCrash starts, and that dies. Without its environment it has nothing to do.
TEST(LateCrash, child) {
  const char* const path = std::getenv("INLET_LATE_LAKE");  // NOLINT(concurrency-mt-unsafe)
  const char* const seed = std::getenv("INLET_LATE_SEED");  // NOLINT(concurrency-mt-unsafe)
  if (path == nullptr || seed == nullptr) return;
  const auto number = std::strtoull(seed, nullptr, 10);
  ASSERT_TRUE(run(diverting(path, number), plan(number, 200).log, {.seed = number, .largest_batch = 30}).is_ok());
}

int run_child(const std::string& lake, std::uint64_t seed, const std::string& kill_at) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::string> words{self, "--gtest_filter=LateCrash.child", "--gtest_brief=1"};
  std::vector<std::string> variables{"INLET_LATE_LAKE=" + lake, "INLET_LATE_SEED=" + std::to_string(seed),
                                     "INLET_KILL_AT=" + kill_at};
  for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (auto& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  pid_t child = 0;
  EXPECT_EQ(posix_spawn(&child, self.c_str(), nullptr, nullptr, arguments.data(), environment.data()), 0);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

TEST(LateCrash, at_any_step_leaves_each_row_where_it_was_decided) {
  int kills = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const TemporaryLake lake;
    const auto planned = plan(seed, 200);
    std::mt19937_64 random(seed);
    for (const char* point : {"bronze.after_late_commit", "bronze.before_late_commit", "claim.after_late",
                              "bronze.after_parquet", "bronze.after_late_commit", "bronze.after_commit"}) {
      const std::string kill_at = std::string(point) + ":" + std::to_string(1 + random() % 2);
      const int status = run_child(lake.path(), seed, kill_at);
      if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ++kills;
    }
    ASSERT_EQ(run_child(lake.path(), seed, "nowhere"), 0);
    expect_decided_as_planned(diverting(lake.path(), seed), planned);
  }
  EXPECT_GE(kills, 9) << "the points were not reached";
}

// --- rule 7: applied once ---

TEST(Rule07ReplayingCommitsReplan, late_rows_are_applied_beside_a_run_each_once) {
  const TemporaryLake lake;
  auto config = diverting(lake.path(), 6);
  config.bronze.batch_rows = 40;
  const auto planned = plan(6, 400);
  std::int64_t applied = 0;
  int commits = 0;
  RunHooks hooks;
  hooks.on_committed = [&](const CommittedBatch&) {
    if (++commits % 3 == 0) applied += apply(config);
  };
  Pipeline pipeline(config,
                    std::make_unique<ScriptedSource>(planned.log, ScriptedSource::Mischief{.largest_batch = 20}));
  const StopSignal never;
  const auto status = pipeline.run({.until_caught_up = true}, never, hooks);
  ASSERT_TRUE(status.is_ok()) << status.to_line();
  EXPECT_GT(applied, 0);
  applied += apply(config);
  EXPECT_EQ(applied, static_cast<std::int64_t>(planned.late.size()));
  EXPECT_EQ(positions_in(config, config.bronze.table), planned.rows());
  const auto snapshot = snapshot_of(config, config.bronze.table);
  for (const auto& [partition, seconds] : planned.largest) {
    EXPECT_EQ(snapshot->transaction(bronze::max_event_time_id("p", {"kafka:t", partition})), seconds * 1'000'000);
    EXPECT_EQ(snapshot->transaction(bronze::marker_id("p", {"kafka:t", partition})),
              planned.log.at({"kafka:t", partition}).end - 1);
  }
}

// Writes the rows of the late table anew, as a compaction does.
void compact_late_table(const config::PipelineConfig& config) {
  auto lake = lake::open_lake(config.lake);
  auto table = (*lake)->open(config.late.table);
  const auto files = (*table)->snapshot()->files();
  auto reader = bronze::LateTable::open(config);
  auto view = (*reader)->look();
  const auto definition = bronze::late_definition(config);
  const auto written = duck::copy_to_parquet(
      (*reader)->connection(), "(" + view->pending_sql + ") UNION ALL (" + view->applied_sql + ")",
      {.directory = (*table)->directory(), .partition_columns = definition.partition_columns});
  ASSERT_TRUE(written.is_ok()) << written.status().to_line();
  lake::Commit commit;
  commit.operation = "OPTIMIZE";
  commit.data_change = false;
  for (const auto& file : *files) commit.removes.push_back(file.path);
  for (const auto& file : *written)
    commit.adds.push_back(lake::add_file(file, (*table)->directory(), definition.schema, 0));
  const auto committed =
      (*table)->commit([&](const lake::Snapshot&) -> Result<lake::Commit> { return commit; }, [] { return false; });
  ASSERT_TRUE(committed.is_ok()) << committed.status().to_line();
}

TEST(Rule07ReplayingCommitsReplan, late_rows_are_applied_once_where_the_late_table_was_compacted_between) {
  const TemporaryLake lake;
  const auto config = diverting(lake.path(), 8);
  const auto planned = plan(8, 300);
  RunOptions half;
  half.events = 450;
  ASSERT_TRUE(run(config, planned.log, {}, half).is_ok());
  const auto first = apply(config);
  ASSERT_GT(first, 0);
  ASSERT_TRUE(run(config, planned.log, {}).is_ok());
  compact_late_table(config);
  const auto second = apply(config);
  EXPECT_EQ(first + second, static_cast<std::int64_t>(planned.late.size()));
  EXPECT_EQ(positions_in(config, config.bronze.table), planned.rows());
  EXPECT_EQ(apply(config), 0);
}

// --- the watermark that is shown ---

TEST(Watermark, is_the_smallest_of_the_active_partitions_and_never_goes_back) {
  const auto time = [](int seconds) { return Timestamp(std::chrono::seconds(seconds)); };
  const auto moment = [](int seconds) { return Watermark::Moment(std::chrono::seconds(seconds)); };
  const TopicPartition a{"t", 0};
  const TopicPartition b{"t", 1};
  Watermark watermark(std::chrono::seconds(60));
  EXPECT_FALSE(watermark.at(moment(0)).has_value());
  watermark.observe(a, time(100), moment(0));
  watermark.observe(b, time(500), moment(0));
  EXPECT_EQ(watermark.at(moment(1)), time(100));
  watermark.observe(b, time(700), moment(50));
  EXPECT_EQ(watermark.at(moment(60)), time(100));
  EXPECT_EQ(watermark.at(moment(61)), time(700)) << "a is idle and holds nobody back";
  EXPECT_EQ(watermark.at(moment(500)), time(700)) << "with all idle it stands";
  watermark.observe(a, time(200), moment(501));
  EXPECT_EQ(watermark.at(moment(501)), time(700)) << "it never goes back";
  watermark.observe(b, std::nullopt, moment(502));
  watermark.observe(a, time(900), moment(502));
  EXPECT_EQ(watermark.at(moment(502)), time(700));
}

}  // namespace
}  // namespace inlet::pipeline
