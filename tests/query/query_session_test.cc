// Views over the live files of a lake's tables: right names, right types, right rows, as of now.
#include "query/query_session.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/query/fake_lake.h"

namespace inlet::query {
namespace {

Schema sales_schema() {
  return {{{"id", {TypeKind::kBigint}, false},
           {"jour", {TypeKind::kVarchar}, true},
           {"montant", {TypeKind::kDecimal, 12, 2}, true},
           {"sold_at", {TypeKind::kTimestamp}, true}}};
}

std::string sales(int first, int count) {
  return "SELECT i AS id, (i / 4)::DECIMAL(12,2) AS montant, TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_seconds(i) AS "
         "sold_at FROM range(" +
         std::to_string(first) + ", " + std::to_string(first + count) + ") t(i)";
}

class QuerySessionTest : public ::testing::Test {
 protected:
  QuerySession& session() {
    if (!session_) {
      auto opened = QuerySession::open(lake_, {});
      EXPECT_TRUE(opened.is_ok()) << opened.status().to_line();
      session_ = std::move(opened).value();
    }
    return *session_;
  }

  // Every row as "a|b|NULL", or the error's line.
  std::vector<std::string> rows(const std::string& sql) {
    auto stream = session().run(sql);
    if (!stream) return {stream.status().to_line()};
    std::vector<std::string> lines;
    while (true) {
      const auto count = stream->next();
      if (!count) return {count.status().to_line()};
      if (*count == 0) return lines;
      for (std::size_t row = 0; row < *count; ++row) {
        std::string line;
        for (std::size_t column = 0; column < stream->columns(); ++column) {
          if (column > 0) line += "|";
          line += stream->is_null(row, column) ? "NULL" : stream->text(row, column);
        }
        lines.push_back(line);
      }
    }
  }
  std::string one(const std::string& sql) {
    const auto lines = rows(sql);
    EXPECT_EQ(lines.size(), 1U) << sql;
    return lines.empty() ? "" : lines[0];
  }

  void put_sales(const std::string& table = "bronze/ventes") {
    lake_.put(table, sales_schema(), {"jour"},
              {write_file(lake_, table, "jour=2026-01-01/a.parquet", sales(0, 10), {{"jour", "2026-01-01"}}),
               write_file(lake_, table, "jour=2026-01-02/b.parquet", sales(10, 5), {{"jour", "2026-01-02"}}),
               write_file(lake_, table, "jour=__HIVE_DEFAULT_PARTITION__/c.parquet", sales(15, 1),
                          {{"jour", std::nullopt}})});
  }

  FakeLake lake_;
  std::unique_ptr<QuerySession> session_;
};

TEST_F(QuerySessionTest, a_table_is_a_view_named_after_its_path) {
  put_sales();
  EXPECT_EQ(one("SELECT count(*), sum(id), sum(montant) FROM bronze.ventes"), "16|120|30.00");
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "16");
  EXPECT_EQ(one("SELECT count(*) FROM Bronze.VENTES"), "16");
}

TEST_F(QuerySessionTest, columns_have_the_order_and_types_of_the_table) {
  put_sales();
  EXPECT_EQ(rows("SELECT column_name, column_type FROM (DESCRIBE ventes)"),
            (std::vector<std::string>{"id|BIGINT", "jour|VARCHAR", "montant|DECIMAL(12,2)",
                                      "sold_at|TIMESTAMP WITH TIME ZONE"}));
  EXPECT_EQ(one("SELECT sold_at FROM ventes WHERE id = 3"), "2026-01-01 00:00:03+00");
}

TEST_F(QuerySessionTest, partition_values_are_those_of_the_log_with_nulls) {
  put_sales();
  EXPECT_EQ(rows("SELECT jour, count(*) FROM ventes GROUP BY ALL ORDER BY ALL"),
            (std::vector<std::string>{"2026-01-01|10", "2026-01-02|5", "NULL|1"}));
  EXPECT_EQ(one("SELECT count(*) FROM ventes WHERE jour = '2026-01-02'"), "5");
  EXPECT_EQ(one("SELECT count(*) FROM ventes WHERE jour IS NULL"), "1");
}

TEST_F(QuerySessionTest, the_path_of_a_file_says_nothing_about_its_partition) {
  lake_.put("bronze/ventes", sales_schema(), {"jour"},
            {write_file(lake_, "bronze/ventes", "jour=1999-12-31/a b%20é.parquet", sales(0, 2),
                        {{"jour", "it's 100% a/b=c"}})});
  EXPECT_EQ(rows("SELECT DISTINCT jour FROM ventes"), (std::vector<std::string>{"it's 100% a/b=c"}));
}

TEST_F(QuerySessionTest, partition_columns_have_their_own_types) {
  const Schema schema{{{"id", {TypeKind::kBigint}, false},
                       {"day", {TypeKind::kDate}, true},
                       {"shop", {TypeKind::kInt}, true},
                       {"price", {TypeKind::kDecimal, 5, 2}, true},
                       {"hour", {TypeKind::kTimestamp}, true},
                       {"open", {TypeKind::kBoolean}, true}}};
  lake_.put("bronze/x", schema, {"day", "shop", "price", "hour", "open"},
            {write_file(lake_, "bronze/x", "a.parquet", "SELECT 1::BIGINT AS id",
                        {{"day", "2026-01-02"},
                         {"shop", "7"},
                         {"price", "1.50"},
                         {"hour", "2026-01-02 03:00:00"},
                         {"open", "true"}})});
  EXPECT_EQ(one("SELECT day + 1, shop + 1, price * 2, hour, NOT open FROM x"),
            "2026-01-03|8|3.00|2026-01-02 03:00:00+00|false");
}

TEST_F(QuerySessionTest, a_filter_on_the_partition_reads_only_its_files) {
  put_sales();
  std::ofstream(lake_.directory("bronze/ventes") + "/jour=2026-01-01/a.parquet") << "not Parquet";
  EXPECT_EQ(one("SELECT sum(id) FROM ventes WHERE jour = '2026-01-02'"), "60");
  EXPECT_EQ(one("SELECT sum(id) FROM ventes WHERE jour > '2026-01-01' AND jour < '2026-02'"), "60");
  EXPECT_NE(one("SELECT sum(id) FROM ventes").find("a.parquet"), std::string::npos);
}

TEST_F(QuerySessionTest, only_live_files_are_read) {
  put_sales();
  write_file(lake_, "bronze/ventes", "jour=2026-01-01/left_behind.parquet", sales(100, 100));
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "16");
}

