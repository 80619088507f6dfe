// More state than memory: whatever leaves it, comes back, is damaged or cut off by a kill, the tables are what the
// views' SQL says, held against DuckDB by verify_views().
#include "views/state_memory.h"

#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "base/json.h"
#include "tests/views/kept_views.h"
#include "views/state_files.h"

namespace inlet::views {
namespace {

using namespace std::chrono_literals;
using Random = std::mt19937_64;

std::uint64_t seed() {
  const char* text = std::getenv("INLET_STATE_MEMORY_SEED");  // NOLINT(concurrency-mt-unsafe)
  static const std::uint64_t chosen = text == nullptr ? std::random_device()() : std::strtoull(text, nullptr, 10);
  return chosen;
}

// A day of the view takes some 60 kB: two or three of them fit.
constexpr std::int64_t kLittle = 200'000;

class StateMemoryTest : public KeptViews {
 protected:
  StateMemoryTest() : random_(seed()) {
    add_view(
        "days",
        "SELECT day, client, count(*) AS n, sum(amount) AS total, min(country) AS c, avg(amount) AS a, "
        "count(DISTINCT country) AS countries, arg_max(country, sold_at) AS latest FROM sales GROUP BY day, client",
        {"day"});
    config_.resources.view_memory_limit = kLittle;
  }

  // Sales of one day.
  std::string sales(int day, int rows) {
    const auto at = "TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL " + std::to_string(day) + " DAY";
    const auto h = [&](int n) { return "hash(range, " + std::to_string(offset_) + ", " + std::to_string(n) + ")"; };
    std::string select = "SELECT (" + h(1) + " % 300)::BIGINT AS client, 'c' || (" + h(2) + " % 5) AS country, (" +
                         h(3) + " % 100000) / 100 AS amount, 1 AS weight, " + at + " + to_seconds((" + h(4) +
                         " % 86400)::BIGINT) AS sold_at, 'kafka:t' AS _source, 0 AS _partition, " +
                         std::to_string(offset_) + " + range AS _offset FROM range(" + std::to_string(rows) + ")";
    offset_ += rows;
    return select;
  }

  void append_days(int days, int rows = 400) {
    for (int day = 0; day < days; ++day) append(sales(day, rows));
  }

  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }

  std::filesystem::path state_path(const std::string& view = "days") const {
    return state_directory(root_.string(), config_.name, view);
  }
  std::set<std::filesystem::path> state_files() const {
    std::set<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(state_path())) {
      if (entry.path().extension() == ".parquet") files.insert(entry.path());
    }
    return files;
  }

  // Damages every file of a partition that is on disk only: gone, cut, or with other bytes.
  void damage_evicted() {
    const auto manifest = std::filesystem::path(state_path()) / "state.json";
    std::ifstream in(manifest);
    std::string checksum;
    std::string body;
    std::getline(in, checksum);
    std::getline(in, body);
    const auto json = parse_json(body);
    ASSERT_TRUE(json.is_ok());
    int n = 0;
    for (const auto& partition : json->at("partitions")) {
      if (partition.at("inMemory").get<bool>()) continue;
      const auto path = state_path() / partition.at("rows").at("file").get<std::string>();
      switch (n++ % 3) {
        case 0: std::filesystem::remove(path); break;
        case 1: std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2); break;
        default: {
          std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
          file.seekp(100);
          file.put('?');
        }
      }
    }
    ASSERT_GT(n, 3);
  }

  Random random_;
  std::int64_t offset_ = 0;
};

TEST_F(StateMemoryTest, a_state_larger_than_its_memory_is_kept_with_the_coldest_partitions_on_disk) {
  append_days(20);
  ASSERT_TRUE(keep().is_ok());
  EXPECT_FALSE(status("days").is_recomputed);
  EXPECT_GT(status("days").evicted_partitions, 12U);
  EXPECT_LE(status("days").bytes, static_cast<std::size_t>(kLittle));
  EXPECT_GT(status("days").rows, 20U * 200U);  // of all partitions, wherever they are
  EXPECT_EQ(differences(), "");
  // As it is found by others.
  const auto saved = read_saved_state(state_path());
  ASSERT_TRUE(saved.is_ok());
  EXPECT_EQ(saved->partitions, 20U);
  EXPECT_EQ(saved->on_disk, status("days").evicted_partitions);
}

