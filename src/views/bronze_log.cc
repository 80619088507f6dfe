#include "views/bronze_log.h"

#include "lake/file_check.h"
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

Result<BronzeLog> BronzeLog::open(lake::Lake& lake, const std::string& table, duck::Connection connection,
                                  std::shared_ptr<FilesInUse> files) {
  INLET_ASSIGN_OR_RETURN(auto opened, lake.open(table));
  return BronzeLog(std::move(opened), std::move(connection), std::move(files));
}

Result<BronzePosition> BronzeLog::position_of(TableVersion version) {
  INLET_ASSIGN_OR_RETURN(const auto changes, table_->changes(version));
  return BronzePosition{table_id(), version, changes.txn_id, changes.timestamp};
}

std::string BronzeLog::absolute_path(const lake::LiveFile& file) const {
  return lake::absolute_path(table_->directory(), file.path);
}

Status BronzeLog::with_events(const std::vector<lake::LiveFile>& files, const std::function<Status(const Events&)>& use,
                              const std::string& file_column) {
  INLET_RETURN_IF_ERROR(lake::check_files(table_->directory(), files));
  const auto snapshot = table_->snapshot();
  std::vector<std::string> paths;
  for (const auto& file : files) {
    paths.push_back(absolute_path(file));
    files_in_use_->take(paths.back(), lake::file_values(file, snapshot->partition_columns()));
  }
  const std::string select = lake::files_select_sql({.columns = snapshot->schema(),
                                                     .partition_columns = snapshot->partition_columns(),
                                                     .files = lake::file_list_sql(paths),
                                                     .file_column = file_column});
  const Status status = use(Events(connection_, select));
  for (const auto& path : paths) files_in_use_->give_back(path);
  return status;
}

}  // namespace inlet::views
