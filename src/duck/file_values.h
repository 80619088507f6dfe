// inlet_file_value(filename, n): the n-th of the values that stand beside a file in its table's log, as SQL.
//
// Partition values belong to the log, not to the path a file happens to have. As a function of read_parquet's
// `filename` column they cost one lookup a chunk, and DuckDB leaves files out whose values a filter excludes.
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "duck/database.h"

namespace inlet::duck {

/// Which values each file has. Thread safe.
class FileValues {
 public:
  using Values = std::vector<std::optional<std::string>>;

  void set(std::string file, Values values);
  void erase(const std::string& file);

  /// Outer nullopt: no such file, or it has fewer values. Inner nullopt: the value is NULL.
  std::optional<std::optional<std::string>> find(std::string_view file, std::size_t index) const;

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Values> values_;
};

/// Makes inlet_file_value(VARCHAR, INTEGER) → VARCHAR known to the connection's database, once. A file without values
/// is an error of the query: never a NULL in place of a value that is not known.
Status register_file_values(Connection& connection, std::shared_ptr<const FileValues> values);

}  // namespace inlet::duck
