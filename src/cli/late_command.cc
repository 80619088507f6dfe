#include "cli/late_command.h"

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "base/format.h"
#include "base/json.h"
#include "bronze/late_table.h"
#include "cli/progress_line.h"
#include "cli/result_writer.h"
#include "cli/table_printer.h"
#include "duck/value_text.h"

namespace inlet::cli {
namespace {

// Late rows of one day (or whatever the table is partitioned by) and one source partition.
struct LateCount {
  std::optional<std::string> day;
  std::string source;
  std::int64_t partition = 0;
  std::int64_t rows = 0;
  std::int64_t pending = 0;
};

Result<std::vector<LateCount>> count_rows(bronze::LateTable& table, const bronze::LateView& view) {
  const auto& by = table.partition_columns();
  const std::string day = by.empty() ? "NULL::VARCHAR" : duck::quote_identifier(by.front()) + "::VARCHAR";
  const auto part = [&](const std::string& sql, const char* pending) {
    return "SELECT " + day + " AS day, _source, _partition, " + pending + " AS pending FROM (" + sql + ")";
  };
  INLET_ASSIGN_OR_RETURN(
      const auto found,
      table.connection().query("SELECT day, _source, _partition, count(*), sum(pending) FROM (" +
                               part(view.applied_sql, "0") + " UNION ALL " + part(view.pending_sql, "1") +
                               ") GROUP BY ALL ORDER BY day, _source, _partition"));
  std::vector<LateCount> counts;
  for (std::size_t row = 0; row < found.rows(); ++row) {
    LateCount count;
    if (!found.is_null(row, 0)) count.day = found.text(row, 0);
    count.source = found.text(row, 1);
    count.partition = found.integer(row, 2);
    count.rows = found.integer(row, 3);
    count.pending = found.integer(row, 4);
    counts.push_back(std::move(count));
  }
  return counts;
}

std::int64_t total(const std::vector<LateCount>& counts, std::int64_t LateCount::*what) {
  std::int64_t sum = 0;
  for (const auto& count : counts) sum += count.*what;
  return sum;
}

std::string newest_sql(const bronze::LateView& view, int limit) {
  return "SELECT * FROM (SELECT *, false AS applied FROM (" + view.pending_sql +
         ") UNION ALL SELECT *, true AS applied FROM (" + view.applied_sql +
         ")) ORDER BY diverted_at DESC, _source, _partition, _offset DESC LIMIT " + std::to_string(limit);
}

// The rows as the text of a JSON array: every digit stays what it is.
Result<std::string> rows_json(duck::ResultStream rows) {
  std::string json = "[";
  for (;;) {
    INLET_ASSIGN_OR_RETURN(const std::size_t count, rows.next());
    if (count == 0) break;
    for (std::size_t row = 0; row < count; ++row) {
      json += json.size() > 1 ? ",{" : "{";
      for (std::size_t column = 0; column < rows.columns(); ++column) {
        if (column > 0) json += ",";
        duck::append_json_string(json, rows.column_name(column));
        json += ":";
        rows.append_json(json, row, column);
      }
      json += "}";
    }
  }
  return json + "]";
}

// Its last member is left to be added, and the closing brace.
std::string list_json(const config::PipelineConfig& config, const bronze::LateView& view,
                      const std::vector<LateCount>& counts) {
  Json by_day = Json::array();
  for (const auto& count : counts) {
    by_day.push_back({{"day", count.day ? Json(*count.day) : Json(nullptr)},
                      {"source", count.source},
                      {"partition", count.partition},
                      {"rows", count.rows},
                      {"pending", count.pending}});
  }
  const Json document{{"table", config.late.table},
                      {"version", view.version.value},
                      {"applied_version", view.applied_version ? Json(*view.applied_version) : Json(nullptr)},
                      {"rows", total(counts, &LateCount::rows)},
                      {"pending", total(counts, &LateCount::pending)},
                      {"by_day", by_day}};
  std::string text = dump_json(document);
  text.pop_back();
  return text;
}

Status print_list(const config::PipelineConfig& config, const LateListCommand& command) {
  const auto started = std::chrono::steady_clock::now();
  INLET_ASSIGN_OR_RETURN(const auto table, bronze::LateTable::open(config));
  INLET_ASSIGN_OR_RETURN(const auto view, table->look());
  INLET_ASSIGN_OR_RETURN(const auto counts, count_rows(*table, view));
  INLET_ASSIGN_OR_RETURN(auto newest, table->connection().stream_select(newest_sql(view, command.limit)));
  if (command.output == Output::kJson) {
    INLET_ASSIGN_OR_RETURN(const auto rows, rows_json(std::move(newest)));
    std::printf("%s,\"newest\":%s}\n", list_json(config, view, counts).c_str(), rows.c_str());
    return Status::ok();
  }
  std::vector<TableRow> lines;
  for (const auto& count : counts) {
    lines.push_back({count.day, count.source + "/" + std::to_string(count.partition), with_thousands(count.rows),
                     with_thousands(count.pending)});
  }
  const std::string day = table->partition_columns().empty() ? "day" : table->partition_columns().front();
  fmt::print("{}   version {}   {} rows, {} of them not applied\n", config.late.table, view.version.value,
             with_thousands(total(counts, &LateCount::rows)), with_thousands(total(counts, &LateCount::pending)));
  if (lines.empty()) return Status::ok();
  std::fputs(render_table({{day}, {"partition"}, {"rows", true}, {"not applied", true}}, lines, stdout_style()).c_str(),
             stdout);
  if (command.limit == 0) return Status::ok();
  return write_result(newest, started, {ResultFormat::kTable, stdout_style(), stdout});
}

// No late table: nothing was ever diverted, which is no error.
ExitCode report_unless_absent(const Status& status, Output output, const char* json) {
  if (status.code() != StatusCode::kNotFound) return report(status, output);
  std::puts(output == Output::kJson ? json : "nothing was diverted");
  return kExitOk;
}

}  // namespace

ExitCode run_late_list(const config::PipelineConfig& config, const LateListCommand& command) {
  const Status status = print_list(config, command);
  if (status.is_ok()) return kExitOk;
  return report_unless_absent(status, command.output, R"({"rows":0,"pending":0,"by_day":[],"newest":[]})");
}

ExitCode run_late_apply(const config::PipelineConfig& config, const LateApplyCommand& command) {
  constexpr const char* kNothing = R"({"rows":0,"version":null})";
  const auto table = bronze::LateTable::open(config);
  if (!table.is_ok()) return report_unless_absent(table.status(), command.output, kNothing);
  if (command.dry_run) {
    const auto count = [&]() -> Result<std::int64_t> {
      INLET_ASSIGN_OR_RETURN(const auto view, (*table)->look());
      INLET_ASSIGN_OR_RETURN(const auto counts, count_rows(**table, view));
      return total(counts, &LateCount::pending);
    };
    const auto rows = count();
    if (!rows.is_ok()) return report(rows.status(), command.output);
    if (command.output == Output::kJson) {
      fmt::print("{}\n", dump_json(Json{{"rows", *rows}, {"version", nullptr}, {"dry_run", true}}));
    } else {
      fmt::print("{} late rows would be applied to {}\n", with_thousands(*rows), config.bronze.table);
    }
    return kExitOk;
  }
  const auto applied = (*table)->apply(Clock::system(), [] { return false; });
  if (!applied.is_ok()) return report(applied.status(), command.output);
  if (command.output == Output::kJson) {
    fmt::print("{}\n",
               dump_json(Json{{"rows", applied->rows},
                              {"version", applied->bronze ? Json(applied->bronze->version.value) : Json(nullptr)}}));
  } else if (applied->bronze) {
    fmt::print("{} late rows applied to {}, version {}\n", with_thousands(applied->rows), config.bronze.table,
               applied->bronze->version.value);
  } else {
    fmt::print("no late row is left to apply\n");
  }
  return kExitOk;
}

}  // namespace inlet::cli
