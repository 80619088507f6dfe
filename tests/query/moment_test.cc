#include "query/moment.h"

#include <gtest/gtest.h>

namespace inlet::query {
namespace {

std::string read(std::string_view text) {
  const auto moment = parse_moment(text);
  return moment.is_ok() ? moment_text(*moment) : moment.status().detail().id;
}

TEST(MomentTest, versions_and_times_are_told_apart) {
  EXPECT_EQ(read("12"), "version 12");
  EXPECT_EQ(read("v0"), "version 0");
  EXPECT_EQ(read("2026-11-22"), "2026-11-22T00:00:00.000Z");
  EXPECT_EQ(read("2026-11-22T10:00"), "2026-11-22T10:00:00.000Z");
  EXPECT_EQ(read("2026-11-22 10:00:30.5"), "2026-11-22T10:00:30.500Z");
  EXPECT_EQ(read("2026-11-22T10:00:30.678Z"), "2026-11-22T10:00:30.678Z");
  EXPECT_EQ(read("2026-11-22T00:30+01:00"), "2026-11-21T23:30:00.000Z");
  EXPECT_EQ(read("2026-11-22T23:30-0200"), "2026-11-23T01:30:00.000Z");
}

TEST(MomentTest, what_is_neither_is_refused) {
  for (const char* text : {"", "v", "-1", "1.5", "yesterday", "2026-13-01", "2026-02-30", "2026-11-22T",
                           "2026-11-22T24:00", "2026-11-22T10", "2026-11-22T10:00:61", "2026-11-22T10:00 ",
                           "2026-11-22T10:00+1", "99999999999999999999", "2026-11-22T10:00:00."}) {
    EXPECT_EQ(read(text), "query.bad_moment") << text;
  }
}

TEST(MomentTest, an_option_names_a_table_or_an_instant_for_all) {
  const auto table = parse_at_option("bronze/ventes=12");
  ASSERT_TRUE(table.is_ok());
  EXPECT_EQ(table->table, "bronze/ventes");
  EXPECT_EQ(moment_text(table->moment), "version 12");
  EXPECT_EQ(moment_text(parse_at_option("ventes=2026-11-22T10:00").value().moment), "2026-11-22T10:00:00.000Z");
  EXPECT_EQ(parse_at_option("2026-11-22T10:00").value().table, "");
  const auto version_alone = parse_at_option("12");
  EXPECT_EQ(version_alone.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(version_alone.status().detail().fix.find("=12"), std::string::npos);
  EXPECT_FALSE(parse_at_option("bronze/ventes=").is_ok());
}

TEST(MomentTest, a_name_may_have_a_moment_behind_it) {
  EXPECT_EQ(split_name("ventes@v12")->name, "ventes");
  EXPECT_EQ(moment_text(split_name("a@b@2026-11-22")->moment), "2026-11-22T00:00:00.000Z");
  EXPECT_FALSE(split_name("ventes"));
  EXPECT_FALSE(split_name("@v1"));
  EXPECT_FALSE(split_name("ventes@new"));
}

}  // namespace
}  // namespace inlet::query
