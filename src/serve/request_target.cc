#include "serve/request_target.h"

#include <algorithm>
#include <cstdint>

#include "base/integer.h"

namespace inlet::serve {
namespace {

constexpr std::size_t kMostParameters = 64;

Status bad_target(std::string why) {
  return Status(StatusCode::kInvalidArgument, "http.bad_target", "the address asked for is not well formed")
      .because(std::move(why));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// How many bytes the UTF-8 sequence at the start of `text` has; 0: it is none (RFC 3629: no overlong form, no
// surrogate).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  const bool is_overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool is_out_of_range = (lead == 0xED && byte(1) >= 0xA0) || (lead == 0xF4 && byte(1) >= 0x90);
  return is_overlong || is_out_of_range ? 0 : length;
}

bool is_plain_text(std::string_view text) {
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    if (first < 0x20 || first == 0x7F) return false;
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

enum class Part { kPath, kQuery };

Result<std::string> decode(std::string_view text, Part part) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return bad_target("a % is not followed by two hexadecimal digits");
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return bad_target("a % is not followed by two hexadecimal digits");
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += part == Part::kQuery && c == '+' ? ' ' : c;
    }
  }
  if (!is_plain_text(decoded)) return bad_target("it holds control characters or bytes that are not UTF-8");
  return decoded;
}

Result<std::vector<std::string>> parse_path(std::string_view path) {
  std::vector<std::string> segments;
  path.remove_prefix(1);
  if (path.empty()) return segments;
  for (;;) {
    const auto slash = path.find('/');
    INLET_ASSIGN_OR_RETURN(auto segment, decode(path.substr(0, slash), Part::kPath));
    if (segment.empty() || segment == "." || segment == "..") return bad_target("a part of the path is empty or dots");
    if (segment.find_first_of("/\\") != std::string::npos) return bad_target("a part of the path holds a slash");
    segments.push_back(std::move(segment));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

std::optional<std::string_view> RequestTarget::parameter(std::string_view name) const {
  const auto found = std::find_if(parameters.begin(), parameters.end(), [&](const auto& p) { return p.first == name; });
  return found == parameters.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

Result<RequestTarget> parse_target(std::string_view target) {
  if (target.size() > kLongestTarget)
    return Status(StatusCode::kInvalidArgument, "http.target_too_long", "the address asked for is too long")
        .because("at most " + std::to_string(kLongestTarget) + " bytes are read");
  if (target.empty() || target.front() != '/') return bad_target("it does not begin with a slash");
  if (target.find('#') != std::string_view::npos) return bad_target("a fragment is not sent to a server");
  RequestTarget parsed;
  const auto question = target.find('?');
  INLET_ASSIGN_OR_RETURN(parsed.path, parse_path(target.substr(0, question)));
  std::string_view query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  for (std::size_t pairs = 0; !query.empty(); ++pairs) {
    if (pairs == kMostParameters) return bad_target("it has too many parameters");
    const auto end = query.find('&');
    const auto pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    INLET_ASSIGN_OR_RETURN(auto name, decode(pair.substr(0, equals), Part::kQuery));
    INLET_ASSIGN_OR_RETURN(auto value,
                           decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1), Part::kQuery));
    if (name.empty()) return bad_target("a parameter has no name");
    if (parsed.parameter(name))
      return Status(StatusCode::kInvalidArgument, "http.repeated_parameter", "a parameter is given twice").at(name);
    parsed.parameters.emplace_back(std::move(name), std::move(value));
  }
  return parsed;
}

Result<std::int64_t> parse_count(std::string_view name, std::string_view text, std::int64_t least, std::int64_t most) {
  const auto number = text.starts_with('-') ? std::nullopt : parse_integer(text);
  if (!number || *number < least || *number > most) {
    return Status(StatusCode::kInvalidArgument, "api.bad_parameter",
                  std::string(name) + " must be a number from " + std::to_string(least) + " to " + std::to_string(most))
        .at(std::string(name));
  }
  return *number;
}

}  // namespace inlet::serve
