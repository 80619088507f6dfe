// Data files against the digests that the log has of them: what a disk or a hand has made of a file since it was
// written is told, and never read as rows. Parquet itself would not tell: DuckDB reads a page whose bits have changed.
#pragma once

#include <string>

#include "base/status.h"
#include "lake/table.h"

namespace inlet::lake {

/// Reads the file at `path` whole, once a process as long as its place, size and time stay what they are, and holds it
/// against the digest that the log has of it. One without a digest is believed, and so is one that is not there:
/// whoever reads it says so. Corruption "lake.file_damaged": it is not what was written. Thread safe. Called by
/// DataFiles::hold alone.
Status check_file(const std::string& path, const LiveFile& file);

}  // namespace inlet::lake
