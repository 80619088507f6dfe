#include "cli/restore_command.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/json.h"
#include "bronze/rewind.h"
#include "cli/history_command.h"
#include "cli/progress_line.h"
#include "cli/query_command.h"
#include "cli/tables_command.h"
#include "lake/lock.h"
#include "lake/restore.h"
#include "pipeline/source_look.h"
#include "query/moment.h"

namespace inlet::cli {
namespace {

struct Outcome {
  std::string table;
  lake::RestorePlan plan;
  std::optional<TableVersion> version;   // of the new commit; nullopt: none was made
  std::vector<pipeline::Reach> rewinds;  // --replay: of partitions that were not so far then

  bool is_nothing() const {
    return plan.is_nothing() && std::none_of(rewinds.begin(), rewinds.end(),
                                             [](const pipeline::Reach& reach) { return reach.obstacle.empty(); });
  }
};

// The offsets that are read again, or would be.
OffsetRange again(const bronze::Rewind& rewind) { return {rewind.then.marker->next(), rewind.from}; }

// Those of `asked` that the source can serve, as they stand on `now`.
std::vector<bronze::Rewind> servable(const std::vector<pipeline::Reach>& asked,
                                     const std::vector<bronze::Rewind>& rewinds) {
  std::vector<bronze::Rewind> found;
  for (const auto& rewind : rewinds) {
    const auto is_same = [&](const pipeline::Reach& reach) {
      return reach.obstacle.empty() && reach.rewind.partition == rewind.partition;
    };
    if (std::any_of(asked.begin(), asked.end(), is_same)) found.push_back(rewind);
  }
  return found;
}

lake::PlanExtras extras_of(const config::PipelineConfig& config, lake::Table& table, const lake::Snapshot& then,
                           const std::vector<pipeline::Reach>& asked) {
  if (table.name() != config.bronze.table)
    return [](const lake::Snapshot&) -> Result<lake::RestoreExtras> { return lake::RestoreExtras{}; };
  return [&](const lake::Snapshot& now) -> Result<lake::RestoreExtras> {
    lake::RestoreExtras extras;
    std::vector<bronze::Rewind> rewinds;
    if (!asked.empty()) {
      INLET_ASSIGN_OR_RETURN(const auto all, bronze::rewinds_to(table, now, then, config.name));
      rewinds = servable(asked, all);
    }
    for (const auto& rewind : rewinds)
      extras.info["readAgain:" + rewind.partition.to_string()] = lake::ranges_text({again(rewind)});
    extras.transactions = bronze::restored_transactions(now, then, config.name, rewinds);
    return extras;
  };
}

Status replay_refused(const std::string& table) {
  return Status(StatusCode::kInvalidArgument, "restore.replay_of_bronze",
                "only the table of events can be read again from its source, and " + table + " is another")
      .fix("restore it without --replay");
}

Result<Outcome> execute(const config::PipelineConfig& config, const RestoreCommand& command) {
  Outcome outcome;
  INLET_ASSIGN_OR_RETURN(const auto moment, query::parse_moment(command.to));
  INLET_ASSIGN_OR_RETURN(const auto lake, open_existing_lake(config));
  INLET_ASSIGN_OR_RETURN(const auto tables, lake->tables());
  INLET_ASSIGN_OR_RETURN(outcome.table, find_table(tables, command.table));
  INLET_ASSIGN_OR_RETURN(const auto table, lake->open(outcome.table));
  INLET_ASSIGN_OR_RETURN(const auto to, query::version_of(*table, moment));
  std::optional<lake::PipelineLock> lock;  // a run would go on at the markers it knows
  if (command.replay) {
    if (outcome.table != config.bronze.table) return replay_refused(outcome.table);
    INLET_ASSIGN_OR_RETURN(auto held, lake::PipelineLock::acquire(*lake, config.name));
    lock.emplace(std::move(held));
  }
  INLET_ASSIGN_OR_RETURN(const auto now, table->refresh());
  INLET_ASSIGN_OR_RETURN(const auto then, table->snapshot_at(to));
  INLET_ASSIGN_OR_RETURN(outcome.plan, lake::plan_restore(*table, *now, to));
  if (command.replay) {
    INLET_ASSIGN_OR_RETURN(const auto rewinds, bronze::rewinds_to(*table, *now, *then, config.name));
    INLET_ASSIGN_OR_RETURN(outcome.rewinds, pipeline::ask_source(config, rewinds));
  }
  if (command.dry_run || outcome.is_nothing()) return outcome;
  INLET_ASSIGN_OR_RETURN(
      auto restored,
      lake::restore(*lake, *table, to, extras_of(config, *table, *then, outcome.rewinds), [] { return false; }));
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

void print(const Outcome& outcome, bool dry_run, bool with_replay) {
  const auto& plan = outcome.plan;
  if (outcome.is_nothing() && outcome.rewinds.empty()) {
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
  if (!with_replay) {
    if (!plan.taken_out.empty()) fmt::print("  the markers stay: what is out is not read from its source again\n");
    return;
  }
  for (const auto& [rewind, obstacle] : outcome.rewinds) {
    fmt::print("  {}  {}  {}{}\n", obstacle.empty() ? "again" : "stays", rewind.partition.to_string(),
               lake::ranges_text({again(rewind)}), obstacle.empty() ? "" : ": " + obstacle);
  }
  fmt::print("  the next run reads again what is listed so\n");
}

Json to_json(const Outcome& outcome, bool dry_run) {
  const auto& plan = outcome.plan;
  Json read_again = Json::object();
  Json not_servable = Json::object();
  for (const auto& [rewind, obstacle] : outcome.rewinds) {
    const std::string partition = rewind.partition.to_string();
    if (obstacle.empty()) {
      read_again[partition] = lake::ranges_text({again(rewind)});
    } else {
      not_servable[partition] = {{"offsets", lake::ranges_text({again(rewind)})}, {"reason", obstacle}};
    }
  }
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
          {"put_back", ranges_json(plan.put_back)},
          {"read_again", read_again},
          {"not_servable", not_servable}};
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
    print(*outcome, command.dry_run, command.replay);
  }
  return kExitOk;
}

}  // namespace inlet::cli
