// How long a table keeps what it does not need any more, as its properties say.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace inlet::lake {

/// "interval 7 days", "interval 1 week 12 hours", without "interval" as well; weeks, days, hours, minutes, seconds and
/// milliseconds. nullopt: anything else, months among it, whose length nobody knows.
/// Source: Delta protocol, "Table Properties"; Spark's CalendarInterval.
std::optional<std::chrono::milliseconds> parse_interval(std::string_view text);

using Properties = std::map<std::string, std::string>;

/// delta.deletedFileRetentionDuration: files that were removed stay this long. Default: a week, as Delta has it. What
/// cannot be read counts as for ever.
std::chrono::milliseconds deleted_file_retention(const Properties& properties);
/// delta.logRetentionDuration. Default: 30 days. nullopt: the log is not cleaned (delta.enableExpiredLogCleanup =
/// false, or a duration that cannot be read).
std::optional<std::chrono::milliseconds> log_retention(const Properties& properties);

}  // namespace inlet::lake
