// Pipeline file, environment and flags → one configuration, or all that is wrong with them.
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "base/letter_case.h"
#include "config/checks.h"
#include "config/declarations.h"
#include "config/delta_properties.h"
#include "config/key_table.h"
#include "config/keys.h"
#include "config/pipeline_config.h"
#include "config/toml_document.h"
#include "config/units.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace inlet::config {
namespace {

constexpr std::string_view kEnvironmentPrefix = "INLET__";
constexpr std::string_view kReportSection = "reports";
constexpr std::string_view kReportKey = "reports.*";
constexpr std::string_view kExpectSection = "expect";
constexpr std::string_view kPanelSection = "panel";

Result<std::string> read_file(const std::string& path) {
  const auto failed = [&](const std::string& why) {
    return Status(StatusCode::kInvalidArgument, "config.file_not_readable", "cannot read the pipeline file " + path)
        .because(why)
        .fix("give the path of a pipeline file, such as pipelines/ventes.toml");
  };
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return failed("it is a directory");
  std::ifstream in(path, std::ios::binary);
  if (!in) return failed(std::strerror(errno));
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return failed(std::strerror(errno));
  return text;
}

bool has_lower_case(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return std::islower(c) != 0; });
}

class Loader {
 public:
  Loader(const std::string& path, const LoadOptions& options) : path_(path), options_(options) {}

  LoadOutcome load() {
    settings_.draft.config.file = path_;
    auto text = read_file(path_);
    if (!text) {
      // Without the file nothing else can be said that would hold with it.
      problems_.add(Origin{.where = path_}, text.status());
      return {std::nullopt, std::move(problems_).sorted()};
    }
    auto document = parse_toml(*text);
    if (const auto* error = std::get_if<TomlError>(&document)) {
      problems_.add(in_file(error->position), "config.toml_syntax", "not valid TOML", error->message,
                    "texts stand in quotation marks; see https://toml.io for the rest");
      return {std::nullopt, std::move(problems_).sorted()};
    }
    read_table(std::get<TomlValue>(document), "");
    read_environment();
    read_flags();
    complete_and_check(settings_, problems_);
    if (!problems_.empty()) return {std::nullopt, std::move(problems_).sorted()};
    return {std::move(settings_.draft.config), {}};
  }

 private:
  // A value of the file, or the text of a variable or flag.
  struct Given {
    const TomlValue* value = nullptr;
    std::string_view text;
    Origin key_at;
    Origin at;  // the value
  };

  Origin in_file(Position position) const {
    return {kFileLayer, position.line, position.column,
            path_ + ":" + std::to_string(position.line) + ":" + std::to_string(position.column)};
  }

  void read_table(const TomlValue& table, const std::string& prefix) {
    for (const auto& entry : table.entries) {
      const std::string name = prefix.empty() ? entry.key : prefix + "." + entry.key;
      const bool is_table = entry.value.kind == TomlValue::Kind::kTable;
      const KeySpec* spec = find_key(name);
      // A report is a text or a table: what stands in the table is a key of it, never another report.
      const bool is_report = spec != nullptr && spec->name == kReportKey;
      if (is_report && prefix != kReportSection) spec = nullptr;
      if (is_list_section(name)) {
        read_list(entry, name);
      } else if (is_table && (spec == nullptr ? is_section(name) : spec->type == KeyType::kVerbatim || is_report)) {
        settings_.origins.emplace(name, in_file(entry.position));
        read_table(entry.value, name);
      } else if (spec == nullptr && is_section(name)) {
        settings_.unreadable.insert(name);
        problems_.add(in_file(entry.value.position), "config.wrong_type", name + " must be a table",
                      "found " + entry.value.describe(), "write [" + name + "] and its keys below it");
      } else {
        const Given given{&entry.value, {}, in_file(entry.position), in_file(entry.value.position)};
        if (spec == nullptr) {
          unknown(name, given.key_at);
        } else if (!set_in_file_.emplace(name, given.key_at).second) {
          problems_.add(given.key_at, "config.duplicate_key", name + " is set twice",
                        "first at " + set_in_file_.at(name).where, "keep one of the two");
        } else {
          apply(*spec, name, given);
        }
      }
    }
  }

