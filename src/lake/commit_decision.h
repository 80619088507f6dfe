// What to do after an attempt to write version N: rule 4, as a function of what is known.
// Pure; the effects are in commit_loop.
#pragma once

namespace inlet::lake {

enum class Outcome {
  kCommitted,
  kConflict,  // version N is taken, perhaps by this very commit: stored, and the answer lost
  kUnknown,   // every error, including one after success
  kRefused,   // the commit itself is wrong; nothing was written
};

/// What stands at version N, by its txnId.
enum class Standing {
  kNotLooked,
  kOurs,
  kAnothers,
  kAbsent,
  kUnreadable,  // looking failed: neither presence nor absence
};

/// Of the error at hand: that of the look when it failed, that of the write otherwise.
enum class ErrorKind { kTransient, kPermanent };

enum class Step {
  kDone,
  kLook,
  kReplan,            // another's commit stands at N: reload, and plan on what is there now
  kReplanAfterPause,  // taken, and yet nothing stands there: the log moved under us; reload, but not in a hot loop
  kWriteAgain,        // nothing stands at N: the same commit, at N
  kLookAgain,
  kFail,         // nothing was committed
  kFailUnknown,  // nobody knows: the next start reads the log
};

constexpr Step next_step(Outcome outcome, Standing standing, ErrorKind error) {
  if (outcome == Outcome::kCommitted) return Step::kDone;
  if (outcome == Outcome::kRefused) return Step::kFail;
  switch (standing) {
    case Standing::kNotLooked: return Step::kLook;
    case Standing::kOurs: return Step::kDone;
    case Standing::kAnothers: return Step::kReplan;
    case Standing::kAbsent:
      if (outcome == Outcome::kConflict) return Step::kReplanAfterPause;
      return error == ErrorKind::kTransient ? Step::kWriteAgain : Step::kFail;
    case Standing::kUnreadable: return error == ErrorKind::kTransient ? Step::kLookAgain : Step::kFailUnknown;
  }
  return Step::kFailUnknown;
}

}  // namespace inlet::lake
