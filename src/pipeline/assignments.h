// Which partitions this process holds, since which assignment and under which epoch.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"
#include "bronze/claim.h"
#include "bronze/writer.h"

namespace inlet::pipeline {

/// A partition as it is held now.
struct Held {
  Generation generation;
  bronze::Claim claim;
};

/// Thread safe: written by the source thread (assignment) and the writer (fenced), read by all.
class Assignments {
 public:
  /// Takes over the claims under a new generation, and says which.
  Generation hold(std::vector<bronze::Claim> claims);
  void release(std::span<const TopicPartition> partitions);

  /// Records of this generation still count.
  bool is_current(const TopicPartition& partition, Generation generation) const;
  /// Null when nothing of the partition is decided above the marker, or it is not held.
  bronze::DecidedOffsets decided(const TopicPartition& partition) const;
  /// The claim of this assignment; nullopt when that is over.
  std::optional<bronze::Claim> claim_of(const TopicPartition& partition, Generation generation) const;
  /// Epochs under which `slices` may be committed. A slice of a generation that is gone has none: its commit is fenced
  /// even where the partition came back to this process meanwhile.
  bronze::Epochs epochs_of(std::span<const bronze::PartitionSlice> slices) const;
  std::vector<TopicPartition> partitions() const;

 private:
  mutable std::mutex mutex_;
  std::map<TopicPartition, Held> held_;  // guarded by mutex_
  Generation last_;                      // guarded by mutex_
};

}  // namespace inlet::pipeline
