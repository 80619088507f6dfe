#include "cli/vacuum_command.h"

#include <utility>
#include <vector>

#include "base/format.h"
#include "base/json.h"
#include "cli/progress_line.h"
#include "cli/query_command.h"
#include "cli/stop_on_signal.h"
#include "cli/tables_command.h"
#include "cli/upkeep_tables.h"
#include "config/units.h"
#include "lake/lock.h"
#include "lake/vacuum.h"
#include "pipeline/maintenance.h"

namespace inlet::cli {
namespace {

using Report = std::pair<std::string, lake::VacuumResult>;

Json to_json(const Report& report) {
  const auto& [table, result] = report;
  Json json{{"table", table},
            {"retain", config::duration_text(result.retain)},
            {"deleted_files", result.files},
            {"deleted_bytes", result.bytes},
            {"kept_files", result.kept_files},
            {"first", result.first},
            {"log", nullptr}};
  if (result.log) {
    json["log"] = {{"oldest_version", result.log->oldest.value},
                   {"deleted_files", result.log->removed_files},
                   {"deleted_bytes", result.log->removed_bytes}};
  }
  return json;
}

void print(const Report& report, bool dry_run) {
  const auto& [table, result] = report;
  const char* verb = dry_run ? "would be deleted" : "deleted";
  fmt::print("{}: {} files ({}) {}, {} that were removed stay (retention {})\n", table, with_thousands(result.files),
             size_text(result.bytes), verb, with_thousands(result.kept_files), config::duration_text(result.retain));
  if (dry_run) {
    for (const auto& path : result.first) fmt::print("  {}\n", path);
    const auto more = result.files - static_cast<std::int64_t>(result.first.size());
    if (more > 0) fmt::print("  and {} more\n", with_thousands(more));
  }
  if (result.log && result.log->removed_files > 0)
    fmt::print("  log: {} files ({}) {}, oldest version {}\n", with_thousands(result.log->removed_files),
               size_text(result.log->removed_bytes), verb, result.log->oldest.value);
}

Status vacuum(const config::PipelineConfig& config, const VacuumCommand& command, std::vector<Report>& reports) {
  pipeline::StopSignal stop;
  const StopOnSignal on_signal(stop);
  INLET_ASSIGN_OR_RETURN(const auto lake, open_existing_lake(config));
  INLET_ASSIGN_OR_RETURN(const auto names, upkeep_tables(config, *lake, command.table));
  lake::VacuumOptions options;
  options.retain = command.retain;
  options.dry_run = command.dry_run;
  INLET_ASSIGN_OR_RETURN(options.oldest_writer, lake::oldest_writer(*lake));
  UpkeepLine line;
  for (const auto& name : names) {
    if (stop.requested()) break;
    INLET_ASSIGN_OR_RETURN(options.needed_from, pipeline::needed_from(config, *lake, name));
    INLET_ASSIGN_OR_RETURN(const auto table, lake->open(name));
    const auto show = [&](const lake::VacuumResult& so_far) {
      line.show(fmt::format("{}: {} files, {}", name, with_thousands(so_far.files), size_text(so_far.bytes)));
    };
    INLET_ASSIGN_OR_RETURN(
        auto result, lake::vacuum(*lake, *table, options, Clock::system(), show, [&] { return stop.requested(); }));
    reports.emplace_back(name, std::move(result));
  }
  return Status::ok();
}

}  // namespace

ExitCode run_vacuum(const config::PipelineConfig& config, const VacuumCommand& command) {
  std::vector<Report> reports;
  const Status status = vacuum(config, command, reports);
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
