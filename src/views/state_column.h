// One column of a view's state, and the vectors it is filled from: values of any of Inlet's column types.
// Not thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "duck/data_chunk.h"

namespace inlet::views {

// __int128 is g++'s own; DECIMALs of more than 18 digits need it.
__extension__ typedef __int128 Int128;

inline Int128 to_int128(duckdb_hugeint value) {
  return static_cast<Int128>((static_cast<unsigned __int128>(static_cast<std::uint64_t>(value.upper)) << 64U) |
                             value.lower);
}
inline duckdb_hugeint to_hugeint(Int128 value) {
  return {static_cast<std::uint64_t>(value), static_cast<std::int64_t>(value >> 64)};
}

/// How a value stands in a vector of DuckDB's.
enum class Physical { kBool, kInt16, kInt32, kInt64, kInt128, kDouble, kText };
Physical physical_of(const ColumnType& type);
/// Bytes of a value; 0 for texts.
std::size_t width_of(Physical physical);

/// Reads one flat vector. Valid as long as the chunk it is of.
class VectorReader {
 public:
  VectorReader(duckdb_vector vector, const ColumnType& type)
      : data_(static_cast<const std::byte*>(duckdb_vector_get_data(vector))),
        validity_(duckdb_vector_get_validity(vector)),
        physical_(physical_of(type)) {}

  Physical physical() const { return physical_; }
  bool is_null(std::size_t row) const {
    return validity_ != nullptr && ((validity_[row / 64] >> (row % 64)) & 1U) == 0;
  }
  template <class T>
  T value(std::size_t row) const {
    return reinterpret_cast<const T*>(data_)[row];
  }
  const std::byte* bytes(std::size_t row) const { return data_ + row * width_of(physical_); }
  std::string_view text(std::size_t row) const {
    auto& string = const_cast<duckdb_string_t&>(reinterpret_cast<const duckdb_string_t*>(data_)[row]);
    return {duckdb_string_t_data(&string), duckdb_string_t_length(string)};
  }

 private:
  const std::byte* data_;
  const std::uint64_t* validity_;
  Physical physical_;
};

/// The columns of a chunk, as `schema` says they are.
std::vector<VectorReader> readers_of(duckdb_data_chunk chunk, const Schema& schema);

/// Sets one cell of a chunk from the value's bytes, or to NULL.
void write_cell(duck::DataChunk& chunk, std::size_t column, std::size_t row, Physical physical, const std::byte* bytes);

class StateColumn {
 public:
  explicit StateColumn(const ColumnType& type) : type_(type), physical_(physical_of(type)) {}

  void append_null();
  /// So many rows, of which the new ones are NULL.
  void resize(std::size_t rows);
  std::size_t bytes() const;

  bool is_null(std::size_t row) const { return valid_[row] == 0; }
  template <class T>
  T& value(std::size_t row) {
    return reinterpret_cast<T*>(cells_.data())[row];
  }
  /// Takes over the value at `from`, which may be NULL.
  void assign(std::size_t row, const VectorReader& values, std::size_t from);
  void set_valid(std::size_t row) { valid_[row] = 1; }

  /// Negative, zero or positive, as the value at `row` is before, equal to or after the one at `from`. NULL is larger
  /// than every value, NaN than every number; texts by bytes.
  int compare(std::size_t row, const VectorReader& values, std::size_t from) const;

  void write(std::size_t row, duck::DataChunk& chunk, std::size_t column, std::size_t to) const;
  const ColumnType& type() const { return type_; }
  Physical physical() const { return physical_; }

 private:
  ColumnType type_;
  Physical physical_;
  std::vector<std::byte> cells_;    // of fixed width
  std::vector<std::string> texts_;  // or these
  std::size_t text_bytes_ = 0;      // of texts too long to stand in the string itself
  std::vector<std::uint8_t> valid_;
};

}  // namespace inlet::views
