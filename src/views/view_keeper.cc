#include "views/view_keeper.h"

#include <algorithm>

#include "base/fault_point.h"
#include "base/log.h"

namespace inlet::views {
namespace {

// How many files one query reads when a state is built from the log: a place to stop at.
constexpr std::size_t kFilesAtOnce = 256;

// DuckDB aggregates a batch where few groups take many events: what it keeps at once is about what the state holds.
// More entries than this are not its to hold, and with fewer events an entry its work would be done twice.
constexpr std::size_t kMostEntriesToGroup = 100'000;
constexpr std::size_t kEventsAnEntry = 8;

// Of bronze's Parquet, about. Decides which way a batch takes, and nothing else.
constexpr std::int64_t kBytesAnEvent = 16;

std::size_t events_in(const std::vector<lake::LiveFile>& files) {
  std::int64_t bytes = 0;
  for (const auto& file : files) bytes += file.bytes;
  return static_cast<std::size_t>(bytes / kBytesAnEvent);
}

// A publish or save takes at most this share of the time.
constexpr int kPublishPace = 5;
constexpr std::chrono::seconds kRetryAfter{2};
constexpr int kSavePace = 10;

std::chrono::microseconds microseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration);
}

Status cancelled() { return {StatusCode::kCancelled, "view.stopped", "a stop was asked for"}; }

bool goes_by_group(const ViewState& state, std::size_t events) {
  const std::size_t entries = state.entries();
  const bool is_known = entries > 0;  // an empty state says nothing of how many groups there will be
  return is_known && entries <= kMostEntriesToGroup && entries * kEventsAnEntry < events;
}

}  // namespace

ViewKeeper::ViewKeeper(const config::ViewConfig& view, const ViewPlan& plan, Publisher publisher, StateFiles files,
                       const Options& options, const Clock& clock)
    : view_(view),
      plan_(plan),
      options_(options),
      clock_(clock),
      publisher_(std::move(publisher)),
      files_(std::move(files)) {
  shown_.name = view.name;
  shown_.table = view.table;
  shown_.is_recomputed = plan.kind == ViewPlan::Kind::kRecompute;
}

// ---- apply thread ---------------------------------------------------------------------------------------------------

void ViewKeeper::start(BronzeLog& log, duck::Connection& reader) {
  const auto published = publisher_.published();
  if (!published.is_ok()) return fail(published.status());
  StateFiles::Loaded loaded;
  if (plan_.kind == ViewPlan::Kind::kAggregate) {
    loaded = files_.load(reader);
    if (loaded.state) {
      const auto there = log.position_of(loaded.bronze.version);
      if (!there.is_ok() || *there != loaded.bronze) {
        loaded.state.reset();
        loaded.why_not = "it reflects another bronze table, or a version that is gone from the log";
      }
    }
    if (!loaded.why_not.empty()) log::warn("views", "view {}: the state is built anew: {}", plan_.name, loaded.why_not);
  }
  const std::scoped_lock lock(mutex_);
  if (*published && (*published)->bronze.table_id == log.table_id() && (*published)->fingerprint == plan_.fingerprint)
    published_ = (*published)->bronze;
  if (!loaded.state) return;
  // The table is this state's when its last commit is a publish of the same view from the same bronze table: what the
  // state has not touched since it was saved stands there as it should.
  if (published_ && (*published)->is_newest && published_->version >= loaded.bronze.version) {
    publisher_.adopt(**published);
    replace_all_ = false;
  }
  state_ = std::move(loaded.state);
  position_ = loaded.bronze;
}

void ViewKeeper::fail(const Status& status) {
  log::error("views", "view {} has stopped: {}", plan_.name, status.to_line());
  failed_ = true;
  const std::scoped_lock lock(mutex_);
  shown_.problem = status;
}

void ViewKeeper::catch_up(BronzeLog& log, TableVersion to, const ShouldStop& should_stop) {
  if (failed_ || !has_state()) return;
  const Status status = try_catch_up(log, to, should_stop);
  if (!status.is_ok() && status.code() != StatusCode::kCancelled) fail(status);
}