TEST_F(StateMemoryTest, batches_at_random_days_restarts_and_other_writers_leave_the_table_right) {
  SCOPED_TRACE("INLET_STATE_MEMORY_SEED=" + std::to_string(seed()));
  append_days(12);
  ASSERT_TRUE(keep().is_ok());
  std::size_t most_evicted = 0;
  for (int round = 0; round < 6; ++round) {
    const auto batches = below(6);
    for (std::size_t i = 0; i < batches; ++i)
      append(sales(static_cast<int>(below(16)), 1 + static_cast<int>(below(500))));
    if (below(4) == 0) {
      // Somebody else writes to the table of the view: everything is published again.
      auto table = lake_->open("silver/days").value();
      const auto committed = table->commit(
          [](const lake::Snapshot&) -> Result<lake::Commit> { return lake::Commit{.operation = "WRITE"}; },
          [] { return false; });
      ASSERT_TRUE(committed.is_ok()) << committed.status().to_line();
    }
    config_.resources.view_memory_limit = below(3) == 0 ? kLittle * 2 : kLittle;
    ASSERT_TRUE(keep().is_ok()) << "round " << round;
    ASSERT_FALSE(status("days").is_recomputed) << "round " << round;
    ASSERT_EQ(differences(), "") << "round " << round;
    most_evicted = std::max(most_evicted, status("days").evicted_partitions);
  }
  EXPECT_GT(most_evicted, 5U);
}

TEST_F(StateMemoryTest, what_was_on_disk_stays_there_over_a_restart_and_is_not_even_looked_at) {
  append_days(10);
  ASSERT_TRUE(keep().is_ok());
  const auto evicted = status("days").evicted_partitions;
  ASSERT_GT(evicted, 4U);
  damage_evicted();
  // The newest day is in memory.
  append(sales(9, 50));
  ASSERT_TRUE(keep().is_ok());
  EXPECT_GE(status("days").evicted_partitions, evicted);
  EXPECT_EQ(differences(), "");
}

TEST_F(StateMemoryTest, a_partition_that_is_damaged_on_disk_is_made_from_bronze_when_an_event_of_it_comes) {
  append_days(10);
  ASSERT_TRUE(keep().is_ok());
  damage_evicted();
  for (int day = 0; day < 6; ++day) append(sales(day, 20));
  ASSERT_TRUE(keep().is_ok());
  EXPECT_FALSE(status("days").is_recomputed);
  EXPECT_EQ(differences(), "");
}

TEST_F(StateMemoryTest, partitions_that_are_damaged_on_disk_are_made_from_bronze_when_everything_is_published) {
  append_days(10);
  ASSERT_TRUE(keep().is_ok());
  damage_evicted();
  auto table = lake_->open("silver/days").value();
  ASSERT_TRUE(
      table
          ->commit([](const lake::Snapshot&) -> Result<lake::Commit> { return lake::Commit{.operation = "WRITE"}; },
                   [] { return false; })
          .is_ok());
  append(sales(9, 20));
  ASSERT_TRUE(keep().is_ok());
  EXPECT_FALSE(status("days").is_recomputed);
  EXPECT_EQ(differences(), "");
  // And again, with all of them sound.
  append(sales(3, 20));
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(differences(), "");
}

