#include "duck/value_text.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>
#include <vector>

#include "duck/database.h"

namespace inlet::duck {
namespace {

struct ValueDeleter {
  void operator()(duckdb_value value) const { duckdb_destroy_value(&value); }
};
using Value = std::unique_ptr<_duckdb_value, ValueDeleter>;

std::string take_text(char* text) {
  std::string copy = text == nullptr ? "" : text;
  duckdb_free(text);
  return copy;
}

template <class T>
T read(duckdb_vector vector, idx_t row) {
  return static_cast<const T*>(duckdb_vector_get_data(vector))[row];
}

template <class T>
std::string integer_text(duckdb_vector vector, idx_t row) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, read<T>(vector, row)).ptr;
  return {digits, end};
}

std::string_view bytes_of(duckdb_vector vector, idx_t row) {
  auto* strings = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector));
  return {duckdb_string_t_data(&strings[row]), duckdb_string_t_length(strings[row])};
}

duckdb_decimal read_decimal(duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  duckdb_hugeint number{};
  const auto widen = [&](std::int64_t value) {
    number.lower = static_cast<std::uint64_t>(value);
    number.upper = value < 0 ? -1 : 0;
  };
  switch (duckdb_decimal_internal_type(type)) {
    case DUCKDB_TYPE_SMALLINT: widen(read<std::int16_t>(vector, row)); break;
    case DUCKDB_TYPE_INTEGER: widen(read<std::int32_t>(vector, row)); break;
    case DUCKDB_TYPE_BIGINT: widen(read<std::int64_t>(vector, row)); break;
    default: number = read<duckdb_hugeint>(vector, row); break;
  }
  return {duckdb_decimal_width(type), duckdb_decimal_scale(type), number};
}

std::uint64_t enum_index(duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  switch (duckdb_enum_internal_type(type)) {
    case DUCKDB_TYPE_UTINYINT: return read<std::uint8_t>(vector, row);
    case DUCKDB_TYPE_USMALLINT: return read<std::uint16_t>(vector, row);
    default: return read<std::uint32_t>(vector, row);
  }
}

Value element_value(duckdb_vector vector, duckdb_logical_type type, idx_t row);

// `count` elements of a child vector, as the values a nested value is made of.
struct Children {
  std::vector<Value> owned;
  std::vector<duckdb_value> values;
  void add(duckdb_vector vector, duckdb_logical_type type, idx_t row) {
    owned.push_back(element_value(vector, type, row));
    values.push_back(owned.back().get());
  }
  // Never null: the C API takes a null array, even an empty one, for a mistake.
  duckdb_value* data() {
    if (values.empty()) values.push_back(nullptr);
    return values.data();
  }
};

Value map_value(duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  const auto entry = read<duckdb_list_entry>(vector, row);
  duckdb_vector entries = duckdb_list_vector_get_child(vector);
  const LogicalType key_type(duckdb_map_type_key_type(type));
  const LogicalType value_type(duckdb_map_type_value_type(type));
  Children keys;
  Children values;
  for (idx_t i = entry.offset; i < entry.offset + entry.length; ++i) {
    keys.add(duckdb_struct_vector_get_child(entries, 0), key_type.get(), i);
    values.add(duckdb_struct_vector_get_child(entries, 1), value_type.get(), i);
  }
  return Value(duckdb_create_map_value(type, keys.data(), values.data(), entry.length));
}

Value union_value(duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  // A union is a struct whose first child is the tag.
  const auto tag = read<std::uint8_t>(duckdb_struct_vector_get_child(vector, 0), row);
  const LogicalType member_type(duckdb_union_type_member_type(type, tag));
  const Value member = element_value(duckdb_struct_vector_get_child(vector, tag + 1U), member_type.get(), row);
  return Value(duckdb_create_union_value(type, tag, member.get()));
}

