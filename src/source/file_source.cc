#include "source/file_source.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/log.h"
#include "source/file_name.h"
#include "source/file_stdin.h"

namespace inlet::source {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Between two looks at what changed; longer where a look at many files takes long itself.
constexpr milliseconds kLookInterval{20};
constexpr int kLookShare = 20;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  bool is_open() const { return fd_ >= 0; }
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

Result<std::size_t> read_at(int fd, std::int64_t offset, std::span<char> into, const std::string& path) {
  for (;;) {
    const ssize_t bytes = ::pread(fd, into.data(), into.size(), offset);
    if (bytes >= 0) return static_cast<std::size_t>(bytes);
    if (errno != EINTR) return file_error("read", path, errno);
  }
}

/// What stands under a path.
struct Seen {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  bool is_regular = false;
  bool is_directory = false;
  bool is(const Seen& other) const { return device == other.device && inode == other.inode; }
};

/// nullopt: nothing is there.
Result<std::optional<Seen>> look_at(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<Seen>();
    return file_error("look at", path, errno);
  }
  return std::optional(Seen{found.st_dev, found.st_ino, found.st_size, S_ISREG(found.st_mode), S_ISDIR(found.st_mode)});
}

class FileInput final : public ByteInput {
 public:
  FileInput(const Descriptor& fd, const std::string& path, bool rest_is_line)
      : fd_(fd), path_(path), rest_is_line_(rest_is_line) {}
  Result<std::size_t> read(std::int64_t offset, std::span<char> into) override {
    return read_at(fd_.get(), offset, into, path_);
  }
  bool rest_is_line() const override { return rest_is_line_; }

 private:
  const Descriptor& fd_;
  const std::string& path_;
  bool rest_is_line_;
};

/// One file under its name.
struct Followed {
  Followed(std::string name_in, std::string path_in, LineLimits limits)
      : name(std::move(name_in)), path(std::move(path_in)), lines(limits) {}

  std::string name;
  std::string path;
  Seen seen;                        // at the last look
  Descriptor fd;                    // open while there is something to read
  bool has_more = false;            // worth reading
  std::int64_t searched = 0;        // before assignment: no newline stands before this
  std::int64_t nothing_behind = 0;  // after it: read up to here, without finding another complete line
  TopicPartition partition;         // `source` is empty before the first line is there
  bool assigned = false;
  bool paused = false;
  LineStream lines;
};

class FileSource final : public Source {
 public:
  FileSource(std::string path, const FileSourceOptions& options) : path_(std::move(path)), options_(options) {}

  Status open(Listener& listener, const OpenOptions& options) override {
    listener_ = &listener;
    clock_ = options.clock;
    rest_is_line_ = options.until_caught_up;
    INLET_ASSIGN_OR_RETURN(const auto seen, look_at(path_));
    if (!seen) {
      return Status(StatusCode::kInvalidArgument, "file.not_found", "there is no such file or directory")
          .at(path_)
          .fix("set source.file.path to a file or a directory, or to - for standard input");
    }
    if (!seen->is_directory && !seen->is_regular) {
      return Status(StatusCode::kInvalidArgument, "file.not_a_file", "neither a regular file nor a directory")
          .at(path_)
          .because("positions are byte offsets, and this cannot be sought")
          .fix("pipe it into standard input, with source.file.path = \"-\"");
    }
    is_directory_ = seen->is_directory;
    INLET_RETURN_IF_ERROR(look());
    if (followed_.empty()) log::info("file", "{} is empty; waiting for files", path_);
    return Status::ok();
  }

  Result<std::optional<RecordBatch>> poll(milliseconds timeout) override {
    const auto deadline = steady_clock::now() + timeout;
    for (;;) {
      for (auto& [name, file] : followed_) {
        if (!file.assigned || file.paused || !file.has_more) continue;
        auto batch = read(file);
        if (!batch.is_ok()) {
          INLET_RETURN_IF_ERROR(accept_loss(batch.status()));
          break;  // the file may be followed no longer
        }
        if (*batch) return batch;
      }
      const auto now = steady_clock::now();
      if (now >= next_look_) {
        INLET_RETURN_IF_ERROR(look());
        if (something_to_read()) continue;
      }
      if (now >= deadline) return std::optional<RecordBatch>();
      std::this_thread::sleep_for(std::min(deadline, next_look_) - now);
    }
  }

