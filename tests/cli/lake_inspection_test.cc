// `inlet tables` and `inlet history`: what they say of a lake.
#include <gtest/gtest.h>

#include "cli/history_command.h"
#include "cli/tables_command.h"
#include "tests/query/fake_lake.h"

namespace inlet::cli {
namespace {

lake::LiveFile file_of(std::int64_t bytes, std::string statistics) {
  lake::LiveFile file;
  file.path = "f" + std::to_string(bytes);
  file.bytes = bytes;
  file.statistics_json = std::move(statistics);
  return file;
}

TEST(TableSummaryTest, rows_and_sizes_add_up_over_live_files) {
  query::FakeLake lake;
  lake.put("bronze/a", {{{"x", {TypeKind::kInt}, true}}}, {"x"},
           {file_of(100, R"({"numRecords":7})"), file_of(50, R"({"numRecords":3,"minValues":{}})")});
  lake.put("bronze/b", {{{"x", {TypeKind::kInt}, true}}}, {}, {file_of(10, ""), file_of(20, R"({"numRecords":1})")});
  lake.refuse("bronze/c", Status(StatusCode::kCorruption, "lake.torn", "version 2 is torn"));
  const auto tables = summarize_tables(lake);
  ASSERT_TRUE(tables.is_ok());
  ASSERT_EQ(tables->size(), 3U);
  EXPECT_EQ(tables->at(0).rows, 10);
  EXPECT_EQ(tables->at(0).bytes, 150);
  EXPECT_EQ(tables->at(0).files, 2);
  EXPECT_EQ(tables->at(0).partition_columns, std::vector<std::string>{"x"});
  EXPECT_FALSE(tables->at(1).rows.has_value()) << "a file without statistics: unknown, not 1";
  EXPECT_EQ(tables->at(2).problem.detail().what, "version 2 is torn");
}

TEST(FindTableTest, a_name_stands_for_one_table_or_is_refused) {
  const std::vector<std::string> tables{"bronze/ventes", "quarantine/ventes", "silver/par_pays"};
  EXPECT_EQ(*find_table(tables, "bronze/ventes"), "bronze/ventes");
  EXPECT_EQ(*find_table(tables, "bronze.ventes"), "bronze/ventes");
  EXPECT_EQ(*find_table(tables, "par_pays"), "silver/par_pays");
  EXPECT_EQ(find_table(tables, "ventes").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(find_table(tables, "pays").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(find_table({}, "x").status().detail().fix, "the lake holds no table yet");
}

TEST(TextTest, times_and_sizes_read_well) {
  EXPECT_EQ(iso_time(Timestamp(std::chrono::microseconds(1'767'323'045'678'900))), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(size_text(1023), "1023 B");
  EXPECT_EQ(size_text(1536), "1.5 KiB");
  EXPECT_EQ(size_text(3LL << 30), "3.0 GiB");
}

}  // namespace
}  // namespace inlet::cli
