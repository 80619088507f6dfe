#include "source/kafka_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "source/kafka_producer.h"
#include "tests/kafka/kafka_broker.h"

namespace inlet::source {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::KafkaBroker;
using testing::TransactionalProducer;

/// Does what a pipeline does at an assignment, and keeps what it was told.
class ScriptedListener : public Listener {
 public:
  std::map<std::int32_t, Offset> positions;  // default 0
  std::vector<std::string> events;           // "+0,1" "-0"
  std::set<std::int32_t> owned;
  Status refusal;

  Result<std::vector<Assignment>> on_assigned(std::span<const TopicPartition> partitions) override {
    note('+', partitions);
    if (!refusal.is_ok()) return refusal;
    std::vector<Assignment> assignments;
    for (const auto& partition : partitions) {
      EXPECT_TRUE(owned.insert(partition.partition).second) << partition.to_string() << " assigned twice";
      assignments.push_back({partition, Generation{++generation_}, positions[partition.partition]});
      generations[partition.partition] = Generation{generation_};
    }
    return assignments;
  }
  void on_revoked(std::span<const TopicPartition> partitions) override {
    note('-', partitions);
    for (const auto& partition : partitions) owned.erase(partition.partition);
  }
  std::map<std::int32_t, Generation> generations;

 private:
  void note(char sign, std::span<const TopicPartition> partitions) {
    std::string event(1, sign);
    for (const auto& partition : partitions) event += " " + std::to_string(partition.partition);
    events.push_back(event);
  }
  std::uint64_t generation_ = 0;
};

/// What was read of one partition, checked for holes while it is collected.
struct Read {
  Offset next;
  std::vector<std::string> values;
  std::vector<std::int64_t> offsets;
  std::size_t empty_batches = 0;
};

class KafkaSourceTest : public ::testing::Test {
 protected:
  KafkaBroker& broker() { return KafkaBroker::shared(); }

  std::string make_topic(int partitions) {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    const auto status = broker().create_topic(name, partitions);
    EXPECT_TRUE(status.is_ok()) << status.to_line();
    return name;
  }

  config::SourceConfig config_for(const std::string& topic) {
    config::SourceConfig config;
    config.kind = config::SourceKind::kKafka;
    config.kafka.bootstrap_servers = broker().address();
    config.kafka.topic = topic;
    config.kafka.librdkafka["topic.metadata.refresh.interval.ms"] = "300";
    return config;
  }

  /// `count` records "v<i>" into one partition, i from `from`.
  void produce(const std::string& topic, std::int32_t partition, int count, int from = 0) {
    auto producer = KafkaProducer::create(config_for(topic).kafka);
    ASSERT_TRUE(producer.is_ok()) << producer.status().to_line();
    for (int i = from; i < from + count; ++i) {
      ASSERT_TRUE((*producer)->produce("", "v" + std::to_string(i), partition).is_ok());
    }
    ASSERT_TRUE((*producer)->flush(seconds(30)).is_ok());
    ASSERT_EQ((*producer)->progress().failed, 0) << (*producer)->last_failure().to_line();
  }

  /// Polls until `done` or `limit`; collects into `read`. The failure that ended it, if one did.
  template <class Done>
  Status collect(Source& source, std::map<std::int32_t, Read>& read, Done done, milliseconds limit = seconds(15)) {
    const auto deadline = steady_clock::now() + limit;
    while (!done() && steady_clock::now() < deadline) {
      auto batch = source.poll(milliseconds(50));
      if (!batch.is_ok()) return batch.status();
      if (*batch) take(**batch, read);
    }
    EXPECT_TRUE(done()) << "not done in time";
    return Status::ok();
  }

  /// A transaction's marker can be written a moment after its producer was told of the end.
  static void wait_for_end(Source& source, const std::string& topic, Offset end) {
    const auto deadline = steady_clock::now() + seconds(10);
    for (;;) {
      const auto bounds = source.bounds({"kafka:" + topic, 0});
      ASSERT_TRUE(bounds.is_ok()) << bounds.status().to_line();
      if (bounds->end == end) return;
      ASSERT_LT(steady_clock::now(), deadline) << "the end is " << bounds->end.value;
      std::this_thread::sleep_for(milliseconds(10));
    }
  }

