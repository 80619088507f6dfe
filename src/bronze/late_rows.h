// Which rows come late, decided where the order of a partition's log is known (docs/exactly-once.md, "Late rows").
//
// What flows in: the decoded batches of a partition in the order of its log. What flows out: the same batches, and
// apart from them the rows that are diverted. Invariant: the decision on a row is a function of the rows before it in
// its partition, and of nothing else; not of batches, threads, other partitions or the clock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "config/pipeline_config.h"
#include "decode/decoder.h"

namespace inlet::bronze {

/// Late rows of one decoded batch.
struct LateRows {
  std::size_t count = 0;     // whatever becomes of them; those that stand in the late table already included
  duck::DataChunk diverted;  // in the shape of diverted_schema(); false where none is
};

/// Columns of a chunk of diverted rows: Decoder::chunk_schema, then `max_event_time`, by which each was judged.
Schema diverted_schema(const config::PipelineConfig& config);

/// Not thread safe: the writer thread's.
class LateJudge {
 public:
  explicit LateJudge(const config::PipelineConfig& config);

  /// Without late.delay nothing is ever late, and nothing need be asked.
  bool is_on() const { return delay_us_.has_value(); }

  /// Whether the assignment has begun here.
  bool has_begun(const TopicPartition& partition, Generation generation) const;
  /// An assignment begins with the largest event time that stood in bronze at its claim, if any. `decided_late`:
  /// offsets above the marker that stand in the late table, sorted. They are no rows of what is judged (rule 5), but
  /// counted.
  void begin(const TopicPartition& partition, Generation generation, std::optional<std::int64_t> max_event_time_us,
             std::vector<std::int64_t> decided_late = {});

  /// Precondition: is_on() and begun. Takes the rows to divert out of `decoded`, and moves the running maximum over the
  /// others. Internal when memory does not suffice.
  Result<LateRows> judge(decode::DecodedBatch& decoded);

 private:
  struct Running {
    Generation generation;
    std::optional<std::int64_t> max_event_time_us;
    std::vector<std::int64_t> decided_late;
    std::size_t decided_late_passed = 0;
  };

  const std::optional<std::int64_t> delay_us_;
  const bool diverts_;
  const Schema chunk_schema_;
  const Schema diverted_schema_;
  std::size_t event_time_column_ = 0;
  std::map<TopicPartition, Running> running_;
};

}  // namespace inlet::bronze
