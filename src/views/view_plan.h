// How a SQL view is maintained: partial aggregates per batch, a merge per aggregate, a final projection.
//
// Made by planner.h from the view's SQL and DuckDB's own parse tree; run by state.h and view.h. Every SQL text reads
// the relation `inlet_source`, which whoever runs it puts in front with a WITH clause: the events of a batch, the files
// of a bronze version, or the rows of the state. Dimensions stand in the schema `inlet_dimensions` of the database.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"

namespace inlet::views {

/// How the partials of one aggregate are brought together. It owns the state columns [column, column + width).
struct Merge {
  enum class Kind {
    /// One column: BIGINT (a count), DECIMAL(38,s) (an exact sum) or DOUBLE. NULL stands for "no value yet".
    kSum,
    /// One column of any type; NULLs do not count. VARCHAR by bytes, NaN is the largest DOUBLE, as in DuckDB.
    kMin,
    kMax,
    /// Three columns: BIGINT n, DOUBLE mean, DOUBLE M2 (sum of squared differences from the mean), merged by Chan's
    /// formula. n = 0 or NULL: no value yet.
    kMoments,
    /// arg_min, arg_max, first, last: the value column, then the order columns: the row whose order columns are
    /// smallest
    /// (kPickSmallest) or largest wins, compared from left to right, a NULL being larger than every value. The last
    /// order column is never NULL where a row was picked; NULL there stands for "no row yet".
    kPickSmallest,
    kPickLargest,
  };
  Kind kind = Kind::kSum;
  std::size_t column = 0;
  std::size_t width = 1;
};

/// One exact count(DISTINCT x): the state keeps the values themselves and their number per group.
struct DistinctCount {
  std::size_t column = 0;  // of the state: BIGINT, the number of distinct values, never NULL
  ColumnType type;         // of the values
  /// Rows (k0, k1, …, v): the distinct pairs of one batch, v never NULL.
  std::string sql;
};

struct OutputColumn {
  Column column;
  /// Compared by `=` (counts, exact sums, keys); otherwise within 1e-9 relative (DOUBLE sums, stddev).
  bool is_exact = true;
  /// Index of the group key this column shows as it is; nullopt for expressions.
  std::optional<std::size_t> key;
};

/// Which events stand behind a row of a view: for provenance.h. `k0…` are those of ViewPlan::state for views that are
/// aggregated, the output columns themselves, in order, for those that are not.
struct RowOrigins {
  /// Over events with one more column, named by origins_file_column(): (k0, …, _source, _partition, _offset, _file), a
  /// row per event that the view lets in. Empty: what the view makes of an event cannot be told.
  std::string sql;
  /// Events that are joined to several dimension rows come once for each.
  bool repeats = false;
  /// Per output column: the k it shows as it is; nullopt for expressions over aggregates.
  std::vector<std::optional<std::size_t>> shown;
  /// Per k: the column of the events it is; empty for expressions and columns of dimensions.
  std::vector<std::string> event_columns;
};

struct ViewPlan {
  enum class Kind {
    kAggregate,  // GROUP BY or aggregates: kept in a ViewState
    kAppend,     // filter and project: rows are appended, with _source, _partition, _offset
    kRecompute,  // refresh = "…": the whole query, again and again
  };
  Kind kind = Kind::kAggregate;
  std::string name;

  /// kAggregate. Columns k0…, then the partials p0…, then the distinct counts d0….
  Schema state;
  std::size_t keys = 0;  // 0: one row from the start
  std::vector<Merge> merges;
  std::vector<DistinctCount> distinct_counts;
  // A batch of events is reduced to partials in one of two ways; which, changes nothing but the time it takes.
  /// (k0, …, p0, …), a row per group of the batch. The distinct pairs come by a query each.
  std::string group_sql;
  /// (k0, …, p0, …, v0, …), a row per event: the partials of a group of one, NULL where the event does not count, and
  /// the value of each distinct count, NULL likewise.
  std::string event_sql;
  /// Over rows of the state (k0, …, p0, …, d0, …): the output columns, HAVING applied. kAppend: over events.
  std::string final_sql;

  /// What final_sql is made of, for the group that a failure is to be told with.
  struct FinalColumn {
    std::string sql;
    bool narrows = false;  // HUGEINT to BIGINT: a sum that may not fit
  };
  std::vector<FinalColumn> final_columns;
  std::string final_having;            // empty: none
  std::vector<std::string> key_names;  // per key: the output column that shows it, or its SQL

  /// Over all events of a bronze version: the same rows as final_sql over the state, by DuckDB alone. What `verify`
  /// compares with, and what kRecompute runs.
  std::string reference_sql;

  /// Columns of the published table, in order; `processing_time` follows them. kAppend: `_source`, `_partition` and
  /// `_offset` are among them.
  std::vector<OutputColumn> output;
  RowOrigins origins;
  /// Names of output columns, each showing a group key as it is.
  std::vector<std::string> partition_by;

  /// Changes whenever rows of the state, or of the table, would come out otherwise: of the SQL texts, the state's
  /// columns and the contents of the dimensions.
  std::string fingerprint;

  Schema output_schema() const {
    Schema schema;
    for (const auto& o : output) schema.columns.push_back(o.column);
    return schema;
  }
};

}  // namespace inlet::views
