// The interactive prompt of `inlet query`.
#pragma once

#include <array>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "cli/exit_code.h"
#include "cli/result_writer.h"
#include "query/query_session.h"

namespace inlet::cli {

struct QueryCommand;

/// While it lives Ctrl-C does not end the program: it ends the running statement, or the line being typed. SIGINT is
/// blocked in this thread and those it starts meanwhile, and waited for by a thread of its own: nothing runs in a
/// signal handler, and no key press can come between a check and a read. One at a time in a process.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// From now on Ctrl-C interrupts this session's statement; nullptr: the line being typed.
  void direct_to(query::QuerySession* session);
  /// Readable once Ctrl-C came while a line was being typed.
  int prompt_descriptor() const { return prompt_pipe_[0]; }
  /// Whether Ctrl-C came while a line was being typed, since the last call.
  bool take();

 private:
  void watch();

  std::mutex mutex_;  // held while interrupting, so that the session cannot go away meanwhile
  query::QuerySession* session_ = nullptr;
  bool ending_ = false;
  std::array<int, 2> prompt_pipe_{-1, -1};
  sigset_t mask_before_{};
  std::thread watcher_;
};

/// The prompt without a terminal: lines go in, results and errors come out. Not thread safe.
class Repl {
 public:
  struct Streams {
    ResultOutput results;
    std::FILE* errors = stderr;
  };
  Repl(query::QuerySession& session, Streams streams) : session_(session), streams_(std::move(streams)) {}

  /// Takes one line, runs what it completes; what follows an interrupted statement on its line is not run. False: the
  /// person wants to leave.
  bool line(std::string_view line);
  /// A statement has begun and waits for its ';'.
  bool is_continuing() const { return !pending_.empty(); }
  /// Forgets the lines of an unfinished statement.
  void reset() { pending_.clear(); }

  /// For a terminal that was resized.
  void set_style(const TableStyle& style) { streams_.results.style = style; }

  /// What the word under the cursor can become: commands at the start of a line, else tables, columns, keywords.
  std::vector<std::string> completions(std::string_view line_to_cursor);

 private:
  bool command(std::string_view line);
  Status run(const std::string& sql);
  void show_tables();
  void show_schema(std::string_view table);
  void show_error(const Status& status);
  void print(std::string_view text);

  query::QuerySession& session_;
  Streams streams_;
  std::string pending_;
};

/// What `typed` can become among `candidates`, without regard to case, sorted, each once. Pure.
std::vector<std::string> matching(std::string_view typed, const std::vector<std::string>& candidates);

/// Reads lines with editing, history and completion until .quit or the end of input. Errors keep it going.
ExitCode run_repl(query::QuerySession& session, InterruptGuard& guard, const QueryCommand& command);

/// ${XDG_STATE_HOME:-~/.local/state}/inlet/history; empty: there is no home.
std::string history_path();

}  // namespace inlet::cli
