#include "base/log_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/json.h"

namespace inlet::log {
namespace {

constexpr std::size_t kMostWaiting = 200;

bool is_same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

}  // namespace

LogFile::LogFile(std::string path, std::size_t most_bytes) : path_(std::move(path)), most_bytes_(most_bytes) {}

LogFile::~LogFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status LogFile::check() {
  const std::lock_guard lock(mutex_);
  const int error = write_all();
  if (error == 0 || error == ENOENT) return Status::ok();
  return Status(StatusCode::kInternal, "log.file", "the log cannot be kept in a file")
      .at(path_)
      .because(std::generic_category().message(error));
}

void LogFile::write(std::string line) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(line));
  static_cast<void>(write_all());
}

int LogFile::write_all() {
  const int error = ready();
  if (error == 0) {
    if (lost_ > 0) {
      const Json note{{"level", "warning"},
                      {"pid", ::getpid()},
                      {"stage", "log"},
                      {"message", std::to_string(lost_) + " lines before the next could not be kept here"}};
      if (append(dump_json(note))) lost_ = 0;
    }
    while (!waiting_.empty() && append(waiting_.front())) waiting_.pop_front();
  }
  while (waiting_.size() > kMostWaiting) {
    waiting_.pop_front();
    ++lost_;
  }
  return error;
}

// The file under the name is open and has room. Another process may have put a new one there, or a person taken it
// away.
int LogFile::ready() {
  struct stat open_file {};
  struct stat named_file {};
  if (fd_ >= 0 && (::stat(path_.c_str(), &named_file) != 0 || ::fstat(fd_, &open_file) != 0 ||
                   !is_same_file(named_file, open_file))) {
    ::close(fd_);
    fd_ = -1;
  }
  if (fd_ >= 0 && static_cast<std::size_t>(open_file.st_size) >= most_bytes_) rotate();
  if (fd_ >= 0) return 0;

  // One level: the directory above is not ours to make.
  const auto slash = path_.rfind('/');
  if (slash != std::string::npos && slash > 0) static_cast<void>(::mkdir(path_.substr(0, slash).c_str(), 0777));
  // Not blocking: a pipe that nobody reads would hold up the program.
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
  if (fd_ < 0) return errno;
  if (::fstat(fd_, &open_file) != 0 || !S_ISREG(open_file.st_mode)) {
    ::close(fd_);
    fd_ = -1;
    return EINVAL;
  }
  return 0;
}

// One process at a time; whoever comes too late finds a file with room. Where the file cannot be renamed, lines wait
// and are counted: the file does not grow for ever.
void LogFile::rotate() {
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) {
    struct stat open_file {};
    struct stat named_file {};
    const bool is_ours =
        ::stat(path_.c_str(), &named_file) == 0 && ::fstat(fd_, &open_file) == 0 && is_same_file(named_file, open_file);
    if (is_ours) static_cast<void>(std::rename(path_.c_str(), (path_ + ".1").c_str()));
    ::flock(fd_, LOCK_UN);
  }
  struct stat named_file {};
  if (::stat(path_.c_str(), &named_file) == 0 && static_cast<std::size_t>(named_file.st_size) >= 2 * most_bytes_)
    return;
  ::close(fd_);
  fd_ = -1;
}

bool LogFile::append(const std::string& line) {
  const std::string whole = (is_torn_ ? "\n" : "") + line + "\n";
  struct stat open_file {};
  if (::fstat(fd_, &open_file) != 0 || static_cast<std::size_t>(open_file.st_size) >= 2 * most_bytes_) return false;
  ssize_t written = 0;
  do {
    written = ::write(fd_, whole.data(), whole.size());
  } while (written < 0 && errno == EINTR);
  if (written > 0) is_torn_ = static_cast<std::size_t>(written) < whole.size();
  return written == static_cast<ssize_t>(whole.size());
}

}  // namespace inlet::log
