#include "base/status.h"

namespace inlet {

std::string_view to_string(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "ok";
    case StatusCode::kInvalidArgument: return "invalid argument";
    case StatusCode::kNotFound: return "not found";
    case StatusCode::kTransient: return "transient";
    case StatusCode::kConflict: return "conflict";
    case StatusCode::kFenced: return "fenced";
    case StatusCode::kDataLoss: return "data loss";
    case StatusCode::kUnavailable: return "unavailable";
    case StatusCode::kCorruption: return "corruption";
    case StatusCode::kInternal: return "internal";
    case StatusCode::kCancelled: return "cancelled";
  }
  return "unknown";
}

std::string Status::to_line() const {
  if (is_ok()) return "ok";
  std::string line = "[" + detail_.id + "] " + detail_.what;
  if (!detail_.where.empty()) line += " (" + detail_.where + ")";
  if (!detail_.why.empty()) line += ": " + detail_.why;
  if (!detail_.fix.empty()) line += ". " + detail_.fix;
  return line;
}

}  // namespace inlet
