#include "config/checks.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <tuple>
#include <utility>

#include "config/declarations.h"
#include "config/delta_properties.h"
#include "config/listen_address.h"
#include "config/page_texts.h"

namespace inlet::config {
namespace {

// Columns that Inlet adds to every event (see bronze/).
constexpr std::array<std::string_view, 5> kReservedColumns{"_source", "_partition", "_offset", "_kafka_timestamp",
                                                           "date_ingestion"};

constexpr std::chrono::milliseconds kFastestRefresh{100};

// What exactly-once stands on is not the user's to set: the name in librdkafka and what to do instead.
constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kOwnedKafkaKeys{{
    {"bootstrap.servers", "set source.kafka.bootstrap_servers"},
    {"metadata.broker.list", "set source.kafka.bootstrap_servers"},
    {"group.id", "set source.kafka.group_id"},
    {"auto.offset.reset", "set source.startingOffsets"},
    {"enable.auto.commit", "remove it: positions are committed with the rows, in the lake"},
    {"auto.commit.enable", "remove it: positions are committed with the rows, in the lake"},
    {"auto.commit.interval.ms", "remove it: positions are committed with the rows, in the lake"},
    {"enable.auto.offset.store", "remove it: positions are committed with the rows, in the lake"},
    {"enable.partition.eof", "remove it: the end of a partition is how `--until caught-up` ends"},
    {"partition.assignment.strategy", "remove it: groups rebalance cooperatively"},
    {"group.protocol", "remove it: groups rebalance cooperatively"},
    {"enable.idempotence", "remove it: `inlet produce` is idempotent"},
    {"transactional.id", "remove it: `inlet produce` writes no transactions"},
    {"offset.store.method", "remove it: positions are committed with the rows, in the lake"},
}};

bool consists_of(std::string_view text, std::string_view further) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return (c < 0x80 && std::isalnum(c) != 0) || further.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }

constexpr std::string_view kStoreCredentials =
    "take it out; credentials come from the environment, a profile file or the machine's role: docs/object-stores.md";

// "bronze/ventes_stream": parts that are names of directories and cannot leave the lake, or hide in it as Delta's do.
bool is_table_name(std::string_view name) {
  for (std::string_view rest = name;;) {
    const auto slash = rest.find('/');
    const auto part = rest.substr(0, slash);
    if (!consists_of(part, "_-.") || part.front() == '.' || part.front() == '_') return false;
    if (slash == std::string_view::npos) return true;
    rest = rest.substr(slash + 1);
  }
}

// A table of the lake as a query names it: the part before the first slash is the schema.
std::string sql_name_of(std::string table) {
  if (const auto slash = table.find('/'); slash != std::string::npos) table[slash] = '.';
  return table;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

class Checker {
 public:
  Checker(ReadSettings& settings, ProblemList& problems)
      : settings_(settings), config_(settings.draft.config), problems_(problems) {}

  void run() {
    check_pipeline_and_lake();
    check_source();
    check_kafka_keys();
    check_generator();
    check_fields();
    check_partition_column();
    check_tables();
    check_late();
    check_expectations();
    check_views();
    check_dimensions();
    complete_freshness();
    check_reports();
    check_serve();
    check_page();
    check_filters();
    check_panels();
  }

 private:
  void add(std::string_view key, std::string id, std::string what, std::string why = {}, std::string fix = {}) {
    problems_.add(settings_.origin_of(key), std::move(id), std::move(what), std::move(why), std::move(fix));
  }

  template <class Value>
  bool missing(std::string_view key, const Value& value) const {
    return value.empty() && !settings_.is_unreadable(key);
  }

  void check_pipeline_and_lake() {
    if (missing("pipeline.name", config_.name)) {
      add("pipeline.name", "config.missing_key", "pipeline.name is missing",
          "the positions kept in the lake carry the pipeline's name", "write name = \"...\" in [pipeline]");
    } else if (!config_.name.empty() && !consists_of(config_.name, "_-.")) {
      add("pipeline.name", "config.invalid_value", "\"" + config_.name + "\" cannot be the name of a pipeline", {},
          "use letters, digits, \"_\", \"-\" and \".\"");
    }
    if (!consists_of(config_.timezone, "_-+/:")) {
      add("pipeline.timezone", "config.invalid_value", "\"" + config_.timezone + "\" is not a time zone", {},
          "write an IANA name such as \"Europe/Paris\", or \"UTC\"");
    }
    if (missing("lake.path", config_.lake)) {
      add("lake.path", "config.missing_key", "lake.path is missing", "it says where the tables are kept",
          "write path = \"inlet-data\" in [lake]");
    } else if (is_url(config_.lake)) {
      check_lake_url();
    } else if (!config_.lake.empty()) {
      std::error_code error;
      const auto absolute = std::filesystem::absolute(config_.lake, error).lexically_normal();
      if (!error) config_.lake = absolute.has_filename() ? absolute.string() : absolute.parent_path().string();
    }
  }

  // No bucket or container has such a name.
  static bool may_hold_password(const std::string& scheme, const std::string& bucket) {
    if (!scheme.starts_with("abfs")) return bucket.find_first_of(":@") != std::string::npos;
    return bucket.substr(0, bucket.find('@')).find(':') != std::string::npos;
  }

  void check_lake_url() {
    constexpr std::array<std::string_view, 6> kSchemes{"s3", "s3a", "az", "abfs", "abfss", "gs"};
    const auto after_scheme = config_.lake.find("://") + 3;
    const std::string scheme = config_.lake.substr(0, after_scheme - 3);
    while (config_.lake.size() > after_scheme && config_.lake.ends_with('/')) config_.lake.pop_back();
    const std::string rest = config_.lake.substr(after_scheme);
    const std::string bucket = rest.substr(0, rest.find('/'));
    if (std::find(kSchemes.begin(), kSchemes.end(), scheme) == kSchemes.end()) {
      add("lake.path", "config.invalid_value", scheme + ":// is no place for a lake", {},
          "give a directory, or s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, abfss://CONTAINER@ACCOUNT.HOST/PREFIX or "
          "gs://BUCKET/PREFIX");
    } else if (may_hold_password(scheme, bucket)) {
      add("lake.path", "config.secret_in_address", "lake.path has a user or password in it",
          "where the lake is stands in messages, and stores take no credentials from it",
          std::string(kStoreCredentials));
    } else if (bucket.empty()) {
      add("lake.path", "config.invalid_value", "lake.path names no bucket", {}, "write " + scheme + "://BUCKET/PREFIX");
    } else if (rest.find_first_of("?#") != std::string::npos) {
      add("lake.path", "config.invalid_value", "lake.path has more than a bucket and a prefix",
          "credentials and options do not belong into it", "see [storage] in docs/pipeline-file.md");
    } else if (rest.find("//") != std::string::npos) {
      add("lake.path", "config.invalid_value", "lake.path has an empty part", {}, "write one \"/\" between two names");
    }
    const std::string& endpoint = config_.storage.endpoint;
    if (endpoint.find('@') != std::string::npos) {
      add("storage.endpoint", "config.secret_in_address", "storage.endpoint has a user or password in it",
          "addresses stand in messages, and stores take no credentials from them", std::string(kStoreCredentials));
    } else if (endpoint.starts_with("http://") && !config_.storage.allow_http) {
      add("storage.endpoint", "config.invalid_value", "storage.endpoint is reached without TLS",
          "data and signatures could be read on the way",
          "write allow_http = true in [storage], or an https:// address");
    }
    if (!config_.storage.cache.empty()) {
      std::error_code error;
      const auto absolute = std::filesystem::absolute(config_.storage.cache, error).lexically_normal();
      if (!error) config_.storage.cache = absolute.string();
    }
  }

  void check_source() {
    const auto& source = config_.source;
    if (source.kind == SourceKind::kKafka) {
      if (missing("source.kafka.topic", source.kafka.topic)) {
        add(settings_.is_set("source.kafka.topic") ? "source.kafka.topic" : "source.kind", "config.missing_key",
            "source.kafka.topic is missing", "source.kind is \"kafka\"", "write topic = \"...\" in [source.kafka]");
      }
      if (missing("source.kafka.bootstrap_servers", source.kafka.bootstrap_servers)) {
        add("source.kafka.bootstrap_servers", "config.missing_key", "source.kafka.bootstrap_servers is empty",
            "source.kind is \"kafka\"", "write bootstrap_servers = \"HOST:PORT\" in [source.kafka]");
      }
    }
    // Whatever the kind, and without repeating it: what stands before an @ is taken for a password.
    if (source.kafka.bootstrap_servers.find('@') != std::string::npos) {
      add("source.kafka.bootstrap_servers", "config.secret_in_address",
          "source.kafka.bootstrap_servers has a user or password in it",
          "brokers are shown in messages, and Kafka takes no credentials from their addresses",
          "write HOST:PORT alone, and set \"kafka.sasl.username\" and \"kafka.sasl.password\" in [source.kafka]");
    }
    if (!source.kafka.topic.empty() && (!consists_of(source.kafka.topic, "_-.") || source.kafka.topic.size() > 249)) {
      add("source.kafka.topic", "config.invalid_value",
          "\"" + source.kafka.topic + "\" cannot be the name of a Kafka topic", {},
          "use at most 249 letters, digits, \".\", \"_\" and \"-\"");
    }
    if (source.kind == SourceKind::kFile && missing("source.file.path", source.file.path)) {
      add(settings_.is_set("source.file.path") ? "source.file.path" : "source.kind", "config.missing_key",
          "source.file.path is missing", "source.kind is \"file\"",
          "write path = \"...\" in [source.file]; \"-\" is standard input");
    }
  }

  void check_kafka_keys() {
    for (const auto& [name, value] : config_.source.kafka.librdkafka) {
      const std::string key = "source.kafka.kafka." + name;
      const auto owned = std::find_if(kOwnedKafkaKeys.begin(), kOwnedKafkaKeys.end(),
                                      [&, &n = name](const auto& k) { return k.first == n; });
      if (owned != kOwnedKafkaKeys.end()) {
        add(key, "config.owned_key", "kafka." + name + " is set by Inlet itself", {}, std::string(owned->second));
      }
      if (name == "isolation.level" && value != "read_committed" && value != "read_uncommitted") {
        add(key, "config.out_of_range", "kafka.isolation.level must be \"read_committed\" or \"read_uncommitted\"");
      }
    }
  }

  // --- the generator ---

  static bool is_number(const TomlValue& value) {
    return value.kind == TomlValue::Kind::kInteger || value.kind == TomlValue::Kind::kNumber;
  }

  // Digits and a point, never an exponent; empty for what JSON cannot say.
  static std::string number_text(const TomlValue& value) {
    if (value.kind == TomlValue::Kind::kInteger) return value.text;
    if (!std::isfinite(value.number)) return {};
    std::array<char, 400> buffer{};
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.number, std::chars_format::fixed).ptr;
    return {buffer.data(), end};
  }

  static constexpr std::ptrdiff_t kMostDigits = 18;  // what products are computed with

  static std::ptrdiff_t digits_of(std::string_view number) {
    return std::count_if(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  }

  // The place of a row of a file; of a row that a flag wrote, the flag.
  Origin row_origin(const std::string& key, const TomlValue& row) const {
    Origin at = settings_.origin_of(key);
    if (at.layer != kFileLayer) return at;
    at.line = row.position.line;
    at.column = row.position.column;
    at.where = config_.file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
    return at;
  }

  GeneratorEntity checked_entity(const std::string& catalogue, const EntityDraft& draft) {
    const std::string prefix = "source.generator.catalogues." + catalogue + "." + draft.name;
    const std::string rows_key = prefix + ".rows";
    GeneratorEntity entity;
    entity.name = draft.name;
    entity.attributes = draft.columns;
    for (const auto* part : {"columns", "rows"}) {
      const std::string key = prefix + "." + part;
      if (!settings_.is_set(key)) {
        problems_.add(draft.at, "config.missing_key", key + " is missing", {},
                      "an entity needs columns = [\"id\", ...] and rows = [[1, ...], ...]");
      }
    }
    if (settings_.is_set(rows_key) && missing(rows_key, draft.rows)) {
      add(rows_key, "config.invalid_value", rows_key + " is empty", {}, "give the entity at least one row");
    }
    if (draft.columns.empty()) return entity;
    for (std::size_t i = 0; i < draft.columns.size(); ++i) {
      if (std::count(draft.columns.begin(), draft.columns.begin() + static_cast<std::ptrdiff_t>(i), draft.columns[i])) {
        add(prefix + ".columns", "config.duplicate_column", prefix + " has two columns named " + draft.columns[i]);
      }
    }
    for (const auto& row : draft.rows) {
      const Origin at = row_origin(rows_key, row);
      if (row.items.size() != draft.columns.size()) {
        problems_.add(at, "config.invalid_value",
                      "this row of " + prefix + " has " + std::to_string(row.items.size()) +
                          " values, its columns are " + std::to_string(draft.columns.size()),
                      {}, "give a value for each of: " + joined(draft.columns));
        continue;
      }
      if (entity.quoted.empty()) {
        for (const auto& item : row.items) entity.quoted.push_back(!is_number(item));
      }
      std::vector<std::string> texts;
      for (std::size_t i = 0; i < row.items.size(); ++i) {
        const auto& item = row.items[i];
        const bool fits = entity.quoted[i] ? item.kind == TomlValue::Kind::kText : is_number(item);
        texts.push_back(is_number(item) ? number_text(item) : item.text);
        if (!fits || (!entity.quoted[i] && texts.back().empty())) {
          problems_.add(
              row_origin(rows_key, item), "config.wrong_type",
              "column " + draft.columns[i] + " of " + prefix + " holds " + (entity.quoted[i] ? "texts" : "numbers"),
              "found " + item.describe(), "write all values of a column alike");
        } else if (!entity.quoted[i] && digits_of(texts.back()) > kMostDigits) {
          problems_.add(row_origin(rows_key, item), "config.out_of_range",
                        "a number of a catalogue has at most 18 digits", "found " + item.describe());
        } else if (i == 0 && item.kind == TomlValue::Kind::kNumber) {
          problems_.add(row_origin(rows_key, item), "config.wrong_type",
                        "the id of " + prefix + " must be an integer or a text", "found " + item.describe());
        }
      }
      entity.rows.push_back(std::move(texts));
    }
    return entity;
  }

  void check_generator() {
    auto& generator = config_.source.generator;
    std::vector<std::string> names;
    bool found = false;
    for (const auto& [name, drafts] : settings_.catalogues) {
      names.push_back(name);
      for (const auto& draft : drafts) {
        auto entity = checked_entity(name, draft);
        if (name == generator.catalogue) generator.entities.push_back(std::move(entity));
      }
      found = found || name == generator.catalogue;
    }
    if (!found && (!names.empty() || settings_.is_set("source.generator.catalogue"))) {
      const auto near = nearest(generator.catalogue, names);
      add("source.generator.catalogue", "config.invalid_value", "there is no catalogue \"" + generator.catalogue + "\"",
          "the catalogues are: " + joined(names), near.empty() ? std::string() : "did you mean \"" + near + "\"?");
      return;  // every reference to an entity would be reported as well
    }
    mark_key_entity();
    check_generated_fields();
    if (config_.source.kind == SourceKind::kGenerator && missing("source.generator.fields", generator.fields) &&
        !settings_.is_set_below("source.generator.fields")) {
      add("source.generator.fields", "config.missing_key", "source.generator.fields is missing",
          "source.kind is \"generator\"", "say under [source.generator.fields] what an event is made of");
    }
  }

  void mark_key_entity() {
    auto& generator = config_.source.generator;
    const auto& key = settings_.draft.generator_key;
    if (key.empty()) {
      if (generator.clients > 0) {
        add("source.generator.clients", "config.conflict", "source.generator.clients needs source.generator.key",
            "it says how many rows the key entity has", "write key = \"ENTITY\" in [source.generator]");
      }
      return;
    }
    for (auto& entity : generator.entities) {
      if (entity.name != key) continue;
      entity.is_key = true;
      return;
    }
    add("source.generator.key", "config.invalid_value", "there is no entity \"" + key + "\" in the catalogue",
        "its entities are: " + joined(entity_names()));
  }

  std::vector<std::string> entity_names() const {
    std::vector<std::string> names;
    for (const auto& entity : config_.source.generator.entities) names.push_back(entity.name);
    return names;
  }

  // Empty when the column is there (and a number, where one is needed); else what is wrong.
  std::string wrong_attribute(std::string_view entity_name, std::string_view attribute, bool must_be_number) const {
    for (const auto& entity : config_.source.generator.entities) {
      if (entity.name != entity_name) continue;
      if (entity.attributes.empty()) return {};  // its columns are a problem already
      const auto at = std::find(entity.attributes.begin(), entity.attributes.end(), attribute);
      if (at == entity.attributes.end()) {
        return std::string(entity_name) + " has no column \"" + std::string(attribute) +
               "\"; its columns are: " + joined(entity.attributes);
      }
      const auto index = static_cast<std::size_t>(at - entity.attributes.begin());
      if (must_be_number && index < entity.quoted.size() && entity.quoted[index]) {
        return std::string(entity_name) + "." + std::string(attribute) + " is a text, not a number";
      }
      return {};
    }
    return "there is no entity \"" + std::string(entity_name) + "\"; the entities are: " + joined(entity_names());
  }

  std::string wrong_factor(const std::string& factor, std::size_t field_index) const {
    using Kind = GeneratorField::Kind;
    if (const auto dot = factor.find('.'); dot != std::string::npos) {
      return wrong_attribute(factor.substr(0, dot), factor.substr(dot + 1), true);
    }
    const auto& fields = config_.source.generator.fields;
    for (std::size_t i = 0; i < field_index; ++i) {
      if (fields[i].name != factor) continue;
      switch (fields[i].kind) {
        case Kind::kChoice:
        case Kind::kEventTime: return "the field " + factor + " is not a number";
        case Kind::kAttribute: return wrong_attribute(fields[i].entity, fields[i].attribute, true);
        default: return {};
      }
    }
    if (settings_.is_unreadable("source.generator.fields." + factor)) return {};
    return "no field \"" + factor + "\" stands before this one";
  }

  void check_generated_fields() {
    const auto& fields = config_.source.generator.fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const auto& at = settings_.generated_origins[i];
      if (fields[i].kind == GeneratorField::Kind::kAttribute) {
        const auto wrong = wrong_attribute(fields[i].entity, fields[i].attribute, false);
        if (!wrong.empty())
          problems_.add(at, "config.unknown_reference", "the field " + fields[i].name + " cannot be generated", wrong);
      }
      for (const auto& factor : fields[i].factors) {
        const auto wrong = wrong_factor(factor, i);
        if (!wrong.empty())
          problems_.add(at, "config.unknown_reference", "the field " + fields[i].name + " cannot be generated", wrong);
      }
    }
  }

  // --- the event and its table ---

  bool is_reserved(std::string_view name) const {
    return std::any_of(kReservedColumns.begin(), kReservedColumns.end(), [&](auto r) { return same_name(r, name); });
  }

  const Column* column(std::string_view name) const {
    const auto& columns = config_.event.schema.columns;
    const auto at = std::find_if(columns.begin(), columns.end(), [&](const Column& c) { return c.name == name; });
    return at == columns.end() ? nullptr : &*at;
  }

  // Declared, but in a way that is a problem already.
  bool is_broken_column(std::string_view name) const {
    return column(name) == nullptr && settings_.is_unreadable("event.fields." + std::string(name));
  }

  std::vector<std::string> columns_of(const std::vector<TypeKind>& kinds) const {
    std::vector<std::string> names;
    for (const auto& c : config_.event.schema.columns) {
      if (std::find(kinds.begin(), kinds.end(), c.type.kind) != kinds.end()) names.push_back(c.name);
    }
    return names;
  }

  static std::vector<TypeKind> kinds_for(DerivedColumn::Function function) {
    switch (function) {
      case DerivedColumn::Function::kIdentity: return {TypeKind::kVarchar};
      case DerivedColumn::Function::kHour: return {TypeKind::kTimestamp};
      default: return {TypeKind::kTimestamp, TypeKind::kDate};
    }
  }

  void check_fields() {
    const auto& columns = config_.event.schema.columns;
    if (missing("event.fields", columns) && !settings_.is_set_below("event.fields")) {
      add("event.fields", "config.missing_key", "event.fields is missing", "it says which fields an event has",
          "write NAME = \"TYPE\" lines under [event.fields]");
    }
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (is_reserved(columns[i].name)) {
        problems_.add(settings_.column_origins[i], "config.reserved_name",
                      "the field " + columns[i].name + " has the name of a column that Inlet adds",
                      "these say where each row came from", "rename the field where the event is made");
      }
    }
    const auto& time = config_.event.event_time;
    if (time.empty() || is_broken_column(time)) return;
    if (const Column* c = column(time); c == nullptr || c->type.kind != TypeKind::kTimestamp) {
      add("event.event_time", "config.conflict", "event.event_time names no TIMESTAMP field",
          c == nullptr ? "there is no field \"" + time + "\"" : time + " is " + c->type.to_pipeline(),
          "the TIMESTAMP fields are: " + joined(columns_of({TypeKind::kTimestamp})));
    }
  }

