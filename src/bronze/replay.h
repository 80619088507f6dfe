// Rows of quarantine re-enter bronze through decode, exactly once (docs/exactly-once.md, rule 7).
//
// What flows in: the rows whose bytes are whole, after the pipeline file was mended. What flows out: one bronze commit
// of those that decode now, with the position and record time they came with. Quarantine loses and gains no row, no
// marker and no #maxEventTime moves: the positions were covered when the rows were rejected.
//
// A row is replayed if and only if bronze holds its position; the commit compares, on the very snapshot of each
// attempt, that no other replay and no reset came between and that no file added since holds one of the rows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "bronze/tables.h"
#include "config/pipeline_config.h"
#include "duck/database.h"

namespace inlet::bronze {

struct ReplayOptions {
  std::optional<std::string> reason;  // of the rows to replay; absent: all
  bool dry_run = false;               // decode and count, write nothing
};

struct ReplayResult {
  /// Rows of quarantine (of the reason asked for) by state: "replayable", "replayed", "cut", ... as before this replay.
  std::map<std::string, std::int64_t> by_state;
  std::int64_t replayed = 0;                               // rows that decode now
  std::map<std::string, std::int64_t> rejected_by_reason;  // rows that still do not, by the reason they have now
  std::optional<lake::Committed> committed;                // absent: dry run, or nothing to replay
};

/// Errors: those of decode, of the write and of a commit; Corruption where the stored bytes are not the whole value.
/// `reader` and `writer` are connections of one database. `tables` may be written by others meanwhile.
Result<ReplayResult> replay_quarantine(Tables& tables, const config::PipelineConfig& config, duck::Connection reader,
                                       duck::Connection writer, const Clock& clock, const ReplayOptions& options,
                                       const std::function<bool()>& should_stop);

/// What a replay was decided on.
struct ReplayBasis {
  struct Partition {
    Offset last;                  // the largest offset that is replayed
    std::int64_t reset_time = 0;  // #resetAt, 0 where the log was never reset
  };
  std::int64_t replays = 0;  // #quarantineReplay
  std::map<TopicPartition, Partition> partitions;
  std::set<std::string> bronze_files;  // those that were asked which positions they hold
};

/// Whether a replay may be committed on this snapshot as far as its transactions tell. Pure.
/// Conflict "replay.moved": decide anew.
Status check_replay(const lake::Snapshot& snapshot, const std::string& pipeline, const ReplayBasis& basis);

/// Files that came into bronze since the basis and may, by their statistics, hold an offset that is replayed. Pure.
std::vector<std::string> files_to_ask(const std::vector<lake::LiveFile>& files, const ReplayBasis& basis,
                                      std::int64_t least_offset, std::int64_t largest_offset);

}  // namespace inlet::bronze
