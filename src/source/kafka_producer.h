// Puts records into one Kafka topic: idempotent, in order per partition, every delivery accounted for.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "config/pipeline_config.h"

namespace inlet::source {

/// Thread safety: one thread calls; progress() may be called from any thread.
class KafkaProducer {
 public:
  struct Progress {
    std::int64_t accepted = 0;   // given to produce()
    std::int64_t delivered = 0;  // acknowledged by the brokers
    std::int64_t failed = 0;     // given up; last_failure says why
  };

  /// InvalidArgument: librdkafka refuses the kafka.* settings, or they contradict idempotence. Does not connect.
  static Result<std::unique_ptr<KafkaProducer>> create(const config::KafkaConfig& config);

  ~KafkaProducer();
  KafkaProducer(const KafkaProducer&) = delete;
  KafkaProducer& operator=(const KafkaProducer&) = delete;

  /// Creates the topic with `partitions`, or keeps the one that is there; returns how many partitions it has. A topic
  /// with another count is kept as it is and warned about. `replication_factor` < 0: the broker's default.
  /// Unavailable: no broker answered within `timeout`. InvalidArgument: refused (credentials, name, rights).
  Result<int> ensure_topic(int partitions, std::chrono::milliseconds timeout, int replication_factor = -1);

  /// Queues one record. Without `partition` the key decides (murmur2, as Kafka's own clients do). Copies both. Waits
  /// while librdkafka's queue is full.
  /// InvalidArgument: the record can never be sent (too large for the broker, no such partition); it counts as failed.
  /// Internal: a fatal error ended the producer. Cancelled: stop() was called.
  Status produce(std::string_view key, std::string_view value, std::optional<std::int32_t> partition = std::nullopt);

  /// A tombstone: a record without a value.
  Status produce_tombstone(std::string_view key, std::optional<std::int32_t> partition = std::nullopt);

  /// Waits until everything queued is delivered or has failed. Transient: time is up and some of it is still queued.
  Status flush(std::chrono::milliseconds timeout);

  /// Any thread: ends a produce() that waits, and every later one.
  void stop();

  Progress progress() const;
  /// Ok while nothing failed; else the last delivery error.
  Status last_failure() const;

 private:
  class State;
  explicit KafkaProducer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace inlet::source
