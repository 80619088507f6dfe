// Logging: one line an event, on stderr and where asked for in a file too, never a secret. The only include of spdlog.
//   log::info("kafka", "broker {} is back after {} s", broker, seconds);
// Thread safe.
#pragma once

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace inlet::log {

enum class Format { kHuman, kJson };

/// Once, at the start of the program. kJson: one object a line {"ts":…,"level":…,"stage":…,"message":…}.
void configure(Format format, spdlog::level::level_enum level);

/// What was configured: whoever else writes to stderr keeps to it.
Format format();

void write(spdlog::level::level_enum level, std::string_view stage, std::string_view message);

class LogFile;

/// While it lives, every line that goes to stderr is in the file too, as JSON with the process's id. One at a time.
class KeptInFile {
 public:
  explicit KeptInFile(const std::string& path);
  ~KeptInFile();
  KeptInFile(const KeptInFile&) = delete;
  KeptInFile& operator=(const KeptInFile&) = delete;

  /// Internal "log.file": nothing is kept, for the system's reason; lines that can be written later will be.
  Status check();

 private:
  std::shared_ptr<LogFile> file_;
};

/// A line for the file alone: what a person at the terminal knows already. Nothing where no file is kept.
void record(spdlog::level::level_enum level, std::string_view stage, std::string_view message);

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
