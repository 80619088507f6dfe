// pipelines/ventes.toml: the file every new user starts from.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/pipeline_config.h"

namespace inlet::config {
namespace {

const std::string kVentes = std::string(INLET_SOURCE_DIR) + "/pipelines/ventes.toml";

PipelineConfig ventes(const LoadOptions& options = {}) {
  auto outcome = load_pipeline(kVentes, options);
  for (const auto& p : outcome.problems) ADD_FAILURE() << p.where << ": " << p.what << ": " << p.why << ". " << p.fix;
  return outcome.config.value_or(PipelineConfig{});
}

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

}  // namespace
}  // namespace inlet::config
