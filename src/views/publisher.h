// Rows of a view → Parquet → one Delta commit that replaces the partitions they belong to (rules 4, 6, 7).
//
// What flows in: the view's rows as SQL, the partitions they replace, and the bronze position they reflect. What flows
// out: a version of the view's table, with txn{"<pipeline>/views/<view>", version: the bronze version}.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "config/pipeline_config.h"
#include "duck/database.h"
#include "lake/table.h"
#include "views/bronze_log.h"
#include "views/view_plan.h"
#include "views/view_state.h"

namespace inlet::views {

/// Columns: the plan's output, then `processing_time`.
lake::TableDefinition view_definition(const config::ViewConfig& view, const ViewPlan& plan);

/// The app id of a view's txn actions.
std::string view_txn_id(const std::string& pipeline, const std::string& view);

/// What a view's table says it reflects; nullopt: never published.
struct Published {
  BronzePosition bronze;
  std::string fingerprint;     // of the plan it was published by
  TableVersion table_version;  // of the view's own table
  bool is_unchanged = false;   // nobody has changed a row of the view's table since: a compaction changes none
};

/// What the newest snapshot of a view's table says. Looks at the log.
Result<std::optional<Published>> read_published(lake::Table& table, const std::string& pipeline,
                                                const std::string& view);

/// Not thread safe: the publishing thread's.
///
/// A table that this view has published with other columns, or partitioned otherwise (its SQL was changed), stays as it
/// is until the first publish, which replaces all of it and the table's definition in one commit. Should the table then
/// become yet another, somebody else has changed the view since this process was started: it is left to them.
class Publisher {
 public:
  /// Opens the view's table or creates it. InvalidArgument: it exists with other columns and this view has never
  /// published it, or it is another view's; the fix says what to do.
  static Result<Publisher> open(lake::Lake& lake, const std::string& pipeline, const config::ViewConfig& view,
                                const ViewPlan& plan, duck::Connection connection);

  /// As read_published(); without a fingerprint while the table has other columns than this view.
  Result<std::optional<Published>> published();
  /// Takes the table, as published() has just found it, for this publisher's own: only what changes is replaced.
  void adopt(const Published& published) { left_ = Left{published.table_version, published.bronze.version}; }

  enum class Mode {
    kReplacePartitions,  // those in `partitions`, if the table's rows are as this publisher left them; or kNeedsAll
    kReplaceAll,
    kAppend,  // if the table's rows are as this publisher left them; or kNeedsAll
  };
  struct Request {
    Mode mode = Mode::kReplacePartitions;
    std::set<PartitionValues> partitions;  // replaced, with or without new rows
    BronzePosition bronze;
    /// The rows, in as many pieces as there are: each time the next SELECT of the plan's output columns, nullopt after
    /// the last. A piece is written before the next one is asked for.
    std::function<Result<std::optional<std::string>>()> next_rows;
    duck::Connection* select_connection = nullptr;  // where it can be run; nullptr: the publisher's own
    /// kAppend: what the table must reflect before; the commit is refused otherwise.
    std::optional<TableVersion> follows;
  };
  struct Outcome {
    enum class Kind {
      kPublished,
      kOvertaken,  // the table reflects a later bronze version already: nothing was written
      kNeedsAll,   // somebody else wrote to the table: publish again, everything
    } kind = Kind::kPublished;
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
    TableVersion version;  // kPublished: of the view's table
  };
  /// Errors: Internal (disk full), InvalidArgument (a value that does not fit its column), Cancelled; DataLoss
  /// "lake.metadata_moved": another process has given the table other columns, and nothing was written; those of
  /// next_rows.
  Result<Outcome> publish(const Request& request, const std::function<bool()>& should_stop);

  duck::Connection& connection() { return connection_; }

  /// Request::next_rows of one SELECT.
  static std::function<Result<std::optional<std::string>>()> rows_of(std::string select);

 private:
  Publisher(std::string pipeline, const ViewPlan& plan, lake::TableDefinition definition,
            std::unique_ptr<lake::Table> table, duck::Connection connection)
      : pipeline_(std::move(pipeline)),
        plan_(plan),
        definition_(std::move(definition)),
        table_(std::move(table)),
        connection_(std::move(connection)) {}

  bool is_as_defined(const lake::Snapshot& snapshot) const;
  Status check_unmoved(const lake::Snapshot& snapshot) const;
  Status refusal(const Request& request, const lake::Snapshot& snapshot);
  Result<std::vector<std::string>> files_to_remove(const Request& request, const lake::Snapshot& snapshot) const;
  /// The rows of `snapshot` are those that this publisher left. Looks at the commits since.
  Result<bool> is_as_left(const lake::Snapshot& snapshot);

  std::string pipeline_;
  const ViewPlan& plan_;
  lake::TableDefinition definition_;
  std::unique_ptr<lake::Table> table_;
  duck::Connection connection_;
  std::optional<lake::TableChange> replaces_;  // what the table was when it was opened, if that is not definition_
  // The view's table as this publisher wrote it last.
  struct Left {
    TableVersion version;  // or a later one with the same rows
    TableVersion reflects;
  };
  std::optional<Left> left_;
};

}  // namespace inlet::views
