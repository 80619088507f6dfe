#include "cli/diff_command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/format.h"
#include "base/json.h"
#include "bronze/tables.h"
#include "cli/history_command.h"
#include "cli/progress_line.h"
#include "cli/query_command.h"
#include "cli/table_printer.h"
#include "query/moment.h"
#include "query/table_diff.h"
#include "views/planned_views.h"

namespace inlet::cli {
namespace {

constexpr const char* kProcessingTime = "processing_time";

bool has_column(const Schema& schema, const std::string& name) {
  return std::any_of(schema.columns.begin(), schema.columns.end(),
                     [&](const Column& column) { return column.name == name; });
}

// The columns that show all group keys of the view which publishes `table`; empty where there is no such view, or it
// does not show them all.
Result<std::vector<std::string>> keys_of_view(const config::PipelineConfig& config, const std::string& table) {
  std::vector<std::string> keys;
  INLET_ASSIGN_OR_RETURN(const auto planned, views::describe_views(config, bronze::bronze_definition(config).schema));
  for (const auto& view : planned.views) {
    if (view->config->table != table || view->plan.kind != views::ViewPlan::Kind::kAggregate) continue;
    for (const auto& output : view->plan.output) {
      if (output.key) keys.push_back(output.column.name);
    }
    if (keys.size() != view->plan.keys) keys.clear();
  }
  return keys;
}

Result<std::vector<std::string>> usual_key(const config::PipelineConfig& config, const std::string& table,
                                           const Schema& schema) {
  const std::vector<std::string> position{"_source", "_partition", "_offset"};
  if (std::all_of(position.begin(), position.end(), [&](const auto& name) { return has_column(schema, name); }))
    return position;
  return keys_of_view(config, table);
}

Result<TableVersion> version_of(lake::Table& table, const std::string& text) {
  INLET_ASSIGN_OR_RETURN(const auto moment, query::parse_moment(text));
  return query::version_of(table, moment);
}

struct Differing {
  std::string table;
  std::vector<std::string> key;
  query::TableDiff diff;
};

Result<Differing> compare(const config::PipelineConfig& config, const DiffCommand& command) {
  Differing result;
  INLET_ASSIGN_OR_RETURN(const auto lake, open_existing_lake(config));
  INLET_ASSIGN_OR_RETURN(const auto tables, lake->tables());
  INLET_ASSIGN_OR_RETURN(result.table, find_table(tables, command.table));
  INLET_ASSIGN_OR_RETURN(const auto table, lake->open(result.table));
  INLET_ASSIGN_OR_RETURN(const auto from, version_of(*table, command.from));
  INLET_ASSIGN_OR_RETURN(const auto to, version_of(*table, command.to));
  query::TableDiffOptions options;
  options.key = command.key;
  if (options.key.empty()) {
    INLET_ASSIGN_OR_RETURN(options.key, usual_key(config, result.table, table->snapshot()->schema()));
    // A table that had other columns then has rows that came and went, and no key that both versions know.
    for (const auto version : {from, to}) {
      INLET_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot_at(version));
      if (!std::all_of(options.key.begin(), options.key.end(),
                       [&](const auto& name) { return has_column(snapshot->schema(), name); }))
        options.key.clear();
    }
  }
  const bool is_view = std::any_of(config.views.begin(), config.views.end(),
                                   [&](const config::ViewConfig& view) { return view.table == result.table; });
  if (is_view) options.ignored = {kProcessingTime};
  options.most = command.most;
  options.threads = config.resources.duckdb_threads;
  options.memory_limit_bytes = config.resources.duckdb_memory_limit;
  std::error_code error;
  const auto temporary = std::filesystem::temp_directory_path(error);
  if (!error) options.temp_directory = (temporary / ("inlet-diff-" + std::to_string(::getpid()))).string();
  INLET_ASSIGN_OR_RETURN(result.diff, query::diff_versions(*table, from, to, options));
  result.key = std::move(options.key);
  return result;
}

const char* kind_text(query::RowDifference::Kind kind) {
  switch (kind) {
    case query::RowDifference::Kind::kAdded: return "added";
    case query::RowDifference::Kind::kRemoved: return "removed";
    case query::RowDifference::Kind::kChanged: break;
  }
  return "changed";
}

Json row_json(const std::vector<std::string>& columns, const std::vector<std::optional<std::string>>& values) {
  if (values.empty()) return nullptr;
  Json row = Json::object();
  for (std::size_t i = 0; i < columns.size(); ++i) row[columns[i]] = values[i] ? Json(*values[i]) : Json(nullptr);
  return row;
}

Json to_json(const Differing& result) {
  const auto& diff = result.diff;
  Json first = Json::array();
  for (const auto& row : diff.first) {
    first.push_back({{"kind", kind_text(row.kind)},
                     {"count", row.count},
                     {"before", row_json(diff.columns, row.before)},
                     {"after", row_json(diff.columns, row.after)}});
  }
  return {{"table", result.table},
          {"from", diff.from.value},
          {"to", diff.to.value},
          {"added", diff.added},
          {"removed", diff.removed},
          {"changed", diff.changed},
          {"key", result.key},
          {"files", {{"only_before", diff.files_only_before}, {"only_after", diff.files_only_after}}},
          {"first", first}};
}

// What changed is written "old → new".
TableRow to_row(const query::RowDifference& difference) {
  using Kind = query::RowDifference::Kind;
  std::string mark = difference.kind == Kind::kAdded ? "+" : difference.kind == Kind::kRemoved ? "-" : "~";
  if (difference.count > 1) mark += std::to_string(difference.count);
  TableRow row{mark};
  if (difference.kind != Kind::kChanged) {
    const auto& values = difference.kind == Kind::kAdded ? difference.after : difference.before;
    row.insert(row.end(), values.begin(), values.end());
    return row;
  }
  for (std::size_t i = 0; i < difference.after.size(); ++i) {
    const auto& before = difference.before[i];
    const auto& after = difference.after[i];
    row.push_back(before == after ? after : before.value_or("NULL") + " → " + after.value_or("NULL"));
  }
  return row;
}

void print(const Differing& result) {
  const auto& diff = result.diff;
  fmt::print("{}   version {} → {}   {} rows added, {} removed, {} changed   {} files against {}\n", result.table,
             diff.from.value, diff.to.value, with_thousands(diff.added), with_thousands(diff.removed),
             with_thousands(diff.changed), with_thousands(diff.files_only_after),
             with_thousands(diff.files_only_before));
  if (diff.first.empty()) return;
  std::vector<TableColumn> columns{{""}};
  for (const auto& name : diff.columns) columns.push_back({name});
  std::vector<TableRow> rows;
  for (const auto& row : diff.first) rows.push_back(to_row(row));
  std::fputs(render_table(std::move(columns), rows, stdout_style()).c_str(), stdout);
}

}  // namespace

ExitCode run_diff(const config::PipelineConfig& config, const DiffCommand& command) {
  const auto result = compare(config, command);
  if (!result) {
    const ExitCode code = report(result.status(), command.output);
    return code == kExitConfiguration ? kExitUsage : code;
  }
  if (command.output == Output::kJson) {
    fmt::print("{}\n", dump_json(to_json(*result)));
  } else {
    print(*result);
  }
  return kExitOk;
}

}  // namespace inlet::cli
