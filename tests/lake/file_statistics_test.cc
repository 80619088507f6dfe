#include "lake/file_statistics.h"

#include <gtest/gtest.h>

namespace inlet::lake {
namespace {

std::string statistics(const Column& column, const std::string& min, const std::string& max) {
  duck::WrittenFile file;
  file.rows = 7;
  file.statistics = {{column.name, min, max, 2}};
  return statistics_json(file, Schema{{column}});
}

TEST(Statistics, numbers_and_decimals_are_json_numbers_to_the_last_digit) {
  EXPECT_EQ(
      statistics({"c", {TypeKind::kDecimal, 38, 2}}, "-1.05", "123456789012345678901234567890123456.78"),
      R"({"numRecords":7,"minValues":{"c":-1.05},"maxValues":{"c":123456789012345678901234567890123456.78},"nullCount":{"c":2}})");
}

TEST(Statistics, a_timestamp_bound_is_wide_rather_than_wrong) {
  EXPECT_EQ(
      statistics({"c", {TypeKind::kTimestamp}}, "2026-01-01 00:00:00.123456+00", "2026-01-01 00:00:00.123456+00"),
      R"({"numRecords":7,"minValues":{"c":"2026-01-01T00:00:00.123Z"},"maxValues":{"c":"2026-01-01T00:00:00.124Z"},"nullCount":{"c":2}})");
  EXPECT_EQ(statistics({"c", {TypeKind::kTimestamp}}, "2026-01-01 00:00:00+00", "2026-01-01 00:00:00.9999+00"),
            R"({"numRecords":7,"minValues":{"c":"2026-01-01T00:00:00.000Z"},"maxValues":{},"nullCount":{"c":2}})");
}

TEST(Statistics, a_long_minimum_is_cut_between_characters_and_a_long_maximum_left_out) {
  std::string text(31, 'a');
  text += "é and more";
  EXPECT_EQ(
      statistics({"c", {TypeKind::kVarchar}}, text, text),
      R"({"numRecords":7,"minValues":{"c":")" + std::string(31, 'a') + R"("},"maxValues":{},"nullCount":{"c":2}})");
}

TEST(Statistics, what_is_not_a_number_is_no_bound) {
  EXPECT_EQ(statistics({"c", {TypeKind::kDouble}}, "nan", "inf"),
            R"({"numRecords":7,"minValues":{},"maxValues":{},"nullCount":{"c":2}})");
}

}  // namespace
}  // namespace inlet::lake