  void check_partition_column() {
    constexpr std::string_view kKey = "bronze.partition_by";
    const auto& text = settings_.draft.partition_by;
    if (text.empty()) return;
    auto derived = parse_derived_column(text);
    if (!derived) return problems_.add(settings_.origin_of(kKey), derived.status());
    const auto takes = kinds_for(derived->function);
    const Column* from = column(derived->column);
    const bool fits = from != nullptr && std::find(takes.begin(), takes.end(), from->type.kind) != takes.end();
    if (!fits && !is_broken_column(derived->column)) {
      add(kKey, "config.conflict", "bronze.partition_by cannot be computed from " + derived->column,
          from == nullptr ? "there is no field \"" + derived->column + "\""
                          : from->name + " is " + from->type.to_pipeline(),
          "the fields it can be computed from are: " + joined(columns_of(takes)));
    }
    if (is_reserved(derived->name)) {
      add(kKey, "config.reserved_name", derived->name + " is the name of a column that Inlet adds", {},
          "give the partition column another name");
    }
    for (const auto& c : config_.event.schema.columns) {
      if (same_name(c.name, derived->name)) {
        add(kKey, "config.duplicate_column", "the partition column " + derived->name + " has the name of a field", {},
            "give the partition column another name");
      }
    }
    config_.bronze.partition_by = std::move(*derived);
  }