  // Room for what the next table of a list says; `store` of the list's keys goes there. Returns which one it is.
  std::size_t begin_table(std::string_view section, const Origin& at) {
    auto& config = settings_.draft.config;
    if (section == kExpectSection) {
      config.expectations.emplace_back();
      return config.expectations.size() - 1;
    }
    if (section == kPanelSection) {
      config.page.panels.emplace_back().where = at.where;
      return config.page.panels.size() - 1;
    }
    config.page.filters.emplace_back().where = at.where;
    return config.page.filters.size() - 1;
  }

  // [[expect]]: each table makes an expectation, and its keys are those of "expect[]". For messages they are numbered.
  void read_list(const TomlEntry& list, const std::string& section) {
    const bool holds_tables = list.value.kind == TomlValue::Kind::kList &&
                              std::all_of(list.value.items.begin(), list.value.items.end(),
                                          [](const auto& item) { return item.kind == TomlValue::Kind::kTable; });
    if (!holds_tables) {
      settings_.unreadable.insert(section);
      return problems_.add(in_file(list.value.position), "config.wrong_type", section + " must be a list of tables",
                           "found " + list.value.describe(), "write [[" + section + "]] and the keys of one below it");
    }
    for (const auto& table : list.value.items) {
      const Origin at = in_file(table.position);
      const std::string numbered = section + "[" + std::to_string(begin_table(section, at)) + "]";
      settings_.origins.emplace(numbered, at);
      for (const auto& entry : table.entries) {
        const KeySpec* spec = find_key(section + "[]." + entry.key);
        if (spec == nullptr) {
          unknown(section + "[]." + entry.key, in_file(entry.position));
          continue;
        }
        const Given given{&entry.value, {}, in_file(entry.position), in_file(entry.value.position)};
        apply(*spec, numbered + "." + entry.key, given);
        if (section == kExpectSection && entry.key == "sql")
          settings_.draft.config.expectations.back().where = given.at.where;
      }
    }
  }

  void read_environment() {
    std::size_t count = 0;
    for (const auto& [variable, text] : options_.environment) {
      const Origin at{kEnvironmentLayer, ++count, 1, "environment " + variable};
      apply_text(with_declared_case(key_of_variable(variable)), text, at);
    }
  }

  void read_flags() {
    std::size_t count = 0;
    for (const auto& [key, text] : options_.overrides) {
      // Quoted or not, source.kafka."kafka.fetch.min.bytes" is the same key.
      std::string name = key;
      std::erase(name, '"');
      apply_text(name, text, Origin{kFlagLayer, ++count, 1, "--set " + key});
    }
  }

  void apply_text(const std::string& name, const std::string& text, const Origin& at) {
    const KeySpec* spec = find_key(name);
    if (const auto list = name.find("[]"); spec != nullptr && list != std::string::npos) {
      problems_.add(at, "config.file_only", name + " can be set in the pipeline file only",
                    "a list of tables has no names that tell them apart",
                    "write it below [[" + name.substr(0, list) + "]] in " + path_);
    } else if (spec != nullptr) {
      apply(*spec, name, Given{nullptr, text, at, at});
    } else {
      unknown(name, at);
    }
  }

