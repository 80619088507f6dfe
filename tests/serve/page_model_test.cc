#include "serve/page_model.h"

#include <gtest/gtest.h>

namespace inlet::serve {
namespace {

Schema columns(std::initializer_list<const char*> names) {
  Schema schema;
  for (const auto* name : names) schema.columns.push_back({name, {TypeKind::kVarchar}, true});
  return schema;
}

config::PipelineConfig two_filters() {
  config::PipelineConfig config;
  config.name = "ventes";
  config.page.filters = {{"jour", "Day", "jour", "silver.par_pays", ""},
                         {"pays", "Country", "pays", "silver.par_pays", ""}};
  return config;
}

config::PanelConfig panel_over(const std::string& id, const std::string& view) {
  config::PanelConfig panel;
  panel.id = id;
  panel.title = id;
  panel.view = view;
  return panel;
}

TEST(PageModel, a_panel_takes_the_filters_whose_column_its_table_has) {
  auto config = two_filters();
  config.page.panels = {panel_over("a", "silver.par_pays"), panel_over("b", "bronze.ventes"), panel_over("c", "")};
  config.page.panels.push_back(panel_over("d", "silver.par_pays"));
  config.page.panels.back().filters = {"pays"};
  const PageModel page(
      config, {}, {{"silver/par_pays", columns({"pays", "jour", "revenu"})}, {"bronze/ventes", columns({"pays"})}});
  const auto taken = [&](const char* id) { return page.panel(id)->filters.value(); };
  EXPECT_EQ(taken("a"), (std::vector<std::string>{"jour", "pays"}));
  EXPECT_EQ(taken("b"), (std::vector<std::string>{"pays"}));
  EXPECT_EQ(taken("c"), (std::vector<std::string>{}));
  EXPECT_EQ(taken("d"), (std::vector<std::string>{"pays"}));
  EXPECT_EQ(page.panel("e"), nullptr);
  EXPECT_EQ(page.filter("segment"), nullptr);
}

TEST(PageModel, a_pipeline_without_panels_shows_its_views_as_tables) {
  config::PipelineConfig config;
  config.name = "capteurs";
  const PageModel page(config, {{"par_heure", "silver/par_heure", columns({"heure"}), {"heure"}, "SELECT 1", {}}}, {});
  const auto document = parse_json(page.document()).value();
  EXPECT_EQ(document["title"], "capteurs");
  ASSERT_EQ(document["panels"].size(), 1U);
  EXPECT_EQ(document["panels"][0]["kind"], "table");
  EXPECT_EQ(document["panels"][0]["view"], "silver/par_heure");
}

TEST(PanelSql, shows_every_row_of_the_view_where_it_has_no_sql) {
  EXPECT_EQ(panel_sql(panel_over("a", "silver.par_pays"), {}), R"(SELECT * FROM "silver"."par_pays")");
}

TEST(PanelSql, gives_the_rows_under_the_filters_to_its_own_sql) {
  auto panel = panel_over("a", "silver.par_pays");
  panel.sql = "\n SELECT sum(revenu) FROM filtered ;\n";
  EXPECT_EQ(
      panel_sql(panel, {{"pays", "Côte d'Ivoire"}, {"jour", std::nullopt}}),
      "WITH filtered AS (SELECT * FROM \"silver\".\"par_pays\" WHERE CAST(\"pays\" AS VARCHAR) = 'Côte d''Ivoire' "
      "AND \"jour\" IS NULL) SELECT sum(revenu) FROM filtered");
}

TEST(PanelSql, comes_in_front_of_the_common_table_expressions_of_the_sql) {
  auto panel = panel_over("a", "silver.par_pays");
  panel.sql = "With x AS (SELECT 1) SELECT * FROM x";
  EXPECT_EQ(panel_sql(panel, {}),
            "WITH filtered AS (SELECT * FROM \"silver\".\"par_pays\"), x AS (SELECT 1) SELECT * FROM x");
  panel.sql = "SELECT without FROM filtered";
  EXPECT_TRUE(panel_sql(panel, {}).ends_with(") SELECT without FROM filtered"));
}

TEST(PanelSql, names_are_quoted_whatever_they_hold) {
  EXPECT_EQ(quoted_table("silver/a\"b"), "\"silver\".\"a\"\"b\"");
  EXPECT_EQ(quoted_table("plain"), "\"plain\"");
  EXPECT_EQ(conditional_select("t", {{"x\" OR 1=1 --", "'; DROP TABLE t"}}),
            "SELECT * FROM \"t\" WHERE CAST(\"x\"\" OR 1=1 --\" AS VARCHAR) = '''; DROP TABLE t'");
}

}  // namespace
}  // namespace inlet::serve
