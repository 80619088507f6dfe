#include "pipeline/assignments.h"

namespace inlet::pipeline {

Generation Assignments::hold(std::vector<bronze::Claim> claims) {
  const std::scoped_lock lock(mutex_);
  ++last_.value;
  for (auto& claim : claims) {
    const TopicPartition partition = claim.partition;
    held_.insert_or_assign(partition, Held{last_, std::move(claim)});
  }
  return last_;
}

void Assignments::release(std::span<const TopicPartition> partitions) {
  const std::scoped_lock lock(mutex_);
  for (const auto& partition : partitions) held_.erase(partition);
}

bool Assignments::is_current(const TopicPartition& partition, Generation generation) const {
  const std::scoped_lock lock(mutex_);
  const auto held = held_.find(partition);
  return held != held_.end() && held->second.generation == generation;
}

bronze::DecidedOffsets Assignments::decided(const TopicPartition& partition) const {
  const std::scoped_lock lock(mutex_);
  const auto held = held_.find(partition);
  return held == held_.end() ? nullptr : held->second.claim.decided;
}

std::optional<bronze::Claim> Assignments::claim_of(const TopicPartition& partition, Generation generation) const {
  const std::scoped_lock lock(mutex_);
  const auto held = held_.find(partition);
  if (held == held_.end() || held->second.generation != generation) return std::nullopt;
  return held->second.claim;
}

bronze::Epochs Assignments::epochs_of(std::span<const bronze::PartitionSlice> slices) const {
  const std::scoped_lock lock(mutex_);
  bronze::Epochs epochs;
  for (const auto& slice : slices) {
    const auto held = held_.find(slice.partition);
    if (held != held_.end() && held->second.generation == slice.generation) {
      epochs[slice.partition] = held->second.claim.epoch;
    }
  }
  return epochs;
}

std::vector<TopicPartition> Assignments::partitions() const {
  const std::scoped_lock lock(mutex_);
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, held] : held_) partitions.push_back(partition);
  return partitions;
}

}  // namespace inlet::pipeline
