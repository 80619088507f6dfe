#include "views/view_keeper.h"

#include <algorithm>
#include <thread>
#include <tuple>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"
#include "views/row_origins.h"

namespace inlet::views {
namespace {

// How many files one query reads, and about how many events, when rows are made from bronze again: a place to stop at,
// and for the other views to go on. A state that follows the log can be published and saved after each step.
constexpr std::size_t kFilesAtOnce = 256;
constexpr std::size_t kEventsToBuild = 2'000'000;
constexpr std::size_t kEventsAtOnce = 500'000;

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

constexpr std::string_view kOutOfMemory = "duckdb.out_of_memory";

// A publish or save takes at most this share of the time.
constexpr int kPublishPace = 5;
constexpr int kSavePace = 5;
constexpr std::chrono::seconds kSaveAnyway{10};  // where nothing is published for long
constexpr std::chrono::seconds kRetryAfter{2};

// How long a state that follows the log stands still before a step for who wants to publish or save it.
constexpr std::chrono::milliseconds kLetIn{30};

// Builds in a row that came to an end because what they had just written to disk could not be read.
constexpr int kMostDamagedBuilds = 3;

std::chrono::microseconds microseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration);
}

Status cancelled() { return {StatusCode::kCancelled, "view.stopped", "a stop was asked for"}; }

Status files_gone() { return {StatusCode::kNotFound, "view.files_gone", "files of the events were vacuumed"}; }

// Files of one partition one after the other: so the states of other partitions can leave the memory for good.
std::vector<lake::LiveFile> by_partition(std::vector<lake::LiveFile> files) {
  std::sort(files.begin(), files.end(), [](const lake::LiveFile& a, const lake::LiveFile& b) {
    return std::tie(a.partition_values, a.path) < std::tie(b.partition_values, b.path);
  });
  return files;
}

// What one query reads of them when rows are made again, from `next` on, which moves behind it.
std::vector<lake::LiveFile> slice_of(const std::vector<lake::LiveFile>& files, std::size_t& next) {
  std::vector<lake::LiveFile> slice;
  while (next < files.size() && slice.size() < kFilesAtOnce && events_in(slice) < kEventsToBuild)
    slice.push_back(files[next++]);
  return slice;
}

bool goes_by_group(const ViewState& state, std::size_t events) {
  const std::size_t entries = state.entries();
  const bool is_known = entries > 0;  // an empty state says nothing of how many groups there will be
  return is_known && entries <= kMostEntriesToGroup && entries * kEventsAnEntry < events;
}

}  // namespace

ViewKeeper::ViewKeeper(Parts parts, const Options& options, const Clock& clock)
    : view_(parts.view),
      plan_(parts.plan),
      options_(options),
      clock_(clock),
      publisher_(std::move(parts.publisher)),
      files_(std::move(parts.state_directory), plan_),
      memory_(plan_, files_, std::move(parts.state_connections), mutex_,
              {.most_bytes = options.most_bytes, .seal_after = view_.seal_after}),
      restore_log_(parts.restore_log) {
  shown_.name = view_.name;
  shown_.table = view_.table;
  shown_.is_recomputed = plan_.kind == ViewPlan::Kind::kRecompute;
}

// ---- apply thread ---------------------------------------------------------------------------------------------------

void ViewKeeper::load() {
  if (plan_.kind != ViewPlan::Kind::kAggregate) return;
  const auto started = clock_.steady_now();
  loaded_ = memory_.load();
  if (!loaded_.state) return;
  log::debug("views", "view {}: a state of {} rows loaded in {} ms", plan_.name, loaded_.state->rows(),
             milliseconds_since(started));
}

