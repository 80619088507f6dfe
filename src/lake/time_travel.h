// Which version of a table an instant means, and whether a version's rows can still be read.
#pragma once

#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "lake/table.h"

namespace inlet::lake {

/// The newest version that was committed at or before `time`, by the commits' own timestamps (milliseconds). NotFound
/// "lake.not_yet": the table was made later; "lake.no_version": the log from then was cleaned up. Looks at about
/// log2(versions) commits; where a clock was set back, an instant that came twice means either time.
Result<TableVersion> version_at(Table& table, Timestamp time);

/// Whether `files`, those of `version`, all stand on disk. NotFound "lake.files_gone": some were vacuumed; the fix says
/// from which version on all files are there.
Status check_files_are_there(Table& table, TableVersion version, const std::vector<LiveFile>& files);

}  // namespace inlet::lake
