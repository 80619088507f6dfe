#include "cli/repl.h"

#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cwchar>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/letter_case.h"
#include "cli/query_command.h"
#include "query/statement_text.h"

namespace inlet::cli {
namespace {

constexpr std::string_view kHelp =
    "Type SQL, ended by a semicolon; it may span lines. Tables are schema.table, or just the table's name where only\n"
    "one has it. Every statement sees the newest committed version.\n"
    "  .tables           the tables of the lake\n"
    "  .schema [TABLE]   their columns and types\n"
    "  .help             this text\n"
    "  .quit             leave (Ctrl-D too)\n"
    "Tab completes names; the arrow keys walk through earlier lines; Ctrl-C ends the running statement.\n";

constexpr std::array<const char*, 4> kCommands{".help", ".quit", ".schema", ".tables"};

constexpr std::array kKeywords{
    "ALL",       "AND",     "ANTI",   "ASC",     "ASOF",     "AVG",      "BETWEEN", "BY",        "CASE",
    "CAST",      "COUNT",   "CROSS",  "DESC",    "DESCRIBE", "DISTINCT", "ELSE",    "END",       "EXCEPT",
    "EXISTS",    "EXPLAIN", "FILTER", "FROM",    "FULL",     "GROUP",    "HAVING",  "IN",        "INNER",
    "INTERSECT", "IS",      "JOIN",   "LEFT",    "LIKE",     "LIMIT",    "MAX",     "MIN",       "NOT",
    "NULL",      "OFFSET",  "ON",     "OR",      "ORDER",    "OUTER",    "OVER",    "PARTITION", "PIVOT",
    "QUALIFY",   "RIGHT",   "ROLLUP", "SELECT",  "SEMI",     "SHOW",     "SUM",     "SUMMARIZE", "TABLES",
    "THEN",      "UNION",   "UNNEST", "UNPIVOT", "USING",    "VALUES",   "WHEN",    "WHERE",     "WITH"};

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' ||
         static_cast<unsigned char>(c) >= 128;
}

// A name as it must be written in SQL.
std::string sql_name(const std::string& name) {
  const bool plain = !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
                     std::all_of(name.begin(), name.end(), [](char c) { return is_word(c) && c != '.'; });
  return plain ? name : duck::quote_identifier(name);
}

std::string full_name(const query::QueryTable& table) {
  return table.schema.empty() ? sql_name(table.name) : sql_name(table.schema) + "." + sql_name(table.name);
}

// ---- Line editing ---------------------------------------------------------------------------------------------------

class LineEditor {
 public:
  LineEditor(Repl& repl, int interrupt_descriptor)
      : repl_(repl),
        interrupt_descriptor_(interrupt_descriptor),
        history_(::history_init()),
        editor_(el_init("inlet", stdin, stdout, stderr)) {
    HistEvent event;
    ::history(history_.get(), &event, H_SETSIZE, 2000);
    ::history(history_.get(), &event, H_SETUNIQUE, 1);
    path_ = history_path();
    if (!path_.empty()) ::history(history_.get(), &event, H_LOAD, path_.c_str());
    el_set(editor_.get(), EL_CLIENTDATA, this);
    el_set(editor_.get(), EL_PROMPT, &LineEditor::prompt);
    el_set(editor_.get(), EL_HIST, &::history, history_.get());
    el_set(editor_.get(), EL_EDITOR, "emacs");
    el_set(editor_.get(), EL_ADDFN, "inlet-complete", "complete a name", &LineEditor::complete);
    el_set(editor_.get(), EL_BIND, "^I", "inlet-complete", nullptr);
    el_set(editor_.get(), EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_set(editor_.get(), EL_SIGNAL, 0);
    el_set(editor_.get(), EL_GETCFN, &LineEditor::read_character);
    el_source(editor_.get(), nullptr);  // the person's own ~/.editrc
  }

  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// nullopt: the end of the input, or Ctrl-C.
  std::optional<std::string> read() {
    el_resize(editor_.get());
    int length = 0;
    const char* text = el_gets(editor_.get(), &length);
    if (text == nullptr || length <= 0) return std::nullopt;
    std::string line(text, static_cast<std::size_t>(length));
    if (!trim(line).empty()) {
      HistEvent event;
      ::history(history_.get(), &event, H_ENTER, line.c_str());
      save();
    }
    return line;
  }

  /// After a line was broken off: the terminal as it was before it.
  void reset() { el_reset(editor_.get()); }

 private:
  // With every line: a terminal that is closed takes the program with it.
  void save() {
    if (path_.empty()) return;
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), error);
    HistEvent event;
    // Queries can hold what others should not read.
    const mode_t before = umask(S_IRWXG | S_IRWXO);
    ::history(history_.get(), &event, H_SAVE, path_.c_str());
    umask(before);
  }

