#include "lake/compaction.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <tuple>
#include <utility>

#include "base/clock.h"
#include "base/fault_point.h"
#include "duck/database.h"
#include "duck/file_values.h"
#include "lake/commit_id.h"
#include "lake/file_statistics.h"
#include "lake/files_select.h"

namespace inlet::lake {
namespace {

constexpr const char* kSuperseded = "compaction.superseded";
constexpr const char* kStopped = "compaction.stopped";

std::set<std::string> paths_of(const std::vector<LiveFile>& files) {
  std::set<std::string> paths;
  for (const auto& file : files) paths.insert(file.path);
  return paths;
}

// A group whose rows stand in new files, which no commit names yet.
struct Rewritten {
  CompactionGroup group;
  std::vector<AddFile> adds;
  std::int64_t rows = 0;
};

class Compaction {
 public:
  Compaction(Table& table, std::int64_t target_bytes, duck::Connection& connection, duck::FileValues& file_values,
             const CompactionHooks& hooks)
      : table_(table), target_bytes_(target_bytes), file_values_(file_values), connection_(connection), hooks_(hooks) {}

  Result<CompactionResult> run(const SnapshotPtr& snapshot, std::vector<CompactionGroup> groups) {
    snapshot_ = snapshot;
    CompactionProgress progress;
    for (const auto& group : groups) {
      progress.all_files += static_cast<std::int64_t>(group.files.size());
      progress.all_bytes += group.bytes;
    }
    std::vector<Rewritten> ready;
    std::int64_t ready_bytes = 0;
    for (auto& group : groups) {
      if (should_stop()) break;
      if (hooks_.on_progress) hooks_.on_progress(progress);
      progress.files += static_cast<std::int64_t>(group.files.size());
      progress.bytes += group.bytes;
      ready_bytes += group.bytes;
      auto rewritten = rewrite(std::move(group));
      if (!rewritten.is_ok()) {
        if (should_stop()) break;
        for (const auto& done : ready) discard(done);
        return rewritten.status();
      }
      if (rewritten->adds.size() >= rewritten->group.files.size()) {
        discard(*rewritten);  // no fewer files: the next time would do the same again
        continue;
      }
      ready.push_back(std::move(*rewritten));
      if (ready_bytes < target_bytes_) continue;
      INLET_RETURN_IF_ERROR(commit(std::exchange(ready, {})));
      ready_bytes = 0;
    }
    INLET_RETURN_IF_ERROR(commit(std::move(ready)));
    if (hooks_.on_progress) hooks_.on_progress(progress);
    return result_;
  }

 private:
  bool should_stop() const { return hooks_.should_stop && hooks_.should_stop(); }

  Status between_steps() const {
    hooks_.between_steps();
    return should_stop() ? Status(StatusCode::kCancelled, kStopped, "stopped while rows were written") : Status::ok();
  }

  Result<Rewritten> rewrite(CompactionGroup group) {
    INLET_FAULT_POINT("tables.before_compaction_parquet");
    // What is damaged would get a digest that fits it.
    INLET_ASSIGN_OR_RETURN(const auto held, table_.data_files()->hold(group.files));
    const auto& partition_columns = snapshot_->partition_columns();
    const auto expected = recorded_rows(group.files);
    const std::string select =
        files_select_sql(table_.directory(), snapshot_->schema(), partition_columns, group.files, file_values_);
    // One name for all that is written here: what an error leaves half written is found by it.
    const std::string name = "part-" + new_uuid();
    duck::ParquetOptions options;
    options.directory = table_.directory();
    options.partition_columns = partition_columns;
    options.file_name_pattern = name + "-{uuid}";
    if (hooks_.between_steps) options.between_steps = [this] { return between_steps(); };
    auto written = duck::copy_to_parquet(connection_, select, options);
    for (const auto& file : group.files) file_values_.erase(absolute_path(table_.directory(), file.path));
    if (!written.is_ok()) {
      discard_named(name);
      return written.status();
    }

    const auto now = std::chrono::floor<std::chrono::milliseconds>(Clock::system().now().time_since_epoch()).count();
    Rewritten rewritten;
    for (const auto& file : *written) {
      auto add = add_file(file, table_.directory(), snapshot_->schema(), now);
      // As they stand in the log: their text is the log's to say, not what a value looks like when it is cast.
      add.partition_values = group.partition_values;
      rewritten.rows += add.rows;
      rewritten.adds.push_back(std::move(add));
    }
    rewritten.group = std::move(group);
    if (expected && *expected != rewritten.rows) {
      discard(rewritten);
      return Status(StatusCode::kCorruption, "compaction.other_rows",
                    "files of " + table_.name() + " hold " + std::to_string(rewritten.rows) +
                        " rows; the log says that it is " + std::to_string(*expected))
          .at(table_.location() + "/" + rewritten.group.files.front().path)
          .fix("nothing was changed; `verify` says which rows are not what they should be");
    }
    if (!rewritten.adds.empty()) INLET_RETURN_IF_ERROR(sync_files(*table_.data_files(), rewritten.adds));
    return rewritten;
  }

