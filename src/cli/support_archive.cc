#include "cli/support_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace inlet::cli {
namespace {

Status not_written(const std::string& path, const std::string& why) {
  return Status(StatusCode::kInternal, "bundle.not_written", "the archive cannot be written")
      .at(path)
      .because(why)
      .fix("name another place with --output FILE");
}

Status exists(const std::string& path) {
  return Status(StatusCode::kInvalidArgument, "bundle.exists", "there is a file of that name")
      .at(path)
      .fix("name another with --output FILE, or write over it with --force");
}

std::string reason(int error) { return std::generic_category().message(error); }

struct EntryFreed {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

}  // namespace

void SupportArchive::Freed::operator()(archive* writer) const { archive_write_free(writer); }

SupportArchive::SupportArchive(std::string path, bool replace)
    : path_(std::move(path)), replace_(replace), aside_(path_ + ".part-" + std::to_string(::getpid())) {}

SupportArchive::~SupportArchive() {
  writer_.reset();
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(aside_.c_str());
}

Result<std::unique_ptr<SupportArchive>> SupportArchive::create(std::string path, bool replace) {
  if (!replace && ::access(path.c_str(), F_OK) == 0) return exists(path);
  std::unique_ptr<SupportArchive> created(new SupportArchive(std::move(path), replace));  // NOLINT: private constructor
  created->fd_ = ::open(created->aside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (created->fd_ < 0) return not_written(created->path_, reason(errno));
  created->writer_.reset(archive_write_new());
  archive* const writer = created->writer_.get();
  if (writer == nullptr || archive_write_add_filter_gzip(writer) != ARCHIVE_OK ||
      archive_write_set_format_pax_restricted(writer) != ARCHIVE_OK ||
      archive_write_open_fd(writer, created->fd_) != ARCHIVE_OK) {
    return created->failed("begin");
  }
  return created;
}

Status SupportArchive::failed(const std::string& doing) const {
  const char* const why = writer_ != nullptr ? archive_error_string(writer_.get()) : nullptr;
  return not_written(path_, doing + ": " + (why != nullptr ? why : "libarchive says no reason"));
}

Status SupportArchive::add(const std::string& path, std::string_view content, std::time_t modified) {
  const std::unique_ptr<archive_entry, EntryFreed> entry(archive_entry_new());
  if (entry == nullptr) return failed("add " + path);
  archive_entry_set_pathname_utf8(entry.get(), path.c_str());
  archive_entry_set_pathname(entry.get(), path.c_str());
  archive_entry_set_size(entry.get(), static_cast<std::int64_t>(content.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0600);
  archive_entry_set_mtime(entry.get(), modified, 0);
  if (archive_write_header(writer_.get(), entry.get()) != ARCHIVE_OK) return failed("add " + path);
  if (archive_write_data(writer_.get(), content.data(), content.size()) != static_cast<la_ssize_t>(content.size()))
    return failed("write " + path);
  entries_.push_back({path, content.size()});
  return Status::ok();
}

Status SupportArchive::finish() {
  if (archive_write_close(writer_.get()) != ARCHIVE_OK) return failed("end");
  if (::fsync(fd_) != 0) return not_written(path_, reason(errno));
  if (replace_) {
    if (std::rename(aside_.c_str(), path_.c_str()) != 0) return not_written(path_, reason(errno));
  } else {
    // Not over a file that came in the meantime.
    if (::link(aside_.c_str(), path_.c_str()) != 0)
      return errno == EEXIST ? exists(path_) : not_written(path_, reason(errno));
    ::unlink(aside_.c_str());
  }
  ::close(std::exchange(fd_, -1));
  return Status::ok();
}

}  // namespace inlet::cli
