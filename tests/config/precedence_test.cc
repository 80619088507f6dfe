// Flag > environment > file > default, and every spelling of a key that must reach it.
#include "tests/config/loading.h"

namespace inlet::config {
namespace {

TEST(Precedence, defaults_are_those_of_the_struct) {
  const auto config = loaded(kMinimal);
  const PipelineConfig fresh;
  EXPECT_EQ(config.timezone, "UTC");
  EXPECT_EQ(config.source.kind, SourceKind::kGenerator);
  EXPECT_EQ(config.source.generator.rate, fresh.source.generator.rate);
  EXPECT_EQ(config.source.generator.event_interval, fresh.source.generator.event_interval);
  EXPECT_EQ(config.source.kafka.bootstrap_servers, "localhost:9092");
  EXPECT_EQ(config.source.max_offsets_per_trigger, std::nullopt);
  EXPECT_EQ(config.event.max_event_bytes, 16U << 20U);
  EXPECT_EQ(config.event.event_time, "");
  EXPECT_EQ(config.bronze.batch_interval, fresh.bronze.batch_interval);
  EXPECT_EQ(config.bronze.partition_by.has_value(), false);
  EXPECT_EQ(config.resources.queue_bytes, fresh.resources.queue_bytes);
}

TEST(Precedence, table_names_follow_from_the_pipeline_and_from_each_other) {
  EXPECT_EQ(loaded(kMinimal).bronze.table, "bronze/p");
  EXPECT_EQ(loaded(kMinimal).quarantine.table, "quarantine/p");
  const auto named = loaded(with("[bronze]\ntable = \"raw/shop/sales\"\n"));
  EXPECT_EQ(named.bronze.table, "raw/shop/sales");
  EXPECT_EQ(named.quarantine.table, "quarantine/sales");
}

TEST(Precedence, a_flag_goes_before_the_environment_before_the_file) {
  const auto text = with("[source.generator]\nrate = 1\nseed = 1\npartitions = 1\n");
  const auto config =
      loaded(text, {.overrides = {{"source.generator.rate", "4"}, {"source.generator.rate", "3.5"}},
                    .environment = {{"INLET__SOURCE__GENERATOR__RATE", "2"}, {"INLET__SOURCE__GENERATOR__SEED", "2"}}});
  EXPECT_EQ(config.source.generator.rate, 3.5);
  EXPECT_EQ(config.source.generator.seed, 2U);
  EXPECT_EQ(config.source.generator.partitions, 1);
}

TEST(Precedence, the_effective_value_is_what_must_fit_together) {
  EXPECT_EQ(problems_of(with("[source]\nkind = \"kafka\"\n"), flags({{"source.kafka.topic", "t"}})), "");
  EXPECT_EQ(problems_of(with("[source]\nkind = \"kafka\"\n"), environment({{"INLET__SOURCE__KIND", "generator"}})), "");
  EXPECT_EQ(problems_of("", flags({{"pipeline.name", "p"},
                                   {"lake.path", "l"},
                                   {"event.fields.a", "INT"},
                                   {"source.generator.fields.a", "sequence"}})),
            "");
}

TEST(Precedence, texts_of_flags_become_the_type_of_the_key) {
  const auto config = loaded(kMinimal, flags({{"source.kind", "kafka"},
                                              {"source.kafka.topic", "t"},
                                              {"source.startingOffsets", "latest"},
                                              {"source.failOnDataLoss", "false"},
                                              {"source.maxOffsetsPerTrigger", "1000"},
                                              {"source.generator.event_interval", "250us"},
                                              {"source.generator.start_time", "2024-02-29T23:59:59.5Z"},
                                              {"event.unknown_fields", "refuse"},
                                              {"event.max_event_bytes", "1048576"},
                                              {"bronze.batch_interval", "1.5s"},
                                              {"bronze.batch_bytes", "1GB"},
                                              {"resources.decode_threads", "3"}}));
  EXPECT_EQ(config.source.kind, SourceKind::kKafka);
  EXPECT_EQ(config.source.starting_offsets, StartingOffsets::kLatest);
  EXPECT_FALSE(config.source.fail_on_data_loss);
  EXPECT_EQ(config.source.max_offsets_per_trigger, 1000);
  EXPECT_EQ(config.source.generator.event_interval, std::chrono::microseconds(250));
  EXPECT_EQ(config.source.generator.start_time, "2024-02-29T23:59:59.5Z");
  EXPECT_EQ(config.event.unknown_fields, UnknownFields::kRefuse);
  EXPECT_EQ(config.event.max_event_bytes, 1048576U);
  EXPECT_EQ(config.bronze.batch_interval, std::chrono::milliseconds(1500));
  EXPECT_EQ(config.bronze.batch_bytes, 1'000'000'000);
  EXPECT_EQ(config.resources.decode_threads, 3);
}

TEST(Precedence, kafka_keys_reach_librdkafka_however_they_are_written) {
  const auto config = loaded(with(R"([source.kafka]
"kafka.security.protocol" = "SASL_SSL"
kafka.sasl.mechanism = "PLAIN"
kafka.fetch.max.bytes = 1
"kafka.socket.keepalive.enable" = true
)"),
                             {.overrides = {{"source.kafka.kafka.fetch.min.bytes", "1"},
                                            {"source.kafka.\"kafka.client.id\"", "me"},
                                            {"source.kafka.kafka.fetch.max.bytes", "2"}},
                              .environment = {{"INLET__SOURCE__KAFKA__KAFKA__SASL__PASSWORD", "Secret__1"},
                                              {"INLET__SOURCE__KAFKA__BOOTSTRAP_SERVERS", "broker:9093"}}});
  EXPECT_EQ(config.source.kafka.librdkafka, (std::map<std::string, std::string>{{"client.id", "me"},
                                                                                {"fetch.max.bytes", "2"},
                                                                                {"fetch.min.bytes", "1"},
                                                                                {"sasl.mechanism", "PLAIN"},
                                                                                {"sasl.password", "Secret__1"},
                                                                                {"security.protocol", "SASL_SSL"},
                                                                                {"socket.keepalive.enable", "true"}}));
  EXPECT_EQ(config.source.kafka.bootstrap_servers, "broker:9093");
  EXPECT_EQ(loaded(with("[source.kafka.kafka]\n\"fetch.max.bytes\" = 1\nclient.id = \"me\"\n")).source.kafka.librdkafka,
            (std::map<std::string, std::string>{{"client.id", "me"}, {"fetch.max.bytes", "1"}}));
}

TEST(Precedence, variables_find_keys_and_declared_names_whatever_their_case) {
  const auto config =
      loaded(with("montantTotal = \"INT\"\n"),
             environment({{"INLET__SOURCE__STARTINGOFFSETS", "latest"},
                          {"INLET__EVENT__FIELDS__MONTANTTOTAL", "BIGINT required"},
                          {"INLET__BRONZE__PROPERTIES__DELTA__APPENDONLY", "true"},
                          {"INLET__BRONZE__PROPERTIES__delta__logRetentionDuration", "interval 1 day"}}));
  EXPECT_EQ(config.source.starting_offsets, StartingOffsets::kLatest);
  ASSERT_EQ(config.event.schema.columns.size(), 3U);
  EXPECT_EQ(config.event.schema.columns[2], (Column{"montantTotal", {TypeKind::kBigint, 0, 0}, false}));
  EXPECT_EQ(config.bronze.properties,
            (std::map<std::string, std::string>{{"delta.appendOnly", "true"},
                                                {"delta.logRetentionDuration", "interval 1 day"}}));
}

TEST(Precedence, flags_change_and_add_fields_and_whole_lists) {
  const auto config = loaded(kMinimal, flags({{"event.fields.id", "VARCHAR"},
                                              {"event.fields.extra", "DECIMAL(12, 2) required"},
                                              {"source.generator.fields.id", "uniform -0.5..1.25"},
                                              {"source.generator.fields.canal", "[\"web\", \"magasin\"]"},
                                              {"source.generator.catalogues.small.c.columns", "[\"id\"]"},
                                              {"source.generator.catalogues.small.c.rows", "[[1], [2]]"}}));
  const auto& columns = config.event.schema.columns;
  ASSERT_EQ(columns.size(), 3U);
  EXPECT_EQ(columns[0], (Column{"id", {TypeKind::kVarchar, 0, 0}, true}));
  EXPECT_EQ(columns[1].name, "at");
  EXPECT_EQ(columns[2], (Column{"extra", {TypeKind::kDecimal, 12, 2}, false}));
  const auto& fields = config.source.generator.fields;
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[0].kind, GeneratorField::Kind::kUniformDecimal);
  EXPECT_EQ(fields[0].scale, 2);
  EXPECT_EQ(fields[0].min, -50);
  EXPECT_EQ(fields[0].max, 125);
  EXPECT_EQ(fields[2].kind, GeneratorField::Kind::kChoice);
  EXPECT_EQ(fields[2].choices, (std::vector<std::string>{"web", "magasin"}));
  ASSERT_EQ(config.source.generator.entities.size(), 1U);
  EXPECT_EQ(config.source.generator.entities[0].rows.size(), 2U);
  EXPECT_EQ(problems_of(kMinimal, flags({{"source.generator.fields.id", "[1"}})).substr(0, 62),
            "--set source.generator.fields.id config.toml_syntax: the value");
}

TEST(Precedence, fields_and_catalogue_rows_keep_the_order_of_the_file) {
  const auto config =
      loaded(with("z = \"INT\"\nb = \"INT\"\na = \"INT\"\n"
                  "[source.generator.catalogues.large.x]\ncolumns = [\"id\"]\nrows = [[9], [1], [5]]\n"
                  "[source.generator]\ncatalogue = \"large\"\n"
                  "[source.generator.catalogues.small.y]\ncolumns = [\"id\"]\nrows = [[1]]\n"));
  std::string names;
  for (const auto& column : config.event.schema.columns) names += column.name + " ";
  EXPECT_EQ(names, "id at z b a ");
  ASSERT_EQ(config.source.generator.entities.size(), 1U);
  EXPECT_EQ(config.source.generator.entities[0].name, "x");
  EXPECT_EQ(config.source.generator.entities[0].rows, (std::vector<std::vector<std::string>>{{"9"}, {"1"}, {"5"}}));
}

TEST(Precedence, the_lake_is_an_absolute_path) {
  EXPECT_EQ(loaded(kMinimal, flags({{"lake.path", "a/../b/"}})).lake, (std::filesystem::current_path() / "b").string());
  EXPECT_EQ(loaded(kMinimal).lake, "/tmp/lake");
}

TEST(Precedence, only_variables_of_inlet_are_looked_at) {
  ASSERT_EQ(setenv("INLET__SOURCE__GENERATOR__RATE", "7=7", 1), 0);
  ASSERT_EQ(setenv("INLET_KILL_AT", "x:1", 1), 0);
  const auto variables = inlet_environment();
  unsetenv("INLET__SOURCE__GENERATOR__RATE");
  unsetenv("INLET_KILL_AT");
  EXPECT_EQ(variables.at("INLET__SOURCE__GENERATOR__RATE"), "7=7");
  EXPECT_EQ(variables.count("INLET_KILL_AT"), 0U);
}

}  // namespace
}  // namespace inlet::config
