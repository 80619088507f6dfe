#include "lake/vacuum.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/fault_point.h"
#include "lake/lock.h"
#include "lake/retention.h"

namespace inlet::lake {
namespace {

constexpr std::chrono::hours kUncommittedLifetime{1};
constexpr std::chrono::hours kUncommittedLifetimeOfARun{24};
constexpr std::size_t kFirst = 20;

class Vacuum {
 public:
  Vacuum(Table& table, const VacuumOptions& options, Timestamp now) : table_(table), options_(options), now_(now) {}

  Result<VacuumResult> run(const std::function<void(const VacuumResult&)>& on_progress,
                           const std::function<bool()>& should_stop) {
    // Listed before the log is read: what a writer commits in between is live, or in no list.
    INLET_ASSIGN_OR_RETURN(const auto standing, table_.data_files()->list());
    INLET_ASSIGN_OR_RETURN(const auto snapshot, table_.refresh());
    result_.retain = options_.retain.value_or(deleted_file_retention(snapshot->properties()));
    INLET_RETURN_IF_ERROR(read_log(*snapshot));
    remember(standing, snapshot->version());
    for (const auto& file : standing) {
      if (live_.contains(file.path)) continue;
      if (!may_go(file)) {
        result_.kept_files += 1;
        continue;
      }
      if (should_stop()) return result_;
      INLET_RETURN_IF_ERROR(remove(file));
      if (options_.known != nullptr && !options_.dry_run) options_.known->removed_at.erase(file.path);
      if (on_progress) on_progress(result_);
    }
    INLET_RETURN_IF_ERROR(clean_log(*snapshot));
    return result_;
  }

 private:
  Status read_log(const Snapshot& snapshot) {
    INLET_ASSIGN_OR_RETURN(const auto files, snapshot.files());
    for (const auto& file : files) live_.insert(file.path);
    INLET_ASSIGN_OR_RETURN(const auto tombstones, table_.tombstones());
    for (const auto& tombstone : tombstones) was_removed(tombstone.path, tombstone.removed_at);
    if (options_.known != nullptr) {
      for (const auto& [path, removed_at] : options_.known->removed_at) was_removed(path, removed_at);
    }
    // Commit by commit: what somebody needs, and what was removed and forgotten since the vacuum before.
    const auto newest = snapshot.version();
    const auto needed_from = options_.needed_from.value_or(newest);
    const auto read_to = options_.known != nullptr ? options_.known->read_to.value_or(newest) : newest;
    INLET_ASSIGN_OR_RETURN(const auto there, table_.versions());
    for (auto version = std::max(std::min(needed_from, read_to), there.oldest).value + 1; version <= newest.value;
         ++version) {
      INLET_ASSIGN_OR_RETURN(const auto changes, table_.changes({version}));
      for (const auto& path : changes.removed) was_removed(path, changes.timestamp);
      if (version > needed_from.value) needed_.insert(changes.removed.begin(), changes.removed.end());
    }
    return Status::ok();
  }

  void was_removed(const std::string& path, Timestamp time) {
    auto& removed_at = removed_at_[path];
    removed_at = std::max(removed_at, time);
  }

  void remember(const std::vector<StandingFile>& standing, TableVersion newest) {
    if (options_.known == nullptr || options_.dry_run) return;
    options_.known->read_to = newest;
    options_.known->removed_at.clear();
    if (result_.retain >= kUncommittedLifetimeOfARun) return;  // then it makes no difference
    for (const auto& file : standing) {
      const auto removed = removed_at_.find(file.path);
      if (removed != removed_at_.end() && !live_.contains(file.path)) options_.known->removed_at.insert(*removed);
    }
  }

  bool may_go(const StandingFile& file) const {
    if (needed_.contains(file.path)) return false;
    if (const auto removed = removed_at_.find(file.path); removed != removed_at_.end())
      return removed->second + result_.retain <= now_;
    auto age = std::max<std::chrono::milliseconds>(result_.retain, kUncommittedLifetime);
    if (options_.oldest_writer && *options_.oldest_writer <= file.modified)
      age = std::max<std::chrono::milliseconds>(age, kUncommittedLifetimeOfARun);
    return file.modified + age <= now_;
  }

  Status remove(const StandingFile& file) {
    INLET_FAULT_POINT("tables.before_vacuum_file");
    if (!options_.dry_run) INLET_RETURN_IF_ERROR(table_.data_files()->remove(file.path));
    result_.files += 1;
    result_.bytes += file.bytes;
    if (result_.first.size() < kFirst) result_.first.push_back(file.path);
    return Status::ok();
  }

  Status clean_log(const Snapshot& snapshot) {
    const auto retain = log_retention(snapshot.properties());
    if (!retain) return Status::ok();
    INLET_FAULT_POINT("tables.before_log_clean_up");
    INLET_ASSIGN_OR_RETURN(result_.log, table_.clean_log(now_ - *retain, options_.needed_from, options_.dry_run));
    return Status::ok();
  }

  Table& table_;
  const VacuumOptions& options_;
  const Timestamp now_;
  VacuumResult result_;
  std::unordered_set<std::string> live_;
  std::unordered_map<std::string, Timestamp> removed_at_;
  std::unordered_set<std::string> needed_;
};

}  // namespace

Result<VacuumResult> vacuum(Lake& lake, Table& table, const VacuumOptions& options, const Clock& clock,
                            const std::function<void(const VacuumResult&)>& on_progress,
                            const std::function<bool()>& should_stop) {
  std::optional<VacuumLock> lock;
  if (!options.dry_run) {
    INLET_ASSIGN_OR_RETURN(auto acquired, VacuumLock::acquire(lake, table.name()));
    lock.emplace(std::move(acquired));
  }
  return Vacuum(table, options, clock.now()).run(on_progress, should_stop);
}

}  // namespace inlet::lake
