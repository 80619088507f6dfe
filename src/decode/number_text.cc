#include "decode/number_text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <string>

namespace inlet::decode {
namespace {

// A number's text taken apart: value = digits * 10^exponent, where `digits` are those of whole and fraction without
// the zeros in front and behind.
struct Scientific {
  std::string digits;
  std::int64_t exponent = 0;
  bool negative = false;
};

// Precondition: is_json_number(text). Exponents saturate far beyond anything that fits any type.
Scientific take_apart(std::string_view text) {
  constexpr std::int64_t kSaturated = 1'000'000'000'000;
  Scientific result;
  result.negative = text.front() == '-';
  if (result.negative) text.remove_prefix(1);
  const auto e = text.find_first_of("eE");
  if (e != std::string_view::npos) {
    std::string_view power = text.substr(e + 1);
    const bool down = power.front() == '-';
    if (down || power.front() == '+') power.remove_prefix(1);
    std::int64_t value = 0;
    for (const char c : power) value = std::min(kSaturated, value * 10 + (c - '0'));
    result.exponent = down ? -value : value;
    text = text.substr(0, e);
  }
  const auto point = text.find('.');
  if (point != std::string_view::npos) {
    result.exponent -= static_cast<std::int64_t>(text.size() - point - 1);
    result.digits = std::string(text.substr(0, point)).append(text.substr(point + 1));
  } else {
    result.digits = text;
  }
  while (!result.digits.empty() && result.digits.back() == '0') {
    result.digits.pop_back();
    ++result.exponent;
  }
  result.digits.erase(0, result.digits.find_first_not_of('0'));
  return result;
}

}  // namespace

NumberOutcome read_integer_slowly(std::string_view text, std::int64_t& out) {
  if (!is_json_number(text)) return NumberOutcome::kNotANumber;
  if (text.find_first_of(".eE") != std::string_view::npos) return NumberOutcome::kNotAnInteger;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() ? NumberOutcome::kOk : NumberOutcome::kOverflow;
}

Int128 power_of_ten(int exponent) {
  Int128 result = 1;
  for (int i = 0; i < exponent; ++i) result *= 10;
  return result;
}

NumberOutcome read_decimal_slowly(std::string_view text, int precision, int scale, Int128& out) {
  out = 0;
  if (!is_json_number(text)) return NumberOutcome::kNotANumber;
  const Scientific number = take_apart(text);
  if (number.digits.empty()) return NumberOutcome::kOk;
  const std::int64_t shift = number.exponent + scale;
  if (shift < 0 || static_cast<std::int64_t>(number.digits.size()) + shift > precision) return NumberOutcome::kOverflow;
  Int128 value = 0;
  for (const char c : number.digits) value = value * 10 + (c - '0');
  value *= power_of_ten(static_cast<int>(shift));
  out = number.negative ? -value : value;
  return NumberOutcome::kOk;
}

NumberOutcome read_double(std::string_view text, double& out) {
  if (!is_json_number(text)) return NumberOutcome::kNotANumber;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc()) {
    return std::abs(out) <= std::numeric_limits<double>::max() ? NumberOutcome::kOk : NumberOutcome::kOverflow;
  }
  // Out of range, on one side or the other: the place of the first digit says which.
  const Scientific number = take_apart(text);
  if (!number.digits.empty() && static_cast<std::int64_t>(number.digits.size()) + number.exponent > 0) {
    return NumberOutcome::kOverflow;
  }
  out = number.negative ? -0.0 : 0.0;
  return NumberOutcome::kOk;
}

bool is_not_finite_literal(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (text.size() > 8) return false;
  std::string folded;
  for (const char c : text) folded += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return folded == "nan" || folded == "inf" || folded == "infinity";
}

}  // namespace inlet::decode