void ViewKeeper::start(BronzeLog& log) {
  auto loaded = std::exchange(loaded_, {});
  const auto published = publisher_.published();
  if (!published.is_ok()) return fail("reading its table", published.status());
  if (loaded.state) {
    const auto there = log.position_of(loaded.bronze.version);
    if (!there.is_ok() || *there != loaded.bronze) {
      loaded.state.reset();
      loaded.why_not = "it reflects another bronze table, or a version that is gone from the log";
    }
  }
  if (!loaded.why_not.empty()) log::warn("views", "view {}: the state is built anew: {}", plan_.name, loaded.why_not);
  const std::scoped_lock lock(mutex_);
  const bool is_own =
      *published && (*published)->bronze.table_id == log.table_id() && (*published)->fingerprint == plan_.fingerprint;
  if (is_own && !has_state()) {
    // Where somebody else has been at the table since, nobody knows which of its rows are the view's: all of it anew.
    if (!(*published)->is_unchanged) return;
    publisher_.adopt(**published);
  }
  if (is_own) published_ = (*published)->bronze;
  if (!loaded.state) return;
  // The table is this state's when the last commit that changed its rows is a publish of the same view from the same
  // bronze table: what the state has not touched since it was saved stands there as it should.
  if (published_ && (*published)->is_unchanged && published_->version >= loaded.bronze.version) {
    publisher_.adopt(**published);
    replace_all_ = false;
  }
  state_ = std::move(loaded.state);
  position_ = loaded.bronze;
  // What was saved and is not published yet can be at once.
  is_waited_for_ = !published_ || published_->version < position_.version;
  next_save_ = clock_.steady_now() + options_.fastest_save;
  show_state();
}

std::int64_t ViewKeeper::milliseconds_since(SteadyTime started) const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady_now() - started).count();
}

void ViewKeeper::fail(const char* doing, const Status& status) {
  {
    const std::scoped_lock lock(mutex_);
    if (failed_.exchange(true)) return;  // both threads come upon what is wrong with a table
    shown_.problem = status;
  }
  log::error("views", "view {} has stopped, {}: {}", plan_.name, doing, status.to_line());
}

bool ViewKeeper::catch_up(BronzeLog& log, TableVersion to, const ShouldStop& should_stop) {
  if (failed_ || !has_state() || !state_) return false;
  if (is_behind(to) && is_waited_for_.exchange(false)) std::this_thread::sleep_for(kLetIn);
  const Status status = step_towards(log, to, should_stop);
  settle(status);
  return status.is_ok() && state_ && is_behind(to);
}

void ViewKeeper::build(BronzeLog& log, TableVersion at, const ShouldStop& should_stop,
                       const std::function<void()>& between) {
  settle(rebuild(log, at, should_stop, between));
}

// What becomes of a state that could not be brought forward.
void ViewKeeper::settle(const Status& status) {
  if (status.is_ok() || status.code() == StatusCode::kCancelled) return;
  if (is_too_large(status)) return give_up_state(status.detail().what);
  if (!is_damaged(status)) return fail("taking events in", status);
  log::warn("views", "view {}: the state is built anew: {}", plan_.name, status.to_line());
  drop_state();
}

void ViewKeeper::drop_state() {
  std::unique_ptr<ViewState> gone;  // destroyed when nobody waits
  const std::scoped_lock lock(mutex_);
  gone = std::move(state_);
}

// ---- partitions that are damaged on disk ----

bool ViewKeeper::restore_damaged() {
  if (failed_ || !has_state() || !state_ || !has_damaged_.exchange(false)) return false;
  const Status status = memory_.restore_lost(*state_, restorer());
  if (!status.is_ok()) has_damaged_ = true;
  settle(status);
  return status.is_ok();
}

StateMemory::Restore ViewKeeper::restorer() {
  return [this](const std::string& key) { return restore(key); };
}

// A partition of the state as it is at position_.
Result<std::unique_ptr<PartitionState>> ViewKeeper::restore(const std::string& key) {
  const auto gone = [](const Status& why) {
    return Status(StatusCode::kCorruption, "view.state_damaged", "a partition cannot be made from bronze again")
        .because(why.to_line());
  };
  INLET_RETURN_IF_ERROR(restore_log_.refresh());
  if (restore_log_.table_id() != position_.table_id)
    return gone({StatusCode::kNotFound, "view.bronze", "another table"});
  auto files = restore_log_.files_at(position_.version);
  if (!files.is_ok()) return files.status().code() == StatusCode::kNotFound ? gone(files.status()) : files.status();
  if (!restore_log_.are_there(*files)) return gone(files_gone());
  const auto& partition = state_->partitions().at(key);
  const auto& keys = state_->partition_keys();
  std::erase_if(*files, [&](const lake::LiveFile& file) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (!may_hold(file.partition_values, plan_.origins.event_columns[keys[i]], plan_.state.columns[keys[i]].type,
                    partition.values[i]))
        return true;
    }
    return false;
  });
  auto rows = state_->new_partition();
  for (std::size_t next = 0; next < files->size();) {
    INLET_RETURN_IF_ERROR(restore_log_.with_events(slice_of(*files, next), [&](const Events& events) -> Status {
      return for_each_event_chunk(plan_, events,
                                  [&](auto chunk) { return state_->merge_events_of(*rows, key, chunk); });
    }));
  }
  if (rows->rows() == 0) return gone({StatusCode::kNotFound, "view.bronze", "bronze has no row of it"});
  return rows;
}

