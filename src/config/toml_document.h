// A TOML text as plain values that remember where they stand, in file order. The only user of toml++.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace inlet::config {

/// 1-based; columns count code points.
struct Position {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

struct TomlEntry;

struct TomlValue {
  enum class Kind { kText, kInteger, kNumber, kBoolean, kDateTime, kList, kTable };
  Kind kind = Kind::kText;
  std::string text;  // kText: the value; kInteger, kNumber, kBoolean, kDateTime: as TOML writes it
  std::int64_t integer = 0;
  double number = 0;  // kNumber, and kInteger too
  bool boolean = false;
  std::vector<TomlValue> items;    // kList
  std::vector<TomlEntry> entries;  // kTable, in file order
  Position position;

  /// For messages: `the text "fast"`, `the integer 5`, `a list`.
  std::string describe() const;
};

struct TomlEntry {
  std::string key;  // one segment, unquoted: may hold dots
  Position position;
  TomlValue value;
};

struct TomlError {
  std::string message;  // never quotes the text: it may be a secret
  Position position;
};

/// The document as one kTable.
std::variant<TomlValue, TomlError> parse_toml(std::string_view text);

/// One value on its own, as on a command line: `["a", "b"]`.
std::variant<TomlValue, TomlError> parse_toml_value(std::string_view text);

}  // namespace inlet::config
