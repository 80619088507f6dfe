#include "lake/restore.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/fault_point.h"
#include "base/integer.h"
#include "lake/file_statistics.h"
#include "lake/lock.h"
#include "lake/time_travel.h"

namespace inlet::lake {
namespace {

constexpr std::string_view kOffsets = "offsets:";
constexpr const char* kRestore = "RESTORE";

// "12..90"
std::optional<OffsetRange> read_range(std::string_view text) {
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  const auto first = parse_integer(text.substr(0, dots));
  const auto last = parse_integer(text.substr(dots + 2));
  return first && last ? std::optional(OffsetRange{{*first}, {*last}}) : std::nullopt;
}

void add_ranges(const HistoryEntry& entry, SourceRanges& ranges) {
  for (const auto& [key, value] : entry.info) {
    if (!key.starts_with(kOffsets)) continue;
    if (const auto range = read_range(value)) ranges[key.substr(kOffsets.size())].push_back(*range);
  }
}

void join_ranges(SourceRanges& all) {
  for (auto& [partition, ranges] : all) {
    std::sort(ranges.begin(), ranges.end());
    std::vector<OffsetRange> joined;
    for (const auto& range : ranges) {
      if (!joined.empty() && range.first.value <= joined.back().last.value + 1) {
        joined.back().last = std::max(joined.back().last, range.last);
      } else {
        joined.push_back(range);
      }
    }
    ranges = std::move(joined);
  }
}

// The version whose rows a commit went on from: the one before it, or the one it restored.
TableVersion went_on_from(const HistoryEntry& entry) {
  if (entry.operation == kRestore) {
    const auto version = entry.parameters.find("version");
    if (version != entry.parameters.end()) {
      if (const auto value = parse_integer(version->second); value && *value >= 0 && *value < entry.version.value)
        return {*value};
    }
  }
  return {entry.version.value - 1};
}

// What lies between two versions that both go back to a common one: the commits on the way from `now` are taken out,
// those on the way from `to` put back.
Status compare_ranges(Table& table, TableVersion now, TableVersion to, RestorePlan& plan) {
  while (now != to) {
    const bool is_taken_out = now > to;
    INLET_ASSIGN_OR_RETURN(const auto entry, table.history_entry(is_taken_out ? now : to));
    const auto before = went_on_from(entry);
    if (before == TableVersion{entry.version.value - 1})
      add_ranges(entry, is_taken_out ? plan.taken_out : plan.put_back);
    (is_taken_out ? now : to) = before;
  }
  join_ranges(plan.taken_out);
  join_ranges(plan.put_back);
  return Status::ok();
}

AddFile as_add(const LiveFile& file) {
  AddFile add;
  add.path = file.path;
  add.bytes = file.bytes;
  add.modified_ms = file.modified_ms;
  add.rows = recorded_rows(file).value_or(0);
  add.partition_values = file.partition_values;
  add.statistics_json = file.statistics_json;
  add.digest = file.digest;
  return add;
}

Status check_definition(const Snapshot& now, const Snapshot& then) {
  std::string difference;
  if (now.table_id() != then.table_id()) difference = "it is another table: its id was " + then.table_id();
  // Columns that came since are NULL in the files of then, as they are in those that never went.
  if (difference.empty() && !can_become(then.schema(), now.schema()))
    difference = schema_difference(now.schema(), then.schema());
  if (difference.empty() && now.partition_columns() != then.partition_columns())
    difference = "it was partitioned otherwise";
  if (difference.empty()) return Status::ok();
  return Status(StatusCode::kInvalidArgument, "restore.other_definition",
                "the table had another definition at version " + std::to_string(then.version().value))
      .because(std::move(difference))
      .fix("read that version with `query --at`, and write what is wanted of it to a table of its own");
}

Status check_not_a_view(const Snapshot& snapshot, const std::string& name) {
  for (const auto& [app_id, version] : snapshot.transactions()) {
    if (app_id.find("/views/") == std::string::npos) continue;
    return Status(StatusCode::kInvalidArgument, "restore.of_a_view",
                  "the table " + name + " is published by a view; restored, it would no longer be what its SQL says")
        .because("its rows follow from the table of events, as " + app_id + " says")
        .fix("restore the table of events: the views follow; or read the old version with `query --at`");
  }
  return Status::ok();
}

Commit as_commit(const RestorePlan& plan) {
  Commit commit;
  commit.operation = kRestore;
  commit.operation_parameters = {{"version", std::to_string(plan.to.value)}};
  commit.adds = plan.adds;
  commit.removes = plan.removes;
  commit.operation_metrics = {{"numRestoredFiles", static_cast<std::int64_t>(plan.adds.size())},
                              {"restoredFilesSize", plan.added_bytes},
                              {"numRemovedFiles", static_cast<std::int64_t>(plan.removes.size())},
                              {"removedFilesSize", plan.removed_bytes},
                              {"numOfFilesAfterRestore", plan.live_files},
                              {"tableSizeAfterRestore", plan.live_bytes}};
  for (const auto& [partition, ranges] : plan.taken_out) commit.info["takenOut:" + partition] = ranges_text(ranges);
  for (const auto& [partition, ranges] : plan.put_back) commit.info["putBack:" + partition] = ranges_text(ranges);
  return commit;
}

}  // namespace

std::string ranges_text(const std::vector<OffsetRange>& ranges) {
  std::string text;
  for (const auto& range : ranges) {
    text += text.empty() ? "" : ",";
    text += std::to_string(range.first.value) + ".." + std::to_string(range.last.value);
  }
  return text;
}

Result<RestorePlan> plan_restore(Table& table, const Snapshot& snapshot, TableVersion to) {
  INLET_RETURN_IF_ERROR(check_not_a_view(snapshot, table.name()));
  INLET_ASSIGN_OR_RETURN(const auto then, table.snapshot_at(to));
  if (const Status same = check_definition(snapshot, *then); !same.is_ok()) return Status(same).at(table.location());
  INLET_ASSIGN_OR_RETURN(const auto files_now, snapshot.files());
  INLET_ASSIGN_OR_RETURN(const auto files_then, then->files());

  RestorePlan plan;
  plan.from = snapshot.version();
  plan.to = to;
  plan.rows_before = recorded_rows(files_now);
  plan.rows_after = recorded_rows(files_then);
  std::unordered_map<std::string_view, const LiveFile*> by_path;
  for (const auto& file : files_now) by_path.emplace(file.path, &file);
  std::vector<LiveFile> missing;
  for (const auto& file : files_then) {
    plan.live_files += 1;
    plan.live_bytes += file.bytes;
    if (by_path.erase(file.path) > 0) continue;
    plan.added_bytes += file.bytes;
    plan.adds.push_back(as_add(file));
    missing.push_back(file);
  }
  for (const auto& file : files_now) {
    if (!by_path.contains(file.path)) continue;
    plan.removes.push_back(file.path);
    plan.removed_bytes += file.bytes;
  }
  INLET_RETURN_IF_ERROR(check_files_are_there(table, to, missing));
  INLET_RETURN_IF_ERROR(compare_ranges(table, snapshot.version(), to, plan));
  return plan;
}

Result<Restored> restore(Lake& lake, Table& table, TableVersion to, const PlanExtras& extras,
                         const std::function<bool()>& should_stop) {
  INLET_ASSIGN_OR_RETURN(const auto lock, VacuumLock::acquire(lake, table.name()));
  Restored restored;
  const auto plan = [&](const Snapshot& snapshot) -> Result<Commit> {
    INLET_ASSIGN_OR_RETURN(restored.plan, plan_restore(table, snapshot, to));
    INLET_ASSIGN_OR_RETURN(auto more, extras(snapshot));
    Commit commit = as_commit(restored.plan);
    commit.transactions = std::move(more.transactions);
    commit.info.merge(more.info);
    return commit;
  };
  INLET_FAULT_POINT("tables.before_restore");
  INLET_ASSIGN_OR_RETURN(restored.committed, table.commit(plan, should_stop));
  return restored;
}

}  // namespace inlet::lake
