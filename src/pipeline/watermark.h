// How far a pipeline has come in event time, for people: nothing is decided by it.
#pragma once

#include <chrono>
#include <map>
#include <optional>

#include "base/clock.h"
#include "base/ids.h"

namespace inlet::pipeline {

/// The smallest of the partitions' largest event times, over those that are active: a partition without records for
/// `idle_timeout` does not hold the others back. It never goes back, and stands still where all are idle.
/// Not thread safe.
class Watermark {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  explicit Watermark(std::chrono::milliseconds idle_timeout) : idle_timeout_(idle_timeout) {}

  /// Records of the partition were committed at `now`; `max_event_time` is the largest of them, where there is one.
  void observe(const TopicPartition& partition, std::optional<Timestamp> max_event_time, Moment now);

  /// nullopt: no event time was seen yet.
  std::optional<Timestamp> at(Moment now);

 private:
  struct Partition {
    std::optional<Timestamp> max_event_time;
    Moment last_record;
  };

  const std::chrono::milliseconds idle_timeout_;
  std::map<TopicPartition, Partition> partitions_;
  std::optional<Timestamp> reached_;
};

}  // namespace inlet::pipeline
