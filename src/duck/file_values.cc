#include "duck/file_values.h"

#include <mutex>
#include <utility>

#include "duck/value_text.h"

namespace inlet::duck {
namespace {

void file_value(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const auto& values = **static_cast<std::shared_ptr<const FileValues>*>(duckdb_scalar_function_get_extra_info(info));
  duckdb_vector files = duckdb_data_chunk_get_vector(input, 0);
  duckdb_vector indexes = duckdb_data_chunk_get_vector(input, 1);
  auto* names = static_cast<duckdb_string_t*>(duckdb_vector_get_data(files));
  const auto* numbers = static_cast<const std::int32_t*>(duckdb_vector_get_data(indexes));
  auto* results = static_cast<duckdb_string_t*>(duckdb_vector_get_data(output));
  duckdb_vector_ensure_validity_writable(output);
  std::uint64_t* validity = duckdb_vector_get_validity(output);

  // A chunk of a scan comes from one file: rows that repeat the row before share its value.
  std::string_view last_file;
  std::int32_t last_index = -1;
  bool last_is_null = false;
  const idx_t rows = duckdb_data_chunk_get_size(input);
  for (idx_t row = 0; row < rows; ++row) {
    if (element_is_null(files, row) || element_is_null(indexes, row)) {
      duckdb_validity_set_row_invalid(validity, row);
      last_index = -1;
      continue;
    }
    const std::string_view file(duckdb_string_t_data(&names[row]), duckdb_string_t_length(names[row]));
    if (last_index >= 0 && numbers[row] == last_index && file == last_file) {
      if (last_is_null) {
        duckdb_validity_set_row_invalid(validity, row);
      } else {
        results[row] = results[row - 1];
      }
      continue;
    }
    const auto value = numbers[row] < 0 ? std::nullopt : values.find(file, static_cast<std::size_t>(numbers[row]));
    if (!value) {
      const std::string message = "the log of no table holds values for the file " + std::string(file);
      duckdb_scalar_function_set_error(info, message.c_str());
      return;
    }
    last_file = file;
    last_index = numbers[row];
    last_is_null = !value->has_value();
    if (last_is_null) {
      duckdb_validity_set_row_invalid(validity, row);
    } else {
      duckdb_vector_assign_string_element_len(output, row, (*value)->data(), (*value)->size());
    }
  }
}

}  // namespace

void FileValues::set(std::string file, Values values) {
  const std::unique_lock lock(mutex_);
  values_.insert_or_assign(std::move(file), std::move(values));
}

void FileValues::erase(const std::string& file) {
  const std::unique_lock lock(mutex_);
  values_.erase(file);
}

std::optional<std::optional<std::string>> FileValues::find(std::string_view file, std::size_t index) const {
  const std::shared_lock lock(mutex_);
  const auto found = values_.find(std::string(file));
  if (found == values_.end() || index >= found->second.size()) return std::nullopt;
  return found->second[index];
}

Status register_file_values(Connection& connection, std::shared_ptr<const FileValues> values) {
  const LogicalType text(duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR));
  const LogicalType number(duckdb_create_logical_type(DUCKDB_TYPE_INTEGER));
  duckdb_scalar_function function = duckdb_create_scalar_function();
  duckdb_scalar_function_set_name(function, "inlet_file_value");
  duckdb_scalar_function_add_parameter(function, text.get());
  duckdb_scalar_function_add_parameter(function, number.get());
  duckdb_scalar_function_set_return_type(function, text.get());
  duckdb_scalar_function_set_extra_info(
      function, new std::shared_ptr<const FileValues>(std::move(values)),
      [](void* owned) { delete static_cast<std::shared_ptr<const FileValues>*>(owned); });
  duckdb_scalar_function_set_function(function, file_value);
  const auto state = duckdb_register_scalar_function(connection.get(), function);
  duckdb_destroy_scalar_function(&function);
  if (state != DuckDBSuccess) return {StatusCode::kInternal, "duckdb.register", "cannot register inlet_file_value()"};
  return Status::ok();
}

}  // namespace inlet::duck
