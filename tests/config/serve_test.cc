// [serve], [page], [[panel]] and [[filter]]: what they become, and every way they can be wrong.
#include <string>
#include <string_view>
#include <vector>

#include "config/listen_address.h"
#include "config/page_texts.h"
#include "tests/config/loading.h"

namespace inlet::config {
namespace {

// Lines 11 to 18: a view and a filter. What a test appends begins at line 19.
constexpr std::string_view kViewAndFilter = R"([views.per_day]
sql = "SELECT at, count(*) AS n FROM bronze.p GROUP BY at"
[views.deep]
table = "silver/by/day"
sql = "SELECT at, count(*) AS n FROM bronze.p GROUP BY at"
[[filter]]
column = "at"
values_from = "silver.per_day"
)";

std::string with_view(std::string_view appended) { return with(std::string(kViewAndFilter) + std::string(appended)); }
std::string problems_with_view(std::string_view appended) { return problems_of(with_view(appended)); }

// A panel that is right, and one line more: line 22.
std::string panel_with(std::string_view line) {
  return problems_with_view("[[panel]]\ntitle = \"A\"\nview = \"silver.per_day\"\n" + std::string(line) + "\n");
}

TEST(Serve, has_defaults_that_stay_on_this_machine) {
  const auto config = loaded(kMinimal);
  EXPECT_TRUE(config.serve.enabled);
  EXPECT_EQ(config.serve.listen, "127.0.0.1:8080");
  EXPECT_FALSE(config.serve.listen_is_set);
  EXPECT_EQ(config.serve.token_file, "");
  EXPECT_EQ(config.serve.query_timeout, std::chrono::seconds(5));
  EXPECT_EQ(config.serve.query_threads, 1);
  EXPECT_EQ(config.serve.query_memory_limit, 128LL << 20);
  EXPECT_EQ(config.serve.max_connections, 2048);
}

TEST(Serve, takes_every_key) {
  const auto config = loaded(with(R"([serve]
enabled = false
listen = "0.0.0.0:0"
token_file = "secrets/token"
query_timeout = "100ms"
query_threads = 16
query_memory_limit = "32MiB"
max_connections = 100000
)"));
  EXPECT_FALSE(config.serve.enabled);
  EXPECT_EQ(config.serve.listen, "0.0.0.0:0");
  EXPECT_EQ(config.serve.token_file, "secrets/token") << "relative to the working directory: as it was given";
  EXPECT_EQ(config.serve.query_timeout, std::chrono::milliseconds(100));
  EXPECT_EQ(config.serve.query_threads, 16);
  EXPECT_EQ(config.serve.query_memory_limit, 32LL << 20);
  EXPECT_EQ(config.serve.max_connections, 100000);
}

TEST(Serve, knows_whether_the_address_was_asked_for) {
  const std::string listens = with("[serve]\nlisten = \"127.0.0.1:8080\"\n");
  EXPECT_TRUE(loaded(listens).serve.listen_is_set);
  EXPECT_TRUE(loaded(kMinimal, flags({{"serve.listen", "127.0.0.1:8080"}})).serve.listen_is_set);
  EXPECT_TRUE(loaded(kMinimal, environment({{"INLET__SERVE__LISTEN", "[::1]:1"}})).serve.listen_is_set);
  EXPECT_FALSE(loaded(with("[serve]\nquery_threads = 2\n")).serve.listen_is_set);
  EXPECT_EQ(loaded(listens, flags({{"serve.listen", "localhost:0"}})).serve.listen, "localhost:0");
}

TEST(Serve, is_set_from_outside_like_any_other_section) {
  const auto config = loaded(kMinimal, {.overrides = {{"serve.enabled", "false"}, {"page.title", "From a flag"}},
                                        .environment = {{"INLET__SERVE__MAX_CONNECTIONS", "16"},
                                                        {"INLET__SERVE__TOKEN_FILE", "Token"},
                                                        {"INLET__PAGE__CURRENCY", "CHF"}}});
  EXPECT_FALSE(config.serve.enabled);
  EXPECT_EQ(config.serve.max_connections, 16);
  EXPECT_EQ(config.serve.token_file, "Token");
  EXPECT_EQ(config.page.title, "From a flag");
  EXPECT_EQ(config.page.currency, "CHF");
}

TEST(Serve, has_limits) {
  EXPECT_EQ(problems_of(with(R"TOML([serve]
enabled = "yes"
listen = 8080
query_timeout = "6m"
query_threads = 0
query_memory_limit = "16MiB"
max_connections = 15
port = 80
)TOML")),
            R"TOML(12:11 config.wrong_type: serve.enabled must be true or false (found the text "yes")
13:10 config.wrong_type: serve.listen must be a text (found the integer 8080)
14:17 config.out_of_range: serve.query_timeout must be a duration such as "250ms" or "1h", from 100ms to 5m (found the text "6m")
15:17 config.out_of_range: serve.query_threads must be an integer, from 1 to 16 (found the integer 0)
16:22 config.out_of_range: serve.query_memory_limit must be a size such as "64KiB" or "256MB", from 32MiB to 1TiB (found the text "16MiB")
17:19 config.out_of_range: serve.max_connections must be an integer, from 16 to 100000 (found the integer 15)
18:1 config.unknown_key: unknown key serve.port [known there: enabled, listen, token_file, query_timeout, query_threads, query_memory_limit, max_connections]
)TOML");
}

TEST(Serve, listens_on_an_address_and_a_port) {
  struct Case {
    std::string_view text, host;
    int port;
    bool is_loopback;
  };
  for (const auto& c : std::vector<Case>{{"127.0.0.1:8080", "127.0.0.1", 8080, true},
                                         {"127.9.9.9:0", "127.9.9.9", 0, true},
                                         {"localhost:65535", "localhost", 65535, true},
                                         {"[::1]:80", "::1", 80, true},
                                         {"0.0.0.0:80", "0.0.0.0", 80, false},
                                         {"[::]:80", "::", 80, false},
                                         {"192.168.1.7:1", "192.168.1.7", 1, false},
                                         {"[fe80::1]:1", "fe80::1", 1, false}}) {
    const auto address = parse_listen_address(c.text);
    ASSERT_TRUE(address) << c.text;
    EXPECT_EQ(address->host, c.host) << c.text;
    EXPECT_EQ(address->port, c.port) << c.text;
    EXPECT_EQ(address->is_loopback, c.is_loopback) << c.text;
  }
  for (const std::string_view text : {"",
                                      ":",
                                      "8080",
                                      ":8080",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:-1",
                                      "127.0.0.1:+1",
                                      "127.0.0.1: 80",
                                      "127.0.0.1:80 ",
                                      "127.0.0.1:0x50",
                                      "127.1:80",
                                      "256.0.0.1:80",
                                      "0:80",
                                      "::1:80",
                                      "[::1]",
                                      "[127.0.0.1]:80",
                                      "[]:80",
                                      "[::1:80",
                                      "::1]:80",
                                      "[fe80::1%eth0]:80",
                                      "LOCALHOST:80",
                                      "example.org:80",
                                      "http://127.0.0.1:80",
                                      "127.0.0.1:80/",
                                      "[localhost]:80"}) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
  EXPECT_FALSE(parse_listen_address(std::string_view("127.0.0.1\0x:80", 14)));
  EXPECT_EQ(problems_of(with("[serve]\nlisten = \"example.org:80\"\n")),
            "12:10 config.invalid_value: \"example.org:80\" is not an address to listen on "
            "[write \"HOST:PORT\", such as \"127.0.0.1:8080\": an IPv4 address, an IPv6 address in brackets or "
            "localhost, and a port from 0 to 65535]\n");
}

TEST(Serve, needs_a_token_where_other_machines_reach_it) {
  const std::string fix =
      " (whoever reaches 0.0.0.0:80 could read every row of the lake) [write token_file = \"FILE\" in [serve] (or "
      "--token-file FILE), FILE holding a token of 16 characters or more; or listen on 127.0.0.1]\n";
  const std::string what =
      "config.serve_needs_token: serve.listen is reached from other machines and serve.token_file is not set";
  EXPECT_EQ(problems_of(with("[serve]\nlisten = \"0.0.0.0:80\"\n")), "12:10 " + what + fix);
  EXPECT_EQ(problems_of(with("[serve]\nlisten = \"0.0.0.0:80\"\ntoken_file = \"\"\n")), "12:10 " + what + fix);
  EXPECT_EQ(problems_of(kMinimal, flags({{"serve.listen", "0.0.0.0:80"}})), "--set serve.listen " + what + fix);
  EXPECT_EQ(problems_of(kMinimal, environment({{"INLET__SERVE__LISTEN", "0.0.0.0:80"}})),
            "environment INLET__SERVE__LISTEN " + what + fix);
  EXPECT_EQ(problems_of(with("[serve]\nlisten = \"0.0.0.0:80\"\ntoken_file = \"token\"\n")), "");
  EXPECT_EQ(problems_of(kMinimal, flags({{"serve.listen", "0.0.0.0:80"}, {"serve.enabled", "false"}})), "")
      << "what is not served needs no token";
  EXPECT_EQ(problems_of(with("[serve]\nlisten = \"0.0.0.0:80\"\ntoken_file = 1\n")),
            "13:14 config.wrong_type: serve.token_file must be a text (found the integer 1)\n");
}

TEST(Page, is_called_after_the_pipeline_and_plain) {
  const auto page = loaded(kMinimal).page;
  EXPECT_EQ(page.title, "p");
  EXPECT_EQ(page.locale, "en");
  EXPECT_EQ(page.currency, "");
  EXPECT_TRUE(page.panels.empty());
  EXPECT_TRUE(page.filters.empty());
  const auto given = loaded(with("[page]\ntitle = \"Sales, live\"\nlocale = \"fr-FR\"\ncurrency = \"EUR\"\n")).page;
  EXPECT_EQ(given.title, "Sales, live");
  EXPECT_EQ(given.locale, "fr-FR");
  EXPECT_EQ(given.currency, "EUR");
}

TEST(Page, takes_the_locales_that_a_browser_takes) {
  for (const std::string_view tag : {"en", "fr-FR", "FR-fr", "gsw-CH", "zh-Hant-TW", "es-419", "sl-rozaj-biske",
                                     "de-CH-1996", "de-DE-u-nu-latn", "de-u-co-phonebk"}) {
    EXPECT_TRUE(is_language_tag(tag)) << tag;
  }
  for (const std::string_view tag : {"", "f", "fr_FR", "fr-", "-FR", "fr--FR", "français", "fr-FR-", "fr-F", "fr FR",
                                     "1x", "abcd", "en-u", "en-US-12", "fr-FR.UTF-8", "verylonglanguage", "C.UTF-8"}) {
    EXPECT_FALSE(is_language_tag(tag)) << tag;
  }
  EXPECT_EQ(problems_of(with("[page]\nlocale = \"fr_FR\"\n")),
            "12:10 config.invalid_value: page.locale is not a language tag: \"fr_FR\" "
            "[write a language and, if need be, a region, such as \"en\" or \"fr-FR\"]\n");
}

TEST(Page, takes_currencies_of_three_capital_letters) {
  for (const std::string_view code : {"eur", "EU", "EURO", "E1R", "€"}) {
    EXPECT_EQ(problems_of(with("[page]\ncurrency = \"" + std::string(code) + "\"\n")),
              "12:12 config.invalid_value: page.currency is not a currency: \"" + std::string(code) +
                  "\" [write the three capital letters of ISO 4217, such as \"EUR\", or \"\" for none]\n");
  }
}

TEST(Panels, have_what_the_file_says_in_its_order) {
  const auto page = loaded(with_view(R"TOML([[panel]]
title = "Top clients"
kind = "ranking"
view = "SILVER.Per_Day"
sql = "SELECT at, n FROM filtered"
label = "at"
value = "n"
time = "t"
series = "s"
money = ["n", "m"]
wide = true
filters = ["at"]
[[panel]]
title = "B"
id = "second_1"
sql = "SELECT 1"
[[panel]]
title = "C"
view = "bronze.p"
filters = []
[[panel]]
title = "D"
view = "silver.by/day"
)TOML"))
                        .page;
  ASSERT_EQ(page.panels.size(), 4U);
  const auto& first = page.panels[0];
  EXPECT_EQ(first.id, "top_clients");
  EXPECT_EQ(first.title, "Top clients");
  EXPECT_EQ(first.kind, PanelKind::kRanking);
  EXPECT_EQ(first.view, "silver.per_day") << "as the table is spelled";
  EXPECT_EQ(first.sql, "SELECT at, n FROM filtered");
  EXPECT_EQ(first.label + first.value + first.time + first.series, "atnts");
  EXPECT_EQ(first.money, (std::vector<std::string>{"n", "m"}));
  EXPECT_TRUE(first.wide);
  EXPECT_EQ(first.filters, std::vector<std::string>{"at"});
  EXPECT_TRUE(first.where.ends_with("p.toml:19:1")) << first.where;
  const auto& second = page.panels[1];
  EXPECT_EQ(second.id, "second_1");
  EXPECT_EQ(second.kind, PanelKind::kTable);
  EXPECT_EQ(second.view + second.label + second.value + second.time + second.series, "");
  EXPECT_TRUE(second.money.empty());
  EXPECT_FALSE(second.wide);
  EXPECT_FALSE(second.filters) << "every filter that fits";
  ASSERT_TRUE(page.panels[2].filters);
  EXPECT_TRUE(page.panels[2].filters->empty()) << "none at all";
  EXPECT_EQ(page.panels[3].view, "silver.by/day");
}

TEST(Panels, are_of_six_kinds_and_the_nearest_is_named) {
  const std::vector<std::pair<std::string, PanelKind>> kinds{
      {"tiles", PanelKind::kTiles}, {"ranking", PanelKind::kRanking},       {"table", PanelKind::kTable},
      {"bars", PanelKind::kBars},   {"timeseries", PanelKind::kTimeseries}, {"share", PanelKind::kShare}};
  for (const auto& [name, kind] : kinds) {
    const auto page = loaded(with("[[panel]]\ntitle = \"A\"\nsql = \"SELECT 1\"\nkind = \"" + name + "\"\n")).page;
    EXPECT_EQ(page.panels.at(0).kind, kind) << name;
  }
  const std::string kind =
      "22:8 config.out_of_range: panel[].kind must be \"tiles\", \"ranking\", \"table\", \"bars\", "
      "\"timeseries\" or \"share\" (found the text ";
  EXPECT_EQ(panel_with("kind = \"rankings\""), kind + "\"rankings\") [did you mean \"ranking\"?]\n");
  EXPECT_EQ(panel_with("kind = \"pie\""), kind + "\"pie\")\n");
}

TEST(Panels, have_ids_made_of_their_titles) {
  EXPECT_EQ(panel_id_of("Top clients"), "top_clients");
  EXPECT_EQ(panel_id_of("  Revenue (24 h) - by Country! "), "revenue_24_h_by_country");
  EXPECT_EQ(panel_id_of("Chiffre d'affaires par marché"), "chiffre_d_affaires_par_march");
  EXPECT_EQ(panel_id_of("Продажи"), "");
  EXPECT_EQ(problems_with_view("[[panel]]\ntitle = \"Продажи\"\nview = \"silver.per_day\"\n"),
            "20:9 config.missing_key: panel[].id is missing (the title has no letter of a to z and no digit that one "
            "could be made of) [write id = \"...\" below [[panel]]]\n");
  EXPECT_EQ(problems_with_view("[[panel]]\ntitle = \"Продажи\"\nid = \"sales\"\nview = \"silver.per_day\"\n"), "");
  EXPECT_EQ(panel_with("id = \"Top\""),
            "22:6 config.invalid_value: \"Top\" cannot be the id of a panel [use the letters a to z, digits and "
            "\"_\"]\n");
  EXPECT_TRUE(panel_with("id = \"a/b\"").starts_with("22:6 config.invalid_value"));
}

TEST(Panels, differ_in_title_and_id) {
  const auto two = [](std::string_view first, std::string_view second) {
    return problems_of(with("[[panel]]\nsql = \"SELECT 1\"\n" + std::string(first) +
                            "\n[[panel]]\nsql = \"SELECT 1\"\n" + std::string(second) + "\n"));
  };
  EXPECT_EQ(two("title = \"A\"", "title = \"A\""), "16:9 config.duplicate_key: two panels have the title \"A\"\n");
  EXPECT_EQ(two("title = \"A b\"", "title = \"A, b\""),
            "16:9 config.duplicate_key: two panels have the id \"a_b\" (it is made of the title) "
            "[give one of them another id = \"...\"]\n");
  EXPECT_EQ(two("title = \"A\"", "title = \"B\"\nid = \"a\""),
            "17:6 config.duplicate_key: two panels have the id \"a\" [give one of them another id = \"...\"]\n");
  EXPECT_EQ(two("title = \"A\"", "title = \"A, a\""), "");
}

TEST(Panels, need_a_title_and_rows) {
  EXPECT_EQ(problems_of(with("[[panel]]\nsql = \"SELECT 1\"\n[[panel]]\nsql = \"SELECT 1\"\n")),
            "11:1 config.missing_key: panel[].title is missing (it stands above the panel) "
            "[write title = \"...\" below [[panel]]]\n"
            "13:1 config.missing_key: panel[].title is missing (it stands above the panel) "
            "[write title = \"...\" below [[panel]]]\n");
  EXPECT_EQ(problems_of(with("[[panel]]\ntitle = \"A\"\n")),
            "11:1 config.missing_key: panel[].view and panel[].sql are missing (a panel shows rows of a table or of "
            "SQL) [write view = \"silver.NAME\" below [[panel]], or sql = \"SELECT ...\"]\n");
  EXPECT_EQ(problems_of(with("[[panel]]\ntitle = \"A\"\nsql = 1\n")),
            "13:7 config.wrong_type: panel[].sql must be a text (found the integer 1)\n");
  EXPECT_EQ(problems_of(with("[[panel]]\ntitle = 1\nview = 2\n")),
            "12:9 config.wrong_type: panel[].title must be a text (found the integer 1)\n"
            "13:8 config.wrong_type: panel[].view must be a text (found the integer 2)\n");
}

TEST(Panels, read_filtered_only_with_a_view_whose_rows_it_is) {
  EXPECT_EQ(problems_of(with("[[panel]]\ntitle = \"A\"\nsql = \"SELECT * FROM filtered\"\n")),
            "13:7 config.missing_key: panel[].view is missing (`filtered` are the rows of `view` under the filters of "
            "the page) [write view = \"silver.NAME\" below [[panel]]]\n");
  for (const std::string_view sql :
       {"SELECT * FROM filtered", "from FILTERED", "SELECT 1 FROM a JOIN\n filtered USING (b)", "FROM \"filtered\"",
        "FROM/* here */filtered", "FROM -- here\nfiltered f", "SELECT (SELECT max(x) FROM filtered)"}) {
    EXPECT_TRUE(reads_filtered(sql)) << sql;
  }
  for (const std::string_view sql :
       {"", "SELECT 1", "SELECT n AS filtered FROM a", "SELECT 'FROM filtered'", "SELECT 1 -- FROM filtered",
        "/* FROM filtered */ SELECT 1", "FROM filtered_rows", "FROM a.filtered", "SELECT \"FROM\" filtered_",
        "FROM 'filtered'", "SELECT 'it''s' FROM unfiltered", "FROM 'open", "FROM /* open", "FROM éfiltered"}) {
    EXPECT_FALSE(reads_filtered(sql)) << sql;
  }
}

TEST(Panels, show_tables_of_their_own_pipeline) {
  const std::string tables = "(its tables are: silver.per_day, silver.by/day, bronze.p, quarantine.p, late.p)";
  const auto problem = [&](std::string_view view) {
    return problems_with_view("[[panel]]\ntitle = \"A\"\nview = \"" + std::string(view) + "\"\n");
  };
  for (const std::string_view view : {"silver.per_day", "bronze.p", "quarantine.p", "late.p", "Bronze.P"})
    EXPECT_EQ(problem(view), "") << view;
  const auto message = [&](std::string_view view) {
    return "21:8 config.unknown_reference: panel[].view names no table of this pipeline: \"" + std::string(view) +
           "\" " + tables;
  };
  EXPECT_EQ(problem("silver.per_dya"), message("silver.per_dya") + " [did you mean \"silver.per_day\"?]\n");
  EXPECT_EQ(problem("silver/per_day"), message("silver/per_day") + " [did you mean \"silver.per_day\"?]\n");
  EXPECT_EQ(problem("per_day"), message("per_day") + " [did you mean \"silver.per_day\"?]\n");
  EXPECT_EQ(problem("deep"), message("deep") + " [did you mean \"silver.by/day\"?]\n");
  EXPECT_EQ(problem("somewhere.else_entirely"), message("somewhere.else_entirely") + "\n");
}

TEST(Panels, name_filters_that_there_are) {
  EXPECT_EQ(panel_with("filters = [\"at\"]"), "");
  EXPECT_EQ(panel_with("filters = [\"att\"]"),
            "22:11 config.unknown_reference: there is no filter \"att\" (the filters are: at) [did you mean "
            "\"at\"?]\n");
  EXPECT_EQ(panel_with("filters = [\"country\"]"),
            "22:11 config.unknown_reference: there is no filter \"country\" (the filters are: at)\n");
  EXPECT_EQ(panel_with("filters = [\"at\", \"at\"]"), "22:11 config.duplicate_key: panel[].filters has \"at\" twice\n");
  EXPECT_EQ(panel_with("filters = \"at\""),
            "22:11 config.wrong_type: panel[].filters must be a list of texts (found the text \"at\")\n");
  EXPECT_EQ(panel_with("money = [\"n\", 1]"),
            "22:9 config.wrong_type: panel[].money must be a list of texts (found a list of something else)\n");
  EXPECT_EQ(problems_with_view("[[panel]]\ntitle = \"A\"\nsql = \"SELECT 1\"\nfilters = [\"at\"]\n"),
            "22:11 config.conflict: panel[].filters needs panel[].view (filters apply to the rows of a table) "
            "[write view = \"silver.NAME\" below [[panel]], and read `filtered` in its sql]\n");
  EXPECT_EQ(problems_with_view("[[panel]]\ntitle = \"A\"\nsql = \"SELECT 1\"\nfilters = []\n"), "");
}

TEST(Panels, have_known_keys_in_the_file_only) {
  EXPECT_EQ(panel_with("titel = \"A\""),
            "22:1 config.unknown_key: unknown key panel[].titel [did you mean panel[].title?]\n");
  EXPECT_EQ(problems_of(with("[panel]\ntitle = \"A\"\n")),
            "11:1 config.wrong_type: panel must be a list of tables (found a table) "
            "[write [[panel]] and the keys of one below it]\n");
  const auto from_outside = problems_of(kMinimal, flags({{"panel[].title", "A"}}));
  EXPECT_TRUE(
      from_outside.starts_with("--set panel[].title config.file_only: panel[].title can be set in the pipeline "
                               "file only (a list of tables has no names that tell them apart) [write it below "
                               "[[panel]] in "))
      << from_outside;
  EXPECT_NE(problems_of(kMinimal, flags({{"filter[].id", "A"}})).find("below [[filter]]"), std::string::npos);
}

TEST(Filters, are_called_after_their_column) {
  const auto page = loaded(with_view("[[filter]]\nid = \"n\"\ntitle = \"Number\"\ncolumn = \"n_at\"\n"
                                     "values_from = \"BRONZE.p\"\n"))
                        .page;
  ASSERT_EQ(page.filters.size(), 2U);
  EXPECT_EQ(page.filters[0].id + page.filters[0].title + page.filters[0].column, "atatat");
  EXPECT_EQ(page.filters[0].values_from, "silver.per_day");
  EXPECT_TRUE(page.filters[0].where.ends_with("p.toml:16:1")) << page.filters[0].where;
  EXPECT_EQ(page.filters[1].id, "n");
  EXPECT_EQ(page.filters[1].title, "Number");
  EXPECT_EQ(page.filters[1].column, "n_at");
  EXPECT_EQ(page.filters[1].values_from, "bronze.p");
}

TEST(Filters, say_what_is_missing_or_there_twice) {
  EXPECT_EQ(problems_with_view("[[filter]]\nid = \"x\"\n"),
            "19:1 config.missing_key: filter[].column is missing (it says what is filtered by) "
            "[write column = \"...\" below [[filter]]]\n"
            "19:1 config.missing_key: filter[].values_from is missing (the values to choose from are those of a table) "
            "[write values_from = \"silver.NAME\" below [[filter]]]\n");
  EXPECT_EQ(problems_with_view("[[filter]]\ncolumn = \"at\"\nvalues_from = \"bronze.p\"\n"),
            "19:1 config.duplicate_key: two filters have the id \"at\" [give one of them another id = \"...\"]\n");
  EXPECT_EQ(problems_with_view("[[filter]]\ncolumn = \"at\"\nid = \"day\"\nvalues_from = \"bronze.p\"\n"), "");
  EXPECT_EQ(problems_with_view("[[filter]]\ncolumn = \"n-at\"\nvalues_from = \"bronze.p\"\n"),
            "19:1 config.invalid_value: \"n-at\" cannot be the id of a filter "
            "[write id = \"...\" of letters, digits and \"_\"]\n");
  EXPECT_EQ(problems_with_view("[[filter]]\ncolumn = \"n\"\nvalues_from = \"silver.per_da\"\n"),
            "21:15 config.unknown_reference: filter[].values_from names no table of this pipeline: \"silver.per_da\" "
            "(its tables are: silver.per_day, silver.by/day, bronze.p, quarantine.p, late.p) "
            "[did you mean \"silver.per_day\"?]\n");
}

}  // namespace
}  // namespace inlet::config
