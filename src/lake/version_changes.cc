#include "lake/table.h"

namespace inlet::lake {

Result<bool> rows_stay(const std::function<Result<VersionChanges>(TableVersion)>& changes, TableVersion from,
                       TableVersion to) {
  for (TableVersion version{from.value + 1}; version <= to; ++version.value) {
    const auto here = changes(version);
    if (here.status().code() == StatusCode::kNotFound) return false;
    INLET_RETURN_IF_ERROR(here.status());
    if (!here->added.empty() || here->removes_rows || here->changes_definition) return false;
  }
  return true;
}

}  // namespace inlet::lake
