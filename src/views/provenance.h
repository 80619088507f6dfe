// Where rows of a view come from: the view's version, the bronze version it reflects, the files of that, and in them
// the positions at the source.
//
// What flows in: the log of the view's table, the log of bronze, and the events of the files that can hold some of what
// is asked for. What flows out: a Provenance. Nothing is written, and nothing is asked of the process that keeps the
// views.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/types.h"
#include "config/pipeline_config.h"
#include "duck/database.h"
#include "duck/file_values.h"
#include "lake/table.h"
#include "views/bronze_log.h"
#include "views/planned_views.h"

namespace inlet::views {

/// A file of the bronze version that holds at least one of the events.
struct ProvenanceFile {
  std::string path;  // relative to the table's directory
  std::int64_t bytes = 0;
  std::optional<std::int64_t> rows;  // all rows of the file, by its statistics
  std::map<std::string, std::optional<std::string>> partition;
};

/// The events of one partition of the source; between the first and the last there may be others.
struct ProvenanceRange {
  TopicPartition partition;
  Offset first;
  Offset last;
  std::int64_t rows = 0;
};

struct Provenance {
  std::string view;
  TableVersion view_version;
  std::string bronze_table;
  TableVersion bronze_version;
  std::optional<Timestamp> bronze_commit_time;
  std::vector<ProvenanceFile> files;  // the newest 200
  std::int64_t files_total = 0;
  std::vector<ProvenanceRange> ranges;  // sorted
  std::int64_t rows_total = 0;
};

/// Not thread safe, except interrupt(). Outlived by the lake and the configuration.
class ProvenanceReader {
 public:
  /// Output column, and its value as DuckDB casts it from text; nullopt: NULL.
  using Where = std::vector<std::pair<std::string, std::optional<std::string>>>;

  /// Loads the dimensions and plans the views in a database of its own. InvalidArgument: a view cannot be planned.
  static Result<std::unique_ptr<ProvenanceReader>> open(lake::Lake& lake, const config::PipelineConfig& config,
                                                        const Schema& bronze_schema,
                                                        const duck::DatabaseOptions& options);

  /// The events that the view's joins and WHERE let in and whose keys are those of `where`, at the bronze version the
  /// view's table reflects now; HAVING is passed over. `view`: its name or its table's. A view that is recomputed and
  /// whose SQL cannot be understood has no keys, and is made of every event.
  /// Errors: NotFound "provenance.no_view", "provenance.not_published", "provenance.other_bronze", or a bronze version
  /// that is gone from the log; InvalidArgument "provenance.not_a_key", "provenance.bad_value"; Cancelled; Internal.
  Result<Provenance> find(const std::string& view, const Where& where);

  /// From any thread: the find() that is running ends with Cancelled; without one nothing happens.
  void interrupt();

 private:
  ProvenanceReader(lake::Lake& lake, const config::PipelineConfig& config, Schema bronze_schema,
                   duck::Database database, duck::Connection connection, std::shared_ptr<duck::FileValues> file_values)
      : lake_(lake),
        config_(config),
        bronze_schema_(std::move(bronze_schema)),
        database_(std::move(database)),
        connection_(std::move(connection)),
        files_in_use_(std::make_shared<FilesInUse>(std::move(file_values))) {}

  struct Condition;
  Result<const PlannedView*> planned_view(const std::string& view) const;
  Result<std::vector<Condition>> conditions(const PlannedView& view, const Where& where);
  Status check_value(const Column& column, const std::string& text);
  Status look_at_bronze();
  Status find_events(const PlannedView& view, const std::vector<Condition>& conditions, Provenance& found);
  Status check_interrupted() const;

  lake::Lake& lake_;
  const config::PipelineConfig& config_;
  const Schema bronze_schema_;
  duck::Database database_;
  duck::Connection connection_;  // for values
  std::shared_ptr<FilesInUse> files_in_use_;
  PlannedViews planned_;
  std::map<std::string, std::unique_ptr<lake::Table>> tables_;  // of the views
  std::atomic<bool> is_interrupted_{false};
  std::mutex log_mutex_;          // held while log_ is put in place or taken away, and while it is interrupted
  std::optional<BronzeLog> log_;  // opened by the first find()
};

}  // namespace inlet::views
