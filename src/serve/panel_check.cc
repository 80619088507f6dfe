#include "serve/panel_check.h"

#include <algorithm>
#include <string>
#include <utility>

#include "duck/database.h"
#include "query/statement_check.h"
#include "views/planned_views.h"
#include "views/publisher.h"

namespace inlet::serve {
namespace {

Status make_table(duck::Connection& connection, const TableInfo& table) {
  if (const auto slash = table.name.find('/'); slash != std::string::npos) {
    INLET_RETURN_IF_ERROR(
        connection.execute("CREATE SCHEMA IF NOT EXISTS " + duck::quote_identifier(table.name.substr(0, slash))));
  }
  std::string columns;
  for (const auto& column : table.columns.columns) {
    if (!columns.empty()) columns += ", ";
    columns += duck::quote_identifier(column.name) + " " + column.type.to_duckdb();
  }
  return connection.execute("CREATE TABLE " + quoted_table(table.name) + " (" + columns + ")");
}

// The names of the columns that a SELECT has.
Result<std::vector<std::string>> columns_of(duck::Connection& connection, const std::string& sql) {
  INLET_ASSIGN_OR_RETURN(const auto statement, query::check_statement(connection, sql));
  INLET_ASSIGN_OR_RETURN(const auto rows, connection.stream_select(statement.sql));
  std::vector<std::string> names;
  for (std::size_t c = 0; c < rows.columns(); ++c) names.push_back(rows.column_name(c));
  return names;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void check_panel(duck::Connection& connection, const config::PanelConfig& panel, std::vector<Status>& problems) {
  const auto columns = columns_of(connection, panel_sql(panel, {}));
  if (!columns.is_ok()) {
    problems.push_back(Status(StatusCode::kInvalidArgument, "page.bad_sql",
                              "the SQL of the panel \"" + panel.title + "\" cannot be run")
                           .at(panel.where)
                           .because(columns.status().detail().what)
                           .fix(columns.status().detail().fix));
    return;
  }
  auto named = panel.money;
  for (const auto* name : {&panel.label, &panel.value, &panel.time, &panel.series}) {
    if (!name->empty()) named.push_back(*name);
  }
  for (const auto& name : named) {
    if (std::find(columns->begin(), columns->end(), name) != columns->end()) continue;
    problems.push_back(Status(StatusCode::kInvalidArgument, "page.no_column",
                              "the panel \"" + panel.title + "\" has no column " + name)
                           .at(panel.where)
                           .fix("its columns: " + listed(*columns)));
  }
}

void check_filter(const config::FilterConfig& filter, const std::vector<TableInfo>& tables,
                  std::vector<Status>& problems) {
  for (const auto& table : tables) {
    if (quoted_table(table.name) != quoted_table(filter.values_from)) continue;
    std::vector<std::string> names;
    for (const auto& column : table.columns.columns) names.push_back(column.name);
    if (std::find(names.begin(), names.end(), filter.column) != names.end()) return;
    problems.push_back(Status(StatusCode::kInvalidArgument, "page.no_column",
                              "the filter \"" + filter.title + "\" is of a column that " + table.name + " has not")
                           .at(filter.where)
                           .because("there is no " + filter.column)
                           .fix("its columns: " + listed(names)));
  }
}

}  // namespace

Result<std::vector<ViewInfo>> describe_views(const config::PipelineConfig& config, const Schema& bronze_schema) {
  std::vector<ViewInfo> described;
  if (config.views.empty()) return described;
  INLET_ASSIGN_OR_RETURN(const auto planned, views::describe_views(config, bronze_schema));
  if (!planned.problems.empty()) return planned.problems.front();
  for (const auto& view : planned.views) {
    auto& info = described.emplace_back();
    info.name = view->config->name;
    info.table = view->config->table;
    info.columns = views::view_definition(*view->config, view->plan).schema;
    info.sql = view->config->sql;
    info.partition_by = view->plan.partition_by;
    for (const auto& column : view->plan.output) {
      if (column.key) info.keys.push_back(column.column.name);
    }
  }
  return described;
}

std::vector<TableInfo> with_views(std::vector<TableInfo> tables, const std::vector<ViewInfo>& views) {
  for (const auto& view : views) tables.push_back({view.table, view.columns});
  return tables;
}

Result<std::vector<Status>> check_page(const config::PipelineConfig& config, const Schema& bronze_schema,
                                       std::vector<TableInfo> tables) {
  std::vector<Status> problems;
  if (config.page.panels.empty() && config.page.filters.empty()) return problems;
  INLET_ASSIGN_OR_RETURN(const auto views, describe_views(config, bronze_schema));
  INLET_ASSIGN_OR_RETURN(auto database, duck::Database::open({}));
  INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
  const auto all = with_views(std::move(tables), views);
  for (const auto& table : all) INLET_RETURN_IF_ERROR(make_table(connection, table));
  INLET_RETURN_IF_ERROR(connection.execute("SET enable_external_access = false"));  // as a session over the lake has it
  for (const auto& panel : config.page.panels) check_panel(connection, panel, problems);
  for (const auto& filter : config.page.filters) check_filter(filter, all, problems);
  return problems;
}

}  // namespace inlet::serve
