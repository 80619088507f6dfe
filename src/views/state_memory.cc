#include "views/state_memory.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>
#include <vector>

#include "base/fault_point.h"
#include "base/log.h"

namespace inlet::views {
namespace {

constexpr const char* kTooLarge = "view.state_too_large";
constexpr const char* kDamaged = "view.state_damaged";

// When room is made, a little more than is needed: a write for every chunk would be slow.
constexpr std::size_t kSpareShare = 8;

// In one pass, this many times the limit may be read again before the pass counts as one that does not fit.
constexpr std::size_t kMostReadAgain = 4;

// While the disk cannot be written, the state may grow by this share.
constexpr std::size_t kGrowthShare = 4;

Status too_large(const std::string& what) { return {StatusCode::kInternal, kTooLarge, what}; }

std::optional<int> number_of(std::string_view text) {
  int number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Timestamp> time_of(std::string_view text) {
  // Year, month, day, hour, minute, second: each of its length, behind its mark. A zone is passed over: it is UTC's.
  struct Part {
    std::string_view marks;
    std::size_t length;
    int least;
    int most;
    int otherwise;
  };
  static constexpr std::array<Part, 6> kParts{{{"", 4, 1000, 9999, 0},
                                               {"-", 2, 1, 12, 1},
                                               {"-", 2, 1, 31, 1},
                                               {"-T ", 2, 0, 23, 0},
                                               {":", 2, 0, 59, 0},
                                               {":", 2, 0, 60, 0}}};
  std::array<int, kParts.size()> found{};
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const Part& part = kParts[i];
    found[i] = part.otherwise;
    if (i > 0 && text.empty()) continue;
    if (i > 0) {
      if (part.marks.find(text.front()) == std::string_view::npos) return std::nullopt;
      text.remove_prefix(1);
    }
    const auto number = number_of(text.substr(0, part.length));
    if (!number || text.size() < part.length || *number < part.least || *number > part.most) return std::nullopt;
    found[i] = *number;
    text.remove_prefix(part.length);
  }
  if (text.find_first_not_of("0123456789.+:Z") != std::string_view::npos) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(found[0]),
                                         std::chrono::month(static_cast<unsigned>(found[1])),
                                         std::chrono::day(static_cast<unsigned>(found[2])));
  if (!date.ok()) return std::nullopt;
  return Timestamp(std::chrono::sys_days(date)) + std::chrono::hours(found[3]) + std::chrono::minutes(found[4]) +
         std::chrono::seconds(found[5]);
}

}  // namespace

bool is_too_large(const Status& status) { return status.detail().id == kTooLarge; }
bool is_damaged(const Status& status) { return status.detail().id == kDamaged; }

std::optional<Timestamp> partition_time(const PartitionValues& values) {
  for (const auto& value : values) {
    if (!value) continue;
    if (const auto time = time_of(*value)) return time;
  }
  return std::nullopt;
}

Status StateMemory::merge_chunk(ViewState& state, Pass& pass, duckdb_data_chunk rows,
                                const std::function<Status()>& merge) {
  if (state.has_any_on_disk()) {
    const auto needed = state.needed_by(rows);
    if (!needed.on_disk.empty()) INLET_RETURN_IF_ERROR(bring_in(state, pass, needed));
  }
  {
    const std::scoped_lock lock(mutex_);
    INLET_RETURN_IF_ERROR(merge());
  }
  return state.bytes() > options_.most_bytes ? make_room(state) : Status::ok();
}

Status StateMemory::bring_in(ViewState& state, Pass& pass, const ViewState::Needed& needed) {
  if (needed.bytes > options_.most_bytes)
    return too_large("the partitions that a few thousand rows touch do not fit in memory together");
  std::size_t to_load = 0;
  for (const auto& key : needed.on_disk) {
    const auto& partition = state.partitions().at(key);
    to_load += partition.stored->content().memory;
    if (partition.touched > pass.began) pass.read_again += partition.stored->content().memory;
  }
  if (pass.read_again / kMostReadAgain > options_.most_bytes)
    return too_large("the partitions that one batch touches do not fit in memory together");
  if (state.bytes() + to_load > options_.most_bytes)
    INLET_RETURN_IF_ERROR(make_room(state, options_.most_bytes - to_load, &needed));
  for (const auto& key : needed.on_disk) {
    const bool is_of_before = state.partitions().at(key).touched <= pass.began;
    INLET_RETURN_IF_ERROR(load(state, key, is_of_before ? pass.restore : Restore()));
  }
  return Status::ok();
}

