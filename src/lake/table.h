// A Delta table: opened at a snapshot, appended to by commits that compare before they write.
// Protocol: https://github.com/delta-io/delta/blob/master/PROTOCOL.md. Below it is delta_kernel, through delta_shim/.
//
// What flows in: Parquet files that already stand below the table's directory, and the actions of one commit.
// What flows out: the version they became, or why they did not. Invariants: docs/exactly-once.md, rules 3, 4, 8.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/storage_options.h"
#include "base/types.h"
#include "lake/data_files.h"

namespace inlet::lake {

/// A data file of a commit. `path` is relative to the table's directory, as on disk (the shim encodes it for the log).
struct AddFile {
  std::string path;
  std::int64_t bytes = 0;
  std::int64_t modified_ms = 0;
  std::int64_t rows = 0;
  std::map<std::string, std::optional<std::string>> partition_values;
  std::string
      statistics_json;  // Delta's per-file statistics: {"numRecords":…,"minValues":{…},"maxValues":{…},"nullCount":{…}}
  std::string digest;  // of its bytes, as file_check.h has it; empty: taken from the file when it is committed
};

/// A file as it stands in a snapshot.
struct LiveFile {
  std::string path;  // relative, decoded: a path on disk
  std::int64_t bytes = 0;
  std::int64_t modified_ms = 0;
  std::map<std::string, std::optional<std::string>> partition_values;
  std::string statistics_json;
  std::string digest;  // of its bytes; empty: the log has none
};

/// Delta's SetTransaction action. A version here may go down (restore --replay); nothing else lowers one.
struct AppTransaction {
  std::string app_id;
  std::int64_t version = 0;
};

/// What a commit makes of the table itself. Its id, name and properties stay.
struct TableChange {
  Schema schema;                               // partition columns included
  std::vector<std::string> partition_columns;  // others than before: only with removes of every live file
};

/// The actions of one commit. The commit's identity (`txnId` in commitInfo) is given by Table::commit.
struct Commit {
  std::string operation;  // commitInfo.operation: "STREAMING UPDATE", "CLAIM"
  std::map<std::string, std::string> operation_parameters;
  std::map<std::string, std::int64_t> operation_metrics;  // numOutputRows, numFiles, numOutputBytes, ...
  std::map<std::string, std::string> info;                // further commitInfo fields, as strings
  std::vector<AddFile> adds;
  std::vector<std::string> removes;  // paths of live files
  std::vector<AppTransaction> transactions;
  std::optional<TableChange> change;
  bool data_change = true;
};

struct Committed {
  TableVersion version;
  Timestamp timestamp;  // commitInfo.timestamp
  std::string txn_id;
};

struct TableDefinition {
  std::string name;  // below the lake root: "bronze/ventes_stream"
  Schema schema;     // partition columns included
  std::vector<std::string> partition_columns;
  std::map<std::string, std::string> properties;  // delta.*
};

/// The state of a table at one version. Immutable; shared freely between threads.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual TableVersion version() const = 0;
  virtual const std::string& table_id() const = 0;
  virtual const Schema& schema() const = 0;
  virtual const std::vector<std::string>& partition_columns() const = 0;
  virtual const std::map<std::string, std::string>& properties() const = 0;
  /// Version of the newest txn action of this application id; nullopt: never one.
  virtual std::optional<std::int64_t> transaction(std::string_view app_id) const = 0;
  /// Every live txn action, app id to version.
  virtual const std::unordered_map<std::string, std::int64_t>& transactions() const = 0;
  /// Live data files. Reads the log; not cheap on a large table.
  virtual Result<std::vector<LiveFile>> files() const = 0;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

/// One line of `history`: a commit's commitInfo.
struct HistoryEntry {
  TableVersion version;
  Timestamp timestamp;
  std::string operation;
  std::string txn_id;
  std::map<std::string, std::string> parameters;
  std::map<std::string, std::string> metrics;
  std::map<std::string, std::string> info;
  std::vector<AppTransaction> transactions;
  std::int64_t added_files = 0;
  std::int64_t removed_files = 0;

