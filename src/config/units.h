// Durations and sizes as people write them, in the pipeline file and on the command line alike.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace inlet::config {

/// "250ms", "1.5s", "20s", "10m", "1h", "7d": a number and its unit (us, ms, s, m, h, d), never negative.
/// InvalidArgument: no unit, another unit, or not a whole number of milliseconds.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
/// The same down to the microsecond: "1us".
Result<std::chrono::microseconds> parse_microseconds(std::string_view text);

/// "64KiB", "256MB", "1.5GiB", "4096": bytes; kB, MB, GB, TB are powers of 1000, KiB, MiB, GiB, TiB of 1024. The case
/// of the unit does not matter. InvalidArgument: another unit, or not a whole number of bytes.
Result<std::int64_t> parse_bytes(std::string_view text);

/// The shortest of the forms above that says exactly the same: "250ms", "1h"; "256MiB".
std::string duration_text(std::chrono::microseconds duration);
std::string bytes_text(std::int64_t bytes);

}  // namespace inlet::config