  static void take(const RecordBatch& batch, std::map<std::int32_t, Read>& read) {
    auto& partition = read[batch.partition.partition];
    EXPECT_EQ(batch.range.first, partition.next) << batch.partition.to_string();
    EXPECT_LE(batch.range.first, batch.range.last);
    EXPECT_LE(batch.records.size(), RecordBatch::kMaxRecords);
    std::size_t bytes = 0;
    for (const auto& record : batch.records) {
      EXPECT_GE(record.offset, partition.next);
      EXPECT_LE(record.offset, batch.range.last);
      EXPECT_GT(record.timestamp_ms, 0);
      partition.next = record.offset.next();
      partition.values.emplace_back(record.value);
      partition.offsets.push_back(record.offset.value);
      bytes += record.value.size();
    }
    EXPECT_EQ(batch.bytes, bytes);
    if (batch.records.empty()) ++partition.empty_batches;
    partition.next = batch.range.last.next();
  }
};

TEST_F(KafkaSourceTest, reads_every_record_of_every_partition_in_order) {
  const auto topic = make_topic(3);
  for (int partition = 0; partition < 3; ++partition) produce(topic, partition, 5000, 10000 * partition);
  ScriptedListener listener;
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  EXPECT_FALSE(source->in_group());
  std::map<std::int32_t, Read> read;
  const auto status =
      collect(*source, read, [&] { return read[0].next.value + read[1].next.value + read[2].next.value >= 15000; });
  ASSERT_TRUE(status.is_ok()) << status.to_line();
  ASSERT_EQ(listener.events, std::vector<std::string>{"+ 0 1 2"});
  for (int partition = 0; partition < 3; ++partition) {
    ASSERT_EQ(read[partition].values.size(), 5000U);
    for (int i = 0; i < 5000; ++i) {
      ASSERT_EQ(read[partition].offsets[i], i);
      ASSERT_EQ(read[partition].values[i], "v" + std::to_string(10000 * partition + i));
    }
  }
  source->close();
  source->close();
}

TEST_F(KafkaSourceTest, resumes_at_the_position_the_listener_gives) {
  const auto topic = make_topic(1);
  produce(topic, 0, 100);
  ScriptedListener listener;
  listener.positions[0] = Offset{60};
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  std::map<std::int32_t, Read> read;
  read[0].next = Offset{60};
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next == Offset{100}; }).is_ok());
  EXPECT_EQ(read[0].values.front(), "v60");
  EXPECT_EQ(read[0].values.size(), 40U);
}

TEST_F(KafkaSourceTest, ranges_cover_aborted_transactions_and_trailing_markers) {
  const auto topic = make_topic(1);
  TransactionalProducer producer(broker().address(), topic);
  const auto transaction = [&](const std::string& name, int records, bool commits) {
    producer.begin();
    for (int i = 0; i < records; ++i) producer.send(topic, 0, name + std::to_string(i));
    commits ? producer.commit() : producer.abort();
  };
  transaction("a", 10, true);
  transaction("lost", 10, false);
  transaction("b", 10, true);
  transaction("lost too", 5, false);

  ScriptedListener listener;
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  const Offset end{35 + 4};  // one marker a transaction
  wait_for_end(*source, topic, end);
  std::map<std::int32_t, Read> read;
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next == end; }).is_ok());
  ASSERT_EQ(read[0].values.size(), 20U);
  EXPECT_EQ(read[0].values[9], "a9");
  EXPECT_EQ(read[0].values[10], "b0");
  EXPECT_EQ(read[0].offsets[10], 22);
}

