// What the decoder wrote, read back by DuckDB through its own eyes: from the chunk, and from Parquet.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "duck/database.h"
#include "tests/decode/decoding.h"

namespace inlet::decode {
namespace {

class Stored : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = duck::Database::open({});
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_line();
    database_.emplace(std::move(opened).value());
    auto connected = database_->connect();
    ASSERT_TRUE(connected.is_ok()) << connected.status().to_line();
    connection_.emplace(std::move(connected).value());
    directory_ = ::testing::TempDir() + "/inlet-stored-" + std::to_string(::getpid());
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // Rows of `sql`, a value as DuckDB shows it; FROM is the chunk, then a Parquet file of it: both must agree.
  std::vector<std::string> rows(const config::PipelineConfig& config, std::vector<std::string> texts,
                                const std::string& select) {
    Decoder decoder(config);
    const testing::TextBatch input(std::move(texts), 40);
    const auto decoded = decoder.decode(input.batch, {});
    EXPECT_TRUE(decoded.is_ok());
    EXPECT_TRUE(decoded->rejects.empty());
    const duck::DataChunk* chunk = &decoded->chunk;
    connection_->bind_chunks({Decoder::chunk_schema(config), {&chunk, 1}});
    const std::string file = directory_ + "/rows.parquet";
    const Status copied =
        connection_->execute("COPY (FROM inlet_chunks()) TO " + duck::quote_literal(file) + " (FORMAT parquet)");
    EXPECT_TRUE(copied.is_ok()) << copied.to_line();
    const auto from_chunk = read(select + " FROM inlet_chunks() ORDER BY _offset");
    EXPECT_EQ(read(select + " FROM read_parquet(" + duck::quote_literal(file) + ") ORDER BY _offset"), from_chunk);
    connection_->unbind_chunks();
    return from_chunk;
  }

 private:
  std::vector<std::string> read(const std::string& sql) {
    const auto result = connection_->query(sql);
    EXPECT_TRUE(result.is_ok()) << result.status().to_line();
    std::vector<std::string> lines;
    if (!result) return lines;
    for (std::size_t row = 0; row < result->rows(); ++row) {
      std::string line;
      for (std::size_t column = 0; column < result->columns(); ++column) {
        line += (column == 0 ? "" : "|") + (result->is_null(row, column) ? "NULL" : result->text(row, column));
      }
      lines.push_back(std::move(line));
    }
    return lines;
  }

  std::optional<duck::Database> database_;
  std::optional<duck::Connection> connection_;
  std::string directory_;
};

TEST_F(Stored, every_type_is_what_duckdb_reads) {
  auto config = testing::pipeline(
      testing::schema({"a BIGINT", "b INT", "c DOUBLE", "d DECIMAL(4,1)", "e DECIMAL(9,2)", "f DECIMAL(18,3)",
                       "g DECIMAL(38,10)", "h VARCHAR", "i BOOLEAN", "j DATE", "k TIMESTAMP"}));
  config.bronze.partition_by = config::DerivedColumn{"p", config::DerivedColumn::Function::kHour, "k"};
  EXPECT_EQ(
      rows(config,
           {R"({"a":-9223372036854775808,"b":2147483647,"c":-0.1,"d":-999.9,"e":1234567.89,"f":-0.001,)"
            R"("g":"-1234567890123456789012345678.0123456789","h":"plus longue que douze octets","i":true,)"
            R"("j":"0001-01-01","k":"2026-01-31T12:30:00.123456Z"})",
            "{}", R"({"g":18446744073709551616,"h":"","i":false,"j":"9999-12-31","k":"9999-12-31T23:59:59.999999Z"})"},
           "SELECT a, b, c, d, e, f, g, h, i, j, epoch_us(k), p, _source, _partition, _offset"),
      (std::vector<std::string>{"-9223372036854775808|2147483647|-0.1|-999.9|1234567.89|-0.001|"
                                "-1234567890123456789012345678.0123456789|plus longue que douze octets|true|0001-01-01|"
                                "1769862600123456|2026-01-31-12|kafka:test|3|40",
                                "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|kafka:test|3|41",
                                "NULL|NULL|NULL|NULL|NULL|NULL|18446744073709551616.0000000000||false|9999-12-31|"
                                "253402300799999999|9999-12-31-23|kafka:test|3|42"}));
}

TEST_F(Stored, texts_of_every_length_compare_and_group_as_equal) {
  const auto config = testing::pipeline(testing::schema({"s VARCHAR"}));
  std::vector<std::string> texts;
  std::vector<std::string> expected;
  for (const std::size_t size : {0, 1, 3, 4, 7, 8, 9, 11, 12, 13, 16, 300}) {
    // The one with room behind it in the record, the other at its very end: two ways to copy.
    texts.push_back("{\"s\":\"" + std::string(size, 'x') + "\",\"ignored\":\"some more text behind the value\"}");
    texts.push_back("{\"s\":\"" + std::string(size, 'x') + "\"}");
    for (int i = 0; i < 2; ++i) expected.push_back(std::to_string(size) + "|2|true");
  }
  EXPECT_EQ(rows(config, texts, "SELECT length(s), count(*) OVER (PARTITION BY s), s = repeat('x', length(s))"),
            expected);
}

TEST_F(Stored, a_nul_character_is_kept) {
  const auto config = testing::pipeline(testing::schema({"s VARCHAR"}));
  EXPECT_EQ(rows(config, {R"({"s":"a\u0000b"})", R"({"s":"a long text with \u0000 inside"})", R"({"s":"\u0000"})"},
                 "SELECT length(s), position(chr(0) IN s), strlen(s)"),
            (std::vector<std::string>{"3|2|3", "25|18|25", "1|1|1"}));
}

TEST_F(Stored, nothing_but_rejects_is_an_empty_table) {
  const auto config = testing::ventes();
  EXPECT_EQ(rows(config, {}, "SELECT *"), std::vector<std::string>{});
}

}  // namespace
}  // namespace inlet::decode
