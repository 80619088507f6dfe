// The whole flow on a real lake and a scripted source: every offset exactly once, whatever the source does.

#include "pipeline/pipeline.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <mutex>
#include <random>
#include <set>

#include "bronze/markers.h"
#include "duck/database.h"
#include "tests/fakes/pipeline_configs.h"
#include "tests/fakes/scripted_source.h"
#include "tests/pipeline/lake_runs.h"

namespace inlet::pipeline {
namespace {

using fakes::ScriptedLog;
using fakes::ScriptedSource;

std::string good_record(std::int64_t id) {
  return R"({"id":)" + std::to_string(id) + R"(,"at":"2026-01-01T00:00:00Z","amount":1.25,"name":"n"})";
}

// Three partitions with gaps and broken records; the offsets that hold a record are what must arrive.
ScriptedLog random_log(std::uint64_t seed, std::int64_t length) {
  std::mt19937_64 random(seed);
  ScriptedLog log;
  for (int p = 0; p < 3; ++p) {
    auto& partition = log[{"kafka:t", p}];
    partition.begin = static_cast<std::int64_t>(random() % 20);
    partition.end = partition.begin + length;
    for (auto offset = partition.begin; offset < partition.end; ++offset) {
      const auto kind = random() % 20;
      if (kind == 0) continue;  // a gap
      partition.records[offset] = kind == 1 ? R"({"id":)" : good_record(offset);
    }
  }
  return log;
}

std::multiset<Position> expected_positions(const ScriptedLog& log) {
  std::multiset<Position> all;
  for (const auto& [partition, script] : log) {
    for (const auto& [offset, value] : script.records) all.insert({partition.partition, offset});
  }
  return all;
}

TEST(Pipeline, every_offset_arrives_exactly_once_through_rebalances_at_any_moment) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const TemporaryLake lake;
    const auto config = fakes::small_pipeline(lake.path());
    const auto log = random_log(seed, 400);
    const auto status = run(config, log, {.seed = seed, .rebalance = 0.05, .largest_batch = 40, .in_group = true});
    ASSERT_TRUE(status.is_ok()) << "seed " << seed << ": " << status.to_line();
    ASSERT_EQ(all_positions(config), expected_positions(log)) << "seed " << seed;
  }
}

TEST(Pipeline, a_run_in_pieces_ends_where_one_run_would) {
  const TemporaryLake lake;
  const auto config = fakes::small_pipeline(lake.path());
  const auto log = random_log(7, 500);
  std::int64_t target = 0;
  for (std::uint64_t piece = 1; piece <= 10; ++piece) {
    target += 97;
    RunOptions options;
    options.events = target;
    const auto status = run(config, log, {.seed = piece}, options);
    ASSERT_TRUE(status.is_ok()) << status.to_line();
    ASSERT_EQ(snapshot_of(config, config.bronze.table)->transaction(bronze::events_id("p")), target);
    ASSERT_EQ(all_positions(config).size(), static_cast<std::size_t>(target));
  }
  ASSERT_TRUE(run(config, log, {}).is_ok());
  EXPECT_EQ(all_positions(config), expected_positions(log));
}

TEST(Rule01BronzeIsTheTruth, a_batch_without_one_good_row_still_commits_its_marker) {
  const TemporaryLake lake;
  const auto config = fakes::small_pipeline(lake.path());
  ScriptedLog log;
  log[{"kafka:t", 0}] = {{{0, "broken"}, {1, "broken"}}, 0, 2};
  ASSERT_TRUE(run(config, log, {}).is_ok());
  EXPECT_EQ(snapshot_of(config, config.bronze.table)->transaction("p/kafka:t/0"), 1);
  EXPECT_TRUE(positions_in(config, config.bronze.table).empty());
  EXPECT_EQ(positions_in(config, config.quarantine.table).size(), 2U);
}

TEST(Rule01BronzeIsTheTruth, a_range_covers_gaps_and_trailing_control_records) {
  const TemporaryLake lake;
  const auto config = fakes::small_pipeline(lake.path());
  ScriptedLog log;
  log[{"kafka:t", 0}] = {{{5, good_record(5)}, {9, good_record(9)}}, 5, 12};
  ASSERT_TRUE(run(config, log, {.largest_batch = 3}).is_ok());
  EXPECT_EQ(snapshot_of(config, config.bronze.table)->transaction("p/kafka:t/0"), 11);
  EXPECT_EQ(positions_in(config, config.bronze.table).size(), 2U);
}

TEST(Rule02ClaimBeforeReading, without_a_group_a_superseded_process_stops_and_writes_nothing_more) {
  const TemporaryLake lake;
  const auto config = fakes::small_pipeline(lake.path());
  const auto log = random_log(3, 3000);
  const StopSignal never;
  bool taken_over = false;
  RunHooks hooks;
  hooks.on_committed = [&](const CommittedBatch&) {
    if (std::exchange(taken_over, true)) return;
    // What another machine, which cannot see this one's lock, would do: claim every partition.
    auto tables = bronze::Tables::open(config);
    ASSERT_TRUE(tables.is_ok());
    auto database = duck::Database::open({});
    auto connection = database->connect();
    std::vector<bronze::ClaimRequest> requests;
    for (const auto& [partition, script] : log) requests.push_back({partition, {script.begin}});
    ASSERT_TRUE(bronze::claim_partitions(*tables, "p", requests, *connection, [] { return false; }).is_ok());
  };
  Pipeline pipeline(config, std::make_unique<ScriptedSource>(log, ScriptedSource::Mischief{.largest_batch = 20}));
  const auto status = pipeline.run({.until_caught_up = true}, never, hooks);
  ASSERT_TRUE(taken_over);
  EXPECT_EQ(status.code(), StatusCode::kFenced) << status.to_line();
  ASSERT_TRUE(run(config, log, {}).is_ok());
  EXPECT_EQ(all_positions(config), expected_positions(log));
}

