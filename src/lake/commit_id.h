// Names that nobody else has: of tables, and of logical commits (rule 4).
#pragma once

#include <string>

namespace inlet::lake {

/// A random UUID (RFC 4122, version 4), from the system's generator: two processes started in the same instant, or
/// forked from one, never share one.
std::string new_uuid();

}  // namespace inlet::lake
