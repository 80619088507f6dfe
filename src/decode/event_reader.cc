#include "decode/event_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "decode/json_text.h"
#include "decode/number_text.h"

namespace inlet::decode {
namespace {

constexpr std::size_t kShownBytes = 60;  // of a value or a name, in a message
constexpr std::size_t kFieldBytes = 128;
constexpr std::uint32_t kBadKey = FieldIndex::kNone - 1;

// Masks on words are masks on the first bytes in memory, here and in field_index.
static_assert(std::endian::native == std::endian::little);

// A text of at most 12 bytes, as DuckDB keeps it: its length, then its bytes, then zeros. Reads 12 bytes where they are
// there. Put together in registers: a cell written in pieces and then copied as a whole would wait for the store.
inline void set_short_string(duckdb_string_t* cell, std::string_view text, const char* readable_end) {
  std::uint64_t low = 0;
  std::uint32_t high = 0;
  if (readable_end - text.data() >= 12) [[likely]] {
    std::memcpy(&low, text.data(), sizeof(low));
    std::memcpy(&high, text.data() + sizeof(low), sizeof(high));
    if (text.size() < 8) {
      low &= (1ULL << (8 * text.size())) - 1;
      high = 0;
    } else {
      high &= static_cast<std::uint32_t>((1ULL << (8 * (text.size() - 8))) - 1);
    }
  } else {
    char padded[12] = {};
    std::memcpy(padded, text.data(), text.size());
    std::memcpy(&low, padded, sizeof(low));
    std::memcpy(&high, padded + sizeof(low), sizeof(high));
  }
  const std::uint64_t words[2] = {text.size() | low << 32, low >> 32 | static_cast<std::uint64_t>(high) << 32};
  static_assert(sizeof(words) == sizeof(*cell));
  std::memcpy(cell, words, sizeof(words));
}

duckdb_hugeint to_hugeint(Int128 value) {
  duckdb_hugeint huge;
  huge.lower = static_cast<std::uint64_t>(value);
  huge.upper = static_cast<std::int64_t>(value >> 64);
  return huge;
}

}  // namespace

EventReader::EventReader(const config::EventConfig& event, const std::optional<config::DerivedColumn>& derived,
                         TimeZone zone)
    : config_(event),
      fields_(event.schema),
      timestamps_(std::move(zone)),
      label_(derived ? derived->function : config::DerivedColumn::Function::kIdentity) {
  const auto& columns = event.schema.columns;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    sinks_.push_back({column.type.kind, column.type.precision, column.type.scale, column.nullable, 0, nullptr});
    if (column.name == event.event_time && column.type.kind == TypeKind::kTimestamp) event_time_column_ = i;
    if (derived && column.name == derived->column) derived_from_ = i;
  }
}

void EventReader::bind(duck::DataChunk& chunk) {
  chunk_ = &chunk;
  label_written_ = 0;
  for (std::size_t i = 0; i < sinks_.size(); ++i) sinks_[i].data = chunk.values<char>(i);
}

EventReader::Outcome EventReader::read(std::string_view text, std::size_t row, std::int64_t latest_event_time) {
  text_ = text;
  ++event_;
  filled_ = 0;
  fault_.reset();
  event_time_.reset();
  extra_keys_.clear();
  switch (index_.scan(text)) {
    case StructuralIndex::Outcome::kOk: break;
    case StructuralIndex::Outcome::kOutOfMemory: return Outcome::kOutOfMemory;
    case StructuralIndex::Outcome::kEmpty:
      document_fault(RejectReason::kEmpty, text.empty() ? "the message is empty" : "the message is only whitespace");
      return Outcome::kFault;
    case StructuralIndex::Outcome::kInvalidUtf8: invalid_utf8(); return Outcome::kFault;
    case StructuralIndex::Outcome::kUnclosedString:
      document_fault(RejectReason::kInvalidJson, "not JSON: the message ends inside a string");
      return Outcome::kFault;
    case StructuralIndex::Outcome::kControlCharacter:
      document_fault(RejectReason::kInvalidJson, "not JSON: a control character stands unescaped in a string");
      return Outcome::kFault;
    case StructuralIndex::Outcome::kTooLarge:
      document_fault(RejectReason::kTooLarge, "the message has " + std::to_string(text.size()) + " bytes");
      return Outcome::kFault;
  }
  has_escapes_ = std::memchr(text.data(), '\\', text.size()) != nullptr;
  if (walk(row) && complete(row, latest_event_time)) return Outcome::kRow;
  // On machines without vector instructions the scan looks for UTF-8 in strings only; the walk has met the rest.
  if (fault_->reason == RejectReason::kInvalidJson && !is_valid_utf8(text)) invalid_utf8();
  return Outcome::kFault;
}

