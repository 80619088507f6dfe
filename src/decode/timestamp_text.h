// Instants and days from their text. The accepted forms are in README.md of this directory.
#pragma once

#include <cstdint>
#include <string_view>

#include "decode/time_zone.h"

namespace inlet::decode {

/// Days since 1970-01-01 of exactly "YYYY-MM-DD", years 0001 to 9999.
bool read_date(std::string_view text, std::int32_t& days);

/// Not thread safe: remembers the last date and the last offset, because neighbouring events share them.
class TimestampReader {
 public:
  explicit TimestampReader(TimeZone zone) : zone_(std::move(zone)) {}

  /// Microseconds since 1970-01-01T00:00:00Z. False: not a timestamp, or outside of the years 0001 to 9999 in UTC.
  bool read(std::string_view text, std::int64_t& micros);

  /// The same from epoch milliseconds.
  static bool from_milliseconds(std::int64_t milliseconds, std::int64_t& micros);

 private:
  std::int64_t local_to_utc(std::int64_t local_seconds);

  TimeZone zone_;
  TimeZone::Span known_{0, 0, 0};  // of zone_; empty until the first use
  char last_date_[10] = {};
  std::int32_t last_days_ = 0;
};

}  // namespace inlet::decode
