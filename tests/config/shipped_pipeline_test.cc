// The pipeline files that come with the program: pipelines/ventes.toml, which every new user starts from, and
// pipelines/requests.toml.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/pipeline_config.h"

namespace inlet::config {
namespace {

PipelineConfig shipped(const std::string& name, const LoadOptions& options = {}) {
  auto outcome = load_pipeline(std::string(INLET_SOURCE_DIR) + "/pipelines/" + name, options);
  for (const auto& p : outcome.problems) ADD_FAILURE() << p.where << ": " << p.what << ": " << p.why << ". " << p.fix;
  return outcome.config.value_or(PipelineConfig{});
}

PipelineConfig ventes(const LoadOptions& options = {}) { return shipped("ventes.toml", options); }

std::string columns_text(const PipelineConfig& config) {
  std::string text;
  for (const auto& c : config.event.schema.columns) {
    text += c.name + " " + c.type.to_pipeline() + (c.nullable ? "" : " required") + "\n";
  }
  return text;
}

TEST(ShippedPipeline, loads_without_a_problem_and_is_the_reference_workload) {
  const auto config = ventes();
  EXPECT_EQ(config.name, "ventes");
  EXPECT_EQ(config.timezone, "UTC");
  EXPECT_EQ(config.source.kind, SourceKind::kGenerator);
  EXPECT_EQ(config.source.kafka.topic, "ventes_stream");
  EXPECT_EQ(columns_text(config),
            "vente_id BIGINT required\nclient_id BIGINT required\nproduit_id BIGINT required\n"
            "timestamp TIMESTAMP required\nquantite INT required\nmontant DECIMAL(12,2) required\n"
            "client_nom VARCHAR\nproduit_nom VARCHAR\ncategorie VARCHAR\npays VARCHAR\nsegment VARCHAR\n");
  EXPECT_EQ(config.event.event_time, "timestamp");
  EXPECT_EQ(config.bronze.table, "bronze/ventes_stream");
  EXPECT_EQ(config.quarantine.table, "quarantine/ventes_stream");
  ASSERT_TRUE(config.bronze.partition_by);
  EXPECT_EQ(config.bronze.partition_by->name, "jour");
  EXPECT_EQ(config.bronze.partition_by->column, "timestamp");
  EXPECT_EQ(config.bronze.partition_by->function, DerivedColumn::Function::kDay);
}

TEST(ShippedPipeline, generates_the_declared_fields_from_six_products_and_five_clients) {
  const auto config = ventes();
  const auto& generator = config.source.generator;
  ASSERT_EQ(generator.fields.size(), config.event.schema.columns.size());
  for (std::size_t i = 0; i < generator.fields.size(); ++i) {
    EXPECT_EQ(generator.fields[i].name, config.event.schema.columns[i].name);
  }
  ASSERT_EQ(generator.entities.size(), 2U);
  const auto& product = generator.entities[0];
  const auto& client = generator.entities[1];
  EXPECT_EQ(product.name, "produit");
  EXPECT_EQ(product.rows.size(), 6U);
  EXPECT_EQ(product.quoted, (std::vector<bool>{false, true, true, false}));
  EXPECT_EQ(product.rows[0][3], "899.9");
  EXPECT_FALSE(product.is_key);
  EXPECT_EQ(client.name, "client");
  EXPECT_EQ(client.rows.size(), 5U);
  EXPECT_EQ(client.attributes, (std::vector<std::string>{"id", "nom", "pays", "segment"}));
  EXPECT_TRUE(client.is_key);

  const auto& quantity = generator.fields[4];
  EXPECT_EQ(quantity.kind, GeneratorField::Kind::kUniformInt);
  EXPECT_EQ(quantity.min, 1);
  EXPECT_EQ(quantity.max, 5);
  const auto& amount = generator.fields[5];
  EXPECT_EQ(amount.kind, GeneratorField::Kind::kProduct);
  EXPECT_EQ(amount.factors, (std::vector<std::string>{"produit.prix", "quantite"}));
}

TEST(ShippedPipeline, takes_the_keys_that_people_set_most) {
  const auto config = ventes({.overrides = {{"source.generator.rate", "0.5"},
                                            {"source.generator.clients", "1000"},
                                            {"source.kafka.bootstrap_servers", "127.0.0.1:1"},
                                            {"source.kafka.topic", "t"},
                                            {"source.file.path", "-"},
                                            {"source.kind", "kafka"},
                                            {"lake.path", "/tmp/somewhere/"}},
                              .environment = {}});
  EXPECT_EQ(config.source.generator.rate, 0.5);
  EXPECT_EQ(config.source.generator.clients, 1000);
  EXPECT_EQ(config.source.kafka.bootstrap_servers, "127.0.0.1:1");
  EXPECT_EQ(config.source.kafka.topic, "t");
  EXPECT_EQ(config.source.file.path, "-");
  EXPECT_EQ(config.source.kind, SourceKind::kKafka);
  EXPECT_EQ(config.lake, "/tmp/somewhere");
}

std::string panels_text(const PipelineConfig& config) {
  std::string text;
  for (const auto& panel : config.page.panels) text += panel.id + " " + panel.view + "\n";
  return text;
}

TEST(ShippedPipeline, has_a_page_of_its_own) {
  const auto config = ventes();
  EXPECT_EQ(config.page.title, "Sales, live");
  EXPECT_EQ(config.page.locale, "fr-FR");
  EXPECT_EQ(config.page.currency, "EUR");
  EXPECT_EQ(panels_text(config),
            "overview silver.ventes_aggreges\nrevenue_over_time silver.ventes_par_minute\n"
            "sales_over_time silver.ventes_par_minute\nsegments silver.ventes_par_segment\n"
            "top_clients silver.ventes_aggreges\ncountries silver.ventes_par_pays\nloyalty silver.ventes_aggreges\n"
            "performance silver.ventes_par_pays\nlatest silver.dernieres_ventes\n");
  ASSERT_EQ(config.page.filters.size(), 3U);
  EXPECT_FALSE(config.serve.listen_is_set) << "a port that is taken must not keep the demo from starting";

  const auto other = shipped("requests.toml");
  EXPECT_EQ(other.page.title, "Requests, live");
  EXPECT_EQ(other.page.currency, "");
  EXPECT_EQ(panels_text(other),
            "overview silver.per_minute\nanswers_over_time silver.per_minute\nrequests_by_region silver.per_minute\n"
            "traffic_by_region silver.per_minute\nbusiest_pages silver.last_answer\nslowest_minutes silver.per_minute\n"
            "last_answers silver.last_answer\n");
}

TEST(ShippedPipeline, shows_nothing_on_its_page_that_the_filters_would_not_narrow) {
  for (const auto* name : {"ventes.toml", "requests.toml"}) {
    for (const auto& panel : shipped(name).page.panels) {
      EXPECT_TRUE(panel.sql.empty() || panel.sql.find("FROM filtered") != std::string::npos)
          << name << ": " << panel.id;
    }
  }
}

}  // namespace
}  // namespace inlet::config
