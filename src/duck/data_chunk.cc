#include "duck/data_chunk.h"

#include <algorithm>
#include <string>
#include <vector>

namespace inlet::duck {
namespace {

struct ValueDeleter {
  void operator()(duckdb_value value) const { duckdb_destroy_value(&value); }
};
using Value = std::unique_ptr<_duckdb_value, ValueDeleter>;

struct SelectionDeleter {
  void operator()(duckdb_selection_vector selection) const { duckdb_destroy_selection_vector(selection); }
};

}  // namespace

void LogicalTypeDeleter::operator()(duckdb_logical_type type) const { duckdb_destroy_logical_type(&type); }

LogicalType logical_type(const ColumnType& type) {
  switch (type.kind) {
    case TypeKind::kBigint: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_BIGINT));
    case TypeKind::kInt: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_INTEGER));
    case TypeKind::kDouble: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE));
    case TypeKind::kDecimal: return LogicalType(duckdb_create_decimal_type(type.precision, type.scale));
    case TypeKind::kVarchar: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR));
    case TypeKind::kBoolean: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN));
    case TypeKind::kDate: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_DATE));
    case TypeKind::kTimestamp: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP_TZ));
  }
  return nullptr;
}

void DataChunk::Deleter::operator()(duckdb_data_chunk chunk) const { duckdb_destroy_data_chunk(&chunk); }

DataChunk::DataChunk(const Schema& schema) {
  std::vector<LogicalType> owned;
  std::vector<duckdb_logical_type> types;
  for (const Column& column : schema.columns) {
    owned.push_back(logical_type(column.type));
    types.push_back(owned.back().get());
  }
  chunk_.reset(duckdb_create_data_chunk(types.data(), types.size()));
}

std::size_t DataChunk::rows() const { return chunk_ ? duckdb_data_chunk_get_size(chunk_.get()) : 0; }

std::size_t DataChunk::columns() const { return chunk_ ? duckdb_data_chunk_get_column_count(chunk_.get()) : 0; }

bool DataChunk::is_null(std::size_t index, std::size_t row) const {
  std::uint64_t* const validity = duckdb_vector_get_validity(column(index));
  return validity != nullptr && !duckdb_validity_row_is_valid(validity, row);
}

void DataChunk::set_rows(std::size_t rows) { duckdb_data_chunk_set_size(chunk_.get(), rows); }

DataChunk DataChunk::copy_rows(const Schema& schema, std::span<const std::uint32_t> selected) const {
  DataChunk copy(schema);
  const std::unique_ptr<_duckdb_selection_vector, SelectionDeleter> selection(
      duckdb_create_selection_vector(selected.size()));
  if (!copy || selection == nullptr) return {};
  std::copy(selected.begin(), selected.end(), duckdb_selection_vector_get_data_ptr(selection.get()));
  for (std::size_t i = 0; i < columns(); ++i) {
    duckdb_vector_copy_sel(column(i), copy.column(i), selection.get(), selected.size(), 0, 0);
  }
  copy.set_rows(selected.size());
  return copy;
}

duckdb_vector DataChunk::column(std::size_t index) const { return duckdb_data_chunk_get_vector(chunk_.get(), index); }

void DataChunk::set_string(std::size_t index, std::size_t row, std::string_view text) {
  // The checking variant validates UTF-8 a second time: the decoder has done it once for the whole record.
  duckdb_unsafe_vector_assign_string_element_len(column(index), row, text.data(), text.size());
}

void DataChunk::set_null(std::size_t index, std::size_t row) {
  duckdb_vector vector = column(index);
  duckdb_vector_ensure_validity_writable(vector);
  duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

void DataChunk::set_constant(std::size_t index, std::string_view text) {
  const Value value(duckdb_create_varchar_length(text.data(), text.size()));
  duckdb_vector_reference_value(column(index), value.get());
}

void DataChunk::set_constant(std::size_t index, std::int32_t number) {
  const Value value(duckdb_create_int32(number));
  duckdb_vector_reference_value(column(index), value.get());
}

}  // namespace inlet::duck
