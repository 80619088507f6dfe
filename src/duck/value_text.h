// One element of a DuckDB vector as text, the way DuckDB casts it to VARCHAR (TIMESTAMPTZ in UTC).
// Thread safety: pure functions over vectors nobody writes.
#pragma once

#include <string>
#include <string_view>

#include "duck/data_chunk.h"

namespace inlet::duck {

/// Precondition: the element is not NULL. Types that have no constructor in the C API read as "(VARIANT)".
/// DECIMALs have a digit before the point, which DuckDB leaves out where the type has room for none.
std::string element_text(duckdb_vector vector, duckdb_logical_type type, idx_t row);

/// ".50" and "-.50", as DuckDB writes a DECIMAL(2,2), are "0.50" and "-0.50"; every other number is what it was.
std::string with_digit_before_the_point(std::string number);

/// Appends one element as JSON. Numbers keep every digit of their text; NaN and infinities are strings, for JSON has no
/// such numbers; TIMESTAMPTZ "2026-01-02T03:04:05Z"; LIST and ARRAY are arrays, STRUCT and MAP objects; every other
/// type is a string of its text. Bytes that are not UTF-8 become U+FFFD. NULL is null.
void append_json(std::string& json, duckdb_vector vector, duckdb_logical_type type, idx_t row);
void append_json_string(std::string& json, std::string_view text);

/// DuckDB's own name of a type: "DECIMAL(12,2)", "STRUCT(a INTEGER, b VARCHAR[])".
std::string type_name(duckdb_logical_type type);

bool element_is_null(duckdb_vector vector, idx_t row);

}  // namespace inlet::duck
