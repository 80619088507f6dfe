// Asks the cluster every few seconds how many partitions the topic has, on a thread of its own: a broker that is away
// must never keep poll() waiting. Internal to the Kafka source.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "config/pipeline_config.h"
#include "source/kafka_client.h"

namespace inlet::source {

/// The thread is called "kafka watch" and ends with stop() or the destructor, within a second.
class KafkaTopicWatch {
 public:
  struct Options {
    std::chrono::milliseconds interval{5000};
    /// A topic that was there and is not any more is believed gone after this long, not at one broker's first word.
    std::chrono::milliseconds gone_after{3000};
  };

  /// `on_change` is called on the watch's thread whenever partitions() or verdict() would answer anew.
  KafkaTopicWatch(std::shared_ptr<KafkaClient> client, config::KafkaConfig config, Options options,
                  std::function<void()> on_change);
  ~KafkaTopicWatch();
  KafkaTopicWatch(const KafkaTopicWatch&) = delete;
  KafkaTopicWatch& operator=(const KafkaTopicWatch&) = delete;

  /// How many partitions the topic has; nullopt until the cluster said so for the first time. Never shrinks.
  std::optional<int> partitions() const;
  /// InvalidArgument: the topic was never there or may not be read. DataLoss: it was deleted.
  Status verdict() const;
  /// How often the topic was missing for a moment and came back: it may be another one of the same name.
  int absences() const;
  /// Asks soon, not at the next interval.
  void ask_now();
  /// A broker said to somebody that the topic, or a partition of it, is not there.
  void reported_missing();
  void stop();

 private:
  void run(const std::stop_token& stop);
  void judge(const TopicAnswer& answer);

  const std::shared_ptr<KafkaClient> client_;
  const config::KafkaConfig config_;
  const Options options_;
  const std::function<void()> on_change_;

  mutable std::mutex mutex_;
  std::condition_variable_any asked_;
  bool ask_now_ = false;  // guarded by mutex_, as all below
  std::optional<int> partitions_;
  Status verdict_;
  std::optional<std::chrono::steady_clock::time_point> missing_since_;
  int absences_ = 0;

  std::jthread thread_;  // last: it uses the members above
};

}  // namespace inlet::source
