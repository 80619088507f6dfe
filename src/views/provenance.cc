#include "views/provenance.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "base/letter_case.h"
#include "lake/file_statistics.h"
#include "lake/files_select.h"
#include "views/from_clause.h"
#include "views/publisher.h"
#include "views/row_origins.h"

namespace inlet::views {
namespace {

constexpr std::size_t kMostFiles = 200;

// SQL that a column of the plan's k0… is compared with.
std::string literal(const ColumnType& type, const std::string& text) {
  const std::string quoted = duck::quote_literal(text);
  return type.kind == TypeKind::kVarchar ? quoted : "CAST(" + quoted + " AS " + type.to_duckdb() + ")";
}

// DuckDB rounds "1.5" to a whole number and "1.239" to two digits: the key would be another one than was asked for.
bool would_be_rounded(const ColumnType& type, const std::string& text) {
  const bool is_whole = type.kind == TypeKind::kBigint || type.kind == TypeKind::kInt;
  if (!is_whole && type.kind != TypeKind::kDecimal) return false;
  if (text.find_first_not_of("+-0123456789.") != std::string::npos) return true;
  const auto point = text.find('.');
  if (point == std::string::npos) return false;
  const auto last = text.find_last_not_of('0');
  const std::size_t scale = is_whole ? 0 : type.scale;
  return last > point && last - point > scale;
}

ProvenanceFile described(const lake::LiveFile& file) {
  return {file.path, file.bytes, lake::recorded_rows(file), lake::partition_of(file)};
}

Status not_published(const PlannedView& view, std::string what) {
  return Status(StatusCode::kNotFound, "provenance.not_published", std::move(what))
      .at(view.config->table)
      .fix("run the pipeline: the view is published with the next events");
}

}  // namespace

// One key, and what it must be.
struct ProvenanceReader::Condition {
  std::size_t key = 0;
  ColumnType type;
  std::optional<std::string> value;
  std::string event_column;  // the column of the events it is; empty: none