  void check_tables() {
    auto& bronze = config_.bronze.table;
    auto& quarantine = config_.quarantine.table;
    if (!settings_.is_set("bronze.table")) bronze = "bronze/" + config_.name;
    if (!settings_.is_set("quarantine.table")) quarantine = "quarantine/" + std::string(last_part(bronze));
    for (const auto& [key, name] : {std::pair("bronze.table", bronze), std::pair("quarantine.table", quarantine)}) {
      if (settings_.is_set(key) && !settings_.is_unreadable(key) && !is_table_name(name)) {
        add(key, "config.invalid_value", std::string(key) + " is not the name of a table: \"" + name + "\"", {},
            "write a path below the lake's, such as \"bronze/sales\", of letters, digits, \"_\", \"-\" and \".\"");
      }
    }
    if (settings_.is_set("quarantine.table") && same_name(bronze, quarantine)) {
      add("quarantine.table", "config.conflict", "bronze.table and quarantine.table are the same table");
    }
    for (const auto& [name, value] : config_.bronze.properties) {
      if (const auto status = check_delta_property(name); !status.is_ok()) {
        problems_.add(settings_.origin_of("bronze.properties." + name), status);
      }
    }
  }

  void check_late() {
    auto& late = config_.late;
    if (!settings_.is_set("late.table")) late.table = "late/" + std::string(last_part(config_.bronze.table));
    if (settings_.is_set("late.table") && !settings_.is_unreadable("late.table") && !is_table_name(late.table)) {
      add("late.table", "config.invalid_value", "late.table is not the name of a table: \"" + late.table + "\"", {},
          "write a path below the lake's, such as \"late/sales\", of letters, digits, \"_\", \"-\" and \".\"");
    }
    for (const auto& [other, key] :
         {std::pair(config_.bronze.table, "bronze.table"), std::pair(config_.quarantine.table, "quarantine.table")}) {
      if (settings_.is_set("late.table") && same_name(late.table, other))
        add("late.table", "config.conflict", "late.table and " + std::string(key) + " are the same table");
    }
    if (late.policy == LatePolicy::kDivert && !late.delay && !settings_.is_unreadable("late.delay")) {
      add("late.policy", "config.missing_key", "late.delay is missing", "without it no event is late",
          "write delay = \"1h\" in [late]");
    }
    if (late.delay && missing("event.event_time", config_.event.event_time)) {
      add("late.delay", "config.conflict", "late.delay needs event.event_time", "it is measured in event time",
          "write event_time = \"FIELD\" in [event]");
    }
    if (!late.diverts()) return;
    for (const auto& c : config_.event.schema.columns) check_not_of_late_table(c.name, "event.fields." + c.name);
    if (const auto& derived = config_.bronze.partition_by)
      check_not_of_late_table(derived->name, "bronze.partition_by");
  }

