// One process per pipeline and lake, where no consumer group hands out partitions (rule 2); one at a time that deletes
// or brings back files of a table.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "base/status.h"
#include "base/storage_options.h"
#include "lake/lease.h"
#include "lake/table.h"

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

/// Where the local files of a lake are: the lake itself, or what stands for one in an object store on this machine.
std::string local_root(const std::string& lake, const StorageOptions& storage);

/// <local root>/_inlet/<pipeline>.log: where the runs of a pipeline keep their log, all of one machine the same.
std::string pipeline_log_path(const std::string& root, const std::string& pipeline);

/// A lock of a lake, below its _inlet: a FileLock where the lake is a directory, a Lease where it is in an object
/// store.
class LakeLock {
 public:
  /// As FileLock::acquire and Lease::acquire.
  static Result<LakeLock> acquire(const Lake& lake, const std::string& name, const std::string& what);

  /// Path or URL, for people.
  const std::string& path() const { return where_; }
  /// Ok while it is held. Fenced "lake.lease_lost": a lease is another's now, or could not be renewed.
  Status held() const;

 private:
  using Lock = std::variant<FileLock, std::unique_ptr<Lease>>;
  LakeLock(Lock lock, std::string where) : lock_(std::move(lock)), where_(std::move(where)) {}

  Lock lock_;
  std::string where_;
};

/// <lake>/_inlet/<pipeline>.lock.
/// Not a fence: a process that was stopped and continues still holds it; epochs are what supersedes it.
class PipelineLock {
 public:
  /// As LakeLock::acquire.
  static Result<PipelineLock> acquire(const Lake& lake, const std::string& pipeline);

  const std::string& path() const { return lock_.path(); }
  /// As LakeLock::held.
  Status held() const { return lock_.held(); }

 private:
  explicit PipelineLock(LakeLock lock) : lock_(std::move(lock)) {}

  LakeLock lock_;
};

/// <lake>/_inlet/<table>.vacuum.lock: while files are deleted none is brought back, and the other way round.
class VacuumLock {
 public:
  /// As LakeLock::acquire.
  static Result<VacuumLock> acquire(const Lake& lake, const std::string& table);

 private:
  explicit VacuumLock(LakeLock lock) : lock_(std::move(lock)) {}

  LakeLock lock_;
};

/// Since when the process runs that has held a pipeline's lock on this lake longest; nullopt: nobody holds one. Writers
/// that share a topic through a consumer group hold none.
Result<std::optional<Timestamp>> oldest_writer(const Lake& lake);

}  // namespace inlet::lake
