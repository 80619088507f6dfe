#include "duck/decimal_average.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "duck/data_chunk.h"
#include "duck/value_text.h"

namespace inlet::duck {
namespace {

__extension__ using Wide = __int128;
__extension__ using WideBits = unsigned __int128;

constexpr int kDigits = 38;
constexpr int kMoreDigits = 4;

Wide power_of_ten(int exponent) {
  Wide power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

Wide to_wide(const duckdb_hugeint& value) {
  return static_cast<Wide>((static_cast<WideBits>(static_cast<std::uint64_t>(value.upper)) << 64U) | value.lower);
}

duckdb_hugeint to_hugeint(Wide value) {
  const auto bits = static_cast<WideBits>(value);
  return {static_cast<std::uint64_t>(bits), static_cast<std::int64_t>(static_cast<std::uint64_t>(bits >> 64U))};
}

// sum * 10^shift / count, half away from zero; nullopt where it does not fit 38 digits. The quotient is taken first and
// the remainder, smaller than a BIGINT, scaled after: nothing in between overflows.
std::optional<Wide> average(Wide sum, std::int64_t count, int shift) {
  const Wide scale = power_of_ten(shift);
  const Wide limit = power_of_ten(kDigits);
  const bool is_negative = (sum < 0) != (count < 0);
  const Wide divisor = count < 0 ? -static_cast<Wide>(count) : static_cast<Wide>(count);
  const Wide magnitude = sum < 0 ? -sum : sum;
  const Wide whole = magnitude / divisor;
  if (whole >= limit / scale) return std::nullopt;
  const Wide rest = (magnitude % divisor) * scale;
  Wide quotient = whole * scale + rest / divisor;
  if ((rest % divisor) * 2 >= divisor) ++quotient;
  if (quotient >= limit) return std::nullopt;
  return is_negative ? -quotient : quotient;
}

void decimal_average(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const int shift = *static_cast<const int*>(duckdb_scalar_function_get_extra_info(info));
  duckdb_vector sums = duckdb_data_chunk_get_vector(input, 0);
  duckdb_vector counts = duckdb_data_chunk_get_vector(input, 1);
  const auto* sum = static_cast<const duckdb_hugeint*>(duckdb_vector_get_data(sums));
  const auto* count = static_cast<const std::int64_t*>(duckdb_vector_get_data(counts));
  auto* results = static_cast<duckdb_hugeint*>(duckdb_vector_get_data(output));
  duckdb_vector_ensure_validity_writable(output);
  std::uint64_t* validity = duckdb_vector_get_validity(output);
  const idx_t rows = duckdb_data_chunk_get_size(input);
  for (idx_t row = 0; row < rows; ++row) {
    if (element_is_null(sums, row) || element_is_null(counts, row) || count[row] == 0) {
      duckdb_validity_set_row_invalid(validity, row);
      continue;
    }
    const auto result = average(to_wide(sum[row]), count[row], shift);
    if (!result) {
      duckdb_scalar_function_set_error(info, "an average does not fit a DECIMAL with 38 digits");
      return;
    }
    results[row] = to_hugeint(*result);
  }
}

struct FunctionDeleter {
  void operator()(duckdb_scalar_function function) const { duckdb_destroy_scalar_function(&function); }
};
bool register_for_scale(duckdb_connection connection, int scale) {
  const int result_scale = std::min(kDigits, scale + kMoreDigits);
  const LogicalType sum(duckdb_create_decimal_type(kDigits, static_cast<std::uint8_t>(scale)));
  const LogicalType count(duckdb_create_logical_type(DUCKDB_TYPE_BIGINT));
  const LogicalType result(duckdb_create_decimal_type(kDigits, static_cast<std::uint8_t>(result_scale)));
  const std::unique_ptr<_duckdb_scalar_function, FunctionDeleter> function(duckdb_create_scalar_function());
  duckdb_scalar_function_set_name(function.get(), ("inlet_decimal_average_" + std::to_string(scale)).c_str());
  duckdb_scalar_function_add_parameter(function.get(), sum.get());
  duckdb_scalar_function_add_parameter(function.get(), count.get());
  duckdb_scalar_function_set_return_type(function.get(), result.get());
  duckdb_scalar_function_set_extra_info(function.get(), new int(result_scale - scale),
                                        [](void* owned) { delete static_cast<int*>(owned); });
  duckdb_scalar_function_set_function(function.get(), decimal_average);
  return duckdb_register_scalar_function(connection, function.get()) == DuckDBSuccess;
}

}  // namespace

Status register_decimal_average(duckdb_connection connection) {
  for (int scale = 0; scale <= kDigits; ++scale) {
    if (!register_for_scale(connection, scale))
      return {StatusCode::kInternal, "duckdb.register", "cannot register inlet_decimal_average()"};
  }
  return Status::ok();
}

}  // namespace inlet::duck
