// The rules of one time zone, for timestamps that carry none. Read from the system's tz database (TZif, RFC 8536: the
// transitions, then the POSIX rule of the footer for the years after the last one).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace inlet::decode {

/// Immutable once loaded; thread safe. Copies share the rules.
class TimeZone {
 public:
  /// UTC.
  TimeZone();

  /// "UTC", "Europe/Paris": a name of the tz database. InvalidArgument: no such zone, or a file that cannot be used
  /// (leap seconds counted: "right/…").
  static Result<TimeZone> load(std::string_view name, const std::string& directory = "/usr/share/zoneinfo");

  /// A stretch of time during which one offset holds: UTC seconds [from, until).
  struct Span {
    std::int64_t from;
    std::int64_t until;
    std::int32_t offset;  // seconds east of UTC
  };
  Span span_at(std::int64_t utc_seconds) const;

  /// The instant of a local time (seconds since 1970-01-01T00:00:00 on the wall). A time that occurs twice is its first
  /// occurrence; one that does not occur is moved forward by the length of the gap. As java.time, and so Spark, do.
  std::int64_t to_utc(std::int64_t local_seconds) const;

 private:
  struct Rules;
  std::shared_ptr<const Rules> rules_;  // null: UTC
};

}  // namespace inlet::decode
