// A connection to DuckDB: values as text, errors as Status, and what is switched off.
#include "duck/database.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

namespace inlet::duck {
namespace {

template <class T>
T value_or_fail(Result<T> result) {
  EXPECT_TRUE(result.is_ok()) << result.status().to_line();
  return std::move(result).value();
}

class DatabaseTest : public ::testing::Test {
 protected:
  std::string text_of(const std::string& expression) {
    const auto result = value_or_fail(connection_.query("SELECT " + expression + " AS x"));
    EXPECT_EQ(result.rows(), 1U);
    return result.is_null(0, 0) ? "NULL" : result.text(0, 0);
  }
  StatusCode code_of(const std::string& sql) { return connection_.query(sql).status().code(); }

  Database database_ = value_or_fail(Database::open({}));
  Connection connection_ = value_or_fail(database_.connect());
};

TEST_F(DatabaseTest, values_read_as_duckdb_casts_them_to_text) {
  for (const char* expression : {"true",
                                 "1::TINYINT",
                                 "(-2)::SMALLINT",
                                 "3::INTEGER",
                                 "(-9223372036854775808)::BIGINT",
                                 "255::UTINYINT",
                                 "65535::USMALLINT",
                                 "4294967295::UINTEGER",
                                 "18446744073709551615::UBIGINT",
                                 "(-170141183460469231731687303715884105728)::HUGEINT",
                                 "340282366920938463463374607431768211455::UHUGEINT",
                                 "1.5::FLOAT",
                                 "0.1::DOUBLE",
                                 "1e22::DOUBLE",
                                 "'nan'::DOUBLE",
                                 "12.30::DECIMAL(4,2)",
                                 "(-0.05)::DECIMAL(9,2)",
                                 "(-1234567890.12)::DECIMAL(18,2)",
                                 "99999999999999999999999999999999999.999::DECIMAL(38,3)",
                                 "'été'",
                                 "''",
                                 "DATE '0044-03-15 (BC)'",
                                 "TIME '12:34:56.789'",
                                 "TIMESTAMP '2026-01-02 03:04:05.000006'",
                                 "TIMESTAMP_S '2026-01-02 03:04:05'",
                                 "TIMESTAMP_MS '2026-01-02 03:04:05.006'",
                                 "TIMESTAMP_NS '2026-01-02 03:04:05.000000007'",
                                 "INTERVAL '1 month 2 days 3 seconds'",
                                 "'437b301a-0ce5-4e92-9bda-ea8a058bc420'::UUID",
                                 "'\\x00abc'::BLOB",
                                 "'1011'::BIT",
                                 "'b'::ENUM('a','b')",
                                 "[1, NULL, 3]",
                                 "[]::VARCHAR[]",
                                 "[['a'], []]",
                                 "{'a': 1, 'b': {'c': 'x y'}}",
                                 "MAP {'k': 1, 'l': NULL}",
                                 "[1, 2]::INTEGER[2]",
                                 "union_value(k := 1.5)",
                                 "'{\"a\":1}'::JSON"})
    EXPECT_EQ(text_of(expression), text_of("(" + std::string(expression) + ")::VARCHAR")) << expression;
}

TEST_F(DatabaseTest, instants_read_in_utc) {
  EXPECT_EQ(text_of("TIMESTAMPTZ '2026-07-01 12:00:00.5+02'"), "2026-07-01 10:00:00.5+00");
  EXPECT_EQ(text_of("current_setting('TimeZone')"), "UTC");
  auto second = value_or_fail(database_.connect());
  EXPECT_EQ(value_or_fail(second.query("SELECT current_setting('TimeZone')")).text(0, 0), "UTC");
}

TEST_F(DatabaseTest, types_are_named_as_duckdb_names_them) {
  for (const char* expression : {"1::BIGINT", "1.5::DECIMAL(12,2)", "now()", "[1]", "{'a': 1, 'B c': ['x']}",
                                 "MAP {'k': DATE '2026-01-01'}", "[1, 2]::INTEGER[2]", "sum(1::BIGINT)"}) {
    const auto result = value_or_fail(
        connection_.query("SELECT " + std::string(expression) + ", typeof(" + std::string(expression) + ")"));
    EXPECT_EQ(result.column_type_name(0), result.text(0, 1));
  }
}

TEST_F(DatabaseTest, results_of_many_chunks_are_read_by_row) {
  const auto result = value_or_fail(connection_.query("SELECT i, NULL AS n FROM range(10000) t(i) ORDER BY i"));
  ASSERT_EQ(result.rows(), 10'000U);
  for (const std::size_t row : {0U, 2047U, 2048U, 4095U, 9999U}) {
    EXPECT_EQ(result.integer(row, 0), static_cast<std::int64_t>(row));
    EXPECT_TRUE(result.is_null(row, 1));
  }
}

TEST_F(DatabaseTest, values_are_written_as_json_with_every_digit) {
  for (const auto& [expression, json] : std::vector<std::pair<std::string, std::string>>{
           {"9223372036854775807", "9223372036854775807"},
           {"170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727"},
           {"12345678901234567890.10::DECIMAL(30,2)", "12345678901234567890.10"},
           {"(-0.05)::DECIMAL(3,2)", "-0.05"},
           {"0.1::DOUBLE", "0.1"},
           {"1e300::DOUBLE", "1e+300"},
           {"'nan'::DOUBLE", "\"nan\""},
           {"'-inf'::DOUBLE", "\"-inf\""},
           {"true", "true"},
           {"NULL", "null"},
           {"'a\"b\\c' || chr(10) || chr(1) || 'é😀'", "\"a\\\"b\\\\c\\n\\u0001é😀\""},
           {"TIMESTAMPTZ '2026-01-02 03:04:05.678+02'", "\"2026-01-02T01:04:05.678Z\""},
           {"TIMESTAMP '2026-01-02 03:04:05'", "\"2026-01-02T03:04:05\""},
           {"DATE '2026-01-02'", "\"2026-01-02\""},
           {"[1, NULL, 3]", "[1,null,3]"},
           {"[]::INTEGER[]", "[]"},
           {"{'a': 1, 'b c': ['x', NULL]}", "{\"a\":1,\"b c\":[\"x\",null]}"},
           {"MAP {'k': 1.50, 'l': NULL}", "{\"k\":1.50,\"l\":null}"},
           {"[1, 2]::INTEGER[2]", "[1,2]"},
           {"INTERVAL '1 day'", "\"1 day\""}}) {
    auto stream = value_or_fail(connection_.stream_select("SELECT " + expression));
    ASSERT_EQ(value_or_fail(stream.next()), 1U);
    std::string written;
    stream.append_json(written, 0, 0);
    EXPECT_EQ(written, json) << expression;
  }
}

TEST_F(DatabaseTest, stream_select_runs_one_select_and_nothing_else) {
  EXPECT_TRUE(connection_.stream_select("SELECT 1").is_ok());
  EXPECT_TRUE(connection_.stream_select("EXPLAIN SELECT 1").is_ok());
  for (const char* sql : {"", "SELECT 1; SELECT 2", "CREATE TABLE t(a INTEGER)", "SET threads = 1", "SELEC 1"}) {
    const auto refused = connection_.stream_select(sql);
    ASSERT_FALSE(refused.is_ok()) << sql;
    EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument) << sql;
  }
  EXPECT_FALSE(connection_.query("SELECT * FROM t").is_ok());
}

TEST_F(DatabaseTest, errors_say_what_the_caller_does_about_them) {
  EXPECT_EQ(code_of("SELEC 1"), StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of("SELECT * FROM nowhere"), StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of("SELECT no_such_function(1)"), StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of("SELECT 'x'::INTEGER"), StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of("SELECT 9223372036854775807 + 1::BIGINT"), StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of("SELECT * FROM read_parquet('/no/such/file.parquet')"), StatusCode::kInternal);
  EXPECT_EQ(code_of(std::string("SELECT 1\0; DROP", 14)), StatusCode::kInvalidArgument);
  const auto status = connection_.query("SELECT\n nope FROM range(3)").status();
  EXPECT_EQ(status.detail().id, "sql.bind");
  EXPECT_NE(status.detail().what.find("nope"), std::string::npos);
  EXPECT_NE(status.detail().why.find("LINE 2"), std::string::npos);
}

TEST_F(DatabaseTest, memory_beyond_the_limit_is_an_error_and_the_connection_goes_on) {
  auto small = value_or_fail(Database::open({.threads = 1, .memory_limit_bytes = 16 << 20}));
  auto connection = value_or_fail(small.connect());
  const auto failed = connection.query(
      "SELECT count(*) FROM (SELECT DISTINCT i, i::VARCHAR || 'xxxxxxxxxxxxxxxxxxxx' "
      "FROM range(3000000) t(i))");
  ASSERT_FALSE(failed.is_ok());
  EXPECT_EQ(failed.status().code(), StatusCode::kInternal);
  EXPECT_EQ(failed.status().detail().id, "duckdb.out_of_memory");
  EXPECT_EQ(value_or_fail(connection.query("SELECT 1")).integer(0, 0), 1);
}

TEST_F(DatabaseTest, interrupt_ends_the_running_query_with_cancelled) {
  std::thread interrupter([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    connection_.interrupt();
  });
  const auto status = connection_.query("SELECT count(*) FROM range(100000000000) a, range(1000) b").status();
  interrupter.join();
  EXPECT_EQ(status.code(), StatusCode::kCancelled) << status.to_line();
  EXPECT_EQ(text_of("1"), "1");
}

TEST_F(DatabaseTest, a_query_in_steps_gives_way_between_them) {
  auto database = value_or_fail(Database::open({.threads = 1}));
  auto connection = value_or_fail(database.connect());
  auto other = value_or_fail(database.connect());
  int steps = 0;
  std::int64_t seen = 0;
  const auto between = [&]() -> Status {
    ++steps;
    seen += value_or_fail(other.query("SELECT count(*) FROM range(10)")).integer(0, 0);
    return Status::ok();
  };
  const auto result =
      value_or_fail(connection.query_in_steps("SELECT sum(hash(i) % 7) FROM range(2000000) t(i)", between));
  EXPECT_EQ(result.text(0, 0),
            value_or_fail(connection.query("SELECT sum(hash(i) % 7) FROM range(2000000) t(i)")).text(0, 0));
  EXPECT_GT(steps, 3);
  EXPECT_EQ(seen, steps * 10);
  EXPECT_EQ(connection.query_in_steps("SELECT 1/", between).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(connection.query_in_steps("SELECT error('mine')", between).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(DatabaseTest, a_query_in_steps_ends_with_what_comes_between_them) {
  auto database = value_or_fail(Database::open({.threads = 1}));
  auto connection = value_or_fail(database.connect());
  int steps = 0;
  const auto status =
      connection
          .query_in_steps(
              "SELECT count(*) FROM range(100000000000) a, range(1000) b",
              [&] { return ++steps < 3 ? Status::ok() : Status(StatusCode::kCancelled, "test.enough", "enough"); })
          .status();
  EXPECT_EQ(status.detail().id, "test.enough") << status.to_line();
  EXPECT_EQ(steps, 3);
  EXPECT_EQ(value_or_fail(connection.query("SELECT 1")).integer(0, 0), 1);
}

TEST_F(DatabaseTest, no_extension_is_fetched_or_loaded_by_itself) {
  EXPECT_EQ(text_of("current_setting('autoinstall_known_extensions')"), "false");
  EXPECT_EQ(text_of("current_setting('autoload_known_extensions')"), "false");
  EXPECT_FALSE(connection_.query("SELECT * FROM read_parquet('https://localhost:1/x.parquet')").is_ok());
}

TEST_F(DatabaseTest, says_how_much_memory_it_holds) {
  const auto before = database_.memory_in_use();
  ASSERT_GE(before, 0);
  ASSERT_TRUE(
      connection_.execute("CREATE TABLE held AS SELECT range AS i, hash(range) AS h FROM range(1000000)").is_ok());
  EXPECT_GT(database_.memory_in_use(), before + 4'000'000);
}

TEST_F(DatabaseTest, quoting_survives_the_quotes_inside) {
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_identifier("col\"umn"), "\"col\"\"umn\"");
  EXPECT_EQ(text_of(quote_literal("a'b\"c\\d\ne")), "a'b\"c\\d\ne");
}

TEST_F(DatabaseTest, large_partitions_are_written_in_little_memory) {
  DatabaseOptions options;
  options.threads = 2;
  options.memory_limit_bytes = 160 << 20;
  Database small = value_or_fail(Database::open(options));
  Connection connection = value_or_fail(small.connect());
  const auto directory = std::filesystem::temp_directory_path() / ("inlet-copy-" + std::to_string(getpid()));
  std::filesystem::create_directories(directory);
  // Two partitions of a million rows of some 200 bytes: more than the memory there is, were they held back.
  const auto written = copy_to_parquet(
      connection, "SELECT i, repeat(md5(i::VARCHAR), 6) AS text, i % 2 AS half FROM range(2000000) AS r(i)",
      {.directory = directory, .partition_columns = {"half"}});
  ASSERT_TRUE(written.is_ok()) << written.status().to_line();
  std::int64_t rows = 0;
  for (const auto& file : *written) rows += file.rows;
  EXPECT_EQ(rows, 2'000'000);
  EXPECT_EQ(written->size(), 2U) << "a file each";
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace inlet::duck
