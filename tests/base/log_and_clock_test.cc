#include <gtest/gtest.h>

#include <algorithm>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

namespace inlet {
namespace {

TEST(Clocks, the_systems_does_not_step_back_where_it_must_not) {
  const Clock& clock = Clock::system();
  const auto before = clock.steady_now();
  EXPECT_LE(before, clock.steady_now());
  EXPECT_GT(clock.now().time_since_epoch(), std::chrono::hours(24 * 365 * 50));
}

TEST(Logs, in_json_are_one_object_a_line) {
  log::configure(log::Format::kJson, spdlog::level::info);
  testing::internal::CaptureStderr();
  log::info("kafka", "broker \"{}\" is back\nafter {} s", "h:1", 3);
  log::debug("kafka", "not shown");
  const std::string text = testing::internal::GetCapturedStderr();
  log::configure(log::Format::kHuman, spdlog::level::info);
  ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  const auto line = parse_json(text);
  ASSERT_TRUE(line.is_ok()) << text;
  EXPECT_EQ((*line)["stage"], "kafka");
  EXPECT_EQ((*line)["level"], "info");
  EXPECT_EQ((*line)["message"], "broker \"h:1\" is back\nafter 3 s");
  EXPECT_FALSE((*line)["ts"].get<std::string>().empty());
}

TEST(Logs, for_people_are_one_line_an_event) {
  log::configure(log::Format::kHuman, spdlog::level::warn);
  testing::internal::CaptureStderr();
  log::info("kafka", "not shown");
  log::warn("lake", "slow: {} ms", 7);
  const std::string text = testing::internal::GetCapturedStderr();
  log::configure(log::Format::kHuman, spdlog::level::info);
  EXPECT_NE(text.find("lake"), std::string::npos) << text;
  EXPECT_NE(text.find("slow: 7 ms"), std::string::npos) << text;
  EXPECT_EQ(text.find("not shown"), std::string::npos) << text;
}

TEST(IsoTime, has_milliseconds_before_1970_too) {
  const auto text = [](std::int64_t microseconds) {
    return iso_time(Timestamp(std::chrono::microseconds(microseconds)));
  };
  EXPECT_EQ(text(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(text(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(text(951'782'400'000'000), "2000-02-29T00:00:00.000Z");
}

}  // namespace
}  // namespace inlet
