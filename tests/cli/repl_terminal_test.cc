// The prompt on a real pseudo-terminal: typing, Tab, Ctrl-C, history.
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "cli/query_command.h"
#include "cli/repl.h"
#include "tests/query/fake_lake.h"

namespace inlet::cli {
namespace {

namespace fs = std::filesystem;

// What the child does: a lake, a session, the prompt.
[[noreturn]] void run_prompt(const std::string& state) {
  setenv("XDG_STATE_HOME", state.c_str(), 1);
  setenv("TERM", "xterm", 1);
  // The parent removes it all, also what a killed child leaves behind.
  fs::create_directories(state + "/tmp");
  setenv("TMPDIR", (state + "/tmp").c_str(), 1);
  unsetenv("LC_ALL");
  unsetenv("LANG");
  ExitCode code = kExitRuntime;
  {
    query::FakeLake lake;
    lake.put("bronze/ventes", {{{"vente_id", {TypeKind::kBigint}, false}}}, {},
             {query::write_file(lake, "bronze/ventes", "a.parquet", "SELECT 7::BIGINT AS vente_id")});
    InterruptGuard guard;
    auto session = query::QuerySession::open(lake, {});
    if (session.is_ok()) code = run_repl(**session, guard, {});
  }
  _exit(code);
}

class ReplTerminalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    state_ = fs::temp_directory_path() / ("inlet_repl_state_" + std::to_string(::getpid()));
    fs::remove_all(state_);
    winsize size{.ws_row = 50, .ws_col = 100, .ws_xpixel = 0, .ws_ypixel = 0};
    child_ = forkpty(&terminal_, nullptr, nullptr, &size);
    ASSERT_GE(child_, 0);
    if (child_ == 0) run_prompt(state_);
    ASSERT_TRUE(wait_for("inlet> "));
  }
  void TearDown() override {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close(terminal_);
    fs::remove_all(state_);
  }

  void type(std::string_view keys) {
    seen_.clear();
    ASSERT_EQ(write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }

  // Reads the screen until `text` stands there.
  bool wait_for(const std::string& text, std::chrono::seconds patience = std::chrono::seconds(60)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (seen_.find(text) == std::string::npos) {
      if (std::chrono::steady_clock::now() > deadline) {
        ADD_FAILURE() << "waited for \"" << text << "\", saw: " << seen_;
        return false;
      }
      pollfd ready{terminal_, POLLIN, 0};
      if (poll(&ready, 1, 100) <= 0) continue;
      char bytes[4096];
      const auto got = read(terminal_, bytes, sizeof bytes);
      if (got <= 0) {
        ADD_FAILURE() << "the prompt ended; waited for \"" << text << "\", saw: " << seen_;
        return false;
      }
      seen_.append(bytes, static_cast<std::size_t>(got));
    }
    return true;
  }

  int exit_status() {
    int status = -1;
    for (int tenths = 0; waitpid(child_, &status, WNOHANG) == 0; ++tenths) {
      if (tenths == 600) {
        ADD_FAILURE() << "the prompt does not end";
        return -2;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string history() const {
    std::ifstream file(state_ / "inlet" / "history");
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  fs::path state_;
  int terminal_ = -1;
  pid_t child_ = -1;
  std::string seen_;
};

TEST_F(ReplTerminalTest, a_statement_over_two_lines_with_tab_and_accents) {
  type("SELECT vente_id + 1 AS \"été\"\r");
  ASSERT_TRUE(wait_for("   ...> "));
  type("FROM bronze.ve\t;\r");
  ASSERT_TRUE(wait_for("inlet> "));
  EXPECT_NE(seen_.find("│ été │"), std::string::npos) << seen_;
  EXPECT_NE(seen_.find("│   8 │"), std::string::npos) << seen_;
  // The prompt is written an instant before the terminal is in the mode in which Ctrl-D is a key.
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  type("\x04");
  EXPECT_EQ(exit_status(), 0);
  EXPECT_NE(history().find("bronze.ventes"), std::string::npos) << history();
  EXPECT_EQ(fs::status(state_ / "inlet" / "history").permissions() & fs::perms::all,
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(ReplTerminalTest, ctrl_c_ends_the_statement_and_not_the_program) {
  type("SELECT count(*) FROM range(100000000000) a, range(1000) b;\r");
  ASSERT_TRUE(wait_for("b;"));
  // It has begun once the terminal echoes what is typed again.
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));
  type("\x03");
  ASSERT_TRUE(wait_for("interrupted"));
  ASSERT_TRUE(wait_for("inlet> "));
  type("SELECT 6 * 7 AS answer;\r");
  ASSERT_TRUE(wait_for("inlet> "));
  EXPECT_NE(seen_.find("│     42 │"), std::string::npos) << seen_;
  type(".quit\r");
  EXPECT_EQ(exit_status(), 0);
}

TEST_F(ReplTerminalTest, ctrl_c_at_the_prompt_drops_what_was_typed) {
  type("SELECT\r");
  ASSERT_TRUE(wait_for("   ...> "));
  type("garbage\x03");
  ASSERT_TRUE(wait_for("inlet> "));
  type("SELECT 1 AS one;\r");
  ASSERT_TRUE(wait_for("inlet> "));
  EXPECT_NE(seen_.find("│   1 │"), std::string::npos) << seen_;
  type("quit\r");
  EXPECT_EQ(exit_status(), 0);
}

TEST_F(ReplTerminalTest, statements_pasted_at_once_all_run) {
  std::string pasted;
  for (int i = 0; i < 20; ++i) pasted += "SELECT " + std::to_string(1000 + i) + "\nAS pasted;\n";
  type(pasted + "SELECT 'last one';\n");
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(wait_for("│   " + std::to_string(1000 + i) + " │"));
  ASSERT_TRUE(wait_for("│ last one"));
}

TEST_F(ReplTerminalTest, closing_the_terminal_keeps_the_history) {
  type("SELECT 12345;\r");
  ASSERT_TRUE(wait_for("inlet> "));
  kill(child_, SIGKILL);
  EXPECT_EQ(exit_status(), -1);
  EXPECT_NE(history().find("12345"), std::string::npos);
}

}  // namespace
}  // namespace inlet::cli
