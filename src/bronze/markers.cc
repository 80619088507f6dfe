#include "bronze/markers.h"

#include <algorithm>
#include <charconv>

namespace inlet::bronze {

std::string marker_id(const std::string& pipeline, const TopicPartition& partition) {
  return pipeline + "/" + partition.to_string();
}

std::string epoch_id(const std::string& pipeline, const TopicPartition& partition) {
  return marker_id(pipeline, partition) + "#epoch";
}

std::string max_event_time_id(const std::string& pipeline, const TopicPartition& partition) {
  return marker_id(pipeline, partition) + "#maxEventTime";
}

std::string fingerprint_id(const std::string& pipeline, const TopicPartition& partition) {
  return marker_id(pipeline, partition) + "#fingerprint";
}

std::string reset_time_id(const std::string& pipeline, const TopicPartition& partition) {
  return marker_id(pipeline, partition) + "#resetAt";
}

std::string events_id(const std::string& pipeline) { return pipeline + "#events"; }

std::string replays_id(const std::string& pipeline) { return pipeline + "#quarantineReplay"; }
std::string late_id(const std::string& pipeline) { return pipeline + "#late"; }

std::string expectation_id(const std::string& pipeline, const std::string& expectation) {
  return pipeline + "#expect." + expectation;
}

std::string late_applied_id(const std::string& pipeline) { return pipeline + "#lateApplied"; }

PartitionState read_state(const lake::Snapshot& snapshot, const std::string& pipeline,
                          const TopicPartition& partition) {
  PartitionState state;
  if (const auto marker = snapshot.transaction(marker_id(pipeline, partition))) state.marker = Offset{*marker};
  state.epoch = snapshot.transaction(epoch_id(pipeline, partition)).value_or(0);
  state.max_event_time_us = snapshot.transaction(max_event_time_id(pipeline, partition));
  if (state.max_event_time_us == kNoEventTime) state.max_event_time_us.reset();
  state.fingerprint = snapshot.transaction(fingerprint_id(pipeline, partition));
  return state;
}

std::optional<std::int64_t> late_applied(const lake::Snapshot& snapshot, const std::string& pipeline) {
  const auto version = snapshot.transaction(late_applied_id(pipeline));
  return version == kNeverApplied ? std::nullopt : version;
}

std::vector<TopicPartition> known_partitions(const lake::Snapshot& snapshot, const std::string& pipeline) {
  std::vector<TopicPartition> partitions;
  const std::string prefix = pipeline + "/";
  constexpr std::string_view kEpochSuffix = "#epoch";
  for (const auto& [app_id, version] : snapshot.transactions()) {
    if (!app_id.starts_with(prefix) || !app_id.ends_with(kEpochSuffix)) continue;
    const auto slash = app_id.rfind('/');
    if (slash < prefix.size()) continue;
    const char* const digits_end = app_id.data() + app_id.size() - kEpochSuffix.size();
    std::int32_t number = 0;
    const auto [end, error] = std::from_chars(app_id.data() + slash + 1, digits_end, number);
    if (error != std::errc() || end != digits_end) continue;
    partitions.push_back({app_id.substr(prefix.size(), slash - prefix.size()), number});
  }
  std::sort(partitions.begin(), partitions.end());
  return partitions;
}

}  // namespace inlet::bronze
