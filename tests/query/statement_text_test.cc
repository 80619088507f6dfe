#include "query/statement_text.h"

#include <gtest/gtest.h>

namespace inlet::query {
namespace {

using Texts = std::vector<std::string>;

TEST(StatementTextTest, a_semicolon_ends_a_statement) {
  const auto pieces = split_statements("SELECT 1; SELECT 2 ;SELECT 3");
  EXPECT_EQ(pieces.complete, (Texts{"SELECT 1", " SELECT 2 "}));
  EXPECT_EQ(pieces.rest, "SELECT 3");
  EXPECT_TRUE(pieces.rest_has_text);
}

TEST(StatementTextTest, quotes_and_comments_hide_a_semicolon) {
  for (const char* sql : {"SELECT ';'", "SELECT 'it''s;'", "SELECT \";\"", "SELECT \"a\"\";\"", "SELECT $$;$$",
                          "SELECT $tag$;$$;$tag$", "SELECT E'\\';'", "SELECT e'\\\\' || ';'", "SELECT 1 -- ;\n + 1",
                          "SELECT /* ; */ 1", "SELECT /* /* ; */ ; */ 1", "SELECT 'x' -- it's;\n"}) {
    EXPECT_EQ(split_statements(std::string(sql) + ";").complete, Texts{sql}) << sql;
    EXPECT_FALSE(split_statements(std::string(sql) + ";").rest_has_text) << sql;
  }
}

TEST(StatementTextTest, what_only_looks_like_a_quote_hides_nothing) {
  EXPECT_EQ(split_statements("SELECT some'\\'; SELECT 2;").complete.size(), 2U);
  EXPECT_EQ(split_statements("SELECT a$b; SELECT c$d;").complete.size(), 2U);
  EXPECT_EQ(split_statements("SELECT $1; SELECT $1;").complete.size(), 2U);
  EXPECT_EQ(split_statements("SELECT 1 - 1; SELECT 4 / 2;").complete.size(), 2U);
}

TEST(StatementTextTest, an_open_quote_or_comment_waits_for_more) {
  for (const char* sql : {"SELECT ';", "SELECT \";", "/* ;", "/* /* */ ;", "SELECT $$ ;", "SELECT E'\\';"}) {
    const auto pieces = split_statements(sql);
    EXPECT_TRUE(pieces.complete.empty()) << sql;
    EXPECT_TRUE(pieces.rest_has_text) << sql;
  }
}

TEST(StatementTextTest, blanks_and_comments_alone_are_no_statement) {
  for (const char* sql : {"", "  \n", ";", ";;", " -- a comment;\n;", "/* x */;", "-- at the end"}) {
    EXPECT_TRUE(all_statements(sql).empty()) << sql;
  }
  EXPECT_EQ(all_statements("SELECT 1; -- done"), Texts{"SELECT 1"});
  EXPECT_EQ(all_statements("SELECT 1"), Texts{"SELECT 1"});
}

}  // namespace
}  // namespace inlet::query