  /// nullopt: the commit says no such number.
  std::optional<std::int64_t> metric(const std::string& name) const;
  /// Empty: its commitInfo has no such field.
  std::string info_text(const std::string& name) const;
};

/// What one commit did to the rows of its table.
struct VersionChanges {
  TableVersion version;
  std::string txn_id;  // empty: of a writer that gives none
  Timestamp timestamp;
  std::vector<LiveFile> added;       // with rows that are new; a compaction adds none
  std::vector<std::string> removed;  // paths of every file that went, a compaction's too
  bool removes_rows = false;
  bool changes_definition = false;  // schema, partitioning, properties or protocol
};

/// Whether every commit after `from` up to `to` has left the rows and the definition of its table as they were, as a
/// compaction does. False where the log has one of them not any more. Errors: those of `changes`.
Result<bool> rows_stay(const std::function<Result<VersionChanges>(TableVersion)>& changes, TableVersion from,
                       TableVersion to);

/// The versions that the log can be replayed to: what was cleaned up lies before.
struct VersionRange {
  TableVersion oldest;
  TableVersion newest;
};

/// A file that a commit removed; it may have been added again since.
struct Tombstone {
  std::string path;  // relative, decoded: a path on disk
  Timestamp removed_at;
};

/// What cleaning a log removed, or would.
struct CleanedLog {
  TableVersion oldest;  // that can be read afterwards
  std::int64_t removed_files = 0;
  std::int64_t removed_bytes = 0;
};

/// Decides, on the very snapshot the commit would build on, whether and what to commit (rule 3). Called once per
/// attempt; pure. A failed Status ends the commit with that Status and nothing written.
using CommitPlan = std::function<Result<Commit>(const Snapshot&)>;

/// Not thread safe: one owner. Snapshots it hands out are.
class Table {
 public:
  virtual ~Table() = default;
  virtual const std::string& name() const = 0;
  /// Where its rows are read and written, an absolute path on local disk; what is read is held first (data_files()).
  virtual const std::string& directory() const = 0;
  /// Where it stands, for people: the directory, or a URL.
  virtual const std::string& location() const { return directory(); }
  /// May outlive the table.
  virtual std::shared_ptr<const DataFiles> data_files() const { return local_data_files(directory()); }

  /// The newest snapshot this process knows; no I/O.
  virtual SnapshotPtr snapshot() const = 0;
  /// Looks at the log; the newest snapshot there is.
  virtual Result<SnapshotPtr> refresh() = 0;

  /// Commits what `plan` says, exactly once:
  ///   plan on the current snapshot → write version N → committed; conflict → refresh, plan again; unknown → read
  ///   version N: our txnId → committed; another's → refresh, plan again; absent → the same commit at N again (rule 4).
  /// Retries without end while the outcome is Transient, until `should_stop` says so (then Cancelled: nothing is known
  /// to be committed, the next start reads the log). Errors: the plan's own; Internal with the system's reason (disk
  /// full).
  virtual Result<Committed> commit(const CommitPlan& plan, const std::function<bool()>& should_stop) = 0;

  /// NotFound: no such version in the log, or cleaned up.
  virtual Result<VersionChanges> changes(TableVersion version) = 0;
  /// Live data files as of `version`, current or older. NotFound as above.
  virtual Result<std::vector<LiveFile>> files_at(TableVersion version) = 0;

  /// Newest first, at most `limit`.
  virtual Result<std::vector<HistoryEntry>> history(std::size_t limit) = 0;
  /// NotFound: no such commit file.
  virtual Result<HistoryEntry> history_entry(TableVersion version) = 0;

