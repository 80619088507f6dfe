// The rows of the quarantine table, each with what has become of it.
//
// Quarantine removes no row (docs/exactly-once.md, rule 7), so whether one was replayed is not written beside it: it
// was if and only if bronze holds its position. That is looked up, never remembered, so that a restore that takes a
// replayed row out of bronze makes it replayable again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "lake/table.h"

namespace inlet::bronze {

/// What has become of a row. The names (to_string) stand in the output of commands and are stable.
enum class QuarantineState {
  kReplayable,  // "replayable": its bytes are whole, bronze does not hold it
  kReplayed,    // "replayed"
  kCut,         // "cut": more bytes than quarantine.max_raw_bytes, the rest was not kept
  kTombstone,   // "tombstone": a message without a value has no row to become
  kUncovered,   // "uncovered": beyond bronze's marker, the run that rejected it has not committed its batch yet
  kEarlierLog,  // "earlier_log": of a log that is gone; its offset has come to mean another record (#resetAt)
};
std::string_view to_string(QuarantineState state);

/// The two tables as of one look.
struct QuarantineLook {
  lake::SnapshotPtr bronze;
  std::shared_ptr<const lake::DataFiles> bronze_files;
  lake::SnapshotPtr quarantine;
  std::shared_ptr<const lake::DataFiles> quarantine_files;
};

/// SQL, and the files that it reads: they are there while this lives.
struct QuarantineRows {
  std::string sql;
  lake::HeldFiles held_quarantine;
  lake::HeldFiles held_bronze;
};

/// SQL text of a relation in parentheses: the columns of the quarantine table and `state` VARCHAR, a row each.
/// Reads the log, for the files. Bronze is asked only where it was ever replayed into, and only files whose statistics
/// allow for an offset of quarantine.
Result<QuarantineRows> quarantine_rows_sql(const QuarantineLook& look, const std::string& pipeline);

/// The least and the largest `_offset` a file may hold; nullopt where its statistics do not say. Pure.
struct OffsetBounds {
  std::int64_t least = 0;
  std::int64_t largest = 0;
};
std::optional<OffsetBounds> offset_bounds(const lake::LiveFile& file);

/// read_parquet(['…', …]) of the files, by their absolute paths and those alone. Precondition: not empty.
std::string read_files_sql(const std::string& directory, const std::vector<std::string>& paths);

}  // namespace inlet::bronze
