// A real Kafka broker for tests, started by scripts/kafka-broker.sh, and what a test does to it: topics, partitions,
// deleted records, transactions.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/status.h"

namespace inlet::testing {

/// One broker process with a directory of its own below the system's temporary one; ended and removed by the
/// destructor, and by itself when this process dies. Not thread safe.
class KafkaBroker {
 public:
  static Result<std::unique_ptr<KafkaBroker>> start();
  /// One for this process, started at the first call; ends the process when it does not start.
  static KafkaBroker& shared();
  ~KafkaBroker();
  KafkaBroker(const KafkaBroker&) = delete;
  KafkaBroker& operator=(const KafkaBroker&) = delete;

  /// "127.0.0.1:17638", the same over restarts.
  const std::string& address() const { return address_; }

  /// The listener for user "inlet" with password "secret" (SASL_PLAINTEXT, PLAIN).
  std::string sasl_address() const;

  Status stop();  // cleanly
  Status kill();  // SIGKILL
  /// The same port and data; waits until it serves.
  Status restart();

  Status create_topic(const std::string& topic, int partitions, const std::map<std::string, std::string>& config = {});
  Status delete_topic(const std::string& topic);
  Status add_partitions(const std::string& topic, int total);
  /// Everything before `offset` is gone for good.
  Status delete_records(const std::string& topic, int partition, std::int64_t offset);
  /// The next offset `group` has committed; negative: none.
  std::int64_t group_offset(const std::string& group, const std::string& topic, int partition);

 private:
  KafkaBroker(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
  std::string address_;
};

/// A producer with transactions: leaves markers and aborted records in the log.
class TransactionalProducer {
 public:
  TransactionalProducer(const std::string& address, const std::string& transactional_id);
  ~TransactionalProducer();
  TransactionalProducer(const TransactionalProducer&) = delete;
  TransactionalProducer& operator=(const TransactionalProducer&) = delete;

  void begin();
  void send(const std::string& topic, int partition, const std::string& value);
  void commit();
  void abort();

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

}  // namespace inlet::testing
