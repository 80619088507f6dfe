// Rule 4, against a log whose answers get lost.
#include "lake/commit_loop.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace inlet::lake {
namespace {

class FakeSnapshot final : public Snapshot {
 public:
  FakeSnapshot(TableVersion version, std::unordered_map<std::string, std::int64_t> transactions)
      : version_(version), transactions_(std::move(transactions)) {}
  TableVersion version() const override { return version_; }
  const std::string& table_id() const override { return id_; }
  const Schema& schema() const override { return schema_; }
  const std::vector<std::string>& partition_columns() const override { return none_; }
  const std::map<std::string, std::string>& properties() const override { return properties_; }
  std::optional<std::int64_t> transaction(std::string_view app_id) const override {
    const auto it = transactions_.find(std::string(app_id));
    return it == transactions_.end() ? std::nullopt : std::optional(it->second);
  }
  const std::unordered_map<std::string, std::int64_t>& transactions() const override { return transactions_; }
  Result<std::vector<LiveFile>> files() const override { return std::vector<LiveFile>{}; }

 private:
  const TableVersion version_;
  const std::unordered_map<std::string, std::int64_t> transactions_;
  const std::string id_ = "table";
  const Schema schema_;
  const std::vector<std::string> none_;
  const std::map<std::string, std::string> properties_;
};

/// A log in memory. Each write and look takes the next of the failures that were put in line, if any.
class FakeLog final : public CommitLog {
 public:
  enum class Failure {
    kNone,
    kErrorBefore,      // nothing is stored, the error is permanent
    kTransientBefore,  // nothing is stored
    kErrorAfter,       // stored, and then a permanent error
    kTransientAfter,   // stored, and then the reply is lost
    kConflictAfter,    // stored, and a retry below us meets its own file
    kOtherFirst,       // somebody else takes the version
  };

  FakeLog() { refresh_now(); }

  std::deque<Failure> write_failures;
  std::deque<Status> look_failures;
  std::vector<std::pair<std::string, Commit>> stored{{"create", {}}};
  int pauses = 0;

  SnapshotPtr snapshot() const override { return snapshot_; }
  Result<SnapshotPtr> refresh() override {
    refresh_now();
    return snapshot_;
  }

  Write write(TableVersion read_version, const Commit& commit, const std::string& txn_id) override {
    const Failure failure = take(write_failures, Failure::kNone);
    const Status transient(StatusCode::kTransient, "test.transient", "try again");
    const Status permanent(StatusCode::kInternal, "test.permanent", "no space left on device");
    if (failure == Failure::kErrorBefore) return {Outcome::kUnknown, {}, permanent};
    if (failure == Failure::kTransientBefore) return {Outcome::kUnknown, {}, transient};
    if (failure == Failure::kOtherFirst) stored.emplace_back("another's", Commit{});
    if (static_cast<std::int64_t>(stored.size()) != read_version.value + 1) return {Outcome::kConflict, {}, {}};
    stored.emplace_back(txn_id, commit);
    if (failure == Failure::kErrorAfter) return {Outcome::kUnknown, {}, permanent};
    if (failure == Failure::kTransientAfter) return {Outcome::kUnknown, {}, transient};
    if (failure == Failure::kConflictAfter) return {Outcome::kConflict, {}, {}};
    refresh_now();
    return {Outcome::kCommitted, Timestamp{}, {}};
  }

  Result<Look> look(TableVersion version, const std::string& txn_id) override {
    if (const Status failed = take(look_failures, Status::ok()); !failed.is_ok()) return failed;
    if (version.value >= static_cast<std::int64_t>(stored.size())) return Look{Standing::kAbsent, {}};
    return Look{stored[static_cast<std::size_t>(version.value)].first == txn_id ? Standing::kOurs : Standing::kAnothers,
                {}};
  }

  void pause(std::chrono::milliseconds, const std::function<bool()>&) override { ++pauses; }

  int stored_by(const std::string& txn_id) const {
    int count = 0;
    for (const auto& [id, commit] : stored) count += id == txn_id;
    return count;
  }

