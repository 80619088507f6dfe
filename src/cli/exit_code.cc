#include "cli/exit_code.h"

#include <cstdio>
#include <string>

#include "base/json.h"

namespace inlet::cli {

ExitCode exit_code(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk: return kExitOk;
    case StatusCode::kInvalidArgument: return kExitConfiguration;
    case StatusCode::kFenced:
    case StatusCode::kDataLoss: return kExitDataLoss;
    case StatusCode::kUnavailable:
    case StatusCode::kTransient: return kExitUnavailable;
    default: return kExitRuntime;
  }
}

ExitCode report(const Status& status, Output output) {
  if (output == Output::kJson) {
    std::fprintf(stderr, "%s\n", dump_json(error_json(status)).c_str());
    return exit_code(status);
  }
  const ErrorDetail& detail = status.detail();
  std::string text = "error[" + detail.id + "]: " + detail.what + "\n";
  const auto add = [&](const char* label, const std::string& value) {
    if (!value.empty()) text += std::string("  ") + label + value + "\n";
  };
  add("where: ", detail.where);
  add("why:   ", detail.why);
  add("fix:   ", detail.fix);
  std::fputs(text.c_str(), stderr);
  return exit_code(status);
}

}  // namespace inlet::cli
