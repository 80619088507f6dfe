#include "serve/panel_check.h"

#include <gtest/gtest.h>

namespace inlet::serve {
namespace {

class PanelCheckTest : public testing::Test {
 protected:
  PanelCheckTest() {
    config_.name = "ventes";
    auto& panel = config_.page.panels.emplace_back();
    panel.id = "latest";
    panel.title = "Latest";
    panel.view = "bronze.ventes";
    panel.sql = "SELECT pays, sum(montant) AS revenu FROM filtered GROUP BY pays";
    panel.label = "pays";
    panel.value = "revenu";
    panel.money = {"revenu"};
    panel.where = "p.toml:7:1";
  }

  std::vector<std::string> problems() const {
    auto found = check_page(config_, {}, {{"bronze/ventes", columns_}});
    EXPECT_TRUE(found.is_ok()) << found.status().to_line();
    std::vector<std::string> texts;
    for (const auto& problem : *found) texts.push_back(problem.detail().id + " " + problem.detail().where);
    return texts;
  }

  Schema columns_{{{"pays", {TypeKind::kVarchar}, true}, {"montant", {TypeKind::kDecimal, 12, 2}, true}}};
  config::PipelineConfig config_;
};

using Problems = std::vector<std::string>;

TEST_F(PanelCheckTest, a_panel_that_can_be_drawn_has_no_problem) { EXPECT_EQ(problems(), Problems{}); }

TEST_F(PanelCheckTest, sql_that_does_not_bind_is_named_with_its_place) {
  config_.page.panels[0].sql = "SELECT nowhere FROM filtered";
  EXPECT_EQ(problems(), Problems{"page.bad_sql p.toml:7:1"});
  config_.page.panels[0].sql = "DELETE FROM filtered";
  EXPECT_EQ(problems(), Problems{"page.bad_sql p.toml:7:1"});
  config_.page.panels[0].sql = "SELECT * FROM read_csv('/etc/passwd')";
  EXPECT_EQ(problems(), Problems{"page.bad_sql p.toml:7:1"});
}

TEST_F(PanelCheckTest, columns_that_the_result_has_not_are_named) {
  config_.page.panels[0].label = "ville";
  config_.page.panels[0].money = {"prix"};
  EXPECT_EQ(problems(), (Problems{"page.no_column p.toml:7:1", "page.no_column p.toml:7:1"}));
}

TEST_F(PanelCheckTest, a_filter_of_a_column_that_is_not_there_is_named) {
  config_.page.filters = {{"ville", "City", "ville", "bronze.ventes", "p.toml:20:1"}};
  EXPECT_EQ(problems(), Problems{"page.no_column p.toml:20:1"});
  config_.page.filters = {{"pays", "Country", "pays", "bronze.ventes", "p.toml:20:1"}};
  EXPECT_EQ(problems(), Problems{});
}

}  // namespace
}  // namespace inlet::serve
