#include "lake/commit_decision.h"

#include <gtest/gtest.h>

#include <vector>

namespace inlet::lake {
namespace {

struct Case {
  Outcome outcome;
  Standing standing;
  ErrorKind error;
  Step step;
};

// Every combination there is. An entry that is wrong loses or repeats a commit.
const std::vector<Case> kCases = {
    // A committed write and a refused one need no look: nothing else is possible.
    {Outcome::kCommitted, Standing::kNotLooked, ErrorKind::kTransient, Step::kDone},
    {Outcome::kCommitted, Standing::kNotLooked, ErrorKind::kPermanent, Step::kDone},
    {Outcome::kCommitted, Standing::kOurs, ErrorKind::kTransient, Step::kDone},
    {Outcome::kCommitted, Standing::kOurs, ErrorKind::kPermanent, Step::kDone},
    {Outcome::kCommitted, Standing::kAnothers, ErrorKind::kTransient, Step::kDone},
    {Outcome::kCommitted, Standing::kAnothers, ErrorKind::kPermanent, Step::kDone},
    {Outcome::kCommitted, Standing::kAbsent, ErrorKind::kTransient, Step::kDone},
    {Outcome::kCommitted, Standing::kAbsent, ErrorKind::kPermanent, Step::kDone},
    {Outcome::kCommitted, Standing::kUnreadable, ErrorKind::kTransient, Step::kDone},
    {Outcome::kCommitted, Standing::kUnreadable, ErrorKind::kPermanent, Step::kDone},
    {Outcome::kRefused, Standing::kNotLooked, ErrorKind::kTransient, Step::kFail},
    {Outcome::kRefused, Standing::kNotLooked, ErrorKind::kPermanent, Step::kFail},
    {Outcome::kRefused, Standing::kOurs, ErrorKind::kTransient, Step::kFail},
    {Outcome::kRefused, Standing::kOurs, ErrorKind::kPermanent, Step::kFail},
    {Outcome::kRefused, Standing::kAnothers, ErrorKind::kTransient, Step::kFail},
    {Outcome::kRefused, Standing::kAnothers, ErrorKind::kPermanent, Step::kFail},
    {Outcome::kRefused, Standing::kAbsent, ErrorKind::kTransient, Step::kFail},
    {Outcome::kRefused, Standing::kAbsent, ErrorKind::kPermanent, Step::kFail},
    {Outcome::kRefused, Standing::kUnreadable, ErrorKind::kTransient, Step::kFail},
    {Outcome::kRefused, Standing::kUnreadable, ErrorKind::kPermanent, Step::kFail},
    // A conflict may be with ourselves: never re-plan before looking.
    {Outcome::kConflict, Standing::kNotLooked, ErrorKind::kTransient, Step::kLook},
    {Outcome::kConflict, Standing::kNotLooked, ErrorKind::kPermanent, Step::kLook},
    {Outcome::kConflict, Standing::kOurs, ErrorKind::kTransient, Step::kDone},
    {Outcome::kConflict, Standing::kOurs, ErrorKind::kPermanent, Step::kDone},
    {Outcome::kConflict, Standing::kAnothers, ErrorKind::kTransient, Step::kReplan},
    {Outcome::kConflict, Standing::kAnothers, ErrorKind::kPermanent, Step::kReplan},
    {Outcome::kConflict, Standing::kAbsent, ErrorKind::kTransient, Step::kReplanAfterPause},
    {Outcome::kConflict, Standing::kAbsent, ErrorKind::kPermanent, Step::kReplanAfterPause},
    {Outcome::kConflict, Standing::kUnreadable, ErrorKind::kTransient, Step::kLookAgain},
    {Outcome::kConflict, Standing::kUnreadable, ErrorKind::kPermanent, Step::kFailUnknown},
    // Unknown: what stands decides; only an absent commit may be written again, and only at the same version.
    {Outcome::kUnknown, Standing::kNotLooked, ErrorKind::kTransient, Step::kLook},
    {Outcome::kUnknown, Standing::kNotLooked, ErrorKind::kPermanent, Step::kLook},
    {Outcome::kUnknown, Standing::kOurs, ErrorKind::kTransient, Step::kDone},
    {Outcome::kUnknown, Standing::kOurs, ErrorKind::kPermanent, Step::kDone},
    {Outcome::kUnknown, Standing::kAnothers, ErrorKind::kTransient, Step::kReplan},
    {Outcome::kUnknown, Standing::kAnothers, ErrorKind::kPermanent, Step::kReplan},
    {Outcome::kUnknown, Standing::kAbsent, ErrorKind::kTransient, Step::kWriteAgain},
    {Outcome::kUnknown, Standing::kAbsent, ErrorKind::kPermanent, Step::kFail},
    {Outcome::kUnknown, Standing::kUnreadable, ErrorKind::kTransient, Step::kLookAgain},
    {Outcome::kUnknown, Standing::kUnreadable, ErrorKind::kPermanent, Step::kFailUnknown},
};

TEST(CommitDecisionTest, every_combination_has_its_step) {
  EXPECT_EQ(kCases.size(), 4U * 5U * 2U);
  for (const auto& c : kCases) {
    EXPECT_EQ(next_step(c.outcome, c.standing, c.error), c.step)
        << static_cast<int>(c.outcome) << " " << static_cast<int>(c.standing) << " " << static_cast<int>(c.error);
  }
}

TEST(CommitDecisionTest, nothing_is_written_again_unless_it_was_seen_to_be_absent) {
  for (const auto& c : kCases) {
    if (next_step(c.outcome, c.standing, c.error) == Step::kWriteAgain) {
      EXPECT_EQ(c.outcome, Outcome::kUnknown);
      EXPECT_EQ(c.standing, Standing::kAbsent);
    }
  }
}

}  // namespace
}  // namespace inlet::lake
