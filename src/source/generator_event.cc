#include "source/generator_event.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "base/fnv.h"
#include "base/json.h"

namespace inlet::source {
namespace {

using config::GeneratorConfig;
using config::GeneratorEntity;
using config::GeneratorField;

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

/// The finalizer of splitmix64: every bit of the result depends on every bit of the argument.
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31U);
}

/// What a draw is for. Every purpose has a number of its own, so that asking for late events changes no other value.
enum Purpose : std::uint64_t { kDuplicate, kMalformed, kBreakageKind, kLate, kLateness, kFirstEntity = 8 };

constexpr std::uint64_t draw(std::uint64_t state, std::uint64_t purpose) {
  return mix(state + (purpose + 1) * kGolden);
}

/// Uniform in [0, count); count == 0 stands for 2^64. The bias of the multiplication is below count / 2^64.
constexpr std::uint64_t below(std::uint64_t random, std::uint64_t count) {
  if (count == 0) return random;
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(random) * count) >> 64U);
}

/// A share as a bound for the top 53 bits of a draw.
std::uint64_t threshold(double share) { return static_cast<std::uint64_t>(share * 0x1p53); }
constexpr bool hit(std::uint64_t random, std::uint64_t bound) { return (random >> 11U) < bound; }

/// Every 64th event is never a duplicate, so that the event a chain of duplicates repeats is near.
constexpr std::int64_t kLongestChain = 64;

Status invalid(std::string id, std::string what, std::string where) {
  return Status(StatusCode::kInvalidArgument, std::move(id), std::move(what)).at(std::move(where));
}

struct Decimal {
  std::int64_t value = 0;  // in units of 10^-scale
  int scale = 0;
};

/// A JSON number without an exponent.
std::optional<Decimal> parse_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (whole.empty() || (whole.size() > 1 && whole[0] == '0')) return std::nullopt;
  if (point != std::string_view::npos && fraction.empty()) return std::nullopt;
  if (whole.size() + fraction.size() > 18) return std::nullopt;
  Decimal decimal{0, static_cast<int>(fraction.size())};
  for (const auto part : {whole, fraction}) {
    for (const char digit : part) {
      if (digit < '0' || digit > '9') return std::nullopt;
      decimal.value = decimal.value * 10 + (digit - '0');
    }
  }
  if (negative) decimal.value = -decimal.value;
  return decimal;
}

std::optional<std::uint64_t> parse_digits(std::string_view text) {
  if (text.empty() || text.size() > 9) return std::nullopt;
  std::uint64_t value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return value;
}

/// "2026-01-01", "2026-01-01T12:00:00", with ".123456" and "Z" or "+01:00" if wanted; without a zone UTC.
std::optional<std::int64_t> parse_instant(std::string_view text) {
  const auto number = [&](std::size_t at, std::size_t size) {
    return at + size <= text.size() ? parse_digits(text.substr(at, size)) : std::nullopt;
  };
  const auto year = number(0, 4);
  const auto month = number(5, 2);
  const auto day = number(8, 2);
  if (!year || !month || !day || text[4] != '-' || text[7] != '-') return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  std::chrono::sys_time<std::chrono::microseconds> instant = std::chrono::sys_days(date);
  if (text.size() == 10) return instant.time_since_epoch().count();
  const auto hour = number(11, 2);
  const auto minute = number(14, 2);
  const auto second = number(17, 2);
  if ((text[10] != 'T' && text[10] != ' ') || !hour || !minute || !second || text[13] != ':' || text[16] != ':' ||
      *hour > 23 || *minute > 59 || *second > 59) {
    return std::nullopt;
  }
  instant += std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
  text.remove_prefix(19);
  if (text.starts_with('.')) {
    const auto digits = std::min(text.find_first_not_of("0123456789", 1), text.size()) - 1;
    const auto fraction = parse_digits(text.substr(1, digits));
    if (!fraction || digits > 6) return std::nullopt;
    instant += std::chrono::microseconds(*fraction * text::kPowersOfTen[6 - digits]);
    text.remove_prefix(1 + digits);
  }
  if (text.empty() || text == "Z") return instant.time_since_epoch().count();
  const auto zone_hours = number(1, 2);
  const auto zone_minutes = number(4, 2);
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' || !zone_hours || !zone_minutes) {
    return std::nullopt;
  }
  const auto shift = std::chrono::hours(*zone_hours) + std::chrono::minutes(*zone_minutes);
  return (text[0] == '+' ? instant - shift : instant + shift).time_since_epoch().count();
}

