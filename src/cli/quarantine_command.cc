#include "cli/quarantine_command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "base/integer.h"
#include "base/json.h"
#include "bronze/quarantine_rows.h"
#include "bronze/replay.h"
#include "bronze/tables.h"
#include "cli/progress_line.h"
#include "cli/query_command.h"
#include "cli/stop_on_signal.h"
#include "cli/table_printer.h"
#include "cli/tables_command.h"
#include "decode/reject.h"
#include "duck/database.h"

namespace inlet::cli {
namespace {

using bronze::QuarantineState;

Result<duck::Database> open_database(const config::PipelineConfig& config) {
  duck::DatabaseOptions options;
  options.threads = config.resources.duckdb_threads;
  options.memory_limit_bytes = config.resources.duckdb_memory_limit;
  std::error_code error;
  const auto temporary = std::filesystem::temp_directory_path(error);
  // DuckDB creates it when it first spills, and removes it.
  if (!error) options.temp_directory = (temporary / ("inlet-quarantine-" + std::to_string(::getpid()))).string();
  return duck::Database::open(options);
}

Result<std::unique_ptr<lake::Table>> open_table(lake::Lake& lake, const config::PipelineConfig& config,
                                                const std::string& name) {
  auto table = lake.open(name);
  if (table.is_ok() || table.status().code() != StatusCode::kNotFound) return table;
  return Status(StatusCode::kNotFound, "lake.no_table", "there is no table " + name + " yet")
      .at(config.lake)
      .fix("run `inlet run " + config.file + "` first, or name the directory with --lake");
}

// The rows of quarantine with their states, as SQL to select from, and where to run it.
struct Look {
  duck::Database database;
  duck::Connection connection;
  TableVersion version;  // of quarantine
  bronze::QuarantineRows rows;
};

Result<Look> look_at(const config::PipelineConfig& config) {
  INLET_ASSIGN_OR_RETURN(const auto lake, open_existing_lake(config));
  INLET_ASSIGN_OR_RETURN(const auto bronze_table, open_table(*lake, config, config.bronze.table));
  INLET_ASSIGN_OR_RETURN(const auto quarantine_table, open_table(*lake, config, config.quarantine.table));
  bronze::QuarantineLook tables{bronze_table->snapshot(), bronze_table->data_files(), quarantine_table->snapshot(),
                                quarantine_table->data_files()};
  INLET_ASSIGN_OR_RETURN(auto rows, bronze::quarantine_rows_sql(tables, config.name));
  INLET_ASSIGN_OR_RETURN(auto database, open_database(config));
  INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
  return Look{std::move(database), std::move(connection), tables.quarantine->version(), std::move(rows)};
}

std::optional<std::string> text_or_null(const duck::QueryResult& rows, std::size_t row, std::size_t column) {
  return rows.is_null(row, column) ? std::nullopt : std::optional(rows.text(row, column));
}

// Of a column of microseconds.
std::optional<std::string> time_or_null(const duck::QueryResult& rows, std::size_t row, std::size_t column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return iso_time(Timestamp(std::chrono::microseconds(rows.integer(row, column))));
}

Json json_or_null(const std::optional<std::string>& text) { return text ? Json(*text) : Json(nullptr); }

// JSON may hold DEL, C1 controls and marks that turn the direction of writing as they are; a terminal must not get
// them.
std::string without_controls(const std::string& json) {
  std::string safe;
  for (std::size_t at = 0; at < json.size(); ++at) {
    const auto byte = static_cast<unsigned char>(json[at]);
    const auto next = at + 1 < json.size() ? static_cast<unsigned char>(json[at + 1]) : 0U;
    const auto third = at + 2 < json.size() ? static_cast<unsigned char>(json[at + 2]) : 0U;
    std::uint32_t point = 0;
    std::size_t length = 1;
    if (byte == 0x7F) point = byte;
    if (byte == 0xC2 && next >= 0x80 && next <= 0x9F) {
      point = next;
      length = 2;
    }
    const bool turns =
        byte == 0xE2 && ((next == 0x80 && ((third >= 0x8E && third <= 0x8F) || (third >= 0xA8 && third <= 0xAE))) ||
                         (next == 0x81 && third >= 0xA6 && third <= 0xA9));
    if (turns) {
      point = 0x2000U | ((next & 0x3FU) << 6U) | (third & 0x3FU);
      length = 3;
    }
    if (point == 0) {
      safe += json[at];
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\u%04x", point);
    safe += escaped;
    at += length - 1;
  }
  return safe;
}

std::string filter(const std::optional<std::string>& reason) {
  return reason ? " WHERE reason = " + duck::quote_literal(*reason) : "";
}

std::string position_text(const std::string& source, std::int64_t partition, std::int64_t offset) {
  return source + "/" + std::to_string(partition) + "/" + std::to_string(offset);
}

// ---- list ----

struct ListedRows {
  duck::QueryResult reasons;
  duck::QueryResult rows;
  TableVersion version;
};

enum ReasonColumn : std::size_t { kReason, kRows, kFirst, kLast, kReplayed, kReplayable };
enum RowColumn : std::size_t { kSource, kPartition, kOffset, kRowReason, kField, kMessage, kState, kSeen };

Result<ListedRows> read_list(const config::PipelineConfig& config, const QuarantineListCommand& command) {
  INLET_ASSIGN_OR_RETURN(auto look, look_at(config));
  const auto count = [](QuarantineState state) {
    return "count(*) FILTER (state = " + duck::quote_literal(bronze::to_string(state)) + ")";
  };
  INLET_ASSIGN_OR_RETURN(
      auto reasons,
      look.connection.query("SELECT reason, count(*), epoch_us(min(quarantined_at)), epoch_us(max(quarantined_at)), " +
                            count(QuarantineState::kReplayed) + ", " + count(QuarantineState::kReplayable) + " FROM " +
                            look.rows.sql + filter(command.reason) + " GROUP BY reason ORDER BY 2 DESC, 1"));
  INLET_ASSIGN_OR_RETURN(
      auto rows,
      look.connection.query(
          "SELECT _source, _partition, _offset, reason, field, message, state, epoch_us(quarantined_at) FROM " +
          look.rows.sql + filter(command.reason) +
          " ORDER BY quarantined_at DESC, _source, _partition, _offset DESC LIMIT " + std::to_string(command.limit)));
  return ListedRows{std::move(reasons), std::move(rows), look.version};
}

Json list_json(const config::PipelineConfig& config, const ListedRows& list) {
  Json document{{"table", config.quarantine.table}, {"version", list.version.value}};
  document["reasons"] = Json::array();
  for (std::size_t i = 0; i < list.reasons.rows(); ++i) {
    document["reasons"].push_back({{"reason", list.reasons.text(i, kReason)},
                                   {"rows", list.reasons.integer(i, kRows)},
                                   {"first_seen", json_or_null(time_or_null(list.reasons, i, kFirst))},
                                   {"last_seen", json_or_null(time_or_null(list.reasons, i, kLast))},
                                   {"replayed", list.reasons.integer(i, kReplayed)},
                                   {"replayable", list.reasons.integer(i, kReplayable)}});
  }
  document["rows"] = Json::array();
  for (std::size_t i = 0; i < list.rows.rows(); ++i) {
    document["rows"].push_back({{"source", list.rows.text(i, kSource)},
                                {"partition", list.rows.integer(i, kPartition)},
                                {"offset", list.rows.integer(i, kOffset)},
                                {"reason", list.rows.text(i, kRowReason)},
                                {"field", json_or_null(text_or_null(list.rows, i, kField))},
                                {"message", json_or_null(text_or_null(list.rows, i, kMessage))},
                                {"state", list.rows.text(i, kState)},
                                {"quarantined_at", json_or_null(time_or_null(list.rows, i, kSeen))}});
  }
  return document;
}

std::string list_text(const config::PipelineConfig& config, const ListedRows& list) {
  std::vector<TableRow> reasons;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < list.reasons.rows(); ++i) {
    const auto rows = list.reasons.integer(i, kRows);
    total += rows;
    reasons.push_back({list.reasons.text(i, kReason), with_thousands(rows), time_or_null(list.reasons, i, kFirst),
                       time_or_null(list.reasons, i, kLast), with_thousands(list.reasons.integer(i, kReplayed)),
                       with_thousands(list.reasons.integer(i, kReplayable))});
  }
  std::vector<TableRow> rows;
  for (std::size_t i = 0; i < list.rows.rows(); ++i) {
    rows.push_back(
        {position_text(list.rows.text(i, kSource), list.rows.integer(i, kPartition), list.rows.integer(i, kOffset)),
         list.rows.text(i, kRowReason), text_or_null(list.rows, i, kField).value_or(""), list.rows.text(i, kState),
         text_or_null(list.rows, i, kMessage)});
  }
  const auto style = stdout_style();
  return render_table(
             {{"reason"}, {"rows", true}, {"first seen"}, {"last seen"}, {"replayed", true}, {"replayable", true}},
             reasons, style) +
         "\n" + render_table({{"position"}, {"reason"}, {"field"}, {"state"}, {"message"}}, rows, style) + "(" +
         with_thousands(total) + (total == 1 ? " row" : " rows") + " in " + config.quarantine.table + " version " +
         std::to_string(list.version.value) + ", " + std::to_string(rows.size()) + " shown)\n";
}

// ---- show ----

Result<std::int64_t> number_of(std::string_view text) {
  if (const auto number = parse_integer(text)) return *number;
  return Status(StatusCode::kInvalidArgument, "cli.bad_position", "\"" + std::string(text) + "\" is not a number");
}

Status not_a_position(std::string_view text) {
  return Status(StatusCode::kInvalidArgument, "cli.bad_position", "\"" + std::string(text) + "\" is not a position")
      .fix("write SOURCE/PARTITION/OFFSET as `inlet quarantine list` shows it, for example kafka:ventes/0/17");
}

// Columns of the row that is shown, in this order, under these names.
constexpr const char* kShown[] = {"position",       "reason",           "field",     "message", "state",
                                  "quarantined_at", "_kafka_timestamp", "raw_bytes", "raw_cut"};

struct ShownRow {
  std::string source;
  std::int64_t partition = 0;
  std::int64_t offset = 0;
  std::string reason;
  std::optional<std::string> field;
  std::optional<std::string> message;
  std::string state;
  std::optional<std::string> seen;
  std::optional<std::string> record_time;
  std::int64_t raw_bytes = 0;
  bool raw_cut = false;
  std::optional<std::string> raw;
  std::string encoding;

