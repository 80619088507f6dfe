#include "config/delta_properties.h"

#include <algorithm>
#include <vector>

#include "config/key_table.h"

namespace inlet::config {
namespace {

const std::vector<std::string>& known_properties() {
  static const std::vector<std::string> names{
      "delta.appendOnly",
      "delta.autoOptimize.autoCompact",
      "delta.autoOptimize.optimizeWrite",
      "delta.checkpoint.writeStatsAsJson",
      "delta.checkpoint.writeStatsAsStruct",
      "delta.checkpointInterval",
      "delta.checkpointPolicy",
      "delta.checkpointRetentionDuration",
      "delta.columnMapping.mode",
      "delta.dataSkippingNumIndexedCols",
      "delta.dataSkippingStatsColumns",
      "delta.deletedFileRetentionDuration",
      "delta.enableChangeDataFeed",
      "delta.enableDeletionVectors",
      "delta.enableExpiredLogCleanup",
      "delta.enableInCommitTimestamps",
      "delta.enableRowTracking",
      "delta.enableTypeWidening",
      "delta.isolationLevel",
      "delta.logRetentionDuration",
      "delta.minReaderVersion",
      "delta.minWriterVersion",
      "delta.parquet.compression.codec",
      "delta.randomizeFilePrefixes",
      "delta.randomPrefixLength",
      "delta.setTransactionRetentionDuration",
      "delta.targetFileSize",
      "delta.tuneFileSizesForRewrites",
  };
  return names;
}

}  // namespace

std::string delta_property_case(std::string_view name) {
  for (const auto& known : known_properties()) {
    if (same_name(known, name)) return known;
  }
  return std::string(name);
}

Status check_delta_property(std::string_view name) {
  const std::string shown(name);
  if (same_name(name, "delta.setTransactionRetentionDuration")) {
    return Status(StatusCode::kInvalidArgument, "config.property_refused", shown + " cannot be set")
        .because(
            "the positions of the sources are transaction identifiers of the table: with a retention they expire, "
            "and what was read once would be read again")
        .fix("remove the property");
  }
  if (!name.starts_with("delta.")) {
    return Status(StatusCode::kInvalidArgument, "config.unknown_key", "unknown table property " + shown)
        .fix("names of Delta's table properties begin with \"delta.\"");
  }
  const auto& known = known_properties();
  if (std::find(known.begin(), known.end(), name) != known.end()) return Status::ok();
  std::vector<std::string> short_names;
  for (const auto& property : known) short_names.push_back(property.substr(property.find('.') + 1));
  const auto near = nearest(name.substr(name.find('.') + 1), short_names, 2);
  if (near.empty()) return Status::ok();
  return Status(StatusCode::kInvalidArgument, "config.unknown_key", "unknown table property " + shown)
      .fix("did you mean delta." + near + "?");
}

}  // namespace inlet::config
