#include "query/statement_text.h"

#include <cctype>
#include <utility>

namespace inlet::query {
namespace {

bool is_identifier(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 128;
}

// Walks over one quote, comment or character at a time.
class Lexer {
 public:
  explicit Lexer(std::string_view sql) : sql_(sql) {}

  struct Token {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool is_text = false;  // not a blank, not a comment
    bool is_end = false;   // a ';'
    bool is_open = false;  // the text ended inside it
  };

  bool done() const { return at_ >= sql_.size(); }

  Token next() {
    Token token;
    token.begin = at_;
    const char c = sql_[at_];
    if (c == '-' && peek(1) == '-') {
      at_ = std::min(sql_.find('\n', at_), sql_.size());
    } else if (c == '/' && peek(1) == '*') {
      token.is_open = !skip_comment();
    } else {
      token.is_end = c == ';';
      token.is_text = !token.is_end && std::isspace(static_cast<unsigned char>(c)) == 0;
      token.is_open = !skip_text(c);
    }
    token.end = at_;
    return token;
  }

 private:
  char peek(std::size_t ahead) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }

  // False: it does not end. The same for the functions below.
  bool skip_comment() {
    int depth = 0;
    while (at_ < sql_.size()) {
      if (sql_[at_] == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (sql_[at_] == '*' && peek(1) == '/') {
        at_ += 2;
        if (--depth == 0) return true;
      } else {
        ++at_;
      }
    }
    return false;
  }

  bool skip_text(char c) {
    if (c == '\'') return skip_quoted(c, false);
    if (c == '"') return skip_quoted(c, false);
    if (c == '$') return skip_dollar_quoted();
    if (!is_identifier(c)) {
      ++at_;
      return true;
    }
    // A whole word at once: the e of a name is no E'…', and a $ inside one opens no quote.
    const std::size_t begin = at_;
    while (at_ < sql_.size() && is_identifier(sql_[at_])) ++at_;
    const bool is_escape = at_ - begin == 1 && (c == 'e' || c == 'E') && peek(0) == '\'';
    return is_escape ? skip_quoted('\'', true) : true;
  }

  bool skip_quoted(char mark, bool backslash) {
    ++at_;
    while (at_ < sql_.size()) {
      if (backslash && sql_[at_] == '\\') {
        at_ = std::min(at_ + 2, sql_.size());
      } else if (sql_[at_] != mark) {
        ++at_;
      } else if (peek(1) == mark) {
        at_ += 2;
      } else {
        ++at_;
        return true;
      }
    }
    return false;
  }

  bool skip_dollar_quoted() {
    std::size_t tag_end = at_ + 1;
    while (tag_end < sql_.size() && sql_[tag_end] != '$' && is_identifier(sql_[tag_end])) ++tag_end;
    const bool is_parameter = std::isdigit(static_cast<unsigned char>(peek(1))) != 0;
    if (is_parameter || tag_end >= sql_.size() || sql_[tag_end] != '$') {
      ++at_;
      return true;
    }
    const std::string_view tag = sql_.substr(at_, tag_end + 1 - at_);
    const auto close = sql_.find(tag, tag_end + 1);
    at_ = close == std::string_view::npos ? sql_.size() : close + tag.size();
    return close != std::string_view::npos;
  }

  std::string_view sql_;
  std::size_t at_ = 0;
};

}  // namespace

StatementPieces split_statements(std::string_view sql) {
  StatementPieces pieces;
  Lexer lexer(sql);
  std::size_t begin = 0;
  bool has_text = false;
  bool is_open = false;
  while (!lexer.done()) {
    const auto token = lexer.next();
    is_open = token.is_open;
    has_text = has_text || token.is_text;
    if (!token.is_end) continue;
    if (has_text) pieces.complete.emplace_back(sql.substr(begin, token.begin - begin));
    begin = token.end;
    has_text = false;
  }
  pieces.rest = std::string(sql.substr(begin));
  pieces.rest_has_text = has_text || is_open;
  return pieces;
}

std::vector<std::string> all_statements(std::string_view sql) {
  StatementPieces pieces = split_statements(sql);
  if (pieces.rest_has_text) pieces.complete.push_back(std::move(pieces.rest));
  return std::move(pieces.complete);
}

}  // namespace inlet::query