TEST_F(KafkaSourceTest, an_end_of_control_records_only_is_an_empty_batch) {
  const auto topic = make_topic(1);
  produce(topic, 0, 3);
  ScriptedListener listener;
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  std::map<std::int32_t, Read> read;
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next == Offset{3}; }).is_ok());

  TransactionalProducer producer(broker().address(), topic);
  producer.begin();
  for (int i = 0; i < 5; ++i) producer.send(topic, 0, "lost");
  // Nothing of an open transaction may be covered: it could still be committed.
  for (int i = 0; i < 10; ++i) {
    auto batch = source->poll(milliseconds(30));
    ASSERT_TRUE(batch.is_ok());
    ASSERT_FALSE(batch->has_value());
  }
  producer.abort();
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next == Offset{9}; }).is_ok());
  EXPECT_EQ(read[0].values.size(), 3U);
  EXPECT_GE(read[0].empty_batches, 1U);
}

TEST_F(KafkaSourceTest, partitions_added_while_running_are_assigned_and_read) {
  const auto topic = make_topic(1);
  produce(topic, 0, 5);
  ScriptedListener listener;
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  std::map<std::int32_t, Read> read;
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next == Offset{5}; }).is_ok());
  ASSERT_TRUE(broker().add_partitions(topic, 3).is_ok());
  produce(topic, 2, 7);
  ASSERT_TRUE(collect(*source, read, [&] { return read[2].next == Offset{7}; }).is_ok());
  EXPECT_EQ(listener.events, (std::vector<std::string>{"+ 0", "+ 1 2"}));
}

TEST_F(KafkaSourceTest, expired_offsets_are_data_loss_with_the_ranges) {
  const auto topic = make_topic(1);
  produce(topic, 0, 100);
  ASSERT_TRUE(broker().delete_records(topic, 0, 40).is_ok());
  ScriptedListener listener;
  listener.positions[0] = Offset{10};
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  std::map<std::int32_t, Read> read;
  read[0].next = Offset{10};
  const auto status = collect(
      *source, read, [] { return false; }, seconds(10));
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_EQ(status.detail().id, "kafka.offsets_expired");
  EXPECT_NE(status.detail().what.find("10..39"), std::string::npos) << status.to_line();
  EXPECT_NE(status.detail().why.find("40..99"), std::string::npos) << status.to_line();
  EXPECT_NE(status.detail().where.find(topic + "/0 offset 10"), std::string::npos) << status.to_line();
}

TEST_F(KafkaSourceTest, without_fail_on_data_loss_the_range_covers_what_expired) {
  const auto topic = make_topic(2);
  produce(topic, 0, 100);
  produce(topic, 1, 100);
  ASSERT_TRUE(broker().delete_records(topic, 0, 40).is_ok());
  ASSERT_TRUE(broker().delete_records(topic, 1, 100).is_ok());  // nothing is left of this one
  ScriptedListener listener;
  listener.positions[0] = Offset{10};
  auto config = config_for(topic);
  config.fail_on_data_loss = false;
  const auto source = make_kafka_source(config);
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  std::map<std::int32_t, Read> read;
  read[0].next = Offset{10};
  const auto status =
      collect(*source, read, [&] { return read[0].next == Offset{100} && read[1].next == Offset{100}; });
  ASSERT_TRUE(status.is_ok()) << status.to_line();
  EXPECT_EQ(read[0].values.size(), 60U);
  EXPECT_EQ(read[0].values.front(), "v40");
  EXPECT_EQ(read[1].values.size(), 0U);
}

TEST_F(KafkaSourceTest, a_position_beyond_the_end_is_data_loss) {
  const auto topic = make_topic(1);
  produce(topic, 0, 10);
  ScriptedListener listener;
  listener.positions[0] = Offset{500};
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  std::map<std::int32_t, Read> read;
  const auto status = collect(
      *source, read, [] { return false; }, seconds(10));
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_EQ(status.detail().id, "kafka.offsets_beyond_end");
}

