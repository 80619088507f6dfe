// Files that somebody rewrites without changing a row (a compaction): the views have nothing to do, and publish no more
// than they would have.
#include <chrono>
#include <thread>

#include "lake/compaction.h"
#include "tests/views/kept_views.h"

namespace inlet::views {
namespace {

using namespace std::chrono_literals;

constexpr const char* kTable = "silver/days";

class RewrittenFiles : public KeptViews {
 protected:
  RewrittenFiles() {
    add_view("days", "SELECT day, count(*) AS n, sum(amount) AS total FROM sales GROUP BY day", {"day"});
    config_.freshness = 20ms;
  }

  TableVersion append_sale(int day) {
    const auto at = "TIMESTAMPTZ '2026-01-0" + std::to_string(day) + " 10:00:00+00'";
    return append({{0, offset_++, "1, 'FR', 2.50, 1.0, " + at}});
  }

  // Every live file of a table under another name, in one commit of another writer.
  TableVersion rewrite(const std::string& name, bool data_change = false) {
    const auto table = std::move(lake_->open(name)).value();
    lake::Commit commit;
    commit.operation = "OPTIMIZE";
    commit.data_change = data_change;
    const auto files = std::move(table->snapshot()->files()).value();
    for (const auto& file : files) {
      lake::AddFile add;
      add.path = file.path + "." + std::to_string(++rewritten_) + ".parquet";
      add.bytes = file.bytes;
      add.modified_ms = file.modified_ms;
      add.partition_values = file.partition_values;
      add.statistics_json = file.statistics_json;
      std::filesystem::copy_file(table->directory() + "/" + file.path, table->directory() + "/" + add.path);
      commit.adds.push_back(std::move(add));
      commit.removes.push_back(file.path);
    }
    const auto done =
        table->commit([&](const lake::Snapshot&) -> Result<lake::Commit> { return commit; }, [] { return false; });
    EXPECT_TRUE(done.is_ok()) << done.status().to_line();
    return done->version;
  }

  lake::HistoryEntry newest_commit() {
    const auto table = std::move(lake_->open(kTable)).value();
    return std::move(table->history(1)).value().front();
  }

  // Until the table of the view shows this version of bronze.
  void wait_for(const ViewEngine& engine, TableVersion bronze) {
    const auto ends = std::chrono::steady_clock::now() + 20s;
    while (engine.status().front().published != bronze) {
      ASSERT_LT(std::chrono::steady_clock::now(), ends) << "never published";
      std::this_thread::sleep_for(5ms);
    }
  }

  std::int64_t offset_ = 0;
  int rewritten_ = 0;
};

TEST_F(RewrittenFiles, of_a_views_table_leave_the_next_publish_as_small_as_it_was) {
  for (int day = 1; day <= 5; ++day) append_sale(day);
  const auto engine = std::move(ViewEngine::start(config_, schema(), Clock::system(), {})).value();
  wait_for(*engine, bronze_->snapshot()->version());
  rewrite(kTable);
  wait_for(*engine, append_sale(2));
  EXPECT_EQ(newest_commit().removed_files, 1) << "the partition that changed";
  EXPECT_EQ(newest_commit().added_files, 1);
  rewrite(kTable);
  rewrite(kTable);
  wait_for(*engine, append_sale(3));
  EXPECT_EQ(newest_commit().removed_files, 1);
  ASSERT_TRUE(engine->finish([] { return false; }).is_ok());
  EXPECT_EQ(differences(), "");
}

TEST_F(RewrittenFiles, of_a_views_table_between_two_runs_leave_the_next_publish_as_small_as_it_was) {
  for (int day = 1; day <= 5; ++day) append_sale(day);
  ASSERT_TRUE(keep().is_ok());
  rewrite(kTable);
  append_sale(2);
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(newest_commit().removed_files, 1);
  EXPECT_EQ(differences(), "");
}

TEST_F(RewrittenFiles, that_do_change_rows_are_all_replaced) {
  for (int day = 1; day <= 5; ++day) append_sale(day);
  const auto engine = std::move(ViewEngine::start(config_, schema(), Clock::system(), {})).value();
  wait_for(*engine, bronze_->snapshot()->version());
  rewrite(kTable, true);
  wait_for(*engine, append_sale(2));
  EXPECT_EQ(newest_commit().removed_files, 5);
  ASSERT_TRUE(engine->finish([] { return false; }).is_ok());
  EXPECT_EQ(differences(), "");
}

TEST_F(RewrittenFiles, of_bronze_are_no_reason_to_build_or_recompute_anything) {
  auto& recomputed = add_view("all", "SELECT count(*) AS n FROM sales");
  recomputed.refresh = 10ms;
  for (int day = 1; day <= 3; ++day) append_sale(day);
  const auto engine = std::move(ViewEngine::start(config_, schema(), Clock::system(), {})).value();
  const auto wait_for_both = [&](TableVersion bronze) {
    const auto ends = std::chrono::steady_clock::now() + 20s;
    while (engine->status()[0].published != bronze || engine->status()[1].published != bronze) {
      ASSERT_LT(std::chrono::steady_clock::now(), ends) << "never published";
      std::this_thread::sleep_for(5ms);
    }
  };
  wait_for_both(bronze_->snapshot()->version());
  const auto before = engine->status()[1].publishes;
  const auto compacted = rewrite("bronze/sales");
  while (engine->status()[0].applied != compacted) std::this_thread::sleep_for(5ms);
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(engine->status()[1].publishes, before);
  ASSERT_TRUE(bronze_->refresh().is_ok());
  wait_for_both(append_sale(1));
  EXPECT_EQ(engine->status()[1].publishes, before + 1);
  ASSERT_TRUE(engine->finish([] { return false; }).is_ok());
  EXPECT_EQ(differences(), "");
}

}  // namespace
}  // namespace inlet::views