TEST_F(StateMemoryTest, a_smaller_limit_after_a_restart_leaves_the_coldest_on_disk) {
  config_.resources.view_memory_limit = 100'000'000;
  append_days(12);
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(status("days").evicted_partitions, 0U);
  config_.resources.view_memory_limit = kLittle;
  append(sales(11, 10));
  ASSERT_TRUE(keep().is_ok());
  EXPECT_GT(status("days").evicted_partitions, 5U);
  EXPECT_LE(status("days").bytes, static_cast<std::size_t>(kLittle));
  EXPECT_EQ(differences(), "");
}

TEST_F(StateMemoryTest, files_that_nobody_needs_do_not_stay) {
  append_days(10);
  ASSERT_TRUE(keep().is_ok());
  std::ofstream(state_path() / "11111111-2222-4333-8444-555555555555.parquet") << "of a process that was killed";
  for (int round = 0; round < 4; ++round) {
    append(sales(round, 100));
    append(sales(9, 100));
    ASSERT_TRUE(keep().is_ok());
    EXPECT_EQ(state_files().size(), 2U * 10U) << "rows and distinct pairs of each day";
  }
}

TEST_F(StateMemoryTest, a_batch_whose_partitions_do_not_fit_together_makes_the_view_recomputed_and_says_so) {
  config_.views.front().sql = "SELECT country, client, count(*) AS n FROM sales GROUP BY ALL";
  config_.views.front().partition_by = {"country"};
  append_days(2);
  ASSERT_TRUE(keep().is_ok());
  EXPECT_FALSE(status("days").is_recomputed);
  append(
      "SELECT range AS client, 'c' || (range % 60) AS country, 1 AS amount, 1 AS weight, TIMESTAMPTZ '2026-01-01 "
      "00:00:00+00' AS sold_at, 'kafka:t' AS _source, 1 AS _partition, range AS _offset FROM range(9000)");
  ASSERT_TRUE(keep().is_ok());
  EXPECT_TRUE(status("days").is_recomputed);
  EXPECT_EQ(status("days").bytes, 0U);
  EXPECT_EQ(differences(), "");
}

TEST_F(StateMemoryTest, where_the_disk_cannot_be_written_a_state_that_outgrows_its_memory_is_given_up) {
  append_days(6);
  std::filesystem::create_directories(state_path().parent_path());
  std::ofstream(state_path()) << "no directory";
  ASSERT_TRUE(keep().is_ok());
  EXPECT_TRUE(status("days").is_recomputed);
  EXPECT_EQ(differences(), "");
}

TEST_F(StateMemoryTest, a_view_with_one_partition_that_outgrows_its_memory_is_recomputed) {
  config_.views.front().partition_by.clear();
  append_days(10);
  ASSERT_TRUE(keep().is_ok());
  EXPECT_TRUE(status("days").is_recomputed);
  EXPECT_EQ(differences(), "");
}

TEST_F(StateMemoryTest, a_view_of_many_partitions_is_published_in_the_memory_that_a_few_take) {
  config_.views.clear();
  config_.resources.view_memory_limit = 100'000'000;
  config_.resources.duckdb_memory_limit = 48LL << 20;
  config_.resources.duckdb_threads = 2;
  add_view("clients", "SELECT client, count(*) AS n, sum(amount) AS total FROM sales GROUP BY client", {"client"});
  append(
      "SELECT range AS client, 'c' AS country, 1.5 AS amount, 1 AS weight, "
      "TIMESTAMPTZ '2026-01-01 00:00:00+00' AS sold_at, 'kafka:t' AS _source, 0 AS _partition, range AS _offset "
      "FROM range(800)");
  const Status kept = keep();
  ASSERT_TRUE(kept.is_ok()) << kept.to_line();
  EXPECT_FALSE(status("clients").is_recomputed);
  EXPECT_EQ(differences(), "");
}