void EventReader::invalid_utf8() { document_fault(RejectReason::kInvalidUtf8, "the message is not valid UTF-8"); }

bool EventReader::walk(std::size_t row) {
  const char* const text = text_.data();
  const Position end = index_.end();
  Position at = index_.begin();
  if (text[*at] != '{') {
    if (!skip_value(at, 0)) return false;
    if (at != end) return malformed();
    document_fault(RejectReason::kNotAnObject,
                   "found " + describe(*index_.begin(), index_.begin()[1]) + ", expected an object");
    return false;
  }
  ++at;
  if (at != end && text[*at] == '}') return at + 1 == end || malformed();
  std::uint32_t previous = FieldIndex::kNone;
  for (;;) {
    // A key, a colon, a value and what follows it.
    if (end - at < 4) return malformed();
    const std::uint32_t key = at[0];
    const std::uint32_t colon = at[1];
    const std::uint32_t value = at[2];
    if (text[key] != '"' || text[colon] != ':') return malformed();

    const std::uint32_t guess = previous == FieldIndex::kNone ? first_field_ : fields_[previous].next;
    const std::uint32_t found = field_at(key, colon, guess);
    std::int32_t column = Field::kIgnored;
    if (found == kBadKey) [[unlikely]]
      return malformed();
    if (found != FieldIndex::kNone) [[likely]] {
      if (found != guess) (previous == FieldIndex::kNone ? first_field_ : fields_[previous].next) = found;
      Field& field = fields_[found];
      column = field.column;
      previous = found;
      if (field.seen_in == event_) [[unlikely]] {
        duplicate_fault(field.name);
        column = Field::kIgnored;
      }
      field.seen_in = event_;
    }

    at += 2;
    if (column != Field::kIgnored) {
      Sink& sink = sinks_[static_cast<std::size_t>(column)];
      switch (put(sink, static_cast<std::size_t>(column), row, value, at[1])) {
        case Put::kValue:
          sink.filled_in = event_;
          ++filled_;
          ++at;
          break;
        case Put::kNull:
        case Put::kNotFinite: ++at; break;  // the latter is no JSON, but was noted for what it is
        case Put::kRefused:
          if (!skip_value(at, 1)) return false;
          break;
      }
    } else {
      if (config_.unknown_fields == config::UnknownFields::kRefuse && !fault_) {
        const std::string name = found == FieldIndex::kNone ? extra_keys_.back() : fields_[found].name;
        fault_ = Fault{RejectReason::kUnknownField, "the field \"" + excerpt(name, kShownBytes) + "\" is not declared",
                       excerpt(name, kFieldBytes)};
      }
      if (!skip_value(at, 1)) return false;
    }

    if (at == end) return malformed();
    const char separator = text[*at++];
    if (separator == '}') break;
    if (separator != ',') return malformed();
  }
  return at == end || malformed();
}

bool EventReader::complete(std::size_t row, std::int64_t latest_event_time) {
  if (!extra_keys_.empty()) look_for_twins_among_extra_keys();
  if (fault_) return false;
  if (filled_ != sinks_.size()) {
    for (std::size_t i = 0; i < sinks_.size(); ++i) {
      if (sinks_[i].filled_in == event_ || sinks_[i].nullable) continue;
      field_fault(RejectReason::kMissingField, i, "it is required, and absent");
      return false;
    }
  }
  if (event_time_column_ != SIZE_MAX && sinks_[event_time_column_].filled_in == event_) {
    event_time_ = static_cast<const std::int64_t*>(sinks_[event_time_column_].data)[row];
    if (*event_time_ > latest_event_time) {
      const auto seconds = (*event_time_ - latest_event_time) / 1'000'000;
      field_fault(RejectReason::kFutureEvent, event_time_column_,
                  "it is " + std::to_string(seconds) + " s further ahead of the record's time than is tolerated");
      return false;
    }
  }
  if (filled_ != sinks_.size()) {
    for (std::size_t i = 0; i < sinks_.size(); ++i) {
      if (sinks_[i].filled_in != event_) chunk_->set_null(i, row);
    }
  }
  if (derived_from_ != SIZE_MAX) write_derived(row);
  return true;
}