  // One commit for all of `ready` whose files are live at that moment.
  Status commit(std::vector<Rewritten> ready) {
    if (ready.empty()) return Status::ok();
    // All were live in snapshot_: what commits since have removed is looked for in those alone. To list the files anew
    // at each attempt would take longer than the next append does, and every attempt would come too late.
    std::set<std::string> inputs;
    for (const auto& rewritten : ready) inputs.merge(paths_of(rewritten.group.files));
    std::vector<bool> is_in(ready.size(), true);
    TableVersion seen = snapshot_->version();
    std::set<std::string> gone;
    // Planned again for as long as others come first, and nobody need wait for the end of that: a stop is asked for
    // from the second attempt on. Whatever was attempted before is known to be in no commit when a plan is asked for.
    bool is_first_attempt = true;
    const auto plan = [&](const Snapshot& snapshot) -> Result<Commit> {
      if (!std::exchange(is_first_attempt, false) && should_stop())
        return Status(StatusCode::kCancelled, kStopped, "stopped while others committed");
      if (snapshot.table_id() != snapshot_->table_id() || !(snapshot.schema() == snapshot_->schema()) ||
          snapshot.partition_columns() != snapshot_->partition_columns()) {
        return Status(StatusCode::kConflict, kSuperseded, "the table has another definition now");
      }
      for (; seen < snapshot.version(); ++seen.value) {
        const auto changes = table_.changes({seen.value + 1});
        if (changes.status().code() == StatusCode::kNotFound)
          return Status(StatusCode::kConflict, kSuperseded, "the log was cleaned up past what was read");
        INLET_RETURN_IF_ERROR(changes.status());
        for (const auto& path : changes->removed) {
          if (inputs.contains(path)) gone.insert(path);
        }
      }
      for (std::size_t i = 0; i < ready.size(); ++i) {
        const auto& files = ready[i].group.files;
        is_in[i] = std::none_of(files.begin(), files.end(), [&](const auto& f) { return gone.contains(f.path); });
      }
      if (std::none_of(is_in.begin(), is_in.end(), [](bool b) { return b; }))
        return Status(StatusCode::kConflict, kSuperseded, "another writer has removed the files meanwhile");
      return commit_of(ready, is_in);
    };
    INLET_FAULT_POINT("tables.before_compaction_commit");
    const auto committed = table_.commit(plan, [this] { return should_stop(); });
    const std::string refused_by = committed.is_ok() ? "" : committed.status().detail().id;
    if (refused_by == kStopped) {
      for (const auto& rewritten : ready) discard(rewritten);
      return Status::ok();
    }
    if (!committed.is_ok() && refused_by != kSuperseded) return committed.status();
    INLET_FAULT_POINT("tables.after_compaction_commit");
    if (!committed.is_ok()) is_in.assign(ready.size(), false);
    for (std::size_t i = 0; i < ready.size(); ++i) count(ready[i], is_in[i]);
    if (committed.is_ok()) result_.version = committed->version;
    return Status::ok();
  }

  static Commit commit_of(const std::vector<Rewritten>& ready, const std::vector<bool>& is_in) {
    Commit commit;
    commit.operation = "OPTIMIZE";
    commit.operation_parameters = {{"predicate", "[]"}, {"zOrderBy", "[]"}};
    commit.data_change = false;
    std::int64_t added_bytes = 0;
    std::int64_t removed_bytes = 0;
    for (std::size_t i = 0; i < ready.size(); ++i) {
      if (!is_in[i]) continue;
      for (const auto& add : ready[i].adds) added_bytes += add.bytes;
      commit.adds.insert(commit.adds.end(), ready[i].adds.begin(), ready[i].adds.end());
      for (const auto& file : ready[i].group.files) commit.removes.push_back(file.path);
      removed_bytes += ready[i].group.bytes;
    }
    commit.operation_metrics = {{"numAddedFiles", static_cast<std::int64_t>(commit.adds.size())},
                                {"numAddedBytes", added_bytes},
                                {"numRemovedFiles", static_cast<std::int64_t>(commit.removes.size())},
                                {"numRemovedBytes", removed_bytes}};
    return commit;
  }