  void check_not_of_late_table(const std::string& name, const std::string& key) {
    if (same_name(name, "max_event_time") || same_name(name, "diverted_at")) {
      add(key, "config.reserved_name", name + " is the name of a column that late events have", {},
          "rename it, or set late.policy = \"apply\"");
    }
  }

  void check_expectations() {
    const auto& all = config_.expectations;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string prefix = "expect[" + std::to_string(i) + "]";
      if (missing(prefix + ".name", all[i].name)) {
        add(prefix, "config.missing_key", "expect[].name is missing", "counts and messages need it",
            "write name = \"...\" below [[expect]]");
      } else if (!all[i].name.empty() && !consists_of(all[i].name, "_-")) {
        add(prefix + ".name", "config.invalid_value", "\"" + all[i].name + "\" cannot be the name of an expectation",
            {}, "use letters, digits, \"_\" and \"-\"");
      }
      if (missing(prefix + ".sql", all[i].sql)) {
        add(prefix, "config.missing_key", "expect[].sql is missing", "it says what is expected",
            "write sql = \"CONDITION\" below [[expect]]");
      }
      const bool is_twice = std::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i),
                                        [&](const auto& other) { return other.name == all[i].name; });
      if (is_twice && !all[i].name.empty()) {
        add(prefix + ".name", "config.duplicate_key", "two expectations are called \"" + all[i].name + "\"");
      }
    }
  }

  void check_views() {
    std::vector<std::pair<std::string, std::string>> tables{{config_.bronze.table, "bronze.table"},
                                                            {config_.quarantine.table, "quarantine.table"},
                                                            {config_.late.table, "late.table"}};
    for (auto& view : config_.views) {
      const std::string prefix = "views." + view.name;
      if (!consists_of(view.name, "_")) {
        add(prefix, "config.invalid_value", "\"" + view.name + "\" cannot be the name of a view", {},
            "use letters, digits and \"_\"");
      }
      if (missing(prefix + ".sql", view.sql)) {
        add(prefix, "config.missing_key", prefix + ".sql is missing", "it says what the view holds",
            "write sql = \"SELECT ... FROM ... GROUP BY ...\" in [" + prefix + "]");
      }
      if (!settings_.is_set(prefix + ".table")) view.table = "silver/" + view.name;
      if (!settings_.is_unreadable(prefix + ".table") && !is_table_name(view.table)) {
        add(prefix + ".table", "config.invalid_value",
            prefix + ".table is not the name of a table: \"" + view.table + "\"", {},
            "write a path below the lake's, such as \"silver/sales\", of letters, digits, \"_\", \"-\" and \".\"");
      }
      const std::string own = prefix + ".table";
      for (const auto& [table, owner] : tables) {
        if (same_name(table, view.table))
          add(own, "config.conflict", std::string(own).append(" and ").append(owner).append(" are the same table"));
      }
      tables.emplace_back(view.table, own);
      if (view.refresh && *view.refresh < kFastestRefresh) {
        add(prefix + ".refresh", "config.out_of_range", prefix + ".refresh must be at least 100ms");
      }
      if (view.seal_after && view.refresh) {
        add(prefix + ".seal_after", "config.conflict", prefix + ".seal_after and .refresh exclude each other",
            "a view that is recomputed keeps no state", "leave one of them out");
      } else if (view.seal_after && view.partition_by.empty()) {
        std::string what = prefix;
        what.append(".seal_after needs ").append(prefix).append(".partition_by");
        add(prefix + ".seal_after", "config.conflict", std::move(what),
            "partitions are sealed by the day, month or hour that they stand for",
            "partition the view by its day, month or hour, or leave seal_after out");
      }
    }
  }

  // What the objective decides where nobody else does.
  void complete_freshness() {
    if (settings_.is_set("bronze.batch_interval")) return;
    config_.bronze.batch_interval = std::max(config_.freshness / 4, std::chrono::milliseconds(1));
  }

  void check_reports() {
    for (const auto& report : config_.reports) {
      if (!missing("reports." + report.name + ".sql", report.sql)) continue;
      add("reports." + report.name, "config.missing_key", "reports." + report.name + ".sql is missing",
          "a report is a question in SQL", "write sql = \"SELECT ...\" in [reports." + report.name + "]");
    }
  }

  // --- the live page ---

  void check_serve() {
    constexpr std::string_view kKey = "serve.listen";
    auto& serve = config_.serve;
    serve.listen_is_set = settings_.is_set(kKey);
    if (settings_.is_unreadable(kKey)) return;
    const auto address = parse_listen_address(serve.listen);
    if (!address) {
      problems_.add(settings_.origin_of(kKey), address.status());
    } else if (serve.enabled && !address->is_loopback && missing("serve.token_file", serve.token_file)) {
      add(kKey, "config.serve_needs_token",
          "serve.listen is reached from other machines and serve.token_file is not set",
          "whoever reaches " + serve.listen + " could read every row of the lake",
          "write token_file = \"FILE\" in [serve] (or --token-file FILE), FILE holding a token of 16 characters or "
          "more; "
          "or listen on 127.0.0.1");
    }
  }

  void check_page() {
    auto& page = config_.page;
    if (page.title.empty()) page.title = config_.name;
    if (!is_language_tag(page.locale)) {
      add("page.locale", "config.invalid_value", "page.locale is not a language tag: \"" + page.locale + "\"", {},
          "write a language and, if need be, a region, such as \"en\" or \"fr-FR\"");
    }
    const bool is_code = page.currency.size() == 3 && std::all_of(page.currency.begin(), page.currency.end(),
                                                                  [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!page.currency.empty() && !is_code) {
      add("page.currency", "config.invalid_value", "page.currency is not a currency: \"" + page.currency + "\"", {},
          "write the three capital letters of ISO 4217, such as \"EUR\", or \"\" for none");
    }
  }

  // Every table that the pipeline writes, as SQL names it.
  std::vector<std::string> tables_in_sql() const {
    std::vector<std::string> names;
    for (const auto& view : config_.views) names.push_back(sql_name_of(view.table));
    for (const auto& table : {config_.bronze.table, config_.quarantine.table, config_.late.table})
      names.push_back(sql_name_of(table));
    return names;
  }

  // `name` becomes the table's own spelling. A problem at `key` when there is no such table.
  void resolve_table(const std::string& key, std::string_view documented, std::string& name) {
    const auto names = tables_in_sql();
    const auto known = std::find_if(names.begin(), names.end(), [&](const auto& n) { return same_name(n, name); });
    if (known != names.end()) {
      name = *known;
      return;
    }
    // The last part alone, or the view's name, is meant as surely as a slip of the pen.
    std::string meant = nearest(name, names);
    for (const auto& candidate : names) {
      if (meant.empty() && same_name(candidate.substr(candidate.find('.') + 1), name)) meant = candidate;
    }
    for (const auto& view : config_.views) {
      if (meant.empty() && same_name(view.name, name)) meant = sql_name_of(view.table);
    }
    add(key, "config.unknown_reference", std::string(documented) + " names no table of this pipeline: \"" + name + "\"",
        "its tables are: " + joined(names), meant.empty() ? std::string() : "did you mean \"" + meant + "\"?");
  }

  void check_filters() {
    auto& all = config_.page.filters;
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto& filter = all[i];
      const std::string prefix = "filter[" + std::to_string(i) + "]";
      if (missing(prefix + ".column", filter.column)) {
        add(prefix, "config.missing_key", "filter[].column is missing", "it says what is filtered by",
            "write column = \"...\" below [[filter]]");
      }
      if (missing(prefix + ".values_from", filter.values_from)) {
        add(prefix, "config.missing_key", "filter[].values_from is missing",
            "the values to choose from are those of a table", "write values_from = \"silver.NAME\" below [[filter]]");
      } else if (!filter.values_from.empty()) {
        resolve_table(prefix + ".values_from", "filter[].values_from", filter.values_from);
      }
      if (filter.title.empty()) filter.title = filter.column;
      if (missing(prefix + ".id", filter.id)) filter.id = filter.column;
      if (filter.id.empty()) continue;
      if (!consists_of(filter.id, "_")) {
        add(prefix + ".id", "config.invalid_value", "\"" + filter.id + "\" cannot be the id of a filter", {},
            "write id = \"...\" of letters, digits and \"_\"");
      }
      const bool is_twice = std::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i),
                                        [&](const auto& other) { return other.id == filter.id; });
      if (is_twice) {
        add(prefix + ".id", "config.duplicate_key", "two filters have the id \"" + filter.id + "\"", {},
            "give one of them another id = \"...\"");
      }
    }
  }

  void check_panels() {
    auto& all = config_.page.panels;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string prefix = "panel[" + std::to_string(i) + "]";
      check_panel_name(prefix, all[i], i);
      check_panel_rows(prefix, all[i]);
      check_panel_filters(prefix, all[i]);
    }
  }

  void check_panel_name(const std::string& prefix, PanelConfig& panel, std::size_t index) {
    if (missing(prefix + ".title", panel.title)) {
      add(prefix, "config.missing_key", "panel[].title is missing", "it stands above the panel",
          "write title = \"...\" below [[panel]]");
    }
    const bool is_derived = missing(prefix + ".id", panel.id);
    if (is_derived) panel.id = panel_id_of(panel.title);
    if (is_derived && panel.id.empty() && !panel.title.empty()) {
      add(prefix + ".title", "config.missing_key", "panel[].id is missing",
          "the title has no letter of a to z and no digit that one could be made of",
          "write id = \"...\" below [[panel]]");
    } else if (!panel.id.empty() && !is_panel_id(panel.id)) {
      add(prefix + ".id", "config.invalid_value", "\"" + panel.id + "\" cannot be the id of a panel", {},
          "use the letters a to z, digits and \"_\"");
    }
    const auto& all = config_.page.panels;
    const auto before = all.begin() + static_cast<std::ptrdiff_t>(index);
    const auto is_before = [&](std::string PanelConfig::*member) {
      return !(panel.*member).empty() &&
             std::any_of(all.begin(), before, [&](const auto& other) { return other.*member == panel.*member; });
    };
    if (is_before(&PanelConfig::title)) {
      add(prefix + ".title", "config.duplicate_key", "two panels have the title \"" + panel.title + "\"");
    } else if (is_before(&PanelConfig::id)) {
      add(is_derived ? prefix + ".title" : prefix + ".id", "config.duplicate_key",
          "two panels have the id \"" + panel.id + "\"", is_derived ? "it is made of the title" : std::string(),
          "give one of them another id = \"...\"");
    }
  }

  void check_panel_rows(const std::string& prefix, PanelConfig& panel) {
    const bool has_no_view = missing(prefix + ".view", panel.view);
    if (has_no_view && missing(prefix + ".sql", panel.sql)) {
      add(prefix, "config.missing_key", "panel[].view and panel[].sql are missing",
          "a panel shows rows of a table or of SQL",
          "write view = \"silver.NAME\" below [[panel]], or sql = \"SELECT ...\"");
    } else if (has_no_view && reads_filtered(panel.sql)) {
      add(prefix + ".sql", "config.missing_key", "panel[].view is missing",
          "`filtered` are the rows of `view` under the filters of the page",
          "write view = \"silver.NAME\" below [[panel]]");
    } else if (!panel.view.empty()) {
      resolve_table(prefix + ".view", "panel[].view", panel.view);
    }
  }

  void check_panel_filters(const std::string& prefix, const PanelConfig& panel) {
    if (!panel.filters) return;
    const std::string key = prefix + ".filters";
    if (!panel.filters->empty() && !panel.sql.empty() && missing(prefix + ".view", panel.view)) {
      add(key, "config.conflict", "panel[].filters needs panel[].view", "filters apply to the rows of a table",
          "write view = \"silver.NAME\" below [[panel]], and read `filtered` in its sql");
    }
    std::vector<std::string> known;
    for (const auto& filter : config_.page.filters) known.push_back(filter.id);
    for (std::size_t i = 0; i < panel.filters->size(); ++i) {
      const auto& id = (*panel.filters)[i];
      if (std::find(known.begin(), known.end(), id) == known.end()) {
        const auto near = nearest(id, known);
        add(key, "config.unknown_reference", "there is no filter \"" + id + "\"", "the filters are: " + joined(known),
            near.empty() ? std::string() : "did you mean \"" + near + "\"?");
      }
      const auto before = panel.filters->begin() + static_cast<std::ptrdiff_t>(i);
      if (std::find(panel.filters->begin(), before, id) != before)
        add(key, "config.duplicate_key", "panel[].filters has \"" + id + "\" twice");
    }
  }

  void check_dimensions() {
    for (auto& dimension : config_.dimensions) {
      const std::string prefix = "dimensions." + dimension.name;
      if (!consists_of(dimension.name, "_")) {
        add(prefix, "config.invalid_value", "\"" + dimension.name + "\" cannot be the name of a dimension", {},
            "use letters, digits and \"_\"");
      }
      if (dimension.path.empty() == dimension.table.empty()) {
        add(prefix, "config.conflict", prefix + " must have a path or a table, one of the two", {},
            "write path = \"countries.csv\", or table = \"silver/countries\"");
      }
      if (!dimension.table.empty() && !is_table_name(dimension.table)) {
        add(prefix + ".table", "config.invalid_value",
            prefix + ".table is not the name of a table: \"" + dimension.table + "\"");
      }
      if (!dimension.path.empty()) {
        std::error_code error;
        const auto beside = std::filesystem::absolute(config_.file, error).parent_path();
        dimension.path = (beside / dimension.path).lexically_normal().string();
      }
    }
  }

  ReadSettings& settings_;
  PipelineConfig& config_;
  ProblemList& problems_;
};

}  // namespace

