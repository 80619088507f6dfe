#include "views/versions_needed.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "base/json.h"
#include "views/publisher.h"

namespace inlet::views {
namespace {

// The manifest's second line; what cannot be read is a cache that is built anew from the newest version.
std::optional<TableVersion> saved_version(const std::string& path) {
  std::ifstream file(path);
  std::string checksum;
  std::string body;
  if (!std::getline(file, checksum) || !std::getline(file, body)) return std::nullopt;
  const auto manifest = parse_json(body);
  if (!manifest || !manifest->is_object()) return std::nullopt;
  const auto bronze = manifest->find("bronze");
  if (bronze == manifest->end() || !bronze->is_object()) return std::nullopt;
  const auto version = bronze->find("version");
  if (version == bronze->end() || !version->is_number_integer()) return std::nullopt;
  return TableVersion{version->get<std::int64_t>()};
}

}  // namespace

Result<std::optional<TableVersion>> lowest_version_needed(const config::PipelineConfig& config, lake::Lake& lake) {
  std::optional<TableVersion> lowest;
  const auto needs = [&](std::optional<TableVersion> version) {
    if (version) lowest = std::min(lowest.value_or(*version), *version);
  };
  for (const auto& view : config.views) {
    needs(saved_version(lake.root() + "/_inlet/" + config.name + "/views/" + view.name + "/state.json"));
    const auto table = lake.open(view.table);
    if (table.status().code() == StatusCode::kNotFound) continue;
    INLET_RETURN_IF_ERROR(table.status());
    const auto reflects = (*table)->snapshot()->transaction(view_txn_id(config.name, view.name));
    if (reflects) needs(TableVersion{*reflects});
  }
  return lowest;
}

}  // namespace inlet::views
