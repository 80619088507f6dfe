#include "source/generator_source.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "base/queue.h"
#include "source/generator_event.h"
#include "tests/source/generator_sales.h"

namespace inlet::source {
namespace {

using std::chrono::milliseconds;
using testing::sales;

class FakeClock final : public Clock {
 public:
  Timestamp now() const override { return {}; }
  std::chrono::steady_clock::time_point steady_now() const override { return now_; }
  void advance(std::chrono::nanoseconds by) { now_ += by; }

 private:
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};
};

/// Begins every partition where it is told.
class StartAt final : public Listener {
 public:
  explicit StartAt(std::int64_t position) : position_(position) {}
  Result<std::vector<Assignment>> on_assigned(std::span<const TopicPartition> partitions) override {
    std::vector<Assignment> assignments;
    for (const auto& partition : partitions) assignments.push_back({partition, Generation{9}, Offset{position_}});
    assigned.insert(assigned.end(), partitions.begin(), partitions.end());
    return assignments;
  }
  void on_revoked(std::span<const TopicPartition>) override {}
  std::vector<TopicPartition> assigned;

 private:
  std::int64_t position_;
};

struct Opened {
  explicit Opened(const config::GeneratorConfig& config, std::int64_t position = 0)
      : listener(position), source(make_generator_source(config)) {
    OpenOptions options;
    options.clock = &clock;
    status = source->open(listener, options);
  }

  RecordBatch next() {
    auto batch = source->poll(milliseconds(0));
    EXPECT_TRUE(batch.is_ok());
    EXPECT_TRUE(batch->has_value());
    return std::move(**batch);
  }

  std::size_t count_due() {
    std::size_t count = 0;
    for (;;) {
      auto batch = source->poll(milliseconds(0));
      EXPECT_TRUE(batch.is_ok());
      if (!batch.is_ok() || !batch->has_value()) return count;
      count += (*batch)->records.size();
    }
  }

  FakeClock clock;
  StartAt listener;
  std::unique_ptr<Source> source;
  Status status;
};

config::GeneratorConfig at_rate(double rate, std::int32_t partitions = 2) {
  auto config = sales();
  config.rate = rate;
  config.partitions = partitions;
  return config;
}

TEST(GeneratorSource, delivers_full_batches_of_every_partition_in_turn_when_unlimited) {
  Opened opened(at_rate(0, 3));
  ASSERT_TRUE(opened.status.is_ok());
  ASSERT_EQ(opened.listener.assigned.size(), 3U);
  auto generator = EventGenerator::create(at_rate(0, 3)).value();
  for (std::int64_t round = 0; round < 2; ++round) {
    for (std::int32_t p = 0; p < 3; ++p) {
      const RecordBatch batch = opened.next();
      EXPECT_EQ(batch.partition, (TopicPartition{generator.source_id(), p}));
      EXPECT_EQ(batch.generation, Generation{9});
      EXPECT_EQ(batch.range, (OffsetRange{{round * 2048}, {round * 2048 + 2047}}));
      ASSERT_EQ(batch.records.size(), RecordBatch::kMaxRecords);
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < batch.records.size(); ++i) {
        const auto number = round * 2048 + static_cast<std::int64_t>(i);
        ASSERT_EQ(batch.records[i].offset.value, number);
        ASSERT_EQ(batch.records[i].value, generator.event(p, number));
        ASSERT_EQ(batch.records[i].timestamp_ms, generator.timestamp_ms(p, number));
        bytes += batch.records[i].value.size();
      }
      EXPECT_EQ(batch.bytes, bytes);
    }
  }
}

TEST(GeneratorSource, resumes_at_any_position_with_the_same_records) {
  Opened from_start(at_rate(0, 1));
  const RecordBatch all = from_start.next();
  for (const std::int64_t position : {1, 7, 1000, 2047}) {
    Opened opened(at_rate(0, 1), position);
    const RecordBatch batch = opened.next();
    EXPECT_EQ(batch.range.first.value, position);
    EXPECT_EQ(batch.records[0].value, all.records[static_cast<std::size_t>(position)].value);
  }
}

TEST(GeneratorSource, batches_outlive_the_source) {
  std::optional<RecordBatch> batch;
  {
    Opened opened(at_rate(0));
    batch = opened.next();
  }
  EXPECT_EQ(batch->records[5].value, EventGenerator::create(at_rate(0)).value().event(0, 5));
}