void ProblemList::add(Origin at, Problem problem) {
  problem.where = at.where;
  entries_.push_back({std::move(at), std::move(problem)});
}

void ProblemList::add(Origin at, std::string id, std::string what, std::string why, std::string fix) {
  add(std::move(at), Problem{std::move(id), std::move(what), {}, std::move(why), std::move(fix)});
}

void ProblemList::add(Origin at, const Status& status) { add(std::move(at), status.detail()); }

std::vector<Problem> ProblemList::sorted() && {
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.at.layer, a.at.line, a.at.column) < std::tie(b.at.layer, b.at.line, b.at.column);
  });
  std::vector<Problem> problems;
  for (auto& entry : entries_) problems.push_back(std::move(entry.problem));
  return problems;
}

Origin ReadSettings::origin_of(std::string_view key) const {
  for (std::string_view name = key;;) {
    if (const auto at = origins.find(name); at != origins.end()) return at->second;
    const auto dot = name.rfind('.');
    if (dot == std::string_view::npos) break;
    name = name.substr(0, dot);
  }
  return Origin{kFileLayer, 1, 1, draft.config.file + ":1:1"};
}

bool ReadSettings::is_unreadable(std::string_view key) const {
  for (auto dot = key.find('.'); dot != std::string_view::npos; dot = key.find('.', dot + 1)) {
    if (unreadable.find(key.substr(0, dot)) != unreadable.end()) return true;
  }
  return unreadable.find(key) != unreadable.end();
}

bool ReadSettings::is_set_below(std::string_view table) const {
  const std::string prefix = std::string(table) + ".";
  const auto at = origins.lower_bound(prefix);
  return at != origins.end() && at->first.starts_with(prefix);
}

void complete_and_check(ReadSettings& settings, ProblemList& problems) { Checker(settings, problems).run(); }

}  // namespace inlet::config
