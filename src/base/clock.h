// Time as a seam: what the pipeline decides by time, a test decides by a fake clock.
#pragma once

#include <chrono>
#include <string>

namespace inlet {

/// Microseconds since 1970-01-01T00:00:00Z: the unit of Delta `timestamp` and DuckDB TIMESTAMPTZ.
using Timestamp = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall clock, for what is stored and shown. May step.
  virtual Timestamp now() const = 0;
  /// Never steps back; for pacing and deadlines.
  virtual std::chrono::steady_clock::time_point steady_now() const = 0;

  /// The machine's clock; lives as long as the program.
  static const Clock& system();
};

/// "2026-01-02T03:04:05.678Z"
std::string iso_time(Timestamp time);

}  // namespace inlet
