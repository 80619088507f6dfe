#include "cli/app.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/log.h"
#include "cli/diff_command.h"
#include "cli/exit_code.h"
#include "cli/history_command.h"
#include "cli/late_command.h"
#include "cli/optimize_command.h"
#include "cli/produce_command.h"
#include "cli/quarantine_command.h"
#include "cli/query_command.h"
#include "cli/report_command.h"
#include "cli/restore_command.h"
#include "cli/run_command.h"
#include "cli/status_command.h"
#include "cli/support_bundle_command.h"
#include "cli/tables_command.h"
#include "cli/vacuum_command.h"
#include "cli/verify_command.h"
#include "config/pipeline_config.h"
#include "config/units.h"

namespace inlet::cli {
namespace {

// What every command that reads a pipeline file takes.
struct PipelineFlags {
  std::string file;
  std::string lake;
  std::string source;
  std::vector<std::string> sets;
  bool json = false;

  Output output() const { return json ? Output::kJson : Output::kHuman; }
};

void add_pipeline_flags(CLI::App& command, PipelineFlags& flags) {
  command.add_option("pipeline", flags.file, "pipeline file (TOML)")->required();
  command.add_option("--lake", flags.lake, "directory of the tables (lake.path)")->type_name("DIR");
  command.add_option("--source", flags.source, "generator, kafka or file (source.kind)")->type_name("KIND");
  command.add_option("--set", flags.sets, "set one key of the pipeline file, for example source.generator.rate=0")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_flag("--json", flags.json, "print results and errors as JSON");
}

ExitCode report_problems(const std::vector<config::Problem>& problems, Output output) {
  if (output == Output::kJson) {
    Json all = Json::array();
    for (const auto& problem : problems) all.push_back(error_json({StatusCode::kInvalidArgument, problem})["error"]);
    const Json document{{"error",
                         {{"id", "config.invalid"},
                          {"code", "invalid argument"},
                          {"what", std::to_string(problems.size()) + " problem(s) in the configuration"},
                          {"problems", all}}}};
    std::fprintf(stderr, "%s\n", dump_json(document).c_str());
  } else {
    for (const auto& problem : problems) static_cast<void>(report({StatusCode::kInvalidArgument, problem}, output));
  }
  return kExitConfiguration;
}

// What flags and environment say. InvalidArgument: a --set that says nothing.
Result<config::LoadOptions> load_options(const PipelineFlags& flags) {
  config::LoadOptions options;
  options.environment = config::inlet_environment();
  for (const auto& set : flags.sets) {
    const auto equals = set.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Status(StatusCode::kInvalidArgument, "cli.bad_set", "\"" + set + "\" is not KEY=VALUE")
          .at("--set " + set)
          .fix("write for example --set source.generator.rate=500");
    }
    options.overrides.push_back({set.substr(0, equals), set.substr(equals + 1)});
  }
  if (!flags.lake.empty()) options.overrides.push_back({"lake.path", flags.lake});
  if (!flags.source.empty()) options.overrides.push_back({"source.kind", flags.source});
  return options;
}

ExitCode with_options(const PipelineFlags& flags, const std::function<ExitCode(const config::LoadOptions&)>& run) {
  const auto options = load_options(flags);
  if (options) return run(*options);
  static_cast<void>(report(options.status(), flags.output()));
  return kExitUsage;
}

// Loads the pipeline file and hands it to `run`, or prints everything that is wrong with it.
ExitCode with_pipeline(const PipelineFlags& flags, const std::function<ExitCode(const config::PipelineConfig&)>& run) {
  return with_options(flags, [&](const config::LoadOptions& options) {
    auto outcome = config::load_pipeline(flags.file, options);
    return outcome.config ? run(*outcome.config) : report_problems(outcome.problems, flags.output());
  });
}

// A subcommand's flags live as long as the program; the action runs after the whole line has been parsed.
class App {
 public:
  App() : app_("Inlet: events from Kafka into Delta Lake tables, exactly once, in one program.", "inlet") {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", INLET_VERSION);
    CLI::Option* const log_json =
        app_.add_flag("--log-json", log_json_, "log lines as JSON; the default where stderr is no terminal");
    app_.add_flag("--log-human", log_human_, "log lines for people; the default on a terminal")->excludes(log_json);
    app_.add_option("--log-level", log_level_, "debug, info, warn or error")
        ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
    app_.fallthrough();
    add_run("run", "read the source and commit to the lake until stopped", run_pipeline);
    add_run("demo", "run on the embedded generator, then show what arrived", run_demo);
    add_produce();
    add_inspection(app_, "status", "committed offset, end and lag of every partition", run_status);
    add_inspection(app_, "check", "look at everything a run needs, with a fix for what is missing", run_check);
    add_query();
    add_verify();
    add_report();
    add_inspection(app_, "tables", "what the lake holds", run_tables);
    add_history();
    add_diff();
    add_restore();
    add_optimize();
    add_vacuum();
    add_quarantine();
    add_late();
    add_support_bundle();
    add_version();
  }

