#include "cli/support_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/format.h"

namespace inlet::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kDeepestTable = 5;

void collect_tables(const std::string& root, const std::string& prefix, int depth, std::vector<std::string>& names,
                    const std::function<void(const Status&)>& problem) {
  std::error_code failed;
  fs::directory_iterator entries(root + "/" + prefix, failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    const std::string name = entries->path().filename().string();
    std::error_code ignored;
    if (name.front() == '_' || name.front() == '.' || !entries->is_directory(ignored)) continue;
    if (fs::exists(entries->path() / "_delta_log", ignored)) {
      names.push_back(prefix + name);
    } else if (depth < kDeepestTable) {
      collect_tables(root, prefix + name + "/", depth + 1, names, problem);
    }
  }
  if (failed) problem(unreadable(root + "/" + prefix, failed.message()));
}

}  // namespace

std::string reason_of(int error) { return std::generic_category().message(error); }

Status unreadable(const std::string& path, const std::string& why) {
  return Status(StatusCode::kInternal, "bundle.unreadable", "cannot be read").at(path).because(why);
}

Result<FileText> read_some(const std::string& path, std::size_t most, bool follow) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW));
  if (fd < 0) return unreadable(path, reason_of(errno));
  struct stat file {};
  FileText read;
  int error = ::fstat(fd, &file) != 0 ? errno : 0;
  if (error == 0 && !S_ISREG(file.st_mode)) error = S_ISDIR(file.st_mode) ? EISDIR : EINVAL;
  read.modified = file.st_mtime;
  std::string block(std::size_t{1} << 16U, '\0');
  while (error == 0 && read.text.size() <= most) {
    const auto count = ::read(fd, block.data(), block.size());
    if (count < 0 && errno != EINTR) error = errno;
    if (count == 0) break;
    if (count > 0) read.text.append(block.data(), static_cast<std::size_t>(count));
  }
  ::close(fd);
  if (error != 0) return unreadable(path, reason_of(error));
  read.is_cut = read.text.size() > most;
  if (read.is_cut) read.text.resize(std::min(most, read.text.rfind('\n', most) + 1));
  return read;
}

std::string first_line(const std::string& path) {
  const auto read = read_some(path, 4096, true);
  return read ? read->text.substr(0, read->text.find('\n')) : std::string();
}

Result<std::vector<ListedFile>> list_files(const std::string& directory, bool below) {
  std::vector<ListedFile> found;
  std::error_code failed;
  fs::recursive_directory_iterator entries(directory, fs::directory_options::skip_permission_denied, failed);
  for (; !failed && entries != fs::recursive_directory_iterator(); entries.increment(failed)) {
    if (!below) entries.disable_recursion_pending();
    struct stat file {};
    // One that went in the meantime is not listed.
    if (::lstat(entries->path().c_str(), &file) != 0 || S_ISDIR(file.st_mode)) continue;
    found.push_back({entries->path().string().substr(directory.size() + 1), static_cast<std::uintmax_t>(file.st_size),
                     file.st_mtime});
  }
  if (failed) return unreadable(directory, failed.message());
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return found;
}

std::vector<std::string> find_tables(const std::string& root, const std::function<void(const Status&)>& problem) {
  std::vector<std::string> names;
  collect_tables(root, "", 0, names, problem);
  std::sort(names.begin(), names.end());
  return names;
}

std::string utc(std::time_t time) { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(time)); }

}  // namespace inlet::cli
