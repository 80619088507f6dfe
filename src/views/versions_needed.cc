#include "views/versions_needed.h"

#include <algorithm>

#include "views/publisher.h"
#include "views/state_files.h"

namespace inlet::views {

Result<std::optional<TableVersion>> lowest_version_needed(const config::PipelineConfig& config, lake::Lake& lake) {
  std::optional<TableVersion> lowest;
  const auto needs = [&](std::optional<TableVersion> version) {
    if (version) lowest = std::min(lowest.value_or(*version), *version);
  };
  for (const auto& view : config.views) {
    // What cannot be read is a cache that is built anew from the newest version.
    const auto saved = read_saved_state(state_directory(lake.root(), config.name, view.name));
    if (saved.is_ok()) needs(saved->bronze_version);
    const auto table = lake.open(view.table);
    if (table.status().code() == StatusCode::kNotFound) continue;
    INLET_RETURN_IF_ERROR(table.status());
    const auto reflects = (*table)->snapshot()->transaction(view_txn_id(config.name, view.name));
    if (reflects) needs(TableVersion{*reflects});
  }
  return lowest;
}

}  // namespace inlet::views