  Result<OffsetBounds> bounds(const TopicPartition& partition) override {
    INLET_ASSIGN_OR_RETURN(Followed* const file, find(partition));
    INLET_ASSIGN_OR_RETURN(const auto seen, look_at(file->path));
    return OffsetBounds{{0}, {seen ? seen->size : file->seen.size}};
  }

  Result<std::optional<std::uint64_t>> fingerprint_at(const TopicPartition& partition, Offset offset) override {
    INLET_ASSIGN_OR_RETURN(Followed* const file, find(partition));
    const auto opening = open_file(file->path);
    if (offset.value < 0 || (!opening.is_ok() && opening.status().code() == StatusCode::kTransient)) {
      return std::optional<std::uint64_t>();
    }
    INLET_RETURN_IF_ERROR(opening.status());
    const Descriptor& fd = *opening;
    char last = 0;
    INLET_ASSIGN_OR_RETURN(const std::size_t there, read_at(fd.get(), offset.value, {&last, 1}, file->path));
    if (there == 0) return std::optional<std::uint64_t>();
    const std::int64_t end = last == '\n' ? offset.value : offset.value + 1;
    INLET_ASSIGN_OR_RETURN(const std::int64_t begin, line_begin(fd, end, file->path));
    if (end - begin > static_cast<std::int64_t>(options_.limits.max_line_bytes)) return std::optional<std::uint64_t>();
    std::string line(static_cast<std::size_t>(end - begin), '\0');
    INLET_RETURN_IF_ERROR(read_all(fd, begin, line, file->path));
    if (line.ends_with('\r')) line.pop_back();
    return std::optional(line_fingerprint(line));
  }

  void pause(const TopicPartition& partition) override { set_paused(partition, true); }
  void resume(const TopicPartition& partition) override { set_paused(partition, false); }
  void committed(const TopicPartition&, Offset) override {}
  void close() override { followed_.clear(); }

 private:
  /// Lists, compares with what was there before, and offers the files that have a first line by now.
  Status look() {
    const auto begin = steady_clock::now();
    INLET_RETURN_IF_ERROR(list());
    std::vector<TopicPartition> offered;
    for (auto file = followed_.begin(); file != followed_.end();) {
      const auto kept = look_again(file->second);
      INLET_RETURN_IF_ERROR(kept.status());
      if (!*kept) {
        by_source_.erase(file->second.partition.source);
        file = followed_.erase(file);
        continue;
      }
      if (!file->second.assigned && file->second.seen.size > file->second.searched) {
        const auto has_id = identify(file->second);
        if (!has_id.is_ok() && has_id.status().code() != StatusCode::kTransient) return has_id.status();
        if (has_id.is_ok() && *has_id) offered.push_back(file->second.partition);
      }
      ++file;
    }
    if (!offered.empty()) INLET_RETURN_IF_ERROR(offer(offered));
    const auto now = steady_clock::now();
    next_look_ = now + std::max<steady_clock::duration>(kLookInterval, kLookShare * (now - begin));
    return Status::ok();
  }

  Status list() {
    if (!is_directory_) {
      const auto name = path_.substr(path_.rfind('/') + 1);
      followed_.try_emplace(name, name, path_, options_.limits);
      return Status::ok();
    }
    DIR* const directory = ::opendir(path_.c_str());
    if (directory == nullptr) return file_error("list", path_, errno);
    const auto closed = std::unique_ptr<DIR, int (*)(DIR*)>(directory, ::closedir);
    errno = 0;
    while (const dirent* const entry = ::readdir(directory)) {
      const std::string name = entry->d_name;
      if (name.starts_with('.') || name.ends_with(".tmp") || followed_.contains(name)) continue;
      const std::string path = path_ + "/" + name;
      INLET_ASSIGN_OR_RETURN(const auto seen, look_at(path));
      if (seen && seen->is_regular) followed_.try_emplace(name, name, path, options_.limits);
      errno = 0;
    }
    return errno == 0 ? Status::ok() : file_error("list", path_, errno);
  }

  /// False: the file is to be forgotten.
  Result<bool> look_again(Followed& file) {
    INLET_ASSIGN_OR_RETURN(const auto found, look_at(file.path));
    if (!found) return forget_deleted(file);
    const Seen& before = file.seen;  // kept on a loss, so that asking again finds the loss again
    if (before.inode != 0 && !found->is(before)) {
      return forget(file, Status(StatusCode::kDataLoss, "file.replaced", "another file took the name of one being read")
                              .because("whether it holds what the other held cannot be known")
                              .fix("give new data a new file name"));
    }
    if (found->size < before.size || (file.assigned && found->size < file.lines.position())) {
      return forget(file, shrank(std::max(before.size, file.assigned ? file.lines.position() : 0), found->size));
    }
    file.seen = *found;
    if (file.assigned && found->size > std::max(file.nothing_behind, file.lines.position())) file.has_more = true;
    return true;
  }

