#include "duck/error.h"

#include <array>
#include <string>
#include <utility>

namespace inlet::duck {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == '\n') text.remove_prefix(1);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

Status make(StatusCode code, std::string id, std::string_view message) {
  const auto line_end = message.find('\n');
  ErrorDetail detail;
  detail.id = std::move(id);
  detail.what = std::string(trim(message.substr(0, line_end)));
  if (line_end != std::string_view::npos) detail.why = std::string(trim(message.substr(line_end)));
  if (detail.what.empty()) detail.what = "DuckDB failed without a message";
  return {code, std::move(detail)};
}

constexpr std::array kTypesByPrefix{
    std::pair<std::string_view, duckdb_error_type>{"Parser", DUCKDB_ERROR_PARSER},
    std::pair<std::string_view, duckdb_error_type>{"Syntax", DUCKDB_ERROR_SYNTAX},
    std::pair<std::string_view, duckdb_error_type>{"Binder", DUCKDB_ERROR_BINDER},
    std::pair<std::string_view, duckdb_error_type>{"Catalog", DUCKDB_ERROR_CATALOG},
    std::pair<std::string_view, duckdb_error_type>{"Permission", DUCKDB_ERROR_PERMISSION},
    std::pair<std::string_view, duckdb_error_type>{"Conversion", DUCKDB_ERROR_CONVERSION},
    std::pair<std::string_view, duckdb_error_type>{"Invalid Input", DUCKDB_ERROR_INVALID_INPUT},
    std::pair<std::string_view, duckdb_error_type>{"Invalid", DUCKDB_ERROR_INVALID},
    std::pair<std::string_view, duckdb_error_type>{"Out of Range", DUCKDB_ERROR_OUT_OF_RANGE},
    std::pair<std::string_view, duckdb_error_type>{"Not implemented", DUCKDB_ERROR_NOT_IMPLEMENTED},
    std::pair<std::string_view, duckdb_error_type>{"IO", DUCKDB_ERROR_IO},
    std::pair<std::string_view, duckdb_error_type>{"Out of Memory", DUCKDB_ERROR_OUT_OF_MEMORY},
    std::pair<std::string_view, duckdb_error_type>{"INTERRUPT", DUCKDB_ERROR_INTERRUPT},
};

}  // namespace

Status duck_error(duckdb_error_type type, std::string_view message) {
  switch (type) {
    case DUCKDB_ERROR_INTERRUPT: return make(StatusCode::kCancelled, "sql.interrupted", message);
    case DUCKDB_ERROR_PARSER:
    case DUCKDB_ERROR_SYNTAX: return make(StatusCode::kInvalidArgument, "sql.parse", message);
    case DUCKDB_ERROR_BINDER:
    case DUCKDB_ERROR_CATALOG:
    case DUCKDB_ERROR_EXPRESSION:
    case DUCKDB_ERROR_NOT_IMPLEMENTED:
    case DUCKDB_ERROR_PARAMETER_NOT_RESOLVED:
    case DUCKDB_ERROR_PARAMETER_NOT_ALLOWED:
    case DUCKDB_ERROR_SETTINGS: return make(StatusCode::kInvalidArgument, "sql.bind", message);
    case DUCKDB_ERROR_PERMISSION:
    case DUCKDB_ERROR_MISSING_EXTENSION:
    case DUCKDB_ERROR_AUTOLOAD: return make(StatusCode::kInvalidArgument, "sql.not_allowed", message);
    case DUCKDB_ERROR_CONVERSION:
    case DUCKDB_ERROR_OUT_OF_RANGE:
    case DUCKDB_ERROR_DIVIDE_BY_ZERO:
    case DUCKDB_ERROR_DECIMAL:
    case DUCKDB_ERROR_MISMATCH_TYPE:
    case DUCKDB_ERROR_INVALID_TYPE:
    case DUCKDB_ERROR_INVALID_INPUT: return make(StatusCode::kInvalidArgument, "sql.value", message);
    case DUCKDB_ERROR_IO: return make(StatusCode::kInternal, "duckdb.io", message);
    case DUCKDB_ERROR_OUT_OF_MEMORY:
      return make(StatusCode::kInternal, "duckdb.out_of_memory", message)
          .fix("raise resources.duckdb_memory_limit in the pipeline file");
    default: return make(StatusCode::kInternal, "duckdb.error", message);
  }
}

Status duck_error(std::string_view message) {
  for (const auto& [prefix, type] : kTypesByPrefix) {
    if (message.starts_with(prefix) && message.substr(prefix.size()).starts_with(" Error:"))
      return duck_error(type, message);
  }
  return duck_error(DUCKDB_ERROR_INVALID, message);
}

}  // namespace inlet::duck
