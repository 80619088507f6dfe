// Maintenance beside a run: files become few, and whatever the source does every offset is there exactly once, in every
// version that a reader may open.
#include "pipeline/maintenance.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>
#include <thread>

#include "bronze/markers.h"
#include "lake/file_statistics.h"
#include "tests/fakes/pipeline_configs.h"
#include "tests/fakes/scripted_source.h"
#include "tests/pipeline/lake_runs.h"

namespace inlet::pipeline {
namespace {

using namespace std::chrono_literals;
using fakes::ScriptedLog;
using fakes::ScriptedSource;

std::uint64_t seed() {
  const char* text = std::getenv("INLET_MAINTENANCE_SEED");  // NOLINT(concurrency-mt-unsafe)
  static const std::uint64_t chosen = text == nullptr ? std::random_device()() : std::strtoull(text, nullptr, 10);
  return chosen;
}

config::PipelineConfig kept(const std::string& lake) {
  auto config = fakes::small_pipeline(lake);
  config.bronze.batch_interval = 1ms;
  config.bronze.batch_rows = 20;
  config.maintenance.interval = 10ms;
  config.maintenance.min_files = 4;
  config.maintenance.share = 1;
  config.maintenance.vacuum_interval = 50ms;
  return config;
}

ScriptedLog log_of(std::mt19937_64& random, std::int64_t length) {
  ScriptedLog log;
  for (int p = 0; p < 2; ++p) {
    auto& partition = log[{"kafka:t", p}];
    partition.end = length;
    for (std::int64_t offset = 0; offset < length; ++offset) {
      const auto kind = random() % 20;
      if (kind == 0) continue;  // a gap
      partition.records[offset] = kind == 1 ? R"({"id":)"
                                            : R"({"id":)" + std::to_string(offset) + R"(,"at":"2026-01-0)" +
                                                  std::to_string(1 + random() % 2) + R"(T00:00:00Z"})";
    }
  }
  return log;
}

std::multiset<Position> expected_of(const ScriptedLog& log) {
  std::multiset<Position> all;
  for (const auto& [partition, script] : log) {
    for (const auto& [offset, value] : script.records) all.insert({partition.partition, offset});
  }
  return all;
}

TEST(Maintenance, rests_so_long_that_its_share_is_kept) {
  EXPECT_EQ(rest_after(100ms, 0.25), 300ms);
  EXPECT_EQ(rest_after(100ms, 0.5), 100ms);
  EXPECT_EQ(rest_after(100ms, 1), 0ms);
  EXPECT_EQ(rest_after(0ms, 0.01), 0ms);
}

TEST(Maintenance, counts_files_against_the_objective) {
  std::vector<lake::LiveFile> files(3);
  files[0].bytes = 75;
  files[1].bytes = 74;
  files[2].bytes = 200;
  const auto sizes = file_sizes("t", files, 100);
  EXPECT_EQ(sizes.files, 3);
  EXPECT_EQ(sizes.small_files, 1);
  EXPECT_EQ(sizes.bytes, 349);
}

// A reader that opens the table again and again, and reads every file of what it opened.
class LoopingReader {
 public:
  explicit LoopingReader(const config::PipelineConfig& config)
      : config_(config), thread_([this] {
          while (!stop_) read();
        }) {}
  ~LoopingReader() {
    stop_ = true;
    thread_.join();
  }
  int reads() const { return reads_; }

 private:
  void read() {
    const auto lake = std::move(lake::open_lake(config_.lake)).value();
    const auto table = lake->open(config_.bronze.table);
    if (!table.is_ok()) return;
    const auto files = (*table)->snapshot()->files();
    ASSERT_TRUE(files.is_ok()) << files.status().to_line();
    for (const auto& file : *files) {
      std::error_code failed;
      const auto bytes =
          std::filesystem::file_size(config_.lake + "/" + config_.bronze.table + "/" + file.path, failed);
      ASSERT_FALSE(failed) << "missing: " << file.path;
      ASSERT_EQ(static_cast<std::int64_t>(bytes), file.bytes);
    }
    ++reads_;
  }

  const config::PipelineConfig& config_;
  std::atomic<bool> stop_{false};
  std::atomic<int> reads_{0};
  std::thread thread_;
};

