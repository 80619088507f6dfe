// Where a pipeline stands: what the lake has committed against what the source has. Reads only: no claim, no lock.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "config/pipeline_config.h"
#include "lake/table.h"
#include "pipeline/maintenance.h"
#include "source/source.h"

namespace inlet::pipeline {

struct PartitionStatus {
  TopicPartition partition;
  std::optional<Offset> committed;                // the marker; absent: never claimed
  std::optional<source::OffsetBounds> available;  // absent: the source could not say, or the partition is not there
  std::optional<Timestamp> max_event_time;
  std::int64_t epoch = 0;
  /// Offsets of the source that are not committed; absent where its end is not known. An upper bound on records: gaps
  /// count.
  std::optional<std::int64_t> lag() const;
};

struct PublishedViewStatus {
  std::string name;
  std::string table;
  std::optional<TableVersion> reflects;  // the bronze version its table shows; absent: never published
  std::optional<Timestamp> as_of;        // when that version was committed
  /// How old the oldest events were that its last publish was the first to show, at most: from when they could have
  /// arrived to that commit. Absent: published once at most, or too long ago.
  std::optional<std::chrono::milliseconds> freshness;
  /// Partitions of the saved state that are not in memory; absent: none is saved.
  std::optional<std::size_t> evicted_partitions;
};

struct PipelineStatus {
  std::vector<PartitionStatus> partitions;                         // sorted
  std::int64_t events = 0;                                         // committed in the pipeline's life
  std::optional<TableVersion> version;                             // of bronze; absent: no table yet
  std::int64_t late = 0;                                           // rows of them that came late
  std::vector<std::pair<std::string, std::int64_t>> expectations;  // rows of them that did not meet it, by name
  /// Smallest of the largest event times of the partitions that were not idle at the last commit.
  std::optional<Timestamp> watermark;
  std::optional<Timestamp> last_commit;    // the last one that moved data
  double events_per_second = 0;            // over the commits of the minute before the last one
  std::vector<PublishedViewStatus> views;  // in file order
  std::vector<FileSizes> tables;           // those that are there
  std::string source_problem;              // why the source could not be asked; empty: it was
};

/// InvalidArgument, Internal: the lake cannot be read. A source that is away is not an error (see source_problem).
Result<PipelineStatus> read_status(const config::PipelineConfig& config, const Clock& clock = Clock::system());

}  // namespace inlet::pipeline
