#include "serve/api.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/format.h"
#include "duck/database.h"
#include "serve/result_set.h"

namespace inlet::serve {
namespace {

constexpr std::size_t kMostPanelRows = 1000;
constexpr std::size_t kMostFilterValues = 1000;
constexpr std::string_view kWherePrefix = "where.";
constexpr std::string_view kNullPrefix = "null.";

struct Failure {
  std::string_view id;
  unsigned status;
};
constexpr std::array<Failure, 15> kFailures{{
    {"http.target_too_long", 414},
    {"http.wrong_host", 421},
    {"http.wrong_origin", 403},
    {"http.no_token", 401},
    {"http.wrong_token", 403},
    {"http.bad_method", 405},
    {"http.header_too_large", 431},
    {"http.body_refused", 413},
    {"http.expectation", 417},
    {"http.timeout", 408},
    {"http.too_many_connections", 503},
    {"api.query_timeout", 504},
    {"api.busy", 503},
    {"provenance.no_view", 404},
    {"provenance.not_published", 404},
}};

Status not_found(std::string id, std::string what, std::string fix = {}) {
  return Status(StatusCode::kNotFound, std::move(id), std::move(what)).fix(std::move(fix));
}

Status bad_parameter(std::string_view name, std::string what) {
  return Status(StatusCode::kInvalidArgument, "api.bad_parameter", std::move(what)).at(std::string(name));
}

// A question of ours that DuckDB does not take is not the fault of whoever asked.
Status own_fault(const Status& status) {
  if (status.code() != StatusCode::kInvalidArgument) return status;
  return {StatusCode::kInternal, status.detail()};
}

bool is_absent_table(const Status& status) { return status.detail().id == "sql.no_table"; }

Result<JsonRows> run_query(QueryPool::Worker& worker, const std::string& sql, std::size_t most_rows,
                           TableVersions* versions) {
  INLET_ASSIGN_OR_RETURN(const auto statements, worker.session.check(sql));
  if (statements.size() != 1)
    return Status(StatusCode::kInternal, "api.bad_sql", "the panel's SQL is not one statement");
  auto stream = worker.session.run(statements.front());
  // What nobody has committed to yet has no rows.
  if (is_absent_table(stream.status())) return JsonRows{};
  INLET_RETURN_IF_ERROR(stream.status());
  INLET_ASSIGN_OR_RETURN(auto rows, json_rows(*stream, most_rows));
  if (versions != nullptr) *versions = worker.session.versions_read(statements.front());
  return rows;
}

QueryPool::Job result_set_job(std::string sql, Json more, std::size_t most_rows) {
  return [sql = std::move(sql), more = std::move(more), most_rows](QueryPool::Worker& worker) -> Result<std::string> {
    const auto started = std::chrono::steady_clock::now();
    TableVersions versions;
    const auto rows = run_query(worker, sql, most_rows, &versions);
    if (!rows.is_ok()) return own_fault(rows.status());
    return result_set_json(more, *rows, versions, std::chrono::steady_clock::now() - started);
  };
}

Json commit_json(const lake::HistoryEntry& entry) {
  const auto rows = entry.metric("numOutputRows");
  return {{"version", entry.version.value},
          {"timestamp", iso_time(entry.timestamp)},
          {"operation", entry.operation},
          {"rows", rows ? Json(*rows) : Json(nullptr)},
          {"files", entry.added_files}};
}

// The conditions of where.COLUMN=VALUE and null.COLUMN=1.
std::vector<Condition> conditions_of(const RequestTarget& target) {
  std::vector<Condition> conditions;
  for (const auto& [name, value] : target.parameters) {
    if (name.starts_with(kWherePrefix)) conditions.push_back({name.substr(kWherePrefix.size()), value});
    if (name.starts_with(kNullPrefix)) conditions.push_back({name.substr(kNullPrefix.size()), std::nullopt});
  }
  return conditions;
}

Result<std::int64_t> count_parameter(const RequestTarget& target, std::string_view name, std::int64_t fallback,
                                     std::int64_t least, std::int64_t most) {
  const auto given = target.parameter(name);
  return given ? parse_count(name, *given, least, most) : Result<std::int64_t>(fallback);
}

Status check_column(const ViewInfo& view, const std::string& name) {
  std::string known;
  for (const auto& column : view.columns.columns) {
    if (column.name == name) return Status::ok();
    known += (known.empty() ? "" : ", ") + column.name;
  }
  return Status(StatusCode::kInvalidArgument, "api.no_column", "the view " + view.name + " has no such column")
      .at(name)
      .fix("its columns: " + known);
}

const ViewInfo* find_view(const std::vector<ViewInfo>& views, std::string_view name) {
  const auto found = std::find_if(views.begin(), views.end(),
                                  [&](const ViewInfo& view) { return view.name == name || view.table == name; });
  return found == views.end() ? nullptr : &*found;
}

Status no_view(const std::vector<ViewInfo>& views, std::string_view name) {
  std::string known;
  for (const auto& view : views) known += (known.empty() ? "" : ", ") + view.name;
  return Status(StatusCode::kNotFound, "api.no_view", "there is no such view")
      .at(std::string(name))
      .fix(known.empty() ? "the pipeline file has no view" : "the views: " + known);
}

Json provenance_json(const views::Provenance& found) {
  Json files = Json::array();
  for (const auto& file : found.files) {
    Json partition = Json::object();
    for (const auto& [column, value] : file.partition) partition[column] = value ? Json(*value) : Json(nullptr);
    files.push_back({{"path", file.path},
                     {"bytes", file.bytes},
                     {"rows", file.rows ? Json(*file.rows) : Json(nullptr)},
                     {"partition", std::move(partition)}});
  }
  Json ranges = Json::array();
  for (const auto& range : found.ranges) {
    ranges.push_back({{"source", range.partition.source},
                      {"partition", range.partition.partition},
                      {"first_offset", exact_integer(range.first.value)},
                      {"last_offset", exact_integer(range.last.value)},
                      {"rows", range.rows}});
  }
  return {{"view", found.view},
          {"view_version", found.view_version.value},
          {"bronze_table", found.bronze_table},
          {"bronze_version", found.bronze_version.value},
          {"bronze_commit_time", found.bronze_commit_time ? Json(iso_time(*found.bronze_commit_time)) : Json(nullptr)},
          {"files", std::move(files)},
          {"files_total", found.files_total},
          {"ranges", std::move(ranges)},
          {"rows_total", found.rows_total}};
}

}  // namespace

unsigned http_status(const Status& status) {
  const auto known =
      std::find_if(kFailures.begin(), kFailures.end(), [&](const auto& f) { return f.id == status.detail().id; });
  if (known != kFailures.end()) return known->status;
  switch (status.code()) {
    case StatusCode::kOk: return 200;
    case StatusCode::kInvalidArgument: return 400;
    case StatusCode::kNotFound: return 404;
    case StatusCode::kTransient:
    case StatusCode::kCancelled:
    case StatusCode::kUnavailable: return 503;
    default: return 500;
  }
}

Answer error_answer(const Status& status) {
  const ErrorDetail& detail = status.detail();
  Json error{{"id", detail.id}, {"what", detail.what}};
  if (!detail.where.empty()) error["where"] = detail.where;
  if (!detail.why.empty()) error["why"] = detail.why;
  if (!detail.fix.empty()) error["fix"] = detail.fix;
  Answer answer;
  answer.status = http_status(status);
  answer.body = std::make_shared<const std::string>(dump_json(Json{{"error", std::move(error)}}));
  return answer;
}

// ---- routes -------------------------------------------------------------------------------------------------------

struct Api::Route {
  using Handler = Ticket (Api::*)(const RequestTarget&, const Done&);
  std::string_view pattern;
  Handler handler;
  std::vector<std::string_view> parameters;
  bool takes_conditions = false;  // where.COLUMN, null.COLUMN
  bool takes_filters = false;     // looked at by the handler

