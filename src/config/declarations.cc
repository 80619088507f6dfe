#include "config/declarations.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "config/key_table.h"

namespace inlet::config {
namespace {

constexpr std::string_view kSpaces = " \t";

std::string_view trim(std::string_view text) {
  const auto from = text.find_first_not_of(kSpaces);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpaces) - from + 1);
}

// Splits off the last word: {"DECIMAL(12, 2)", "required"}.
std::pair<std::string_view, std::string_view> split_last_word(std::string_view text) {
  const auto space = text.find_last_of(kSpaces);
  if (space == std::string_view::npos) return {{}, text};
  return {trim(text.substr(0, space)), text.substr(space + 1)};
}

constexpr std::array<std::pair<std::string_view, DerivedColumn::Function>, 5> kFunctions{{
    {"day", DerivedColumn::Function::kDay},
    {"month", DerivedColumn::Function::kMonth},
    {"year", DerivedColumn::Function::kYear},
    {"hour", DerivedColumn::Function::kHour},
    {"identity", DerivedColumn::Function::kIdentity},
}};

Status invalid(std::string what, std::string fix) {
  return Status(StatusCode::kInvalidArgument, "config.invalid_value", std::move(what)).fix(std::move(fix));
}

struct Decimal {
  std::int64_t units = 0;  // of 10^-scale
  int scale = 0;
};

std::optional<Decimal> parse_decimal(std::string_view text) {
  const auto point = text.find('.');
  std::string digits(text.substr(0, point));
  Decimal decimal;
  if (point != std::string_view::npos) {
    const auto fraction = text.substr(point + 1);
    if (fraction.empty() || fraction.size() > 18) return std::nullopt;
    decimal.scale = static_cast<int>(fraction.size());
    digits += fraction;
  }
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), decimal.units);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return decimal;
}

bool rescale(Decimal& decimal, int scale) {
  for (; decimal.scale < scale; ++decimal.scale) {
    if (__builtin_mul_overflow(decimal.units, std::int64_t{10}, &decimal.units)) return false;
  }
  return true;
}

constexpr std::string_view kFieldForms =
    "write \"sequence\", \"event_time\", \"ENTITY.COLUMN\", \"uniform 1..5\", \"uniform 0.50..9.99\", \"FIELD * "
    "ENTITY.COLUMN\", or a list of texts to choose from";

Result<GeneratorField> parse_uniform(GeneratorField field, std::string_view range) {
  const auto dots = range.find("..");
  if (dots == std::string_view::npos) return invalid("a uniform field needs a range", std::string(kFieldForms));
  auto min = parse_decimal(trim(range.substr(0, dots)));
  auto max = parse_decimal(trim(range.substr(dots + 2)));
  if (!min || !max) {
    return invalid("\"" + std::string(range) + "\" is not a range of numbers", std::string(kFieldForms));
  }
  field.scale = std::max(min->scale, max->scale);
  if (!rescale(*min, field.scale) || !rescale(*max, field.scale)) {
    return invalid("the numbers of \"" + std::string(range) + "\" have too many digits", std::string(kFieldForms));
  }
  if (min->units > max->units) {
    return invalid("the range \"" + std::string(range) + "\" is empty", "write the smaller number first");
  }
  field.kind = field.scale == 0 ? GeneratorField::Kind::kUniformInt : GeneratorField::Kind::kUniformDecimal;
  field.min = min->units;
  field.max = max->units;
  return field;
}

}  // namespace

bool is_column_name(std::string_view name) {
  // What Parquet writers refuse, the dot of nested fields, and control characters.
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f ||
           std::string_view(" ,;{}()=.\"`").find(c) != std::string_view::npos;
  });
}

