#include "lake/commit_loop.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace inlet::lake {
namespace {

ErrorKind kind_of(const Status& error) {
  return error.code() == StatusCode::kTransient ? ErrorKind::kTransient : ErrorKind::kPermanent;
}

/// Doubles from 10 ms to 1 s: an outage of the disk is neither hammered nor noticed late to be over.
class Backoff {
 public:
  std::chrono::milliseconds next() {
    const auto pause = next_;
    next_ = std::min(next_ * 2, std::chrono::milliseconds(1000));
    return pause;
  }

 private:
  std::chrono::milliseconds next_{10};
};

Status cancelled(const std::string& what) { return {StatusCode::kCancelled, "lake.commit_cancelled", what}; }

}  // namespace

Result<Committed> run_commit(CommitLog& log, const std::string& txn_id, const CommitPlan& plan,
                             const std::function<bool()>& should_stop) {
  Backoff backoff;
  // False when a stop was asked for. Only waits ask: a commit that can go on goes on, so that a stop leaves a batch
  // whole where it can.
  const auto wait = [&] {
    if (should_stop()) return false;
    log.pause(backoff.next(), should_stop);
    return !should_stop();
  };

  while (true) {
    const SnapshotPtr snapshot = log.snapshot();
    const TableVersion target{snapshot->version().value + 1};
    INLET_ASSIGN_OR_RETURN(const Commit commit, plan(*snapshot));

    auto written = log.write(snapshot->version(), commit, txn_id);
    Standing standing = Standing::kNotLooked;
    Status error = written.error;
    Timestamp timestamp = written.timestamp;
    bool replan = false;
    while (!replan) {
      switch (next_step(written.outcome, standing, kind_of(error))) {
        case Step::kDone:
          if (written.outcome != Outcome::kCommitted) {
            log::debug("lake", "version {} turned out to be ours ({})", target.value, txn_id);
            // Known to be committed; a snapshot that lags is caught up by the next commit's conflict.
            if (auto moved = log.refresh(); !moved.is_ok()) {
              log::warn("lake", "committed, but the log cannot be read: {}", moved.status().to_line());
            }
          }
          return Committed{target, timestamp, txn_id};

        case Step::kLookAgain:
          if (!wait()) return cancelled("stopped before it was known whether the commit stands in the log");
          [[fallthrough]];
        case Step::kLook:
          if (auto looked = log.look(target, txn_id); looked.is_ok()) {
            standing = looked->standing;
            timestamp = looked->timestamp;
            error = written.error;
          } else {
            standing = Standing::kUnreadable;
            error = looked.status();
          }
          break;

        case Step::kWriteAgain:
          if (!wait()) return cancelled("stopped while the commit could not be written");
          written = log.write(snapshot->version(), commit, txn_id);
          standing = Standing::kNotLooked;
          error = written.error;
          timestamp = written.timestamp;
          break;

        case Step::kReplanAfterPause:
          if (!wait()) return cancelled("stopped while the log was moving");
          [[fallthrough]];
        case Step::kReplan: replan = true; break;

        case Step::kFail: return error;

        case Step::kFailUnknown:
          return Status(error.code(), "lake.outcome_unknown",
                        "it is not known whether version " + std::to_string(target.value) + " was committed")
              .because(error.to_line())
              .fix("restart: what stands in the log is read before anything is written again");
      }
    }

    for (auto moved = log.refresh(); !moved.is_ok(); moved = log.refresh()) {
      if (moved.status().code() != StatusCode::kTransient) return moved.status();
      if (!wait()) return cancelled("stopped while the log could not be read");
    }
  }
}

}  // namespace inlet::lake
