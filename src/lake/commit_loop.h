// One logical commit, exactly once: plans, writes, looks, and plans again (rules 3 and 4).
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "lake/commit_decision.h"
#include "lake/table.h"

namespace inlet::lake {

/// The log that a commit goes to: the seam where tests put one whose answers get lost. Not thread safe.
class CommitLog {
 public:
  struct Write {
    Outcome outcome = Outcome::kUnknown;
    Timestamp timestamp;  // when committed
    Status error;         // when unknown or refused
  };
  struct Look {
    Standing standing = Standing::kAbsent;  // ours, another's or absent
    Timestamp timestamp;                    // when ours
  };

  virtual ~CommitLog() = default;
  /// The newest snapshot known; after a committed write it is the one that the write made.
  virtual SnapshotPtr snapshot() const = 0;
  virtual Result<SnapshotPtr> refresh() = 0;
  /// One attempt at version `read_version` + 1.
  virtual Write write(TableVersion read_version, const Commit& commit, const std::string& txn_id) = 0;
  virtual Result<Look> look(TableVersion version, const std::string& txn_id) = 0;
  /// Waits before the next attempt; returns early when `should_stop` says so.
  virtual void pause(std::chrono::milliseconds duration, const std::function<bool()>& should_stop) = 0;
};

/// As Table::commit. `txn_id` names this logical commit through all its attempts, whatever the plan says at each.
Result<Committed> run_commit(CommitLog& log, const std::string& txn_id, const CommitPlan& plan,
                             const std::function<bool()>& should_stop);

}  // namespace inlet::lake
