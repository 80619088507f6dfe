#include "decode/partition_label.h"

#include <array>
#include <cstdio>

#include "decode/calendar.h"

namespace inlet::decode {
namespace {

template <class... Numbers>
std::string padded(const char* pattern, Numbers... numbers) {
  std::array<char, 64> buffer{};
  const int length = std::snprintf(buffer.data(), buffer.size(), pattern, static_cast<int>(numbers)...);
  return {buffer.data(), static_cast<std::size_t>(length)};
}

}  // namespace

std::string_view PartitionLabel::of_hour(std::int64_t time, std::int64_t units_per_hour) {
  const std::int64_t hour = floor_divide(time, units_per_hour);
  if (hour >= from_hour_ && hour < until_hour_) return text_;
  using Function = config::DerivedColumn::Function;
  const std::int64_t days = floor_divide(hour, 24);
  const Civil date = civil_from_days(days);
  from_hour_ = days * 24;
  until_hour_ = from_hour_ + 24;
  ++renewals_;
  switch (function_) {
    case Function::kDay: text_ = padded("%04d-%02d-%02d", date.year, date.month, date.day); break;
    case Function::kMonth: text_ = padded("%04d-%02d", date.year, date.month); break;
    case Function::kYear: text_ = padded("%04d", date.year); break;
    case Function::kHour:
      text_ = padded("%04d-%02d-%02d-%02d", date.year, date.month, date.day, hour - days * 24);
      from_hour_ = hour;
      until_hour_ = hour + 1;
      break;
    case Function::kIdentity: text_.clear(); break;
  }
  return text_;
}

}  // namespace inlet::decode
