#include "config/toml_document.h"

#include <toml++/toml.h>

#include <algorithm>
#include <sstream>
#include <utility>

namespace inlet::config {
namespace {

Position position_of(const toml::source_region& region) {
  return {static_cast<std::uint32_t>(region.begin.line), static_cast<std::uint32_t>(region.begin.column)};
}

template <class T>
std::string written(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

TomlValue convert(const toml::node& node) {
  TomlValue value;
  value.position = position_of(node.source());
  if (const auto* table = node.as_table()) {
    value.kind = TomlValue::Kind::kTable;
    for (const auto& [key, child] : *table) {
      value.entries.push_back({std::string(key.str()), position_of(key.source()), convert(child)});
    }
    // toml++ sorts by name; columns and generated fields mean their order.
    std::stable_sort(value.entries.begin(), value.entries.end(), [](const TomlEntry& a, const TomlEntry& b) {
      return std::pair(a.position.line, a.position.column) < std::pair(b.position.line, b.position.column);
    });
  } else if (const auto* list = node.as_array()) {
    value.kind = TomlValue::Kind::kList;
    for (const auto& child : *list) value.items.push_back(convert(child));
  } else if (const auto* text = node.as_string()) {
    value.kind = TomlValue::Kind::kText;
    value.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = TomlValue::Kind::kInteger;
    value.integer = integer->get();
    value.number = static_cast<double>(value.integer);
    value.text = std::to_string(value.integer);
  } else if (const auto* number = node.as_floating_point()) {
    value.kind = TomlValue::Kind::kNumber;
    value.number = number->get();
    value.text = written(*number);
  } else if (const auto* boolean = node.as_boolean()) {
    value.kind = TomlValue::Kind::kBoolean;
    value.boolean = boolean->get();
    value.text = value.boolean ? "true" : "false";
  } else {
    value.kind = TomlValue::Kind::kDateTime;
    node.visit([&](const auto& leaf) {
      if constexpr (!toml::is_table<decltype(leaf)> && !toml::is_array<decltype(leaf)>) value.text = written(leaf);
    });
  }
  return value;
}

// "expected 'true', saw 'tr0ub'" and "'4711' is not representable" quote the user's text, which may be a password
// without its quotation marks. What stands in front of a quote tells enough: the position says where.
std::string without_quoted_text(std::string_view message) {
  if (const auto saw = message.find(", saw "); saw != std::string_view::npos) message = message.substr(0, saw);
  std::string text(message);
  const auto open = text.find('\'');
  const auto close = text.rfind('\'');
  if (open != close && text.find_first_of("0123456789", open) < close) text.replace(open, close - open + 1, "it");
  return text;
}

}  // namespace

std::string TomlValue::describe() const {
  switch (kind) {
    case Kind::kText: return "the text \"" + text + "\"";
    case Kind::kInteger: return "the integer " + text;
    case Kind::kNumber: return "the number " + text;
    case Kind::kBoolean: return "the boolean " + text;
    case Kind::kDateTime: return "the date " + text;
    case Kind::kList: return "a list";
    case Kind::kTable: return "a table";
  }
  return "a value";
}

std::variant<TomlValue, TomlError> parse_toml(std::string_view text) {
  try {
    const toml::table table = toml::parse(text);
    return convert(table);
  } catch (const toml::parse_error& error) {
    return TomlError{without_quoted_text(error.description()), position_of(error.source())};
  }
}

std::variant<TomlValue, TomlError> parse_toml_value(std::string_view text) {
  auto parsed = parse_toml("value = " + std::string(text));
  if (auto* error = std::get_if<TomlError>(&parsed)) return std::move(*error);
  auto& table = std::get<TomlValue>(parsed);
  if (table.entries.size() != 1) return TomlError{"more than one value", {}};
  return std::move(table.entries.front().value);
}

}  // namespace inlet::config
