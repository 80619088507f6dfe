// Logging: one line an event, on stderr, never a secret. The only include of spdlog.
//   log::info("kafka", "broker {} is back after {} s", broker, seconds);
// Thread safe.
#pragma once

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <string_view>
#include <utility>

namespace inlet::log {

enum class Format { kHuman, kJson };

/// Once, at the start of the program. kJson: one object a line {"ts":…,"level":…,"stage":…,"message":…}.
void configure(Format format, spdlog::level::level_enum level);
Format format();

void write(spdlog::level::level_enum level, std::string_view stage, std::string_view message);

template <class... Args>
void debug(std::string_view stage, fmt::format_string<Args...> text, Args&&... args) {
  write(spdlog::level::debug, stage, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void info(std::string_view stage, fmt::format_string<Args...> text, Args&&... args) {
  write(spdlog::level::info, stage, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void warn(std::string_view stage, fmt::format_string<Args...> text, Args&&... args) {
  write(spdlog::level::warn, stage, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void error(std::string_view stage, fmt::format_string<Args...> text, Args&&... args) {
  write(spdlog::level::err, stage, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace inlet::log
