// The tables this stage owns: their shapes, and the one place where they are opened and committed to.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/status.h"
#include "config/pipeline_config.h"
#include "lake/table.h"

namespace inlet::bronze {

/// Columns: Decoder::chunk_schema, then `date_ingestion`.
lake::TableDefinition bronze_definition(const config::PipelineConfig& config);

/// reason, message, field, raw, raw_encoding ("utf8" or "base64"), raw_bytes, raw_cut, _source, _partition, _offset,
/// _kafka_timestamp, quarantined_at.
lake::TableDefinition quarantine_definition(const config::PipelineConfig& config);

/// The columns of bronze, then `max_event_time` (the largest event time that the row was judged by) and `diverted_at`;
/// partitioned as bronze is. Its `date_ingestion` is when the row was read.
lake::TableDefinition late_definition(const config::PipelineConfig& config);

/// A table and the lock that makes it one owner's at a time: the source thread claims, the writer thread appends.
class SharedTable {
 public:
  SharedTable(std::unique_ptr<lake::Table> table, lake::TableDefinition definition);

  const std::string& name() const { return definition_.name; }
  const std::string& directory() const { return table_->directory(); }
  std::shared_ptr<const lake::DataFiles> data_files() const { return table_->data_files(); }

  lake::SnapshotPtr snapshot() const;
  Result<lake::SnapshotPtr> refresh();

  /// As Table::commit, and before every attempt the snapshot is checked to be still the table that was opened
  /// (rule 10): DataLoss "lake.metadata_moved" when its id, columns or partitioning are others.
  Result<lake::Committed> commit(const lake::CommitPlan& plan, const std::function<bool()>& should_stop);

 private:
  Status check_unmoved(const lake::Snapshot& snapshot) const;

  mutable std::mutex mutex_;
  std::unique_ptr<lake::Table> table_;  // guarded by mutex_, but for name and directory
  const lake::TableDefinition definition_;
  const std::string table_id_;
  const bool lacks_columns_;  // the table lacked columns of the definition when it was opened
};

/// What becomes of a table that lacks columns of the pipeline file.
enum class NewColumns {
  kAdd,     // it gets them, where Delta allows it without rewriting files (lake/evolve.h): a run, once it has the lock
  kRefuse,  // InvalidArgument: by commands that may run beside a process which does not know the columns
};

/// The pipeline's tables, opened or created. Thread safe, but for find_late().
struct Tables {
  std::unique_ptr<lake::Lake> lake;
  std::unique_ptr<SharedTable> bronze;
  std::unique_ptr<SharedTable> quarantine;
  std::unique_ptr<SharedTable> late;  // there when the pipeline diverts, or once it was found

  /// `lake`: that of `config`, where it is open already.
  static Result<Tables> open(const config::PipelineConfig& config, NewColumns new_columns = NewColumns::kRefuse,
                             std::unique_ptr<lake::Lake> lake = nullptr);

  /// Looks for a late table that is not known yet: rows that another process diverted are decided, whatever this one
  /// does with late rows. Called at every claim, by the source thread; where the pipeline diverts it changes nothing.
  Status find_late();

 private:
  lake::TableDefinition late_definition_;
  NewColumns new_columns_ = NewColumns::kRefuse;
};

}  // namespace inlet::bronze