TEST_F(KafkaSourceTest, without_fail_on_data_loss_a_position_beyond_the_end_is_assigned_anew) {
  const auto topic = make_topic(1);
  produce(topic, 0, 10);
  ScriptedListener listener;
  listener.positions[0] = Offset{500};
  auto config = config_for(topic);
  config.fail_on_data_loss = false;
  const auto source = make_kafka_source(config);
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  listener.positions[0] = Offset{0};
  std::map<std::int32_t, Read> read;
  const auto status = collect(*source, read, [&] { return read[0].next == Offset{10}; });
  ASSERT_TRUE(status.is_ok()) << status.to_line();
  EXPECT_EQ(listener.events, (std::vector<std::string>{"+ 0", "- 0", "+ 0"}));
}

TEST_F(KafkaSourceTest, a_group_shares_partitions_and_revokes_before_it_assigns) {
  const auto topic = make_topic(4);
  for (int partition = 0; partition < 4; ++partition) produce(topic, partition, 50);
  auto config = config_for(topic);
  config.kafka.group_id = topic;
  config.kafka.librdkafka["session.timeout.ms"] = "6000";
  config.kafka.librdkafka["heartbeat.interval.ms"] = "200";
  ScriptedListener first_listener;
  const auto first = make_kafka_source(config);
  ASSERT_TRUE(first->open(first_listener, {}).is_ok());
  EXPECT_TRUE(first->in_group());
  std::map<std::int32_t, Read> read;
  ASSERT_TRUE(collect(*first, read, [&] {
                return read[0].next.value + read[1].next.value + read[2].next.value + read[3].next.value == 200;
              }).is_ok());
  ASSERT_EQ(first_listener.owned.size(), 4U);
  for (int partition = 0; partition < 4; ++partition) first->committed({"kafka:" + topic, partition}, Offset{49});
  const auto generations_before = first_listener.generations;

  ScriptedListener second_listener;
  for (int partition = 0; partition < 4; ++partition) second_listener.positions[partition] = Offset{50};
  const auto second = make_kafka_source(config);
  ASSERT_TRUE(second->open(second_listener, {}).is_ok());
  const auto deadline = steady_clock::now() + seconds(20);
  while (second_listener.owned.size() != 2 && steady_clock::now() < deadline) {
    for (auto* source : {first.get(), second.get()}) {
      auto batch = source->poll(milliseconds(20));
      ASSERT_TRUE(batch.is_ok()) << batch.status().to_line();
      if (*batch) take(**batch, read);
      for (const auto partition : second_listener.owned) EXPECT_EQ(first_listener.owned.count(partition), 0U);
    }
  }
  EXPECT_EQ(first_listener.owned.size(), 2U);
  EXPECT_EQ(second_listener.owned.size(), 2U);

  // Cooperative: what stays was never revoked.
  for (const auto partition : first_listener.owned) {
    EXPECT_EQ(first_listener.generations[partition], generations_before.at(partition));
  }

  // What was committed in Delta stands in the group, for people's tools.
  for (int partition = 0; partition < 4; ++partition) {
    EXPECT_EQ(broker().group_offset(topic, topic, partition), 50);
  }

  // Both go on reading what is theirs, each record once.
  for (int partition = 0; partition < 4; ++partition) produce(topic, partition, 50, 50);
  const auto both = steady_clock::now() + seconds(15);
  const auto all_read = [&] {
    return std::all_of(read.begin(), read.end(), [](const auto& r) { return r.second.next == Offset{100}; });
  };
  while (!all_read() && steady_clock::now() < both) {
    for (auto* source : {first.get(), second.get()}) {
      auto batch = source->poll(milliseconds(20));
      ASSERT_TRUE(batch.is_ok()) << batch.status().to_line();
      if (*batch) take(**batch, read);
    }
  }
  EXPECT_TRUE(all_read());

  // One leaves: the other has it all, each partition from the position its listener gives.
  second->close();
  for (const auto partition : second_listener.owned) first_listener.positions[partition] = Offset{100};
  ASSERT_TRUE(collect(*first, read, [&] { return first_listener.owned.size() == 4; }).is_ok());
  produce(topic, 0, 1, 100);
  produce(topic, 3, 1, 100);
  ASSERT_TRUE(
      collect(*first, read, [&] { return read[0].next == Offset{101} && read[3].next == Offset{101}; }).is_ok());
}

