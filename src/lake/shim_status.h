// The choke point: every error of delta_shim becomes a Status here.
#pragma once

#include <memory>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "delta_shim.h"

namespace inlet::lake {

struct FreeShimString {
  void operator()(char* text) const { delta_shim_string_free(text); }
};
using ShimString = std::unique_ptr<char, FreeShimString>;

/// Takes the error; ok for NULL.
Status shim_status(delta_shim_error* error, const std::string& where);

/// A document of the shim that is not what its header says is a fault of the program.
Status unexpected_document(const std::string& where, const std::string& why);

/// What `read` makes of a document of the shim; nlohmann reports a wrong type by throwing.
template <class T, class Read>
Result<T> read_document(const char* text, const std::string& where, Read read) {
  auto document = parse_json(text);
  if (!document.is_ok()) return unexpected_document(where, document.status().to_line());
  try {
    return read(*document);
  } catch (const Json::exception& e) {
    return unexpected_document(where, e.what());
  }
}

}  // namespace inlet::lake