  static LineEditor& self(EditLine* editor) {
    void* data = nullptr;
    el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<LineEditor*>(data);
  }

  // 1: a character; 0: the end of the input, or Ctrl-C.
  static int read_character(EditLine* editor, wchar_t* character) {
    std::mbstate_t state{};
    while (true) {
      std::array<pollfd, 2> ready{pollfd{STDIN_FILENO, POLLIN, 0},
                                  pollfd{self(editor).interrupt_descriptor_, POLLIN, 0}};
      if (poll(ready.data(), ready.size(), -1) < 0) {
        if (errno == EINTR) continue;
        return 0;
      }
      if (ready[1].revents != 0) return 0;
      char byte = 0;
      const auto got = ::read(STDIN_FILENO, &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return 0;
      const auto length = std::mbrtowc(character, &byte, 1, &state);
      if (length == static_cast<std::size_t>(-2)) continue;  // more bytes belong to it
      if (length != static_cast<std::size_t>(-1)) return 1;
      state = {};  // not UTF-8: dropped
    }
  }

  static char* prompt(EditLine* editor) {
    static std::array<char, 16> text{};
    const std::string_view wanted = self(editor).repl_.is_continuing() ? "   ...> " : "inlet> ";
    text[wanted.copy(text.data(), text.size() - 1)] = '\0';
    return text.data();
  }

  static unsigned char complete(EditLine* editor, int /*key*/) {
    const LineInfo* info = el_line(editor);
    const std::string_view line(info->buffer, static_cast<std::size_t>(info->cursor - info->buffer));
    std::size_t begin = line.size();
    while (begin > 0 && is_word(line[begin - 1])) --begin;
    const auto choices = self(editor).repl_.completions(line);
    if (choices.empty()) return CC_REFRESH_BEEP;
    std::string common = choices[0];
    for (const auto& choice : choices) {
      const auto end = std::mismatch(common.begin(), common.end(), choice.begin(), choice.end(), [](char a, char b) {
        return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
      });
      common.erase(end.first, common.end());
    }
    if (choices.size() == 1) common += ' ';
    if (common.size() > line.size() - begin) {
      el_deletestr(editor, static_cast<int>(line.size() - begin));
      if (el_insertstr(editor, common.c_str()) == -1) return CC_REFRESH_BEEP;
      return CC_REFRESH;
    }
    // Nothing to add: show what there is, then the line again.
    std::string list = "\n";
    for (const auto& choice : choices) list += choice + "  ";
    std::fprintf(stdout, "%s\n", list.c_str());
    return CC_REDISPLAY;
  }

  struct EditorDeleter {
    void operator()(EditLine* editor) const { el_end(editor); }
  };
  struct HistoryDeleter {
    void operator()(History* history) const { history_end(history); }
  };

  Repl& repl_;
  int interrupt_descriptor_;
  std::string path_;
  std::unique_ptr<History, HistoryDeleter> history_;  // the editor refers to it
  std::unique_ptr<EditLine, EditorDeleter> editor_;
};

}  // namespace

// ---- InterruptGuard -------------------------------------------------------------------------------------------------

InterruptGuard::InterruptGuard() {
  if (pipe2(prompt_pipe_.data(), O_CLOEXEC | O_NONBLOCK) != 0) prompt_pipe_ = {-1, -1};
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, &mask_before_);
  watcher_ = std::thread([this] { watch(); });
}

InterruptGuard::~InterruptGuard() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  pthread_kill(watcher_.native_handle(), SIGINT);
  watcher_.join();
  close(prompt_pipe_[0]);
  close(prompt_pipe_[1]);
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void InterruptGuard::direct_to(query::QuerySession* session) {
  const std::lock_guard lock(mutex_);
  session_ = session;
}

