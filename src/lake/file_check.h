// Data files against the digests that the log has of them: what a disk or a hand has made of a file since it was
// written is told, and never read as rows. Parquet itself would not tell: DuckDB reads a page whose bits have changed.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "lake/table.h"

namespace inlet::lake {

/// Reads the files of the table in `directory` whole, each once a process as long as its place, size and time stay what
/// they are. A file without a digest (of another writer, or of before there were any) is believed, and so is one that
/// is not there: whoever reads it says so. Corruption "lake.file_damaged" names the first that is not what was written.
/// Thread safe.
Status check_files(const std::string& directory, const std::vector<LiveFile>& files);

}  // namespace inlet::lake
