#include "query/moment.h"

#include <chrono>

#include "base/integer.h"
#include "lake/time_travel.h"

namespace inlet::query {
namespace {

// Takes exactly `digits` digits off the front.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, "-")) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take(text, "-")) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  return date.ok() ? std::optional(std::chrono::sys_days(date)) : std::nullopt;
}

// ".5", ".678", of at most six digits.
std::optional<std::chrono::microseconds> take_fraction(std::string_view& text) {
  if (!take(text, ".")) return std::chrono::microseconds(0);
  std::int64_t micros = 0;
  int digits = 0;
  while (digits < 6 && !text.empty() && text.front() >= '0' && text.front() <= '9') {
    micros = micros * 10 + (text.front() - '0');
    text.remove_prefix(1);
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 6; ++digits) micros *= 10;
  return std::chrono::microseconds(micros);
}

std::optional<std::chrono::microseconds> take_time(std::string_view& text) {
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take(text, ":")) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  std::chrono::microseconds time = std::chrono::hours(*hour) + std::chrono::minutes(*minute);
  if (!take(text, ":")) return time;
  const auto second = take_number(text, 2);
  if (!second || *second > 59) return std::nullopt;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  return time + std::chrono::seconds(*second) + *fraction;
}

// What local time is ahead of UTC.
std::optional<std::chrono::minutes> take_zone(std::string_view& text) {
  if (text.empty() || take(text, "Zz")) return std::chrono::minutes(0);
  const bool is_behind = text.front() == '-';
  if (!take(text, "+-")) return std::nullopt;
  const auto hours = take_number(text, 2);
  if (!hours || *hours > 18) return std::nullopt;
  take(text, ":");
  const auto minutes = text.empty() ? std::optional(0) : take_number(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  const std::chrono::minutes ahead = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return is_behind ? -ahead : ahead;
}

std::optional<Timestamp> parse_instant(std::string_view text) {
  const auto date = take_date(text);
  if (!date) return std::nullopt;
  if (text.empty()) return Timestamp(*date);
  if (!take(text, "T t")) return std::nullopt;
  const auto time = take_time(text);
  if (!time) return std::nullopt;
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  return Timestamp(*date) + *time - *zone;
}

std::optional<TableVersion> parse_version(std::string_view text) {
  if (text.starts_with('v') || text.starts_with('V')) text.remove_prefix(1);
  const auto value = parse_integer(text);
  return value && *value >= 0 ? std::optional(TableVersion{*value}) : std::nullopt;
}

}  // namespace

Result<Moment> parse_moment(std::string_view text) {
  if (const auto version = parse_version(text)) return Moment(*version);
  if (const auto instant = parse_instant(text)) return Moment(*instant);
  return Status(StatusCode::kInvalidArgument, "query.bad_moment",
                "\"" + std::string(text) + "\" is neither a version nor a time")
      .fix("write a version as 12, a time as 2026-11-22 or 2026-11-22T10:00 (UTC) or 2026-11-22T10:00:00+01:00");
}

std::string moment_text(const Moment& moment) {
  if (const auto* version = std::get_if<TableVersion>(&moment)) return "version " + std::to_string(version->value);
  return iso_time(std::get<Timestamp>(moment));
}

Result<TableVersion> version_of(lake::Table& table, const Moment& moment) {
  if (const auto* version = std::get_if<TableVersion>(&moment)) return *version;
  return lake::version_at(table, std::get<Timestamp>(moment));
}

Result<AtOption> parse_at_option(std::string_view text) {
  // No moment has a '=', a table's name might.
  const auto equals = text.rfind('=');
  if (equals != std::string_view::npos) {
    INLET_ASSIGN_OR_RETURN(auto moment, parse_moment(text.substr(equals + 1)));
    return AtOption{std::string(text.substr(0, equals)), moment};
  }
  INLET_ASSIGN_OR_RETURN(auto moment, parse_moment(text));
  if (std::holds_alternative<TableVersion>(moment)) {
    return Status(StatusCode::kInvalidArgument, "query.bad_moment",
                  "a version belongs to a table: which one is not said")
        .at("--at " + std::string(text))
        .fix("write for example --at bronze/ventes_stream=" + std::string(text));
  }
  return AtOption{{}, moment};
}

std::optional<NameAtMoment> split_name(std::string_view name) {
  const auto at = name.rfind('@');
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  const auto moment = parse_moment(name.substr(at + 1));
  if (!moment.is_ok()) return std::nullopt;
  return NameAtMoment{std::string(name.substr(0, at)), *moment};
}

}  // namespace inlet::query
