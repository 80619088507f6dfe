// inlet_decimal_average_<s>(sum DECIMAL(38,s), count BIGINT) → DECIMAL(38, min(38, s+4)): an average that is exact.
//
// DuckDB's avg() of a DECIMAL is a DOUBLE, which no partial sum reproduces. This one is sum / count with four digits
// more than the sum has, rounded half away from zero, as Spark's average of a decimal. NULL where either argument is
// NULL or the count is 0; an error of the query where the result does not fit. One function for each s from 0 to 38:
// DuckDB does not tell overloads apart by scale.
#pragma once

#include <duckdb.h>

#include "base/status.h"

namespace inlet::duck {

/// Makes the functions known to the connection's database, once: Database::open does, so that every process can run the
/// SQL of a view.
Status register_decimal_average(duckdb_connection connection);

}  // namespace inlet::duck