  std::string position() const { return position_text(source, partition, offset); }
};

Result<std::vector<ShownRow>> read_rows(const config::PipelineConfig& config, const QuarantinePosition& position) {
  INLET_ASSIGN_OR_RETURN(auto look, look_at(config));
  std::string where = "_offset = " + std::to_string(position.offset.value);
  if (position.partition) where += " AND _partition = " + std::to_string(*position.partition);
  if (position.source) where += " AND _source = " + duck::quote_literal(*position.source);
  INLET_ASSIGN_OR_RETURN(const auto rows,
                         look.connection.query("SELECT _source, _partition, _offset, reason, field, message, state, "
                                               "epoch_us(quarantined_at), epoch_us(_kafka_timestamp), raw_bytes, "
                                               "raw_cut::INTEGER, raw, raw_encoding FROM " +
                                               look.rows.sql + " WHERE " + where + " ORDER BY quarantined_at DESC"));
  std::vector<ShownRow> shown;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    shown.push_back({rows.text(i, 0), rows.integer(i, 1), rows.integer(i, 2), rows.text(i, 3), text_or_null(rows, i, 4),
                     text_or_null(rows, i, 5), rows.text(i, 6), time_or_null(rows, i, 7), time_or_null(rows, i, 8),
                     rows.integer(i, 9), rows.integer(i, 10) != 0, text_or_null(rows, i, 11), rows.text(i, 12)});
  }
  return shown;
}

// Rows of more than one partition are not one row: the positions to choose from; empty where there is one.
std::string several(const std::vector<ShownRow>& rows) {
  std::vector<std::string> positions;
  for (const auto& row : rows) {
    if (std::find(positions.begin(), positions.end(), row.position()) == positions.end())
      positions.push_back(row.position());
  }
  if (positions.size() < 2) return "";
  std::string text;
  for (const auto& position : positions) text += (text.empty() ? "" : ", ") + position;
  return text;
}

std::string row_text(const ShownRow& row) {
  const std::optional<std::string> values[] = {row.position(),
                                               row.reason,
                                               row.field,
                                               row.message,
                                               row.state,
                                               row.seen,
                                               row.record_time,
                                               with_thousands(row.raw_bytes),
                                               row.raw_cut ? "yes: the rest was not kept" : "no"};
  std::string text;
  for (std::size_t i = 0; i < std::size(kShown); ++i) {
    std::string name = kShown[i];
    name.resize(18, ' ');
    text += name + printable(values[i].value_or("")) + "\n";
  }
  text += "\n";
  if (!row.raw) return text + "(no value: a tombstone)\n";
  const auto bytes = row.encoding == "base64" ? decode::from_base64(*row.raw) : row.raw;
  return text + printable(bytes.value_or(*row.raw)) + "\n";
}

Json row_json(const ShownRow& row) {
  return {{"source", row.source},
          {"partition", row.partition},
          {"offset", row.offset},
          {"reason", row.reason},
          {"field", json_or_null(row.field)},
          {"message", json_or_null(row.message)},
          {"state", row.state},
          {"quarantined_at", json_or_null(row.seen)},
          {"kafka_timestamp", json_or_null(row.record_time)},
          {"raw_bytes", row.raw_bytes},
          {"raw_cut", row.raw_cut},
          {"raw_encoding", row.encoding},
          {"raw", json_or_null(row.raw)}};
}

// ---- replay ----

Json counts_json(const std::map<std::string, std::int64_t>& counts) {
  Json json = Json::object();
  for (const auto& [name, count] : counts) json[name] = count;
  return json;
}

std::int64_t count_of(const bronze::ReplayResult& result, QuarantineState state) {
  const auto found = result.by_state.find(std::string(bronze::to_string(state)));
  return found == result.by_state.end() ? 0 : found->second;
}

Json replay_json(const bronze::ReplayResult& result, const QuarantineReplayCommand& command) {
  std::int64_t rejected = 0;
  for (const auto& [reason, count] : result.rejected_by_reason) rejected += count;
  Json json{{"dry_run", command.dry_run},
            {"replayed", result.replayed},
            {"still_rejected", rejected},
            {"still_rejected_by_reason", counts_json(result.rejected_by_reason)},
            {"already_replayed", count_of(result, QuarantineState::kReplayed)},
            {"cut", count_of(result, QuarantineState::kCut)},
            {"tombstones", count_of(result, QuarantineState::kTombstone)},
            {"uncovered", count_of(result, QuarantineState::kUncovered)},
            {"earlier_log", count_of(result, QuarantineState::kEarlierLog)},
            {"version", nullptr}};
  if (result.committed) json["version"] = result.committed->version.value;
  return json;
}

std::string replay_text(const config::PipelineConfig& config, const bronze::ReplayResult& result,
                        const QuarantineReplayCommand& command) {
  const auto rows = [](std::int64_t count) { return with_thousands(count) + (count == 1 ? " row" : " rows"); };
  std::string text = rows(result.replayed);
  if (result.committed) {
    text += " replayed into " + config.bronze.table + ", version " + std::to_string(result.committed->version.value);
  } else {
    text += command.dry_run ? " would be replayed (dry run: nothing was written)" : " replayed";
  }
  text += "\n";
  for (const auto& [reason, count] : result.rejected_by_reason)
    text += "  " + rows(count) + " still rejected: " + reason + "\n";
  const auto add = [&](QuarantineState state, const char* what) {
    if (const auto count = count_of(result, state); count > 0) text += "  " + rows(count) + " " + what + "\n";
  };
  add(QuarantineState::kReplayed, "replayed before");
  add(QuarantineState::kCut, "cut: longer than quarantine.max_raw_bytes, the rest was not kept");
  add(QuarantineState::kTombstone, "without a value: tombstones have no row to become");
  add(QuarantineState::kUncovered, "not covered by bronze yet: the run that rejected them has not committed its batch");
  add(QuarantineState::kEarlierLog, "of a log that is gone: send the events again to have them");
  return text;
}

Result<bronze::ReplayResult> replay(const config::PipelineConfig& config, const QuarantineReplayCommand& command) {
  {
    // A replay creates no table.
    INLET_ASSIGN_OR_RETURN(const auto lake, open_existing_lake(config));
    INLET_RETURN_IF_ERROR(open_table(*lake, config, config.bronze.table).status());
    INLET_RETURN_IF_ERROR(open_table(*lake, config, config.quarantine.table).status());
  }
  INLET_ASSIGN_OR_RETURN(auto tables, bronze::Tables::open(config));
  INLET_ASSIGN_OR_RETURN(auto database, open_database(config));
  INLET_ASSIGN_OR_RETURN(auto reader, database.connect());
  INLET_ASSIGN_OR_RETURN(auto writer, database.connect());
  pipeline::StopSignal stop;
  const StopOnSignal signals(stop);
  return bronze::replay_quarantine(tables, config, std::move(reader), std::move(writer), Clock::system(),
                                   {command.reason, command.dry_run}, [&] { return stop.requested(); });
}

}  // namespace