TEST_F(KafkaSourceTest, partitions_lost_by_a_long_silence_are_revoked_and_claimed_anew) {
  const auto topic = make_topic(1);
  produce(topic, 0, 10);
  auto config = config_for(topic);
  config.kafka.group_id = topic;
  config.kafka.librdkafka["session.timeout.ms"] = "2000";
  config.kafka.librdkafka["heartbeat.interval.ms"] = "200";
  config.kafka.librdkafka["max.poll.interval.ms"] = "2000";
  ScriptedListener listener;
  const auto source = make_kafka_source(config);
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  std::map<std::int32_t, Read> read;
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next == Offset{10}; }).is_ok());
  std::this_thread::sleep_for(milliseconds(3500));  // as a stopped process does
  listener.positions[0] = Offset{10};
  produce(topic, 0, 10, 10);
  const auto status = collect(*source, read, [&] { return read[0].next == Offset{20}; });
  ASSERT_TRUE(status.is_ok()) << status.to_line();
  EXPECT_EQ(listener.events, (std::vector<std::string>{"+ 0", "- 0", "+ 0"}));
  EXPECT_EQ(read[0].values.size(), 20U);
}

TEST_F(KafkaSourceTest, an_eager_strategy_gives_up_everything_first) {
  const auto topic = make_topic(2);
  produce(topic, 0, 20);
  produce(topic, 1, 20);
  auto config = config_for(topic);
  config.kafka.group_id = topic;
  config.kafka.librdkafka["partition.assignment.strategy"] = "range";
  config.kafka.librdkafka["heartbeat.interval.ms"] = "200";
  ScriptedListener first_listener;
  const auto first = make_kafka_source(config);
  ASSERT_TRUE(first->open(first_listener, {}).is_ok());
  std::map<std::int32_t, Read> read;
  ASSERT_TRUE(collect(*first, read, [&] { return read[0].next.value + read[1].next.value == 40; }).is_ok());
  ScriptedListener second_listener;
  second_listener.positions = {{0, Offset{20}}, {1, Offset{20}}};
  first_listener.positions = second_listener.positions;
  const auto second = make_kafka_source(config);
  ASSERT_TRUE(second->open(second_listener, {}).is_ok());
  const auto deadline = steady_clock::now() + seconds(20);
  while ((second_listener.owned.size() != 1 || first_listener.owned.size() != 1) && steady_clock::now() < deadline) {
    ASSERT_TRUE(first->poll(milliseconds(20)).is_ok());
    ASSERT_TRUE(second->poll(milliseconds(20)).is_ok());
  }
  ASSERT_EQ(first_listener.events.size(), 3U);
  EXPECT_EQ(first_listener.events[1], "- 0 1");
}

TEST_F(KafkaSourceTest, a_listener_that_refuses_ends_poll_with_its_status) {
  const auto topic = make_topic(1);
  produce(topic, 0, 5);
  auto config = config_for(topic);
  config.kafka.group_id = topic;
  ScriptedListener listener;
  listener.refusal = Status(StatusCode::kFenced, "test.fenced", "somebody else");
  const auto source = make_kafka_source(config);
  auto status = source->open(listener, {});
  std::map<std::int32_t, Read> read;
  if (status.is_ok())
    status = collect(
        *source, read, [] { return false; }, seconds(10));
  EXPECT_EQ(status.code(), StatusCode::kFenced);
  EXPECT_TRUE(read.empty());
}

