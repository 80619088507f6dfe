#include "cli/tables_command.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include "base/format.h"
#include "base/json.h"
#include "cli/progress_line.h"
#include "cli/query_command.h"
#include "cli/table_printer.h"
#include "lake/file_statistics.h"

namespace inlet::cli {
namespace {

Status summarize(lake::Lake& lake, TableSummary& summary) {
  INLET_ASSIGN_OR_RETURN(const auto table, lake.open(summary.name));
  INLET_ASSIGN_OR_RETURN(const auto snapshot, table->refresh());
  INLET_ASSIGN_OR_RETURN(const auto files, snapshot->files());
  summary.version = snapshot->version();
  summary.partition_columns = snapshot->partition_columns();
  summary.files = static_cast<std::int64_t>(files.size());
  summary.rows = lake::recorded_rows(files);
  for (const auto& file : files) summary.bytes += file.bytes;
  INLET_ASSIGN_OR_RETURN(const auto history, table->history(1));
  if (!history.empty()) {
    summary.last_commit = history.front().timestamp;
    summary.last_operation = history.front().operation;
  }
  return Status::ok();
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += text.empty() ? part : ", " + part;
  return text;
}

Json to_json(const TableSummary& table) {
  if (!table.problem.is_ok()) return Json{{"name", table.name}, {"error", error_json(table.problem)["error"]}};
  Json json{{"name", table.name},     {"version", table.version.value},
            {"files", table.files},   {"rows", nullptr},
            {"bytes", table.bytes},   {"partition_columns", table.partition_columns},
            {"last_commit", nullptr}, {"last_operation", table.last_operation}};
  if (table.rows) json["rows"] = *table.rows;
  if (table.last_commit) json["last_commit"] = iso_time(*table.last_commit);
  return json;
}

TableRow to_row(const TableSummary& table) {
  if (!table.problem.is_ok()) return {table.name, "", "", "", "", "", table.problem.detail().what};
  TableRow row{table.name,
               std::to_string(table.version.value),
               with_thousands(table.files),
               std::nullopt,
               size_text(table.bytes),
               joined(table.partition_columns),
               std::nullopt};
  if (table.rows) row[3] = with_thousands(*table.rows);
  if (table.last_commit) row[6] = iso_time(*table.last_commit);
  return row;
}

}  // namespace

std::string size_text(std::int64_t bytes) {
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double size = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (size >= 1024 && unit + 1 < kUnits.size()) {
    size /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", size, kUnits[unit]);
}

Result<std::vector<TableSummary>> summarize_tables(lake::Lake& lake) {
  INLET_ASSIGN_OR_RETURN(const auto names, lake.tables());
  std::vector<TableSummary> tables;
  for (const auto& name : names) {
    TableSummary summary;
    summary.name = name;
    if (const Status status = summarize(lake, summary); !status.is_ok()) {
      summary = {};
      summary.name = name;
      summary.problem = status;
    }
    tables.push_back(std::move(summary));
  }
  return tables;
}

Json tables_json(const std::vector<TableSummary>& tables) {
  Json list = Json::array();
  for (const auto& table : tables) list.push_back(to_json(table));
  return list;
}

ExitCode run_tables(const config::PipelineConfig& config, Output output) {
  auto lake = open_existing_lake(config);
  if (!lake) return report(lake.status(), output);
  const auto tables = summarize_tables(**lake);
  if (!tables) return report(tables.status(), output);

  if (output == Output::kJson) {
    std::printf("%s\n", dump_json(tables_json(*tables)).c_str());
  } else if (tables->empty()) {
    std::printf("%s holds no table yet.\n", config.lake.c_str());
  } else {
    std::vector<TableRow> rows;
    for (const auto& table : *tables) rows.push_back(to_row(table));
    std::fputs(render_table({{"table"},
                             {"version", true},
                             {"files", true},
                             {"rows", true},
                             {"size", true},
                             {"partitioned by"},
                             {"last commit"}},
                            rows, stdout_style())
                   .c_str(),
               stdout);
  }
  ExitCode code = kExitOk;
  for (const auto& table : *tables) {
    if (!table.problem.is_ok()) code = kExitRuntime;
  }
  return code;
}

}  // namespace inlet::cli
