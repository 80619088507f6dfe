#include "cli/query_command.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <utility>

#include "cli/history_command.h"
#include "cli/repl.h"

namespace inlet::cli {
namespace {

// A statement that fails is not a mistake in the configuration, whatever its status code means elsewhere.
ExitCode report_query(const Status& status, Output output) {
  const ExitCode code = report(status, output);
  return code == kExitConfiguration ? kExitRuntime : code;
}

ExitCode run_script(query::QuerySession& session, const std::string& sql, const QueryCommand& command) {
  const auto statements = session.check(sql);
  if (!statements) return report_query(statements.status(), command.output);
  for (const auto& statement : *statements) {
    const auto started = std::chrono::steady_clock::now();
    auto rows = session.run(statement);
    const Status status =
        rows ? write_result(*rows, started, {.format = command.format, .style = stdout_style()}) : rows.status();
    if (!status.is_ok()) return report_query(status, command.output);
  }
  return kExitOk;
}

// What the --at of a command line ask for, as tables of the lake.
Result<query::TimeTravel> time_travel(lake::Lake& lake, const std::vector<std::string>& at) {
  query::TimeTravel travel;
  std::vector<std::string> tables;
  if (!at.empty()) {
    INLET_ASSIGN_OR_RETURN(tables, lake.tables());
  }
  const auto twice = [](const std::string& text, const std::string& what) {
    return Status(StatusCode::kInvalidArgument, "cli.at_twice", what + " is asked for at two moments")
        .at("--at " + text);
  };
  for (const auto& text : at) {
    INLET_ASSIGN_OR_RETURN(const auto option, query::parse_at_option(text));
    if (option.table.empty()) {
      if (travel.instant) return twice(text, "the lake");
      travel.instant = std::get<Timestamp>(option.moment);
      continue;
    }
    INLET_ASSIGN_OR_RETURN(const auto table, find_table(tables, option.table));
    if (!travel.tables.emplace(table, option.moment).second) return twice(text, table);
  }
  return travel;
}

}  // namespace

Result<std::unique_ptr<lake::Lake>> open_existing_lake(const config::PipelineConfig& config) {
  std::error_code error;
  if (!is_url(config.lake) && !std::filesystem::is_directory(config.lake, error)) {
    return Status(StatusCode::kNotFound, "lake.absent", "there is no lake yet")
        .at(config.lake)
        .fix("run `inlet run " + config.file + "` first, or name the directory with --lake");
  }
  return lake::open_lake(config.lake, config.storage);
}

Result<OpenedQuery> open_query(const config::PipelineConfig& config, const std::vector<std::string>& at) {
  OpenedQuery opened;
  INLET_ASSIGN_OR_RETURN(opened.lake, open_existing_lake(config));
  query::QuerySessionOptions options;
  options.threads = config.resources.duckdb_threads;
  options.memory_limit_bytes = config.resources.duckdb_memory_limit;
  INLET_ASSIGN_OR_RETURN(options.at, time_travel(*opened.lake, at));
  std::error_code error;
  const auto temporary = std::filesystem::temp_directory_path(error);
  // DuckDB creates it when it first spills, and removes it.
  if (!error) options.temp_directory = (temporary / ("inlet-query-" + std::to_string(::getpid()))).string();
  INLET_ASSIGN_OR_RETURN(opened.session, query::QuerySession::open(*opened.lake, options));
  return opened;
}

ExitCode run_query(const config::PipelineConfig& config, const QueryCommand& command) {
  const bool interactive = !command.sql && isatty(STDIN_FILENO) != 0;
  // Before DuckDB starts its threads, which inherit what it blocks.
  std::optional<InterruptGuard> guard;
  if (interactive) guard.emplace();
  auto opened = open_query(config, command.at);
  if (!opened) {
    const ExitCode code = report(opened.status(), command.output);
    return code == kExitConfiguration && !command.at.empty() ? kExitUsage : code;
  }
  if (command.sql) return run_script(*opened->session, *command.sql, command);
  if (interactive) return run_repl(*opened->session, *guard, command);
  const std::string script{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  return run_script(*opened->session, script, command);
}

}  // namespace inlet::cli
