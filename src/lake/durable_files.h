// Flushing what others wrote: DuckDB does not fsync the Parquet files of a COPY.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace inlet::lake {

/// Flushes the files and every directory from theirs up to `directory`, which may all be new. `files` are relative to
/// `directory`. Internal "lake.io": the system's reason.
Status flush_files(const std::string& directory, const std::vector<std::string>& files);

/// Creates `directory` and what is missing above it, each entry flushed in its parent.
Status create_directories_durably(const std::string& directory);

/// "open /x/y: No space left on device" as Internal "lake.io", for the errno of a call that has just failed.
Status io_error(const std::string& doing, int error_number);

}  // namespace inlet::lake
