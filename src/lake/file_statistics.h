// Per-file statistics as the Delta log keeps them.
// Source: Delta protocol, "Per-file Statistics".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"
#include "duck/database.h"
#include "lake/table.h"

namespace inlet::lake {

/// {"numRecords":…,"minValues":{…},"maxValues":{…},"nullCount":{…}}. Numbers and decimals as JSON numbers, timestamps
/// as ISO-8601 in milliseconds (minimum rounded down, maximum up), strings only where at most 32 bytes long (a longer
/// minimum is cut, a longer maximum left out: a bound may be wide, never wrong).
std::string statistics_json(const duck::WrittenFile& file, const Schema& schema);

/// A partition value as the log writes it, of the text DuckDB has for it: an instant as ISO-8601 in UTC, which no
/// reader takes for local time; a decimal with a digit before its point. Source: "Partition Value Serialization".
std::string partition_value(const ColumnType& type, std::string text);

/// numRecords of the file's statistics; nullopt: they do not say.
std::optional<std::int64_t> recorded_rows(const LiveFile& file);
/// Their sum; nullopt: those of a file do not say.
std::optional<std::int64_t> recorded_rows(const std::vector<LiveFile>& files);

/// The action that adds `file` to the table in `directory`.
AddFile add_file(const duck::WrittenFile& file, const std::string& directory, const Schema& schema,
                 std::int64_t modified_ms);

}  // namespace inlet::lake