Value element_value(duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  if (element_is_null(vector, row)) return Value(duckdb_create_null_value());
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN: return Value(duckdb_create_bool(read<bool>(vector, row)));
    case DUCKDB_TYPE_TINYINT: return Value(duckdb_create_int8(read<std::int8_t>(vector, row)));
    case DUCKDB_TYPE_SMALLINT: return Value(duckdb_create_int16(read<std::int16_t>(vector, row)));
    case DUCKDB_TYPE_INTEGER: return Value(duckdb_create_int32(read<std::int32_t>(vector, row)));
    case DUCKDB_TYPE_BIGINT: return Value(duckdb_create_int64(read<std::int64_t>(vector, row)));
    case DUCKDB_TYPE_UTINYINT: return Value(duckdb_create_uint8(read<std::uint8_t>(vector, row)));
    case DUCKDB_TYPE_USMALLINT: return Value(duckdb_create_uint16(read<std::uint16_t>(vector, row)));
    case DUCKDB_TYPE_UINTEGER: return Value(duckdb_create_uint32(read<std::uint32_t>(vector, row)));
    case DUCKDB_TYPE_UBIGINT: return Value(duckdb_create_uint64(read<std::uint64_t>(vector, row)));
    case DUCKDB_TYPE_HUGEINT: return Value(duckdb_create_hugeint(read<duckdb_hugeint>(vector, row)));
    case DUCKDB_TYPE_UHUGEINT: return Value(duckdb_create_uhugeint(read<duckdb_uhugeint>(vector, row)));
    case DUCKDB_TYPE_FLOAT: return Value(duckdb_create_float(read<float>(vector, row)));
    case DUCKDB_TYPE_DOUBLE: return Value(duckdb_create_double(read<double>(vector, row)));
    case DUCKDB_TYPE_DECIMAL: return Value(duckdb_create_decimal(read_decimal(vector, type, row)));
    case DUCKDB_TYPE_DATE: return Value(duckdb_create_date(read<duckdb_date>(vector, row)));
    case DUCKDB_TYPE_TIME: return Value(duckdb_create_time(read<duckdb_time>(vector, row)));
    case DUCKDB_TYPE_TIME_NS: return Value(duckdb_create_time_ns(read<duckdb_time_ns>(vector, row)));
    case DUCKDB_TYPE_TIME_TZ: return Value(duckdb_create_time_tz_value(read<duckdb_time_tz>(vector, row)));
    case DUCKDB_TYPE_TIMESTAMP: return Value(duckdb_create_timestamp(read<duckdb_timestamp>(vector, row)));
    case DUCKDB_TYPE_TIMESTAMP_TZ: return Value(duckdb_create_timestamp_tz(read<duckdb_timestamp>(vector, row)));
    case DUCKDB_TYPE_TIMESTAMP_S: return Value(duckdb_create_timestamp_s(read<duckdb_timestamp_s>(vector, row)));
    case DUCKDB_TYPE_TIMESTAMP_MS: return Value(duckdb_create_timestamp_ms(read<duckdb_timestamp_ms>(vector, row)));
    case DUCKDB_TYPE_TIMESTAMP_NS: return Value(duckdb_create_timestamp_ns(read<duckdb_timestamp_ns>(vector, row)));
    case DUCKDB_TYPE_INTERVAL: return Value(duckdb_create_interval(read<duckdb_interval>(vector, row)));
    case DUCKDB_TYPE_ENUM: return Value(duckdb_create_enum_value(type, enum_index(vector, type, row)));
    case DUCKDB_TYPE_UUID: {
      // Stored with the highest bit flipped so that it sorts as a signed number; the constructor wants it as written.
      auto stored = read<duckdb_uhugeint>(vector, row);
      stored.upper ^= std::uint64_t{1} << 63U;
      return Value(duckdb_create_uuid(stored));
    }
    case DUCKDB_TYPE_VARCHAR: {
      const auto text = bytes_of(vector, row);
      return Value(duckdb_create_varchar_length(text.data(), text.size()));
    }
    case DUCKDB_TYPE_BLOB: {
      const auto bytes = bytes_of(vector, row);
      return Value(duckdb_create_blob(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
    }
    case DUCKDB_TYPE_BIT: {
      const std::string bytes(bytes_of(vector, row));
      std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
      return Value(duckdb_create_bit({copy.data(), copy.size()}));
    }
    case DUCKDB_TYPE_LIST: {
      const auto entry = read<duckdb_list_entry>(vector, row);
      const LogicalType child_type(duckdb_list_type_child_type(type));
      Children children;
      for (idx_t i = entry.offset; i < entry.offset + entry.length; ++i)
        children.add(duckdb_list_vector_get_child(vector), child_type.get(), i);
      return Value(duckdb_create_list_value(child_type.get(), children.data(), entry.length));
    }
    case DUCKDB_TYPE_ARRAY: {
      const idx_t size = duckdb_array_type_array_size(type);
      const LogicalType child_type(duckdb_array_type_child_type(type));
      Children children;
      for (idx_t i = row * size; i < (row + 1) * size; ++i)
        children.add(duckdb_array_vector_get_child(vector), child_type.get(), i);
      return Value(duckdb_create_array_value(child_type.get(), children.data(), size));
    }
    case DUCKDB_TYPE_STRUCT: {
      Children children;
      for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
        const LogicalType child_type(duckdb_struct_type_child_type(type, i));
        children.add(duckdb_struct_vector_get_child(vector, i), child_type.get(), row);
      }
      return Value(duckdb_create_struct_value(type, children.data()));
    }
    case DUCKDB_TYPE_MAP: return map_value(vector, type, row);
    case DUCKDB_TYPE_UNION: return union_value(vector, type, row);
    default: return nullptr;
  }
}

