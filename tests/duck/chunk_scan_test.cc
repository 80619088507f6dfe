// inlet_chunks(): a batch of chunks as DuckDB sees it, and the Parquet files written from it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <numeric>
#include <set>
#include <thread>

#include "duck/database.h"

namespace inlet::duck {
namespace {

namespace fs = std::filesystem;

template <class T>
T value_or_fail(Result<T> result) {
  EXPECT_TRUE(result.is_ok()) << result.status().to_line();
  return std::move(result).value();
}

Schema sales_schema() {
  return {{{"id", {TypeKind::kBigint}, false},
           {"amount", {TypeKind::kDecimal, 12, 2}, false},
           {"client", {TypeKind::kVarchar}, true},
           {"sold_at", {TypeKind::kTimestamp}, false},
           {"day", {TypeKind::kVarchar}, true},
           {"_source", {TypeKind::kVarchar}, false},
           {"_partition", {TypeKind::kInt}, false}}};
}

// Rows first..first+count-1. Client is NULL in every 7th row; day has three values and NULL, with characters a path
// cannot hold as they are.
DataChunk sales_chunk(const Schema& schema, std::int64_t first, std::size_t count) {
  static const char* const kDays[] = {"2026-01-01", "a/b=c% é", "2026-01-03"};
  DataChunk chunk(schema);
  for (std::size_t row = 0; row < count; ++row) {
    const std::int64_t id = first + static_cast<std::int64_t>(row);
    chunk.values<std::int64_t>(0)[row] = id;
    chunk.values<std::int64_t>(1)[row] = id * 100 + 25;
    if (id % 7 == 0) {
      chunk.set_null(2, row);
    } else {
      chunk.set_string(2, row, "a client with a long name, number " + std::to_string(id % 50));
    }
    chunk.values<std::int64_t>(3)[row] = 1'767'225'600'000'000 + id;
    if (id % 4 == 3) {
      chunk.set_null(4, row);
    } else {
      chunk.set_string(4, row, kDays[id % 4]);
    }
  }
  chunk.set_constant(5, "kafka:ventes_stream, which is longer than what a string holds inline");
  chunk.set_constant(6, std::int32_t{3});
  chunk.set_rows(count);
  return chunk;
}

class ChunkScanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("inlet_chunk_scan_" + std::to_string(::getpid()));
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  void fill(std::size_t rows) {
    for (std::size_t first = 0; first < rows; first += DataChunk::kCapacity) {
      chunks_.push_back(
          sales_chunk(schema_, static_cast<std::int64_t>(first), std::min(DataChunk::kCapacity, rows - first)));
    }
    for (const auto& chunk : chunks_) pointers_.push_back(&chunk);
    connection_.bind_chunks({schema_, pointers_});
  }

  std::string one(const std::string& sql) {
    const auto result = value_or_fail(connection_.query(sql));
    EXPECT_EQ(result.rows(), 1U);
    return result.is_null(0, 0) ? "NULL" : result.text(0, 0);
  }