  void count(const Rewritten& rewritten, bool is_committed) {
    if (!is_committed) {
      result_.given_up += 1;
      discard(rewritten);
      return;
    }
    result_.groups += 1;
    result_.removed_files += static_cast<std::int64_t>(rewritten.group.files.size());
    result_.removed_bytes += rewritten.group.bytes;
    result_.added_files += static_cast<std::int64_t>(rewritten.adds.size());
    for (const auto& add : rewritten.adds) result_.added_bytes += add.bytes;
    result_.rows += rewritten.rows;
  }

  // Files that are in no commit, and that no attempt at one can have left in it; what stays is vacuumed one day.
  void discard(const Rewritten& rewritten) const {
    for (const auto& add : rewritten.adds) {
      static_cast<void>(table_.data_files()->remove(add.path));
    }
  }

  // A disk that is full must not be filled with the halves of every attempt.
  void discard_named(const std::string& name) const {
    namespace fs = std::filesystem;
    std::error_code failed;
    std::vector<fs::path> halves;
    fs::recursive_directory_iterator entries(table_.directory(), failed);
    for (; !failed && entries != fs::recursive_directory_iterator(); entries.increment(failed)) {
      if (entries->path().filename().string().starts_with(name)) halves.push_back(entries->path());
    }
    for (const auto& half : halves) {
      std::error_code ignored;
      fs::remove(half, ignored);
    }
  }

  Table& table_;
  const std::int64_t target_bytes_;
  duck::FileValues& file_values_;
  duck::Connection& connection_;
  const CompactionHooks& hooks_;
  SnapshotPtr snapshot_;
  CompactionResult result_;
};

}  // namespace

bool is_large_enough(const LiveFile& file, std::int64_t target_bytes) { return file.bytes >= target_bytes / 4 * 3; }

namespace {

using SmallFiles = std::vector<const LiveFile*>;

bool is_older(const LiveFile* a, const LiveFile* b) {
  return std::tie(a->modified_ms, a->path) < std::tie(b->modified_ms, b->path);
}

std::int64_t bytes_of(const SmallFiles& files) {
  std::int64_t bytes = 0;
  for (const auto* file : files) bytes += file->bytes;
  return bytes;
}

// How large a file is against what else counts as small that it stays out of it.
constexpr std::int64_t kTooLargeForTheRest = 4;

// The small files of one partition, by tier; 0 holds the largest.
class Tiers {
 public:
  Tiers(const SmallFiles& files, const TierOptions& options) : options_(options) {
    for (const auto* file : files) {
      const std::size_t tier = tier_of(file->bytes);
      if (tiers_.size() <= tier) tiers_.resize(tier + 1);
      tiers_[tier].push_back(file);
    }
    for (auto& tier : tiers_) std::sort(tier.begin(), tier.end(), is_older);
  }

  /// Takes the files of the first tier that is full, and of those below it what has room beside them; empty: none is.
  SmallFiles take() {
    auto tier = std::find_if(tiers_.begin(), tiers_.end(), [this](const auto& files) { return is_full(files); });
    SmallFiles taken;
    std::int64_t bytes = 0;
    for (; tier != tiers_.end(); ++tier) {
      auto next = tier->begin();
      for (; next != tier->end() && bytes < options_.target_bytes; ++next) {
        taken.push_back(*next);
        bytes += (*next)->bytes;
      }
      tier->erase(tier->begin(), next);
    }
    std::sort(taken.begin(), taken.end(), is_older);
    return taken;
  }

 private:
  std::size_t tier_of(std::int64_t bytes) const {
    std::size_t tier = 0;
    const auto factor = static_cast<std::int64_t>(options_.least_files);
    for (auto limit = options_.target_bytes / factor; limit > 0 && bytes < limit; limit /= factor) ++tier;
    return tier;
  }

  bool is_full(const SmallFiles& files) const {
    return files.size() >= options_.least_files || (files.size() > 1 && bytes_of(files) >= options_.target_bytes);
  }

