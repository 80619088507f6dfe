#include "serve/result_set.h"

#include <string_view>

#include "base/format.h"
#include "duck/value_text.h"

namespace inlet::serve {
namespace {

// Every integer of at most so many digits is a double's too.
constexpr std::size_t kSafeDigits = 15;

enum class Writing { kAsJson, kShortNumber, kText };

Writing writing_of(std::string_view type) {
  if (type.starts_with("DECIMAL") || type == "HUGEINT" || type == "UHUGEINT") return Writing::kText;
  if (type == "BIGINT" || type == "UBIGINT") return Writing::kShortNumber;
  return Writing::kAsJson;
}

void append_value(std::string& json, const duck::ResultStream& stream, std::size_t row, std::size_t column,
                  Writing writing) {
  if (stream.is_null(row, column)) {
    json += "null";
  } else if (writing == Writing::kAsJson) {
    stream.append_json(json, row, column);
  } else {
    const std::string text = stream.text(row, column);
    if (writing == Writing::kShortNumber && text.size() <= kSafeDigits) {
      json += text;
    } else {
      duck::append_json_string(json, text);
    }
  }
}

}  // namespace

Result<JsonRows> json_rows(duck::ResultStream& stream, std::size_t most_rows) {
  JsonRows result;
  std::vector<Writing> writings;
  for (std::size_t c = 0; c < stream.columns(); ++c) {
    const auto type = stream.column_type_name(c);
    result.columns.push_back({{"name", stream.column_name(c)}, {"type", type}});
    writings.push_back(writing_of(type));
  }
  result.rows = "[";
  for (std::size_t total = 0; !result.is_cut;) {
    INLET_ASSIGN_OR_RETURN(const auto count, stream.next());
    if (count == 0) break;
    for (std::size_t row = 0; row < count; ++row) {
      if (total == most_rows) {
        result.is_cut = true;
        break;
      }
      result.rows += total++ == 0 ? "[" : ",[";
      for (std::size_t c = 0; c < writings.size(); ++c) {
        if (c > 0) result.rows += ',';
        append_value(result.rows, stream, row, c, writings[c]);
      }
      result.rows += ']';
    }
  }
  result.rows += ']';
  return result;
}

std::string result_set_json(const Json& more, const JsonRows& rows, const TableVersions& versions,
                            std::chrono::steady_clock::duration took) {
  std::string json = "{";
  for (const auto& [name, value] : more.items()) json += dump_json(Json(name)) + ":" + dump_json(value) + ",";
  Json shown = Json::object();
  for (const auto& [table, version] : versions) shown[table] = version.value;
  json += "\"columns\":" + dump_json(rows.columns) + ",\"rows\":" + rows.rows + ",\"versions\":" + dump_json(shown);
  json += fmt::format(",\"took_ms\":{:.1f}", std::chrono::duration<double, std::milli>(took).count());
  json += rows.is_cut ? ",\"truncated\":true}" : ",\"truncated\":false}";
  return json;
}

}  // namespace inlet::serve
