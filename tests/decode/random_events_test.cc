// Properties over generated events: what is written in any valid way is read back, and what is mutated is taken exactly
// when an independent reader of JSON takes it, with the same values.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "decode/calendar.h"
#include "decode/json_text.h"
#include "decode/structural_index.h"
#include "tests/decode/decoding.h"

namespace inlet::decode {
namespace {

using testing::cell;
using testing::pipeline;
using testing::row_of;
using testing::schema;
using testing::TextBatch;

using Random = std::mt19937_64;

std::uint64_t below(Random& random, std::uint64_t bound) { return random() % bound; }
bool chance(Random& random, int percent) { return below(random, 100) < static_cast<std::uint64_t>(percent); }

std::string spaces(Random& random) {
  std::string text;
  while (chance(random, 20)) text += " \t\n\r"[below(random, 4)];
  return text;
}

void append_utf8(std::uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr std::array kLead{0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[static_cast<std::size_t>(more)] | static_cast<int>(code >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | (code >> (6 * i) & 0x3F));
}

// A text, and one of the ways to write it in JSON.
struct WrittenText {
  std::string text;
  std::string json;
};

WrittenText random_text(Random& random) {
  WrittenText written;
  written.json = "\"";
  const std::uint64_t length = chance(random, 5) ? below(random, 2000) : below(random, 20);
  const auto escape = [&](std::uint32_t unit) {
    char buffer[8];
    std::snprintf(buffer, sizeof(buffer), chance(random, 50) ? "\\u%04x" : "\\u%04X", unit);
    written.json += buffer;
  };
  for (std::uint64_t i = 0; i < length; ++i) {
    std::uint32_t code = 0x20 + static_cast<std::uint32_t>(below(random, 0x5F));
    if (chance(random, 10)) code = static_cast<std::uint32_t>(below(random, 0x110000));
    if (chance(random, 3)) code = static_cast<std::uint32_t>(below(random, 0x20));
    if (code >= 0xD800 && code <= 0xDFFF) code -= 0x800;
    append_utf8(code, written.text);
    if (code < 0x20 || code == '"' || code == '\\' || chance(random, 5)) {
      if (code >= 0x10000) {
        escape(0xD800 + ((code - 0x10000) >> 10));
        escape(0xDC00 + ((code - 0x10000) & 0x3FF));
      } else if (code == '"' || code == '\\' || code == '/') {
        written.json += '\\';
        written.json += static_cast<char>(code);
      } else {
        escape(code);
      }
    } else {
      append_utf8(code, written.json);
    }
  }
  written.json += '"';
  return written;
}

// A value of a type: the cell it must become, and one of the ways to write it.
struct Written {
  std::string cell;
  std::string json;
};

Written random_integer(Random& random, std::int64_t smallest, std::int64_t largest) {
  std::uniform_int_distribution<std::int64_t> any(smallest, largest);
  std::int64_t value = any(random) >> below(random, 60);
  if (chance(random, 5)) value = chance(random, 50) ? smallest : largest;
  return {std::to_string(value), std::to_string(value)};
}

Written random_decimal(Random& random, int precision, int scale) {
  std::string digits;
  const auto count = 1 + below(random, static_cast<std::uint64_t>(precision));
  for (std::uint64_t i = 0; i < count; ++i) digits += static_cast<char>('0' + below(random, 10));
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  const bool negative = chance(random, 50);
  Written written;
  written.cell = (negative && digits != "0" ? "-" : "") + digits;
  // The point goes `point` digits from the right; the exponent makes up for where it should be.
  const int point = chance(random, 70) ? scale : static_cast<int>(below(random, 45));
  std::string padded = digits;
  while (static_cast<int>(padded.size()) <= point) padded.insert(0, "0");
  std::string text = padded.substr(0, padded.size() - static_cast<std::size_t>(point));
  std::string fraction = padded.substr(padded.size() - static_cast<std::size_t>(point));
  if (chance(random, 20)) fraction.append(below(random, 30), '0');
  if (!fraction.empty()) text += "." + fraction;
  if (point != scale) text += (chance(random, 50) ? "e" : "E") + std::to_string(point - scale);
  if (negative) text.insert(0, "-");
  written.json = chance(random, 30) ? "\"" + text + "\"" : text;
  return written;
}

Written random_double(Random& random) {
  double value = 0;
  do {
    const std::uint64_t bits = random();
    std::memcpy(&value, &bits, sizeof(value));
  } while (!(std::abs(value) <= 1.7976931348623157e308));
  char buffer[64];
  const auto shortest = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  Written written{{buffer, shortest}, {buffer, shortest}};
  if (chance(random, 30)) {
    const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific, 20).ptr;
    written.json = {buffer, end};
  }
  return written;
}

std::string date_text(std::int64_t days) {
  const Civil date = civil_from_days(days);
  char buffer[48];
  std::snprintf(buffer, sizeof(buffer), "%04d-%02d-%02d", static_cast<int>(date.year), date.month, date.day);
  return buffer;
}

Written random_date(Random& random) {
  std::uniform_int_distribution<std::int64_t> any(kFirstDay, kLastDay);
  const std::int64_t days = any(random);
  return {std::to_string(days), "\"" + date_text(days) + "\""};
}

Written random_timestamp(Random& random) {
  std::uniform_int_distribution<std::int64_t> any(kFirstMicros + 2 * kMicrosPerDay, kLastMicros - 2 * kMicrosPerDay);
  std::int64_t micros = any(random);
  const auto digits = below(random, 10);
  std::int64_t unit = 1'000'000;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(digits, 6); ++i) unit /= 10;
  micros -= micros - floor_divide(micros, unit) * unit;
  if (chance(random, 15)) {
    micros -= micros - floor_divide(micros, 1000) * 1000;
    return {std::to_string(micros), std::to_string(micros / 1000)};
  }
  const std::int64_t offset_minutes = chance(random, 50) ? 0 : static_cast<std::int64_t>(below(random, 2161)) - 1080;
  const std::int64_t local = floor_divide(micros, 1'000'000) + offset_minutes * 60;
  const std::int64_t day = floor_divide(local, kSecondsPerDay);
  const auto second = static_cast<int>(local - day * kSecondsPerDay);
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), "%c%02d:%02d:%02d", chance(random, 30) ? ' ' : 'T', second / 3600,
                second / 60 % 60, second % 60);
  std::string text = date_text(day) + buffer;
  if (digits > 0) {
    std::snprintf(buffer, sizeof(buffer), "%06d",
                  static_cast<int>(micros - floor_divide(micros, 1'000'000) * 1'000'000));
    std::string fraction = buffer;
    while (fraction.size() < 9) fraction += static_cast<char>('0' + below(random, 10));
    text += "." + fraction.substr(0, digits);
  }
  const auto minutes = static_cast<int>(std::abs(offset_minutes));
  if (offset_minutes == 0) {
    text += chance(random, 50) ? "Z" : chance(random, 50) ? "" : "+00:00";
  } else {
    const char* form = minutes % 60 == 0 && chance(random, 30) ? "%c%02d"
                       : chance(random, 50)                    ? "%c%02d:%02d"
                                                               : "%c%02d%02d";
    std::snprintf(buffer, sizeof(buffer), form, offset_minutes < 0 ? '-' : '+', minutes / 60, minutes % 60);
    text += buffer;
  }
  return {std::to_string(micros), "\"" + text + "\""};
}

