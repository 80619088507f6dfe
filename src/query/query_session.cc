#include "query/query_session.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <utility>

#include "base/letter_case.h"
#include "lake/files_select.h"
#include "lake/time_travel.h"
#include "query/statement_text.h"

namespace inlet::query {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDefaultSchema = "main";
constexpr std::ptrdiff_t kMostMoments = 64;

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const auto& part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}

std::string qualified_name(std::string_view schema, std::string_view name) {
  return (schema.empty() ? "main" : duck::quote_identifier(schema)) + "." + duck::quote_identifier(name);
}

// Whether the lake had the table at an instant. What cannot be told is found out by whoever reads the table.
bool existed_then(lake::Lake& lake, const std::string& name, Timestamp instant) {
  const auto table = lake.open(name);
  if (!table.is_ok()) return true;
  return lake::version_at(**table, instant).status().detail().id != "lake.not_yet";
}

// A column of texts as chunks: how a long list gets into DuckDB without a long SQL text to parse.
class TextChunks {
 public:
  static Schema schema() { return {{{"text", {TypeKind::kVarchar}, false}}}; }

  void add(std::string_view text) {
    if (chunks_.empty() || rows_ == duck::DataChunk::kCapacity) {
      finish();
      chunks_.emplace_back(schema());
      rows_ = 0;
    }
    chunks_.back().set_string(0, rows_++, text);
  }

  std::vector<const duck::DataChunk*> finish() {
    std::vector<const duck::DataChunk*> pointers;
    if (!chunks_.empty()) chunks_.back().set_rows(rows_);
    for (const auto& chunk : chunks_) pointers.push_back(&chunk);
    return pointers;
  }

 private:
  std::vector<duck::DataChunk> chunks_;
  std::size_t rows_ = 0;
};

}  // namespace

// A table of the lake, and what of it DuckDB has been shown.
struct QuerySession::View {
  std::string table_name;  // in the lake
  std::string schema;
  std::string name;
  std::optional<Moment> moment;  // what is shown for good; nullopt: the newest version
  bool is_asked_for = false;     // by a statement, beside the view of the table itself
  std::unique_ptr<lake::Table> table;
  Status problem;                             // why the table cannot be read; looked at again with every refresh
  std::optional<TableVersion> shown_version;  // of the snapshot the view shows
  std::string shown_sql;                      // the view's text: the same for versions that differ in files only
  std::vector<std::string> files;             // absolute paths that stand in file_values_, once each
  std::vector<lake::LiveFile> live;           // the same as the log has them, of a lake in an object store
  std::string sql_to_show;                    // once the files are there; empty: it is shown
};

// Where the view's list of files stands in the session.
std::string QuerySession::variable_of(const View& view) { return "inlet files of " + view.schema + "/" + view.name; }

QuerySession::QuerySession(lake::Lake& lake, duck::Database database, duck::Connection connection, TimeTravel at)
    : lake_(lake), at_(std::move(at)), database_(std::move(database)), connection_(std::move(connection)) {}

QuerySession::~QuerySession() = default;

Result<std::unique_ptr<QuerySession>> QuerySession::open(lake::Lake& lake, const QuerySessionOptions& options) {
  INLET_ASSIGN_OR_RETURN(auto database, duck::Database::open({.threads = options.threads,
                                                              .memory_limit_bytes = options.memory_limit_bytes,
                                                              .temp_directory = options.temp_directory}));
  INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
  std::unique_ptr<QuerySession> session(new QuerySession(lake, std::move(database), std::move(connection), options.at));
  std::error_code error;
  session->root_ = fs::canonical(lake.root(), error).string();
  if (error)
    return Status(StatusCode::kInternal, "query.lake", "cannot find the lake's directory")
        .at(lake.location())
        .because(error.message());
  INLET_RETURN_IF_ERROR(duck::register_file_values(session->connection_, session->file_values_));
  INLET_RETURN_IF_ERROR(session->lock_down());
  INLET_RETURN_IF_ERROR(session->find_tables());
  for (auto& [name, view] : session->views_) view->problem = session->refresh(*view);
  for (const auto& [table, moment] : options.at.tables) {
    const auto view = session->views_.find(table);
    if (view == session->views_.end())
      return Status(StatusCode::kNotFound, "lake.no_table", "there is no table " + table).at(lake.location());
    INLET_RETURN_IF_ERROR(view->second->problem);
  }
  return session;
}

