// The data files of one table, wherever it stands: DuckDB writes and reads them in a directory of local disk. For a
// table on local disk that is where they are; for one in an object store it is a part of the cache (lake/file_cache.h),
// from which they are put into the store before a commit, and into which they are fetched before they are read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace inlet::lake {

struct LiveFile;

/// Keeps files on local disk for as long as a copy of it lives. One that is made by default keeps none.
class HeldFiles {
 public:
  HeldFiles() = default;
  explicit HeldFiles(std::shared_ptr<const void> hold) : hold_(std::move(hold)) {}

 private:
  std::shared_ptr<const void> hold_;
};

struct StandingFile {
  std::string path;  // relative to the table
  std::int64_t bytes = 0;
  Timestamp modified;
};

/// Thread safe.
class DataFiles {
 public:
  virtual ~DataFiles() = default;

  /// Where rows are written and read: an absolute path on local disk.
  virtual const std::string& directory() const = 0;

  /// The files are in the directory, and what stands in them is what was written, as far as the log has digests of
  /// them: each is read whole once a process as long as its place, size and time stay what they are. They stay there
  /// while the result lives. On local disk a file that is not there is passed over: whoever reads it says so.
  /// Corruption "lake.file_damaged" names the first that is not what was written; NotFound "lake.files_gone",
  /// Transient: of a store.
  virtual Result<HeldFiles> hold(const std::vector<LiveFile>& files) const = 0;

  /// Makes files that were written into the directory last, before a commit adds them.
  virtual Status keep(const std::vector<std::string>& paths) const = 0;

  /// How many of `files` are not there; an error to look is not absence.
  virtual Result<std::size_t> count_gone(const std::vector<LiveFile>& files) const = 0;

  /// Every Parquet file that stands below the table, in a commit or not.
  virtual Result<std::vector<StandingFile>> list() const = 0;

  /// Deletes a file; one that is gone already is no error.
  virtual Status remove(const std::string& path) const = 0;
};

std::shared_ptr<const DataFiles> local_data_files(const std::string& directory);

/// Names with a leading '_' or '.' are not data, but for partitions whose column begins so.
/// Source: Delta's VACUUM, DeltaTableUtils.isHiddenDirectory.
bool is_hidden_name(const std::string& name);

}  // namespace inlet::lake
