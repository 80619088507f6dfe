// What of a pipeline file strangers may see.
#include "config/secrets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "config/keys.h"
#include "config/toml_document.h"
#include "tests/config/loading.h"

namespace inlet::config {
namespace {

constexpr std::string_view kSecret = "hunter2-Zq9";

std::size_t lines_of(std::string_view text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

bool is_among(const std::vector<std::string>& secrets, std::string_view secret) {
  return std::any_of(secrets.begin(), secrets.end(),
                     [&](const auto& s) { return s.find(secret) != std::string::npos; });
}

/// Shown whole, without the secret, line for line, and the secret is known afterwards.
void expect_taken_out(const std::string& text) {
  SCOPED_TRACE(text);
  const auto shown = shown_pipeline(text);
  EXPECT_TRUE(shown.is_whole) << shown.text;
  EXPECT_EQ(shown.text.find(kSecret), std::string::npos) << shown.text;
  EXPECT_EQ(shown.text.find("hunter2"), std::string::npos) << shown.text;
  EXPECT_EQ(lines_of(shown.text), lines_of(text)) << shown.text;
  EXPECT_TRUE(is_among(shown.secrets, "hunter2")) << shown.text;
}

TEST(Secrets, a_shipped_pipeline_is_shown_but_for_its_comments) {
  for (const std::string name : {"ventes.toml", "requests.toml"}) {
    std::ifstream in(std::string(INLET_SOURCE_DIR) + "/pipelines/" + name);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto shown = shown_pipeline(text);
    EXPECT_TRUE(shown.is_whole);
    EXPECT_TRUE(shown.secrets.empty());
    EXPECT_EQ(shown.text.find("<removed>"), std::string::npos);
    EXPECT_EQ(lines_of(shown.text), lines_of(text));
    EXPECT_NE(shown.text.find("[bronze]"), std::string::npos);
    const TemporaryFile file(shown.text);
    EXPECT_TRUE(load_pipeline(file.path(), {}).config.has_value());
  }
}

TEST(Secrets, of_every_kind_of_key_are_taken_out) {
  for (const std::string key :
       {"kafka.sasl.password", "kafka.sasl.username", "kafka.ssl.key.password", "kafka.ssl.key.pem",
        "kafka.ssl.keystore.password", "kafka.sasl.oauthbearer.client.secret", "kafka.sasl.oauthbearer.config",
        "kafka.sasl.jaas.config", "kafka.ssl.certificate.pem", "kafka.sasl.pasword", "kafka.SASL.Password",
        "kafka.nobody.knows", "kafka.sasl.kerberos.kinit.cmd", "password", "token"}) {
    expect_taken_out(with("[source.kafka]\n\"" + key + "\" = \"" + std::string(kSecret) + "\"\n"));
  }
  expect_taken_out(with("[serve]\ntoken = \"hunter2-Zq9\"\n"));
  expect_taken_out(with("[srve]\nlisten = \"hunter2-Zq9\"\n"));
  expect_taken_out(with("[bronze.properties]\n\"delta.access_key\" = \"hunter2-Zq9\"\n"));
  expect_taken_out(with("[reports.one]\nsql = \"SELECT 1\"\npassword = \"hunter2-Zq9\"\n"));
  expect_taken_out(with("[[expect]]\nname = \"a\"\nsql = \"true\"\npassword = \"hunter2-Zq9\"\n"));
}

TEST(Secrets, are_taken_out_however_toml_writes_them) {
  const std::string head = "[source.kafka]\n";
  expect_taken_out(with(head + "\"kafka.sasl.password\" = \"a\\\"hunter2-Zq9\\\\\" # \"x\n"));
  expect_taken_out(with(head + "'kafka.sasl.password' = 'a\"hunter2-Zq9\\'\n"));
  expect_taken_out(
      with(head + "\"kafka.sasl.password\" = \"\"\"\nfirst\n\\\"\"\"hunter2-Zq9\n# no comment\n\"\"\"\"\"\n"));
  expect_taken_out(with(head + "\"kafka.ssl.key.pem\" = '''\n-----\n''hunter2-Zq9''\n-----'''\n"));
  expect_taken_out(with(head + "kafka.sasl.password = \"hunter2-Zq9\"\n"));
  expect_taken_out(with(head + "kafka . \"sasl\" . 'password'=\"hunter2-Zq9\"\n"));
  expect_taken_out(with("[source.kafka.kafka]\nsasl = { mechanism = \"PLAIN\", password = \"hunter2-Zq9\" }\n"));
  expect_taken_out(with("[source.kafka.kafka.sasl]\npassword = \"hunter2-Zq9\"\n"));
  expect_taken_out(with(
      head + "passwords = [ # first\n  \"a-hunter2-Zq9\",\n  ['hunter2-Zq9'], # last\n  { a = \"hunter2-Zq9\" }\n]\n"));
  expect_taken_out(with("source.kafka.kafka.sasl.password = \"hunter2-Zq9\"\n").substr(kMinimal.size()));
  expect_taken_out("source = { kafka = { \"kafka.sasl.password\" = 'hunter2-Zq9', topic = \"t\" } }\n");
}

TEST(Secrets, that_are_numbers_are_taken_out) {
  const auto shown =
      shown_pipeline(with("[source.kafka]\n\"kafka.sasl.password\" = 47114711\n\"kafka.x\" = 2026-01-02 03:04:05\n"));
  EXPECT_TRUE(shown.is_whole);
  EXPECT_EQ(shown.text.find("4711"), std::string::npos);
  EXPECT_EQ(shown.text.find("2026"), std::string::npos);
  EXPECT_TRUE(is_among(shown.secrets, "47114711"));
}

TEST(Secrets, in_comments_go_with_the_comments) {
  const auto shown = shown_pipeline(
      with("# \"kafka.sasl.password\" = \"hunter2-Zq9\"\n[serve] # hunter2-Zq9\nenabled = true # hunter2-Zq9"));
  EXPECT_TRUE(shown.is_whole);
  EXPECT_EQ(shown.text.find("hunter2"), std::string::npos);
  EXPECT_NE(shown.text.find("enabled = true"), std::string::npos);
}

TEST(Secrets, of_addresses_are_taken_out_and_the_address_is_kept) {
  const auto shown =
      shown_pipeline(with("[source.kafka]\nbootstrap_servers = \"sasl://me:hunter2-Zq9@broker:9092,x://u:p@h\"\n"
                          "[dimensions.a]\npath = \"https://h/a.csv?token=hunter2-Zq9&v=1\"\n"));
  EXPECT_TRUE(shown.is_whole);
  EXPECT_EQ(shown.text.find("hunter2"), std::string::npos) << shown.text;
  EXPECT_NE(shown.text.find("://<removed>@"), std::string::npos) << shown.text;
  EXPECT_NE(shown.text.find("https://h/a.csv?token=<removed>&v=1"), std::string::npos) << shown.text;
}

TEST(Secrets, of_brokers_are_taken_out_though_no_scheme_says_that_they_are_addresses) {
  for (const char* const key : {"bootstrap_servers", "\"kafka.bootstrap.servers\"", "kafka.metadata.broker.list"}) {
    for (const std::string value : {"me:hunter2-Zq9@broker:9092", "first:9092,me:hunter2-Zq9@broker:9092",
                                    "a:other-One@first,me:hunter2-Zq9@broker:9092",
                                    "a://first,me:hunter2-Zq9@broker:9092", "first:9092,hunter2-Zq9@broker:9092"}) {
      const auto shown = shown_pipeline(with("[source.kafka]\n" + std::string(key) + " = \"" + value + "\"\n"));
      SCOPED_TRACE(shown.text);
      EXPECT_TRUE(shown.is_whole);
      EXPECT_EQ(shown.text.find("hunter2"), std::string::npos);
      EXPECT_NE(shown.text.find("<removed>@broker:9092"), std::string::npos);
      SecretRemover remover;
      remover.add(shown.secrets);
      EXPECT_EQ(remover("no broker answers at " + value).find("hunter2"), std::string::npos);
      EXPECT_EQ(remover("the password hunter2-Zq9 and other-One").find("hunter2"), std::string::npos);
    }
  }
  const auto plain = shown_pipeline(with("[source.kafka]\nbootstrap_servers = \"a:9092,b:9092\"\n"));
  EXPECT_NE(plain.text.find("\"a:9092,b:9092\""), std::string::npos);
  EXPECT_TRUE(plain.secrets.empty());
  LoadOptions options;
  options.overrides = {{"source.kafka.bootstrap_servers", "me:hunter2-Zq9@broker"}};
  EXPECT_TRUE(is_among(secrets_of(options), "hunter2-Zq9"));
}

TEST(Secrets, harmless_settings_of_librdkafka_are_shown) {
  const auto shown =
      shown_pipeline(with("[source.kafka]\n\"kafka.security.protocol\" = \"SASL_SSL\"\n\"kafka.sasl.mechanism\" = "
                          "\"PLAIN\"\n\"kafka.fetch.min.bytes\" = 7\n"));
  for (const char* const value : {"SASL_SSL", "PLAIN", "= 7"}) EXPECT_NE(shown.text.find(value), std::string::npos);
  EXPECT_TRUE(shown.secrets.empty());
}

TEST(Secrets, a_file_that_is_no_toml_is_shown_without_any_value) {
  for (const std::string broken :
       {"\"kafka.sasl.password\" = hunter2-Zq9\n", "\"kafka.sasl.password\" = \"hunter2-Zq9\n",
        "\"kafka.ssl.key.pem\" = \"\"\"\nhunter2-Zq9\n[hunter2-Zq9]\nhunter2-Zq9 = 1\n", "hunter2-Zq9\n",
        "hunter2-Zq9 = = 1\n", "kafka.hunter2-Zq9 = [\n"}) {
    const auto shown = shown_pipeline(with("[source.kafka]\ntopic = \"visible\"\n" + broken));
    SCOPED_TRACE(shown.text);
    EXPECT_FALSE(shown.is_whole);
    EXPECT_EQ(shown.text.find("hunter2"), std::string::npos);
    EXPECT_EQ(shown.text.find("visible"), std::string::npos);
    EXPECT_NE(shown.text.find("# line 12: source.kafka.topic"), std::string::npos);
  }
}

TEST(Secrets, of_flags_and_variables_are_known) {
  LoadOptions options;
  options.environment = {{"INLET__SOURCE__KAFKA__KAFKA__SASL__PASSWORD", "from-variable"},
                         {"INLET__SOURCE__KAFKA__TOPIC", "a-topic"},
                         {"INLET__SOURCE__KAFKA__BOOTSTRAP_SERVERS", "x://u:in-address@h"},
                         {"INLET__SUORCE__KAFKA", "misspelt"}};
  options.overrides = {{"source.kafka.\"kafka.ssl.key.password\"", "from-flag"}, {"pipeline.name", "a-name"}};
  const auto secrets = secrets_of(options);
  for (const char* const secret : {"from-variable", "in-address", "misspelt", "from-flag"})
    EXPECT_TRUE(is_among(secrets, secret)) << secret;
  EXPECT_FALSE(is_among(secrets, "a-topic"));
  EXPECT_FALSE(is_among(secrets, "a-name"));
}

TEST(Secrets, are_found_in_other_texts_in_json_too_and_line_by_line) {
  SecretRemover remove;
  remove.add("a\"b\\c");
  remove.add("first line\nsecond line\n");
  remove.add("abc");  // too short
  EXPECT_EQ(remove("x a\"b\\c y"), "x <removed> y");
  EXPECT_EQ(remove(R"({"x":"a\"b\\c"})"), R"({"x":"<removed>"})");
  EXPECT_EQ(remove("got second line, abc"), "got <removed>, abc");
  EXPECT_EQ(remove("amqp://u:p@h and password='x y'"), "amqp://<removed>@h and password='<removed>'");
}

/// A value in one of TOML's quotings, with what it means.
struct Written {
  std::string toml;
  std::string meaning;
};

Written random_secret(std::mt19937_64& random) {
  static constexpr std::string_view kPlain = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789";
  static constexpr std::string_view kOdd = "#=[]{},.:/@&; -_+*!?<>|~^%$'\"\\";
  const auto of = [&](std::string_view from) { return from[random() % from.size()]; };
  std::string meaning;
  const auto length = 10 + random() % 30;
  // Begins with what is found nowhere by chance.
  for (int i = 0; i < 8; ++i) meaning += of(kPlain);
  while (meaning.size() < length) meaning += random() % 3 == 0 ? of(kOdd) : of(kPlain);
  meaning += of(kPlain);
  const auto has = [&](char c) { return meaning.find(c) != std::string::npos; };
  switch (random() % 4) {
    case 0:
      if (!has('\'')) return {"'" + meaning + "'", meaning};
      break;
    case 1:
      if (meaning.find("'''") == std::string::npos && meaning.back() != '\'')
        return {"'''\n" + meaning + "\n'''", meaning};
      break;
    default: break;
  }
  std::string escaped;
  for (const char c : meaning) escaped += (c == '"' || c == '\\') ? std::string("\\") + c : std::string(1, c);
  if (random() % 2 == 0) return {"\"\"\"" + escaped + "\"\"\"", meaning};
  return {"\"" + escaped + "\"", meaning};
}

TEST(Secrets, random_secrets_in_random_places_are_never_shown) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::vector<std::string> places = {
      "[source.kafka]\n\"kafka.sasl.password\" = {}\n",
      "[source.kafka]\nkafka.sasl.username = {} # {}\n",
      "[source.kafka.kafka.ssl.key]\npassword={}\n",
      "[source.kafka.kafka.ssl]\nkey.pem = {}\ncertificate.pem = {}\n",
      "[serve]\ntoken = [ {}, [ {} ], { a = {} } ]\n",
      "[unknown.\"a.b\"]\nx = {}\n",
      "[[panel]]\nid = \"a\"\npassword = {}\n",
      "[[nobody]]\nx = {}\n[[nobody]]\nx = {}\n",
      "# {}\n",
      // Not TOML.
      "[source.kafka]\n\"kafka.sasl.password\" = {}\nbroken\n",
      "[source.kafka]\n\"kafka.sasl.password\" = {} {}\n",
  };
  for (int round = 0; round < 400; ++round) {
    std::vector<std::string> meanings;
    std::string text(kMinimal);
    std::vector<std::string> chosen = places;
    std::shuffle(chosen.begin(), chosen.end(), random);
    std::string place = chosen.front();
    for (auto at = place.find("{}"); at != std::string::npos; at = place.find("{}", at)) {
      auto secret = random_secret(random);
      // A comment ends with its line.
      if (place.rfind('#', at) != std::string::npos) std::replace(secret.toml.begin(), secret.toml.end(), '\n', ' ');
      place.replace(at, 2, secret.toml);
      at += secret.toml.size();
      meanings.push_back(secret.meaning);
    }
    text += place;
    const auto shown = shown_pipeline(text);
    for (const auto& meaning : meanings)
      ASSERT_EQ(shown.text.find(meaning.substr(0, 8)), std::string::npos) << text << "\n-- shown --\n" << shown.text;
    if (std::holds_alternative<TomlError>(parse_toml(text))) continue;
    ASSERT_TRUE(shown.is_whole) << text;
    for (const auto& meaning : meanings) {
      if (place.starts_with('#') || place.find("# ") != std::string::npos) continue;
      ASSERT_TRUE(is_among(shown.secrets, meaning)) << text;
    }
  }
}

}  // namespace
}  // namespace inlet::config
