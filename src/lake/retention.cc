#include "lake/retention.h"

#include <array>
#include <sstream>
#include <utility>

#include "base/integer.h"
#include "base/letter_case.h"

namespace inlet::lake {
namespace {

constexpr std::chrono::milliseconds kForEver = std::chrono::hours(24 * 365 * 100);

std::optional<std::chrono::milliseconds> unit(std::string name) {
  if (name.ends_with('s')) name.pop_back();
  constexpr std::array<std::pair<const char*, std::chrono::milliseconds>, 6> kUnits{{
      {"week", std::chrono::hours(24 * 7)},
      {"day", std::chrono::hours(24)},
      {"hour", std::chrono::hours(1)},
      {"minute", std::chrono::minutes(1)},
      {"second", std::chrono::seconds(1)},
      {"millisecond", std::chrono::milliseconds(1)},
  }};
  for (const auto& [known, length] : kUnits) {
    if (name == known) return length;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_interval(std::string_view text) {
  std::istringstream words(lower_case(std::string(text)));
  std::string word;
  std::chrono::milliseconds sum{0};
  bool is_any = false;
  words >> word;
  if (word == "interval" && !(words >> word)) return std::nullopt;
  do {
    const auto count = parse_integer(word);
    if (!count || *count < 0 || *count > 1'000'000'000) return std::nullopt;
    if (!(words >> word)) return std::nullopt;
    const auto length = unit(word);
    if (!length) return std::nullopt;
    sum += *length * *count;
    is_any = true;
  } while (words >> word);
  return is_any ? std::optional(sum) : std::nullopt;
}

std::chrono::milliseconds deleted_file_retention(const Properties& properties) {
  const auto found = properties.find("delta.deletedFileRetentionDuration");
  if (found == properties.end()) return std::chrono::hours(24 * 7);
  return parse_interval(found->second).value_or(kForEver);
}

std::optional<std::chrono::milliseconds> log_retention(const Properties& properties) {
  const auto enabled = properties.find("delta.enableExpiredLogCleanup");
  if (enabled != properties.end() && lower_case(enabled->second) == "false") return std::nullopt;
  const auto found = properties.find("delta.logRetentionDuration");
  if (found == properties.end()) return std::chrono::hours(24 * 30);
  return parse_interval(found->second);
}

}  // namespace inlet::lake
