#include "serve/query_pool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <latch>
#include <vector>

namespace inlet::serve {
namespace {

using namespace std::chrono_literals;
using Answered = Result<QueryPool::Body>;

// Far more rows than could be counted in time.
constexpr const char* kEndless = "SELECT count(*) FROM range(1000000) a, range(1000000) b";

class QueryPoolTest : public testing::Test {
 protected:
  QueryPoolTest() : root_(std::filesystem::temp_directory_path() / ("inlet-pool-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(root_);
  }
  ~QueryPoolTest() override { std::filesystem::remove_all(root_); }

  QueryPool::Options options(std::chrono::milliseconds timeout = 10s) const {
    QueryPool::Options options;
    options.lake = root_.string();
    options.timeout = timeout;
    return options;
  }

  static QueryPool::Job query(const std::string& sql) {
    return [sql](QueryPool::Worker& worker) -> Result<std::string> {
      INLET_ASSIGN_OR_RETURN(auto rows, worker.session.run(sql));
      INLET_ASSIGN_OR_RETURN(const auto count, rows.next());
      return count == 0 ? std::string() : rows.text(0, 0);
    };
  }

  static std::future<Answered> ask(QueryPool& pool, const std::string& key, QueryPool::Job job,
                                   QueryPool::Ticket* ticket = nullptr) {
    auto promise = std::make_shared<std::promise<Answered>>();
    auto future = promise->get_future();
    const auto given =
        pool.submit(key, std::move(job), [promise](Answered answer) { promise->set_value(std::move(answer)); });
    if (ticket != nullptr) *ticket = given;
    return future;
  }

  void count(std::string_view outcome) {
    const std::scoped_lock lock(mutex_);
    outcomes_.emplace_back(outcome);
  }
  QueryPool::OnOutcome counter() {
    return [this](std::string_view outcome) { count(outcome); };
  }
  long seen(std::string_view outcome) {
    const std::scoped_lock lock(mutex_);
    return std::count(outcomes_.begin(), outcomes_.end(), outcome);
  }

  std::filesystem::path root_;
  std::mutex mutex_;
  std::vector<std::string> outcomes_;
};

TEST_F(QueryPoolTest, answers_what_is_asked) {
  QueryPool pool(options(), counter(), Clock::system());
  EXPECT_EQ(**ask(pool, "a", query("SELECT 6 * 7")).get(), "42");
  EXPECT_EQ(seen("ok"), 1);
}

TEST_F(QueryPoolTest, an_answer_is_given_again_until_the_data_changes) {
  QueryPool pool(options(), counter(), Clock::system());
  std::atomic<int> runs{0};
  const QueryPool::Job job = [&](QueryPool::Worker&) -> Result<std::string> { return std::to_string(++runs); };
  EXPECT_EQ(**ask(pool, "a", job).get(), "1");
  EXPECT_EQ(**ask(pool, "a", job).get(), "1");
  EXPECT_EQ(**ask(pool, "b", job).get(), "2") << "another question";
  pool.data_changed();
  EXPECT_EQ(**ask(pool, "a", job).get(), "3");
  EXPECT_EQ(seen("cached"), 1);
}

TEST_F(QueryPoolTest, an_answer_older_than_a_change_is_not_kept) {
  QueryPool pool(options(), counter(), Clock::system());
  std::atomic<int> runs{0};
  const QueryPool::Job job = [&](QueryPool::Worker&) -> Result<std::string> {
    pool.data_changed();  // while it runs
    return std::to_string(++runs);
  };
  EXPECT_EQ(**ask(pool, "a", job).get(), "1");
  EXPECT_EQ(**ask(pool, "a", job).get(), "2");
}

TEST_F(QueryPoolTest, the_same_question_is_run_once_for_all_who_ask_it) {
  QueryPool pool(options(), counter(), Clock::system());
  std::latch go{1};
  std::atomic<int> runs{0};
  const QueryPool::Job job = [&](QueryPool::Worker&) -> Result<std::string> {
    go.wait();
    return std::to_string(++runs);
  };
  std::vector<std::future<Answered>> answers;
  for (int i = 0; i < 100; ++i) answers.push_back(ask(pool, "a", job));
  go.count_down();
  for (auto& answer : answers) EXPECT_EQ(**answer.get(), "1");
}

TEST_F(QueryPoolTest, errors_reach_whoever_asked_and_are_not_kept) {
  QueryPool pool(options(), counter(), Clock::system());
  EXPECT_EQ(ask(pool, "a", query("SELECT * FROM nowhere")).get().status().detail().id, "sql.no_table");
  EXPECT_EQ(ask(pool, "a", query("SELECT read_csv('/etc/passwd')")).get().status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(seen("error"), 2);
}

TEST_F(QueryPoolTest, what_takes_too_long_is_ended) {
  QueryPool pool(options(200ms), counter(), Clock::system());
  auto answer = ask(pool, "a", query(kEndless));
  while (answer.wait_for(20ms) != std::future_status::ready) pool.enforce_deadlines();
  EXPECT_EQ(answer.get().status().detail().id, "api.query_timeout");
  EXPECT_EQ(seen("timeout"), 1);
  EXPECT_EQ(**ask(pool, "b", query("SELECT 1")).get(), "1") << "the thread goes on";
}

TEST_F(QueryPoolTest, what_nobody_waits_for_any_more_is_ended) {
  QueryPool pool(options(60s), counter(), Clock::system());
  QueryPool::Ticket ticket = 0;
  std::atomic<bool> was_told{false};
  ticket = pool.submit("a", query(kEndless), [&](const Answered&) { was_told = true; });
  std::this_thread::sleep_for(100ms);
  pool.cancel(ticket);
  auto next = ask(pool, "b", query("SELECT 1"));
  while (next.wait_for(20ms) != std::future_status::ready) pool.enforce_deadlines();
  EXPECT_EQ(**next.get(), "1");
  EXPECT_FALSE(was_told) << "whoever has gone hears nothing";
}

TEST_F(QueryPoolTest, of_several_who_wait_one_that_leaves_takes_nothing_from_the_others) {
  QueryPool pool(options(), counter(), Clock::system());
  std::latch go{1};
  const QueryPool::Job job = [&](QueryPool::Worker&) -> Result<std::string> {
    go.wait();
    return std::string("yes");
  };
  QueryPool::Ticket ticket = 0;
  auto leaves = ask(pool, "a", job, &ticket);
  auto stays = ask(pool, "a", job);
  pool.cancel(ticket);
  go.count_down();
  EXPECT_EQ(**stays.get(), "yes");
}

TEST_F(QueryPoolTest, too_many_questions_are_refused_at_once) {
  auto few = options();
  few.most_waiting = 2;
  std::latch go{1};
  QueryPool pool(few, counter(), Clock::system());
  const QueryPool::Job job = [&](QueryPool::Worker&) -> Result<std::string> {
    go.wait();
    return std::string("yes");
  };
  std::vector<std::future<Answered>> answers;
  answers.push_back(ask(pool, "running", job));
  std::this_thread::sleep_for(100ms);
  for (int i = 0; i < 3; ++i) answers.push_back(ask(pool, std::to_string(i), job));
  EXPECT_EQ(answers.back().get().status().detail().id, "api.busy");
  answers.pop_back();
  go.count_down();
  for (auto& answer : answers) EXPECT_EQ(**answer.get(), "yes");
}

TEST_F(QueryPoolTest, ends_while_a_question_runs) {
  const auto began = std::chrono::steady_clock::now();
  {
    QueryPool pool(options(60s), counter(), Clock::system());
    static_cast<void>(ask(pool, "a", query(kEndless)));
    static_cast<void>(ask(pool, "b", query(kEndless)));
    std::this_thread::sleep_for(100ms);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);
}

}  // namespace
}  // namespace inlet::serve
