// What is expected of every event: which rows fail, what becomes of them, and what may not be asked.
#include "decode/expectations.h"

#include <gtest/gtest.h>

#include "tests/decode/decoding.h"

namespace inlet::decode {
namespace {

using config::ExpectAction;
using testing::TextBatch;

constexpr std::int64_t kFirst = 500;

config::PipelineConfig pipeline(std::vector<config::ExpectConfig> expectations) {
  auto config =
      testing::pipeline(testing::schema({"id BIGINT!", "seen TIMESTAMP", "amount DECIMAL(12,2)", "name VARCHAR"}));
  config.event.event_time = "seen";
  config.expectations = std::move(expectations);
  return config;
}

std::string event(int id, const std::string& amount, const std::string& name, int minute = 0) {
  return R"({"id":)" + std::to_string(id) + R"(,"seen":"2026-01-01T00:)" + (minute < 10 ? "0" : "") +
         std::to_string(minute) + R"(:00Z","amount":)" + amount + R"(,"name":)" + name + "}";
}

class ExpectationsTest : public ::testing::Test {
 protected:
  duck::Connection connect() { return std::move(database_.connect()).value(); }

  Result<DecodedBatch> outcome(const config::PipelineConfig& config, const std::vector<std::string>& events) {
    auto connection = connect();
    INLET_RETURN_IF_ERROR(check_expectations(config, connection));
    Expectations expectations(config, std::move(connection));
    const TextBatch texts(events, kFirst);
    Decoder decoder(config);
    INLET_ASSIGN_OR_RETURN(auto decoded, decoder.decode(texts.batch, {}));
    INLET_RETURN_IF_ERROR(expectations.apply(texts.batch, decoded));
    return decoded;
  }

  std::string refusal(const std::string& sql) {
    auto connection = connect();
    const auto config = pipeline({{"x", sql, ExpectAction::kWarn, "p.toml:3:7"}});
    const auto status = check_expectations(config, connection);
    if (status.is_ok()) return "";
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(status.detail().where, "p.toml:3:7");
    return status.detail().why;
  }

  duck::Database database_ = std::move(duck::Database::open({})).value();
};

std::vector<std::int64_t> ids(const DecodedBatch& decoded) {
  const auto* values = decoded.chunk.values<std::int64_t>(0);
  return {values, values + decoded.chunk.rows()};
}

using Numbers = std::vector<std::int64_t>;

TEST_F(ExpectationsTest, count_the_rows_that_do_not_meet_them_and_leave_them) {
  const auto config =
      pipeline({{"positive", "amount > 0", ExpectAction::kWarn, ""}, {"named", "name <> ''", ExpectAction::kWarn, ""}});
  const auto decoded =
      outcome(config, {event(1, "5", "\"a\""), event(2, "0", "\"\""), event(3, "-1", "\"b\""), event(4, "2", "\"\"")});
  ASSERT_TRUE(decoded.is_ok()) << decoded.status().to_line();
  EXPECT_EQ(decoded->expectation_failures, (Numbers{2, 2}));
  EXPECT_EQ(ids(*decoded), (Numbers{1, 2, 3, 4}));
  EXPECT_TRUE(decoded->rejects.empty());
}

TEST_F(ExpectationsTest, that_are_null_count_as_met) {
  const auto config = pipeline({{"positive", "amount > 0", ExpectAction::kQuarantine, ""}});
  const auto decoded = outcome(config, {event(1, "null", "null"), event(2, "-1", "null")});
  ASSERT_TRUE(decoded.is_ok());
  EXPECT_EQ(decoded->expectation_failures, (Numbers{1}));
  EXPECT_EQ(ids(*decoded), (Numbers{1}));
}

