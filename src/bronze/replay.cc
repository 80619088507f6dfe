#include "bronze/replay.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <set>
#include <utility>

#include "base/fault_point.h"
#include "bronze/markers.h"
#include "bronze/quarantine_rows.h"
#include "decode/decoder.h"
#include "decode/reject.h"
#include "lake/file_statistics.h"

namespace inlet::bronze {
namespace {

constexpr std::string_view kMoved = "replay.moved";

// Rows and bytes that are decoded before they become a Parquet file, and bytes of one batch: what bounds the memory.
constexpr std::size_t kRowsOfFile = 100'000;
constexpr std::size_t kBytesOfFile = 64U << 20U;
constexpr std::size_t kBytesOfBatch = 8U << 20U;

Status moved(const std::string& why) {
  return Status(StatusCode::kConflict, std::string(kMoved), "the table moved under a replay").because(why);
}

std::int64_t integer_of(const std::string& text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string reason_filter(const ReplayOptions& options) {
  return options.reason ? " WHERE reason = " + duck::quote_literal(*options.reason) : "";
}

// Decodes what it is given in the order of positions, and writes it to Parquet files of the bronze table.
class Rewriter {
 public:
  Rewriter(const SharedTable& bronze, const config::PipelineConfig& config, duck::Connection& connection,
           const Clock& clock, const lake::Snapshot& snapshot, bool dry_run)
      : bronze_(bronze),
        definition_(bronze_definition(config)),
        chunk_schema_(decode::Decoder::chunk_schema(config)),
        decoder_(config, clock),
        connection_(connection),
        snapshot_(snapshot),
        pipeline_(config.name),
        dry_run_(dry_run),
        now_(clock.now()) {}

  Status add(TopicPartition partition, Offset offset, std::int64_t timestamp_ms, std::string value) {
    if (partition_ != partition || values_.size() == source::RecordBatch::kMaxRecords || bytes_ >= kBytesOfBatch) {
      INLET_RETURN_IF_ERROR(decode_batch());
      partition_ = std::move(partition);
    }
    bytes_ += value.size();
    values_.push_back({offset, timestamp_ms, std::move(value)});
    return Status::ok();
  }

  Status finish() {
    INLET_RETURN_IF_ERROR(decode_batch());
    return write_file();
  }

  std::vector<lake::AddFile> adds;
  std::map<TopicPartition, OffsetRange> replayed_ranges;
  std::map<TopicPartition, std::int64_t> replayed_rows;
  std::map<std::string, std::int64_t> rejected;

 private:
  struct Value {
    Offset offset;
    std::int64_t timestamp_ms = 0;
    std::string bytes;
  };

  Status decode_batch() {
    if (values_.empty()) return Status::ok();
    source::RecordBatch batch;
    batch.partition = partition_;
    batch.range = {values_.front().offset, values_.back().offset};
    for (const auto& value : values_) batch.records.push_back({value.offset, value.timestamp_ms, value.bytes, false});
    batch.bytes = bytes_;
    INLET_ASSIGN_OR_RETURN(auto decoded, decoder_.decode(batch, {}));
    values_.clear();
    bytes_ = 0;
    for (const auto& reject : decoded.rejects) ++rejected[std::string(decode::to_string(reject.reason))];
    const std::size_t rows = decoded.chunk.rows();
    if (rows == 0) return Status::ok();
    const auto* offsets = decoded.chunk.values<std::int64_t>(chunk_schema_.columns.size() - 2);
    const OffsetRange range{Offset{offsets[0]}, Offset{offsets[rows - 1]}};
    const auto [known, is_new] = replayed_ranges.emplace(partition_, range);
    if (!is_new) known->second.last = range.last;
    replayed_rows[partition_] += static_cast<std::int64_t>(rows);
    if (dry_run_) return Status::ok();
    rows_ += rows;
    chunk_bytes_ += decoded.bytes;
    chunks_.push_back(std::move(decoded.chunk));
    return rows_ < kRowsOfFile && chunk_bytes_ < kBytesOfFile ? Status::ok() : write_file();
  }

  Status write_file() {
    if (chunks_.empty()) return Status::ok();
    // Later than any reset of the logs the rows are of, whatever the clocks of two machines say: that is how a look at
    // quarantine knows the row for one of the log as it is now.
    auto ingested = now_.time_since_epoch().count();
    for (const auto& [partition, range] : replayed_ranges) {
      const auto reset = snapshot_.transaction(reset_time_id(pipeline_, partition)).value_or(0);
      ingested = std::max(ingested, reset + 1);
    }
    std::vector<const duck::DataChunk*> pointers;
    for (const auto& chunk : chunks_) pointers.push_back(&chunk);
    duck::ParquetOptions options;
    options.directory = bronze_.directory();
    options.partition_columns = definition_.partition_columns;
    connection_.bind_chunks({chunk_schema_, pointers});
    auto written = duck::copy_to_parquet(
        connection_,
        "SELECT *, make_timestamptz(" + std::to_string(ingested) + "::BIGINT) AS date_ingestion FROM inlet_chunks()",
        options);
    connection_.unbind_chunks();
    if (!written.is_ok()) return written.status();
    const auto modified_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch()).count();
    for (const auto& file : *written)
      adds.push_back(lake::add_file(file, bronze_.directory(), definition_.schema, modified_ms));
    chunks_.clear();
    rows_ = 0;
    chunk_bytes_ = 0;
    return Status::ok();
  }

  const SharedTable& bronze_;
  const lake::TableDefinition definition_;
  const Schema chunk_schema_;
  decode::Decoder decoder_;
  duck::Connection& connection_;
  const lake::Snapshot& snapshot_;
  const std::string pipeline_;
  const bool dry_run_;
  const Timestamp now_;

  TopicPartition partition_;  // of values_
  std::deque<Value> values_;
  std::size_t bytes_ = 0;
  std::vector<duck::DataChunk> chunks_;
  std::size_t rows_ = 0;         // of chunks_
  std::size_t chunk_bytes_ = 0;  // of the values they were decoded from
};

Result<std::string> whole_value(std::string raw, const std::string& encoding, std::int64_t raw_bytes,
                                const std::string& where) {
  auto value = encoding == "base64" ? decode::from_base64(raw) : std::optional(std::move(raw));
  if (value && static_cast<std::int64_t>(value->size()) == raw_bytes) return *std::move(value);
  return Status(StatusCode::kCorruption, "quarantine.raw_damaged", "the bytes kept in quarantine are not the message")
      .at(where)
      .because("the row says it had " + std::to_string(raw_bytes) + " bytes" +
               (value ? ", " + std::to_string(value->size()) + " are there" : ""));
}

// The replayable rows through the rewriter, in the order of their positions.
Status rewrite(duck::Connection& reader, const std::string& rows, const ReplayOptions& options, Rewriter& rewriter,
               const std::function<bool()>& should_stop) {
  enum Columns { kSource, kPartition, kOffset, kTime, kRaw, kEncoding, kRawBytes };
  INLET_ASSIGN_OR_RETURN(
      auto stream, reader.stream_select(
                       "SELECT _source, _partition, _offset, epoch_ms(_kafka_timestamp), raw, raw_encoding, raw_bytes "
                       "FROM " +
                       rows + (options.reason ? reason_filter(options) + " AND" : std::string(" WHERE")) +
                       " state = " + duck::quote_literal(to_string(QuarantineState::kReplayable)) +
                       " ORDER BY _source, _partition, _offset, quarantined_at"));
  std::optional<std::pair<TopicPartition, Offset>> before;
  while (true) {
    if (should_stop()) return {StatusCode::kCancelled, "replay.cancelled", "stopped before anything was committed"};
    INLET_ASSIGN_OR_RETURN(const std::size_t count, stream.next());
    if (count == 0) return rewriter.finish();
    for (std::size_t row = 0; row < count; ++row) {
      TopicPartition partition{stream.text(row, kSource),
                               static_cast<std::int32_t>(integer_of(stream.text(row, kPartition)))};
      const Offset offset{integer_of(stream.text(row, kOffset))};
      // A position is decided once (rule 5); should a foreign writer have put it there twice, it is still one row.
      if (before && before->first == partition && before->second == offset) continue;
      before = {partition, offset};
      const std::string where = partition.to_string() + "/" + std::to_string(offset.value);
      INLET_ASSIGN_OR_RETURN(auto value, whole_value(stream.text(row, kRaw), stream.text(row, kEncoding),
                                                     integer_of(stream.text(row, kRawBytes)), where));
      const std::int64_t time = stream.is_null(row, kTime) ? 0 : integer_of(stream.text(row, kTime));
      INLET_RETURN_IF_ERROR(rewriter.add(std::move(partition), offset, time, std::move(value)));
    }
  }
}

std::int64_t count_of(const std::map<std::string, std::int64_t>& counts, QuarantineState state) {
  const auto found = counts.find(std::string(to_string(state)));
  return found == counts.end() ? 0 : found->second;
}

std::int64_t sum_of(const std::map<std::string, std::int64_t>& counts) {
  std::int64_t sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  return sum;
}

lake::Commit start_commit(const Rewriter& rewriter, const ReplayResult& result, const ReplayOptions& options,
                          TableVersion quarantine_version) {
  lake::Commit commit;
  commit.operation = "QUARANTINE REPLAY";
  commit.operation_parameters = {{"quarantineVersion", std::to_string(quarantine_version.value)}};
  if (options.reason) commit.operation_parameters["reason"] = *options.reason;
  commit.adds = rewriter.adds;
  std::int64_t bytes = 0;
  for (const auto& add : commit.adds) bytes += add.bytes;
  commit.operation_metrics = {
      {"numOutputRows", result.replayed},
      {"numOutputBytes", bytes},
      {"numAddedFiles", static_cast<std::int64_t>(commit.adds.size())},
      {"numRemovedFiles", 0},
      {"numStillRejectedRows", sum_of(result.rejected_by_reason)},
      {"numCutRows", count_of(result.by_state, QuarantineState::kCut)},
      {"numTombstoneRows", count_of(result.by_state, QuarantineState::kTombstone)},
  };
  for (const auto& [partition, range] : rewriter.replayed_ranges) {
    commit.info["replayed:" + partition.to_string()] = std::to_string(rewriter.replayed_rows.at(partition)) + " of " +
                                                       std::to_string(range.first.value) + ".." +
                                                       std::to_string(range.last.value);
  }
  return commit;
}

// Whether one of the files holds a position that stands in ours too.
Result<bool> hold_ours(duck::Connection& connection, const std::string& directory,
                       const std::vector<std::string>& files, const std::vector<lake::AddFile>& ours) {
  std::vector<std::string> own_paths;
  for (const auto& add : ours) own_paths.push_back(add.path);
  INLET_ASSIGN_OR_RETURN(const auto rows,
                         connection.query("SELECT 1 FROM " + read_files_sql(directory, files) + " b SEMI JOIN " +
                                          read_files_sql(directory, own_paths) +
                                          " o ON o._source = b._source AND o._partition = b._partition AND "
                                          "o._offset = b._offset LIMIT 1"));
  return rows.rows() > 0;
}

// Those of `files` that are asked, and our own.
std::vector<lake::LiveFile> read_by(const std::vector<lake::LiveFile>& files, const std::vector<std::string>& asked,
                                    const std::vector<lake::AddFile>& ours) {
  const std::set<std::string> paths(asked.begin(), asked.end());
  std::vector<lake::LiveFile> read;
  for (const auto& file : files) {
    if (paths.contains(file.path)) read.push_back(file);
  }
  for (const auto& add : ours) {
    auto& file = read.emplace_back();
    file.path = add.path;
    file.bytes = add.bytes;
  }
  return read;
}

// One attempt from the look to the commit. Conflict "replay.moved": look again.
Result<ReplayResult> try_replay(Tables& tables, const config::PipelineConfig& config, duck::Connection& reader,
                                duck::Connection& writer, const Clock& clock, const ReplayOptions& options,
                                const std::function<bool()>& should_stop) {
  // Bronze first: a row that quarantine gains afterwards is beyond the marker seen here, or of a log whose reset the
  // comparison below sees.
  QuarantineLook look;
  INLET_ASSIGN_OR_RETURN(look.bronze, tables.bronze->refresh());
  INLET_ASSIGN_OR_RETURN(look.quarantine, tables.quarantine->refresh());
  look.bronze_files = tables.bronze->data_files();
  look.quarantine_files = tables.quarantine->data_files();
  INLET_ASSIGN_OR_RETURN(const auto held_rows, quarantine_rows_sql(look, config.name));
  const std::string& rows = held_rows.sql;

  ReplayResult result;
  INLET_ASSIGN_OR_RETURN(const auto states, reader.query("SELECT state, count(*) FROM " + rows +
                                                         reason_filter(options) + " GROUP BY state"));
  for (std::size_t i = 0; i < states.rows(); ++i) result.by_state[states.text(i, 0)] = states.integer(i, 1);
  if (count_of(result.by_state, QuarantineState::kReplayable) == 0) return result;

  INLET_FAULT_POINT("replay.before_parquet");
  Rewriter rewriter(*tables.bronze, config, writer, clock, *look.bronze, options.dry_run);
  INLET_RETURN_IF_ERROR(rewrite(reader, rows, options, rewriter, should_stop));
  INLET_FAULT_POINT("replay.after_parquet");
  for (const auto& [partition, count] : rewriter.replayed_rows) result.replayed += count;
  result.rejected_by_reason = rewriter.rejected;
  if (options.dry_run || rewriter.adds.empty()) return result;
  INLET_RETURN_IF_ERROR(lake::sync_files(*tables.bronze->data_files(), rewriter.adds));

  ReplayBasis basis;
  basis.replays = look.bronze->transaction(replays_id(config.name)).value_or(0);
  std::int64_t least = INT64_MAX;
  std::int64_t largest = INT64_MIN;
  for (const auto& [partition, range] : rewriter.replayed_ranges) {
    basis.partitions[partition] = {range.last,
                                   look.bronze->transaction(reset_time_id(config.name, partition)).value_or(0)};
    least = std::min(least, range.first.value);
    largest = std::max(largest, range.last.value);
  }
  INLET_ASSIGN_OR_RETURN(const auto files_before, look.bronze->files());
  for (const auto& file : files_before) basis.bronze_files.insert(file.path);

  const auto plan = [&](const lake::Snapshot& snapshot) -> Result<lake::Commit> {
    INLET_RETURN_IF_ERROR(check_replay(snapshot, config.name, basis));
    INLET_ASSIGN_OR_RETURN(const auto files, snapshot.files());
    const auto asked = files_to_ask(files, basis, least, largest);
    if (!asked.empty()) {
      INLET_ASSIGN_OR_RETURN(const auto held_files,
                             tables.bronze->data_files()->hold(read_by(files, asked, rewriter.adds)));
      INLET_ASSIGN_OR_RETURN(const bool held, hold_ours(writer, tables.bronze->directory(), asked, rewriter.adds));
      if (held) return moved("a file that came meanwhile holds one of the rows");
    }
    auto commit = start_commit(rewriter, result, options, look.quarantine->version());
    commit.transactions = {{replays_id(config.name), basis.replays + 1}};
    return commit;
  };
  INLET_FAULT_POINT("replay.before_commit");
  INLET_ASSIGN_OR_RETURN(result.committed, tables.bronze->commit(plan, should_stop));
  INLET_FAULT_POINT("replay.after_commit");
  return result;
}

}  // namespace

Status check_replay(const lake::Snapshot& snapshot, const std::string& pipeline, const ReplayBasis& basis) {
  const auto replays = snapshot.transaction(replays_id(pipeline)).value_or(0);
  if (replays != basis.replays) return moved("another replay was committed");
  for (const auto& [partition, wanted] : basis.partitions) {
    if (snapshot.transaction(reset_time_id(pipeline, partition)).value_or(0) != wanted.reset_time)
      return moved(partition.to_string() + " was reset: its offsets mean other records now");
    const auto state = read_state(snapshot, pipeline, partition);
    if (!state.marker || *state.marker < wanted.last)
      return moved("the marker of " + partition.to_string() + " went back");
  }
  return Status::ok();
}

std::vector<std::string> files_to_ask(const std::vector<lake::LiveFile>& files, const ReplayBasis& basis,
                                      std::int64_t least_offset, std::int64_t largest_offset) {
  std::vector<std::string> paths;
  for (const auto& file : files) {
    if (basis.bronze_files.contains(file.path)) continue;
    const auto bounds = offset_bounds(file);
    if (bounds && (bounds->largest < least_offset || bounds->least > largest_offset)) continue;
    paths.push_back(file.path);
  }
  return paths;
}

Result<ReplayResult> replay_quarantine(Tables& tables, const config::PipelineConfig& config, duck::Connection reader,
                                       duck::Connection writer, const Clock& clock, const ReplayOptions& options,
                                       const std::function<bool()>& should_stop) {
  while (true) {
    // The files of an attempt that came to nothing are referenced by nobody; vacuum takes them.
    auto result = try_replay(tables, config, reader, writer, clock, options, should_stop);
    const bool again =
        !result.is_ok() && result.status().code() == StatusCode::kConflict && result.status().detail().id == kMoved;
    if (!again) return result;
    if (should_stop())
      return Status(StatusCode::kCancelled, "replay.cancelled", "stopped before anything was committed");
  }
}

}  // namespace inlet::bronze
