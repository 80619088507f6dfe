// A .tar.gz that is put together aside and is there whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

struct archive;

namespace inlet::cli {

/// One owner. An archive that was not finished leaves nothing behind, unless the process is killed.
class SupportArchive {
 public:
  struct Entry {
    std::string path;
    std::size_t bytes = 0;
  };

  /// Readable by its owner alone. `replace`: over a file of that name, which is refused otherwise (InvalidArgument
  /// "bundle.exists"). Internal "bundle.not_written": the system's reason.
  static Result<std::unique_ptr<SupportArchive>> create(std::string path, bool replace);
  ~SupportArchive();
  SupportArchive(const SupportArchive&) = delete;
  SupportArchive& operator=(const SupportArchive&) = delete;

  /// A file below the archive's one folder.
  Status add(const std::string& path, std::string_view content, std::time_t modified);
  /// Writes the end and puts the archive into its place. Nothing may be added afterwards.
  Status finish();

  const std::vector<Entry>& entries() const { return entries_; }

 private:
  SupportArchive(std::string path, bool replace);
  Status failed(const std::string& doing) const;

  const std::string path_;
  const bool replace_;
  const std::string aside_;
  int fd_ = -1;
  struct Freed {
    void operator()(archive* writer) const;
  };
  std::unique_ptr<archive, Freed> writer_;
  std::vector<Entry> entries_;
};

}  // namespace inlet::cli
