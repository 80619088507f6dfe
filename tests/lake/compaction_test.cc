#include "lake/compaction.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "tests/lake/rows_fixture.h"

namespace inlet::lake {
namespace {

class CompactionTest : public RowsTest {
 protected:
  Result<CompactionResult> compact_table(CompactionOptions options = {}) { return compact(*table_, options, {}); }

  static LiveFile live(std::string path, std::int64_t bytes, std::optional<std::string> day,
                       std::int64_t modified = 1) {
    LiveFile file;
    file.path = std::move(path);
    file.bytes = bytes;
    file.modified_ms = modified;
    file.partition_values = {{"day", std::move(day)}};
    return file;
  }

  // "a,b c" : the paths of each group
  static std::string text(const std::vector<CompactionGroup>& groups) {
    std::string line;
    for (const auto& group : groups) {
      line += line.empty() ? "" : " ";
      for (const auto& file : group.files) line += (&file == &group.files.front() ? "" : ",") + file.path;
    }
    return line;
  }

  std::size_t parquet_files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ / "bronze/sales"))
      count += entry.path().extension() == ".parquet" && entry.path().string().find("_delta_log") == std::string::npos
                   ? 1
                   : 0;
    return count;
  }
};

TEST_F(CompactionTest, small_files_of_a_partition_are_grouped_oldest_first_up_to_the_target) {
  const std::vector<LiveFile> files{live("c", 40, "x", 3),       live("a", 50, "x", 1),   live("b", 30, "x", 2),
                                    live("d", 5, "x", 4),        live("big", 80, "x", 0), live("alone", 1, "y"),
                                    live("n1", 1, std::nullopt), live("n2", 1, "")};
  EXPECT_EQ(text(plan_compaction(files, {.target_bytes = 100})), "n1,n2 a,b,c");
  EXPECT_EQ(text(plan_compaction(files, {.target_bytes = 1000})), "n1,n2 big,a,b,c,d");
  EXPECT_EQ(text(plan_compaction(files, {.target_bytes = 1000, .least_files = 3})), "big,a,b,c,d");
  EXPECT_EQ(text(plan_compaction({}, {})), "");
}

TEST_F(CompactionTest, a_tier_waits_until_it_is_full_and_takes_everything_smaller_with_it) {
  const TierOptions options{.target_bytes = 1000,
                            .least_files = 3};  // tiers: from 333, from 111, from 37, from 12, ...
  EXPECT_EQ(text(plan_tiers({live("a", 50, "x", 1), live("b", 60, "x", 2)}, options)), "");
  EXPECT_EQ(text(plan_tiers({live("a", 50, "x", 1), live("b", 60, "x", 2), live("c", 40, "x", 3)}, options)), "a,b,c");
  EXPECT_EQ(text(plan_tiers({live("a", 50, "x", 1), live("b", 60, "x", 2), live("c", 20, "x", 3)}, options)), "")
      << "of one size only";
  EXPECT_EQ(text(plan_tiers({live("a", 50, "x", 1), live("b", 60, "y", 2), live("c", 40, "x", 3)}, options)), "")
      << "of one partition only";
  EXPECT_EQ(text(plan_tiers({live("old", 200, "x", 0), live("a", 50, "x", 1), live("b", 60, "x", 2),
                             live("c", 40, "x", 3), live("tiny", 1, "x", 4)},
                            options)),
            "a,b,c,tiny")
      << "what is larger is not written again for it";
  EXPECT_EQ(text(plan_tiers({live("a", 200, "x", 1), live("b", 220, "x", 2), live("c", 120, "x", 3),
                             live("d", 50, "x", 4), live("e", 7, "x", 5)},
                            options)),
            "a,b,c,d,e");
}

TEST_F(CompactionTest, a_target_s_worth_of_files_need_not_be_many) {
  const TierOptions options{.target_bytes = 1000, .least_files = 16};
  EXPECT_EQ(text(plan_tiers({live("a", 600, "x", 1), live("b", 700, "x", 2), live("c", 650, "x", 3),
                             live("done", 750, "x", 0), live("tiny", 1, "x", 4)},
                            options)),
            "a,b")
      << "and the third waits for more";
  EXPECT_EQ(text(plan_tiers({live("a", 600, "x", 1), live("tiny", 1, "x", 4)}, options)), "");
}