TEST_F(QuerySessionTest, older_files_without_a_new_column_read_as_null) {
  Schema wider = sales_schema();
  const auto old = write_file(lake_, "bronze/ventes", "a.parquet", sales(0, 2), {{"jour", "2026-01-01"}});
  lake_.put("bronze/ventes", wider, {"jour"}, {old});
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "2");
  wider.columns.push_back({"canal", {TypeKind::kVarchar}, true});
  const auto fresh = write_file(lake_, "bronze/ventes", "b.parquet",
                                "SELECT 'web' AS canal, * FROM (" + sales(2, 1) + ")", {{"jour", "2026-01-01"}});
  lake_.put("bronze/ventes", wider, {"jour"}, {old, fresh});
  EXPECT_EQ(rows("SELECT id, canal FROM ventes ORDER BY id"), (std::vector<std::string>{"0|NULL", "1|NULL", "2|web"}));
}

TEST_F(QuerySessionTest, a_column_called_filename_keeps_its_values) {
  lake_.put("bronze/files", {{{"filename", {TypeKind::kVarchar}, true}, {"jour", {TypeKind::kVarchar}, true}}},
            {"jour"}, {write_file(lake_, "bronze/files", "a.parquet", "SELECT 'mine' AS filename", {{"jour", "x"}})});
  EXPECT_EQ(one("SELECT filename, jour FROM files WHERE jour = 'x'"), "mine|x");
}

TEST_F(QuerySessionTest, an_empty_table_has_its_columns_and_no_rows) {
  lake_.put("bronze/ventes", sales_schema(), {"jour"}, {});
  EXPECT_EQ(rows("SELECT * FROM ventes"), std::vector<std::string>());
  EXPECT_EQ(one("SELECT count(*), sum(montant) FROM ventes"), "0|NULL");
  EXPECT_EQ(one("SELECT count(*) FROM (DESCRIBE ventes)"), "4");
  put_sales();
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "16");
  lake_.put("bronze/ventes", sales_schema(), {"jour"}, {});
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "0");
}

TEST_F(QuerySessionTest, every_statement_sees_the_newest_version) {
  put_sales();
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "16");
  lake_.put("bronze/ventes", sales_schema(), {"jour"},
            {write_file(lake_, "bronze/ventes", "d.parquet", sales(0, 3), {{"jour", "2026-01-05"}})});
  EXPECT_EQ(one("SELECT count(*), max(jour) FROM ventes"), "3|2026-01-05");
}

TEST_F(QuerySessionTest, files_are_listed_once_per_version) {
  put_sales();
  const auto snapshot = lake_.state("bronze/ventes")->snapshot;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(one("SELECT count(*) FROM ventes"), "16");
  EXPECT_EQ(snapshot->file_reads, 1);
}

