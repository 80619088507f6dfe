#include "pipeline/maintenance.h"

#include <pthread.h>

#include <algorithm>
#include <ctime>
#include <set>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"
#include "bronze/markers.h"
#include "lake/retention.h"
#include "lake/vacuum.h"
#include "views/versions_needed.h"

namespace inlet::pipeline {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::chrono::minutes kFirstVacuum{1};
// A partition that nothing was added to for so many rounds is quiet.
constexpr int kQuietRounds = 60;
// So much at most is brought together in one commit, unless one group is more.
constexpr std::int64_t kPieceBytes = 32LL << 20;
// While rows are written there is a rest each time so much of a core was spent.
constexpr milliseconds kStep{50};
constexpr std::chrono::hours kLongestBackoff{1};
constexpr milliseconds kStopTick{5};

nanoseconds thread_cpu() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

bool is_larger(const lake::CompactionGroup& a, const lake::CompactionGroup& b) { return a.bytes > b.bytes; }

// The next groups from the back that are about one piece of work.
std::vector<lake::CompactionGroup> take_piece(std::vector<lake::CompactionGroup>& groups) {
  std::vector<lake::CompactionGroup> piece;
  std::int64_t bytes = 0;
  while (!groups.empty() && (piece.empty() || bytes + groups.back().bytes <= kPieceBytes)) {
    bytes += groups.back().bytes;
    piece.push_back(std::move(groups.back()));
    groups.pop_back();
  }
  return piece;
}

}  // namespace

std::vector<std::string> maintained_tables(const config::PipelineConfig& config) {
  std::vector<std::string> all{config.bronze.table, config.quarantine.table, config.late.table};
  for (const auto& view : config.views) all.push_back(view.table);
  std::vector<std::string> names;
  for (auto& name : all) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

Result<std::optional<TableVersion>> needed_from(const config::PipelineConfig& config, lake::Lake& lake,
                                                const std::string& table) {
  if (table == config.bronze.table) return views::lowest_version_needed(config, lake);
  if (table != config.late.table) return std::optional<TableVersion>();
  const auto bronze = lake.open(config.bronze.table);
  if (bronze.status().code() == StatusCode::kNotFound) return std::optional<TableVersion>();
  INLET_RETURN_IF_ERROR(bronze.status());
  const auto applied = bronze::late_applied(*(*bronze)->snapshot(), config.name);
  return applied ? std::optional(TableVersion{*applied}) : std::optional<TableVersion>();
}

nanoseconds rest_after(nanoseconds worked, double share) {
  return nanoseconds(static_cast<std::int64_t>(static_cast<double>(worked.count()) * (1 / share - 1)));
}

FileSizes file_sizes(std::string table, const std::vector<lake::LiveFile>& files, std::int64_t file_size) {
  FileSizes sizes;
  sizes.table = std::move(table);
  for (const auto& file : files) {
    sizes.files += 1;
    sizes.bytes += file.bytes;
    if (!lake::is_large_enough(file, file_size)) sizes.small_files += 1;
  }
  return sizes;
}

// A table that is looked after.
struct Maintenance::Care {
  std::string name;
  std::unique_ptr<lake::Table> table;
  std::optional<TableVersion> looked_at;
  lake::KnownRemovals removals;
  SteadyTime next_quiet_look;
  SteadyTime not_before;  // after a failure
  milliseconds backoff{0};
  std::string problem;  // said already
};

// Of the files of a table, what to bring together: groups by size, the smallest last.
struct Maintenance::Plan {
  lake::SnapshotPtr snapshot;
  std::vector<lake::CompactionGroup> groups;
};

// Files that are being brought together, and when to look at what has come meanwhile.
struct Maintenance::Rewrite {
  const Care* care = nullptr;
  std::set<std::string> files;
  SteadyTime next_look;
  std::map<const Care*, std::optional<TableVersion>> looked_at;
};

Maintenance::Maintenance(Parts parts)
    : parts_(std::move(parts)),
      config_(parts_.config.maintenance),
      started_(parts_.clock.now()),
      names_(maintained_tables(parts_.config)) {
  thread_ = std::thread([this] {
    run();
    is_done_ = true;
  });
  pthread_setname_np(thread_.native_handle(), "inlet-upkeep");
}

Maintenance::~Maintenance() { stop(); }

void Maintenance::stop() {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  ending_.notify_all();
  // Again and again: an interruption is forgotten by what has not begun yet.
  while (!is_done_) {
    {
      const std::scoped_lock lock(mutex_);
      if (compactor_) compactor_->interrupt();
    }
    std::this_thread::sleep_for(kStopTick);
  }
  thread_.join();
}

MaintenanceStatus Maintenance::status() const {
  const std::scoped_lock lock(mutex_);
  return status_;
}

bool Maintenance::sleep_until(SteadyTime time) {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto left = time - parts_.clock.steady_now();
    if (left <= SteadyTime::duration::zero()) break;
    ending_.wait_for(lock, left, [this] { return stopping_.load(); });
  }
  return !stopping_;
}

