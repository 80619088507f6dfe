#include "cli/report_command.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/clock.h"
#include "base/json.h"
#include "cli/query_command.h"
#include "cli/result_writer.h"
#include "cli/tables_command.h"

namespace inlet::cli {
namespace {

// The answer of one report, and the tables it was read from.
struct Answer {
  query::CheckedStatement statement;
  duck::ResultStream rows;
};

Result<Answer> answer(query::QuerySession& session, const config::ReportConfig& report) {
  INLET_ASSIGN_OR_RETURN(auto statements, session.check(report.sql));
  if (statements.size() != 1) {
    return Status(StatusCode::kInvalidArgument, "report.not_one_statement", "a report is one SELECT")
        .because("there are " + std::to_string(statements.size()) + " statements");
  }
  INLET_ASSIGN_OR_RETURN(auto rows, session.run(statements.front()));
  return Answer{std::move(statements.front()), std::move(rows)};
}

Status in_report(const Status& status, const config::ReportConfig& report) {
  if (status.is_ok()) return status;
  ErrorDetail detail = status.detail();
  detail.where = "reports." + report.name;
  return {status.code(), std::move(detail)};
}

Status write_table(query::QuerySession& session, const config::ReportConfig& report) {
  const auto started = std::chrono::steady_clock::now();
  INLET_ASSIGN_OR_RETURN(auto answered, answer(session, report));
  const Timestamp now = Clock::system().now();
  std::printf("%s\n", printable(report.name).c_str());
  INLET_RETURN_IF_ERROR(write_result(answered.rows, started, {.style = stdout_style(), .bar = report.bar}));
  std::string reflects;
  for (const auto& [table, version] : session.versions_read(answered.statement))
    reflects += (reflects.empty() ? "" : ", ") + table + " version " + std::to_string(version.value);
  std::printf("%s%sas of %s\n", reflects.c_str(), reflects.empty() ? "" : ", ", iso_time(now).c_str());
  return std::fflush(stdout) == 0 ? Status::ok()
                                  : Status(StatusCode::kInternal, "cli.output", "the output cannot be written");
}

// The rows as the text of a JSON array: held, so that a report that fails half-way leaves the document whole.
Result<std::string> json_rows(query::QuerySession& session, const config::ReportConfig& report) {
  INLET_ASSIGN_OR_RETURN(auto answered, answer(session, report));
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* const memory = open_memstream(&text, &size);
  if (memory == nullptr) return Status(StatusCode::kInternal, "report.memory", "memory does not suffice for a report");
  const Status status =
      write_result(answered.rows, std::chrono::steady_clock::now(), {.format = ResultFormat::kJson, .file = memory});
  std::fclose(memory);
  std::string rows(text, size);
  std::free(text);  // NOLINT(cppcoreguidelines-no-malloc): it is open_memstream's
  if (!status.is_ok()) return status;
  while (!rows.empty() && rows.back() == '\n') rows.pop_back();
  return rows;
}

void list_names(const config::PipelineConfig& config, Output output) {
  if (output == Output::kJson) {
    Json names = Json::array();
    for (const auto& report : config.reports) names.push_back(report.name);
    std::printf("%s\n", dump_json(names).c_str());
    return;
  }
  if (config.reports.empty()) {
    std::printf("%s has no [reports].\n", config.file.c_str());
    return;
  }
  for (const auto& report : config.reports) std::printf("%s\n", printable(report.name).c_str());
  std::fprintf(stderr, "\n`inlet report %s NAME` answers one of them, --all all of them\n", config.file.c_str());
}

ExitCode print_tables(query::QuerySession& session, const std::vector<config::ReportConfig>& reports) {
  ExitCode code = kExitOk;
  bool is_first = true;
  for (const auto& wanted : reports) {
    if (!is_first) std::printf("\n");
    is_first = false;
    const Status status = print_report(session, wanted);
    if (status.is_ok()) continue;
    std::fflush(stdout);
    static_cast<void>(report(status, Output::kHuman));
    code = kExitRuntime;
  }
  return code;
}

ExitCode print_json(query::QuerySession& session, const std::vector<config::ReportConfig>& reports) {
  ExitCode code = kExitOk;
  std::string document = "{";
  for (const auto& wanted : reports) {
    const auto rows = json_rows(session, wanted);
    if (!rows) {
      static_cast<void>(report(in_report(rows.status(), wanted), Output::kJson));
      code = kExitRuntime;
      continue;
    }
    document += (document.size() == 1 ? "\n" : ",\n") + dump_json(wanted.name) + ": " + *rows;
  }
  std::printf("%s\n}\n", document.c_str());
  return code;
}

}  // namespace

Status print_report(query::QuerySession& session, const config::ReportConfig& report) {
  return in_report(write_table(session, report), report);
}

ExitCode run_report(const config::PipelineConfig& config, const ReportCommand& command) {
  if (!command.all && !command.name) {
    list_names(config, command.output);
    return kExitOk;
  }
  std::vector<config::ReportConfig> wanted;
  std::string known;
  for (const auto& entry : config.reports) {
    if (command.all || entry.name == command.name) wanted.push_back(entry);
    known += (known.empty() ? "" : ", ") + entry.name;
  }
  if (command.name && wanted.empty()) {
    static_cast<void>(
        report(Status(StatusCode::kInvalidArgument, "cli.no_report", "there is no report " + *command.name)
                   .at(config.file)
                   .fix(known.empty() ? "the file has no [reports]" : "the reports are " + known),
               command.output));
    return kExitUsage;
  }
  auto opened = open_query(config);
  if (!opened) return report(opened.status(), command.output);
  return command.output == Output::kJson ? print_json(*opened->session, wanted)
                                         : print_tables(*opened->session, wanted);
}

}  // namespace inlet::cli