TEST_F(QuerySessionTest, tables_come_and_go_while_the_session_is_open) {
  put_sales();
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "16");
  lake_.put("silver/par_pays", {{{"pays", {TypeKind::kVarchar}, true}}}, {},
            {write_file(lake_, "silver/par_pays", "a.parquet", "SELECT 'FR' AS pays")});
  EXPECT_EQ(one("SELECT pays FROM par_pays"), "FR");
  EXPECT_EQ(one("SELECT pays FROM silver.par_pays"), "FR");
  lake_.drop("silver/par_pays");
  EXPECT_NE(one("SELECT pays FROM par_pays").find("the lake's tables: bronze.ventes"), std::string::npos);
}

TEST_F(QuerySessionTest, a_name_in_two_schemas_must_be_qualified) {
  put_sales();
  put_sales("quarantine/ventes");
  EXPECT_NE(one("SELECT count(*) FROM ventes").find("write bronze.ventes or quarantine.ventes"), std::string::npos);
  EXPECT_NE(one("DESCRIBE ventes").find("write bronze.ventes or quarantine.ventes"), std::string::npos);
  EXPECT_EQ(one("SELECT count(*) FROM quarantine.ventes"), "16");
  EXPECT_EQ(one("WITH ventes AS (SELECT 1 AS x) SELECT count(*) FROM ventes"), "1");
}

TEST_F(QuerySessionTest, a_table_that_cannot_be_read_right_is_refused_by_name) {
  put_sales();
  lake_.refuse("bronze/mapped",
               Status(StatusCode::kInvalidArgument, "lake.feature", "bronze/mapped uses columnMapping"));
  EXPECT_NE(one("SELECT * FROM mapped").find("bronze/mapped uses columnMapping"), std::string::npos);
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "16");
  const auto tables = session().tables();
  ASSERT_TRUE(tables.is_ok());
  ASSERT_EQ(tables->size(), 2U);
  EXPECT_EQ(tables->at(0).name, "mapped");
  EXPECT_FALSE(tables->at(0).problem.is_ok());
  EXPECT_EQ(tables->at(1).columns, sales_schema());
  EXPECT_EQ(tables->at(1).partition_columns, std::vector<std::string>{"jour"});
}

TEST_F(QuerySessionTest, a_log_that_cannot_be_read_is_an_error_not_an_old_answer) {
  put_sales();
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "16");
  lake_.state("bronze/ventes")->problem = Status(StatusCode::kCorruption, "lake.torn", "version 3 is torn");
  EXPECT_NE(one("SELECT count(*) FROM ventes").find("version 3 is torn"), std::string::npos);
  lake_.state("bronze/ventes")->problem = Status::ok();
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "16");
}

TEST_F(QuerySessionTest, names_that_need_quoting_work) {
  lake_.put("bronze raw/it's \"x\"", {{{"a b", {TypeKind::kInt}, true}, {"c'd\"e", {TypeKind::kVarchar}, true}}},
            {"c'd\"e"},
            {write_file(lake_, "bronze raw/it's \"x\"", "f'1.parquet", "SELECT 1 AS \"a b\"", {{"c'd\"e", "v"}})});
  EXPECT_EQ(one("SELECT \"a b\", \"c'd\"\"e\" FROM \"bronze raw\".\"it's \"\"x\"\"\""), "1|v");
  EXPECT_EQ(one("SELECT \"a b\" FROM \"it's \"\"x\"\"\""), "1");
}

TEST_F(QuerySessionTest, characters_of_a_pattern_in_a_path_stand_for_themselves) {
  const std::string table = "bronze/[a]*?{b}";
  lake_.put(table, {{{"a", {TypeKind::kInt}, true}, {"p", {TypeKind::kVarchar}, true}}}, {"p"},
            {write_file(lake_, table, "p=[x]/f*[1]?.parquet", "SELECT 1 AS a", {{"p", "[x]"}})});
  write_file(lake_, table, "p=[x]/f2[1]3.parquet", "SELECT 2 AS a");
  write_file(lake_, table, "p=x/f213.parquet", "SELECT 3 AS a");
  EXPECT_EQ(rows("SELECT a, p FROM \"[a]*?{b}\""), std::vector<std::string>{"1|[x]"});
}

TEST_F(QuerySessionTest, a_lake_reached_through_a_symbolic_link_is_read) {
  struct LinkedLake : FakeLake {
    using FakeLake::FakeLake;
    std::string link;
    const std::string& root() const override { return link; }
  };
  LinkedLake linked;
  linked.link = linked.FakeLake::root() + "_link";
  fs::create_directory_symlink(linked.FakeLake::root(), linked.link);
  linked.put("bronze/ventes", sales_schema(), {"jour"},
             {write_file(linked, "bronze/ventes", "z.parquet", sales(0, 4), {{"jour", "2026-01-01"}})});
  auto opened = QuerySession::open(linked, {});
  ASSERT_TRUE(opened.is_ok()) << opened.status().to_line();
  session_ = std::move(opened).value();
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "4");
  session_.reset();
  fs::remove(linked.link);
}

