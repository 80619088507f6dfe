// Table and Snapshot on a DeltaLog.
#pragma once

#include <memory>
#include <string>

#include "lake/commit_loop.h"
#include "lake/delta_log.h"
#include "lake/table.h"

namespace inlet::lake {

class DeltaTable final : public Table, private CommitLog {
 public:
  /// NotFound: no table there. InvalidArgument: a feature, property or column type Inlet does not write.
  static Result<std::unique_ptr<DeltaTable>> open(const TablePlace& place, std::shared_ptr<const DataFiles> data_files);

  const std::string& name() const override { return name_; }
  const std::string& directory() const override { return data_files_->directory(); }
  const std::string& location() const override { return log_->location(); }
  std::shared_ptr<const DataFiles> data_files() const override { return data_files_; }
  SnapshotPtr snapshot() const override;
  Result<SnapshotPtr> refresh() override;
  Result<Committed> commit(const CommitPlan& plan, const std::function<bool()>& should_stop) override;
  Result<VersionChanges> changes(TableVersion version) override { return log_->changes(version); }
  Result<std::vector<LiveFile>> files_at(TableVersion version) override { return log_->files(version); }
  Result<std::vector<HistoryEntry>> history(std::size_t limit) override;
  Result<HistoryEntry> history_entry(TableVersion version) override { return log_->history_entry(version); }
  Result<VersionRange> versions() override { return log_->versions(); }
  Result<SnapshotPtr> snapshot_at(TableVersion version) override;
  Result<std::vector<Tombstone>> tombstones() override { return log_->tombstones(snapshot()->version()); }
  Result<CleanedLog> clean_log(Timestamp expired_before, std::optional<TableVersion> keep_from, bool dry_run) override {
    return log_->clean_log(expired_before, keep_from, dry_run);
  }

 private:
  class DeltaSnapshot;

  DeltaTable(std::string name, std::shared_ptr<DeltaLog> log, std::shared_ptr<const DataFiles> data_files)
      : name_(std::move(name)), log_(std::move(log)), data_files_(std::move(data_files)) {}

  Result<std::shared_ptr<const DeltaSnapshot>> whole_snapshot(LogAdvance advance) const;
  Status apply(LogAdvance advance);
  Write write(TableVersion read_version, const Commit& commit, const std::string& txn_id) override;
  Result<Look> look(TableVersion version, const std::string& txn_id) override;
  void pause(std::chrono::milliseconds duration, const std::function<bool()>& should_stop) override;

  const std::string name_;
  const std::shared_ptr<DeltaLog> log_;
  const std::shared_ptr<const DataFiles> data_files_;
  std::shared_ptr<const DeltaSnapshot> snapshot_;
};

}  // namespace inlet::lake