Status QuerySession::lock_down() {
  INLET_RETURN_IF_ERROR(connection_.execute("SET allowed_directories = [" + duck::quote_literal(root_ + "/") + "]"));
  INLET_RETURN_IF_ERROR(connection_.execute("SET enable_external_access = false"));
  return connection_.execute("SET lock_configuration = true");
}

// Brings views_ in line with the tables there are; their contents are looked at by refresh().
Status QuerySession::find_tables() {
  INLET_ASSIGN_OR_RETURN(const auto found, lake_.tables());
  for (auto it = views_.begin(); it != views_.end();) {
    if (std::find(found.begin(), found.end(), it->second->table_name) != found.end()) {
      ++it;
      continue;
    }
    INLET_RETURN_IF_ERROR(drop_view(*it->second));
    it = views_.erase(it);
  }
  const auto before = views_.size();
  for (const auto& table : found) {
    if (views_.contains(table)) continue;
    std::optional<Moment> moment;
    if (const auto asked = at_.tables.find(table); asked != at_.tables.end()) {
      moment = asked->second;
    } else if (at_.instant) {
      if (!existed_then(lake_, table, *at_.instant)) continue;
      moment = *at_.instant;
    }
    INLET_RETURN_IF_ERROR(add_view(table, "", moment));
  }
  return views_.size() == before ? Status::ok() : set_search_path();
}

Status QuerySession::add_view(const std::string& table, const std::string& suffix, std::optional<Moment> moment) {
  auto view = std::make_unique<View>();
  const auto slash = table.find('/');
  view->table_name = table;
  view->schema = slash == std::string::npos ? "" : table.substr(0, slash);
  view->name = (slash == std::string::npos ? table : table.substr(slash + 1)) + suffix;
  view->moment = moment;
  view->is_asked_for = !suffix.empty();
  if (!view->schema.empty())
    INLET_RETURN_IF_ERROR(connection_.execute("CREATE SCHEMA IF NOT EXISTS " + duck::quote_identifier(view->schema)));
  views_.emplace(table + suffix, std::move(view));
  return Status::ok();
}

// A statement that names "ventes@v12" finds a view of that name. Who asks for ever more versions makes a session forget
// the ones before.
Status QuerySession::add_views_at_moments(const CheckedStatement& statement) {
  const auto asked_for =
      std::count_if(views_.begin(), views_.end(), [](const auto& v) { return v.second->is_asked_for; });
  for (auto it = views_.begin(); asked_for > kMostMoments && it != views_.end();) {
    if (it->second->is_asked_for) INLET_RETURN_IF_ERROR(drop_view(*it->second));
    it = it->second->is_asked_for ? views_.erase(it) : std::next(it);
  }
  for (const auto& reference : statement.tables) {
    const auto split = split_name(reference.name);
    if (!split) continue;
    const auto is_known = [&](const auto& view) { return names(reference, *view.second); };
    if (std::any_of(views_.begin(), views_.end(), is_known)) continue;
    std::vector<std::string> meant;
    for (const auto& [key, view] : views_) {
      if (!view->is_asked_for && names({reference.schema, split->name}, *view)) meant.push_back(view->table_name);
    }
    for (const auto& table : meant)
      INLET_RETURN_IF_ERROR(add_view(table, reference.name.substr(split->name.size()), split->moment));
  }
  return Status::ok();
}

Status QuerySession::drop_view(View& view) {
  for (const auto& file : view.files) forget_file(file);
  INLET_RETURN_IF_ERROR(connection_.execute("RESET VARIABLE " + duck::quote_identifier(variable_of(view))));
  return connection_.execute("DROP VIEW IF EXISTS " + qualified_name(view.schema, view.name));
}

void QuerySession::forget_file(const std::string& file) {
  const auto users = file_users_.find(file);
  if (users == file_users_.end() || --users->second > 0) return;
  file_users_.erase(users);
  file_values_->erase(file);
}

Status QuerySession::set_search_path() {
  // An unqualified name is looked for in every schema; where two have it, run() refuses before DuckDB picks one.
  std::set<std::string> schemas;
  for (const auto& [path, view] : views_) {
    if (!view->schema.empty()) schemas.insert(duck::quote_identifier(view->schema));
  }
  std::vector<std::string> path{std::string(kDefaultSchema)};
  path.insert(path.end(), schemas.begin(), schemas.end());
  return connection_.execute("SET search_path = " + duck::quote_literal(joined(path, ",")));
}