/// FNV-1a over parts, each followed by its length so that no two lists of parts look alike.
class ShapeHash {
 public:
  void add(std::string_view part) {
    hash_ = fnv(part, hash_);
    add(static_cast<std::int64_t>(part.size()));
  }
  void add(std::int64_t number) {
    for (unsigned shift = 0; shift < 64; shift += 8)
      hash_ = fnv_step(hash_, (static_cast<std::uint64_t>(number) >> shift) & 0xffU);
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = kFnvOffset;
};

/// A piece of Plan::texts.
struct Piece {
  std::size_t at = 0;
  std::size_t size = 0;
};

struct Entity {
  std::uint64_t rows = 0;       // that events pick from
  std::uint64_t catalogue = 0;  // that stand in the catalogue; rows beyond repeat these
  bool grows = false;           // rows > catalogue
  bool id_is_quoted = false;
  std::int64_t last_id = 0;       // numeric first attribute of the last catalogue row; derived ones count on from it
  std::vector<std::string> keys;  // first attribute per catalogue row
  std::vector<Piece> ids;         // the same as JSON; of a quoted one without the closing quote, to append to
};

/// One number that a product multiplies.
struct Factor {
  std::optional<std::size_t> field;  // an earlier field's value, or else …
  std::size_t entity = 0;            // … an attribute of the row picked:
  bool is_growing_id = false;
  std::vector<std::int64_t> values;  // per catalogue row
};

/// One thing to write. Text that is the same in every event, and field names, stand in front as `prefix`, or are part
/// of the pieces where those are few.
struct Step {
  enum class Kind { kPieceOfRow, kGrowingId, kPieceOfChoice, kSequence, kInteger, kDecimal, kProduct, kEventTime };
  Kind kind = Kind::kSequence;
  Piece prefix;
  std::vector<Piece> pieces;  // kPieceOfRow: per catalogue row; kPieceOfChoice: per choice
  std::size_t entity = 0;     // kPieceOfRow, kGrowingId
  std::size_t field = 0;      // the others
  std::int64_t min = 0;       // kInteger, kDecimal
  std::uint64_t count = 0;    // kInteger, kDecimal: values from min on; 0 = 2^64
  int scale = 0;              // kDecimal, kProduct
  std::vector<Factor> factors;
};

std::string quoted_json(const std::string& text) { return dump_json(Json(text)); }

}  // namespace

struct EventGenerator::Plan {
  std::string source_id;
  std::uint64_t seed = 0;
  std::int32_t partitions = 1;
  std::int64_t start_us = 0;
  std::int64_t interval_us = 0;
  std::int64_t late_by_ms = 0;
  std::uint64_t late = 0;
  std::uint64_t malformed = 0;
  std::uint64_t duplicate = 0;
  std::vector<Entity> entities;
  std::optional<std::size_t> key_entity;
  std::vector<Step> steps;
  std::size_t fields = 0;
  std::string texts;               // everything that is copied, with slack behind it
  std::size_t first_value_at = 0;  // where the first field's value begins in a well-formed event
  std::size_t max_event_bytes = 0;

  std::uint64_t state(std::int32_t partition, std::int64_t number) const {
    const std::uint64_t of_partition = mix(seed + (static_cast<std::uint64_t>(partition) + 1) * 0xd1b54a32d192ed03ULL);
    return mix(of_partition + static_cast<std::uint64_t>(number) * kGolden);
  }

