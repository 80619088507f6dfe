// A row of quarantine enters bronze once: against another replay, a reset, a restore and a marker that went back, each
// at the moment it hurts.
#include "bronze/replay.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <utility>

#include "bronze/claim.h"
#include "bronze/markers.h"
#include "bronze/quarantine_rows.h"
#include "bronze/writer.h"
#include "tests/fakes/fake_lake.h"
#include "tests/fakes/pipeline_configs.h"

namespace inlet::bronze {
namespace {

const TopicPartition kSales{"kafka:sales", 0};

ReplayBasis basis() {
  ReplayBasis decided;
  decided.replays = 3;
  decided.partitions[kSales] = {Offset{20}, 0};
  decided.bronze_files = {"a.parquet"};
  return decided;
}

fakes::FakeSnapshot snapshot_of_basis() {
  fakes::FakeSnapshot snapshot;
  snapshot.transactions_[replays_id("p")] = 3;
  snapshot.transactions_[marker_id("p", kSales)] = 20;
  return snapshot;
}

TEST(Rule07ReplayIsDecidedOnTheSnapshot, what_was_decided_holds_while_nothing_moved) {
  auto snapshot = snapshot_of_basis();
  EXPECT_TRUE(check_replay(snapshot, "p", basis()).is_ok());
  snapshot.transactions_[marker_id("p", kSales)] = 21;  // a run goes on beside it
  EXPECT_TRUE(check_replay(snapshot, "p", basis()).is_ok());
}

TEST(Rule07ReplayIsDecidedOnTheSnapshot, another_replay_a_reset_or_a_lower_marker_refuses) {
  const auto refused = [](const std::string& app_id, std::int64_t version) {
    auto snapshot = snapshot_of_basis();
    snapshot.transactions_[app_id] = version;
    return check_replay(snapshot, "p", basis()).code() == StatusCode::kConflict;
  };
  EXPECT_TRUE(refused(replays_id("p"), 4));
  EXPECT_TRUE(refused(replays_id("p"), 2));
  EXPECT_TRUE(refused(reset_time_id("p", kSales), 1));
  EXPECT_TRUE(refused(marker_id("p", kSales), 19));
  EXPECT_FALSE(refused(replays_id("q"), 9)) << "another pipeline's replay says nothing";
}

lake::LiveFile file_of(const std::string& path, const std::string& statistics) {
  lake::LiveFile file;
  file.path = path;
  file.statistics_json = statistics;
  return file;
}

TEST(Rule07ReplayIsDecidedOnTheSnapshot, only_new_files_that_may_hold_one_of_the_offsets_are_asked) {
  const auto span = [](int least, int largest) {
    return R"({"minValues":{"_offset":)" + std::to_string(least) + R"(},"maxValues":{"_offset":)" +
           std::to_string(largest) + "}}";
  };
  const std::vector<lake::LiveFile> files{
      file_of("a.parquet", span(5, 15)),       file_of("below.parquet", span(0, 4)),
      file_of("within.parquet", span(15, 40)), file_of("above.parquet", span(21, 40)),
      file_of("unknown.parquet", "{}"),        file_of("broken.parquet", "")};
  EXPECT_EQ(files_to_ask(files, basis(), 5, 20),
            (std::vector<std::string>{"within.parquet", "unknown.parquet", "broken.parquet"}));
}

// Runs something the first time that a replay asks for the time: after it has looked, before it commits.
class MeanwhileClock final : public Clock {
 public:
  explicit MeanwhileClock(std::function<void()> meanwhile) : meanwhile_(std::move(meanwhile)) {}
  Timestamp now() const override {
    if (auto meanwhile = std::exchange(meanwhile_, nullptr)) meanwhile();
    return Clock::system().now();
  }
  std::chrono::steady_clock::time_point steady_now() const override { return Clock::system().steady_now(); }

