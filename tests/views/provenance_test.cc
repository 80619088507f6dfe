// Where the rows of a view come from: exactly the events, the files and the versions that made them.
#include "views/provenance.h"

#include <map>
#include <mutex>
#include <set>

#include "tests/views/kept_views.h"
#include "tests/views/maintained_views.h"
#include "tests/views/planning.h"
#include "views/row_origins.h"

namespace inlet::views {
namespace {

using Where = ProvenanceReader::Where;

class ProvenanceTest : public KeptViews {
 protected:
  ProvenanceReader& reader() {
    if (!reader_) {
      auto opened = ProvenanceReader::open(*lake_, config_, schema(), {.threads = 1});
      EXPECT_TRUE(opened.is_ok()) << opened.status().to_line();
      reader_ = std::move(*opened);
    }
    return *reader_;
  }

  Provenance find(const std::string& view, const Where& where = {}) {
    auto found = reader().find(view, where);
    EXPECT_TRUE(found.is_ok()) << found.status().to_line();
    return found.is_ok() ? *found : Provenance{};
  }

  // "0: 3..7 (2), 1: 4..4 (1)"
  static std::string ranges(const Provenance& found) {
    std::string text;
    for (const auto& range : found.ranges) {
      EXPECT_EQ(range.partition.source, "kafka:t");
      text += (text.empty() ? "" : ", ") + std::to_string(range.partition.partition) + ": " +
              std::to_string(range.first.value) + ".." + std::to_string(range.last.value) + " (" +
              std::to_string(range.rows) + ")";
    }
    return text;
  }

  // The days of the files, each once for each file.
  static std::multiset<std::string> days(const Provenance& found) {
    std::multiset<std::string> all;
    for (const auto& file : found.files) {
      const auto& day = file.partition.at("day");
      all.insert(day ? *day : "NULL");
      EXPECT_NE(file.path.find("day="), std::string::npos) << file.path;
      EXPECT_GT(file.bytes, 0);
    }
    EXPECT_EQ(found.files_total, static_cast<std::int64_t>(found.files.size()));
    return all;
  }

  std::string refusal(const std::string& view, const Where& where) {
    const auto found = reader().find(view, where);
    EXPECT_FALSE(found.is_ok());
    return found.status().detail().id;
  }

  // Three days, two partitions, a client and a country that are NULL.
  void append_sales() {
    append({{0, 1, "1, 'FR', 10.00, 1.5, '2026-01-01T10:00:00Z'"},
            {0, 2, "2, 'FR', 20.00, 2.5, '2026-01-01T10:30:00Z'"},
            {1, 1, "1, 'DE', 30.00, -0.0, '2026-01-01T11:00:00Z'"},
            {1, 2, "1, 'FR', 40.00, 0.0, '2026-01-02T10:00:00Z'"}});
    append({{0, 3, "1, 'FR', 50.00, NULL, '2026-01-02T10:15:00Z'"},
            {0, 4, "NULL, NULL, 60.00, 7.0, '2026-01-02T12:00:00Z'"},
            {1, 5, "3, 'it''s', 70.00, 8.0, '2026-01-03T09:00:00Z'"},
            {1, 9, "NULL, 'FR', 80.00, 9.0, '2026-01-03T09:59:00Z'"}});
  }