  /// Lists the log.
  virtual Result<VersionRange> versions() = 0;
  /// The table as of `version`, current or older, with the definition and the transactions it had then. NotFound
  /// "lake.no_version": not there, or cleaned up; the fix says which there are.
  virtual Result<SnapshotPtr> snapshot_at(TableVersion version) = 0;

  /// Of the newest snapshot; those that a checkpoint has forgotten (delta.deletedFileRetentionDuration) left out.
  virtual Result<std::vector<Tombstone>> tombstones() = 0;
  /// Removes from the log what is about versions before a checkpoint alone: one at or before `keep_from` and the newest
  /// version committed before `expired_before`. The checkpoint is read back whole and held against the log before.
  /// Corruption: it says something else; nothing was removed.
  virtual Result<CleanedLog> clean_log(Timestamp expired_before, std::optional<TableVersion> keep_from,
                                       bool dry_run) = 0;
};

class ObjectStore;

/// The directory or the place in an object store that all tables of a pipeline live in. Thread safe.
class Lake {
 public:
  virtual ~Lake() = default;

  /// Opens `definition.name`, creating it if it is not there. InvalidArgument: it exists with another schema or
  /// partitioning (the difference is in the message), with a table feature this version does not know (by name), or
  /// with delta.setTransactionRetentionDuration set (rule 1 needs txns that never expire).
  virtual Result<std::unique_ptr<Table>> open_or_create(const TableDefinition& definition) = 0;
  /// NotFound: no table there.
  virtual Result<std::unique_ptr<Table>> open(const std::string& name) = 0;
  /// Names of all tables below the root, sorted.
  virtual Result<std::vector<std::string>> tables() = 0;
  /// The directory of local disk that stands for the lake: the lake itself, or the cache of its files.
  virtual const std::string& root() const = 0;
  /// Where the lake is, for people: the directory, or a URL.
  virtual const std::string& location() const { return root(); }
  /// Whether tables can be written here, asked before anything is read that would be written: of a store, the errors of
  /// ObjectStore. Opening alone asks it of a directory only, so that a lake in a store can be read by who may not
  /// write.
  virtual Status check_writable() const { return Status::ok(); }
  /// nullptr: a directory.
  virtual std::shared_ptr<const ObjectStore> object_store() const { return nullptr; }
  /// How long a lock in an object store outlives a process that does not renew it.
  virtual std::chrono::milliseconds lease() const { return std::chrono::seconds(30); }
};

/// Makes files that were written into the table's directory last, before every commit that adds them (rule 8): on local
/// disk they are flushed with the directories that hold them, for an object store they are put there. Transient: the
/// store cannot be reached.
Status sync_files(const DataFiles& table, const std::vector<AddFile>& files);
/// The same, and again with back-off while it is Transient, until `should_stop` says so (then Cancelled).
Status sync_files_until(const DataFiles& table, const std::vector<AddFile>& files,
                        const std::function<bool()>& should_stop);

/// `root`: a directory, created if it is not there, or the URL of a place in an object store, which is asked nothing
/// yet. Internal: the directory, or the cache, cannot be written, with the system's reason. InvalidArgument: no such
/// URL.
Result<std::unique_ptr<Lake>> open_lake(const std::string& root, const StorageOptions& storage = {});

/// "where the table differs from the pipeline file", one line per column; empty when equal.
std::string schema_difference(const Schema& table, const Schema& wanted);

/// Whether the table has these columns and partitions.
bool has_definition(const Snapshot& snapshot, const TableDefinition& definition);

/// Whether the table becomes `wanted` by a metaData action alone, its files staying as they are: nullable columns more
/// (old rows have NULL there), NOT NULL taken away. The type of a column never changes that way: that needs the table
/// feature typeWidening (Delta protocol, "Type Widening"). True for equal ones.
bool can_become(const Schema& table, const Schema& wanted);

/// InvalidArgument: not a table that Delta and Inlet could have, and why.
Status check_definition(const TableDefinition& definition);

}  // namespace inlet::lake
