#include "lake/delta_table.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "lake/commit_id.h"
#include "lake/schema_json.h"

namespace inlet::lake {

/// What seldom changes is shared between the snapshots of a table.
class DeltaTable::DeltaSnapshot final : public Snapshot {
 public:
  struct Definition {
    std::string id;
    Schema schema;
    std::vector<std::string> partition_columns;
    std::map<std::string, std::string> properties;
  };

  DeltaSnapshot(std::shared_ptr<DeltaLog> log, TableVersion version, std::shared_ptr<const Definition> definition,
                std::unordered_map<std::string, std::int64_t> transactions)
      : log_(std::move(log)),
        version_(version),
        definition_(std::move(definition)),
        transactions_(std::move(transactions)) {}

  TableVersion version() const override { return version_; }
  const std::string& table_id() const override { return definition_->id; }
  const Schema& schema() const override { return definition_->schema; }
  const std::vector<std::string>& partition_columns() const override { return definition_->partition_columns; }
  const std::map<std::string, std::string>& properties() const override { return definition_->properties; }
  std::optional<std::int64_t> transaction(std::string_view app_id) const override {
    const auto it = transactions_.find(std::string(app_id));
    return it == transactions_.end() ? std::nullopt : std::optional(it->second);
  }
  const std::unordered_map<std::string, std::int64_t>& transactions() const override { return transactions_; }
  Result<std::vector<LiveFile>> files() const override { return log_->files(version_); }

  const std::shared_ptr<const Definition>& definition() const { return definition_; }

 private:
  const std::shared_ptr<DeltaLog> log_;
  const TableVersion version_;
  const std::shared_ptr<const Definition> definition_;
  const std::unordered_map<std::string, std::int64_t> transactions_;
};

Result<std::unique_ptr<DeltaTable>> DeltaTable::open(const TablePlace& place,
                                                     std::shared_ptr<const DataFiles> data_files) {
  INLET_ASSIGN_OR_RETURN(auto log, DeltaLog::open(place));
  INLET_ASSIGN_OR_RETURN(auto state, log->state());
  std::unique_ptr<DeltaTable> table(new DeltaTable(place.name, std::move(log),  // NOLINT: private
                                                   std::move(data_files)));
  INLET_RETURN_IF_ERROR(table->apply(std::move(state)));
  return table;
}

SnapshotPtr DeltaTable::snapshot() const { return snapshot_; }

// Of an advance that has everything in it.
Result<std::shared_ptr<const DeltaTable::DeltaSnapshot>> DeltaTable::whole_snapshot(LogAdvance advance) const {
  auto& given = *advance.definition;
  auto schema = schema_from_delta(given.schema_json);
  if (!schema.is_ok()) return Status(schema.status()).at(location());
  auto definition = std::make_shared<const DeltaSnapshot::Definition>(DeltaSnapshot::Definition{
      std::move(given.id), std::move(schema).value(), std::move(given.partition_columns), std::move(given.properties)});
  return std::make_shared<const DeltaSnapshot>(log_, advance.version, std::move(definition),
                                               std::move(advance.transactions));
}

Status DeltaTable::apply(LogAdvance advance) {
  if (advance.definition.has_value()) {
    INLET_ASSIGN_OR_RETURN(snapshot_, whole_snapshot(std::move(advance)));
    return Status::ok();
  }
  if (advance.version == snapshot_->version()) return Status::ok();
  auto transactions = snapshot_->transactions();
  for (auto& [app_id, version] : advance.transactions) transactions.insert_or_assign(app_id, version);
  snapshot_ =
      std::make_shared<const DeltaSnapshot>(log_, advance.version, snapshot_->definition(), std::move(transactions));
  return Status::ok();
}

Result<SnapshotPtr> DeltaTable::snapshot_at(TableVersion version) {
  if (version == snapshot_->version()) return SnapshotPtr(snapshot_);
  INLET_ASSIGN_OR_RETURN(const auto there, versions());
  if (version < there.oldest || version > there.newest) {
    return Status(StatusCode::kNotFound, "lake.no_version",
                  name_ + " has no version " + std::to_string(version.value) +
                      (version < there.oldest && version.value >= 0 ? " any more" : ""))
        .at(location())
        .because(version < there.oldest && version.value >= 0
                     ? "its log was cleaned up to version " + std::to_string(there.oldest.value)
                     : "")
        .fix("name one from " + std::to_string(there.oldest.value) + " to " + std::to_string(there.newest.value));
  }
  INLET_ASSIGN_OR_RETURN(auto state, log_->state_at(version));
  INLET_ASSIGN_OR_RETURN(auto snapshot, whole_snapshot(std::move(state)));
  return SnapshotPtr(std::move(snapshot));
}

Result<SnapshotPtr> DeltaTable::refresh() {
  auto advance = log_->refresh();
  Status moved = advance.is_ok() ? apply(std::move(*advance)) : advance.status();
  if (moved.code() == StatusCode::kInvalidArgument) {
    // It was fine when it was opened: somebody changed the table under a running pipeline (rule 10).
    return Status(StatusCode::kDataLoss, "lake.metadata_moved",
                  "another process changed the table into one that Inlet does not write")
        .at(location())
        .because(moved.to_line());
  }
  if (!moved.is_ok()) return moved;
  return SnapshotPtr(snapshot_);
}

Result<Committed> DeltaTable::commit(const CommitPlan& plan, const std::function<bool()>& should_stop) {
  return run_commit(*this, new_uuid(), plan, should_stop);
}

CommitLog::Write DeltaTable::write(TableVersion read_version, const Commit& commit, const std::string& txn_id) {
  if (commit.change) {
    auto possible = check_definition({name_, commit.change->schema, commit.change->partition_columns, {}});
    if (!possible.is_ok()) return {Outcome::kRefused, {}, std::move(possible)};
  }
  auto written = log_->write(read_version, commit, txn_id);
  Write result{written.outcome, {}, std::move(written.error)};
  if (written.advance.has_value()) {
    result.timestamp = written.advance->timestamp.value_or(Timestamp{});
    if (auto applied = apply(std::move(*written.advance)); !applied.is_ok()) {
      result.outcome = Outcome::kUnknown;
      result.error = applied;
    }
  }
  return result;
}

Result<CommitLog::Look> DeltaTable::look(TableVersion version, const std::string& txn_id) {
  INLET_ASSIGN_OR_RETURN(const auto looked, log_->look(version, txn_id));
  return Look{looked.standing, looked.timestamp};
}

void DeltaTable::pause(std::chrono::milliseconds duration, const std::function<bool()>& should_stop) {
  const auto deadline = Clock::system().steady_now() + duration;
  for (auto now = Clock::system().steady_now(); now < deadline && !should_stop(); now = Clock::system().steady_now()) {
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(deadline - now, std::chrono::milliseconds(20)));
  }
}

Result<std::vector<HistoryEntry>> DeltaTable::history(std::size_t limit) {
  INLET_ASSIGN_OR_RETURN(const auto newest, refresh());
  std::vector<HistoryEntry> entries;
  for (auto version = newest->version(); version.value >= 0 && entries.size() < limit; --version.value) {
    auto entry = log_->history_entry(version);
    if (entry.status().code() == StatusCode::kNotFound) break;  // cleaned up, as everything before it
    if (!entry.is_ok()) return entry.status();
    entries.push_back(std::move(*entry));
  }
  return entries;
}

}  // namespace inlet::lake
