// Results as programs read them: JSON that keeps every digit, CSV by the letter of RFC 4180, tables for people.
#include "cli/result_writer.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "base/json.h"
#include "duck/database.h"

namespace inlet::cli {
namespace {

class ResultWriterTest : public ::testing::Test {
 protected:
  ResultWriterTest() : database_(std::move(duck::Database::open({})).value()) {}

  std::string written(const std::string& sql, ResultFormat format, TableStyle style = {}, std::string bar = {}) {
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* file = open_memstream(&text, &size);
    auto connection = std::move(database_.connect()).value();
    auto rows = connection.stream_select(sql);
    EXPECT_TRUE(rows.is_ok()) << rows.status().to_line();
    status_ = write_result(*rows, std::chrono::steady_clock::now(), {format, style, file, std::move(bar)});
    std::fclose(file);
    std::string copy(text, size);
    std::free(text);
    return copy;
  }

  duck::Database database_;
  Status status_;
};

TEST_F(ResultWriterTest, json_is_an_array_of_objects_with_every_digit) {
  EXPECT_EQ(written("SELECT 9007199254740993 AS n, 0.10::DECIMAL(4,2) AS d, 'a\"b' AS s, NULL AS z, "
                    "TIMESTAMPTZ '2026-01-02 03:04:05+00' AS t UNION ALL SELECT 1, 2, 'é', 'x', NULL",
                    ResultFormat::kJson),
            "[\n"
            "{\"n\":9007199254740993,\"d\":0.10,\"s\":\"a\\\"b\",\"z\":null,\"t\":\"2026-01-02T03:04:05Z\"},\n"
            "{\"n\":1,\"d\":2.00,\"s\":\"é\",\"z\":\"x\",\"t\":null}\n"
            "]\n");
  EXPECT_EQ(written("SELECT 1 WHERE false", ResultFormat::kJson), "[]\n");
}

TEST_F(ResultWriterTest, json_of_many_chunks_is_one_document) {
  const auto json = parse_json(written("SELECT i, 'text ' || i AS t FROM range(10000) r(i)", ResultFormat::kJson));
  ASSERT_TRUE(json.is_ok()) << json.status().to_line();
  EXPECT_EQ(json->size(), 10'000U);
  EXPECT_EQ(json->at(9999).dump(), "{\"i\":9999,\"t\":\"text 9999\"}");
}

TEST_F(ResultWriterTest, json_names_are_unique) {
  EXPECT_EQ(written("SELECT 1 AS x, 2 AS x, 3 AS x_1", ResultFormat::kJson), "[\n{\"x\":1,\"x_1\":2,\"x_1_1\":3}\n]\n");
}

TEST_F(ResultWriterTest, csv_quotes_what_must_be_quoted_and_tells_null_from_empty) {
  EXPECT_EQ(written("SELECT 'a,b' AS \"x \"\"y\", 'say \"hi\"' AS b, '' AS c, NULL AS d, E'l1\\nl2' AS e, 1.50 AS f",
                    ResultFormat::kCsv),
            "\"x \"\"y\",b,c,d,e,f\r\n\"a,b\",\"say \"\"hi\"\"\",\"\",,\"l1\nl2\",1.50\r\n");
}

TEST_F(ResultWriterTest, a_table_ends_in_its_row_count) {
  const auto one = written("SELECT 1 AS n", ResultFormat::kTable);
  EXPECT_NE(one.find("│ n │"), std::string::npos);
  EXPECT_NE(one.find("\n(1 row, "), std::string::npos);
  const auto many = written("SELECT i FROM range(12345) t(i)", ResultFormat::kTable);
  EXPECT_NE(many.find("\n(12,345 rows, "), std::string::npos);
  EXPECT_EQ(std::count(many.begin(), many.end(), '\n'), 12'345 + 5);
}

TEST_F(ResultWriterTest, a_terminal_shows_both_ends_of_a_long_result) {
  const auto text = written("SELECT i FROM range(1000) t(i) ORDER BY i", ResultFormat::kTable, {.width = 80});
  EXPECT_NE(text.find("│  19 │"), std::string::npos);
  EXPECT_EQ(text.find("│  20 │"), std::string::npos);
  EXPECT_NE(text.find("│   · │"), std::string::npos);
  EXPECT_EQ(text.find("│ 979 │"), std::string::npos);
  EXPECT_NE(text.find("│ 980 │"), std::string::npos);
  EXPECT_NE(text.find("(1,000 rows, 40 shown, "), std::string::npos);
  const auto forty = written("SELECT i FROM range(40) t(i)", ResultFormat::kTable, {.width = 80});
  EXPECT_EQ(forty.find("·"), std::string::npos);
  EXPECT_NE(forty.find("(40 rows, "), std::string::npos);
}

TEST_F(ResultWriterTest, a_plan_is_printed_as_it_is_drawn) {
  const auto plan = written("EXPLAIN SELECT 1", ResultFormat::kTable, {.width = 40});
  EXPECT_NE(plan.find("DUMMY_SCAN"), std::string::npos);
  EXPECT_EQ(plan.find("explain_value"), std::string::npos);
}

TEST_F(ResultWriterTest, an_error_in_the_middle_is_returned) {
  written("SELECT (CASE WHEN i = 500000 THEN 'x' ELSE '1' END)::INTEGER FROM range(1000000) t(i)", ResultFormat::kCsv);
  EXPECT_EQ(status_.code(), StatusCode::kInvalidArgument);
}

TEST_F(ResultWriterTest, an_output_that_is_full_is_an_error) {
  std::FILE* full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  for (const auto format : {ResultFormat::kTable, ResultFormat::kJson, ResultFormat::kCsv}) {
    auto connection = std::move(database_.connect()).value();
    auto rows = connection.stream_select("SELECT i, repeat('x', 50) FROM range(20000) t(i)");
    ASSERT_TRUE(rows.is_ok());
    const Status status = write_result(*rows, std::chrono::steady_clock::now(), {format, {}, full});
    EXPECT_EQ(status.detail().why, "No space left on device");
  }
  std::fclose(full);
}

TEST_F(ResultWriterTest, a_bar_is_scaled_by_the_largest_value_and_fitted_to_the_terminal) {
  const std::string sql = "SELECT * FROM (VALUES ('a', 40.00), ('b', 20.00), ('c', 0), ('d', NULL)) t(name, total)";
  const auto bars = [&](TableStyle style, const std::string& column) {
    std::vector<std::size_t> widths;
    std::string text = written(sql, ResultFormat::kTable, style, column);
    for (const char* name : {"│ a ", "│ b ", "│ c ", "│ d "}) {
      const auto from = text.find(name);
      if (from == std::string::npos) return widths;
      const auto line = text.substr(from, text.find('\n', from) - from);
      std::size_t blocks = 0;
      for (auto at = line.find("█"); at != std::string::npos; at = line.find("█", at + 1)) ++blocks;
      widths.push_back(blocks);
    }
    return widths;
  };
  EXPECT_EQ(bars({}, "total"), (std::vector<std::size_t>{24, 12, 0, 0}));
  EXPECT_EQ(bars({.width = 200}, "total"), (std::vector<std::size_t>{40, 20, 0, 0}));
  const auto narrow = bars({.width = 30}, "total");
  ASSERT_EQ(narrow.size(), 4U);
  EXPECT_GE(narrow[0], 6U);
  EXPECT_EQ(bars({.width = 18}, "total"), (std::vector<std::size_t>{0, 0, 0, 0})) << "the numbers come first";
  for (std::size_t width = 18; width < 60; ++width) {
    const auto text = written(sql, ResultFormat::kTable, {.width = width}, "total");
    EXPECT_LE(display_width(text.substr(0, text.find('\n'))), width);
  }
}

TEST_F(ResultWriterTest, a_bar_needs_a_column_of_numbers) {
  written("SELECT 1 AS n, 'x' AS t", ResultFormat::kTable, {}, "m");
  EXPECT_EQ(status_.detail().id, "report.bad_bar");
  EXPECT_EQ(status_.detail().fix, "the columns are n, t");
  written("SELECT 1 AS n, 'x' AS t", ResultFormat::kTable, {.width = 80}, "t");
  EXPECT_EQ(status_.detail().id, "report.bad_bar");
}

TEST(ElapsedTextTest, times_read_at_their_scale) {
  using namespace std::chrono_literals;
  EXPECT_EQ(elapsed_text(34ms), "34 ms");
  EXPECT_EQ(elapsed_text(1234ms), "1.2 s");
  EXPECT_EQ(elapsed_text(125s), "2 min 5 s");
}

}  // namespace
}  // namespace inlet::cli
