// Keeps librdkafka fetching while its consumer is the slower side. Internal to the Kafka source.
//
// Before 2.2 (which has fetch.queue.backoff.ms) librdkafka's thread of a broker, having found the prefetch queues full,
// sleeps a whole second unless something is sent to that broker. A pipeline drains tens of megabytes in less, so it
// would read in bursts with pauses: a fraction of what either side can do. A question about the partition's offsets is
// the smallest thing to send.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "source/kafka_client.h"

namespace inlet::source {

/// Whether this librdkafka needs nudges.
bool fetch_needs_nudges();

/// The question blocks until it is answered, so it is asked by a thread of its own ("kafka nudge"), which ends with the
/// destructor, within a second.
class KafkaFetchNudge {
 public:
  KafkaFetchNudge(std::shared_ptr<KafkaClient> client, std::string topic);
  ~KafkaFetchNudge();
  KafkaFetchNudge(const KafkaFetchNudge&) = delete;
  KafkaFetchNudge& operator=(const KafkaFetchNudge&) = delete;

  /// The broker that leads `partition` is to be looked at again. Never waits; the latest call wins.
  void nudge(std::int32_t partition);

 private:
  void run(const std::stop_token& stop);

  const std::shared_ptr<KafkaClient> client_;
  const std::string topic_;
  std::mutex mutex_;
  std::condition_variable_any wanted_;
  std::optional<std::int32_t> partition_;  // guarded by mutex_
  std::jthread thread_;                    // last: it uses the members above
};

}  // namespace inlet::source
