#include "source/kafka_producer.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "source/kafka_source.h"
#include "tests/kafka/kafka_broker.h"

namespace inlet::source {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::KafkaBroker;

config::KafkaConfig config_for(const std::string& topic) {
  config::KafkaConfig config;
  config.bootstrap_servers = KafkaBroker::shared().address();
  config.topic = topic;
  return config;
}

std::int64_t records_in(const config::KafkaConfig& kafka) {
  config::SourceConfig config;
  config.kafka = kafka;
  const auto probe = probe_kafka(config, seconds(5));
  EXPECT_TRUE(probe.is_ok()) << probe.status().to_line();
  std::int64_t records = 0;
  for (const auto& bounds : probe->partitions) records += bounds.end.value - bounds.begin.value;
  return records;
}

TEST(KafkaProducer, makes_the_topic_and_delivers_every_record) {
  const auto config = config_for("produced");
  auto producer = KafkaProducer::create(config);
  ASSERT_TRUE(producer.is_ok()) << producer.status().to_line();
  const auto partitions = (*producer)->ensure_topic(3, seconds(10));
  ASSERT_TRUE(partitions.is_ok()) << partitions.status().to_line();
  EXPECT_EQ(*partitions, 3);
  for (int i = 0; i < 20000; ++i) {
    ASSERT_TRUE((*producer)->produce(std::to_string(i % 7), R"({"n":)" + std::to_string(i) + "}").is_ok());
  }
  ASSERT_TRUE((*producer)->flush(seconds(20)).is_ok());
  const auto progress = (*producer)->progress();
  EXPECT_EQ(progress.accepted, 20000);
  EXPECT_EQ(progress.delivered, 20000);
  EXPECT_EQ(progress.failed, 0);
  EXPECT_EQ(records_in(config), 20000);
}

TEST(KafkaProducer, keeps_a_topic_that_is_there) {
  ASSERT_TRUE(KafkaBroker::shared().create_topic("kept", 2).is_ok());
  auto producer = KafkaProducer::create(config_for("kept"));
  ASSERT_TRUE(producer.is_ok());
  const auto partitions = (*producer)->ensure_topic(5, seconds(10));
  ASSERT_TRUE(partitions.is_ok()) << partitions.status().to_line();
  EXPECT_EQ(*partitions, 2);
}

TEST(KafkaProducer, counts_a_record_that_cannot_be_sent_as_failed_with_its_reason) {
  auto config = config_for("refused");
  config.librdkafka["message.max.bytes"] = "1000";
  config.librdkafka["batch.size"] = "1000";
  auto producer = KafkaProducer::create(config);
  ASSERT_TRUE(producer.is_ok()) << producer.status().to_line();
  ASSERT_TRUE((*producer)->ensure_topic(1, seconds(10)).is_ok());
  const auto too_large = (*producer)->produce("k", std::string(2000, 'x'));
  EXPECT_EQ(too_large.code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE((*producer)->produce("k", "fits").is_ok());
  ASSERT_TRUE((*producer)->flush(seconds(10)).is_ok());
  EXPECT_EQ((*producer)->progress().accepted, 2);
  EXPECT_EQ((*producer)->progress().delivered, 1);
  EXPECT_EQ((*producer)->progress().failed, 1);
  EXPECT_EQ((*producer)->last_failure().detail().id, "kafka.record_refused");
}

TEST(KafkaProducer, refuses_settings_that_would_repeat_records) {
  auto config = config_for("unused");
  config.librdkafka["enable.idempotence"] = "false";
  const auto producer = KafkaProducer::create(config);
  ASSERT_FALSE(producer.is_ok());
  EXPECT_EQ(producer.status().detail().id, "kafka.reserved_option");
  EXPECT_EQ(producer.status().detail().where, "kafka.enable.idempotence");
}

TEST(KafkaProducer, says_that_no_broker_answers) {
  auto config = config_for("unused");
  config.bootstrap_servers = "127.0.0.1:1";
  auto producer = KafkaProducer::create(config);
  ASSERT_TRUE(producer.is_ok());
  const auto partitions = (*producer)->ensure_topic(1, seconds(2));
  ASSERT_FALSE(partitions.is_ok());
  EXPECT_EQ(partitions.status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(partitions.status().detail().id, "kafka.unreachable");
}

}  // namespace
}  // namespace inlet::source