  int run(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      const int code = app_.exit(error);
      return code == 0 ? kExitOk : kExitUsage;
    }
    const bool is_json = log_json_ || (!log_human_ && isatty(STDERR_FILENO) == 0);
    log::configure(is_json ? log::Format::kJson : log::Format::kHuman, spdlog::level::from_str(log_level_));
    return action_();
  }

 private:
  struct RunFlags {
    PipelineFlags pipeline;
    std::string until;
    std::int64_t events = 0;
    std::string duration;
    bool quiet = false;
    std::string only;
    std::string listen;
    bool no_serve = false;
    std::string token_file;
  };

  void add_run(const std::string& name, const std::string& what,
               ExitCode (*execute)(const config::PipelineConfig&, const RunCommand&)) {
    auto flags = std::make_shared<RunFlags>();
    CLI::App* const command = app_.add_subcommand(name, what);
    add_pipeline_flags(*command, flags->pipeline);
    command->add_option("--until", flags->until, "caught-up: end when all that is in the source now is committed")
        ->check(CLI::IsMember({"caught-up"}));
    command->add_option("--events", flags->events, "end after N events of the pipeline's whole life")
        ->check(CLI::PositiveNumber);
    command->add_option("--for", flags->duration, "end after a time, for example 20s")->type_name("TIME");
    command->add_flag("--quiet", flags->quiet, "no progress line");
    command
        ->add_option("--only", flags->only, "bronze: leave the views to another process; views: keep nothing but them")
        ->check(CLI::IsMember({"bronze", "views"}));
    CLI::Option* const no_serve = command->add_flag("--no-serve", flags->no_serve, "no live page (serve.enabled)");
    CLI::Option* const listen =
        command->add_option("--listen", flags->listen, "address of the live page (serve.listen)")
            ->type_name("HOST:PORT")
            ->excludes(no_serve);
    CLI::Option* const token_file =
        command
            ->add_option("--token-file", flags->token_file, "file with the token that is asked for (serve.token_file)")
            ->type_name("FILE");
    command->callback([this, flags, execute, listen, token_file] {
      auto& sets = flags->pipeline.sets;
      if (flags->no_serve) sets.emplace_back("serve.enabled=false");
      if (listen->count() > 0) sets.push_back("serve.listen=" + flags->listen);
      if (token_file->count() > 0) sets.push_back("serve.token_file=" + flags->token_file);
      action_ = [flags, execute]() -> ExitCode {
        RunCommand run;
        run.until_caught_up = !flags->until.empty();
        if (flags->events > 0) run.events = flags->events;
        if (!flags->duration.empty()) {
          const auto duration = config::parse_duration(flags->duration);
          if (!duration.is_ok()) {
            static_cast<void>(report(duration.status(), flags->pipeline.output()));
            return kExitUsage;
          }
          run.duration = *duration;
        }
        run.quiet = flags->quiet;
        if (flags->only == "bronze") run.only = pipeline::RunOptions::Only::kBronze;
        if (flags->only == "views") run.only = pipeline::RunOptions::Only::kViews;
        run.output = flags->pipeline.output();
        return with_pipeline(flags->pipeline, [&](const auto& config) { return execute(config, run); });
      };
    });
  }

  void add_verify() {
    struct Flags {
      PipelineFlags pipeline;
      std::string view;
    };
    auto flags = std::make_shared<Flags>();
    CLI::App* const command = app_.add_subcommand("verify", "compare the views' tables with their SQL over bronze");
    add_pipeline_flags(*command, flags->pipeline);
    command->add_option("view", flags->view, "one view; without it every one");
    command->callback([this, flags] {
      action_ = [flags]() -> ExitCode {
        return with_pipeline(flags->pipeline, [&](const auto& config) {
          return run_verify(config, flags->view, flags->pipeline.output());
        });
      };
    });
  }

  // A command on a pipeline: its flags go into `flags`, which lives as long as the program.
  template <class Command>
  struct Declared {
    CLI::App& command;
    Command& flags;
  };

