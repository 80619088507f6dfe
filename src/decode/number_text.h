// Numbers from their text, never through a double unless the column is one.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "decode/json_text.h"

namespace inlet::decode {

using Int128 = __int128;

enum class NumberOutcome {
  kOk,
  kNotANumber,   // not a number of RFC 8259
  kNotAnInteger  // has a fraction or an exponent
  ,
  kOverflow,  // does not fit, digits beyond a decimal's scale included
};

/// `text`: a whole JSON number. "-0" is 0; "1.0" and "1e2" are kNotAnInteger.
NumberOutcome read_integer_slowly(std::string_view text, std::int64_t& out);

inline NumberOutcome read_integer(std::string_view text, std::int64_t& out) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const bool negative = at != end && *at == '-';
  at += negative;
  const char* const first = at;
  std::uint64_t value = 0;
  while (at != end && is_digit(*at)) value = value * 10 + static_cast<std::uint64_t>(*at++ - '0');
  const auto digits = at - first;
  if (at != end || digits == 0 || digits > 18 || (digits > 1 && *first == '0')) [[unlikely]] {
    return read_integer_slowly(text, out);
  }
  out = negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
  return NumberOutcome::kOk;
}

/// 10^exponent, 0 <= exponent <= 38.
Int128 power_of_ten(int exponent);

inline constexpr std::int64_t kPowersOfTen[] = {1LL,
                                                10LL,
                                                100LL,
                                                1'000LL,
                                                10'000LL,
                                                100'000LL,
                                                1'000'000LL,
                                                10'000'000LL,
                                                100'000'000LL,
                                                1'000'000'000LL,
                                                10'000'000'000LL,
                                                100'000'000'000LL,
                                                1'000'000'000'000LL,
                                                10'000'000'000'000LL,
                                                100'000'000'000'000LL,
                                                1'000'000'000'000'000LL,
                                                10'000'000'000'000'000LL,
                                                100'000'000'000'000'000LL,
                                                1'000'000'000'000'000'000LL};

/// The exact value of `text` in units of 10^-scale. kOverflow: more than `precision` digits, or digits other than zero
/// beyond the scale. Exponents are exact too: "1.25e2" is 125.
NumberOutcome read_decimal_slowly(std::string_view text, int precision, int scale, Int128& out);

/// The same for precision <= 18.
inline NumberOutcome read_short_decimal(std::string_view text, int precision, int scale, std::int64_t& out) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const bool negative = at != end && *at == '-';
  at += negative;
  const char* const first = at;
  std::uint64_t value = 0;
  while (at != end && is_digit(*at)) value = value * 10 + static_cast<std::uint64_t>(*at++ - '0');
  const auto whole = at - first;
  std::ptrdiff_t fraction = 0;
  if (at != end && *at == '.') {
    const char* const point = at++;
    while (at != end && is_digit(*at)) value = value * 10 + static_cast<std::uint64_t>(*at++ - '0');
    fraction = at - point - 1;
    if (fraction == 0) return NumberOutcome::kNotANumber;
  }
  const auto shift = scale - fraction;
  const bool plain = at == end && whole > 0 && (whole == 1 || *first != '0');
  if (!plain || shift < 0 || whole + fraction + shift > 18) [[unlikely]] {
    Int128 wide = 0;
    const auto outcome = read_decimal_slowly(text, precision, scale, wide);
    out = static_cast<std::int64_t>(wide);
    return outcome;
  }
  const std::int64_t units = static_cast<std::int64_t>(value) * kPowersOfTen[shift];
  if (units >= kPowersOfTen[precision]) return NumberOutcome::kOverflow;
  out = negative ? -units : units;
  return NumberOutcome::kOk;
}

/// The nearest double. kOverflow: its magnitude is beyond the largest double. Too small ones are (signed) zero or
/// subnormal.
NumberOutcome read_double(std::string_view text, double& out);

/// NaN, Infinity, -Infinity and the spellings of other languages: no JSON, but what many producers write.
bool is_not_finite_literal(std::string_view text);

}  // namespace inlet::decode
