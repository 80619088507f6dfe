#include "bronze/claim.h"

#include <unistd.h>

#include <algorithm>

#include "base/fault_point.h"
#include "base/host_name.h"
#include "base/json.h"
#include "lake/files_select.h"

namespace inlet::bronze {
namespace {

// Who committed, for people who read the log.
std::map<std::string, std::string> owner_info() { return {{"host", host_name()}, {"pid", std::to_string(getpid())}}; }

Status fenced(const TopicPartition& partition, std::int64_t own, std::int64_t current) {
  return Status(StatusCode::kFenced, "claim.superseded", "another process has taken this partition over")
      .at(partition.to_string())
      .because("this process holds epoch " + std::to_string(own) + ", the table is at epoch " + std::to_string(current))
      .fix("stop one of the two processes, or let them share the topic through source.kafka.group_id");
}

// Files of the snapshot that may hold rows above the marker, by the statistics of `_offset`.
bool may_hold_offsets_above(const lake::LiveFile& file, Offset marker) {
  const auto statistics = parse_json(file.statistics_json);
  if (!statistics.is_ok() || !statistics->contains("maxValues")) return true;
  const auto& max_values = (*statistics)["maxValues"];
  if (!max_values.contains("_offset") || !max_values["_offset"].is_number_integer()) return true;
  return max_values["_offset"].get<std::int64_t>() > marker.value;
}

// A table whose rows are decided before bronze's, and its column that says when.
struct SecondaryTable {
  SharedTable* table;
  const char* decided_at;
};

std::vector<SecondaryTable> secondary_tables(const Tables& tables) {
  std::vector<SecondaryTable> all{{tables.quarantine.get(), "quarantined_at"}};
  if (tables.late) all.push_back({tables.late.get(), "diverted_at"});
  return all;
}

// The offsets in the table that bronze does not cover yet, sorted. Usually none: they are left by a death between two
// commits.
Result<std::vector<std::int64_t>> read_decided(const SecondaryTable& secondary, const lake::Snapshot& bronze,
                                               const std::string& pipeline, const TopicPartition& partition,
                                               Offset marker, duck::Connection& connection) {
  std::vector<std::int64_t> decided;
  const SharedTable& table = *secondary.table;
  const auto newest = table.snapshot();
  const lake::Snapshot& snapshot = *newest;
  const auto highest = snapshot.transaction(marker_id(pipeline, partition));
  if (!highest || *highest <= marker.value) return decided;
  INLET_ASSIGN_OR_RETURN(const auto files, snapshot.files());
  std::vector<std::string> paths;
  std::vector<lake::LiveFile> asked;
  for (const auto& file : files) {
    if (!may_hold_offsets_above(file, marker)) continue;
    paths.push_back(lake::absolute_path(table.directory(), file.path));
    asked.push_back(file);
  }
  if (paths.empty()) return decided;
  INLET_ASSIGN_OR_RETURN(const auto held, table.data_files()->hold(asked));
  // Rows older than a reset carry offsets of a log that is gone. Bronze says so first: a death between the two commits
  // of a reset leaves quarantine without its time.
  const auto id = reset_time_id(pipeline, partition);
  const auto reset_at = std::max(snapshot.transaction(id).value_or(0), bronze.transaction(id).value_or(0));
  INLET_ASSIGN_OR_RETURN(
      const auto rows,
      connection.query("SELECT _offset FROM read_parquet(" + lake::file_list_sql(paths) +
                       ", hive_partitioning = false) WHERE _source = " + duck::quote_literal(partition.source) +
                       " AND _partition = " + std::to_string(partition.partition) + " AND _offset > " +
                       std::to_string(marker.value) + " AND epoch_us(" + secondary.decided_at + ") > " +
                       std::to_string(reset_at) + " ORDER BY _offset"));
  for (std::size_t row = 0; row < rows.rows(); ++row) decided.push_back(rows.integer(row, 0));
  return decided;
}

// The same epochs as in bronze: who claimed later may have come first here.
Result<lake::Commit> plan_secondary_claim(const lake::Snapshot& snapshot, const std::string& pipeline,
                                          const std::vector<Claim>& claims) {
  lake::Commit commit;
  commit.operation = "CLAIM";
  commit.info = owner_info();
  commit.data_change = false;
  for (const auto& claim : claims) {
    const auto there = read_state(snapshot, pipeline, claim.partition).epoch;
    if (there > claim.epoch) return fenced(claim.partition, claim.epoch, there);
    commit.transactions.push_back({epoch_id(pipeline, claim.partition), claim.epoch});
  }
  return commit;
}

}  // namespace

lake::Commit plan_claim(const lake::Snapshot& snapshot, const std::string& pipeline,
                        const std::vector<ClaimRequest>& requests) {
  lake::Commit commit;
  commit.operation = "CLAIM";
  commit.info = owner_info();
  commit.data_change = false;
  for (const auto& request : requests) {
    const auto state = read_state(snapshot, pipeline, request.partition);
    commit.transactions.push_back({epoch_id(pipeline, request.partition), state.epoch + 1});
    if (!state.marker) {
      commit.transactions.push_back({marker_id(pipeline, request.partition), request.start_if_new.previous().value});
      commit.transactions.push_back({fingerprint_id(pipeline, request.partition), kNoRecordAtMarker});
    }
  }
  return commit;
}

Result<std::vector<Claim>> claim_partitions(Tables& tables, const std::string& pipeline,
                                            const std::vector<ClaimRequest>& requests, duck::Connection& connection,
                                            const std::function<bool()>& should_stop) {
  INLET_FAULT_POINT("claim.before");
  // The epochs of the attempt that was committed: the plan's last call.
  std::vector<Claim> claims;
  const auto plan = [&](const lake::Snapshot& snapshot) -> Result<lake::Commit> {
    claims.clear();
    for (const auto& request : requests) {
      auto state = read_state(snapshot, pipeline, request.partition);
      state.epoch += 1;
      if (!state.marker) {
        state.marker = request.start_if_new.previous();
        state.fingerprint = kNoRecordAtMarker;
      }
      claims.push_back({request.partition, state.epoch, state, nullptr, {}});
    }
    return plan_claim(snapshot, pipeline, requests);
  };
  INLET_RETURN_IF_ERROR(tables.bronze->commit(plan, should_stop).status());
  INLET_FAULT_POINT("claim.after_bronze");

  const auto secondary_plan = [&](const lake::Snapshot& snapshot) {
    return plan_secondary_claim(snapshot, pipeline, claims);
  };
  INLET_RETURN_IF_ERROR(tables.quarantine->commit(secondary_plan, should_stop).status());
  INLET_FAULT_POINT("claim.after_quarantine");
  // Looked for only now: whoever made the table has claimed before us, and its rows of our partitions are decided.
  INLET_RETURN_IF_ERROR(tables.find_late());
  if (tables.late) {
    INLET_RETURN_IF_ERROR(tables.late->commit(secondary_plan, should_stop).status());
    INLET_FAULT_POINT("claim.after_late");
  }

  // Read after the claim of these tables: nobody of an older epoch can add to what is seen now.
  const auto bronze = tables.bronze->snapshot();
  for (auto& claim : claims) {
    auto decided = std::make_shared<std::unordered_set<std::int64_t>>();
    for (const auto& secondary : secondary_tables(tables)) {
      INLET_ASSIGN_OR_RETURN(const auto offsets, read_decided(secondary, *bronze, pipeline, claim.partition,
                                                              *claim.state.marker, connection));
      decided->insert(offsets.begin(), offsets.end());
      if (secondary.table == tables.late.get()) claim.decided_late = offsets;
    }
    claim.decided = std::move(decided);
  }
  return claims;
}

Status reset_marker(Tables& tables, const std::string& pipeline, Claim& claim, Offset position,
                    const std::function<bool()>& should_stop) {
  const Timestamp now = Clock::system().now();
  const auto plan = [&](const lake::Snapshot& snapshot) -> Result<lake::Commit> {
    const auto state = read_state(snapshot, pipeline, claim.partition);
    if (state.epoch != claim.epoch) return fenced(claim.partition, claim.epoch, state.epoch);
    lake::Commit commit;
    commit.operation = "RESET";
    commit.operation_parameters = {{"partition", claim.partition.to_string()},
                                   {"from", std::to_string(state.marker ? state.marker->value : -1)},
                                   {"to", std::to_string(position.previous().value)}};
    commit.info = owner_info();
    commit.data_change = false;
    commit.transactions = {{marker_id(pipeline, claim.partition), position.previous().value},
                           {fingerprint_id(pipeline, claim.partition), kNoRecordAtMarker},
                           {reset_time_id(pipeline, claim.partition), now.time_since_epoch().count()}};
    return commit;
  };
  INLET_RETURN_IF_ERROR(tables.bronze->commit(plan, should_stop).status());
  // The rows in the secondary tables belong to the log that is gone: the time of the reset keeps them from being taken
  // for decisions about the new one.
  for (const auto& secondary : secondary_tables(tables))
    INLET_RETURN_IF_ERROR(secondary.table->commit(plan, should_stop).status());
  claim.state.marker = position.previous();
  claim.state.fingerprint = kNoRecordAtMarker;
  claim.decided = std::make_shared<std::unordered_set<std::int64_t>>();
  claim.decided_late.clear();
  return Status::ok();
}

LossVerdict judge_loss(const PartitionState& state, Offset begin, Offset end,
                       std::optional<std::uint64_t> fingerprint_there) {
  const Offset position = state.marker.value_or(begin.previous()).next();
  if (position > end) return {LossVerdict::Kind::kBeyondEnd, {}};
  const bool comparable = state.fingerprint && *state.fingerprint != kNoRecordAtMarker;
  if (comparable && fingerprint_there && *state.fingerprint != static_cast<std::int64_t>(*fingerprint_there)) {
    return {LossVerdict::Kind::kOtherRecord, {}};
  }
  if (position < begin) return {LossVerdict::Kind::kExpired, {position, begin.previous()}};
  return {};
}

}  // namespace inlet::bronze
