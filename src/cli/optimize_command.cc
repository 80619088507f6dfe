#include "cli/optimize_command.h"

#include <utility>
#include <vector>

#include "base/format.h"
#include "base/json.h"
#include "cli/progress_line.h"
#include "cli/query_command.h"
#include "cli/stop_on_signal.h"
#include "cli/tables_command.h"
#include "cli/upkeep_tables.h"
#include "lake/compaction.h"

namespace inlet::cli {
namespace {

using Report = std::pair<std::string, lake::CompactionResult>;

Json to_json(const Report& report) {
  const auto& [table, result] = report;
  return {{"table", table},
          {"groups", result.groups},
          {"given_up", result.given_up},
          {"removed_files", result.removed_files},
          {"removed_bytes", result.removed_bytes},
          {"added_files", result.added_files},
          {"added_bytes", result.added_bytes},
          {"rows", result.rows},
          {"version", result.version ? Json(result.version->value) : Json(nullptr)}};
}

void print(const Report& report, bool dry_run) {
  const auto& [table, result] = report;
  if (result.groups == 0 && result.given_up == 0) {
    fmt::print("{}: nothing to bring together\n", table);
    return;
  }
  if (dry_run) {
    fmt::print("{}: {} files ({}) would become {}\n", table, with_thousands(result.removed_files),
               size_text(result.removed_bytes), with_thousands(result.added_files));
    return;
  }
  fmt::print("{}: {} files ({}) became {} ({}), {} rows{}\n", table, with_thousands(result.removed_files),
             size_text(result.removed_bytes), with_thousands(result.added_files), size_text(result.added_bytes),
             with_thousands(result.rows),
             result.version ? fmt::format(", version {}", result.version->value) : std::string());
  if (result.given_up > 0)
    fmt::print("  {} groups were given up: another writer had removed their files\n", with_thousands(result.given_up));
}

Status optimize(const config::PipelineConfig& config, const OptimizeCommand& command, std::vector<Report>& reports) {
  pipeline::StopSignal stop;
  const StopOnSignal on_signal(stop);
  INLET_ASSIGN_OR_RETURN(const auto lake, open_existing_lake(config));
  INLET_ASSIGN_OR_RETURN(const auto names, upkeep_tables(config, *lake, command.table));
  lake::CompactionOptions options;
  options.target_bytes = command.target_bytes;
  options.dry_run = command.dry_run;
  options.threads = config.resources.duckdb_threads;
  options.memory_limit_bytes = config.resources.duckdb_memory_limit;
  UpkeepLine line;
  for (const auto& name : names) {
    if (stop.requested()) break;
    INLET_ASSIGN_OR_RETURN(const auto table, lake->open(name));
    const auto show = [&](const lake::CompactionProgress& progress) {
      line.show(fmt::format("{}: {} of {} files, {} of {}", name, with_thousands(progress.files),
                            with_thousands(progress.all_files), size_text(progress.bytes),
                            size_text(progress.all_bytes)));
    };
    INLET_ASSIGN_OR_RETURN(const auto result, lake::compact(*table, options, {[&] { return stop.requested(); }, show}));
    reports.emplace_back(name, result);
  }
  return Status::ok();
}

}  // namespace

ExitCode run_optimize(const config::PipelineConfig& config, const OptimizeCommand& command) {
  std::vector<Report> reports;
  const Status status = optimize(config, command, reports);
  Json tables = Json::array();
  for (const auto& report : reports) {
    if (command.output == Output::kJson) {
      tables.push_back(to_json(report));
    } else {
      print(report, command.dry_run);
    }
  }
  return finish_upkeep(status, tables, command.dry_run, command.output);
}

}  // namespace inlet::cli