 private:
  template <class T>
  static T take(std::deque<T>& line, T otherwise) {
    if (line.empty()) return otherwise;
    T next = line.front();
    line.pop_front();
    return next;
  }

  void refresh_now() {
    std::unordered_map<std::string, std::int64_t> transactions;
    for (const auto& [id, commit] : stored) {
      for (const auto& each : commit.transactions) transactions[each.app_id] = each.version;
    }
    snapshot_ = std::make_shared<FakeSnapshot>(TableVersion{static_cast<std::int64_t>(stored.size()) - 1},
                                               std::move(transactions));
  }

  SnapshotPtr snapshot_;
};

using Failure = FakeLog::Failure;
const std::function<bool()> kNeverStop = [] { return false; };

struct Plan {
  int calls = 0;
  CommitPlan function() {
    return [this](const Snapshot&) -> Result<Commit> {
      ++calls;
      Commit commit;
      commit.operation = "TEST";
      return commit;
    };
  }
};

TEST(CommitLoopTest, a_commit_is_planned_and_written_once) {
  FakeLog log;
  Plan plan;
  const auto done = run_commit(log, "ours", plan.function(), kNeverStop);
  ASSERT_TRUE(done.is_ok());
  EXPECT_EQ(done->version, TableVersion{1});
  EXPECT_EQ(done->txn_id, "ours");
  EXPECT_EQ(plan.calls, 1);
}

TEST(CommitLoopTest, an_own_commit_that_comes_back_as_conflict_is_recognised) {
  FakeLog log;
  log.write_failures = {Failure::kConflictAfter};
  Plan plan;
  const auto done = run_commit(log, "ours", plan.function(), kNeverStop);
  ASSERT_TRUE(done.is_ok());
  EXPECT_EQ(done->version, TableVersion{1});
  EXPECT_EQ(plan.calls, 1);
  EXPECT_EQ(log.stored_by("ours"), 1);
  EXPECT_EQ(log.snapshot()->version(), TableVersion{1}) << "the snapshot has caught up";
}

TEST(CommitLoopTest, an_error_after_success_is_a_success) {
  for (const auto failure : {Failure::kErrorAfter, Failure::kTransientAfter}) {
    FakeLog log;
    log.write_failures = {failure};
    Plan plan;
    const auto done = run_commit(log, "ours", plan.function(), kNeverStop);
    ASSERT_TRUE(done.is_ok());
    EXPECT_EQ(log.stored_by("ours"), 1);
    EXPECT_EQ(plan.calls, 1);
  }
}

TEST(CommitLoopTest, an_absent_commit_is_written_again_at_the_same_version_without_a_new_plan) {
  FakeLog log;
  log.write_failures = {Failure::kTransientBefore, Failure::kTransientBefore, Failure::kTransientAfter};
  Plan plan;
  const auto done = run_commit(log, "ours", plan.function(), kNeverStop);
  ASSERT_TRUE(done.is_ok());
  EXPECT_EQ(done->version, TableVersion{1});
  EXPECT_EQ(plan.calls, 1);
  EXPECT_EQ(log.pauses, 2);
  EXPECT_EQ(log.stored_by("ours"), 1);
}

TEST(CommitLoopTest, a_permanent_error_with_nothing_stored_is_told_as_it_is) {
  FakeLog log;
  log.write_failures = {Failure::kErrorBefore};
  Plan plan;
  const auto failed = run_commit(log, "ours", plan.function(), kNeverStop);
  EXPECT_EQ(failed.status().code(), StatusCode::kInternal);
  EXPECT_EQ(failed.status().detail().what, "no space left on device");
  EXPECT_EQ(log.stored_by("ours"), 0);
}

TEST(CommitLoopTest, after_anothers_commit_the_plan_runs_on_the_new_snapshot) {
  FakeLog log;
  log.write_failures = {Failure::kOtherFirst, Failure::kOtherFirst};
  std::vector<TableVersion> seen;
  const auto done = run_commit(
      log, "ours",
      [&](const Snapshot& snapshot) -> Result<Commit> {
        seen.push_back(snapshot.version());
        return Commit{};
      },
      kNeverStop);
  ASSERT_TRUE(done.is_ok());
  EXPECT_EQ(seen, (std::vector<TableVersion>{{0}, {1}, {2}}));
  EXPECT_EQ(done->version, TableVersion{3});
}

TEST(CommitLoopTest, a_plan_that_declines_ends_the_commit_with_nothing_written) {
  FakeLog log;
  log.write_failures = {Failure::kOtherFirst};
  const auto fenced = run_commit(
      log, "ours",
      [](const Snapshot& snapshot) -> Result<Commit> {
        if (snapshot.version().value == 0) return Commit{};
        return Status(StatusCode::kFenced, "test.fenced", "a later epoch owns this");
      },
      kNeverStop);
  EXPECT_EQ(fenced.status().code(), StatusCode::kFenced);
  EXPECT_EQ(log.stored_by("ours"), 0);
}

TEST(CommitLoopTest, a_look_that_fails_is_neither_presence_nor_absence) {
  const Status transient(StatusCode::kTransient, "test.transient", "try again");
  const Status permanent(StatusCode::kInternal, "test.io", "input/output error");
  {
    FakeLog log;
    log.write_failures = {Failure::kTransientAfter};
    log.look_failures = {transient, transient};
    Plan plan;
    ASSERT_TRUE(run_commit(log, "ours", plan.function(), kNeverStop).is_ok());
    EXPECT_EQ(log.stored_by("ours"), 1);
  }
  {
    FakeLog log;
    log.write_failures = {Failure::kTransientAfter};
    log.look_failures = {permanent};
    Plan plan;
    const auto failed = run_commit(log, "ours", plan.function(), kNeverStop);
    EXPECT_EQ(failed.status().detail().id, "lake.outcome_unknown");
    EXPECT_EQ(failed.status().code(), StatusCode::kInternal);
    EXPECT_EQ(log.stored_by("ours"), 1) << "never written a second time";
  }
}

TEST(CommitLoopTest, a_stop_ends_the_retries_and_not_the_first_attempt) {
  const std::function<bool()> stop = [] { return true; };
  Plan plan;
  FakeLog log;
  EXPECT_TRUE(run_commit(log, "first", plan.function(), stop).is_ok());
  log.write_failures = {Failure::kTransientBefore};
  EXPECT_EQ(run_commit(log, "second", plan.function(), stop).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(log.stored_by("second"), 0);
}

TEST(CommitLoopTest, any_sequence_of_failures_commits_exactly_once) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    FakeLog log;
    const auto pick = [&](std::initializer_list<Failure> from) { return *(from.begin() + random() % from.size()); };
    for (unsigned i = 0; i < random() % 8; ++i) {
      log.write_failures.push_back(pick({Failure::kNone, Failure::kTransientBefore, Failure::kErrorAfter,
                                         Failure::kTransientAfter, Failure::kConflictAfter, Failure::kOtherFirst}));
    }
    for (unsigned i = 0; i < random() % 4; ++i) {
      const bool fails = random() % 2 == 0;
      log.look_failures.push_back(fails ? Status(StatusCode::kTransient, "test.transient", "again") : Status::ok());
    }
    // Compare-and-set, as bronze does: each commit moves the marker by one, and only from where it stands.
    for (std::int64_t marker = 0; marker < 3; ++marker) {
      const std::string txn_id = "commit " + std::to_string(marker);
      const auto done = run_commit(
          log, txn_id,
          [&](const Snapshot& snapshot) -> Result<Commit> {
            if (snapshot.transaction("m").value_or(-1) != marker - 1) {
              return Status(StatusCode::kInternal, "test.moved", "the marker moved");
            }
            Commit commit;
            commit.transactions = {{"m", marker}};
            return commit;
          },
          kNeverStop);
      ASSERT_TRUE(done.is_ok()) << "seed " << seed << ": " << done.status().to_line();
      ASSERT_EQ(log.stored_by(txn_id), 1) << "seed " << seed;
      ASSERT_EQ(log.stored[static_cast<std::size_t>(done->version.value)].first, txn_id) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace inlet::lake
