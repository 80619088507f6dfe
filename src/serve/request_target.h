// The target of a request, "/api/v1/panels/top?pays=France", taken apart strictly: what is not plainly a path and
// parameters is refused, so that nothing behind this has to think about encodings.
//
// Source: RFC 9112 section 3.2.1 (origin-form), RFC 3986 (percent-encoding), and the query encoding of HTML forms.
// Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace inlet::serve {

struct RequestTarget {
  std::vector<std::string> path;                                // decoded segments; empty for "/"
  std::vector<std::pair<std::string, std::string>> parameters;  // decoded, in order; no name twice

  std::optional<std::string_view> parameter(std::string_view name) const;
};

/// The longest target that is read, in bytes.
inline constexpr std::size_t kLongestTarget = 4096;

/// InvalidArgument with the ids "http.target_too_long", "http.bad_target", "http.repeated_parameter". Every text of the
/// result is UTF-8 without control characters; no segment is empty, "." or "..", or holds a slash or a backslash.
Result<RequestTarget> parse_target(std::string_view target);

/// A number as a parameter says it: decimal digits, nothing else. InvalidArgument "api.bad_parameter", which names the
/// parameter and the range.
Result<std::int64_t> parse_count(std::string_view name, std::string_view text, std::int64_t least, std::int64_t most);

}  // namespace inlet::serve