  /// The event whose content event `number` has: itself, unless it is a duplicate.
  std::int64_t original(std::int32_t partition, std::int64_t number) const {
    if (duplicate == 0) return number;
    while (number % kLongestChain != 0 && hit(draw(state(partition, number), kDuplicate), duplicate)) --number;
    return number;
  }

  std::uint64_t pick_row(std::uint64_t state_of_event, std::size_t entity) const {
    return below(draw(state_of_event, kFirstEntity + entity), entities[entity].rows);
  }

  std::int64_t sequence(std::int32_t partition, std::int64_t number) const { return number * partitions + partition; }

  char* append(char* out, Piece piece) const { return text::append_padded(out, texts.data() + piece.at, piece.size); }

  char* write_growing_id(char* out, const Entity& entity, std::uint64_t row, std::uint64_t repeated) const {
    if (row < entity.catalogue) {
      out = append(out, entity.ids[row]);
    } else if (entity.id_is_quoted) {
      out = append(out, entity.ids[repeated]);
      *out++ = '-';
      out = text::write_unsigned(out, row + 1);
    } else {
      return text::write_integer(out, derived_id(entity, row));
    }
    if (entity.id_is_quoted) *out++ = '"';
    return out;
  }

  static std::int64_t derived_id(const Entity& entity, std::uint64_t row) {
    return entity.last_id + static_cast<std::int64_t>(row - entity.catalogue + 1);
  }

  char* break_event(Breakage breakage, char* begin, char* end) const;
};

namespace {

using Plan = EventGenerator::Plan;

/// Turns a description into a Plan, or says what is wrong with it.
class PlanBuilder {
 public:
  explicit PlanBuilder(const GeneratorConfig& config) : config_(config) {}

  Result<Plan> build() {
    INLET_RETURN_IF_ERROR(check_numbers());
    for (const auto& entity : config_.entities) INLET_RETURN_IF_ERROR(add_entity(entity));
    if (config_.fields.empty()) return invalid("generator.no_fields", "a generated event needs a field", "fields");
    plan_.fields = config_.fields.size();
    known_.resize(plan_.fields);
    for (std::size_t i = 0; i < plan_.fields; ++i) INLET_RETURN_IF_ERROR(add_field(i));
    flush_row_group("}");
    plan_.first_value_at = 2 + quoted_json(config_.fields[0].name).size();
    // A breakage replaces the first value by something short; block copies overshoot by less than their slack.
    plan_.max_event_bytes = max_bytes_ + 32 + 2 * text::kCopySlack;
    plan_.texts.append(2 * text::kCopySlack, '\0');
    name_source();
    return std::move(plan_);
  }

 private:
  /// Largest magnitude and the scale of a field that products may use.
  struct Known {
    bool is_number = false;
    int scale = 0;
    __int128 magnitude = 0;
    std::optional<Factor> attribute;  // set for a field that shows an attribute
  };

  Status check_numbers() {
    if (config_.partitions < 1) return invalid("generator.partitions", "needs at least one partition", "partitions");
    if (config_.clients < 0) return invalid("generator.clients", "a count of clients is not negative", "clients");
    if (!(config_.rate >= 0)) return invalid("generator.rate", "a rate is not negative; 0 is unlimited", "rate");
    if (config_.late_by.count() < 0) return invalid("generator.late_by", "late_by is not negative", "late_by");
    if (config_.event_interval.count() < 0) {
      return invalid("generator.event_interval", "event times go forward", "event_interval");
    }
    for (const auto& [name, share] : {std::pair<const char*, double>{"late_share", config_.late_share},
                                      {"malformed_share", config_.malformed_share},
                                      {"duplicate_share", config_.duplicate_share}}) {
      if (!(share >= 0 && share <= 1)) return invalid("generator.share", "a share lies between 0 and 1", name);
    }
    const auto start = parse_instant(config_.start_time);
    if (!start) {
      return invalid("generator.start_time", "'" + config_.start_time + "' is not an ISO-8601 instant", "start_time")
          .fix("write it like 2026-01-01T00:00:00Z");
    }
    plan_.seed = config_.seed;
    plan_.partitions = config_.partitions;
    plan_.start_us = *start;
    plan_.interval_us = config_.event_interval.count();
    plan_.late_by_ms = config_.late_by.count();
    plan_.late = plan_.late_by_ms > 0 ? threshold(config_.late_share) : 0;
    plan_.malformed = threshold(config_.malformed_share);
    plan_.duplicate = threshold(config_.duplicate_share);
    return Status::ok();
  }

