// The column types a pipeline may declare, and what each is called on the three sides of Inlet.
//
//   pipeline file     DuckDB          Delta
//   BIGINT            BIGINT          long
//   INT               INTEGER         integer
//   DOUBLE            DOUBLE          double
//   DECIMAL(p,s)      DECIMAL(p,s)    decimal(p,s)     1 <= p <= 38, 0 <= s <= p
//   VARCHAR           VARCHAR         string
//   BOOLEAN           BOOLEAN         boolean
//   DATE              DATE            date
//   TIMESTAMP         TIMESTAMPTZ     timestamp        an instant, microseconds, UTC; never timestamp_ntz
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace inlet {

enum class TypeKind { kBigint, kInt, kDouble, kDecimal, kVarchar, kBoolean, kDate, kTimestamp };

struct ColumnType {
  TypeKind kind = TypeKind::kVarchar;
  std::uint8_t precision = 0;  // DECIMAL only
  std::uint8_t scale = 0;      // DECIMAL only
  friend bool operator==(const ColumnType&, const ColumnType&) = default;

  /// As in a pipeline file: "DECIMAL(12,2)". InvalidArgument names what is allowed. Case-insensitive;
  /// INTEGER, LONG, STRING and TEXT are taken as the aliases they are.
  static Result<ColumnType> parse(std::string_view text);
  std::string to_pipeline() const;  // "DECIMAL(12,2)"
  std::string to_duckdb() const;    // "TIMESTAMPTZ"
  std::string to_delta() const;     // "decimal(12,2)"
  /// The inverse of to_delta; NotFound for a Delta type Inlet does not write.
  static Result<ColumnType> from_delta(std::string_view text);
};

struct Column {
  std::string name;
  ColumnType type;
  bool nullable = true;
  friend bool operator==(const Column&, const Column&) = default;
};

/// Columns in table order. Names are unique without regard to case, as Delta requires.
struct Schema {
  std::vector<Column> columns;
  friend bool operator==(const Schema&, const Schema&) = default;
};

}  // namespace inlet