TEST_F(StateMemoryTest, sealed_partitions_leave_the_memory_and_come_back_with_a_late_event) {
  config_.resources.view_memory_limit = 100'000'000;
  config_.views.front().seal_after = 48h;
  append_days(8);
  auto engine = ViewEngine::start(config_, schema(), Clock::system(), {}).value();
  const auto wait_for = [&](std::size_t evicted, int day) {
    // Sealed with the next batch, once they are saved and published.
    for (int i = 0; i < 200; ++i) {
      if (engine->status().front().evicted_partitions == evicted) return true;
      append(sales(day, 5));
      std::this_thread::sleep_for(100ms);
    }
    return false;
  };
  ASSERT_TRUE(wait_for(5, 7)) << engine->status().front().evicted_partitions;  // days 5, 6 and 7 are not sealed
  append(sales(2, 5));
  for (int i = 0; i < 100 && engine->status().front().evicted_partitions != 4; ++i) std::this_thread::sleep_for(20ms);
  EXPECT_EQ(engine->status().front().evicted_partitions, 4U);
  EXPECT_TRUE(wait_for(6, 8));  // a day later, and day 2 once more
  ASSERT_TRUE(engine->finish([] { return false; }).is_ok());
  EXPECT_EQ(differences(), "");
}

TEST(PartitionTime, is_the_first_value_that_is_a_date_or_an_instant) {
  const auto at = [](const char* text) { return partition_time({std::nullopt, "FR", std::string(text)}); };
  const Timestamp day = Timestamp(std::chrono::sys_days(
      std::chrono::year_month_day(std::chrono::year(2026), std::chrono::month(2), std::chrono::day(1))));
  EXPECT_EQ(at("2026-02-01"), day);
  EXPECT_EQ(at("2026-02"), day);
  EXPECT_EQ(at("2026-02-01-05"), day + 5h);
  EXPECT_EQ(at("2026-02-01T05:06:07.123456Z"), day + 5h + 6min + 7s);
  EXPECT_EQ(at("2026-02-01 05:06:07+00"), day + 5h + 6min + 7s);
  EXPECT_EQ(at("2026"), Timestamp(std::chrono::sys_days(std::chrono::year_month_day(
                            std::chrono::year(2026), std::chrono::month(1), std::chrono::day(1)))));
  for (const char* other :
       {"", "x", "2026-13", "2026-02-30", "20260201", "2026-02-01x", "2026-2-1", "-", "2026-", "12"})
    EXPECT_EQ(at(other), std::nullopt) << other;
}

// ---- values that do not fit -----------------------------------------------------------------------------------------

class OverflowTest : public KeptViews {
 protected:
  Status keep_sums_of(const std::string& values, const std::string& sql) {
    add_view("sums", sql, {});
    append({{0, 1, "7, 'FR', " + values + ", 1.0, '2026-01-01T10:00:00Z'"},
            {0, 2, "8, 'DE', 1, 1.0, '2026-01-01T10:00:00Z'"},
            {0, 3, "7, 'FR', " + values + ", 1.0, '2026-01-01T10:00:00Z'"}});
    return keep();
  }
};

TEST_F(OverflowTest, a_sum_that_does_not_fit_bigint_is_told_with_view_column_and_group) {
  const auto status = keep_sums_of(
      "2", "SELECT client, country, count(*) AS n, sum(client * 1000000000000000000) AS total FROM sales GROUP BY ALL");
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.detail().id, "view.sum_overflow");
  EXPECT_EQ(status.detail().where, "view sums, column total, group (client = 7, country = FR)");
  EXPECT_NE(status.detail().what.find("total"), std::string::npos);
  EXPECT_NE(status.detail().fix.find("AS total"), std::string::npos);
}

TEST_F(OverflowTest, a_sum_of_more_than_38_digits_is_told_with_view_column_and_group) {
  const auto status =
      keep_sums_of("2",
                   "SELECT client, sum(CAST(amount AS DECIMAL(38,0)) * "
                   "30000000000000000000000000000000000000::DECIMAL(38,0)) AS total, count(*) AS n FROM "
                   "sales WHERE client = 7 GROUP BY client");
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.detail().id, "view.sum_overflow");
  EXPECT_EQ(status.detail().where, "view sums, column total, group (client = 7)") << status.to_line();
}