  Status add_entity(const GeneratorEntity& source) {
    const std::string where = "entity '" + source.name + "'";
    if (source.attributes.empty()) return invalid("generator.no_attributes", "an entity needs an attribute", where);
    if (source.rows.empty()) return invalid("generator.no_rows", "an entity needs a row in the catalogue", where);
    if (source.quoted.size() != source.attributes.size()) {
      return invalid("generator.attributes", "every attribute is either text or a number", where);
    }
    for (const auto& row : source.rows) {
      if (row.size() == source.attributes.size()) continue;
      return invalid("generator.row_size", "a row has " + std::to_string(row.size()) + " values", where)
          .because("there are " + std::to_string(source.attributes.size()) + " attributes");
    }
    Entity entity;
    entity.catalogue = source.rows.size();
    entity.rows = entity.catalogue;
    if (source.is_key) {
      if (plan_.key_entity) return invalid("generator.two_keys", "only one entity can be the key", where);
      plan_.key_entity = plan_.entities.size();
      if (config_.clients > 0) entity.rows = static_cast<std::uint64_t>(config_.clients);
      entity.grows = entity.rows > entity.catalogue;
      entity.catalogue = std::min(entity.catalogue, entity.rows);
    }
    entity.id_is_quoted = source.quoted[0];
    for (std::size_t row = 0; row < entity.catalogue; ++row) {
      INLET_RETURN_IF_ERROR(check_numeric_values(source, row));
      entity.keys.push_back(source.rows[row][0]);
      std::string id = json_value(source, row, 0);
      if (entity.id_is_quoted) id.pop_back();
      entity.ids.push_back(add_text(id));
    }
    if (entity.grows && !entity.id_is_quoted) {
      const auto last = parse_decimal(entity.keys.back());
      if (!last || last->scale != 0) {
        return invalid("generator.id", "'" + entity.keys.back() + "' is not a whole number to count on from", where);
      }
      entity.last_id = last->value;
    }
    plan_.entities.push_back(std::move(entity));
    return Status::ok();
  }

  Status check_numeric_values(const GeneratorEntity& source, std::size_t row) {
    for (std::size_t i = 0; i < source.attributes.size(); ++i) {
      if (source.quoted[i] || parse_decimal(source.rows[row][i])) continue;
      return invalid("generator.number", "'" + source.rows[row][i] + "' is not a number of at most 18 digits",
                     "entity '" + source.name + "', attribute '" + source.attributes[i] + "'");
    }
    return Status::ok();
  }

  static std::string json_value(const GeneratorEntity& source, std::size_t row, std::size_t attribute) {
    const auto& value = source.rows[row][attribute];
    return source.quoted[attribute] ? quoted_json(value) : value;
  }

  Result<std::pair<std::size_t, std::size_t>> find_attribute(std::string_view entity, std::string_view attribute,
                                                             const std::string& where) const {
    for (std::size_t e = 0; e < config_.entities.size(); ++e) {
      if (config_.entities[e].name != entity) continue;
      const auto& names = config_.entities[e].attributes;
      const auto found = std::find(names.begin(), names.end(), attribute);
      if (found != names.end()) return std::pair{e, static_cast<std::size_t>(found - names.begin())};
      return invalid("generator.unknown_attribute",
                     "entity '" + std::string(entity) + "' has no attribute '" + std::string(attribute) + "'", where);
    }
    return invalid("generator.unknown_entity", "there is no entity '" + std::string(entity) + "'", where);
  }

