#include "lake/schema_json.h"

#include <utility>

#include "base/json.h"

namespace inlet::lake {

std::string schema_to_delta(const Schema& schema) {
  Json fields = Json::array();
  for (const auto& column : schema.columns) {
    fields.push_back(Json{{"name", column.name},
                          {"type", column.type.to_delta()},
                          {"nullable", column.nullable},
                          {"metadata", Json::object()}});
  }
  return dump_json(Json{{"type", "struct"}, {"fields", std::move(fields)}});
}

Result<Schema> schema_from_delta(std::string_view json) {
  const auto corrupt = [](std::string why) {
    return Status(StatusCode::kCorruption, "lake.corrupt", "the schema of the table cannot be read")
        .because(std::move(why));
  };
  auto document = parse_json(json);
  if (!document.is_ok()) return corrupt(document.status().to_line());
  Schema schema;
  std::string unknown;
  try {
    for (const auto& field : document->at("fields")) {
      Column column;
      column.name = field.at("name").get<std::string>();
      column.nullable = field.at("nullable").get<bool>();
      const auto& type = field.at("type");  // a string, or an object for arrays, maps and structs
      const std::string text = type.is_string() ? type.get<std::string>() : type.value("type", dump_json(type));
      if (auto known = ColumnType::from_delta(text); known.is_ok()) {
        column.type = *known;
        schema.columns.push_back(std::move(column));
      } else {
        unknown += (unknown.empty() ? "" : "\n") + std::string("column ") + column.name + ": " + text;
      }
    }
  } catch (const Json::exception& e) {  // nlohmann reports a wrong shape by throwing
    return corrupt(e.what());
  }
  if (!unknown.empty()) {
    return Status(StatusCode::kInvalidArgument, "lake.unsupported_schema",
                  "the table has columns of types Inlet does not write")
        .because(std::move(unknown));
  }
  return schema;
}

}  // namespace inlet::lake