Written random_value(Random& random, const ColumnType& type) {
  switch (type.kind) {
    case TypeKind::kBigint: return random_integer(random, INT64_MIN, INT64_MAX);
    case TypeKind::kInt: return random_integer(random, INT32_MIN, INT32_MAX);
    case TypeKind::kDouble: return random_double(random);
    case TypeKind::kDecimal: return random_decimal(random, type.precision, type.scale);
    case TypeKind::kBoolean: return chance(random, 50) ? Written{"true", "true"} : Written{"false", "false"};
    case TypeKind::kDate: return random_date(random);
    case TypeKind::kTimestamp: return random_timestamp(random);
    case TypeKind::kVarchar: break;
  }
  const WrittenText text = random_text(random);
  return {text.text, text.json};
}

std::string random_json(Random& random, int depth) {
  switch (below(random, depth > 4 ? 5 : 7)) {
    case 0: return random_text(random).json;
    case 1: return random_double(random).json;
    case 2: return chance(random, 50) ? "true" : "null";
    case 3: return random_integer(random, INT64_MIN, INT64_MAX).json;
    case 4: return chance(random, 50) ? "[ ]" : "{}";
    case 5: {
      std::string text = "[";
      for (auto i = below(random, 4); i > 0; --i) text += random_json(random, depth + 1) + spaces(random) + ",";
      return text + random_json(random, depth + 1) + spaces(random) + "]";
    }
    default: {
      std::string text = "{";
      for (auto i = below(random, 4); i > 0; --i) {
        text += random_text(random).json + spaces(random) + ":" + random_json(random, depth + 1) + ",";
      }
      return text + "\"last\" :" + spaces(random) + random_json(random, depth + 1) + "}";
    }
  }
}

