// The state of a view on disk: a cache of what could be computed from bronze again, and the room for what does not fit
// in memory.
//
//   <lake>/_inlet/<pipeline>/views/<view>/state.json           which files, of which bronze version; replaced whole
//   <lake>/_inlet/<pipeline>/views/<view>/<uuid>.parquet       one partition's rows (k0…, p0…, d0…, r), or the distinct
//                                                              pairs of one count (r, v); r numbers the rows
//
// Only partitions that changed are written again. Files come first and are flushed, then the manifest is written aside,
// flushed and renamed; what no manifest names any more, and nobody needs, is deleted after that. Every file's size and
// checksum stand in the manifest: a state that is absent, damaged, of another format, plan or table is not loaded,
// never half loaded. Partitions that were on disk only stay there, and are looked at when they are needed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "duck/database.h"
#include "views/bronze_log.h"
#include "views/stored_partition.h"
#include "views/view_state.h"

namespace inlet::views {

/// What partitions on disk are read and written by: when one is read, its rows by the first and its distinct pairs by
/// the second, at the same time.
struct StateConnections {
  duck::Connection rows;
  duck::Connection pairs;

  static Result<StateConnections> open(duck::Database& database);
  /// From any thread.
  void interrupt() {
    rows.interrupt();
    pairs.interrupt();
  }
};

/// load() and save(): one owner. The others are thread safe, each caller with its own connection.
class StateFiles {
 public:
  StateFiles(std::string directory, const ViewPlan& plan)
      : directory_(std::make_shared<StateDirectory>(std::move(directory))), plan_(plan) {}

  struct Loaded {
    std::unique_ptr<ViewState> state;  // nullptr: nothing that could be loaded
    BronzePosition bronze;
    std::string why_not;  // for the log, when there is a state that was not loaded
  };
  /// The partitions that were touched last are loaded, as far as `most_bytes` reach.
  Loaded load(StateConnections& connections, std::size_t most_bytes);

  /// What one save writes: copies of the partitions that changed, taken while nobody merges.
  struct Pending {
    struct Partition {
      std::string key;
      PartitionValues values;
      bool is_unpublished = true;
      bool is_on_disk = false;
      std::uint64_t touched = 0;
      StoredPartitionPtr stored;  // of those that have not changed; of the others save() puts it here
      std::vector<duck::DataChunk> rows;
      std::vector<std::vector<duck::DataChunk>> distinct;
      std::size_t entries = 0;
      std::size_t memory = 0;
      bool is_written = false;  // by this save
    };
    std::uint64_t state = 0;  // ViewState::id()
    BronzePosition bronze;
    std::vector<Partition> partitions;   // all there are
    std::optional<std::size_t> damaged;  // of the partitions: what save() found
  };
  static Pending prepare(const ViewState& state, const ViewPlan& plan, const BronzePosition& bronze);
  /// Internal: the system's reason. Corruption "view.state_damaged": a file of `pending.damaged` is gone, which no
  /// manifest has named before. The state before stays loadable then.
  Status save(duck::Connection& connection, Pending& pending);
  /// After save(): the partitions that are still as they were written need not be written again. While nobody merges.
  static void note_written(ViewState& state, const Pending& saved);

  /// Writes one partition; it is on the disk's way, and flushed by the save that names it first.
  Result<StoredPartitionPtr> write(duck::Connection& connection, const PartitionState& partition);
  /// A stored partition, as `state` would have it. Corruption "view.state_damaged": it is absent or damaged.
  Result<std::unique_ptr<PartitionState>> read(StateConnections& connections, ViewState& state, const std::string& key,
                                               const StoredPartition& stored) const;
  /// A SELECT of its rows as columns of plan.state. Corruption as read().
  Result<std::string> rows_select(const StoredPartition& stored) const;

  /// Bytes the last save wrote.
  std::int64_t last_bytes() const { return last_bytes_; }

 private:
  struct Chunks {
    std::vector<duck::DataChunk> rows;
    std::vector<std::vector<duck::DataChunk>> distinct;
  };
  /// `schema`: of the file, columns of the chunks' own.
  Result<StoredFile> write_file(duck::Connection& connection, const Schema& schema,
                                const std::vector<duck::DataChunk>& chunks);
  Result<StoredPartitionPtr> write_chunks(duck::Connection& connection, const std::vector<duck::DataChunk>& rows,
                                          const std::vector<std::vector<duck::DataChunk>>& distinct,
                                          std::size_t entries, std::size_t memory);
  Status write_manifest(const Pending& pending);
  Status load_from(StateConnections& connections, const std::string& text, std::size_t most_bytes, Loaded& loaded);
  Status each_chunk(duck::Connection& connection, const StoredFile& file, const Schema& schema,
                    const std::function<Status(duckdb_data_chunk)>& use) const;
  Status check_file(const StoredFile& file) const;

  const std::shared_ptr<StateDirectory> directory_;
  const ViewPlan& plan_;
  std::int64_t last_bytes_ = 0;
};

/// What a saved state says of itself.
struct SavedStateSummary {
  TableVersion bronze_version;
  std::size_t partitions = 0;
  std::size_t on_disk = 0;  // of them
};
/// NotFound: there is none. Corruption: it is damaged.
Result<SavedStateSummary> read_saved_state(const std::string& directory);

/// Where the state of a view of a pipeline on a lake is saved.
std::string state_directory(const std::string& lake_root, const std::string& pipeline, const std::string& view);

}  // namespace inlet::views
