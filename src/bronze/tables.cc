#include "bronze/tables.h"

#include "decode/decoder.h"
#include "lake/evolve.h"

namespace inlet::bronze {

lake::TableDefinition bronze_definition(const config::PipelineConfig& config) {
  lake::TableDefinition definition;
  definition.name = config.bronze.table;
  definition.schema = decode::Decoder::chunk_schema(config);
  definition.schema.columns.push_back({"date_ingestion", {TypeKind::kTimestamp}, true});
  if (config.bronze.partition_by) definition.partition_columns.push_back(config.bronze.partition_by->name);
  definition.properties = config.bronze.properties;
  return definition;
}

lake::TableDefinition quarantine_definition(const config::PipelineConfig& config) {
  lake::TableDefinition definition;
  definition.name = config.quarantine.table;
  definition.schema.columns = {
      {"reason", {TypeKind::kVarchar}, true},
      {"message", {TypeKind::kVarchar}, true},
      {"field", {TypeKind::kVarchar}, true},
      {"raw", {TypeKind::kVarchar}, true},
      {"raw_encoding", {TypeKind::kVarchar}, true},
      {"raw_bytes", {TypeKind::kBigint}, true},
      {"raw_cut", {TypeKind::kBoolean}, true},
      {"_source", {TypeKind::kVarchar}, true},
      {"_partition", {TypeKind::kInt}, true},
      {"_offset", {TypeKind::kBigint}, true},
      {"_kafka_timestamp", {TypeKind::kTimestamp}, true},
      {"quarantined_at", {TypeKind::kTimestamp}, true},
  };
  return definition;
}

lake::TableDefinition late_definition(const config::PipelineConfig& config) {
  lake::TableDefinition definition = bronze_definition(config);
  definition.name = config.late.table;
  definition.schema.columns.push_back({"max_event_time", {TypeKind::kTimestamp}, true});
  definition.schema.columns.push_back({"diverted_at", {TypeKind::kTimestamp}, true});
  return definition;
}

SharedTable::SharedTable(std::unique_ptr<lake::Table> table, lake::TableDefinition definition)
    : table_(std::move(table)),
      definition_(std::move(definition)),
      table_id_(table_->snapshot()->table_id()),
      lacks_columns_(!(table_->snapshot()->schema() == definition_.schema) &&
                     lake::can_become(table_->snapshot()->schema(), definition_.schema)) {}

lake::SnapshotPtr SharedTable::snapshot() const {
  const std::scoped_lock lock(mutex_);
  return table_->snapshot();
}

Result<lake::SnapshotPtr> SharedTable::refresh() {
  const std::scoped_lock lock(mutex_);
  return table_->refresh();
}

Result<lake::Committed> SharedTable::commit(const lake::CommitPlan& plan, const std::function<bool()>& should_stop) {
  const std::scoped_lock lock(mutex_);
  return table_->commit(
      [&](const lake::Snapshot& snapshot) -> Result<lake::Commit> {
        INLET_RETURN_IF_ERROR(check_unmoved(snapshot));
        return plan(snapshot);
      },
      should_stop);
}

Status SharedTable::check_unmoved(const lake::Snapshot& snapshot) const {
  const auto moved = [&](const std::string& why) {
    return Status(StatusCode::kDataLoss, "lake.metadata_moved", "the table is no longer the one this process opened")
        .at(definition_.name + "@" + std::to_string(snapshot.version().value))
        .because(why)
        .fix("bring the pipeline file in line with the table, then start again; nothing was written");
  };
  if (snapshot.table_id() != table_id_) return moved("it was dropped and created anew");
  if (const auto difference = lake::schema_difference(snapshot.schema(), definition_.schema); !difference.empty()) {
    if (lacks_columns_ && lake::can_become(snapshot.schema(), definition_.schema)) {
      return Status(StatusCode::kInvalidArgument, "lake.schema_differs", "the table has not got every column yet")
          .at(definition_.name + "@" + std::to_string(snapshot.version().value))
          .because(difference)
          .fix("start `inlet run` with this pipeline file: it gives the table the columns");
    }
    return moved("its columns were changed by another writer:\n" + difference);
  }
  if (snapshot.partition_columns() != definition_.partition_columns) return moved("its partitioning was changed");
  return Status::ok();
}

Result<Tables> Tables::open(const config::PipelineConfig& config, NewColumns new_columns,
                            std::unique_ptr<lake::Lake> lake) {
  Tables tables;
  tables.new_columns_ = new_columns;
  tables.lake = std::move(lake);
  if (!tables.lake) {
    INLET_ASSIGN_OR_RETURN(tables.lake, lake::open_lake(config.lake, config.storage));
  }
  const auto open_one = [&](lake::TableDefinition definition) -> Result<std::unique_ptr<SharedTable>> {
    INLET_ASSIGN_OR_RETURN(auto table, new_columns == NewColumns::kAdd ? lake::open_or_evolve(*tables.lake, definition)
                                                                       : tables.lake->open_or_create(definition));
    return std::make_unique<SharedTable>(std::move(table), std::move(definition));
  };
  INLET_ASSIGN_OR_RETURN(tables.bronze, open_one(bronze_definition(config)));
  INLET_ASSIGN_OR_RETURN(tables.quarantine, open_one(quarantine_definition(config)));
  tables.late_definition_ = late_definition(config);
  if (config.late.diverts()) {
    INLET_ASSIGN_OR_RETURN(tables.late, open_one(tables.late_definition_));
  }
  return tables;
}

Status Tables::find_late() {
  if (late || late_definition_.name.empty()) return Status::ok();
  auto found = lake->open(late_definition_.name);
  if (found.status().code() == StatusCode::kNotFound) return Status::ok();
  if (new_columns_ == NewColumns::kAdd) found = lake::open_or_evolve(*lake, late_definition_);
  INLET_ASSIGN_OR_RETURN(auto table, std::move(found));
  late = std::make_unique<SharedTable>(std::move(table), late_definition_);
  return Status::ok();
}

}  // namespace inlet::bronze
