#include "decode/time_zone.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <random>
#include <string>

#include "decode/calendar.h"

namespace inlet::decode {
namespace {

TimeZone zone(std::string_view name) {
  auto loaded = TimeZone::load(name);
  EXPECT_TRUE(loaded.is_ok()) << loaded.status().to_line();
  return loaded ? std::move(loaded).value() : TimeZone();
}

std::int64_t wall(std::int64_t year, int month, int day, int hour, int minute, int second = 0) {
  return days_from_civil(year, month, day) * kSecondsPerDay + hour * 3600 + minute * 60 + second;
}

TEST(Calendar, days_and_dates_are_each_others_inverse) {
  std::int64_t expected = kFirstDay;
  for (std::int64_t year = 1; year <= 9999; ++year) {
    for (int month = 1; month <= 12; ++month) {
      for (const int day : {1, days_in_month(year, month)}) {
        const std::int64_t days = days_from_civil(year, month, day);
        ASSERT_EQ(days, day == 1 ? expected : expected + days_in_month(year, month) - 1);
        const Civil back = civil_from_days(days);
        ASSERT_EQ(back.year, year);
        ASSERT_EQ(back.month, month);
        ASSERT_EQ(back.day, day);
      }
      expected += days_in_month(year, month);
    }
  }
  EXPECT_EQ(expected, kLastDay + 1);
  EXPECT_EQ(kFirstMicros, -62'135'596'800'000'000);
  EXPECT_EQ(kLastMicros, 253'402'300'799'999'999);
}

TEST(TimeZone, utc_needs_no_database) {
  for (const auto* name : {"UTC", "Z", "Etc/UTC"}) {
    const auto utc = TimeZone::load(name, "/nowhere");
    ASSERT_TRUE(utc.is_ok());
    EXPECT_EQ(utc->to_utc(wall(2026, 7, 1, 12, 0)), wall(2026, 7, 1, 12, 0));
  }
}

TEST(TimeZone, daylight_saving_is_followed) {
  const TimeZone paris = zone("Europe/Paris");
  EXPECT_EQ(paris.to_utc(wall(2026, 1, 31, 13, 30)), wall(2026, 1, 31, 12, 30));
  EXPECT_EQ(paris.to_utc(wall(2026, 7, 1, 0, 0)), wall(2026, 6, 30, 22, 0));
  const TimeZone kolkata = zone("Asia/Kolkata");
  EXPECT_EQ(kolkata.to_utc(wall(2026, 1, 1, 5, 30)), wall(2026, 1, 1, 0, 0));
}

TEST(TimeZone, a_time_that_occurs_twice_is_its_first_occurrence) {
  const TimeZone paris = zone("Europe/Paris");
  EXPECT_EQ(paris.to_utc(wall(2026, 10, 25, 1, 59, 59)), wall(2026, 10, 24, 23, 59, 59));
  EXPECT_EQ(paris.to_utc(wall(2026, 10, 25, 2, 0)), wall(2026, 10, 25, 0, 0));
  EXPECT_EQ(paris.to_utc(wall(2026, 10, 25, 2, 59, 59)), wall(2026, 10, 25, 0, 59, 59));
  EXPECT_EQ(paris.to_utc(wall(2026, 10, 25, 3, 0)), wall(2026, 10, 25, 2, 0));
}

TEST(TimeZone, a_time_that_does_not_occur_is_carried_over_the_gap) {
  const TimeZone paris = zone("Europe/Paris");
  EXPECT_EQ(paris.to_utc(wall(2026, 3, 29, 1, 59, 59)), wall(2026, 3, 29, 0, 59, 59));
  EXPECT_EQ(paris.to_utc(wall(2026, 3, 29, 2, 0)), wall(2026, 3, 29, 1, 0));  // 03:00 on the wall
  EXPECT_EQ(paris.to_utc(wall(2026, 3, 29, 2, 30)), wall(2026, 3, 29, 1, 30));
  EXPECT_EQ(paris.to_utc(wall(2026, 3, 29, 3, 0)), wall(2026, 3, 29, 1, 0));
  const TimeZone lord_howe = zone("Australia/Lord_Howe");  // half an hour
  EXPECT_EQ(lord_howe.to_utc(wall(2026, 10, 4, 2, 15)), wall(2026, 10, 4, 2, 45) - 11 * 3600);
  const TimeZone apia = zone("Pacific/Apia");  // the 30th of December 2011 did not occur
  EXPECT_EQ(apia.to_utc(wall(2011, 12, 30, 12, 0)), apia.to_utc(wall(2011, 12, 31, 12, 0)));
}

TEST(TimeZone, the_rule_goes_on_behind_the_last_transition) {
  const TimeZone paris = zone("Europe/Paris");
  EXPECT_EQ(paris.to_utc(wall(2399, 7, 1, 12, 0)), wall(2399, 7, 1, 10, 0));
  EXPECT_EQ(paris.to_utc(wall(2399, 1, 1, 12, 0)), wall(2399, 1, 1, 11, 0));
  EXPECT_EQ(paris.to_utc(wall(9999, 12, 31, 23, 59)), wall(9999, 12, 31, 22, 59));
}

// The C library reads the same files by its own code.
class LibcZone {
 public:
  explicit LibcZone(const char* name) {
    const char* before = getenv("TZ");
    before_ = before ? before : "";
    setenv("TZ", name, 1);
    tzset();
  }
  ~LibcZone() {
    if (before_.empty()) {
      unsetenv("TZ");
    } else {
      setenv("TZ", before_.c_str(), 1);
    }
    tzset();
  }
  std::int64_t offset_at(std::int64_t utc) const {
    const time_t time = utc;
    tm broken{};
    localtime_r(&time, &broken);
    return broken.tm_gmtoff;
  }

 private:
  std::string before_;
};

TEST(TimeZone, agrees_with_the_c_library_at_random_instants) {
  const std::uint64_t seed = std::random_device()();
  std::mt19937_64 random(seed);
  for (const char* name : {"Europe/Paris", "America/New_York", "America/St_Johns", "Australia/Lord_Howe",
                           "Asia/Kolkata", "Africa/Casablanca", "Europe/Dublin", "America/Santiago", "Pacific/Apia",
                           "Asia/Tehran", "Antarctica/Troll", "America/Nuuk", "Etc/GMT+12", "Asia/Gaza"}) {
    const TimeZone ours = zone(name);
    const LibcZone libc(name);
    std::uniform_int_distribution<std::int64_t> near(wall(1900, 1, 1, 0, 0), wall(2100, 1, 1, 0, 0));
    std::uniform_int_distribution<std::int64_t> far(wall(1700, 1, 1, 0, 0), wall(9990, 1, 1, 0, 0));
    for (int i = 0; i < 4000; ++i) {
      const std::int64_t utc = i % 4 == 0 ? far(random) : near(random);
      const auto span = ours.span_at(utc);
      ASSERT_EQ(span.offset, libc.offset_at(utc)) << name << " at " << utc << ", seed " << seed;
      ASSERT_LE(span.from, utc);
      ASSERT_LT(utc, span.until);
      // The wall's time leads back to the instant, or to the earlier one of two that show the same time.
      const std::int64_t from = std::max(span.from, wall(1700, 1, 1, 0, 0));
      const std::int64_t until = std::min(span.until, wall(9990, 1, 1, 0, 0));
      for (const std::int64_t instant : {utc, from, from - 1, from + 1800, until - 1}) {
        const std::int64_t shown = instant + libc.offset_at(instant);
        const std::int64_t back = ours.to_utc(shown);
        ASSERT_LE(back, instant) << name << " at " << instant << ", seed " << seed;
        ASSERT_EQ(back + libc.offset_at(back), shown) << name << " at " << instant << ", seed " << seed;
      }
    }
  }
}

TEST(TimeZone, names_that_are_none_are_refused) {
  for (const std::string name :
       {"", "Europe/Pariss", "../../etc/passwd", "/etc/localtime", "Europe", "zone.tab", "CEST 1", "tzdata.zi"}) {
    const auto loaded = TimeZone::load(name);
    ASSERT_FALSE(loaded.is_ok()) << name;
    EXPECT_EQ(loaded.status().code(), StatusCode::kInvalidArgument);
    EXPECT_FALSE(loaded.status().detail().fix.empty());
  }
}

TEST(TimeZone, damaged_files_are_refused_or_harmless) {
  std::ifstream file("/usr/share/zoneinfo/Europe/Paris", std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  ASSERT_GT(good.size(), 1000U);
  const std::string directory = ::testing::TempDir();
  const auto load = [&](const std::string& bytes) {
    std::ofstream(directory + "/Damaged", std::ios::binary) << bytes;
    return TimeZone::load("Damaged", directory);
  };
  EXPECT_TRUE(load(good).is_ok());
  for (std::size_t size = 0; size + 30 < good.size(); size += 31) EXPECT_FALSE(load(good.substr(0, size)).is_ok());
  const std::uint64_t seed = std::random_device()();
  std::mt19937_64 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int i = 0; i < 500; ++i) {
    std::string bytes = good;
    const std::size_t at = i % 3 == 0 ? random() % 88 : random() % bytes.size();
    bytes[at] = static_cast<char>(random());
    const auto loaded = load(bytes);
    if (loaded) {
      for (const std::int64_t year : {1, 1900, 2026, 9999}) (void)loaded->to_utc(wall(year, 7, 1, 0, 0));
    }
  }
}

}  // namespace
}  // namespace inlet::decode