  // A variable in capitals means the field, or the Delta property, of that name in whatever case.
  std::string with_declared_case(std::string name) const {
    constexpr std::string_view kFields = "event.fields.";
    constexpr std::string_view kGenerated = "source.generator.fields.";
    constexpr std::string_view kProperties = "bronze.properties.";
    if (name.starts_with(kFields)) {
      for (const auto& column : settings_.draft.config.event.schema.columns) {
        if (same_name(column.name, name.substr(kFields.size()))) return std::string(kFields) + column.name;
      }
    } else if (name.starts_with(kGenerated)) {
      for (const auto& field : settings_.draft.config.source.generator.fields) {
        if (same_name(field.name, name.substr(kGenerated.size()))) return std::string(kGenerated) + field.name;
      }
    } else if (name.starts_with(kProperties)) {
      return std::string(kProperties) + delta_property_case(name.substr(kProperties.size()));
    }
    return name;
  }

  void unknown(const std::string& name, const Origin& at) {
    const auto near = nearest_key(name);
    problems_.add(at, "config.unknown_key", "unknown key " + name, {},
                  near.empty() ? "known there: " + keys_beside(name) : "did you mean " + near + "?");
  }

  void apply(const KeySpec& spec, const std::string& name, const Given& given) {
    settings_.origins.insert_or_assign(name, given.at);
    switch (spec.type) {
      case KeyType::kColumn: return apply_column(spec, name, given);
      case KeyType::kGeneratedField: return apply_generated_field(spec, name, given);
      case KeyType::kCatalogueColumns:
      case KeyType::kCatalogueRows: return apply_catalogue(spec, name, given);
      case KeyType::kVerbatim: return apply_verbatim(spec, name, given);
      case KeyType::kReport: return apply_report(spec, name, given);
      case KeyType::kView:
      case KeyType::kViewColumns: return apply_view_or_dimension(spec, name, given);
      default: break;
    }
    auto scalar = given.value != nullptr ? read_value(spec, *given.value) : read_text(spec, given.text);
    if (scalar) {
      spec.store(settings_.draft, *scalar);
    } else {
      refuse(name, given, scalar.status());
    }
  }

  void refuse(const std::string& name, const Given& given, const Status& status) {
    settings_.unreadable.insert(name);
    problems_.add(given.at, status);
  }

  void wrong_type(const KeySpec& spec, const std::string& name, const Given& given, std::string fix = {}) {
    std::string found;
    if (given.value != nullptr) found = "found " + given.value->describe();
    if (given.value != nullptr && given.value->kind == TomlValue::Kind::kList && spec.type != KeyType::kVerbatim)
      found += " of something else";
    refuse(name, given,
           Status(StatusCode::kInvalidArgument, "config.wrong_type", name + " must be " + expected(spec))
               .because(std::move(found))
               .fix(std::move(fix)));
  }

