// COPY ... TO (FORMAT parquet, RETURN_STATS), and what it reports, read back as WrittenFile.
#include <charconv>
#include <random>
#include <utility>

#include "duck/database.h"
#include "duck/value_text.h"

namespace inlet::duck {
namespace {

// Columns of what RETURN_STATS returns.
enum ReportColumn : std::size_t {
  kFileName = 0,
  kRowCount = 1,
  kFileBytes = 2,
  kColumnStatistics = 4,
  kPartitionKeys = 5
};

std::optional<std::string> varchar_at(duckdb_vector vector, idx_t index) {
  if (element_is_null(vector, index)) return std::nullopt;
  auto* strings = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector));
  return std::string(duckdb_string_t_data(&strings[index]), duckdb_string_t_length(strings[index]));
}

// The entries of a MAP as positions in its key and value vectors.
struct MapEntries {
  duckdb_vector keys = nullptr;
  duckdb_vector values = nullptr;
  idx_t begin = 0;
  idx_t end = 0;
};
MapEntries map_entries(duckdb_vector vector, idx_t index) {
  if (element_is_null(vector, index)) return {};
  const auto entry = static_cast<const duckdb_list_entry*>(duckdb_vector_get_data(vector))[index];
  duckdb_vector entries = duckdb_list_vector_get_child(vector);
  return {duckdb_struct_vector_get_child(entries, 0), duckdb_struct_vector_get_child(entries, 1), entry.offset,
          entry.offset + entry.length};
}

// Statistics are keyed by the column's path, each part quoted: "\"wei\"\"rd\"" is the column wei"rd.
std::string unquote(std::string_view quoted) {
  if (quoted.size() < 2 || quoted.front() != '"' || quoted.back() != '"') return std::string(quoted);
  std::string name;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    name += quoted[i];
    if (quoted[i] == '"') ++i;
  }
  return name;
}

ColumnStatistics read_statistics(std::string_view column, const MapEntries& entries) {
  ColumnStatistics statistics;
  statistics.column = unquote(column);
  for (idx_t i = entries.begin; i < entries.end; ++i) {
    const auto name = varchar_at(entries.keys, i);
    const auto value = varchar_at(entries.values, i);
    if (!name || !value) continue;
    if (*name == "min") statistics.min = *value;
    if (*name == "max") statistics.max = *value;
    if (*name == "null_count") {
      std::int64_t count = 0;
      if (std::from_chars(value->data(), value->data() + value->size(), count).ec == std::errc())
        statistics.null_count = count;
    }
  }
  return statistics;
}

WrittenFile read_report(const QueryResult& report, std::size_t row) {
  WrittenFile file;
  file.path = report.text(row, kFileName);
  file.rows = report.integer(row, kRowCount);
  file.bytes = report.integer(row, kFileBytes);
  const auto statistics = report.element(row, kColumnStatistics);
  const auto columns = map_entries(statistics.vector, statistics.index);
  for (idx_t i = columns.begin; i < columns.end; ++i)
    file.statistics.push_back(read_statistics(*varchar_at(columns.keys, i), map_entries(columns.values, i)));
  const auto partition = report.element(row, kPartitionKeys);
  const auto keys = map_entries(partition.vector, partition.index);
  for (idx_t i = keys.begin; i < keys.end; ++i)
    file.partition_values.emplace_back(*varchar_at(keys.keys, i), varchar_at(keys.values, i));
  return file;
}

std::string random_uuid() {
  static constexpr char kHex[] = "0123456789abcdef";
  thread_local std::random_device entropy;
  std::string uuid = "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx";
  for (char& c : uuid) {
    if (c == 'x') c = kHex[entropy() & 15U];
  }
  return uuid;
}

// Without partition columns DuckDB takes the name of the file itself, not a pattern.
std::string single_file(const ParquetOptions& options) {
  std::string name = options.file_name_pattern;
  for (auto at = name.find("{uuid}"); at != std::string::npos; at = name.find("{uuid}", at))
    name.replace(at, 6, random_uuid());
  return options.directory + "/" + name + ".parquet";
}

}  // namespace

Result<std::vector<WrittenFile>> copy_to_parquet(Connection& connection, std::string_view select,
                                                 const ParquetOptions& options) {
  std::string sql = "COPY (" + std::string(select) + ") TO ";
  std::string copy_options = "FORMAT parquet, RETURN_STATS, COMPRESSION " + quote_literal(options.compression);
  if (options.partition_columns.empty()) {
    sql += quote_literal(single_file(options));
    copy_options += ", WRITE_EMPTY_FILE false, USE_TMP_FILE false";
  } else {
    sql += quote_literal(options.directory);
    std::string columns;
    for (const auto& column : options.partition_columns) {
      if (!columns.empty()) columns += ", ";
      columns += quote_identifier(column);
    }
    // APPEND: partition directories of earlier batches are no error, and a name that exists is drawn again.
    copy_options +=
        ", PARTITION_BY (" + columns + "), APPEND, FILENAME_PATTERN " + quote_literal(options.file_name_pattern);
  }
  sql += " (" + copy_options + ")";
  INLET_ASSIGN_OR_RETURN(const QueryResult report, options.between_steps
                                                       ? connection.query_in_steps(sql, options.between_steps)
                                                       : connection.query(sql));
  std::vector<WrittenFile> files;
  for (std::size_t row = 0; row < report.rows(); ++row) files.push_back(read_report(report, row));
  return files;
}

}  // namespace inlet::duck
