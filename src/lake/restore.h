// Going back to an older version of a table: a new commit with the files of then (docs/exactly-once.md, rule 11).
//
// What flows in: the version to go back to. What flows out: one commit that removes the files which are live now and
// were not then, and adds those which were live then and are not now. Transactions stay but for those that the caller
// says: a marker that stays keeps what was taken out from being read again by itself. commitInfo lists the source
// ranges that went and those that came back.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "lake/table.h"

namespace inlet::lake {

/// "kafka:ventes/0" → inclusive ranges, ascending, adjacent ones as one.
using SourceRanges = std::map<std::string, std::vector<OffsetRange>>;

struct RestorePlan {
  TableVersion from;  // the version the plan was made on
  TableVersion to;
  std::vector<AddFile> adds;         // files that come back
  std::vector<std::string> removes;  // paths of files that go
  std::int64_t added_bytes = 0;
  std::int64_t removed_bytes = 0;
  std::int64_t live_files = 0;  // once it is done
  std::int64_t live_bytes = 0;
  std::optional<std::int64_t> rows_before;  // nullopt: a file's statistics do not say
  std::optional<std::int64_t> rows_after;
  SourceRanges taken_out;  // ranges of the commits whose rows go
  SourceRanges put_back;   // ranges of commits that an earlier restore took out and that come back

  bool is_nothing() const { return adds.empty() && removes.empty(); }
};

/// What a restore to `to` would do on `snapshot`, the newest of `table`. NotFound: no such version, or some of its
/// files are gone. InvalidArgument "restore.other_definition": the table's columns or partitioning are others now;
/// "restore.of_a_view": a view publishes this table, which follows from bronze.
Result<RestorePlan> plan_restore(Table& table, const Snapshot& snapshot, TableVersion to);

/// What a restore commits beside the files, decided on the snapshot of an attempt.
struct RestoreExtras {
  std::vector<AppTransaction> transactions;
  std::map<std::string, std::string> info;  // further commitInfo fields
};
using PlanExtras = std::function<Result<RestoreExtras>(const Snapshot& now)>;

/// Commits it, planned anew on the snapshot of every attempt. Errors: those of plan_restore, of `extras` and of
/// Table::commit; Transient "lake.locked" while a vacuum deletes files of the table.
struct Restored {
  RestorePlan plan;
  Committed committed;
};
Result<Restored> restore(Lake& lake, Table& table, TableVersion to, const PlanExtras& extras,
                         const std::function<bool()>& should_stop);

/// "12..90,95..99"
std::string ranges_text(const std::vector<OffsetRange>& ranges);

}  // namespace inlet::lake