const Schema& every_type() {
  static const Schema kSchema =
      schema({"big BIGINT", "int INT!", "double DOUBLE", "money DECIMAL(12,2)", "short DECIMAL(4,1)",
              "middle DECIMAL(9,9)", "huge DECIMAL(38,10)", "text VARCHAR!", "flag BOOLEAN", "day DATE",
              "time TIMESTAMP!", "a name that is rather long VARCHAR", "é\"\\ VARCHAR"});
  return kSchema;
}

std::string json_name(Random& random, const std::string& name) {
  std::string json = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x80 && chance(random, 2)) {
      char buffer[8];
      std::snprintf(buffer, sizeof(buffer), "\\u%04x", c);
      json += buffer;
    } else {
      json += c;
    }
  }
  return json + "\"";
}

struct Event {
  std::string json;
  std::vector<std::string> cells;
};

Event random_event(Random& random) {
  const Schema& types = every_type();
  Event event;
  event.cells.assign(types.columns.size(), "NULL");
  std::vector<std::size_t> order(types.columns.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (chance(random, 30)) std::shuffle(order.begin(), order.end(), random);
  std::vector<std::string> members;
  for (const std::size_t i : order) {
    const Column& column = types.columns[i];
    if (column.nullable && chance(random, 10)) continue;
    const std::string key = json_name(random, column.name) + spaces(random) + ":" + spaces(random);
    if (column.nullable && chance(random, 10)) {
      members.push_back(key + "null");
      continue;
    }
    Written value = random_value(random, column.type);
    members.push_back(key + value.json);
    event.cells[i] = value.cell;
  }
  for (int i = 0; chance(random, 20); ++i) {
    members.insert(members.begin() + static_cast<std::ptrdiff_t>(below(random, members.size() + 1)),
                   "\"ignored" + std::to_string(i) + "\":" + random_json(random, 0));
  }
  event.json = spaces(random) + "{";
  for (std::size_t i = 0; i < members.size(); ++i) {
    event.json += (i == 0 ? "" : ",") + spaces(random) + members[i] + spaces(random);
  }
  event.json += "}" + spaces(random);
  return event;
}

TEST(RandomEvents, are_read_back_as_they_were_written) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const auto config = pipeline(every_type());
  Decoder decoder(config);
  for (int round = 0; round < 40; ++round) {
    std::vector<Event> events;
    std::vector<std::string> texts;
    for (int i = 0; i < 500; ++i) {
      events.push_back(random_event(random));
      texts.push_back(events.back().json);
    }
    const TextBatch input(std::move(texts));
    const auto decoded = decoder.decode(input.batch, {});
    ASSERT_TRUE(decoded.is_ok());
    for (const Reject& reject : decoded->rejects) {
      ASSERT_TRUE(false) << to_string(reject.reason) << " " << reject.message << "\n" << reject.raw;
    }
    for (std::size_t i = 0; i < events.size(); ++i) {
      ASSERT_EQ(row_of(*decoded, config, i), events[i].cells) << events[i].json;
    }
  }
}