TEST_F(KafkaSourceTest, goes_on_after_the_broker_was_killed_and_restarted) {
  const auto topic = make_topic(2);
  produce(topic, 0, 500);
  produce(topic, 1, 500);
  ScriptedListener listener;
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  std::map<std::int32_t, Read> read;
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next.value + read[1].next.value == 1000; }).is_ok());
  ASSERT_TRUE(broker().kill().is_ok());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(source->poll(milliseconds(50)).is_ok());
  EXPECT_EQ(source->bounds({"kafka:" + topic, 0}).status().code(), StatusCode::kTransient);
  ASSERT_TRUE(broker().restart().is_ok());
  produce(topic, 0, 500, 500);
  produce(topic, 1, 500, 500);
  const auto status = collect(
      *source, read, [&] { return read[0].next.value + read[1].next.value == 2000; }, seconds(30));
  ASSERT_TRUE(status.is_ok()) << status.to_line();
  EXPECT_EQ(listener.events.size(), 1U);
  EXPECT_EQ(read[1].values.back(), "v999");
}

TEST_F(KafkaSourceTest, fingerprints_the_one_record_at_an_offset) {
  const auto topic = make_topic(1);
  produce(topic, 0, 100);
  TransactionalProducer producer(broker().address(), topic);
  producer.begin();
  producer.send(topic, 0, "lost");
  producer.abort();  // 100: aborted, 101: marker
  ScriptedListener listener;
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  wait_for_end(*source, topic, Offset{102});
  {
    auto tombstone = KafkaProducer::create(config_for(topic).kafka);
    ASSERT_TRUE((*tombstone)->produce_tombstone("k", 0).is_ok());  // 102
    ASSERT_TRUE((*tombstone)->flush(seconds(10)).is_ok());
  }
  const TopicPartition partition{"kafka:" + topic, 0};
  const auto at = [&](std::int64_t offset) {
    const auto started = steady_clock::now();
    const auto found = source->fingerprint_at(partition, Offset{offset});
    EXPECT_TRUE(found.is_ok()) << found.status().to_line();
    EXPECT_LT(steady_clock::now() - started, seconds(4));
    return found.is_ok() ? *found : std::nullopt;
  };
  Record expected;
  expected.value = "v57";
  EXPECT_EQ(at(57), record_fingerprint(expected));
  expected.value = "v0";
  EXPECT_EQ(at(0), record_fingerprint(expected));
  EXPECT_EQ(at(100), std::nullopt);
  EXPECT_EQ(at(101), std::nullopt);
  EXPECT_EQ(at(102), std::optional<std::uint64_t>(0));
  EXPECT_EQ(at(103), std::nullopt);
  EXPECT_EQ(at(5000), std::nullopt);
  // The stream is not disturbed.
  std::map<std::int32_t, Read> read;
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next == Offset{103}; }).is_ok());
  EXPECT_EQ(read[0].values.size(), 101U);
}

TEST_F(KafkaSourceTest, a_paused_partition_waits_and_loses_nothing_while_others_go_on) {
  const auto topic = make_topic(2);
  produce(topic, 0, 6000);
  produce(topic, 1, 100);
  ScriptedListener listener;
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  const TopicPartition paused{"kafka:" + topic, 0};
  std::map<std::int32_t, Read> read;
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next > Offset{0}; }).is_ok());
  source->pause(paused);
  const auto stands_at = read[0].next;
  ASSERT_TRUE(collect(*source, read, [&] { return read[1].next == Offset{100}; }).is_ok());
  produce(topic, 1, 100, 100);
  ASSERT_TRUE(collect(*source, read, [&] { return read[1].next == Offset{200}; }).is_ok());
  EXPECT_EQ(read[0].next, stands_at);
  source->resume(paused);
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next == Offset{6000}; }).is_ok());
  for (int i = 0; i < 6000; ++i) ASSERT_EQ(read[0].values[i], "v" + std::to_string(i));
}

TEST_F(KafkaSourceTest, a_batch_outlives_its_source) {
  const auto topic = make_topic(1);
  produce(topic, 0, 10);
  std::optional<RecordBatch> kept;
  {
    ScriptedListener listener;
    const auto source = make_kafka_source(config_for(topic));
    ASSERT_TRUE(source->open(listener, {}).is_ok());
    const auto deadline = steady_clock::now() + seconds(10);
    while (!kept && steady_clock::now() < deadline) {
      auto batch = source->poll(milliseconds(50));
      ASSERT_TRUE(batch.is_ok());
      if (*batch) kept = std::move(**batch);
    }
    ASSERT_TRUE(kept);
    const auto started = steady_clock::now();
    source->close();
    EXPECT_LT(steady_clock::now() - started, seconds(5));
  }
  EXPECT_EQ(kept->records.front().value, "v0");
  std::thread([batch = std::move(kept)]() mutable { batch.reset(); }).join();
}

