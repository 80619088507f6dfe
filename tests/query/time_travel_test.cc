// Queries over versions of real Delta tables.
#include <thread>

#include "query/query_session.h"
#include "tests/lake/rows_fixture.h"

namespace inlet::query {
namespace {

class QueryAtTest : public lake::RowsTest {
 protected:
  void open(const TimeTravel& at = {}) {
    auto session = QuerySession::open(*lake_, {.at = at});
    ASSERT_TRUE(session.is_ok()) << session.status().to_line();
    session_ = std::move(session).value();
  }

  std::string one(const std::string& sql) {
    auto rows = session_->run(sql);
    if (!rows) return rows.status().to_line();
    const auto count = rows->next();
    if (!count) return count.status().to_line();
    std::string line;
    for (std::size_t i = 0; *count > 0 && i < rows->columns(); ++i)
      line += (i > 0 ? "|" : "") + (rows->is_null(0, i) ? "NULL" : rows->text(0, i));
    return line;
  }

  static constexpr const char* kCount = "SELECT count(*), count(DISTINCT day) FROM bronze.sales";

  std::unique_ptr<QuerySession> session_;
};

TEST_F(QueryAtTest, a_table_is_shown_as_of_the_version_asked_for_and_stays_so) {
  append_rows(0, 30);
  append_rows(30, 30);
  open({.tables = {{"bronze/sales", TableVersion{1}}}});
  EXPECT_EQ(one(kCount), "30|2");
  append_rows(60, 30);
  EXPECT_EQ(one(kCount), "30|2");
  EXPECT_EQ(session_->tables().value().front().version, TableVersion{1});
  open();
  EXPECT_EQ(one(kCount), "90|2");
}

TEST_F(QueryAtTest, all_tables_are_shown_as_of_an_instant_and_later_ones_are_absent) {
  append_rows(0, 30);
  const auto then = table_->history_entry({1})->timestamp;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  append_rows(30, 30);
  ASSERT_NE(open_or_create(definition("silver/later")), nullptr);
  open({.instant = then});
  EXPECT_EQ(one(kCount), "30|2");
  EXPECT_NE(one("SELECT * FROM silver.later").find("sql.no_table"), std::string::npos);
  EXPECT_EQ(session_->tables().value().size(), 1U);
  open({.instant = then, .tables = {{"bronze/sales", TableVersion{2}}}});
  EXPECT_EQ(one(kCount), "60|2");
}

TEST_F(QueryAtTest, a_statement_names_versions_beside_each_other) {
  append_rows(0, 30);
  append_rows(30, 30);
  open();
  EXPECT_EQ(one(R"(SELECT (SELECT count(*) FROM bronze."sales@v0"), (SELECT count(*) FROM "sales@v1"),
                          (SELECT count(*) FROM sales))"),
            "0|30|60");
  // The files of both versions are the same ones: each view goes on knowing its values.
  append_rows(60, 30);
  EXPECT_EQ(one(R"(SELECT count(*), max(n.day) FROM "sales@1" o JOIN sales n USING (sale_id))"), "30|a/b c%é");
  const auto now = iso_time(table_->history_entry({3})->timestamp);
  EXPECT_EQ(one("SELECT count(*) FROM \"sales@" + now + "\""), "90");
  EXPECT_EQ(session_->tables().value().size(), 1U) << "versions are no tables of the lake";
}

TEST_F(QueryAtTest, however_many_versions_are_asked_for_each_is_right) {
  for (int i = 0; i < 3; ++i) append_rows(i * 30, 30);
  open();
  for (int round = 0; round < 150; ++round) {
    const std::string zeros(static_cast<std::size_t>(round), '0');
    ASSERT_EQ(one("SELECT count(*) FROM \"sales@v" + zeros + "2\""), "60") << round;
  }
  EXPECT_EQ(one(kCount), "90|2");
}

TEST_F(QueryAtTest, what_is_not_there_is_refused_with_what_is) {
  append_rows(0, 3);
  open();
  const std::string gone = one(R"(SELECT * FROM "sales@v7")");
  EXPECT_NE(gone.find("lake.no_version"), std::string::npos) << gone;
  EXPECT_NE(gone.find("from 0 to 1"), std::string::npos) << gone;
  EXPECT_NE(one(R"(SELECT * FROM "nothing@v7")").find("sql.no_table"), std::string::npos);
  const auto refused = QuerySession::open(*lake_, {.at = {.tables = {{"bronze/sales", TableVersion{7}}}}});
  EXPECT_EQ(refused.status().detail().id, "lake.no_version");
  EXPECT_EQ(QuerySession::open(*lake_, {.at = {.tables = {{"bronze/none", TableVersion{0}}}}}).status().code(),
            StatusCode::kNotFound);
}

TEST_F(QueryAtTest, a_version_whose_files_were_vacuumed_is_refused) {
  append_rows(0, 3);
  lake::Commit removal;
  removal.operation = "DELETE";
  for (const auto& file : files_at(1)) removal.removes.push_back(file.path);
  ASSERT_TRUE(commit(*table_, removal).is_ok());
  open();
  EXPECT_EQ(one(R"(SELECT count(*) FROM "sales@v1")"), "3");
  std::filesystem::remove(table_->directory() + "/" + removal.removes.front());
  open();
  EXPECT_NE(one(R"(SELECT count(*) FROM "sales@v1")").find("lake.files_gone"), std::string::npos);
  EXPECT_EQ(one(R"(SELECT count(*) FROM "sales@v2")"), "0");
}

}  // namespace
}  // namespace inlet::query
