// What looking after tables comes to: small files brought together, old ones deleted, logs cleaned.
#pragma once

#include <cstdint>

namespace inlet::lake {

struct UpkeepCounts {
  std::int64_t compactions = 0;    // groups of small files brought together
  std::int64_t removed_files = 0;  // of these groups
  std::int64_t added_files = 0;    // that they became
  std::int64_t rewritten_bytes = 0;
  std::int64_t vacuumed_files = 0;
  std::int64_t vacuumed_bytes = 0;
  std::int64_t cleaned_log_files = 0;
};

}  // namespace inlet::lake