  /// `complete`: what is left to do when the line has been parsed; it fails as wrong usage.
  template <class Command>
  Declared<Command> add_command(CLI::App& parent, const std::string& name, const std::string& what,
                                ExitCode (*execute)(const config::PipelineConfig&, const Command&),
                                std::function<Status(Command&)> complete = {}) {
    struct Flags {
      PipelineFlags pipeline;
      Command command;
    };
    auto flags = std::make_shared<Flags>();
    CLI::App& command = *parent.add_subcommand(name, what);
    add_pipeline_flags(command, flags->pipeline);
    command.callback([this, flags, execute, complete] {
      action_ = [flags, execute, complete]() -> ExitCode {
        flags->command.output = flags->pipeline.output();
        if (complete) {
          if (const Status status = complete(flags->command); !status.is_ok()) {
            static_cast<void>(report(status, flags->command.output));
            return kExitUsage;
          }
        }
        return with_pipeline(flags->pipeline, [&](const auto& config) { return execute(config, flags->command); });
      };
    });
    return {command, flags->command};
  }

  void add_produce() {
    const auto [command, produce] =
        add_command(app_, "produce", "put the generator's events into the Kafka topic", run_produce);
    command.add_option("--count", produce.count, "how many events; without it until stopped")
        ->check(CLI::PositiveNumber);
    command.add_option("--from", produce.from, "number of the first event, to continue an earlier call")
        ->check(CLI::NonNegativeNumber);
    command.add_option("--partitions", produce.partitions, "of the topic, when it is created")
        ->check(CLI::PositiveNumber);
    command.add_option("--rate", produce.rate, "events per second; without it as fast as the broker takes them")
        ->check(CLI::NonNegativeNumber);
    command.add_flag("--quiet", produce.quiet, "no progress line");
  }

  // A command that takes nothing but the pipeline.
  void add_inspection(CLI::App& parent, const std::string& name, const std::string& what,
                      ExitCode (*execute)(const config::PipelineConfig&, Output)) {
    auto flags = std::make_shared<PipelineFlags>();
    CLI::App* const command = parent.add_subcommand(name, what);
    add_pipeline_flags(*command, *flags);
    command->callback([this, flags, execute] {
      action_ = [flags, execute] {
        return with_pipeline(*flags, [&](const auto& config) { return execute(config, flags->output()); });
      };
    });
  }

  void add_query() {
    struct Flags {
      PipelineFlags pipeline;
      std::string sql;
      bool csv = false;
      std::vector<std::string> at;
    };
    auto flags = std::make_shared<Flags>();
    CLI::App* const command = app_.add_subcommand("query", "SQL over the lake's tables; without SQL interactive");
    add_pipeline_flags(*command, flags->pipeline);
    CLI::Option* const sql = command->add_option("sql", flags->sql, "one or more SELECT statements");
    command->add_flag("--csv", flags->csv, "rows as CSV");
    command
        ->add_option("--at", flags->at,
                     "a table as of a version or a time, or all tables as of a time (UTC); repeatable")
        ->type_name("[TABLE=]MOMENT")
        ->allow_extra_args(false);
    command->callback([this, flags, sql] {
      action_ = [flags, sql]() -> ExitCode {
        QueryCommand query;
        if (sql->count() > 0) query.sql = flags->sql;
        query.output = flags->pipeline.output();
        query.at = flags->at;
        query.format = flags->pipeline.json ? ResultFormat::kJson
                       : flags->csv         ? ResultFormat::kCsv
                                            : ResultFormat::kTable;
        return with_pipeline(flags->pipeline, [&](const auto& config) { return run_query(config, query); });
      };
    });
  }

  void add_history() {
    const auto [command, history] = add_command(app_, "history", "the commits of one table, newest first", run_history);
    command.add_option("table", history.table, "for example bronze/ventes_stream")->required();
    command.add_option("--limit", history.limit, "how many commits")->capture_default_str()->check(CLI::PositiveNumber);
  }

