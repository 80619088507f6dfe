#include "cli/status_command.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "base/format.h"
#include "base/json.h"
#include "bronze/tables.h"
#include "cli/live_page.h"
#include "cli/progress_line.h"
#include "cli/tables_command.h"
#include "config/units.h"
#include "decode/expectations.h"
#include "duck/database.h"
#include "pipeline/source_look.h"
#include "pipeline/status.h"
#include "serve/panel_check.h"
#include "source/kafka_source.h"
#include "views/planned_views.h"

namespace inlet::cli {
namespace {

constexpr std::chrono::seconds kProbePatience{5};

std::string utc_text(Timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::optional<std::int64_t> raw(const std::optional<Offset>& offset) {
  return offset ? std::optional(offset->value) : std::nullopt;
}

std::optional<std::int64_t> known_end(const pipeline::PartitionStatus& partition) {
  if (!partition.available || partition.available->end == source::OffsetBounds::kEndless) return std::nullopt;
  return partition.available->end.value;
}

Json status_json(const config::PipelineConfig& config, const pipeline::PipelineStatus& status) {
  Json partitions = Json::array();
  for (const auto& p : status.partitions) {
    partitions.push_back({{"source", p.partition.source},
                          {"partition", p.partition.partition},
                          {"committed", or_null(raw(p.committed))},
                          {"end", or_null(known_end(p))},
                          {"lag", or_null(p.lag())},
                          {"epoch", p.epoch},
                          {"max_event_time", p.max_event_time ? Json(utc_text(*p.max_event_time)) : Json(nullptr)}});
  }
  Json expectations = Json::object();
  for (const auto& [name, not_met] : status.expectations) expectations[name] = not_met;
  Json document{{"pipeline", config.name},
                {"table", config.bronze.table},
                {"version", status.version ? Json(status.version->value) : Json(nullptr)},
                {"events", status.events},
                {"late", status.late},
                {"expectations_not_met", expectations},
                {"watermark", status.watermark ? Json(utc_text(*status.watermark)) : Json(nullptr)},
                {"last_commit", status.last_commit ? Json(utc_text(*status.last_commit)) : Json(nullptr)},
                {"events_per_second", status.events_per_second},
                {"partitions", partitions}};
  Json views = Json::array();
  for (const auto& view : status.views) {
    views.push_back({{"view", view.name},
                     {"table", view.table},
                     {"reflects", view.reflects ? Json(view.reflects->value) : Json(nullptr)},
                     {"as_of", view.as_of ? Json(utc_text(*view.as_of)) : Json(nullptr)},
                     {"freshness_ms", view.freshness ? Json(view.freshness->count()) : Json(nullptr)},
                     {"evicted_partitions", view.evicted_partitions ? Json(*view.evicted_partitions) : Json(nullptr)}});
  }
  document["views"] = std::move(views);
  document["objectives"] = {{"freshness_ms", config.freshness.count()}, {"file_size", config.maintenance.file_size}};
  document["tables"] = Json::array();
  for (const auto& table : status.tables) {
    document["tables"].push_back(
        {{"table", table.table}, {"files", table.files}, {"bytes", table.bytes}, {"small_files", table.small_files}});
  }
  if (!status.source_problem.empty()) document["source_problem"] = status.source_problem;
  return document;
}

std::string number_or_dash(const std::optional<std::int64_t>& number) { return number ? with_thousands(*number) : "-"; }

void print_status(const config::PipelineConfig& config, const pipeline::PipelineStatus& status) {
  fmt::print("pipeline {}   table {}   version {}   {} events\n", config.name, config.bronze.table,
             status.version ? std::to_string(status.version->value) : "-", with_thousands(status.events));
  fmt::print("last commit {}   {}   watermark {}\n", status.last_commit ? utc_text(*status.last_commit) : "-",
             per_second(status.events_per_second), status.watermark ? utc_text(*status.watermark) : "-");
  if (config.late.delay || status.late > 0) fmt::print("late {}\n", with_thousands(status.late));
  for (const auto& [name, not_met] : status.expectations)
    fmt::print("expectation {}: not met by {}\n", name, with_thousands(not_met));
  fmt::print("\n");
  std::size_t width = 9;
  for (const auto& p : status.partitions) width = std::max(width, p.partition.to_string().size());
  fmt::print("{:<{}}  {:>15}  {:>15}  {:>12}  {}\n", "partition", width, "committed", "end", "lag",
             "largest event time");
  for (const auto& p : status.partitions) {
    fmt::print("{:<{}}  {:>15}  {:>15}  {:>12}  {}\n", p.partition.to_string(), width, number_or_dash(raw(p.committed)),
               number_or_dash(known_end(p)), number_or_dash(p.lag()),
               p.max_event_time ? utc_text(*p.max_event_time) : "-");
  }
  if (!status.views.empty()) {
    fmt::print("\n{:<{}}  {:>15}  {:>20}  freshness (objective {})\n", "view", width, "bronze version", "as of",
               config::duration_text(config.freshness));
    for (const auto& view : status.views) {
      const auto evicted = view.evicted_partitions.value_or(0);
      fmt::print("{:<{}}  {:>15}  {:>20}  {}{}\n", view.name, width,
                 number_or_dash(view.reflects ? std::optional(view.reflects->value) : std::nullopt),
                 view.as_of ? utc_text(*view.as_of) : "never published",
                 view.freshness ? config::duration_text(*view.freshness) : "-",
                 evicted > 0 ? fmt::format("   {} partitions on disk", evicted) : std::string());
    }
  }
  if (!status.tables.empty()) {
    fmt::print("\n{:<{}}  {:>15}  {:>20}  smaller than the objective ({})\n", "table", width, "files", "bytes a file",
               config::bytes_text(config.maintenance.file_size));
    for (const auto& table : status.tables) {
      fmt::print("{:<{}}  {:>15}  {:>20}  {}\n", table.table, width, with_thousands(table.files),
                 size_text(table.files > 0 ? table.bytes / table.files : 0), with_thousands(table.small_files));
    }
  }
  if (!status.source_problem.empty()) fmt::print("\nthe source could not be asked: {}\n", status.source_problem);
}

// One thing a run needs.
struct Finding {
  std::string what;
  Status status;
  std::string detail;  // when ok
};

// Whether an object store takes what a run puts is found out by a put alone.
enum class Puts { kTried, kLeftOut };

void check_lake(const config::PipelineConfig& config, Puts puts, std::vector<Finding>& findings) {
  auto lake = lake::open_lake(config.lake, config.storage);
  findings.push_back({"lake " + config.lake, lake.status(), "can be opened"});
  if (!lake.is_ok()) return;
  Status writable;
  if (access((*lake)->root().c_str(), W_OK | X_OK) != 0) {
    writable = Status(StatusCode::kUnavailable, "lake.not_writable", "the lake's directory cannot be written")
                   .at((*lake)->root())
                   .fix("give this user write permission, or choose another directory with --lake");
  } else if (puts == Puts::kTried) {
    writable = (*lake)->check_writable();
  }
  findings.push_back({"lake is writable", writable, ""});
  std::error_code ignored;
  const auto space = std::filesystem::space((*lake)->root(), ignored);
  constexpr std::uintmax_t kLeastSpace = 1ULL << 30U;
  Status enough;
  if (!ignored && space.available < kLeastSpace) {
    enough = Status(StatusCode::kUnavailable, "lake.little_space", "less than 1 GiB is free where the lake's files are")
                 .at((*lake)->root())
                 .fix("free space, or choose another directory with --lake");
  }
  findings.push_back(
      {"disk space", enough, fmt::format("{:.1f} GiB free", static_cast<double>(space.available) / (1U << 30U))});
  for (const auto& name : {config.bronze.table, config.quarantine.table}) {
    auto table = (*lake)->open(name);
    if (table.status().code() == StatusCode::kNotFound) {
      findings.push_back({"table " + name, Status::ok(), "will be created"});
    } else if (!table.is_ok()) {
      findings.push_back({"table " + name, table.status(), ""});
    } else {
      findings.push_back(
          {"table " + name, Status::ok(), "version " + std::to_string((*table)->snapshot()->version().value)});
    }
  }
}

void check_views(const config::PipelineConfig& config, std::vector<Finding>& findings) {
  if (config.views.empty()) return;
  const auto problems = views::check_views(config, bronze::bronze_definition(config).schema);
  if (!problems.is_ok()) {
    findings.push_back({"views", problems.status(), ""});
    return;
  }
  for (const auto& problem : *problems) findings.push_back({"view", problem, ""});
  if (problems->empty())
    findings.push_back({"views", Status::ok(), fmt::format("{} can be kept", config.views.size())});
}

void check_page(const config::PipelineConfig& config, std::vector<Finding>& findings) {
  const auto problems = serve::check_page(config, bronze::bronze_definition(config).schema, tables_of_the_flow(config));
  if (!problems.is_ok()) return;  // of a view, and said there
  for (const auto& problem : *problems) findings.push_back({"page", problem, ""});
  if (problems->empty() && !config.page.panels.empty())
    findings.push_back({"page", Status::ok(), fmt::format("{} panels can be drawn", config.page.panels.size())});
}

void check_expectations(const config::PipelineConfig& config, std::vector<Finding>& findings) {
  if (config.expectations.empty()) return;
  const auto check = [&]() -> Status {
    INLET_ASSIGN_OR_RETURN(auto database, duck::Database::open({}));
    INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
    return decode::check_expectations(config, connection);
  };
  findings.push_back({"expectations", check(), std::to_string(config.expectations.size()) + " can be computed"});
}

void check_kafka(const config::PipelineConfig& config, std::vector<Finding>& findings) {
  const auto probe = source::probe_kafka(config.source, kProbePatience);
  const std::string broker = "broker " + config.source.kafka.bootstrap_servers;
  if (!probe.is_ok()) {
    findings.push_back({broker, probe.status(), ""});
    return;
  }
  if (!probe->reachable) {
    findings.push_back({broker,
                        Status(StatusCode::kUnavailable, "kafka.unreachable", "no broker answers")
                            .at(config.source.kafka.bootstrap_servers)
                            .because(probe->unreachable_reason)
                            .fix("start one (make kafka), or set source.kafka.bootstrap_servers"),
                        ""});
    return;
  }
  findings.push_back({broker, Status::ok(), fmt::format("reachable, {} broker(s)", probe->brokers.size())});
  findings.push_back(
      {"topic " + config.source.kafka.topic, probe->topic, fmt::format("{} partition(s)", probe->partitions.size())});
}

void check_source(const config::PipelineConfig& config, std::vector<Finding>& findings) {
  if (config.source.kind == config::SourceKind::kKafka) {
    check_kafka(config, findings);
  } else {
    const auto bounds = pipeline::source_bounds(config, Clock::system());
    const bool is_file = config.source.kind == config::SourceKind::kFile;
    findings.push_back({is_file ? "file " + config.source.file.path : "generator", bounds.status(),
                        bounds.is_ok() ? fmt::format("{} partition(s)", bounds->size()) : ""});
  }
}

std::vector<Finding> look_at_all_but_the_source(const config::PipelineConfig& config, Puts puts) {
  std::vector<Finding> findings;
  findings.push_back({"pipeline file " + config.file, Status::ok(), "no problem"});
  check_expectations(config, findings);
  check_lake(config, puts, findings);
  check_views(config, findings);
  check_page(config, findings);
  findings.push_back(
      {"versions", Status::ok(), std::string("inlet ") + INLET_VERSION + ", DuckDB " + duck::Database::version()});
  return findings;
}

// Of the first that is not well.
ExitCode exit_code(const std::vector<Finding>& findings) {
  for (const auto& finding : findings)
    if (!finding.status.is_ok()) return cli::exit_code(finding.status);
  return kExitOk;
}

Json findings_json(const std::vector<Finding>& findings) {
  Json document = Json::array();
  for (const auto& finding : findings) {
    Json entry{{"check", finding.what}, {"ok", finding.status.is_ok()}};
    if (finding.status.is_ok()) {
      entry["detail"] = finding.detail;
    } else {
      entry.update(error_json(finding.status));
    }
    document.push_back(entry);
  }
  return {{"ok", exit_code(findings) == kExitOk}, {"checks", document}};
}

}  // namespace

ExitCode run_status(const config::PipelineConfig& config, Output output) {
  const auto status = pipeline::read_status(config);
  if (!status.is_ok()) return report(status.status(), output);
  if (output == Output::kJson) {
    fmt::print("{}\n", dump_json(status_json(config, *status)));
  } else {
    print_status(config, *status);
  }
  return kExitOk;
}

Result<Json> status_document(const config::PipelineConfig& config) {
  INLET_ASSIGN_OR_RETURN(const auto status, pipeline::read_status(config));
  return status_json(config, status);
}

Json check_document(const config::PipelineConfig& config) {
  return findings_json(look_at_all_but_the_source(config, Puts::kLeftOut));
}

ExitCode run_check(const config::PipelineConfig& config, Output output) {
  std::vector<Finding> findings = look_at_all_but_the_source(config, Puts::kTried);
  // The versions are the last.
  const auto versions = findings.back();
  findings.pop_back();
  check_source(config, findings);
  findings.push_back(versions);
  if (output == Output::kJson) {
    fmt::print("{}\n", dump_json(findings_json(findings)));
    return exit_code(findings);
  }
  for (const auto& finding : findings) {
    const ErrorDetail& detail = finding.status.detail();
    fmt::print("{}  {}{}\n", finding.status.is_ok() ? "ok  " : "FAIL", finding.what,
               finding.status.is_ok() ? (finding.detail.empty() ? "" : ": " + finding.detail) : ": " + detail.what);
    if (!detail.why.empty()) fmt::print("      why: {}\n", detail.why);
    if (!detail.fix.empty()) fmt::print("      fix: {}\n", detail.fix);
  }
  return exit_code(findings);
}

Json version_document() {
  return {{"version", INLET_VERSION},
          {"duckdb", duck::Database::version()},
          {"librdkafka", source::kafka_client_version()}};
}

ExitCode run_version(Output output) {
  if (output == Output::kJson) {
    fmt::print("{}\n", dump_json(version_document()));
  } else {
    fmt::print("inlet {}\nDuckDB {}\nlibrdkafka {}\n", INLET_VERSION, duck::Database::version(),
               source::kafka_client_version());
  }
  return kExitOk;
}

}  // namespace inlet::cli