  std::string sql() const {
    const std::string name = "k" + std::to_string(key);
    return value ? name + " IS NOT DISTINCT FROM " + literal(type, *value) : name + " IS NULL";
  }
};

Result<std::unique_ptr<ProvenanceReader>> ProvenanceReader::open(lake::Lake& lake, const config::PipelineConfig& config,
                                                                 const Schema& bronze_schema,
                                                                 const duck::DatabaseOptions& options) {
  INLET_ASSIGN_OR_RETURN(auto database, duck::Database::open(options));
  INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
  const auto file_values = std::make_shared<duck::FileValues>();
  INLET_RETURN_IF_ERROR(duck::register_file_values(connection, file_values));
  INLET_ASSIGN_OR_RETURN(auto planned, plan_views(connection, lake, *file_values, config, bronze_schema));
  if (!planned.problems.empty()) return planned.problems.front();
  std::unique_ptr<ProvenanceReader> reader(
      new ProvenanceReader(lake, config, bronze_schema, std::move(database), std::move(connection), file_values));
  reader->planned_ = std::move(planned);
  return reader;
}

void ProvenanceReader::interrupt() {
  is_interrupted_ = true;
  connection_.interrupt();
  const std::scoped_lock lock(log_mutex_);
  if (log_) log_->interrupt();
}

Status ProvenanceReader::check_interrupted() const {
  if (!is_interrupted_) return Status::ok();
  return {StatusCode::kCancelled, "provenance.interrupted", "it was interrupted"};
}

Result<const PlannedView*> ProvenanceReader::planned_view(const std::string& view) const {
  std::string names;
  for (const auto& planned : planned_.views) {
    if (planned->config->name == view || planned->config->table == view) return planned.get();
    names += (names.empty() ? "" : ", ") + planned->config->name;
  }
  return Status(StatusCode::kNotFound, "provenance.no_view", "there is no view \"" + view + "\"")
      .fix(names.empty() ? "the pipeline file has no view" : "the views are: " + names);
}

Status ProvenanceReader::check_value(const Column& column, const std::string& text) {
  const std::string type = column.type.to_duckdb();
  const auto refused = [&](std::string why) {
    return Status(StatusCode::kInvalidArgument, "provenance.bad_value",
                  "the value of " + column.name + " is none of type " + column.type.to_pipeline())
        .because(std::move(why));
  };
  if (text.find('\0') != std::string::npos) return refused("it holds a NUL byte");
  if (would_be_rounded(column.type, text)) return refused("it is no such number as it stands");
  const auto cast =
      connection_.query("SELECT TRY_CAST(" + duck::quote_literal(text) + " AS " + type + ") IS NULL AS is_none");
  if (cast.status().code() == StatusCode::kInvalidArgument) return refused(cast.status().detail().what);
  INLET_RETURN_IF_ERROR(cast.status());
  return cast->text(0, 0) == "false" ? Status::ok() : refused("it does not read as one");
}

Result<std::vector<ProvenanceReader::Condition>> ProvenanceReader::conditions(const PlannedView& view,
                                                                              const Where& where) {
  const auto& plan = view.plan;
  const auto& origins = plan.origins;
  std::vector<Condition> conditions;
  for (const auto& [name, value] : where) {
    const auto& wanted = name;
    const auto found = std::find_if(plan.output.begin(), plan.output.end(),
                                    [&](const OutputColumn& o) { return equal_ignoring_case(o.column.name, wanted); });
    const auto index = static_cast<std::size_t>(found - plan.output.begin());
    if (index >= origins.shown.size() || !origins.shown[index]) {
      std::string keys;
      for (std::size_t i = 0; i < origins.shown.size(); ++i) {
        if (origins.shown[i]) keys += (keys.empty() ? "" : ", ") + plan.output[i].column.name;
      }
      return Status(StatusCode::kInvalidArgument, "provenance.not_a_key",
                    "\"" + name + "\" is no column of " + plan.name + " that shows a key")
          .because("events are told apart by the keys of the view's GROUP BY")
          .fix(keys.empty() ? "ask for the whole view: none of its columns shows a key" : "ask by " + keys);
    }
    if (value) INLET_RETURN_IF_ERROR(check_value(found->column, *value));
    const std::size_t key = *origins.shown[index];
    conditions.push_back({key, found->column.type, value, origins.event_columns[key]});
  }
  return conditions;
}

Status ProvenanceReader::look_at_bronze() {
  if (!log_) {
    INLET_ASSIGN_OR_RETURN(auto connection, database_.connect());
    INLET_ASSIGN_OR_RETURN(
        auto log, BronzeLog::open(lake_, config_.bronze.table, bronze_schema_, std::move(connection), files_in_use_));
    const std::scoped_lock lock(log_mutex_);
    log_.emplace(std::move(log));
    return Status::ok();
  }
  const Status looked = log_->refresh();
  if (!looked.is_ok()) {
    // A table that was made anew, say: opened again by the next one who asks.
    const std::scoped_lock lock(log_mutex_);
    log_.reset();
  }
  return looked;
}

Result<Provenance> ProvenanceReader::find(const std::string& view, const Where& where) {
  is_interrupted_ = false;
  INLET_ASSIGN_OR_RETURN(const PlannedView* planned, planned_view(view));
  INLET_ASSIGN_OR_RETURN(const auto wanted, conditions(*planned, where));

  auto& table = tables_[planned->config->table];
  if (!table) {
    auto opened = lake_.open(planned->config->table);
    if (opened.status().code() == StatusCode::kNotFound)
      return not_published(*planned, "the view " + planned->plan.name + " has never been published");
    INLET_RETURN_IF_ERROR(opened.status());
    table = std::move(*opened);
  }
  const auto published = read_published(*table, config_.name, planned->plan.name);
  if (!published.is_ok()) {
    table.reset();
    return published.status();
  }
  if (!*published) return not_published(*planned, "the view " + planned->plan.name + " has never been published");
  const bool is_known = !(*published)->fingerprint.empty();  // nobody has written to the table since
  if (is_known && (*published)->fingerprint != planned->plan.fingerprint)
    return not_published(*planned, "what is published of the view " + planned->plan.name + " is of another definition");

  Provenance found;
  found.view = planned->plan.name;
  found.view_version = (*published)->table_version;
  found.bronze_table = config_.bronze.table;
  found.bronze_version = (*published)->bronze.version;
  if (is_known) found.bronze_commit_time = (*published)->bronze.timestamp;
  INLET_RETURN_IF_ERROR(look_at_bronze());
  if (is_known && log_->table_id() != (*published)->bronze.table_id) {
    return Status(StatusCode::kNotFound, "provenance.other_bronze",
                  "the bronze table is not the one the view was made of")
        .at(planned->config->table)
        .because("it was dropped and created anew")
        .fix("run the pipeline: the view is then built from the table there is");
  }
  INLET_RETURN_IF_ERROR(find_events(*planned, wanted, found));
  return found;
}

Status ProvenanceReader::find_events(const PlannedView& view, const std::vector<Condition>& conditions,
                                     Provenance& found) {
  INLET_ASSIGN_OR_RETURN(auto files, log_->files_at(found.bronze_version));
  std::erase_if(files, [&](const lake::LiveFile& file) {
    return std::any_of(conditions.begin(), conditions.end(), [&](const Condition& c) {
      return !may_hold(file.partition_values, c.event_column, c.type, c.value);
    });
  });
  const auto& origins = view.plan.origins;
  const std::string file_column = origins_file_column(bronze_schema_);
  std::string sql = origins.sql.empty()
                        ? "SELECT _source, _partition, _offset, " + file_column + " AS _file FROM inlet_source"
                        : origins.sql;
  sql = "SELECT _file, _source, _partition, min(_offset), max(_offset), " +
        std::string(origins.repeats ? "count(DISTINCT _offset)" : "count(*)") + " FROM (" + sql + ")";
  for (const auto& condition : conditions)
    sql += (&condition == conditions.data() ? " WHERE " : " AND ") + condition.sql();
  sql += " GROUP BY ALL";

  std::unordered_map<std::string, const lake::LiveFile*> by_path;
  for (const auto& file : files) by_path.emplace(log_->absolute_path(file), &file);
  std::vector<const lake::LiveFile*> holding;
  std::map<TopicPartition, ProvenanceRange> ranges;
  INLET_RETURN_IF_ERROR(check_interrupted());
  INLET_RETURN_IF_ERROR(log_->with_events(
      files,
      [&](const Events& events) -> Status {
        INLET_ASSIGN_OR_RETURN(const auto rows, events.query(sql));
        for (std::size_t row = 0; row < rows.rows(); ++row) {
          const auto file = by_path.find(rows.text(row, 0));
          if (file == by_path.end())
            return {StatusCode::kInternal, "provenance.unknown_file", "DuckDB names a file that was not asked for"};
          holding.push_back(file->second);
          const TopicPartition partition{rows.is_null(row, 1) ? std::string() : rows.text(row, 1),
                                         static_cast<std::int32_t>(rows.integer(row, 2))};
          const Offset first{rows.integer(row, 3)};
          const Offset last{rows.integer(row, 4)};
          auto& range = ranges.try_emplace(partition, ProvenanceRange{partition, first, last, 0}).first->second;
          range.first = std::min(range.first, first);
          range.last = std::max(range.last, last);
          range.rows += rows.integer(row, 5);
        }
        return Status::ok();
      },
      file_column));
  INLET_RETURN_IF_ERROR(check_interrupted());

  std::sort(holding.begin(), holding.end(), [](const auto* a, const auto* b) {
    return std::tie(b->modified_ms, a->path) < std::tie(a->modified_ms, b->path);
  });
  holding.erase(std::unique(holding.begin(), holding.end()), holding.end());
  found.files_total = static_cast<std::int64_t>(holding.size());
  if (holding.size() > kMostFiles) holding.resize(kMostFiles);
  for (const auto* file : holding) found.files.push_back(described(*file));
  for (auto& [partition, range] : ranges) {
    found.rows_total += range.rows;
    found.ranges.push_back(std::move(range));
  }
  return Status::ok();
}

}  // namespace inlet::views
