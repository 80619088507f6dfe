// Views over a small table of sales, planned in an in-memory DuckDB with one dimension.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "duck/database.h"
#include "views/planner.h"
#include "views/sample_check.h"

namespace inlet::views {

class PlannerTest : public ::testing::Test {
 protected:
  PlannerTest() : database_(duck::Database::open({}).value()), connection_(database_.connect().value()) {
    const auto made = connection_.execute(
        "CREATE SCHEMA inlet_dimensions;"
        "CREATE TABLE inlet_dimensions.countries AS SELECT * FROM (VALUES ('ab', 'Europe', 10::BIGINT),"
        " ('Zoë', 'Europe', 20), ('東', 'Asia', NULL), (NULL, 'Nowhere', 1)) AS v(code, continent, population)");
    EXPECT_TRUE(made.is_ok()) << made.to_line();
  }

  static Schema events() {
    const ColumnType varchar{TypeKind::kVarchar};
    const ColumnType bigint{TypeKind::kBigint};
    return {{{"vente_id", bigint},
             {"client_id", bigint},
             {"timestamp", {TypeKind::kTimestamp}},
             {"quantite", {TypeKind::kInt}},
             {"montant", {TypeKind::kDecimal, 12, 2}},
             {"client_nom", varchar},
             {"pays", varchar},
             {"segment", varchar},
             {"produit_id", bigint},
             {"poids", {TypeKind::kDouble}},
             {"actif", {TypeKind::kBoolean}},
             {"livraison", {TypeKind::kDate}},
             {"jour", varchar},
             {"_source", varchar},
             {"_partition", {TypeKind::kInt}},
             {"_offset", bigint},
             {"_kafka_timestamp", {TypeKind::kTimestamp}},
             {"date_ingestion", {TypeKind::kTimestamp}}}};
  }

  Result<ViewPlan> plan(const std::string& sql, const std::vector<std::string>& partition_by = {},
                        const std::string& countries = "v1") {
    config::ViewConfig view;
    view.name = "ventes";
    view.sql = sql;
    view.partition_by = partition_by;
    view.where = "pipeline.toml:7:1";
    view.refresh = refresh_;
    view.seal_after = seal_after_;
    const ColumnType varchar{TypeKind::kVarchar};
    return plan_view(connection_, {view,
                                   "bronze/ventes_stream",
                                   events(),
                                   {{"countries",
                                     {{{"code", varchar}, {"continent", varchar}, {"population", {TypeKind::kBigint}}}},
                                     countries}}});
  }

  static std::string over(const std::string& source, const std::string& select) {
    return "SELECT * FROM (WITH inlet_source AS NOT MATERIALIZED (" + source + ") " + select + ")";
  }

  duck::Database database_;
  duck::Connection connection_;
  std::optional<std::chrono::milliseconds> refresh_;
  std::optional<std::chrono::milliseconds> seal_after_;
};

}  // namespace inlet::views
