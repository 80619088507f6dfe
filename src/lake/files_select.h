// The SELECT that reads a table's data files as rows of the table. Pure functions; the connection it runs on knows
// inlet_file_value() (duck/file_values.h), with the partition values of every file.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "duck/file_values.h"
#include "lake/table.h"

namespace inlet::lake {

struct FilesSelectInput {
  Schema columns;  // of the table, in order
  std::vector<std::string> partition_columns;
  std::string files;  // SQL of the list of files, absolute paths; empty: no file, and so no row
  /// The name of one more column, the last: the path of the file a row stands in. Empty: none. No name of `columns`.
  std::string file_column;
};

/// Data columns are read by name and cast to the table's type, NULL where an older file lacks them; partition columns
/// come from inlet_file_value(), the n-th value being that of partition_columns[n].
std::string files_select_sql(const FilesSelectInput& input);

/// The same of live files of the table in `directory`, whose partition values are made known to `values`.
std::string files_select_sql(const std::string& directory, const Schema& columns,
                             const std::vector<std::string>& partition_columns, const std::vector<LiveFile>& files,
                             duck::FileValues& values);

/// Where the file that the log of the table in `directory` calls `path` stands on disk.
std::string absolute_path(const std::string& directory, const std::string& path);

/// SQL of a list of files by their absolute paths, for FilesSelectInput and read_parquet; empty for none.
std::string file_list_sql(const std::vector<std::string>& paths);

/// The values of `file` for inlet_file_value(), in the order of `partition_columns`.
duck::FileValues::Values file_values(const LiveFile& file, const std::vector<std::string>& partition_columns);

/// The partition of a file. Delta writes a NULL value as null or as the empty text: the two are one partition, nullopt.
std::map<std::string, std::optional<std::string>> partition_of(const LiveFile& file);

/// DuckDB takes every path for a pattern: brackets make each special character stand for itself.
std::string literal_pattern(std::string_view path);

}  // namespace inlet::lake
