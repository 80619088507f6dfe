#include "bronze/rewind.h"

#include <algorithm>

namespace inlet::bronze {
namespace {

// The marker that a partition was given when it was claimed for the first time, at some version after `then`.
Result<std::optional<Offset>> first_marker(lake::Table& table, TableVersion then, TableVersion now,
                                           const std::string& id) {
  for (TableVersion version{then.value + 1}; version <= now; ++version.value) {
    INLET_ASSIGN_OR_RETURN(const auto entry, table.history_entry(version));
    for (const auto& transaction : entry.transactions) {
      if (transaction.app_id == id) return std::optional(Offset{transaction.version});
    }
  }
  return std::optional<Offset>();
}

// Whether the offsets of the partition mean the same records: no failOnDataLoss = false has gone on with another log.
bool is_same_log(const lake::Snapshot& now, const lake::Snapshot& then, const std::string& pipeline,
                 const TopicPartition& partition) {
  const auto reset = reset_time_id(pipeline, partition);
  return now.transaction(reset) == then.transaction(reset);
}

// Counts of the pipeline's whole life, one of which a record adds to when it is committed.
bool is_count(const std::string& app_id, const std::string& pipeline) {
  return app_id == events_id(pipeline) || app_id == late_id(pipeline) ||
         app_id.starts_with(expectation_id(pipeline, ""));
}

}  // namespace

Result<std::vector<Rewind>> rewinds_to(lake::Table& table, const lake::Snapshot& now, const lake::Snapshot& then,
                                       const std::string& pipeline) {
  std::vector<Rewind> rewinds;
  for (const auto& partition : known_partitions(now, pipeline)) {
    const auto state = read_state(now, pipeline, partition);
    if (!state.marker) continue;
    Rewind rewind{partition, *state.marker, read_state(then, pipeline, partition)};
    rewind.is_of_another_log = !is_same_log(now, then, pipeline, partition);
    if (!rewind.then.marker) {
      INLET_ASSIGN_OR_RETURN(rewind.then.marker,
                             first_marker(table, then.version(), now.version(), marker_id(pipeline, partition)));
    }
    if (rewind.then.marker && *rewind.then.marker < rewind.from) rewinds.push_back(std::move(rewind));
  }
  return rewinds;
}

std::vector<lake::AppTransaction> restored_transactions(const lake::Snapshot& now, const lake::Snapshot& then,
                                                        const std::string& pipeline,
                                                        const std::vector<Rewind>& rewinds) {
  std::vector<lake::AppTransaction> transactions;
  const auto put = [&](const std::string& app_id, std::int64_t value) {
    if (now.transaction(app_id) != value) transactions.push_back({app_id, value});
  };
  if (const auto id = late_applied_id(pipeline); now.transaction(id))
    put(id, then.transaction(id).value_or(kNeverApplied));
  const auto stand_as = [&](const TopicPartition& partition, const PartitionState& state) {
    put(marker_id(pipeline, partition), state.marker->value);
    put(fingerprint_id(pipeline, partition), state.fingerprint.value_or(kNoRecordAtMarker));
    if (const auto id = max_event_time_id(pipeline, partition); now.transaction(id))
      put(id, state.max_event_time_us.value_or(kNoEventTime));
  };
  bool is_as_then = true;
  for (const auto& partition : known_partitions(now, pipeline)) {
    const auto rewind = std::find_if(rewinds.begin(), rewinds.end(),
                                     [&](const Rewind& candidate) { return candidate.partition == partition; });
    const auto state = rewind == rewinds.end() ? read_state(then, pipeline, partition) : rewind->then;
    const auto marker = read_state(now, pipeline, partition).marker;
    const bool goes_up = state.marker && state.marker > marker && is_same_log(now, then, pipeline, partition);
    if (rewind != rewinds.end() || goes_up) {
      stand_as(partition, state);
    } else if (state.marker != marker) {
      is_as_then = false;
    }
  }
  if (!is_as_then) return transactions;
  for (const auto& [app_id, value] : now.transactions()) {
    if (is_count(app_id, pipeline)) put(app_id, then.transaction(app_id).value_or(0));
  }
  return transactions;
}

}  // namespace inlet::bronze