ExitCode run_quarantine_list(const config::PipelineConfig& config, const QuarantineListCommand& command) {
  const auto list = read_list(config, command);
  if (!list) return report(list.status(), command.output);
  if (command.output == Output::kJson) {
    std::printf("%s\n", without_controls(dump_json(list_json(config, *list))).c_str());
  } else if (list->reasons.rows() == 0) {
    std::printf("%s holds no row%s.\n", config.quarantine.table.c_str(),
                command.reason ? (" with the reason " + printable(*command.reason)).c_str() : "");
  } else {
    std::fputs(list_text(config, *list).c_str(), stdout);
  }
  return kExitOk;
}

Result<QuarantinePosition> parse_quarantine_position(std::string_view text) {
  const auto last = text.rfind('/');
  if (last == std::string_view::npos || last == 0) return not_a_position(text);
  const auto middle = text.rfind('/', last - 1);
  if (middle == std::string_view::npos || middle == 0) return not_a_position(text);
  const auto partition = number_of(text.substr(middle + 1, last - middle - 1));
  const auto offset = number_of(text.substr(last + 1));
  if (!partition || !offset || *partition < 0 || *partition > INT32_MAX || *offset < 0) return not_a_position(text);
  return QuarantinePosition{std::string(text.substr(0, middle)), static_cast<std::int32_t>(*partition),
                            Offset{*offset}};
}

