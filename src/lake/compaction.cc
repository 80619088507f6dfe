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
#include "lake/file_check.h"
#include "lake/file_statistics.h"
#include "lake/files_select.h"

namespace inlet::lake {
namespace {

constexpr const char* kSuperseded = "compaction.superseded";

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
  Compaction(Lake& lake, Table& table, const CompactionOptions& options, duck::Database database,
             duck::Connection connection)
      : lake_(lake),
        table_(table),
        options_(options),
        database_(std::move(database)),
        connection_(std::move(connection)) {}

  Result<CompactionResult> run(const SnapshotPtr& snapshot, std::vector<CompactionGroup> groups,
                               const std::function<void(const CompactionProgress&)>& on_progress,
                               const std::function<bool()>& should_stop) {
    INLET_RETURN_IF_ERROR(duck::register_file_values(connection_, file_values_));
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
      if (on_progress) on_progress(progress);
      progress.files += static_cast<std::int64_t>(group.files.size());
      progress.bytes += group.bytes;
      ready_bytes += group.bytes;
      INLET_ASSIGN_OR_RETURN(auto rewritten, rewrite(std::move(group)));
      if (rewritten.adds.size() >= rewritten.group.files.size()) {
        discard(rewritten);  // no fewer files: the next time would do the same again
        continue;
      }
      ready.push_back(std::move(rewritten));
      if (ready_bytes < options_.target_bytes) continue;
      INLET_RETURN_IF_ERROR(commit(std::exchange(ready, {}), should_stop));
      ready_bytes = 0;
    }
    INLET_RETURN_IF_ERROR(commit(std::move(ready), should_stop));
    if (on_progress) on_progress(progress);
    return result_;
  }

 private:
  Result<Rewritten> rewrite(CompactionGroup group) {
    INLET_FAULT_POINT("tables.before_compaction_parquet");
    // What is damaged would get a digest that fits it.
    INLET_RETURN_IF_ERROR(check_files(table_.directory(), group.files));
    const auto& partition_columns = snapshot_->partition_columns();
    const auto expected = recorded_rows(group.files);
    const std::string select =
        files_select_sql(table_.directory(), snapshot_->schema(), partition_columns, group.files, *file_values_);
    auto written = duck::copy_to_parquet(connection_, select,
                                         {.directory = table_.directory(), .partition_columns = partition_columns});
    for (const auto& file : group.files) file_values_->erase(absolute_path(table_.directory(), file.path));
    INLET_RETURN_IF_ERROR(written.status());

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
          .at(table_.directory() + "/" + rewritten.group.files.front().path)
          .fix("nothing was changed; `verify` says which rows are not what they should be");
    }
    if (!rewritten.adds.empty()) INLET_RETURN_IF_ERROR(lake_.sync_files(table_.directory(), rewritten.adds));
    return rewritten;
  }

  // One commit for all of `ready` whose files are live at that moment.
  Status commit(std::vector<Rewritten> ready, const std::function<bool()>& should_stop) {
    if (ready.empty()) return Status::ok();
    std::vector<bool> is_in(ready.size());
    const auto plan = [&](const Snapshot& snapshot) -> Result<Commit> {
      if (snapshot.table_id() != snapshot_->table_id() || !(snapshot.schema() == snapshot_->schema()) ||
          snapshot.partition_columns() != snapshot_->partition_columns()) {
        return Status(StatusCode::kConflict, kSuperseded, "the table has another definition now");
      }
      INLET_ASSIGN_OR_RETURN(const auto files, snapshot.files());
      const auto live = paths_of(files);
      for (std::size_t i = 0; i < ready.size(); ++i) {
        const auto& inputs = ready[i].group.files;
        is_in[i] = std::all_of(inputs.begin(), inputs.end(), [&](const auto& f) { return live.contains(f.path); });
      }
      if (std::none_of(is_in.begin(), is_in.end(), [](bool b) { return b; }))
        return Status(StatusCode::kConflict, kSuperseded, "another writer has removed the files meanwhile");
      return commit_of(ready, is_in);
    };
    INLET_FAULT_POINT("tables.before_compaction_commit");
    const auto committed = table_.commit(plan, should_stop);
    if (!committed.is_ok() && committed.status().detail().id != kSuperseded) return committed.status();
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
      std::error_code ignored;
      std::filesystem::remove(table_.directory() + "/" + add.path, ignored);
    }
  }

  Lake& lake_;
  Table& table_;
  const CompactionOptions& options_;
  std::shared_ptr<duck::FileValues> file_values_ = std::make_shared<duck::FileValues>();
  duck::Database database_;
  duck::Connection connection_;
  SnapshotPtr snapshot_;
  CompactionResult result_;
};

}  // namespace

std::vector<CompactionGroup> plan_compaction(const std::vector<LiveFile>& files, const CompactionOptions& options) {
  const std::int64_t is_enough = options.target_bytes / 4 * 3;
  std::map<decltype(LiveFile::partition_values), std::vector<const LiveFile*>> partitions;
  for (const auto& file : files) {
    if (file.bytes < is_enough) partitions[partition_of(file)].push_back(&file);
  }
  std::vector<CompactionGroup> groups;
  const auto close = [&](CompactionGroup& group) {
    if (group.files.size() >= std::max<std::size_t>(options.least_files, 2)) groups.push_back(std::move(group));
    group = {};
  };
  for (auto& [values, small] : partitions) {
    std::sort(small.begin(), small.end(), [](const LiveFile* a, const LiveFile* b) {
      return std::tie(a->modified_ms, a->path) < std::tie(b->modified_ms, b->path);
    });
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

Result<CompactionResult> compact(Lake& lake, Table& table, const CompactionOptions& options,
                                 const std::function<void(const CompactionProgress&)>& on_progress,
                                 const std::function<bool()>& should_stop) {
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
  INLET_ASSIGN_OR_RETURN(auto database, duck::Database::open({.threads = options.threads,
                                                              .memory_limit_bytes = options.memory_limit_bytes}));
  INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
  return Compaction(lake, table, options, std::move(database), std::move(connection))
      .run(snapshot, std::move(groups), on_progress, should_stop);
}

}  // namespace inlet::lake
