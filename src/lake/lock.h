// One process per pipeline and lake, where no consumer group hands out partitions (rule 2).
#pragma once

#include <memory>
#include <string>

#include "base/status.h"

namespace inlet::lake {

/// An exclusive flock on <lake root>/_inlet/<pipeline>.lock, which holds {"pid":…,"host":…,"since":…} for people. The
/// kernel releases it with the process, however that ends. The file itself is never deleted: a file that can go could
/// be locked by two processes at once, under one name.
/// Not a fence: a process that was stopped and continues still holds it; epochs are what supersedes it.
class PipelineLock {
 public:
  /// Transient "lake.locked": held; the message says by whom and since when. Internal "lake.io": the system's reason.
  static Result<PipelineLock> acquire(const std::string& lake_root, const std::string& pipeline);

  PipelineLock(PipelineLock&& other) noexcept;
  PipelineLock& operator=(PipelineLock&& other) noexcept;
  PipelineLock(const PipelineLock&) = delete;
  PipelineLock& operator=(const PipelineLock&) = delete;
  ~PipelineLock();

  const std::string& path() const { return path_; }

 private:
  PipelineLock(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;
};

}  // namespace inlet::lake