 private:
  mutable std::function<void()> meanwhile_;
};

class ReplayTest : public ::testing::Test {
 protected:
  ReplayTest()
      : root_(std::filesystem::temp_directory_path() /
              ("inlet-replay-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name())),
        strict_(fakes::small_pipeline(root_.string())),
        mended_(strict_),
        database_(std::move(duck::Database::open({})).value()),
        tables_(std::move(Tables::open(strict_)).value()) {
    strict_.event.unknown_fields = config::UnknownFields::kRefuse;
  }
  ~ReplayTest() override { std::filesystem::remove_all(root_); }

  duck::Connection connection() { return std::move(database_.connect()).value(); }
  static bool never() { return false; }

  void claim() {
    auto reader = connection();
    auto claims = claim_partitions(tables_, "p", {{kSales, Offset{0}}}, reader, never);
    ASSERT_TRUE(claims.is_ok()) << claims.status().to_line();
    claim_ = claims->front();
  }

  // Messages from `first` on, one batch. With a field "x" a message is refused by strict_, and is a row by mended_.
  void ingest(std::int64_t first, const std::vector<std::string>& values) {
    source::RecordBatch records;
    records.partition = kSales;
    records.range = {Offset{first}, Offset{first + static_cast<std::int64_t>(values.size()) - 1}};
    for (std::size_t i = 0; i < values.size(); ++i)
      records.records.push_back({Offset{first + static_cast<std::int64_t>(i)}, 1'700'000'000'000, values[i], false});
    decode::Decoder decoder(strict_);
    Batch batch;
    ASSERT_TRUE(batch.add(std::move(decoder.decode(records, {})).value()).is_ok());
    Writer writer(tables_, strict_, connection(), Clock::system());
    const auto written = writer.write(batch, {{kSales, claim_.epoch}}, never);
    ASSERT_TRUE(written.is_ok()) << written.status().to_line();
  }

  static std::string good(int id) {
    return R"({"id":)" + std::to_string(id) + R"(,"at":"2023-01-01T00:00:00Z","amount":1.25,"name":"é"})";
  }
  static std::string bad(int id) { return R"({"x":1,"id":)" + std::to_string(id) + R"(,"at":"2023-01-02T00:00:00Z"})"; }

  ReplayResult replay(const std::function<void()>& meanwhile = nullptr, const ReplayOptions& options = {}) {
    auto tables = std::move(Tables::open(mended_)).value();  // as another process has them
    auto result =
        replay_quarantine(tables, mended_, connection(), connection(), MeanwhileClock(meanwhile), options, never);
    EXPECT_TRUE(result.is_ok()) << result.status().to_line();
    return result.is_ok() ? *result : ReplayResult{};
  }

  // "offset:id offset:id" of bronze, in order.
  std::string bronze() {
    const auto snapshot = std::move(tables_.bronze->refresh()).value();
    const auto files = snapshot->files();
    std::vector<std::string> paths;
    for (const auto& file : *files) paths.push_back(file.path);
    if (paths.empty()) return "";
    auto reader = connection();
    const auto rows =
        reader.query("SELECT _offset, id FROM " + read_files_sql(tables_.bronze->directory(), paths) + " ORDER BY ALL");
    std::string text;
    for (std::size_t i = 0; i < rows->rows(); ++i)
      text += (i == 0 ? "" : " ") + rows->text(i, 0) + ":" + rows->text(i, 1);
    return text;
  }

  void commit_to_bronze(const std::function<lake::Commit(const lake::Snapshot&)>& make) {
    const auto committed = tables_.bronze->commit(
        [&](const lake::Snapshot& snapshot) -> Result<lake::Commit> { return make(snapshot); }, never);
    ASSERT_TRUE(committed.is_ok()) << committed.status().to_line();
  }

  std::filesystem::path root_;
  config::PipelineConfig strict_;
  config::PipelineConfig mended_;
  duck::Database database_;
  Tables tables_;
  Claim claim_;
};

TEST_F(ReplayTest, rows_enter_once_with_their_positions_and_the_rest_stays) {
  claim();
  ingest(0, {good(1), bad(2), "nonsense", bad(3)});
  const auto dry = replay(nullptr, {.dry_run = true});
  EXPECT_EQ(dry.replayed, 2);
  EXPECT_FALSE(dry.committed);
  EXPECT_EQ(bronze(), "0:1");
  const auto first = replay();
  EXPECT_EQ(first.replayed, 2);
  EXPECT_EQ(first.rejected_by_reason, (std::map<std::string, std::int64_t>{{"invalid_json", 1}}));
  EXPECT_TRUE(first.committed);
  EXPECT_EQ(bronze(), "0:1 1:2 3:3");
  const auto second = replay();
  EXPECT_EQ(second.replayed, 0);
  EXPECT_EQ(second.by_state.at("replayed"), 2);
  EXPECT_FALSE(second.committed);
  EXPECT_EQ(bronze(), "0:1 1:2 3:3");
}

TEST_F(ReplayTest, no_marker_and_no_event_time_moves) {
  claim();
  ingest(0, {good(1), bad(2)});
  const auto before = std::move(tables_.bronze->refresh()).value()->transactions();
  replay();
  auto after = std::move(tables_.bronze->refresh()).value()->transactions();
  EXPECT_EQ(after.at(replays_id("p")), 1);
  after.erase(replays_id("p"));
  EXPECT_EQ(after, before);
}

TEST_F(ReplayTest, only_the_reason_asked_for_is_replayed) {
  claim();
  ingest(0, {bad(2)});
  EXPECT_EQ(replay(nullptr, {.reason = "missing_field"}).replayed, 0);
  EXPECT_EQ(replay(nullptr, {.reason = "unknown_field"}).replayed, 1);
}

TEST_F(ReplayTest, what_a_replay_beside_it_committed_is_not_repeated) {
  claim();
  ingest(0, {bad(1), bad(2)});
  const auto late = replay([&] { EXPECT_EQ(replay().replayed, 2); });
  EXPECT_EQ(late.replayed, 0);
  EXPECT_EQ(late.by_state.at("replayed"), 2);
  EXPECT_EQ(bronze(), "0:1 1:2");
}

TEST_F(ReplayTest, a_run_beside_it_is_not_in_its_way) {
  claim();
  ingest(0, {bad(1)});
  EXPECT_EQ(replay([&] { ingest(1, {good(2), bad(3)}); }).replayed, 1);
  EXPECT_EQ(bronze(), "0:1 1:2");
  EXPECT_EQ(replay().replayed, 1);
  EXPECT_EQ(bronze(), "0:1 1:2 2:3");
}

TEST_F(ReplayTest, rows_that_a_restore_brought_back_meanwhile_are_not_repeated) {
  claim();
  ingest(0, {bad(1)});
  const auto first = replay();
  ASSERT_TRUE(first.committed);
  lake::LiveFile replayed = std::move(tables_.bronze->refresh()).value()->files()->front();
  commit_to_bronze([&](const lake::Snapshot&) {
    lake::Commit restore;
    restore.operation = "RESTORE";
    restore.removes = {replayed.path};
    return restore;
  });
  EXPECT_EQ(bronze(), "");
  // The transactions stay as they are: nothing but the file itself tells that the row is back.
  const auto second = replay([&] {
    commit_to_bronze([&](const lake::Snapshot&) {
      lake::Commit restore;
      restore.operation = "RESTORE";
      restore.adds = {{replayed.path, replayed.bytes, replayed.modified_ms, 1, replayed.partition_values,
                       replayed.statistics_json}};
      return restore;
    });
  });
  EXPECT_EQ(second.replayed, 0);
  EXPECT_EQ(bronze(), "0:1");
}

TEST_F(ReplayTest, a_row_that_a_restore_took_out_can_be_replayed_again) {
  claim();
  ingest(0, {bad(1)});
  replay();
  const auto replayed = std::move(tables_.bronze->refresh()).value()->files()->front();
  commit_to_bronze([&](const lake::Snapshot&) {
    lake::Commit restore;
    restore.operation = "RESTORE";
    restore.removes = {replayed.path};
    return restore;
  });
  EXPECT_EQ(replay().replayed, 1);
  EXPECT_EQ(bronze(), "0:1");
}

TEST_F(ReplayTest, rows_beyond_the_marker_wait) {
  claim();
  ingest(0, {good(1), bad(2), good(3)});
  const auto lower = [&](std::int64_t to) {
    commit_to_bronze([&](const lake::Snapshot&) {
      lake::Commit commit;
      commit.operation = "RESTORE";
      commit.transactions = {{marker_id("p", kSales), to}};
      return commit;
    });
  };
  const auto held_back = replay([&] { lower(0); });
  EXPECT_EQ(held_back.replayed, 0);
  EXPECT_EQ(held_back.by_state.at("uncovered"), 1);
  lower(2);
  EXPECT_EQ(replay().replayed, 1);
}

TEST_F(ReplayTest, offsets_of_a_log_that_is_gone_are_not_taken_for_those_of_the_new_one) {
  claim();
  ingest(0, {bad(1), good(2)});
  EXPECT_EQ(replay().replayed, 1);
  ingest(2, {bad(3)});  // and never replayed
  ASSERT_TRUE(reset_marker(tables_, "p", claim_, Offset{0}, never).is_ok());
  ingest(0, {bad(11), bad(12), bad(13)});
  const auto result = replay();
  EXPECT_EQ(result.by_state.at("earlier_log"), 2);
  EXPECT_EQ(result.replayed, 3) << "offsets 0 and 1 stand in bronze too, but from the log before";
  EXPECT_EQ(bronze(), "0:1 0:11 1:2 1:12 2:13");
  EXPECT_EQ(replay().replayed, 0);
  EXPECT_EQ(bronze(), "0:1 0:11 1:2 1:12 2:13");
}

TEST_F(ReplayTest, a_death_between_the_two_commits_of_a_reset_loses_no_record_of_the_new_log) {
  claim();
  ingest(0, {good(1), bad(2), bad(3)});
  commit_to_bronze([&](const lake::Snapshot&) {  // as reset_marker does, and dies before quarantine
    lake::Commit reset;
    reset.operation = "RESET";
    reset.transactions = {{marker_id("p", kSales), -1},
                          {reset_time_id("p", kSales), Clock::system().now().time_since_epoch().count()}};
    return reset;
  });
  claim();
  EXPECT_EQ(*claim_.state.marker, Offset{-1});
  EXPECT_TRUE(claim_.decided->empty()) << "what stands in quarantine was decided of the log before";
}

TEST_F(ReplayTest, what_stands_in_quarantine_beyond_the_marker_is_decided) {
  claim();
  ingest(0, {good(1), bad(2), bad(3)});
  commit_to_bronze([&](const lake::Snapshot&) {
    lake::Commit restore;
    restore.operation = "RESTORE";
    restore.transactions = {{marker_id("p", kSales), 0}};
    return restore;
  });
  claim();
  EXPECT_EQ(*claim_.decided, (std::unordered_set<std::int64_t>{1, 2}));
}

TEST_F(ReplayTest, a_reset_meanwhile_keeps_the_rows_of_the_log_that_went_out) {
  claim();
  ingest(0, {bad(1)});
  const auto result = replay([&] { ASSERT_TRUE(reset_marker(tables_, "p", claim_, Offset{0}, never).is_ok()); });
  EXPECT_EQ(result.replayed, 0);
  EXPECT_EQ(result.by_state.at("earlier_log"), 1);
  EXPECT_EQ(bronze(), "");
}

TEST_F(ReplayTest, what_was_cut_or_never_had_a_value_stays) {
  strict_.quarantine.max_raw_bytes = 10;
  claim();
  ingest(0, {bad(1)});
  const auto result = replay();
  EXPECT_EQ(result.by_state, (std::map<std::string, std::int64_t>{{"cut", 1}}));
  EXPECT_EQ(result.replayed, 0);
}

}  // namespace
}  // namespace inlet::bronze
