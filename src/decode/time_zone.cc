#include "decode/time_zone.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <system_error>
#include <vector>

#include "decode/calendar.h"

namespace inlet::decode {
namespace {

constexpr std::int64_t kBeginningOfTime = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kEndOfTime = std::numeric_limits<std::int64_t>::max();

// From `at` on, `offset` holds.
struct Transition {
  std::int64_t at;
  std::int32_t offset;
};

// One side of a POSIX TZ rule: the day of the year on which clocks change, and the second of that day (wall clock
// before the change; may be negative or beyond a day).
struct YearlyChange {
  enum class Day { kMonthWeekDay, kJulianWithoutLeapDay, kZeroBased };
  Day kind = Day::kMonthWeekDay;
  int month = 0;
  int week = 0;
  int day = 0;
  std::int64_t seconds = 2 * 3600;

  std::int64_t local_seconds(std::int64_t year) const {
    std::int64_t days = days_from_civil(year, 1, 1);
    switch (kind) {
      case Day::kZeroBased: days += day; break;
      case Day::kJulianWithoutLeapDay: days += day - 1 + (is_leap_year(year) && day >= 60 ? 1 : 0); break;
      case Day::kMonthWeekDay: {
        const std::int64_t first = days_from_civil(year, month, 1);
        const std::int64_t weekday = ((first + 4) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
        std::int64_t in_month = (day - weekday + 7) % 7 + (week - 1) * 7;
        if (in_month >= days_in_month(year, month)) in_month -= 7;  // week 5: the last one
        days = first + in_month;
        break;
      }
    }
    return days * kSecondsPerDay + seconds;
  }
};

struct PosixRule {
  std::int32_t standard = 0;
  std::int32_t daylight = 0;
  bool has_daylight = false;
  YearlyChange to_daylight;
  YearlyChange to_standard;
};

// "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX.1-2017 8.3, with RFC 8536's hours of -167 to 167).
class PosixRuleReader {
 public:
  explicit PosixRuleReader(std::string_view text) : rest_(text) {}

  std::optional<PosixRule> read() {
    PosixRule rule;
    std::int64_t west = 0;
    if (!skip_name() || !read_time(west)) return std::nullopt;
    rule.standard = static_cast<std::int32_t>(-west);
    if (rest_.empty()) return rule;
    if (!skip_name()) return std::nullopt;
    rule.has_daylight = true;
    rule.daylight = rule.standard + 3600;
    if (!rest_.empty() && rest_.front() != ',') {
      if (!read_time(west)) return std::nullopt;
      rule.daylight = static_cast<std::int32_t>(-west);
    }
    if (!read_change(rule.to_daylight) || !read_change(rule.to_standard) || !rest_.empty()) return std::nullopt;
    return rule;
  }

 private:
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool skip_name() {
    if (take('<')) {
      const auto close = rest_.find('>');
      if (close == std::string_view::npos) return false;
      rest_.remove_prefix(close + 1);
      return true;
    }
    std::size_t letters = 0;
    while (letters < rest_.size() && ((rest_[letters] | 0x20) >= 'a' && (rest_[letters] | 0x20) <= 'z')) ++letters;
    rest_.remove_prefix(letters);
    return letters >= 3;
  }

  bool read_number(int& out, int largest) {
    out = 0;
    std::size_t digits = 0;
    while (digits < rest_.size() && digits < 4 && rest_[digits] >= '0' && rest_[digits] <= '9') {
      out = out * 10 + (rest_[digits++] - '0');
    }
    rest_.remove_prefix(digits);
    return digits > 0 && out <= largest;
  }

  // [+-]hh[:mm[:ss]]
  bool read_time(std::int64_t& seconds) {
    const bool negative = take('-');
    if (!negative) take('+');
    int hours = 0;
    int minutes = 0;
    int rest = 0;
    if (!read_number(hours, 167)) return false;
    if (take(':') && !read_number(minutes, 59)) return false;
    if (take(':') && !read_number(rest, 59)) return false;
    seconds = hours * 3600LL + minutes * 60LL + rest;
    if (negative) seconds = -seconds;
    return true;
  }