Status ViewKeeper::try_catch_up(BronzeLog& log, TableVersion to, const ShouldStop& should_stop) {
  if (!state_ || position_.table_id != log.table_id()) return rebuild(log, to, should_stop);
  while (position_.version < to) {
    if (should_stop()) return cancelled();
    const auto started = clock_.steady_now();
    // Several small versions are one step: their files are read by one query.
    std::vector<lake::LiveFile> files;
    BronzePosition reached = position_;
    while (reached.version < to && files.size() < kFilesAtOnce) {
      auto changes = log.changes({reached.version.value + 1});
      if (changes.status().code() == StatusCode::kNotFound) return rebuild(log, to, should_stop);
      INLET_RETURN_IF_ERROR(changes.status());
      if (changes->removes_rows || changes->changes_definition) {
        log::info("views", "view {}: bronze version {} takes rows out or changes the table: built anew", plan_.name,
                  changes->version.value);
        return rebuild(log, to, should_stop);
      }
      files.insert(files.end(), changes->added.begin(), changes->added.end());
      reached = {log.table_id(), changes->version, changes->txn_id, changes->timestamp};
    }
    if (files.empty()) {
      const std::scoped_lock lock(mutex_);
      moved_to(reached, started);
      continue;
    }
    INLET_RETURN_IF_ERROR(log.with_events(
        files, [&](const Events& events) -> Status { return merge(events, events_in(files), reached, started); }));
  }
  return Status::ok();
}

Status ViewKeeper::rebuild(BronzeLog& log, TableVersion at, const ShouldStop& should_stop) {
  const auto started = clock_.steady_now();
  INLET_ASSIGN_OR_RETURN(const auto files, log.files_at(at));
  INLET_ASSIGN_OR_RETURN(const auto position, log.position_of(at));
  auto state = std::make_unique<ViewState>(plan_);
  for (std::size_t begin = 0; begin < files.size(); begin += kFilesAtOnce) {
    if (should_stop()) return cancelled();
    const auto end = std::min(begin + kFilesAtOnce, files.size());
    const std::vector<lake::LiveFile> slice(files.begin() + static_cast<std::ptrdiff_t>(begin),
                                            files.begin() + static_cast<std::ptrdiff_t>(end));
    INLET_RETURN_IF_ERROR(log.with_events(slice, [&](const Events& events) -> Status {
      if (!goes_by_group(*state, events_in(slice)))
        return for_each_event_chunk(plan_, events, [&](auto chunk) { return state->merge_events(chunk); });
      INLET_ASSIGN_OR_RETURN(const auto partials, GroupPartials::of(plan_, events));
      return state->merge(partials);
    }));
    if (state->bytes() > options_.most_bytes) {
      give_up_state();
      return Status::ok();
    }
  }
  {
    const std::scoped_lock lock(mutex_);
    std::swap(state_, state);
    replace_all_ = true;
    moved_to(position, started);
  }
  if (!files.empty()) {
    log::info("views", "view {}: built from {} files of bronze version {} in {} ms", plan_.name, files.size(), at.value,
              std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady_now() - started).count());
  }
  return Status::ok();
}

void ViewKeeper::apply(const Events& events, std::size_t rows, const BronzePosition& position) {
  if (failed_ || !has_state()) return;
  if (!state_ || position_.table_id != position.table_id || position.version.value != position_.version.value + 1)
    return;
  const auto started = clock_.steady_now();
  const Status merged = merge(events, rows, position, started);
  if (merged.code() == StatusCode::kCancelled) return;
  if (!merged.is_ok()) return fail(merged);
  INLET_FAULT_POINT("views.after_apply");
  if (state_->bytes() > options_.most_bytes) give_up_state();
}

Status ViewKeeper::merge(const Events& events, std::size_t rows, const BronzePosition& position, SteadyTime started) {
  Status merged;
  std::unique_lock lock(mutex_, std::defer_lock);
  if (goes_by_group(*state_, rows)) {
    INLET_ASSIGN_OR_RETURN(const auto partials, GroupPartials::of(plan_, events));
    lock.lock();
    merged = state_->merge(partials);
  } else {
    lock.lock();
    is_half_merged_ = true;
    lock.unlock();
    merged = for_each_event_chunk(plan_, events, [&](duckdb_data_chunk chunk) {
      const std::scoped_lock chunk_lock(mutex_);
      return state_->merge_events(chunk);
    });
    lock.lock();
    is_half_merged_ = false;
  }
  if (!merged.is_ok()) {
    state_.reset();  // half merged: neither of this version nor of the one before
    return merged;
  }
  moved_to(position, started);
  return Status::ok();
}

void ViewKeeper::moved_to(const BronzePosition& position, SteadyTime started) {
  const auto now = clock_.steady_now();
  position_ = position;
  has_unsaved_ = true;
  if (!behind_since_ && (!published_ || published_->version != position.version)) behind_since_ = now;
  shown_.applied = position.version;
  shown_.rows = state_->rows();
  shown_.bytes = state_->bytes();
  shown_.last_apply_time = microseconds(now - started);
  shown_.apply_time += shown_.last_apply_time;
}

