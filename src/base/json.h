// JSON documents that are small: commit actions, command output, structured errors. The only include of nlohmann/json;
// events on the hot path are read by decode/ (simdjson).
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/status.h"

namespace inlet {

/// Keeps keys in the order they were added, so that what people read has a stable order.
using Json = nlohmann::ordered_json;

/// Corruption: not JSON; the message says where.
Result<Json> parse_json(std::string_view text);

/// Compact, never throws: bytes that are not UTF-8 are replaced by U+FFFD.
std::string dump_json(const Json& value);

/// {"error":{"id":…,"code":…,"what":…,"where":…,"why":…,"fix":…}}: what `--json` prints on stderr.
Json error_json(const Status& status);

}  // namespace inlet
