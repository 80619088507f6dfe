// The state of one aggregating view: a PartitionState for each of the view's partitions, and what of it has changed
// since it was last published and last saved. Not thread safe: view_keeper.h holds the lock.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "duck/database.h"
#include "views/bronze_log.h"
#include "views/partition_state.h"
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
    Partition(const ViewPlan& plan, const KeyCodec& keys) : rows(plan, keys) {}
    PartitionState rows;
    PartitionValues values;
    bool is_unpublished = true;
    bool is_unsaved = true;
  };

  /// `plan` outlives it. Precondition: plan.kind is kAggregate. A view without keys has its one row from the start.
  explicit ViewState(const ViewPlan& plan);
  ViewState(const ViewState&) = delete;
  ViewState& operator=(const ViewState&) = delete;

  /// Merges rows of the plan's group_sql, or rows of a state of the same plan without its distinct counts.
  /// InvalidArgument "view.sum_overflow" names the group; the state is then of no use any more.
  Status merge_partials(duckdb_data_chunk rows) { return merge_chunk(rows, partial_schema_); }
  /// Merges rows of the plan's event_sql. Errors as merge_partials.
  Status merge_events(duckdb_data_chunk rows) { return merge_chunk(rows, event_schema_); }
  /// Merges rows of distinct_counts[index].sql. After the partials of the same batch.
  void merge_distinct(std::size_t index, duckdb_data_chunk rows);

  Status merge(const GroupPartials& partials);

  /// By the bytes of the partition's columns. Pointers stay valid.
  std::map<std::string, Partition>& partitions() { return partitions_; }
  const std::map<std::string, Partition>& partitions() const { return partitions_; }

  std::size_t rows() const;
  /// Rows and distinct values.
  std::size_t entries() const;
  std::size_t bytes() const;
  /// All rows of one partition, as columns of plan.state.
  std::vector<duck::DataChunk> rows_of(const Partition& partition) const;

 private:
  Status merge_chunk(duckdb_data_chunk rows, const Schema& schema);
  Partition& partition_of(const std::vector<VectorReader>& columns, std::size_t row);
  PartitionValues values_of(std::string_view key) const;
  std::string group_text(std::string_view key) const;

  const ViewPlan& plan_;
  const KeyCodec keys_;
  const Schema key_schema_;
  const Schema partial_schema_;              // k0…, p0…
  const Schema event_schema_;                // k0…, p0…, v0…
  std::vector<std::size_t> partition_keys_;  // indices into the keys
  std::map<std::string, Partition> partitions_;
  Partition* last_ = nullptr;  // rows come in runs of one partition
  std::string last_key_;
  // Room that is used again.
  std::string partition_key_;
  std::string key_;
  std::vector<std::uint32_t> rows_of_run_;
};

}  // namespace inlet::views
