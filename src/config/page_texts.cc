#include "config/page_texts.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "config/key_table.h"

namespace inlet::config {
namespace {

bool is_ascii_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
bool is_ascii_alnum(char c) { return is_ascii_alpha(c) || is_ascii_digit(c); }

// What a quoted identifier need not be written for; all of UTF-8 beyond ASCII belongs to names.
bool is_of_name(char c) { return is_ascii_alnum(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80; }

// The parts of a language tag, taken one after the other.
class TagParts {
 public:
  explicit TagParts(std::string_view tag) {
    for (std::string_view rest = tag;;) {
      const auto dash = rest.find('-');
      parts_.push_back(rest.substr(0, dash));
      if (dash == std::string_view::npos) break;
      rest = rest.substr(dash + 1);
    }
  }

  // Takes the next part if it has that many characters, all of that kind.
  bool take(std::size_t least, std::size_t most, bool (*is)(char)) {
    if (at_end()) return false;
    const auto part = parts_[next_];
    if (part.size() < least || part.size() > most || !std::all_of(part.begin(), part.end(), is)) return false;
    ++next_;
    return true;
  }
  bool take_variant() {
    if (take(5, 8, is_ascii_alnum)) return true;
    return !at_end() && !parts_[next_].empty() && is_ascii_digit(parts_[next_].front()) && take(4, 4, is_ascii_alnum);
  }
  bool at_end() const { return next_ == parts_.size(); }

 private:
  std::vector<std::string_view> parts_;
  std::size_t next_ = 0;
};

}  // namespace

bool is_language_tag(std::string_view tag) {
  TagParts parts(tag);
  if (!parts.take(2, 3, is_ascii_alpha) && !parts.take(5, 8, is_ascii_alpha)) return false;
  parts.take(4, 4, is_ascii_alpha);                                         // script
  if (!parts.take(2, 2, is_ascii_alpha)) parts.take(3, 3, is_ascii_digit);  // region
  while (parts.take_variant()) continue;
  while (parts.take(1, 1, is_ascii_alnum)) {  // extensions
    if (!parts.take(2, 8, is_ascii_alnum)) return false;
    while (parts.take(2, 8, is_ascii_alnum)) continue;
  }
  return parts.at_end();
}

std::string panel_id_of(std::string_view title) {
  std::string id;
  for (const char c : title) {
    if (is_ascii_alnum(c)) {
      id += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!id.empty() && id.back() != '_') {
      id += '_';
    }
  }
  if (id.ends_with('_')) id.pop_back();
  return id;
}

bool is_panel_id(std::string_view id) {
  return !id.empty() && std::all_of(id.begin(), id.end(),
                                    [](char c) { return is_ascii_digit(c) || (c >= 'a' && c <= 'z') || c == '_'; });
}

bool reads_filtered(std::string_view sql) {
  std::string_view before;  // the name or sign before
  while (!sql.empty()) {
    const auto behind = [&](std::string_view mark, std::size_t from) {
      const auto found = sql.find(mark, from);
      return found == std::string_view::npos ? sql.size() : found + mark.size();
    };
    const char first = sql.front();
    std::string_view word;
    std::size_t length = 1;
    bool is_blank = std::isspace(static_cast<unsigned char>(first)) != 0;
    if (sql.starts_with("--") || sql.starts_with("/*")) {
      length = first == '-' ? behind("\n", 2) : behind("*/", 2);
      is_blank = true;
    } else if (first == '\'' || first == '"') {
      length = behind(sql.substr(0, 1), 1);
      word = sql.substr(0, length);
      if (first == '"' && length > 2) word = word.substr(1, length - 2);
    } else {
      length = static_cast<std::size_t>(std::find_if_not(sql.begin(), sql.end(), is_of_name) - sql.begin());
      length = std::max<std::size_t>(length, 1);
      word = sql.substr(0, length);
    }
    sql.remove_prefix(length);
    if (is_blank) continue;
    if (same_name(word, "filtered") && (same_name(before, "from") || same_name(before, "join"))) return true;
    before = word;
  }
  return false;
}

}  // namespace inlet::config
