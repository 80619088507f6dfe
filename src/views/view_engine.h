// All views of a pipeline, kept: one thread applies bronze versions, one publishes and saves.
//
// What flows in: committed batches, from memory (offer), or what the bronze log says. What flows out: versions of the
// views' tables. One process keeps the views of a pipeline on a lake; a second one waits for the lock and takes over.
//
//   writer thread ── offer ──▶ bounded queue ──▶ apply thread ──▶ states ──▶ publish thread ──▶ tables, saved states
//
// While the states are behind (a start, a rebuild) offered batches are passed over, and read from the log later, in
// turns of a step for each view. The writer is slowed meanwhile so that they gain on it: much for the time that a
// restart takes, little for the time of a rebuild. Once they are level, a full queue slows it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/queue.h"
#include "base/status.h"
#include "config/pipeline_config.h"
#include "duck/database.h"
#include "lake/lock.h"
#include "views/bronze_log.h"
#include "views/planned_views.h"
#include "views/view_keeper.h"

namespace inlet::views {

/// A batch that became a bronze version. The chunks live as long as `owner`.
struct CommittedEvents {
  BronzePosition position;
  Timestamp ingested;  // `date_ingestion` of its rows
  Schema schema;       // of the chunks
  std::vector<const duck::DataChunk*> chunks;
  std::size_t rows = 0;
  std::size_t bytes = 0;
  std::shared_ptr<const void> owner;
};

class ViewEngine {
 public:
  struct Options {
    std::function<void(const PublishedEvent&)> on_published;  // publish thread, after every publish
  };
  /// Plans the views and opens their tables; the bronze table exists. Starts the threads. InvalidArgument: a view that
  /// cannot be kept, or whose table has other columns.
  static Result<std::unique_ptr<ViewEngine>> start(const config::PipelineConfig& config, const Schema& bronze_schema,
                                                   const Clock& clock, const Options& options);
  /// Stops without finishing what is left; the next start goes on from the log.
  ~ViewEngine();
  ViewEngine(const ViewEngine&) = delete;
  ViewEngine& operator=(const ViewEngine&) = delete;

  /// One thread. Waits while the queue is full, as long as `should_stop` does not say otherwise.
  void offer(CommittedEvents events, const ShouldStop& should_stop);

  /// Applies all that bronze holds now, publishes and saves it, and stops. `should_stop` cuts that short.
  /// InvalidArgument or Internal: a view has failed or could not be published, the first one's reason.
  Status finish(const ShouldStop& should_stop);

  /// Any thread.
  std::vector<ViewStatus> status() const;
  /// Every view has failed: nothing will be done any more. Any thread.
  bool has_stopped() const;
  /// Bytes that the views' DuckDB holds; -1: it cannot say. Any thread.
  std::int64_t duckdb_bytes() const { return database_->memory_in_use(); }

 private:
  explicit ViewEngine(const Clock& clock);

  void apply_until_closed();
  void keep_level();
  void publish_until_stopped();
  void publish_rounds();
  void publish_the_last();
  bool wait_for_lock();
  void apply_one(const CommittedEvents& events);
  void let_them_gain(std::size_t rows, const ShouldStop& should_stop);
  void load_states();
  bool look_at_bronze();
  void catch_up(std::optional<TableVersion> to);
  void follow(TableVersion to);
  bool stopping() const { return stop_now_; }

  const Clock& clock_;
  std::string lock_name_;
  std::unique_ptr<lake::Lake> lake_;
  std::optional<duck::Database> database_;
  std::optional<PlannedViews> planned_;
  std::optional<duck::Connection> apply_connection_;  // apply thread's
  std::optional<BronzeLog> apply_log_;                // apply thread's
  std::optional<duck::Connection> save_connection_;   // publish thread's
  std::optional<BronzeLog> publish_log_;              // publish thread's
  std::optional<BronzeLog> restore_log_;              // apply thread's, while apply_log_ is being read
  std::optional<lake::PipelineLock> lock_;            // apply thread's
  std::vector<std::unique_ptr<ViewKeeper>> keepers_;

  BoundedQueue<CommittedEvents> queue_;
  std::atomic<bool> is_level_{false};  // every state is at the newest version: batches come through the queue
  std::atomic<std::chrono::steady_clock::time_point> behind_since_{};  // while not is_level_
  std::atomic<bool> is_keeper_{false};                                 // the lock is held
  std::atomic<bool> is_started_{false};                                // and what was saved of every view is loaded
  std::atomic<bool> stop_now_{false};                                  // leave everything as it is
  const ShouldStop when_stopping_ = [this] { return stopping(); };
  std::atomic<bool> closing_{false};  // finish: level once more, then end
  std::atomic<bool> apply_done_{false};
  std::atomic<bool> publish_done_{false};
  std::thread apply_thread_;
  std::thread publish_thread_;
};

}  // namespace inlet::views