void EventReader::write_derived(std::size_t row) {
  const std::size_t column = sinks_.size();
  const Sink& from = sinks_[derived_from_];
  if (from.filled_in != event_) {
    chunk_->set_null(column, row);
    return;
  }
  auto* const cells = chunk_->values<duckdb_string_t>(column);
  std::string_view text;
  switch (from.kind) {
    case TypeKind::kTimestamp: text = label_.of_micros(static_cast<const std::int64_t*>(from.data)[row]); break;
    case TypeKind::kDate: text = label_.of_days(static_cast<const std::int32_t*>(from.data)[row]); break;
    default: {
      duckdb_string_t cell = static_cast<const duckdb_string_t*>(from.data)[row];
      // What a reader of the table finds: Delta has no empty text in a partition column.
      if (duckdb_string_t_length(cell) == 0) return chunk_->set_null(column, row);
      chunk_->set_string(column, row, {duckdb_string_t_data(&cell), duckdb_string_t_length(cell)});
      return;
    }
  }
  // Rows of one label share one text in the column's memory.
  if (label_written_ != label_.renewals()) {
    chunk_->set_string(column, row, text);
    label_cell_ = cells[row];
    label_written_ = label_.renewals();
  }
  cells[row] = label_cell_;
}

inline std::uint32_t EventReader::field_at(std::uint32_t key, std::uint32_t colon, std::uint32_t guess) {
  const char* const name = text_.data() + key + 1;
  if (key + 17 <= text_.size() && fields_[guess].is_at(name)) [[likely]]
    return guess;
  return find_field(key, colon, guess);
}

// kNone: a key that cannot be remembered; it is the last of extra_keys_.
std::uint32_t EventReader::find_field(std::uint32_t key, std::uint32_t colon, std::uint32_t guess) {
  const auto name = string_value(key, colon);
  if (!name) return kBadKey;
  if (*name == fields_[guess].name) return guess;
  std::uint32_t found = fields_.find(*name);
  if (found == FieldIndex::kNone) found = fields_.remember_ignored(*name);
  if (found == FieldIndex::kNone) extra_keys_.emplace_back(*name);
  return found;
}

void EventReader::look_for_twins_among_extra_keys() {
  std::sort(extra_keys_.begin(), extra_keys_.end());
  const auto twice = std::adjacent_find(extra_keys_.begin(), extra_keys_.end());
  if (twice != extra_keys_.end()) duplicate_fault(*twice);
}

std::string_view EventReader::token(std::uint32_t value, std::uint32_t next) const {
  return without_trailing_space({text_.data() + value, next - value});
}

std::string_view EventReader::string_content(std::uint32_t value, std::uint32_t next) const {
  const std::string_view quoted = token(value, next);
  return quoted.substr(1, quoted.size() - 2);
}

inline std::optional<std::string_view> EventReader::string_value(std::uint32_t value, std::uint32_t next) {
  const std::string_view content = string_content(value, next);
  if (!has_escapes_) [[likely]]
    return content;
  if (content.find('\\') == std::string_view::npos) return content;
  if (!unescape(content, scratch_)) return std::nullopt;
  return scratch_;
}

inline EventReader::Put EventReader::put(Sink& sink, std::size_t column, std::size_t row, std::uint32_t value,
                                         std::uint32_t next) {
  const char first = text_[value];
  switch (sink.kind) {
    case TypeKind::kBigint: {
      std::int64_t number = 0;
      if (read_integer(token(value, next), number) != NumberOutcome::kOk) break;
      sink.set(row, number);
      return Put::kValue;
    }
    case TypeKind::kInt: {
      std::int64_t number = 0;
      if (read_integer(token(value, next), number) != NumberOutcome::kOk) break;
      if (number != static_cast<std::int32_t>(number)) break;
      sink.set(row, static_cast<std::int32_t>(number));
      return Put::kValue;
    }
    case TypeKind::kDouble: {
      double number = 0;
      if (read_double(token(value, next), number) != NumberOutcome::kOk) break;
      sink.set(row, number);
      return Put::kValue;
    }
    case TypeKind::kDecimal: {
      const Put outcome = put_decimal(sink, row, value, next);
      if (outcome != Put::kValue) break;
      return outcome;
    }
    case TypeKind::kVarchar: {
      if (first != '"') break;
      const auto text = string_value(value, next);
      if (!text) break;
      put_string(sink, column, row, *text);
      return Put::kValue;
    }
    case TypeKind::kBoolean: {
      const std::string_view text = token(value, next);
      if (text != "true" && text != "false") break;
      sink.set(row, text == "true");
      return Put::kValue;
    }
    case TypeKind::kDate: {
      std::int32_t days = 0;
      if (first != '"') break;
      const auto text = string_value(value, next);
      if (!text || !read_date(*text, days)) break;
      sink.set(row, days);
      return Put::kValue;
    }
    case TypeKind::kTimestamp: {
      std::int64_t micros = 0;
      if (first == '"') {
        const auto text = string_value(value, next);
        if (!text || !timestamps_.read(*text, micros)) break;
      } else {
        std::int64_t milliseconds = 0;
        if (read_integer(token(value, next), milliseconds) != NumberOutcome::kOk) break;
        if (!TimestampReader::from_milliseconds(milliseconds, micros)) break;
      }
      sink.set(row, micros);
      return Put::kValue;
    }
  }
  return refuse(column, value, next);
}

