#include "lake/time_travel.h"

#include <algorithm>
#include <string>

namespace inlet::lake {
Result<TableVersion> version_at(Table& table, Timestamp time) {
  INLET_ASSIGN_OR_RETURN(const auto there, table.versions());
  const auto committed_by = [&](TableVersion version) -> Result<bool> {
    INLET_ASSIGN_OR_RETURN(const auto entry, table.history_entry(version));
    return entry.timestamp <= time;
  };
  // Invariant: `low` was committed by then, `high` was not.
  auto low = there.oldest;
  auto high = TableVersion{there.newest.value + 1};
  auto oldest = committed_by(low);
  if (oldest.status().code() == StatusCode::kNotFound && low.value > 0) {
    // Only a checkpoint says what it was, and that does not say when.
    oldest = false;
  }
  INLET_RETURN_IF_ERROR(oldest.status());
  if (!*oldest) {
    const bool is_new = there.oldest.value == 0;
    return Status(StatusCode::kNotFound, is_new ? "lake.not_yet" : "lake.no_version",
                  table.name() + (is_new ? " was made after " : " cannot be read as of ") + iso_time(time))
        .at(table.location())
        .because(is_new ? "" : "its log was cleaned up to version " + std::to_string(there.oldest.value))
        .fix("name a later time, or a version from " + std::to_string(there.oldest.value) + " to " +
             std::to_string(there.newest.value));
  }
  while (high.value - low.value > 1) {
    const TableVersion middle{low.value + (high.value - low.value) / 2};
    INLET_ASSIGN_OR_RETURN(const bool is_committed, committed_by(middle));
    (is_committed ? low : high) = middle;
  }
  return low;
}

Status check_files_are_there(Table& table, TableVersion version, const std::vector<LiveFile>& files) {
  INLET_ASSIGN_OR_RETURN(const auto gone, table.data_files()->count_gone(files));
  if (gone == 0) return Status::ok();
  // What is vacuumed was removed longest ago: from some version on, everything is there.
  INLET_ASSIGN_OR_RETURN(const auto there, table.versions());
  auto low = version;
  auto high = TableVersion{there.newest.value + 1};
  while (high.value - low.value > 1) {
    const TableVersion middle{low.value + (high.value - low.value) / 2};
    INLET_ASSIGN_OR_RETURN(const auto then, table.files_at(middle));
    INLET_ASSIGN_OR_RETURN(const auto gone_then, table.data_files()->count_gone(then));
    (gone_then > 0 ? low : high) = middle;
  }
  const bool is_any_whole = high <= there.newest;
  return Status(StatusCode::kNotFound, "lake.files_gone",
                std::to_string(gone) + " of the " + std::to_string(files.size()) + " files of version " +
                    std::to_string(version.value) + " of " + table.name() + " are gone")
      .at(table.location())
      .because("files that later versions do not need were vacuumed")
      .fix(is_any_whole
               ? "name a version from " + std::to_string(high.value) + " to " + std::to_string(there.newest.value)
               : "no version is whole: restore the files from a copy of the table");
}

}  // namespace inlet::lake
