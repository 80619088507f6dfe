// Which rows are late is a function of the log of their partition, however it is cut, interleaved and begun again.
#include "bronze/late_rows.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <random>
#include <set>
#include <vector>

#include "bronze/batch.h"
#include "bronze/writer.h"
#include "tests/fakes/pipeline_configs.h"

namespace inlet::bronze {
namespace {

constexpr std::int64_t kMinute = 60'000'000;
const TopicPartition kPartition{"kafka:sales", 0};

config::PipelineConfig pipeline(config::LatePolicy policy, std::chrono::milliseconds delay) {
  auto config = fakes::small_pipeline("");
  config.late.policy = policy;
  config.late.delay = delay;
  return config;
}

config::PipelineConfig diverting() { return pipeline(config::LatePolicy::kDivert, std::chrono::minutes(10)); }

using Times = std::vector<std::optional<std::int64_t>>;  // event times in minutes; nullopt: the row has none

// Rows at offsets first, first + 1, ...
decode::DecodedBatch decoded(const config::PipelineConfig& config, const TopicPartition& partition,
                             Generation generation, std::int64_t first, const Times& minutes) {
  decode::DecodedBatch batch;
  batch.partition = partition;
  batch.generation = generation;
  batch.range = {{first}, {first + static_cast<std::int64_t>(minutes.size()) - 1}};
  batch.records = minutes.size();
  const auto schema = decode::Decoder::chunk_schema(config);
  batch.chunk = duck::DataChunk(schema);
  const std::size_t offset_column = schema.columns.size() - 2;
  for (std::size_t row = 0; row < minutes.size(); ++row) {
    batch.chunk.values<std::int64_t>(0)[row] = first + static_cast<std::int64_t>(row);
    batch.chunk.values<std::int64_t>(offset_column)[row] = first + static_cast<std::int64_t>(row);
    batch.chunk.set_string(3, row, "a name that is too long to stand in the vector itself " + std::to_string(row));
    batch.chunk.set_null(2, row);
    batch.chunk.set_string(4, row, "1970-01-01");
    batch.chunk.set_null(8, row);
    if (!minutes[row]) {
      batch.chunk.set_null(1, row);
      continue;
    }
    batch.chunk.values<std::int64_t>(1)[row] = *minutes[row] * kMinute;
    batch.max_event_time =
        std::max(batch.max_event_time, std::optional(Timestamp(std::chrono::microseconds(*minutes[row] * kMinute))));
  }
  batch.chunk.set_constant(5, partition.source);
  batch.chunk.set_constant(6, partition.partition);
  batch.chunk.set_rows(minutes.size());
  return batch;
}

std::vector<std::int64_t> column(const duck::DataChunk& chunk, std::size_t index) {
  if (!chunk) return {};
  const auto* values = chunk.values<std::int64_t>(index);
  return {values, values + chunk.rows()};
}

struct Judged {
  LateRows late;
  decode::DecodedBatch rest;
};

Judged judge(const config::PipelineConfig& config, std::optional<std::int64_t> max_minutes, const Times& minutes) {
  LateJudge judge(config);
  judge.begin(kPartition, {1}, max_minutes ? std::optional(*max_minutes * kMinute) : std::nullopt);
  auto batch = decoded(config, kPartition, {1}, 0, minutes);
  auto late = judge.judge(batch);
  EXPECT_TRUE(late.is_ok());
  return {std::move(*late), std::move(batch)};
}

TEST(LateRows, are_behind_the_largest_time_before_them_by_more_than_the_delay) {
  const auto judged = judge(diverting(), std::nullopt, {100, 90, 89, 120, 110, 109, 121});
  EXPECT_EQ(judged.late.count, 2U);
  EXPECT_EQ(column(judged.late.diverted, 0), (std::vector<std::int64_t>{2, 5}));
  EXPECT_EQ(column(judged.rest.chunk, 0), (std::vector<std::int64_t>{0, 1, 3, 4, 6}));
}

TEST(LateRows, carry_the_largest_time_they_were_judged_by_and_all_their_values) {
  const auto config = diverting();
  const auto judged = judge(config, std::nullopt, {100, 80, 200, 150});
  const auto time = decode::Decoder::chunk_schema(config).columns.size();
  EXPECT_EQ(column(judged.late.diverted, time), (std::vector<std::int64_t>{100 * kMinute, 200 * kMinute}));
  EXPECT_EQ(column(judged.late.diverted, 1), (std::vector<std::int64_t>{80 * kMinute, 150 * kMinute}));
  EXPECT_TRUE(judged.late.diverted.is_null(2, 0));
}

TEST(LateRows, are_measured_from_where_the_partition_stood_at_its_claim) {
  EXPECT_EQ(judge(diverting(), 100, {89, 90}).late.count, 1U);
  EXPECT_EQ(judge(diverting(), std::nullopt, {89, 90}).late.count, 0U);
}

TEST(LateRows, without_an_event_time_are_never_late_and_move_nothing) {
  EXPECT_EQ(judge(diverting(), 100, {std::nullopt, 90, std::nullopt}).late.count, 0U);
}

TEST(LateRows, stay_where_they_are_and_are_counted_when_they_are_applied) {
  const auto judged = judge(pipeline(config::LatePolicy::kApply, std::chrono::minutes(10)), 100, {89, 90, 20});
  EXPECT_EQ(judged.late.count, 2U);
  EXPECT_FALSE(judged.late.diverted);
  EXPECT_EQ(judged.rest.chunk.rows(), 3U);
}

TEST(LateRows, that_stand_in_the_late_table_already_are_counted_when_their_offsets_pass) {
  const auto config = diverting();
  LateJudge judge(config);
  judge.begin(kPartition, {1}, 100 * kMinute, {1, 5, 6, 20});
  auto first = decoded(config, kPartition, {1}, 0, {100, 1});
  EXPECT_EQ(judge.judge(first)->count, 2U);
  auto second = decoded(config, kPartition, {1}, 5, {100, 100});
  EXPECT_EQ(judge.judge(second)->count, 2U);
}

TEST(LateRows, that_are_all_there_is_leave_no_event_time_behind) {
  const auto judged = judge(diverting(), 100, {1, 2, 3});
  EXPECT_EQ(judged.rest.chunk.rows(), 0U);
  EXPECT_FALSE(judged.rest.max_event_time.has_value());
}

TEST(LateRows, of_a_partition_that_was_dropped_go_with_it) {
  const auto config = diverting();
  LateJudge judge(config);
  Batch batch;
  for (int p = 0; p < 2; ++p) {
    const TopicPartition partition{"kafka:sales", p};
    judge.begin(partition, {1}, 100 * kMinute);
    auto part = decoded(config, partition, {1}, 0, {100, 1, 2});
    auto late = judge.judge(part);
    ASSERT_TRUE(batch.add(std::move(part), std::move(*late)).is_ok());
  }
  EXPECT_EQ(batch.diverted(), 4U);
  EXPECT_EQ(batch.rows(), 2U);
  batch.drop_if([](const PartitionSlice& s) { return s.partition.partition == 0; });
  EXPECT_EQ(batch.diverted(), 2U);
  EXPECT_EQ(batch.late(), 2U);
  EXPECT_EQ(batch.rows(), 1U);
}

// --- any cut, any interleaving, any restart ---

struct Log {
  Times minutes;
  std::vector<bool> is_late;  // by offset
};

// The definition, word for word.
Log random_log(std::mt19937_64& random, std::size_t length) {
  Log log;
  std::optional<std::int64_t> largest;
  std::int64_t now = 1000;
  for (std::size_t i = 0; i < length; ++i) {
    now += static_cast<std::int64_t>(random() % 5);
    std::optional<std::int64_t> time = now;
    if (random() % 4 == 0) *time -= static_cast<std::int64_t>(random() % 40);
    if (random() % 15 == 0) time = std::nullopt;
    log.is_late.push_back(time && largest && *largest - *time > 10);
    if (time) largest = std::max(largest.value_or(*time), *time);
    log.minutes.push_back(time);
  }
  return log;
}

TEST(LateRows, are_decided_alike_for_any_cut_interleaving_and_restart) {
  const auto config = diverting();
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<Log> logs;
    for (int p = 0; p < 3; ++p) logs.push_back(random_log(random, 1 + random() % 120));
    std::vector<std::size_t> position(3);   // next offset to read
    std::vector<std::size_t> committed(3);  // next offset after the last commit
    std::vector<std::optional<std::int64_t>> max_committed(3);
    std::vector<std::vector<bool>> decided(3);  // committed decisions, by offset
    std::vector<std::vector<bool>> open(3);     // decisions since
    std::vector<std::optional<std::int64_t>> max_open(3);
    Generation generation{1};
    LateJudge judge(config);
    const auto restart = [&] {
      ++generation.value;
      for (std::size_t p = 0; p < 3; ++p) {
        position[p] = committed[p];
        open[p].clear();
        max_open[p] = max_committed[p];
        judge.begin({"kafka:sales", static_cast<std::int32_t>(p)}, generation, max_committed[p]);
      }
    };
    restart();
    while (std::any_of(logs.begin(), logs.end(), [&](const Log& log) {
      return committed[static_cast<std::size_t>(&log - logs.data())] < log.minutes.size();
    })) {
      const auto p = static_cast<std::size_t>(random() % 3);
      const auto left = logs[p].minutes.size() - position[p];
      if (left > 0) {
        const auto count = 1 + random() % std::min<std::size_t>(left, 30);
        const auto from = logs[p].minutes.begin() + static_cast<std::ptrdiff_t>(position[p]);
        auto batch = decoded(config, {"kafka:sales", static_cast<std::int32_t>(p)}, generation,
                             static_cast<std::int64_t>(position[p]), {from, from + static_cast<std::ptrdiff_t>(count)});
        auto late = judge.judge(batch);
        ASSERT_TRUE(late.is_ok());
        std::vector<bool> is_late(count);
        for (const auto offset : column(late->diverted, 0))
          is_late[static_cast<std::size_t>(offset) - position[p]] = true;
        open[p].insert(open[p].end(), is_late.begin(), is_late.end());
        position[p] += count;
        // As the bronze commit has it: of the rows that stay.
        if (batch.max_event_time)
          max_open[p] = std::max(max_open[p].value_or(INT64_MIN), batch.max_event_time->time_since_epoch().count());
      }
      if (random() % 3 == 0) {
        for (std::size_t i = 0; i < 3; ++i) {
          decided[i].insert(decided[i].end(), open[i].begin(), open[i].end());
          open[i].clear();
          committed[i] = position[i];
          max_committed[i] = max_open[i];
        }
      } else if (random() % 5 == 0) {
        restart();
      }
    }
    for (std::size_t p = 0; p < 3; ++p) ASSERT_EQ(decided[p], logs[p].is_late) << "seed " << seed << " partition " << p;
  }
}

// --- written again without a partition that was taken over ---

// Calls `between` when the writer looks at the time with the late commit behind it and the bronze commit before it.
class InterruptingClock final : public Clock {
 public:
  Timestamp now() const override { return Clock::system().now(); }
  std::chrono::steady_clock::time_point steady_now() const override {
    if (++looks_ == 2 && between) between();
    return Clock::system().steady_now();
  }
  std::function<void()> between;

