#include "lake/file_statistics.h"

#include <algorithm>
#include <cctype>

#include "base/json.h"
#include "duck/value_text.h"

namespace inlet::lake {
namespace {

constexpr std::size_t kLongestString = 32;

enum class Bound { kMin, kMax };

// "2026-01-01 00:00:00.123456+00" → "2026-01-01T00:00:00.123Z", one millisecond up where a maximum lost digits.
std::optional<std::string> timestamp_bound(std::string_view text, Bound bound) {
  if (text.size() < 19 || text[10] != ' ') return std::nullopt;  // infinity, years beyond 9999
  const auto zone = text.find('+', 19);
  if (zone == std::string_view::npos) return std::nullopt;
  std::string fraction(zone > 20 ? text.substr(20, zone - 20) : std::string_view());
  fraction.resize(6, '0');
  auto milliseconds = std::stoi(fraction.substr(0, 3));
  const bool lost_digits = fraction.substr(3) != "000";
  if (bound == Bound::kMax && lost_digits) {
    if (milliseconds == 999) return std::nullopt;  // would carry into the seconds: no bound is better than a wrong one
    milliseconds += 1;
  }
  std::string digits = std::to_string(milliseconds);
  return std::string(text.substr(0, 10)) + "T" + std::string(text.substr(11, 8)) + "." +
         std::string(3 - digits.size(), '0') + digits + "Z";
}

std::optional<std::string> string_bound(std::string_view text, Bound bound) {
  if (text.size() <= kLongestString) return std::string(text);
  if (bound == Bound::kMax) return std::nullopt;
  std::size_t cut = kLongestString;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) --cut;
  return std::string(text.substr(0, cut));
}

bool is_plain_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0 || c == '-' || c == '.'; });
}

// The bound as a JSON text; nullopt leaves it out.
std::optional<std::string> bound_json(const ColumnType& type, const std::string& text, Bound bound) {
  switch (type.kind) {
    case TypeKind::kBigint:
    case TypeKind::kInt:
    case TypeKind::kDecimal:
    case TypeKind::kDouble:
      if (!is_plain_number(text)) return std::nullopt;  // nan, inf, an exponent
      return duck::with_digit_before_the_point(text);
    case TypeKind::kDate: return dump_json(text);
    case TypeKind::kTimestamp:
      if (const auto instant = timestamp_bound(text, bound)) return dump_json(*instant);
      return std::nullopt;
    case TypeKind::kVarchar:
      if (const auto cut = string_bound(text, bound)) return dump_json(*cut);
      return std::nullopt;
    case TypeKind::kBoolean: return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::string statistics_json(const duck::WrittenFile& file, const Schema& schema) {
  // Written by hand: decimals are JSON numbers of up to 38 digits, which no double may touch.
  std::string minimums;
  std::string maximums;
  std::string null_counts;
  const auto append = [](std::string& object, const std::string& column, const std::string& value) {
    object += (object.empty() ? "" : ",") + dump_json(column) + ":" + value;
  };
  for (const auto& statistics : file.statistics) {
    const auto column = std::find_if(schema.columns.begin(), schema.columns.end(),
                                     [&](const Column& c) { return c.name == statistics.column; });
    if (column == schema.columns.end()) continue;
    if (statistics.null_count) append(null_counts, column->name, std::to_string(*statistics.null_count));
    if (statistics.min) {
      if (const auto bound = bound_json(column->type, *statistics.min, Bound::kMin))
        append(minimums, column->name, *bound);
    }
    if (statistics.max) {
      if (const auto bound = bound_json(column->type, *statistics.max, Bound::kMax))
        append(maximums, column->name, *bound);
    }
  }
  return "{\"numRecords\":" + std::to_string(file.rows) + ",\"minValues\":{" + minimums + "},\"maxValues\":{" +
         maximums + "},\"nullCount\":{" + null_counts + "}}";
}

std::string partition_value(const ColumnType& type, std::string text) {
  if (type.kind == TypeKind::kDecimal) return duck::with_digit_before_the_point(std::move(text));
  if (type.kind != TypeKind::kTimestamp || text.size() < 22 || text[10] != ' ' || !text.ends_with("+00")) return text;
  text.resize(text.size() - 3);
  text[10] = 'T';
  if (text.size() == 19) text += '.';
  text.resize(26, '0');
  return text + 'Z';
}

std::optional<std::int64_t> recorded_rows(const LiveFile& file) {
  const auto statistics = parse_json(file.statistics_json);
  if (!statistics || !statistics->is_object()) return std::nullopt;
  const auto rows = statistics->find("numRecords");
  if (rows == statistics->end() || !rows->is_number_integer()) return std::nullopt;
  return rows->get<std::int64_t>();
}

std::optional<std::int64_t> recorded_rows(const std::vector<LiveFile>& files) {
  std::int64_t sum = 0;
  for (const auto& file : files) {
    const auto rows = recorded_rows(file);
    if (!rows) return std::nullopt;
    sum += *rows;
  }
  return sum;
}

AddFile add_file(const duck::WrittenFile& file, const std::string& directory, const Schema& schema,
                 std::int64_t modified_ms) {
  AddFile add;
  add.path = file.path.substr(directory.size() + 1);
  add.bytes = file.bytes;
  add.modified_ms = modified_ms;
  add.rows = file.rows;
  for (const auto& [name, value] : file.partition_values) {
    const auto column =
        std::find_if(schema.columns.begin(), schema.columns.end(), [&](const Column& c) { return c.name == name; });
    add.partition_values[name] =
        value && column != schema.columns.end() ? std::optional(partition_value(column->type, *value)) : value;
  }
  add.statistics_json = statistics_json(file, schema);
  return add;
}

}  // namespace inlet::lake
