// SQL over the lake's tables, as they are now or as they were: each is a view, named after the parts of its path, over
// exactly the live files of one version: the newest, or the one that the session was asked for.
//
//   bronze/ventes_stream  →  "bronze"."ventes_stream"; plain ventes_stream where no other schema has that name
//   at version 12         →  "bronze"."ventes_stream@v12"; at a time "bronze"."ventes_stream@2026-11-22T10:00"
//
// What flows in: statements of a person or a script, trusted with nothing. What flows out: rows. Invariants: nothing is
// read outside the lake, nothing is written anywhere (query/statement_check.h), partition values and column types are
// those of the Delta log, a table Inlet cannot read right is refused by name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/types.h"
#include "duck/database.h"
#include "duck/file_values.h"
#include "lake/table.h"
#include "query/moment.h"
#include "query/statement_check.h"

namespace inlet::query {

struct QuerySessionOptions {
  int threads = 2;
  std::int64_t memory_limit_bytes = 256LL << 20;
  std::string temp_directory;  // where large sorts and joins may spill; empty: they fail instead
  TimeTravel at;               // which versions are shown; by default the newest ones
};

/// A table of the lake as SQL sees it.
struct QueryTable {
  std::string schema;  // empty: of a table directly below the lake's root
  std::string name;
  Schema columns;
  std::vector<std::string> partition_columns;
  TableVersion version;
  Status problem;  // not ok: why this table cannot be queried
};

/// Not thread safe, except interrupt(). The lake outlives it.
class QuerySession {
 public:
  /// NotFound: a table of options.at is not there, or not as it is asked for.
  static Result<std::unique_ptr<QuerySession>> open(lake::Lake& lake, const QuerySessionOptions& options);
  ~QuerySession();

  /// The statements of `sql`, each checked; fails before any has run. May be empty.
  Result<std::vector<CheckedStatement>> check(std::string_view sql);

  /// Looks at the log of every table the statement names, then runs it. InvalidArgument: does not bind, names a table
  /// that is refused, that is not there ("sql.no_table"), or an unqualified name that stands for several. Cancelled:
  /// interrupt().
  Result<duck::ResultStream> run(const CheckedStatement& statement);

  /// check and run of a single statement, its rows at once.
  Result<duck::ResultStream> run(std::string_view sql);

  /// The tables of the lake that the statement reads and the versions run() showed it; looks at nothing.
  std::vector<std::pair<std::string, TableVersion>> versions_read(const CheckedStatement& statement) const;

  /// The tables that the statement names and the lake does not hold, as they are written; looks at nothing.
  std::vector<std::string> absent_tables(const CheckedStatement& statement) const;

  /// Every table, with its columns; looks at the log.
  Result<std::vector<QueryTable>> tables();

  /// From any thread: the running statement ends with Cancelled. Nothing when none runs.
  void interrupt();

 private:
  struct View;

  QuerySession(lake::Lake& lake, duck::Database database, duck::Connection connection, TimeTravel at);
  Status lock_down();
  Status find_tables();
  Status add_view(const std::string& table, const std::string& suffix, std::optional<Moment> moment);
  Status add_views_at_moments(const CheckedStatement& statement);
  Status drop_view(View& view);
  bool is_remote() const { return lake_.object_store() != nullptr; }
  static std::string variable_of(const View& view);
  Status refresh(View& view);
  Result<lake::SnapshotPtr> snapshot_of(View& view);
  Status refresh_for(const CheckedStatement& statement);
  Status show(View& view, const lake::Snapshot& snapshot);
  Status show(View& view, std::string sql);
  Status fetch(View& view);
  void forget_file(const std::string& file);
  Status set_search_path();
  bool names(const TableReference& reference, const View& view) const;

  lake::Lake& lake_;
  std::string root_;  // canonical
  const TimeTravel at_;
  std::shared_ptr<duck::FileValues> file_values_ = std::make_shared<duck::FileValues>();
  duck::Database database_;
  duck::Connection connection_;
  std::map<std::string, std::unique_ptr<View>> views_;  // by the table's name in the lake, "@moment" behind it
  std::map<std::string, std::size_t> file_users_;       // how many views show a file
  std::vector<lake::HeldFiles> held_;                   // what the statement that ran last reads
};

}  // namespace inlet::query