// RFC 8259, read again in the plainest way: a recursive descent that knows no simdjson. Precondition: valid UTF-8.
class ReferenceGrammar {
 public:
  explicit ReferenceGrammar(std::string_view text) : rest_(text) {}

  bool document() {
    space();
    return value(0) && (space(), rest_.empty());
  }

 private:
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void space() {
    while (!rest_.empty() && std::string_view(" \t\n\r").find(rest_.front()) != std::string_view::npos) {
      rest_.remove_prefix(1);
    }
  }
  bool digits() {
    std::size_t count = 0;
    while (count < rest_.size() && rest_[count] >= '0' && rest_[count] <= '9') ++count;
    rest_.remove_prefix(count);
    return count > 0;
  }
  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      return digits();
    }
    return true;
  }
  int hex4() {
    int unit = 0;
    for (int i = 0; i < 4; ++i) {
      if (rest_.empty()) return -1;
      const auto digit = std::string_view("0123456789abcdef").find(static_cast<char>(std::tolower(rest_.front())));
      if (digit == std::string_view::npos) return -1;
      unit = unit * 16 + static_cast<int>(digit);
      rest_.remove_prefix(1);
    }
    return unit;
  }
  bool string() {
    if (!take('"')) return false;
    while (!take('"')) {
      if (rest_.empty() || static_cast<unsigned char>(rest_.front()) < 0x20) return false;
      if (!take('\\')) {
        rest_.remove_prefix(1);
        continue;
      }
      if (take('u')) {
        const int unit = hex4();
        if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) return false;
        if (unit >= 0xD800 && unit <= 0xDBFF) {
          if (!take('\\') || !take('u')) return false;
          const int low = hex4();
          if (low < 0xDC00 || low > 0xDFFF) return false;
        }
        continue;
      }
      if (rest_.empty() || std::string_view("\"\\/bfnrt").find(rest_.front()) == std::string_view::npos) return false;
      rest_.remove_prefix(1);
    }
    return true;
  }
  bool members(char close, int depth, bool keyed) {
    space();
    if (take(close)) return true;
    do {
      space();
      if (keyed && !(string() && (space(), take(':')))) return false;
      space();
      if (!value(depth + 1)) return false;
      space();
    } while (take(','));
    return take(close);
  }
  bool value(int depth) {
    if (rest_.empty() || depth > 2000) return false;
    if (rest_.front() == '"') return string();
    if (take('{')) return members('}', depth, true);
    if (take('[')) return members(']', depth, false);
    return take("true") || take("false") || take("null") || number();
  }

  std::string_view rest_;
};