  std::unique_ptr<ProvenanceReader> reader_;
};

TEST_F(ProvenanceTest, names_versions_files_and_offsets_of_a_key) {
  add_view("clients", "SELECT client, sum(amount) AS total, count(*) AS n FROM bronze.sales GROUP BY client");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  const auto found = find("clients", {{"client", "1"}});
  EXPECT_EQ(found.view, "clients");
  EXPECT_EQ(found.bronze_table, "bronze/sales");
  EXPECT_EQ(found.bronze_version, bronze_->snapshot()->version());
  EXPECT_EQ(found.bronze_commit_time, bronze_->history(1).value().front().timestamp);
  EXPECT_EQ(found.view_version, lake_->open("silver/clients").value()->snapshot()->version());
  EXPECT_EQ(ranges(found), "0: 1..3 (2), 1: 1..2 (2)");
  EXPECT_EQ(found.rows_total, 4);
  EXPECT_EQ(days(found), (std::multiset<std::string>{"2026-01-01", "2026-01-02", "2026-01-02"}));
  std::multiset<std::int64_t> rows;
  for (const auto& file : found.files) rows.insert(file.rows.value());
  EXPECT_EQ(rows, (std::multiset<std::int64_t>{1, 2, 3}));  // of the file, not of the key
  EXPECT_EQ(find("silver/clients", {{"CLIENT", "1"}}).rows_total, 4);
}

TEST_F(ProvenanceTest, of_several_keys_all_must_match) {
  add_view("by_day", "SELECT country, day, client, count(*) AS n FROM sales GROUP BY ALL", {"day"});
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  const auto found = find("by_day", {{"country", "FR"}, {"day", "2026-01-02"}});
  EXPECT_EQ(ranges(found), "0: 3..3 (1), 1: 2..2 (1)");
  EXPECT_EQ(days(found), (std::multiset<std::string>{"2026-01-02", "2026-01-02"}));
  EXPECT_EQ(ranges(find("by_day", {{"country", "FR"}, {"day", "2026-01-02"}, {"client", "2"}})), "");
  EXPECT_EQ(find("by_day", {{"day", "1999-01-01"}}).files_total, 0);
}

TEST_F(ProvenanceTest, null_is_a_key_like_any_other) {
  add_view("clients", "SELECT client, country, count(*) AS n FROM sales GROUP BY ALL");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(ranges(find("clients", {{"client", std::nullopt}})), "0: 4..4 (1), 1: 9..9 (1)");
  EXPECT_EQ(ranges(find("clients", {{"client", std::nullopt}, {"country", std::nullopt}})), "0: 4..4 (1)");
  EXPECT_EQ(ranges(find("clients", {{"country", ""}})), "");
  EXPECT_EQ(ranges(find("clients", {{"country", "NULL"}})), "");
}

TEST_F(ProvenanceTest, an_expression_can_be_the_key) {
  add_view("hours",
           "SELECT date_trunc('hour', sold_at) AS hour, upper(country) AS c, count(*) AS n FROM sales GROUP BY ALL");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(ranges(find("hours", {{"hour", "2026-01-01T10:00:00Z"}})), "0: 1..2 (2)");
  EXPECT_EQ(ranges(find("hours", {{"hour", "2026-01-01T10:00:00.000Z"}, {"c", "FR"}})), "0: 1..2 (2)");
  EXPECT_EQ(ranges(find("hours", {{"hour", "2026-01-01 11:00:00+01"}, {"c", "FR"}})), "0: 1..2 (2)");
  EXPECT_EQ(ranges(find("hours", {{"hour", "2026-01-01T10:30:00Z"}})), "");
}

TEST_F(ProvenanceTest, keys_are_compared_in_their_own_type) {
  add_view("weights", "SELECT weight, amount, count(*) AS n FROM sales GROUP BY ALL");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(ranges(find("weights", {{"weight", "0"}})), "1: 1..2 (2)");
  EXPECT_EQ(ranges(find("weights", {{"weight", "1.50"}})), "0: 1..1 (1)");
  EXPECT_EQ(ranges(find("weights", {{"amount", "20"}})), "0: 2..2 (1)");
  EXPECT_EQ(ranges(find("weights", {{"amount", "20.000"}})), "0: 2..2 (1)");
}

TEST_F(ProvenanceTest, a_column_of_a_dimension_can_be_the_key) {
  add_dimension("countries", "code,continent\nFR,Europe\nDE,Europe\nJP,Asia\n");
  add_view("continents",
           "SELECT continent, count(*) AS n FROM sales LEFT JOIN countries ON code = country GROUP BY continent");
  add_view("inner",
           "SELECT c.continent, count(*) AS n FROM sales s JOIN countries c ON c.code = s.country GROUP BY ALL");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(ranges(find("continents", {{"continent", "Europe"}})), "0: 1..3 (3), 1: 1..9 (3)");
  EXPECT_EQ(ranges(find("continents", {{"continent", std::nullopt}})), "0: 4..4 (1), 1: 5..5 (1)");
  EXPECT_EQ(ranges(find("inner")), "0: 1..3 (3), 1: 1..9 (3)");
  EXPECT_EQ(ranges(find("inner", {{"continent", "Asia"}})), "");
}

TEST_F(ProvenanceTest, an_event_that_meets_several_dimension_rows_is_one_event) {
  add_dimension("tags", "code,tag\nFR,a\nFR,b\nDE,a\n");
  add_view("tagged", "SELECT tag, count(*) AS n FROM sales JOIN tags ON code = country GROUP BY tag");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(ranges(find("tagged")), "0: 1..3 (3), 1: 1..9 (3)");
  EXPECT_EQ(ranges(find("tagged", {{"tag", "b"}})), "0: 1..3 (3), 1: 2..9 (2)");
}

TEST_F(ProvenanceTest, where_and_having_of_the_view_are_looked_at_and_passed_over) {
  add_view("large",
           "SELECT country, count(*) AS n FROM sales WHERE amount >= 30 AND country IS NOT NULL GROUP BY "
           "country HAVING count(*) > 1");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(ranges(find("large")), "0: 3..3 (1), 1: 1..9 (4)");
  EXPECT_EQ(ranges(find("large", {{"country", "FR"}})), "0: 3..3 (1), 1: 2..9 (2)");
}

TEST_F(ProvenanceTest, without_a_condition_it_is_the_whole_view) {
  add_view("total", "SELECT sum(amount) AS total FROM sales");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  const auto found = find("total");
  EXPECT_EQ(ranges(found), "0: 1..4 (4), 1: 1..9 (4)");
  EXPECT_EQ(found.rows_total, 8);
  EXPECT_EQ(found.files_total, 4);
}

TEST_F(ProvenanceTest, it_speaks_of_the_version_the_table_reflects_whatever_was_committed_since) {
  add_view("clients", "SELECT client, count(*) AS n FROM sales GROUP BY client");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  const auto before = find("clients", {{"client", "1"}});
  append({{0, 20, "1, 'FR', 1, 1, '2026-01-09T00:00:00Z'"}});
  const auto still = find("clients", {{"client", "1"}});
  EXPECT_EQ(still.bronze_version, before.bronze_version);
  EXPECT_EQ(ranges(still), ranges(before));
  EXPECT_EQ(still.files_total, before.files_total);
  ASSERT_TRUE(keep().is_ok());
  const auto after = find("clients", {{"client", "1"}});
  EXPECT_EQ(after.bronze_version.value, before.bronze_version.value + 1);
  EXPECT_GT(after.view_version, before.view_version);
  EXPECT_EQ(ranges(after), "0: 1..20 (3), 1: 1..2 (2)");
  EXPECT_EQ(after.files_total, before.files_total + 1);
  EXPECT_EQ(after.files.front().partition.at("day"), "2026-01-09");  // the newest comes first
}

TEST_F(ProvenanceTest, a_row_of_a_view_without_aggregates_is_one_event) {
  add_view("large", "SELECT client AS who, amount * 2 AS twice FROM sales WHERE amount > 20");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(ranges(find("large")), "0: 3..4 (2), 1: 1..9 (4)");
  EXPECT_EQ(ranges(find("large", {{"twice", "60.00"}})), "1: 1..1 (1)");
  EXPECT_EQ(ranges(find("large", {{"who", std::nullopt}, {"_partition", "1"}, {"_offset", "9"}})), "1: 9..9 (1)");
}

TEST_F(ProvenanceTest, a_recomputed_view_has_the_keys_that_its_sql_shows) {
  using namespace std::chrono_literals;
  add_view("medians",
           "SELECT country, median(amount) AS m, row_number() OVER (ORDER BY country) AS r FROM sales WHERE client IS "
           "NOT NULL GROUP BY country HAVING count(*) > 0 ORDER BY country LIMIT 1")
      .refresh = 1s;
  add_view("rows", "SELECT DISTINCT day, client FROM sales").refresh = 1s;
  add_view("nested", "SELECT day, n FROM (SELECT day, count(*) AS n FROM sales GROUP BY day)").refresh = 1s;
  add_view("all_keys", "SELECT country, median(amount) AS m FROM sales GROUP BY ALL").refresh = 1s;
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(ranges(find("medians", {{"country", "FR"}})), "0: 1..3 (3), 1: 2..2 (1)");
  EXPECT_EQ(ranges(find("medians")), "0: 1..3 (3), 1: 1..5 (3)");
  EXPECT_EQ(refusal("medians", {{"r", "1"}}), "provenance.not_a_key");
  EXPECT_EQ(ranges(find("rows", {{"day", "2026-01-02"}, {"client", "1"}})), "0: 3..3 (1), 1: 2..2 (1)");
  // What cannot be understood is made of every event.
  EXPECT_EQ(find("nested").rows_total, 8);
  EXPECT_EQ(refusal("nested", {{"day", "2026-01-02"}}), "provenance.not_a_key");
  EXPECT_EQ(find("all_keys").rows_total, 8);
}

TEST_F(ProvenanceTest, a_column_that_shows_no_key_is_refused_with_those_that_do) {
  add_view("clients", "SELECT client AS who, day, sum(amount) AS total FROM sales GROUP BY ALL");
  add_view("total", "SELECT count(*) AS n FROM sales");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  for (const char* column : {"total", "client", "", "who\"", "processing_time", "who, day", "1"}) {
    const auto found = reader().find("clients", {{column, "1"}});
    ASSERT_FALSE(found.is_ok()) << column;
    EXPECT_EQ(found.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(found.status().detail().id, "provenance.not_a_key");
    EXPECT_NE(found.status().detail().fix.find("who, day"), std::string::npos) << found.status().to_line();
  }
  EXPECT_EQ(refusal("total", {{"n", "8"}}), "provenance.not_a_key");
}

TEST_F(ProvenanceTest, a_value_that_is_none_of_its_type_is_refused_and_none_is_taken_for_sql) {
  add_view("keys", "SELECT client, country, amount, sold_at, weight, count(*) AS n FROM sales GROUP BY ALL");
  append_sales();
  ASSERT_TRUE(keep().is_ok());
  const std::vector<std::pair<std::string, std::string>> wrong{{"client", "one"},
                                                               {"client", ""},
                                                               {"client", "1.5"},
                                                               {"client", "1 OR true"},
                                                               {"client", "1e0"},
                                                               {"client", "99999999999999999999"},
                                                               {"amount", "1.234"},
                                                               {"amount", "x"},
                                                               {"sold_at", "yesterday"},
                                                               {"sold_at", "2026-13-01"},
                                                               {"weight", "heavy"},
                                                               {"client", "1'; DROP TABLE sales; --"},
                                                               {"country", std::string("a\0b", 3)}};
  for (const auto& [column, value] : wrong)
    EXPECT_EQ(refusal("keys", {{column, value}}), "provenance.bad_value") << value;
  for (const char* hostile :
       {"' OR '1'='1", "FR' OR true --", "\\' OR 1=1", "$$", "it's", "?", "{}", "FR\n", "'); ATTACH 'x'"}) {
    const auto found = find("keys", {{"country", hostile}});
    EXPECT_EQ(found.rows_total, std::string(hostile) == "it's" ? 1 : 0) << hostile;
  }
  EXPECT_EQ(find("keys", {{"amount", "10.0"}}).rows_total, 1);
}

TEST_F(ProvenanceTest, what_is_not_there_is_said) {
  add_view("clients", "SELECT client, count(*) AS n FROM sales GROUP BY client");
  append_sales();
  EXPECT_EQ(refusal("nobody", {}), "provenance.no_view");
  EXPECT_EQ(refusal("clients'; --", {}), "provenance.no_view");
  EXPECT_EQ(refusal("clients", {}), "provenance.not_published");
  ASSERT_TRUE(keep().is_ok());
  EXPECT_EQ(find("clients").rows_total, 8);
  // The view as it is written now is not the one that was published.
  config_.views.front().sql = "SELECT client, count(*) AS n FROM sales WHERE amount > 20 GROUP BY client";
  reader_.reset();
  EXPECT_EQ(refusal("clients", {}), "provenance.not_published");
  EXPECT_EQ(reader().find("clients", {}).status().code(), StatusCode::kNotFound);
}

TEST_F(ProvenanceTest, of_thousands_of_files_only_those_of_the_day_are_opened) {
  add_view("by_day", "SELECT day, count(*) AS n FROM sales GROUP BY day", {"day"});
  append(
      "SELECT range % 7 AS client, 'FR' AS country, 1 AS amount, 1 AS weight, TIMESTAMPTZ '2020-01-01 00:00:00+00' + "
      "range * INTERVAL 1 DAY AS sold_at, 'kafka:t' AS _source, 0 AS _partition, range AS _offset FROM range(300)");
  ASSERT_TRUE(keep().is_ok());
  // Files of other days are not even there any more.
  const auto files = bronze_->snapshot()->files().value();
  ASSERT_EQ(files.size(), 300U);
  for (const auto& file : files) {
    if (file.partition_values.at("day") != "2020-01-02")
      std::filesystem::remove(bronze_->directory() + "/" + file.path);
  }
  EXPECT_EQ(ranges(find("by_day", {{"day", "2020-01-02"}})), "0: 1..1 (1)");
  EXPECT_FALSE(reader().find("by_day", {}).is_ok());
}

TEST_F(ProvenanceTest, of_many_files_the_newest_two_hundred_are_listed_and_all_are_counted) {
  add_view("total", "SELECT count(*) AS n FROM sales");
  append(
      "SELECT 1 AS client, 'FR' AS country, 1 AS amount, 1 AS weight, TIMESTAMPTZ '2020-01-01 00:00:00+00' + range * "
      "INTERVAL 1 DAY AS sold_at, 'kafka:t' AS _source, 0 AS _partition, range AS _offset FROM range(250)");
  append({{0, 900, "1, 'FR', 1, 1, '2030-01-01T00:00:00Z'"}});
  ASSERT_TRUE(keep().is_ok());
  const auto found = find("total");
  EXPECT_EQ(found.files.size(), 200U);
  EXPECT_EQ(found.files_total, 251);
  EXPECT_EQ(found.rows_total, 251);
  EXPECT_EQ(found.files.front().partition.at("day"), "2030-01-01");
}

TEST_F(ProvenanceTest, every_publish_is_told_with_the_versions_it_made) {
  using namespace std::chrono_literals;
  add_view("kept", "SELECT client, count(*) AS n FROM sales GROUP BY client");
  add_view("appended", "SELECT client FROM sales");
  add_view("recomputed", "SELECT median(amount) AS m FROM sales").refresh = 1s;
  append_sales();
  std::mutex mutex;
  std::map<std::string, PublishedEvent> last;
  const ViewEngine::Options options{.on_published = [&](const PublishedEvent& event) {
    const std::scoped_lock lock(mutex);
    last[event.view] = event;
  }};
  for (int round = 0; round < 2; ++round) {
    last.clear();
    ASSERT_TRUE(keep(options).is_ok());
    ASSERT_EQ(last.size(), 3U) << "round " << round;
    for (const auto& [view, event] : last) {
      EXPECT_EQ(event.table_version, lake_->open("silver/" + view).value()->snapshot()->version()) << view;
      EXPECT_EQ(event.bronze.version, bronze_->snapshot()->version()) << view;
      EXPECT_GT(event.took.count(), 0) << view;
    }
    append({{0, 100 + round, "1, 'FR', 1, 1, '2026-01-09T00:00:00Z'"}});
  }
}

// Of every view that can be kept, over one batch: each event the view counts stands behind one of its rows.
class RowOriginsTest : public PlannerTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Views, RowOriginsTest, ::testing::ValuesIn(kMaintainedViews));

TEST_P(RowOriginsTest, has_the_groups_that_the_state_has) {
  const auto plan = this->plan(GetParam());
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  ASSERT_EQ(plan->origins.shown.size(), plan->output.size());
  ASSERT_EQ(plan->origins.event_columns.size(), plan->keys);
  const std::string source = "SELECT *, 'f' AS " + origins_file_column(events()) + " FROM (" +
                             sample_events(events(), SampleTexts::kWords) + ")";
  std::string keys;
  for (std::size_t k = 0; k < plan->keys; ++k) keys += (k == 0 ? "k" : ", k") + std::to_string(k);
  const std::string groups = "SELECT " + (keys.empty() ? "1" : "DISTINCT " + keys) + " FROM (";
  const std::string of_state = groups + over(source, plan->group_sql) + ")";
  const std::string of_origins = groups + over(source, plan->origins.sql) + ")" + (keys.empty() ? " LIMIT 1" : "");
  const auto difference = connection_.query("SELECT count(*) FROM (((" + of_state + ") EXCEPT (" + of_origins +
                                            ")) UNION ALL ((" + of_origins + ") EXCEPT (" + of_state + ")))");
  ASSERT_TRUE(difference.is_ok()) << difference.status().to_line();
  const bool is_empty_total = keys.empty() && connection_.query(of_origins)->rows() == 0;
  EXPECT_EQ(difference->integer(0, 0), is_empty_total ? 1 : 0);
}

}  // namespace
}  // namespace inlet::views
