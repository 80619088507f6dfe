#include "base/json.h"

namespace inlet {

Result<Json> parse_json(std::string_view text) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    return Status(StatusCode::kCorruption, "json.invalid", "not a JSON document").because(error.what());
  }
}

std::string dump_json(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json error_json(const Status& status) {
  const ErrorDetail& detail = status.detail();
  Json error{{"id", detail.id}, {"code", to_string(status.code())}, {"what", detail.what}};
  if (!detail.where.empty()) error["where"] = detail.where;
  if (!detail.why.empty()) error["why"] = detail.why;
  if (!detail.fix.empty()) error["fix"] = detail.fix;
  return Json{{"error", error}};
}

}  // namespace inlet
