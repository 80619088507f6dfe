// Who is answered: which Host and Origin a request may name, and the token where one is asked for.
//
// A page elsewhere on the web can make a browser send requests to this machine. Under a name of its own that resolves
// to 127.0.0.1 it could even read the answers (DNS rebinding): so a server on loopback answers only to the names of
// loopback, and what changes state (nothing yet) only to its own origin.
// Thread safety: immutable.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "config/listen_address.h"

namespace inlet::serve {

class AccessRules {
 public:
  /// `address`: the one that is listened at. `token`: nullopt where none is asked for.
  AccessRules(config::ListenAddress address, std::optional<std::string> token);

  /// `host`: the one Host header. InvalidArgument "http.bad_host": not HOST or HOST:PORT; "http.wrong_host": another
  /// server is meant.
  Status check_host(std::string_view host) const;

  /// `origin`: of a request that is neither GET nor HEAD. "http.wrong_origin".
  Status check_origin(std::string_view origin) const;

  bool asks_for_token() const { return token_.has_value(); }
  /// `authorization`: the header's value, empty when there is none. "http.no_token", "http.wrong_token".
  Status check_token(std::string_view authorization) const;

 private:
  config::ListenAddress address_;
  std::optional<std::string> token_;
};

/// The token in a file: its text without the white space around. InvalidArgument "serve.bad_token": shorter than 16
/// characters, or not printable ASCII; NotFound, Internal: cannot be read. The token is in no message.
Result<std::string> read_token(const std::string& path);

/// Takes the same time wherever two texts of one length differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace inlet::serve
