#include "query/table_diff.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "duck/database.h"
#include "duck/file_values.h"
#include "lake/files_select.h"
#include "lake/time_travel.h"

namespace inlet::query {
namespace {

using duck::quote_identifier;

std::string joined(const std::vector<std::string>& parts, const std::string& separator) {
  std::string text;
  for (const auto& part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// One side: a version, and the files that the other has not.
struct Side {
  lake::SnapshotPtr snapshot;
  std::vector<lake::LiveFile> files;
  lake::HeldFiles held;
};

void drop_common(std::vector<lake::LiveFile>& files, const std::vector<lake::LiveFile>& others) {
  std::set<std::string> paths;
  for (const auto& file : others) paths.insert(file.path);
  std::erase_if(files, [&](const lake::LiveFile& file) { return paths.contains(file.path); });
}

class Diff {
 public:
  Diff(lake::Table& table, const TableDiffOptions& options, duck::Database database, duck::Connection connection)
      : table_(table), options_(options), database_(std::move(database)), connection_(std::move(connection)) {}

  Result<TableDiff> compute(TableVersion from, TableVersion to) {
    INLET_RETURN_IF_ERROR(duck::register_file_values(connection_, file_values_));
    INLET_ASSIGN_OR_RETURN(before_, side_of(from));
    INLET_ASSIGN_OR_RETURN(after_, side_of(to));
    auto files_before = before_.files;
    drop_common(before_.files, after_.files);
    drop_common(after_.files, files_before);
    INLET_RETURN_IF_ERROR(lake::check_files_are_there(table_, from, before_.files));
    INLET_RETURN_IF_ERROR(lake::check_files_are_there(table_, to, after_.files));
    for (auto* side : {&before_, &after_}) {
      INLET_ASSIGN_OR_RETURN(side->held, table_.data_files()->hold(side->files));
    }
    INLET_RETURN_IF_ERROR(choose_columns());

    TableDiff diff;
    diff.from = from;
    diff.to = to;
    for (const auto& column : columns_.columns) diff.columns.push_back(column.name);
    diff.files_only_before = static_cast<std::int64_t>(before_.files.size());
    diff.files_only_after = static_cast<std::int64_t>(after_.files.size());
    INLET_RETURN_IF_ERROR(compare());
    INLET_RETURN_IF_ERROR(count(diff));
    INLET_RETURN_IF_ERROR(read_changed(diff));
    INLET_RETURN_IF_ERROR(read_one_sided(diff));
    return diff;
  }

 private:
  Result<Side> side_of(TableVersion version) {
    Side side;
    INLET_ASSIGN_OR_RETURN(side.snapshot, table_.snapshot_at(version));
    INLET_ASSIGN_OR_RETURN(side.files, side.snapshot->files());
    return side;
  }

  Status choose_columns() {
    const auto find = [&](const std::string& name) {
      return std::find_if(columns_.columns.begin(), columns_.columns.end(),
                          [&](const Column& column) { return column.name == name; });
    };
    for (const auto* snapshot : {after_.snapshot.get(), before_.snapshot.get()}) {
      for (const auto& column : snapshot->schema().columns) {
        if (contains(options_.ignored, column.name)) continue;
        const auto known = find(column.name);
        if (known == columns_.columns.end()) {
          columns_.columns.push_back(column);
        } else if (!(known->type == column.type)) {
          return Status(StatusCode::kInvalidArgument, "diff.other_type",
                        "the column " + column.name + " has another type in each version")
              .at(table_.location())
              .because(column.type.to_pipeline() + " before, " + known->type.to_pipeline() + " after");
        }
      }
    }
    for (const auto& name : options_.key) {
      if (find(name) != columns_.columns.end()) continue;
      std::vector<std::string> names;
      for (const auto& column : columns_.columns) names.push_back(column.name);
      return Status(StatusCode::kInvalidArgument, "diff.no_column", "the table has no column " + name)
          .at(table_.location())
          .fix("the columns are: " + joined(names, ", "));
    }
    return Status::ok();
  }

  // A column as one side has it: NULL where it does not.
  static std::string column_of(const Side& side, const Column& column) {
    const auto& own = side.snapshot->schema().columns;
    std::string name = quote_identifier(column.name);
    if (std::none_of(own.begin(), own.end(), [&](const Column& c) { return c.name == column.name; }))
      return "CAST(NULL AS " + column.type.to_duckdb() + ") AS " + name;
    // Delta has one way to write a NULL and an empty partition value: the two count as one.
    const bool is_text_partition =
        contains(side.snapshot->partition_columns(), column.name) && column.type.kind == TypeKind::kVarchar;
    return is_text_partition ? "nullif(" + name + ", '') AS " + name : name;
  }

  // The rows of one side with the columns of both.
  std::string select_of(const Side& side) {
    std::vector<std::string> columns;
    for (const auto& column : columns_.columns) columns.push_back(column_of(side, column));
    return "SELECT " + joined(columns, ", ") + " FROM (" +
           lake::files_select_sql(table_.directory(), side.snapshot->schema(), side.snapshot->partition_columns(),
                                  side.files, *file_values_) +
           ")";
  }

  std::vector<std::string> names() const {
    std::vector<std::string> quoted;
    for (const auto& column : columns_.columns) quoted.push_back(quote_identifier(column.name));
    return quoted;
  }

  // inlet_differing: the rows that one version has more often than the other, n times more often in the later one.
  // inlet_changed_keys: where exactly one went and one came.
  Status compare() {
    const std::string all = joined(names(), ", ");
    INLET_RETURN_IF_ERROR(
        connection_.execute("CREATE TEMP TABLE inlet_differing AS SELECT " + all +
                            ", sum(inlet_side)::BIGINT AS inlet_n FROM (SELECT *, -1 AS inlet_side FROM (" +
                            select_of(before_) + ") UNION ALL SELECT *, 1 AS inlet_side FROM (" + select_of(after_) +
                            ")) GROUP BY " + all + " HAVING sum(inlet_side) <> 0"));
    const std::string key = joined(key_of(""), ", ");
    const std::string changed =
        key.empty() ? "false"
                    : "count(*) OVER of_key = 2 AND min(inlet_n) OVER of_key = -1 AND max(inlet_n) OVER of_key = 1";
    return connection_.execute("CREATE TEMP TABLE inlet_rows AS SELECT *, " + changed +
                               " AS inlet_changed FROM inlet_differing" +
                               (key.empty() ? "" : " WINDOW of_key AS (PARTITION BY " + key + ")"));
  }

  std::vector<std::string> key_of(const std::string& side) const {
    std::vector<std::string> key;
    for (const auto& name : options_.key) key.push_back(side + quote_identifier(name));
    return key;
  }

  // By the key, then by everything.
  std::string order(const std::string& side) const {
    auto order = key_of(side);
    for (const auto& name : names()) order.push_back(side + name);
    return joined(order, ", ");
  }

  Status count(TableDiff& diff) {
    INLET_ASSIGN_OR_RETURN(
        const auto counts,
        connection_.query("SELECT coalesce(sum(inlet_n) FILTER (inlet_n > 0 AND NOT inlet_changed), 0)::BIGINT, "
                          "coalesce(-sum(inlet_n) FILTER (inlet_n < 0 AND NOT inlet_changed), 0)::BIGINT, "
                          "count(*) FILTER (inlet_n > 0 AND inlet_changed) FROM inlet_rows"));
    diff.added = counts.integer(0, 0);
    diff.removed = counts.integer(0, 1);
    diff.changed = counts.integer(0, 2);
    return Status::ok();
  }

  std::size_t room(const TableDiff& diff) const { return options_.most - std::min(options_.most, diff.first.size()); }

  std::vector<std::optional<std::string>> values(const duck::QueryResult& rows, std::size_t row,
                                                 std::size_t first) const {
    std::vector<std::optional<std::string>> texts;
    for (std::size_t i = 0; i < columns_.columns.size(); ++i) {
      const bool is_null = rows.is_null(row, first + i);
      texts.push_back(is_null ? std::nullopt : std::optional(rows.text(row, first + i)));
    }
    return texts;
  }

  Status read_changed(TableDiff& diff) {
    if (diff.changed == 0 || room(diff) == 0) return Status::ok();
    std::vector<std::string> columns;
    for (const char* side : {"b.", "a."}) {
      for (const auto& name : names()) columns.push_back(side + name);
    }
    std::vector<std::string> same;
    for (const auto& name : options_.key)
      same.push_back("a." + quote_identifier(name) + " IS NOT DISTINCT FROM b." + quote_identifier(name));
    INLET_ASSIGN_OR_RETURN(
        const auto rows,
        connection_.query("SELECT " + joined(columns, ", ") + " FROM inlet_rows b JOIN inlet_rows a ON " +
                          joined(same, " AND ") + " WHERE b.inlet_changed AND a.inlet_changed AND b.inlet_n < 0 AND " +
                          "a.inlet_n > 0 ORDER BY " + order("a.") + " LIMIT " + std::to_string(room(diff))));
    for (std::size_t row = 0; row < rows.rows(); ++row) {
      diff.first.push_back(
          {RowDifference::Kind::kChanged, 1, values(rows, row, 0), values(rows, row, columns_.columns.size())});
    }
    return Status::ok();
  }

  Status read_one_sided(TableDiff& diff) {
    if (diff.added + diff.removed == 0 || room(diff) == 0) return Status::ok();
    INLET_ASSIGN_OR_RETURN(const auto rows,
                           connection_.query("SELECT inlet_n, " + joined(names(), ", ") +
                                             " FROM inlet_rows WHERE NOT inlet_changed ORDER BY inlet_n > 0, " +
                                             order("") + " LIMIT " + std::to_string(room(diff))));
    for (std::size_t row = 0; row < rows.rows(); ++row) {
      RowDifference difference;
      const auto n = rows.integer(row, 0);
      difference.kind = n > 0 ? RowDifference::Kind::kAdded : RowDifference::Kind::kRemoved;
      difference.count = std::max(n, -n);
      (n > 0 ? difference.after : difference.before) = values(rows, row, 1);
      diff.first.push_back(std::move(difference));
    }
    return Status::ok();
  }

  lake::Table& table_;
  const TableDiffOptions& options_;
  std::shared_ptr<duck::FileValues> file_values_ = std::make_shared<duck::FileValues>();
  duck::Database database_;
  duck::Connection connection_;
  Side before_;
  Side after_;
  Schema columns_;
};

}  // namespace

Result<TableDiff> diff_versions(lake::Table& table, TableVersion from, TableVersion to,
                                const TableDiffOptions& options) {
  INLET_ASSIGN_OR_RETURN(auto database, duck::Database::open({.threads = options.threads,
                                                              .memory_limit_bytes = options.memory_limit_bytes,
                                                              .temp_directory = options.temp_directory}));
  INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
  return Diff(table, options, std::move(database), std::move(connection)).compute(from, to);
}

}  // namespace inlet::query
