#include "pipeline/pipeline.h"

#include <pthread.h>

#include <algorithm>
#include <thread>

#include "base/log.h"
#include "lake/lock.h"
#include "pipeline/committer.h"
#include "pipeline/decode_pool.h"
#include "pipeline/intake.h"
#include "source/file_source.h"
#include "source/generator_source.h"
#include "source/kafka_source.h"
#include "views/view_engine.h"

namespace inlet::pipeline {
namespace {

// How long a stop waits for a commit that keeps being refused before it gives up on it; nothing is lost by that: the
// next start reads the log.
constexpr std::chrono::seconds kStopPatience{3};

// How long a stop goes on committing what was read before it. What is left then is read again by the next start.
constexpr std::chrono::milliseconds kDrainPatience{1500};

// Rows the decoders may be behind or ahead; bytes are what bounds memory.
constexpr std::size_t kQueuedRows = 512'000;

// How long a stop that was asked for goes on bringing the views level; the next start does the rest.
constexpr std::chrono::milliseconds kViewsPatience{1200};

views::CommittedEvents committed_events(const CommittedBatch& committed, const Schema& schema,
                                        const std::string& table_id) {
  views::CommittedEvents events;
  const auto& bronze = committed.result.bronze;
  events.position = {table_id, bronze.version, bronze.txn_id, bronze.timestamp};
  events.ingested = committed.result.ingested_at;
  events.schema = schema;
  for (const auto& decoded : committed.batch->decoded()) {
    if (decoded.chunk && decoded.chunk.rows() > 0) events.chunks.push_back(&decoded.chunk);
  }
  events.rows = committed.batch->rows();
  events.bytes = committed.batch->bytes();
  events.owner = committed.batch;
  return events;
}

DecodePool::Options decode_options(const config::PipelineConfig& config) {
  DecodePool::Options options;
  options.threads = config.resources.decode_threads;
  const auto bytes = static_cast<std::size_t>(config.resources.queue_bytes);
  options.waiting = {kQueuedRows, bytes / 4};
  options.decoded = {kQueuedRows, bytes - bytes / 4};
  return options;
}

bool lock_is_wanted(const source::Source& source) {
  if (source.in_group()) return false;
#ifdef INLET_FAULT_POINTS
  // A second machine cannot see this one's flock; tests stand in for it by leaving the lock out.
  if (std::getenv("INLET_NO_LOCK") != nullptr) return false;  // NOLINT(concurrency-mt-unsafe)
#endif
  return true;
}

}  // namespace

std::unique_ptr<source::Source> make_source(const config::PipelineConfig& config) {
  switch (config.source.kind) {
    case config::SourceKind::kGenerator: return source::make_generator_source(config.source.generator);
    case config::SourceKind::kKafka: return source::make_kafka_source(config.source);
    case config::SourceKind::kFile:
      return source::make_file_source(config.source.file, {.fail_on_data_loss = config.source.fail_on_data_loss});
  }
  return nullptr;
}

// Everything that lives for one run, in the order in which it is taken down (last member first).
class Pipeline::Run {
 public:
  static Result<std::unique_ptr<Run>> start(const config::PipelineConfig& config, source::Source& source,
                                            const Clock& clock, const RunOptions& options, const StopSignal& stop,
                                            const RunHooks& hooks) {
    auto run = std::unique_ptr<Run>(new Run(config, source, clock, stop));
    duck::DatabaseOptions duck_options;
    duck_options.threads = config.resources.duckdb_threads;
    duck_options.memory_limit_bytes = config.resources.duckdb_memory_limit;
    INLET_ASSIGN_OR_RETURN(auto database, duck::Database::open(duck_options));
    run->database_.emplace(std::move(database));
    INLET_ASSIGN_OR_RETURN(auto claim_connection, run->database_->connect());
    INLET_ASSIGN_OR_RETURN(auto write_connection, run->database_->connect());
    INLET_RETURN_IF_ERROR(decode::check_expectations(config, claim_connection));
    INLET_ASSIGN_OR_RETURN(auto lake, lake::open_lake(config.lake, config.storage));
    INLET_RETURN_IF_ERROR(lake->check_writable());
    // The lock first: a process that is not to run must not change the tables under one that does.
    if (lock_is_wanted(source)) {
      INLET_ASSIGN_OR_RETURN(auto lock, lake::PipelineLock::acquire(*lake, config.name));
      run->lock_.emplace(std::move(lock));
    }
    INLET_ASSIGN_OR_RETURN(run->tables_, bronze::Tables::open(config, bronze::NewColumns::kAdd, std::move(lake)));
    std::vector<decode::Expectations> expectations;
    for (int i = 0; !config.expectations.empty() && i < config.resources.decode_threads; ++i) {
      INLET_ASSIGN_OR_RETURN(auto connection, run->database_->connect());
      expectations.emplace_back(config, std::move(connection));
    }
    run->decoders_.emplace(config, run->assignments_, decode_options(config), std::move(expectations));
    run->intake_.emplace(
        Intake::Parts{config, source, run->tables_, run->assignments_, *run->decoders_, run->acknowledgements_, clock},
        std::move(claim_connection), options, stop);
    run->committer_.emplace(Committer::Parts{config, run->tables_, run->assignments_, *run->decoders_,
                                             run->acknowledgements_, clock, source.in_group()},
                            bronze::Writer(run->tables_, config, std::move(write_connection), clock),
                            run->committed_hook(config, hooks));
    if (options.only != RunOptions::Only::kBronze) INLET_RETURN_IF_ERROR(run->start_views(config, hooks));
    run->start_maintenance(config);
    return run;
  }

