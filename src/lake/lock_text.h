// What a lock says of who holds it, for people: on local disk and in an object store alike.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace inlet::lake {

/// "2026-11-28T13:00:00Z".
std::string utc_now();
std::optional<Timestamp> parse_utc(const std::string& text);
/// The name of this machine; "unknown" where the system does not say.
std::string holder_host();

}  // namespace inlet::lake
