// Small pieces of JSON's grammar (RFC 8259), on text that StructuralIndex has passed: valid UTF-8, strings closed.
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace inlet::decode {

inline bool is_json_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

/// `text` without the whitespace behind it.
inline std::string_view without_trailing_space(std::string_view text) {
  while (!text.empty() && is_json_space(text.back())) text.remove_suffix(1);
  return text;
}

/// Exactly one number of RFC 8259: no "+1", "01", "1.", ".5", "0x10".
bool is_json_number(std::string_view text);

/// What is between the quotes of a JSON string, escapes resolved, replaces `out`. False: a wrong escape, or a lone
/// surrogate (which has no UTF-8 form).
bool unescape(std::string_view content, std::string& out);

/// True when `unescape` would succeed.
bool escapes_are_valid(std::string_view content);

/// At most `limit` bytes of `text`, never half a character, with "…" when it was cut. Precondition: valid UTF-8.
std::string excerpt(std::string_view text, std::size_t limit);

/// The longest prefix of at most `limit` bytes that does not end inside a UTF-8 character.
std::string_view utf8_prefix(std::string_view text, std::size_t limit);

}  // namespace inlet::decode