TEST_F(OverflowTest, a_value_that_cannot_be_computed_is_told_with_view_column_and_group) {
  const auto status = keep_sums_of(
      "2", "SELECT client, CAST(max(country) AS INTEGER) AS number FROM sales GROUP BY client HAVING client > 7");
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.detail().id, "view.value");
  EXPECT_EQ(status.detail().where, "view sums, column number, group (client = 8)") << status.to_line();
}

TEST_F(OverflowTest, of_a_view_without_keys_it_is_the_sum_of_all_rows) {
  const auto status = keep_sums_of("2", "SELECT sum(client * 1000000000000000000) AS total FROM sales");
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.detail().where, "view sums, column total, group (all rows)") << status.to_line();
}

// ---- kills ----------------------------------------------------------------------------------------------------------

#ifdef INLET_FAULT_POINTS

// Keeps the views of the lake that the environment names; run by the test below, in a process that dies at a point.
class StateMemoryChild : public StateMemoryTest {};
TEST_F(StateMemoryChild, DISABLED_keeps_the_views_of_another_lake) {
  const char* lake = std::getenv("INLET_TEST_LAKE");  // NOLINT(concurrency-mt-unsafe)
  ASSERT_NE(lake, nullptr);
  config_.lake = lake;
  ASSERT_TRUE(keep().is_ok());
}

class StateMemoryKilledTest : public StateMemoryTest {
 protected:
  // The child's end: a signal, or 0.
  int keep_in_a_child(const std::string& kill_at) {
    std::vector<std::string> environment{"INLET_TEST_LAKE=" + root_.string(), "INLET_KILL_AT=" + kill_at};
    for (char** variable = environ; *variable != nullptr; ++variable) environment.emplace_back(*variable);
    std::vector<std::string> arguments{"/proc/self/exe", "--gtest_also_run_disabled_tests", "--gtest_brief=1",
                                       "--gtest_filter=StateMemoryChild.*"};
    const auto pointers = [](std::vector<std::string>& texts) {
      std::vector<char*> all;
      for (auto& text : texts) all.push_back(text.data());
      all.push_back(nullptr);
      return all;
    };
    pid_t child = 0;
    if (::posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, pointers(arguments).data(),
                      pointers(environment).data()) != 0)
      return -1;
    int ended = 0;
    if (::waitpid(child, &ended, 0) != child) return -1;
    return WIFSIGNALED(ended) ? WTERMSIG(ended) : WEXITSTATUS(ended);
  }
};

TEST_F(StateMemoryKilledTest, killed_while_the_state_goes_to_disk_the_next_start_ends_in_the_same_table) {
  SCOPED_TRACE("INLET_STATE_MEMORY_SEED=" + std::to_string(seed()));
  append_days(7);
  ASSERT_TRUE(keep().is_ok());
  std::size_t kills = 0;
  for (const char* point : {"views.after_state_put_away", "views.before_state_manifest", "views.after_state_manifest",
                            "views.after_publish_commit"}) {
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 3; ++i) append(sales(static_cast<int>(below(9)), 1 + static_cast<int>(below(300))));
      const int passage = 1 + (std::string(point) == "views.after_state_put_away" ? static_cast<int>(below(3)) : 0);
      const int end = keep_in_a_child(point + std::string(":") + std::to_string(passage));
      ASSERT_TRUE(end == 0 || end == SIGKILL) << end;
      kills += end == SIGKILL ? 1 : 0;
      if (round == 0) continue;  // two in a row
      ASSERT_TRUE(keep().is_ok());
      ASSERT_FALSE(status("days").is_recomputed);
      ASSERT_EQ(differences(), "") << point;
      EXPECT_EQ(state_files().size(), 2 * read_saved_state(state_path())->partitions);
    }
  }
  EXPECT_GE(kills, 6U);
}

#endif

}  // namespace
}  // namespace inlet::views