// The state is of no use any more.
Status ViewKeeper::to_be_built() {
  drop_state();
  return Status::ok();
}

Status ViewKeeper::step_towards(BronzeLog& log, TableVersion to, const ShouldStop& should_stop) {
  if (position_.table_id != log.table_id()) return to_be_built();
  restore_damaged();
  if (failed_ || !state_ || !has_state()) return Status::ok();
  if (should_stop()) return cancelled();
  const auto started = clock_.steady_now();
  // Several small versions are one step: their files are read by one query.
  std::vector<lake::LiveFile> files;
  BronzePosition reached = position_;
  while (reached.version < to && files.size() < kFilesAtOnce && events_in(files) < kEventsAtOnce) {
    auto changes = log.changes({reached.version.value + 1});
    if (changes.status().code() == StatusCode::kNotFound) return to_be_built();
    INLET_RETURN_IF_ERROR(changes.status());
    // A change of the definition alone changes no row: a column that came is NULL in all of them.
    if (changes->removes_rows) {
      log::info("views", "view {}: bronze version {} takes rows out: built anew", plan_.name, changes->version.value);
      return to_be_built();
    }
    files.insert(files.end(), changes->added.begin(), changes->added.end());
    reached = {log.table_id(), changes->version, changes->txn_id, changes->timestamp};
  }
  if (files.empty()) {
    const std::scoped_lock lock(mutex_);
    if (reached.version > position_.version) moved_to(reached, started);
    return Status::ok();
  }
  files = by_partition(std::move(files));
  const auto merge_them = [&](const Events& events) { return merge(events, events_in(files), reached, started); };
  const Status merged = log.are_there(files) ? log.with_events(files, merge_them) : files_gone();
  if (!merged.is_ok() && !log.are_there(files)) {  // a vacuum may have come while they were read
    log::info("views", "view {}: files of bronze version {} are gone: built anew", plan_.name, reached.version.value);
    return to_be_built();
  }
  return merged;
}

Status ViewKeeper::rebuild(BronzeLog& log, TableVersion at, const ShouldStop& should_stop,
                           const std::function<void()>& between) {
  const auto started = clock_.steady_now();
  INLET_ASSIGN_OR_RETURN(auto unordered, log.files_at(at));
  if (!log.are_there(unordered)) {
    // Compacted and vacuumed since: what can be read is the newest version.
    INLET_RETURN_IF_ERROR(log.refresh());
    at = log.newest();
    INLET_ASSIGN_OR_RETURN(unordered, log.files_at(at));
  }
  INLET_ASSIGN_OR_RETURN(const auto position, log.position_of(at));
  const auto files = by_partition(std::move(unordered));
  auto state = std::make_unique<ViewState>(plan_);
  auto pass = StateMemory::begin(*state, {});
  for (std::size_t next = 0; next < files.size();) {
    if (should_stop()) return cancelled();
    if (next > 0) between();
    const auto slice = slice_of(files, next);
    const Status merged = log.with_events(slice, [&](const Events& events) -> Status {
      INLET_ASSIGN_OR_RETURN(const auto partials, partials_of(*state, events, events_in(slice)));
      return merge_into(*state, pass, events, partials ? &*partials : nullptr);
    });
    if (is_damaged(merged) && ++damaged_builds_ >= kMostDamagedBuilds)
      return Status(StatusCode::kInternal, "view.state_disk", "what is written of the state cannot be read back")
          .because(merged.to_line())
          .fix("look at the disk that holds the lake");
    INLET_RETURN_IF_ERROR(merged);
  }
  damaged_builds_ = 0;
  {
    const std::scoped_lock lock(mutex_);
    state_ = std::move(state);
    replace_all_ = true;
    moved_to(position, started);
  }
  if (!files.empty()) {
    log::info("views", "view {}: built from {} files of bronze version {} in {} ms", plan_.name, files.size(), at.value,
              milliseconds_since(started));
  }
  return Status::ok();
}

