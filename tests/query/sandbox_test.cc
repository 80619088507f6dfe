// What a person who may only query tries, and does not get: one test per attack, all on a session over a real directory
// that has something worth stealing beside it.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "query/query_session.h"
#include "tests/query/fake_lake.h"

namespace inlet::query {
namespace {

class SandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    outside_ = lake_.root() + "_outside";
    fs::create_directories(outside_);
    std::ofstream(outside_ + "/secret.csv") << "secret\n42\n";
    lake_.put("bronze/x", {{{"a", {TypeKind::kInt}, true}}}, {},
              {write_file(lake_, "bronze/x", "f.parquet", "SELECT 1 AS a")});
    fs::copy_file(lake_.directory("bronze/x") + "/f.parquet", outside_ + "/secret.parquet");
    fs::create_directory_symlink(outside_, lake_.root() + "/way_out");
    fs::create_directories(lake_.directory("bronze/x") + "/_delta_log");
    std::ofstream(lake_.directory("bronze/x") + "/_delta_log/00000000000000000000.json") << "{}\n";
    auto opened = QuerySession::open(lake_, {});
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_line();
    session_ = std::move(opened).value();
    before_ = everything();
  }
  void TearDown() override {
    session_.reset();
    fs::remove_all(outside_);
  }

  // $L: the lake, $O: the directory beside it.
  std::string filled(std::string sql) const {
    for (const auto& [mark, value] : {std::pair<std::string, std::string>{"$L", lake_.root()}, {"$O", outside_}}) {
      for (auto at = sql.find(mark); at != std::string::npos; at = sql.find(mark, at + value.size()))
        sql.replace(at, 2, value);
    }
    return sql;
  }

  // Runs to the end, all rows.
  Status run(const std::string& sql) {
    auto checked = session_->check(sql);
    if (!checked) return checked.status();
    for (const auto& statement : *checked) {
      auto stream = session_->run(statement);
      if (!stream) return stream.status();
      while (true) {
        const auto count = stream->next();
        if (!count) return count.status();
        if (*count == 0) break;
        for (std::size_t row = 0; row < *count; ++row) {
          for (std::size_t column = 0; column < stream->columns(); ++column) {
            if (!stream->is_null(row, column)) seen_ += stream->text(row, column) + "\n";
          }
        }
      }
    }
    return Status::ok();
  }

  std::set<std::string> everything() const {
    std::set<std::string> paths;
    for (const auto& root : {lake_.root(), outside_}) {
      for (const auto& entry : fs::recursive_directory_iterator(root))
        paths.insert(entry.path().string() + ":" +
                     (entry.is_regular_file() ? std::to_string(entry.file_size()) : std::string()));
    }
    return paths;
  }

  FakeLake lake_;
  std::string outside_;
  std::unique_ptr<QuerySession> session_;
  std::set<std::string> before_;
  std::string seen_;
};

class SandboxAttack : public SandboxTest, public ::testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(SandboxAttack, is_refused_and_leaves_no_trace) {
  const Status status = run(filled(GetParam().second));
  EXPECT_FALSE(status.is_ok()) << "it ran and returned: " << seen_;
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.to_line();
  EXPECT_EQ(seen_.find("42"), std::string::npos) << seen_;
  EXPECT_EQ(everything(), before_);
  seen_.clear();
  const Status after = run("SELECT a FROM bronze.x");
  EXPECT_TRUE(after.is_ok()) << "the session is broken: " << after.to_line();
  EXPECT_EQ(seen_, "1\n");
}

