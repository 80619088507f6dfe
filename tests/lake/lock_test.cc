#include "lake/lock.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/lake/lake_fixture.h"

namespace inlet::lake {
namespace {

using PipelineLockTest = LakeTest;

TEST_F(PipelineLockTest, the_second_is_told_who_holds_it_and_since_when) {
  auto first = PipelineLock::acquire(*lake_, "ventes");
  ASSERT_TRUE(first.is_ok()) << first.status().to_line();
  EXPECT_EQ(first->path(), (root_ / "_inlet" / "ventes.lock").string());
  const auto second = PipelineLock::acquire(*lake_, "ventes");
  ASSERT_EQ(second.status().code(), StatusCode::kTransient);
  EXPECT_EQ(second.status().detail().id, "lake.locked");
  const std::string why = second.status().detail().why;
  EXPECT_NE(why.find("process " + std::to_string(::getpid()) + " on "), std::string::npos) << why;
  EXPECT_NE(why.find(" since 20"), std::string::npos) << why;
}

TEST_F(PipelineLockTest, it_is_released_with_its_holder_and_the_file_stays) {
  std::string path;
  {
    auto lock = PipelineLock::acquire(*lake_, "ventes");
    ASSERT_TRUE(lock.is_ok());
    path = lock->path();
    const PipelineLock moved = std::move(*lock);
    EXPECT_FALSE(PipelineLock::acquire(*lake_, "ventes").is_ok());
  }
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(PipelineLock::acquire(*lake_, "ventes").is_ok());
}

// Run by the test below in a process of its own: a fork would inherit what DuckDB's threads hold.
class PipelineLockChild : public LakeTest {};
TEST_F(PipelineLockChild, DISABLED_takes_a_lock_and_dies) {
  const char* lake = std::getenv("INLET_TEST_LAKE");  // NOLINT(concurrency-mt-unsafe)
  ASSERT_NE(lake, nullptr);
  const auto opened = open_lake(lake);
  ASSERT_TRUE(opened.is_ok()) << opened.status().to_line();
  const auto lock = PipelineLock::acquire(**opened, "ventes");
  ::_exit(lock.is_ok() ? 42 : 1);
}

TEST_F(PipelineLockTest, a_process_that_dies_leaves_no_lock_behind) {
  std::string lake = "INLET_TEST_LAKE=" + root_.string();
  std::string program = "/proc/self/exe";
  std::string disabled = "--gtest_also_run_disabled_tests";
  std::string filter = "--gtest_filter=PipelineLockChild.*";
  std::vector<char*> arguments{program.data(), disabled.data(), filter.data(), nullptr};
  std::vector<char*> environment{lake.data()};
  for (char** variable = environ; *variable != nullptr; ++variable) environment.push_back(*variable);
  environment.push_back(nullptr);
  pid_t child = 0;
  ASSERT_EQ(::posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments.data(), environment.data()), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 42);
  EXPECT_TRUE(std::filesystem::exists(root_ / "_inlet" / "ventes.lock"));
  EXPECT_TRUE(PipelineLock::acquire(*lake_, "ventes").is_ok());
}

TEST_F(PipelineLockTest, other_pipelines_and_odd_names_have_locks_of_their_own) {
  const auto one = PipelineLock::acquire(*lake_, "a/b");
  const auto two = PipelineLock::acquire(*lake_, "a%2Fb");
  const auto three = PipelineLock::acquire(*lake_, "../a");
  EXPECT_TRUE(one.is_ok());
  EXPECT_TRUE(two.is_ok());
  EXPECT_TRUE(three.is_ok());
  EXPECT_TRUE(std::filesystem::exists(root_ / "_inlet" / "a%2Fb.lock"));
}

}  // namespace
}  // namespace inlet::lake
