// `inlet query`: SQL over the lake's tables, once, from stdin, or interactively.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/result_writer.h"
#include "config/pipeline_config.h"
#include "query/query_session.h"

namespace inlet::cli {

struct QueryCommand {
  std::optional<std::string> sql;  // absent: interactive on a terminal, else read from stdin
  ResultFormat format = ResultFormat::kTable;
  Output output = Output::kHuman;  // how errors are printed: kJson with --json
  std::vector<std::string> at;     // "TABLE=VERSION", "TABLE=TIME", "TIME"
};

/// Several statements are all checked before the first runs; the first that fails ends the command. Exit 1: a statement
/// failed.
ExitCode run_query(const config::PipelineConfig& config, const QueryCommand& command);

/// A session over the lake of `config`, its tables as `at` says. NotFound: there is no lake yet (a query creates none),
/// or no such version. InvalidArgument: an `at` that says neither a version nor a time, or two for one table.
struct OpenedQuery {
  std::unique_ptr<lake::Lake> lake;  // before the session, which refers to it
  std::unique_ptr<query::QuerySession> session;
};
Result<OpenedQuery> open_query(const config::PipelineConfig& config, const std::vector<std::string>& at = {});

/// Opens the lake of `config` to look at it. NotFound: nothing is there.
Result<std::unique_ptr<lake::Lake>> open_existing_lake(const config::PipelineConfig& config);

}  // namespace inlet::cli
