// What a view may not be, each with its reason.
#include <cctype>

#include "tests/views/planning.h"
#include "views/allowed_functions.h"

namespace inlet::views {
namespace {

struct Refused {
  const char* sql;
  const char* id;
  const char* fragment;  // of the message
};

class Refuses : public PlannerTest, public ::testing::WithParamInterface<Refused> {};

TEST_P(Refuses, with_id_reason_place_and_a_way_out) {
  const auto plan = this->plan(GetParam().sql);
  ASSERT_FALSE(plan.is_ok()) << plan->group_sql << "\n" << plan->final_sql;
  const auto status = plan.status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.to_line();
  EXPECT_EQ(status.detail().id, GetParam().id) << status.to_line();
  EXPECT_NE(status.to_line().find(GetParam().fragment), std::string::npos) << status.to_line();
  EXPECT_EQ(status.detail().where.find("pipeline.toml:7:1"), 0U) << status.to_line();
  EXPECT_FALSE(status.detail().why.empty()) << status.to_line();
  EXPECT_FALSE(status.detail().fix.empty()) << status.to_line();
}

constexpr const char* kNot = "view.not_maintainable";

INSTANTIATE_TEST_SUITE_P(
    Functions, Refuses,
    ::testing::Values(
        Refused{"SELECT random() AS r, count(*) AS n FROM ventes_stream GROUP BY ALL", kNot, "another value each time"},
        Refused{"SELECT count(*) AS n FROM ventes_stream WHERE date_ingestion > now()", kNot, "now()"},
        Refused{"SELECT count(*) AS n FROM ventes_stream WHERE livraison > current_date", kNot, "current_date"},
        Refused{"SELECT uuid() AS u FROM ventes_stream", kNot, "uuid()"},
        Refused{"SELECT getvariable('x') AS u FROM ventes_stream", kNot, "getvariable"},
        Refused{"SELECT nextval('x') AS u FROM ventes_stream", kNot, "nextval"},
        Refused{"SELECT age(\"timestamp\") AS u FROM ventes_stream", kNot, "age"},
        Refused{"SELECT count(*) AS n FROM ventes_stream WHERE hash(pays) > 5", kNot, "not on the list"},
        Refused{"SELECT unnest([1, 2]) AS u FROM ventes_stream", kNot, "not on the list"},
        Refused{"SELECT [1, 2] AS u FROM ventes_stream", kNot, "not on the list"},
        Refused{"SELECT pays COLLATE nocase AS p, count(*) AS n FROM ventes_stream GROUP BY ALL", kNot, "collation"}));

INSTANTIATE_TEST_SUITE_P(
    Aggregates, Refuses,
    ::testing::Values(
        Refused{"SELECT median(montant) AS m FROM ventes_stream", kNot, "does not follow from"},
        Refused{"SELECT list(montant) AS m FROM ventes_stream", kNot, "does not follow from"},
        Refused{"SELECT string_agg(pays, ',') AS m FROM ventes_stream", kNot, "does not follow from"},
        Refused{"SELECT approx_count_distinct(pays) AS m FROM ventes_stream", kNot, "does not follow from"},
        Refused{"SELECT quantile_cont(montant, 0.5) AS m FROM ventes_stream", kNot, "does not follow from"},
        Refused{"SELECT sum(DISTINCT montant) AS m FROM ventes_stream", kNot, "count(DISTINCT"},
        Refused{"SELECT avg(DISTINCT montant) AS m FROM ventes_stream", kNot, "count(DISTINCT"},
        Refused{"SELECT first(pays) AS m FROM ventes_stream", kNot, "no order"},
        Refused{"SELECT last(pays) AS m FROM ventes_stream", kNot, "ORDER BY"},
        Refused{"SELECT any_value(pays) AS m FROM ventes_stream", kNot, "ORDER BY"},
        Refused{"SELECT first(pays ORDER BY jour, quantite) AS m FROM ventes_stream", kNot, "several columns"},
        Refused{"SELECT max(montant, 3) AS m FROM ventes_stream", kNot, "more than one value"},
        Refused{"SELECT arg_min(pays, montant, 3) AS m FROM ventes_stream", kNot, "more than one value"},
        Refused{"SELECT avg(\"timestamp\") AS m FROM ventes_stream", kNot, "averages of"},
        Refused{"SELECT sum(sum(montant)) AS m FROM ventes_stream", "view.sql", "nested"}));

INSTANTIATE_TEST_SUITE_P(
    Inexact, Refuses,
    ::testing::Values(Refused{"SELECT pays, count(*) AS n FROM ventes_stream GROUP BY pays HAVING sum(poids) > 3", kNot,
                              "DECIMAL(18,4)"},
                      Refused{"SELECT CASE WHEN stddev(poids) > 1 THEN 1 ELSE 2 END AS c FROM ventes_stream", kNot,
                              "they decide"},
                      Refused{"SELECT round(sum(poids), 2) AS c FROM ventes_stream", kNot, "they decide"},
                      Refused{"SELECT CAST(avg(poids) AS BIGINT) AS c FROM ventes_stream", kNot, "they decide"},
                      Refused{"SELECT sum(poids) > 3 AS c FROM ventes_stream", kNot, "they decide"}));

INSTANTIATE_TEST_SUITE_P(
    Clauses, Refuses,
    ::testing::Values(
        Refused{"SELECT DISTINCT pays FROM ventes_stream", kNot, "GROUP BY ALL"},
        Refused{"SELECT pays, count(*) AS n FROM ventes_stream GROUP BY pays ORDER BY n", kNot, "no order"},
        Refused{"SELECT pays, count(*) AS n FROM ventes_stream GROUP BY pays LIMIT 3", kNot, "LIMIT"},
        Refused{"SELECT pays, count(*) AS n FROM ventes_stream GROUP BY ROLLUP (pays)", kNot, "ROLLUP"},
        Refused{"SELECT pays, count(*) AS n FROM ventes_stream GROUP BY GROUPING SETS ((pays), (jour))", kNot,
                "GROUPING"},
        Refused{"SELECT count(*) AS n FROM ventes_stream GROUP BY 0.1", kNot, "constant"},
        Refused{"WITH t AS (SELECT 1) SELECT count(*) AS n FROM ventes_stream", kNot, "WITH"},
        Refused{"SELECT pays FROM ventes_stream QUALIFY row_number() OVER () = 1", kNot, "QUALIFY"},
        Refused{"SELECT sum(montant) OVER () AS s FROM ventes_stream", kNot, "window"},
        Refused{"SELECT count(*) AS n FROM ventes_stream TABLESAMPLE 10%", kNot, "SAMPLE"},
        Refused{"SELECT count(*) AS n FROM ventes_stream USING SAMPLE 10%", kNot, "SAMPLE"},
        Refused{"SELECT count(*) AS n FROM ventes_stream UNION ALL SELECT 1", kNot, "set operation"},
        Refused{"SELECT (SELECT 1) AS n FROM ventes_stream", kNot, "subquery"},
        Refused{"SELECT count(*) AS n FROM ventes_stream WHERE pays IN (SELECT code FROM countries)", kNot, "subquery"},
        Refused{"SELECT count(*) AS n FROM (SELECT * FROM ventes_stream)", kNot, "subquery"},
        Refused{"SELECT count(*) AS n", kNot, "without FROM"},
        Refused{"SELECT count(*) AS n FROM range(3)", kNot, "table function"},
        Refused{"SELECT count(*) AS n FROM read_csv('/etc/passwd')", kNot, "table function"},
        Refused{"SELECT count(*) AS n FROM ventes_stream, countries", kNot, "join"},
        Refused{"SELECT count(*) AS n FROM ventes_stream RIGHT JOIN countries ON code = pays", kNot, "join"},
        Refused{"SELECT count(*) AS n FROM ventes_stream FULL JOIN countries ON code = pays", kNot, "join"},
        Refused{"SELECT count(*) AS n FROM ventes_stream SEMI JOIN countries ON code = pays", kNot, "join"},
        Refused{"SELECT count(*) AS n FROM countries JOIN ventes_stream ON code = pays", kNot, "reads countries"},
        Refused{"SELECT count(*) AS n FROM ventes_stream a JOIN ventes_stream b ON a.pays = b.pays", kNot,
                "dimensions"},
        Refused{"SELECT count(*) AS n FROM silver.ventes_stream", kNot, "reads silver.ventes_stream"},
        Refused{"SELECT count(*) AS n FROM ventes_stream AT (VERSION => 3)", kNot, "newest version"},
        Refused{"SELECT *, count(*) AS n FROM ventes_stream GROUP BY ALL", kNot, "only in a view without aggregates"},
        Refused{"SELECT * EXCLUDE (pays) FROM ventes_stream", kNot, "name the columns"}));

INSTANTIATE_TEST_SUITE_P(
    Outputs, Refuses,
    ::testing::Values(
        Refused{"SELECT count(*) FROM ventes_stream", "view.output_name", "AS name"},
        Refused{"SELECT count(*) AS \"a b\" FROM ventes_stream", "view.output_name", "blank"},
        Refused{"SELECT count(*) AS a, sum(montant) AS A FROM ventes_stream", "view.output_name", "two columns"},
        Refused{"SELECT count(*) AS processing_time FROM ventes_stream", "view.output_name", "processing_time"},
        Refused{"SELECT pays AS _source FROM ventes_stream", "view.output_name", "_source"},
        Refused{"SELECT CAST(max(\"timestamp\") AS TIMESTAMP) AS t FROM ventes_stream", "view.output_type",
                "TIMESTAMPTZ"},
        Refused{"SELECT CAST(count(*) AS UBIGINT) AS t FROM ventes_stream", "view.output_type", "CAST("},
        Refused{"SELECT max(livraison) - min(\"timestamp\") AS t FROM ventes_stream", "view.output_type", "INTERVAL"},
        Refused{"SELECT CAST(\"timestamp\" AS TIME) AS t FROM ventes_stream", "view.output_type", "TIME"}));

INSTANTIATE_TEST_SUITE_P(
    Sql, Refuses,
    ::testing::Values(Refused{"SELECT FROM WHERE", "view.sql", "syntax error"},
                      Refused{"SELECT 1 AS a; SELECT 2 AS b", "view.sql", "exactly one statement"},
                      Refused{"CREATE TABLE x (a INT)", "view.sql", "not a SELECT"},
                      Refused{"SELECT nothing AS n FROM ventes_stream", "view.sql", "nothing"},
                      Refused{"SELECT pays, count(*) AS n FROM ventes_stream", "view.sql", "GROUP BY"},
                      Refused{"SELECT count(*) AS n FROM ventes_stream WHERE $1", "view.sql", "parameters"}));

TEST_F(PlannerTest, says_line_and_column_of_the_expression) {
  const auto plan = this->plan("SELECT pays,\n  -- é\n  'é' || median(montant) AS m\nFROM ventes_stream GROUP BY pays");
  ASSERT_FALSE(plan.is_ok());
  EXPECT_EQ(plan.status().detail().where, "pipeline.toml:7:1, SQL line 3, column 10");
  EXPECT_NE(plan.status().detail().what.find("median(montant)"), std::string::npos);
  EXPECT_NE(plan.status().detail().fix.find("refresh = \"30s\""), std::string::npos);
}

TEST_F(PlannerTest, partition_by_names_a_column_that_shows_a_key) {
  const std::string sql = "SELECT upper(pays) AS u, jour, count(*) AS n FROM ventes_stream GROUP BY pays, jour";
  EXPECT_TRUE(plan(sql, {"jour"}).is_ok());
  for (const char* name : {"u", "n", "absent"}) {
    const auto refused = plan(sql, {name});
    ASSERT_FALSE(refused.is_ok());
    EXPECT_EQ(refused.status().detail().id, "view.partition_by");
  }
}

TEST_F(PlannerTest, with_refresh_what_reads_the_clock_or_files_is_still_refused) {
  refresh_ = std::chrono::seconds(30);
  for (const char* sql : {"SELECT now() AS t FROM ventes_stream", "SELECT current_timestamp AS t FROM ventes_stream",
                          "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM '/etc/passwd'",
                          "SELECT * FROM duckdb_settings()", "SELECT random() AS r FROM ventes_stream",
                          "SELECT count(*) AS n FROM silver.other", "SELECT pays FROM ventes_stream USING SAMPLE 3",
                          "SELECT (SELECT max(x) FROM glob('/*') t(x)) AS n FROM ventes_stream",
                          "SELECT getenv('HOME') AS h FROM ventes_stream"}) {
    const auto refused = plan(sql);
    ASSERT_FALSE(refused.is_ok()) << sql << "\n" << refused->reference_sql;
    EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument) << refused.status().to_line();
  }
}

TEST_F(PlannerTest, every_allowed_function_is_known_to_duckdb_as_one_of_its_arguments_only) {
  for (const auto name : scalar_functions()) {
    const auto known = connection_.query(
        "SELECT count(*), count(*) FILTER (WHERE stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')) FROM "
        "duckdb_functions() WHERE function_name = " +
        duck::quote_literal(name) + " AND function_type IN ('scalar', 'macro')");
    ASSERT_TRUE(known.is_ok());
    EXPECT_NE(known->integer(0, 0), 0) << name;
    EXPECT_EQ(known->integer(0, 1), 0) << name;
  }
}

class Seals : public PlannerTest {
 protected:
  Seals() { seal_after_ = std::chrono::hours(48); }
};

TEST_F(Seals, partitions_of_time_only_and_of_views_that_keep_state) {
  const std::string by_day = "SELECT jour, livraison, client_id, count(*) AS n FROM ventes_stream GROUP BY ALL";
  EXPECT_TRUE(plan(by_day, {"jour"}).is_ok());
  EXPECT_TRUE(plan(by_day, {"client_id", "livraison"}).is_ok());
  for (const auto& refused :
       {plan(by_day, {"client_id"}), plan(by_day), plan("SELECT jour FROM ventes_stream", {"jour"})}) {
    ASSERT_FALSE(refused.is_ok());
    EXPECT_EQ(refused.status().detail().id, "view.seal_after");
  }
}

}  // namespace
}  // namespace inlet::views