TEST_F(CompactionTest, of_a_quiet_partition_the_small_files_become_one_and_stragglers_rewrite_nothing_large) {
  const TierOptions options{.target_bytes = 1000, .least_files = 16, .quiet_before_ms = 100};
  EXPECT_EQ(text(plan_tiers({live("a", 300, "x", 1), live("b", 90, "x", 2), live("c", 25, "x", 3)}, options)), "a,b,c");
  EXPECT_EQ(text(plan_tiers({live("a", 300, "x", 1), live("b", 90, "x", 2), live("c", 25, "x", 100)}, options)), "")
      << "something came but now";
  EXPECT_EQ(text(plan_tiers({live("a", 600, "x", 1), live("b", 20, "x", 2), live("c", 25, "x", 3)}, options)), "b,c");
  EXPECT_EQ(text(plan_tiers({live("a", 600, "x", 1), live("b", 20, "x", 2)}, options)), "");
}

TEST_F(CompactionTest, a_full_tier_of_a_quiet_partition_is_brought_together_whatever_is_smaller) {
  const TierOptions options{.target_bytes = 1000, .least_files = 3, .quiet_before_ms = 100};
  EXPECT_EQ(
      text(plan_tiers({live("a", 120, "x", 1), live("b", 130, "x", 2), live("c", 140, "x", 3), live("tiny", 1, "x", 4)},
                      options)),
      "a,b,c,tiny");
}

// What a table goes through: files of a batch come, whole rounds of planning bring them together.
TEST_F(CompactionTest, tiers_bound_the_files_and_how_often_a_row_is_written_for_any_stream_of_batches) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    const std::int64_t target = 64'000 << (random() % 8);
    const std::size_t least = 2 + random() % 20;
    const auto largest_batch = 50 + static_cast<std::int64_t>(random() % 2000);
    const auto batches_a_look = 1 + random() % 30;
    std::vector<LiveFile> files;
    std::int64_t came = 0;
    std::int64_t rewritten = 0;
    const auto look = [&] {
      const auto groups = plan_tiers(files, {.target_bytes = target, .least_files = least});
      for (const auto& group : groups) {
        ASSERT_GE(group.files.size(), 2U);
        std::set<std::string> gone;
        for (const auto& file : group.files) ASSERT_TRUE(gone.insert(file.path).second);
        const auto before = files.size();
        std::erase_if(files, [&](const auto& file) { return gone.contains(file.path); });
        ASSERT_EQ(before - files.size(), gone.size()) << "a file twice, or of nobody";
        rewritten += group.bytes;
        ASSERT_LT(group.bytes, 2 * target);
        files.push_back(live("r" + std::to_string(rewritten), group.bytes, "x", came));
      }
    };
    for (int batch = 1; batch <= 6000; ++batch) {
      const auto bytes = 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(largest_batch));
      came += bytes;
      files.push_back(live("b" + std::to_string(batch), bytes, "x", came));
      if (static_cast<std::size_t>(batch) % batches_a_look == 0) look();
    }
    look();
    const double tiers = std::log(static_cast<double>(target)) / std::log(static_cast<double>(least)) + 1;
    EXPECT_LE(static_cast<double>(rewritten), static_cast<double>(came) * (tiers + 1))
        << "target " << target << ", least " << least;
    const auto small =
        std::count_if(files.begin(), files.end(), [&](const auto& f) { return f.bytes < target / 4 * 3; });
    EXPECT_LE(static_cast<double>(small), static_cast<double>(least) * tiers) << "target " << target;
    EXPECT_EQ(std::accumulate(files.begin(), files.end(), std::int64_t{0},
                              [](std::int64_t sum, const auto& f) { return sum + f.bytes; }),
              came);
  }
}

TEST_F(CompactionTest, what_cannot_be_written_whole_leaves_no_half_of_it) {
  for (int i = 0; i < 3; ++i) append_rows(i * 30, 30);
  const auto snapshot = table_->snapshot();
  auto groups = plan_compaction(files_at(3), {});
  std::filesystem::remove(root_ / "bronze/sales" / groups.back().files.back().path);
  const auto left = parquet_files();
  auto compactor = std::move(Compactor::open(1, 256LL << 20)).value();
  const auto done = compactor.run(*table_, snapshot, {groups.back()}, 1 << 20, {});
  EXPECT_FALSE(done.is_ok());
  EXPECT_EQ(parquet_files(), left);
  EXPECT_EQ(table_->refresh().value()->version(), TableVersion{3});
}

