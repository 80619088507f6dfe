#include "lake/file_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unordered_set>

#include "base/fnv.h"
#include "base/log.h"
#include "lake/durable_files.h"

namespace inlet::lake {
namespace {

namespace fs = std::filesystem;

// A writer that has left a file for so long is dead.
constexpr std::time_t kAbandonedAfter = 24 * 3600;
constexpr std::time_t kTemporaryLifetime = 3600;
// Thrown out is down to this share, so that not every file that comes in has the directory listed.
constexpr std::int64_t kRoomOfTen = 9;
// Other processes put files here too: looked again after this share of the limit came in.
constexpr std::int64_t kLooksPerLimit = 16;

class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  OpenFile(OpenFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  OpenFile& operator=(OpenFile&&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

Result<OpenFile> lock_file(const std::string& path, int operation) {
  OpenFile file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (file.fd() < 0) return io_error("open " + path, errno);
  while (::flock(file.fd(), operation) != 0) {
    if (errno != EINTR) return io_error("lock " + path, errno);
  }
  return file;
}

Status write_all(int fd, const std::string& text, const std::string& path) {
  std::size_t written = 0;
  while (written < text.size()) {
    const auto count = ::write(fd, text.data() + written, text.size() - written);
    if (count < 0 && errno != EINTR) return io_error("write " + path, errno);
    written += count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  return Status::ok();
}

// A hold that lives: its file goes with it, or is found to be nobody's when the process is dead.
class Hold {
 public:
  Hold(std::string path, OpenFile file) : path_(std::move(path)), file_(std::move(file)) {}
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() { ::unlink(path_.c_str()); }

 private:
  const std::string path_;
  const OpenFile file_;
};

struct CachedFile {
  std::string path;
  std::int64_t bytes = 0;
  std::int64_t used = 0;  // nanoseconds
};

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

// What may go, and how many bytes there are in all. Abandoned files go at once.
std::int64_t collect(const std::string& root, std::vector<CachedFile>& files) {
  std::int64_t bytes = 0;
  const std::time_t now = std::time(nullptr);
  std::error_code failed;
  fs::recursive_directory_iterator entries(root, failed);
  for (; !failed && entries != fs::recursive_directory_iterator(); entries.increment(failed)) {
    const auto& path = entries->path();
    const std::string name = path.filename().string();
    if (entries.depth() == 0 && name == "_inlet") {
      entries.disable_recursion_pending();
      continue;
    }
    struct stat found {};
    if (::lstat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) continue;
    if (name.ends_with(".inlet-tmp")) {
      if (found.st_mtim.tv_sec + kTemporaryLifetime < now) ::unlink(path.c_str());
      continue;
    }
    if (!name.ends_with(".parquet")) continue;
    if ((found.st_mode & S_IWUSR) != 0 && found.st_mtim.tv_sec + kAbandonedAfter < now) {
      ::unlink(path.c_str());
      continue;
    }
    bytes += found.st_size;
    if ((found.st_mode & S_IWUSR) == 0) files.push_back({path.string(), found.st_size, nanoseconds(found.st_atim)});
  }
  return bytes;
}

// The paths of every hold whose process lives.
std::unordered_set<std::string> held(const std::string& holds) {
  std::unordered_set<std::string> paths;
  std::error_code failed;
  fs::directory_iterator entries(holds, failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    const OpenFile file(::open(entries->path().c_str(), O_RDONLY | O_CLOEXEC));
    if (file.fd() < 0) continue;
    if (::flock(file.fd(), LOCK_SH | LOCK_NB) == 0) {
      ::unlink(entries->path().c_str());
      continue;
    }
    std::ifstream lines(entries->path());
    for (std::string line; std::getline(lines, line);) paths.insert(line);
  }
  return paths;
}

}  // namespace

std::string cache_directory(const std::string& cache, const std::string& url, const std::string& endpoint) {
  std::string root = cache;
  if (root.empty()) {
    const char* xdg = std::getenv("XDG_CACHE_HOME");  // NOLINT(concurrency-mt-unsafe)
    const char* home = std::getenv("HOME");           // NOLINT(concurrency-mt-unsafe)
    if (xdg != nullptr && *xdg == '/') {
      root = std::string(xdg) + "/inlet";
    } else {
      root = (home != nullptr && *home == '/' ? std::string(home) + "/.cache" : std::string("/var/tmp")) + "/inlet";
    }
  }
  std::string bucket = url.substr(url.find("://") + 3);
  bucket = bucket.substr(0, bucket.find_first_of("/@"));
  return root + "/" + bucket + "-" + hexadecimal(fnv(url + "\n" + endpoint));
}

FileCache::FileCache(std::string directory, std::string files, std::int64_t most_bytes)
    : directory_(std::move(directory)), files_(std::move(files)), most_bytes_(most_bytes) {}

Result<std::shared_ptr<FileCache>> FileCache::open(const std::string& directory, const std::string& url,
                                                   std::int64_t most_bytes) {
  for (const char* part : {"/lake", "/holds"}) {
    std::error_code failed;
    fs::create_directories(directory + part, failed);
    if (failed) return io_error("create " + directory + part, failed.value());
  }
  std::error_code failed;
  const auto canonical = fs::canonical(directory, failed).string();
  if (failed) return io_error("resolve " + directory, failed.value());
  if (!fs::exists(canonical + "/location", failed)) std::ofstream(canonical + "/location") << url << "\n";
  return std::shared_ptr<FileCache>(new FileCache(canonical, canonical + "/lake", most_bytes));  // NOLINT: private
}

Result<HeldFiles> FileCache::hold(const std::vector<std::string>& paths) const {
  if (paths.empty()) return HeldFiles();
  static std::atomic<std::uint64_t> count{0};
  INLET_ASSIGN_OR_RETURN(const auto no_eviction, lock_file(directory_ + "/evict.lock", LOCK_SH));
  const std::string path = directory_ + "/holds/" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  INLET_ASSIGN_OR_RETURN(auto file, lock_file(path, LOCK_EX));
  std::string text;
  for (const auto& each : paths) text += each + "\n";
  // What another process of this number left is none of ours.
  if (::ftruncate(file.fd(), 0) != 0) return io_error("write " + path, errno);
  INLET_RETURN_IF_ERROR(write_all(file.fd(), text, path));
  const std::array<timespec, 2> now{timespec{0, UTIME_NOW}, timespec{0, UTIME_OMIT}};
  for (const auto& each : paths) ::utimensat(AT_FDCWD, each.c_str(), now.data(), 0);
  return HeldFiles(std::make_shared<const Hold>(path, std::move(file)));
}

void FileCache::grew(std::int64_t bytes) {
  const std::scoped_lock lock(mutex_);
  since_look_ += bytes;
  if (used_ >= 0) used_ += bytes;
  if (used_ >= 0 && used_ <= most_bytes_ && since_look_ <= most_bytes_ / kLooksPerLimit) return;
  // Where all that is too much is in use, it is not looked at for every file again.
  if (used_ > most_bytes_ && since_look_ <= most_bytes_ / (4 * kLooksPerLimit)) return;
  if (const auto status = throw_out(); !status.is_ok()) log::warn("lake", "the cache of files: {}", status.to_line());
}

Status FileCache::throw_out() {
  INLET_ASSIGN_OR_RETURN(const auto alone, lock_file(directory_ + "/evict.lock", LOCK_EX));
  since_look_ = 0;
  std::vector<CachedFile> files;
  used_ = collect(files_, files);
  if (used_ <= most_bytes_) return Status::ok();
  const auto in_use = held(directory_ + "/holds");
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.used < b.used; });
  const std::int64_t enough = most_bytes_ / 10 * kRoomOfTen;
  std::int64_t gone = 0;
  for (const auto& file : files) {
    if (used_ <= enough) break;
    if (in_use.contains(file.path) || ::unlink(file.path.c_str()) != 0) continue;
    used_ -= file.bytes;
    ++gone;
  }
  log::debug("lake", "{} files went from the cache {}; {} bytes stay", gone, directory_, used_);
  return Status::ok();
}

}  // namespace inlet::lake