  void apply_column(const KeySpec& spec, const std::string& name, const Given& given) {
    if (given.value != nullptr && given.value->kind != TomlValue::Kind::kText) {
      return wrong_type(spec, name, given,
                        given.value->kind == TomlValue::Kind::kTable
                            ? "fields are declared at the top level of the event only"
                            : "write NAME = \"TYPE required\", or NAME = \"TYPE\" for a field that may be missing");
    }
    auto column = parse_column(open_part(spec, name), given.value != nullptr ? given.value->text : given.text);
    if (!column) return refuse(name, given, column.status());
    auto& columns = settings_.draft.config.event.schema.columns;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].name == column->name) {
        columns[i] = *column;
        settings_.column_origins[i] = given.at;
        return;
      }
      if (same_name(columns[i].name, column->name)) {
        return problems_.add(given.key_at, "config.duplicate_column",
                             "the fields " + columns[i].name + " and " + column->name + " differ only in case",
                             "names of columns are the same in any case, to Delta and to SQL", "remove one of the two");
      }
    }
    columns.push_back(*column);
    settings_.column_origins.push_back(given.at);
  }

  // The value itself, or, for a flag that writes a list, that list.
  std::optional<TomlValue> value_of(const Given& given, const std::string& name) {
    if (given.value != nullptr) return *given.value;
    if (!given.text.starts_with('[')) {
      TomlValue text;
      text.text = given.text;
      return text;
    }
    auto parsed = parse_toml_value(given.text);
    if (const auto* error = std::get_if<TomlError>(&parsed)) {
      refuse(
          name, given,
          Status(StatusCode::kInvalidArgument, "config.toml_syntax", "the value of " + name + " is not a list in TOML")
              .because(error->message));
      return std::nullopt;
    }
    return std::move(std::get<TomlValue>(parsed));
  }

  // Of a list without an item that is not a text; nullopt otherwise.
  static std::optional<std::vector<std::string>> texts_of(const TomlValue& list) {
    if (list.kind != TomlValue::Kind::kList || list.items.empty()) return std::nullopt;
    std::vector<std::string> texts;
    for (const auto& item : list.items) {
      if (item.kind != TomlValue::Kind::kText) return std::nullopt;
      texts.push_back(item.text);
    }
    return texts;
  }

  void apply_generated_field(const KeySpec& spec, const std::string& name, const Given& given) {
    const auto value = value_of(given, name);
    if (!value) return;
    const bool is_list = value->kind == TomlValue::Kind::kList;
    const auto choices = texts_of(*value);
    if (is_list ? !choices : value->kind != TomlValue::Kind::kText) return wrong_type(spec, name, given);
    auto field = parse_generated_field(open_part(spec, name), is_list ? "sequence" : value->text);
    if (!field) return refuse(name, given, field.status());
    if (is_list) {
      field->kind = GeneratorField::Kind::kChoice;
      field->choices = *choices;
    }
    auto& fields = settings_.draft.config.source.generator.fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].name == field->name) {
        fields[i] = *field;
        settings_.generated_origins[i] = given.at;
        return;
      }
    }
    fields.push_back(*field);
    settings_.generated_origins.push_back(given.at);
  }

  EntityDraft& entity_of(std::string_view catalogue, std::string_view entity, const Origin& at) {
    auto& catalogues = settings_.catalogues;
    auto of_name =
        std::find_if(catalogues.begin(), catalogues.end(), [&](const auto& c) { return c.first == catalogue; });
    if (of_name == catalogues.end()) of_name = catalogues.insert(catalogues.end(), {std::string(catalogue), {}});
    auto& entities = of_name->second;
    auto known = std::find_if(entities.begin(), entities.end(), [&](const auto& e) { return e.name == entity; });
    if (known == entities.end()) known = entities.insert(entities.end(), EntityDraft{std::string(entity), at, {}, {}});
    return *known;
  }

  void apply_catalogue(const KeySpec& spec, const std::string& name, const Given& given) {
    const auto path = open_part(spec, name);  // CATALOGUE.ENTITY.columns
    const auto first = path.find('.');
    const auto second = path.find('.', first + 1);
    auto& entity = entity_of(path.substr(0, first), path.substr(first + 1, second - first - 1), given.key_at);
    const auto value = value_of(given, name);
    if (!value) return;
    if (spec.type == KeyType::kCatalogueColumns) {
      const auto columns = texts_of(*value);
      if (!columns) return wrong_type(spec, name, given);
      entity.columns = *columns;
      return;
    }
    const bool is_list_of_lists = value->kind == TomlValue::Kind::kList &&
                                  std::all_of(value->items.begin(), value->items.end(),
                                              [](const auto& row) { return row.kind == TomlValue::Kind::kList; });
    if (!is_list_of_lists) return wrong_type(spec, name, given);
    entity.rows = value->items;
  }

  void apply_report(const KeySpec& spec, const std::string& name, const Given& given) {
    if (given.value != nullptr && given.value->kind != TomlValue::Kind::kText) return wrong_type(spec, name, given);
    std::string_view title = open_part(spec, name);  // NAME, or NAME.sql and NAME.bar
    const bool is_bar = spec.name.ends_with(".bar");
    if (spec.name != kReportKey) title = title.substr(0, title.rfind('.'));
    auto& report = entry_of(settings_.draft.config.reports, title);
    (is_bar ? report.bar : report.sql) = given.value != nullptr ? given.value->text : std::string(given.text);
  }

  // The entry of that name, made when it is the first key of it.
  template <class Entry>
  static Entry& entry_of(std::vector<Entry>& entries, std::string_view name) {
    const auto known = std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.name == name; });
    if (known != entries.end()) return *known;
    entries.emplace_back().name = name;
    return entries.back();
  }

  void apply_view_or_dimension(const KeySpec& spec, const std::string& name, const Given& given) {
    const auto path = open_part(spec, name);  // NAME.sql
    const auto dot = path.rfind('.');
    const auto entry = path.substr(0, dot);
    const auto key = path.substr(dot + 1);
    const auto value = value_of(given, name);
    if (!value) return;
    auto& config = settings_.draft.config;
    if (spec.type == KeyType::kViewColumns) {
      const auto columns = texts_of(*value);
      if (!columns) return wrong_type(spec, name, given);
      entry_of(config.views, entry).partition_by = *columns;
      return;
    }
    if (value->kind != TomlValue::Kind::kText) return wrong_type(spec, name, given);
    if (spec.name.starts_with("dimensions.")) {
      auto& dimension = entry_of(config.dimensions, entry);
      (key == "path" ? dimension.path : dimension.table) = value->text;
      return;
    }
    auto& view = entry_of(config.views, entry);
    if (key == "sql") {
      view.sql = value->text;
      view.where = given.at.where;
    } else if (key == "table") {
      view.table = value->text;
    } else {
      const auto duration = parse_duration(value->text);
      if (!duration) {
        return refuse(
            name, given,
            Status(StatusCode::kInvalidArgument, "config.wrong_type", name + " must be a duration such as \"30s\"")
                .because("found " + value->describe()));
      }
      (key == "refresh" ? view.refresh : view.seal_after) = *duration;
    }
  }

  void apply_verbatim(const KeySpec& spec, const std::string& name, const Given& given) {
    if (given.value != nullptr &&
        (given.value->kind == TomlValue::Kind::kList || given.value->kind == TomlValue::Kind::kTable)) {
      return wrong_type(spec, name, given);
    }
    std::string text = given.value != nullptr ? given.value->text : std::string(given.text);
    const std::string key(open_part(spec, name));
    auto& config = settings_.draft.config;
    auto& into = spec.name.starts_with("bronze.") ? config.bronze.properties : config.source.kafka.librdkafka;
    into.insert_or_assign(key, std::move(text));
  }

  const std::string& path_;
  const LoadOptions& options_;
  ReadSettings settings_;
  ProblemList problems_;
  std::map<std::string, Origin> set_in_file_;
};

}  // namespace

