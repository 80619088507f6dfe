#include "views/publisher.h"

#include <algorithm>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"
#include "lake/file_statistics.h"
#include "lake/files_select.h"

namespace inlet::views {
namespace {

constexpr const char* kBronzeTable = "bronzeTableId";
constexpr const char* kBronzeTxn = "bronzeTxnId";
constexpr const char* kBronzeTimestamp = "bronzeTimestamp";
constexpr const char* kFingerprint = "viewFingerprint";

// Which bronze table the version in the txn counts in: a table that was made anew begins at 0 again.
std::string table_txn_id(const std::string& app_id) { return app_id + "#bronzeTable"; }
std::int64_t table_number(const std::string& table_id) {
  return static_cast<std::int64_t>(std::hash<std::string>{}(table_id) >> 1U);
}

// A plan's refusals, told apart by these ids; nobody outside of publish() sees them.
constexpr const char* kOvertaken = "view.overtaken";
constexpr const char* kTouched = "view.touched_by_another";

Result<bool> rows_stay(lake::Table& table, TableVersion from, TableVersion to) {
  return lake::rows_stay([&](TableVersion version) { return table.changes(version); }, from, to);
}

}  // namespace

lake::TableDefinition view_definition(const config::ViewConfig& view, const ViewPlan& plan) {
  lake::TableDefinition definition;
  definition.name = view.table;
  for (const auto& output : plan.output)
    definition.schema.columns.push_back({output.column.name, output.column.type, true});
  definition.schema.columns.push_back({"processing_time", {TypeKind::kTimestamp}, true});
  definition.partition_columns = plan.partition_by;
  // A publish replaces what the one before wrote, up to twice a second: a version whose files are gone is of no use,
  // and a month of them would be five million commits.
  definition.properties = {{"delta.deletedFileRetentionDuration", "interval 1 hours"},
                           {"delta.logRetentionDuration", "interval 1 hours"}};
  return definition;
}

std::function<Result<std::optional<std::string>>()> Publisher::rows_of(std::string select) {
  return [next = std::optional<std::string>(std::move(select))]() mutable -> Result<std::optional<std::string>> {
    return std::exchange(next, std::nullopt);
  };
}

std::string view_txn_id(const std::string& pipeline, const std::string& view) { return pipeline + "/views/" + view; }

Result<Publisher> Publisher::open(lake::Lake& lake, const std::string& pipeline, const config::ViewConfig& view,
                                  const ViewPlan& plan, duck::Connection connection) {
  auto definition = view_definition(view, plan);
  INLET_RETURN_IF_ERROR(lake::check_definition(definition));
  auto table = lake.open(view.table);
  if (table.status().code() == StatusCode::kNotFound) {
    table = lake.open_or_create(definition);
    if (table.status().detail().id == "lake.schema_differs") table = lake.open(view.table);  // made this very moment
  }
  INLET_RETURN_IF_ERROR(table.status());
  const auto snapshot = (*table)->snapshot();
  for (const auto& [app_id, version] : snapshot->transactions()) {
    if (app_id.find("/views/") == std::string::npos || app_id.starts_with(view_txn_id(pipeline, view.name))) continue;
    return Status(StatusCode::kInvalidArgument, "view.table_taken", "the table " + view.table + " is another view's")
        .at(view.where)
        .because("it was published by " + app_id)
        .fix("give the view a table of its own: views." + view.name + ".table");
  }
  Publisher publisher(pipeline, plan, std::move(definition), std::move(*table), std::move(connection));
  if (publisher.is_as_defined(*snapshot)) return publisher;
  // Version 0 alone: made for this view, and nobody has published yet.
  const bool is_own = snapshot->transaction(view_txn_id(pipeline, view.name)) || snapshot->version().value == 0;
  if (!is_own) {
    return Status(StatusCode::kInvalidArgument, "lake.schema_differs",
                  "the table " + view.table + " exists with another schema")
        .at(publisher.table_->location())
        .because("the view " + view.name + " has never published it, and will not replace what is not its own")
        .fix("give the view a table of another name: views." + view.name + ".table");
  }
  publisher.replaces_ = lake::TableChange{snapshot->schema(), snapshot->partition_columns()};
  log::info("views", "view {}: its table has other columns or partitions, and is replaced once the view is built",
            view.name);
  return publisher;
}

bool Publisher::is_as_defined(const lake::Snapshot& snapshot) const {
  return lake::has_definition(snapshot, definition_);
}

// Rule 10, for the table of a view.
Status Publisher::check_unmoved(const lake::Snapshot& snapshot) const {
  if (is_as_defined(snapshot)) return Status::ok();
  if (replaces_ && snapshot.schema() == replaces_->schema &&
      snapshot.partition_columns() == replaces_->partition_columns)
    return Status::ok();
  const auto difference = lake::schema_difference(snapshot.schema(), definition_.schema);
  return Status(StatusCode::kDataLoss, "lake.metadata_moved",
                "another process has given the table of the view " + plan_.name + " another definition")
      .at(definition_.name + "@" + std::to_string(snapshot.version().value))
      .because(difference.empty() ? "it is partitioned otherwise" : difference)
      .fix("let one pipeline file say what the view is, then start again; nothing was written");
}

Result<std::optional<Published>> Publisher::published() {
  INLET_ASSIGN_OR_RETURN(auto published, read_published(*table_, pipeline_, plan_.name));
  if (published && !is_as_defined(*table_->snapshot())) published->fingerprint.clear();
  return published;
}

Result<std::optional<Published>> read_published(lake::Table& table, const std::string& pipeline,
                                                const std::string& view) {
  INLET_ASSIGN_OR_RETURN(const auto snapshot, table.refresh());
  const auto version = snapshot->transaction(view_txn_id(pipeline, view));
  if (!version) return std::optional<Published>();
  // The commit that says the rest is the last one, unless another writer has been at the table since.
  INLET_ASSIGN_OR_RETURN(const auto history, table.history(64));
  for (const auto& entry : history) {
    if (entry.info_text(kFingerprint).empty()) continue;
    Published published;
    published.bronze = {entry.info_text(kBronzeTable), TableVersion{*version}, entry.info_text(kBronzeTxn),
                        Timestamp(std::chrono::microseconds(std::stoll("0" + entry.info_text(kBronzeTimestamp))))};
    published.fingerprint = entry.info_text(kFingerprint);
    published.table_version = entry.version;
    INLET_ASSIGN_OR_RETURN(published.is_unchanged, rows_stay(table, entry.version, snapshot->version()));
    return std::optional<Published>(std::move(published));
  }
  std::optional<Published> unknown(std::in_place);
  unknown->bronze.version = TableVersion{*version};
  unknown->table_version = snapshot->version();
  return unknown;
}

Result<std::vector<std::string>> Publisher::files_to_remove(const Request& request,
                                                            const lake::Snapshot& snapshot) const {
  std::vector<std::string> removes;
  if (request.mode == Mode::kAppend) return removes;
  INLET_ASSIGN_OR_RETURN(const auto files, snapshot.files());
  for (const auto& file : files) {
    if (request.mode == Mode::kReplaceAll || request.partitions.contains(lake::file_values(file, plan_.partition_by)))
      removes.push_back(file.path);
  }
  return removes;
}

Result<bool> Publisher::is_as_left(const lake::Snapshot& snapshot) {
  if (!left_ || snapshot.version() < left_->version) return false;
  if (snapshot.version() == left_->version) return true;
  // Somebody else's publish without a row is no compaction: from then on the table is that state's.
  if (snapshot.transaction(view_txn_id(pipeline_, plan_.name)) != left_->reflects.value) return false;
  INLET_ASSIGN_OR_RETURN(const bool stay, rows_stay(*table_, left_->version, snapshot.version()));
  if (stay) left_->version = snapshot.version();
  return stay;
}

Status Publisher::refusal(const Request& request, const lake::Snapshot& snapshot) {
  INLET_RETURN_IF_ERROR(check_unmoved(snapshot));
  const std::string app_id = view_txn_id(pipeline_, plan_.name);
  const auto there = snapshot.transaction(app_id);
  if (request.mode == Mode::kAppend) {
    const auto follows = request.follows ? std::optional(request.follows->value) : std::nullopt;
    if (there != follows || !is_as_defined(snapshot))
      return {StatusCode::kConflict, kOvertaken, "another process has published"};
    INLET_ASSIGN_OR_RETURN(const bool is_ours, is_as_left(snapshot));
    if (!is_ours) return {StatusCode::kConflict, kTouched, "another process wrote to the view's table"};
    return Status::ok();
  }
  if (request.mode == Mode::kReplacePartitions) {
    INLET_ASSIGN_OR_RETURN(const bool is_ours, is_as_left(snapshot));
    if (!is_ours || !is_as_defined(snapshot))
      return {StatusCode::kConflict, kTouched, "another process wrote to the view's table"};
  }
  // Never backwards; the same version again is the same rows.
  const bool same_table = snapshot.transaction(table_txn_id(app_id)) == table_number(request.bronze.table_id);
  if (there && *there > request.bronze.version.value && same_table)
    return {StatusCode::kConflict, kOvertaken, "another process has published"};
  return Status::ok();
}

Result<Publisher::Outcome> Publisher::publish(const Request& request, const std::function<bool()>& should_stop) {
  const std::string app_id = view_txn_id(pipeline_, plan_.name);
  const auto as_outcome = [](const Status& status) -> Result<Outcome> {
    if (status.detail().id == kOvertaken) return Outcome{Outcome::Kind::kOvertaken};
    if (status.detail().id == kTouched) return Outcome{Outcome::Kind::kNeedsAll};
    return status;
  };
  // Before the rows are written, to spare the work; decided again on the snapshot of every attempt.
  INLET_ASSIGN_OR_RETURN(const auto before, table_->refresh());
  if (const auto refused = refusal(request, *before); !refused.is_ok()) return as_outcome(refused);

  INLET_FAULT_POINT("views.before_publish_parquet");
  duck::ParquetOptions options;
  options.directory = table_->directory();
  options.partition_columns = definition_.partition_columns;
  const std::string select = "SELECT *, make_timestamptz(" +
                             std::to_string(request.bronze.timestamp.time_since_epoch().count()) +
                             "::BIGINT) AS processing_time FROM (";
  duck::Connection& connection = request.select_connection != nullptr ? *request.select_connection : connection_;
  const auto now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::system().now().time_since_epoch()).count();
  Outcome outcome;
  std::vector<lake::AddFile> adds;
  for (bool is_first = true;; is_first = false) {
    INLET_ASSIGN_OR_RETURN(const auto piece, request.next_rows());
    if (!piece) break;
    if (!is_first && should_stop()) return Status(StatusCode::kCancelled, "view.stopped", "a stop was asked for");
    INLET_ASSIGN_OR_RETURN(const auto written, duck::copy_to_parquet(connection, select + *piece + ")", options));
    for (const auto& file : written) {
      adds.push_back(lake::add_file(file, table_->directory(), definition_.schema, now_ms));
      outcome.rows += file.rows;
      outcome.bytes += file.bytes;
    }
  }
  if (!adds.empty()) INLET_RETURN_IF_ERROR(lake::sync_files(*table_->data_files(), adds));
  INLET_FAULT_POINT("views.before_publish_commit");

