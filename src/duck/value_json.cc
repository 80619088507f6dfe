#include <cstdint>
#include <cstdio>

#include "duck/value_text.h"

namespace inlet::duck {
namespace {

// The bytes of the UTF-8 sequence that begins at `at`; 0: none does.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(at);
  const auto continues = [&](std::size_t i) { return (byte(at + i) & 0xC0U) == 0x80U; };
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first < 0xF0) {
    const unsigned second = byte(at + 1);
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
    return continues(1) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first < 0xF5) {
    const unsigned second = byte(at + 1);
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
    return continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// "2026-01-02 03:04:05.6+00" → "2026-01-02T03:04:05.6Z". "infinity" stays.
std::string iso_instant(std::string text) {
  const auto space = text.find(' ');
  if (space == std::string::npos) return text;
  text[space] = 'T';
  if (text.ends_with("+00")) text.replace(text.size() - 3, 3, "Z");
  if (const auto zone = text.find("+00 (BC)"); zone != std::string::npos) text.replace(zone, 3, "Z");
  return text;
}

void append_list(std::string& json, duckdb_vector child, duckdb_logical_type child_type, idx_t begin, idx_t end) {
  json += '[';
  for (idx_t i = begin; i < end; ++i) {
    if (i > begin) json += ',';
    append_json(json, child, child_type, i);
  }
  json += ']';
}

void append_struct(std::string& json, duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  json += '{';
  for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
    const LogicalType child(duckdb_struct_type_child_type(type, i));
    char* name = duckdb_struct_type_child_name(type, i);
    if (i > 0) json += ',';
    append_json_string(json, name);
    duckdb_free(name);
    json += ':';
    append_json(json, duckdb_struct_vector_get_child(vector, i), child.get(), row);
  }
  json += '}';
}

void append_map(std::string& json, duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  const auto entry = static_cast<const duckdb_list_entry*>(duckdb_vector_get_data(vector))[row];
  duckdb_vector entries = duckdb_list_vector_get_child(vector);
  const LogicalType key_type(duckdb_map_type_key_type(type));
  const LogicalType value_type(duckdb_map_type_value_type(type));
  json += '{';
  for (idx_t i = entry.offset; i < entry.offset + entry.length; ++i) {
    if (i > entry.offset) json += ',';
    append_json_string(json, element_text(duckdb_struct_vector_get_child(entries, 0), key_type.get(), i));
    json += ':';
    append_json(json, duckdb_struct_vector_get_child(entries, 1), value_type.get(), i);
  }
  json += '}';
}

}  // namespace

void append_json_string(std::string& json, std::string_view text) {
  json += '"';
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = sequence_length(text, i);
    if (length == 0) {
      json += "\xEF\xBF\xBD";
      ++i;
    } else if (byte == '"' || byte == '\\') {
      json += '\\';
      json += text[i++];
    } else if (byte == '\n') {
      json += "\\n";
      ++i;
    } else if (byte < 0x20 || byte == 0x7F) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(byte));
      json += escaped;
      ++i;
    } else {
      json += text.substr(i, length);
      i += length;
    }
  }
  json += '"';
}

void append_json(std::string& json, duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  if (element_is_null(vector, row)) {
    json += "null";
    return;
  }
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_DECIMAL: json += element_text(vector, type, row); return;
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE: {
      const std::string text = element_text(vector, type, row);
      if (text.find_first_of("ai") == std::string::npos) {
        json += text;
      } else {
        append_json_string(json, text);
      }
      return;
    }
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ: append_json_string(json, iso_instant(element_text(vector, type, row))); return;
    case DUCKDB_TYPE_LIST: {
      const auto entry = static_cast<const duckdb_list_entry*>(duckdb_vector_get_data(vector))[row];
      const LogicalType child(duckdb_list_type_child_type(type));
      append_list(json, duckdb_list_vector_get_child(vector), child.get(), entry.offset, entry.offset + entry.length);
      return;
    }
    case DUCKDB_TYPE_ARRAY: {
      const idx_t size = duckdb_array_type_array_size(type);
      const LogicalType child(duckdb_array_type_child_type(type));
      append_list(json, duckdb_array_vector_get_child(vector), child.get(), row * size, (row + 1) * size);
      return;
    }
    case DUCKDB_TYPE_STRUCT: append_struct(json, vector, type, row); return;
    case DUCKDB_TYPE_MAP: append_map(json, vector, type, row); return;
    default: append_json_string(json, element_text(vector, type, row)); return;
  }
}

}  // namespace inlet::duck
