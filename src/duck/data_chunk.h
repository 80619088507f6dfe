// RAII over DuckDB's data chunks: typed columns of at most 2,048 rows, the unit that flows from decode to Parquet.
//
// The only headers that include duckdb.h are in this directory.
#pragma once

#include <duckdb.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/status.h"
#include "base/types.h"

namespace inlet::duck {

/// DuckDB's logical type for a column type.
struct LogicalTypeDeleter {
  void operator()(duckdb_logical_type type) const;
};
using LogicalType = std::unique_ptr<_duckdb_logical_type, LogicalTypeDeleter>;
LogicalType logical_type(const ColumnType& type);

/// Move-only. Writing: one thread. Reading: any number of threads once written.
class DataChunk {
 public:
  static constexpr std::size_t kCapacity = 2048;  // duckdb_vector_size()

  DataChunk() = default;
  explicit DataChunk(const Schema& schema);

  explicit operator bool() const { return chunk_ != nullptr; }
  std::size_t rows() const;
  std::size_t columns() const;
  /// Fixes the row count after the columns were filled.
  void set_rows(std::size_t rows);

  /// The rows at `selected`, in that order, copied into a chunk of their own whose columns are flat. `schema` begins
  /// with this chunk's columns; those it has beyond them are left to be filled. A chunk that is false: memory did not
  /// suffice.
  DataChunk copy_rows(const Schema& schema, std::span<const std::uint32_t> selected) const;

  duckdb_vector column(std::size_t index) const;
  /// The column's values as an array of T: the physical type of its logical type (DECIMAL: int16/32/64/hugeint by
  /// width).
  template <class T>
  T* values(std::size_t index) {
    return static_cast<T*>(duckdb_vector_get_data(column(index)));
  }
  template <class T>
  const T* values(std::size_t index) const {
    return static_cast<const T*>(duckdb_vector_get_data(column(index)));
  }
  /// Of a column that is not one constant value.
  bool is_null(std::size_t index, std::size_t row) const;
  /// Copies the text into the chunk. Precondition: valid UTF-8.
  void set_string(std::size_t index, std::size_t row, std::string_view text);
  void set_null(std::size_t index, std::size_t row);
  /// Makes the whole column one value, stored once.
  void set_constant(std::size_t index, std::string_view text);
  void set_constant(std::size_t index, std::int32_t value);

  duckdb_data_chunk get() const { return chunk_.get(); }

 private:
  struct Deleter {
    void operator()(duckdb_data_chunk chunk) const;
  };
  std::unique_ptr<_duckdb_data_chunk, Deleter> chunk_;
};

}  // namespace inlet::duck
