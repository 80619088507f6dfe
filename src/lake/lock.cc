#include "lake/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <thread>
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

/// When the holder says to have begun; nullopt: it does not say.
std::optional<Timestamp> since(int fd) {
  std::array<char, 1024> text{};
  const auto length = ::pread(fd, text.data(), text.size(), 0);
  const auto document = parse_json({text.data(), length > 0 ? static_cast<std::size_t>(length) : 0});
  if (!document.is_ok() || !document->is_object() || !document->contains("since")) return std::nullopt;
  const auto& value = document->at("since");
  std::tm parts{};
  if (!value.is_string() || ::strptime(value.get<std::string>().c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) == nullptr)
    return std::nullopt;
  return Timestamp(std::chrono::seconds(::timegm(&parts)));
}

constexpr int kTries = 4;
constexpr std::chrono::milliseconds kBetweenTries{5};
constexpr const char* kVacuum = ".vacuum.lock";

/// A pipeline's or table's name as the name of a file: one path part, different for different ones.
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
  return name;
}

}  // namespace

Result<FileLock> FileLock::acquire(const std::string& directory, const std::string& name, const std::string& what) {
  INLET_RETURN_IF_ERROR(create_directories_durably(directory));
  std::string path = directory + "/" + name;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return io_error("open " + path, errno);
  FileLock lock(path, fd);
  // Somebody who only asks whether it is held (oldest_writer) holds it for an instant.
  int tries = kTries;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error == EWOULDBLOCK && --tries > 0) {
      std::this_thread::sleep_for(kBetweenTries);
      continue;
    }
    if (error != EWOULDBLOCK) return io_error("lock " + path, error);
    return Status(StatusCode::kTransient, "lake.locked", what).at(path).because("held by " + holder(fd));
  }
  const auto text = dump_json(Json{{"pid", ::getpid()}, {"host", host_name()}, {"since", utc_now()}}) + "\n";
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return io_error("write " + path, errno);
  }
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

std::string pipeline_log_path(const std::string& lake_root, const std::string& pipeline) {
  return lake_root + "/_inlet/" + file_name(pipeline) + ".log";
}

Result<PipelineLock> PipelineLock::acquire(const std::string& lake_root, const std::string& pipeline) {
  auto lock = FileLock::acquire(lake_root + "/_inlet", file_name(pipeline) + ".lock",
                                "the pipeline " + pipeline + " is already running on this lake");
  if (lock.status().detail().id == "lake.locked")
    return Status(lock.status()).fix("stop that process, or run this one on another lake (--lake DIR)");
  INLET_RETURN_IF_ERROR(lock.status());
  return PipelineLock(std::move(*lock));
}

Result<VacuumLock> VacuumLock::acquire(const std::string& lake_root, const std::string& table) {
  auto lock = FileLock::acquire(lake_root + "/_inlet", file_name(table) + kVacuum,
                                "files of " + table + " are being deleted or restored by another process");
  if (lock.status().detail().id == "lake.locked") return Status(lock.status()).fix("try again when it is done");
  INLET_RETURN_IF_ERROR(lock.status());
  return VacuumLock(std::move(*lock));
}

Result<std::optional<Timestamp>> oldest_writer(const std::string& lake_root) {
  std::optional<Timestamp> oldest;
  std::error_code failed;
  std::filesystem::directory_iterator entries(lake_root + "/_inlet", failed);
  if (failed == std::errc::no_such_file_or_directory) return oldest;
  for (; !failed && entries != std::filesystem::directory_iterator(); entries.increment(failed)) {
    const std::string name = entries->path().filename().string();
    if (!name.ends_with(".lock") || name.ends_with(kVacuum)) continue;
    const int fd = ::open(entries->path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;  // it cannot be held by anybody who could not open it either
    if (::flock(fd, LOCK_SH | LOCK_NB) != 0) {
      const auto began = since(fd).value_or(Timestamp());
      oldest = std::min(oldest.value_or(began), began);
    }
    ::close(fd);
  }
  if (failed) return io_error("list " + lake_root + "/_inlet", failed.value());
  return oldest;
}

}  // namespace inlet::lake
