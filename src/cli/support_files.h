// Files and directories as a support bundle reads them: whatever stands there, no more of it than fits, and nothing
// that a link leads to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"

namespace inlet::cli {

/// Of one file that is copied.
inline constexpr std::size_t kMostOfSupportFile = std::size_t{4} << 20U;

/// Internal "bundle.unreadable".
Status unreadable(const std::string& path, const std::string& why);
/// The system's words for an errno.
std::string reason_of(int error);

struct FileText {
  std::string text;
  bool is_cut = false;  // behind its last whole line
  std::time_t modified = 0;
};

/// Of a regular file, no more than `most` bytes; never waits, as for the writer of a pipe. `follow`: a link that the
/// user named. Internal "bundle.unreadable".
Result<FileText> read_some(const std::string& path, std::size_t most, bool follow = false);
/// Of a file of the system's; empty where there is none.
std::string first_line(const std::string& path);

struct ListedFile {
  std::string name;  // below the directory
  std::uintmax_t bytes = 0;
  std::time_t modified = 0;
};

/// The entries of a directory that are no directories, by name; with `below`, those in directories below it too.
/// Internal "bundle.unreadable".
Result<std::vector<ListedFile>> list_files(const std::string& directory, bool below);

/// Names of what has a _delta_log below `root`, sorted, a few directories deep. What cannot be listed is said to
/// `problem`, and the rest is found.
std::vector<std::string> find_tables(const std::string& root, const std::function<void(const Status&)>& problem);

/// "2026-01-31T12:00:00Z".
std::string utc(std::time_t time);

}  // namespace inlet::cli
