// A batch as a whole: rows, positions, the derived column, what is counted.
#include "decode/decoder.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/decode/decoding.h"

namespace inlet::decode {
namespace {

using testing::cell;
using testing::kVente;
using testing::pipeline;
using testing::row_of;
using testing::schema;
using testing::TextBatch;

std::string constant_text(const duck::DataChunk& chunk, std::size_t column) {
  auto text = static_cast<duckdb_string_t*>(duckdb_vector_get_data(chunk.column(column)))[0];
  return {duckdb_string_t_data(&text), duckdb_string_t_length(text)};
}

TEST(Decoder, an_event_becomes_a_row_of_typed_columns) {
  const auto config = testing::ventes();
  Decoder decoder(config);
  const TextBatch input({std::string(kVente)}, 41);
  const auto decoded = decoder.decode(input.batch, {});
  ASSERT_TRUE(decoded.is_ok());
  ASSERT_EQ(decoded->chunk.rows(), 1U);
  EXPECT_EQ(row_of(*decoded, config, 0),
            (std::vector<std::string>{"17", "2", "103", "1769862600123000", "3", "8997", "Benoît Lefèvre", "Clavier",
                                      "Informatique", "Belgique", "Standard", "2026-01-31"}));
  const Schema all = Decoder::chunk_schema(config);
  ASSERT_EQ(decoded->chunk.columns(), 16U);
  EXPECT_EQ(constant_text(decoded->chunk, 12), "kafka:test");
  EXPECT_EQ(cell(decoded->chunk, all, 13, 0), "3");
  EXPECT_EQ(cell(decoded->chunk, all, 14, 0), "41");
  EXPECT_EQ(cell(decoded->chunk, all, 15, 0), std::to_string(testing::kRecordTime * 1000));
  EXPECT_EQ(decoded->max_event_time, Timestamp(std::chrono::microseconds(1769862600123000)));
  EXPECT_EQ(decoded->partition, input.batch.partition);
  EXPECT_EQ(decoded->generation, input.batch.generation);
  EXPECT_EQ(decoded->range, input.batch.range);
  EXPECT_EQ(decoded->records, 1U);
  EXPECT_EQ(decoded->bytes, kVente.size());
  EXPECT_EQ(decoded->last_fingerprint, source::record_fingerprint(input.batch.records[0]));
}

TEST(Decoder, the_chunk_has_the_declared_columns_then_the_derived_one_then_the_position) {
  auto config = testing::ventes();
  const Schema with = Decoder::chunk_schema(config);
  ASSERT_EQ(with.columns.size(), 16U);
  EXPECT_EQ(with.columns[11], (Column{"jour", {TypeKind::kVarchar, 0, 0}, false}));
  EXPECT_EQ(with.columns[12].name, "_source");
  EXPECT_EQ(with.columns[13], (Column{"_partition", {TypeKind::kInt, 0, 0}, false}));
  EXPECT_EQ(with.columns[14], (Column{"_offset", {TypeKind::kBigint, 0, 0}, false}));
  EXPECT_EQ(with.columns[15], (Column{"_kafka_timestamp", {TypeKind::kTimestamp, 0, 0}, true}));
  config.bronze.partition_by.reset();
  EXPECT_EQ(Decoder::chunk_schema(config).columns.size(), 15U);
}

TEST(Decoder, rejects_leave_no_hole_and_no_null_behind) {
  const auto config = pipeline(schema({"a VARCHAR", "b BIGINT", "c INT!"}));
  Decoder decoder(config);
  const TextBatch input({R"({"a":"one","b":1,"c":1})", R"({"c":2})", "broken", R"({"a":null,"b":null})",
                         R"({"a":"three","b":3,"c":"x"})", R"({"a":"four","b":4,"c":4})", R"({"c":5})", ""},
                        100);
  const auto decoded = decoder.decode(input.batch, {});
  ASSERT_TRUE(decoded.is_ok());
  ASSERT_EQ(decoded->chunk.rows(), 4U);
  const Schema all = Decoder::chunk_schema(config);
  const auto line = [&](std::size_t row) {
    return cell(decoded->chunk, all, 0, row) + " " + cell(decoded->chunk, all, 1, row) + " " +
           cell(decoded->chunk, all, 2, row) + " " + cell(decoded->chunk, all, 5, row);
  };
  EXPECT_EQ(line(0), "one 1 1 100");
  EXPECT_EQ(line(1), "NULL NULL 2 101");
  EXPECT_EQ(line(2), "four 4 4 105");
  EXPECT_EQ(line(3), "NULL NULL 5 106");
  ASSERT_EQ(decoded->rejects.size(), 4U);
  EXPECT_EQ(decoded->rejects[0].offset.value, 102);
  EXPECT_EQ(decoded->rejects[1].offset.value, 103);
  EXPECT_EQ(decoded->rejects[2].offset.value, 104);
  EXPECT_EQ(decoded->rejects[3].offset.value, 107);
  EXPECT_EQ(decoded->rejects[3].timestamp_ms, testing::kRecordTime);
  EXPECT_EQ(decoded->records, 8U);
}

TEST(Decoder, what_stands_in_quarantine_already_is_neither_row_nor_reject) {
  const auto config = pipeline(schema({"v BIGINT!"}));
  Decoder decoder(config);
  const TextBatch input({R"({"v":1})", "broken", R"({"v":3})", "broken"}, 10);
  const auto decoded = decoder.decode(input.batch, {10, 11, 99});
  ASSERT_TRUE(decoded.is_ok());
  EXPECT_EQ(decoded->chunk.rows(), 1U);
  EXPECT_EQ(cell(decoded->chunk, Decoder::chunk_schema(config), 0, 0), "3");
  ASSERT_EQ(decoded->rejects.size(), 1U);
  EXPECT_EQ(decoded->rejects[0].offset.value, 13);
  EXPECT_EQ(decoded->records, 4U);
  EXPECT_EQ(decoded->bytes, input.batch.bytes);
  EXPECT_TRUE(decoded->last_fingerprint.has_value());
}

TEST(Decoder, a_batch_without_records_is_a_chunk_without_rows) {
  const auto config = testing::ventes();
  Decoder decoder(config);
  TextBatch input({});
  input.batch.range = {{5}, {9}};
  const auto decoded = decoder.decode(input.batch, {});
  ASSERT_TRUE(decoded.is_ok());
  EXPECT_EQ(decoded->chunk.rows(), 0U);
  EXPECT_EQ(decoded->chunk.columns(), 16U);
  EXPECT_EQ(decoded->range, (OffsetRange{{5}, {9}}));
  EXPECT_FALSE(decoded->max_event_time.has_value());
  EXPECT_FALSE(decoded->last_fingerprint.has_value());
}

TEST(Decoder, the_fingerprint_is_of_the_record_at_the_end_of_the_range_only) {
  const auto config = pipeline(schema({"v BIGINT!"}));
  Decoder decoder(config);
  TextBatch input({R"({"v":1})", "broken"});
  EXPECT_EQ(decoder.decode(input.batch, {})->last_fingerprint, source::record_fingerprint(input.batch.records[1]));
  input.batch.range.last = {7};  // control records behind the last one
  EXPECT_FALSE(decoder.decode(input.batch, {})->last_fingerprint.has_value());
}

TEST(Decoder, a_full_chunk_is_filled) {
  const auto config = testing::ventes();
  Decoder decoder(config);
  const std::vector<std::string> texts(source::RecordBatch::kMaxRecords, std::string(kVente));
  const TextBatch input(texts);
  const auto decoded = decoder.decode(input.batch, {});
  ASSERT_TRUE(decoded.is_ok());
  EXPECT_EQ(decoded->chunk.rows(), 2048U);
  EXPECT_EQ(row_of(*decoded, config, 0), row_of(*decoded, config, 2047));

  const TextBatch longer(std::vector<std::string>(2049, std::string(kVente)));
  EXPECT_EQ(decoder.decode(longer.batch, {}).status().code(), StatusCode::kInternal);
}

TEST(Decoder, max_event_time_is_of_rows_not_of_rejects) {
  auto config = pipeline(schema({"t TIMESTAMP", "v BIGINT!"}));
  config.event.event_time = "t";
  Decoder decoder(config);
  const TextBatch input({R"({"t":2000,"v":1})", R"({"t":1000,"v":1})", R"({"v":1})", R"({"t":9000,"v":"x"})"});
  EXPECT_EQ(decoder.decode(input.batch, {})->max_event_time, Timestamp(std::chrono::milliseconds(2000)));
}

TEST(Decoder, a_record_time_that_is_none_is_null) {
  const auto config = pipeline(schema({"v BIGINT!"}));
  Decoder decoder(config);
  for (const std::int64_t time : {std::int64_t{-1}, std::int64_t{0}, INT64_MAX, INT64_MIN}) {
    const TextBatch input({R"({"v":1})"}, 0, time);
    const auto decoded = decoder.decode(input.batch, {});
    EXPECT_EQ(cell(decoded->chunk, Decoder::chunk_schema(config), 4, 0), "NULL") << time;
  }
}

TEST(Decoder, the_partition_column_is_derived_in_utc) {
  using Function = config::DerivedColumn::Function;
  const auto derived = [](Function function, std::string_view text) {
    auto config = pipeline(schema({"t TIMESTAMP"}));
    config.timezone = "Asia/Tokyo";
    config.bronze.partition_by = config::DerivedColumn{"p", function, "t"};
    Decoder decoder(config);
    const std::string first = R"({"t":)" + std::string(text) + "}";
    const TextBatch input({R"({"t":"1999-12-31T23:59:59Z"})", first, first, "{}"});
    const auto decoded = decoder.decode(input.batch, {});
    EXPECT_EQ(row_of(*decoded, config, 1), row_of(*decoded, config, 2));
    EXPECT_EQ(row_of(*decoded, config, 3)[1], "NULL");
    return row_of(*decoded, config, 1)[1];
  };
  EXPECT_EQ(derived(Function::kDay, "\"2026-01-31T08:59:59.999999\""), "2026-01-30");
  EXPECT_EQ(derived(Function::kDay, "\"2026-01-31T09:00:00\""), "2026-01-31");
  EXPECT_EQ(derived(Function::kMonth, "\"2026-01-31T12:30:00Z\""), "2026-01");
  EXPECT_EQ(derived(Function::kYear, "\"0044-01-31T12:30:00Z\""), "0044");
  EXPECT_EQ(derived(Function::kHour, "\"2026-01-31T12:59:59.999999Z\""), "2026-01-31-12");
  EXPECT_EQ(derived(Function::kHour, "-1"), "1969-12-31-23");
  EXPECT_EQ(derived(Function::kDay, "\"0001-01-01T00:00:00Z\""), "0001-01-01");
  EXPECT_EQ(derived(Function::kDay, "\"9999-12-31T23:59:59Z\""), "9999-12-31");
}

TEST(Decoder, the_partition_column_can_be_of_a_date_or_a_text) {
  using Function = config::DerivedColumn::Function;
  auto config = pipeline(schema({"d DATE!", "s VARCHAR!"}));
  config.bronze.partition_by = config::DerivedColumn{"p", Function::kMonth, "d"};
  EXPECT_EQ(testing::outcome(config, R"({"d":"2026-02-28","s":"x"})"), "row: 20512|x|2026-02");
  config.bronze.partition_by = config::DerivedColumn{"p", Function::kIdentity, "s"};
  EXPECT_EQ(testing::outcome(config, R"({"d":"2026-02-28","s":"x"})"), "row: 20512|x|x");
  EXPECT_EQ(testing::outcome(config, R"({"d":"2026-02-28","s":"longer than a cell holds"})"),
            "row: 20512|longer than a cell holds|longer than a cell holds");
}

TEST(Decoder, one_batch_leaves_nothing_to_the_next) {
  const auto config = testing::ventes();
  Decoder decoder(config);
  const TextBatch first({std::string(kVente), "broken", R"({"vente_id": 1, "vente_id": 1})"});
  const TextBatch second({std::string(kVente)});
  const auto expected = row_of(*Decoder(config).decode(second.batch, {}), config, 0);
  auto kept = decoder.decode(first.batch, {});
  auto decoded = decoder.decode(second.batch, {});
  EXPECT_EQ(row_of(*decoded, config, 0), expected);
  EXPECT_TRUE(decoded->rejects.empty());
  EXPECT_EQ(row_of(*kept, config, 0), expected) << "a chunk is its own";
}

TEST(Decoder, a_schema_without_fields_takes_every_object) {
  const auto config = pipeline({});
  EXPECT_EQ(testing::outcome(config, R"({"":1,"x":2})"), "row: ");
  EXPECT_EQ(testing::outcome(config, R"({"":1,"":2})"), "duplicate_key: ");
  EXPECT_EQ(testing::outcome(config, R"({"x":1,"":1,"":2})"), "duplicate_key: ");
}

}  // namespace
}  // namespace inlet::decode
