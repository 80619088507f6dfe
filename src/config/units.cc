#include "config/units.h"

#include <array>
#include <optional>
#include <span>

#include "base/letter_case.h"

namespace inlet::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t size;
};

// Largest first, as the texts made from them take the largest that divides.
constexpr std::array kDurationUnits{Unit{"d", 86'400'000'000}, Unit{"h", 3'600'000'000}, Unit{"m", 60'000'000},
                                    Unit{"s", 1'000'000},      Unit{"ms", 1'000},        Unit{"us", 1}};
constexpr std::array kByteUnits{Unit{"TiB", 1LL << 40},
                                Unit{"GiB", 1LL << 30},
                                Unit{"MiB", 1LL << 20},
                                Unit{"KiB", 1LL << 10},
                                Unit{"TB", 1'000'000'000'000},
                                Unit{"GB", 1'000'000'000},
                                Unit{"MB", 1'000'000},
                                Unit{"kB", 1'000},
                                Unit{"B", 1}};
// With at most six digits behind the point, fraction * unit cannot overflow.
constexpr std::size_t kMaxFractionDigits = 6;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Quantity {
  std::int64_t whole = 0;
  std::int64_t fraction = 0;        // of
  std::int64_t fraction_scale = 1;  // this
  std::string_view unit;            // may be empty
};

std::optional<Quantity> split(std::string_view text) {
  Quantity q;
  std::size_t i = 0;
  for (; i < text.size() && is_digit(text[i]); ++i) {
    if (__builtin_mul_overflow(q.whole, std::int64_t{10}, &q.whole) ||
        __builtin_add_overflow(q.whole, std::int64_t{text[i] - '0'}, &q.whole)) {
      return std::nullopt;
    }
  }
  if (i == 0) return std::nullopt;
  if (i < text.size() && text[i] == '.') {
    const std::size_t point = i++;
    for (; i < text.size() && is_digit(text[i]); ++i) {
      if (i - point > kMaxFractionDigits) return std::nullopt;
      q.fraction = q.fraction * 10 + (text[i] - '0');
      q.fraction_scale *= 10;
    }
    if (i == point + 1) return std::nullopt;
  }
  while (i < text.size() && text[i] == ' ') ++i;
  q.unit = text.substr(i);
  return q;
}

std::optional<std::int64_t> in_units_of(const Quantity& q, std::int64_t size) {
  std::int64_t total = 0;
  if (__builtin_mul_overflow(q.whole, size, &total)) return std::nullopt;
  if ((q.fraction * size) % q.fraction_scale != 0) return std::nullopt;
  if (__builtin_add_overflow(total, q.fraction * size / q.fraction_scale, &total)) return std::nullopt;
  return total;
}

std::optional<std::int64_t> parse_quantity(std::string_view text, std::span<const Unit> units,
                                           std::optional<std::int64_t> without_unit) {
  const auto q = split(text);
  if (!q) return std::nullopt;
  if (q->unit.empty()) return without_unit ? in_units_of(*q, *without_unit) : std::nullopt;
  for (const auto& unit : units) {
    if (equal_ignoring_case(unit.name, q->unit)) return in_units_of(*q, unit.size);
  }
  return std::nullopt;
}

std::string largest_exact(std::int64_t value, std::span<const Unit> units, std::string_view smallest) {
  if (value != 0) {
    for (const auto& unit : units) {
      if (value % unit.size == 0) return std::to_string(value / unit.size) + std::string(unit.name);
    }
  }
  return std::to_string(value) + std::string(smallest);
}

Status not_a_duration(std::string_view text, std::string_view example) {
  return Status(StatusCode::kInvalidArgument, "config.bad_duration", "\"" + std::string(text) + "\" is not a duration")
      .fix("write a number and its unit, such as " + std::string(example));
}

}  // namespace

Result<std::chrono::microseconds> parse_microseconds(std::string_view text) {
  const auto value = parse_quantity(text, kDurationUnits, std::nullopt);
  if (!value) return not_a_duration(text, "\"500us\", \"250ms\", \"20s\", \"10m\", \"1h\" or \"7d\"");
  return std::chrono::microseconds(*value);
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto value = parse_quantity(text, kDurationUnits, std::nullopt);
  if (!value || *value % 1000 != 0) return not_a_duration(text, "\"250ms\", \"20s\", \"10m\", \"1h\" or \"7d\"");
  return std::chrono::milliseconds(*value / 1000);
}

Result<std::int64_t> parse_bytes(std::string_view text) {
  const auto value = parse_quantity(text, kByteUnits, 1);
  if (!value) {
    return Status(StatusCode::kInvalidArgument, "config.bad_size", "\"" + std::string(text) + "\" is not a size")
        .fix("write a number of bytes and its unit, such as \"64KiB\", \"256MB\" or \"1GiB\"");
  }
  return *value;
}

std::string duration_text(std::chrono::microseconds duration) {
  return largest_exact(duration.count(), kDurationUnits, "s");
}

std::string bytes_text(std::int64_t bytes) {
  std::string shortest = std::to_string(bytes) + "B";
  for (const auto& unit : kByteUnits) {
    if (bytes == 0 || bytes % unit.size != 0) continue;
    auto text = std::to_string(bytes / unit.size) + std::string(unit.name);
    if (text.size() < shortest.size()) shortest = std::move(text);
  }
  return shortest;
}

}  // namespace inlet::config
