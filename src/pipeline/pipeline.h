// Wires source → decode → bronze, owns the threads, and the order of start and stop.
//
//   source thread (the caller of run)   polls, claims at every assignment, hands batches on, pauses when full
//   decode threads                      record batch → data chunk, order kept
//   writer thread                       closes batches on time, rows or bytes; Parquet and commit
//   view threads                        one applies bronze versions to the views, one publishes (views/view_engine.h)
//   maintenance thread                  small files together, vacuum, clean logs (maintenance.h)
//
// Start: lock (no group) → tables → source → claim → marker → read. Stop: poll ends, what was read is decoded and
// committed, the source is told, the views are brought level and published, the lock goes.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "bronze/writer.h"
#include "config/pipeline_config.h"
#include "pipeline/maintenance.h"
#include "source/source.h"
#include "views/view_keeper.h"

namespace inlet::pipeline {

struct RunOptions {
  bool until_caught_up = false;
  std::optional<std::int64_t> events;  // of the pipeline's whole life
  std::optional<std::chrono::milliseconds> duration;
  enum class Only { kEverything, kBronze, kViews } only = Only::kEverything;
};

/// Asked for by a signal handler or a test: the run finishes what it has read, commits and returns.
class StopSignal {
 public:
  void request() { requested_.store(true, std::memory_order_relaxed); }
  bool requested() const { return requested_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> requested_{false};
};

/// What has happened so far; a copy, taken whole.
struct Progress {
  std::int64_t events = 0;        // committed in this run
  std::int64_t rows = 0;          // of them in bronze
  std::int64_t rejects = 0;       // of them in quarantine
  std::int64_t late = 0;          // of them behind their partition's largest event time by more than late.delay
  std::int64_t diverted = 0;      // of the late ones in the late table
  std::int64_t source_bytes = 0;  // of their values
  std::int64_t total_events = 0;  // of the pipeline's life
  std::int64_t batches = 0;
  std::int64_t parquet_bytes = 0;
  std::int64_t queued_rows = 0;
  TableVersion version;
  std::chrono::microseconds last_batch_time{0};  // Parquet and commit
  std::chrono::microseconds batch_time_p50{0};   // over the last 4,096 batches
  std::chrono::microseconds batch_time_p99{0};
  std::optional<Timestamp> watermark;  // smallest of the active partitions' largest event times
  /// Per expectation, in the order of the pipeline file: how many events did not meet it.
  std::vector<std::pair<std::string, std::int64_t>> expectations;
  std::chrono::steady_clock::duration elapsed{0};
  std::int64_t duckdb_bytes = -1;  // held by DuckDB, the flow's and the views'; -1: it cannot say
  std::vector<views::ViewStatus> views;
  std::optional<MaintenanceStatus> maintenance;  // nullopt: maintenance.enabled = false
};

/// One committed batch, for whoever listens (views, benchmarks). Called on the writer thread.
struct CommittedBatch {
  std::shared_ptr<const bronze::Batch> batch;
  const bronze::WriteResult& result;
  std::chrono::microseconds took{0};  // Parquet and commit
};

struct RunHooks {
  std::function<void(const Progress&)> on_progress;                // source thread, about five times a second
  std::function<void(const CommittedBatch&)> on_committed;         // writer thread
  std::function<void(const views::PublishedEvent&)> on_published;  // publish thread, after every publish of a view
};

/// Makes the source a pipeline file names.
std::unique_ptr<source::Source> make_source(const config::PipelineConfig& config);

class Pipeline {
 public:
  /// `source` is a seam for tests; the program passes make_source(config).
  Pipeline(config::PipelineConfig config, std::unique_ptr<source::Source> source, const Clock& clock = Clock::system());
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// Runs until stopped, done, or failed. Once per object. Errors: DataLoss and Fenced (exit 3), Unavailable (another
  /// process holds the pipeline), InvalidArgument, Internal.
  Status run(const RunOptions& options, const StopSignal& stop, const RunHooks& hooks);

  Progress progress() const;

 private:
  class Run;
  config::PipelineConfig config_;
  std::unique_ptr<source::Source> source_;
  const Clock& clock_;
  std::unique_ptr<Run> run_;
  Progress last_progress_;
};

}  // namespace inlet::pipeline