TEST_F(CompactionTest, the_rows_stay_and_the_files_become_few) {
  for (int i = 0; i < 8; ++i) append_rows(i * 30, 30, {{"m", i}});
  const auto rows = rows_now();
  const auto before = table_->snapshot()->version();
  const auto done = compact_table();
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  EXPECT_EQ(done->groups, 3);
  EXPECT_EQ(done->removed_files, 24);
  EXPECT_EQ(done->added_files, 3);
  EXPECT_EQ(done->rows, 240);
  EXPECT_EQ(rows_now(), rows);
  EXPECT_EQ(table_->snapshot()->version().value, before.value + 1);
  EXPECT_EQ(rows_at(before), rows) << "the version before stays readable";
  EXPECT_EQ(table_->snapshot()->transaction("m"), 7);
  const auto changes = table_->changes(*done->version).value();
  EXPECT_TRUE(changes.added.empty());
  EXPECT_FALSE(changes.removes_rows) << "views have nothing to do";
  EXPECT_EQ(changes.removed.size(), 24U);
  std::set<std::optional<std::string>> days;
  for (const auto& file : files_at(done->version->value)) {
    days.insert(file.partition_values.at("day"));
    EXPECT_EQ(recorded_rows(file), 80);
  }
  EXPECT_EQ(days, (std::set<std::optional<std::string>>{std::nullopt, "2024-01-01", "a/b c%é"}));
  EXPECT_EQ(compact_table()->groups, 0) << "there is nothing left to do";
}

TEST_F(CompactionTest, a_dry_run_says_the_same_and_writes_nothing) {
  for (int i = 0; i < 3; ++i) append_rows(i * 3, 3);
  const auto planned = compact_table({.dry_run = true});
  ASSERT_TRUE(planned.is_ok());
  EXPECT_EQ(planned->removed_files, 9);
  EXPECT_EQ(planned->groups, 3);
  EXPECT_EQ(table_->refresh().value()->version(), TableVersion{3});
  EXPECT_EQ(parquet_files(), 9U);
}

TEST_F(CompactionTest, files_that_another_writer_removes_meanwhile_are_given_up_and_nothing_comes_back) {
  for (int i = 0; i < 3; ++i) append_rows(i * 30, 30);
  const auto other = lake_->open("bronze/sales").value();
  bool is_first = true;
  CompactionHooks hooks;
  hooks.on_progress = [&](const CompactionProgress&) {
    if (!std::exchange(is_first, false)) return;
    Commit removal;
    removal.operation = "DELETE";
    const auto files = std::move(other->snapshot()->files()).value();
    for (const auto& file : files) {
      if (file.partition_values.at("day") == "2024-01-01") removal.removes.push_back(file.path);
    }
    ASSERT_TRUE(commit(*other, removal).is_ok());
  };
  const auto done = compact(*table_, {}, hooks);
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  EXPECT_EQ(done->given_up, 1);
  EXPECT_EQ(done->groups, 2);
  EXPECT_EQ(rows_now().substr(0, 3), "60|");
  EXPECT_EQ(parquet_files(), 11U) << "the rows that were written for nothing are not left lying";
}

