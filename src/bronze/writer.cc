#include "bronze/writer.h"

#include <algorithm>

#include "base/fault_point.h"
#include "lake/file_statistics.h"

namespace inlet::bronze {
namespace {

// The end of the year 9999: what Delta's readers take for a timestamp, and what a record's own time may exceed.
constexpr std::int64_t kLatestTimestampMs = 253'402'300'799'999;

std::string timestamp_literal(Timestamp time) {
  return "make_timestamptz(" + std::to_string(time.time_since_epoch().count()) + "::BIGINT)";
}

std::int64_t milliseconds(Timestamp time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// One row a reject, in the shape of quarantine_definition() without `quarantined_at`.
std::vector<duck::DataChunk> reject_chunks(const Batch& batch, const Schema& schema) {
  enum Columns { kReason, kMessage, kField, kRaw, kEncoding, kRawBytes, kRawCut, kSource, kPartition, kOffset, kTime };
  std::vector<duck::DataChunk> chunks;
  std::size_t row = duck::DataChunk::kCapacity;
  for (const auto& decoded : batch.decoded()) {
    for (const auto& reject : decoded.rejects) {
      if (row == duck::DataChunk::kCapacity) {
        if (!chunks.empty()) chunks.back().set_rows(row);
        chunks.emplace_back(schema);
        row = 0;
      }
      auto& chunk = chunks.back();
      chunk.set_string(kReason, row, decode::to_string(reject.reason));
      chunk.set_string(kMessage, row, reject.message);
      reject.field.empty() ? chunk.set_null(kField, row) : chunk.set_string(kField, row, reject.field);
      reject.reason == decode::RejectReason::kTombstone ? chunk.set_null(kRaw, row)
                                                        : chunk.set_string(kRaw, row, reject.raw);
      chunk.set_string(kEncoding, row, reject.raw_is_base64 ? "base64" : "utf8");
      chunk.values<std::int64_t>(kRawBytes)[row] = reject.raw_bytes;
      chunk.values<bool>(kRawCut)[row] = reject.raw_is_cut;
      chunk.set_string(kSource, row, decoded.partition.source);
      chunk.values<std::int32_t>(kPartition)[row] = decoded.partition.partition;
      chunk.values<std::int64_t>(kOffset)[row] = reject.offset.value;
      const bool has_time = reject.timestamp_ms > 0 && reject.timestamp_ms <= kLatestTimestampMs;
      if (!has_time) chunk.set_null(kTime, row);
      if (has_time) chunk.values<std::int64_t>(kTime)[row] = reject.timestamp_ms * 1000;
      ++row;
    }
  }
  if (!chunks.empty()) chunks.back().set_rows(row);
  return chunks;
}

void add_output_metrics(lake::Commit& commit) {
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  for (const auto& add : commit.adds) {
    rows += add.rows;
    bytes += add.bytes;
  }
  commit.operation_metrics["numOutputRows"] = rows;
  commit.operation_metrics["numOutputBytes"] = bytes;
  commit.operation_metrics["numAddedFiles"] = static_cast<std::int64_t>(commit.adds.size());
  commit.operation_metrics["numRemovedFiles"] = 0;
}

lake::Commit start_commit(const std::string& pipeline, std::vector<lake::AddFile> adds) {
  lake::Commit commit;
  commit.operation = "STREAMING UPDATE";
  commit.operation_parameters = {{"outputMode", "Append"}, {"queryId", pipeline}};
  commit.adds = std::move(adds);
  add_output_metrics(commit);
  return commit;
}

// "kafka:t/0" → "12..90", for people and for provenance.
void add_ranges(lake::Commit& commit, const Batch& batch) {
  for (const auto& slice : batch.slices()) {
    commit.info["offsets:" + slice.partition.to_string()] =
        std::to_string(slice.range.first.value) + ".." + std::to_string(slice.range.last.value);
  }
}

std::int64_t epoch_of(const Epochs& epochs, const TopicPartition& partition) {
  const auto found = epochs.find(partition);
  return found == epochs.end() ? 0 : found->second;
}

}  // namespace

Status check_slice(const lake::Snapshot& snapshot, const std::string& pipeline, const PartitionSlice& slice,
                   std::int64_t own_epoch) {
  const auto state = read_state(snapshot, pipeline, slice.partition);
  const std::string where = slice.partition.to_string() + "/" + std::to_string(slice.range.first.value) + ".." +
                            std::to_string(slice.range.last.value);
  if (state.epoch != own_epoch) {
    return Status(StatusCode::kFenced, "claim.superseded", "another process has taken this partition over")
        .at(where)
        .because("this process holds epoch " + std::to_string(own_epoch) + ", the table is at epoch " +
                 std::to_string(state.epoch))
        .fix("nothing was written twice; let one process run, or share the topic through source.kafka.group_id");
  }
  if (state.marker != slice.range.first.previous()) {
    return Status(StatusCode::kDataLoss, "marker.moved", "the table's marker is not where this batch begins")
        .at(where)
        .because("the marker is " + (state.marker ? std::to_string(state.marker->value) : std::string("absent")))
        .fix("start again: the position is then read from the table");
  }
  return Status::ok();
}

Writer::Writer(Tables& tables, const config::PipelineConfig& config, duck::Connection connection, const Clock& clock)
    : tables_(tables),
      config_(config),
      bronze_definition_(bronze_definition(config)),
      quarantine_definition_(quarantine_definition(config)),
      late_definition_(late_definition(config)),
      chunk_schema_(decode::Decoder::chunk_schema(config)),
      diverted_schema_(diverted_schema(config)),
      connection_(std::move(connection)),
      clock_(clock) {}

Result<std::vector<lake::AddFile>> Writer::write_parquet(const SharedTable& table,
                                                         const lake::TableDefinition& definition,
                                                         const duck::ChunkScan& scan, const std::string& select,
                                                         Timestamp now) {
  duck::ParquetOptions options;
  options.directory = table.directory();
  options.partition_columns = definition.partition_columns;
  connection_.bind_chunks(scan);
  auto written = duck::copy_to_parquet(connection_, select, options);
  connection_.unbind_chunks();
  if (!written.is_ok()) return written.status();
  std::vector<lake::AddFile> adds;
  for (const auto& file : *written)
    adds.push_back(lake::add_file(file, table.directory(), definition.schema, milliseconds(now)));
  return adds;
}

Status Writer::write_rejects(const Batch& batch, const Epochs& epochs, Timestamp now,
                             const std::function<bool()>& should_stop) {
  Schema schema = quarantine_definition_.schema;
  schema.columns.pop_back();  // quarantined_at comes from the SELECT
  const auto chunks = reject_chunks(batch, schema);
  std::vector<const duck::DataChunk*> pointers;
  for (const auto& chunk : chunks) pointers.push_back(&chunk);
  INLET_ASSIGN_OR_RETURN(
      auto adds, write_parquet(*tables_.quarantine, quarantine_definition_, {schema, pointers},
                               "SELECT *, " + timestamp_literal(now) + " AS quarantined_at FROM inlet_chunks()", now));
  INLET_RETURN_IF_ERROR(lake::sync_files_until(*tables_.quarantine->data_files(), adds, should_stop));
  INLET_FAULT_POINT("bronze.before_quarantine_commit");
  INLET_RETURN_IF_ERROR(commit_decided(*tables_.quarantine, adds, batch, epochs, should_stop));
  INLET_FAULT_POINT("bronze.after_quarantine_commit");
  return Status::ok();
}

Status Writer::write_diverted(const Batch& batch, const Epochs& epochs, Timestamp now,
                              const std::function<bool()>& should_stop) {
  std::vector<const duck::DataChunk*> chunks;
  for (const auto& diverted : batch.diverted_chunks()) chunks.push_back(&diverted.chunk);
  const std::string time = timestamp_literal(now);
  INLET_ASSIGN_OR_RETURN(
      auto adds, write_parquet(*tables_.late, late_definition_, {diverted_schema_, chunks},
                               "SELECT * EXCLUDE (max_event_time), " + time + " AS date_ingestion, max_event_time, " +
                                   time + " AS diverted_at FROM inlet_chunks()",
                               now));
  INLET_RETURN_IF_ERROR(lake::sync_files_until(*tables_.late->data_files(), adds, should_stop));
  INLET_FAULT_POINT("bronze.before_late_commit");
  INLET_RETURN_IF_ERROR(commit_decided(*tables_.late, adds, batch, epochs, should_stop));
  INLET_FAULT_POINT("bronze.after_late_commit");
  return Status::ok();
}

Status Writer::commit_decided(SharedTable& table, const std::vector<lake::AddFile>& adds, const Batch& batch,
                              const Epochs& epochs, const std::function<bool()>& should_stop) {
  const auto plan = [&](const lake::Snapshot& snapshot) -> Result<lake::Commit> {
    auto commit = start_commit(config_.name, adds);
    add_ranges(commit, batch);
    for (const auto& slice : batch.slices()) {
      const auto state = read_state(snapshot, config_.name, slice.partition);
      if (state.epoch != epoch_of(epochs, slice.partition)) {
        // The one comparison that a secondary table makes: its marker justifies nothing (rule 5).
        return check_slice(snapshot, config_.name, slice, epoch_of(epochs, slice.partition));
      }
      // Never backwards: rows that an earlier owner left above this range are looked for by the highest marker.
      const Offset highest = std::max(state.marker.value_or(slice.range.last), slice.range.last);
      commit.transactions.push_back({marker_id(config_.name, slice.partition), highest.value});
    }
    return commit;
  };
  return table.commit(plan, should_stop).status();
}

void Writer::add_counts(lake::Commit& commit, const lake::Snapshot& snapshot, const WriteResult& result) const {
  const auto count = [&](const std::string& app_id, std::int64_t more) {
    if (more > 0) commit.transactions.push_back({app_id, snapshot.transaction(app_id).value_or(0) + more});
  };
  commit.operation_metrics["numQuarantinedRows"] = result.rejects;
  if (config_.late.delay) {
    commit.operation_metrics["numLateRows"] = result.late;
    commit.operation_metrics["numDivertedRows"] = result.diverted;
    count(late_id(config_.name), result.late);
  }
  for (std::size_t i = 0; i < result.expectation_failures.size(); ++i) {
    const auto& name = config_.expectations[i].name;
    commit.operation_metrics["numNotMet." + name] = result.expectation_failures[i];
    count(expectation_id(config_.name, name), result.expectation_failures[i]);
  }
}

Result<WriteResult> Writer::write(Batch& batch, const Epochs& epochs, const std::function<bool()>& should_stop) {
  WriteResult result;
  const Timestamp now = clock_.now();
  result.ingested_at = now;
  const auto started = clock_.steady_now();
  result.rejects = static_cast<std::int64_t>(batch.rejects());
  if (result.rejects > 0 && !batch.rejects_committed()) {
    INLET_RETURN_IF_ERROR(write_rejects(batch, epochs, now, should_stop));
    batch.mark_rejects_committed();
  }
  result.late = static_cast<std::int64_t>(batch.late());
  result.diverted = static_cast<std::int64_t>(batch.diverted());
  result.expectation_failures = batch.expectation_failures();
  if (result.diverted > 0 && !batch.diverted_committed()) {
    INLET_RETURN_IF_ERROR(write_diverted(batch, epochs, now, should_stop));
    batch.mark_diverted_committed();
  }

  INLET_FAULT_POINT("bronze.before_parquet");
  std::vector<lake::AddFile> adds;
  std::vector<const duck::DataChunk*> chunks;
  for (const auto& decoded : batch.decoded()) {
    if (decoded.chunk && decoded.chunk.rows() > 0) chunks.push_back(&decoded.chunk);
  }
  if (!chunks.empty()) {
    INLET_ASSIGN_OR_RETURN(
        adds, write_parquet(*tables_.bronze, bronze_definition_, {chunk_schema_, chunks},
                            "SELECT *, " + timestamp_literal(now) + " AS date_ingestion FROM inlet_chunks()", now));
  }
  INLET_FAULT_POINT("bronze.after_parquet");
  const auto parquet_done = clock_.steady_now();
  result.parquet_time = std::chrono::duration_cast<std::chrono::microseconds>(parquet_done - started);
  for (const auto& add : adds) {
    result.rows += add.rows;
    result.bytes += add.bytes;
  }
  result.files = static_cast<std::int64_t>(adds.size());
  if (!adds.empty()) INLET_RETURN_IF_ERROR(lake::sync_files_until(*tables_.bronze->data_files(), adds, should_stop));

  const auto plan = [&](const lake::Snapshot& snapshot) -> Result<lake::Commit> {
    auto commit = start_commit(config_.name, adds);
    add_counts(commit, snapshot, result);
    add_ranges(commit, batch);
    for (const auto& slice : batch.slices()) {
      INLET_RETURN_IF_ERROR(check_slice(snapshot, config_.name, slice, epoch_of(epochs, slice.partition)));
      commit.transactions.push_back({marker_id(config_.name, slice.partition), slice.range.last.value});
      commit.transactions.push_back(
          {fingerprint_id(config_.name, slice.partition),
           slice.last_fingerprint ? static_cast<std::int64_t>(*slice.last_fingerprint) : kNoRecordAtMarker});
      if (slice.max_event_time) {
        const auto before = snapshot.transaction(max_event_time_id(config_.name, slice.partition));
        const auto here = slice.max_event_time->time_since_epoch().count();
        commit.transactions.push_back(
            {max_event_time_id(config_.name, slice.partition), std::max(here, before.value_or(here))});
      }
    }
    const auto events_before = snapshot.transaction(events_id(config_.name)).value_or(0);
    result.total_events = events_before + static_cast<std::int64_t>(batch.records());
    commit.transactions.push_back({events_id(config_.name), result.total_events});
    return commit;
  };
  INLET_FAULT_POINT("bronze.before_commit");
  INLET_ASSIGN_OR_RETURN(result.bronze, tables_.bronze->commit(plan, should_stop));
  INLET_FAULT_POINT("bronze.after_commit");
  result.commit_time = std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady_now() - parquet_done);
  return result;
}

}  // namespace inlet::bronze