TEST_F(KafkaSourceTest, a_deleted_topic_is_data_loss) {
  const auto topic = make_topic(1);
  produce(topic, 0, 10);
  ScriptedListener listener;
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  std::map<std::int32_t, Read> read;
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next == Offset{10}; }).is_ok());
  ASSERT_TRUE(broker().delete_topic(topic).is_ok());
  const auto status = collect(
      *source, read, [] { return false; }, seconds(15));
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_EQ(status.detail().id, "kafka.topic_deleted");
}

// Disabled: whether the change is seen depends on the topic being missing at one of the looks at the broker; made anew
// between two of them it is not (docs/exactly-once.md, rule 9). Run it with --gtest_also_run_disabled_tests.
TEST_F(KafkaSourceTest, DISABLED_a_topic_made_anew_while_it_is_read_is_claimed_anew) {
  const auto topic = make_topic(1);
  produce(topic, 0, 10);
  ScriptedListener listener;
  const auto source = make_kafka_source(config_for(topic));
  ASSERT_TRUE(source->open(listener, {}).is_ok());
  std::map<std::int32_t, Read> read;
  ASSERT_TRUE(collect(*source, read, [&] { return read[0].next == Offset{10}; }).is_ok());
  ASSERT_TRUE(broker().delete_topic(topic).is_ok());
  std::map<std::int32_t, Read> nothing;
  ASSERT_TRUE(collect(*source, nothing, [polls = 0]() mutable { return ++polls > 20; }).is_ok());
  EXPECT_TRUE(nothing.empty());
  ASSERT_TRUE(broker().create_topic(topic, 1).is_ok());
  produce(topic, 0, 50, 1000);
  const auto status = collect(*source, nothing, [&] { return listener.events.size() == 3; });
  ASSERT_TRUE(status.is_ok()) << status.to_line();
  EXPECT_EQ(listener.events, (std::vector<std::string>{"+ 0", "- 0", "+ 0"}));
  EXPECT_TRUE(nothing.empty()) << "records of the new topic under the old claim";
  ASSERT_TRUE(collect(*source, nothing, [&] { return nothing[0].next == Offset{50}; }).is_ok());
  EXPECT_EQ(nothing[0].values.front(), "v1000");
}

TEST_F(KafkaSourceTest, credentials_pass_through_and_a_wrong_password_is_refused) {
  const auto topic = make_topic(1);
  produce(topic, 0, 3);
  auto config = config_for(topic);
  config.kafka.bootstrap_servers = broker().sasl_address();
  config.kafka.librdkafka["security.protocol"] = "sasl_plaintext";
  config.kafka.librdkafka["sasl.mechanism"] = "PLAIN";
  config.kafka.librdkafka["sasl.username"] = "inlet";
  config.kafka.librdkafka["sasl.password"] = "secret";
  {
    ScriptedListener listener;
    const auto source = make_kafka_source(config);
    ASSERT_TRUE(source->open(listener, {}).is_ok());
    std::map<std::int32_t, Read> read;
    ASSERT_TRUE(collect(*source, read, [&] { return read[0].next == Offset{3}; }).is_ok());
  }
  config.kafka.librdkafka["sasl.password"] = "gu3ssed";
  ScriptedListener listener;
  const auto source = make_kafka_source(config);
  const auto status = source->open(listener, {});
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.detail().id, "kafka.authentication_failed") << status.to_line();
  EXPECT_EQ(status.to_line().find("gu3ssed"), std::string::npos);
  EXPECT_EQ(probe_kafka(config, seconds(5)).status().detail().id, "kafka.authentication_failed");
}