Status QuerySession::refresh(View& view) {
  if (view.moment && view.shown_version) return Status::ok();  // what it was, it stays
  INLET_ASSIGN_OR_RETURN(const auto snapshot, snapshot_of(view));
  if (view.shown_version == snapshot->version()) return Status::ok();
  view.shown_version.reset();
  INLET_RETURN_IF_ERROR(show(view, *snapshot));
  view.shown_version = snapshot->version();
  return Status::ok();
}

Result<lake::SnapshotPtr> QuerySession::snapshot_of(View& view) {
  if (!view.table) {
    INLET_ASSIGN_OR_RETURN(view.table, lake_.open(view.table_name));
  }
  INLET_ASSIGN_OR_RETURN(auto newest, view.table->refresh());
  if (!view.moment) return newest;
  INLET_ASSIGN_OR_RETURN(const auto version, version_of(*view.table, *view.moment));
  return view.table->snapshot_at(version);
}

Status QuerySession::show(View& view, const lake::Snapshot& snapshot) {
  INLET_ASSIGN_OR_RETURN(const auto live, snapshot.files());
  if (view.moment) INLET_RETURN_IF_ERROR(lake::check_files_are_there(*view.table, snapshot.version(), live));
  std::error_code error;
  const std::string directory = fs::canonical(view.table->directory(), error).string();
  if (error)
    return Status(StatusCode::kInternal, "query.table", "cannot find the table's directory")
        .at(view.table->location())
        .because(error.message());

  // Those in an object store are fetched when a statement reads them.
  if (!is_remote()) INLET_RETURN_IF_ERROR(view.table->data_files()->hold(live).status());
  std::vector<std::string> files;
  TextChunks list;
  for (const auto& file : live) {
    std::string absolute = lake::absolute_path(directory, file.path);
    file_values_->set(absolute, lake::file_values(file, snapshot.partition_columns()));
    file_users_[absolute] += 1;
    list.add(lake::literal_pattern(absolute));
    files.push_back(std::move(absolute));
  }
  for (const auto& file : view.files) forget_file(file);
  view.files = std::move(files);
  if (is_remote()) view.live = live;

  const std::string variable = variable_of(view);
  if (!live.empty()) {
    const auto chunks = list.finish();
    connection_.bind_chunks({TextChunks::schema(), chunks});
    const Status set = connection_.execute("SET VARIABLE " + duck::quote_identifier(variable) +
                                           " = (SELECT list(text) FROM inlet_chunks())");
    connection_.unbind_chunks();
    INLET_RETURN_IF_ERROR(set);
  }
  const auto sql_over = [&](const std::string& list_of_files) {
    return "CREATE OR REPLACE VIEW " + qualified_name(view.schema, view.name) + " AS " +
           lake::files_select_sql({.columns = snapshot.schema(),
                                   .partition_columns = snapshot.partition_columns(),
                                   .files = list_of_files});
  };
  std::string sql = sql_over(live.empty() ? "" : "getvariable(" + duck::quote_literal(variable) + ")");
  if (sql == view.shown_sql) return Status::ok();
  if (is_remote() && !live.empty()) {
    // DuckDB looks into files to bind the view: until a statement reads them, it has its columns and no row.
    view.sql_to_show = std::move(sql);
    view.shown_sql.clear();
    return connection_.execute(sql_over(""));
  }
  return show(view, std::move(sql));
}

Status QuerySession::show(View& view, std::string sql) {
  INLET_RETURN_IF_ERROR(connection_.execute(sql));
  view.shown_sql = std::move(sql);
  return Status::ok();
}

// The statement that comes next reads the view: its files are fetched, and stay until the one after it.
Status QuerySession::fetch(View& view) {
  INLET_ASSIGN_OR_RETURN(auto held, view.table->data_files()->hold(view.live));
  held_.push_back(std::move(held));
  return view.sql_to_show.empty() ? Status::ok() : show(view, std::exchange(view.sql_to_show, {}));
}

bool QuerySession::names(const TableReference& reference, const View& view) const {
  if (!equal_ignoring_case(reference.name, view.name)) return false;
  return reference.schema.empty() ||
         equal_ignoring_case(reference.schema, view.schema.empty() ? kDefaultSchema : std::string_view(view.schema));
}