// What the decoder should say of a document, by simdjson's DOM: the row, or the class of what is wrong.
std::string by_dom(simdjson::dom::parser& parser, const std::string& text) {
  simdjson::dom::element root;
  if (parser.parse(text).get(root) != simdjson::SUCCESS) return "refused";
  simdjson::dom::object object;
  if (root.get_object().get(object) != simdjson::SUCCESS) return "not_an_object";
  std::vector<std::string> keys;
  for (const auto& [key, value] : object) keys.emplace_back(key);
  std::sort(keys.begin(), keys.end());
  if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) return "duplicate_key";

  std::vector<std::string> row;
  bool wrong = false;
  const auto put = [&](std::string_view name, const std::function<bool(simdjson::dom::element, std::string&)>& read) {
    simdjson::dom::element value;
    row.emplace_back("NULL");
    if (object.at_key(name).get(value) != simdjson::SUCCESS || value.is_null()) return;
    wrong |= !read(value, row.back());
  };
  put("big", [](simdjson::dom::element value, std::string& out) {
    std::int64_t number = 0;
    if (value.type() != simdjson::dom::element_type::INT64 || value.get(number) != simdjson::SUCCESS) return false;
    out = std::to_string(number);
    return true;
  });
  put("double", [](simdjson::dom::element value, std::string& out) {
    double number = 0;
    if (value.get_double().get(number) != simdjson::SUCCESS) return false;
    char buffer[64];
    out = {buffer, std::to_chars(buffer, buffer + sizeof(buffer), number).ptr};
    // Minus zero written as an integer has lost its sign in the DOM.
    return true;
  });
  put("text", [](simdjson::dom::element value, std::string& out) {
    std::string_view content;
    if (value.get_string().get(content) != simdjson::SUCCESS) return false;
    out = content;
    return true;
  });
  put("flag", [](simdjson::dom::element value, std::string& out) {
    bool flag = false;
    if (value.get_bool().get(flag) != simdjson::SUCCESS) return false;
    out = flag ? "true" : "false";
    return true;
  });
  if (wrong) return "field";
  std::string line = "row";
  for (const std::string& value : row) line += "|" + value;
  return line;
}

std::string without_minus_zero(std::string line) {
  for (auto at = line.find("|-0|"); at != std::string::npos; at = line.find("|-0|")) line.erase(at + 1, 1);
  return line;
}

std::string mutated(Random& random, std::string text) {
  constexpr std::string_view kSpecial = "{}[]:,\"\\ \n\t0123456789eE+-.truefalsn\x0c\x1a";
  const auto changes = 1 + below(random, 3);
  for (std::uint64_t i = 0; i < changes && !text.empty(); ++i) {
    const std::size_t at = below(random, text.size());
    switch (below(random, 7)) {
      case 0: text[at] = static_cast<char>(text[at] ^ (1 << below(random, 8))); break;
      case 1: text.resize(at); break;
      case 2: text.erase(at, 1 + below(random, 3)); break;
      case 3: text.insert(at, 1, kSpecial[below(random, kSpecial.size())]); break;
      case 4: text[at] = kSpecial[below(random, kSpecial.size())]; break;
      case 5: text.insert(at, text.substr(below(random, text.size()), below(random, 12))); break;
      default: std::swap(text[at], text[below(random, text.size())]); break;
    }
  }
  return text;
}