TEST_F(CompactionTest, files_of_many_rows_become_one_and_stay_so) {
  for (int i = 0; i < 3; ++i) append_rows(i * 300'000, 300'000);
  const auto done = compact_table({.threads = 2});
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  EXPECT_EQ(done->groups, 3);
  EXPECT_EQ(done->added_files, 3);
  EXPECT_EQ(done->rows, 900'000);
  EXPECT_EQ(compact_table({.threads = 2})->version, std::nullopt);
}

TEST_F(CompactionTest, when_everything_was_removed_nothing_is_committed) {
  append_rows(0, 3);
  append_rows(3, 3);
  const auto other = lake_->open("bronze/sales").value();
  Commit removal;
  removal.operation = "DELETE";
  for (const auto& file : files_at(2)) removal.removes.push_back(file.path);
  bool is_first = true;
  CompactionHooks hooks;
  hooks.on_progress = [&](const CompactionProgress&) {
    if (!std::exchange(is_first, false)) return;
    ASSERT_TRUE(commit(*other, removal).is_ok());
  };
  const auto done = compact(*table_, {}, hooks);
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  EXPECT_EQ(done->groups, 0);
  EXPECT_EQ(done->version, std::nullopt);
  EXPECT_EQ(table_->refresh().value()->version(), TableVersion{3});
  EXPECT_EQ(parquet_files(), 6U);
}

TEST_F(CompactionTest, appends_go_on_beside_it_and_no_row_is_lost) {
  for (int i = 0; i < 4; ++i) append_rows(i * 30, 30);
  std::thread writer([&] {
    const auto own = std::move(lake_->open("bronze/sales")).value();
    auto database = std::move(duck::Database::open({.threads = 1})).value();
    auto connection = std::move(database.connect()).value();
    for (int i = 4; i < 24; ++i) {
      const auto written = duck::copy_to_parquet(connection, sales(i * 30, 30), {own->directory(), {"day"}});
      ASSERT_TRUE(written.is_ok());
      std::vector<AddFile> adds;
      for (const auto& file : *written) adds.push_back(add_file(file, own->directory(), definition().schema, i));
      ASSERT_TRUE(commit(*own, append(adds, {{"m", i}})).is_ok());
    }
  });
  std::int64_t rounds = 0;
  while (table_->refresh().value()->transaction("m").value_or(0) < 23) {
    const auto done = compact_table();
    ASSERT_TRUE(done.is_ok()) << done.status().to_line();
    rounds += done->groups > 0 ? 1 : 0;
  }
  writer.join();
  ASSERT_TRUE(compact_table().is_ok());
  EXPECT_GT(rounds, 0);
  EXPECT_EQ(rows_now(), "720|" + std::to_string(719 * 720 / 2) + "|2");
  EXPECT_EQ(files_at(table_->snapshot()->version().value).size(), 3U);
}

TEST_F(CompactionTest, other_files_are_brought_together_between_the_steps) {
  for (int i = 0; i < 2; ++i) append_rows(i * 600'000, 600'000);
  auto compactor = std::move(Compactor::open(1, 256LL << 20)).value();
  std::optional<TableVersion> beside;
  Status nested_again;
  CompactionHooks hooks;
  hooks.between_steps = [&] {
    if (beside) return;
    for (int i = 0; i < 3; ++i) append_rows(1'200'000 + i * 30, 30);
    auto files = files_at(table_->snapshot()->version().value);
    std::erase_if(files, [](const auto& file) { return recorded_rows(file) > 1000; });
    CompactionHooks inner;
    inner.between_steps = [&] {
      if (nested_again.is_ok()) nested_again = compactor.run(*table_, table_->snapshot(), {}, 1, {}).status();
    };
    const auto done = compactor.run(*table_, table_->snapshot(), plan_compaction(files, {}), 1 << 20, inner);
    ASSERT_TRUE(done.is_ok()) << done.status().to_line();
    EXPECT_EQ(done->removed_files, 9);
    EXPECT_EQ(done->added_files, 3);
    beside = done->version;
  };
  const auto done = compactor.run(*table_, table_->snapshot(), plan_compaction(files_at(2), {}), 1 << 30, hooks);
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  EXPECT_EQ(done->removed_files, 6);
  EXPECT_EQ(done->given_up, 0);
  ASSERT_TRUE(beside.has_value());
  EXPECT_LT(*beside, *done->version) << "it did not wait for the large ones";
  EXPECT_EQ(nested_again.detail().id, "compaction.nested");
  EXPECT_EQ(rows_now(), "1200090|" + std::to_string(1'200'089LL * 1'200'090 / 2) + "|2");
  EXPECT_EQ(files_at(done->version->value).size(), 6U);
}

TEST_F(CompactionTest, a_stop_between_the_steps_leaves_no_half_of_a_file) {
  for (int i = 0; i < 2; ++i) append_rows(i * 600'000, 600'000);
  auto compactor = std::move(Compactor::open(1, 256LL << 20)).value();
  int steps = 0;
  CompactionHooks hooks;
  hooks.should_stop = [&] { return steps >= 4; };
  hooks.between_steps = [&] { ++steps; };
  const auto done = compactor.run(*table_, table_->snapshot(), plan_compaction(files_at(2), {}), 1 << 30, hooks);
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  EXPECT_EQ(steps, 4);
  EXPECT_EQ(parquet_files(), 6U + static_cast<std::size_t>(done->added_files));
  EXPECT_EQ(rows_now(), "1200000|" + std::to_string(1'199'999LL * 1'200'000 / 2) + "|2");
}

TEST_F(CompactionTest, files_that_hold_other_rows_than_the_log_says_are_not_compacted) {
  append_rows(0, 30);
  auto adds = write_rows(sales(30, 30), *table_);
  for (auto& add : adds) add.statistics_json = R"({"numRecords":11})";
  ASSERT_TRUE(commit(*table_, append(adds)).is_ok());
  const auto refused = compact_table();
  EXPECT_EQ(refused.status().code(), StatusCode::kCorruption);
  EXPECT_EQ(refused.status().detail().id, "compaction.other_rows");
  EXPECT_EQ(table_->refresh().value()->version(), TableVersion{2});
}

}  // namespace
}  // namespace inlet::lake
