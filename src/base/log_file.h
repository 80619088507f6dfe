// The lines of a log in a file that is bounded and that several processes may share.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "base/status.h"

namespace inlet::log {

/// Appends whole lines to `path`; a file that is full becomes `path`.1 and takes the place of the one before, so that
/// both are `most_bytes` and a line at most. A line is one write at the end of the file, and whoever finds another file
/// under the name goes on there: processes that log to one file need to know nothing of each other.
///
/// Writing never fails and never waits for anything but the disk: what cannot be written now (no directory yet, a full
/// disk) is kept, up to a number of lines, for the next time, and counted beyond. Thread safe.
class LogFile {
 public:
  explicit LogFile(std::string path, std::size_t most_bytes = std::size_t{1} << 20U);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  /// Writes the lines that wait, and says whether it can. Ok too where the directory above the file's is not there yet:
  /// lines wait for it. Internal "log.file": the system's reason.
  Status check();

  /// `line`: without its end.
  void write(std::string line);

 private:
  int write_all();  // 0, or the system's reason
  int ready();      // 0, or the system's reason
  void rotate();
  bool append(const std::string& line);

  const std::string path_;
  const std::size_t most_bytes_;
  std::mutex mutex_;
  int fd_ = -1;
  bool is_torn_ = false;             // the last line in the file has no end
  std::deque<std::string> waiting_;  // in order
  std::size_t lost_ = 0;             // lines since the last one that was written
};

}  // namespace inlet::log