TEST_F(ExpectationsTest, set_rows_aside_as_rejects_with_the_original_value) {
  const auto config = pipeline({{"known", "name IS NOT NULL", ExpectAction::kWarn, ""},
                                {"positive", "amount > 0 -- euros", ExpectAction::kQuarantine, ""}});
  const std::string bad = event(3, "-1.50", "null", 50);
  const auto decoded = outcome(config, {event(1, "5", "\"a\"", 10), "broken", bad, event(4, "2", "\"c\"", 20), "x"});
  ASSERT_TRUE(decoded.is_ok()) << decoded.status().to_line();
  EXPECT_EQ(ids(*decoded), (Numbers{1, 4}));
  ASSERT_EQ(decoded->rejects.size(), 3U);
  const auto& reject = decoded->rejects[1];
  EXPECT_EQ(reject.offset.value, kFirst + 2) << "rejects stay in the order of their offsets";
  EXPECT_EQ(to_string(reject.reason), "expectation");
  EXPECT_EQ(reject.raw, bad);
  EXPECT_NE(reject.message.find("\"positive\""), std::string::npos) << reject.message;
  EXPECT_EQ(decoded->expectation_failures, (Numbers{1, 1}));
  EXPECT_EQ(decoded->max_event_time, Timestamp(std::chrono::seconds(1'767'225'600 + 20 * 60)))
      << "what was set aside moves no largest event time";
}

TEST_F(ExpectationsTest, that_set_every_row_aside_leave_an_empty_chunk) {
  const auto config = pipeline({{"never", "id < 0", ExpectAction::kQuarantine, ""}});
  const auto decoded = outcome(config, {event(1, "5", "\"a\""), event(2, "5", "\"b\"")});
  ASSERT_TRUE(decoded.is_ok()) << decoded.status().to_line();
  EXPECT_EQ(decoded->chunk.rows(), 0U);
  EXPECT_EQ(decoded->rejects.size(), 2U);
  EXPECT_FALSE(decoded->max_event_time.has_value());
}

TEST_F(ExpectationsTest, that_stop_name_rule_offset_and_values) {
  const auto config = pipeline({{"positive", "amount > 0", ExpectAction::kStop, ""}});
  const auto decoded = outcome(config, {event(1, "5", "\"a\""), event(2, "-1", "\"b\""), event(3, "-2", "\"c\"")});
  ASSERT_FALSE(decoded.is_ok());
  const ErrorDetail detail = decoded.status().detail();
  EXPECT_EQ(decoded.status().code(), StatusCode::kInternal);
  EXPECT_EQ(detail.id, "expect.stopped");
  EXPECT_NE(detail.what.find("positive"), std::string::npos) << detail.what;
  EXPECT_EQ(detail.where, "kafka:test/3/" + std::to_string(kFirst + 1));
  EXPECT_NE(detail.why.find(event(2, "-1", "\"b\"")), std::string::npos) << detail.why;
}

TEST_F(ExpectationsTest, that_cannot_be_computed_for_a_row_are_not_met_by_that_row_alone) {
  const auto config = pipeline(
      {{"number", "name::INT >= 0", ExpectAction::kQuarantine, ""}, {"small", "id < 1000", ExpectAction::kWarn, ""}});
  std::vector<std::string> events;
  for (int i = 0; i < 1500; ++i) events.push_back(event(i, "1", i % 500 == 7 ? "\"no number\"" : "\"12\""));
  const auto decoded = outcome(config, events);
  ASSERT_TRUE(decoded.is_ok()) << decoded.status().to_line();
  EXPECT_EQ(decoded->expectation_failures, (Numbers{3, 500}));
  EXPECT_EQ(decoded->chunk.rows(), 1497U);
  ASSERT_EQ(decoded->rejects.size(), 3U);
  EXPECT_EQ(decoded->rejects[1].offset.value, kFirst + 507);
  EXPECT_NE(decoded->rejects[1].message.find("no number"), std::string::npos) << decoded->rejects[1].message;
}

TEST_F(ExpectationsTest, see_every_column_of_the_table_of_events) {
  EXPECT_EQ(refusal("_partition >= 0 AND _offset >= 0 AND _source LIKE 'kafka:%' AND _kafka_timestamp >= seen"), "");
}

TEST_F(ExpectationsTest, may_use_what_follows_from_the_row_alone) {
  for (const char* sql : {"amount BETWEEN 0 AND 10", "name IN ('a', 'b')", "nullif(name, '') IS NOT NULL",
                          "length(name) < 10", "seen >= TIMESTAMPTZ '2020-01-01 00:00:00+00'",
                          "CASE WHEN id = 1 THEN amount > 2 ELSE true END", "name SIMILAR TO '[a-z]*'",
                          "NOT (amount < 0) -- a comment", "regexp_matches(name, '^x')", "round(amount) = 1"}) {
    EXPECT_EQ(refusal(sql), "") << sql;
  }
}

TEST_F(ExpectationsTest, are_refused_where_their_outcome_does_not_follow_from_the_row_alone) {
  for (const char* sql : {"max(amount) > 0", "count(*) > 1", "seen < now()", "seen < current_timestamp",
                          "random() < 0.5", "seen > ago(INTERVAL 1 DAY)", "amount IN (SELECT 1)", "EXISTS (SELECT 1)",
                          "sum(amount) OVER () > 0", "row_number() OVER () = 1", "COLUMNS(*) IS NOT NULL",
                          "current_setting('threads') = '1'", "nextval('s') > 1", "uuid() <> uuid()"}) {
    EXPECT_NE(refusal(sql), "") << sql;
  }
}

TEST_F(ExpectationsTest, are_refused_where_they_are_no_condition_over_known_columns) {
  for (const char* sql :
       {"amount +", "amont > 0", "amount", "'true'", "NULL", "", "no_function(amount)", "amount > 0, id > 0",
        "true) FROM range(3) --", "1) OR (true", "true; DROP TABLE x", "$1 > 2", "name > 5 FROM x"}) {
    EXPECT_NE(refusal(sql), "") << sql;
  }
  EXPECT_NE(refusal("amont > 0").find("amount"), std::string::npos) << "the columns there are, are named";
}

}  // namespace
}  // namespace inlet::decode