TEST(Maintenance, beside_appends_and_rebalances_keeps_every_offset_exactly_once) {
  SCOPED_TRACE("INLET_MAINTENANCE_SEED=" + std::to_string(seed()));
  std::mt19937_64 random(seed());
  for (int series = 0; series < 4; ++series) {
    const TemporaryLake lake;
    auto config = kept(lake.path());
    const auto log = log_of(random, 2500);
    const bool in_group = random() % 2 == 0;
    std::int64_t compactions = 0;
    std::int64_t target = 0;
    // In pieces, each of which cuts short what is being done.
    for (int piece = 0; piece < 3; ++piece) {
      target += 400 + static_cast<std::int64_t>(random() % 900);
      const LoopingReader reader(config);
      Pipeline pipeline(
          config,
          std::make_unique<ScriptedSource>(
              log, ScriptedSource::Mischief{.seed = random(), .rebalance = in_group ? 0.02 : 0, .in_group = in_group}));
      const StopSignal never;
      const auto status = pipeline.run({.events = target}, never, {});
      ASSERT_TRUE(status.is_ok()) << status.to_line();
      const auto maintenance = pipeline.progress().maintenance;
      ASSERT_TRUE(maintenance.has_value());
      EXPECT_TRUE(maintenance->problems.empty()) << maintenance->problems.begin()->second.to_line();
      compactions += maintenance->done.compactions;
    }
    ASSERT_TRUE(run(config, log, {}).is_ok());
    EXPECT_GT(compactions, 0);
    EXPECT_EQ(all_positions(config), expected_of(log));
    const auto snapshot = snapshot_of(config, config.bronze.table);
    for (const auto& [partition, script] : log)
      EXPECT_EQ(bronze::read_state(*snapshot, "p", partition).marker, Offset{script.end - 1});
  }
}

TEST(Maintenance, of_a_pipeline_is_one_process_s_and_passes_on_to_the_next) {
  const TemporaryLake lake;
  const auto config = kept(lake.path());
  std::mt19937_64 random(1);
  auto without = config;
  without.maintenance.enabled = false;
  ASSERT_TRUE(run(without, log_of(random, 1000), {}).is_ok());
  const auto files = snapshot_of(config, config.bronze.table)->files().value().size();
  ASSERT_GT(files, 50U);

  const auto wait_for = [](const auto& condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) std::this_thread::sleep_for(5ms);
    return condition();
  };
  auto first = std::make_unique<Maintenance>(Maintenance::Parts{config, Clock::system(), false, nullptr});
  ASSERT_TRUE(wait_for([&] { return first->status().done.compactions > 0; }));
  Maintenance second({config, Clock::system(), false, nullptr});
  std::this_thread::sleep_for(100ms);
  EXPECT_FALSE(second.status().is_keeper);
  first.reset();
  EXPECT_TRUE(wait_for([&] { return second.status().is_keeper && second.status().rounds > 2; }));
  second.stop();
  EXPECT_LT(snapshot_of(config, config.bronze.table)->files().value().size(), files / 4);
}

// Adds a file of `rows` rows of day 1 that do not compress.
void append_file(lake::Table& table, duck::Connection& connection, int rows) {
  const auto written = duck::copy_to_parquet(
      connection,
      "SELECT (hash(random()) >> 1)::BIGINT AS id, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS at, NULL::DECIMAL(12,2) AS "
      "amount, NULL::VARCHAR AS name, 0 AS _partition, i AS _offset, '2026-01-01' AS day FROM range(" +
          std::to_string(rows) + ") t(i)",
      {table.directory(), {"day"}});
  ASSERT_TRUE(written.is_ok()) << written.status().to_line();
  lake::Commit commit;
  commit.operation = "WRITE";
  for (const auto& file : *written)
    commit.adds.push_back(lake::add_file(file, table.directory(), table.snapshot()->schema(), 1));
  const auto done =
      table.commit([&](const lake::Snapshot&) -> Result<lake::Commit> { return commit; }, [] { return false; });
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
}

std::size_t parquet_files(const std::string& directory) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    const auto path = entry.path().string();
    count += path.ends_with(".parquet") && path.find("_delta_log") == std::string::npos ? 1 : 0;
  }
  return count;
}