void Maintenance::run() {
  auto next_round = parts_.clock.steady_now() + config_.interval;
  auto next_vacuum = parts_.clock.steady_now() + std::min<milliseconds>(config_.vacuum_interval, kFirstVacuum);
  while (sleep_until(std::min(next_round, next_vacuum))) {
    const bool vacuum_is_due = parts_.clock.steady_now() >= next_vacuum;
    if (is_keeper()) {
      INLET_FAULT_POINT("maintenance.before_round");
      look_at_all(vacuum_is_due);
      const std::scoped_lock lock(mutex_);
      status_.rounds += 1;
    }
    next_round = parts_.clock.steady_now() + config_.interval;
    if (vacuum_is_due) next_vacuum = parts_.clock.steady_now() + config_.vacuum_interval;
  }
}

void Maintenance::look_at_all(bool vacuum_too) {
  for (const auto& name : names_) {
    auto& care = cares_[name];
    care.name = name;
    if (!stopping_) look_after(care, vacuum_too);
  }
}

// One process of a pipeline does it; the others take over when it ends.
bool Maintenance::is_keeper() {
  if (lock_ && lock_->held().is_ok()) return true;
  lock_.reset();
  const auto acquired = [&]() -> Result<lake::PipelineLock> {
    INLET_RETURN_IF_ERROR(open_lake());
    return lake::PipelineLock::acquire(*lake_, parts_.config.name + ".maintenance");
  };
  auto lock = acquired();
  if (!lock.is_ok()) {
    if (lock.status().detail().id != "lake.locked") log::warn("maintenance", "{}", lock.status().to_line());
    return false;
  }
  lock_.emplace(std::move(*lock));
  const std::scoped_lock held(mutex_);
  status_.is_keeper = true;
  return true;
}

void Maintenance::look_after(Care& care, bool vacuum_too) {
  if (parts_.clock.steady_now() < care.not_before) return;
  Status status = open(care);
  if (status.code() == StatusCode::kNotFound) return;  // not there yet
  if (status.is_ok()) status = rewrite_ ? compact_beside(care) : compact(care);
  // Also where compaction fails: on a disk that is full it is what helps.
  if (vacuum_too && care.table && !stopping_) {
    const Status vacuumed = paced([&] { return vacuum(care); });
    if (status.is_ok()) status = vacuumed;
  }
  if (!stopping_) note(care, status);
}

Status Maintenance::open_lake() {
  if (lake_) return Status::ok();
  INLET_ASSIGN_OR_RETURN(lake_, lake::open_lake(parts_.config.lake, parts_.config.storage));
  return Status::ok();
}