inline EventReader::Put EventReader::put_decimal(Sink& sink, std::size_t row, std::uint32_t value, std::uint32_t next) {
  std::string_view text;
  if (text_[value] == '"') {
    const auto content = string_value(value, next);
    if (!content) return Put::kRefused;
    text = *content;
  } else {
    text = token(value, next);
  }
  if (sink.precision <= 18) {
    std::int64_t units = 0;
    if (read_short_decimal(text, sink.precision, sink.scale, units) != NumberOutcome::kOk) return Put::kRefused;
    // DuckDB's physical type of a decimal goes by its precision.
    if (sink.precision <= 4) {
      sink.set(row, static_cast<std::int16_t>(units));
    } else if (sink.precision <= 9) {
      sink.set(row, static_cast<std::int32_t>(units));
    } else {
      sink.set(row, units);
    }
    return Put::kValue;
  }
  Int128 units = 0;
  if (read_decimal_slowly(text, sink.precision, sink.scale, units) != NumberOutcome::kOk) return Put::kRefused;
  sink.set(row, to_hugeint(units));
  return Put::kValue;
}

inline void EventReader::put_string(Sink& sink, std::size_t column, std::size_t row, std::string_view text) {
  if (text.size() > 12) {
    chunk_->set_string(column, row, text);
    return;
  }
  const bool inside = text.data() >= text_.data() && text.data() <= text_.data() + text_.size();
  set_short_string(static_cast<duckdb_string_t*>(sink.data) + row, text,
                   inside ? text_.data() + text_.size() : text.data() + text.size());
}

// Off the fast path: the value is null, or is not what the column takes.
EventReader::Put EventReader::refuse(std::size_t column, std::uint32_t value, std::uint32_t next) {
  const ColumnType type = config_.schema.columns[column].type;
  const std::string_view text = token(value, next);
  const char first = text_[value];
  if (text == "null") {
    if (sinks_[column].nullable) return Put::kNull;
    field_fault(RejectReason::kMissingField, column, "it is required, and null");
    return Put::kRefused;
  }
  const bool is_number = is_json_number(text);
  const bool is_numeric_column = type.kind == TypeKind::kBigint || type.kind == TypeKind::kInt ||
                                 type.kind == TypeKind::kDouble || type.kind == TypeKind::kDecimal;
  RejectReason reason = RejectReason::kWrongType;
  std::string found = "found " + describe(value, next);
  std::string expected = "expected " + type.to_pipeline();
  if (is_numeric_column && is_not_finite_literal(text)) {
    field_fault(RejectReason::kNotFinite, column, found + ", " + expected);
    return Put::kNotFinite;
  } else if (type.kind == TypeKind::kDecimal && first == '"') {
    const auto content = string_value(value, next);
    if (content && is_json_number(*content)) {
      reason = RejectReason::kOverflow;
      expected = "which does not fit " + type.to_pipeline();
    }
  } else if (is_numeric_column && is_number) {
    std::int64_t ignored = 0;
    const bool integer_column = type.kind == TypeKind::kBigint || type.kind == TypeKind::kInt;
    if (!integer_column || read_integer(text, ignored) != NumberOutcome::kNotAnInteger) {
      reason = RejectReason::kOverflow;
      expected = "which does not fit " + type.to_pipeline();
    }
  } else if (type.kind == TypeKind::kTimestamp && (first == '"' || is_number)) {
    reason = RejectReason::kBadTimestamp;
    expected = first == '"' ? "expected a timestamp such as 2026-01-31T12:30:00.123Z"
                            : "expected epoch milliseconds between the years 0001 and 9999";
  } else if (type.kind == TypeKind::kDate && first == '"') {
    reason = RejectReason::kBadTimestamp;
    expected = "expected a date such as 2026-01-31";
  }
  field_fault(reason, column, found + ", " + expected);
  return Put::kRefused;
}