bool InterruptGuard::take() {
  char bytes[64];
  bool came = false;
  while (read(prompt_pipe_[0], bytes, sizeof bytes) > 0) came = true;
  return came;
}

void InterruptGuard::watch() {
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  while (true) {
    int signal = 0;
    sigwait(&interrupt, &signal);
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    if (session_ != nullptr) {
      session_->interrupt();
    } else {
      const char byte = 'i';
      static_cast<void>(!write(prompt_pipe_[1], &byte, 1));  // full: enough of them wait already
    }
  }
}

// ---- Repl -----------------------------------------------------------------------------------------------------------

bool Repl::line(std::string_view line) {
  const auto text = trim(line);
  if (pending_.empty()) {
    if (text.empty()) return true;
    const std::string word = lower_case(text);
    if (word == "exit" || word == "quit" || word == "exit;" || word == "quit;") return false;
    if (text.front() == '.') return command(text);
  }
  pending_ += std::string(line);
  if (!pending_.ends_with('\n')) pending_ += '\n';
  auto pieces = query::split_statements(pending_);
  pending_ = pieces.rest_has_text ? std::move(pieces.rest) : "";
  for (const auto& sql : pieces.complete) {
    if (run(sql).code() == StatusCode::kCancelled) break;
  }
  return true;
}

bool Repl::command(std::string_view line) {
  const auto blank = line.find_first_of(" \t");
  const std::string name = lower_case(line.substr(0, blank));
  auto argument = blank == std::string_view::npos ? std::string_view() : trim(line.substr(blank));
  while (!argument.empty() && argument.back() == ';') argument.remove_suffix(1);
  if (name == ".quit" || name == ".exit" || name == ".q") return false;
  if (name == ".help") {
    print(kHelp);
  } else if (name == ".tables") {
    show_tables();
  } else if (name == ".schema") {
    show_schema(argument);
  } else {
    show_error(Status(StatusCode::kInvalidArgument, "query.unknown_command",
                      "there is no command " + printable(line.substr(0, blank)))
                   .fix(".help lists them"));
  }
  return true;
}

Status Repl::run(const std::string& sql) {
  const auto started = std::chrono::steady_clock::now();
  auto rows = session_.run(sql);
  const Status status = rows ? write_result(*rows, started, streams_.results) : rows.status();
  if (!status.is_ok()) show_error(status);
  return status;
}

void Repl::show_tables() {
  const auto tables = session_.tables();
  if (!tables) return show_error(tables.status());
  std::vector<TableRow> rows;
  for (const auto& table : *tables) {
    rows.push_back({full_name(table), std::to_string(table.version.value), std::to_string(table.columns.columns.size()),
                    table.problem.is_ok() ? "" : table.problem.detail().what});
  }
  if (rows.empty()) return print("The lake holds no table yet.\n");
  const bool all_fine = std::all_of(tables->begin(), tables->end(), [](const auto& t) { return t.problem.is_ok(); });
  std::vector<TableColumn> columns{{"table"}, {"version", true}, {"columns", true}, {"problem"}};
  if (all_fine) {
    columns.pop_back();
    for (auto& row : rows) row.pop_back();
  }
  print(render_table(std::move(columns), rows, streams_.results.style));
}

void Repl::show_schema(std::string_view name) {
  const auto tables = session_.tables();
  if (!tables) return show_error(tables.status());
  bool found = false;
  for (const auto& table : *tables) {
    const std::string wanted = lower_case(name);
    const bool is_meant = name.empty() || wanted == lower_case(table.name) || wanted == lower_case(full_name(table)) ||
                          wanted == lower_case(table.schema + "/" + table.name) ||
                          wanted == lower_case(table.schema + "." + table.name);
    if (!is_meant) continue;
    found = true;
    print(full_name(table) + "\n");
    if (!table.problem.is_ok()) {
      show_error(table.problem);
      continue;
    }
    std::vector<TableRow> rows;
    for (const auto& column : table.columns.columns) {
      const bool is_partition = std::find(table.partition_columns.begin(), table.partition_columns.end(),
                                          column.name) != table.partition_columns.end();
      std::string note = column.nullable ? "" : "required";
      if (is_partition) note += note.empty() ? "partition" : ", partition";
      rows.push_back({column.name, column.type.to_pipeline(), note});
    }
    print(render_table({{"column"}, {"type"}, {""}}, rows, streams_.results.style));
  }
  if (!found)
    show_error(Status(StatusCode::kNotFound, "query.no_table", "there is no table " + printable(name))
                   .fix(".tables lists them"));
}