  bool read_change(YearlyChange& change) {
    if (!take(',')) return false;
    if (take('M')) {
      change.kind = YearlyChange::Day::kMonthWeekDay;
      if (!read_number(change.month, 12) || !take('.') || !read_number(change.week, 5) || !take('.') ||
          !read_number(change.day, 6) || change.month < 1 || change.week < 1) {
        return false;
      }
    } else if (take('J')) {
      change.kind = YearlyChange::Day::kJulianWithoutLeapDay;
      if (!read_number(change.day, 365) || change.day < 1) return false;
    } else {
      change.kind = YearlyChange::Day::kZeroBased;
      if (!read_number(change.day, 365)) return false;
    }
    return !take('/') || read_time(change.seconds);
  }

  std::string_view rest_;
};

// Big-endian fields of a TZif file; reading beyond the end makes it bad, once and for all.
class TzifReader {
 public:
  explicit TzifReader(std::string_view bytes) : rest_(bytes) {}

  std::string_view take(std::size_t count) {
    if (count > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::int64_t signed_integer(std::size_t width) {
    const auto taken = take(width);
    if (taken.empty()) return 0;
    std::uint64_t value = (taken.front() & 0x80) != 0 ? ~0ULL : 0;
    for (const char c : taken) value = value << 8 | static_cast<unsigned char>(c);
    return static_cast<std::int64_t>(value);
  }
  bool good() const { return good_; }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

struct TzifCounts {
  std::size_t is_ut, is_standard, leap, time, type, characters;

  std::size_t body_bytes(std::size_t time_width) const {
    return time * time_width + time + type * 6 + characters + leap * (time_width + 4) + is_standard + is_ut;
  }
};

std::optional<TzifCounts> read_header(TzifReader& reader, char& version) {
  if (reader.take(4) != "TZif") return std::nullopt;
  const auto head = reader.take(16);
  if (head.empty()) return std::nullopt;
  version = head.front();
  TzifCounts counts{};
  for (auto* count :
       {&counts.is_ut, &counts.is_standard, &counts.leap, &counts.time, &counts.type, &counts.characters}) {
    const auto value = reader.signed_integer(4);
    if (value < 0) return std::nullopt;
    *count = static_cast<std::size_t>(value);
  }
  if (!reader.good() || counts.type == 0) return std::nullopt;
  return counts;
}

bool is_zone_name(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    const char folded = static_cast<char>(c | 0x20);
    return (folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '_' || c == '-' || c == '+';
  });
}

}  // namespace

struct TimeZone::Rules {
  std::vector<Transition> transitions;  // ascending; the first is at the beginning of time
  std::optional<PosixRule> afterwards;

  // Of the years around `utc_seconds`, by the rule of the footer.
  Span span_by_rule(std::int64_t utc_seconds) const {
    const Transition& last = transitions.back();
    if (!afterwards->has_daylight) return {last.at, kEndOfTime, afterwards->standard};
    const std::int64_t year = civil_from_days(floor_divide(utc_seconds, kSecondsPerDay)).year;
    std::array<Transition, 6> changes{};
    std::size_t count = 0;
    for (std::int64_t y = year - 1; y <= year + 1; ++y) {
      changes[count++] = {afterwards->to_daylight.local_seconds(y) - afterwards->standard, afterwards->daylight};
      changes[count++] = {afterwards->to_standard.local_seconds(y) - afterwards->daylight, afterwards->standard};
    }
    std::sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
    for (std::size_t i = 0; i + 1 < count; ++i) {
      if (changes[i].at <= utc_seconds && utc_seconds < changes[i + 1].at) {
        return {std::max(changes[i].at, last.at), changes[i + 1].at, changes[i].offset};
      }
    }
    return {last.at, kEndOfTime, last.offset};  // not reached: three years hold the instant
  }
};

TimeZone::TimeZone() = default;

Result<TimeZone> TimeZone::load(std::string_view name, const std::string& directory) {
  TimeZone zone;
  if (name == "UTC" || name == "Z" || name == "Etc/UTC") return zone;
  const auto unusable = [&](std::string why) {
    return Status(StatusCode::kInvalidArgument, "decode.bad_timezone",
                  "\"" + std::string(name) + "\" is not a time zone that can be used")
        .because(std::move(why))
        .fix("name a zone of the tz database, \"Europe/Paris\", or install the system's tzdata package");
  };
  if (!is_zone_name(name)) return unusable("it is not the name of a zone");
  const std::string path = directory + "/" + std::string(name);
  std::error_code ignored;  // opening a directory succeeds, and reading it throws
  std::ifstream file(path, std::ios::binary);
  if (!file || !std::filesystem::is_regular_file(path, ignored)) return unusable(path + " cannot be read");
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};

