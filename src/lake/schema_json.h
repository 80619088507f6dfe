// Schema <-> the schemaString of a Delta metaData action.
// Source: Delta protocol, "Schema Serialization Format".
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"

namespace inlet::lake {

std::string schema_to_delta(const Schema& schema);

/// InvalidArgument "lake.unsupported_schema": names every column whose type Inlet does not write. Corruption: not the
/// JSON of a Delta schema.
Result<Schema> schema_from_delta(std::string_view json);

}  // namespace inlet::lake