  const auto plan = [&](const lake::Snapshot& snapshot) -> Result<lake::Commit> {
    INLET_RETURN_IF_ERROR(refusal(request, snapshot));
    lake::Commit commit;
    commit.operation = "STREAMING UPDATE";
    if (!is_as_defined(snapshot)) {
      commit.operation = "REPLACE TABLE AS SELECT";
      commit.change = {definition_.schema, definition_.partition_columns};
    }
    commit.operation_parameters = {{"outputMode", request.mode == Mode::kAppend ? "Append" : "Complete"},
                                   {"queryId", app_id}};
    commit.info = {{kBronzeTable, request.bronze.table_id},
                   {kBronzeTxn, request.bronze.txn_id},
                   {kBronzeTimestamp, std::to_string(request.bronze.timestamp.time_since_epoch().count())},
                   {kFingerprint, plan_.fingerprint}};
    commit.adds = adds;
    INLET_ASSIGN_OR_RETURN(commit.removes, files_to_remove(request, snapshot));
    commit.transactions = {{app_id, request.bronze.version.value},
                           {table_txn_id(app_id), table_number(request.bronze.table_id)}};
    commit.operation_metrics = {{"numOutputRows", outcome.rows},
                                {"numOutputBytes", outcome.bytes},
                                {"numAddedFiles", static_cast<std::int64_t>(adds.size())},
                                {"numRemovedFiles", static_cast<std::int64_t>(commit.removes.size())}};
    return commit;
  };
  const auto committed = table_->commit(plan, should_stop);
  if (!committed.is_ok()) return as_outcome(committed.status());
  replaces_.reset();
  left_ = Left{committed->version, request.bronze.version};
  outcome.version = committed->version;
  INLET_FAULT_POINT("views.after_publish_commit");
  return outcome;
}

}  // namespace inlet::views
