#include "cli/restore_command.h"

#include <optional>
#include <utility>

#include "base/format.h"
#include "base/json.h"
#include "cli/history_command.h"
#include "cli/progress_line.h"
#include "cli/query_command.h"
#include "cli/tables_command.h"
#include "lake/restore.h"
#include "query/moment.h"

namespace inlet::cli {
namespace {

struct Outcome {
  std::string table;
  lake::RestorePlan plan;
  std::optional<TableVersion> version;  // of the new commit; nullopt: none was made
};

Result<Outcome> execute(const config::PipelineConfig& config, const RestoreCommand& command) {
  Outcome outcome;
  INLET_ASSIGN_OR_RETURN(const auto moment, query::parse_moment(command.to));
  INLET_ASSIGN_OR_RETURN(const auto lake, open_existing_lake(config));
  INLET_ASSIGN_OR_RETURN(const auto tables, lake->tables());
  INLET_ASSIGN_OR_RETURN(outcome.table, find_table(tables, command.table));
  INLET_ASSIGN_OR_RETURN(const auto table, lake->open(outcome.table));
  INLET_ASSIGN_OR_RETURN(const auto to, query::version_of(*table, moment));
  INLET_ASSIGN_OR_RETURN(outcome.plan, lake::plan_restore(*table, *table->snapshot(), to));
  if (command.dry_run || outcome.plan.is_nothing()) return outcome;
  INLET_ASSIGN_OR_RETURN(auto restored, lake::restore(*lake, *table, to, [] { return false; }));
  outcome.plan = std::move(restored.plan);
  outcome.version = restored.committed.version;
  return outcome;
}

Json ranges_json(const lake::SourceRanges& all) {
  Json json = Json::object();
  for (const auto& [partition, ranges] : all) json[partition] = lake::ranges_text(ranges);
  return json;
}

void print_ranges(const char* what, const lake::SourceRanges& all) {
  for (const auto& [partition, ranges] : all) fmt::print("  {}  {}  {}\n", what, partition, lake::ranges_text(ranges));
}

void print(const Outcome& outcome, bool dry_run) {
  const auto& plan = outcome.plan;
  if (plan.is_nothing()) {
    fmt::print("{} is what it was at version {}: nothing to restore\n", outcome.table, plan.to.value);
    return;
  }
  if (outcome.version) {
    fmt::print("{}   version {} restored as version {}\n", outcome.table, plan.to.value, outcome.version->value);
  } else {
    fmt::print("{}   version {} would be restored, over version {}\n", outcome.table, plan.to.value, plan.from.value);
  }
  fmt::print("  {} files ({}) {}, {} files ({}) {}\n", with_thousands(static_cast<std::int64_t>(plan.removes.size())),
             size_text(plan.removed_bytes), dry_run ? "would go" : "went",
             with_thousands(static_cast<std::int64_t>(plan.adds.size())), size_text(plan.added_bytes),
             dry_run ? "would come back" : "came back");
  if (plan.rows_before && plan.rows_after)
    fmt::print("  {} rows, {} before\n", with_thousands(*plan.rows_after), with_thousands(*plan.rows_before));
  print_ranges("out  ", plan.taken_out);
  print_ranges("back ", plan.put_back);
  if (!plan.taken_out.empty()) fmt::print("  the markers stay: what is out is not read from its source again\n");
}

Json to_json(const Outcome& outcome, bool dry_run) {
  const auto& plan = outcome.plan;
  return {{"table", outcome.table},
          {"from", plan.from.value},
          {"to", plan.to.value},
          {"version", outcome.version ? Json(outcome.version->value) : Json(nullptr)},
          {"dry_run", dry_run},
          {"removed_files", plan.removes.size()},
          {"removed_bytes", plan.removed_bytes},
          {"added_files", plan.adds.size()},
          {"added_bytes", plan.added_bytes},
          {"rows_before", plan.rows_before ? Json(*plan.rows_before) : Json(nullptr)},
          {"rows_after", plan.rows_after ? Json(*plan.rows_after) : Json(nullptr)},
          {"taken_out", ranges_json(plan.taken_out)},
          {"put_back", ranges_json(plan.put_back)}};
}

}  // namespace

ExitCode run_restore(const config::PipelineConfig& config, const RestoreCommand& command) {
  const auto outcome = execute(config, command);
  if (!outcome) {
    const ExitCode code = report(outcome.status(), command.output);
    const std::string id = outcome.status().detail().id;
    // What the table does not allow is no mistake in the configuration.
    if (code == kExitConfiguration) return id.starts_with("restore.") ? kExitRuntime : kExitUsage;
    return code;
  }
  if (command.output == Output::kJson) {
    fmt::print("{}\n", dump_json(to_json(*outcome, command.dry_run)));
  } else {
    print(*outcome, command.dry_run);
  }
  return kExitOk;
}

}  // namespace inlet::cli
