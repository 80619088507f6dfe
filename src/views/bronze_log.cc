#include "views/bronze_log.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "lake/files_select.h"

namespace inlet::views {

std::string Events::over(std::string_view sql) const {
  return "WITH inlet_source AS NOT MATERIALIZED (" + select_ + ") " + std::string(sql);
}

void FilesInUse::take(const std::string& file, duck::FileValues::Values values) {
  const std::scoped_lock lock(mutex_);
  if (readers_[file]++ == 0) values_->set(file, std::move(values));
}

void FilesInUse::give_back(const std::string& file) {
  const std::scoped_lock lock(mutex_);
  const auto readers = readers_.find(file);
  if (readers == readers_.end() || --readers->second > 0) return;
  readers_.erase(readers);
  values_->erase(file);
}

Result<BronzeLog> BronzeLog::open(lake::Lake& lake, const std::string& table, Schema columns,
                                  duck::Connection connection, std::shared_ptr<FilesInUse> files) {
  INLET_ASSIGN_OR_RETURN(auto opened, lake.open(table));
  BronzeLog log(std::move(opened), std::move(columns), std::move(connection), std::move(files));
  if (const Status differs = log.check_columns(); !differs.is_ok()) {
    return Status(StatusCode::kInvalidArgument, "lake.schema_differs",
                  "the table " + table + " exists with another schema")
        .at(log.table_->location())
        .because(differs.detail().why)
        .fix("make the pipeline file say what the table has, or use another lake (--lake DIR)");
  }
  return log;
}

Status BronzeLog::check_columns() {
  const auto snapshot = table_->snapshot();
  const auto moved = [&](const std::string& why) {
    return Status(StatusCode::kDataLoss, "lake.metadata_moved", "the views cannot be kept of this table any more")
        .at(table_->name() + "@" + std::to_string(snapshot->version().value))
        .because("its columns were changed by another writer: " + why)
        .fix("bring the pipeline file in line with the table, then start again");
  };
  for (const auto& column : columns_.columns) {
    const auto& there = snapshot->schema().columns;
    const auto found =
        std::find_if(there.begin(), there.end(), [&](const Column& other) { return other.name == column.name; });
    if (found == there.end()) {
      if (known_.contains(column.name)) return moved("column " + column.name + " is gone");
      continue;
    }
    if (!(found->type == column.type)) {
      return moved("column " + column.name + ": " + found->type.to_pipeline() + " in the table, " +
                   column.type.to_pipeline() + " in the pipeline file");
    }
    known_.insert(column.name);
  }
  return Status::ok();
}

Status BronzeLog::refresh() {
  INLET_RETURN_IF_ERROR(table_->refresh().status());
  return check_columns();
}

// What Inlet does not read, a deletion vector say, came into the table since it was opened.
Status BronzeLog::not_read(const Status& status) const {
  if (status.code() != StatusCode::kInvalidArgument) return status;
  return Status(StatusCode::kDataLoss, "lake.metadata_moved",
                "another process changed the table into one that Inlet does not read")
      .at(table_->location())
      .because(status.to_line());
}

Result<lake::VersionChanges> BronzeLog::changes(TableVersion version) {
  auto changes = table_->changes(version);
  if (!changes.is_ok()) return not_read(changes.status());
  return changes;
}

Result<std::vector<lake::LiveFile>> BronzeLog::files_at(TableVersion version) {
  auto files = table_->files_at(version);
  if (!files.is_ok()) return not_read(files.status());
  return files;
}

bool BronzeLog::are_there(const std::vector<lake::LiveFile>& files) const {
  const auto gone = table_->data_files()->count_gone(files);
  return !gone.is_ok() || *gone == 0;  // whoever reads them then says why they could not be looked at
}

Result<BronzePosition> BronzeLog::position_of(TableVersion version) {
  INLET_ASSIGN_OR_RETURN(const auto changes, this->changes(version));
  return BronzePosition{table_id(), version, changes.txn_id, changes.timestamp};
}

std::string BronzeLog::absolute_path(const lake::LiveFile& file) const {
  return lake::absolute_path(table_->directory(), file.path);
}

Status BronzeLog::with_events(const std::vector<lake::LiveFile>& files, const std::function<Status(const Events&)>& use,
                              const std::string& file_column) {
  INLET_ASSIGN_OR_RETURN(const auto held, table_->data_files()->hold(files));
  const auto snapshot = table_->snapshot();
  std::vector<std::string> paths;
  for (const auto& file : files) {
    paths.push_back(absolute_path(file));
    files_in_use_->take(paths.back(), lake::file_values(file, snapshot->partition_columns()));
  }
  const std::string select = lake::files_select_sql({.columns = columns_,
                                                     .partition_columns = snapshot->partition_columns(),
                                                     .files = lake::file_list_sql(paths),
                                                     .file_column = file_column});
  const Status status = use(Events(connection_, select));
  for (const auto& path : paths) files_in_use_->give_back(path);
  return status;
}

}  // namespace inlet::views
