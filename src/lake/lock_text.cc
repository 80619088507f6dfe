#include "lake/lock_text.h"

#include <array>
#include <chrono>
#include <ctime>

#include "base/host_name.h"

namespace inlet::lake {

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(Clock::system().now()));
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), length};
}

std::string holder_host() {
  auto name = host_name();
  return name.empty() ? "unknown" : name;
}

std::optional<Timestamp> parse_utc(const std::string& text) {
  std::tm parts{};
  if (::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) == nullptr) return std::nullopt;
  return Timestamp(std::chrono::seconds(::timegm(&parts)));
}

}  // namespace inlet::lake
