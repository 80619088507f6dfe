#include "lake/time_travel.h"

#include "tests/lake/rows_fixture.h"

namespace inlet::lake {
namespace {

using TimeTravelTest = RowsTest;

TEST_F(TimeTravelTest, a_snapshot_of_an_older_version_has_the_files_and_the_transactions_it_had) {
  append_rows(0, 30, {{"m", 29}});
  append_rows(30, 30, {{"m", 59}, {"n", 1}});
  const auto then = table_->snapshot_at({1});
  ASSERT_TRUE(then.is_ok()) << then.status().to_line();
  EXPECT_EQ((*then)->version(), TableVersion{1});
  EXPECT_EQ((*then)->transaction("m"), 29);
  EXPECT_EQ((*then)->transaction("n"), std::nullopt);
  EXPECT_EQ((*then)->schema(), definition().schema);
  EXPECT_EQ(rows_of((*then)->files().value()), "30|435|2");
  EXPECT_EQ(table_->snapshot()->version(), TableVersion{2}) << "looking back moves nothing";
}

TEST_F(TimeTravelTest, a_version_that_is_not_there_is_refused_with_those_that_are) {
  append_rows(0, 3);
  for (const std::int64_t version : {2, 99, -1}) {
    const auto missing = table_->snapshot_at({version});
    EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
    EXPECT_EQ(missing.status().detail().id, "lake.no_version");
    EXPECT_NE(missing.status().detail().fix.find("from 0 to 1"), std::string::npos) << missing.status().to_line();
  }
}

TEST_F(TimeTravelTest, a_version_behind_a_cleaned_log_is_refused_with_those_that_are_left) {
  for (int i = 0; i < 12; ++i) append_rows(i * 3, 3);
  table_.reset();  // waits for the checkpoint of version 10
  for (int version = 0; version < 10; ++version) std::filesystem::remove(commit_path("bronze/sales", version));
  table_ = open_or_create();
  const auto gone = table_->snapshot_at({9});
  EXPECT_EQ(gone.status().detail().id, "lake.no_version");
  EXPECT_NE(gone.status().detail().fix.find("from 10 to 12"), std::string::npos) << gone.status().to_line();
  EXPECT_EQ(rows_of(table_->snapshot_at({10}).value()->files().value()), "30|435|2");
  EXPECT_EQ(table_->versions()->oldest, TableVersion{10});
}

TEST_F(TimeTravelTest, an_instant_means_the_newest_version_committed_by_then) {
  for (int i = 0; i < 7; ++i) append_rows(i * 3, 3);
  for (std::int64_t version = 0; version <= 7; ++version) {
    const auto when = table_->history_entry({version})->timestamp;
    const auto found = version_at(*table_, when);
    ASSERT_TRUE(found.is_ok()) << found.status().to_line();
    // Two commits of one millisecond: the later one is the newest.
    EXPECT_GE(*found, TableVersion{version});
    EXPECT_EQ(table_->history_entry(*found)->timestamp, when);
  }
  EXPECT_EQ(version_at(*table_, Clock::system().now() + std::chrono::hours(1)).value(), TableVersion{7});
  const auto before = version_at(*table_, table_->history_entry({0})->timestamp - std::chrono::milliseconds(1));
  EXPECT_EQ(before.status().detail().id, "lake.not_yet");
}

TEST_F(TimeTravelTest, an_instant_behind_a_cleaned_log_is_not_taken_for_a_time_before_the_table) {
  for (int i = 0; i < 12; ++i) append_rows(i * 3, 3);
  const auto long_ago = table_->history_entry({3})->timestamp - std::chrono::hours(1);
  table_.reset();
  for (int version = 0; version < 10; ++version) std::filesystem::remove(commit_path("bronze/sales", version));
  table_ = open_or_create();
  EXPECT_EQ(version_at(*table_, long_ago).status().detail().id, "lake.no_version");
}

TEST_F(TimeTravelTest, files_that_are_gone_are_said_with_the_versions_that_are_whole) {
  append_rows(0, 3);
  append_rows(3, 3);
  const auto first = files_at(1);
  Commit removal;
  removal.operation = "DELETE";
  removal.removes = {first.front().path};
  ASSERT_TRUE(commit(*table_, removal).is_ok());
  EXPECT_TRUE(check_files_are_there(*table_, {1}, first).is_ok());
  std::filesystem::remove(absolute_path(table_->directory(), first.front().path));
  const Status gone = check_files_are_there(*table_, {1}, first);
  EXPECT_EQ(gone.code(), StatusCode::kNotFound);
  EXPECT_EQ(gone.detail().id, "lake.files_gone");
  EXPECT_NE(gone.detail().what.find("1 of the 3 files of version 1"), std::string::npos) << gone.to_line();
  EXPECT_NE(gone.detail().fix.find("from 3 to 3"), std::string::npos) << gone.to_line();
}

}  // namespace
}  // namespace inlet::lake
