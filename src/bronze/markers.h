// The names under which exactly-once state stands in the Delta log: txn actions of the bronze table, one set per source
// partition. docs/exactly-once.md, rule 1. The format is stable: tables written by one release are read by the next.
//
//   <pipeline>/<source id>/<partition>                last committed offset, inclusive; start position - 1 when new
//   <pipeline>/<source id>/<partition>#epoch          count of claims; the highest owns the partition (rule 2)
//   <pipeline>/<source id>/<partition>#maxEventTime   largest event time seen, microseconds UTC
//   <pipeline>/<source id>/<partition>#fingerprint    hash of the record at the marker; -1 where none stands there
//   <pipeline>/<source id>/<partition>#resetAt        when the marker was put back by failOnDataLoss = false (rule 9),
//                                                     microseconds UTC
//   <pipeline>#events                                 records committed in the pipeline's life, rejects included
//   <pipeline>#late                                   rows of them that came late, diverted or not
//   <pipeline>#expect.<name>                          rows of them that did not meet the expectation of that name
//   <pipeline>#lateApplied                            version of the late table whose rows are all in bronze (rule 7)
//   <pipeline>#quarantineReplay                       count of replays out of quarantine: compared and set (rule 7)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "lake/table.h"

namespace inlet::bronze {

inline constexpr std::int64_t kNoRecordAtMarker = -1;
// A txn cannot be taken back: what a restore puts where there was none then.
inline constexpr std::int64_t kNoEventTime = INT64_MIN;
inline constexpr std::int64_t kNeverApplied = -1;

std::string marker_id(const std::string& pipeline, const TopicPartition& partition);
std::string epoch_id(const std::string& pipeline, const TopicPartition& partition);
std::string max_event_time_id(const std::string& pipeline, const TopicPartition& partition);
std::string fingerprint_id(const std::string& pipeline, const TopicPartition& partition);
std::string reset_time_id(const std::string& pipeline, const TopicPartition& partition);
std::string events_id(const std::string& pipeline);
std::string replays_id(const std::string& pipeline);
std::string late_id(const std::string& pipeline);
std::string expectation_id(const std::string& pipeline, const std::string& expectation);
std::string late_applied_id(const std::string& pipeline);

/// What a snapshot says of one partition.
struct PartitionState {
  std::optional<Offset> marker;
  std::int64_t epoch = 0;  // 0: never claimed
  std::optional<std::int64_t> max_event_time_us;
  std::optional<std::int64_t> fingerprint;  // absent or kNoRecordAtMarker: nothing to compare
};
PartitionState read_state(const lake::Snapshot& snapshot, const std::string& pipeline, const TopicPartition& partition);

/// #lateApplied; nullopt: never.
std::optional<std::int64_t> late_applied(const lake::Snapshot& snapshot, const std::string& pipeline);

/// Every partition that has a marker of this pipeline, sorted.
std::vector<TopicPartition> known_partitions(const lake::Snapshot& snapshot, const std::string& pipeline);

}  // namespace inlet::bronze
