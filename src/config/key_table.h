// The table behind keys.h: how each key is read, checked and stored.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "config/pipeline_config.h"
#include "config/toml_document.h"

namespace inlet::config {

enum class KeyType {
  kText,
  kBoolean,
  kInteger,
  kNumber,
  kDuration,  // stored as microseconds
  kBytes,
  kChoice,  // stored as the index of the choice
  kInstant,
  kTextList,
  // Below: what a `*` key declares. Read by load_pipeline itself, not through `store`.
  kColumn,
  kGeneratedField,
  kCatalogueColumns,
  kCatalogueRows,
  kVerbatim,  // any scalar, passed on as text
  kReport,
  kView,         // one key of a view or a dimension
  kViewColumns,  // views.NAME.partition_by
};

/// The value of a key that is no `*` key, whatever its type in the configuration; monostate: not set.
using Scalar = std::variant<std::monostate, std::string, bool, std::int64_t, double, std::vector<std::string>>;

/// The configuration while it is read: what cannot be in its final form before everything is read stays text.
struct Draft {
  PipelineConfig config;
  std::string generator_key;  // name of an entity
  std::string partition_by;   // "day(timestamp) as jour"
};

struct KeySpec {
  std::string_view name;
  KeyType type = KeyType::kText;
  Scalar (*load)(const Draft&) = nullptr;          // nullptr for `*` keys
  void (*store)(Draft&, const Scalar&) = nullptr;  // nullptr for `*` keys
  std::string_view meaning;
  std::string_view default_note;  // instead of the value the struct begins with
  // Of integers, numbers, durations (microseconds) and sizes.
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::span<const std::string_view> choices;  // kChoice

  constexpr KeySpec note(std::string_view text) const {
    KeySpec spec = *this;
    spec.default_note = text;
    return spec;
  }
  constexpr KeySpec within(double smallest, double largest) const {
    KeySpec spec = *this;
    spec.min = smallest;
    spec.max = largest;
    return spec;
  }
  constexpr KeySpec one_of(std::span<const std::string_view> names) const {
    KeySpec spec = *this;
    spec.choices = names;
    return spec;
  }
};

std::span<const KeySpec> key_table();

/// The spec a dotted name falls under, `*` keys included; nullptr: none.
const KeySpec* find_key(std::string_view name);

/// True for "source", "source.generator", "source.generator.catalogues.small": tables that hold keys.
bool is_section(std::string_view name);

/// True for "expect", "panel", ...: a list of tables, written [[expect]]. Its keys are named "expect[].sql", whatever
/// the table.
bool is_list_section(std::string_view name);

/// What may stand where the last part of `name` stands, in the order of the table: "kind, startingOffsets, ...".
std::string keys_beside(std::string_view name);

/// For a name under a `*` key: everything from the first star on ("fetch.min.bytes", "small.client.rows").
std::string_view open_part(const KeySpec& spec, std::string_view name);

/// The default as a pipeline file would say it, or a few words where it is no constant.
std::string default_text(const KeySpec& spec);

/// Reads a value that stands in the file, where types are TOML's.
Result<Scalar> read_value(const KeySpec& spec, const TomlValue& value);
/// Reads the text of a --set or an environment variable, converted to the key's type.
Result<Scalar> read_text(const KeySpec& spec, std::string_view text);

/// "a duration such as \"250ms\", from 1ms to 24h".
std::string expected(const KeySpec& spec);

/// Equal but for the case of ASCII letters, as names of Delta columns are.
bool same_name(std::string_view a, std::string_view b);

/// The one of `names` nearest to `name`, at most `furthest` edits away; empty when there is none.
std::string nearest(std::string_view name, std::span<const std::string> names, std::size_t furthest);
/// The same, as far as a name of this length can be taken for a slip.
std::string nearest(std::string_view name, std::span<const std::string> names);

}  // namespace inlet::config