  void add_diff() {
    const auto [command, diff] =
        add_command(app_, "diff", "which rows differ between two versions of a table", run_diff);
    command.add_option("table", diff.table, "for example bronze/ventes_stream")->required();
    command.add_option("from", diff.from, "a version or a time (UTC)")->required();
    command.add_option("to", diff.to, "a version or a time (UTC)")->required();
    command
        .add_option("--key", diff.key,
                    "columns by which a row is the same one; without it the position in the source, or a view's keys")
        ->delimiter(',')
        ->allow_extra_args(false);
    command.add_option("--limit", diff.most, "how many differing rows are shown")
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber);
  }

  void add_restore() {
    const auto [command, restore] =
        add_command(app_, "restore", "a table as it was at an older version, by a new commit", run_restore);
    command.add_option("table", restore.table, "for example bronze/ventes_stream")->required();
    command.add_option("--to", restore.to, "a version or a time (UTC)")->required();
    command.add_flag(
        "--replay", restore.replay,
        "put the markers back too: the next run reads again what was taken out, where the source still has it");
    command.add_flag("--dry-run", restore.dry_run, "say what would go and come back, commit nothing");
  }

  void add_optimize() {
    const auto target_size = std::make_shared<std::string>();
    const auto [command, optimize] =
        add_command<OptimizeCommand>(app_, "optimize", "bring small files of the tables together", run_optimize,
                                     [target_size](OptimizeCommand& given) -> Status {
                                       if (target_size->empty()) return Status::ok();
                                       INLET_ASSIGN_OR_RETURN(given.target_bytes, config::parse_bytes(*target_size));
                                       return Status::ok();
                                     });
    command.add_option("table", optimize.table, "one table; without it every one of the pipeline");
    command.add_option("--target-size", *target_size, "of a file, for example 64MiB; 128MB by default")
        ->type_name("SIZE");
    command.add_flag("--dry-run", optimize.dry_run, "say which files would be brought together, change nothing");
  }

  void add_vacuum() {
    const auto retain = std::make_shared<std::string>();
    const auto [command, vacuum] = add_command<VacuumCommand>(
        app_, "vacuum", "delete files that no version within the retention needs, and clean the logs", run_vacuum,
        [retain](VacuumCommand& given) -> Status {
          if (retain->empty()) return Status::ok();
          INLET_ASSIGN_OR_RETURN(given.retain, config::parse_duration(*retain));
          return Status::ok();
        });
    command.add_option("table", vacuum.table, "one table; without it every one of the pipeline");
    command
        .add_option("--retain", *retain,
                    "how long removed files stay, for example 7d; without it delta.deletedFileRetentionDuration")
        ->type_name("TIME");
    command.add_flag("--dry-run", vacuum.dry_run, "say what would be deleted, delete nothing");
  }

  void add_report() {
    struct Flags {
      PipelineFlags pipeline;
      std::string name;
      ReportCommand report;
    };
    auto flags = std::make_shared<Flags>();
    CLI::App* const command = app_.add_subcommand("report", "the pipeline file's named questions, answered");
    add_pipeline_flags(*command, flags->pipeline);
    CLI::Option* const name = command->add_option("name", flags->name, "of the report; without it they are listed");
    command->add_flag("--all", flags->report.all, "every report of the file")->excludes(name);
    command->callback([this, flags, name] {
      action_ = [flags, name] {
        if (name->count() > 0) flags->report.name = flags->name;
        flags->report.output = flags->pipeline.output();
        return with_pipeline(flags->pipeline, [&](const auto& config) { return run_report(config, flags->report); });
      };
    });
  }

  void add_quarantine() {
    CLI::App* const group = app_.add_subcommand("quarantine", "the events that could not be read, and their way back");
    group->require_subcommand(1);
    add_quarantine_list(*group);
    add_quarantine_show(*group);
    add_quarantine_replay(*group);
  }

  void add_quarantine_list(CLI::App& group) {
    struct Flags {
      PipelineFlags pipeline;
      std::string reason;
      QuarantineListCommand list;
    };
    auto flags = std::make_shared<Flags>();
    CLI::App* const command = group.add_subcommand("list", "how many rows of each reason, then the newest rows");
    add_pipeline_flags(*command, flags->pipeline);
    CLI::Option* const reason = command->add_option("--reason", flags->reason, "only rows of this reason");
    command->add_option("--limit", flags->list.limit, "how many rows")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    command->callback([this, flags, reason] {
      action_ = [flags, reason] {
        if (reason->count() > 0) flags->list.reason = flags->reason;
        flags->list.output = flags->pipeline.output();
        return with_pipeline(flags->pipeline,
                             [&](const auto& config) { return run_quarantine_list(config, flags->list); });
      };
    });
  }

  void add_quarantine_show(CLI::App& group) {
    struct Flags {
      PipelineFlags pipeline;
      std::string position;
      std::int32_t partition = 0;
      std::int64_t offset = 0;
      QuarantineShowCommand show;
    };
    auto flags = std::make_shared<Flags>();
    CLI::App* const command = group.add_subcommand("show", "one row whole, with the bytes of the event");
    add_pipeline_flags(*command, flags->pipeline);
    CLI::Option* const position = command->add_option("position", flags->position, "SOURCE/PARTITION/OFFSET");
    CLI::Option* const offset = command->add_option("--offset", flags->offset, "instead of a position")
                                    ->check(CLI::NonNegativeNumber)
                                    ->excludes(position);
    CLI::Option* const partition = command->add_option("--partition", flags->partition, "with --offset")
                                       ->check(CLI::NonNegativeNumber)
                                       ->needs(offset);
    command->callback([this, flags, position, offset, partition] {
      action_ = [flags, position, offset, partition]() -> ExitCode {
        flags->show.output = flags->pipeline.output();
        if (offset->count() > 0) {
          flags->show.position.offset = Offset{flags->offset};
          if (partition->count() > 0) flags->show.position.partition = flags->partition;
        } else {
          const auto parsed = parse_quarantine_position(position->count() > 0 ? flags->position : std::string());
          if (!parsed.is_ok()) {
            static_cast<void>(report(parsed.status(), flags->show.output));
            return kExitUsage;
          }
          flags->show.position = *parsed;
        }
        return with_pipeline(flags->pipeline,
                             [&](const auto& config) { return run_quarantine_show(config, flags->show); });
      };
    });
  }

  void add_quarantine_replay(CLI::App& group) {
    struct Flags {
      PipelineFlags pipeline;
      std::string reason;
      QuarantineReplayCommand replay;
    };
    auto flags = std::make_shared<Flags>();
    CLI::App* const command =
        group.add_subcommand("replay", "rows that the pipeline file can read now enter bronze, exactly once");
    add_pipeline_flags(*command, flags->pipeline);
    CLI::Option* const reason = command->add_option("--reason", flags->reason, "only rows of this reason");
    command->add_flag("--dry-run", flags->replay.dry_run, "decode and count, write nothing");
    command->callback([this, flags, reason] {
      action_ = [flags, reason] {
        if (reason->count() > 0) flags->replay.reason = flags->reason;
        flags->replay.output = flags->pipeline.output();
        return with_pipeline(flags->pipeline,
                             [&](const auto& config) { return run_quarantine_replay(config, flags->replay); });
      };
    });
  }

  void add_late() {
    CLI::App& late = *app_.add_subcommand("late", "the events that came late and were diverted");
    late.require_subcommand(1);
    const auto [list_command, list] =
        add_command(late, "list", "how many there are, by day, and the newest", run_late_list);
    list_command.add_option("--limit", list.limit, "how many of the newest are shown")
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber);
    add_inspection(late, "preview", "which rows of the views would change", run_late_preview);
    const auto [apply_command, apply] =
        add_command(late, "apply", "put them into the table of events, each once", run_late_apply);
    apply_command.add_flag("--dry-run", apply.dry_run, "only say how many would be applied");
  }

  void add_support_bundle() {
    struct Flags {
      PipelineFlags pipeline;
      SupportBundleCommand bundle;
    };
    auto flags = std::make_shared<Flags>();
    CLI::App* const command =
        app_.add_subcommand("support-bundle", "what somebody who helps needs to see, in one archive without secrets");
    add_pipeline_flags(*command, flags->pipeline);
    command
        ->add_option("--output", flags->bundle.output_file,
                     "of the archive; without it inlet-support-PIPELINE-TIME.tar.gz here")
        ->type_name("FILE");
    command->add_option("--commits", flags->bundle.commits, "how many of each table, the newest")
        ->capture_default_str()
        ->check(CLI::Range(0, 1000));
    command->add_flag("--with-values", flags->bundle.with_values, "keep the values of partitions and of predicates");
    command->add_flag("--force", flags->bundle.force, "write over a file of that name");
    command->callback([this, flags] {
      action_ = [flags] {
        flags->bundle.output = flags->pipeline.output();
        return with_options(flags->pipeline, [&](const config::LoadOptions& options) {
          return run_support_bundle(flags->pipeline.file, options, flags->bundle);
        });
      };
    });
  }

  void add_version() {
    auto json = std::make_shared<bool>(false);
    CLI::App* const command = app_.add_subcommand("version", "versions of Inlet and of what it is built on");
    command->add_flag("--json", *json, "as JSON");
    command->callback(
        [this, json] { action_ = [json] { return run_version(*json ? Output::kJson : Output::kHuman); }; });
  }

  CLI::App app_;
  bool log_json_ = false;
  bool log_human_ = false;
  std::string log_level_ = "info";
  std::function<ExitCode()> action_;
};

}  // namespace

int run_app(int argc, const char* const* argv) { return App().run(argc, argv); }

}  // namespace inlet::cli
