#include "cli/run_command.h"

#include <cstdio>
#include <memory>
#include <string>

#include "base/format.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/live_page.h"
#include "cli/progress_line.h"
#include "cli/query_command.h"
#include "cli/report_command.h"
#include "cli/stop_on_signal.h"
#include "cli/tables_command.h"
#include "lake/lock.h"
#include "pipeline/pipeline.h"

namespace inlet::cli {
namespace {

constexpr std::chrono::seconds kRunLineEvery{10};
constexpr std::chrono::seconds kDemoLineEvery{2};
constexpr std::size_t kDemoAnswers = 3;

Json views_json(const std::vector<views::ViewStatus>& views) {
  Json all = Json::array();
  for (const auto& view : views) {
    const auto milliseconds = [](std::chrono::microseconds us) { return static_cast<double>(us.count()) / 1e3; };
    all.push_back({{"view", view.name},
                   {"table", view.table},
                   {"applied", view.applied ? Json(view.applied->value) : Json(nullptr)},
                   {"published", view.published ? Json(view.published->value) : Json(nullptr)},
                   {"rows", view.rows},
                   {"state_bytes", view.bytes},
                   {"evicted_partitions", view.evicted_partitions},
                   {"apply_ms", milliseconds(view.apply_time)},
                   {"publish_ms", milliseconds(view.publish_time)},
                   {"publishes", view.publishes},
                   {"recomputed", view.is_recomputed},
                   {"problem", view.problem.is_ok() ? Json(nullptr) : Json(view.problem.to_line())}});
  }
  return all;
}

Json maintenance_json(const pipeline::MaintenanceStatus& maintenance) {
  Json problems = Json::object();
  for (const auto& [table, problem] : maintenance.problems) problems[table] = problem.to_line();
  return {{"rounds", maintenance.rounds},
          {"compactions", maintenance.done.compactions},
          {"given_up", maintenance.given_up},
          {"removed_files", maintenance.done.removed_files},
          {"added_files", maintenance.done.added_files},
          {"rewritten_bytes", maintenance.done.rewritten_bytes},
          {"vacuumed_files", maintenance.done.vacuumed_files},
          {"vacuumed_bytes", maintenance.done.vacuumed_bytes},
          {"cleaned_log_files", maintenance.done.cleaned_log_files},
          {"cpu_seconds", std::chrono::duration<double>(maintenance.worked).count()},
          {"problems", problems}};
}

Json summary_json(const pipeline::Progress& progress) {
  Json expectations = Json::object();
  for (const auto& [name, not_met] : progress.expectations) expectations[name] = not_met;
  return {{"views", views_json(progress.views)},
          {"maintenance", progress.maintenance ? maintenance_json(*progress.maintenance) : Json(nullptr)},
          {"events", progress.events},
          {"rows", progress.rows},
          {"quarantined", progress.rejects},
          {"late", progress.late},
          {"diverted", progress.diverted},
          {"expectations_not_met", expectations},
          {"watermark", progress.watermark ? Json(iso_time(*progress.watermark)) : Json(nullptr)},
          {"total_events", progress.total_events},
          {"batches", progress.batches},
          {"version", progress.version.value},
          {"source_bytes", progress.source_bytes},
          {"parquet_bytes", progress.parquet_bytes},
          {"batch_ms_p50", static_cast<double>(progress.batch_time_p50.count()) / 1e3},
          {"batch_ms_p99", static_cast<double>(progress.batch_time_p99.count()) / 1e3},
          {"seconds", std::chrono::duration<double>(progress.elapsed).count()}};
}

Status run_stages(const config::PipelineConfig& config, const RunCommand& command, std::chrono::seconds line_every,
                  log::KeptInFile& kept) {
  pipeline::StopSignal stop;
  const StopOnSignal signals(stop);
  const bool is_quiet = command.quiet || command.output == Output::kJson;
  ProgressLine line(is_quiet, line_every);
  pipeline::RunHooks hooks;
  hooks.on_progress = [&](const pipeline::Progress& progress) {
    line.show(progress);
    static_cast<void>(kept.check());  // what waited for the lake to be made is written
  };
  std::unique_ptr<LivePage> page;
  if (config.serve.enabled) {
    INLET_ASSIGN_OR_RETURN(page, LivePage::start(config, stop));
    page->listen(hooks);
    if (command.quiet) {
      // Nothing is said.
    } else if (command.output == Output::kJson) {
      log::info("serve", "{}", page->invitation());
    } else {
      tell(page->invitation());
    }
  }
  pipeline::Pipeline pipeline(config, pipeline::make_source(config));
  const Status status =
      pipeline.run({command.until_caught_up, command.events, command.duration, command.only}, stop, hooks);
  const auto progress = pipeline.progress();
  if (command.output == Output::kJson) {
    std::printf("%s\n", dump_json(summary_json(progress)).c_str());
  } else if (status.is_ok() || progress.batches > 0) {
    line.finish(progress);
  }
  return status;
}

// With the log kept beside the tables; a run goes on without it.
Status run_once(const config::PipelineConfig& config, const RunCommand& command, std::chrono::seconds line_every) {
  log::KeptInFile kept(lake::pipeline_log_path(lake::local_root(config.lake, config.storage), config.name));
  if (const Status status = kept.check(); !status.is_ok()) log::warn("run", "{}", status.to_line());
  log::record(spdlog::level::info, "run", std::string("begins: inlet ") + INLET_VERSION + ", " + config.file);
  const Status status = run_stages(config, command, line_every, kept);
  log::record(status.is_ok() ? spdlog::level::info : spdlog::level::err, "run",
              status.is_ok() ? "ended" : "ended: " + status.to_line());
  return status;
}

// The first reports of the file that can be answered: a demo ends with a few, `inlet report --all` has them all.
Status print_answers(const config::PipelineConfig& config) {
  INLET_ASSIGN_OR_RETURN(auto opened, open_query(config));
  std::size_t answered = 0;
  for (const auto& question : config.reports) {
    if (answered == kDemoAnswers) break;
    fmt::print("\n");
    const Status status = print_report(*opened.session, question);
    if (status.is_ok()) {
      ++answered;
    } else if (status.detail().id == "sql.no_table") {
      fmt::print("{}: it reads a table that is not there yet\n", question.name);
    } else {
      return status;
    }
  }
  return Status::ok();
}

void print_next_commands(const config::PipelineConfig& config) {
  const std::string rest = config.file + " --lake " + config.lake;
  fmt::print(
      "\nnext:\n"
      "  build/inlet report {0} --all     every question of the pipeline file, answered\n"
      "  build/inlet query {0}            SQL at a prompt (.help)\n"
      "  build/inlet status {0}           where every partition stands\n"
      "  build/inlet history {0} {1}      the commits\n"
      "  build/inlet run {0}              go on where this stopped\n",
      rest, config.bronze.table);
}

}  // namespace

ExitCode run_pipeline(const config::PipelineConfig& config, const RunCommand& command) {
  const Status status = run_once(config, command, kRunLineEvery);
  return status.is_ok() ? kExitOk : report(status, command.output);
}

ExitCode run_demo(const config::PipelineConfig& config, const RunCommand& command) {
  if (!command.duration && command.output == Output::kHuman) {
    tell("events flow until Ctrl-C; then this shows what arrived");
  }
  const Status status = run_once(config, command, kDemoLineEvery);
  if (!status.is_ok()) return report(status, command.output);
  if (command.output == Output::kJson) return kExitOk;
  if (const Status answered = print_answers(config); !answered.is_ok()) {
    static_cast<void>(report(answered, command.output));
    return kExitRuntime;
  }
  print_next_commands(config);
  return kExitOk;
}

}  // namespace inlet::cli