 private:
  mutable int looks_ = 0;
};

std::multiset<std::pair<std::int32_t, std::int64_t>> positions_in(const SharedTable& table,
                                                                  duck::Connection& connection) {
  std::multiset<std::pair<std::int32_t, std::int64_t>> all;
  const auto files = table.snapshot()->files();
  EXPECT_TRUE(files.is_ok());
  for (const auto& file : *files) {
    const auto rows = connection.query("SELECT _partition, _offset FROM read_parquet(" +
                                       duck::quote_literal(table.directory() + "/" + file.path) + ")");
    EXPECT_TRUE(rows.is_ok()) << rows.status().to_line();
    for (std::size_t row = 0; row < rows->rows(); ++row)
      all.insert({static_cast<std::int32_t>(rows->integer(row, 0)), rows->integer(row, 1)});
  }
  return all;
}

TEST(Rule05DecidedOnce, a_batch_that_is_written_again_without_a_fenced_partition_does_not_repeat_its_late_rows) {
  std::string directory = (std::filesystem::temp_directory_path() / "inlet-late-XXXXXX").string();
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  auto config = diverting();
  config.lake = directory;
  auto database = std::move(duck::Database::open({})).value();
  auto connection = std::move(database.connect()).value();
  const auto never = [] { return false; };
  const TopicPartition kept{"kafka:sales", 0};
  const TopicPartition taken{"kafka:sales", 1};
  auto tables = std::move(Tables::open(config)).value();
  const auto claims = claim_partitions(tables, config.name, {{kept, {0}}, {taken, {0}}}, connection, never);
  ASSERT_TRUE(claims.is_ok()) << claims.status().to_line();

  Batch batch;
  LateJudge judge(config);
  for (const auto& partition : {kept, taken}) {
    judge.begin(partition, {1}, std::nullopt);
    auto part = decoded(config, partition, {1}, 0, {100, 1, 100, 2});
    auto late = judge.judge(part);
    ASSERT_TRUE(late.is_ok());
    ASSERT_TRUE(batch.add(std::move(part), std::move(*late)).is_ok());
  }

  auto others = std::move(Tables::open(config)).value();
  Result<std::vector<Claim>> their_claim = std::vector<Claim>{};
  InterruptingClock clock;
  clock.between = [&] { their_claim = claim_partitions(others, config.name, {{taken, {0}}}, connection, never); };
  Writer writer(tables, config, std::move(database.connect()).value(), clock);
  const Epochs epochs{{kept, (*claims)[0].epoch}, {taken, (*claims)[1].epoch}};
  EXPECT_EQ(writer.write(batch, epochs, never).status().code(), StatusCode::kFenced);
  batch.drop_if([&](const PartitionSlice& slice) { return slice.partition == taken; });
  const auto written = writer.write(batch, epochs, never);
  ASSERT_TRUE(written.is_ok()) << written.status().to_line();
  EXPECT_EQ(written->late, 2);

  using Positions = std::multiset<std::pair<std::int32_t, std::int64_t>>;
  ASSERT_TRUE(tables.late->refresh().is_ok());
  EXPECT_EQ(positions_in(*tables.bronze, connection), (Positions{{0, 0}, {0, 2}}));
  EXPECT_EQ(positions_in(*tables.late, connection), (Positions{{0, 1}, {0, 3}, {1, 1}, {1, 3}}));
  ASSERT_TRUE(their_claim.is_ok()) << their_claim.status().to_line();
  ASSERT_EQ(their_claim->size(), 1U);
  EXPECT_EQ(their_claim->front().decided_late, (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(*their_claim->front().decided, (std::unordered_set<std::int64_t>{1, 3}))
      << "the next owner leaves them alone";
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace inlet::bronze
