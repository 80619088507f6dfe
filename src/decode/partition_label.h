// The value of the derived partition column: "2026-01-31" from an instant. Events come in order of time, nearly: the
// label of the last day (hour, month, year) is kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/pipeline_config.h"

namespace inlet::decode {

/// Not thread safe. For every function but kIdentity, whose value is the column itself.
class PartitionLabel {
 public:
  explicit PartitionLabel(config::DerivedColumn::Function function) : function_(function) {}

  /// YYYY-MM-DD, YYYY-MM, YYYY or YYYY-MM-DD-HH, in UTC. Precondition: years 0001 to 9999. Valid until the next call.
  std::string_view of_micros(std::int64_t micros) { return of_hour(micros, kMicrosPerHour); }
  std::string_view of_days(std::int32_t days) { return of_hour(days * 24LL, 1); }

  /// Changes with the label.
  std::uint64_t renewals() const { return renewals_; }

 private:
  static constexpr std::int64_t kMicrosPerHour = 3'600'000'000LL;

  std::string_view of_hour(std::int64_t time, std::int64_t units_per_hour);

  config::DerivedColumn::Function function_;
  std::int64_t from_hour_ = 0;  // hours since 1970 for which text_ holds: [from_hour_, until_hour_)
  std::int64_t until_hour_ = 0;
  std::uint64_t renewals_ = 0;
  std::string text_;
};

}  // namespace inlet::decode