void ViewKeeper::give_up_state() {
  log::warn("views",
            "view {}: its state is larger than resources.view_memory_limit; it is recomputed whole from now on, "
            "which is slower",
            plan_.name);
  const std::scoped_lock lock(mutex_);
  gave_up_state_ = true;
  state_.reset();
  shown_.is_recomputed = true;
  shown_.bytes = 0;
}

// ---- publish thread -------------------------------------------------------------------------------------------------

void ViewKeeper::publish(BronzeLog& log, const ShouldStop& should_stop, bool now) {
  if (failed_ || (!now && clock_.steady_now() < next_publish_)) return;
  Status status;
  if (has_state()) {
    status = publish_state(should_stop);
  } else if (plan_.kind == ViewPlan::Kind::kAppend) {
    status = publish_appended(log, should_stop);
  } else {
    status = publish_recomputed(log, should_stop);
  }
  if (status.code() == StatusCode::kCancelled) return;
  const auto& id = status.detail().id;
  const bool is_io = status.code() == StatusCode::kTransient || id == "lake.io" || id == "duckdb.io";
  if (!status.is_ok() && !is_io) return fail(status);
  // A full disk, say: what was to be published is kept, and tried again.
  if (is_io) {
    log::warn("views", "view {} could not be published, and is tried again: {}", plan_.name, status.to_line());
    next_publish_ = clock_.steady_now() + kRetryAfter;
  }
  const std::scoped_lock lock(mutex_);
  shown_.problem = status;
}

void ViewKeeper::published_at(const BronzePosition& position, TableVersion table_version, SteadyTime started) {
  const auto now = clock_.steady_now();
  const auto took = now - started;
  auto pace = std::max<std::chrono::steady_clock::duration>(options_.fastest_publish, took * kPublishPace);
  if (view_.refresh) pace = *view_.refresh;
  next_publish_ = now + pace;
  {
    const std::scoped_lock lock(mutex_);
    published_ = position;
    if (!has_state() || position_.version == position.version) {
      behind_since_.reset();
    } else {
      behind_since_ = now;
    }
    shown_.published = position.version;
    shown_.last_publish_time = microseconds(took);
    shown_.publish_time += shown_.last_publish_time;
    shown_.publishes += 1;
  }
  if (options_.on_published) options_.on_published({plan_.name, table_version, position, microseconds(took)});
}

Status ViewKeeper::overtaken() {
  INLET_ASSIGN_OR_RETURN(const auto there, publisher_.published());
  const std::scoped_lock lock(mutex_);
  published_.reset();
  if (there && there->fingerprint == plan_.fingerprint) published_ = there->bronze;
  return Status::ok();
}

Status ViewKeeper::publish_state(const ShouldStop& should_stop) {
  const auto started = clock_.steady_now();
  Publisher::Request request;
  std::vector<duck::DataChunk> rows;
  std::vector<std::string> handed_over;
  {
    const std::scoped_lock lock(mutex_);
    if (!state_ || is_half_merged_) return Status::ok();
    request.mode = replace_all_ ? Publisher::Mode::kReplaceAll : Publisher::Mode::kReplacePartitions;
    request.bronze = position_;
    for (auto& [key, partition] : state_->partitions()) {
      if (!replace_all_ && !partition.is_unpublished) continue;
      request.partitions.insert(partition.values);
      for (auto& chunk : state_->rows_of(partition)) rows.push_back(std::move(chunk));
      partition.is_unpublished = false;
      handed_over.push_back(key);
    }
    // Nothing of the view changed, and the table says so already.
    if (handed_over.empty() && !replace_all_) {
      behind_since_.reset();
      shown_.published = position_.version;
      return Status::ok();
    }
  }
  std::vector<const duck::DataChunk*> chunks;
  for (const auto& chunk : rows) chunks.push_back(&chunk);
  auto& connection = publisher_.connection();
  connection.bind_chunks({plan_.state, chunks});
  const Events state_rows(connection, "SELECT * FROM inlet_chunks()");
  request.select = state_rows.over(plan_.final_sql);
  auto outcome = publisher_.publish(request, should_stop);
  connection.unbind_chunks();

  const bool is_published = outcome.is_ok() && outcome->kind == Publisher::Outcome::Kind::kPublished;
  {
    const std::scoped_lock lock(mutex_);
    if (!is_published && state_) {
      for (const auto& key : handed_over) {
        const auto partition = state_->partitions().find(key);
        if (partition != state_->partitions().end()) partition->second.is_unpublished = true;
      }
    }
    if (is_published && request.mode == Publisher::Mode::kReplaceAll) replace_all_ = false;
    if (outcome.is_ok() && outcome->kind == Publisher::Outcome::Kind::kNeedsAll) replace_all_ = true;
  }
  INLET_RETURN_IF_ERROR(outcome.status());
  if (is_published) published_at(request.bronze, outcome->version, started);
  if (outcome->kind == Publisher::Outcome::Kind::kOvertaken)
    next_publish_ = clock_.steady_now() + options_.fastest_publish;
  return Status::ok();
}