void ViewKeeper::apply(const Events& events, std::size_t rows, const BronzePosition& position) {
  restore_damaged();
  if (failed_ || !has_state()) return;
  if (!state_ || position_.table_id != position.table_id || position.version.value != position_.version.value + 1)
    return;
  const Status merged = merge(events, rows, position, clock_.steady_now());
  if (merged.is_ok()) INLET_FAULT_POINT("views.after_apply");
  settle(merged);
}

// A chunk at a time, with room made for each. `partials`: of the events; nullptr: they go one by one.
Status ViewKeeper::merge_into(ViewState& state, StateMemory::Pass& pass, const Events& events,
                              const GroupPartials* partials) {
  const auto merge_chunk = [&](duckdb_data_chunk chunk, const std::function<Status()>& merge) {
    return memory_.merge_chunk(state, pass, chunk, merge);
  };
  if (partials == nullptr) {
    return for_each_event_chunk(plan_, events, [&](duckdb_data_chunk chunk) {
      return merge_chunk(chunk, [&] { return state.merge_events(chunk); });
    });
  }
  for (std::size_t i = 0; i < partials->rows.chunks(); ++i) {
    const auto chunk = partials->rows.chunk(i);
    INLET_RETURN_IF_ERROR(merge_chunk(chunk, [&] { return state.merge_partials(chunk); }));
  }
  for (std::size_t d = 0; d < partials->distinct.size(); ++d) {
    for (std::size_t i = 0; i < partials->distinct[d].chunks(); ++i) {
      const auto chunk = partials->distinct[d].chunk(i);
      INLET_RETURN_IF_ERROR(merge_chunk(chunk, [&] {
        state.merge_distinct(d, chunk);
        return Status::ok();
      }));
    }
  }
  return Status::ok();
}

Result<std::optional<GroupPartials>> ViewKeeper::partials_of(const ViewState& state, const Events& events,
                                                             std::size_t rows) const {
  std::optional<GroupPartials> partials;
  if (goes_by_group(state, rows)) {
    auto grouped = GroupPartials::of(plan_, events);
    if (grouped.status().detail().id == kOutOfMemory) return partials;  // one by one they need none
    INLET_ASSIGN_OR_RETURN(partials, std::move(grouped));
  }
  return partials;
}

Status ViewKeeper::merge(const Events& events, std::size_t rows, const BronzePosition& position, SteadyTime started) {
  INLET_ASSIGN_OR_RETURN(const auto partials, partials_of(*state_, events, rows));  // nobody waits for it
  const auto set_half_merged = [&](bool is_half_merged) {
    const std::scoped_lock lock(mutex_);
    is_half_merged_ = is_half_merged;
  };
  set_half_merged(true);
  auto pass = StateMemory::begin(*state_, restorer());
  const Status merged = merge_into(*state_, pass, events, partials ? &*partials : nullptr);
  if (!merged.is_ok()) {
    drop_state();  // half merged: neither of this version nor of the one before
    set_half_merged(false);
    return merged;
  }
  memory_.put_sealed_away(*state_, pass);
  const std::scoped_lock lock(mutex_);
  is_half_merged_ = false;
  moved_to(position, started);
  return Status::ok();
}

void ViewKeeper::moved_to(const BronzePosition& position, SteadyTime started) {
  const auto now = clock_.steady_now();
  position_ = position;
  has_unsaved_ = true;
  if (!behind_since_ && (!published_ || published_->version != position.version)) behind_since_ = now;
  show_state();
  log::debug("views", "view {} reflects bronze version {}", plan_.name, position_.version.value);
  shown_.last_apply_time = microseconds(now - started);
  shown_.apply_time += shown_.last_apply_time;
}

void ViewKeeper::show_state() {
  shown_.applied = position_.version;
  shown_.rows = state_->rows();
  shown_.bytes = state_->bytes();
  shown_.evicted_partitions = state_->partitions_on_disk();
}

