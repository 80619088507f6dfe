#include "lake/file_check.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <mutex>

#include "lake/delta_log.h"
#include "lake/durable_files.h"

namespace inlet::lake {
namespace {

// Device, inode, bytes, and when it was written: seconds and nanoseconds.
using Identity = std::array<std::int64_t, 5>;

// The digests of files that were read. Beyond this many they are forgotten, and read again.
constexpr std::size_t kMostRemembered = 200'000;

class Remembered {
 public:
  bool holds(const Identity& identity, const std::string& digest) {
    const std::scoped_lock lock(mutex_);
    const auto found = digests_.find(identity);
    return found != digests_.end() && found->second == digest;
  }
  void add(const Identity& identity, const std::string& digest) {
    const std::scoped_lock lock(mutex_);
    if (digests_.size() >= kMostRemembered) digests_.clear();
    digests_[identity] = digest;
  }

 private:
  std::mutex mutex_;
  std::map<Identity, std::string> digests_;  // guarded by mutex_
};

}  // namespace

Status check_file(const std::string& path, const LiveFile& file) {
  if (file.digest.empty()) return Status::ok();
  static Remembered remembered;
  struct stat there {};
  if (::stat(path.c_str(), &there) != 0) return errno == ENOENT ? Status::ok() : io_error("look at " + path, errno);
  const Identity identity{static_cast<std::int64_t>(there.st_dev), static_cast<std::int64_t>(there.st_ino),
                          there.st_size, there.st_mtim.tv_sec, there.st_mtim.tv_nsec};
  if (remembered.holds(identity, file.digest)) return Status::ok();
  INLET_ASSIGN_OR_RETURN(const auto digest, file_digest(path));
  if (digest != file.digest) {
    return Status(StatusCode::kCorruption, "lake.file_damaged", "a data file is not what was written")
        .at(path)
        .because("its digest is " + digest + ", the table's log has " + file.digest)
        .fix("restore the file from a copy of the table; a view's table can be deleted, and is made from bronze again");
  }
  remembered.add(identity, digest);
  return Status::ok();
}

}  // namespace inlet::lake