Status ViewKeeper::publish_appended(BronzeLog& log, const ShouldStop& should_stop) {
  const auto started = clock_.steady_now();
  INLET_RETURN_IF_ERROR(log.refresh());
  Publisher::Request request;
  std::vector<lake::LiveFile> files;
  bool whole = true;
  if (published_ && published_->table_id == log.table_id()) {
    whole = false;
    request.bronze = *published_;
    while (request.bronze.version < log.newest() && !whole && files.size() < kFilesAtOnce) {
      auto changes = log.changes({request.bronze.version.value + 1});
      whole = changes.status().code() == StatusCode::kNotFound;
      if (whole) break;
      INLET_RETURN_IF_ERROR(changes.status());
      whole = changes->removes_rows || changes->changes_definition;
      files.insert(files.end(), changes->added.begin(), changes->added.end());
      request.bronze = {log.table_id(), changes->version, changes->txn_id, changes->timestamp};
    }
  }
  if (whole) {
    INLET_ASSIGN_OR_RETURN(files, log.files_at(log.newest()));
    INLET_ASSIGN_OR_RETURN(request.bronze, log.position_of(log.newest()));
    request.mode = Publisher::Mode::kReplaceAll;
  } else {
    request.mode = Publisher::Mode::kAppend;
    request.follows = published_->version;
    if (files.empty()) return Status::ok();  // versions without rows: said with the next that has some
  }
  Publisher::Outcome outcome;
  INLET_RETURN_IF_ERROR(log.with_events(files, [&](const Events& events) -> Status {
    request.select = events.over(plan_.final_sql);
    request.select_connection = &events.connection();
    INLET_ASSIGN_OR_RETURN(outcome, publisher_.publish(request, should_stop));
    return Status::ok();
  }));
  if (outcome.kind != Publisher::Outcome::Kind::kPublished) return overtaken();
  published_at(request.bronze, outcome.version, started);
  return Status::ok();
}

Status ViewKeeper::publish_recomputed(BronzeLog& log, const ShouldStop& should_stop) {
  const auto started = clock_.steady_now();
  INLET_RETURN_IF_ERROR(log.refresh());
  if (published_ && published_->table_id == log.table_id() && published_->version >= log.newest()) return Status::ok();
  Publisher::Request request;
  request.mode = Publisher::Mode::kReplaceAll;
  INLET_ASSIGN_OR_RETURN(const auto files, log.files_at(log.newest()));
  INLET_ASSIGN_OR_RETURN(request.bronze, log.position_of(log.newest()));
  Publisher::Outcome outcome;
  INLET_RETURN_IF_ERROR(log.with_events(files, [&](const Events& events) -> Status {
    request.select = events.over(plan_.reference_sql);
    request.select_connection = &events.connection();
    INLET_ASSIGN_OR_RETURN(outcome, publisher_.publish(request, should_stop));
    return Status::ok();
  }));
  if (outcome.kind != Publisher::Outcome::Kind::kPublished) return overtaken();
  published_at(request.bronze, outcome.version, started);
  return Status::ok();
}

void ViewKeeper::save(duck::Connection& connection, bool now) {
  if (failed_ || !has_state() || (!now && clock_.steady_now() < next_save_)) return;
  const auto started = clock_.steady_now();
  StateFiles::Pending pending;
  {
    const std::scoped_lock lock(mutex_);
    if (!state_ || is_half_merged_ || !has_unsaved_) return;
    pending = StateFiles::prepare(*state_, plan_, position_);
    has_unsaved_ = false;
  }
  const Status saved = files_.save(connection, pending);
  const auto took = clock_.steady_now() - started;
  next_save_ =
      clock_.steady_now() + std::max<std::chrono::steady_clock::duration>(options_.fastest_save, took * kSavePace);
  if (saved.is_ok()) return;
  // A cache that cannot be written costs time at the next start, and nothing else.
  log::warn("views", "view {}: the state cannot be saved: {}", plan_.name, saved.to_line());
  const std::scoped_lock lock(mutex_);
  has_unsaved_ = true;
  if (!state_) return;
  for (auto& [key, partition] : state_->partitions()) partition.is_unsaved = true;
}

// ---- any thread -----------------------------------------------------------------------------------------------------

ViewStatus ViewKeeper::status() const {
  const std::scoped_lock lock(mutex_);
  ViewStatus status = shown_;
  if (published_) status.published = published_->version;
  if (behind_since_)
    status.behind = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady_now() - *behind_since_);
  return status;
}

}  // namespace inlet::views
