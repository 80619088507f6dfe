#include <gtest/gtest.h>

#include "duck/database.h"

namespace inlet::duck {
namespace {

class DecimalAverageTest : public ::testing::Test {
 protected:
  DecimalAverageTest() : database_(Database::open({}).value()), connection_(database_.connect().value()) {}

  // "value type", or what went wrong.
  std::string average(int scale, const std::string& sum, const std::string& count) {
    const std::string digits = std::to_string(scale);
    const auto result = connection_.query("SELECT inlet_decimal_average_" + digits + "(s, n) FROM (SELECT CAST(" + sum +
                                          " AS DECIMAL(38," + digits + ")) AS s, CAST(" + count + " AS BIGINT) AS n)");
    if (!result) return result.status().to_line();
    return (result->is_null(0, 0) ? "NULL" : result->text(0, 0)) + " " + result->column_type_name(0);
  }

  Database database_;
  Connection connection_;
};

TEST_F(DecimalAverageTest, has_four_more_digits_than_the_sum) {
  EXPECT_EQ(average(2, "10.00", "4"), "2.500000 DECIMAL(38,6)");
  EXPECT_EQ(average(0, "10", "4"), "2.5000 DECIMAL(38,4)");
}

TEST_F(DecimalAverageTest, rounds_half_away_from_zero) {
  EXPECT_EQ(average(2, "0.02", "3"), "0.006667 DECIMAL(38,6)");
  EXPECT_EQ(average(2, "0.01", "3"), "0.003333 DECIMAL(38,6)");
  EXPECT_EQ(average(2, "0.01", "20000"), "0.000001 DECIMAL(38,6)");
  EXPECT_EQ(average(2, "-0.01", "20000"), "-0.000001 DECIMAL(38,6)");
  EXPECT_EQ(average(2, "-0.01", "20001"), "0.000000 DECIMAL(38,6)");
}

TEST_F(DecimalAverageTest, of_nothing_is_null) {
  EXPECT_EQ(average(2, "1", "0"), "NULL DECIMAL(38,6)");
  EXPECT_EQ(average(2, "NULL", "3"), "NULL DECIMAL(38,6)");
  EXPECT_EQ(average(2, "1", "NULL"), "NULL DECIMAL(38,6)");
}

TEST_F(DecimalAverageTest, of_large_sums_is_exact_and_too_large_an_error) {
  EXPECT_EQ(average(0, "99999999999999999999999999999999999999", "9223372036854775807"),
            "10842021724855044341.2500 DECIMAL(38,4)");
  EXPECT_NE(average(0, "99999999999999999999999999999999999999", "1").find("does not fit"), std::string::npos);
}

TEST_F(DecimalAverageTest, takes_whole_chunks) {
  const auto result = connection_.query(
      "SELECT count(*) FROM (SELECT i, inlet_decimal_average_2(CAST(i AS DECIMAL(38,2)), 2) AS a FROM range(10000) "
      "r(i)) "
      "WHERE a = i / 2");
  ASSERT_TRUE(result.is_ok()) << result.status().to_line();
  EXPECT_EQ(result->integer(0, 0), 10000);
}

}  // namespace
}  // namespace inlet::duck