std::string scalar_type_name(duckdb_type id) {
  switch (id) {
    case DUCKDB_TYPE_BOOLEAN: return "BOOLEAN";
    case DUCKDB_TYPE_TINYINT: return "TINYINT";
    case DUCKDB_TYPE_SMALLINT: return "SMALLINT";
    case DUCKDB_TYPE_INTEGER: return "INTEGER";
    case DUCKDB_TYPE_BIGINT: return "BIGINT";
    case DUCKDB_TYPE_UTINYINT: return "UTINYINT";
    case DUCKDB_TYPE_USMALLINT: return "USMALLINT";
    case DUCKDB_TYPE_UINTEGER: return "UINTEGER";
    case DUCKDB_TYPE_UBIGINT: return "UBIGINT";
    case DUCKDB_TYPE_FLOAT: return "FLOAT";
    case DUCKDB_TYPE_DOUBLE: return "DOUBLE";
    case DUCKDB_TYPE_TIMESTAMP: return "TIMESTAMP";
    case DUCKDB_TYPE_DATE: return "DATE";
    case DUCKDB_TYPE_TIME: return "TIME";
    case DUCKDB_TYPE_INTERVAL: return "INTERVAL";
    case DUCKDB_TYPE_HUGEINT: return "HUGEINT";
    case DUCKDB_TYPE_UHUGEINT: return "UHUGEINT";
    case DUCKDB_TYPE_VARCHAR: return "VARCHAR";
    case DUCKDB_TYPE_BLOB: return "BLOB";
    case DUCKDB_TYPE_TIMESTAMP_S: return "TIMESTAMP_S";
    case DUCKDB_TYPE_TIMESTAMP_MS: return "TIMESTAMP_MS";
    case DUCKDB_TYPE_TIMESTAMP_NS: return "TIMESTAMP_NS";
    case DUCKDB_TYPE_UUID: return "UUID";
    case DUCKDB_TYPE_BIT: return "BIT";
    case DUCKDB_TYPE_TIME_TZ: return "TIME WITH TIME ZONE";
    case DUCKDB_TYPE_TIMESTAMP_TZ: return "TIMESTAMP WITH TIME ZONE";
    case DUCKDB_TYPE_BIGNUM: return "BIGNUM";
    case DUCKDB_TYPE_SQLNULL: return "\"NULL\"";
    case DUCKDB_TYPE_TIME_NS: return "TIME_NS";
    case DUCKDB_TYPE_GEOMETRY: return "GEOMETRY";
    case DUCKDB_TYPE_VARIANT: return "VARIANT";
    default: return "UNKNOWN";
  }
}

