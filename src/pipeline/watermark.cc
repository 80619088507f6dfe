#include "pipeline/watermark.h"

#include <algorithm>

namespace inlet::pipeline {

void Watermark::observe(const TopicPartition& partition, std::optional<Timestamp> max_event_time, Moment now) {
  auto& known = partitions_[partition];
  known.max_event_time = std::max(known.max_event_time, max_event_time);
  known.last_record = now;
}

std::optional<Timestamp> Watermark::at(Moment now) {
  std::optional<Timestamp> smallest;
  for (const auto& [name, partition] : partitions_) {
    const bool is_idle = now - partition.last_record > idle_timeout_;
    if (is_idle || !partition.max_event_time) continue;
    smallest = std::min(smallest.value_or(*partition.max_event_time), *partition.max_event_time);
  }
  reached_ = std::max(reached_, smallest);
  return reached_;
}

}  // namespace inlet::pipeline