  static Status shrank(std::int64_t before, std::int64_t now) {
    return Status(StatusCode::kDataLoss, "file.shrank", fmt::format("a file shrank from {} to {} bytes", before, now))
        .because("what was cut off, or written anew, cannot be told from what was read")
        .fix("append to files, or give new data a new file name");
  }

  Result<bool> forget_deleted(Followed& file) {
    if (!file.assigned) return false;
    if (file.lines.position() >= file.seen.size) {
      log::info("file", "{} was deleted; all of it had been read", file.path);
      return false;
    }
    return forget(file,
                  Status(StatusCode::kDataLoss, "file.deleted", "a file was deleted before it was read to its end")
                      .because(fmt::format("{} of {} bytes were read", file.lines.position(), file.seen.size))
                      .fix("keep files until `inlet status` shows no lag"));
  }

  Result<bool> forget(const Followed& file, Status loss) const {
    if (!file.assigned) return false;
    INLET_RETURN_IF_ERROR(accept_loss(std::move(loss).at(file.path)));
    return false;
  }

  Status accept_loss(const Status& status) const {
    if (status.code() != StatusCode::kDataLoss || options_.fail_on_data_loss) return status;
    log_accepted_loss(status);
    return Status::ok();
  }

  /// Reads the first line; false when it is not complete yet.
  Result<bool> identify(Followed& file) {
    INLET_ASSIGN_OR_RETURN(const Descriptor fd, open_file(file.path));
    INLET_ASSIGN_OR_RETURN(const auto newline, find_newline(fd, file));
    if (!newline && !rest_is_line_) return false;
    std::string line(static_cast<std::size_t>(newline.value_or(file.searched)), '\0');
    INLET_RETURN_IF_ERROR(read_all(fd, 0, line, file.path));
    if (line.ends_with('\r')) line.pop_back();
    file.partition = {"file:" + escape_file_name(file.name) + ":" + line_fingerprint_text(line), 0};
    by_source_[file.partition.source] = &file;
    return true;
  }

  /// Of the first one; goes on where it stopped the time before.
  Result<std::optional<std::int64_t>> find_newline(const Descriptor& fd, Followed& file) const {
    std::vector<char> block(64U << 10U);
    for (;;) {
      INLET_ASSIGN_OR_RETURN(const std::size_t bytes, read_at(fd.get(), file.searched, block, file.path));
      if (bytes == 0) return std::optional<std::int64_t>();
      const void* const found = std::memchr(block.data(), '\n', bytes);
      if (found != nullptr) {
        return std::optional(file.searched + (static_cast<const char*>(found) - block.data()));
      }
      file.searched += static_cast<std::int64_t>(bytes);
      if (file.searched > static_cast<std::int64_t>(options_.limits.max_line_bytes)) {
        return Status(StatusCode::kInvalidArgument, "file.line_too_long",
                      fmt::format("the first line is longer than {} bytes", options_.limits.max_line_bytes))
            .at(file.path)
            .fix("is this newline-delimited JSON?");
      }
    }
  }

  Status offer(const std::vector<TopicPartition>& partitions) {
    INLET_ASSIGN_OR_RETURN(const auto assignments, listener_->on_assigned(partitions));
    for (const auto& assignment : assignments) {
      INLET_ASSIGN_OR_RETURN(Followed* const file, find(assignment.partition));
      const std::int64_t position = assignment.position.value;
      char before = '\n';
      if (position > 0) {
        const auto fd = open_file(file->path);
        if (fd.is_ok()) INLET_RETURN_IF_ERROR(read_at(fd->get(), position - 1, {&before, 1}, file->path).status());
      }
      file->lines.begin(assignment.partition, assignment.generation, position, before == '\n');
      file->assigned = true;
      file->has_more = true;  // the next look finds out whether the file is shorter than that
      if (file->seen.size < position) {
        INLET_RETURN_IF_ERROR(accept_loss(shrank(position, file->seen.size).at(file->path)));
        by_source_.erase(file->partition.source);
        followed_.erase(std::string(file->name));
      }
    }
    return Status::ok();
  }

