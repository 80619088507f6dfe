#include "serve/page_model.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "duck/database.h"

namespace inlet::serve {
namespace {

constexpr std::array<std::string_view, 6> kKinds{"tiles", "ranking", "table", "bars", "timeseries", "share"};

std::string_view to_string(config::PanelKind kind) { return kKinds.at(static_cast<std::size_t>(kind)); }

// A table's name as the lake has it, whichever way it was written.
std::string path_form(std::string_view name) {
  std::string path(name);
  if (const auto dot = path.find('.'); dot != std::string::npos && path.find('/') == std::string::npos) path[dot] = '/';
  return path;
}

const TableInfo* find_table(const std::vector<TableInfo>& tables, std::string_view name) {
  const auto wanted = path_form(name);
  const auto found = std::find_if(tables.begin(), tables.end(), [&](const TableInfo& t) { return t.name == wanted; });
  return found == tables.end() ? nullptr : &*found;
}

bool has_column(const Schema& schema, std::string_view name) {
  return std::any_of(schema.columns.begin(), schema.columns.end(), [&](const Column& c) { return c.name == name; });
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json panel_json(const config::PanelConfig& panel) {
  return {{"id", panel.id},
          {"title", panel.title},
          {"kind", to_string(panel.kind)},
          {"view", text_or_null(panel.view)},
          {"value", text_or_null(panel.value)},
          {"label", text_or_null(panel.label)},
          {"time", text_or_null(panel.time)},
          {"series", text_or_null(panel.series)},
          {"money", panel.money},
          {"wide", panel.wide},
          {"filters", panel.filters.value_or(std::vector<std::string>())}};
}

// What follows the word WITH that a statement begins with; nullopt: it begins with something else.
std::optional<std::string_view> behind_with(std::string_view sql) {
  constexpr std::string_view kWith = "with";
  if (sql.size() <= kWith.size() || std::isspace(static_cast<unsigned char>(sql[kWith.size()])) == 0) return {};
  const bool is_with = std::equal(kWith.begin(), kWith.end(), sql.begin(),
                                  [](char a, unsigned char b) { return a == static_cast<char>(std::tolower(b)); });
  return is_with ? std::optional(sql.substr(kWith.size())) : std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kWhite = " \t\r\n";
  const auto begin = text.find_first_not_of(kWhite);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhite) - begin + 1);
}

}  // namespace

PageModel::PageModel(const config::PipelineConfig& config, const std::vector<ViewInfo>& views,
                     const std::vector<TableInfo>& tables)
    : panels_(config.page.panels), filters_(config.page.filters) {
  if (panels_.empty()) {
    for (const auto& view : views) {
      auto& panel = panels_.emplace_back();
      panel.id = view.name;
      panel.title = view.name;
      panel.view = view.table;
      panel.wide = true;
    }
  }
  for (auto& panel : panels_) {
    if (panel.filters) continue;
    panel.filters.emplace();
    const TableInfo* const table = panel.view.empty() ? nullptr : find_table(tables, panel.view);
    for (const auto& filter : filters_) {
      if (table != nullptr && has_column(table->columns, filter.column)) panel.filters->push_back(filter.id);
    }
  }
  Json document{{"pipeline", config.name},
                {"title", config.page.title.empty() ? config.name : config.page.title},
                {"locale", config.page.locale},
                {"currency", config.page.currency},
                {"timezone", "UTC"},
                {"panels", Json::array()},
                {"filters", Json::array()}};
  for (const auto& panel : panels_) document["panels"].push_back(panel_json(panel));
  for (const auto& filter : filters_)
    document["filters"].push_back({{"id", filter.id}, {"title", filter.title}, {"column", filter.column}});
  document_ = dump_json(document);
}

const config::PanelConfig* PageModel::panel(std::string_view id) const {
  const auto found = std::find_if(panels_.begin(), panels_.end(), [&](const auto& panel) { return panel.id == id; });
  return found == panels_.end() ? nullptr : &*found;
}

const config::FilterConfig* PageModel::filter(std::string_view id) const {
  const auto found =
      std::find_if(filters_.begin(), filters_.end(), [&](const auto& filter) { return filter.id == id; });
  return found == filters_.end() ? nullptr : &*found;
}

bool PageModel::takes(const config::PanelConfig& panel, std::string_view filter) {
  return panel.filters && std::find(panel.filters->begin(), panel.filters->end(), filter) != panel.filters->end();
}

std::string quoted_table(std::string_view name) {
  const std::string path = path_form(name);
  const auto slash = path.find('/');
  if (slash == std::string::npos) return duck::quote_identifier(path);
  return duck::quote_identifier(path.substr(0, slash)) + "." + duck::quote_identifier(path.substr(slash + 1));
}

std::string conditional_select(std::string_view table, const std::vector<Condition>& conditions) {
  std::string sql = "SELECT * FROM " + quoted_table(table);
  std::string_view glue = " WHERE ";
  for (const auto& condition : conditions) {
    const auto column = duck::quote_identifier(condition.column);
    sql += glue;
    // Compared as text: whatever a person wrote into an address is a value of every type.
    sql += condition.value ? "CAST(" + column + " AS VARCHAR) = " + duck::quote_literal(*condition.value)
                           : column + " IS NULL";
    glue = " AND ";
  }
  return sql;
}

std::string panel_sql(const config::PanelConfig& panel, const std::vector<Condition>& conditions) {
  std::string_view sql = trimmed(panel.sql);
  while (sql.ends_with(';')) sql = trimmed(sql.substr(0, sql.size() - 1));
  if (panel.view.empty()) return std::string(sql);
  const auto rows = conditional_select(panel.view, conditions);
  if (sql.empty()) return rows;
  const std::string filtered = "WITH filtered AS (" + rows + ")";
  if (const auto others = behind_with(sql)) return filtered + "," + std::string(*others);
  return filtered + " " + std::string(sql);
}

}  // namespace inlet::serve
