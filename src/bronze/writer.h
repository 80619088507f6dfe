// A batch → Parquet → one Delta commit, with its rejects in quarantine and its diverted rows in the late table before
// it.
//
// What flows in: a Batch whose partitions this process has claimed. What flows out: the version it became. The order of
// effects is the argument (docs/exactly-once.md, rules 1, 3, 5, 8):
//   quarantine: Parquet, fsync, commit {add, marker}      only when the batch has rejects
//   late:       Parquet, fsync, commit {add, marker}      only when rows of it are diverted
//   bronze:     Parquet, fsync, commit {add, markers}     always: the marker moves with or without a good row
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "bronze/batch.h"
#include "bronze/claim.h"
#include "bronze/tables.h"
#include "duck/database.h"

namespace inlet::bronze {

/// Epochs this process holds, by partition.
using Epochs = std::map<TopicPartition, std::int64_t>;

struct WriteResult {
  lake::Committed bronze;
  Timestamp ingested_at;  // `date_ingestion` of the rows
  std::int64_t rows = 0;
  std::int64_t rejects = 0;
  std::int64_t late = 0;                           // of `rows` and `diverted`
  std::int64_t diverted = 0;                       // in the late table
  std::vector<std::int64_t> expectation_failures;  // per expectation
  std::int64_t files = 0;
  std::int64_t bytes = 0;         // of Parquet
  std::int64_t total_events = 0;  // of the pipeline's life, this batch included
  std::chrono::microseconds parquet_time{0};
  std::chrono::microseconds commit_time{0};  // fsync and commit
};

/// Why a batch may not be committed as it is. Pure: rule 3, on the very snapshot a commit builds on.
/// Fenced "claim.superseded" where the epoch moved, DataLoss "marker.moved" where the marker is not range.first - 1.
Status check_slice(const lake::Snapshot& snapshot, const std::string& pipeline, const PartitionSlice& slice,
                   std::int64_t own_epoch);

/// Not thread safe: the writer thread's. `tables` and `config` outlive it.
class Writer {
 public:
  Writer(Tables& tables, const config::PipelineConfig& config, duck::Connection connection, const Clock& clock);

  /// Errors: Fenced, and then nothing of the batch is in bronze (its rejects may be in quarantine and its diverted rows
  /// in the late table, where the next owner finds them); Internal with the system's reason (disk full); Cancelled.
  Result<WriteResult> write(Batch& batch, const Epochs& epochs, const std::function<bool()>& should_stop);

 private:
  Status write_rejects(const Batch& batch, const Epochs& epochs, Timestamp now,
                       const std::function<bool()>& should_stop);
  Status write_diverted(const Batch& batch, const Epochs& epochs, Timestamp now,
                        const std::function<bool()>& should_stop);
  Status commit_decided(SharedTable& table, const std::vector<lake::AddFile>& adds, const Batch& batch,
                        const Epochs& epochs, const std::function<bool()>& should_stop);
  void add_counts(lake::Commit& commit, const lake::Snapshot& snapshot, const WriteResult& result) const;
  Result<std::vector<lake::AddFile>> write_parquet(const SharedTable& table, const lake::TableDefinition& definition,
                                                   const duck::ChunkScan& scan, const std::string& select,
                                                   Timestamp now);

  Tables& tables_;
  const config::PipelineConfig& config_;
  const lake::TableDefinition bronze_definition_;
  const lake::TableDefinition quarantine_definition_;
  const lake::TableDefinition late_definition_;
  const Schema chunk_schema_;
  const Schema diverted_schema_;
  duck::Connection connection_;
  const Clock& clock_;
};

}  // namespace inlet::bronze
