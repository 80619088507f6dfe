// The state of one aggregating view: a PartitionState for each of the view's partitions, in memory or on disk, and what
// of it has changed since it was last published and last written. Not thread safe: view_keeper.h holds the lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "duck/database.h"
#include "views/bronze_log.h"
#include "views/partition_state.h"
#include "views/stored_partition.h"
#include "views/view_plan.h"

namespace inlet::views {

/// The value of each partition column as Delta writes it in its log; nullopt is NULL. The empty text is NULL too:
/// Delta has one way to write the two (protocol, "Partition Value Serialization").
using PartitionValues = std::vector<std::optional<std::string>>;

// A batch reaches the state in one of two ways. By group, DuckDB aggregates it first: for few groups of many events
// each. By event, nothing is aggregated twice, and a chunk is in memory at a time however many events and groups there
// are.

/// The first way: computed without the state, so that nobody waits for it.
struct GroupPartials {
  duck::QueryResult rows;                   // of group_sql
  std::vector<duck::QueryResult> distinct;  // of distinct_counts[i].sql

  static Result<GroupPartials> of(const ViewPlan& plan, const Events& events);
};

/// The second way: hands over rows of event_sql, for ViewState::merge_events.
Status for_each_event_chunk(const ViewPlan& plan, const Events& events,
                            const std::function<Status(duckdb_data_chunk)>& use);

class ViewState {
 public:
  struct Partition {
    std::unique_ptr<PartitionState> rows;  // nullptr: on disk only, as `stored` has it
    PartitionValues values;
    bool is_unpublished = true;
    StoredPartitionPtr stored;  // how it was last written; nullptr: never
    bool is_changed = true;     // since then
    bool is_lost = false;       // `stored` cannot be read
    std::uint64_t touched = 0;  // the chunk that was merged into it last: larger is later
    std::size_t bytes = 0;      // of `rows`

    bool is_on_disk() const { return rows == nullptr; }
  };

  /// `plan` outlives it. Precondition: plan.kind is kAggregate. A view without keys has its one row from the start.
  explicit ViewState(const ViewPlan& plan);
  ViewState(const ViewState&) = delete;
  ViewState& operator=(const ViewState&) = delete;

  // ---- merging. Precondition: the partitions of the rows are in memory, or new (partitions_on_disk_of) ----

  /// Merges rows of the plan's group_sql. InvalidArgument "view.sum_overflow" names the group; the state is then of no
  /// use any more.
  Status merge_partials(duckdb_data_chunk rows) { return merge_chunk(rows, partial_schema_); }
  /// Merges rows of the plan's event_sql. Errors as merge_partials.
  Status merge_events(duckdb_data_chunk rows) { return merge_chunk(rows, event_schema_); }
  /// Merges rows of distinct_counts[index].sql. After the partials of the same batch.
  void merge_distinct(std::size_t index, duckdb_data_chunk rows);

  Status merge(const GroupPartials& partials);

  // ---- memory and disk ----

  /// What a chunk of any of those rows needs.
  struct Needed {
    std::vector<std::string> partitions;  // every one there is, by key, each once
    std::vector<std::string> on_disk;     // of them
    std::size_t bytes = 0;                // of all, loaded
  };
  Needed needed_by(duckdb_data_chunk rows);
  bool has_any_on_disk() const { return on_disk_ > 0; }
  std::size_t partitions_on_disk() const { return on_disk_; }

  /// Without rows, but for the one row of a view without keys.
  std::unique_ptr<PartitionState> new_partition() const;
  /// Without rows, for put_saved().
  std::unique_ptr<PartitionState> empty_partition() const { return std::make_unique<PartitionState>(plan_, keys_); }
  /// Puts rows as merge_partials() takes them, and their numbers after them, into a partition that stands apart and has
  /// places for them. Corruption: one of them belongs to another than `key`, or has no place.
  Status put_saved(PartitionState& partition, const std::string& key, duckdb_data_chunk rows);
  /// Of rows as merge_events() takes them, merges those of `key`.
  Status merge_events_of(PartitionState& partition, const std::string& key, duckdb_data_chunk rows);

  /// Makes a partition known that is on disk.
  void add_on_disk(const std::string& key, PartitionValues values, StoredPartitionPtr stored, std::uint64_t touched);
  /// Precondition: it is on disk.
  void put_in_memory(const std::string& key, std::unique_ptr<PartitionState> rows, bool is_changed);
  /// Precondition: it has not changed since it was stored. What was in memory, to be destroyed where nobody waits.
  std::unique_ptr<PartitionState> take_out_of_memory(const std::string& key);

  /// The number of the last chunk that was merged.
  std::uint64_t last_chunk() const { return chunk_; }
  /// Tells this state from every other one of the process.
  std::uint64_t id() const { return id_; }

  /// By the bytes of the partition's columns. Pointers stay valid.
  std::map<std::string, Partition>& partitions() { return partitions_; }
  const std::map<std::string, Partition>& partitions() const { return partitions_; }

  std::size_t rows() const;
  /// Rows and distinct values.
  std::size_t entries() const;
  /// In memory.
  std::size_t bytes() const { return bytes_; }
  /// All rows of one partition that is in memory, as columns of plan.state.
  std::vector<duck::DataChunk> rows_of(const Partition& partition) const;

  const std::vector<std::size_t>& partition_keys() const { return partition_keys_; }

 private:
  Status merge_chunk(duckdb_data_chunk rows, const Schema& schema);
  Status merge_run(PartitionState& partition, std::size_t begin, const std::vector<VectorReader>& columns);
  const std::string& partition_key(const std::vector<VectorReader>& columns, std::size_t row);
  Partition& partition_of(const std::vector<VectorReader>& columns, std::size_t row);
  void begin_chunk();
  void touch(Partition& partition);
  void end_chunk();
  void measure(Partition& partition);
  PartitionValues values_of(std::string_view key) const;
  std::string columns_of(std::size_t state_column) const;
  std::string group_text(std::string_view key) const;

  const ViewPlan& plan_;
  const std::uint64_t id_;
  const KeyCodec keys_;
  const Schema key_schema_;
  const Schema partial_schema_;              // k0…, p0…
  const Schema event_schema_;                // k0…, p0…, v0…
  std::vector<std::size_t> partition_keys_;  // indices into the keys
  std::map<std::string, Partition> partitions_;
  std::size_t bytes_ = 0;
  std::size_t on_disk_ = 0;
  std::uint64_t chunk_ = 0;
  Partition* last_ = nullptr;  // rows come in runs of one partition
  std::string last_key_;
  // Room that is used again.
  std::vector<Partition*> touched_;  // by the chunk that is being merged
  std::string partition_key_;
  std::string key_;
  std::vector<std::uint32_t> rows_of_run_;
};

}  // namespace inlet::views