Status Maintenance::open(Care& care) {
  if (care.table) return Status::ok();
  INLET_RETURN_IF_ERROR(open_lake());
  return paced([&]() -> Status {
    INLET_ASSIGN_OR_RETURN(care.table, lake_->open(care.name));
    return Status::ok();
  });
}

void Maintenance::note(Care& care, const Status& status) {
  // Another vacuum or a restore is at it: the next time will do.
  const bool is_fine = status.is_ok() || status.detail().id == "lake.locked";
  if (is_fine) {
    care.backoff = milliseconds(0);
    care.problem.clear();
  } else {
    const bool is_in_use = rewrite_ && rewrite_->care == &care;
    if (!is_in_use) care.table.reset();  // whatever it knew is read again
    care.looked_at.reset();
    care.backoff = std::min<milliseconds>(std::max(care.backoff * 2, config_.interval), kLongestBackoff);
    care.not_before = parts_.clock.steady_now() + care.backoff;
    const std::string line = status.to_line();
    if (line != care.problem) log::warn("maintenance", "{}: {}; it is tried again later", care.name, line);
    care.problem = line;
  }
  const std::scoped_lock lock(mutex_);
  if (is_fine) {
    status_.problems.erase(care.name);
  } else {
    status_.problems.insert_or_assign(care.name, status);
  }
}

Status Maintenance::paced(const std::function<Status()>& work) {
  rested_at_ = thread_cpu();
  const Status status = work();
  rest();
  return status;
}

void Maintenance::rest() {
  const auto worked = thread_cpu() - rested_at_;
  {
    const std::scoped_lock lock(mutex_);
    status_.worked += worked;
  }
  sleep_until(parts_.clock.steady_now() + rest_after(worked, config_.share));
  rested_at_ = thread_cpu();
}

Status Maintenance::compact(Care& care) {
  Plan plan;
  INLET_RETURN_IF_ERROR(paced([&] { return plan_for(care, plan); }));
  if (plan.groups.empty()) return Status::ok();
  rewrite_ = std::make_unique<Rewrite>();
  rewrite_->care = &care;
  rewrite_->next_look = parts_.clock.steady_now() + config_.interval;
  for (const auto& group : plan.groups) {
    for (const auto& file : group.files) rewrite_->files.insert(file.path);
  }
  const Status status = bring_together(care, std::move(plan), [this] { look_beside(); });
  rewrite_.reset();
  return status;
}

// What comes while a large group is being written, minutes at a share of a core, is not left to pile up.
void Maintenance::look_beside() {
  if (parts_.clock.steady_now() < rewrite_->next_look) return;
  rest();
  const auto began = parts_.clock.steady_now();
  look_at_all(false);
  // However long that took, the rewrite goes on at half of the pace at least.
  const auto now = parts_.clock.steady_now();
  rewrite_->next_look = now + std::max<nanoseconds>(config_.interval, now - began);
}

Status Maintenance::compact_beside(Care& care) {
  Plan plan;
  INLET_RETURN_IF_ERROR(paced([&] { return plan_for(care, plan); }));
  const Status status = bring_together(care, std::move(plan), nullptr);
  // Both have one memory between them; these will have it to themselves.
  return status.detail().id == "duckdb.out_of_memory" ? Status::ok() : status;
}