constexpr std::pair<const char*, const char*> kAttacks[] = {
    // reading outside the lake
    {"read_csv", "SELECT * FROM read_csv('$O/secret.csv')"},
    {"read_text", "SELECT * FROM read_text('$O/secret.csv')"},
    {"read_blob", "SELECT * FROM read_blob('$O/secret.csv')"},
    {"read_json", "SELECT * FROM read_json('$O/secret.csv')"},
    {"read_parquet", "SELECT * FROM read_parquet('$O/secret.parquet')"},
    {"replacement_scan", "SELECT * FROM '$O/secret.parquet'"},
    {"replacement_scan_csv", "SELECT * FROM '$O/secret.csv'"},
    {"dot_dot", "SELECT * FROM read_text('$L/../../../../../../$O/secret.csv')"},
    {"dot_dot_beside", "SELECT * FROM read_parquet('$L/../' || parse_filename('$O') || '/secret.parquet')"},
    {"symbolic_link", "SELECT * FROM read_text('$L/way_out/secret.csv')"},
    {"glob_outside", "SELECT * FROM glob('$O/*')"},
    {"glob_everything", "SELECT * FROM glob('/*')"},
    {"list_with_one_outside", "SELECT * FROM read_parquet(['$L/bronze/x/f.parquet', '$O/secret.parquet'])"},
    {"prefix_of_the_lake", "SELECT * FROM read_text('$L_outside/secret.csv')"},
    {"file_url", "SELECT * FROM read_text('file://$O/secret.csv')"},
    {"proc_environ", "SELECT * FROM read_text('/proc/self/environ')"},
    {"proc_fd", "SELECT * FROM read_text('/proc/self/fd/0')"},
    {"sniff_csv", "SELECT * FROM sniff_csv('$O/secret.csv')"},
    {"parquet_metadata", "SELECT * FROM parquet_metadata('$O/secret.parquet')"},
    {"read_duckdb", "SELECT * FROM read_duckdb('$O/x.db')"},
    {"environment", "SELECT getenv('HOME')"},
    {"http", "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')"},
    {"s3", "SELECT * FROM read_parquet('s3://bucket/x.parquet')"},
    {"describe_outside", "DESCRIBE SELECT * FROM '$O/secret.parquet'"},
    {"summarize_outside", "SUMMARIZE SELECT * FROM read_csv('$O/secret.csv')"},
    {"subquery", "SELECT (SELECT content FROM read_text('$O/secret.csv'))"},
    {"common_table", "WITH t AS MATERIALIZED (FROM read_text('$O/secret.csv')) FROM t"},
    {"explain_analyze_select", "EXPLAIN ANALYZE SELECT * FROM read_text('$O/secret.csv')"},
    // writing
    {"copy_to_lake", "COPY (SELECT 1) TO '$L/bronze/x/new.parquet'"},
    {"copy_over_the_log", "COPY (SELECT '{}') TO '$L/bronze/x/_delta_log/00000000000000000000.json'"},
    {"copy_outside", "COPY (SELECT 1) TO '$O/new.csv'"},
    {"copy_from", "COPY x FROM '$O/secret.csv'"},
    {"second_statement", "SELECT 1; COPY (SELECT 1) TO '$L/new.csv'"},
    {"second_statement_behind_a_comment", "SELECT 1 /* /* */ ; */ ; COPY (SELECT 1) TO '$L/new.csv' --"},
    {"explain_analyze_copy", "EXPLAIN ANALYZE COPY (SELECT 1) TO '$L/new.csv'"},
    {"explain_with_options_copy", "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '$L/new.csv'"},
    {"explain_behind_a_comment", "/* */ EXPLAIN /* */ ANALYZE /* */ COPY (SELECT 1) TO '$L/new.csv'"},
    {"explain_analyze_create", "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1"},
    {"explain_twice", "EXPLAIN EXPLAIN ANALYZE COPY (SELECT 1) TO '$L/new.csv'"},
    {"export", "EXPORT DATABASE '$L/export'"},
    {"import", "IMPORT DATABASE '$O'"},
    {"create_table", "CREATE TABLE t AS SELECT 1"},
    {"create_view", "CREATE OR REPLACE VIEW bronze.x AS SELECT 2 AS a"},
    {"create_macro", "CREATE MACRO f() AS TABLE SELECT 1"},
    {"create_secret", "CREATE SECRET (TYPE s3)"},
    {"create_type", "CREATE TYPE t AS ENUM ('a')"},
    {"insert", "INSERT INTO bronze.x VALUES (2)"},
    {"delete", "DELETE FROM bronze.x"},
    {"update", "UPDATE bronze.x SET a = 2"},
    {"drop", "DROP VIEW bronze.x"},
    {"alter", "ALTER VIEW bronze.x RENAME TO y"},
    {"insert_in_a_common_table", "WITH t AS (INSERT INTO bronze.x VALUES (2) RETURNING *) SELECT * FROM t"},
    {"select_into", "SELECT 1 INTO t"},
    // other databases, settings, extensions
    {"attach", "ATTACH '$O/new.db'"},
    {"attach_in_memory", "ATTACH ':memory:' AS other"},
    {"detach", "DETACH memory"},
    {"use", "USE main"},
    {"set", "SET threads = 1"},
    {"set_external_access", "SET enable_external_access = true"},
    {"set_variable", "SET VARIABLE \"inlet files of bronze/x\" = ['$O/secret.parquet']"},
    {"reset", "RESET lock_configuration"},
    {"pragma", "PRAGMA enable_external_access"},
    {"pragma_import", "PRAGMA import_database('$O')"},
    {"pragma_profile", "PRAGMA enable_profiling = 'json'"},
    {"install", "INSTALL httpfs"},
    {"load", "LOAD httpfs"},
    {"load_path", "LOAD '$O/x.duckdb_extension'"},
    {"call", "CALL enable_logging('QueryLog')"},
    {"checkpoint", "CHECKPOINT"},
    {"prepare", "PREPARE p AS SELECT 1"},
    {"execute", "EXECUTE p"},
    {"begin", "BEGIN"},
    {"vacuum", "VACUUM"},
    // SELECTs with an effect, or a way around the check
    {"select_enable_logging", "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '$O/log')"},
    {"select_enable_logging_in_the_lake",
     "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '$L/bronze/x/_delta_log')"},
    {"select_enable_profiling", "SELECT * FROM enable_profiling(format = 'json', save_location = '$O/profile.json')"},
    {"select_checkpoint", "SELECT * FROM checkpoint()"},
    {"qualified_function", "SELECT * FROM system.main.enable_logging('QueryLog')"},
    {"quoted_function", "SELECT * FROM \"ENABLE_LOGGING\"('QueryLog')"},
    {"function_in_a_subquery", "SELECT (SELECT count(*) FROM truncate_duckdb_logs())"},
    {"function_in_a_limit", "SELECT 1 LIMIT (SELECT count(*) FROM disable_logging())"},
    {"function_in_a_lateral", "SELECT * FROM range(1) t, LATERAL (SELECT * FROM enable_profiling())"},
    {"function_in_a_common_table", "WITH t AS (SELECT * FROM enable_logging()) SELECT 1"},
    {"function_in_a_set_operation", "SELECT 1 UNION ALL SELECT 2 FROM force_checkpoint()"},
    {"function_in_a_pivot", "PIVOT (SELECT 1 AS a FROM enable_profiling()) ON a IN (1) USING count(*)"},
    {"query_function", "SELECT * FROM query('SELECT * FROM enable_logging()')"},
    {"query_table_function", "SELECT * FROM query_table('bronze.x')"},
    {"serialized_sql",
     "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM enable_logging()'))"},
    {"pointers", "SELECT * FROM arrow_scan(1, 2, 3)"},
    {"chunks", "SELECT * FROM inlet_chunks()"},
    {"explain_of_a_function", "EXPLAIN ANALYZE SELECT * FROM enable_logging()"},
    {"describe_of_a_function", "DESCRIBE SELECT * FROM enable_logging()"},
};

