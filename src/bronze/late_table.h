// The rows that were diverted because they came late: which of them are in bronze already, and putting the others
// there.
//
// What flows in: the late table, and bronze's txn `#lateApplied` = the version of the late table whose rows are all in
// bronze. What flows out: rows, as SQL, and one bronze commit. Invariants (docs/exactly-once.md, rule 7): a row is
// applied once, whoever applies at the same time and whatever runs beside it; no row is removed from the late table;
// markers and largest event times stay what they are.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "bronze/tables.h"
#include "config/pipeline_config.h"
#include "duck/database.h"
#include "duck/file_values.h"

namespace inlet::bronze {

/// The late table at one version. The SQL runs on LateTable::connection() until the next look; both have the columns of
/// the late table, and together they are its rows.
struct LateView {
  TableVersion version;
  std::optional<std::int64_t> applied_version;  // of the late table; nullopt: never applied
  std::string pending_sql;                      // SELECT of the rows that are not in bronze
  std::string applied_sql;                      // SELECT of those that are
};

struct LateApplied {
  std::int64_t rows = 0;
  std::optional<lake::Committed> bronze;  // nullopt: there was nothing to apply
};

/// Not thread safe. Needs no claim and no lock.
class LateTable {
 public:
  /// NotFound: nothing was ever diverted. InvalidArgument: the table has other columns than the pipeline file says.
  static Result<std::unique_ptr<LateTable>> open(const config::PipelineConfig& config);

  /// Looks at both logs.
  Result<LateView> look();
  duck::Connection& connection() { return connection_; }
  lake::Lake& lake() { return *lake_; }
  duck::FileValues& file_values() { return *file_values_; }

  /// SELECT of the rows of bronze, as of the last look.
  Result<std::string> bronze_sql();
  /// SELECT of the pending rows as bronze would hold them, ingested at `now`.
  std::string pending_as_bronze(const LateView& view, Timestamp now) const;
  const std::vector<std::string>& partition_columns() const { return late_definition_.partition_columns; }

  /// Puts the pending rows into bronze in one commit that compares #lateApplied; looks again when somebody else was
  /// faster. Conflict when that goes on; otherwise as Writer::write.
  Result<LateApplied> apply(const Clock& clock, const std::function<bool()>& should_stop);

 private:
  LateTable(const config::PipelineConfig& config, std::unique_ptr<lake::Lake> lake, std::unique_ptr<lake::Table> late,
            std::unique_ptr<SharedTable> bronze, duck::Database database, duck::Connection connection);
  std::string select_of(const std::vector<lake::LiveFile>& files);
  std::string select_of(const std::string& directory, const lake::TableDefinition& definition,
                        const std::vector<lake::LiveFile>& files);
  Result<std::vector<lake::AddFile>> write_pending(const LateView& view, Timestamp now);

  const config::PipelineConfig& config_;
  const lake::TableDefinition bronze_definition_;
  const lake::TableDefinition late_definition_;
  std::unique_ptr<lake::Lake> lake_;
  std::unique_ptr<lake::Table> late_;
  std::unique_ptr<SharedTable> bronze_;
  lake::HeldFiles held_bronze_;  // what the SQL that was given out last reads
  lake::HeldFiles held_late_;
  std::shared_ptr<duck::FileValues> file_values_ = std::make_shared<duck::FileValues>();
  duck::Database database_;
  duck::Connection connection_;
};

}  // namespace inlet::bronze