// No groups: there is nothing to do.
Status Maintenance::plan_for(Care& care, Plan& plan) {
  INLET_ASSIGN_OR_RETURN(plan.snapshot, care.table->refresh());
  const auto now = parts_.clock.steady_now();
  const bool looks_for_quiet = !rewrite_ && now >= care.next_quiet_look;
  // What is too large beside a rewrite is looked for again when that is done.
  auto& looked_at = rewrite_ ? rewrite_->looked_at[&care] : care.looked_at;
  if (looked_at == plan.snapshot->version() && !looks_for_quiet) return Status::ok();
  INLET_ASSIGN_OR_RETURN(auto files, plan.snapshot->files());
  looked_at = plan.snapshot->version();
  if (rewrite_ && rewrite_->care == &care)
    std::erase_if(files, [this](const auto& file) { return rewrite_->files.contains(file.path); });
  lake::TierOptions tiers;
  tiers.least_files = static_cast<std::size_t>(config_.min_files);
  // Beside a rewrite only what is soon done: up to where the largest tier begins.
  tiers.target_bytes = rewrite_ ? std::max<std::int64_t>(config_.file_size / config_.min_files, 1) : config_.file_size;
  if (looks_for_quiet) {
    const auto quiet = kQuietRounds * config_.interval;
    tiers.quiet_before_ms = std::chrono::floor<milliseconds>((parts_.clock.now() - quiet).time_since_epoch()).count();
    care.next_quiet_look = now + quiet / 2;
  }
  plan.groups = lake::plan_tiers(files, tiers);
  std::sort(plan.groups.begin(), plan.groups.end(), is_larger);
  return Status::ok();
}

// Piece by piece, the smallest groups first.
Status Maintenance::bring_together(Care& care, Plan plan, const std::function<void()>& between_steps) {
  if (plan.groups.empty()) return Status::ok();
  if (!compactor_) {
    INLET_ASSIGN_OR_RETURN(auto compactor, lake::Compactor::open(1, parts_.config.resources.duckdb_memory_limit));
    const std::scoped_lock lock(mutex_);
    compactor_.emplace(std::move(compactor));
  }
  lake::CompactionHooks hooks;
  hooks.should_stop = [this] { return stopping_.load(); };
  hooks.between_steps = [&] {
    if (thread_cpu() - rested_at_ >= kStep) rest();
    if (between_steps) between_steps();
  };
  const auto next_piece = [&]() -> Status {
    INLET_ASSIGN_OR_RETURN(const auto done, compactor_->run(*care.table, plan.snapshot, take_piece(plan.groups),
                                                            config_.file_size, hooks));
    INLET_FAULT_POINT("maintenance.after_compaction");
    log::debug("maintenance", "{}: {} files became {}", care.name, done.removed_files, done.added_files);
    const std::scoped_lock lock(mutex_);
    status_.given_up += done.given_up;
    status_.done.compactions += done.groups;
    status_.done.removed_files += done.removed_files;
    status_.done.added_files += done.added_files;
    status_.done.rewritten_bytes += done.removed_bytes;
    return Status::ok();
  };
  while (!plan.groups.empty() && !stopping_) INLET_RETURN_IF_ERROR(paced(next_piece));
  return Status::ok();
}

Status Maintenance::vacuum(Care& care) {
  lake::VacuumOptions options;
  INLET_ASSIGN_OR_RETURN(options.needed_from, needed_from(parts_.config, *lake_, care.name));
  if (care.name == parts_.config.bronze.table && parts_.may_read_all && parts_.may_read_all())
    options.needed_from = TableVersion{0};
  INLET_ASSIGN_OR_RETURN(const auto oldest, lake::oldest_writer(*lake_));
  options.oldest_writer = parts_.has_unseen_writers ? Timestamp() : std::min(oldest.value_or(started_), started_);
  // However short a retention was asked for: the page's own queries end.
  options.retain = std::max(lake::deleted_file_retention(care.table->snapshot()->properties()),
                            2 * parts_.config.serve.query_timeout);
  options.known = &care.removals;
  INLET_ASSIGN_OR_RETURN(const auto done, lake::vacuum(*lake_, *care.table, options, parts_.clock, nullptr,
                                                       [this] { return stopping_.load(); }));
  INLET_FAULT_POINT("maintenance.after_vacuum");
  const std::scoped_lock lock(mutex_);
  status_.done.vacuumed_files += done.files;
  status_.done.vacuumed_bytes += done.bytes;
  if (done.log) status_.done.cleaned_log_files += done.log->removed_files;
  return Status::ok();
}

}  // namespace inlet::pipeline
