#include "pipeline/status.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "bronze/markers.h"
#include "pipeline/source_look.h"
#include "views/publisher.h"
#include "views/state_files.h"

namespace inlet::pipeline {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kPublishesLookedAt = 64;
constexpr std::size_t kCommitsLookedAt = 400;
constexpr std::chrono::seconds kRateWindow{60};

std::int64_t number_or_zero(const std::map<std::string, std::string>& values, const std::string& name) {
  const auto found = values.find(name);
  std::int64_t number = 0;
  if (found != values.end()) std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
  return number;
}

void read_rate(const std::vector<lake::HistoryEntry>& history, PipelineStatus& status) {
  std::int64_t events = 0;
  std::int64_t events_of_oldest = 0;
  std::optional<Timestamp> oldest;
  for (const auto& entry : history) {
    if (entry.operation != "STREAMING UPDATE") continue;
    if (!status.last_commit) status.last_commit = entry.timestamp;
    if (*status.last_commit - entry.timestamp > kRateWindow) break;
    events += events_of_oldest;  // counted once an older commit shows when they began to arrive
    events_of_oldest = number_or_zero(entry.metrics, "numOutputRows") +
                       number_or_zero(entry.metrics, "numQuarantinedRows") +
                       number_or_zero(entry.metrics, "numDivertedRows");
    oldest = entry.timestamp;
  }
  if (oldest && *status.last_commit > *oldest) {
    status.events_per_second =
        static_cast<double>(events) / std::chrono::duration<double>(*status.last_commit - *oldest).count();
  }
}

// A partition is idle that moved in no commit of the time before the last one: a pipeline at rest keeps its watermark.
void read_watermark(const std::vector<lake::HistoryEntry>& history, std::chrono::milliseconds idle_timeout,
                    const std::map<TopicPartition, PartitionStatus>& partitions, PipelineStatus& status) {
  std::set<std::string> active;
  std::optional<Timestamp> newest;
  for (const auto& entry : history) {
    if (entry.operation != "STREAMING UPDATE") continue;
    if (!newest) newest = entry.timestamp;
    if (*newest - entry.timestamp > idle_timeout) break;
    for (const auto& [key, range] : entry.info) {
      if (key.starts_with("offsets:")) active.insert(key.substr(std::string_view("offsets:").size()));
    }
  }
  for (const auto& [partition, row] : partitions) {
    if (!row.max_event_time || !active.contains(partition.to_string())) continue;
    status.watermark = std::min(status.watermark.value_or(*row.max_event_time), *row.max_event_time);
  }
}

// From the first commit of bronze that the last publish shows and the one before does not, to that publish.
std::optional<milliseconds> publish_delay(const std::vector<lake::HistoryEntry>& view,
                                          const std::vector<lake::HistoryEntry>& bronze, const std::string& app_id) {
  std::optional<Timestamp> published;
  std::vector<std::int64_t> reflects;
  for (const auto& entry : view) {
    const auto said = std::find_if(entry.transactions.begin(), entry.transactions.end(),
                                   [&](const auto& transaction) { return transaction.app_id == app_id; });
    if (said == entry.transactions.end()) continue;
    if (!published) published = entry.timestamp;
    reflects.push_back(said->version);
    if (reflects.size() == 2) break;
  }
  if (reflects.size() < 2 || bronze.empty() || bronze.back().version.value > reflects[1] + 1) return std::nullopt;
  std::optional<Timestamp> first;
  for (const auto& entry : bronze) {
    const auto version = entry.version.value;
    if (version > reflects[1] && version <= reflects[0] && entry.operation == "STREAMING UPDATE")
      first = entry.timestamp;
  }
  if (!first) return std::nullopt;
  return std::chrono::duration_cast<milliseconds>(*published - *first);
}

}  // namespace

std::optional<std::int64_t> PartitionStatus::lag() const {
  if (!available || available->end == source::OffsetBounds::kEndless) return std::nullopt;
  const Offset position = committed ? committed->next() : available->begin;
  return std::max<std::int64_t>(0, available->end.value - std::max(position, available->begin).value);
}

Result<PipelineStatus> read_status(const config::PipelineConfig& config, const Clock& clock) {
  PipelineStatus status;
  std::map<TopicPartition, PartitionStatus> partitions;
  auto bounds = source_bounds(config, clock);
  if (bounds.is_ok()) {
    for (const auto& [partition, available] : *bounds) partitions[partition].available = available;
  } else {
    status.source_problem = bounds.status().to_line();
  }
  INLET_ASSIGN_OR_RETURN(const auto lake, lake::open_lake(config.lake, config.storage));
  auto bronze = lake->open(config.bronze.table);
  std::vector<lake::HistoryEntry> history;
  if (!bronze.is_ok() && bronze.status().code() != StatusCode::kNotFound) return bronze.status();
  if (bronze.is_ok()) {
    const auto snapshot = (*bronze)->snapshot();
    status.version = snapshot->version();
    status.events = snapshot->transaction(bronze::events_id(config.name)).value_or(0);
    for (const auto& partition : bronze::known_partitions(*snapshot, config.name)) {
      const auto state = bronze::read_state(*snapshot, config.name, partition);
      auto& row = partitions[partition];
      row.committed = state.marker;
      row.epoch = state.epoch;
      if (state.max_event_time_us) row.max_event_time = Timestamp(std::chrono::microseconds(*state.max_event_time_us));
    }
    INLET_ASSIGN_OR_RETURN(history, (*bronze)->history(kCommitsLookedAt));
    read_rate(history, status);
    read_watermark(history, config.late.idle_timeout, partitions, status);
    status.late = snapshot->transaction(bronze::late_id(config.name)).value_or(0);
    for (const auto& expectation : config.expectations) {
      const auto count = snapshot->transaction(bronze::expectation_id(config.name, expectation.name)).value_or(0);
      status.expectations.emplace_back(expectation.name, count);
    }
  }
  for (const auto& view : config.views) {
    auto& shown = status.views.emplace_back();
    shown.name = view.name;
    shown.table = view.table;
    auto table = lake->open(view.table);
    if (table.status().code() == StatusCode::kNotFound) continue;
    INLET_RETURN_IF_ERROR(table.status());
    INLET_ASSIGN_OR_RETURN(const auto published, views::read_published(**table, config.name, view.name));
    if (!published) continue;
    shown.reflects = published->bronze.version;
    shown.as_of = published->bronze.timestamp;
    INLET_ASSIGN_OR_RETURN(const auto publishes, (*table)->history(kPublishesLookedAt));
    shown.freshness = publish_delay(publishes, history, views::view_txn_id(config.name, view.name));
    if (shown.freshness) *shown.freshness += config.bronze.batch_interval;
    const auto state = views::read_saved_state(views::state_directory(lake->root(), config.name, view.name));
    if (state.is_ok()) shown.evicted_partitions = state->on_disk;
  }
  for (const auto& name : maintained_tables(config)) {
    const auto table = lake->open(name);
    if (table.status().code() == StatusCode::kNotFound) continue;
    INLET_RETURN_IF_ERROR(table.status());
    INLET_ASSIGN_OR_RETURN(const auto files, (*table)->snapshot()->files());
    status.tables.push_back(file_sizes(name, files, config.maintenance.file_size));
  }
  for (auto& [partition, row] : partitions) {
    row.partition = partition;
    status.partitions.push_back(row);
  }
  return status;
}

}  // namespace inlet::pipeline
