// What a rejected record looks like in quarantine.
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "decode/decoder.h"

namespace inlet::decode {

/// Why one record is no row. `field` and `message` are bounded, valid UTF-8.
struct Fault {
  RejectReason reason = RejectReason::kInvalidJson;
  std::string message;
  std::string field;
};

/// `max_raw_bytes` bounds the bytes of the value that are kept, before base64.
Reject make_reject(const source::Record& record, Fault fault, std::size_t max_raw_bytes);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);
/// The bytes again; nullopt where the text is not what base64() writes.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace inlet::decode
