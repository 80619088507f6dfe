#include "source/generator_event.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <set>

#include "base/json.h"
#include "source/generator_text.h"
#include "tests/source/generator_sales.h"

namespace inlet::source {
namespace {

using testing::sales;

EventGenerator generator_of(const config::GeneratorConfig& config) {
  auto generator = EventGenerator::create(config);
  EXPECT_TRUE(generator.is_ok()) << generator.status().to_line();
  return std::move(generator).value();
}

std::string error_of(const config::GeneratorConfig& config) {
  const auto generator = EventGenerator::create(config);
  return generator.is_ok() ? "" : generator.status().detail().id;
}

TEST(GeneratorText, writes_integers_as_the_standard_library_does) {
  std::mt19937_64 random(1);
  std::vector<std::int64_t> values{0,
                                   1,
                                   -1,
                                   9,
                                   10,
                                   99,
                                   100,
                                   999,
                                   1000,
                                   9999,
                                   -100,
                                   10000,
                                   99999,
                                   100000,
                                   std::numeric_limits<std::int64_t>::max(),
                                   std::numeric_limits<std::int64_t>::min()};
  for (int i = 0; i < 20'000; ++i) values.push_back(static_cast<std::int64_t>(random() >> (random() % 64)));
  for (const auto value : values) {
    char buffer[32];
    EXPECT_EQ(std::string(buffer, text::write_integer(buffer, value)), std::to_string(value));
  }
}

TEST(GeneratorText, writes_decimals_with_every_digit_of_the_scale) {
  const auto written = [](std::int64_t value, int scale) {
    char buffer[32];
    return std::string(buffer, text::write_decimal(buffer, value, scale));
  };
  EXPECT_EQ(written(389997, 2), "3899.97");
  EXPECT_EQ(written(5, 2), "0.05");
  EXPECT_EQ(written(-5, 2), "-0.05");
  EXPECT_EQ(written(-1200, 3), "-1.200");
  EXPECT_EQ(written(7, 0), "7");
  EXPECT_EQ(written(1, 18), "0.000000000000000001");
  EXPECT_EQ(written(std::numeric_limits<std::int64_t>::min(), 18), "-9.223372036854775808");
}

TEST(GeneratorText, writes_instants_across_seconds_days_and_leap_days_in_any_order) {
  text::InstantWriter writer;
  const auto written = [&](std::int64_t milliseconds) {
    char buffer[32];
    return std::string(buffer, writer.write(buffer, milliseconds));
  };
  EXPECT_EQ(written(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(written(1), "1970-01-01T00:00:00.001Z");
  EXPECT_EQ(written(1'709'164'799'999), "2024-02-28T23:59:59.999Z");
  EXPECT_EQ(written(1'709'164'800'000), "2024-02-29T00:00:00.000Z");
  EXPECT_EQ(written(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(written(1'709'164'800'000), "2024-02-29T00:00:00.000Z");
}

TEST(EventGenerator, bytes_of_seed_1_are_stable) {
  auto generator = generator_of(sales());
  EXPECT_EQ(generator.event(0, 0),
            R"({"vente_id":1,"client_id":1,"produit_id":106,"timestamp":"2026-01-01T00:00:00.000Z","quantite":5,)"
            R"("montant":745.00,"client_nom":"Alice Martin","produit_nom":"Enceinte","categorie":"Son",)"
            R"("pays":"France","segment":"Premium","canal":"web"})");
  EXPECT_EQ(generator.event(1, 0),
            R"({"vente_id":2,"client_id":3,"produit_id":106,"timestamp":"2026-01-01T00:00:00.001Z","quantite":3,)"
            R"("montant":447.00,"client_nom":"Chiara\\Rossi","produit_nom":"Enceinte","categorie":"Son",)"
            R"("pays":"Italie","segment":"Standard","canal":"web"})");
  EXPECT_EQ(generator.event(1, 123'456'789),
            R"({"vente_id":246913580,"client_id":2,"produit_id":103,"timestamp":"2026-01-03T20:35:13.579Z",)"
            R"("quantite":1,"montant":349.00,"client_nom":"Björn \"B\" Åberg","produit_nom":"Bureau",)"
            R"("categorie":"Mobilier","pays":"Suède","segment":"Standard","canal":"web"})");
  EXPECT_EQ(generator.source_id(), "generator:seed=1,partitions=2,clients=5,catalogue=small,shape=5d76474341e7ee48");
}

TEST(EventGenerator, an_event_is_the_same_whatever_was_written_before_it) {
  auto config = sales();
  config.late_share = 0.2;
  config.malformed_share = 0.1;
  config.duplicate_share = 0.3;
  auto in_order = generator_of(config);
  std::map<std::pair<std::int32_t, std::int64_t>, std::string> expected;
  for (std::int32_t p = 0; p < 2; ++p) {
    for (std::int64_t n = 0; n < 3000; ++n) expected[{p, n}] = in_order.event(p, n);
  }
  auto other = generator_of(config);
  std::mt19937_64 random(7);
  for (int i = 0; i < 5000; ++i) {
    const auto p = static_cast<std::int32_t>(random() % 2);
    const auto n = static_cast<std::int64_t>(random() % 3000);
    const auto expected_event = expected[{p, n}];
    ASSERT_EQ(other.event(p, n), expected_event) << p << "/" << n;
  }
}

TEST(EventGenerator, seeds_and_partitions_give_different_events) {
  auto config = sales();
  auto one = generator_of(config);
  config.seed = 2;
  auto two = generator_of(config);
  int equal = 0;
  for (std::int64_t n = 0; n < 100; ++n) equal += one.event(0, n) == two.event(0, n) ? 1 : 0;
  EXPECT_LT(equal, 5);
  EXPECT_NE(one.source_id(), two.source_id());
}

TEST(EventGenerator, events_are_json_whose_values_agree_with_each_other) {
  auto generator = generator_of(sales());
  std::size_t bytes = 0;
  for (std::int64_t n = 0; n < 2000; ++n) {
    const std::string event = generator.event(1, n);
    bytes += event.size();
    const auto json = parse_json(event);
    ASSERT_TRUE(json.is_ok()) << event;
    EXPECT_EQ(json->at("vente_id"), n * 2 + 1 + 1);
    EXPECT_EQ(std::to_string(json->at("client_id").get<int>()), generator.key(1, n));
    const auto cents =
        std::map<int, int>{{101, 129999}, {102, 2450}, {103, 34900}, {104, 3990}, {105, 8999}, {106, 14900}}.at(
            json->at("produit_id").get<int>()) *
        json->at("quantite").get<int>();
    const std::string amount =
        std::to_string(cents / 100) + (cents % 100 < 10 ? ".0" : ".") + std::to_string(cents % 100);
    EXPECT_NE(event.find("\"montant\":" + amount + ","), std::string::npos) << event;
    EXPECT_EQ(json->at("client_nom").get<std::string>() == "Björn \"B\" Åberg", json->at("client_id") == 2);
    EXPECT_EQ(json->size(), 12U);
  }
  EXPECT_GT(bytes / 2000, 200U);
  EXPECT_LT(bytes / 2000, 300U);
}

TEST(EventGenerator, no_event_is_larger_than_announced) {
  auto config = sales();
  config.malformed_share = 0.5;
  config.clients = 10'000'000;
  auto generator = generator_of(config);
  for (std::int64_t n = 0; n < 5000; ++n) {
    EXPECT_LE(generator.event(0, n).size() + 2 * text::kCopySlack, generator.max_event_bytes());
  }
}

TEST(EventGenerator, values_cover_their_range_evenly) {
  auto generator = generator_of(sales());
  std::map<int, int> quantities;
  std::map<int, int> clients;
  for (std::int64_t n = 0; n < 10'000; ++n) {
    const auto json = parse_json(generator.event(0, n)).value();
    ++quantities[json["quantite"].get<int>()];
    ++clients[json["client_id"].get<int>()];
  }
  ASSERT_EQ(quantities.size(), 5U);
  ASSERT_EQ(clients.size(), 5U);
  for (const auto& [value, count] : quantities) EXPECT_NEAR(count, 2000, 200) << value;
  for (const auto& [value, count] : clients) EXPECT_NEAR(count, 2000, 200) << value;
}

TEST(EventGenerator, shares_are_near_their_target) {
  auto config = sales();
  config.late_share = 0.1;
  config.malformed_share = 0.05;
  config.duplicate_share = 0.02;
  config.late_by = std::chrono::minutes(10);
  auto generator = generator_of(config);
  constexpr int kEvents = 50'000;
  int malformed = 0;
  int duplicates = 0;
  int late = 0;
  std::string before;
  text::InstantWriter writer;
  for (std::int64_t n = 0; n < kEvents; ++n) {
    const std::string event = generator.event(0, n);
    if (event == before && !event.empty()) {
      ++duplicates;
      continue;
    }
    before = event;
    const auto json = parse_json(event);
    if (!json.is_ok() || !json->contains("vente_id") || !json->at("vente_id").is_number()) {
      ++malformed;
      continue;
    }
    char created[32];
    const std::string on_time(created, writer.write(created, generator.timestamp_ms(0, n)));
    const auto time = json->at("timestamp").get<std::string>();
    EXPECT_LE(time, on_time);
    char earliest[32];
    EXPECT_GE(time, std::string(earliest, writer.write(earliest, generator.timestamp_ms(0, n) - 600'000)));
    late += time < on_time ? 1 : 0;
  }
  EXPECT_NEAR(malformed, kEvents * 0.05, kEvents * 0.006);
  EXPECT_NEAR(duplicates, kEvents * 0.02, kEvents * 0.003);
  EXPECT_NEAR(late, kEvents * 0.1 * 0.95, kEvents * 0.008);
}

TEST(EventGenerator, asking_for_shares_changes_no_other_event) {
  auto config = sales();
  auto plain = generator_of(config);
  config.malformed_share = 0.1;
  config.duplicate_share = 0.1;
  auto mixed = generator_of(config);
  int changed = 0;
  for (std::int64_t n = 0; n < 10'000; ++n) changed += plain.event(0, n) != mixed.event(0, n) ? 1 : 0;
  EXPECT_NEAR(changed, 1900, 200);
}

TEST(EventGenerator, every_kind_of_breakage_appears) {
  auto config = sales();
  config.malformed_share = 1;
  auto generator = generator_of(config);
  std::set<std::string> seen;
  for (std::int64_t n = 0; n < 200; ++n) {
    const std::string event = generator.event(0, n);
    const auto json = parse_json(event);
    if (event.empty()) {
      seen.insert("empty");
    } else if (event.starts_with("{\"vente_id\":NaN,\"client_id\":")) {
      seen.insert("nan");
    } else if (event.starts_with("{\"vente_id\":\"\xc3\x28\xff\",\"client_id\":")) {
      seen.insert("utf8");
    } else if (!json.is_ok()) {
      EXPECT_FALSE(event.ends_with("}"));
      seen.insert("truncated");
    } else if (!json->contains("vente_id")) {
      EXPECT_EQ(json->size(), 11U);
      seen.insert("missing");
    } else {
      EXPECT_TRUE(json->at("vente_id").is_array()) << event;
      seen.insert("type");
    }
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kBreakages));
}

TEST(EventGenerator, a_breakage_of_a_text_that_holds_quotes_and_commas_hits_the_whole_value) {
  auto config = sales();
  config.malformed_share = 1;
  config.fields = {testing::choice("a", {R"(x","\ {}",)"}), testing::sequence("b")};
  auto generator = generator_of(config);
  for (std::int64_t n = 0; n < 100; ++n) {
    const auto json = parse_json(generator.event(0, n));
    if (json.is_ok()) {
      EXPECT_EQ(json->at("b"), n * 2 + 1);
    }
  }
}

TEST(EventGenerator, a_duplicate_has_content_and_key_of_the_event_before_it) {
  auto config = sales();
  config.duplicate_share = 1;
  auto generator = generator_of(config);
  for (std::int64_t n = 1; n < 1000; ++n) {
    if (n % 64 == 0) {
      EXPECT_NE(generator.event(0, n), generator.event(0, n - 1));
    } else {
      EXPECT_EQ(generator.event(0, n), generator.event(0, n - 1));
      EXPECT_EQ(generator.key(0, n), generator.key(0, n - 1));
      EXPECT_GT(generator.timestamp_ms(0, n), generator.timestamp_ms(0, n - 1));
    }
  }
}

TEST(EventGenerator, clients_beyond_the_catalogue_count_on_and_repeat_its_attributes) {
  auto config = sales();
  config.clients = 10'000'000;
  auto generator = generator_of(config);
  std::set<std::string> keys;
  for (std::int64_t n = 0; n < 2000; ++n) {
    const auto json = parse_json(generator.event(0, n)).value();
    const auto id = json["client_id"].get<std::int64_t>();
    EXPECT_GE(id, 1);
    EXPECT_LE(id, 10'000'000);
    EXPECT_EQ(generator.key(0, n), std::to_string(id));
    EXPECT_EQ(json["pays"] == "Italie", id % 5 == 3) << id;
    keys.insert(generator.key(0, n));
  }
  EXPECT_GT(keys.size(), 1950U);
}

TEST(EventGenerator, a_billion_clients_need_no_more_memory_than_the_catalogue) {
  auto config = sales();
  const std::size_t few = generator_of(config).max_event_bytes();
  config.clients = 1'000'000'000;  // one byte each would be noticed
  auto generator = generator_of(config);
  EXPECT_LE(generator.max_event_bytes(), few + 32);
  std::int64_t largest = 0;
  for (std::int64_t n = 0; n < 1000; ++n) largest = std::max<std::int64_t>(largest, std::stoll(generator.key(0, n)));
  EXPECT_GT(largest, 990'000'000);
}

TEST(EventGenerator, text_ids_beyond_the_catalogue_carry_the_row_number) {
  auto config = sales();
  config.entities[0].quoted[0] = true;
  config.entities[0].rows = {{"C\"", "n", "p", "s"}};
  config.clients = 3;
  auto generator = generator_of(config);
  std::set<std::string> keys;
  for (std::int64_t n = 0; n < 100; ++n) {
    keys.insert(generator.key(0, n));
    EXPECT_EQ(parse_json(generator.event(0, n)).value()["client_id"], generator.key(0, n));
  }
  EXPECT_EQ(keys, (std::set<std::string>{"C\"", "C\"-2", "C\"-3"}));
}

TEST(EventGenerator, fewer_clients_than_the_catalogue_are_its_first_rows) {
  auto config = sales();
  config.clients = 2;
  auto generator = generator_of(config);
  std::set<std::string> keys;
  for (std::int64_t n = 0; n < 100; ++n) keys.insert(generator.key(0, n));
  EXPECT_EQ(keys, (std::set<std::string>{"1", "2"}));
}

TEST(EventGenerator, nothing_knows_sales) {
  config::GeneratorConfig config;
  config.fields = {testing::uniform("temperature", -4000, 5000, 2), testing::choice("unit", {"C"}),
                   testing::event_time("at"), testing::product("squared", {"temperature", "temperature"})};
  config.start_time = "2020-02-29T23:59:59.5+01:00";
  auto generator = generator_of(config);
  EXPECT_EQ(generator.key(0, 0), "");
  EXPECT_EQ(parse_json(generator.event(0, 500)).value()["at"], "2020-02-29T23:00:00.000Z");
  for (std::int64_t n = 0; n < 100; ++n) {
    const auto json = parse_json(generator.event(0, n)).value();
    const double value = json["temperature"].get<double>();
    EXPECT_GE(value, -40);
    EXPECT_LE(value, 50);
    EXPECT_NEAR(json["squared"].get<double>(), value * value, 1e-9);
  }
}

TEST(EventGenerator, the_source_id_names_what_offsets_mean_and_not_the_rate) {
  const auto id = [](auto change) {
    auto config = sales();
    change(config);
    return generator_of(config).source_id();
  };
  const auto base = id([](auto&) {});
  EXPECT_EQ(id([](auto& c) { c.rate = 0; }), base);
  EXPECT_EQ(id([](auto& c) { c.clients = 5; }), base);
  EXPECT_NE(id([](auto& c) { c.clients = 6; }), base);
  EXPECT_NE(id([](auto& c) { c.partitions = 3; }), base);
  EXPECT_NE(id([](auto& c) { c.late_share = 0.1; }), base);
  EXPECT_NE(id([](auto& c) { c.duplicate_share = 0.1; }), base);
  EXPECT_NE(id([](auto& c) { c.malformed_share = 0.1; }), base);
  EXPECT_NE(id([](auto& c) { c.event_interval *= 2; }), base);
  EXPECT_NE(id([](auto& c) { c.start_time = "2026-01-01T00:00:01Z"; }), base);
  EXPECT_EQ(id([](auto& c) { c.start_time = "2026-01-01T01:00:00+01:00"; }), base);
  EXPECT_NE(id([](auto& c) { c.entities[1].rows[0][3] = "1300.00"; }), base);
  EXPECT_NE(id([](auto& c) { c.fields[4].max = 6; }), base);
}

TEST(EventGenerator, refuses_descriptions_that_contradict_themselves) {
  const auto error = [](auto change) {
    auto config = sales();
    change(config);
    return error_of(config);
  };
  EXPECT_EQ(error([](auto&) {}), "");
  EXPECT_EQ(error([](auto& c) { c.partitions = 0; }), "generator.partitions");
  EXPECT_EQ(error([](auto& c) { c.rate = -1; }), "generator.rate");
  EXPECT_EQ(error([](auto& c) { c.late_share = 1.5; }), "generator.share");
  EXPECT_EQ(error([](auto& c) { c.start_time = "yesterday"; }), "generator.start_time");
  EXPECT_EQ(error([](auto& c) { c.fields.clear(); }), "generator.no_fields");
  EXPECT_EQ(error([](auto& c) { c.fields[1].entity = "klient"; }), "generator.unknown_entity");
  EXPECT_EQ(error([](auto& c) { c.fields[1].attribute = "age"; }), "generator.unknown_attribute");
  EXPECT_EQ(error([](auto& c) { c.entities[0].rows[0].pop_back(); }), "generator.row_size");
  EXPECT_EQ(error([](auto& c) { c.entities[1].rows[0][3] = "12,5"; }), "generator.number");
  EXPECT_EQ(error([](auto& c) { c.fields[4].min = 6; }), "generator.range");
  EXPECT_EQ(error([](auto& c) { c.fields[5].factors = {"later"}; }), "generator.unknown_factor");
  EXPECT_EQ(error([](auto& c) { c.fields[5].factors = {"client.nom"}; }), "generator.factor");
  EXPECT_EQ(error([](auto& c) { c.fields[5].factors = {"vente_id"}; }), "generator.factor");
  EXPECT_EQ(error([](auto& c) { c.fields[4].max = std::numeric_limits<std::int64_t>::max(); }), "generator.product");
  EXPECT_EQ(error([](auto& c) {
              c.entities[0].rows[4][0] = "5.5";
              c.clients = 6;
            }),
            "generator.id");
}

}  // namespace
}  // namespace inlet::source