  const TierOptions& options_;
  std::vector<SmallFiles> tiers_;
};

// Of a partition where nothing comes any more and no tier is full.
SmallFiles leftovers(SmallFiles files) {
  std::sort(files.begin(), files.end(), [](const auto* a, const auto* b) { return a->bytes < b->bytes; });
  std::int64_t smaller = 0;
  auto end = files.begin();
  for (; end != files.end(); smaller += (*end++)->bytes) {
    if (end != files.begin() && (*end)->bytes > smaller * kTooLargeForTheRest) break;
  }
  files.erase(end, files.end());
  std::sort(files.begin(), files.end(), is_older);
  return files;
}

CompactionGroup group_of(const SmallFiles& files) {
  CompactionGroup group;
  group.partition_values = partition_of(*files.front());
  for (const auto* file : files) group.files.push_back(*file);
  group.bytes = bytes_of(files);
  return group;
}

}  // namespace

std::vector<CompactionGroup> plan_tiers(const std::vector<LiveFile>& files, const TierOptions& given) {
  TierOptions options = given;
  options.least_files = std::max<std::size_t>(options.least_files, 2);
  struct Partition {
    SmallFiles small;
    std::int64_t newest_ms = 0;
  };
  std::map<decltype(LiveFile::partition_values), Partition> partitions;
  for (const auto& file : files) {
    auto& partition = partitions[partition_of(file)];
    partition.newest_ms = std::max(partition.newest_ms, file.modified_ms);
    if (!is_large_enough(file, options.target_bytes)) partition.small.push_back(&file);
  }
  std::vector<CompactionGroup> groups;
  for (const auto& [values, partition] : partitions) {
    Tiers tiers(partition.small, options);
    auto taken = tiers.take();
    const bool is_quiet = options.quiet_before_ms && partition.newest_ms < *options.quiet_before_ms;
    if (taken.empty() && is_quiet) {
      CompactionOptions all;
      all.target_bytes = options.target_bytes;
      std::vector<LiveFile> rest;
      for (const auto* file : leftovers(partition.small)) rest.push_back(*file);
      for (auto& group : plan_compaction(rest, all)) groups.push_back(std::move(group));
    }
    for (; !taken.empty(); taken = tiers.take()) groups.push_back(group_of(taken));
  }
  return groups;
}

std::vector<CompactionGroup> plan_compaction(const std::vector<LiveFile>& files, const CompactionOptions& options) {
  std::map<decltype(LiveFile::partition_values), SmallFiles> partitions;
  for (const auto& file : files) {
    if (!is_large_enough(file, options.target_bytes)) partitions[partition_of(file)].push_back(&file);
  }
  std::vector<CompactionGroup> groups;
  const auto close = [&](CompactionGroup& group) {
    if (group.files.size() >= std::max<std::size_t>(options.least_files, 2)) groups.push_back(std::move(group));
    group = {};
  };
  for (auto& [values, small] : partitions) {
    std::sort(small.begin(), small.end(), is_older);
    CompactionGroup group;
    for (const auto* file : small) {
      group.partition_values = values;
      group.files.push_back(*file);
      group.bytes += file->bytes;
      if (group.bytes >= options.target_bytes) close(group);
    }
    close(group);
  }
  return groups;
}

Result<CompactionResult> compact(Table& table, const CompactionOptions& options, const CompactionHooks& hooks) {
  INLET_ASSIGN_OR_RETURN(const auto snapshot, table.refresh());
  INLET_ASSIGN_OR_RETURN(const auto files, snapshot->files());
  auto groups = plan_compaction(files, options);
  CompactionResult result;
  if (options.dry_run) {
    for (const auto& group : groups) {
      result.groups += 1;
      result.added_files += 1;
      result.removed_files += static_cast<std::int64_t>(group.files.size());
      result.removed_bytes += group.bytes;
    }
    return result;
  }
  if (groups.empty()) return result;
  INLET_ASSIGN_OR_RETURN(auto compactor, Compactor::open(options.threads, options.memory_limit_bytes));
  return compactor.run(table, snapshot, std::move(groups), options.target_bytes, hooks);
}

Result<Compactor> Compactor::open(int threads, std::int64_t memory_limit_bytes) {
  INLET_ASSIGN_OR_RETURN(auto database,
                         duck::Database::open({.threads = threads, .memory_limit_bytes = memory_limit_bytes}));
  INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
  INLET_ASSIGN_OR_RETURN(auto beside, database.connect());
  Compactor compactor(std::move(database), std::move(connection), std::move(beside));
  INLET_RETURN_IF_ERROR(duck::register_file_values(compactor.connections_.front(), compactor.file_values_));
  return compactor;
}

Result<CompactionResult> Compactor::run(Table& table, const SnapshotPtr& snapshot, std::vector<CompactionGroup> groups,
                                        std::int64_t target_bytes, const CompactionHooks& hooks) {
  if (runs_ == connections_.size())
    return Status(StatusCode::kInternal, "compaction.nested", "a compaction between the steps of one between steps");
  auto& connection = connections_[runs_++];
  auto result = Compaction(table, target_bytes, connection, *file_values_, hooks).run(snapshot, std::move(groups));
  --runs_;
  return result;
}

void Compactor::interrupt() {
  for (auto& connection : connections_) connection.interrupt();
}

}  // namespace inlet::lake
