#include "views/dimensions.h"

#include <algorithm>
#include <cctype>
#include <memory>

#include "duck/file_values.h"
#include "lake/files_select.h"
#include "views/checksum.h"

namespace inlet::views {
namespace {

bool ends_with(const std::string& path, std::string_view ending) {
  if (path.size() < ending.size()) return false;
  return std::equal(ending.rbegin(), ending.rend(), path.rbegin(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

Status cannot_read(const config::DimensionConfig& dimension, const Status& status) {
  return Status(StatusCode::kInvalidArgument, "view.dimension", "the dimension " + dimension.name + " cannot be read")
      .at(dimension.path.empty() ? dimension.table : dimension.path)
      .because(status.to_line())
      .fix("give a CSV file with a header, a Parquet file, or a table of the lake");
}

std::string qualified(const std::string& name) { return "inlet_dimensions." + duck::quote_identifier(name); }

Result<std::string> load_file(duck::Connection& connection, const config::DimensionConfig& dimension) {
  INLET_ASSIGN_OR_RETURN(auto fingerprint, checksum_of_file(dimension.path));
  const std::string path = duck::quote_literal(lake::literal_pattern(dimension.path));
  const std::string read =
      ends_with(dimension.path, ".parquet") ? "read_parquet(" + path + ")" : "read_csv(" + path + ")";
  INLET_RETURN_IF_ERROR(
      connection.execute("CREATE OR REPLACE TABLE " + qualified(dimension.name) + " AS SELECT * FROM " + read));
  return fingerprint;
}

Result<std::string> load_table(duck::Connection& connection, lake::Lake& lake, duck::FileValues& values,
                               const config::DimensionConfig& dimension) {
  INLET_ASSIGN_OR_RETURN(const auto table, lake.open(dimension.table));
  const auto snapshot = table->snapshot();
  INLET_ASSIGN_OR_RETURN(const auto files, snapshot->files());
  INLET_ASSIGN_OR_RETURN(const auto held, table->data_files()->hold(files));
  INLET_RETURN_IF_ERROR(connection.execute(
      "CREATE OR REPLACE TABLE " + qualified(dimension.name) + " AS " +
      lake::files_select_sql(table->directory(), snapshot->schema(), snapshot->partition_columns(), files, values)));
  return snapshot->table_id() + "@" + std::to_string(snapshot->version().value);
}

// Columns of types that Inlet has none for are left to DuckDB: views see them, and cast what they show of them.
Result<Schema> schema_of(duck::Connection& connection, const std::string& name) {
  INLET_ASSIGN_OR_RETURN(const auto rows, connection.query("DESCRIBE " + qualified(name)));
  Schema schema;
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    auto type = ColumnType::parse(rows.text(row, 1));
    schema.columns.push_back({rows.text(row, 0), type.is_ok() ? *type : ColumnType{TypeKind::kVarchar}, true});
  }
  return schema;
}

}  // namespace

Result<std::vector<Dimension>> load_dimensions(duck::Connection& connection, lake::Lake& lake,
                                               duck::FileValues& file_values, const config::PipelineConfig& config,
                                               std::vector<Status>& problems) {
  std::vector<Dimension> dimensions;
  if (config.dimensions.empty()) return dimensions;
  INLET_RETURN_IF_ERROR(connection.execute("CREATE SCHEMA IF NOT EXISTS inlet_dimensions"));
  for (const auto& dimension : config.dimensions) {
    auto fingerprint = dimension.path.empty() ? load_table(connection, lake, file_values, dimension)
                                              : load_file(connection, dimension);
    if (!fingerprint.is_ok()) {
      problems.push_back(cannot_read(dimension, fingerprint.status()));
      continue;
    }
    INLET_ASSIGN_OR_RETURN(auto schema, schema_of(connection, dimension.name));
    dimensions.push_back({dimension.name, std::move(schema), std::move(*fingerprint)});
  }
  return dimensions;
}

}  // namespace inlet::views
