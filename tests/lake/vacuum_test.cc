#include "lake/vacuum.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lake/compaction.h"
#include "lake/lock.h"
#include "lake/restore.h"
#include "tests/lake/rows_fixture.h"

namespace inlet::lake {
namespace {

using std::chrono::hours;

class VacuumTest : public RowsTest {
 protected:
  // A clock that runs ahead of the files by so much.
  class Ahead : public Clock {
   public:
    explicit Ahead(std::chrono::milliseconds by) : by_(by) {}
    Timestamp now() const override { return system().now() + by_; }
    std::chrono::steady_clock::time_point steady_now() const override { return system().steady_now(); }

   private:
    std::chrono::milliseconds by_;
  };

  VacuumResult vacuum_after(std::chrono::milliseconds later, VacuumOptions options = {}) {
    auto done = vacuum(*lake_, *table_, options, Ahead(later), nullptr, [] { return false; });
    EXPECT_TRUE(done.is_ok()) << done.status().to_line();
    return done.is_ok() ? *done : VacuumResult{};
  }

  void compact_all() {
    const auto done = compact(*table_, {}, {});
    ASSERT_TRUE(done.is_ok()) << done.status().to_line();
    ASSERT_GT(done->groups, 0);
  }

  std::string put(const std::string& path) {
    const auto whole = root_ / "bronze/sales" / path;
    std::filesystem::create_directories(whole.parent_path());
    write(whole, "x");
    return whole.string();
  }
};

TEST_F(VacuumTest, removed_files_go_when_the_retention_is_over_and_live_ones_never) {
  for (int i = 0; i < 3; ++i) append_rows(i * 30, 30);
  compact_all();
  const auto rows = rows_now();
  EXPECT_EQ(vacuum_after(hours(24 * 6)).files, 0) << "a week is what Delta keeps";
  EXPECT_EQ(rows_at({3}), rows);
  const auto planned = vacuum_after(hours(24 * 8), {.dry_run = true});
  EXPECT_EQ(planned.files, 9);
  EXPECT_EQ(rows_at({3}), rows) << "a dry run deletes nothing";
  const auto done = vacuum_after(hours(24 * 8));
  EXPECT_EQ(done.files, 9);
  EXPECT_EQ(done.bytes, planned.bytes);
  EXPECT_EQ(rows_now(), rows);
  EXPECT_EQ(check_files_are_there(*table_, {3}, files_at(3)).detail().id, "lake.files_gone");
  EXPECT_EQ(vacuum_after(hours(24 * 365)).files, 0) << "what is live is never old";
}

// A checkpoint forgets a removal once it is past the retention. What one vacuum knows the next one goes by, however
// many checkpoints come in between.
TEST_F(VacuumTest, what_checkpoints_have_forgotten_is_known_from_the_vacuum_before) {
  auto wanted = definition("bronze/short");
  wanted.properties = {{"delta.deletedFileRetentionDuration", "interval 0 seconds"}, {"delta.checkpointInterval", "1"}};
  table_ = open_or_create(wanted);
  KnownRemovals known;
  const VacuumOptions without{.retain = std::chrono::minutes(1), .oldest_writer = Clock::system().now() - hours(1)};
  auto with = without;
  with.known = &known;
  for (int i = 0; i < 3; ++i) append_rows(i * 30, 30);
  EXPECT_EQ(vacuum_after({}, with).files, 0);
  compact_all();
  table_.reset();
  table_ = open_or_create(wanted);
  append_rows(90, 30);  // with a checkpoint: a handle that has written none does not rest from it
  table_.reset();       // waits for it
  table_ = open_or_create(wanted);
  const auto rows = rows_now();
  EXPECT_EQ(vacuum_after(std::chrono::minutes(2), without).files, 0) << "a writer's, as far as the log says";
  EXPECT_EQ(vacuum_after({}, with).files, 0) << "within the retention";
  EXPECT_EQ(known.removed_at.size(), 9U);
  EXPECT_EQ(vacuum_after(std::chrono::minutes(2), with).files, 9);
  EXPECT_TRUE(known.removed_at.empty());
  EXPECT_EQ(rows_now(), rows);
}

TEST_F(VacuumTest, a_shorter_retention_is_asked_for_or_the_tables_own) {
  append_rows(0, 30);
  append_rows(30, 30);
  compact_all();
  EXPECT_EQ(vacuum_after(hours(2), {.retain = hours(3)}).files, 0);
  EXPECT_EQ(vacuum_after(hours(2), {.retain = hours(1)}).files, 6);

  auto wanted = definition("bronze/other");
  wanted.properties = {{"delta.deletedFileRetentionDuration", "interval 2 hours"}};
  const auto other = open_or_create(wanted);
  auto done = vacuum(*lake_, *other, {}, Ahead(hours(0)), nullptr, [] { return false; });
  ASSERT_TRUE(done.is_ok());
  EXPECT_EQ(done->retain, hours(2));
}

TEST_F(VacuumTest, what_a_reader_of_an_older_version_needs_stays) {
  for (int i = 0; i < 3; ++i) append_rows(i * 30, 30);
  compact_all();        // 4
  append_rows(90, 30);  // 5
  compact_all();        // 6 removes what 4 added and what 5 added
  const auto at_5 = rows_at({5});
  const auto kept = vacuum_after(hours(24 * 30), {.needed_from = TableVersion{5}});
  EXPECT_EQ(kept.files, 9) << "what 4 removed, version 5 does not need";
  EXPECT_EQ(kept.kept_files, 6);
  EXPECT_EQ(rows_at({5}), at_5);
  EXPECT_EQ(vacuum_after(hours(24 * 30), {.needed_from = TableVersion{6}}).files, 6);
}

TEST_F(VacuumTest, files_that_a_writer_may_still_commit_stay) {
  append_rows(0, 3);
  put("day=2024-01-01/part-open.parquet");
  EXPECT_EQ(vacuum_after(std::chrono::minutes(50), {.retain = hours(0)}).files, 0) << "younger than an hour";
  const auto began = Clock::system().now() - hours(1);
  EXPECT_EQ(vacuum_after(hours(20), {.retain = hours(0), .oldest_writer = began}).files, 0) << "its writer may run";
  const auto later = Clock::system().now() + hours(1);
  EXPECT_EQ(vacuum_after(hours(20), {.retain = hours(0), .oldest_writer = later, .dry_run = true}).files, 1)
      << "that run began after the file";
  EXPECT_EQ(vacuum_after(hours(20)).files, 0) << "the retention is a week";
  EXPECT_EQ(vacuum_after(hours(25), {.retain = hours(0), .oldest_writer = began}).files, 1);
  EXPECT_EQ(rows_now(), "3|3|2");
}

TEST_F(VacuumTest, what_is_no_data_file_is_not_touched) {
  append_rows(0, 3);
  const std::vector<std::string> others{put("notes.txt"), put("_change_data/a.parquet"), put(".hidden.parquet"),
                                        put("_staging/b.parquet")};
  const auto ours = put("_day=1/c.parquet");
  EXPECT_EQ(vacuum_after(hours(24 * 365)).first, (std::vector<std::string>{"_day=1/c.parquet"}));
  for (const auto& path : others) EXPECT_TRUE(std::filesystem::exists(path)) << path;
  EXPECT_FALSE(std::filesystem::exists(ours));
}

TEST_F(VacuumTest, the_log_is_cleaned_when_its_retention_is_over_and_never_past_what_a_view_needs) {
  for (int i = 0; i < 12; ++i) append_rows(i * 3, 3, {{"m", i}});
  table_.reset();  // waits for the checkpoint of version 10
  table_ = open_or_create();
  EXPECT_EQ(vacuum_after(hours(24 * 29)).log->removed_files, 0);
  EXPECT_EQ(vacuum_after(hours(24 * 31), {.needed_from = TableVersion{9}}).log->oldest, TableVersion{0});
  const auto planned = vacuum_after(hours(24 * 31), {.needed_from = TableVersion{11}, .dry_run = true});
  const auto done = vacuum_after(hours(24 * 31), {.needed_from = TableVersion{11}});
  EXPECT_EQ(done.log->oldest, TableVersion{10});
  EXPECT_EQ(done.log->removed_files, planned.log->removed_files);
  EXPECT_FALSE(std::filesystem::exists(commit_path("bronze/sales", 9)));
  table_ = open_or_create();
  EXPECT_EQ(rows_now(), "36|630|2");
  EXPECT_EQ(rows_at({10}), "30|435|2");
  EXPECT_EQ(table_->snapshot()->transaction("m"), 11);
}

TEST_F(VacuumTest, a_restore_and_a_vacuum_keep_out_of_each_others_way) {
  append_rows(0, 3);
  const auto held = VacuumLock::acquire(*lake_, "bronze/sales");
  ASSERT_TRUE(held.is_ok());
  const auto busy = vacuum(*lake_, *table_, {}, Clock::system(), nullptr, [] { return false; });
  EXPECT_EQ(busy.status().detail().id, "lake.locked");
  EXPECT_EQ(restore(*lake_, *table_, {0}, {}, [] { return false; }).status().detail().id, "lake.locked");
}

TEST_F(VacuumTest, the_writer_that_has_run_longest_is_known_by_its_lock) {
  EXPECT_EQ(oldest_writer(*lake_).value(), std::nullopt);
  {
    const auto lock = PipelineLock::acquire(*lake_, "sales");
    ASSERT_TRUE(lock.is_ok());
    const auto since = oldest_writer(*lake_).value();
    ASSERT_TRUE(since);
    EXPECT_LE(*since, Clock::system().now());
    EXPECT_GT(*since, Clock::system().now() - hours(1));
  }
  EXPECT_EQ(oldest_writer(*lake_).value(), std::nullopt) << "the file stays, the lock is gone";
}

}  // namespace
}  // namespace inlet::lake
