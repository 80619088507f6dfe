#include "serve/result_set.h"

#include <gtest/gtest.h>

namespace inlet::serve {
namespace {

class ResultSetTest : public testing::Test {
 protected:
  JsonRows rows(const std::string& sql, std::size_t most = 100) {
    auto stream = connection_.stream_select(sql);
    EXPECT_TRUE(stream.is_ok()) << stream.status().to_line();
    auto rows = json_rows(*stream, most);
    EXPECT_TRUE(rows.is_ok());
    return std::move(rows).value();
  }

  duck::Database database_ = duck::Database::open({}).value();
  duck::Connection connection_ = database_.connect().value();
};

TEST_F(ResultSetTest, numbers_that_a_double_would_round_are_strings) {
  EXPECT_EQ(
      rows("SELECT 42::BIGINT, 999999999999999::BIGINT, 9007199254740993::BIGINT, '-9223372036854775808'::BIGINT, "
           "12.50::DECIMAL(12,2), 1::HUGEINT, 7::INTEGER")
          .rows,
      R"([[42,999999999999999,"9007199254740993","-9223372036854775808","12.50","1",7]])");
}

TEST_F(ResultSetTest, other_values_are_what_json_has_for_them) {
  EXPECT_EQ(
      rows("SELECT true, NULL, 'a\"</script>' AS t, DATE '2026-01-02', TIMESTAMPTZ '2026-01-02 03:04:05.678+00'").rows,
      R"([[true,null,"a\"</script>","2026-01-02","2026-01-02T03:04:05.678Z"]])");
}

TEST_F(ResultSetTest, says_that_there_were_more_rows) {
  const auto cut = rows("SELECT * FROM range(5000)", 3);
  EXPECT_EQ(cut.rows, "[[0],[1],[2]]");
  EXPECT_TRUE(cut.is_cut);
  EXPECT_FALSE(rows("SELECT * FROM range(3)", 3).is_cut);
}

TEST_F(ResultSetTest, is_one_document) {
  const auto json = result_set_json({{"panel", "p"}}, rows("SELECT 1 AS a, 'x' AS \"b c\""), {{"silver/v", {7}}},
                                    std::chrono::milliseconds(3));
  const auto document = parse_json(json);
  ASSERT_TRUE(document.is_ok()) << json;
  EXPECT_EQ((*document)["panel"], "p");
  EXPECT_EQ((*document)["columns"][1]["name"], "b c");
  EXPECT_EQ((*document)["columns"][0]["type"], "INTEGER");
  EXPECT_EQ((*document)["versions"]["silver/v"], 7);
  EXPECT_EQ((*document)["truncated"], false);
}

}  // namespace
}  // namespace inlet::serve
