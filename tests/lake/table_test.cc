#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include "delta_shim.h"
#include "lake/commit_id.h"
#include "tests/lake/lake_fixture.h"

namespace inlet::lake {
namespace {

using TableTest = LakeTest;

TEST_F(TableTest, a_new_table_stands_at_version_0_with_the_declared_schema) {
  const auto table = open_or_create();
  ASSERT_NE(table, nullptr);
  const auto snapshot = table->snapshot();
  EXPECT_EQ(snapshot->version(), TableVersion{0});
  EXPECT_EQ(snapshot->schema(), definition().schema);
  EXPECT_EQ(snapshot->partition_columns(), definition().partition_columns);
  EXPECT_TRUE(snapshot->transactions().empty());
  EXPECT_EQ(snapshot->table_id().size(), 36U);
}

TEST_F(TableTest, an_append_moves_the_version_and_the_transactions) {
  const auto table = open_or_create();
  const auto before = table->snapshot();
  const auto done = commit(*table, append({file("day=2024-01-01/a.parquet")}, {{"p/s/0", 41}, {"p/s/1", -1}}));
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  EXPECT_EQ(done->version, TableVersion{1});
  EXPECT_EQ(table->snapshot()->version(), TableVersion{1});
  EXPECT_EQ(table->snapshot()->transaction("p/s/0"), 41);
  EXPECT_EQ(table->snapshot()->transaction("p/s/1"), -1);
  EXPECT_EQ(table->snapshot()->transaction("p/s/2"), std::nullopt);
  EXPECT_EQ(before->version(), TableVersion{0}) << "a snapshot never changes";
  EXPECT_EQ(before->transaction("p/s/0"), std::nullopt);
}

TEST_F(TableTest, a_transaction_may_go_down) {
  const auto table = open_or_create();
  ASSERT_TRUE(commit(*table, append({}, {{"m", 10}})).is_ok());
  ASSERT_TRUE(commit(*table, append({}, {{"m", 4}})).is_ok());
  EXPECT_EQ(table->snapshot()->transaction("m"), 4);
  const auto other = lake_->open("bronze/sales");
  ASSERT_TRUE(other.is_ok());
  EXPECT_EQ((*other)->snapshot()->transaction("m"), 4);
}

TEST_F(TableTest, a_second_handle_sees_the_commits_of_the_first) {
  const auto first = open_or_create();
  const auto second = open_or_create();
  ASSERT_TRUE(commit(*first, append({file("day=2024-01-01/a.parquet")}, {{"m", 1}})).is_ok());
  EXPECT_EQ(second->snapshot()->version(), TableVersion{0}) << "no I/O without refresh";
  const auto fresh = second->refresh();
  ASSERT_TRUE(fresh.is_ok());
  EXPECT_EQ((*fresh)->version(), TableVersion{1});
  EXPECT_EQ((*fresh)->transaction("m"), 1);
  EXPECT_EQ((*fresh)->table_id(), first->snapshot()->table_id());
}

TEST_F(TableTest, racing_commits_of_two_handles_all_happen_once_each_planned_on_the_snapshot_it_builds_on) {
  constexpr int kEach = 100;
  ASSERT_NE(open_or_create(), nullptr);
  std::mutex mutex;
  std::set<std::int64_t> versions;
  int plans = 0;
  const auto run = [&] {
    auto table = lake_->open("bronze/sales");
    ASSERT_TRUE(table.is_ok());
    for (int i = 0; i < kEach; ++i) {
      std::int64_t planned_on = -1;
      const auto done = (*table)->commit(
          [&](const Snapshot& snapshot) -> Result<Commit> {
            planned_on = snapshot.version().value;
            // The counter counts the commits there are: a plan on a stale snapshot would repeat a number.
            if (snapshot.transaction("counter").value_or(0) != planned_on) {
              return Status(StatusCode::kInternal, "test.stale", "the snapshot is not of one version");
            }
            const std::lock_guard lock(mutex);
            ++plans;
            return append({}, {{"counter", planned_on + 1}});
          },
          [] { return false; });
      ASSERT_TRUE(done.is_ok()) << done.status().to_line();
      EXPECT_EQ(done->version.value, planned_on + 1);
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(versions.insert(done->version.value).second) << "version " << done->version.value << " twice";
    }
  };
  std::thread one(run);
  std::thread two(run);
  one.join();
  two.join();
  EXPECT_EQ(versions.size(), 2U * kEach);
  EXPECT_EQ(*versions.rbegin(), 2 * kEach);
  EXPECT_GE(plans, 2 * kEach);
  const auto table = lake_->open("bronze/sales");
  ASSERT_TRUE(table.is_ok());
  EXPECT_EQ((*table)->snapshot()->transaction("counter"), 2 * kEach);
  const auto history = (*table)->history(1000);
  ASSERT_TRUE(history.is_ok());
  std::set<std::string> ids;
  for (const auto& entry : *history) EXPECT_TRUE(ids.insert(entry.txn_id).second) << entry.txn_id;
  EXPECT_EQ(ids.size(), 2U * kEach + 1);
}

TEST_F(TableTest, history_shows_commit_infos_newest_first) {
  const auto table = open_or_create();
  Commit what = append({file("day=2024-01-01/a.parquet")}, {{"m", 7}});
  what.operation_parameters = {{"epochId", "3"}};
  what.operation_metrics = {{"numOutputRows", 12}};
  what.info = {{"inletPipeline", "ventes"}};
  const auto done = commit(*table, what);
  ASSERT_TRUE(done.is_ok());
  const auto history = table->history(10);
  ASSERT_TRUE(history.is_ok()) << history.status().to_line();
  ASSERT_EQ(history->size(), 2U);
  const auto& newest = history->front();
  EXPECT_EQ(newest.version, TableVersion{1});
  EXPECT_EQ(newest.timestamp, done->timestamp);
  EXPECT_EQ(newest.operation, "STREAMING UPDATE");
  EXPECT_EQ(newest.txn_id, done->txn_id);
  EXPECT_EQ(newest.parameters.at("epochId"), "3");
  EXPECT_EQ(newest.metrics.at("numOutputRows"), "12");
  EXPECT_EQ(newest.info.at("inletPipeline"), "ventes");
  EXPECT_EQ(newest.info.at("engineInfo"), "Inlet/" INLET_VERSION);
  ASSERT_EQ(newest.transactions.size(), 1U);
  EXPECT_EQ(newest.transactions[0].app_id, "m");
  EXPECT_EQ(newest.added_files, 1);
  EXPECT_EQ(newest.removed_files, 0);
  EXPECT_EQ(history->back().operation, "CREATE TABLE");
  EXPECT_EQ(table->history(1)->size(), 1U);
}

TEST_F(TableTest, files_come_back_with_partition_values_of_every_kind) {
  const auto table = open_or_create();
  const std::vector<std::pair<std::string, std::optional<std::string>>> kinds = {
      {"day=2024-01-01/a.parquet", "2024-01-01"},
      {"day=__HIVE_DEFAULT_PARTITION__/b.parquet", std::nullopt},
      {"day=a b/c.parquet", "a b"},
      {"day=a%2Fb/d.parquet", "a/b"},
      {"day=50%/e.parquet", "50%"},
      {"day=été 日本/f.parquet", "été 日本"},
      {"day=x:y+z#q?/g.parquet", "x:y+z#q?"},
      {"day=quote\"'\\/h.parquet", "quote\"'\\"},
  };
  std::vector<AddFile> adds;
  for (const auto& [path, day] : kinds) adds.push_back(file(path, day));
  ASSERT_TRUE(commit(*table, append(adds)).is_ok());
  const auto check = [&](const Table& opened) {
    auto files = opened.snapshot()->files();
    ASSERT_TRUE(files.is_ok()) << files.status().to_line();
    ASSERT_EQ(files->size(), kinds.size());
    for (const auto& [path, day] : kinds) {
      const auto it = std::find_if(files->begin(), files->end(), [&](const LiveFile& f) { return f.path == path; });
      ASSERT_NE(it, files->end()) << path;
      EXPECT_EQ(it->partition_values.at("day"), day);
      EXPECT_EQ(it->bytes, 100);
      EXPECT_EQ(it->modified_ms, 1'700'000'000'000);
      EXPECT_EQ(it->statistics_json, adds[0].statistics_json);
    }
  };
  check(*table);
  // And the same out of a checkpoint.
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(commit(*table, append({})).is_ok());
  ASSERT_EQ(table->snapshot()->version(), TableVersion{11});
  const auto other = lake_->open("bronze/sales");
  ASSERT_TRUE(other.is_ok());
  check(**other);
}

TEST_F(TableTest, a_removed_file_is_live_no_more_and_cannot_be_removed_again) {
  const auto table = open_or_create();
  const std::string path = "day=a b/c.parquet";
  ASSERT_TRUE(commit(*table, append({file(path, "a b"), file("day=x/d.parquet", "x")})).is_ok());
  Commit remove;
  remove.operation = "DELETE";
  remove.removes = {path};
  ASSERT_TRUE(commit(*table, remove).is_ok());
  const auto files = table->snapshot()->files();
  ASSERT_TRUE(files.is_ok());
  ASSERT_EQ(files->size(), 1U);
  EXPECT_EQ(files->front().path, "day=x/d.parquet");
  const auto again = commit(*table, remove);
  EXPECT_EQ(again.status().code(), StatusCode::kInvalidArgument) << again.status().to_line();
  EXPECT_EQ(table->snapshot()->version(), TableVersion{2});
}

TEST_F(TableTest, a_table_of_60_commits_reopens_from_its_checkpoint_with_the_same_transactions) {
  std::unordered_map<std::string, std::int64_t> expected;
  {
    const auto table = open_or_create();
    for (int i = 0; i < 60; ++i) {
      const std::string app = "p/s/" + std::to_string(i % 7);
      ASSERT_TRUE(
          commit(*table, append({file("day=2024-01-01/" + std::to_string(i) + ".parquet")}, {{app, i}})).is_ok());
    }
    expected = table->snapshot()->transactions();
    EXPECT_EQ(expected.size(), 7U);
  }
  int checkpoints = 0;
  for (const auto& entry : std::filesystem::directory_iterator(log_of("bronze/sales"))) {
    const auto name = entry.path().filename().string();
    checkpoints += name.ends_with(".checkpoint.parquet");
    EXPECT_NE(name.front(), '.') << "a temporary was left: " << name;
  }
  EXPECT_GE(checkpoints, 1);
  EXPECT_TRUE(std::filesystem::exists(log_of("bronze/sales") / "_last_checkpoint"));
  const auto again = lake_->open("bronze/sales");
  ASSERT_TRUE(again.is_ok()) << again.status().to_line();
  EXPECT_EQ((*again)->snapshot()->version(), TableVersion{60});
  EXPECT_EQ((*again)->snapshot()->transactions(), expected);
  const auto files = (*again)->snapshot()->files();
  ASSERT_TRUE(files.is_ok());
  EXPECT_EQ(files->size(), 60U);
}

TEST_F(TableTest, another_schema_is_refused_with_the_difference) {
  ASSERT_NE(open_or_create(), nullptr);
  auto wanted = definition();
  wanted.schema.columns[1].type = {TypeKind::kDouble};
  wanted.schema.columns[2].name = "when";
  wanted.schema.columns[0].nullable = true;
  const auto refused = lake_->open_or_create(wanted);
  ASSERT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused.status().detail().id, "lake.schema_differs");
  EXPECT_EQ(refused.status().detail().why,
            "column sale_id: BIGINT NOT NULL in the table, BIGINT in the pipeline file\n"
            "column amount: DECIMAL(12,2) in the table, DOUBLE in the pipeline file\n"
            "column when: not in the table, TIMESTAMP in the pipeline file\n"
            "column at: TIMESTAMP in the table, not in the pipeline file");
  wanted = definition();
  wanted.partition_columns = {};
  const auto repartitioned = lake_->open_or_create(wanted);
  ASSERT_EQ(repartitioned.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(repartitioned.status().detail().why, "partitioned by day in the table, by nothing in the pipeline file");
  wanted = definition();
  std::swap(wanted.schema.columns[0], wanted.schema.columns[1]);
  EXPECT_EQ(
      lake_->open_or_create(wanted).status().detail().why,
      "order of the columns: sale_id, amount, at, day in the table, amount, sale_id, at, day in the pipeline file");
}

TEST_F(TableTest, wrong_definitions_are_refused_before_anything_is_written) {
  std::vector<TableDefinition> wrong(7, definition());
  wrong[0].name = "../outside";
  wrong[1].name = "_delta_log";
  wrong[2].schema.columns.clear();
  wrong[3].schema.columns[1].name = "SALE_ID";
  wrong[4].partition_columns = {"nothing"};
  wrong[5].schema.columns[1].name = "with space";
  wrong[6].name = "";
  for (const auto& each : wrong) {
    EXPECT_EQ(lake_->open_or_create(each).status().code(), StatusCode::kInvalidArgument) << each.name;
  }
  EXPECT_TRUE(std::filesystem::is_empty(root_));
}

TEST_F(TableTest, a_foreign_commit_is_seen_whatever_it_carries) {
  const auto table = open_or_create();
  write(commit_path("bronze/sales", 1),
        "{\"commitInfo\":{\"timestamp\":1700000000000,\"operation\":\"WRITE\",\"operationParameters\":{\"mode\":"
        "\"Append\"},"
        "\"tags\":{\"a\":1}}}\n"
        "{\"txn\":{\"appId\":\"spark\",\"version\":9}}\n"
        "{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"\",\"removed\":false}}\n");
  const auto fresh = table->refresh();
  ASSERT_TRUE(fresh.is_ok()) << fresh.status().to_line();
  EXPECT_EQ((*fresh)->transaction("spark"), 9);
  const auto history = table->history(1);
  ASSERT_TRUE(history.is_ok());
  EXPECT_EQ(history->front().operation, "WRITE");
  EXPECT_EQ(history->front().txn_id, "");
  EXPECT_EQ(history->front().info.at("tags"), "{\"a\":1}");
  ASSERT_TRUE(commit(*table, append({})).is_ok());
  EXPECT_EQ(table->snapshot()->version(), TableVersion{2});
}

TEST_F(TableTest, a_schema_that_another_process_changed_is_in_the_next_snapshot) {
  const auto table = open_or_create();
  const std::string created = read(commit_path("bronze/sales", 0));
  std::string metadata = created.substr(created.find("{\"metaData\""));
  const std::string field = R"({\"name\":\"day\")";
  metadata.replace(metadata.find(field), field.size(),
                   R"({\"name\":\"extra\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}},)" + field);
  write(commit_path("bronze/sales", 1), metadata);
  const auto wider = table->refresh();
  ASSERT_TRUE(wider.is_ok()) << wider.status().to_line();
  EXPECT_EQ(schema_difference((*wider)->schema(), definition().schema),
            "column extra: BIGINT in the table, not in the pipeline file");
  // A type that is not ours: the pipeline must stop, not guess.
  metadata.replace(metadata.find(R"(\"extra\",\"type\":\"long\")"), 27, R"(\"extra\",\"type\":\"byte\")");
  write(commit_path("bronze/sales", 2), metadata);
  const auto foreign = table->refresh();
  EXPECT_EQ(foreign.status().code(), StatusCode::kDataLoss);
  EXPECT_NE(foreign.status().to_line().find("column extra: byte"), std::string::npos) << foreign.status().to_line();
  const auto opened = lake_->open("bronze/sales");
  EXPECT_EQ(opened.status().detail().id, "lake.unsupported_schema");
}

TEST_F(TableTest, a_table_whose_transactions_expire_is_refused) {
  auto wanted = definition();
  wanted.properties = {{"delta.setTransactionRetentionDuration", "interval 30 days"}};
  EXPECT_EQ(lake_->open_or_create(wanted).status().detail().id, "lake.unsupported_table");

  wanted.properties = {{"delta.logRetentionDuration", "interval 30 days"}};
  ASSERT_TRUE(lake_->open_or_create(wanted).is_ok());
  const std::string created = read(commit_path("bronze/sales", 0));
  std::string metadata = created.substr(created.find("{\"metaData\""));
  const std::string property = "delta.logRetentionDuration";
  metadata.replace(metadata.find(property), property.size(), "delta.setTransactionRetentionDuration");
  write(commit_path("bronze/sales", 1), metadata);
  const auto refused = lake_->open("bronze/sales");
  ASSERT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(refused.status().detail().what.find("delta.setTransactionRetentionDuration"), std::string::npos);
}

TEST_F(TableTest, a_feature_that_inlet_does_not_write_is_refused_by_name) {
  ASSERT_NE(open_or_create(), nullptr);
  write(commit_path("bronze/sales", 1),
        "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[],"
        "\"writerFeatures\":[\"rowTracking\",\"domainMetadata\"]}}\n");
  const auto refused = lake_->open("bronze/sales");
  ASSERT_EQ(refused.status().code(), StatusCode::kInvalidArgument) << refused.status().to_line();
  EXPECT_NE(refused.status().detail().what.find("rowTracking"), std::string::npos);
}

TEST_F(TableTest, a_zero_byte_commit_is_corruption_and_not_an_empty_commit) {
  const auto table = open_or_create();
  write(commit_path("bronze/sales", 1), "");
  EXPECT_EQ(table->refresh().status().code(), StatusCode::kCorruption);
  const auto opened = lake_->open("bronze/sales");
  EXPECT_EQ(opened.status().code(), StatusCode::kCorruption);
  EXPECT_NE(opened.status().to_line().find("00000000000000000001.json"), std::string::npos);
  EXPECT_EQ(commit(*table, append({})).status().code(), StatusCode::kCorruption) << "nothing is built on it";
  write(commit_path("bronze/sales", 1), "{\"add\":{\"path\":\"x\"");
  EXPECT_EQ(lake_->open("bronze/sales").status().code(), StatusCode::kCorruption);
}

TEST_F(TableTest, what_is_not_a_table_is_not_found) {
  EXPECT_EQ(lake_->open("bronze/nothing").status().code(), StatusCode::kNotFound);
  std::filesystem::create_directories(root_ / "bronze/empty/_delta_log");
  EXPECT_EQ(lake_->open("bronze/empty").status().code(), StatusCode::kNotFound);
}

TEST_F(TableTest, the_lake_lists_its_tables) {
  for (const char* name : {"bronze/b", "bronze/a", "quarantine/a", "top"}) {
    ASSERT_NE(open_or_create(definition(name)), nullptr);
  }
  std::filesystem::create_directories(root_ / "_inlet" / "x" / "_delta_log");
  std::filesystem::create_directories(root_ / "bronze" / "not_a_table");
  const auto tables = lake_->tables();
  ASSERT_TRUE(tables.is_ok());
  EXPECT_EQ(*tables, (std::vector<std::string>{"bronze/a", "bronze/b", "quarantine/a", "top"}));
}

TEST_F(TableTest, files_are_flushed_and_a_missing_one_is_an_error) {
  const auto table = open_or_create();
  std::filesystem::create_directories(root_ / "bronze/sales/day=x/deep");
  write(root_ / "bronze/sales/day=x/deep/a.parquet", "data");
  EXPECT_TRUE(sync_files(*table->data_files(), {file("day=x/deep/a.parquet")}).is_ok());
  const auto missing = sync_files(*table->data_files(), {file("day=x/b.parquet")});
  EXPECT_EQ(missing.code(), StatusCode::kInternal);
  EXPECT_NE(missing.detail().what.find("No such file"), std::string::npos) << missing.to_line();
}

TEST_F(TableTest, a_lake_that_cannot_be_written_says_why) {
  write(root_ / "file", "");
  const auto refused = open_lake((root_ / "file" / "lake").string());
  EXPECT_EQ(refused.status().code(), StatusCode::kInternal);
  EXPECT_NE(refused.status().detail().what.find("Not a directory"), std::string::npos) << refused.status().to_line();
}

TEST_F(TableTest, a_snapshot_outlives_its_table) {
  SnapshotPtr snapshot;
  {
    const auto table = open_or_create();
    ASSERT_TRUE(commit(*table, append({file("day=2024-01-01/a.parquet")})).is_ok());
    snapshot = table->snapshot();
    ASSERT_TRUE(commit(*table, append({file("day=2024-01-01/b.parquet")})).is_ok());
  }
  const auto files = snapshot->files();
  ASSERT_TRUE(files.is_ok()) << files.status().to_line();
  EXPECT_EQ(files->size(), 1U) << "the files of its own version";
}

// ---- failures injected at the named points of the committer ---------------------------------------------------------

struct Injection {
  std::string point;
  int error_number = 0;
  int times = 0;  // how often it fails
  std::function<void()> instead;
};
// Globals, because the hook of the shim takes no argument of ours. The hook is called on the checkpoint's thread too.
std::mutex injection_mutex;
Injection injection;  // guarded by injection_mutex

void arm(Injection next) {
  const std::lock_guard lock(injection_mutex);
  injection = std::move(next);
}

int inject(const char* name) {
  const std::lock_guard lock(injection_mutex);
  if (injection.point != name || injection.times == 0) return 0;
  --injection.times;
  if (injection.instead) injection.instead();
  return injection.error_number;
}

class CommitFailureTest : public LakeTest {
 protected:
  CommitFailureTest() { delta_shim_set_fault_hook(inject); }
  ~CommitFailureTest() override {
    delta_shim_set_fault_hook(nullptr);
    arm({});
  }
};

TEST_F(CommitFailureTest, an_error_after_the_link_is_looked_up_and_found_to_be_ours) {
  for (const char* point : {"lake.after_commit_link", "lake.after_commit_dirsync"}) {
    const auto table = open_or_create();
    const auto before = table->snapshot()->version();
    arm({point, EIO, 1, {}});
    int plans = 0;
    const auto done = table->commit(
        [&](const Snapshot&) -> Result<Commit> {
          ++plans;
          return append({}, {{"m", before.value + 1}});
        },
        [] { return false; });
    ASSERT_TRUE(done.is_ok()) << done.status().to_line();
    EXPECT_EQ(plans, 1);
    EXPECT_EQ(done->version.value, before.value + 1);
    EXPECT_EQ(table->snapshot()->version(), done->version);
    EXPECT_EQ(table->snapshot()->transaction("m"), before.value + 1);
    EXPECT_EQ(table->history(1)->front().timestamp, done->timestamp);
  }
}

TEST_F(CommitFailureTest, an_own_commit_that_comes_back_as_conflict_is_recognised) {
  const auto table = open_or_create();
  // The commit reaches its place behind the committer's back, as by a retry whose first reply was lost.
  arm({"lake.before_commit_link", 0, 1, [&] {
         for (const auto& entry : std::filesystem::directory_iterator(log_of("bronze/sales"))) {
           if (entry.path().filename().string().front() == '.') {
             std::filesystem::copy_file(entry.path(), commit_path("bronze/sales", 1));
           }
         }
       }});
  const auto done = commit(*table, append({}, {{"m", 1}}));
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  EXPECT_EQ(done->version, TableVersion{1});
  EXPECT_EQ(table->refresh().value()->version(), TableVersion{1}) << "and not once more at version 2";
  EXPECT_EQ(table->snapshot()->transaction("m"), 1);
}

TEST_F(CommitFailureTest, a_transient_error_is_retried_at_the_same_version) {
  const auto table = open_or_create();
  arm({"lake.before_commit_link", ETIMEDOUT, 3, {}});
  const auto done = commit(*table, append({}, {{"m", 1}}));
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  EXPECT_EQ(done->version, TableVersion{1});
  EXPECT_EQ(injection.times, 0);
}

TEST_F(CommitFailureTest, a_stop_ends_the_retries) {
  const auto table = open_or_create();
  arm({"lake.before_commit_link", ETIMEDOUT, 1'000'000, {}});
  int asked = 0;
  const auto cancelled =
      table->commit([](const Snapshot&) -> Result<Commit> { return append({}); }, [&] { return ++asked > 3; });
  EXPECT_EQ(cancelled.status().code(), StatusCode::kCancelled);
  arm({});
  EXPECT_EQ(lake_->open("bronze/sales").value()->snapshot()->version(), TableVersion{0});
}

TEST_F(CommitFailureTest, a_full_disk_is_told_in_the_systems_words_and_nothing_is_committed) {
  const auto table = open_or_create();
  for (const char* point : {"lake.before_commit_write", "lake.after_commit_write", "lake.after_commit_fsync"}) {
    arm({point, ENOSPC, 1, {}});
    const auto failed = commit(*table, append({}, {{"m", 1}}));
    EXPECT_EQ(failed.status().code(), StatusCode::kInternal);
    EXPECT_NE(failed.status().detail().what.find("No space left on device"), std::string::npos)
        << failed.status().to_line();
    EXPECT_FALSE(std::filesystem::exists(commit_path("bronze/sales", 1)));
  }
  EXPECT_TRUE(commit(*table, append({}, {{"m", 1}})).is_ok()) << "space is back: it goes on";
}

TEST_F(CommitFailureTest, a_write_that_the_system_cuts_short_commits_nothing) {
  const auto table = open_or_create();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 100;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto failed = commit(*table, append({}, {{"m", 1}}));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(failed.status().code(), StatusCode::kInternal);
  EXPECT_NE(failed.status().detail().what.find("File too large"), std::string::npos) << failed.status().to_line();
  EXPECT_FALSE(std::filesystem::exists(commit_path("bronze/sales", 1)));
  EXPECT_TRUE(commit(*table, append({}, {{"m", 1}})).is_ok());
}

TEST_F(CommitFailureTest, a_checkpoint_that_fails_fails_no_commit) {
  arm({"lake.before_checkpoint", ENOSPC, 1'000'000, {}});
  {
    const auto table = open_or_create();
    for (int i = 0; i < 25; ++i) ASSERT_TRUE(commit(*table, append({}, {{"m", i}})).is_ok());
  }
  arm({});
  EXPECT_FALSE(std::filesystem::exists(log_of("bronze/sales") / "_last_checkpoint"));
  const auto again = lake_->open("bronze/sales");
  ASSERT_TRUE(again.is_ok());
  EXPECT_EQ((*again)->snapshot()->transaction("m"), 24);
}

std::vector<std::pair<std::string, std::string>> passages;  // point, and what readers saw of the commit there

TEST_F(CommitFailureTest, rule_08_a_commit_is_whole_and_on_disk_before_it_has_a_name_that_readers_know) {
  const auto table = open_or_create();
  static std::filesystem::path log;
  log = log_of("bronze/sales");
  passages.clear();
  delta_shim_set_fault_hook([](const char* name) {
    std::string seen = "nothing";
    const auto place = log / "00000000000000000001.json";
    if (std::filesystem::exists(place)) {
      seen = read(place).ends_with("}\n") && std::filesystem::file_size(place) > 200 ? "whole" : "torn";
    }
    passages.emplace_back(name, seen);
    return 0;
  });
  ASSERT_TRUE(commit(*table, append({file("day=2024-01-01/a.parquet")}, {{"m", 1}})).is_ok());
  delta_shim_set_fault_hook(nullptr);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"lake.before_commit_write", "nothing"}, {"lake.after_commit_write", "nothing"},
      {"lake.after_commit_fsync", "nothing"},  {"lake.before_commit_link", "nothing"},
      {"lake.after_commit_link", "whole"},     {"lake.after_commit_dirsync", "whole"}};
  EXPECT_EQ(passages, expected);
}

TEST_F(CommitFailureTest, an_error_while_a_table_is_created_leaves_it_created_or_absent_and_never_half) {
  for (const char* point : {"lake.before_commit_write", "lake.after_commit_fsync", "lake.before_commit_link"}) {
    arm({point, EIO, 1, {}});
    const auto failed = lake_->open_or_create(definition());
    EXPECT_EQ(failed.status().code(), StatusCode::kInternal) << failed.status().to_line();
    EXPECT_EQ(lake_->open("bronze/sales").status().code(), StatusCode::kNotFound);
  }
  arm({"lake.after_commit_link", EIO, 1, {}});
  EXPECT_NE(open_or_create(), nullptr);
}

}  // namespace
}  // namespace inlet::lake
