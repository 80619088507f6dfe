#include "lake/files_select.h"

#include <algorithm>
#include <cctype>

#include "duck/database.h"

namespace inlet::lake {
namespace {

using duck::quote_identifier;
using duck::quote_literal;

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

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
  const auto is_taken = [&](const Column& column) { return same_name(column.name, name); };
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
