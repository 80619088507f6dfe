// The one place where delta_shim is called and its errors become Status: a table's log, as calls with types.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/status.h"
#include "lake/commit_decision.h"
#include "lake/object_store.h"
#include "lake/table.h"

struct delta_shim_table;

namespace inlet::lake {

/// How the table moved: all of it after a load (`definition` is there), otherwise what commits added.
struct LogAdvance {
  struct Definition {
    std::string id;
    std::string schema_json;
    std::vector<std::string> partition_columns;
    std::map<std::string, std::string> properties;
  };
  TableVersion version;
  std::optional<Timestamp> timestamp;  // of the newest commit, if it was read
  std::unordered_map<std::string, std::int64_t> transactions;
  std::optional<Definition> definition;
};

/// How one write ended. `advance` is there when committed, `error` when unknown or refused.
struct LogWrite {
  Outcome outcome = Outcome::kUnknown;
  std::optional<LogAdvance> advance;
  Status error;
};

struct LogLook {
  Standing standing = Standing::kAbsent;
  Timestamp timestamp;  // of our commit
};

/// Where a table stands: all of it in a directory of local disk, or in an object store, with a directory that its data
/// files are written in and read from.
struct TablePlace {
  std::shared_ptr<const ObjectStore> store;  // nullptr: local disk
  std::string name;                          // below the lake
  std::string directory;                     // absolute

  /// For people.
  std::string location() const { return store == nullptr ? directory : store->url() + "/" + name; }
};

/// Thread safe: calls are serialised inside, but for those that read older versions.
class DeltaLog {
 public:
  /// NotFound: no table there. InvalidArgument "lake.unsupported_table": a feature or property Inlet does not write.
  static Result<std::shared_ptr<DeltaLog>> open(const TablePlace& place);

  /// Writes version 0. Committed, conflict (a table stands there), unknown or refused.
  static LogWrite create(const TablePlace& place, const TableDefinition& definition, std::string_view schema_json,
                         const std::string& table_id, const std::string& txn_id);

  const TablePlace& place() const { return place_; }
  const std::string& location() const { return location_; }

  Result<LogAdvance> state();
  /// NotFound: not there, or cleaned up.
  Result<LogAdvance> state_at(TableVersion version);
  Result<VersionRange> versions();
  Result<LogAdvance> refresh();
  LogWrite write(TableVersion read_version, const Commit& commit, const std::string& txn_id);
  Result<LogLook> look(TableVersion version, const std::string& txn_id);
  /// NotFound: not in the log.
  Result<HistoryEntry> history_entry(TableVersion version);
  Result<VersionChanges> changes(TableVersion version);
  Result<std::vector<LiveFile>> files(TableVersion version);
  Result<std::vector<Tombstone>> tombstones(TableVersion version);
  Result<CleanedLog> clean_log(Timestamp expired_before, std::optional<TableVersion> keep_from, bool dry_run);

 private:
  struct FreeTable {
    void operator()(delta_shim_table* table) const;
  };
  DeltaLog(TablePlace place, delta_shim_table* table)
      : place_(std::move(place)), location_(place_.location()), table_(table) {}

  const TablePlace place_;
  const std::string location_;
  const std::unique_ptr<delta_shim_table, FreeTable> table_;
};

/// Of a file's bytes, as the log keeps it: "xxh64:…". Empty: no such file. Internal "lake.io": it cannot be read.
Result<std::string> file_digest(const std::string& path);

}  // namespace inlet::lake
