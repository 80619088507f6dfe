// Where the HTTP side of a run listens, as people write it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace inlet::config {

struct ListenAddress {
  std::string host;  // "127.0.0.1", "::1" (without brackets), "localhost"
  std::uint16_t port = 0;
  bool is_loopback = false;  // reached from this machine only

  /// "127.0.0.1:8080", "[::1]:8080"
  std::string to_string() const;
};

/// "127.0.0.1:8080", "[::1]:8080", "localhost:0". InvalidArgument: anything else, names of machines included.
Result<ListenAddress> parse_listen_address(std::string_view text);

}  // namespace inlet::config
