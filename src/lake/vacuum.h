// Vacuum: data files that no version within the retention needs are deleted, and the log is cleaned (rule 8).
//
// What flows in: a table, how long what was removed is kept, and from which version on somebody still reads. What flows
// out: less on disk. A file is deleted only when it is not live, and
//   - was removed by a commit longer ago than the retention, and not by one after `needed_from`; or
//   - stands in no action that the log still has, and is older than the retention and than an hour: a writer may hold
//     files that it has not committed yet; while a writer runs that was there before the file, than a day.
// A reader that opened a version within the retention finds every file of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "lake/table.h"

namespace inlet::lake {

/// What one vacuum of a table knows for the next. A checkpoint forgets a removal as soon as it is past the retention,
/// and one is written every few commits: who only looks at the log now and then would take what went in between for
/// files of a writer that has not committed them yet. Kept where the retention is shorter than what those have.
struct KnownRemovals {
  std::optional<TableVersion> read_to;                    // every commit up to here has been looked at
  std::unordered_map<std::string, Timestamp> removed_at;  // of files that still stand
};

struct VacuumOptions {
  std::optional<std::chrono::milliseconds> retain;  // nullopt: what the table's properties say
  std::optional<TableVersion> needed_from;          // the lowest version that a view still reads; nullopt: none
  std::optional<Timestamp> oldest_writer;           // since when the longest-running writer runs; nullopt: none runs
  bool dry_run = false;
  KnownRemovals* known = nullptr;  // of the vacuum of this table before; brought up to date. nullptr: there was none
};

struct VacuumResult {
  std::chrono::milliseconds retain{0};
  std::int64_t files = 0;  // deleted, or that would be
  std::int64_t bytes = 0;
  std::int64_t kept_files = 0;     // not live, and kept for now
  std::vector<std::string> first;  // paths of the first deleted ones
  std::optional<CleanedLog> log;   // nullopt: the table's log is not to be cleaned
};

/// Errors: the system's reason where a file cannot be looked at or deleted; those of the log. What was deleted before
/// stays deleted. Takes <lake root>/_inlet/<table>.vacuum.lock: Transient "lake.locked" while another vacuum or a
/// restore holds it.
Result<VacuumResult> vacuum(Lake& lake, Table& table, const VacuumOptions& options, const Clock& clock,
                            const std::function<void(const VacuumResult&)>& on_progress,
                            const std::function<bool()>& should_stop);

}  // namespace inlet::lake