  /// The views alone, of a bronze table that other processes write.
  static Result<std::unique_ptr<Run>> start_views_only(const config::PipelineConfig& config, source::Source& source,
                                                       const Clock& clock, const StopSignal& stop,
                                                       const RunHooks& hooks) {
    auto run = std::unique_ptr<Run>(new Run(config, source, clock, stop));
    INLET_RETURN_IF_ERROR(run->start_views(config, hooks));
    run->start_maintenance(config);
    return run;
  }

  Status execute_views_only(const RunOptions& options, const RunHooks& hooks) {
    const auto time_is_up = [&] { return options.duration && clock_.steady_now() - started_ >= *options.duration; };
    while (!options.until_caught_up && !stop_.requested() && !time_is_up() && views_ && !views_->has_stopped()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (hooks.on_progress) hooks.on_progress(progress());
    }
    stop_maintenance();
    return finish_views();
  }

  Status execute(const RunHooks& hooks) {
    Status written;
    std::atomic<bool> writer_failed{false};
    std::thread writer([&] {
      written = committer_->run([this] { return stop_was_asked_before(kStopPatience); },
                                [this] { return stop_was_asked_before(kDrainPatience); });
      if (!written.is_ok()) writer_failed = true;
      decoders_->abandon();  // nothing is left, or nobody takes it any more
    });
    pthread_setname_np(writer.native_handle(), "inlet-writer");
    const Status read = intake_->run([&] { return writer_failed.load() || !lock_held().is_ok(); },
                                     [&] {
                                       if (hooks.on_progress) hooks.on_progress(progress());
                                     });
    if (stop_.requested()) stop_maintenance();  // who waits for the end waits for what was read alone
    decoders_->finish();
    writer.join();
    stop_maintenance();
    for (const auto& [partition, last] : acknowledgements_.take()) source_.committed(partition, last);
    source_.close();
    const Status kept = finish_views();
    INLET_RETURN_IF_ERROR(lock_held());
    if (!written.is_ok()) return written;
    return read.is_ok() ? kept : read;
  }

  Progress progress() const {
    Progress progress;
    if (committer_) progress = committer_->progress();
    if (decoders_) progress.queued_rows = static_cast<std::int64_t>(decoders_->waiting_rows());
    if (views_) progress.views = views_->status();
    if (maintenance_) progress.maintenance = maintenance_->status();
    progress.duckdb_bytes = duckdb_bytes();
    progress.elapsed = clock_.steady_now() - started_;
    return progress;
  }

 private:
  Run(const config::PipelineConfig&, source::Source& source, const Clock& clock, const StopSignal& stop)
      : source_(source), clock_(clock), stop_(stop), started_(clock.steady_now()) {}