INSTANTIATE_TEST_SUITE_P(All, SandboxAttack, ::testing::ValuesIn(kAttacks),
                         [](const auto& attack) { return std::string(attack.param.first); });

TEST_F(SandboxTest, a_nul_byte_does_not_hide_a_second_statement) {
  EXPECT_FALSE(run(std::string("SELECT 1\0; COPY (SELECT 1) TO 'x'", 34)).is_ok());
}

TEST_F(SandboxTest, files_of_the_lake_may_be_read_as_they_are) {
  EXPECT_TRUE(run(filled("SELECT a FROM read_parquet('$L/bronze/x/f.parquet')")).is_ok());
  EXPECT_EQ(seen_, "1\n");
}

TEST_F(SandboxTest, a_statement_nested_thousands_deep_is_an_error_and_no_crash) {
  std::string sql = "SELECT ";
  for (int i = 0; i < 20'000; ++i) sql += "(";
  sql += "1";
  for (int i = 0; i < 20'000; ++i) sql += ")";
  EXPECT_FALSE(run(sql).is_ok());
  std::string sums = "SELECT 1";
  for (int i = 0; i < 20'000; ++i) sums += "+1";
  EXPECT_FALSE(run(sums).is_ok());
  EXPECT_TRUE(run("SELECT 1").is_ok());
}

}  // namespace
}  // namespace inlet::query
