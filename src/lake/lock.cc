#include "lake/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/json.h"
#include "lake/durable_files.h"
#include "lake/file_cache.h"
#include "lake/lock_text.h"

namespace inlet::lake {
namespace {

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
  return value.is_string() ? parse_utc(value.get<std::string>()) : std::nullopt;
}

constexpr int kTries = 4;
constexpr std::chrono::milliseconds kBetweenTries{5};
constexpr const char* kVacuum = ".vacuum.lock";
constexpr const char* kFolder = "_inlet";

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
  const auto text = dump_json(Json{{"pid", ::getpid()}, {"host", holder_host()}, {"since", utc_now()}}) + "\n";
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

std::string local_root(const std::string& lake, const StorageOptions& storage) {
  return is_url(lake) ? cache_directory(storage.cache, lake, storage.endpoint) + "/lake" : lake;
}

std::string pipeline_log_path(const std::string& root, const std::string& pipeline) {
  return root + "/" + kFolder + "/" + file_name(pipeline) + ".log";
}

Result<LakeLock> LakeLock::acquire(const Lake& lake, const std::string& name, const std::string& what) {
  if (auto store = lake.object_store()) {
    INLET_ASSIGN_OR_RETURN(auto lease,
                           Lease::acquire(std::move(store), std::string(kFolder) + "/" + name, lake.lease(), what));
    std::string where = lake.location() + "/" + lease->key();
    return LakeLock(std::move(lease), std::move(where));
  }
  INLET_ASSIGN_OR_RETURN(auto file, FileLock::acquire(lake.root() + "/" + kFolder, name, what));
  std::string where = file.path();
  return LakeLock(std::move(file), std::move(where));
}

Status LakeLock::held() const {
  const auto* lease = std::get_if<std::unique_ptr<Lease>>(&lock_);
  return lease == nullptr ? Status::ok() : (*lease)->held();
}

Result<PipelineLock> PipelineLock::acquire(const Lake& lake, const std::string& pipeline) {
  auto lock = LakeLock::acquire(lake, file_name(pipeline) + ".lock",
                                "the pipeline " + pipeline + " is already running on this lake");
  if (lock.status().detail().id == "lake.locked")
    return Status(lock.status()).fix("stop that process, or run this one on another lake (--lake DIR)");
  INLET_RETURN_IF_ERROR(lock.status());
  return PipelineLock(std::move(*lock));
}

Result<VacuumLock> VacuumLock::acquire(const Lake& lake, const std::string& table) {
  auto lock = LakeLock::acquire(lake, file_name(table) + kVacuum,
                                "files of " + table + " are being deleted or restored by another process");
  if (lock.status().detail().id == "lake.locked") return Status(lock.status()).fix("try again when it is done");
  INLET_RETURN_IF_ERROR(lock.status());
  return VacuumLock(std::move(*lock));
}

namespace {

bool is_writers(const std::string& name) { return name.ends_with(".lock") && !name.ends_with(kVacuum); }

Result<std::optional<Timestamp>> oldest_local_writer(const std::string& lake_root) {
  std::optional<Timestamp> oldest;
  std::error_code failed;
  std::filesystem::directory_iterator entries(lake_root + "/" + kFolder, failed);
  if (failed == std::errc::no_such_file_or_directory) return oldest;
  for (; !failed && entries != std::filesystem::directory_iterator(); entries.increment(failed)) {
    if (!is_writers(entries->path().filename().string())) continue;
    const int fd = ::open(entries->path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;  // it cannot be held by anybody who could not open it either
    if (::flock(fd, LOCK_SH | LOCK_NB) != 0) {
      const auto began = since(fd).value_or(Timestamp());
      oldest = std::min(oldest.value_or(began), began);
    }
    ::close(fd);
  }
  if (failed) return io_error("list " + lake_root + "/" + kFolder, failed.value());
  return oldest;
}

}  // namespace

Result<std::optional<Timestamp>> oldest_writer(const Lake& lake) {
  const auto store = lake.object_store();
  if (store == nullptr) return oldest_local_writer(lake.root());
  std::optional<Timestamp> oldest;
  INLET_ASSIGN_OR_RETURN(const auto objects, store->list(kFolder));
  for (const auto& object : objects) {
    if (!is_writers(object.key)) continue;
    INLET_ASSIGN_OR_RETURN(const auto lease, store->get(object.key));
    const auto began = lease ? lease_holder_since(lease->text, Clock::system().now()) : std::nullopt;
    if (began) oldest = std::min(oldest.value_or(*began), *began);
  }
  return oldest;
}

}  // namespace inlet::lake
