// The state of a view within one of the view's partitions: dense columns of partials, and a hash index from key to row.
//
// What flows in: rows (k0…, p0…) of a batch's partial aggregates, and distinct pairs (k0…, v). What flows out: the rows
// again, merged. The key of a row is kept as bytes, once; key columns are decoded from it when rows are read.
// Not thread safe.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "duck/data_chunk.h"
#include "views/state_column.h"
#include "views/view_plan.h"

namespace inlet::views {

/// Keys as bytes: per column a NULL mark, then the value. Equal exactly when all columns are IS NOT DISTINCT FROM each
/// other; −0.0 is 0.0 and every NaN is one NaN.
class KeyCodec {
 public:
  explicit KeyCodec(std::vector<ColumnType> types) : types_(std::move(types)) {}
  std::size_t columns() const { return types_.size(); }

  /// Appends the bytes of the first columns() vectors at `row`.
  void append(std::string& bytes, const std::vector<VectorReader>& columns, std::size_t row) const;
  /// Appends the bytes of one of the columns, as they stand in the key.
  void append_column(std::string& bytes, const std::vector<VectorReader>& columns, std::size_t column,
                     std::size_t row) const;
  /// The same of a partition column: the empty text is NULL there, for Delta writes the two alike.
  void append_partition_column(std::string& bytes, const std::vector<VectorReader>& columns, std::size_t column,
                               std::size_t row) const;
  /// Writes the values of `key` into the first columns() columns of the chunk.
  void write(std::string_view key, duck::DataChunk& chunk, std::size_t row) const;

 private:
  std::vector<ColumnType> types_;
};

class PartitionState {
 public:
  /// `plan` and `keys` outlive it.
  PartitionState(const ViewPlan& plan, const KeyCodec& keys);

  /// The row of `key`, made when it is not there.
  std::uint32_t row_of(std::string_view key);
  std::string_view key(std::uint32_t row) const { return key_at(row_keys_[row]); }
  /// An exact sum that left DECIMAL(38).
  struct Overflow {
    std::uint32_t row = 0;
    std::size_t column = 0;  // of plan.state
  };
  /// Merges the rows of the partial columns p0… from `from` on, one into each of `rows`, in this order. The first
  /// overflow, if there is one: the state is then of no use any more.
  std::optional<Overflow> merge(std::span<const std::uint32_t> rows, std::span<const VectorReader> partials,
                                std::size_t from);
  /// Counts the values from `from` on, one for each of `rows`, that are new there and not NULL.
  void add_distinct(std::size_t index, std::span<const std::uint32_t> rows, const VectorReader& values,
                    std::size_t from);

  std::size_t rows() const { return row_keys_.size(); }
  std::size_t distinct_values() const;
  /// An estimate, for the limit on memory.
  std::size_t bytes() const;

  /// Rows [begin, end) as columns k0…, p0…, d0….
  void write_rows(std::size_t begin, std::size_t end, duck::DataChunk& chunk) const;
  /// Every distinct pair of one count, as chunks (r BIGINT, v): the row, and a value it has counted.
  std::vector<duck::DataChunk> distinct_pairs(std::size_t index) const;
  static Schema pair_schema(const ViewPlan& plan, std::size_t index);

  // ---- taking saved rows back, under the numbers they had. The rows and the pairs of a count do not touch each other:
  // two threads may bring them. ----

  /// Precondition: there is no row. Makes so many, to be given their keys by place().
  void make_places(std::size_t rows);
  /// Gives a row its key. False: there is no such row, it has one, or another row has the key.
  bool place(std::size_t row, std::string_view key);
  /// Makes room for about so many distinct values of one count.
  void expect_pairs(std::size_t index, std::size_t count);
  /// Takes a chunk of distinct_pairs(). False: it names a row that is not there.
  bool add_pairs(std::size_t index, duckdb_data_chunk pairs);

 private:
  /// A key in the arena: its length, then its bytes.
  using KeyPointer = const char*;
  static std::string_view key_at(KeyPointer pointer);
  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>{}(key); }
    std::size_t operator()(KeyPointer key) const { return (*this)(key_at(key)); }
  };
  struct KeyEqual {
    using is_transparent = void;
    bool operator()(KeyPointer a, KeyPointer b) const { return key_at(a) == key_at(b); }
    bool operator()(std::string_view a, KeyPointer b) const { return a == key_at(b); }
    bool operator()(KeyPointer a, std::string_view b) const { return key_at(a) == b; }
  };

  /// The distinct values of one count(DISTINCT): (row, value), values of at most eight bytes packed.
  struct DistinctValues {
    struct Packed {
      std::uint64_t value = 0;
      std::uint32_t row = 0;
      friend bool operator==(const Packed&, const Packed&) = default;
    };
    struct PackedHash {
      std::size_t operator()(const Packed& p) const {
        std::uint64_t h = (p.value ^ (static_cast<std::uint64_t>(p.row) << 40U)) * 0x9E3779B97F4A7C15ULL;
        return static_cast<std::size_t>((h ^ (h >> 32U)) * 0xD6E8FEB86659FD93ULL);
      }
    };
    boost::unordered_flat_set<Packed, PackedHash> packed;
    boost::unordered_flat_set<std::string> texts;  // four bytes of row, then the value's bytes
    std::size_t text_bytes = 0;
  };

  const char* keep(std::string_view key);

  const ViewPlan& plan_;
  const KeyCodec& keys_;
  std::vector<std::unique_ptr<char[]>> arena_;
  char* block_end_ = nullptr;
  std::size_t arena_free_ = 0;  // of the last block
  std::size_t arena_used_ = 0;
  boost::unordered_flat_map<KeyPointer, std::uint32_t, KeyHash, KeyEqual> index_;
  std::vector<KeyPointer> row_keys_;
  std::vector<StateColumn> columns_;  // p0…
  std::vector<std::vector<std::int64_t>> distinct_counts_;
  std::vector<DistinctValues> distinct_values_;
};

}  // namespace inlet::views