std::string key_of_variable(std::string_view variable) {
  if (variable.starts_with(kEnvironmentPrefix)) variable.remove_prefix(kEnvironmentPrefix.size());
  std::string dotted;
  for (std::string_view rest = variable;;) {
    const auto end = rest.find("__");
    const auto part = rest.substr(0, end);
    dotted += has_lower_case(part) ? std::string(part) : lower_case(part);
    if (end == std::string_view::npos) break;
    dotted += '.';
    rest = rest.substr(end + 2);
  }
  for (const auto& spec : key_table()) {
    const auto fixed = spec.name.substr(0, spec.name.find('*'));
    if (fixed == spec.name && same_name(spec.name, dotted)) return dotted = spec.name;
    if (fixed != spec.name && dotted.size() > fixed.size() && same_name(fixed, dotted.substr(0, fixed.size()))) {
      const std::string key = std::string(fixed) + dotted.substr(fixed.size());
      if (find_key(key) != nullptr) return key;
    }
  }
  return dotted;
}

LoadOutcome load_pipeline(const std::string& path, const LoadOptions& options) { return Loader(path, options).load(); }

std::map<std::string, std::string> inlet_environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (text.starts_with(kEnvironmentPrefix) && equals != std::string_view::npos) {
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return variables;
}

}  // namespace inlet::config
