#include "config/units.h"

#include <gtest/gtest.h>

namespace inlet::config {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Durations, are_a_number_and_a_unit) {
  EXPECT_EQ(parse_duration("250ms").value(), milliseconds(250));
  EXPECT_EQ(parse_duration("20s").value(), seconds(20));
  EXPECT_EQ(parse_duration("10m").value(), seconds(600));
  EXPECT_EQ(parse_duration("1h").value(), hours(1));
  EXPECT_EQ(parse_duration("7d").value(), hours(168));
  EXPECT_EQ(parse_duration("0.5s").value(), milliseconds(500));
  EXPECT_EQ(parse_duration("1000us").value(), milliseconds(1));
  EXPECT_EQ(parse_duration("0s").value(), milliseconds(0));
  EXPECT_EQ(parse_duration("3 S").value(), seconds(3));
  EXPECT_EQ(parse_microseconds("1us").value(), microseconds(1));
  EXPECT_EQ(parse_microseconds("1.5ms").value(), microseconds(1500));
}

TEST(Durations, without_a_unit_or_with_one_that_is_none_are_refused) {
  for (const auto* text : {"", "20", "s", "-1s", "+1s", "1 fortnight", "1e3s", "1.s", ".5s", "1h30m", "20s ", " 20s",
                           "99999999999999999999s", "9223372036854775807d", "1.1234567s", "0.5ms", "1us"}) {
    const auto duration = parse_duration(text);
    ASSERT_FALSE(duration.is_ok()) << text;
    EXPECT_EQ(duration.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(duration.status().detail().id, "config.bad_duration");
    EXPECT_FALSE(duration.status().detail().fix.empty());
  }
}

TEST(Sizes, are_bytes_or_a_number_and_a_unit) {
  EXPECT_EQ(parse_bytes("4096").value(), 4096);
  EXPECT_EQ(parse_bytes("1B").value(), 1);
  EXPECT_EQ(parse_bytes("64KiB").value(), 65536);
  EXPECT_EQ(parse_bytes("64kB").value(), 64000);
  EXPECT_EQ(parse_bytes("256MB").value(), 256'000'000);
  EXPECT_EQ(parse_bytes("256MiB").value(), 256LL << 20);
  EXPECT_EQ(parse_bytes("1.5gib").value(), 3LL << 29);
  EXPECT_EQ(parse_bytes("2 TiB").value(), 2LL << 40);
}

TEST(Sizes, that_are_no_whole_number_of_bytes_are_refused) {
  for (const auto* text :
       {"", "MB", "-1", "1.5", "1.5B", "10 MiBs", "1e6", "0x10", "9223372036854775808", "9000000TiB"}) {
    const auto size = parse_bytes(text);
    ASSERT_FALSE(size.is_ok()) << text;
    EXPECT_EQ(size.status().detail().id, "config.bad_size");
  }
}

TEST(Units, texts_say_exactly_the_same_again) {
  EXPECT_EQ(duration_text(milliseconds(250)), "250ms");
  EXPECT_EQ(duration_text(hours(1)), "1h");
  EXPECT_EQ(duration_text(hours(48)), "2d");
  EXPECT_EQ(duration_text(microseconds(1001)), "1001us");
  EXPECT_EQ(duration_text(microseconds(0)), "0s");
  EXPECT_EQ(bytes_text(256LL << 20), "256MiB");
  EXPECT_EQ(bytes_text(128'000'000), "128MB");
  EXPECT_EQ(bytes_text(4096), "4KiB");
  EXPECT_EQ(bytes_text(1000), "1kB");
  EXPECT_EQ(bytes_text(1001), "1001B");
  EXPECT_EQ(bytes_text(0), "0B");
  for (const std::int64_t value : {1LL, 999LL, 1024LL, 3LL << 29, 123456789LL}) {
    EXPECT_EQ(parse_bytes(bytes_text(value)).value(), value);
    EXPECT_EQ(parse_microseconds(duration_text(microseconds(value))).value().count(), value);
  }
}

}  // namespace
}  // namespace inlet::config
