#include "base/status.h"

#include <gtest/gtest.h>

#include <memory>

namespace inlet {
namespace {

Status lost(bool fail) {
  return fail ? Status(StatusCode::kDataLoss, "kafka.offsets_expired", "offsets 3 to 5 are gone") : Status::ok();
}

Result<std::unique_ptr<int>> half_of(int value) {
  if (value % 2 != 0) return Status(StatusCode::kInvalidArgument, "test.odd", "odd");
  return std::make_unique<int>(value / 2);
}

Result<int> quarter_of(int value) {
  INLET_ASSIGN_OR_RETURN(const auto half, half_of(value));
  INLET_ASSIGN_OR_RETURN(const auto quarter, half_of(*half));
  return *quarter;
}

Status run_after(bool fail, bool& reached) {
  INLET_RETURN_IF_ERROR(lost(fail));
  reached = true;
  return Status::ok();
}

TEST(Statuses, say_in_one_line_what_where_why_and_what_to_do) {
  EXPECT_EQ(Status().to_line(), "ok");
  EXPECT_EQ(lost(true).to_line(), "[kafka.offsets_expired] offsets 3 to 5 are gone");
  EXPECT_EQ(lost(true).at("t/0").because("retention").fix("read sooner").to_line(),
            "[kafka.offsets_expired] offsets 3 to 5 are gone (t/0): retention. read sooner");
}

TEST(Statuses, a_failure_ends_the_function_and_success_goes_on) {
  bool reached = false;
  EXPECT_EQ(run_after(true, reached).code(), StatusCode::kDataLoss);
  EXPECT_FALSE(reached);
  EXPECT_TRUE(run_after(false, reached).is_ok());
  EXPECT_TRUE(reached);
}

TEST(Results, hold_a_value_that_can_be_moved_out_or_the_status) {
  auto half = half_of(8);
  ASSERT_TRUE(half.is_ok());
  EXPECT_TRUE(half.status().is_ok());
  const std::unique_ptr<int> moved = *std::move(half);
  EXPECT_EQ(*moved, 4);
  EXPECT_FALSE(half_of(7));
  EXPECT_EQ(half_of(7).status().detail().id, "test.odd");
}

TEST(Results, of_two_calls_in_one_function_are_told_apart) {
  EXPECT_EQ(quarter_of(12).value(), 3);
  EXPECT_EQ(quarter_of(6).status().detail().what, "odd");
  EXPECT_EQ(quarter_of(5).status().detail().what, "odd");
}

TEST(Statuses, every_code_has_a_name_of_its_own) {
  std::string names;
  for (int code = 0; code <= static_cast<int>(StatusCode::kCancelled); ++code) {
    const auto name = to_string(static_cast<StatusCode>(code));
    EXPECT_NE(name, "unknown") << code;
    EXPECT_EQ(names.find("|" + std::string(name) + "|"), std::string::npos) << name;
    names += "|" + std::string(name) + "|";
  }
}

}  // namespace
}  // namespace inlet
