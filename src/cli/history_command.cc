#include "cli/history_command.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <string_view>
#include <vector>

#include "cli/progress_line.h"
#include "cli/query_command.h"
#include "cli/table_printer.h"
#include "cli/tables_command.h"

namespace inlet::cli {
namespace {

constexpr std::string_view kOffsets = "offsets:";

// "kafka:ventes/0" → "12..90" of every partition the commit covers.
std::vector<std::pair<std::string, std::string>> offsets(const lake::HistoryEntry& entry) {
  std::vector<std::pair<std::string, std::string>> ranges;
  for (const auto& [key, value] : entry.info) {
    if (key.starts_with(kOffsets)) ranges.emplace_back(key.substr(kOffsets.size()), value);
  }
  return ranges;
}

// Which program wrote it, and where it says so which process.
std::string who(const lake::HistoryEntry& entry) {
  std::string name = entry.info_text("engineInfo");
  if (name.empty()) name = entry.info_text("clientVersion");  // delta-rs
  const std::string process = entry.info_text("pid");
  const std::string host = entry.info_text("host");
  if (!process.empty() && !host.empty()) name += " " + process + "@" + host;
  return name;
}

// What a restore took out, put back, and whatever else a commit says of itself.
Json info_json(const lake::HistoryEntry& entry) {
  Json info = Json::object();
  for (const auto& [name, value] : entry.info) {
    if (!name.starts_with(kOffsets)) info[name] = value;
  }
  return info;
}

// The rows of the commit; of a rewrite, those it wrote again.
std::optional<std::int64_t> rows_of(const lake::HistoryEntry& entry) {
  const auto rows = entry.metric("numOutputRows");
  return rows ? rows : entry.metric("num_added_rows");  // delta-rs
}

TableRow to_row(const lake::HistoryEntry& entry) {
  std::string ranges;
  for (const auto& [partition, range] : offsets(entry)) {
    if (!ranges.empty()) ranges += "  ";
    ranges += partition;
    ranges += " ";
    ranges += range;
  }
  constexpr std::array<std::pair<std::string_view, const char*>, 3> kRestored{
      {{"takenOut:", "out "}, {"putBack:", "back "}, {"readAgain:", "again "}}};
  for (const auto& [kind, shown] : kRestored) {
    for (const auto& [name, value] : entry.info) {
      if (!name.starts_with(kind)) continue;
      if (!ranges.empty()) ranges += "  ";
      ranges += shown + name.substr(kind.size()) + " " + value;
    }
  }
  std::string files;
  if (entry.added_files > 0) files = "+" + std::to_string(entry.added_files);
  if (entry.removed_files > 0) files += (files.empty() ? "-" : " -") + std::to_string(entry.removed_files);
  const auto rows = rows_of(entry);
  return {std::to_string(entry.version.value),
          iso_time(entry.timestamp),
          entry.operation,
          rows ? with_thousands(*rows) : "",
          files,
          ranges,
          who(entry)};
}

}  // namespace

Json history_json(const lake::HistoryEntry& entry) {
  Json json{{"version", entry.version.value},   {"timestamp", iso_time(entry.timestamp)},
            {"operation", entry.operation},     {"rows", nullptr},
            {"added_files", entry.added_files}, {"removed_files", entry.removed_files},
            {"offsets", Json::object()},        {"parameters", Json::object()},
            {"metrics", Json::object()},        {"transactions", Json::object()},
            {"txn_id", entry.txn_id},           {"who", who(entry)},
            {"info", info_json(entry)}};
  if (const auto rows = rows_of(entry)) json["rows"] = *rows;
  for (const auto& [partition, range] : offsets(entry)) json["offsets"][partition] = range;
  for (const auto& [name, value] : entry.parameters) json["parameters"][name] = value;
  for (const auto& [name, value] : entry.metrics) json["metrics"][name] = value;
  for (const auto& transaction : entry.transactions) json["transactions"][transaction.app_id] = transaction.version;
  return json;
}

Result<std::string> find_table(const std::vector<std::string>& tables, const std::string& name) {
  std::string wanted = name;
  if (std::find(tables.begin(), tables.end(), wanted) != tables.end()) return wanted;
  std::replace(wanted.begin(), wanted.end(), '.', '/');
  std::vector<std::string> meant;
  std::string all;
  for (const auto& table : tables) {
    if (table == wanted || table.ends_with("/" + wanted)) meant.push_back(table);
    all += all.empty() ? table : ", " + table;
  }
  if (meant.size() == 1) return meant.front();
  if (meant.empty()) {
    return Status(StatusCode::kNotFound, "lake.no_table", "there is no table " + name)
        .fix(all.empty() ? "the lake holds no table yet" : "the lake's tables: " + all);
  }
  std::string choices;
  for (const auto& table : meant) choices += choices.empty() ? table : " or " + table;
  return Status(StatusCode::kInvalidArgument, "cli.ambiguous_table", name + " stands for more than one table")
      .fix("write " + choices);
}

ExitCode run_history(const config::PipelineConfig& config, const HistoryCommand& command) {
  const auto read = [&]() -> Result<std::vector<lake::HistoryEntry>> {
    INLET_ASSIGN_OR_RETURN(const auto lake, open_existing_lake(config));
    INLET_ASSIGN_OR_RETURN(const auto tables, lake->tables());
    INLET_ASSIGN_OR_RETURN(const auto name, find_table(tables, command.table));
    INLET_ASSIGN_OR_RETURN(const auto table, lake->open(name));
    return table->history(command.limit);
  };
  const auto history = read();
  if (!history) {
    const ExitCode code = report(history.status(), command.output);
    return code == kExitConfiguration ? kExitUsage : code;
  }
  if (command.output == Output::kJson) {
    Json list = Json::array();
    for (const auto& entry : *history) list.push_back(history_json(entry));
    std::printf("%s\n", dump_json(list).c_str());
    return kExitOk;
  }
  std::vector<TableRow> rows;
  for (const auto& entry : *history) rows.push_back(to_row(entry));
  std::fputs(render_table({{"version", true}, {"time"}, {"operation"}, {"rows", true}, {"files"}, {"offsets"}, {"who"}},
                          rows, stdout_style())
                 .c_str(),
             stdout);
  return kExitOk;
}

}  // namespace inlet::cli
