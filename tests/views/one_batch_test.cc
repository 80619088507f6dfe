// A plan's parts put together give what DuckDB gives over the same rows, when all of them are one batch.
#include "tests/views/maintained_views.h"
#include "tests/views/planning.h"

namespace inlet::views {
namespace {

class OneBatch : public PlannerTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(OneBatch, gives_what_the_query_gives_over_the_same_rows) {
  const auto plan = this->plan(GetParam());
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  EXPECT_EQ(plan->kind, ViewPlan::Kind::kAggregate);
  for (const auto texts : {SampleTexts::kWords, SampleTexts::kDigits, SampleTexts::kDates}) {
    const std::string source = sample_events(events(), texts);
    const auto difference =
        first_difference(connection_, *plan, one_batch_sql(*plan, source), over(source, plan->reference_sql));
    ASSERT_TRUE(difference.is_ok()) << difference.status().to_line() << "\n" << plan->reference_sql;
    EXPECT_FALSE(difference->has_value()) << **difference << "\n" << plan->group_sql << "\n" << plan->final_sql;
  }
}

TEST_P(OneBatch, has_a_state_of_what_the_partial_sql_gives) {
  const auto plan = this->plan(GetParam());
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  const auto rows =
      connection_.query("DESCRIBE " + over(sample_events(events(), SampleTexts::kWords), plan->group_sql));
  ASSERT_TRUE(rows.is_ok()) << rows.status().to_line();
  ASSERT_EQ(rows->rows() + plan->distinct_counts.size(), plan->state.columns.size());
  for (std::size_t i = 0; i < rows->rows(); ++i) {
    EXPECT_EQ(rows->text(i, 0), plan->state.columns[i].name);
    const std::string type = plan->state.columns[i].type.to_duckdb();
    EXPECT_EQ(rows->text(i, 1), type == "TIMESTAMPTZ" ? "TIMESTAMP WITH TIME ZONE" : type) << plan->group_sql;
  }
  std::size_t next = plan->keys;
  for (const auto& merge : plan->merges) {
    EXPECT_EQ(merge.column, next);
    next += merge.width;
  }
  for (const auto& distinct : plan->distinct_counts) EXPECT_EQ(distinct.column, next++);
  EXPECT_EQ(next, plan->state.columns.size());
}

TEST_P(OneBatch, publishes_the_types_it_says) {
  const auto plan = this->plan(GetParam());
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  const auto rows =
      connection_.query("DESCRIBE " + over(sample_events(events(), SampleTexts::kWords), plan->reference_sql));
  ASSERT_TRUE(rows.is_ok()) << rows.status().to_line();
  ASSERT_EQ(rows->rows(), plan->output.size());
  for (std::size_t i = 0; i < rows->rows(); ++i) {
    EXPECT_EQ(rows->text(i, 0), plan->output[i].column.name);
    const std::string type = plan->output[i].column.type.to_duckdb();
    EXPECT_EQ(rows->text(i, 1), type == "TIMESTAMPTZ" ? "TIMESTAMP WITH TIME ZONE" : type);
  }
}

INSTANTIATE_TEST_SUITE_P(Views, OneBatch, ::testing::ValuesIn(kMaintainedViews));

class AsWritten : public PlannerTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(AsWritten, the_reference_is_the_users_own_query) {
  const auto plan = this->plan(GetParam());
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  const std::string source = sample_events(events(), SampleTexts::kWords);
  const std::string original = "SELECT * FROM (WITH ventes_stream AS (" + source + ") " + GetParam() + ")";
  const auto difference = first_difference(connection_, *plan, over(source, plan->reference_sql), original);
  ASSERT_TRUE(difference.is_ok()) << difference.status().to_line() << "\n" << plan->reference_sql;
  EXPECT_FALSE(difference->has_value()) << **difference << "\n" << plan->reference_sql;
}

INSTANTIATE_TEST_SUITE_P(
    Views, AsWritten,
    ::testing::Values(
        "SELECT pays, count(*) AS n, sum(quantite) AS q, sum(montant) AS m, min(poids) AS a, max(poids) AS b, "
        "count(DISTINCT client_id) AS d FROM ventes_stream GROUP BY pays",
        "SELECT pays, jour, avg(quantite) AS a, avg(poids) AS b, stddev(poids) AS c FROM ventes_stream GROUP BY ALL",
        // _offset is unique: no ties.
        "SELECT pays, arg_min(client_nom, _offset) AS a, arg_max(montant, _offset) AS b, arg_max_null(client_nom, "
        "_offset) "
        "AS n FROM ventes_stream GROUP BY pays",
        "SELECT pays, first(client_nom ORDER BY _offset) AS a, last(client_nom ORDER BY _offset) AS b, "
        "first(client_nom ORDER BY _offset DESC) AS c, last(montant ORDER BY _offset DESC) AS d, "
        "any_value(client_nom ORDER BY _offset) AS e FROM ventes_stream GROUP BY pays",
        // NULLs of the order: one row each, so that there is no tie.
        "SELECT pays, first(client_nom ORDER BY nullif(_offset, 7)) AS a, last(client_nom ORDER BY nullif(_offset, 7)) "
        "AS b, "
        "first(client_nom ORDER BY nullif(_offset, 7) DESC) AS c, last(client_nom ORDER BY nullif(_offset, 7) DESC) AS "
        "d, "
        "first(client_nom ORDER BY nullif(_offset, 7) NULLS FIRST) AS e, "
        "last(client_nom ORDER BY nullif(_offset, 7) NULLS FIRST) AS f, "
        "first(client_nom ORDER BY nullif(_offset, 7) DESC NULLS FIRST) AS g, "
        "last(client_nom ORDER BY nullif(_offset, 7) DESC NULLS FIRST) AS h, "
        "arg_min(client_nom, nullif(_offset, 7)) AS i, arg_max(client_nom, nullif(_offset, 7)) AS j "
        "FROM ventes_stream GROUP BY pays",
        "SELECT pays, sum(quantite) AS q FROM ventes_stream WHERE actif GROUP BY pays HAVING q > 0 OR pays IS NULL",
        "SELECT poids AS p, count(*) AS n FROM ventes_stream GROUP BY p"));

TEST_F(PlannerTest, ties_are_decided_by_the_place_of_the_event) {
  const auto plan = this->plan(
      "SELECT arg_min(client_nom, quantite) AS a, last(client_nom ORDER BY quantite) AS b FROM "
      "ventes_stream");
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  const std::string rows =
      "SELECT * FROM (VALUES ('late', 1, 0, 9, 's'), ('first', 1, 0, 2, 's'), ('other', 1, 1, 1, 's')) AS "
      "v(client_nom, quantite, _partition, _offset, _source)";
  const auto result = connection_.query(over(rows, plan->reference_sql));
  ASSERT_TRUE(result.is_ok()) << result.status().to_line();
  EXPECT_EQ(result->text(0, 0), "first");
  EXPECT_EQ(result->text(0, 1), "other");
}

TEST_F(PlannerTest, equal_partials_are_kept_once) {
  const auto plan = this->plan(
      "SELECT pays, sum(montant) AS s, avg(montant) AS a, count(montant) AS c, sum(MONTANT) * 2 AS d FROM "
      "ventes_stream GROUP "
      "BY pays");
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  EXPECT_EQ(plan->merges.size(), 2U);
  EXPECT_EQ(plan->state.columns.size(), 3U);
}

TEST_F(PlannerTest, an_average_of_decimals_has_four_more_digits_and_is_exact) {
  const auto plan = this->plan("SELECT avg(montant) AS a FROM ventes_stream");
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  EXPECT_EQ(plan->output[0].column.type, (ColumnType{TypeKind::kDecimal, 16, 6}));
  EXPECT_TRUE(plan->output[0].is_exact);
  const std::string rows = "SELECT * FROM (VALUES (0.01::DECIMAL(12,2)), (0.01), (0.00)) AS v(montant)";
  const auto result =
      connection_.query("SELECT * FROM (WITH inlet_source AS (" + rows + ") " + plan->reference_sql + ")");
  ASSERT_TRUE(result.is_ok()) << result.status().to_line();
  EXPECT_EQ(result->text(0, 0), "0.006667");
}

TEST_F(PlannerTest, exactness_and_keys_are_known_per_column) {
  const auto plan = this->plan(
      "SELECT pays, sum(poids) AS s, avg(quantite) AS a, sum(quantite) AS q, upper(pays) AS u, stddev(poids) AS d FROM "
      "ventes_stream GROUP BY pays",
      {"PAYS"});
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  EXPECT_EQ(plan->output[0].key, std::optional<std::size_t>(0));
  EXPECT_EQ(plan->partition_by, std::vector<std::string>{"pays"});
  const std::vector<bool> exact{true, false, false, true, true, false};
  for (std::size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(plan->output[i].is_exact, exact[i]) << plan->output[i].column.name;
    EXPECT_EQ(plan->output[i].key.has_value(), i == 0);
  }
  EXPECT_EQ(plan->output[3].column.type, ColumnType{TypeKind::kBigint});
}

TEST_F(PlannerTest, a_sum_past_bigint_is_an_error_never_a_wrong_number) {
  const auto plan = this->plan("SELECT sum(client_id) AS s FROM ventes_stream");
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  const std::string rows = "SELECT unnest([9223372036854775807, 1]) AS client_id";
  EXPECT_FALSE(connection_.query(over(rows, plan->reference_sql)).is_ok());
  EXPECT_FALSE(connection_.query(one_batch_sql(*plan, rows)).is_ok());
}

TEST_F(PlannerTest, negative_zero_and_zero_are_one_key) {
  const auto plan =
      this->plan("SELECT poids, count(*) AS n, count(DISTINCT poids) AS d FROM ventes_stream GROUP BY poids");
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  const std::string rows = "SELECT CAST(unnest(['-0.0', '0.0']) AS DOUBLE) AS poids";
  const auto result = connection_.query(one_batch_sql(*plan, rows));
  ASSERT_TRUE(result.is_ok()) << result.status().to_line();
  ASSERT_EQ(result->rows(), 1U);
  EXPECT_EQ(result->text(0, 0), "0.0");
  EXPECT_EQ(result->text(0, 1), "2");
}

TEST_F(PlannerTest, the_fingerprint_follows_the_sql_and_the_dimensions_it_reads) {
  const std::string joined =
      "SELECT continent, count(*) AS n FROM ventes_stream JOIN countries ON code = pays GROUP BY ALL";
  const std::string plain = "SELECT pays, count(*) AS n FROM ventes_stream GROUP BY ALL";
  EXPECT_EQ(plan(joined)->fingerprint, plan(joined)->fingerprint);
  EXPECT_NE(plan(joined)->fingerprint, plan(joined, {}, "v2")->fingerprint);
  EXPECT_EQ(plan(plain)->fingerprint, plan(plain, {}, "v2")->fingerprint);
  EXPECT_NE(plan(plain)->fingerprint, plan(plain, {"pays"})->fingerprint);
  EXPECT_NE(plan(plain)->fingerprint,
            plan("SELECT pays, count(jour) AS n FROM ventes_stream GROUP BY ALL")->fingerprint);
}

TEST_F(PlannerTest, a_view_without_aggregates_appends_and_says_where_rows_came_from) {
  const auto plan =
      this->plan("SELECT vente_id, upper(pays) AS p, _offset FROM bronze.ventes_stream WHERE quantite > 2", {"p"});
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  EXPECT_EQ(plan->kind, ViewPlan::Kind::kAppend);
  std::vector<std::string> names;
  for (const auto& output : plan->output) names.push_back(output.column.name);
  EXPECT_EQ(names, (std::vector<std::string>{"vente_id", "p", "_offset", "_source", "_partition"}));
  EXPECT_EQ(plan->final_sql, plan->reference_sql);
  EXPECT_TRUE(connection_.query(over(sample_events(events(), SampleTexts::kWords), plan->final_sql)).is_ok());
}

TEST_F(PlannerTest, a_star_is_every_column_of_a_view_without_aggregates) {
  const auto plan = this->plan("SELECT v.*, continent FROM ventes_stream v LEFT JOIN countries ON code = pays");
  ASSERT_TRUE(plan.is_ok()) << plan.status().to_line();
  EXPECT_EQ(plan->output.size(), events().columns.size() + 1);
}

TEST_F(PlannerTest, with_refresh_any_select_over_the_events_is_taken) {
  refresh_ = std::chrono::seconds(30);
  for (const char* sql :
       {"WITH t AS (SELECT pays, median(montant) AS m FROM bronze.ventes_stream GROUP BY pays) SELECT * FROM t ORDER "
        "BY m "
        "LIMIT 3",
        "SELECT DISTINCT pays, row_number() OVER (ORDER BY _offset) AS r FROM ventes_stream QUALIFY r < 4",
        "SELECT pays FROM ventes_stream UNION SELECT code FROM countries",
        "SELECT jour, string_agg(pays, ',' ORDER BY pays) AS l FROM ventes_stream, range(2) GROUP BY ROLLUP (jour)",
        "SELECT count(*) AS n FROM ventes_stream WHERE montant > (SELECT avg(montant) FROM bronze.ventes_stream)"}) {
    const auto plan = this->plan(sql);
    ASSERT_TRUE(plan.is_ok()) << sql << "\n" << plan.status().to_line();
    EXPECT_EQ(plan->kind, ViewPlan::Kind::kRecompute);
    const auto result = connection_.query(over(sample_events(events(), SampleTexts::kWords), plan->reference_sql));
    ASSERT_TRUE(result.is_ok()) << result.status().to_line() << "\n" << plan->reference_sql;
    EXPECT_EQ(result->columns(), plan->output.size());
  }
}

}  // namespace
}  // namespace inlet::views
