// The one place where an error of DuckDB becomes a Status.
#pragma once

#include <string_view>

#include "base/status.h"
#include "duck/data_chunk.h"

namespace inlet::duck {

/// `message` as DuckDB wrote it ("Parser Error: …\n\nLINE 1: …"). The first line says what happened, the rest where.
/// InvalidArgument: the SQL or a value in it is wrong. Cancelled: interrupted. Internal: I/O, memory, everything else.
Status duck_error(duckdb_error_type type, std::string_view message);

/// The same for calls that give no error type (prepare, extract): read from the message's "… Error:".
Status duck_error(std::string_view message);

}  // namespace inlet::duck
