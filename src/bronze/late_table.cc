#include "bronze/late_table.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/fault_point.h"
#include "bronze/markers.h"
#include "lake/file_statistics.h"
#include "lake/files_select.h"

namespace inlet::bronze {
namespace {

// Each attempt that is overtaken means that somebody else has applied: twice in a row is rare, this often is a fault.
constexpr int kMostAttempts = 5;
constexpr std::string_view kOvertaken = "late.overtaken";

std::set<std::string> paths_of(const std::vector<lake::LiveFile>& files) {
  std::set<std::string> paths;
  for (const auto& file : files) paths.insert(file.path);
  return paths;
}

struct Split {
  std::vector<lake::LiveFile> both;
  std::vector<lake::LiveFile> new_only;
  std::vector<lake::LiveFile> old_only;
};

Split split(const std::vector<lake::LiveFile>& now, const std::vector<lake::LiveFile>& before) {
  Split result;
  const auto old_paths = paths_of(before);
  const auto new_paths = paths_of(now);
  for (const auto& file : now) (old_paths.contains(file.path) ? result.both : result.new_only).push_back(file);
  for (const auto& file : before) {
    if (!new_paths.contains(file.path)) result.old_only.push_back(file);
  }
  return result;
}

std::int64_t count(const std::vector<lake::AddFile>& adds, std::int64_t lake::AddFile::*what) {
  std::int64_t sum = 0;
  for (const auto& add : adds) sum += add.*what;
  return sum;
}

}  // namespace

LateTable::LateTable(const config::PipelineConfig& config, std::unique_ptr<lake::Lake> lake,
                     std::unique_ptr<lake::Table> late, std::unique_ptr<SharedTable> bronze, duck::Database database,
                     duck::Connection connection)
    : config_(config),
      bronze_definition_(bronze_definition(config)),
      late_definition_(late_definition(config)),
      lake_(std::move(lake)),
      late_(std::move(late)),
      bronze_(std::move(bronze)),
      database_(std::move(database)),
      connection_(std::move(connection)) {}

Result<std::unique_ptr<LateTable>> LateTable::open(const config::PipelineConfig& config) {
  INLET_ASSIGN_OR_RETURN(auto lake, lake::open_lake(config.lake, config.storage));
  INLET_ASSIGN_OR_RETURN(auto late, lake->open(config.late.table));
  const auto wanted = late_definition(config);
  // Columns that the pipeline file has gained since the rows were diverted are NULL in them.
  if (!lake::can_become(late->snapshot()->schema(), wanted.schema)) {
    const auto difference = lake::schema_difference(late->snapshot()->schema(), wanted.schema);
    return Status(StatusCode::kInvalidArgument, "late.other_columns",
                  "the table of late events has other columns than the pipeline file says")
        .at(config.late.table)
        .because(difference)
        .fix("bring the pipeline file in line with the table, or name another table by late.table");
  }
  INLET_ASSIGN_OR_RETURN(auto bronze, lake->open(config.bronze.table));
  duck::DatabaseOptions options;
  options.threads = config.resources.duckdb_threads;
  options.memory_limit_bytes = config.resources.duckdb_memory_limit;
  INLET_ASSIGN_OR_RETURN(auto database, duck::Database::open(options));
  INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
  auto shared = std::make_unique<SharedTable>(std::move(bronze), bronze_definition(config));
  std::unique_ptr<LateTable> table(new LateTable(config, std::move(lake), std::move(late),  // NOLINT: private
                                                 std::move(shared), std::move(database), std::move(connection)));
  INLET_RETURN_IF_ERROR(duck::register_file_values(table->connection_, table->file_values_));
  return table;
}

std::string LateTable::select_of(const std::vector<lake::LiveFile>& files) {
  return select_of(late_->directory(), late_definition_, files);
}

std::string LateTable::select_of(const std::string& directory, const lake::TableDefinition& definition,
                                 const std::vector<lake::LiveFile>& files) {
  return lake::files_select_sql(directory, definition.schema, definition.partition_columns, files, *file_values_);
}

Result<std::string> LateTable::bronze_sql() {
  INLET_ASSIGN_OR_RETURN(const auto files, bronze_->snapshot()->files());
  INLET_ASSIGN_OR_RETURN(held_bronze_, bronze_->data_files()->hold(files));
  return select_of(bronze_->directory(), bronze_definition_, files);
}

std::string LateTable::pending_as_bronze(const LateView& view, Timestamp now) const {
  const std::string time = "make_timestamptz(" + std::to_string(now.time_since_epoch().count()) + "::BIGINT)";
  std::string columns;
  for (const auto& column : bronze_definition_.schema.columns) {
    columns += columns.empty() ? "" : ", ";
    columns += column.name == "date_ingestion" ? time + " AS date_ingestion" : duck::quote_identifier(column.name);
  }
  return "SELECT " + columns + " FROM (" + view.pending_sql + ")";
}

Result<LateView> LateTable::look() {
  LateView view;
  // Bronze first: what is applied between the two looks then counts as pending, and the commit finds out.
  INLET_ASSIGN_OR_RETURN(const auto bronze, bronze_->refresh());
  INLET_ASSIGN_OR_RETURN(const auto late, late_->refresh());
  view.version = late->version();
  view.applied_version = late_applied(*bronze, config_.name);
  INLET_ASSIGN_OR_RETURN(const auto live, late->files());
  INLET_ASSIGN_OR_RETURN(held_late_, late_->data_files()->hold(live));
  std::vector<lake::LiveFile> before;
  if (view.applied_version) {
    if (*view.applied_version > late->version().value) {
      return Status(StatusCode::kDataLoss, "late.recreated", "the table of late events was made anew")
          .at(config_.late.table + "@" + std::to_string(late->version().value))
          .because("bronze reflects its version " + std::to_string(*view.applied_version))
          .fix("name another table by late.table");
    }
    INLET_ASSIGN_OR_RETURN(before, late_->files_at({*view.applied_version}));
  }
  const auto files = split(live, before);
  view.pending_sql = select_of(files.new_only);
  view.applied_sql = select_of(files.both);
  if (!files.old_only.empty()) {
    // The table was rewritten since (compacted, say): rows of the new files that stood in the old ones are applied.
    const std::string stood_before =
        " EXISTS (SELECT 1 FROM (" + select_of(files.old_only) +
        ") AS before WHERE before._source = rewritten._source AND before._partition = rewritten._partition AND "
        "before._offset = rewritten._offset AND before.diverted_at = rewritten.diverted_at)";
    const std::string rewritten = "SELECT * FROM (" + view.pending_sql + ") AS rewritten WHERE";
    view.applied_sql += " UNION ALL " + rewritten + stood_before;
    view.pending_sql = rewritten + " NOT" + stood_before;
  }
  return view;
}

Result<std::vector<lake::AddFile>> LateTable::write_pending(const LateView& view, Timestamp now) {
  duck::ParquetOptions options;
  options.directory = bronze_->directory();
  options.partition_columns = bronze_definition_.partition_columns;
  INLET_ASSIGN_OR_RETURN(const auto written, duck::copy_to_parquet(connection_, pending_as_bronze(view, now), options));
  const auto modified = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  std::vector<lake::AddFile> adds;
  for (const auto& file : written)
    adds.push_back(lake::add_file(file, bronze_->directory(), bronze_definition_.schema, modified));
  return adds;
}

Result<LateApplied> LateTable::apply(const Clock& clock, const std::function<bool()>& should_stop) {
  Status overtaken;
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    INLET_ASSIGN_OR_RETURN(const auto view, look());
    INLET_ASSIGN_OR_RETURN(const auto adds, write_pending(view, clock.now()));
    if (adds.empty()) return LateApplied{};
    INLET_RETURN_IF_ERROR(lake::sync_files(*bronze_->data_files(), adds));
    const auto plan = [&](const lake::Snapshot& snapshot) -> Result<lake::Commit> {
      if (late_applied(snapshot, config_.name) != view.applied_version) {
        return Status(StatusCode::kConflict, std::string(kOvertaken), "late rows are being applied by another process");
      }
      lake::Commit commit;
      commit.operation = "LATE APPLY";
      commit.operation_parameters = {
          {"queryId", config_.name}, {"table", config_.late.table}, {"version", std::to_string(view.version.value)}};
      commit.operation_metrics = {{"numOutputRows", count(adds, &lake::AddFile::rows)},
                                  {"numOutputBytes", count(adds, &lake::AddFile::bytes)},
                                  {"numAddedFiles", static_cast<std::int64_t>(adds.size())},
                                  {"numRemovedFiles", 0}};
      commit.adds = adds;
      commit.transactions = {{late_applied_id(config_.name), view.version.value}};
      return commit;
    };
    auto committed = bronze_->commit(plan, should_stop);
    if (committed.is_ok()) return LateApplied{count(adds, &lake::AddFile::rows), *committed};
    if (committed.status().detail().id != kOvertaken) return committed.status();
    overtaken = committed.status();
  }
  return overtaken;
}

}  // namespace inlet::bronze
