#include "decode/timestamp_text.h"

#include <cstring>

#include "decode/calendar.h"
#include "decode/json_text.h"

namespace inlet::decode {
namespace {

// Two digits at `at`; more than 99 when they are none.
inline unsigned two_digits(const char* at) {
  const auto tens = static_cast<unsigned char>(at[0] - '0');
  const auto units = static_cast<unsigned char>(at[1] - '0');
  return tens <= 9 && units <= 9 ? tens * 10U + units : 1000U;
}

// Z, ±hh, ±hhmm, ±hh:mm; at most 18 hours, as java.time.
bool read_zone(std::string_view text, std::int64_t& offset_seconds) {
  if (text == "Z" || text == "z") {
    offset_seconds = 0;
    return true;
  }
  if (text.size() < 3 || (text[0] != '+' && text[0] != '-')) return false;
  const unsigned hours = two_digits(text.data() + 1);
  unsigned minutes = 0;
  if (text.size() == 5) {
    minutes = two_digits(text.data() + 3);
  } else if (text.size() == 6 && text[3] == ':') {
    minutes = two_digits(text.data() + 4);
  } else if (text.size() != 3) {
    return false;
  }
  if (hours > 18 || minutes > 59 || (hours == 18 && minutes > 0)) return false;
  offset_seconds = std::int64_t{hours} * 3600 + std::int64_t{minutes} * 60;
  if (text[0] == '-') offset_seconds = -offset_seconds;
  return true;
}

}  // namespace

bool read_date(std::string_view text, std::int32_t& days) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const unsigned century = two_digits(text.data());
  const unsigned year_of_century = two_digits(text.data() + 2);
  const unsigned month = two_digits(text.data() + 5);
  const unsigned day = two_digits(text.data() + 8);
  if (century > 99 || year_of_century > 99 || month < 1 || month > 12 || day < 1) return false;
  const unsigned year = century * 100 + year_of_century;
  if (year < 1 || day > static_cast<unsigned>(days_in_month(year, static_cast<int>(month)))) return false;
  days = static_cast<std::int32_t>(days_from_civil(year, static_cast<int>(month), static_cast<int>(day)));
  return true;
}

bool TimestampReader::read(std::string_view text, std::int64_t& micros) {
  constexpr std::size_t kShortest = 16;  // 2026-01-01T00:00
  if (text.size() < kShortest) return false;
  if (std::memcmp(text.data(), last_date_, sizeof(last_date_)) != 0) {
    if (!read_date(text.substr(0, 10), last_days_)) {
      last_date_[0] = 0;  // matches no text
      return false;
    }
    std::memcpy(last_date_, text.data(), sizeof(last_date_));
  }
  const char* at = text.data() + 10;
  const char* const end = text.data() + text.size();
  const unsigned hours = two_digits(at + 1);
  const unsigned minutes = two_digits(at + 4);
  if ((*at != 'T' && *at != ' ' && *at != 't') || hours > 23 || at[3] != ':' || minutes > 59) return false;
  std::int64_t seconds = last_days_ * kSecondsPerDay + std::int64_t{hours} * 3600 + std::int64_t{minutes} * 60;
  std::int64_t fraction = 0;
  at += 6;
  if (at != end && *at == ':') {
    if (end - at < 3) return false;
    const unsigned second = two_digits(at + 1);
    if (second > 59) return false;
    seconds += second;
    at += 3;
    if (at != end && *at == '.') {
      const char* const point = at++;
      std::int64_t unit = 100'000;
      for (; at != end && is_digit(*at); ++at, unit /= 10) fraction += (*at - '0') * unit;
      const auto digits = at - point - 1;
      if (digits < 1 || digits > 9) return false;
    }
  }
  if (at == end) {
    seconds = local_to_utc(seconds);
  } else if (*at != 'Z' || at + 1 != end) {
    std::int64_t offset = 0;
    if (!read_zone({at, static_cast<std::size_t>(end - at)}, offset)) return false;
    seconds -= offset;
  }
  micros = seconds * kMicrosPerSecond + fraction;
  return micros >= kFirstMicros && micros <= kLastMicros;
}

bool TimestampReader::from_milliseconds(std::int64_t milliseconds, std::int64_t& micros) {
  if (milliseconds < kFirstMicros / 1000 || milliseconds > kLastMicros / 1000) return false;
  micros = milliseconds * 1000;
  return true;
}

std::int64_t TimestampReader::local_to_utc(std::int64_t local_seconds) {
  // Well inside of the span last used there is no other offset to think of.
  const std::int64_t utc = local_seconds - known_.offset;
  if (utc - kSecondsPerDay >= known_.from && utc + kSecondsPerDay < known_.until) return utc;
  known_ = zone_.span_at(local_seconds - kSecondsPerDay);
  return zone_.to_utc(local_seconds);
}

}  // namespace inlet::decode
