// One process per pipeline and lake, where no consumer group hands out partitions (rule 2); one at a time that deletes
// or brings back files of a table.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"

namespace inlet::lake {

/// An exclusive flock on a file, which holds {"pid":…,"host":…,"since":…} for people. The kernel releases it with the
/// process, however that ends. The file itself is never deleted: a file that can go could be locked by two processes at
/// once, under one name.
class FileLock {
 public:
  /// Transient "lake.locked", with `what` as what happened: held; the message says by whom and since when. Internal
  /// "lake.io": the system's reason.
  static Result<FileLock> acquire(const std::string& directory, const std::string& name, const std::string& what);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

  const std::string& path() const { return path_; }

 private:
  FileLock(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;
};

/// <lake root>/_inlet/<pipeline>.log: where the runs of a pipeline keep their log, all of them the same.
std::string pipeline_log_path(const std::string& lake_root, const std::string& pipeline);

/// <lake root>/_inlet/<pipeline>.lock.
/// Not a fence: a process that was stopped and continues still holds it; epochs are what supersedes it.
class PipelineLock {
 public:
  /// As FileLock::acquire.
  static Result<PipelineLock> acquire(const std::string& lake_root, const std::string& pipeline);

  const std::string& path() const { return lock_.path(); }

 private:
  explicit PipelineLock(FileLock lock) : lock_(std::move(lock)) {}

  FileLock lock_;
};

/// <lake root>/_inlet/<table>.vacuum.lock: while files are deleted none is brought back, and the other way round.
class VacuumLock {
 public:
  /// As FileLock::acquire.
  static Result<VacuumLock> acquire(const std::string& lake_root, const std::string& table);

 private:
  explicit VacuumLock(FileLock lock) : lock_(std::move(lock)) {}

  FileLock lock_;
};

/// Since when the process runs that has held a pipeline's lock on this lake longest; nullopt: nobody holds one. Writers
/// that share a topic through a consumer group hold none.
Result<std::optional<Timestamp>> oldest_writer(const std::string& lake_root);

}  // namespace inlet::lake