  fs::path directory_;
  Schema schema_ = sales_schema();
  Database database_ = value_or_fail(Database::open({}));
  Connection connection_ = value_or_fail(database_.connect());
  std::vector<DataChunk> chunks_;
  std::vector<const DataChunk*> pointers_;
};

TEST_F(ChunkScanTest, every_row_is_seen_exactly_once_by_parallel_threads) {
  fill(100'000);
  EXPECT_EQ(one("SELECT count(*) FROM inlet_chunks()"), "100000");
  EXPECT_EQ(one("SELECT count(DISTINCT id) FROM inlet_chunks()"), "100000");
  EXPECT_EQ(one("SELECT sum(id) FROM inlet_chunks()"), "4999950000");
  EXPECT_EQ(one("SELECT sum(amount) FROM inlet_chunks()"), "4999975000.00");
  EXPECT_EQ(one("SELECT count(*) FROM inlet_chunks() WHERE client IS NULL"), "14286");
}

TEST_F(ChunkScanTest, columns_can_be_asked_for_in_any_order_and_a_second_time) {
  fill(5'000);
  const auto result = value_or_fail(
      connection_.query("SELECT _partition, day, id, _source FROM inlet_chunks() WHERE id IN (3, 4001) ORDER BY id"));
  ASSERT_EQ(result.rows(), 2U);
  EXPECT_EQ(result.integer(0, 0), 3);
  EXPECT_TRUE(result.is_null(0, 1));
  EXPECT_EQ(result.text(1, 1), "a/b=c% é");
  EXPECT_EQ(result.text(1, 3), "kafka:ventes_stream, which is longer than what a string holds inline");
  EXPECT_EQ(one("SELECT count(*) FROM inlet_chunks() a JOIN inlet_chunks() b USING (id)"), "5000");
}

TEST_F(ChunkScanTest, scanning_leaves_the_chunks_as_they_were) {
  fill(3'000);
  ASSERT_TRUE(connection_.execute("CREATE TABLE copy AS SELECT * FROM inlet_chunks()").is_ok());
  ASSERT_TRUE(connection_.execute("SELECT upper(client), -amount FROM inlet_chunks() ORDER BY id DESC").is_ok());
  EXPECT_EQ(one("SELECT count(*) FROM (SELECT * FROM copy EXCEPT ALL SELECT * FROM inlet_chunks())"), "0");
}

TEST_F(ChunkScanTest, each_connection_sees_its_own_chunks) {
  fill(10);
  auto other = value_or_fail(database_.connect());
  const auto unbound = other.query("SELECT * FROM inlet_chunks()");
  ASSERT_FALSE(unbound.is_ok());
  EXPECT_EQ(unbound.status().code(), StatusCode::kInvalidArgument);

  const DataChunk chunk = sales_chunk(schema_, 0, 4);
  const DataChunk* pointer = &chunk;
  other.bind_chunks({schema_, {&pointer, 1}});
  EXPECT_EQ(value_or_fail(other.query("SELECT count(*) FROM inlet_chunks()")).integer(0, 0), 4);
  EXPECT_EQ(one("SELECT count(*) FROM inlet_chunks()"), "10");
  connection_.unbind_chunks();
  EXPECT_FALSE(connection_.query("SELECT * FROM inlet_chunks()").is_ok());
}

TEST_F(ChunkScanTest, empty_chunks_do_not_end_the_scan) {
  chunks_.push_back(sales_chunk(schema_, 0, 0));
  chunks_.push_back(sales_chunk(schema_, 0, 5));
  chunks_.push_back(sales_chunk(schema_, 0, 0));
  chunks_.push_back(sales_chunk(schema_, 5, 5));
  fill(0);
  EXPECT_EQ(one("SELECT count(*) FROM inlet_chunks()"), "10");
}

TEST_F(ChunkScanTest, a_batch_copied_to_parquet_reads_back_as_it_was) {
  fill(100'000);
  const auto files =
      value_or_fail(copy_to_parquet(connection_, "SELECT * FROM inlet_chunks()", {directory_.string(), {"day"}}));
  std::int64_t rows = 0;
  std::set<std::optional<std::string>> days;
  for (const auto& file : files) {
    rows += file.rows;
    EXPECT_EQ(static_cast<std::int64_t>(fs::file_size(file.path)), file.bytes);
    ASSERT_EQ(file.partition_values.size(), 1U);
    EXPECT_EQ(file.partition_values[0].first, "day");
    days.insert(file.partition_values[0].second);
  }
  EXPECT_EQ(rows, 100'000);
  EXPECT_EQ(days, (std::set<std::optional<std::string>>{"2026-01-01", "a/b=c% é", "2026-01-03", std::nullopt}));

  const std::string stored = "read_parquet(" + quote_literal(directory_.string() + "/*/*.parquet") +
                             ", hive_partitioning = true, hive_types = {'day': VARCHAR})";
  const std::string columns = "id, amount, client, sold_at, day, _source, _partition";
  EXPECT_EQ(one("SELECT count(*) FROM " + stored), "100000");
  EXPECT_EQ(one("SELECT count(*) FROM (SELECT " + columns + " FROM " + stored + " EXCEPT ALL SELECT " + columns +
                " FROM inlet_chunks())"),
            "0");
  EXPECT_EQ(one("SELECT DISTINCT typeof(sold_at) FROM " + stored), "TIMESTAMP WITH TIME ZONE");
}

TEST_F(ChunkScanTest, written_files_carry_their_column_statistics) {
  fill(4);
  const auto files = value_or_fail(copy_to_parquet(connection_, "SELECT * FROM inlet_chunks() WHERE day = '2026-01-01'",
                                                   {directory_.string(), {"day"}}));
  ASSERT_EQ(files.size(), 1U);
  std::map<std::string, ColumnStatistics> by_column;
  for (const auto& statistics : files[0].statistics) by_column[statistics.column] = statistics;
  EXPECT_EQ(by_column.count("day"), 0U);
  EXPECT_EQ(by_column.at("id").min, "0");
  EXPECT_EQ(by_column.at("id").max, "0");
  EXPECT_EQ(by_column.at("amount").max, "0.25");
  EXPECT_EQ(by_column.at("sold_at").min, "2026-01-01 00:00:00+00");
  EXPECT_EQ(by_column.at("client").null_count, 1);
  EXPECT_FALSE(by_column.at("client").min.has_value());
}

TEST_F(ChunkScanTest, without_partition_columns_one_file_stands_in_the_directory) {
  fill(10'000);
  const auto files = value_or_fail(copy_to_parquet(connection_, "SELECT * FROM inlet_chunks()", {directory_.string()}));
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(fs::path(files[0].path).parent_path(), directory_);
  EXPECT_TRUE(files[0].partition_values.empty());
  EXPECT_EQ(files[0].rows, 10'000);
}

TEST_F(ChunkScanTest, no_rows_write_no_file) {
  fill(10);
  for (const std::vector<std::string>& partition : {std::vector<std::string>{}, std::vector<std::string>{"day"}}) {
    const auto files = value_or_fail(
        copy_to_parquet(connection_, "SELECT * FROM inlet_chunks() WHERE id < 0", {directory_.string(), partition}));
    EXPECT_TRUE(files.empty());
  }
  EXPECT_TRUE(fs::is_empty(directory_));
}

TEST_F(ChunkScanTest, a_second_batch_appends_to_the_partitions_of_the_first) {
  fill(1'000);
  std::set<std::string> paths;
  for (int batch = 0; batch < 3; ++batch) {
    for (const auto& file :
         value_or_fail(copy_to_parquet(connection_, "SELECT * FROM inlet_chunks()", {directory_.string(), {"day"}})))
      EXPECT_TRUE(paths.insert(file.path).second) << file.path;
  }
  EXPECT_EQ(one("SELECT count(*) FROM read_parquet(" + quote_literal(directory_.string() + "/*/*.parquet") + ")"),
            "3000");
}

TEST_F(ChunkScanTest, a_copy_that_cannot_write_is_an_internal_error_with_the_reason) {
  fill(10);
  const auto failed = copy_to_parquet(connection_, "SELECT * FROM inlet_chunks()", {"/proc/inlet_no_such_directory"});
  ASSERT_FALSE(failed.is_ok());
  EXPECT_EQ(failed.status().code(), StatusCode::kInternal);
  EXPECT_NE(failed.status().to_line().find("No such file or directory"), std::string::npos)
      << failed.status().to_line();
}

}  // namespace
}  // namespace inlet::duck
