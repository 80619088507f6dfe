#include "views/view_engine.h"

#include <pthread.h>

#include <algorithm>
#include <future>
#include <utility>

#include "base/log.h"

namespace inlet::views {
namespace {

constexpr std::chrono::milliseconds kIdleWait{100};
// Of a log in an object store, where a look is three requests: what other processes commit is seen so much later.
constexpr std::chrono::milliseconds kRemoteLook{500};
constexpr std::chrono::milliseconds kPublishTick{20};
constexpr std::chrono::milliseconds kLockWait{500};

// While the states are behind the writer waits for them after every batch: at full speed it would leave them ever
// further behind. First as if it wrote no more than this, so that after a restart the views are fresh within seconds;
// those that take longer, to be built anew say, do not hold up what is committed.
constexpr double kEventsASecondBehind = 100'000;
constexpr std::chrono::seconds kSoonLevel{10};
constexpr std::chrono::milliseconds kCatchUpPause{200};

// How often the last publish is tried again after partitions of a state were found damaged on disk.
constexpr int kMostRestores = 3;

// What waits behind the batch that is applied; a batch larger than this waits alone.
constexpr QueueLimits kQueued{300'000, 128U << 20U};

}  // namespace

ViewEngine::ViewEngine(const Clock& clock) : clock_(clock), queue_(kQueued) {}

Result<std::unique_ptr<ViewEngine>> ViewEngine::start(const config::PipelineConfig& config, const Schema& bronze_schema,
                                                      const Clock& clock, const Options& options) {
  std::unique_ptr<ViewEngine> engine(new ViewEngine(clock));
  engine->lock_name_ = config.name + ".views";
  INLET_ASSIGN_OR_RETURN(engine->lake_, lake::open_lake(config.lake, config.storage));
  INLET_RETURN_IF_ERROR(engine->lake_->check_writable());
  duck::DatabaseOptions database_options;
  database_options.threads = config.resources.duckdb_threads;
  database_options.memory_limit_bytes = config.resources.duckdb_memory_limit;
  INLET_ASSIGN_OR_RETURN(auto database, duck::Database::open(database_options));
  engine->database_.emplace(std::move(database));
  INLET_ASSIGN_OR_RETURN(auto apply_connection, engine->database_->connect());
  const auto file_values = std::make_shared<duck::FileValues>();
  INLET_RETURN_IF_ERROR(duck::register_file_values(apply_connection, file_values));
  INLET_ASSIGN_OR_RETURN(auto planned,
                         plan_views(apply_connection, *engine->lake_, *file_values, config, bronze_schema));
  if (!planned.problems.empty()) return planned.problems.front();
  engine->planned_.emplace(std::move(planned));
  engine->apply_connection_.emplace(std::move(apply_connection));
  const auto files_in_use = std::make_shared<FilesInUse>(file_values);
  const auto open_log = [&](std::optional<BronzeLog>& log) -> Status {
    INLET_ASSIGN_OR_RETURN(auto connection, engine->database_->connect());
    INLET_ASSIGN_OR_RETURN(auto opened, BronzeLog::open(*engine->lake_, config.bronze.table, bronze_schema,
                                                        std::move(connection), files_in_use));
    log.emplace(std::move(opened));
    return Status::ok();
  };
  INLET_RETURN_IF_ERROR(open_log(engine->apply_log_));
  INLET_RETURN_IF_ERROR(open_log(engine->publish_log_));
  INLET_RETURN_IF_ERROR(open_log(engine->restore_log_));
  INLET_ASSIGN_OR_RETURN(auto save_connection, engine->database_->connect());
  engine->save_connection_.emplace(std::move(save_connection));

  ViewKeeper::Options keeper_options;
  keeper_options.most_bytes = static_cast<std::size_t>(config.resources.view_memory_limit);
  keeper_options.on_published = options.on_published;
  keeper_options.fastest_publish = std::max(config.freshness / 2, std::chrono::milliseconds(1));
  for (const auto& view : engine->planned_->views) {
    INLET_ASSIGN_OR_RETURN(auto connection, engine->database_->connect());
    INLET_ASSIGN_OR_RETURN(
        auto publisher, Publisher::open(*engine->lake_, config.name, *view->config, view->plan, std::move(connection)));
    INLET_ASSIGN_OR_RETURN(auto state_connections, StateConnections::open(*engine->database_));
    ViewKeeper::Parts parts{*view->config,
                            view->plan,
                            std::move(publisher),
                            state_directory(engine->lake_->root(), config.name, view->plan.name),
                            std::move(state_connections),
                            *engine->restore_log_};
    engine->keepers_.push_back(std::make_unique<ViewKeeper>(std::move(parts), keeper_options, clock));
  }
  engine->apply_thread_ = std::thread([e = engine.get()] { e->apply_until_closed(); });
  pthread_setname_np(engine->apply_thread_.native_handle(), "inlet-views");
  engine->publish_thread_ = std::thread([e = engine.get()] { e->publish_until_stopped(); });
  pthread_setname_np(engine->publish_thread_.native_handle(), "inlet-publish");
  return engine;
}

ViewEngine::~ViewEngine() {
  stop_now_ = true;
  queue_.close();
  if (apply_thread_.joinable()) apply_thread_.join();
  if (publish_thread_.joinable()) publish_thread_.join();
}

void ViewEngine::offer(CommittedEvents events, const ShouldStop& should_stop) {
  // A chunk takes the room of a full one, however few rows are in it: thousands of small batches are no small queue.
  const std::size_t room = events.chunks.size() * duckdb_vector_size();
  const QueueWeight weight{std::max(events.rows, room), events.bytes};
  let_them_gain(events.rows, should_stop);
  while (is_level_ && !should_stop() && !queue_.try_push(events, weight)) {
    if (queue_.closed()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void ViewEngine::let_them_gain(std::size_t rows, const ShouldStop& should_stop) {
  const std::chrono::duration<double> at_that_rate(static_cast<double>(rows) / kEventsASecondBehind);
  const auto began = clock_.steady_now();
  while (is_keeper_ && !is_level_ && !should_stop() && !queue_.closed()) {
    const auto now = clock_.steady_now();
    const bool is_over =
        now - behind_since_.load() < kSoonLevel ? now - began >= at_that_rate : now - began >= kCatchUpPause;
    if (is_over) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Status ViewEngine::finish(const ShouldStop& should_stop) {
  closing_ = true;
  queue_.close();
  while (!publish_done_) {
    if (stop_now_ || should_stop()) {
      stop_now_ = true;
      // Again and again: an interruption is forgotten by what has not begun yet.
      apply_connection_->interrupt();
      apply_log_->interrupt();
      publish_log_->interrupt();
      restore_log_->interrupt();
      for (const auto& keeper : keepers_) keeper->interrupt();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  apply_thread_.join();
  publish_thread_.join();
  for (const auto& keeper : keepers_) {
    if (auto problem = keeper->status().problem; !problem.is_ok()) return problem;
  }
  return Status::ok();
}

bool ViewEngine::has_stopped() const {
  return std::all_of(keepers_.begin(), keepers_.end(), [](const auto& keeper) { return keeper->failed(); });
}

std::vector<ViewStatus> ViewEngine::status() const {
  std::vector<ViewStatus> all;
  for (const auto& keeper : keepers_) all.push_back(keeper->status());
  return all;
}

// ---- apply thread ---------------------------------------------------------------------------------------------------

bool ViewEngine::wait_for_lock() {
  bool said = false;
  while (!stopping()) {
    auto lock = lake::PipelineLock::acquire(*lake_, lock_name_);
    if (lock.is_ok()) {
      lock_.emplace(std::move(*lock));
      return true;
    }
    if (closing_) return false;  // they are kept by somebody else, who goes on
    if (!said) log::info("views", "the views are kept by another process; this one takes over when it ends");
    said = true;
    std::this_thread::sleep_for(kLockWait);
  }
  return false;
}

void ViewEngine::apply_until_closed() {
  if (wait_for_lock()) keep_level();
  apply_done_ = true;
}

void ViewEngine::keep_level() {
  behind_since_ = clock_.steady_now();
  is_keeper_ = true;
  load_states();
  if (stopping()) return;
  for (auto& keeper : keepers_) keeper->start(*apply_log_);
  is_started_ = true;  // the publish thread may begin
  auto next_look = clock_.steady_now();
  while (!stopping()) {
    if (const auto held = lock_->held(); !held.is_ok()) {
      for (auto& keeper : keepers_) keeper->stop(held);
    }
    if (queue_.used().rows == 0 && clock_.steady_now() >= next_look) {
      catch_up(std::nullopt);
      next_look = clock_.steady_now();
      if (lake_->object_store() != nullptr) next_look += kRemoteLook;
    }
    is_level_ = true;
    auto events = queue_.pop_until(clock_.steady_now() + kIdleWait);
    if (events) {
      apply_one(*events);
    } else if (queue_.closed()) {
      break;
    }
  }
  if (!stopping()) catch_up(std::nullopt);
}

void ViewEngine::load_states() {
  std::atomic<std::size_t> next{0};
  const auto load = [&] {
    for (auto i = next++; i < keepers_.size() && !stopping(); i = next++) keepers_[i]->load();
  };
  // Two at a time: each takes some row groups of DuckDB's memory.
  const auto other = std::async(std::launch::async | std::launch::deferred, load);
  load();
}

// False: bronze cannot be read now, or never again.
bool ViewEngine::look_at_bronze() {
  const auto refreshed = apply_log_->refresh();
  if (refreshed.is_ok()) return true;
  // A table that will never be again what the views were planned for is not looked at for ever.
  if (refreshed.code() == StatusCode::kDataLoss || refreshed.code() == StatusCode::kCorruption) {
    for (auto& keeper : keepers_) keeper->stop(refreshed);
  } else {
    log::warn("views", "the bronze table cannot be read: {}", refreshed.to_line());
  }
  return false;
}

// Brings every state to `to`, or to the newest version there is.
void ViewEngine::catch_up(std::optional<TableVersion> to) {
  if (!look_at_bronze()) return;
  const TableVersion target = to.value_or(apply_log_->newest());
  follow(target);
  for (auto& keeper : keepers_) {
    if (!keeper->needs_build() || stopping()) continue;
    // That may take minutes: neither the writer nor the other views wait for it.
    if (is_level_) behind_since_ = clock_.steady_now();
    is_level_ = false;
    const auto others_go_on = [this] {
      if (look_at_bronze()) follow(apply_log_->newest());
    };
    keeper->build(*apply_log_, target, when_stopping_, others_go_on);
    others_go_on();
  }
}

// In turns: every view is published on the way, and none waits for another's whole way.
void ViewEngine::follow(TableVersion to) {
  for (bool is_any_behind = true; is_any_behind;) {
    is_any_behind = false;
    for (auto& keeper : keepers_) {
      if (keeper->catch_up(*apply_log_, to, when_stopping_)) is_any_behind = true;
    }
  }
}

void ViewEngine::apply_one(const CommittedEvents& events) {
  const TableVersion before{events.position.version.value - 1};
  if (std::any_of(keepers_.begin(), keepers_.end(), [&](const auto& k) { return k->is_behind(before); }))
    catch_up(before);
  apply_connection_->bind_chunks({events.schema, events.chunks});
  const Events in_memory(*apply_connection_, "SELECT *, make_timestamptz(" +
                                                 std::to_string(events.ingested.time_since_epoch().count()) +
                                                 "::BIGINT) AS date_ingestion FROM inlet_chunks()");
  for (auto& keeper : keepers_) keeper->apply(in_memory, events.rows, events.position);
  apply_connection_->unbind_chunks();
}

// ---- publish thread -------------------------------------------------------------------------------------------------

void ViewEngine::publish_until_stopped() {
  publish_rounds();
  publish_done_ = true;
}

void ViewEngine::publish_rounds() {
  while (!stopping() && !is_started_ && !apply_done_) std::this_thread::sleep_for(kPublishTick);
  if (!is_started_) return;  // the views are kept by somebody else
  while (!stopping() && !apply_done_) {
    // A large one takes a second, which none of the others is to wait for.
    std::vector<std::pair<std::size_t, ViewKeeper*>> smallest_first;
    for (const auto& keeper : keepers_) smallest_first.emplace_back(keeper->rows(), keeper.get());
    std::sort(smallest_first.begin(), smallest_first.end());
    for (const auto& [rows, keeper] : smallest_first) {
      if (stopping()) break;
      keeper->save_if_due(*save_connection_);
      keeper->publish_if_due(*publish_log_, when_stopping_);
    }
    std::this_thread::sleep_for(kPublishTick);
  }
  if (!stopping()) publish_the_last();
}

void ViewEngine::publish_the_last() {
  for (auto& keeper : keepers_) {
    if (stopping()) return;
    keeper->publish_now(*publish_log_, when_stopping_);
    // Nobody else will, any more.
    for (int i = 0; i < kMostRestores && !stopping() && keeper->restore_damaged(); ++i)
      keeper->publish_now(*publish_log_, when_stopping_);
  }
  for (auto& keeper : keepers_) {
    if (!stopping()) keeper->save_now(*save_connection_);
  }
}

}  // namespace inlet::views
