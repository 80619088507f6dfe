// A table with rows in Parquet files, committed as bronze commits them, and read back by DuckDB from the files alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "duck/database.h"
#include "duck/file_values.h"
#include "lake/file_statistics.h"
#include "lake/files_select.h"
#include "lake/time_travel.h"
#include "tests/lake/lake_fixture.h"

namespace inlet::lake {

class RowsTest : public LakeTest {
 protected:
  RowsTest() : table_(open_or_create()) {
    database_ = std::make_unique<duck::Database>(std::move(duck::Database::open({.threads = 1})).value());
    connection_ = std::make_unique<duck::Connection>(std::move(database_->connect()).value());
    EXPECT_TRUE(duck::register_file_values(*connection_, file_values_).is_ok());
  }

  // Sales first..first+count-1 over three days: one of them NULL, one with characters that a path cannot hold.
  static std::string sales(int first, int count) {
    return "SELECT i::BIGINT AS sale_id, (i / 4)::DECIMAL(12,2) AS amount, make_timestamptz(i * 1000000::BIGINT) AS "
           "at, "
           "CASE i % 3 WHEN 0 THEN '2024-01-01' WHEN 1 THEN 'a/b c%é' END AS day FROM range(" +
           std::to_string(first) + ", " + std::to_string(first + count) + ") t(i)";
  }

  std::vector<AddFile> write_rows(const std::string& select, Table& table) {
    const auto written = duck::copy_to_parquet(*connection_, select, {table.directory(), {"day"}});
    EXPECT_TRUE(written.is_ok()) << written.status().to_line();
    std::vector<AddFile> adds;
    for (const auto& file : *written) adds.push_back(add_file(file, table.directory(), table.snapshot()->schema(), 1));
    return adds;
  }

  TableVersion append_rows(int first, int count, std::vector<AppTransaction> transactions = {},
                           std::map<std::string, std::string> info = {}) {
    Commit what = append(write_rows(sales(first, count), *table_), std::move(transactions));
    what.info = std::move(info);
    const auto done = commit(*table_, what);
    EXPECT_TRUE(done.is_ok()) << done.status().to_line();
    return done.is_ok() ? done->version : TableVersion{-1};
  }

  // "count|sum of ids|days" of the files, as of a version.
  std::string rows_of(const std::vector<LiveFile>& files) {
    std::string list;
    for (const auto& file : files) {
      const std::string path = absolute_path(table_->directory(), file.path);
      file_values_->set(path, file_values(file, {"day"}));
      list += (list.empty() ? "[" : ", ") + duck::quote_literal(literal_pattern(path));
    }
    if (!list.empty()) list += "]";
    const auto rows =
        connection_->query("SELECT count(*) || '|' || coalesce(sum(sale_id), 0) || '|' || count(DISTINCT day) FROM (" +
                           files_select_sql({definition().schema, {"day"}, list}) + ")");
    return rows.is_ok() ? rows->text(0, 0) : rows.status().to_line();
  }
  std::vector<LiveFile> files_at(std::int64_t version) { return std::move(table_->files_at({version})).value(); }
  std::string rows_at(TableVersion version) { return rows_of(files_at(version.value)); }
  std::string rows_now() { return rows_of(table_->refresh().value()->files().value()); }

  std::unique_ptr<Table> table_;
  std::shared_ptr<duck::FileValues> file_values_ = std::make_shared<duck::FileValues>();
  std::unique_ptr<duck::Database> database_;
  std::unique_ptr<duck::Connection> connection_;
};

}  // namespace inlet::lake