  Status add_field(std::size_t index) {
    const GeneratorField& field = config_.fields[index];
    const std::string where = "field '" + field.name + "'";
    const std::string name = std::string(index == 0 ? "{" : ",") + quoted_json(field.name) + ":";
    if (field.kind == GeneratorField::Kind::kAttribute) return add_attribute(index, name, where);

    flush_row_group("");
    Step step;
    step.field = index;
    step.prefix = add_text(name);
    Known& known = known_[index];
    switch (field.kind) {
      case GeneratorField::Kind::kSequence: step.kind = Step::Kind::kSequence; break;
      case GeneratorField::Kind::kEventTime: step.kind = Step::Kind::kEventTime; break;
      case GeneratorField::Kind::kUniformInt:
      case GeneratorField::Kind::kUniformDecimal: {
        const bool decimal = field.kind == GeneratorField::Kind::kUniformDecimal;
        if (field.min > field.max) return invalid("generator.range", "min is above max", where);
        if (decimal && (field.scale < 0 || field.scale > 18)) {
          return invalid("generator.scale", "a scale lies between 0 and 18", where);
        }
        step.kind = decimal ? Step::Kind::kDecimal : Step::Kind::kInteger;
        step.min = field.min;
        step.count = static_cast<std::uint64_t>(field.max) - static_cast<std::uint64_t>(field.min) + 1;
        step.scale = decimal ? field.scale : 0;
        known = {true, step.scale, std::max(magnitude(field.min), magnitude(field.max)), std::nullopt};
        break;
      }
      case GeneratorField::Kind::kChoice:
        if (field.choices.empty()) return invalid("generator.no_choices", "nothing to choose from", where);
        step.kind = Step::Kind::kPieceOfChoice;
        for (const auto& choice : field.choices) step.pieces.push_back(add_text(quoted_json(choice)));
        break;
      case GeneratorField::Kind::kProduct:
        step.kind = Step::Kind::kProduct;
        INLET_RETURN_IF_ERROR(add_product(index, step, where));
        break;
      case GeneratorField::Kind::kAttribute: break;  // above
    }
    add_step(std::move(step));
    return Status::ok();
  }

  /// Consecutive attributes of one entity are one piece of text per row, their names included.
  Status add_attribute(std::size_t index, const std::string& name, const std::string& where) {
    const GeneratorField& field = config_.fields[index];
    INLET_ASSIGN_OR_RETURN(const auto place, find_attribute(field.entity, field.attribute, where));
    const auto [entity_index, attribute] = place;
    const GeneratorEntity& source = config_.entities[entity_index];
    const Entity& entity = plan_.entities[entity_index];
    if (!source.quoted[attribute]) known_[index] = know_attribute(entity_index, attribute);

    if (entity.grows && attribute == 0) {
      flush_row_group("");
      Step step;
      step.kind = Step::Kind::kGrowingId;
      step.entity = entity_index;
      step.prefix = add_text(name);
      add_step(std::move(step));
      return Status::ok();
    }
    if (group_.empty() || group_entity_ != entity_index) {
      flush_row_group("");
      group_entity_ = entity_index;
      group_.assign(entity.catalogue, {});
    }
    for (std::size_t row = 0; row < entity.catalogue; ++row) group_[row] += name + json_value(source, row, attribute);
    return Status::ok();
  }

  /// Ends the group of attributes that is open, with `tail` behind it; without one, a `tail` gets a step of its own.
  void flush_row_group(std::string_view tail) {
    if (!group_.empty()) {
      Step step;
      step.kind = Step::Kind::kPieceOfRow;
      step.entity = group_entity_;
      for (auto& piece : group_) step.pieces.push_back(add_text(piece.append(tail)));
      group_.clear();
      add_step(std::move(step));
    } else if (!tail.empty()) {
      Step step;
      step.kind = Step::Kind::kPieceOfChoice;
      step.pieces.push_back(add_text(tail));
      add_step(std::move(step));
    }
  }

