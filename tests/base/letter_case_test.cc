#include "base/letter_case.h"

#include <gtest/gtest.h>

namespace inlet {
namespace {

TEST(LetterCase, concerns_ascii_letters_alone) {
  EXPECT_EQ(lower_case("AbC_9É"), "abc_9É");
  EXPECT_TRUE(equal_ignoring_case("Pays", "pAYS"));
  EXPECT_TRUE(equal_ignoring_case("", ""));
  EXPECT_FALSE(equal_ignoring_case("É", "é"));
  EXPECT_FALSE(equal_ignoring_case("pays", "pays "));
  EXPECT_FALSE(equal_ignoring_case("a", "b"));
}

}  // namespace
}  // namespace inlet