void ViewKeeper::give_up_state(const std::string& why) {
  log::warn("views",
            "view {}: its state does not fit in resources.view_memory_limit: {}; it is recomputed whole from now on, "
            "which is slower",
            plan_.name, why);
  std::unique_ptr<ViewState> gone;  // destroyed when nobody waits
  const std::scoped_lock lock(mutex_);
  gave_up_state_ = true;
  gone = std::move(state_);
  shown_.is_recomputed = true;
  shown_.bytes = 0;
  shown_.evicted_partitions = 0;
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
  const bool may_pass =
      status.code() == StatusCode::kTransient || id == "lake.io" || id == "duckdb.io" || id == kOutOfMemory;
  if (!status.is_ok() && !may_pass) return fail("publishing", status);
  // A full disk, say: what was to be published is kept, and tried again.
  if (may_pass) {
    log::warn("views", "view {} could not be published, and is tried again: {}", plan_.name, status.to_line());
    next_publish_ = clock_.steady_now() + kRetryAfter;
  }
  const std::scoped_lock lock(mutex_);
  if (!failed_) shown_.problem = status;
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
  shown_rows_of_ = {};
  const std::scoped_lock lock(mutex_);
  published_.reset();
  if (there && there->fingerprint == plan_.fingerprint) published_ = there->bronze;
  return Status::ok();
}

// A partition that is published as it stands on disk: immutable, whatever is merged meanwhile.
struct ViewKeeper::OnDisk {
  std::string key;
  StoredPartitionPtr stored;
};

// COPY keeps a file open and rows back for each partition that it meets: some megabytes each. That many at once.
constexpr std::size_t kPartitionsAtOnce = 32;

Status ViewKeeper::publish_state(const ShouldStop& should_stop) {
  const auto started = clock_.steady_now();
  Publisher::Request request;
  std::vector<std::vector<duck::DataChunk>> in_memory;  // the rows of kPartitionsAtOnce partitions each
  std::vector<OnDisk> on_disk;
  std::vector<std::string> handed_over;
  std::uint64_t state = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (!state_ || is_waiting_for_state()) return Status::ok();
    // After a restart the table is ahead of the state for a while.
    if (published_ && published_->table_id == position_.table_id && position_.version < published_->version)
      return Status::ok();
    state = state_->id();
    request.mode = replace_all_ ? Publisher::Mode::kReplaceAll : Publisher::Mode::kReplacePartitions;
    request.bronze = position_;
    std::size_t partitions = 0;
    for (auto& [key, partition] : state_->partitions()) {
      if (!replace_all_ && !partition.is_unpublished) continue;
      request.partitions.insert(partition.values);
      if (partition.is_on_disk()) {
        on_disk.push_back({key, partition.stored});
      } else {
        if (partitions++ % kPartitionsAtOnce == 0) in_memory.emplace_back();
        for (auto& chunk : state_->rows_of(partition)) in_memory.back().push_back(std::move(chunk));
      }
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
  auto& connection = publisher_.connection();
  // What is in memory first, then the partitions on disk one by one.
  std::optional<Events> piece;
  std::vector<const duck::DataChunk*> chunks;  // of the piece
  std::size_t next_in_memory = 0;
  std::size_t next = 0;
  request.next_rows = [&]() -> Result<std::optional<std::string>> {
    if (next_in_memory < in_memory.size()) {
      chunks.clear();
      for (const auto& chunk : in_memory[next_in_memory]) chunks.push_back(&chunk);
      ++next_in_memory;
      connection.bind_chunks({plan_.state, chunks});
      piece.emplace(connection, "SELECT * FROM inlet_chunks()");
      return std::optional(piece->over(plan_.final_sql));
    }
    if (next == on_disk.size()) return std::optional<std::string>();
    INLET_ASSIGN_OR_RETURN(auto select, files_.rows_select(*on_disk[next].stored));
    ++next;
    piece.emplace(connection, std::move(select));
    return std::optional(piece->over(plan_.final_sql));
  };
  auto outcome = publisher_.publish(request, should_stop);
  if (outcome.status().detail().id == "sql.value" && piece) outcome = failed_to_publish(outcome.status(), *piece);
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
    // Of a state that was built meanwhile the table is not.
    const bool is_same_state = state_ && state_->id() == state;
    if (is_published && request.mode == Publisher::Mode::kReplaceAll && is_same_state) replace_all_ = false;
    if (outcome.is_ok() && outcome->kind == Publisher::Outcome::Kind::kNeedsAll) replace_all_ = true;
  }
  if (is_damaged(outcome.status())) {
    // Where one is damaged others may be: all of them are restored before the next try.
    for (; next < on_disk.size(); ++next) {
      if (!is_damaged(files_.rows_select(*on_disk[next].stored).status())) continue;
      const std::scoped_lock lock(mutex_);
      note_damaged(on_disk[next]);
    }
    next_publish_ = clock_.steady_now() + options_.fastest_publish;
    return Status::ok();  // once the apply thread has restored it
  }
  INLET_RETURN_IF_ERROR(outcome.status());
  if (is_published) published_at(request.bronze, outcome->version, started);
  if (outcome->kind == Publisher::Outcome::Kind::kOvertaken)
    next_publish_ = clock_.steady_now() + options_.fastest_publish;
  return Status::ok();
}

