// Names and definitions of tables: what Delta and Inlet could have.
#pragma once

#include <string>

#include "base/status.h"
#include "base/types.h"
#include "lake/table.h"

namespace inlet::lake {

/// InvalidArgument: not below the root, or where the log or Inlet's own files are.
Status check_name(const std::string& name);

/// Of a table whose columns are not those wanted, and cannot become them: what to do, for people.
std::string way_out(const Schema& table, const Schema& wanted);

}  // namespace inlet::lake
