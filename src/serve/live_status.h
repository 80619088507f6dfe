// Where a running pipeline stands, as people and machines are told: the document of /api/v1/status and of the `status`
// events, and what /metrics is made of. Plain data, filled by whoever runs the pipeline; copied whole.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/status.h"
#include "lake/upkeep_counts.h"
#include "views/view_keeper.h"

namespace inlet::serve {

struct LivePartition {
  TopicPartition partition;
  std::optional<std::int64_t> committed;  // the marker
  std::optional<std::int64_t> end;        // of the source: the offset after its last record; absent: endless or unknown
  std::optional<std::int64_t> lag;
};

struct LiveTable {
  std::string name;  // "bronze/ventes_stream"
  TableVersion version;
  std::int64_t files = 0;
  std::int64_t bytes = 0;
  std::int64_t small_files = 0;      // below three quarters of the objective
  std::optional<std::int64_t> rows;  // absent: a file without statistics
};

/// What this process has done for the tables beside the flow.
struct LiveMaintenance {
  lake::UpkeepCounts done;
  double cpu_seconds = 0;
  std::vector<std::pair<std::string, std::string>> problems;  // of tables, with what the last try ended with
};

struct LiveStatus {
  std::string pipeline;
  std::string source_kind;  // "generator", "kafka", "file"
  std::string source_name;  // topic, path; empty for the generator
  Timestamp started;
  std::chrono::milliseconds uptime{0};

  // Of this run, but for total_events.
  std::int64_t total_events = 0;  // of the pipeline's life
  std::int64_t events = 0;
  std::int64_t rows = 0;
  std::int64_t quarantined = 0;
  std::int64_t late = 0;
  std::int64_t diverted = 0;
  std::int64_t source_bytes = 0;
  std::int64_t parquet_bytes = 0;
  std::int64_t queued_rows = 0;
  double events_per_second = 0;  // over the last seconds

  std::int64_t batches = 0;
  std::optional<std::chrono::microseconds> batch_last;  // Parquet and commit; absent: no batch yet
  std::optional<std::chrono::microseconds> batch_p50;
  std::optional<std::chrono::microseconds> batch_p99;

  std::optional<Timestamp> watermark;
  std::optional<Timestamp> last_commit;
  /// How old the oldest committed event is that a view does not show yet; without views, the last batch's time.
  std::optional<std::chrono::milliseconds> freshness;

  // What was asked for.
  std::chrono::milliseconds freshness_objective{0};
  std::int64_t file_size_objective = 0;

  std::vector<LivePartition> partitions;
  std::vector<LiveTable> tables;
  LiveMaintenance maintenance;
  TableVersion bronze_version;
  std::vector<views::ViewStatus> views;
  std::vector<std::pair<std::string, std::int64_t>> expectations;  // how many events did not meet it

  std::int64_t resident_bytes = 0;
  double cpu_seconds = 0;
  std::int64_t open_files = 0;
  std::optional<std::int64_t> duckdb_bytes;  // memory in use by the embedded databases of the flow
};

/// `Status` of dashboard/src/contract.ts. Integers beyond 2^53 are strings; what is not known yet is null.
Json status_json(const LiveStatus& status);

/// A number where JavaScript reads it exactly, a string beyond 2^53.
Json exact_integer(std::int64_t value);

}  // namespace inlet::serve