// As DuckDB prints member names: quoted only where it must be.
std::string member_name(char* owned) {
  const std::string name = take_text(owned);
  const bool plain = !name.empty() && (name[0] < '0' || name[0] > '9') &&
                     std::all_of(name.begin(), name.end(),
                                 [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
  return plain ? name : quote_identifier(name);
}

std::string struct_type_name(duckdb_logical_type type) {
  std::string name = "STRUCT(";
  for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
    const LogicalType child(duckdb_struct_type_child_type(type, i));
    if (i > 0) name += ", ";
    name += member_name(duckdb_struct_type_child_name(type, i)) + " " + type_name(child.get());
  }
  return name + ")";
}

std::string union_type_name(duckdb_logical_type type) {
  std::string name = "UNION(";
  for (idx_t i = 0; i < duckdb_union_type_member_count(type); ++i) {
    const LogicalType member(duckdb_union_type_member_type(type, i));
    if (i > 0) name += ", ";
    name += member_name(duckdb_union_type_member_name(type, i)) + " " + type_name(member.get());
  }
  return name + ")";
}

}  // namespace

bool element_is_null(duckdb_vector vector, idx_t row) {
  return !duckdb_validity_row_is_valid(duckdb_vector_get_validity(vector), row);
}

std::string element_text(duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  // The types results are mostly made of go without a value object in between.
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_VARCHAR: return std::string(bytes_of(vector, row));
    case DUCKDB_TYPE_INTEGER: return integer_text<std::int32_t>(vector, row);
    case DUCKDB_TYPE_BIGINT: return integer_text<std::int64_t>(vector, row);
    default: break;
  }
  const Value value = element_value(vector, type, row);
  if (value == nullptr) return "(" + type_name(type) + ")";
  std::string text = take_text(duckdb_get_varchar(value.get()));
  return duckdb_get_type_id(type) == DUCKDB_TYPE_DECIMAL ? with_digit_before_the_point(std::move(text)) : text;
}

std::string with_digit_before_the_point(std::string number) {
  const std::size_t first = number.starts_with('-') ? 1 : 0;
  if (first < number.size() && number[first] == '.') number.insert(first, 1, '0');
  return number;
}

std::string type_name(duckdb_logical_type type) {
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_DECIMAL:
      return "DECIMAL(" + std::to_string(duckdb_decimal_width(type)) + "," +
             std::to_string(duckdb_decimal_scale(type)) + ")";
    case DUCKDB_TYPE_LIST: return type_name(LogicalType(duckdb_list_type_child_type(type)).get()) + "[]";
    case DUCKDB_TYPE_ARRAY:
      return type_name(LogicalType(duckdb_array_type_child_type(type)).get()) + "[" +
             std::to_string(duckdb_array_type_array_size(type)) + "]";
    case DUCKDB_TYPE_STRUCT: return struct_type_name(type);
    case DUCKDB_TYPE_UNION: return union_type_name(type);
    case DUCKDB_TYPE_MAP:
      return "MAP(" + type_name(LogicalType(duckdb_map_type_key_type(type)).get()) + ", " +
             type_name(LogicalType(duckdb_map_type_value_type(type)).get()) + ")";
    case DUCKDB_TYPE_ENUM: return "ENUM";
    default: return scalar_type_name(duckdb_get_type_id(type));
  }
}

}  // namespace inlet::duck
