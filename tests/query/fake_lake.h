// A lake in a temporary directory whose tables are told their files: what a query session needs of lake/, without a
// log.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "duck/database.h"
#include "lake/table.h"

namespace inlet::query {

namespace fs = std::filesystem;

class FakeSnapshot : public lake::Snapshot {
 public:
  FakeSnapshot(TableVersion version, Schema schema, std::vector<std::string> partition_columns,
               std::vector<lake::LiveFile> files)
      : version_(version),
        schema_(std::move(schema)),
        partition_columns_(std::move(partition_columns)),
        files_(std::move(files)) {}
  TableVersion version() const override { return version_; }
  const std::string& table_id() const override { return id_; }
  const Schema& schema() const override { return schema_; }
  const std::vector<std::string>& partition_columns() const override { return partition_columns_; }
  const std::map<std::string, std::string>& properties() const override { return properties_; }
  std::optional<std::int64_t> transaction(std::string_view) const override { return std::nullopt; }
  const std::unordered_map<std::string, std::int64_t>& transactions() const override { return transactions_; }
  Result<std::vector<lake::LiveFile>> files() const override {
    ++file_reads;
    return files_;
  }

  mutable int file_reads = 0;

 private:
  std::string id_ = "fake";
  TableVersion version_;
  Schema schema_;
  std::vector<std::string> partition_columns_;
  std::vector<lake::LiveFile> files_;
  std::map<std::string, std::string> properties_;
  std::unordered_map<std::string, std::int64_t> transactions_;
};

/// What a test changes and an open table sees at its next refresh.
struct FakeTableState {
  std::shared_ptr<const FakeSnapshot> snapshot;
  std::map<std::int64_t, std::shared_ptr<const FakeSnapshot>> versions;  // committed at that many seconds
  Status problem;                                                        // of the next refresh
};

class FakeTable : public lake::Table {
 public:
  FakeTable(std::string name, std::string directory, std::shared_ptr<FakeTableState> state)
      : name_(std::move(name)), directory_(std::move(directory)), state_(std::move(state)), seen_(state_->snapshot) {}
  const std::string& name() const override { return name_; }
  const std::string& directory() const override { return directory_; }
  lake::SnapshotPtr snapshot() const override { return seen_; }
  Result<lake::SnapshotPtr> refresh() override {
    INLET_RETURN_IF_ERROR(state_->problem);
    seen_ = state_->snapshot;
    return seen_;
  }
  Result<lake::Committed> commit(const lake::CommitPlan&, const std::function<bool()>&) override {
    return Status(StatusCode::kInternal, "fake", "a query never commits");
  }
  Result<lake::VersionChanges> changes(TableVersion version) override { return lake::VersionChanges{version}; }
  Result<std::vector<lake::LiveFile>> files_at(TableVersion version) override {
    INLET_ASSIGN_OR_RETURN(const auto snapshot, snapshot_at(version));
    return snapshot->files();
  }
  Result<std::vector<lake::HistoryEntry>> history(std::size_t) override { return std::vector<lake::HistoryEntry>(); }
  Result<lake::HistoryEntry> history_entry(TableVersion version) override {
    return lake::HistoryEntry{version, Timestamp(std::chrono::seconds(version.value))};
  }
  Result<lake::VersionRange> versions() override {
    return lake::VersionRange{{state_->versions.begin()->first}, state_->snapshot->version()};
  }
  Result<lake::SnapshotPtr> snapshot_at(TableVersion version) override {
    const auto found = state_->versions.find(version.value);
    if (found == state_->versions.end())
      return Status(StatusCode::kNotFound, "lake.no_version", "no version " + std::to_string(version.value));
    return lake::SnapshotPtr(found->second);
  }
  Result<std::vector<lake::Tombstone>> tombstones() override { return std::vector<lake::Tombstone>(); }
  Result<lake::CleanedLog> clean_log(Timestamp, std::optional<TableVersion>, bool) override {
    return lake::CleanedLog();
  }

 private:
  std::string name_;
  std::string directory_;
  std::shared_ptr<FakeTableState> state_;
  lake::SnapshotPtr seen_;
};

class FakeLake : public lake::Lake {
 public:
  FakeLake() {
    static int count = 0;
    root_ = fs::temp_directory_path() / ("inlet_query_" + std::to_string(::getpid()) + "_" + std::to_string(++count));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~FakeLake() override { fs::remove_all(root_); }

  Result<std::unique_ptr<lake::Table>> open_or_create(const lake::TableDefinition& definition) override {
    return open(definition.name);
  }
  Result<std::unique_ptr<lake::Table>> open(const std::string& name) override {
    if (const auto refused = refused_.find(name); refused != refused_.end()) return refused->second;
    const auto found = tables_.find(name);
    if (found == tables_.end()) return Status(StatusCode::kNotFound, "lake.no_table", "no such table");
    return std::unique_ptr<lake::Table>(std::make_unique<FakeTable>(name, directory(name), found->second));
  }
  Result<std::vector<std::string>> tables() override {
    std::vector<std::string> names;
    for (const auto& [name, state] : tables_) names.push_back(name);
    for (const auto& [name, status] : refused_) names.push_back(name);
    return names;
  }
  const std::string& root() const override { return root_; }

  std::string directory(const std::string& name) const { return root_ + "/" + name; }

  /// The next version of the table: these columns, these files.
  void put(const std::string& name, Schema schema, std::vector<std::string> partition_columns,
           std::vector<lake::LiveFile> files) {
    fs::create_directories(directory(name));
    auto& state = tables_[name];
    if (!state) state = std::make_shared<FakeTableState>();
    const TableVersion version{state->snapshot ? state->snapshot->version().value + 1 : 0};
    state->snapshot =
        std::make_shared<FakeSnapshot>(version, std::move(schema), std::move(partition_columns), std::move(files));
    state->versions[version.value] = state->snapshot;
  }
  void refuse(const std::string& name, Status why) { refused_.emplace(name, std::move(why)); }
  void drop(const std::string& name) { tables_.erase(name); }
  std::shared_ptr<FakeTableState> state(const std::string& name) { return tables_.at(name); }

 private:
  std::string root_;
  std::map<std::string, std::shared_ptr<FakeTableState>> tables_;
  std::map<std::string, Status> refused_;
};

/// Writes the rows of `select` as one Parquet file at `path` below the table, as any writer might have.
inline lake::LiveFile write_file(const FakeLake& lake, const std::string& table, const std::string& path,
                                 const std::string& select,
                                 std::map<std::string, std::optional<std::string>> partition_values = {}) {
  auto database = duck::Database::open({});
  auto connection = database->connect();
  const fs::path file = fs::path(lake.directory(table)) / path;
  fs::create_directories(file.parent_path());
  const Status status =
      connection->execute("COPY (" + select + ") TO " + duck::quote_literal(file.string()) + " (FORMAT parquet)");
  EXPECT_TRUE(status.is_ok()) << status.to_line();
  lake::LiveFile live;
  live.path = path;
  live.bytes = static_cast<std::int64_t>(fs::file_size(file));
  live.partition_values = std::move(partition_values);
  return live;
}

}  // namespace inlet::query
