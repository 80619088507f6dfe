#include "views/state_column.h"

#include <cmath>
#include <cstring>

namespace inlet::views {
namespace {

constexpr std::size_t kInlineText = 15;  // of a std::string without memory of its own

template <class T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <class T>
int order(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

int order_doubles(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return order<int>(std::isnan(a), std::isnan(b));
  return order(a, b);
}

int order_cells(Physical physical, const std::byte* a, const std::byte* b) {
  switch (physical) {
    case Physical::kBool: return order(load<std::uint8_t>(a), load<std::uint8_t>(b));
    case Physical::kInt16: return order(load<std::int16_t>(a), load<std::int16_t>(b));
    case Physical::kInt32: return order(load<std::int32_t>(a), load<std::int32_t>(b));
    case Physical::kInt64: return order(load<std::int64_t>(a), load<std::int64_t>(b));
    case Physical::kInt128: return order(to_int128(load<duckdb_hugeint>(a)), to_int128(load<duckdb_hugeint>(b)));
    case Physical::kDouble: return order_doubles(load<double>(a), load<double>(b));
    case Physical::kText: break;
  }
  return 0;
}

}  // namespace

Physical physical_of(const ColumnType& type) {
  switch (type.kind) {
    case TypeKind::kBoolean: return Physical::kBool;
    case TypeKind::kInt:
    case TypeKind::kDate: return Physical::kInt32;
    case TypeKind::kBigint:
    case TypeKind::kTimestamp: return Physical::kInt64;
    case TypeKind::kDouble: return Physical::kDouble;
    case TypeKind::kVarchar: return Physical::kText;
    case TypeKind::kDecimal:
      if (type.precision <= 4) return Physical::kInt16;
      if (type.precision <= 9) return Physical::kInt32;
      return type.precision <= 18 ? Physical::kInt64 : Physical::kInt128;
  }
  return Physical::kInt64;
}

std::size_t width_of(Physical physical) {
  switch (physical) {
    case Physical::kBool: return 1;
    case Physical::kInt16: return 2;
    case Physical::kInt32: return 4;
    case Physical::kInt64:
    case Physical::kDouble: return 8;
    case Physical::kInt128: return 16;
    case Physical::kText: return 0;
  }
  return 0;
}

std::vector<VectorReader> readers_of(duckdb_data_chunk chunk, const Schema& schema) {
  std::vector<VectorReader> readers;
  readers.reserve(schema.columns.size());
  for (std::size_t i = 0; i < schema.columns.size(); ++i)
    readers.emplace_back(duckdb_data_chunk_get_vector(chunk, i), schema.columns[i].type);
  return readers;
}

void write_cell(duck::DataChunk& chunk, std::size_t column, std::size_t row, Physical physical,
                const std::byte* bytes) {
  if (bytes == nullptr) return chunk.set_null(column, row);
  const std::size_t width = width_of(physical);
  std::memcpy(chunk.values<std::byte>(column) + row * width, bytes, width);
}

void StateColumn::append_null() {
  valid_.push_back(0);
  if (physical_ == Physical::kText) {
    texts_.emplace_back();
  } else {
    cells_.resize(cells_.size() + width_of(physical_));
  }
}

void StateColumn::resize(std::size_t rows) {
  valid_.resize(rows);
  physical_ == Physical::kText ? texts_.resize(rows) : cells_.resize(rows * width_of(physical_));
}

std::size_t StateColumn::bytes() const {
  return cells_.capacity() + valid_.capacity() + texts_.capacity() * sizeof(std::string) + text_bytes_;
}

void StateColumn::assign(std::size_t row, const VectorReader& values, std::size_t from) {
  valid_[row] = values.is_null(from) ? 0 : 1;
  if (valid_[row] == 0) return;
  if (physical_ == Physical::kText) {
    auto& text = texts_[row];
    const auto heap_bytes = [&] { return text.capacity() > kInlineText ? text.capacity() : 0; };
    text_bytes_ -= heap_bytes();
    text = values.text(from);
    text_bytes_ += heap_bytes();
  } else {
    const std::size_t width = width_of(physical_);
    std::memcpy(cells_.data() + row * width, values.bytes(from), width);
  }
}

int StateColumn::compare(std::size_t row, const VectorReader& values, std::size_t from) const {
  const bool null_here = is_null(row);
  const bool null_there = values.is_null(from);
  if (null_here || null_there) return order<int>(null_here, null_there);
  if (physical_ == Physical::kText) return std::string_view(texts_[row]).compare(values.text(from));
  return order_cells(physical_, cells_.data() + row * width_of(physical_), values.bytes(from));
}

void StateColumn::write(std::size_t row, duck::DataChunk& chunk, std::size_t column, std::size_t to) const {
  if (is_null(row)) return chunk.set_null(column, to);
  if (physical_ == Physical::kText) return chunk.set_string(column, to, texts_[row]);
  write_cell(chunk, column, to, physical_, cells_.data() + row * width_of(physical_));
}

}  // namespace inlet::views
