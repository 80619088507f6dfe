// Queries over real Delta tables, committed as bronze commits them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "duck/database.h"
#include "lake/table.h"
#include "query/query_session.h"

namespace inlet::query {
namespace {

namespace fs = std::filesystem;

class RealLakeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("inlet_real_lake_" + std::to_string(::getpid()));
    fs::remove_all(root_);
    lake_ = std::move(lake::open_lake(root_)).value();
    definition_ = {.name = "bronze/ventes",
                   .schema = {{{"id", {TypeKind::kBigint}, false},
                               {"montant", {TypeKind::kDecimal, 12, 2}, true},
                               {"jour", {TypeKind::kVarchar}, true}}},
                   .partition_columns = {"jour"}};
    table_ = std::move(lake_->open_or_create(definition_)).value();
  }
  void TearDown() override {
    session_.reset();
    table_.reset();
    lake_.reset();
    fs::remove_all(root_);
  }

  // Rows first..first+count-1 over three days, one of them NULL, one with characters a path cannot hold.
  void append(int first, int count) {
    auto database = std::move(duck::Database::open({})).value();
    auto connection = std::move(database.connect()).value();
    const std::string select =
        "SELECT i AS id, (i / 4)::DECIMAL(12,2) AS montant, CASE i % 3 WHEN 0 THEN '2026-01-01' WHEN 1 THEN 'a/b c%é' "
        "END "
        "AS jour FROM range(" +
        std::to_string(first) + ", " + std::to_string(first + count) + ") t(i)";
    const auto files = duck::copy_to_parquet(connection, select, {table_->directory(), {"jour"}});
    ASSERT_TRUE(files.is_ok()) << files.status().to_line();
    lake::Commit commit;
    commit.operation = "WRITE";
    for (const auto& file : *files) {
      lake::AddFile add;
      add.path = fs::relative(file.path, table_->directory()).string();
      add.bytes = file.bytes;
      add.rows = file.rows;
      for (const auto& [column, value] : file.partition_values) add.partition_values[column] = value;
      add.statistics_json = "{\"numRecords\":" + std::to_string(file.rows) + "}";
      commit.adds.push_back(std::move(add));
    }
    const auto committed =
        table_->commit([&](const lake::Snapshot&) { return Result<lake::Commit>(commit); }, [] { return false; });
    ASSERT_TRUE(committed.is_ok()) << committed.status().to_line();
  }

  std::string one(const std::string& sql) {
    if (!session_) session_ = std::move(QuerySession::open(*lake_, {})).value();
    auto rows = session_->run(sql);
    if (!rows) return rows.status().to_line();
    const auto count = rows->next();
    if (!count) return count.status().to_line();
    std::string line;
    for (std::size_t i = 0; *count > 0 && i < rows->columns(); ++i)
      line += (i > 0 ? "|" : "") + (rows->is_null(0, i) ? "NULL" : rows->text(0, i));
    return line;
  }

  std::string root_;
  lake::TableDefinition definition_;
  std::unique_ptr<lake::Lake> lake_;
  std::unique_ptr<lake::Table> table_;
  std::unique_ptr<QuerySession> session_;
};

TEST_F(RealLakeTest, committed_rows_are_seen_with_their_partition_values) {
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "0");
  append(0, 300);
  EXPECT_EQ(
      one("SELECT count(*), sum(id), sum(montant), count(DISTINCT jour), count(*) FILTER (jour IS NULL) FROM ventes"),
      "300|44850|11212.50|2|100");
  EXPECT_EQ(one("SELECT count(*), min(id) FROM ventes WHERE jour = 'a/b c%é'"), "100|1");
  append(300, 30);
  EXPECT_EQ(one("SELECT count(*), max(id) FROM bronze.ventes"), "330|329");
}

TEST_F(RealLakeTest, a_reader_beside_a_writer_sees_whole_commits_only) {
  std::thread writer([this] {
    for (int i = 0; i < 20; ++i) append(i * 30, 30);
  });
  auto reader_lake = std::move(lake::open_lake(root_)).value();
  auto session = std::move(QuerySession::open(*reader_lake, {})).value();
  std::int64_t last = 0;
  while (last < 600) {
    auto rows = session->run("SELECT count(*), coalesce(max(id) + 1, 0), coalesce(sum(id), 0) FROM ventes");
    ASSERT_TRUE(rows.is_ok()) << rows.status().to_line();
    ASSERT_TRUE(rows->next().is_ok());
    const std::int64_t count = std::stoll(rows->text(0, 0));
    EXPECT_EQ(count % 30, 0);
    EXPECT_EQ(std::stoll(rows->text(0, 1)), count);
    EXPECT_EQ(std::stoll(rows->text(0, 2)), count * (count - 1) / 2);
    EXPECT_GE(count, last);
    last = count;
  }
  writer.join();
}

TEST_F(RealLakeTest, tables_that_cannot_be_read_right_are_refused_by_the_feature_they_use) {
  append(0, 3);
  const auto foreign = [&](const std::string& name, const std::string& protocol, const std::string& configuration) {
    const std::string log = root_ + "/" + name + "/_delta_log";
    fs::create_directories(log);
    std::ofstream(log + "/00000000000000000000.json")
        << "{\"protocol\":" << protocol << "}\n"
        << R"({"metaData":{"id":"5fba94ed-9794-4965-ba6e-6ee3c0d22af9","format":{"provider":"parquet","options":{}},)"
        << R"("schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"long\",\"nullable\":true,)"
        << R"(\"metadata\":{\"delta.columnMapping.id\":1,\"delta.columnMapping.physicalName\":\"c1\"}}]}",)"
        << R"("partitionColumns":[],"configuration":)" << configuration << "}}\n";
  };
  foreign("bronze/mapped", R"({"minReaderVersion":2,"minWriterVersion":5})", R"({"delta.columnMapping.mode":"name"})");
  foreign("bronze/vectors",
          R"({"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],)"
          R"("writerFeatures":["deletionVectors"]})",
          R"({"delta.enableDeletionVectors":"true"})");
  EXPECT_NE(one("SELECT * FROM mapped").find("columnMapping"), std::string::npos) << one("SELECT * FROM mapped");
  EXPECT_NE(one("SELECT * FROM vectors").find("deletionVectors"), std::string::npos) << one("SELECT * FROM vectors");
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "3");
}

}  // namespace
}  // namespace inlet::query
