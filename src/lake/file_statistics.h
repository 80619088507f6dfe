// Per-file statistics as the Delta log keeps them.
// Source: Delta protocol, "Per-file Statistics".
#pragma once

#include <string>

#include "base/types.h"
#include "duck/database.h"
#include "lake/table.h"

namespace inlet::lake {

/// {"numRecords":…,"minValues":{…},"maxValues":{…},"nullCount":{…}}. Numbers and decimals as JSON numbers, timestamps
/// as ISO-8601 in milliseconds (minimum rounded down, maximum up), strings only where at most 32 bytes long (a longer
/// minimum is cut, a longer maximum left out: a bound may be wide, never wrong).
std::string statistics_json(const duck::WrittenFile& file, const Schema& schema);

/// The action that adds `file` to the table in `directory`.
AddFile add_file(const duck::WrittenFile& file, const std::string& directory, const Schema& schema,
                 std::int64_t modified_ms);

}  // namespace inlet::lake
