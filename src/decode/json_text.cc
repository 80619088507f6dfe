#include "decode/json_text.h"

#include <cstdint>
#include <optional>

namespace inlet::decode {
namespace {

// The four hexadecimal digits at `at`; nullopt when there are not four.
std::optional<std::uint32_t> hex4(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    const char folded = static_cast<char>(c | 0x20);
    std::uint32_t digit = 0;
    if (is_digit(c)) {
      digit = static_cast<std::uint32_t>(c - '0');
    } else if (folded >= 'a' && folded <= 'f') {
      digit = static_cast<std::uint32_t>(folded - 'a') + 10;
    } else {
      return std::nullopt;
    }
    value = value * 16 + digit;
  }
  return value;
}

void append_utf8(std::uint32_t code, std::string& out) {
  const auto byte = [&](std::uint32_t value) { out.push_back(static_cast<char>(value)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | (code >> 6));
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | (code >> 12));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | (code >> 18));
    byte(0x80 | ((code >> 12) & 0x3F));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

// The character after `\u`; `at` is moved behind what was read. nullopt: not hexadecimal, or a lone surrogate.
std::optional<std::uint32_t> code_point(std::string_view text, std::size_t& at) {
  const auto first = hex4(text, at);
  if (!first) return std::nullopt;
  at += 4;
  if (*first < 0xD800 || *first > 0xDFFF) return first;
  if (*first >= 0xDC00 || text.substr(at, 2) != "\\u") return std::nullopt;
  const auto second = hex4(text, at + 2);
  if (!second || *second < 0xDC00 || *second > 0xDFFF) return std::nullopt;
  at += 6;
  return 0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00);
}

// Copies to `out` unless it is null.
bool resolve(std::string_view content, std::string* out) {
  std::size_t at = 0;
  while (at < content.size()) {
    const auto slash = content.find('\\', at);
    if (out) out->append(content.substr(at, slash == std::string_view::npos ? slash : slash - at));
    if (slash == std::string_view::npos) return true;
    if (slash + 1 >= content.size()) return false;
    const char escape = content[slash + 1];
    at = slash + 2;
    std::uint32_t code = 0;
    switch (escape) {
      case '"': code = '"'; break;
      case '\\': code = '\\'; break;
      case '/': code = '/'; break;
      case 'b': code = '\b'; break;
      case 'f': code = '\f'; break;
      case 'n': code = '\n'; break;
      case 'r': code = '\r'; break;
      case 't': code = '\t'; break;
      case 'u': {
        const auto point = code_point(content, at);
        if (!point) return false;
        code = *point;
        break;
      }
      default: return false;
    }
    if (out) append_utf8(code, *out);
  }
  return true;
}

}  // namespace

bool is_json_number(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t from = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - from;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const bool zero_first = at < text.size() && text[at] == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (zero_first && whole > 1)) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

bool unescape(std::string_view content, std::string& out) {
  out.clear();
  return resolve(content, &out);
}

bool escapes_are_valid(std::string_view content) { return resolve(content, nullptr); }

std::string_view utf8_prefix(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80; };
  // At most three continuation bytes belong to one character; more are no UTF-8 and are cut anywhere.
  std::size_t cut = limit;
  for (int back = 0; back < 3 && cut > 0 && continues(cut); ++back) --cut;
  return text.substr(0, continues(cut) ? limit : cut);
}

std::string excerpt(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  return std::string(utf8_prefix(text, limit)) + "…";
}

}  // namespace inlet::decode