// With the mutex held.
bool ViewKeeper::is_waiting_for_state() {
  if (is_half_merged_) is_waited_for_ = true;
  return is_half_merged_;
}

void ViewKeeper::note_damaged(const OnDisk& partition) {
  if (!state_) return;
  const auto found = state_->partitions().find(partition.key);
  if (found == state_->partitions().end() || found->second.stored != partition.stored) return;
  found->second.is_lost = true;
  has_damaged_ = true;
}

// The column and the group of the row that could not be computed: DuckDB tells the value only.
Status ViewKeeper::failed_to_publish(const Status& status, const Events& rows) {
  std::string keys;
  for (std::size_t k = 0; k < plan_.keys; ++k) {
    const std::string key = "k" + std::to_string(k);
    keys += (k == 0 ? "" : " || ', ' || ") + duck::quote_literal(plan_.key_names[k] + " = ") + " || coalesce(CAST(" +
            key + " AS VARCHAR), 'NULL')";
  }
  if (keys.empty()) keys = "'all rows'";
  // TRY gives NULL where there is an error; the value itself is inside a list, so that its NULL is none.
  const auto first_group = [&](const std::string& sql, const std::string& condition) -> std::optional<std::string> {
    const auto found =
        rows.query("SELECT " + keys + " FROM inlet_source WHERE TRY([" + sql + "]) IS NULL" + condition + " LIMIT 1");
    if (!found.is_ok() || found->rows() == 0) return std::nullopt;
    return found->text(0, 0);
  };
  const auto told = [&](const char* id, const std::string& column, const std::string& group, const std::string& what) {
    return Status(status.code(), id, what)
        .at("view " + plan_.name + ", " + column + ", group (" + group + ")")
        .because(status.detail().what);
  };
  const std::string& having = plan_.final_having;
  if (!having.empty()) {
    if (const auto group = first_group(having, ""))
      return told("view.value", "HAVING", *group, "HAVING cannot be computed");
  }
  const std::string passes = having.empty() ? "" : " AND TRY(" + having + ")";
  for (std::size_t i = 0; i < plan_.final_columns.size(); ++i) {
    const auto& column = plan_.final_columns[i];
    const auto group = first_group(column.sql, passes);
    if (!group) continue;
    const std::string& name = plan_.output[i].column.name;
    if (!column.narrows)
      return told("view.value", "column " + name, *group, "a value of " + name + " cannot be computed");
    return told("view.sum_overflow", "column " + name, *group, "a value of " + name + " does not fit BIGINT")
        .fix("write CAST(… AS DECIMAL(38,0)) AS " + name + " in the view");
  }
  return status;
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
      whole = changes->removes_rows || !log.are_there(changes->added);
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
    request.next_rows = Publisher::rows_of(events.over(plan_.final_sql));
    request.select_connection = &events.connection();
    INLET_ASSIGN_OR_RETURN(outcome, publisher_.publish(request, should_stop));
    return Status::ok();
  }));
  if (outcome.kind == Publisher::Outcome::Kind::kNeedsAll) {
    const std::scoped_lock lock(mutex_);
    published_.reset();
    return Status::ok();  // with the next round
  }
  if (outcome.kind != Publisher::Outcome::Kind::kPublished) return overtaken();
  published_at(request.bronze, outcome.version, started);
  return Status::ok();
}