Status QuerySession::refresh_for(const CheckedStatement& statement) {
  held_.clear();
  INLET_RETURN_IF_ERROR(find_tables());
  INLET_RETURN_IF_ERROR(add_views_at_moments(statement));
  if (statement.lists_tables) {
    for (auto& [path, view] : views_) view->problem = refresh(*view);
  }
  for (const auto& reference : statement.tables) {
    std::vector<View*> meant;
    for (auto& [path, view] : views_) {
      if (names(reference, *view)) meant.push_back(view.get());
    }
    if (meant.size() > 1) {
      std::vector<std::string> choices;
      for (const View* view : meant) choices.push_back(view->schema + "." + view->name);
      return Status(StatusCode::kInvalidArgument, "sql.ambiguous_table",
                    "\"" + reference.name + "\" stands for more than one table")
          .fix("write " + joined(choices, " or "));
    }
    for (View* view : meant) {
      view->problem = refresh(*view);
      INLET_RETURN_IF_ERROR(view->problem);
      if (is_remote()) INLET_RETURN_IF_ERROR(fetch(*view));
    }
  }
  return Status::ok();
}

Result<std::vector<CheckedStatement>> QuerySession::check(std::string_view sql) {
  std::vector<CheckedStatement> statements;
  for (const auto& text : all_statements(sql)) {
    INLET_ASSIGN_OR_RETURN(auto statement, check_statement(connection_, text));
    statements.push_back(std::move(statement));
  }
  return statements;
}

Result<duck::ResultStream> QuerySession::run(const CheckedStatement& statement) {
  INLET_RETURN_IF_ERROR(refresh_for(statement));
  auto rows = connection_.stream_select(statement.sql);
  if (rows.is_ok() || rows.status().detail().what.find("Table with name") == std::string::npos) return rows;
  std::vector<std::string> known;
  for (const auto& [path, view] : views_) {
    if (!view->is_asked_for) known.push_back(view->schema.empty() ? view->name : view->schema + "." + view->name);
  }
  ErrorDetail detail = rows.status().detail();
  if (!absent_tables(statement).empty()) detail.id = "sql.no_table";
  detail.fix = known.empty() ? "the lake holds no table yet" : "the lake's tables: " + joined(known, ", ");
  return Status(rows.status().code(), std::move(detail));
}

std::vector<std::pair<std::string, TableVersion>> QuerySession::versions_read(const CheckedStatement& statement) const {
  std::vector<std::pair<std::string, TableVersion>> versions;
  for (const auto& [path, view] : views_) {
    const bool is_read = std::any_of(statement.tables.begin(), statement.tables.end(),
                                     [&](const TableReference& reference) { return names(reference, *view); });
    if (is_read && view->shown_version) versions.emplace_back(path, *view->shown_version);
  }
  return versions;
}

std::vector<std::string> QuerySession::absent_tables(const CheckedStatement& statement) const {
  std::vector<std::string> absent;
  for (const auto& reference : statement.tables) {
    const bool is_there =
        std::any_of(views_.begin(), views_.end(), [&](const auto& view) { return names(reference, *view.second); });
    if (!is_there)
      absent.push_back(reference.schema.empty() ? reference.name : reference.schema + "." + reference.name);
  }
  return absent;
}

Result<duck::ResultStream> QuerySession::run(std::string_view sql) {
  INLET_ASSIGN_OR_RETURN(const auto statement, check_statement(connection_, sql));
  return run(statement);
}

Result<std::vector<QueryTable>> QuerySession::tables() {
  INLET_RETURN_IF_ERROR(find_tables());
  std::vector<QueryTable> tables;
  for (auto& [path, view] : views_) {
    if (view->is_asked_for) continue;
    view->problem = refresh(*view);
    QueryTable table{.schema = view->schema, .name = view->name, .problem = view->problem};
    if (view->table && view->problem.is_ok()) {
      INLET_ASSIGN_OR_RETURN(const auto snapshot, view->table->snapshot_at(*view->shown_version));
      table.columns = snapshot->schema();
      table.partition_columns = snapshot->partition_columns();
      table.version = snapshot->version();
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

void QuerySession::interrupt() { connection_.interrupt(); }

}  // namespace inlet::query
