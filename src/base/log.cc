#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <atomic>
#include <memory>

#include "base/json.h"

namespace inlet::log {
namespace {

std::atomic<Format> format_in_use{Format::kHuman};

spdlog::logger& logger() {
  static const auto instance = [] {
    auto created = std::make_shared<spdlog::logger>("inlet", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    created->set_pattern("%H:%M:%S.%e %^%l%$ %v");
    return created;
  }();
  return *instance;
}

}  // namespace

void configure(Format format, spdlog::level::level_enum level) {
  format_in_use = format;
  logger().set_level(level);
  logger().set_pattern(
      format == Format::kHuman ? "%H:%M:%S.%e %^%l%$ %v" : R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})",
      format == Format::kHuman ? spdlog::pattern_time_type::local : spdlog::pattern_time_type::utc);
}

Format format() { return format_in_use; }

void write(spdlog::level::level_enum level, std::string_view stage, std::string_view message) {
  if (!logger().should_log(level)) return;
  if (format_in_use == Format::kHuman) {
    logger().log(level, "{}: {}", stage, message);
  } else {
    logger().log(level, R"("stage":{},"message":{})", dump_json(stage), dump_json(message));
  }
}

}  // namespace inlet::log