// Bronze has the rows that are published, whatever versions it went through: a compaction is no reason to recompute.
Result<bool> ViewKeeper::shows_all_of(BronzeLog& log) {
  shown_rows_of_ = std::max(shown_rows_of_, published_->version);
  const auto changes = [&](TableVersion version) { return log.changes(version); };
  INLET_ASSIGN_OR_RETURN(const bool stay, lake::rows_stay(changes, shown_rows_of_, log.newest()));
  if (stay) shown_rows_of_ = std::max(shown_rows_of_, log.newest());
  return stay;
}

Status ViewKeeper::publish_recomputed(BronzeLog& log, const ShouldStop& should_stop) {
  const auto started = clock_.steady_now();
  INLET_RETURN_IF_ERROR(log.refresh());
  if (published_ && published_->table_id == log.table_id()) {
    INLET_ASSIGN_OR_RETURN(const bool is_shown, shows_all_of(log));
    if (is_shown) return Status::ok();
  }
  Publisher::Request request;
  request.mode = Publisher::Mode::kReplaceAll;
  INLET_ASSIGN_OR_RETURN(const auto files, log.files_at(log.newest()));
  INLET_ASSIGN_OR_RETURN(request.bronze, log.position_of(log.newest()));
  Publisher::Outcome outcome;
  INLET_RETURN_IF_ERROR(log.with_events(files, [&](const Events& events) -> Status {
    request.next_rows = Publisher::rows_of(events.over(plan_.reference_sql));
    request.select_connection = &events.connection();
    INLET_ASSIGN_OR_RETURN(outcome, publisher_.publish(request, should_stop));
    return Status::ok();
  }));
  if (outcome.kind != Publisher::Outcome::Kind::kPublished) return overtaken();
  shown_rows_of_ = request.bronze.version;
  published_at(request.bronze, outcome.version, started);
  return Status::ok();
}

void ViewKeeper::save(duck::Connection& connection, bool now) {
  const auto started = clock_.steady_now();
  // Just before it is published: after a restart little is missing then that the table shows already.
  const bool is_due =
      started >= next_save_ && (started + last_save_took_ >= next_publish_ || started >= next_save_ + kSaveAnyway);
  if (failed_ || !has_state() || (!now && !is_due)) return;
  StateFiles::Pending pending;
  {
    const std::scoped_lock lock(mutex_);
    if (!state_ || !has_unsaved_ || is_waiting_for_state()) return;
    pending = StateFiles::prepare(*state_, plan_, position_);
    has_unsaved_ = false;
  }
  const Status saved = files_.save(connection, pending);
  last_save_took_ = clock_.steady_now() - started;
  next_save_ = started + last_save_took_ +
               std::max<std::chrono::steady_clock::duration>(options_.fastest_save, last_save_took_ * kSavePace);
  log::debug("views", "view {}: the state of bronze version {} saved in {} ms, {} bytes", plan_.name,
             pending.bronze.version.value, milliseconds_since(started), files_.last_bytes());
  // A cache that cannot be written costs time at the next start, and nothing else.
  if (!saved.is_ok()) log::warn("views", "view {}: the state cannot be saved: {}", plan_.name, saved.to_line());
  const std::scoped_lock lock(mutex_);
  if (!saved.is_ok()) {
    has_unsaved_ = true;
    if (pending.damaged) {
      const auto& partition = pending.partitions[*pending.damaged];
      note_damaged({partition.key, partition.stored});
    }
  }
  if (state_) StateFiles::note_written(*state_, pending);
}

// ---- any thread -----------------------------------------------------------------------------------------------------

std::size_t ViewKeeper::rows() const {
  const std::scoped_lock lock(mutex_);
  return shown_.rows;
}

ViewStatus ViewKeeper::status() const {
  const std::scoped_lock lock(mutex_);
  ViewStatus status = shown_;
  if (published_) status.published = published_->version;
  if (behind_since_)
    status.behind = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady_now() - *behind_since_);
  return status;
}

}  // namespace inlet::views