  Known know_attribute(std::size_t entity_index, std::size_t attribute) const {
    const GeneratorEntity& source = config_.entities[entity_index];
    const Entity& entity = plan_.entities[entity_index];
    Known known;
    known.is_number = true;
    std::vector<Decimal> values;
    for (std::size_t row = 0; row < entity.catalogue; ++row) {
      values.push_back(parse_decimal(source.rows[row][attribute]).value_or(Decimal{}));
      known.scale = std::max(known.scale, values.back().scale);
    }
    Factor factor;
    factor.entity = entity_index;
    factor.is_growing_id = entity.grows && attribute == 0;
    for (const auto& value : values) {
      // At most 18 digits before, at most 18 more: what does not fit 64 bits is refused through `magnitude`.
      __int128 scaled = value.value;
      for (int i = value.scale; i < known.scale; ++i) scaled *= 10;
      known.magnitude = std::max(known.magnitude, scaled < 0 ? -scaled : scaled);
      factor.values.push_back(static_cast<std::int64_t>(scaled));
    }
    if (factor.is_growing_id) {
      known.magnitude = std::max(known.magnitude, magnitude(entity.last_id) + static_cast<__int128>(entity.rows));
    }
    known.attribute = std::move(factor);
    return known;
  }

  Status add_product(std::size_t index, Step& step, const std::string& where) {
    const GeneratorField& field = config_.fields[index];
    if (field.factors.empty()) return invalid("generator.no_factors", "a product needs a factor", where);
    Known product{true, 0, 1, std::nullopt};
    for (const auto& name : field.factors) {
      Known known;
      std::optional<std::size_t> earlier;
      for (std::size_t i = 0; i < index; ++i) {
        if (config_.fields[i].name == name) earlier = i;
      }
      if (earlier) {
        known = known_[*earlier];
      } else if (const auto dot = name.find('.'); dot != std::string::npos) {
        INLET_ASSIGN_OR_RETURN(const auto place, find_attribute(name.substr(0, dot), name.substr(dot + 1), where));
        if (!config_.entities[place.first].quoted[place.second]) known = know_attribute(place.first, place.second);
      } else {
        return invalid("generator.unknown_factor", "'" + name + "' is no earlier field", where)
            .fix("name a field that stands before, or an attribute as entity.attribute");
      }
      if (!known.is_number) {
        return invalid("generator.factor", "'" + name + "' is not a number with a known range", where);
      }
      Factor factor;
      if (known.attribute) {
        factor = *known.attribute;
      } else {
        factor.field = earlier;
      }
      step.factors.push_back(std::move(factor));
      product.scale += known.scale;
      product.magnitude *= std::max<__int128>(known.magnitude, 1);
      if (product.scale > 18 || product.magnitude > std::numeric_limits<std::int64_t>::max()) {
        return invalid("generator.product", "the product may exceed 64 bits", where);
      }
    }
    step.scale = product.scale;
    known_[index] = product;
    return Status::ok();
  }

  void add_step(Step step) {
    constexpr std::size_t kMaxNumber = text::InstantWriter::kSize + 2;  // the longest that is not a piece: an instant
    std::size_t most = kMaxNumber;
    for (const auto& piece : step.pieces) most = std::max(most, piece.size);
    if (step.kind == Step::Kind::kGrowingId) {
      for (const auto& id : plan_.entities[step.entity].ids) most = std::max(most, id.size + kMaxNumber);
    }
    max_bytes_ += step.prefix.size + most;
    plan_.steps.push_back(std::move(step));
  }

  Piece add_text(std::string_view text) {
    const Piece piece{plan_.texts.size(), text.size()};
    plan_.texts.append(text);
    return piece;
  }

  static __int128 magnitude(std::int64_t value) { return value < 0 ? -static_cast<__int128>(value) : value; }

