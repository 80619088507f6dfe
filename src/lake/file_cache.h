// Where the files of a lake in an object store lie on local disk: those that were written here and those that were
// fetched to be read, bounded in bytes, shared by all processes of this user on this machine.
//
//   <cache>/<bucket>-<hash>/location     the lake's URL, for people
//                          /evict.lock   flock: shared while a hold is taken, exclusive while files are thrown out
//                          /holds/       a file for each hold: the paths that are in use, under an flock that dies with
//                                        its process
//                          /lake/        as the lake: <table>/<path>.parquet, and _inlet/ with the states of views
//
// A file that is read-only is a copy of an object and may go, least recently used first, unless it is held. One that
// can be written is being written: it goes when it has been left for a day.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "lake/data_files.h"

namespace inlet::lake {

/// Thread safe.
class FileCache {
 public:
  /// `directory` is created. Internal "lake.io": the system's reason.
  static Result<std::shared_ptr<FileCache>> open(const std::string& directory, const std::string& url,
                                                 std::int64_t most_bytes);

  /// The directory that stands for the lake: absolute, canonical.
  const std::string& files() const { return files_; }

  /// Files of the cache (absolute paths, there or about to be) stay while the result lives; they count as used now.
  Result<HeldFiles> hold(const std::vector<std::string>& paths) const;

  /// So many bytes came in. Throws out what is too much; what fails is logged: a cache that is too large harms nobody.
  void grew(std::int64_t bytes);

 private:
  FileCache(std::string directory, std::string files, std::int64_t most_bytes);
  Status throw_out();

  const std::string directory_;
  const std::string files_;
  const std::int64_t most_bytes_;
  std::mutex mutex_;
  std::int64_t used_ = -1;  // as far as this process knows; -1: not looked yet. Guarded by mutex_
  std::int64_t since_look_ = 0;
};

/// Below `cache`, or the user's cache directory where that is empty.
std::string cache_directory(const std::string& cache, const std::string& url, const std::string& endpoint);

}  // namespace inlet::lake
