// Writing numbers, instants and padded text into a flat buffer: what a generated event is made of.
//
// Every function writes at `out` and returns the end of what it wrote. append_padded() copies whole blocks: the source
// must be readable, and the destination writable, kCopySlack bytes beyond the end.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace inlet::source::text {

inline constexpr std::size_t kCopySlack = 32;

/// A copy without the call and the length switch of memcpy: fragments of events are a few dozen bytes.
inline char* append_padded(char* out, const char* from, std::size_t size) {
  char* const end = out + size;
  do {
    std::memcpy(out, from, kCopySlack);
    out += kCopySlack;
    from += kCopySlack;
  } while (out < end);
  return end;
}

inline constexpr std::array<char, 200> kDigitPairs = [] {
  std::array<char, 200> pairs{};
  for (std::size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

inline constexpr std::array<std::uint64_t, 20> kPowersOfTen = [] {
  std::array<std::uint64_t, 20> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

inline void write_pair(char* out, std::uint64_t below_100) { std::memcpy(out, &kDigitPairs[2 * below_100], 2); }

/// Exactly `digits` digits, zeros in front.
inline char* write_fixed(char* out, std::uint64_t value, int digits) {
  char* at = out + digits;
  while (at - out >= 2) {
    at -= 2;
    write_pair(at, value % 100);
    value /= 100;
  }
  if (at != out) *out = static_cast<char>('0' + value % 10);
  return out + digits;
}

inline int decimal_digits(std::uint64_t value) {
  // floor(bits * log10(2)) is right or one too low.
  const int guess = (64 - std::countl_zero(value | 1)) * 1233 >> 12;
  return guess + (value >= kPowersOfTen[static_cast<std::size_t>(guess)] ? 1 : 0) + (value == 0 ? 1 : 0);
}

inline char* write_unsigned(char* out, std::uint64_t value) { return write_fixed(out, value, decimal_digits(value)); }

/// At most 20 bytes.
inline char* write_integer(char* out, std::int64_t value) {
  auto magnitude = static_cast<std::uint64_t>(value);
  if (value < 0) {
    *out++ = '-';
    magnitude = 0 - magnitude;
  }
  return write_unsigned(out, magnitude);
}

/// `value` in units of 10^-scale; 0 <= scale <= 18. At most 22 bytes.
inline char* write_decimal(char* out, std::int64_t value, int scale) {
  if (scale == 0) return write_integer(out, value);
  auto magnitude = static_cast<std::uint64_t>(value);
  if (value < 0) {
    *out++ = '-';
    magnitude = 0 - magnitude;
  }
  const std::uint64_t unit = kPowersOfTen[static_cast<std::size_t>(scale)];
  out = write_unsigned(out, magnitude / unit);
  *out++ = '.';
  return write_fixed(out, magnitude % unit, scale);
}

/// "2026-01-01T00:00:00.000Z", 24 bytes. Keeps the part up to the second, which seldom changes. Years 0 to 9999.
/// Not thread safe.
class InstantWriter {
 public:
  static constexpr std::size_t kSize = 24;

  char* write(char* out, std::int64_t milliseconds) {
    std::int64_t second = milliseconds / 1000;
    auto rest = milliseconds % 1000;
    if (rest < 0) {
      rest += 1000;
      --second;
    }
    if (second != second_) set_second(second);
    std::memcpy(out, prefix_.data(), prefix_.size());
    write_fixed(out + prefix_.size(), static_cast<std::uint64_t>(rest), 3);
    out[kSize - 1] = 'Z';
    return out + kSize;
  }

 private:
  void set_second(std::int64_t second) {
    second_ = second;
    const auto day = std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds(std::chrono::seconds(second)));
    if (day != day_) {
      day_ = day;
      const std::chrono::year_month_day date(day);
      write_fixed(prefix_.data(), static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
      write_pair(prefix_.data() + 5, static_cast<unsigned>(date.month()));
      write_pair(prefix_.data() + 8, static_cast<unsigned>(date.day()));
    }
    const auto of_day = static_cast<std::uint64_t>(second - day.time_since_epoch().count() * 86'400LL);
    write_pair(prefix_.data() + 11, of_day / 3600);
    write_pair(prefix_.data() + 14, of_day / 60 % 60);
    write_pair(prefix_.data() + 17, of_day % 60);
  }

  std::array<char, 20> prefix_{'1', '9', '7', '0', '-', '0', '1', '-', '0', '1',
                               'T', '0', '0', ':', '0', '0', ':', '0', '0', '.'};
  std::int64_t second_ = 0;
  std::chrono::sys_days day_{};
};

}  // namespace inlet::source::text
