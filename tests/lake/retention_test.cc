#include "lake/retention.h"

#include <gtest/gtest.h>

namespace inlet::lake {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(RetentionTest, intervals_are_read_as_delta_writes_them) {
  EXPECT_EQ(parse_interval("interval 7 days"), hours(7 * 24));
  EXPECT_EQ(parse_interval("INTERVAL 1 week 12 hours"), hours(7 * 24 + 12));
  EXPECT_EQ(parse_interval("30 day"), hours(30 * 24));
  EXPECT_EQ(parse_interval("interval 0 seconds"), milliseconds(0));
  EXPECT_EQ(parse_interval("interval 90 milliseconds"), milliseconds(90));
  for (const char* text : {"", "interval", "interval 7", "7days", "interval -1 days", "interval 1 month",
                           "interval x days", "interval 7 days 3"}) {
    EXPECT_EQ(parse_interval(text), std::nullopt) << text;
  }
}

TEST(RetentionTest, what_cannot_be_read_is_kept) {
  EXPECT_EQ(deleted_file_retention({}), hours(7 * 24));
  EXPECT_EQ(deleted_file_retention({{"delta.deletedFileRetentionDuration", "interval 1 hours"}}), hours(1));
  EXPECT_GT(deleted_file_retention({{"delta.deletedFileRetentionDuration", "interval 2 months"}}), hours(24 * 365));
  EXPECT_EQ(log_retention({}), hours(30 * 24));
  EXPECT_EQ(log_retention({{"delta.logRetentionDuration", "interval 1 day"}}), hours(24));
  EXPECT_EQ(log_retention({{"delta.logRetentionDuration", "interval 2 months"}}), std::nullopt);
  EXPECT_EQ(log_retention({{"delta.enableExpiredLogCleanup", "FALSE"}}), std::nullopt);
}

}  // namespace
}  // namespace inlet::lake
