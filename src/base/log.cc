#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "base/json.h"
#include "base/log_file.h"

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

struct Kept {
  std::mutex mutex;
  std::shared_ptr<LogFile> file;
};

Kept& kept() {
  static Kept instance;
  return instance;
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
  record(level, stage, message);
  if (format_in_use == Format::kHuman) {
    logger().log(level, "{}: {}", stage, message);
  } else {
    logger().log(level, R"("stage":{},"message":{})", dump_json(stage), dump_json(message));
  }
}

KeptInFile::KeptInFile(const std::string& path) : file_(std::make_shared<LogFile>(path)) {
  const std::lock_guard lock(kept().mutex);
  kept().file = file_;
}

KeptInFile::~KeptInFile() {
  const std::lock_guard lock(kept().mutex);
  kept().file.reset();
}

Status KeptInFile::check() { return file_->check(); }

void record(spdlog::level::level_enum level, std::string_view stage, std::string_view message) {
  std::shared_ptr<LogFile> file;
  {
    const std::lock_guard lock(kept().mutex);
    file = kept().file;
  }
  if (!file) return;
  const auto name = spdlog::level::to_string_view(level);
  file->write(dump_json(
      Json{{"ts", iso_time(std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()))},
           {"level", std::string(name.data(), name.size())},
           {"pid", ::getpid()},
           {"stage", stage},
           {"message", message}}));
}

}  // namespace inlet::log
