// The proleptic Gregorian calendar as arithmetic on days since 1970-01-01, after Howard Hinnant's derivation.
// Thread safety: pure functions.
#pragma once

#include <cstdint>

namespace inlet::decode {

inline constexpr std::int64_t kSecondsPerDay = 86'400;
inline constexpr std::int64_t kMicrosPerSecond = 1'000'000;
inline constexpr std::int64_t kMicrosPerDay = kSecondsPerDay * kMicrosPerSecond;

/// Quotient rounded towards minus infinity.
constexpr std::int64_t floor_divide(std::int64_t value, std::int64_t by) {
  return value / by - (value % by != 0 && (value < 0) != (by < 0) ? 1 : 0);
}

constexpr bool is_leap_year(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

constexpr int days_in_month(std::int64_t year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap_year(year) ? 29 : kDays[month - 1];
}

constexpr std::int64_t days_from_civil(std::int64_t year, int month, int day) {
  // Years begin in March, so that the leap day is the last of its year; 400 of them have 146,097 days.
  const std::int64_t y = month <= 2 ? year - 1 : year;
  const std::int64_t era = floor_divide(y, 400);
  const std::int64_t year_of_era = y - era * 400;
  const std::int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

struct Civil {
  std::int64_t year;
  int month;
  int day;
};

constexpr Civil civil_from_days(std::int64_t days) {
  const std::int64_t shifted = days + 719'468;
  const std::int64_t era = floor_divide(shifted, 146'097);
  const std::int64_t day_of_era = shifted - era * 146'097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int day = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  const int month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

/// Years 0001 to 9999: what Delta, Spark and four-digit years share.
inline constexpr std::int64_t kFirstDay = days_from_civil(1, 1, 1);
inline constexpr std::int64_t kLastDay = days_from_civil(9999, 12, 31);
inline constexpr std::int64_t kFirstMicros = kFirstDay * kMicrosPerDay;
inline constexpr std::int64_t kLastMicros = (kLastDay + 1) * kMicrosPerDay - 1;

}  // namespace inlet::decode