// A table with a large group to be brought together, slowly: more than a quarter of file_size.
class BesideALargeGroup : public ::testing::Test {
 protected:
  BesideALargeGroup() {
    config_.maintenance.enabled = false;
    std::mt19937_64 random(4);
    EXPECT_TRUE(run(config_, log_of(random, 1), {}).is_ok());
    config_.maintenance.file_size = 8'000'000;
    config_.maintenance.share = 0.1;
    config_.maintenance.vacuum_interval = 1h;
    table_ = std::move(lake_->open(config_.bronze.table)).value();
    for (int i = 0; i < 4; ++i) append_file(*table_, connection_, 200'000);
    for (const auto& file : files()) {
      before_.insert(file.path);
      if (file.bytes > 1'000'000) large_.insert(file.path);
    }
    EXPECT_EQ(large_.size(), 4U);
    on_disk_ = parquet_files(table_->directory());
  }

  std::vector<lake::LiveFile> files() { return std::move(table_->refresh().value()->files()).value(); }

  std::size_t large_left() {
    std::size_t left = 0;
    for (const auto& file : files()) left += large_.contains(file.path) ? 1 : 0;
    return left;
  }

  static bool wait_for(const std::function<bool()>& condition) {
    for (int i = 0; i < 12000 && !condition(); ++i) std::this_thread::sleep_for(5ms);
    return condition();
  }
  bool is_being_written() {
    return wait_for([&] { return parquet_files(table_->directory()) > on_disk_; });
  }

  const TemporaryLake directory_;
  config::PipelineConfig config_ = kept(directory_.path());
  duck::Database database_ = std::move(duck::Database::open({.threads = 1})).value();
  duck::Connection connection_ = std::move(database_.connect()).value();
  std::unique_ptr<lake::Lake> lake_ = std::move(lake::open_lake(config_.lake)).value();
  std::unique_ptr<lake::Table> table_;
  std::set<std::string> before_;
  std::set<std::string> large_;  // of them
  std::size_t on_disk_ = 0;
};

TEST_F(BesideALargeGroup, what_comes_meanwhile_is_brought_together) {
  Maintenance maintenance({config_, Clock::system(), false, nullptr});
  ASSERT_TRUE(is_being_written());
  for (int i = 0; i < 4; ++i) append_file(*table_, connection_, 10);
  ASSERT_TRUE(wait_for([&] { return maintenance.status().done.compactions > 0; }));
  maintenance.stop();
  EXPECT_EQ(maintenance.status().done.removed_files, 4);
  EXPECT_EQ(large_left(), 4U) << "the large group was not done first";
  EXPECT_EQ(parquet_files(table_->directory()), on_disk_ + 5) << "what was half written is gone";
}

TEST_F(BesideALargeGroup, what_fails_does_not_disturb_it) {
  Maintenance maintenance({config_, Clock::system(), false, nullptr});
  ASSERT_TRUE(is_being_written());
  for (int i = 0; i < 4; ++i) append_file(*table_, connection_, 10);
  for (const auto& file : files()) {
    if (!before_.contains(file.path)) std::filesystem::resize_file(table_->directory() + "/" + file.path, 10);
  }
  ASSERT_TRUE(wait_for([&] { return !maintenance.status().problems.empty(); }));
  EXPECT_EQ(maintenance.status().done.compactions, 0);
  ASSERT_TRUE(wait_for([&] { return maintenance.status().done.compactions > 0; }));
  maintenance.stop();
  EXPECT_EQ(large_left(), 0U);
}

TEST(Maintenance, deletes_no_file_that_was_removed_a_moment_ago_or_that_a_view_may_read) {
  const TemporaryLake lake;
  auto config = kept(lake.path());
  config.bronze.properties = {{"delta.deletedFileRetentionDuration", "interval 0 seconds"}};
  config.serve.query_timeout = 0ms;
  std::mt19937_64 random(2);
  auto without = config;
  without.maintenance.enabled = false;
  ASSERT_TRUE(run(without, log_of(random, 600), {}).is_ok());
  const auto wait_for = [](const auto& condition) {
    for (int i = 0; i < 12000 && !condition(); ++i) std::this_thread::sleep_for(5ms);
    return condition();
  };
  const auto before = positions_in(config, config.bronze.table);
  {
    // A view of this process that has shown nothing yet.
    Maintenance maintenance({config, Clock::system(), false, [] { return true; }});
    ASSERT_TRUE(wait_for([&] { return maintenance.status().done.compactions > 0; }));
    const auto rounds = maintenance.status().rounds;
    ASSERT_TRUE(wait_for([&] { return maintenance.status().rounds > rounds + 20; }));
    EXPECT_EQ(maintenance.status().done.vacuumed_files, 0);
  }
  {
    // The page's queries may run on.
    auto slow = config;
    slow.serve.query_timeout = 1h;
    Maintenance maintenance({slow, Clock::system(), false, nullptr});
    ASSERT_TRUE(wait_for([&] { return maintenance.status().rounds > 20; }));
    EXPECT_EQ(maintenance.status().done.vacuumed_files, 0);
  }
  {
    Maintenance maintenance({config, Clock::system(), false, nullptr});
    ASSERT_TRUE(wait_for([&] { return maintenance.status().done.vacuumed_files > 10; }));
    EXPECT_TRUE(maintenance.status().problems.empty());
  }
  EXPECT_EQ(positions_in(config, config.bronze.table), before);
}

TEST(Maintenance, that_cannot_do_its_work_says_so_and_fails_nothing) {
  const TemporaryLake lake;
  const auto config = kept(lake.path());
  std::mt19937_64 random(3);
  auto without = config;
  without.maintenance.enabled = false;
  const auto log = log_of(random, 400);
  ASSERT_TRUE(run(without, log, {.seed = 1}, {.events = 300}).is_ok());
  // A file whose rows are not those that the log says.
  const auto files = std::move(snapshot_of(config, config.bronze.table)->files()).value();
  std::filesystem::resize_file(config.lake + "/" + config.bronze.table + "/" + files.front().path, 10);
  Maintenance maintenance({config, Clock::system(), false, nullptr});
  for (int i = 0; i < 2000 && maintenance.status().problems.empty(); ++i) std::this_thread::sleep_for(5ms);
  ASSERT_EQ(maintenance.status().problems.size(), 1U);
  EXPECT_EQ(maintenance.status().problems.begin()->first, config.bronze.table);
  ASSERT_TRUE(run(without, log, {}).is_ok());
}

}  // namespace
}  // namespace inlet::pipeline
