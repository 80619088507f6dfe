#include "config/secrets.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>
#include <variant>

#include "base/format.h"
#include "base/json.h"
#include "base/letter_case.h"
#include "config/key_table.h"
#include "config/keys.h"
#include "config/toml_document.h"

namespace inlet::config {
namespace {

constexpr std::string_view kLibrdkafka = "source.kafka.kafka.";
constexpr std::size_t kShortestSecret = 4;

// Settings of librdkafka, by how their names begin, that say how it works and not who we are.
constexpr std::array<std::string_view, 44> kHarmless = {
    "acks",
    "allow.",
    "api.version.",
    "auto.",
    "batch.",
    "bootstrap.servers",
    "broker.",
    "check.crcs",
    "client.id",
    "client.rack",
    "client.dns.lookup",
    "compression.",
    "connections.",
    "consume.",
    "coordinator.",
    "debug",
    "delivery.",
    "enable.",
    "fetch.",
    "group.",
    "heartbeat.",
    "isolation.level",
    "linger.ms",
    "log.",
    "max.",
    "message.",
    "metadata.",
    "partition.",
    "queue.",
    "queued.",
    "queuing.",
    "receive.",
    "reconnect.",
    "request.",
    "retries",
    "retry.",
    "security.protocol",
    "session.timeout.ms",
    "socket.",
    "ssl.ca.location",
    "ssl.endpoint.identification.algorithm",
    "statistics.",
    "sasl.mechanism",
    "topic.",
};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-'; }
bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

bool names_a_secret(std::string_view name) {
  constexpr std::array<std::string_view, 9> kMarks = {"pass",       "secret",    "token", "credential", "jaas",
                                                      "access_key", "accesskey", "pem",   "username"};
  const std::string lower = lower_case(name);
  return std::any_of(kMarks.begin(), kMarks.end(),
                     [&](std::string_view mark) { return lower.find(mark) != std::string::npos; });
}

// Parameters of an address, and of what else is written NAME=VALUE.
bool is_secret_parameter(std::string_view name) {
  constexpr std::array<std::string_view, 8> kNames = {"pwd",     "sig",     "signature", "apikey",
                                                      "api_key", "api-key", "auth",      "sas"};
  const std::string lower = lower_case(name);
  return names_a_secret(lower) || std::find(kNames.begin(), kNames.end(), lower) != kNames.end();
}

std::string joined(const std::string& prefix, std::string_view part) {
  return prefix.empty() ? std::string(part) : prefix + "." + std::string(part);
}

std::string as_list(const std::string& name) { return is_list_section(name) ? name + "[]" : name; }

// The keys of a report are sql and bar; find_key takes any other for the name of a report.
bool may_be_shown_in(const std::string& table, const std::string& name) {
  constexpr std::string_view kReport = "reports.*";
  const KeySpec* const above = find_key(table);
  const KeySpec* const own = find_key(name);
  if (above != nullptr && own != nullptr && above->name == kReport && own->name == kReport) return false;
  return may_be_shown(name);
}

std::string quoted(std::string_view text) { return dump_json(Json(text)); }  // of TOML's basic strings, JSON's escapes

// Of addresses without "://", as a list of brokers has them.
bool is_list_of_brokers(std::string_view name) {
  return name.ends_with("bootstrap_servers") || name.ends_with("bootstrap.servers") ||
         name.ends_with("metadata.broker.list");
}

// As without_credentials, and of brokers whatever stands before the last @: a password may hold a comma.
std::string shown_text(std::string_view name, std::string_view text, std::vector<std::string>* secrets) {
  std::string clean = without_credentials(text, secrets);
  const auto host = clean.rfind('@');
  if (!is_list_of_brokers(name) || host == std::string::npos || clean.substr(0, host).ends_with(kRemoved)) return clean;
  std::string_view before = std::string_view(clean).substr(0, host);
  if (secrets != nullptr) {
    secrets->emplace_back(before);
    for (std::string_view rest = before; !rest.empty();) {
      const auto one = rest.substr(0, rest.find('@'));
      rest.remove_prefix(std::min(one.size() + 1, rest.size()));
      const auto user = one.substr(one.find_last_of(',') + 1);
      const auto colon = one.find(':');
      if (colon != std::string_view::npos) secrets->emplace_back(one.substr(colon + 1));
      const auto own = user.find(':');
      secrets->emplace_back(own == std::string_view::npos ? user : user.substr(own + 1));
    }
  }
  return std::string(kRemoved) + clean.substr(host);
}

// A text that takes as many lines as `raw` did, so that messages that name a line are right about what is shown.
std::string in_as_many_lines(std::string_view text, std::string_view raw) {
  const auto lines = static_cast<std::size_t>(std::count(raw.begin(), raw.end(), '\n'));
  if (lines == 0) return quoted(text);
  std::string body = quoted(text);
  body = body.substr(1, body.size() - 2);
  return R"(""")" + body + "\\" + std::string(lines, '\n') + R"(""")";
}

// Walks a text that is known to be TOML, and copies what may be shown. It needs to know where values begin and end, not
// what they mean; shown_pipeline checks the outcome against the parser's reading of both texts.
class Rewriter {
 public:
  explicit Rewriter(std::string_view text) : text_(text) {}

  /// nullopt: not understood.
  std::optional<std::string> rewrite(std::vector<std::string>& secrets) {
    secrets_ = &secrets;
    std::string table;
    while (copy_blank(), at_ < text_.size()) {
      if (text_[at_] == '[') {
        table = header();
      } else {
        pair(table);
      }
      if (is_lost_) return std::nullopt;
    }
    return std::move(out_);
  }

 private:
  char next(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void copy(std::size_t count) {
    out_ += text_.substr(at_, count);
    at_ += count;
  }
  void copy_spaces() {
    while (next() == ' ' || next() == '\t') copy(1);
  }
  void copy_blank() {
    for (;;) {
      while (at_ < text_.size() && is_space(text_[at_])) copy(1);
      if (next() != '#') return;
      at_ = std::min(text_.find('\n', at_), text_.size());
    }
  }
  void expect(char c) {
    if (next() == c) {
      copy(1);
    } else {
      is_lost_ = true;
      at_ = text_.size();
    }
  }

  // Where the text that opens at at_ ends.
  std::size_t end_of_text() const {
    const char quote = text_[at_];
    const std::string three(3, quote);
    const bool is_long = text_.substr(at_, 3) == three;
    std::size_t i = at_ + (is_long ? 3 : 1);
    while (i < text_.size()) {
      if (quote == '"' && text_[i] == '\\') {
        i += 2;
      } else if (is_long && text_.substr(i, 3) == three) {
        i += 3;
        while (i < text_.size() && text_[i] == quote) ++i;  // up to two more are the text's own
        return i;
      } else if (!is_long && text_[i] == quote) {
        return i + 1;
      } else {
        ++i;
      }
    }
    return text_.size();
  }

  std::string key_part() {
    if (next() == '"' || next() == '\'') {
      const auto raw = text_.substr(at_, end_of_text() - at_);
      const auto parsed = parse_toml_value(raw);
      copy(raw.size());
      if (const auto* value = std::get_if<TomlValue>(&parsed)) return value->text;
      is_lost_ = true;
      return {};
    }
    std::size_t end = at_;
    while (end < text_.size() && is_word(text_[end])) ++end;
    std::string part(text_.substr(at_, end - at_));
    if (part.empty()) {
      is_lost_ = true;
      at_ = text_.size();
    }
    copy(end > at_ ? end - at_ : 0);
    return part;
  }

  std::string key(std::string name) {
    for (;;) {
      copy_spaces();
      name = joined(name, key_part());
      copy_spaces();
      if (next() != '.' || is_lost_) return name;
      copy(1);
    }
  }

  std::string header() {
    const bool is_list = next(1) == '[';
    copy(is_list ? 2 : 1);
    std::string name = key("");
    expect(']');
    if (is_list) expect(']');
    return is_list ? as_list(name) : name;
  }

  void pair(const std::string& table) {
    const std::string name = key(table);
    expect('=');
    copy_spaces();
    if (!is_lost_) value(table, name);
  }

  void value(const std::string& table, const std::string& name) {
    if (next() == '[') {
      copy(1);
      const std::string item = as_list(name);
      while (copy_blank(), !is_lost_ && next() != ']') {
        value(table, item);
        copy_blank();
        if (next() == ',') copy(1);
        if (at_ >= text_.size()) is_lost_ = true;
      }
      return expect(']');
    }
    if (next() == '{') {
      copy(1);
      while (copy_blank(), !is_lost_ && next() != '}') {
        pair(name);
        copy_blank();
        if (next() == ',') copy(1);
        if (at_ >= text_.size()) is_lost_ = true;
      }
      return expect('}');
    }
    scalar(table, name);
  }

  void scalar(const std::string& table, const std::string& name) {
    const bool is_text = next() == '"' || next() == '\'';
    std::size_t end = is_text ? end_of_text() : std::min(text_.find_first_of(",]}#\n\r", at_), text_.size());
    while (!is_text && end > at_ && is_space(text_[end - 1])) --end;
    const auto raw = text_.substr(at_, end - at_);
    at_ = end;
    const auto parsed = parse_toml_value(raw);
    const auto* const read = std::get_if<TomlValue>(&parsed);
    if (raw.empty() || read == nullptr) {
      is_lost_ = true;
      return;
    }
    if (!may_be_shown_in(table, name)) {
      // A number or a "true" of a key that is not known is found everywhere: it is looked for when the key says what it
      // is.
      if (is_text || names_a_secret(name)) secrets_->push_back(read->text);
      out_ += in_as_many_lines(kRemoved, raw);
      return;
    }
    const std::string clean = is_text ? shown_text(name, read->text, secrets_) : read->text;
    out_ += clean == read->text ? std::string(raw) : in_as_many_lines(clean, raw);
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::string out_;
  bool is_lost_ = false;
  std::vector<std::string>* secrets_ = nullptr;
};

// The proof of the rewriting: the parser finds the same keys in both, and for each value that may not be shown
// kRemoved.
bool shows_no_secret(const TomlValue& original, const TomlValue& shown, const std::string& table,
                     const std::string& name) {
  if (original.kind == TomlValue::Kind::kTable) {
    if (shown.kind != original.kind || shown.entries.size() != original.entries.size()) return false;
    for (std::size_t i = 0; i < original.entries.size(); ++i) {
      const auto& entry = original.entries[i];
      if (entry.key != shown.entries[i].key) return false;
      if (!shows_no_secret(entry.value, shown.entries[i].value, name, joined(name, entry.key))) return false;
    }
    return true;
  }
  if (original.kind == TomlValue::Kind::kList) {
    if (shown.kind != original.kind || shown.items.size() != original.items.size()) return false;
    for (std::size_t i = 0; i < original.items.size(); ++i)
      if (!shows_no_secret(original.items[i], shown.items[i], table, as_list(name))) return false;
    return true;
  }
  if (!may_be_shown_in(table, name)) return shown.text == kRemoved;
  const bool is_text = original.kind == TomlValue::Kind::kText;
  return shown.text == (is_text ? shown_text(name, original.text, nullptr) : original.text);
}

// Whether `name` is a table that Inlet knows, without a name that somebody gave.
bool is_own_section(const std::string& name) {
  const auto keys = key_table();
  return std::any_of(keys.begin(), keys.end(), [&](const KeySpec& spec) {
    return spec.name.starts_with(name + ".") || spec.name.starts_with(name + "[].");
  });
}

// Names of our own table only: in a text whose quotation marks do not match, any line may be part of a secret.
std::string outline(std::string_view text, const TomlError& error) {
  std::string out = "# Not valid TOML at line " + std::to_string(error.position.line) + ", column " +
                    std::to_string(error.position.column) + ": " + error.message +
                    "\n# So that no secret is shown, this is an outline: the keys that are known, and no value.\n";
  std::string table;
  std::size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    std::string line(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    ++number;
    line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
    const std::string place = "# line " + std::to_string(number) + ": ";
    if (line.starts_with('[')) {
      const auto begin = line.find_first_not_of("[ \t");
      const auto end = line.find(']');
      if (begin == std::string::npos || end == std::string::npos || begin >= end) continue;
      table = line.substr(begin, end - begin);
      std::erase_if(table, [](char c) { return is_space(c) || c == '"' || c == '\''; });
      const bool is_list = is_list_section(table);
      const std::string shown = is_own_section(table) ? table : std::string("…");
      out += is_list ? fmt::format("{}[[{}]]\n", place, shown) : fmt::format("{}[{}]\n", place, shown);
      if (is_list) table += "[]";
      continue;
    }
    const auto equals = line.find('=');
    if (line.starts_with('#') || equals == std::string::npos) continue;
    std::string name = line.substr(0, equals);
    std::erase_if(name, [](char c) { return is_space(c) || c == '"' || c == '\''; });
    const KeySpec* const spec = find_key(joined(table, name));
    out += place;
    out += spec != nullptr ? spec->name : std::string_view("…");
    out += '\n';
  }
  return out;
}

}  // namespace

bool may_hold_secret(std::string_view key) {
  constexpr std::array<std::string_view, 7> kMarks = {"password",           "secret",   "key.pem",        "jaas",
                                                      "oauthbearer.config", "username", "certificate.pem"};
  return std::any_of(kMarks.begin(), kMarks.end(),
                     [&](std::string_view mark) { return key.find(mark) != std::string_view::npos; });
}

bool may_be_shown(std::string_view key) {
  const KeySpec* const spec = find_key(key);
  if (spec == nullptr) return false;
  if (key.starts_with(kLibrdkafka)) {
    const auto name = key.substr(kLibrdkafka.size());
    if (may_hold_secret(name) || names_a_secret(name)) return false;
    return std::any_of(kHarmless.begin(), kHarmless.end(), [&](std::string_view known) {
      return known.ends_with('.') ? name.starts_with(known) : name == known || name == std::string(known) + "s";
    });
  }
  return spec->type != KeyType::kVerbatim || !names_a_secret(key);
}

std::string without_credentials(std::string_view text, std::vector<std::string>* secrets) {
  const auto found = [&](std::string_view secret) {
    if (secrets != nullptr && !secret.empty()) secrets->emplace_back(secret);
  };
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text.substr(at, 3) == "://") {
      // The last @ before a space: a password may hold any other character, and an address with another @ in it loses
      // its beginning, no more.
      auto end = at;
      while (end < text.size() && !is_space(text[end])) ++end;
      const auto host = text.substr(0, end).rfind('@');
      if (host != std::string_view::npos && host >= at + 3) {
        const auto user = text.substr(at + 3, host - at - 3);
        found(user);
        if (const auto colon = user.find(':'); colon != std::string_view::npos) found(user.substr(colon + 1));
        out += "://";
        out += kRemoved;
        at = host;
        continue;
      }
    }
    if (text[at] == '=' && at > 0) {
      auto begin = at;
      while (begin > 0 && is_word(text[begin - 1])) --begin;
      auto end = at + 1;
      // Of an address up to the next parameter; of "password='a b'", as JAAS has it, up to the quotation mark.
      const bool is_quoted = end < text.size() && (text[end] == '"' || text[end] == '\'');
      if (is_quoted) {
        end = std::min(text.find(text[end], end + 1), text.size());
      } else {
        while (end < text.size() && !is_space(text[end]) && text[end] != '&' && text[end] != ';') ++end;
      }
      const auto value = text.substr(at + 1 + (is_quoted ? 1 : 0), end - at - 1 - (is_quoted ? 1 : 0));
      if (!value.empty() && value != kRemoved && is_secret_parameter(text.substr(begin, at - begin))) {
        found(value);
        out += is_quoted ? text.substr(at, 2) : text.substr(at, 1);
        out += kRemoved;
        at = end;
        continue;
      }
    }
    out += text[at++];
  }
  return out;
}

ShownPipeline shown_pipeline(std::string_view text) {
  ShownPipeline shown;
  const auto original = parse_toml(text);
  if (const auto* error = std::get_if<TomlError>(&original)) {
    shown.text = outline(text, *error);
    return shown;
  }
  const auto rewritten = Rewriter(text).rewrite(shown.secrets);
  if (rewritten) {
    const auto read = parse_toml(*rewritten);
    const auto* const document = std::get_if<TomlValue>(&read);
    if (document != nullptr && shows_no_secret(std::get<TomlValue>(original), *document, "", "")) {
      shown.text = *rewritten;
      shown.is_whole = true;
      return shown;
    }
  }
  shown.text = outline(text, {"its values could not be told from each other", {}});
  return shown;
}

std::vector<std::string> secrets_of(const LoadOptions& options) {
  std::vector<std::string> secrets;
  const auto look_at = [&](const std::string& key, const std::string& value) {
    if (!may_be_shown(key)) secrets.push_back(value);
    static_cast<void>(shown_text(key, value, &secrets));
  };
  for (const auto& [variable, value] : options.environment) look_at(key_of_variable(variable), value);
  for (const auto& [key, value] : options.overrides) {
    std::string name = key;
    std::erase(name, '"');
    look_at(name, value);
  }
  return secrets;
}

void SecretRemover::add(const std::vector<std::string>& secrets) {
  for (const auto& secret : secrets) add(secret);
}

void SecretRemover::add(std::string_view secret) {
  add_form(secret);
  if (secret.find('\n') == std::string_view::npos) return;
  for (std::string_view rest = secret; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    if (line.size() >= 2 * kShortestSecret) add_form(line);
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
}

void SecretRemover::add_form(std::string_view secret) {
  const auto keep = [&](std::string form) {
    if (form.size() < kShortestSecret || form == kRemoved) return;
    if (std::find(secrets_.begin(), secrets_.end(), form) == secrets_.end()) secrets_.push_back(std::move(form));
  };
  keep(std::string(secret));
  const std::string json = quoted(secret);
  keep(json.substr(1, json.size() - 2));
  std::sort(secrets_.begin(), secrets_.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

std::string SecretRemover::operator()(std::string_view text) const {
  std::string clean(text);
  for (const auto& secret : secrets_) {
    for (auto at = clean.find(secret); at != std::string::npos; at = clean.find(secret, at + kRemoved.size()))
      clean.replace(at, secret.size(), kRemoved);
  }
  return without_credentials(clean);
}

}  // namespace inlet::config