  TzifReader reader(bytes);
  char version = 0;
  auto counts = read_header(reader, version);
  if (!counts) return unusable(path + " is not a TZif file");
  if (version < '2') return unusable(path + " is of the first TZif version, without 64-bit times");
  reader.take(counts->body_bytes(4));
  counts = read_header(reader, version);
  if (!counts) return unusable(path + " is not a TZif file");
  if (counts->leap > 0) return unusable(path + " counts leap seconds");

  TzifReader body(reader.take(counts->body_bytes(8)));
  std::vector<std::int64_t> times(std::min(counts->time, bytes.size()));
  for (auto& time : times) time = body.signed_integer(8);
  const std::string_view types = body.take(counts->time);
  std::vector<std::int32_t> offsets;
  for (std::size_t i = 0; i < counts->type && body.good(); ++i) {
    offsets.push_back(static_cast<std::int32_t>(body.signed_integer(4)));
    body.take(2);
  }
  if (!reader.good() || !body.good()) return unusable(path + " is cut short");
  auto rules = std::make_shared<Rules>();
  rules->transitions.push_back({kBeginningOfTime, offsets.front()});
  for (std::size_t i = 0; i < times.size(); ++i) {
    const auto type = static_cast<unsigned char>(types[i]);
    if (type >= offsets.size() || times[i] < rules->transitions.back().at) return unusable(path + " is damaged");
    rules->transitions.push_back({times[i], offsets[type]});
  }
  const std::string_view footer = reader.rest();
  if (footer.size() > 2 && footer.front() == '\n' && footer.back() == '\n') {
    rules->afterwards = PosixRuleReader(footer.substr(1, footer.size() - 2)).read();
    if (!rules->afterwards) return unusable(path + " ends in a rule that is not understood");
  }
  zone.rules_ = std::move(rules);
  return zone;
}

TimeZone::Span TimeZone::span_at(std::int64_t utc_seconds) const {
  if (!rules_) return {kBeginningOfTime, kEndOfTime, 0};
  const auto& transitions = rules_->transitions;
  const auto after = std::upper_bound(transitions.begin(), transitions.end(), utc_seconds,
                                      [](std::int64_t time, const Transition& t) { return time < t.at; });
  if (after == transitions.end() && rules_->afterwards) return rules_->span_by_rule(utc_seconds);
  const Transition& current = *std::prev(after);
  return {current.at, after == transitions.end() ? kEndOfTime : after->at, current.offset};
}

std::int64_t TimeZone::to_utc(std::int64_t local_seconds) const {
  // No offset is beyond a day, so these instants are before and after the one looked for, whatever it is.
  const Span before = span_at(local_seconds - kSecondsPerDay);
  const std::int64_t by_before = local_seconds - before.offset;
  if (by_before < before.until) return by_before;
  const Span after = span_at(local_seconds + kSecondsPerDay);
  const std::int64_t by_after = local_seconds - after.offset;
  if (span_at(by_after).offset == after.offset && by_after >= after.from) return by_after;
  return by_before;  // inside the gap: the offset before it carries the time over
}

}  // namespace inlet::decode