ExitCode run_quarantine_show(const config::PipelineConfig& config, const QuarantineShowCommand& command) {
  const auto rows = read_rows(config, command.position);
  if (!rows) return report(rows.status(), command.output);
  if (rows->empty()) {
    return report(Status(StatusCode::kNotFound, "quarantine.no_row", "quarantine holds no row at this position")
                      .at(config.quarantine.table)
                      .fix("`inlet quarantine list` shows the positions there are"),
                  command.output);
  }
  if (const auto positions = several(*rows); !positions.empty()) {
    static_cast<void>(
        report(Status(StatusCode::kInvalidArgument, "quarantine.several_rows", "more than one row is at this offset")
                   .at(config.quarantine.table)
                   .fix("write one of " + positions),
               command.output));
    return kExitUsage;
  }
  if (command.output == Output::kJson) {
    Json list = Json::array();
    for (const auto& row : *rows) list.push_back(row_json(row));
    std::printf("%s\n", without_controls(dump_json(list)).c_str());
    return kExitOk;
  }
  std::string text;
  for (const auto& row : *rows) text += (text.empty() ? "" : "\n") + row_text(row);
  std::fputs(text.c_str(), stdout);
  return kExitOk;
}

ExitCode run_quarantine_replay(const config::PipelineConfig& config, const QuarantineReplayCommand& command) {
  const auto result = replay(config, command);
  if (!result) return report(result.status(), command.output);
  if (command.output == Output::kJson) {
    std::printf("%s\n", dump_json(replay_json(*result, command)).c_str());
  } else {
    std::fputs(replay_text(config, *result, command).c_str(), stdout);
  }
  return kExitOk;
}

}  // namespace inlet::cli
