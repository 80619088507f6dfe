// Types of SQL expressions, and what stands for them in the state and in the published table.
//
//   DuckDB                      state            published table
//   the eight of base/types.h   the same         the same
//   TINYINT SMALLINT, unsigned  INT              INT
//   UINTEGER                    BIGINT           BIGINT
//   FLOAT                       DOUBLE           DOUBLE
//   HUGEINT                     DECIMAL(38,0)    BIGINT, overflow is an error
//   UBIGINT                     DECIMAL(20,0)    refused
//   TIMESTAMP (zoneless)        TIMESTAMP, UTC   refused
//   everything else             refused          refused
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "duck/database.h"
#include "views/refusal.h"

namespace inlet::views {

struct DescribedColumn {
  std::string name;
  std::string type;  // as DuckDB names it, "DECIMAL(12,2)"
};

/// The columns of a SELECT, which is bound and not run. `with`: put in front, such as empty_source().
Result<std::vector<DescribedColumn>> describe_columns(duck::Connection& connection, std::string_view with,
                                                      std::string_view select);

/// The column type DuckDB's type is, exactly; nullopt for the others.
std::optional<ColumnType> same_type(std::string_view duckdb_type);
/// A type that holds every value of DuckDB's type, and gives it back by a cast.
std::optional<ColumnType> stored_type(std::string_view duckdb_type);
std::optional<ColumnType> published_type(std::string_view duckdb_type);

/// `sql` where `from` is named exactly as `to`, CAST(sql AS to) otherwise.
std::string cast_to(const std::string& sql, std::string_view from, const ColumnType& to);
std::string cast_back(const std::string& sql, const ColumnType& from, const std::string& to);

/// SQL of the same value and type with 0.0 for −0.0: they are one key to DuckDB, and bytes to the state.
std::string without_negative_zero(const std::string& sql, std::string_view type);

/// Refuses what Delta does not take as a name, `processing_time` and names given twice.
Status check_output_names(const std::vector<std::string>& names, const Refusal& refuse);

/// "view.output_type" for a column of a type that published_type() has none for.
Status refuse_output_type(const std::string& name, const std::string& type, const Tree* expression,
                          const Refusal& refuse);

}  // namespace inlet::views