TEST_F(KafkaSourceTest, a_topic_that_is_not_there_refuses_to_open) {
  ScriptedListener listener;
  const auto source = make_kafka_source(config_for("nowhere"));
  const auto status = source->open(listener, {});
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.detail().id, "kafka.topic_not_found");
  EXPECT_FALSE(status.detail().fix.empty());
}

TEST_F(KafkaSourceTest, waits_for_a_broker_that_is_away_and_closes_at_once) {
  ScriptedListener listener;
  auto config = config_for("anything");
  config.kafka.bootstrap_servers = "127.0.0.1:1";
  const auto source = make_kafka_source(config);
  const auto status = source->open(listener, {});
  ASSERT_TRUE(status.is_ok()) << status.to_line();
  const auto batch = source->poll(milliseconds(200));
  ASSERT_TRUE(batch.is_ok());
  EXPECT_FALSE(batch->has_value());
  const auto started = steady_clock::now();
  source->close();
  EXPECT_LT(steady_clock::now() - started, seconds(5));
}

TEST_F(KafkaSourceTest, names_the_setting_that_is_unknown_wrong_or_reserved) {
  const auto open_with = [&](const std::string& key, const std::string& value) {
    ScriptedListener listener;
    auto config = config_for("anything");
    config.kafka.librdkafka[key] = value;
    return make_kafka_source(config)->open(listener, {});
  };
  auto status = open_with("fetch.min.bite", "1");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.detail().id, "kafka.unknown_option");
  EXPECT_EQ(status.detail().where, "kafka.fetch.min.bite");
  status = open_with("fetch.min.bytes", "many");
  EXPECT_EQ(status.detail().id, "kafka.invalid_option");
  status = open_with("enable.auto.commit", "true");
  EXPECT_EQ(status.detail().id, "kafka.reserved_option");
  status = open_with("group.id", "mine");
  EXPECT_EQ(status.detail().id, "kafka.reserved_option");
  EXPECT_NE(status.detail().fix.find("source.kafka.group_id"), std::string::npos);
  status = open_with("ssl.key.pem", "s3cr3t");
  EXPECT_EQ(status.to_line().find("s3cr3t"), std::string::npos) << status.to_line();
}

TEST_F(KafkaSourceTest, tls_to_a_plain_port_is_refused_with_the_reason) {
  ScriptedListener listener;
  auto config = config_for("anything");
  config.kafka.librdkafka["security.protocol"] = "ssl";
  const auto source = make_kafka_source(config);
  const auto status = source->open(listener, {});
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.detail().id, "kafka.tls_failed") << status.to_line();
}

TEST_F(KafkaSourceTest, a_probe_tells_a_missing_broker_a_missing_topic_and_the_offsets) {
  const auto topic = make_topic(2);
  produce(topic, 1, 7);
  auto probe = probe_kafka(config_for(topic), seconds(5));
  ASSERT_TRUE(probe.is_ok()) << probe.status().to_line();
  EXPECT_TRUE(probe->reachable);
  EXPECT_TRUE(probe->topic.is_ok());
  EXPECT_EQ(probe->brokers, std::vector<std::string>{"1 at " + broker().address()});
  EXPECT_FALSE(probe->cluster_id.empty());
  ASSERT_EQ(probe->partitions.size(), 2U);
  EXPECT_EQ(probe->partitions[1].end, Offset{7});

  probe = probe_kafka(config_for("nowhere"), seconds(5));
  ASSERT_TRUE(probe.is_ok());
  EXPECT_TRUE(probe->reachable);
  EXPECT_EQ(probe->topic.detail().id, "kafka.topic_not_found");

  auto away = config_for(topic);
  away.kafka.bootstrap_servers = "127.0.0.1:1";
  probe = probe_kafka(away, seconds(1));
  ASSERT_TRUE(probe.is_ok());
  EXPECT_FALSE(probe->reachable);
  EXPECT_FALSE(probe->unreachable_reason.empty());
}

}  // namespace
}  // namespace inlet::source