TEST_F(QuerySessionTest, thousands_of_files_are_one_table) {
  const auto first = write_file(lake_, "bronze/ventes", "f0.parquet", sales(0, 10), {{"jour", "2026-01-00"}});
  std::vector<lake::LiveFile> files;
  const std::string directory = lake_.directory("bronze/ventes") + "/";
  for (int i = 0; i < 3'000; ++i) {
    lake::LiveFile file;
    file.path = "f" + std::to_string(i) + ".parquet";
    if (i > 0) fs::create_hard_link(directory + "f0.parquet", directory + file.path);
    file.partition_values["jour"] = "2026-01-" + std::to_string(i % 30);
    files.push_back(file);
  }
  lake_.put("bronze/ventes", sales_schema(), {"jour"}, files);
  EXPECT_EQ(one("SELECT count(*), sum(id), count(DISTINCT jour) FROM ventes"), "30000|135000|30");
  EXPECT_EQ(one("SELECT count(*) FROM ventes WHERE jour = '2026-01-7'"), "1000");
}

TEST_F(QuerySessionTest, a_long_result_is_streamed_within_the_memory_limit) {
  put_sales();
  auto opened = QuerySession::open(lake_, {.memory_limit_bytes = 64 << 20});
  ASSERT_TRUE(opened.is_ok());
  auto stream = (*opened)->run("SELECT i, repeat('x', 100) FROM range(3000000) t(i)");
  ASSERT_TRUE(stream.is_ok()) << stream.status().to_line();
  std::size_t rows_seen = 0;
  while (true) {
    const auto count = stream->next();
    ASSERT_TRUE(count.is_ok()) << count.status().to_line();
    if (*count == 0) break;
    rows_seen += *count;
  }
  EXPECT_EQ(rows_seen, 3'000'000U);
}

TEST_F(QuerySessionTest, an_error_in_the_middle_of_a_stream_is_reported) {
  put_sales();
  EXPECT_NE(rows("SELECT (CASE WHEN i = 500000 THEN 'x' ELSE '1' END)::INTEGER FROM range(1000000) t(i)")
                .back()
                .find("Could not convert string 'x' to INT32"),
            std::string::npos);
  EXPECT_EQ(one("SELECT 1"), "1");
}

TEST_F(QuerySessionTest, interrupt_ends_the_statement_and_the_session_goes_on) {
  put_sales();
  session();
  std::thread interrupter([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    session_->interrupt();
  });
  const auto result = one("SELECT count(*) FROM range(10000000000) a, range(1000) b");
  interrupter.join();
  EXPECT_NE(result.find("[sql.interrupted]"), std::string::npos) << result;
  EXPECT_EQ(one("SELECT count(*) FROM ventes"), "16");
}

TEST_F(QuerySessionTest, statements_are_all_checked_before_the_first_runs) {
  put_sales();
  EXPECT_TRUE(session().check("SELECT 1; SELECT ';' ; -- done\n").is_ok());
  EXPECT_EQ(session().check("SELECT 1; SELECT ';' ; -- done\n")->size(), 2U);
  EXPECT_FALSE(session().check("SELECT 1; DROP VIEW ventes").is_ok());
  EXPECT_EQ(session().check("  -- nothing\n")->size(), 0U);
}

TEST_F(QuerySessionTest, errors_say_where) {
  put_sales();
  const auto status = session().run("SELECT 1,\n  FROM FROM ventes").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.detail().where, "line 2, column 8") << status.to_line();
  EXPECT_NE(one("SELECT nope FROM ventes").find("nope"), std::string::npos);
}

TEST_F(QuerySessionTest, statements_that_duckdb_makes_a_select_of_are_run) {
  put_sales();
  EXPECT_EQ(one("FROM ventes SELECT count(*)"), "16");
  EXPECT_EQ(one("VALUES (1, 'x')"), "1|x");
  EXPECT_EQ(rows("DESCRIBE bronze.ventes").size(), 4U);
  EXPECT_EQ(rows("SUMMARIZE ventes").size(), 4U);
  EXPECT_EQ(one("SHOW TABLES"), "ventes");
  EXPECT_EQ(rows("SHOW ALL TABLES").size(), 1U);
  EXPECT_NE(one("EXPLAIN SELECT * FROM ventes").find("READ_PARQUET"), std::string::npos);
  EXPECT_NE(one("EXPLAIN ANALYZE SELECT * FROM ventes").find("READ_PARQUET"), std::string::npos);
  EXPECT_NE(one("explain (format json) SELECT * FROM ventes").find("READ_PARQUET"), std::string::npos);
  EXPECT_EQ(
      rows("PIVOT (SELECT id % 2 AS odd, jour FROM ventes) ON jour IN ('2026-01-01', '2026-01-02') USING count(*)")
          .size(),
      2U);
}

}  // namespace
}  // namespace inlet::query
