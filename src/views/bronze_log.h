// The bronze table as the views see it: versions, and the events of each as SQL.
//
// Rule 6: a view consumes bronze versions, from memory when it is given exactly the next one, otherwise from here. Both
// ways hand out an `Events`, so that the two have one meaning.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "duck/database.h"
#include "duck/file_values.h"
#include "lake/table.h"

namespace inlet::views {

/// Where in the life of the bronze table a state or a published table stands.
struct BronzePosition {
  std::string table_id;
  TableVersion version{-1};
  std::string txn_id;   // of the commit that made the version
  Timestamp timestamp;  // of the same: `processing_time`
  friend bool operator==(const BronzePosition&, const BronzePosition&) = default;
};

/// Events as the relation `inlet_source`.
class Events {
 public:
  Events(duck::Connection& connection, std::string select) : connection_(connection), select_(std::move(select)) {}

  /// "WITH inlet_source AS (…) <sql>"
  std::string over(std::string_view sql) const;
  Result<duck::QueryResult> query(std::string_view sql) const { return connection_.query(over(sql)); }
  Result<duck::ResultStream> stream(std::string_view sql) const { return connection_.stream_select(over(sql)); }
  duck::Connection& connection() const { return connection_; }

 private:
  duck::Connection& connection_;
  std::string select_;
};

/// Which files are being read, by how many: the partition values of a file are known for as long as somebody reads it.
/// Thread safe.
class FilesInUse {
 public:
  /// `values` is what inlet_file_value() of the database looks into.
  explicit FilesInUse(std::shared_ptr<duck::FileValues> values) : values_(std::move(values)) {}
  void take(const std::string& file, duck::FileValues::Values values);
  void give_back(const std::string& file);

 private:
  const std::shared_ptr<duck::FileValues> values_;
  std::mutex mutex_;
  std::map<std::string, std::size_t> readers_;  // guarded by mutex_
};

/// Not thread safe, but for interrupt(): each thread that reads the log has its own.
///
/// Events have the columns that the views were planned for, whatever the table has: one that it has not got yet is NULL
/// in all of its rows, further ones are nobody's business here. A column that it had and has no more, or with another
/// type, ends everything (rule 10).
class BronzeLog {
 public:
  /// `columns`: those of the pipeline file. NotFound: no such table. InvalidArgument "lake.schema_differs": a column
  /// has another type. `files` is shared by all who read files by way of the connection's database.
  static Result<BronzeLog> open(lake::Lake& lake, const std::string& table, Schema columns, duck::Connection connection,
                                std::shared_ptr<FilesInUse> files);

  const std::string& table_id() const { return table_->snapshot()->table_id(); }
  TableVersion newest() const { return table_->snapshot()->version(); }
  /// Looks at the log. DataLoss "lake.metadata_moved": the table is none that the views can be kept of any more.
  Status refresh();

  /// NotFound: not in the log any more. DataLoss "lake.metadata_moved": it has what Inlet does not read.
  Result<lake::VersionChanges> changes(TableVersion version);
  Result<BronzePosition> position_of(TableVersion version);
  /// As changes().
  Result<std::vector<lake::LiveFile>> files_at(TableVersion version);
  /// Whether every one of them is there: a file of an older version may have been vacuumed.
  bool are_there(const std::vector<lake::LiveFile>& files) const;

  /// Runs `use` over the rows of `files`, which belong to this table. `file_column`: the name of one more column, the
  /// absolute path of the file each event stands in; empty: none.
  Status with_events(const std::vector<lake::LiveFile>& files, const std::function<Status(const Events&)>& use,
                     const std::string& file_column = {});
  /// As `file_column` has it.
  std::string absolute_path(const lake::LiveFile& file) const;

  const std::vector<std::string>& partition_columns() const { return table_->snapshot()->partition_columns(); }

  /// From any thread: what runs in with_events() ends with Cancelled.
  void interrupt() { connection_.interrupt(); }

 private:
  BronzeLog(std::unique_ptr<lake::Table> table, Schema columns, duck::Connection connection,
            std::shared_ptr<FilesInUse> files)
      : table_(std::move(table)),
        columns_(std::move(columns)),
        connection_(std::move(connection)),
        files_in_use_(std::move(files)) {}
  Status check_columns();
  Status not_read(const Status& status) const;

  std::unique_ptr<lake::Table> table_;
  Schema columns_;
  std::set<std::string> known_;  // columns that the table has had
  duck::Connection connection_;
  std::shared_ptr<FilesInUse> files_in_use_;
};

}  // namespace inlet::views
