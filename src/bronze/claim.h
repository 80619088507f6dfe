// Claim before reading (docs/exactly-once.md, rule 2): the commit that makes this process the one owner of a partition,
// and where the owner begins (rules 1, 5, 9).
//
// The decisions are pure functions of a snapshot; the effects are a commit to each table, bronze first.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "bronze/markers.h"
#include "bronze/tables.h"
#include "config/pipeline_config.h"
#include "duck/database.h"

namespace inlet::bronze {

/// Offsets that stand in the quarantine or the late table above bronze's marker: decided once, and not again (rule 5).
using DecidedOffsets = std::shared_ptr<const std::unordered_set<std::int64_t>>;

/// A partition, owned.
struct Claim {
  TopicPartition partition;
  std::int64_t epoch = 0;
  PartitionState state;  // as of the claim's commit: the marker is always there
  DecidedOffsets decided;
  std::vector<std::int64_t> decided_late;  // those of them that stand in the late table, sorted
};

/// A partition to claim and, should it be new, where it begins.
struct ClaimRequest {
  TopicPartition partition;
  Offset start_if_new;
};

/// Commits the next epoch of every partition to bronze, quarantine and the late table, if there is one. Errors: those
/// of a commit; Fenced when a later claim overtook this one between two tables.
Result<std::vector<Claim>> claim_partitions(Tables& tables, const std::string& pipeline,
                                            const std::vector<ClaimRequest>& requests, duck::Connection& connection,
                                            const std::function<bool()>& should_stop);

/// Puts the marker of a claimed partition at `position` - 1, because the log it counted in is gone and
/// failOnDataLoss = false says to go on. Updates the claim. Fenced when it is no longer ours.
Status reset_marker(Tables& tables, const std::string& pipeline, Claim& claim, Offset position,
                    const std::function<bool()>& should_stop);

/// The claim's commit to bronze, decided on one snapshot.
lake::Commit plan_claim(const lake::Snapshot& snapshot, const std::string& pipeline,
                        const std::vector<ClaimRequest>& requests);

/// What the source can serve against what the marker says (rule 9).
struct LossVerdict {
  enum class Kind { kNone, kExpired, kBeyondEnd, kOtherRecord } kind = Kind::kNone;
  OffsetRange lost{};  // kExpired: the offsets nobody will ever read again
};
LossVerdict judge_loss(const PartitionState& state, Offset begin, Offset end,
                       std::optional<std::uint64_t> fingerprint_there);

}  // namespace inlet::bronze
