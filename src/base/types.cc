#include "base/types.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

namespace inlet {
namespace {

struct TypeNames {
  TypeKind kind;
  std::string_view pipeline;
  std::string_view duckdb;
  std::string_view delta;
};

constexpr std::array kSimpleTypes{
    TypeNames{TypeKind::kBigint, "BIGINT", "BIGINT", "long"},
    TypeNames{TypeKind::kInt, "INT", "INTEGER", "integer"},
    TypeNames{TypeKind::kDouble, "DOUBLE", "DOUBLE", "double"},
    TypeNames{TypeKind::kVarchar, "VARCHAR", "VARCHAR", "string"},
    TypeNames{TypeKind::kBoolean, "BOOLEAN", "BOOLEAN", "boolean"},
    TypeNames{TypeKind::kDate, "DATE", "DATE", "date"},
    TypeNames{TypeKind::kTimestamp, "TIMESTAMP", "TIMESTAMPTZ", "timestamp"},
};

constexpr std::array kAliases{
    std::pair<std::string_view, TypeKind>{"INTEGER", TypeKind::kInt},
    std::pair<std::string_view, TypeKind>{"LONG", TypeKind::kBigint},
    std::pair<std::string_view, TypeKind>{"STRING", TypeKind::kVarchar},
    std::pair<std::string_view, TypeKind>{"TEXT", TypeKind::kVarchar},
    std::pair<std::string_view, TypeKind>{"TIMESTAMPTZ", TypeKind::kTimestamp},
};

const TypeNames& names_of(TypeKind kind) {
  return *std::find_if(kSimpleTypes.begin(), kSimpleTypes.end(), [&](const TypeNames& t) { return t.kind == kind; });
}

// "(12,2)" behind the word DECIMAL; nullopt when it is anything else or out of Delta's bounds.
std::optional<ColumnType> parse_decimal_parameters(std::string_view text) {
  int precision = 0;
  int scale = 0;
  if (text.size() < 5 || text.front() != '(' || text.back() != ')') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  const auto comma = text.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const auto read = [](std::string_view digits, int& into) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  if (!read(text.substr(0, comma), precision) || !read(text.substr(comma + 1), scale)) return std::nullopt;
  if (precision < 1 || precision > 38 || scale < 0 || scale > precision) return std::nullopt;
  return ColumnType{TypeKind::kDecimal, static_cast<std::uint8_t>(precision), static_cast<std::uint8_t>(scale)};
}

std::string decimal_name(std::string_view word, const ColumnType& type) {
  return std::string(word) + "(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
}

}  // namespace

Result<ColumnType> ColumnType::parse(std::string_view text) {
  std::string folded;
  for (const char c : text) {
    if (!std::isspace(static_cast<unsigned char>(c)))
      folded += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  for (const auto& t : kSimpleTypes) {
    if (t.pipeline == folded) return ColumnType{t.kind, 0, 0};
  }
  for (const auto& [alias, kind] : kAliases) {
    if (alias == folded) return ColumnType{kind, 0, 0};
  }
  if (folded.starts_with("DECIMAL")) {
    if (const auto type = parse_decimal_parameters(std::string_view(folded).substr(7))) return *type;
    return Status(StatusCode::kInvalidArgument, "config.bad_type",
                  "\"" + std::string(text) + "\" is not a decimal type")
        .fix("write DECIMAL(p,s) with 1 <= p <= 38 and 0 <= s <= p");
  }
  return Status(StatusCode::kInvalidArgument, "config.bad_type", "\"" + std::string(text) + "\" is not a column type")
      .fix("use BIGINT, INT, DOUBLE, DECIMAL(p,s), VARCHAR, BOOLEAN, DATE or TIMESTAMP");
}

std::string ColumnType::to_pipeline() const {
  return kind == TypeKind::kDecimal ? decimal_name("DECIMAL", *this) : std::string(names_of(kind).pipeline);
}

std::string ColumnType::to_duckdb() const {
  return kind == TypeKind::kDecimal ? decimal_name("DECIMAL", *this) : std::string(names_of(kind).duckdb);
}

std::string ColumnType::to_delta() const {
  return kind == TypeKind::kDecimal ? decimal_name("decimal", *this) : std::string(names_of(kind).delta);
}

Result<ColumnType> ColumnType::from_delta(std::string_view text) {
  for (const auto& t : kSimpleTypes) {
    if (t.delta == text) return ColumnType{t.kind, 0, 0};
  }
  if (text.starts_with("decimal")) {
    if (const auto type = parse_decimal_parameters(text.substr(7))) return *type;
  }
  return Status(StatusCode::kNotFound, "lake.unknown_type",
                "\"" + std::string(text) + "\" is no Delta type Inlet knows");
}

}  // namespace inlet