void Repl::show_error(const Status& status) {
  const ErrorDetail& detail = status.detail();
  std::string text = status.code() == StatusCode::kCancelled ? "interrupted\n" : "error: " + detail.what + "\n";
  if (status.code() != StatusCode::kCancelled) {
    if (!detail.where.empty()) text += "  at " + detail.where + "\n";
    if (!detail.why.empty()) text += detail.why + "\n";
    if (!detail.fix.empty()) text += "  " + detail.fix + "\n";
  }
  std::fputs(text.c_str(), streams_.errors);
  std::fflush(streams_.errors);
}

void Repl::print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), streams_.results.file);
  std::fflush(streams_.results.file);
}

std::vector<std::string> Repl::completions(std::string_view line) {
  std::size_t begin = line.size();
  while (begin > 0 && is_word(line[begin - 1])) --begin;
  const auto typed = line.substr(begin);
  std::vector<std::string> candidates;
  if (pending_.empty() && begin == 0 && typed.starts_with('.')) {
    candidates.assign(kCommands.begin(), kCommands.end());
    return matching(typed, candidates);
  }
  const bool wants_tables_only = pending_.empty() && lower_case(trim(line)).starts_with(".schema");
  if (const auto tables = session_.tables()) {
    for (const auto& table : *tables) {
      candidates.push_back(full_name(table));
      candidates.push_back(sql_name(table.name));
      if (wants_tables_only) continue;
      for (const auto& column : table.columns.columns) candidates.push_back(sql_name(column.name));
    }
  }
  if (wants_tables_only) return matching(typed, candidates);
  auto found = matching(typed, candidates);
  if (const auto dot = typed.rfind('.'); found.empty() && dot != std::string_view::npos) {
    // alias.column
    found = matching(typed.substr(dot + 1), candidates);
    for (auto& name : found) name.insert(0, typed.substr(0, dot + 1));
    return found;
  }
  if (!typed.empty()) {
    candidates.insert(candidates.end(), kKeywords.begin(), kKeywords.end());
    found = matching(typed, candidates);
  }
  return found;
}

std::vector<std::string> matching(std::string_view typed, const std::vector<std::string>& candidates) {
  const std::string wanted = lower_case(typed);
  std::vector<std::string> found;
  for (const auto& candidate : candidates) {
    if (lower_case(candidate).starts_with(wanted)) found.push_back(candidate);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::string history_path() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return std::string(state) + "/inlet/history";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return "";
  return std::string(home) + "/.local/state/inlet/history";
}

ExitCode run_repl(query::QuerySession& session, InterruptGuard& guard, const QueryCommand& command) {
  // So that a letter of several bytes is one letter of the line, also where nobody has set a locale.
  std::setlocale(LC_CTYPE, "");
  if (std::string_view(nl_langinfo(CODESET)) != "UTF-8") std::setlocale(LC_CTYPE, "C.UTF-8");
  Repl repl(session, {.results = {.format = command.format, .style = stdout_style()}});
  LineEditor editor(repl, guard.prompt_descriptor());
  std::fprintf(stdout, "Inlet %s. SQL ends with ';'. .help for help, .quit to leave.\n", INLET_VERSION);
  while (true) {
    const auto line = editor.read();
    if (!line && guard.take()) {
      // Ctrl-C at the prompt: what was typed is dropped.
      repl.reset();
      editor.reset();
      std::fputs("^C\n", stdout);
      continue;
    }
    if (!line) break;
    repl.set_style(stdout_style());
    guard.direct_to(&session);
    const bool goes_on = repl.line(*line);
    guard.direct_to(nullptr);
    if (!goes_on) return kExitOk;
  }
  std::fputs("\n", stdout);
  return kExitOk;
}

}  // namespace inlet::cli