Status StateMemory::load(ViewState& state, const std::string& key, const Restore& restore) {
  StoredPartitionPtr stored;
  {
    const std::scoped_lock lock(mutex_);
    stored = state.partitions().at(key).stored;
  }
  auto rows = files_.read(connections_, state, key, *stored);
  const bool is_restored = is_damaged(rows.status()) && restore;
  if (is_restored) {
    log::warn("views", "view {}: a partition of the state is made from bronze again: {}", plan_.name,
              rows.status().to_line());
    rows = restore(key);
  }
  INLET_RETURN_IF_ERROR(rows.status());
  const std::scoped_lock lock(mutex_);
  state.put_in_memory(key, std::move(*rows), is_restored);
  return Status::ok();
}

Status StateMemory::restore_lost(ViewState& state, const Restore& restore) {
  std::vector<std::string> lost;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [key, partition] : state.partitions()) {
      if (partition.is_lost && partition.is_on_disk()) lost.push_back(key);
    }
  }
  for (const auto& key : lost) {
    INLET_RETURN_IF_ERROR(load(state, key, restore));
    INLET_RETURN_IF_ERROR(make_room(state));
  }
  return Status::ok();
}

Status StateMemory::make_room(ViewState& state, std::size_t for_bytes, const ViewState::Needed* keep) {
  if (state.bytes() <= for_bytes) return Status::ok();
  struct Candidate {
    std::uint64_t touched = 0;
    std::string key;
  };
  std::vector<Candidate> coldest;
  const std::set<std::string> kept = keep == nullptr
                                         ? std::set<std::string>()
                                         : std::set<std::string>(keep->partitions.begin(), keep->partitions.end());
  for (const auto& [key, partition] : state.partitions()) {
    const bool is_wanted = keep == nullptr ? partition.touched == state.last_chunk() : kept.contains(key);
    if (!partition.is_on_disk() && !is_wanted) coldest.push_back({partition.touched, key});
  }
  std::sort(coldest.begin(), coldest.end(), [](const auto& a, const auto& b) { return a.touched < b.touched; });
  const std::size_t wanted = for_bytes - std::min(for_bytes, options_.most_bytes / kSpareShare);
  for (const auto& candidate : coldest) {
    if (state.bytes() <= wanted) break;
    const Status put = put_away(state, candidate.key);
    if (put.is_ok()) continue;
    if (put.code() == StatusCode::kCancelled ||
        state.bytes() > options_.most_bytes + options_.most_bytes / kGrowthShare)
      return put.code() == StatusCode::kCancelled ? put : too_large("it cannot be put on disk: " + put.to_line());
    log::warn("views", "view {}: the state cannot be put on disk, and grows: {}", plan_.name, put.to_line());
    return Status::ok();
  }
  if (state.bytes() <= options_.most_bytes) return Status::ok();
  return too_large("the partitions that a few thousand rows touch do not fit in memory together");
}

Status StateMemory::put_away(ViewState& state, const std::string& key) {
  auto& partition = state.partitions().at(key);
  bool is_changed = true;
  {
    const std::scoped_lock lock(mutex_);
    is_changed = partition.is_changed;
  }
  StoredPartitionPtr stored;
  if (is_changed) {
    // Nobody else changes the rows; a publish that reads them meanwhile does no harm.
    INLET_ASSIGN_OR_RETURN(stored, files_.write(connections_.rows, *partition.rows));
    INLET_FAULT_POINT("views.after_state_put_away");
  }
  std::unique_ptr<PartitionState> rows;
  const std::scoped_lock lock(mutex_);
  if (stored) {
    partition.stored = std::move(stored);
    partition.is_changed = false;
  }
  rows = state.take_out_of_memory(key);
  return Status::ok();
}

void StateMemory::put_sealed_away(ViewState& state, const Pass& pass) {
  if (!options_.seal_after) return;
  std::optional<Timestamp> newest;
  for (const auto& [key, partition] : state.partitions()) {
    const auto time = partition_time(partition.values);
    if (time && (!newest || *time > *newest)) newest = time;
  }
  if (!newest) return;
  std::vector<std::unique_ptr<PartitionState>> gone;  // destroyed when nobody waits
  const std::scoped_lock lock(mutex_);
  for (auto& [key, partition] : state.partitions()) {
    if (partition.is_on_disk() || partition.is_changed || partition.is_unpublished || partition.touched > pass.began)
      continue;
    const auto time = partition_time(partition.values);
    if (time && *newest - *time > *options_.seal_after) gone.push_back(state.take_out_of_memory(key));
  }
}

}  // namespace inlet::views
