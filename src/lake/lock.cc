#include "lake/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "base/clock.h"
#include "base/json.h"
#include "lake/durable_files.h"

namespace inlet::lake {
namespace {

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(Clock::system().now()));
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), length};
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string("unknown");
}

/// Who says to hold the lock. The holder writes right after it locks, so that for an instant nobody may be named.
std::string holder(int fd) {
  std::array<char, 1024> text{};
  const auto length = ::pread(fd, text.data(), text.size(), 0);
  const auto document = parse_json({text.data(), length > 0 ? static_cast<std::size_t>(length) : 0});
  if (!document.is_ok() || !document->is_object()) return "another process, which has just started";
  const auto shown = [&](const char* key) {
    const auto it = document->find(key);
    if (it == document->end()) return std::string("unknown");
    return it->is_string() ? it->get<std::string>() : dump_json(*it);
  };
  return "process " + shown("pid") + " on " + shown("host") + " since " + shown("since");
}

/// A pipeline's name as the name of a file: one path part, different for different pipelines.
std::string file_name(const std::string& pipeline) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string name;
  for (const char c : pipeline) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '/' || c == '%' || byte < 0x20 || (name.empty() && c == '.')) {
      name += '%';
      name += kHex[byte >> 4];
      name += kHex[byte & 0x0f];
    } else {
      name += c;
    }
  }
  return name + ".lock";
}

}  // namespace

Result<PipelineLock> PipelineLock::acquire(const std::string& lake_root, const std::string& pipeline) {
  const std::string directory = lake_root + "/_inlet";
  INLET_RETURN_IF_ERROR(create_directories_durably(directory));
  std::string path = directory + "/" + file_name(pipeline);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return io_error("open " + path, errno);
  PipelineLock lock(path, fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error != EWOULDBLOCK) return io_error("lock " + path, error);
    return Status(StatusCode::kTransient, "lake.locked",
                  "the pipeline " + pipeline + " is already running on this lake")
        .at(path)
        .because("held by " + holder(fd))
        .fix("stop that process, or run this one on another lake (--lake DIR)");
  }
  const auto text = dump_json(Json{{"pid", ::getpid()}, {"host", host_name()}, {"since", utc_now()}}) + "\n";
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return io_error("write " + path, errno);
  }
  return lock;
}

PipelineLock::PipelineLock(PipelineLock&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

PipelineLock& PipelineLock::operator=(PipelineLock&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

PipelineLock::~PipelineLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace inlet::lake