  Result<std::optional<RecordBatch>> read(Followed& file) {
    if (!file.fd.is_open()) {
      auto opening = open_file(file.path);
      if (!opening.is_ok() && opening.status().code() == StatusCode::kTransient) {
        file.has_more = false;
        return std::optional<RecordBatch>();
      }
      INLET_ASSIGN_OR_RETURN(file.fd, std::move(opening));
      struct stat opened {};
      if (::fstat(file.fd.get(), &opened) != 0) return file_error("look at", file.path, errno);
      if (opened.st_dev != file.seen.device || opened.st_ino != file.seen.inode) {
        finish(file);
        return std::optional<RecordBatch>();  // replaced: the next look says so
      }
    }
    FileInput input(file.fd, file.path, rest_is_line_);
    const std::int64_t now = std::chrono::floor<milliseconds>(clock_->now()).time_since_epoch().count();
    auto batch = file.lines.next(input, now);
    if (!batch.is_ok()) return batch;
    if (!*batch) {
      file.nothing_behind = file.lines.buffer().end_offset();
      finish(file);
    } else if (file.lines.position() >= file.seen.size) {
      // As far as was known at the last look: a file that grows all the time must not starve the ones behind it.
      file.nothing_behind = file.lines.position();
      finish(file);
    }
    return batch;
  }

  static void finish(Followed& file) {
    file.has_more = false;
    file.fd.reset();
    // Thousands of files are followed; a block is kept only for a line that would be long to read again.
    constexpr std::int64_t kWorthKeeping = 64 << 10;
    LineBuffer& buffer = file.lines.buffer();
    if (buffer.end_offset() - buffer.begin_offset() < kWorthKeeping) buffer.restart(buffer.begin_offset());
  }

  bool something_to_read() const {
    return std::any_of(followed_.begin(), followed_.end(), [](const auto& entry) {
      return entry.second.assigned && !entry.second.paused && entry.second.has_more;
    });
  }

  /// Not as it was at the last look; the next one says what became of it.
  static Status changing(const std::string& path) {
    return Status(StatusCode::kTransient, "file.changing", "a file changed while it was looked at").at(path);
  }

  static Result<Descriptor> open_file(const std::string& path) {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open() && errno == ENOENT) return changing(path);
    if (!fd.is_open()) return file_error("open", path, errno);
    return fd;
  }

  static Status read_all(const Descriptor& fd, std::int64_t offset, std::string& into, const std::string& path) {
    std::span<char> left(into);
    while (!left.empty()) {
      INLET_ASSIGN_OR_RETURN(const std::size_t bytes, read_at(fd.get(), offset, left, path));
      if (bytes == 0) return changing(path);
      offset += static_cast<std::int64_t>(bytes);
      left = left.subspan(bytes);
    }
    return Status::ok();
  }

  /// Where the line begins that ends before `end`.
  static Result<std::int64_t> line_begin(const Descriptor& fd, std::int64_t end, const std::string& path) {
    std::string block;
    while (end > 0) {
      const std::int64_t from = std::max<std::int64_t>(0, end - (64 << 10));
      block.resize(static_cast<std::size_t>(end - from));
      INLET_RETURN_IF_ERROR(read_all(fd, from, block, path));
      const auto newline = block.rfind('\n');
      if (newline != std::string::npos) return from + static_cast<std::int64_t>(newline) + 1;
      end = from;
    }
    return std::int64_t{0};
  }

  Result<Followed*> find(const TopicPartition& partition) {
    const auto found = by_source_.find(partition.source);
    if (found != by_source_.end() && partition.partition == 0) return found->second;
    return Status(StatusCode::kNotFound, "file.partition", "not a file that is being read").at(partition.to_string());
  }

  void set_paused(const TopicPartition& partition, bool paused) {
    if (const auto file = find(partition); file.is_ok()) (*file)->paused = paused;
  }

  const std::string path_;
  const FileSourceOptions options_;
  Listener* listener_ = nullptr;
  const Clock* clock_ = &Clock::system();
  bool is_directory_ = false;
  bool rest_is_line_ = false;
  std::map<std::string, Followed> followed_;              // in name order
  std::unordered_map<std::string, Followed*> by_source_;  // those with a source id; into followed_
  steady_clock::time_point next_look_{};
};

}  // namespace

std::unique_ptr<Source> make_file_source(const config::FileConfig& config, FileSourceOptions options) {
  if (config.path == "-") return make_stdin_source(options);
  return std::make_unique<FileSource>(config.path, options);
}

}  // namespace inlet::source
