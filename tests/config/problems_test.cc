// Every way a configuration can be wrong: what is said, and where.
#include <filesystem>

#include "tests/config/loading.h"

namespace inlet::config {
namespace {

TEST(Problems, of_a_file_that_is_not_there_name_it) {
  const auto outcome = load_pipeline("/nowhere/p.toml", {});
  EXPECT_FALSE(outcome.config);
  ASSERT_EQ(outcome.problems.size(), 1U);
  EXPECT_EQ(outcome.problems[0].id, "config.file_not_readable");
  EXPECT_EQ(outcome.problems[0].where, "/nowhere/p.toml");
  EXPECT_EQ(outcome.problems[0].why, "No such file or directory");
  EXPECT_EQ(load_pipeline(std::filesystem::temp_directory_path().string(), {}).problems.at(0).why, "it is a directory");
}

TEST(Problems, of_toml_itself_have_its_position) {
  EXPECT_EQ(problems_of("[pipeline]\nname = ventes\n"),
            "2:8 config.toml_syntax: not valid TOML (Error while parsing value: could not determine value type) "
            "[texts stand in quotation marks; see https://toml.io for the rest]\n");
  EXPECT_TRUE(problems_of("[pipeline\n").starts_with("1:10 config.toml_syntax"));
  EXPECT_TRUE(problems_of("[lake]\n[lake]\n").starts_with("2:1 config.toml_syntax"));
  EXPECT_TRUE(problems_of("name = \"\xff\xfe\"\n").starts_with("1:8 config.toml_syntax"));
}

TEST(Problems, name_the_nearest_known_key) {
  EXPECT_EQ(problems_of(with("[source]\nstartingOffset = \"latest\"\n")),
            "12:1 config.unknown_key: unknown key source.startingOffset [did you mean source.startingOffsets?]\n");
  EXPECT_EQ(problems_of(with("[source]\nstartingoffsets = \"latest\"\n")),
            "12:1 config.unknown_key: unknown key source.startingoffsets [did you mean source.startingOffsets?]\n");
  EXPECT_EQ(problems_of(with("[bronze]\nbatch_rwos = 5\n")),
            "12:1 config.unknown_key: unknown key bronze.batch_rwos [did you mean bronze.batch_rows?]\n");
  EXPECT_EQ(problems_of(with("[bronze]\nmax_raw_bytes = 5\n")),
            "12:1 config.unknown_key: unknown key bronze.max_raw_bytes [did you mean quarantine.max_raw_bytes?]\n");
  EXPECT_EQ(
      problems_of(with("[source.generator.catalogues.small.client]\ncolumns = [\"id\"]\nrow = 1\nrows = [[1]]\n")),
      "13:1 config.unknown_key: unknown key source.generator.catalogues.small.client.row "
      "[did you mean source.generator.catalogues.small.client.rows?]\n");
}

TEST(Problems, of_views_that_are_sealed_without_partitions_or_without_state) {
  const std::string view = "[views.v]\nsql = \"SELECT 1\"\n";
  EXPECT_EQ(problems_of(with(view + "partition_by = [\"day\"]\nseal_after = \"2d\"\n")), "");
  EXPECT_TRUE(problems_of(with(view + "seal_after = \"2d\"\n"))
                  .starts_with("13:14 config.conflict: views.v.seal_after needs views.v.partition_by"))
      << problems_of(with(view + "seal_after = \"2d\"\n"));
  EXPECT_TRUE(problems_of(with(view + "partition_by = [\"day\"]\nrefresh = \"1s\"\nseal_after = \"2d\"\n"))
                  .starts_with("15:14 config.conflict: views.v.seal_after and .refresh exclude each other"));
  EXPECT_TRUE(problems_of(with(view + "partition_by = [\"day\"]\nseal_after = \"soon\"\n"))
                  .starts_with("14:14 config.wrong_type: views.v.seal_after must be a duration"));
}

TEST(Problems, name_the_nearest_known_table_once_whatever_it_holds) {
  EXPECT_EQ(problems_of(with("[source.genrator]\nrate = 1\nnonsense = 2\n")),
            "11:9 config.unknown_key: unknown key source.genrator [did you mean source.generator?]\n");
  EXPECT_EQ(problems_of(with("[kafka]\ntopic = \"t\"\n")),
            "11:2 config.unknown_key: unknown key kafka [did you mean source.kafka?]\n");
}

TEST(Problems, list_what_is_known_where_nothing_is_near) {
  EXPECT_EQ(problems_of("zzzzzz = 1\n" + std::string(kMinimal)),
            "1:1 config.unknown_key: unknown key zzzzzz "
            "[known there: pipeline, lake, storage, source, event, bronze, quarantine, late, expect[], views, "
            "dimensions, reports, "
            "serve, page, panel[], filter[], maintenance, resources]\n");
  EXPECT_EQ(problems_of(with("[source.kafka]\nzzzzzz = 1\n")),
            "12:1 config.unknown_key: unknown key source.kafka.zzzzzz "
            "[known there: bootstrap_servers, topic, group_id, kafka]\n");
}

TEST(Problems, say_what_was_found_and_what_was_expected) {
  EXPECT_EQ(problems_of(with(R"TOML([source]
kind = 1
failOnDataLoss = "yes"
maxOffsetsPerTrigger = 1.5
[source.generator]
rate = "fast"
seed = true
late_by = 5
start_time = "yesterday"
[event]
max_event_bytes = "16 megs"
[bronze]
table = ["bronze/a"]
batch_interval = "250"
)TOML")),
            R"TOML(12:8 config.wrong_type: source.kind must be "generator", "kafka" or "file" (found the integer 1)
13:18 config.wrong_type: source.failOnDataLoss must be true or false (found the text "yes")
14:24 config.wrong_type: source.maxOffsetsPerTrigger must be an integer, at least 1 (found the number 1.5)
16:8 config.wrong_type: source.generator.rate must be a number, from 0 to 1000000000 (found the text "fast")
17:8 config.wrong_type: source.generator.seed must be an integer, at least 0 (found the boolean true)
18:11 config.wrong_type: source.generator.late_by must be a duration such as "250ms" or "1h", from 1ms to 366d (found the integer 5)
19:14 config.wrong_type: source.generator.start_time must be a time in UTC such as "2026-01-01T00:00:00Z" (found the text "yesterday")
21:19 config.wrong_type: event.max_event_bytes must be a size such as "64KiB" or "256MB", from 1B to 1GiB (found the text "16 megs")
23:9 config.wrong_type: bronze.table must be a text (found a list)
24:18 config.wrong_type: bronze.batch_interval must be a duration such as "250ms" or "1h", from 1ms to 1d (found the text "250")
)TOML");
}

TEST(Problems, of_a_value_in_place_of_a_table_stand_alone) {
  EXPECT_EQ(problems_of("pipeline = 1\n[lake]\npath = \"l\"\n[event]\nfields = 3\n[source]\ngenerator = \"x\"\n"),
            "1:12 config.wrong_type: pipeline must be a table (found the integer 1) "
            "[write [pipeline] and its keys below it]\n"
            "5:10 config.wrong_type: event.fields must be a table (found the integer 3) "
            "[write [event.fields] and its keys below it]\n"
            "7:13 config.wrong_type: source.generator must be a table (found the text \"x\") "
            "[write [source.generator] and its keys below it]\n");
}

TEST(Problems, of_values_out_of_range_have_the_range) {
  EXPECT_EQ(
      problems_of(with(R"TOML([source]
kind = "kafak"
maxOffsetsPerTrigger = 0
[source.generator]
rate = -0.5
partitions = 0
late_share = 1.5
[event]
max_depth = 0
[bronze]
batch_interval = "0s"
[quarantine]
max_raw_bytes = 0
[resources]
duckdb_memory_limit = "1MiB"
)TOML")),
      R"TOML(12:8 config.out_of_range: source.kind must be "generator", "kafka" or "file" (found the text "kafak") [did you mean "kafka"?]
13:24 config.out_of_range: source.maxOffsetsPerTrigger must be an integer, at least 1 (found the integer 0)
15:8 config.out_of_range: source.generator.rate must be a number, from 0 to 1000000000 (found the number -0.5)
16:14 config.out_of_range: source.generator.partitions must be an integer, from 1 to 10000 (found the integer 0)
17:14 config.out_of_range: source.generator.late_share must be a number, from 0 to 1 (found the number 1.5)
19:13 config.out_of_range: event.max_depth must be an integer, from 1 to 1000 (found the integer 0)
21:18 config.out_of_range: bronze.batch_interval must be a duration such as "250ms" or "1h", from 1ms to 1d (found the text "0s")
23:17 config.out_of_range: quarantine.max_raw_bytes must be a size such as "64KiB" or "256MB", from 1B to 1GiB (found the integer 0)
25:23 config.out_of_range: resources.duckdb_memory_limit must be a size such as "64KiB" or "256MB", from 32MiB to 1TiB (found the text "1MiB")
)TOML");
  EXPECT_EQ(problems_of(with("[source.generator]\nrate = nan\n")),
            "12:8 config.out_of_range: source.generator.rate must be a number, from 0 to 1000000000 "
            "(found the number nan)\n");
}

TEST(Problems, of_an_empty_file_are_all_it_needs) {
  const auto problems = problems_of("");
  for (const auto* key : {"pipeline.name", "lake.path", "source.generator.fields", "event.fields"}) {
    EXPECT_NE(problems.find(std::string("1:1 config.missing_key: ") + key + " is missing"), std::string::npos) << key;
  }
}

TEST(Problems, of_a_source_without_what_its_kind_needs_stand_where_the_kind_was_chosen) {
  EXPECT_EQ(problems_of(with("[source]\nkind = \"kafka\"\n")),
            "12:8 config.missing_key: source.kafka.topic is missing (source.kind is \"kafka\") "
            "[write topic = \"...\" in [source.kafka]]\n");
  EXPECT_EQ(problems_of(kMinimal, flags({{"source.kind", "file"}})),
            "--set source.kind config.missing_key: source.file.path is missing (source.kind is \"file\") "
            "[write path = \"...\" in [source.file]; \"-\" is standard input]\n");
  EXPECT_EQ(problems_of(kMinimal, environment({{"INLET__SOURCE__KIND", "file"}})).substr(0, 54),
            "environment INLET__SOURCE__KIND config.missing_key: so");
  EXPECT_EQ(problems_of(with("[source.kafka]\ntopic = \"a/b\"\n")),
            "12:9 config.invalid_value: \"a/b\" cannot be the name of a Kafka topic "
            "[use at most 249 letters, digits, \".\", \"_\" and \"-\"]\n");
}

TEST(Problems, of_names_and_paths_say_what_is_allowed) {
  EXPECT_EQ(
      problems_of(with(R"TOML([bronze]
table = "../outside"
[quarantine]
table = "bronze/.hidden"
)TOML")),
      R"TOML(12:9 config.invalid_value: bronze.table is not the name of a table: "../outside" [write a path below the lake's, such as "bronze/sales", of letters, digits, "_", "-" and "."]
14:9 config.invalid_value: quarantine.table is not the name of a table: "bronze/.hidden" [write a path below the lake's, such as "bronze/sales", of letters, digits, "_", "-" and "."]
)TOML");
  EXPECT_EQ(problems_of(with("[quarantine]\ntable = \"bronze/P\"\n")),
            "12:9 config.conflict: bronze.table and quarantine.table are the same table\n");
  EXPECT_EQ(
      problems_of(kMinimal, flags({{"pipeline.name", "a/b"}, {"lake.path", "ftp://b"}, {"pipeline.timezone", "?"}})),
      "--set pipeline.name config.invalid_value: \"a/b\" cannot be the name of a pipeline "
      "[use letters, digits, \"_\", \"-\" and \".\"]\n"
      "--set lake.path config.invalid_value: ftp:// is no place for a lake "
      "[give a directory, or s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, abfss://CONTAINER@ACCOUNT.HOST/PREFIX or "
      "gs://BUCKET/PREFIX]\n"
      "--set pipeline.timezone config.invalid_value: \"?\" is not a time zone "
      "[write an IANA name such as \"Europe/Paris\", or \"UTC\"]\n");
}

TEST(Problems, of_a_lake_in_an_object_store_are_told_before_it_is_asked) {
  const auto what = [](const std::string& path) {
    const auto text = problems_of(kMinimal, flags({{"lake.path", path}}));
    return text.substr(0, text.find(" ["));
  };
  EXPECT_EQ(what("s3://bucket/lake"), "");
  EXPECT_EQ(what("abfss://c@account.dfs.core.windows.net/lake/"), "");
  EXPECT_EQ(what("abfss://c@127.0.0.1:10000/lake"), "");
  EXPECT_EQ(what("s3://"), "--set lake.path config.invalid_value: lake.path names no bucket");
  EXPECT_NE(what("s3://b/l?key=x").find("more than a bucket and a prefix"), std::string::npos);
  EXPECT_EQ(what("gs://b//l"), "--set lake.path config.invalid_value: lake.path has an empty part");
  const auto plain =
      problems_of(kMinimal, flags({{"lake.path", "s3://b"}, {"storage.endpoint", "http://127.0.0.1:1"}}));
  EXPECT_NE(plain.find("storage.endpoint is reached without TLS"), std::string::npos) << plain;
  EXPECT_EQ(problems_of(kMinimal, flags({{"storage.endpoint", "http://h"}, {"storage.allow_http", "true"}})), "");
}

TEST(Problems, of_passwords_in_addresses_of_stores_do_not_repeat_them) {
  for (const std::string path :
       {"s3://me:hunter2-Zq9@bucket/lake", "s3://me:hunter2-Zq/9@bucket/lake", "gs://hunter2-Zq9@bucket",
        "az://me:hunter2-Zq9@c/l", "abfss://c:hunter2-Zq9@account.dfs.core.windows.net/lake"}) {
    const auto text = problems_of(kMinimal, flags({{"lake.path", path}}));
    EXPECT_NE(text.find("config.secret_in_address: lake.path has a user or password in it"), std::string::npos) << text;
    EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
  }
  const auto text = problems_of(
      kMinimal, flags({{"lake.path", "s3://b"}, {"storage.endpoint", "http://me:hunter2-Zq9@127.0.0.1:1"}}));
  EXPECT_NE(text.find("config.secret_in_address: storage.endpoint has a user or password"), std::string::npos) << text;
  EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
}

TEST(Problems, of_fields_stand_at_each_field) {
  EXPECT_EQ(
      problems_of(with(R"TOML(ID = "BIGINT"
_offset = "INT"
Date_Ingestion = "TIMESTAMP"
x = "BIGNIT"
y = 5
"a b" = "INT"
nested.z = "INT"
d = "DECIMAL(39,2)"
)TOML")),
      R"TOML(11:1 config.duplicate_column: the fields id and ID differ only in case (names of columns are the same in any case, to Delta and to SQL) [remove one of the two]
12:11 config.reserved_name: the field _offset has the name of a column that Inlet adds (these say where each row came from) [rename the field where the event is made]
13:18 config.reserved_name: the field Date_Ingestion has the name of a column that Inlet adds (these say where each row came from) [rename the field where the event is made]
14:5 config.bad_type: "BIGNIT" is not a column type [use BIGINT, INT, DOUBLE, DECIMAL(p,s), VARCHAR, BOOLEAN, DATE or TIMESTAMP; behind it "required" where the event must have a value]
15:5 config.wrong_type: event.fields.y must be a text such as "BIGINT required" (found the integer 5) [write NAME = "TYPE required", or NAME = "TYPE" for a field that may be missing]
16:9 config.bad_column_name: "a b" cannot be the name of a column (spaces, quotation marks and , ; { } ( ) = are not allowed in one) [rename the field where the event is made]
17:1 config.wrong_type: event.fields.nested must be a text such as "BIGINT required" (found a table) [fields are declared at the top level of the event only]
18:5 config.bad_type: "DECIMAL(39,2)" is not a decimal type [write DECIMAL(p,s) with 1 <= p <= 38 and 0 <= s <= p; behind it "required" where the event must have a value]
)TOML");
}

TEST(Problems, of_an_event_time_that_is_no_timestamp_name_those_there_are) {
  EXPECT_EQ(problems_of(with("[event]\nevent_time = \"id\"\n")),
            "12:14 config.conflict: event.event_time names no TIMESTAMP field (id is BIGINT) "
            "[the TIMESTAMP fields are: at]\n");
  EXPECT_EQ(problems_of(with("[event]\nevent_time = \"when\"\n")),
            "12:14 config.conflict: event.event_time names no TIMESTAMP field (there is no field \"when\") "
            "[the TIMESTAMP fields are: at]\n");
}

TEST(Problems, of_a_field_do_not_come_back_for_every_key_that_names_it) {
  EXPECT_EQ(
      problems_of(with("t = \"TIMESTMP\"\n[event]\nevent_time = \"t\"\n[bronze]\npartition_by = \"day(t) as d\"\n")),
      "11:5 config.bad_type: \"TIMESTMP\" is not a column type [use BIGINT, INT, DOUBLE, DECIMAL(p,s), VARCHAR, "
      "BOOLEAN, DATE or TIMESTAMP; behind it \"required\" where the event must have a value]\n");
}

TEST(Problems, of_the_partition_column) {
  const auto problem = [](std::string_view partition_by) {
    return problems_of(
        with("d = \"DATE\"\nv = \"VARCHAR\"\n[bronze]\npartition_by = \"" + std::string(partition_by) + "\"\n"));
  };
  EXPECT_EQ(problem("day(at) as jour"), "");
  EXPECT_EQ(problem("MONTH( d ) AS m"), "");
  EXPECT_EQ(problem("identity(v) as w"), "");
  EXPECT_TRUE(problem("day(at)").starts_with(
      "14:16 config.invalid_value: the partition column \"day(at)\" has no name [write \"FUNCTION(FIELD) as NAME\""));
  EXPECT_TRUE(problem("week(at) as w").starts_with("14:16 config.invalid_value: \"week\" is not a function"));
  EXPECT_TRUE(problem("at").starts_with("14:16 config.invalid_value: \"at\" is not a partition column"));
  EXPECT_EQ(problem("day(nope) as j"),
            "14:16 config.conflict: bronze.partition_by cannot be computed from nope (there is no field \"nope\") "
            "[the fields it can be computed from are: at, d]\n");
  EXPECT_EQ(problem("hour(d) as j"),
            "14:16 config.conflict: bronze.partition_by cannot be computed from d (d is DATE) "
            "[the fields it can be computed from are: at]\n");
  EXPECT_EQ(problem("identity(id) as j"),
            "14:16 config.conflict: bronze.partition_by cannot be computed from id (id is BIGINT) "
            "[the fields it can be computed from are: v]\n");
  EXPECT_EQ(problem("day(at) as V"),
            "14:16 config.duplicate_column: the partition column V has the name of a field "
            "[give the partition column another name]\n");
  EXPECT_EQ(problem("day(at) as _source"),
            "14:16 config.reserved_name: _source is the name of a column that Inlet adds "
            "[give the partition column another name]\n");
}

TEST(Problems, of_kafka_settings_that_exactly_once_stands_on) {
  EXPECT_EQ(
      problems_of(with(R"TOML([source.kafka]
"kafka.enable.auto.commit" = false
"kafka.group.id" = "g"
"kafka.auto.offset.reset" = "earliest"
"kafka.bootstrap.servers" = "h:1"
"kafka.isolation.level" = "dirty"
)TOML")),
      R"TOML(12:30 config.owned_key: kafka.enable.auto.commit is set by Inlet itself [remove it: positions are committed with the rows, in the lake]
13:20 config.owned_key: kafka.group.id is set by Inlet itself [set source.kafka.group_id]
14:29 config.owned_key: kafka.auto.offset.reset is set by Inlet itself [set source.startingOffsets]
15:29 config.owned_key: kafka.bootstrap.servers is set by Inlet itself [set source.kafka.bootstrap_servers]
16:27 config.out_of_range: kafka.isolation.level must be "read_committed" or "read_uncommitted"
)TOML");
  EXPECT_EQ(problems_of(kMinimal, flags({{"source.kafka.kafka.group.id", "g"}})),
            "--set source.kafka.kafka.group.id config.owned_key: kafka.group.id is set by Inlet itself "
            "[set source.kafka.group_id]\n");
}

TEST(Problems, of_passwords_in_addresses_of_brokers_do_not_repeat_them) {
  const std::string said =
      " config.secret_in_address: source.kafka.bootstrap_servers has a user or password in it (brokers are shown in "
      "messages, and Kafka takes no credentials from their addresses) [write HOST:PORT alone, and set "
      "\"kafka.sasl.username\" and \"kafka.sasl.password\" in [source.kafka]]\n";
  for (const std::string servers : {"me:hunter2-Zq9@broker:9092", "SASL_SSL://me:hunter2-Zq9@broker:9092",
                                    "other:9092,hunter2-Zq9@broker:9092", "me:hunter2,Zq9@broker"}) {
    const std::string line = "bootstrap_servers = \"" + servers + "\"\n";
    EXPECT_EQ(problems_of(with("[source.kafka]\n" + line)), "12:21" + said);
    EXPECT_EQ(problems_of(with("[source]\nkind = \"kafka\"\n[source.kafka]\ntopic = \"t\"\n" + line)), "15:21" + said);
    EXPECT_EQ(problems_of(kMinimal, flags({{"source.kafka.bootstrap_servers", servers}})),
              "--set source.kafka.bootstrap_servers" + said);
    EXPECT_EQ(problems_of(kMinimal, environment({{"INLET__SOURCE__KAFKA__BOOTSTRAP_SERVERS", servers}})),
              "environment INLET__SOURCE__KAFKA__BOOTSTRAP_SERVERS" + said);
  }
  EXPECT_EQ(problems_of(with("[source.kafka]\nbootstrap_servers = \"SASL_SSL://broker:9092,[::1]:9092\"\n")), "");
}

TEST(Problems, of_table_properties) {
  EXPECT_EQ(
      problems_of(with(R"TOML([bronze.properties]
"delta.setTransactionRetentionDuration" = "interval 7 days"
"delta.apendOnly" = true
"delta.checkpointinterval" = 10
owner = "me"
)TOML")),
      R"TOML(12:43 config.property_refused: delta.setTransactionRetentionDuration cannot be set (the positions of the sources are transaction identifiers of the table: with a retention they expire, and what was read once would be read again) [remove the property]
13:21 config.unknown_key: unknown table property delta.apendOnly [did you mean delta.appendOnly?]
14:30 config.unknown_key: unknown table property delta.checkpointinterval [did you mean delta.checkpointInterval?]
15:9 config.unknown_key: unknown table property owner [names of Delta's table properties begin with "delta."]
)TOML");
  EXPECT_EQ(problems_of(with("[bronze.properties]\n\"delta.somethingOfTomorrow\" = 1\n")), "");
}

TEST(Problems, of_a_key_written_in_two_ways) {
  EXPECT_EQ(problems_of(with("[source.kafka]\nkafka.client.id = \"a\"\n\"kafka.client.id\" = \"b\"\n")),
            "13:1 config.duplicate_key: source.kafka.kafka.client.id is set twice (first at 12:14) "
            "[keep one of the two]\n");
}

TEST(Problems, of_catalogues_stand_at_the_value) {
  EXPECT_EQ(
      problems_of(with(R"TOML([source.generator]
key = "clint"
clients = 5
[source.generator.catalogues.small.client]
columns = ["id", "nom", "id"]
rows = [
  [1, "a", 2],
  [2, 3, 4],
  [1, "é", "x"], [2, "b"],
]
[source.generator.catalogues.small.produit]
columns = [1]
rows = [1]
[source.generator.catalogues.small.lieu]
columns = ["id"]
)TOML")),
      R"TOML(12:7 config.invalid_value: there is no entity "clint" in the catalogue (its entities are: client, produit, lieu)
15:11 config.duplicate_column: source.generator.catalogues.small.client has two columns named id
18:7 config.wrong_type: column nom of source.generator.catalogues.small.client holds texts (found the integer 3) [write all values of a column alike]
19:12 config.wrong_type: column id of source.generator.catalogues.small.client holds numbers (found the text "x") [write all values of a column alike]
19:18 config.invalid_value: this row of source.generator.catalogues.small.client has 2 values, its columns are 3 [give a value for each of: id, nom, id]
22:11 config.wrong_type: source.generator.catalogues.small.produit.columns must be a list of names (found a list of something else)
23:8 config.wrong_type: source.generator.catalogues.small.produit.rows must be a list of lists of values (found a list of something else)
25:1 config.missing_key: source.generator.catalogues.small.lieu.rows is missing [an entity needs columns = ["id", ...] and rows = [[1, ...], ...]]
)TOML");
  EXPECT_EQ(problems_of(with("[source.generator]\nclients = 5\ncatalogue = \"smal\"\n"
                             "[source.generator.catalogues.small.c]\ncolumns = [\"id\"]\nrows = [[1]]\n")),
            "13:13 config.invalid_value: there is no catalogue \"smal\" (the catalogues are: small) "
            "[did you mean \"small\"?]\n");
  EXPECT_EQ(problems_of(with("[source.generator.catalogues.small.c]\ncolumns = [\"id\", \"x\"]\n"
                             "rows = [[1.5, 1], [2, 1234567890123456789]]\n")),
            "13:10 config.wrong_type: the id of source.generator.catalogues.small.c must be an integer or a text "
            "(found the number 1.5)\n"
            "13:23 config.out_of_range: a number of a catalogue has at most 18 digits "
            "(found the integer 1234567890123456789)\n");
  EXPECT_EQ(problems_of(with("[source.generator]\nclients = 5\n")),
            "12:11 config.conflict: source.generator.clients needs source.generator.key "
            "(it says how many rows the key entity has) [write key = \"ENTITY\" in [source.generator]]\n");
}

TEST(Problems, of_generated_fields_stand_at_each_field) {
  const auto problems = problems_of(R"TOML([pipeline]
name = "p"
[lake]
path = "l"
[event.fields]
a = "INT"
[source.generator.fields]
a = "client.x"
b = "client.nom * zz"
c = "uniform 5..1"
d = "foo"
e = ["x", "y"]
f = "e * c"
g = "uniform 0.5..1.25"
h = "g * a *"
i = [1]
j = "uniform 1"
k = "later * g"
later = "sequence"
"l.m" = "sequence"
[source.generator.catalogues.small.client]
columns = ["id", "nom"]
rows = [[1, "Manon"]]
)TOML");
  EXPECT_EQ(
      problems.substr(0, problems.find("12:")),
      R"TOML(8:5 config.unknown_reference: the field a cannot be generated (client has no column "x"; its columns are: id, nom)
9:5 config.unknown_reference: the field b cannot be generated (client.nom is a text, not a number)
9:5 config.unknown_reference: the field b cannot be generated (no field "zz" stands before this one)
10:5 config.invalid_value: the range "5..1" is empty [write the smaller number first]
11:5 config.invalid_value: "foo" is not a way to generate a field [write "sequence", "event_time", "ENTITY.COLUMN", "uniform 1..5", "uniform 0.50..9.99", "FIELD * ENTITY.COLUMN", or a list of texts to choose from]
13:5 config.unknown_reference: the field f cannot be generated (the field e is not a number)
15:5 config.invalid_value: a factor is missing in "g * a *" [write "sequence", "event_time", "ENTITY.COLUMN", "uniform 1..5", "uniform 0.50..9.99", "FIELD * ENTITY.COLUMN", or a list of texts to choose from]
16:5 config.wrong_type: source.generator.fields.i must be a text such as "sequence", or a list of texts (found a list of something else)
17:5 config.invalid_value: a uniform field needs a range [write "sequence", "event_time", "ENTITY.COLUMN", "uniform 1..5", "uniform 0.50..9.99", "FIELD * ENTITY.COLUMN", or a list of texts to choose from]
18:5 config.unknown_reference: the field k cannot be generated (no field "later" stands before this one)
20:9 config.invalid_value: "l.m" cannot be the name of a generated field [use a name without dots, spaces, quotation marks and , ; { } ( ) =]
)TOML");
}

TEST(Problems, come_all_at_once_in_file_order_then_environment_then_flags) {
  EXPECT_EQ(
      problems_of(with("[bronze]\nbatch_rows = 0\n[event]\nevent_time = \"id\"\n[nonsense]\n"),
                  {.overrides = {{"source.rate", "1"}, {"bronze.batch_rows", "many"}},
                   .environment = {{"INLET__SOURCE__KAFKA__TOPICS", "t"}, {"INLET__BRONZE__BATCH_ROWS", "-1"}}}),
      "12:14 config.out_of_range: bronze.batch_rows must be an integer, from 1 to 1000000000 "
      "(found the integer 0)\n"
      "14:14 config.conflict: event.event_time names no TIMESTAMP field (id is BIGINT) "
      "[the TIMESTAMP fields are: at]\n"
      "15:2 config.unknown_key: unknown key nonsense "
      "[known there: pipeline, lake, storage, source, event, bronze, quarantine, late, expect[], views, dimensions, "
      "reports, "
      "serve, page, panel[], filter[], maintenance, resources]\n"
      "environment INLET__BRONZE__BATCH_ROWS config.out_of_range: bronze.batch_rows must be an integer, from 1 to "
      "1000000000 (found the text \"-1\")\n"
      "environment INLET__SOURCE__KAFKA__TOPICS config.unknown_key: unknown key source.kafka.topics "
      "[did you mean source.kafka.topic?]\n"
      "--set source.rate config.unknown_key: unknown key source.rate [did you mean source.generator.rate?]\n"
      "--set bronze.batch_rows config.wrong_type: bronze.batch_rows must be an integer, from 1 to 1000000000 "
      "(found the text \"many\")\n");
}

TEST(Problems, of_reports_are_told_by_key) {
  EXPECT_EQ(problems_of(with("[reports]\na = \"SELECT 1\"\n[reports.b]\nsql = \"SELECT 2\"\nbar = \"n\"\n")), "");
  EXPECT_EQ(problems_of(with("[reports.b]\nbar = \"n\"\n")),
            "11:10 config.missing_key: reports.b.sql is missing (a report is a question in SQL) "
            "[write sql = \"SELECT ...\" in [reports.b]]\n");
  EXPECT_EQ(problems_of(with("[reports.b]\nsqll = \"SELECT 1\"\nsql = \"SELECT 1\"\n")),
            "12:1 config.unknown_key: unknown key reports.b.sqll [did you mean reports.b.sql?]\n");
  EXPECT_EQ(problems_of(with("[reports]\na = 1\n")),
            "12:5 config.wrong_type: reports.a must be a text: one SELECT (found the integer 1)\n");
}

TEST(Problems, never_show_a_secret) {
  const std::string secret = "tr0ub4dor";
  for (const std::string value :
       {"tr0ub4dor", "\"tr0ub4dor", "[\"tr0ub4dor\"]", "{a=tr0ub4dor}", "\"\\qr0ub4dor\"", "'tr0ub4dor"}) {
    const auto problems = problems_of(with("[source.kafka]\n\"kafka.sasl.password\" = " + value + "\n"));
    EXPECT_FALSE(problems.empty());
    for (std::size_t length = 3; length <= secret.size(); ++length) {
      EXPECT_EQ(problems.find(secret.substr(0, length)), std::string::npos) << problems;
    }
  }
  EXPECT_EQ(problems_of(with("[source.kafka]\n\"kafka.sasl.password\" = 99999999999999999999\n")).find("9999"),
            std::string::npos);
  const auto duplicate =
      problems_of(with("[source.kafka]\nkafka.sasl.password = \"tr0ub4dor\"\n"
                       "\"kafka.sasl.password\" = \"tr0ub4dor\"\nsasl_password = \"tr0ub4dor\"\n"
                       "\"kafka.group.id\" = \"tr0ub4dor\"\n\"kafka.isolation.level\" = \"tr0ub4dor\"\n"),
                  {.overrides = {{"source.kafka.sasl.password", secret}},
                   .environment = {{"INLET__SOURCE__KAFKA__SASL_PASSWORD", secret}}});
  EXPECT_EQ(duplicate.find(secret), std::string::npos) << duplicate;
  EXPECT_NE(duplicate.find("sasl.password"), std::string::npos);
}

TEST(Problems, of_late_events_name_what_is_missing) {
  EXPECT_EQ(problems_of(with("[event]\nevent_time = \"at\"\n[late]\npolicy = \"divert\"\n")),
            "14:10 config.missing_key: late.delay is missing (without it no event is late) [write delay = \"1h\" in "
            "[late]]\n");
  EXPECT_EQ(
      problems_of(with("[late]\ndelay = \"1h\"\n")),
      "12:9 config.conflict: late.delay needs event.event_time (it is measured in event time) [write event_time = "
      "\"FIELD\" in [event]]\n");
  EXPECT_EQ(problems_of(with("[late]\ntable = \"bronze/p\"\n")),
            "12:9 config.conflict: late.table and bronze.table are the same table\n");
  EXPECT_TRUE(problems_of(with("[late]\ntable = \"../x\"\n")).starts_with("12:9 config.invalid_value"));
  EXPECT_TRUE(problems_of(with("diverted_at = \"BIGINT\"\n[event]\nevent_time = \"at\"\n[late]\ndelay = \"1h\"\n"
                               "policy = \"divert\"\n"))
                  .starts_with("11:15 config.reserved_name"));
}

TEST(Problems, of_expectations_have_the_position_of_each) {
  constexpr std::string_view kGood = "[[expect]]\nname = \"a\"\nsql = \"id > 0\"\n";
  const auto also = [&](std::string_view text) { return problems_of(with(std::string(kGood) + std::string(text))); };
  EXPECT_EQ(also(""), "");
  EXPECT_EQ(
      also("[[expect]]\nsql = \"id > 0\"\n"),
      "14:1 config.missing_key: expect[].name is missing (counts and messages need it) [write name = \"...\" below "
      "[[expect]]]\n");
  EXPECT_TRUE(also("[[expect]]\nname = \"b\"\n").starts_with("14:1 config.missing_key: expect[].sql is missing"));
  EXPECT_TRUE(also(kGood).starts_with("15:8 config.duplicate_key"));
  EXPECT_EQ(also("[[expect]]\nname = \"b\"\nsql = \"true\"\nacton = \"warn\"\n"),
            "17:1 config.unknown_key: unknown key expect[].acton [did you mean expect[].action?]\n");
  EXPECT_TRUE(also("[[expect]]\nname = \"b\"\nsql = \"true\"\naction = \"drop\"\n")
                  .starts_with("17:10 config.out_of_range: expect[].action must be"));
  EXPECT_TRUE(problems_of(with("[expect]\nname = \"a\"\n")).find("expect must be a list of tables") !=
              std::string::npos);
  EXPECT_TRUE(problems_of(kMinimal, flags({{"expect[].sql", "true"}})).find("config.file_only") != std::string::npos);
}

TEST(Expectations, are_read_in_the_order_of_the_file) {
  const auto config =
      loaded(with("[[expect]]\nname = \"b\"\nsql = \"id > 0\"\n[[expect]]\nname = \"a\"\nsql = "
                  "\"true\"\naction = \"stop\"\n"));
  ASSERT_EQ(config.expectations.size(), 2U);
  EXPECT_EQ(config.expectations[0].name, "b");
  EXPECT_EQ(config.expectations[0].action, ExpectAction::kWarn);
  EXPECT_TRUE(config.expectations[0].where.ends_with("p.toml:13:7")) << config.expectations[0].where;
  EXPECT_EQ(config.expectations[1].name, "a");
  EXPECT_EQ(config.expectations[1].action, ExpectAction::kStop);
}

}  // namespace
}  // namespace inlet::config
