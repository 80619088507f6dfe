// A Delta table in memory, with the outcomes of commits under the test's control. Beside the real one (tests/lake), for
// arguments that need a conflict, a take-over or an unknown outcome at an exact moment.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lake/table.h"

namespace inlet::fakes {

class FakeSnapshot final : public lake::Snapshot {
 public:
  TableVersion version() const override { return version_; }
  const std::string& table_id() const override { return table_id_; }
  const Schema& schema() const override { return schema_; }
  const std::vector<std::string>& partition_columns() const override { return partition_columns_; }
  const std::map<std::string, std::string>& properties() const override { return properties_; }
  std::optional<std::int64_t> transaction(std::string_view app_id) const override {
    const auto found = transactions_.find(std::string(app_id));
    return found == transactions_.end() ? std::nullopt : std::optional(found->second);
  }
  const std::unordered_map<std::string, std::int64_t>& transactions() const override { return transactions_; }
  Result<std::vector<lake::LiveFile>> files() const override { return files_; }

  TableVersion version_;
  std::string table_id_ = "table-1";
  Schema schema_;
  std::vector<std::string> partition_columns_;
  std::map<std::string, std::string> properties_;
  std::unordered_map<std::string, std::int64_t> transactions_;
  std::vector<lake::LiveFile> files_;
};

/// What all handles of one table share: the log.
struct FakeLog {
  FakeSnapshot newest;
  std::vector<lake::Commit> commits;
  /// Called before each attempt to write; may change `newest` as another writer would.
  std::function<void(FakeSnapshot&)> before_attempt;
};

class FakeTable final : public lake::Table {
 public:
  FakeTable(std::string name, std::shared_ptr<FakeLog> log) : name_(std::move(name)), log_(std::move(log)) {
    seen_ = std::make_shared<FakeSnapshot>(log_->newest);
  }
  const std::string& name() const override { return name_; }
  const std::string& directory() const override { return name_; }
  lake::SnapshotPtr snapshot() const override { return seen_; }
  Result<lake::SnapshotPtr> refresh() override {
    seen_ = std::make_shared<FakeSnapshot>(log_->newest);
    return lake::SnapshotPtr(seen_);
  }
  Result<lake::Committed> commit(const lake::CommitPlan& plan, const std::function<bool()>& /*should_stop*/) override {
    for (;;) {
      INLET_ASSIGN_OR_RETURN(auto commit, plan(*seen_));
      if (log_->before_attempt) log_->before_attempt(log_->newest);
      if (log_->newest.version_ != seen_->version_) {
        INLET_RETURN_IF_ERROR(refresh().status());
        continue;
      }
      log_->newest.version_.value += 1;
      for (const auto& txn : commit.transactions) log_->newest.transactions_[txn.app_id] = txn.version;
      log_->commits.push_back(std::move(commit));
      INLET_RETURN_IF_ERROR(refresh().status());
      return lake::Committed{seen_->version_, {}, "txn"};
    }
  }
  Result<lake::VersionChanges> changes(TableVersion version) override { return lake::VersionChanges{version, "txn"}; }
  Result<std::vector<lake::LiveFile>> files_at(TableVersion /*version*/) override { return log_->newest.files_; }
  Result<std::vector<lake::HistoryEntry>> history(std::size_t /*limit*/) override {
    return std::vector<lake::HistoryEntry>{};
  }
  Result<lake::HistoryEntry> history_entry(TableVersion version) override { return lake::HistoryEntry{version}; }
  Result<lake::VersionRange> versions() override { return lake::VersionRange{{0}, log_->newest.version_}; }
  Result<lake::SnapshotPtr> snapshot_at(TableVersion /*version*/) override { return lake::SnapshotPtr(seen_); }
  Result<std::vector<lake::Tombstone>> tombstones() override { return std::vector<lake::Tombstone>(); }
  Result<lake::CleanedLog> clean_log(Timestamp, std::optional<TableVersion>, bool) override {
    return lake::CleanedLog();
  }

 private:
  std::string name_;
  std::shared_ptr<FakeLog> log_;
  std::shared_ptr<FakeSnapshot> seen_;
};

}  // namespace inlet::fakes
