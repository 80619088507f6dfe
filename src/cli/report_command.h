// `inlet report`: the questions of the pipeline file's [reports], answered.
#pragma once

#include <optional>
#include <string>

#include "base/status.h"
#include "cli/exit_code.h"
#include "config/pipeline_config.h"
#include "query/query_session.h"

namespace inlet::cli {

struct ReportCommand {
  std::optional<std::string> name;  // absent, and not all: the names are listed
  bool all = false;
  Output output = Output::kHuman;  // kJson: one object, {name: [rows]}
};

/// Exit 1 when a report failed; the others were answered all the same. Exit 2: no report of that name.
ExitCode run_report(const config::PipelineConfig& config, const ReportCommand& command);

/// Prints one report as a table, with its name above and below it the versions of the tables that it reflects.
/// "sql.no_table": it reads a table that the lake does not hold (yet). Nothing is printed then.
Status print_report(query::QuerySession& session, const config::ReportConfig& report);

}  // namespace inlet::cli