TEST(Rule09LossIsNeverSilent, offsets_that_expired_stop_the_run_and_are_named) {
  const TemporaryLake lake;
  auto config = fakes::small_pipeline(lake.path());
  ScriptedLog log;
  auto& partition = log[{"kafka:t", 0}];
  for (int i = 0; i < 10; ++i) partition.records[i] = good_record(i);
  partition.end = 10;
  ASSERT_TRUE(run(config, log, {}).is_ok());
  for (int i = 10; i < 30; ++i) partition.records[i] = good_record(i);
  partition.begin = 15;
  partition.end = 30;
  partition.records.erase(partition.records.begin(), partition.records.find(15));
  const auto refused = run(config, log, {});
  EXPECT_EQ(refused.code(), StatusCode::kDataLoss);
  EXPECT_NE(refused.to_line().find("10..14"), std::string::npos) << refused.to_line();
  config.source.fail_on_data_loss = false;
  ASSERT_TRUE(run(config, log, {}).is_ok());
  EXPECT_EQ(all_positions(config).size(), 25U);
}

TEST(Rule09LossIsNeverSilent, a_recreated_topic_is_told_by_the_record_at_the_marker) {
  const TemporaryLake lake;
  auto config = fakes::small_pipeline(lake.path());
  ScriptedLog log;
  auto& partition = log[{"kafka:t", 0}];
  for (int i = 0; i < 10; ++i) partition.records[i] = good_record(i);
  partition.end = 10;
  ASSERT_TRUE(run(config, log, {}).is_ok());
  for (int i = 0; i < 20; ++i) partition.records[i] = good_record(1000 + i);
  partition.end = 20;
  EXPECT_EQ(run(config, log, {}).code(), StatusCode::kDataLoss);
  config.source.fail_on_data_loss = false;
  ASSERT_TRUE(run(config, log, {}).is_ok());
  EXPECT_EQ(all_positions(config).size(), 30U);
}

TEST(Rule12RebalanceIsOrdinary, what_was_queued_for_a_revoked_partition_is_not_committed_twice) {
  const TemporaryLake lake;
  auto config = fakes::small_pipeline(lake.path());
  config.bronze.batch_interval = std::chrono::milliseconds(40);  // long: much is queued when partitions are revoked
  const auto log = random_log(11, 600);
  const auto status = run(config, log, {.seed = 11, .rebalance = 0.3, .largest_batch = 30, .in_group = true});
  ASSERT_TRUE(status.is_ok()) << status.to_line();
  EXPECT_EQ(all_positions(config), expected_positions(log));
}

TEST(Pipeline, tells_of_every_publish_of_a_view_and_what_duckdb_holds) {
  const TemporaryLake lake;
  auto config = fakes::small_pipeline(lake.path());
  config::ViewConfig view;
  view.name = "names";
  view.sql = "SELECT name, count(*) AS n FROM bronze.events GROUP BY name";
  view.table = "silver/names";
  config.views.push_back(view);
  const auto log = random_log(9, 300);
  std::mutex mutex;
  std::vector<views::PublishedEvent> events;
  RunHooks hooks;
  hooks.on_published = [&](const views::PublishedEvent& event) {
    const std::scoped_lock lock(mutex);
    events.push_back(event);
  };
  Pipeline pipeline(config, std::make_unique<ScriptedSource>(log, ScriptedSource::Mischief{}));
  const StopSignal never;
  ASSERT_TRUE(pipeline.run({.until_caught_up = true}, never, hooks).is_ok());
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(static_cast<std::int64_t>(events.size()), pipeline.progress().views.front().publishes);
  EXPECT_EQ(events.back().view, "names");
  EXPECT_EQ(events.back().table_version, snapshot_of(config, "silver/names")->version());
  EXPECT_EQ(events.back().bronze.version, snapshot_of(config, config.bronze.table)->version());
  EXPECT_GE(pipeline.progress().duckdb_bytes, 0);
}

TEST(Pipeline, a_second_process_without_a_group_is_told_who_holds_the_pipeline) {
  const TemporaryLake lake;
  const auto config = fakes::small_pipeline(lake.path());
  const auto log = random_log(5, 200);
  Status second;
  RunHooks hooks;
  hooks.on_committed = [&](const CommittedBatch&) {
    if (second.is_ok()) second = run(config, log, {});
  };
  Pipeline first(config, std::make_unique<ScriptedSource>(log, ScriptedSource::Mischief{}));
  const StopSignal never;
  ASSERT_TRUE(first.run({.until_caught_up = true}, never, hooks).is_ok());
  EXPECT_FALSE(second.is_ok());
  EXPECT_NE(second.to_line().find(std::to_string(getpid())), std::string::npos) << second.to_line();
  EXPECT_EQ(all_positions(config), expected_positions(log));
}

}  // namespace
}  // namespace inlet::pipeline