  Status start_views(const config::PipelineConfig& config, const RunHooks& hooks) {
    if (config.views.empty()) return Status::ok();
    INLET_ASSIGN_OR_RETURN(views_, views::ViewEngine::start(config, bronze::bronze_definition(config).schema, clock_,
                                                            {.on_published = hooks.on_published}));
    return Status::ok();
  }

  void start_maintenance(const config::PipelineConfig& config) {
    if (!config.maintenance.enabled) return;
    Maintenance::Parts parts{config, clock_, source_.in_group(), nullptr};
    if (views_) {
      parts.may_read_all = [this] {
        const auto views = views_->status();
        return std::any_of(views.begin(), views.end(),
                           [](const auto& view) { return !view.published && view.problem.is_ok(); });
      };
    }
    maintenance_.emplace(std::move(parts));
  }

  void stop_maintenance() {
    if (maintenance_) maintenance_->stop();
  }

  std::int64_t duckdb_bytes() const {
    const std::int64_t flow = database_ ? database_->memory_in_use() : 0;
    const std::int64_t views = views_ ? views_->duckdb_bytes() : 0;
    return flow < 0 || views < 0 ? -1 : flow + views;
  }

  std::function<void(const CommittedBatch&)> committed_hook(const config::PipelineConfig& config,
                                                            const RunHooks& hooks) {
    if (config.views.empty()) return hooks.on_committed;
    return [this, hook = hooks.on_committed, schema = decode::Decoder::chunk_schema(config),
            table_id = tables_.bronze->snapshot()->table_id()](const CommittedBatch& committed) {
      if (hook) hook(committed);
      if (views_) views_->offer(committed_events(committed, schema, table_id), [this] { return stop_.requested(); });
    };
  }

  Status finish_views() {
    if (!views_) return Status::ok();
    const auto began = clock_.steady_now();
    return views_->finish([&] { return stop_.requested() && clock_.steady_now() - began > kViewsPatience; });
  }

  // A lock in an object store can be lost: what was read before is not committed then, and ends like a stop.
  Status lock_held() const { return lock_ ? lock_->held() : Status::ok(); }

  bool stop_was_asked_before(std::chrono::steady_clock::duration patience) {
    if (!lock_held().is_ok()) return true;
    if (!stop_.requested()) return false;
    if (!stop_seen_) stop_seen_ = clock_.steady_now();
    return clock_.steady_now() - *stop_seen_ > patience;
  }

  source::Source& source_;
  const Clock& clock_;
  const StopSignal& stop_;
  const std::chrono::steady_clock::time_point started_;
  std::optional<std::chrono::steady_clock::time_point> stop_seen_;  // the writer thread's
  std::optional<lake::PipelineLock> lock_;
  bronze::Tables tables_;
  std::optional<duck::Database> database_;
  Assignments assignments_;
  Acknowledgements acknowledgements_;
  std::optional<DecodePool> decoders_;
  std::optional<Intake> intake_;
  std::optional<Committer> committer_;
  std::unique_ptr<views::ViewEngine> views_;
  std::optional<Maintenance> maintenance_;
};

Pipeline::Pipeline(config::PipelineConfig config, std::unique_ptr<source::Source> source, const Clock& clock)
    : config_(std::move(config)), source_(std::move(source)), clock_(clock) {}

Pipeline::~Pipeline() = default;

Status Pipeline::run(const RunOptions& options, const StopSignal& stop, const RunHooks& hooks) {
  Status status;
  if (options.only == RunOptions::Only::kViews) {
    INLET_ASSIGN_OR_RETURN(run_, Run::start_views_only(config_, *source_, clock_, stop, hooks));
    status = run_->execute_views_only(options, hooks);
  } else {
    INLET_ASSIGN_OR_RETURN(run_, Run::start(config_, *source_, clock_, options, stop, hooks));
    status = run_->execute(hooks);
  }
  last_progress_ = run_->progress();
  run_.reset();  // the lock goes with it
  // A stop that interrupts a wait is what was asked for, not a failure.
  if (status.code() == StatusCode::kCancelled && stop.requested()) return Status::ok();
  return status;
}

Progress Pipeline::progress() const { return run_ ? run_->progress() : last_progress_; }

}  // namespace inlet::pipeline
