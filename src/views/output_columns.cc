#include "views/output_columns.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/letter_case.h"
#include "views/from_clause.h"

namespace inlet::views {
namespace {

constexpr ColumnType kBigint{TypeKind::kBigint};
constexpr ColumnType kInt{TypeKind::kInt};
constexpr ColumnType kDouble{TypeKind::kDouble};
constexpr ColumnType kTimestamp{TypeKind::kTimestamp};

struct Widening {
  std::string_view duckdb;
  std::optional<ColumnType> stored;
  std::optional<ColumnType> published;
};
constexpr std::array<Widening, 9> kWidenings{{
    {"TINYINT", kInt, kInt},
    {"SMALLINT", kInt, kInt},
    {"UTINYINT", kInt, kInt},
    {"USMALLINT", kInt, kInt},
    {"UINTEGER", kBigint, kBigint},
    {"FLOAT", kDouble, kDouble},
    {"HUGEINT", ColumnType{TypeKind::kDecimal, 38, 0}, kBigint},
    {"UBIGINT", ColumnType{TypeKind::kDecimal, 20, 0}, std::nullopt},
    {"TIMESTAMP", kTimestamp, std::nullopt},
}};

const Widening* widening_of(std::string_view type) {
  const auto* found =
      std::find_if(kWidenings.begin(), kWidenings.end(), [&](const Widening& w) { return w.duckdb == type; });
  return found == kWidenings.end() ? nullptr : found;
}

std::string cast_advice(std::string_view type) {
  if (type == "TIMESTAMP") return "TIMESTAMPTZ";
  if (type == "UBIGINT" || type == "UHUGEINT") return "DECIMAL(38,0)";
  if (type == "DATE" || type.starts_with("TIMESTAMP_")) return "TIMESTAMPTZ";
  return "VARCHAR";
}

}  // namespace

Result<std::vector<DescribedColumn>> describe_columns(duck::Connection& connection, std::string_view with,
                                                      std::string_view select) {
  INLET_ASSIGN_OR_RETURN(const auto result, connection.query("DESCRIBE " + std::string(with) + std::string(select)));
  std::vector<DescribedColumn> columns;
  for (std::size_t row = 0; row < result.rows(); ++row) columns.push_back({result.text(row, 0), result.text(row, 1)});
  return columns;
}

std::optional<ColumnType> same_type(std::string_view duckdb_type) {
  if (duckdb_type == "TIMESTAMP WITH TIME ZONE") return kTimestamp;
  if (duckdb_type == "TIMESTAMP") return std::nullopt;  // zoneless; the word means an instant in a pipeline file
  const auto type = ColumnType::parse(duckdb_type);
  if (!type) return std::nullopt;
  return *type;
}

std::optional<ColumnType> stored_type(std::string_view duckdb_type) {
  if (const auto* widening = widening_of(duckdb_type); widening != nullptr) return widening->stored;
  return same_type(duckdb_type);
}

std::optional<ColumnType> published_type(std::string_view duckdb_type) {
  if (const auto* widening = widening_of(duckdb_type); widening != nullptr) return widening->published;
  return same_type(duckdb_type);
}

std::string cast_to(const std::string& sql, std::string_view from, const ColumnType& to) {
  return same_type(from) == to ? sql : "CAST(" + sql + " AS " + to.to_duckdb() + ")";
}

std::string cast_back(const std::string& sql, const ColumnType& from, const std::string& to) {
  return same_type(to) == from ? sql : "CAST(" + sql + " AS " + to + ")";
}

std::string without_negative_zero(const std::string& sql, std::string_view type) {
  if (type != "DOUBLE" && type != "FLOAT") return sql;
  return "CASE WHEN (" + sql + " = 0) THEN CAST(0 AS " + std::string(type) + ") ELSE " + sql + " END";
}

Status check_output_names(const std::vector<std::string>& names, const Refusal& refuse) {
  constexpr std::string_view kRefusedByDelta = " ,;{}()\n\t=";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() || names[i].find_first_of(kRefusedByDelta) != std::string::npos)
      return refuse.with_id("view.output_name", "the column name \"" + names[i] + "\" cannot be published", nullptr,
                            "Delta takes no blank and none of ,;{}()= in a name", "give it a name: … AS name");
    if (equal_ignoring_case(names[i], "processing_time"))
      return refuse.with_id("view.output_name", "a column is named processing_time", nullptr,
                            "every view has a column of that name, the time of what it reflects", "name it otherwise");
    for (std::size_t j = 0; j < i; ++j) {
      if (equal_ignoring_case(names[i], names[j]))
        return refuse.with_id("view.output_name", "two columns are named " + names[i], nullptr,
                              "Delta tells names apart without regard to case",
                              "give one of them another name: … AS name");
    }
  }
  return Status::ok();
}

Status refuse_output_type(const std::string& name, const std::string& type, const Tree* expression,
                          const Refusal& refuse) {
  return refuse.with_id("view.output_type", "the column " + name + " is of type " + type, expression,
                        "Delta tables as Inlet writes them have no such type",
                        "cast it, e.g. CAST(… AS " + cast_advice(type) + ") AS " + name);
}

}  // namespace inlet::views