  void name_source() {
    ShapeHash hash;
    hash.add(std::int64_t{1});  // version of the way events are drawn: another one means other events
    for (const auto& entity : config_.entities) {
      hash.add(entity.name);
      hash.add(std::int64_t{entity.is_key});
      for (const auto& attribute : entity.attributes) hash.add(attribute);
      for (const bool quoted : entity.quoted) hash.add(std::int64_t{quoted});
      for (const auto& row : entity.rows) {
        for (const auto& value : row) hash.add(value);
      }
      hash.add(static_cast<std::int64_t>(entity.rows.size()));
    }
    for (const auto& field : config_.fields) {
      hash.add(field.name);
      hash.add(static_cast<std::int64_t>(field.kind));
      hash.add(field.entity);
      hash.add(field.attribute);
      hash.add(field.min);
      hash.add(field.max);
      hash.add(std::int64_t{field.scale});
      for (const auto& choice : field.choices) hash.add(choice);
      hash.add(static_cast<std::int64_t>(field.choices.size()));
      for (const auto& factor : field.factors) hash.add(factor);
      hash.add(static_cast<std::int64_t>(field.factors.size()));
    }
    hash.add(plan_.start_us);
    hash.add(plan_.interval_us);
    hash.add(static_cast<std::int64_t>(plan_.late));
    hash.add(plan_.late == 0 ? 0 : plan_.late_by_ms);
    hash.add(static_cast<std::int64_t>(plan_.malformed));
    hash.add(static_cast<std::int64_t>(plan_.duplicate));
    const std::uint64_t clients = plan_.key_entity ? plan_.entities[*plan_.key_entity].rows : 0;
    plan_.source_id = "generator:seed=" + std::to_string(config_.seed) +
                      ",partitions=" + std::to_string(config_.partitions) + ",clients=" + std::to_string(clients) +
                      ",catalogue=" + config_.catalogue + ",shape=" + hexadecimal(hash.value());
  }

  const GeneratorConfig& config_;
  Plan plan_;
  std::vector<Known> known_;        // per field
  std::vector<std::string> group_;  // per catalogue row: the text of the attributes collected so far
  std::size_t group_entity_ = 0;
  std::size_t max_bytes_ = 0;
};

}  // namespace

char* EventGenerator::Plan::break_event(Breakage breakage, char* begin, char* end) const {
  if (breakage == Breakage::kEmptyMessage) return begin;
  if (breakage == Breakage::kTruncated) return begin + (end - begin) / 2;

  char* const value = begin + first_value_at;
  char* value_end = value;
  if (*value == '"') {
    for (++value_end; *value_end != '"'; ++value_end) {
      if (*value_end == '\\') ++value_end;
    }
    ++value_end;
  } else {
    while (*value_end != ',' && *value_end != '}') ++value_end;
  }
  char* from = value;
  std::string_view replacement;
  switch (breakage) {
    case Breakage::kWrongType: replacement = R"(["wrong","type"])"; break;
    case Breakage::kNotANumber: replacement = "NaN"; break;
    case Breakage::kInvalidUtf8: replacement = "\"\xc3\x28\xff\""; break;
    default:  // the field itself goes, and the comma behind it
      from = begin + 1;
      if (*value_end == ',') ++value_end;
  }
  std::memmove(from + replacement.size(), value_end, static_cast<std::size_t>(end - value_end));
  if (!replacement.empty()) std::memcpy(from, replacement.data(), replacement.size());
  return end + (from - value_end) + static_cast<std::ptrdiff_t>(replacement.size());
}

Result<EventGenerator> EventGenerator::create(const GeneratorConfig& config) {
  INLET_ASSIGN_OR_RETURN(Plan plan, PlanBuilder(config).build());
  return EventGenerator(std::make_shared<const Plan>(std::move(plan)));
}

EventGenerator::EventGenerator(std::shared_ptr<const Plan> plan)
    : plan_(std::move(plan)),
      rows_(plan_->entities.size()),
      repeats_(plan_->entities.size()),
      numbers_(plan_->fields) {}

const std::string& EventGenerator::source_id() const { return plan_->source_id; }
std::int32_t EventGenerator::partitions() const { return plan_->partitions; }
std::size_t EventGenerator::max_event_bytes() const { return plan_->max_event_bytes; }

