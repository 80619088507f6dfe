// A small pipeline in code, for tests that need a configuration but no file.
#pragma once

#include "config/pipeline_config.h"

namespace inlet::fakes {

/// Fields id BIGINT, at TIMESTAMP (both required), amount DECIMAL(12,2) and name VARCHAR (nullable); partitioned by
/// day.
inline config::PipelineConfig small_pipeline(const std::string& lake) {
  config::PipelineConfig config;
  config.name = "p";
  config.lake = lake;
  config.event.schema.columns = {{"id", {TypeKind::kBigint}, false},
                                 {"at", {TypeKind::kTimestamp}, false},
                                 {"amount", {TypeKind::kDecimal, 12, 2}, true},
                                 {"name", {TypeKind::kVarchar}, true}};
  config.event.event_time = "at";
  config.bronze.table = "bronze/events";
  config.bronze.partition_by = config::DerivedColumn{"day", config::DerivedColumn::Function::kDay, "at"};
  config.bronze.batch_interval = std::chrono::milliseconds(5);
  config.quarantine.table = "quarantine/events";
  config.late.table = "late/events";
  config.resources.decode_threads = 2;
  config.resources.duckdb_threads = 1;
  return config;
}

}  // namespace inlet::fakes