std::string EventReader::describe(std::uint32_t value, std::uint32_t next) const {
  switch (text_[value]) {
    case '{': return "an object";
    case '[': return "an array";
    case '"': return "string \"" + excerpt(string_content(value, next), kShownBytes) + "\"";
    default: break;
  }
  const std::string_view text = token(value, next);
  return (is_json_number(text) ? "number " : "") + excerpt(text, kShownBytes);
}

// Iterative: the depth is a count, never the depth of our own stack. `depth`: of what surrounds the value.
bool EventReader::skip_value(Position& at, int depth) {
  const char* const text = text_.data();
  const Position end = index_.end();
  nesting_.clear();
  const auto string_is_valid = [&] { return !has_escapes_ || escapes_are_valid(string_content(*at, at[1])); };
  enum class Expect { kValue, kKey, kSeparator } expect = Expect::kValue;
  do {
    if (at == end) return malformed_at(static_cast<std::uint32_t>(text_.size()), "the message ends too early");
    const std::uint32_t position = *at;
    const char c = text[position];
    if (expect == Expect::kSeparator) {
      const bool in_object = nesting_.back();
      if (c == ',') {
        expect = in_object ? Expect::kKey : Expect::kValue;
      } else if (c == (in_object ? '}' : ']')) {
        nesting_.pop_back();
      } else {
        return malformed_at(position, in_object ? "expected , or }" : "expected , or ]");
      }
      ++at;
    } else if (expect == Expect::kKey) {
      if (c != '"') return malformed_at(position, "expected a key in quotes");
      if (!string_is_valid()) return malformed_at(position, "a wrong escape in a key");
      ++at;
      if (at == end || text[*at] != ':') {
        return malformed_at(at == end ? static_cast<std::uint32_t>(text_.size()) : *at, "expected : behind the key");
      }
      ++at;
      expect = Expect::kValue;
    } else if (c == '{' || c == '[') {
      if (depth + static_cast<int>(nesting_.size()) >= config_.max_depth) {
        document_fault(RejectReason::kTooDeep, "nested deeper than " + std::to_string(config_.max_depth) +
                                                   " levels at byte " + std::to_string(position));
        return false;
      }
      ++at;
      const bool empty = at != end && text[*at] == (c == '{' ? '}' : ']');
      if (empty) {
        ++at;
        expect = Expect::kSeparator;
      } else {
        nesting_.push_back(c == '{');
        expect = c == '{' ? Expect::kKey : Expect::kValue;
      }
    } else {
      if (c == '"') {
        if (!string_is_valid()) return malformed_at(position, "a wrong escape in a string");
      } else if (!scalar_is_valid(position, at[1])) {
        return malformed_at(position, "expected a value");
      }
      ++at;
      expect = Expect::kSeparator;
    }
  } while (!nesting_.empty());
  return true;
}

bool EventReader::scalar_is_valid(std::uint32_t value, std::uint32_t next) {
  const std::string_view text = token(value, next);
  return is_json_number(text) || text == "true" || text == "false" || text == "null";
}

// The walk met something that is no JSON: a second look, by the validation alone, says what and where.
bool EventReader::malformed() {
  Position at = index_.begin();
  if (!skip_value(at, 0)) return false;
  const std::size_t position = at == index_.end() ? text_.size() : *at;
  return malformed_at(static_cast<std::uint32_t>(position), "text follows the value");
}

bool EventReader::malformed_at(std::uint32_t position, std::string_view what) {
  document_fault(RejectReason::kInvalidJson, "not JSON at byte " + std::to_string(position) + ": " + std::string(what));
  return false;
}

void EventReader::document_fault(RejectReason reason, std::string message, std::string field) {
  fault_ = Fault{reason, std::move(message), std::move(field)};
}

void EventReader::duplicate_fault(std::string_view key) {
  if (fault_ && fault_->reason == RejectReason::kDuplicateKey) return;
  document_fault(RejectReason::kDuplicateKey, "the key \"" + excerpt(key, kShownBytes) + "\" occurs twice",
                 excerpt(key, kFieldBytes));
}

void EventReader::field_fault(RejectReason reason, std::size_t column, std::string message) {
  if (fault_) return;
  const std::string& name = config_.schema.columns[column].name;
  fault_ = Fault{reason, "field " + excerpt(name, kFieldBytes) + ": " + std::move(message), excerpt(name, kFieldBytes)};
}

}  // namespace inlet::decode
