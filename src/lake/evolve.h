// Opening a table whose definition may have grown since: columns that the pipeline file has and the table has not.
//
// What flows in: the definition wanted. What flows out: the table, open, with that definition. Invariants: a table is
// changed by one metaData commit or not at all, no file is touched, and two processes that do it at once end with one
// such commit.
#pragma once

#include <memory>

#include "base/status.h"
#include "lake/table.h"

namespace inlet::lake {

/// As Lake::open_or_create, and a table that can become the one wanted (can_become) is made it. InvalidArgument
/// "lake.schema_differs": it cannot; the difference and the way out are in the message.
Result<std::unique_ptr<Table>> open_or_evolve(Lake& lake, const TableDefinition& definition);

}  // namespace inlet::lake