TEST(MutatedEvents, are_taken_exactly_when_the_dom_and_the_grammar_take_them) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  auto config = pipeline(schema({"big BIGINT", "double DOUBLE", "text VARCHAR", "flag BOOLEAN"}));
  config.event.max_depth = 1000;
  Decoder decoder(config);
  simdjson::dom::parser parser;
  std::array<int, 4> seen{};  // rows, field faults, document faults, disagreements that are explained
  for (int round = 0; round < 60'000; ++round) {
    const auto typed = [&](const std::string& right) { return chance(random, 2) ? random_json(random, 0) : right; };
    std::string original =
        "{" + spaces(random) + "\"big\":" + typed(random_integer(random, INT64_MIN, INT64_MAX).json) +
        ",\"double\" : " + typed(random_double(random).json) + spaces(random) +
        ",\"text\":" + typed(random_text(random).json) + ",\"flag\":" + typed(chance(random, 50) ? "true" : "null");
    if (chance(random, 40)) original += ",\"other\":" + random_json(random, 0);
    const std::string text = mutated(random, original + spaces(random) + "}");
    if (text.empty()) continue;

    const TextBatch input({text});
    const auto decoded = decoder.decode(input.batch, {});
    ASSERT_TRUE(decoded.is_ok());
    ASSERT_EQ(decoded->chunk.rows() + decoded->rejects.size(), 1U);
    std::string ours = "row";
    if (decoded->rejects.empty()) {
      for (const std::string& value : row_of(*decoded, config, 0)) ours += "|" + value;
    } else {
      ours = to_string(decoded->rejects[0].reason);
      ASSERT_TRUE(is_valid_utf8(decoded->rejects[0].message));
      ASSERT_LT(decoded->rejects[0].message.size(), 500U);
    }
    const bool field_fault = ours == "wrong_type" || ours == "overflow";
    const bool refused = ours == "invalid_json" || ours == "invalid_utf8" || ours == "empty" || ours == "not_finite";

    // Against the grammar, without exception.
    const bool valid = is_valid_utf8(text) && ReferenceGrammar(text).document();
    ASSERT_EQ(!refused, valid) << ours << "\n" << text;

    // Against the DOM, which knows fewer numbers (none beyond 64 bits or a double) and takes half a surrogate pair.
    const std::string theirs = by_dom(parser, text);
    if (theirs == "refused" && !refused) {
      simdjson::dom::element ignored;
      const auto error = parser.parse(text).get(ignored);
      ASSERT_EQ(error, simdjson::NUMBER_ERROR) << ours << "\n" << text;
      ++seen[3];
    } else if (refused) {
      if (theirs != "refused") {
        ASSERT_NE(text.find("\\u"), std::string::npos) << theirs << "\n" << text;
        ++seen[3];
      }
      ++seen[2];
    } else if (field_fault) {
      ASSERT_EQ(theirs, "field") << ours << "\n" << text;
      ++seen[1];
    } else if (ours.starts_with("row")) {
      ASSERT_EQ(without_minus_zero(ours), without_minus_zero(theirs)) << text;
      ++seen[0];
    } else {
      ASSERT_EQ(ours, theirs) << text;
    }
  }
  EXPECT_GT(seen[0], 5'000);
  EXPECT_GT(seen[1], 200);
  EXPECT_GT(seen[2], 5'000);
}

TEST(MutatedEvents, never_break_a_decoder_of_every_type) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  auto config = pipeline(every_type());
  config.event.event_time = "time";
  config.bronze.partition_by = config::DerivedColumn{"hour", config::DerivedColumn::Function::kHour, "time"};
  config.quarantine.max_raw_bytes = 100;
  Decoder decoder(config);
  std::size_t rows = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> texts;
    for (int i = 0; i < 500; ++i) {
      const Event event = random_event(random);
      texts.push_back(i % 4 == 0 ? event.json : mutated(random, event.json));
    }
    const TextBatch input(texts);
    const auto decoded = decoder.decode(input.batch, {});
    ASSERT_TRUE(decoded.is_ok());
    ASSERT_EQ(decoded->chunk.rows() + decoded->rejects.size(), texts.size());
    rows += decoded->chunk.rows();
    // Whatever else is in the batch, a record is decoded as it is alone.
    const std::size_t one = below(random, texts.size());
    const TextBatch alone({texts[one]}, static_cast<std::int64_t>(one));
    const auto again = Decoder(config).decode(alone.batch, {});
    ASSERT_TRUE(again.is_ok());
    const Schema all = Decoder::chunk_schema(config);
    const auto reject = std::find_if(decoded->rejects.begin(), decoded->rejects.end(),
                                     [&](const Reject& r) { return r.offset.value == static_cast<std::int64_t>(one); });
    if (reject == decoded->rejects.end()) {
      std::size_t row = 0;
      while (cell(decoded->chunk, all, all.columns.size() - 2, row) != std::to_string(one)) ++row;
      ASSERT_EQ(again->chunk.rows(), 1U) << texts[one];
      ASSERT_EQ(row_of(*decoded, config, row), row_of(*again, config, 0)) << texts[one];
    } else {
      ASSERT_EQ(again->rejects.size(), 1U) << texts[one];
      ASSERT_EQ(again->rejects[0].message, reject->message) << texts[one];
      ASSERT_EQ(again->rejects[0].raw, reject->raw);
    }
  }
  EXPECT_GT(rows, 1000U);
}

}  // namespace
}  // namespace inlet::decode
