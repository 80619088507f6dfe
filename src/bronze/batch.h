// What flows in: decoded batches in the order of their partitions' logs. What flows out: one batch to commit.
//
// Invariant, by construction: per partition the batch covers one contiguous OffsetRange and comes from one assignment.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "bronze/late_rows.h"
#include "decode/decoder.h"

namespace inlet::bronze {

/// What a batch holds of one partition.
struct PartitionSlice {
  TopicPartition partition;
  Generation generation;
  OffsetRange range;
  std::size_t records = 0;                        // all that the range held: rows, rejects, late rows, skipped
  std::size_t late = 0;                           // rows that came late, diverted or not
  std::optional<Timestamp> max_event_time;        // of the rows
  std::optional<std::uint64_t> last_fingerprint;  // of the record at range.last
};

/// Not thread safe: the writer's.
class Batch {
 public:
  /// Internal "batch.gap" when `decoded` does not continue its partition's range: never committed around.
  /// `late` is what was decided on its rows.
  Status add(decode::DecodedBatch decoded, LateRows late = {});

  /// Drops everything of the partitions for which `drop` holds (revoked, or taken over by another process).
  void drop_if(const std::function<bool(const PartitionSlice&)>& drop);

  /// Set once the rejects stand in quarantine: a batch written again without a fenced partition must not repeat them.
  bool rejects_committed() const { return rejects_committed_; }
  void mark_rejects_committed() { rejects_committed_ = true; }
  /// The same of the diverted rows and the late table.
  bool diverted_committed() const { return diverted_committed_; }
  void mark_diverted_committed() { diverted_committed_ = true; }

  bool empty() const { return decoded_.empty(); }
  std::size_t records() const;
  std::size_t rows() const;
  std::size_t rejects() const;
  std::size_t late() const;
  std::size_t diverted() const;
  /// Per expectation, in the order of the configuration; empty where none is configured.
  std::vector<std::int64_t> expectation_failures() const;
  std::size_t bytes() const;
  const std::vector<PartitionSlice>& slices() const { return slices_; }
  const std::vector<decode::DecodedBatch>& decoded() const { return decoded_; }

  struct Diverted {
    TopicPartition partition;
    duck::DataChunk chunk;  // diverted_schema()
  };
  const std::vector<Diverted>& diverted_chunks() const { return diverted_; }

 private:
  std::vector<PartitionSlice> slices_;
  std::vector<decode::DecodedBatch> decoded_;
  std::vector<Diverted> diverted_;
  bool rejects_committed_ = false;
  bool diverted_committed_ = false;
};

}  // namespace inlet::bronze
