// A log in a file: whole lines, bounded, and never in the way.
#include "base/log_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/log.h"

namespace inlet::log {
namespace {

class LogFileTest : public testing::Test {
 protected:
  LogFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "inlet-log-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "no temporary directory";
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string path() const { return root_ / "_inlet" / "p.log"; }
  static std::vector<std::string> lines(const std::string& path) {
    std::ifstream in(path);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }

  std::filesystem::path root_;
};

TEST_F(LogFileTest, lines_are_appended_to_what_is_there) {
  for (const char* const line : {"one", "two"}) LogFile(path()).write(line);
  EXPECT_EQ(lines(path()), (std::vector<std::string>{"one", "two"}));
}

TEST_F(LogFileTest, two_files_hold_the_newest_lines) {
  LogFile file(path(), 1000);
  for (int i = 0; i < 500; ++i) file.write("line " + std::to_string(i));
  EXPECT_LE(std::filesystem::file_size(path()), 1010);
  EXPECT_LE(std::filesystem::file_size(path() + ".1"), 1010);
  auto all = lines(path() + ".1");
  const auto newest = lines(path());
  all.insert(all.end(), newest.begin(), newest.end());
  ASSERT_GT(all.size(), 80);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], "line " + std::to_string(500 - all.size() + i));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(root_ / "_inlet")) ++files;
  EXPECT_EQ(files, 2);
}

TEST_F(LogFileTest, processes_that_share_a_file_lose_no_line_and_tear_none) {
  constexpr int kProcesses = 4;
  constexpr int kLines = 300;
  std::vector<pid_t> children;
  for (int child = 0; child < kProcesses; ++child) {
    const pid_t pid = fork();
    if (pid == 0) {
      LogFile file(path(), 100'000);  // filled once or twice by all of them
      for (int i = 0; i < kLines; ++i)
        file.write(std::to_string(child) + ":" + std::to_string(i) + ":" + std::string(100, 'x'));
      _exit(0);
    }
    children.push_back(pid);
  }
  for (const pid_t pid : children) {
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_EQ(status, 0);
  }
  std::set<std::string> found;
  for (const auto& name : {path() + ".1", path()}) {
    for (const auto& line : lines(name)) {
      EXPECT_EQ(line.substr(line.rfind(':') + 1), std::string(100, 'x'));
      EXPECT_TRUE(found.insert(line).second) << line;
    }
  }
  EXPECT_EQ(found.size(), kProcesses * kLines);
}

TEST_F(LogFileTest, lines_wait_for_the_directory_and_a_file_taken_away_is_made_anew) {
  const std::string later = root_ / "lake" / "_inlet" / "p.log";
  LogFile file(later);
  EXPECT_TRUE(file.check().is_ok());
  file.write("before");
  EXPECT_FALSE(std::filesystem::exists(root_ / "lake"));
  std::filesystem::create_directory(root_ / "lake");
  EXPECT_TRUE(file.check().is_ok());
  EXPECT_EQ(lines(later), std::vector<std::string>{"before"});
  file.write("after");
  EXPECT_EQ(lines(later), (std::vector<std::string>{"before", "after"}));
  std::filesystem::remove(later);
  file.write("again");
  EXPECT_EQ(lines(later), std::vector<std::string>{"again"});
}

TEST_F(LogFileTest, a_place_that_cannot_be_written_is_told_and_stops_nobody) {
  std::filesystem::create_directories(path());
  LogFile file(path());
  EXPECT_EQ(file.check().detail().id, "log.file");
  for (int i = 0; i < 300; ++i) file.write("line " + std::to_string(i));
  std::filesystem::remove(path());
  file.write("last");
  const auto all = lines(path());
  ASSERT_EQ(all.size(), 202);
  EXPECT_NE(all.front().find("100 lines before the next"), std::string::npos) << all.front();
  EXPECT_EQ(all[1], "line 100");
  EXPECT_EQ(all.back(), "last");
}

TEST_F(LogFileTest, a_full_disk_stops_nobody) {
  // /dev/full refuses every write, and is no regular file.
  std::filesystem::create_directory(root_ / "_inlet");
  std::filesystem::create_symlink("/dev/full", path());
  LogFile file(path());
  EXPECT_EQ(file.check().detail().id, "log.file");
  for (int i = 0; i < 1000; ++i) file.write("line");
}

TEST_F(LogFileTest, what_is_logged_is_kept_as_json_with_the_process) {
  {
    KeptInFile kept(path());
    EXPECT_TRUE(kept.check().is_ok());
    info("stage", "said \"{}\"\n", 1);
    debug("stage", "below the level");
    record(spdlog::level::err, "run", "only here");
  }
  info("stage", "not kept any more");
  const auto all = lines(path());
  ASSERT_EQ(all.size(), 2);
  const auto first = parse_json(all[0]);
  ASSERT_TRUE(first.is_ok());
  EXPECT_EQ(first->at("message"), "said \"1\"\n");
  EXPECT_EQ(first->at("pid"), getpid());
  EXPECT_EQ(first->at("level"), "info");
  EXPECT_EQ(parse_json(all[1])->at("stage"), "run");
}

}  // namespace
}  // namespace inlet::log