Result<Column> parse_column(std::string_view name, std::string_view text) {
  if (!is_column_name(name)) {
    return Status(StatusCode::kInvalidArgument, "config.bad_column_name",
                  "\"" + std::string(name) + "\" cannot be the name of a column")
        .because(name.find('.') == std::string_view::npos
                     ? "spaces, quotation marks and , ; { } ( ) = are not allowed in one"
                     : "fields are declared at the top level of the event only")
        .fix("rename the field where the event is made");
  }
  std::string_view type_text = trim(text);
  bool nullable = true;
  if (const auto [front, last] = split_last_word(type_text); !front.empty()) {
    if (same_name(last, "required") || same_name(last, "nullable")) {
      nullable = same_name(last, "nullable");
      type_text = front;
    }
  }
  auto type = ColumnType::parse(type_text);
  if (!type) {
    ErrorDetail detail = type.status().detail();
    detail.fix += "; behind it \"required\" where the event must have a value";
    return Status(StatusCode::kInvalidArgument, std::move(detail));
  }
  return Column{std::string(name), *type, nullable};
}

Result<DerivedColumn> parse_derived_column(std::string_view text) {
  const std::string fix =
      "write \"FUNCTION(FIELD) as NAME\", such as \"day(timestamp) as day\"; FUNCTION is day, month, "
      "year, hour or identity";
  const auto open = text.find('(');
  const auto close = text.find(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return invalid("\"" + std::string(text) + "\" is not a partition column", fix);
  }
  const auto function = trim(text.substr(0, open));
  const auto known =
      std::find_if(kFunctions.begin(), kFunctions.end(), [&](const auto& f) { return same_name(f.first, function); });
  if (known == kFunctions.end()) {
    return invalid("\"" + std::string(function) + "\" is not a function of a partition column", fix);
  }
  const auto rest = trim(text.substr(close + 1));
  const auto space = rest.find_first_of(kSpaces);
  if (space == std::string_view::npos || !same_name(rest.substr(0, space), "as")) {
    return invalid("the partition column \"" + std::string(text) + "\" has no name", fix);
  }
  DerivedColumn column;
  column.function = known->second;
  column.column = trim(text.substr(open + 1, close - open - 1));
  column.name = trim(rest.substr(space));
  if (!is_column_name(column.name)) {
    return invalid("\"" + column.name + "\" cannot be the name of a column", fix);
  }
  return column;
}

Result<GeneratorField> parse_generated_field(std::string_view name, std::string_view text) {
  if (!is_column_name(name)) {
    return invalid("\"" + std::string(name) + "\" cannot be the name of a generated field",
                   "use a name without dots, spaces, quotation marks and , ; { } ( ) =");
  }
  GeneratorField field;
  field.name = name;
  text = trim(text);
  if (text == "sequence") {
    field.kind = GeneratorField::Kind::kSequence;
    return field;
  }
  if (text == "event_time") {
    field.kind = GeneratorField::Kind::kEventTime;
    return field;
  }
  constexpr std::string_view kUniform = "uniform ";
  if (text.starts_with(kUniform)) return parse_uniform(std::move(field), trim(text.substr(kUniform.size())));
  if (text.find('*') != std::string_view::npos) {
    field.kind = GeneratorField::Kind::kProduct;
    for (std::string_view rest = text;;) {
      const auto star = rest.find('*');
      const auto factor = trim(rest.substr(0, star));
      if (factor.empty())
        return invalid("a factor is missing in \"" + std::string(text) + "\"", std::string(kFieldForms));
      field.factors.emplace_back(factor);
      if (star == std::string_view::npos) return field;
      rest = rest.substr(star + 1);
    }
  }
  const auto dot = text.find('.');
  if (dot != std::string_view::npos && dot > 0 && dot + 1 < text.size() &&
      text.find_first_of(" \t.", dot + 1) == std::string_view::npos) {
    field.kind = GeneratorField::Kind::kAttribute;
    field.entity = text.substr(0, dot);
    field.attribute = text.substr(dot + 1);
    return field;
  }
  return invalid("\"" + std::string(text) + "\" is not a way to generate a field", std::string(kFieldForms));
}

}  // namespace inlet::config