  bool matches(const std::vector<std::string>& path) const {
    std::string_view rest = pattern;
    for (const auto& segment : path) {
      if (rest.empty()) return false;
      rest.remove_prefix(1);  // the slash
      const auto expected = rest.substr(0, rest.find('/'));
      if (!expected.starts_with('{') && expected != segment) return false;
      rest.remove_prefix(expected.size());
    }
    return rest.empty();
  }

  bool takes(std::string_view parameter) const {
    if (takes_filters) return true;
    if (takes_conditions && (parameter.starts_with(kWherePrefix) || parameter.starts_with(kNullPrefix))) return true;
    return std::find(parameters.begin(), parameters.end(), parameter) != parameters.end();
  }
};

const std::vector<Api::Route>& Api::routes() {
  static const std::vector<Route> all{
      {"/livez", &Api::livez, {}},
      {"/readyz", &Api::readyz, {}},
      {"/metrics", &Api::metrics, {}},
      {"/api/v1/page", &Api::page, {}},
      {"/api/v1/status", &Api::status, {}},
      {"/api/v1/views", &Api::views, {}},
      {"/api/v1/views/{view}/rows", &Api::view_rows, {"sort", "order", "limit", "offset"}, true},
      {"/api/v1/panels/{id}", &Api::panel, {}, false, true},
      {"/api/v1/filters/{id}", &Api::filter, {}},
      {"/api/v1/quarantine", &Api::quarantine, {"reason", "limit"}},
      {"/api/v1/late", &Api::late, {"reason", "limit"}},
      {"/api/v1/history", &Api::history, {"table", "limit"}},
      {"/api/v1/provenance", &Api::provenance, {"view"}, true},
      {"/api/v1/events", &Api::events, {"last_event_id"}},
  };
  return all;
}

Api::Api(Parts parts) : parts_(parts) {}

bool Api::is_open(const RequestTarget& target) {
  if (target.path.empty()) return true;
  const auto& first = target.path.front();
  return first == "assets" || (target.path.size() == 1 && (first == "livez" || first == "favicon.svg"));
}

Api::Asked Api::ask(const RequestTarget& target, const Done& done) {
  for (const auto& route : routes()) {
    if (!route.matches(target.path)) continue;
    for (const auto& [name, value] : target.parameters) {
      if (route.takes(name)) continue;
      refuse(
          done,
          Status(StatusCode::kInvalidArgument, "http.unknown_parameter", "there is no such parameter here").at(name));
      return {route.pattern, std::nullopt};
    }
    return {route.pattern, (this->*route.handler)(target, done)};
  }
  std::string path;
  for (const auto& segment : target.path) path += "/" + segment;
  if (path.empty()) path = "/";
  for (const auto& asset : page_assets()) {
    if (asset.path != path) continue;
    // The page keeps filters in its own address: its parameters are for itself.
    if (path != "/" && !target.parameters.empty()) break;
    Answer answer;
    answer.asset = &asset;
    done(std::move(answer));
    return {asset.is_named_by_content ? "/assets/{name}" : asset.path, std::nullopt};
  }
  refuse(done, not_found("http.not_found", "there is nothing at this address",
                         "the API is described at /api/v1/openapi.json"));
  return {"other", std::nullopt};
}

Api::Ticket Api::reply(const Done& done, std::string body, unsigned status, std::string_view content_type) {
  Answer answer;
  answer.status = status;
  answer.content_type = content_type;
  answer.body = std::make_shared<const std::string>(std::move(body));
  done(std::move(answer));
  return std::nullopt;
}

Api::Ticket Api::refuse(const Done& done, const Status& status) {
  done(error_answer(status));
  return std::nullopt;
}

Api::Ticket Api::submit(const RequestTarget& target, QueryPool::Job job, const Done& done) {
  std::string key;
  for (const auto& segment : target.path) key += "/" + segment;
  auto parameters = target.parameters;
  std::sort(parameters.begin(), parameters.end());
  for (const auto& [name, value] : parameters) key.append("\n").append(name).append("=").append(value);
  return parts_.pool.submit(key, std::move(job), [done](const Result<QueryPool::Body>& result) {
    if (!result.is_ok()) return done(error_answer(result.status()));
    Answer answer;
    answer.body = *result;
    done(std::move(answer));
  });
}

// ---- what is known at once ----------------------------------------------------------------------------------------

Api::Ticket Api::livez(const RequestTarget& /*target*/, const Done& done) { return reply(done, R"({"status":"ok"})"); }

Api::Ticket Api::readyz(const RequestTarget& /*target*/, const Done& done) {
  const auto readiness = parts_.board.readiness();
  return reply(done, dump_json(readiness.document), readiness.is_ready ? 200 : 503);
}

Api::Ticket Api::metrics(const RequestTarget& /*target*/, const Done& done) {
  return reply(done, parts_.metrics.text(*parts_.board.status()), 200, "text/plain; version=0.0.4; charset=utf-8");
}

Api::Ticket Api::page(const RequestTarget& /*target*/, const Done& done) { return reply(done, parts_.page.document()); }

Api::Ticket Api::status(const RequestTarget& /*target*/, const Done& done) {
  return reply(done, dump_json(status_json(*parts_.board.status())));
}

Api::Ticket Api::views(const RequestTarget& /*target*/, const Done& done) {
  Json all = Json::array();
  for (const auto& view : parts_.views) {
    Json columns = Json::array();
    for (const auto& column : view.columns.columns)
      columns.push_back({{"name", column.name}, {"type", column.type.to_duckdb()}});
    all.push_back({{"name", view.name},
                   {"table", view.table},
                   {"columns", std::move(columns)},
                   {"keys", view.keys},
                   {"sql", view.sql},
                   {"partition_by", view.partition_by}});
  }
  return reply(done, dump_json(all));
}

Api::Ticket Api::events(const RequestTarget& /*target*/, const Done& done) {
  Answer answer;
  answer.is_event_stream = true;
  done(std::move(answer));
  return std::nullopt;
}

// ---- what the lake is asked ---------------------------------------------------------------------------------------

Api::Ticket Api::view_rows(const RequestTarget& target, const Done& done) {
  const std::string& name = target.path[3];
  const ViewInfo* const view = find_view(parts_.views, name);
  if (view == nullptr) return refuse(done, no_view(parts_.views, name));
  const auto limit = count_parameter(target, "limit", 100, 1, 10'000);
  const auto offset = count_parameter(target, "offset", 0, 0, 1'000'000'000);
  if (!limit.is_ok()) return refuse(done, limit.status());
  if (!offset.is_ok()) return refuse(done, offset.status());
  const auto conditions = conditions_of(target);
  for (const auto& condition : conditions) {
    if (const Status known = check_column(*view, condition.column); !known.is_ok()) return refuse(done, known);
  }
  std::string sql = conditional_select(view->table, conditions);
  const auto order = target.parameter("order");
  if (order && *order != "asc" && *order != "desc") return refuse(done, bad_parameter("order", "order is asc or desc"));
  if (const auto sort = target.parameter("sort")) {
    if (const Status known = check_column(*view, std::string(*sort)); !known.is_ok()) return refuse(done, known);
    sql += " ORDER BY " + duck::quote_identifier(*sort) + (order == "desc" ? " DESC" : " ASC") + " NULLS LAST";
    // Rows of one value keep one order, so that pages do not overlap.
    for (const auto& key : view->keys) sql += ", " + duck::quote_identifier(key);
  } else if (order) {
    return refuse(done, bad_parameter("order", "order needs sort"));
  }
  // One more than is shown tells whether there are more.
  sql += fmt::format(" LIMIT {} OFFSET {}", *limit + 1, *offset);
  return submit(target, result_set_job(std::move(sql), {{"view", view->name}}, static_cast<std::size_t>(*limit)), done);
}

Api::Ticket Api::panel(const RequestTarget& target, const Done& done) {
  const auto* const panel = parts_.page.panel(target.path[3]);
  if (panel == nullptr)
    return refuse(done, not_found("api.no_panel", "the page has no such panel", "see /api/v1/page"));
  std::vector<Condition> conditions;
  for (const auto& [name, value] : target.parameters) {
    const auto* const filter = parts_.page.filter(name);
    if (filter == nullptr || !PageModel::takes(*panel, name)) {
      return refuse(
          done,
          Status(StatusCode::kInvalidArgument, "http.unknown_parameter", "the panel takes no such filter").at(name));
    }
    conditions.push_back({filter->column, value});
  }
  return submit(target, result_set_job(panel_sql(*panel, conditions), {{"panel", panel->id}}, kMostPanelRows), done);
}

Api::Ticket Api::filter(const RequestTarget& target, const Done& done) {
  const auto* const filter = parts_.page.filter(target.path[3]);
  if (filter == nullptr)
    return refuse(done, not_found("api.no_filter", "the page has no such filter", "see /api/v1/page"));
  const auto column = duck::quote_identifier(filter->column);
  const std::string sql = "SELECT DISTINCT CAST(" + column + " AS VARCHAR) AS value FROM " +
                          quoted_table(filter->values_from) + " WHERE " + column + " IS NOT NULL ORDER BY 1";
  return submit(
      target,
      [sql](QueryPool::Worker& worker) -> Result<std::string> {
        INLET_ASSIGN_OR_RETURN(const auto statements, worker.session.check(sql));
        auto stream = worker.session.run(statements.front());
        Json values = Json::array();
        if (is_absent_table(stream.status())) return dump_json(Json{{"values", values}});
        if (!stream.is_ok()) return own_fault(stream.status());
        for (;;) {
          INLET_ASSIGN_OR_RETURN(const auto count, stream->next());
          for (std::size_t row = 0; row < count && values.size() < kMostFilterValues; ++row)
            values.push_back(stream->text(row, 0));
          if (count == 0 || values.size() == kMostFilterValues) break;
        }
        return dump_json(Json{{"values", std::move(values)}});
      },
      done);
}

Api::Ticket Api::rejects(const RequestTarget& target, const Done& done, const std::string& table,
                         const std::string& columns, const std::string& newest_first, const std::string& reason) {
  const auto limit = count_parameter(target, "limit", 50, 1, 1000);
  if (!limit.is_ok()) return refuse(done, limit.status());
  const std::string from = " FROM (SELECT *, " + reason + " AS \"inlet reason\" FROM " + quoted_table(table) + ")";
  std::string where;
  if (const auto only = target.parameter("reason")) where = " WHERE \"inlet reason\" = " + duck::quote_literal(*only);
  const std::string counts =
      "SELECT \"inlet reason\" AS reason, count(*) AS rows" + from + " GROUP BY 1 ORDER BY 2 DESC, 1";
  const std::string newest =
      fmt::format("SELECT {}{}{} ORDER BY {} LIMIT {}", columns, from, where, newest_first, *limit + 1);
  return submit(
      target,
      [counts, newest, most = static_cast<std::size_t>(*limit)](QueryPool::Worker& worker) -> Result<std::string> {
        const auto started = std::chrono::steady_clock::now();
        TableVersions versions;
        const auto counted = run_query(worker, counts, 1000, nullptr);
        if (!counted.is_ok()) return own_fault(counted.status());
        INLET_ASSIGN_OR_RETURN(const auto numbers, parse_json(counted->rows));
        Json by_reason = Json::array();
        for (const auto& row : numbers) by_reason.push_back({{"reason", row[0]}, {"rows", row[1]}});
        const auto rows = run_query(worker, newest, most, &versions);
        if (!rows.is_ok()) return own_fault(rows.status());
        return result_set_json({{"counts", std::move(by_reason)}}, *rows, versions,
                               std::chrono::steady_clock::now() - started);
      },
      done);
}

Api::Ticket Api::quarantine(const RequestTarget& target, const Done& done) {
  return rejects(target, done, parts_.config.quarantine.table,
                 "quarantined_at, reason, field, message, _partition, _offset, raw",
                 "quarantined_at DESC, _source, _partition, _offset DESC", "reason");
}

Api::Ticket Api::late(const RequestTarget& target, const Done& done) {
  if (parts_.config.late.table.empty())
    return reply(done, R"({"counts":[],"columns":[],"rows":[],"versions":{},"took_ms":0,"truncated":false})");
  return rejects(target, done, parts_.config.late.table, "* EXCLUDE (\"inlet reason\")",
                 "diverted_at DESC, _source, _partition, _offset DESC", "'late'");
}

Api::Ticket Api::history(const RequestTarget& target, const Done& done) {
  const auto limit = count_parameter(target, "limit", 20, 1, 500);
  if (!limit.is_ok()) return refuse(done, limit.status());
  const std::string table(target.parameter("table").value_or(parts_.config.bronze.table));
  return submit(
      target,
      [table, most = static_cast<std::size_t>(*limit)](QueryPool::Worker& worker) -> Result<std::string> {
        // A name is looked up among the tables there are, never put into a path.
        INLET_ASSIGN_OR_RETURN(const auto tables, worker.lake.tables());
        if (std::find(tables.begin(), tables.end(), table) == tables.end()) {
          std::string known;
          for (const auto& name : tables) known += (known.empty() ? "" : ", ") + name;
          return not_found("api.no_table", "there is no such table", "the tables: " + known);
        }
        INLET_ASSIGN_OR_RETURN(const auto opened, worker.lake.open(table));
        INLET_ASSIGN_OR_RETURN(const auto entries, opened->history(most));
        Json commits = Json::array();
        for (const auto& entry : entries) commits.push_back(commit_json(entry));
        return dump_json(commits);
      },
      done);
}

Api::Ticket Api::provenance(const RequestTarget& target, const Done& done) {
  const auto name = target.parameter("view");
  if (!name || name->empty()) {
    return refuse(done, Status(StatusCode::kInvalidArgument, "api.missing_parameter", "say which view").at("view"));
  }
  const ViewInfo* const view = find_view(parts_.views, *name);
  if (view == nullptr) return refuse(done, no_view(parts_.views, *name));
  std::vector<std::pair<std::string, std::optional<std::string>>> where;
  for (auto& condition : conditions_of(target)) where.emplace_back(condition.column, condition.value);
  return submit(
      target,
      [view_name = view->name, where = std::move(where)](QueryPool::Worker& worker) -> Result<std::string> {
        INLET_ASSIGN_OR_RETURN(auto* const reader, worker.provenance());
        INLET_ASSIGN_OR_RETURN(const auto found, reader->find(view_name, where));
        return dump_json(provenance_json(found));
      },
      done);
}

}  // namespace inlet::serve
