// The prompt, line by line, and on a real pseudo-terminal.
#include "cli/repl.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/query/fake_lake.h"

namespace inlet::cli {
namespace {

using query::FakeLake;
using query::QuerySession;
using query::write_file;

class ReplTest : public ::testing::Test {
 protected:
  ReplTest() {
    lake_.put(
        "bronze/ventes", {{{"vente_id", {TypeKind::kBigint}, false}, {"pays", {TypeKind::kVarchar}, true}}}, {"pays"},
        {write_file(lake_, "bronze/ventes", "a.parquet", "SELECT i AS vente_id FROM range(3) t(i)", {{"pays", "FR"}})});
    lake_.put("quarantine/ventes", {{{"reason", {TypeKind::kVarchar}, true}}}, {}, {});
    session_ = std::move(QuerySession::open(lake_, {})).value();
    out_ = open_memstream(&text_, &size_);
    errors_ = open_memstream(&error_text_, &error_size_);
    repl_ = std::make_unique<Repl>(*session_, Repl::Streams{{ResultFormat::kCsv, {}, out_}, errors_});
  }
  ~ReplTest() override {
    std::fclose(out_);
    std::fclose(errors_);
    std::free(text_);
    std::free(error_text_);
  }

  // What one line printed.
  std::string out(const std::string& line) {
    const std::size_t before = size_;
    EXPECT_TRUE(repl_->line(line));
    std::fflush(out_);
    return std::string(text_ + before, size_ - before);
  }
  std::string error(const std::string& line) {
    const std::size_t before = error_size_;
    EXPECT_TRUE(repl_->line(line));
    std::fflush(errors_);
    return std::string(error_text_ + before, error_size_ - before);
  }

  FakeLake lake_;
  std::unique_ptr<QuerySession> session_;
  std::unique_ptr<Repl> repl_;
  std::FILE* out_ = nullptr;
  std::FILE* errors_ = nullptr;
  char* text_ = nullptr;
  std::size_t size_ = 0;
  char* error_text_ = nullptr;
  std::size_t error_size_ = 0;
};

TEST_F(ReplTest, a_statement_runs_at_its_semicolon_and_not_before) {
  EXPECT_EQ(out("SELECT count(*) AS n\n"), "");
  EXPECT_TRUE(repl_->is_continuing());
  EXPECT_EQ(out("FROM bronze.ventes -- not yet;\n"), "");
  EXPECT_EQ(out(";\n"), "n\r\n3\r\n");
  EXPECT_FALSE(repl_->is_continuing());
}

TEST_F(ReplTest, several_statements_on_a_line_run_in_order_and_the_rest_waits) {
  EXPECT_EQ(out("SELECT 1 AS a; SELECT 2 AS b; SELECT\n"), "a\r\n1\r\nb\r\n2\r\n");
  EXPECT_TRUE(repl_->is_continuing());
  repl_->reset();
  EXPECT_FALSE(repl_->is_continuing());
}

TEST_F(ReplTest, an_error_keeps_the_session_going) {
  EXPECT_NE(error("SELECT nope FROM bronze.ventes;").find("nope"), std::string::npos);
  EXPECT_NE(error("SELEC 1;").find("line 1, column 1"), std::string::npos);
  EXPECT_NE(error("DROP VIEW bronze.ventes;").find("not allowed"), std::string::npos);
  EXPECT_NE(error("SELECT * FROM ventes;").find("bronze.ventes or quarantine.ventes"), std::string::npos);
  EXPECT_NE(error(".nonsense").find(".help"), std::string::npos);
  EXPECT_EQ(out("SELECT 1 AS a;"), "a\r\n1\r\n");
}

TEST_F(ReplTest, dot_commands_describe_the_lake) {
  EXPECT_NE(out(".tables").find("bronze.ventes"), std::string::npos);
  EXPECT_NE(out(".tables").find("quarantine.ventes"), std::string::npos);
  const auto schema = out(".schema bronze.ventes");
  EXPECT_NE(schema.find("│ vente_id │ BIGINT"), std::string::npos) << schema;
  EXPECT_NE(schema.find("partition"), std::string::npos);
  EXPECT_EQ(schema.find("reason"), std::string::npos);
  EXPECT_NE(out(".schema").find("reason"), std::string::npos);
  EXPECT_NE(out(".schema bronze/ventes;").find("vente_id"), std::string::npos);
  EXPECT_NE(error(".schema nowhere").find(".tables"), std::string::npos);
  EXPECT_NE(out(".help").find(".schema [TABLE]"), std::string::npos);
}

TEST_F(ReplTest, people_leave_as_they_are_used_to) {
  for (const char* line : {".quit", ".exit", "quit", "exit;", "  .quit  "}) EXPECT_FALSE(repl_->line(line)) << line;
  EXPECT_TRUE(repl_->line("SELECT 'a\n"));
  EXPECT_TRUE(repl_->line(".quit\n")) << "inside a quote it is text";
}

TEST_F(ReplTest, completion_knows_tables_columns_keywords_and_commands) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(repl_->completions("SELECT ve"), (Names{"vente_id", "ventes"}));
  EXPECT_EQ(repl_->completions("SELECT * FROM bro"), Names{"bronze.ventes"});
  EXPECT_EQ(repl_->completions("SELECT * FROM bronze.v"), Names{"bronze.ventes"});
  EXPECT_EQ(repl_->completions("SELECT b.vente_"), Names{"b.vente_id"});
  EXPECT_EQ(repl_->completions("sele"), Names{"SELECT"});
  EXPECT_EQ(repl_->completions(".sc"), Names{".schema"});
  EXPECT_EQ(repl_->completions(".schema quar"), Names{"quarantine.ventes"});
  EXPECT_TRUE(repl_->completions("SELECT zzz").empty());
}

TEST_F(ReplTest, a_table_that_appears_is_completed) {
  lake_.put("silver/par_pays", {{{"revenue", {TypeKind::kDouble}, true}}}, {}, {});
  EXPECT_EQ(repl_->completions("FROM silver"), std::vector<std::string>{"silver.par_pays"});
  EXPECT_EQ(repl_->completions("SELECT rev"), std::vector<std::string>{"revenue"});
}

TEST(HistoryPathTest, follows_the_state_directory) {
  setenv("XDG_STATE_HOME", "/var/state", 1);
  EXPECT_EQ(history_path(), "/var/state/inlet/history");
  unsetenv("XDG_STATE_HOME");
  setenv("HOME", "/home/someone", 1);
  EXPECT_EQ(history_path(), "/home/someone/.local/state/inlet/history");
}

}  // namespace
}  // namespace inlet::cli
