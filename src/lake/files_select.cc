#include "lake/files_select.h"

#include <algorithm>

#include "base/format.h"
#include "base/letter_case.h"
#include "duck/database.h"

namespace inlet::lake {
namespace {

using duck::quote_identifier;
using duck::quote_literal;

std::string nothing_of(const FilesSelectInput& input) {
  std::string columns;
  for (const Column& column : input.columns.columns) {
    if (!columns.empty()) columns += ", ";
    columns += "CAST(NULL AS " + column.type.to_duckdb() + ") AS " + quote_identifier(column.name);
  }
  if (!input.file_column.empty()) columns += ", CAST(NULL AS VARCHAR) AS " + quote_identifier(input.file_column);
  return "SELECT " + columns + " WHERE false";
}

// DuckDB leaves files out of a scan by what a filter says about a column that is called `filename`, and under no other
// name: a table that has such a column itself is read right, but whole.
std::string file_column(const Schema& schema) {
  std::string name = "filename";
  const auto is_taken = [&](const Column& column) { return equal_ignoring_case(column.name, name); };
  while (std::any_of(schema.columns.begin(), schema.columns.end(), is_taken)) name += "_";
  return name;
}

std::string select_of(const FilesSelectInput& input) {
  const std::string file = file_column(input.columns);
  std::string columns;
  std::string file_schema;
  for (const Column& column : input.columns.columns) {
    if (!columns.empty()) columns += ", ";
    const auto partition = std::find(input.partition_columns.begin(), input.partition_columns.end(), column.name);
    if (partition != input.partition_columns.end()) {
      columns += "CAST(inlet_file_value(" + quote_identifier(file) + ", " +
                 std::to_string(partition - input.partition_columns.begin()) + ") AS " + column.type.to_duckdb() +
                 ") AS " + quote_identifier(column.name);
      continue;
    }
    columns += quote_identifier(column.name);
    if (!file_schema.empty()) file_schema += ", ";
    const std::string name = quote_literal(column.name);
    file_schema += name;
    file_schema += ": {'name': ";
    file_schema += name;
    file_schema += ", 'type': ";
    file_schema += quote_literal(column.type.to_duckdb());
    file_schema += ", 'default_value': NULL}";
  }
  if (!input.file_column.empty())
    columns += ", " + quote_identifier(file) + " AS " + quote_identifier(input.file_column);
  return "SELECT " + columns + " FROM read_parquet(" + input.files + ", filename = " + quote_literal(file) +
         ", schema = MAP {" + file_schema + "})";
}

}  // namespace

std::string files_select_sql(const FilesSelectInput& input) {
  return input.files.empty() ? nothing_of(input) : select_of(input);
}

duck::FileValues::Values file_values(const LiveFile& file, const std::vector<std::string>& partition_columns) {
  duck::FileValues::Values values;
  for (const auto& column : partition_columns) {
    const auto value = file.partition_values.find(column);
    // Delta writes a NULL partition value as null or as the empty text; the two are one.
    const bool is_null = value == file.partition_values.end() || !value->second || value->second->empty();
    values.push_back(is_null ? std::nullopt : value->second);
  }
  return values;
}

std::map<std::string, std::optional<std::string>> partition_of(const LiveFile& file) {
  auto values = file.partition_values;
  for (auto& [column, value] : values) {
    if (value && value->empty()) value.reset();
  }
  return values;
}

std::string absolute_path(const std::string& directory, const std::string& path) {
  return path.starts_with('/') ? path : fmt::format("{}/{}", directory, path);
}

std::string file_list_sql(const std::vector<std::string>& paths) {
  std::string list;
  for (const auto& path : paths) list += (list.empty() ? "[" : ", ") + quote_literal(literal_pattern(path));
  return list.empty() ? list : list + "]";
}

std::string files_select_sql(const std::string& directory, const Schema& columns,
                             const std::vector<std::string>& partition_columns, const std::vector<LiveFile>& files,
                             duck::FileValues& values) {
  std::vector<std::string> paths;
  for (const auto& file : files) {
    paths.push_back(absolute_path(directory, file.path));
    values.set(paths.back(), file_values(file, partition_columns));
  }
  return files_select_sql({.columns = columns, .partition_columns = partition_columns, .files = file_list_sql(paths)});
}

std::string literal_pattern(std::string_view path) {
  std::string pattern;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[' || c == '{') {
      pattern += {'[', c, ']'};
    } else {
      pattern += c;
    }
  }
  return pattern;
}

}  // namespace inlet::lake
