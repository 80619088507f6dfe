#include "tests/decode/decoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>

namespace inlet::decode::testing {
namespace {

std::string to_text(__int128 value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  std::string digits;
  for (; value != 0; value /= 10) {
    const auto digit = static_cast<int>(value % 10);
    digits.push_back(static_cast<char>('0' + (digit < 0 ? -digit : digit)));
  }
  if (negative) digits.push_back('-');
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string to_text(double value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return {buffer, end};
}

template <class T>
T value_at(duckdb_vector vector, std::size_t row) {
  return static_cast<const T*>(duckdb_vector_get_data(vector))[row];
}

}  // namespace

std::string cell(const duck::DataChunk& chunk, const Schema& schema, std::size_t column, std::size_t row) {
  const duckdb_vector vector = chunk.column(column);
  std::uint64_t* const validity = duckdb_vector_get_validity(vector);
  if (validity != nullptr && !duckdb_validity_row_is_valid(validity, row)) return "NULL";
  const ColumnType type = schema.columns[column].type;
  switch (type.kind) {
    case TypeKind::kBigint:
    case TypeKind::kTimestamp: return std::to_string(value_at<std::int64_t>(vector, row));
    case TypeKind::kInt:
    case TypeKind::kDate: return std::to_string(value_at<std::int32_t>(vector, row));
    case TypeKind::kDouble: return to_text(value_at<double>(vector, row));
    case TypeKind::kBoolean: return value_at<bool>(vector, row) ? "true" : "false";
    case TypeKind::kVarchar: {
      auto text = value_at<duckdb_string_t>(vector, row);
      return {duckdb_string_t_data(&text), duckdb_string_t_length(text)};
    }
    case TypeKind::kDecimal: break;
  }
  if (type.precision <= 4) return std::to_string(value_at<std::int16_t>(vector, row));
  if (type.precision <= 9) return std::to_string(value_at<std::int32_t>(vector, row));
  if (type.precision <= 18) return std::to_string(value_at<std::int64_t>(vector, row));
  const auto huge = value_at<duckdb_hugeint>(vector, row);
  return to_text(static_cast<__int128>(huge.upper) << 64 | static_cast<__int128>(huge.lower));
}

std::vector<std::string> row_of(const DecodedBatch& decoded, const config::PipelineConfig& config, std::size_t row) {
  const Schema schema = Decoder::chunk_schema(config);
  std::vector<std::string> values;
  for (std::size_t i = 0; i + 4 < schema.columns.size(); ++i) values.push_back(cell(decoded.chunk, schema, i, row));
  return values;
}

std::string outcome(Decoder& decoder, const config::PipelineConfig& config, std::string_view text) {
  const TextBatch input({std::string(text)});
  const auto decoded = decoder.decode(input.batch, {});
  if (!decoded) return decoded.status().to_line();
  if (decoded->chunk.rows() + decoded->rejects.size() != 1) return "neither one row nor one reject";
  if (!decoded->rejects.empty()) {
    return std::string(to_string(decoded->rejects[0].reason)) + ": " + decoded->rejects[0].field;
  }
  std::string row = "row: ";
  for (const std::string& value : row_of(*decoded, config, 0)) row += (row == "row: " ? "" : "|") + value;
  return row;
}

std::string outcome(const config::PipelineConfig& config, std::string_view text) {
  Decoder decoder(config);
  return outcome(decoder, config, text);
}

Reject reject_of(const config::PipelineConfig& config, std::string_view text) {
  Decoder decoder(config);
  const TextBatch input({std::string(text)});
  auto decoded = decoder.decode(input.batch, {});
  EXPECT_TRUE(decoded.is_ok());
  if (!decoded || decoded->rejects.size() != 1) {
    ADD_FAILURE() << "not rejected: " << text.substr(0, 200);
    return {};
  }
  return std::move(decoded->rejects[0]);
}

}  // namespace inlet::decode::testing
