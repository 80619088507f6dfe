#include "query/table_diff.h"

#include <algorithm>

#include "tests/lake/rows_fixture.h"

namespace inlet::query {
namespace {

class TableDiffTest : public lake::RowsTest {
 protected:
  // "+added -removed ~changed"
  std::string diff(std::int64_t from, std::int64_t to, TableDiffOptions options = {}) {
    auto found = diff_versions(*table_, {from}, {to}, options);
    if (!found) return found.status().detail().id;
    last_ = std::move(found).value();
    return "+" + std::to_string(last_.added) + " -" + std::to_string(last_.removed) + " ~" +
           std::to_string(last_.changed);
  }

  // Replaces all files by the rows of `select`.
  void rewrite(const std::string& select, bool data_change = true) {
    lake::Commit what = append(write_rows(select, *table_));
    what.operation = "WRITE";
    what.data_change = data_change;
    for (const auto& file : files_at(table_->snapshot()->version().value)) what.removes.push_back(file.path);
    const auto done = commit(*table_, what);
    ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  }

  TableDiff last_;
};

TEST_F(TableDiffTest, appended_rows_are_added_and_the_other_way_round_removed) {
  append_rows(0, 30);
  append_rows(30, 12);
  EXPECT_EQ(diff(1, 2), "+12 -0 ~0");
  EXPECT_EQ(last_.files_only_before, 0) << "files of both versions are not read";
  EXPECT_EQ(last_.first.size(), 12U);
  EXPECT_EQ(last_.first.front().kind, RowDifference::Kind::kAdded);
  EXPECT_EQ(last_.columns, (std::vector<std::string>{"sale_id", "amount", "at", "day"}));
  EXPECT_EQ(diff(2, 1), "+0 -12 ~0");
  EXPECT_EQ(diff(2, 2), "+0 -0 ~0");
  EXPECT_TRUE(last_.is_same());
}

TEST_F(TableDiffTest, a_rewrite_of_the_same_rows_is_no_difference) {
  append_rows(0, 30);
  append_rows(30, 30);
  rewrite(sales(0, 60), false);
  EXPECT_EQ(diff(2, 3), "+0 -0 ~0");
  EXPECT_EQ(last_.files_only_before, 6);
  EXPECT_EQ(last_.files_only_after, 3);
}

TEST_F(TableDiffTest, rows_are_counted_as_often_as_they_are_there) {
  append_rows(0, 3);
  rewrite(sales(0, 3) + " UNION ALL " + sales(0, 3) + " UNION ALL " + sales(0, 3));
  EXPECT_EQ(diff(1, 2), "+6 -0 ~0");
  ASSERT_EQ(last_.first.size(), 3U);
  EXPECT_EQ(last_.first.front().count, 2);
}

TEST_F(TableDiffTest, a_row_with_the_same_key_has_changed) {
  append_rows(0, 30);
  rewrite("SELECT sale_id, CASE WHEN sale_id = 7 THEN NULL ELSE amount END AS amount, \"at\", day FROM (" +
          sales(0, 29) + ")");
  EXPECT_EQ(diff(1, 2), "+1 -2 ~0") << "without a key";
  EXPECT_EQ(diff(1, 2, {.key = {"sale_id"}}), "+0 -1 ~1");
  ASSERT_EQ(last_.first.size(), 2U);
  EXPECT_EQ(last_.first[0].kind, RowDifference::Kind::kChanged);
  EXPECT_EQ(last_.first[0].before[0], "7");
  EXPECT_EQ(last_.first[0].before[1], "1.75");
  EXPECT_EQ(last_.first[0].after[1], std::nullopt);
  EXPECT_EQ(last_.first[1].kind, RowDifference::Kind::kRemoved);
  EXPECT_EQ(last_.first[1].before[0], "29");
  EXPECT_EQ(diff(1, 2, {.key = {"sale_id"}, .ignored = {"amount"}}), "+0 -1 ~0");
}

TEST_F(TableDiffTest, keys_that_are_null_are_keys_too) {
  append_rows(0, 3);
  rewrite("SELECT sale_id, amount + 1 AS amount, \"at\", day FROM (" + sales(0, 3) + ")");
  EXPECT_EQ(diff(1, 2, {.key = {"day"}}), "+0 -0 ~3");
  EXPECT_EQ(last_.first.size(), 3U);
}

TEST_F(TableDiffTest, as_many_rows_as_asked_for_are_kept) {
  append_rows(0, 60);
  EXPECT_EQ(diff(0, 1, {.most = 5}), "+60 -0 ~0");
  EXPECT_EQ(last_.first.size(), 5U);
  EXPECT_EQ(last_.first[4].after[0], "4");
}

TEST_F(TableDiffTest, what_cannot_be_compared_is_refused) {
  append_rows(0, 3);
  EXPECT_EQ(diff(0, 9), "lake.no_version");
  EXPECT_EQ(diff(0, 1, {.key = {"nothing"}}), "diff.no_column");
  std::filesystem::remove(table_->directory() + "/" + files_at(1).front().path);
  EXPECT_EQ(diff(0, 1), "lake.files_gone");
}

}  // namespace
}  // namespace inlet::query