TEST(GeneratorSource, batches_can_be_read_and_freed_on_another_thread_while_the_source_goes_on) {
  Opened opened(at_rate(0));
  BoundedQueue<RecordBatch> queue({3, 1U << 30U});
  std::size_t wrong = 0;
  std::thread consumer([&] {
    while (auto batch = queue.pop()) {
      for (const auto& record : batch->records) wrong += record.value.starts_with("{\"vente_id\":") ? 0 : 1;
    }
  });
  for (int i = 0; i < 30; ++i) queue.push(opened.next(), {1, 1});
  queue.close();
  consumer.join();
  EXPECT_EQ(wrong, 0U);
}

TEST(GeneratorSource, half_an_event_a_second_is_one_every_two_seconds) {
  Opened opened(at_rate(0.5));
  std::vector<int> deliveries;
  for (int tenth = 0; tenth < 100; ++tenth) {
    if (opened.count_due() == 1) deliveries.push_back(tenth);
    opened.clock.advance(milliseconds(100));
  }
  EXPECT_EQ(deliveries, (std::vector<int>{0, 20, 40, 60, 80}));
}

TEST(GeneratorSource, keeps_the_rate_without_bursts) {
  for (const double rate : {3.0, 50.0, 1000.0, 33'333.0, 1'000'000.0}) {
    Opened opened(at_rate(rate));
    std::size_t total = 0;
    std::size_t largest = 0;
    for (int step = 0; step < 1000; ++step) {
      opened.clock.advance(milliseconds(7));
      const std::size_t count = opened.count_due();
      total += count;
      largest = std::max(largest, count);
    }
    EXPECT_NEAR(static_cast<double>(total), rate * 7, rate * 0.01 + 2) << rate;
    EXPECT_LE(static_cast<double>(largest), rate * 0.018 + 1) << rate;
  }
}

TEST(GeneratorSource, a_long_absence_is_followed_by_at_most_50_ms_worth) {
  Opened opened(at_rate(1000));
  opened.clock.advance(std::chrono::minutes(10));
  EXPECT_EQ(opened.count_due(), 50U);
  opened.clock.advance(milliseconds(10));
  EXPECT_EQ(opened.count_due(), 10U);
}

TEST(GeneratorSource, all_partitions_get_their_turn_at_low_rates) {
  Opened opened(at_rate(10, 4));
  std::vector<std::int32_t> order;
  for (int step = 0; step < 8; ++step) {
    order.push_back(opened.next().partition.partition);
    opened.clock.advance(milliseconds(100));
  }
  EXPECT_EQ(order, (std::vector<std::int32_t>{0, 1, 2, 3, 0, 1, 2, 3}));
}

TEST(GeneratorSource, a_paused_partition_is_left_out_until_resumed) {
  Opened opened(at_rate(0, 2));
  const auto first = opened.listener.assigned[0];
  opened.source->pause(first);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(opened.next().partition.partition, 1);
  opened.source->resume(first);
  const auto batch = opened.next();
  EXPECT_EQ(batch.partition.partition, 0);
  EXPECT_EQ(batch.range.first.value, 0);
}

TEST(GeneratorSource, poll_waits_no_longer_than_its_timeout) {
  auto source = make_generator_source(at_rate(0.5));
  StartAt listener(0);
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  ASSERT_TRUE(source->poll(milliseconds(0)).value().has_value());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(source->poll(milliseconds(30)).value().has_value());
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, milliseconds(30));
  EXPECT_LT(took, milliseconds(500));
}

TEST(GeneratorSource, is_endless_from_the_first_event_on) {
  Opened opened(at_rate(0, 1), 100);
  const auto partition = opened.listener.assigned[0];
  EXPECT_EQ(opened.source->bounds(partition)->begin.value, 0);
  EXPECT_EQ(opened.source->bounds(partition)->end, OffsetBounds::kEndless);
  EXPECT_FALSE(opened.source->bounds({"generator:other", 0}).is_ok());
  EXPECT_FALSE(opened.source->exhausted());
}

TEST(GeneratorSource, fingerprint_at_is_that_of_the_record_delivered) {
  Opened opened(at_rate(0, 1));
  const auto batch = opened.next();
  for (const auto& record : batch.records) {
    ASSERT_EQ(opened.source->fingerprint_at(batch.partition, record.offset).value(), record_fingerprint(record));
  }
  EXPECT_FALSE(opened.source->fingerprint_at(batch.partition, {-1}).value().has_value());
}

TEST(GeneratorSource, open_says_what_is_wrong_with_the_description) {
  auto config = sales();
  config.fields[1].entity = "klient";
  Opened opened(config);
  EXPECT_EQ(opened.status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(opened.status.detail().id, "generator.unknown_entity");
}

}  // namespace
}  // namespace inlet::source