char* EventGenerator::write(std::int32_t partition, std::int64_t number, char* const begin) {
  const Plan& plan = *plan_;
  number = plan.original(partition, number);
  const std::uint64_t state = plan.state(partition, number);
  const std::int64_t sequence = plan.sequence(partition, number);
  for (std::size_t e = 0; e < plan.entities.size(); ++e) {
    rows_[e] = plan.pick_row(state, e);
    repeats_[e] = plan.entities[e].grows ? rows_[e] % plan.entities[e].catalogue : rows_[e];
  }
  const std::uint64_t first_field_purpose = kFirstEntity + plan.entities.size();

  char* out = begin;
  for (const Step& step : plan.steps) {
    if (step.prefix.size != 0) out = plan.append(out, step.prefix);
    switch (step.kind) {
      case Step::Kind::kPieceOfRow: out = plan.append(out, step.pieces[repeats_[step.entity]]); break;
      case Step::Kind::kGrowingId:
        out = plan.write_growing_id(out, plan.entities[step.entity], rows_[step.entity], repeats_[step.entity]);
        break;
      case Step::Kind::kPieceOfChoice: {
        const std::uint64_t count = step.pieces.size();
        out =
            plan.append(out, step.pieces[count == 1 ? 0 : below(draw(state, first_field_purpose + step.field), count)]);
        break;
      }
      case Step::Kind::kSequence: out = text::write_integer(out, sequence + 1); break;
      case Step::Kind::kInteger:
      case Step::Kind::kDecimal: {
        const std::uint64_t drawn = below(draw(state, first_field_purpose + step.field), step.count);
        numbers_[step.field] = static_cast<std::int64_t>(static_cast<std::uint64_t>(step.min) + drawn);
        out = text::write_decimal(out, numbers_[step.field], step.scale);
        break;
      }
      case Step::Kind::kProduct: {
        std::int64_t product = 1;
        for (const Factor& factor : step.factors) {
          if (factor.field) {
            product *= numbers_[*factor.field];
          } else if (factor.is_growing_id && rows_[factor.entity] >= plan.entities[factor.entity].catalogue) {
            product *= Plan::derived_id(plan.entities[factor.entity], rows_[factor.entity]);
          } else {
            product *= factor.values[repeats_[factor.entity]];
          }
        }
        numbers_[step.field] = product;
        out = text::write_decimal(out, product, step.scale);
        break;
      }
      case Step::Kind::kEventTime: {
        std::int64_t milliseconds = timestamp_ms(partition, number);
        if (plan.late != 0 && hit(draw(state, kLate), plan.late)) {
          milliseconds -=
              1 + static_cast<std::int64_t>(below(draw(state, kLateness), static_cast<std::uint64_t>(plan.late_by_ms)));
        }
        *out++ = '"';
        out = instant_.write(out, milliseconds);
        *out++ = '"';
        break;
      }
    }
  }
  if (plan.malformed != 0 && hit(draw(state, kMalformed), plan.malformed)) {
    out = plan.break_event(static_cast<Breakage>(below(draw(state, kBreakageKind), kBreakages)), begin, out);
  }
  return out;
}

std::string EventGenerator::event(std::int32_t partition, std::int64_t number) {
  std::string bytes(max_event_bytes(), '\0');
  bytes.resize(static_cast<std::size_t>(write(partition, number, bytes.data()) - bytes.data()));
  return bytes;
}

std::string EventGenerator::key(std::int32_t partition, std::int64_t number) const {
  if (!plan_->key_entity) return {};
  const std::size_t index = *plan_->key_entity;
  const Entity& entity = plan_->entities[index];
  const std::uint64_t row = plan_->pick_row(plan_->state(partition, plan_->original(partition, number)), index);
  if (row < entity.catalogue) return entity.keys[row];
  if (!entity.id_is_quoted) return std::to_string(Plan::derived_id(entity, row));
  return entity.keys[row % entity.catalogue] + "-" + std::to_string(row + 1);
}

std::int64_t EventGenerator::timestamp_ms(std::int32_t partition, std::int64_t number) const {
  const std::int64_t microseconds = plan_->start_us + plan_->sequence(partition, number) * plan_->interval_us;
  return microseconds / 1000 - (microseconds % 1000 < 0 ? 1 : 0);
}

}  // namespace inlet::source
