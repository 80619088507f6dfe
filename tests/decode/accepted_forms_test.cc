// What each declared type takes, and what it becomes.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/decode/decoding.h"

namespace inlet::decode {
namespace {

using testing::outcome;
using testing::pipeline;
using testing::schema;

struct Form {
  std::string json;      // of the value
  std::string expected;  // the cell, or the reason
};

void expect_forms(std::string_view type, const std::vector<Form>& forms) {
  const auto config = pipeline(schema({"v " + std::string(type) + "!"}));
  Decoder decoder(config);
  for (const auto& [json, expected] : forms) {
    const bool is_reason = !expected.empty() && expected.front() == '!';
    const std::string wanted = is_reason ? expected.substr(1) + ": v" : "row: " + expected;
    EXPECT_EQ(outcome(decoder, config, R"({"v":)" + json + "}"), wanted) << type << " of " << json;
    EXPECT_EQ(outcome(decoder, config, "\n {\t\"v\" : " + json + "\r\n } "), wanted) << type << " of " << json;
  }
}

TEST(AcceptedForms, bigint_takes_plain_digits_in_range) {
  expect_forms("BIGINT", {{"0", "0"},
                          {"-0", "0"},
                          {"7", "7"},
                          {"-42", "-42"},
                          {"999999999999999999", "999999999999999999"},
                          {"1000000000000000000", "1000000000000000000"},
                          {"9223372036854775807", "9223372036854775807"},
                          {"-9223372036854775808", "-9223372036854775808"},
                          {"9223372036854775808", "!overflow"},
                          {"-9223372036854775809", "!overflow"},
                          {"100000000000000000000000000", "!overflow"},
                          {"1.0", "!wrong_type"},
                          {"1e5", "!wrong_type"},
                          {"0.0", "!wrong_type"},
                          {"\"12\"", "!wrong_type"},
                          {"true", "!wrong_type"},
                          {"{}", "!wrong_type"},
                          {"[1,2]", "!wrong_type"},
                          {"null", "!missing_field"},
                          {"NaN", "!not_finite"},
                          {"-Infinity", "!not_finite"}});
}

TEST(AcceptedForms, int_takes_32_bits) {
  expect_forms("INT", {{"2147483647", "2147483647"},
                       {"-2147483648", "-2147483648"},
                       {"2147483648", "!overflow"},
                       {"-2147483649", "!overflow"},
                       {"9999999999999999999999", "!overflow"},
                       {"1e1", "!wrong_type"},
                       {"\"1\"", "!wrong_type"}});
}

TEST(AcceptedForms, double_takes_every_finite_number) {
  expect_forms("DOUBLE", {{"0", "0"},
                          {"-0", "-0"},
                          {"-0.0", "-0"},
                          {"0.1", "0.1"},
                          {"1e5", "1e+05"},
                          {"1E+5", "1e+05"},
                          {"-2.5e-3", "-0.0025"},
                          {"123456789012345678901234567890", "1.2345678901234568e+29"},
                          {"1.7976931348623157e308", "1.7976931348623157e+308"},
                          {"5e-324", "5e-324"},
                          {"1e-400", "0"},
                          {"-1e-400", "-0"},
                          {"0e999999", "0"},
                          {"1e400", "!overflow"},
                          {"-1e400", "!overflow"},
                          {"1e99999999999999999999999", "!overflow"},
                          {"1.8e308", "!overflow"},
                          {"NaN", "!not_finite"},
                          {"Infinity", "!not_finite"},
                          {"-Infinity", "!not_finite"},
                          {"\"1.5\"", "!wrong_type"},
                          {"\"NaN\"", "!wrong_type"},
                          {"false", "!wrong_type"},
                          {"null", "!missing_field"}});
}

TEST(AcceptedForms, decimal_is_exact_from_numbers_and_strings) {
  expect_forms("DECIMAL(12,2)", {{"0", "0"},
                                 {"-0", "0"},
                                 {"-0.00", "0"},
                                 {"12", "1200"},
                                 {"12.5", "1250"},
                                 {"12.50", "1250"},
                                 {"12.500000000000000000000000", "1250"},
                                 {"-12.34", "-1234"},
                                 {"0.1", "10"},
                                 {"1.25e2", "12500"},
                                 {"1250e-2", "1250"},
                                 {"0.00125e4", "1250"},
                                 {"1e9", "100000000000"},
                                 {"9999999999.99", "999999999999"},
                                 {"-9999999999.99", "-999999999999"},
                                 {"0e400", "0"},
                                 {"\"12.34\"", "1234"},
                                 {"\"-0.5\"", "-50"},
                                 {R"("1\u0032.34")", "1234"},
                                 {"10000000000", "!overflow"},
                                 {"10000000000.00", "!overflow"},
                                 {"1e10", "!overflow"},
                                 {"1e400", "!overflow"},
                                 {"12.345", "!overflow"},
                                 {"12.001", "!overflow"},
                                 {"1e-3", "!overflow"},
                                 {"1e-400", "!overflow"},
                                 {"\"12.345\"", "!overflow"},
                                 {"\"abc\"", "!wrong_type"},
                                 {"\"\"", "!wrong_type"},
                                 {"\" 1\"", "!wrong_type"},
                                 {"\"+1\"", "!wrong_type"},
                                 {"\"1.\"", "!wrong_type"},
                                 {"\"01\"", "!wrong_type"},
                                 {"\"NaN\"", "!wrong_type"},
                                 {"true", "!wrong_type"},
                                 {"NaN", "!not_finite"},
                                 {"null", "!missing_field"}});
}

TEST(AcceptedForms, decimal_of_every_width) {
  expect_forms("DECIMAL(4,2)", {{"99.99", "9999"}, {"-99.99", "-9999"}, {"100", "!overflow"}});
  expect_forms("DECIMAL(1,1)", {{"0.9", "9"}, {"1", "!overflow"}, {"-0.9", "-9"}});
  expect_forms("DECIMAL(9,0)", {{"999999999", "999999999"}, {"1000000000", "!overflow"}, {"1.0", "1"}});
  expect_forms("DECIMAL(18,18)",
               {{"0.999999999999999999", "999999999999999999"}, {"-0.5", "-500000000000000000"}, {"1", "!overflow"}});
  expect_forms("DECIMAL(18,0)", {{"999999999999999999", "999999999999999999"}, {"1000000000000000000", "!overflow"}});
  expect_forms("DECIMAL(19,1)", {{"1", "10"}, {"999999999999999999.9", "9999999999999999999"}});
  const std::string nines(38, '9');
  expect_forms("DECIMAL(38,0)", {{nines, nines},
                                 {"-" + nines, "-" + nines},
                                 {"1" + std::string(38, '0'), "!overflow"},
                                 {"1e37", "1" + std::string(37, '0')},
                                 {"1e38", "!overflow"}});
  expect_forms("DECIMAL(38,38)", {{"0." + nines, nines}, {"-0." + nines, "-" + nines}, {"1", "!overflow"}});
  expect_forms("DECIMAL(38,10)", {{"0.0000000001", "1"}, {"-1e-10", "-1"}, {"1e-11", "!overflow"}});
}

TEST(AcceptedForms, varchar_takes_strings_as_they_are) {
  expect_forms("VARCHAR", {{R"("")", ""},
                           {R"("a")", "a"},
                           {R"("elevenchars")", "elevenchars"},
                           {R"("twelve chars")", "twelve chars"},
                           {R"("thirteen char")", "thirteen char"},
                           {R"("  spaces  ")", "  spaces  "},
                           {R"("{[:,]}")", "{[:,]}"},
                           {R"("Müller 日本 😀")", "Müller 日本 😀"},
                           {R"("tab\tquote\"slash\/back\\")", "tab\tquote\"slash/back\\"},
                           {R"("\b\f\n\r")", "\b\f\n\r"},
                           {R"("\u00e9\u00E9")", "éé"},
                           {R"("\u20ac")", "€"},
                           {R"("\ud83d\ude00 and more text")", "😀 and more text"},
                           {R"("\u0000")", std::string(1, '\0')},
                           {R"("a long text with \u0000 inside")", std::string("a long text with \0 inside", 25)},
                           {"\"\x7f\"", "\x7f"},
                           {"12", "!wrong_type"},
                           {"true", "!wrong_type"},
                           {"[\"a\"]", "!wrong_type"},
                           {"null", "!missing_field"}});
}

TEST(AcceptedForms, boolean_takes_true_and_false_only) {
  expect_forms("BOOLEAN", {{"true", "true"},
                           {"false", "false"},
                           {"1", "!wrong_type"},
                           {"0", "!wrong_type"},
                           {"\"true\"", "!wrong_type"},
                           {"null", "!missing_field"}});
}

TEST(AcceptedForms, date_takes_iso_days_of_the_calendar) {
  expect_forms("DATE", {{"\"1970-01-01\"", "0"},
                        {"\"1969-12-31\"", "-1"},
                        {"\"2026-01-31\"", "20484"},
                        {"\"2024-02-29\"", "19782"},
                        {"\"2000-02-29\"", "11016"},
                        {"\"0001-01-01\"", "-719162"},
                        {"\"9999-12-31\"", "2932896"},
                        {R"("2026\u002d01-31")", "20484"},
                        {"\"2023-02-29\"", "!bad_timestamp"},
                        {"\"1900-02-29\"", "!bad_timestamp"},
                        {"\"2026-04-31\"", "!bad_timestamp"},
                        {"\"2026-13-01\"", "!bad_timestamp"},
                        {"\"2026-00-01\"", "!bad_timestamp"},
                        {"\"2026-01-00\"", "!bad_timestamp"},
                        {"\"0000-01-01\"", "!bad_timestamp"},
                        {"\"2026-1-1\"", "!bad_timestamp"},
                        {"\"20260101\"", "!bad_timestamp"},
                        {"\"2026-01-01T00:00:00Z\"", "!bad_timestamp"},
                        {"\"+2026-01-0\"", "!bad_timestamp"},
                        {"\"\"", "!bad_timestamp"},
                        {"20484", "!wrong_type"},
                        {"true", "!wrong_type"}});
}

TEST(AcceptedForms, timestamp_takes_iso_8601_and_epoch_milliseconds) {
  const std::string noon = "1769862600000000";  // 2026-01-31T12:30:00Z
  expect_forms("TIMESTAMP", {{"\"2026-01-31T12:30:00Z\"", noon},
                             {"\"2026-01-31 12:30:00Z\"", noon},
                             {"\"2026-01-31t12:30:00z\"", noon},
                             {"\"2026-01-31T12:30Z\"", noon},
                             {"\"2026-01-31T12:30:00\"", noon},
                             {"\"2026-01-31T12:30\"", noon},
                             {"\"2026-01-31T14:30:00+02:00\"", noon},
                             {"\"2026-01-31T14:30:00+0200\"", noon},
                             {"\"2026-01-31T14:30:00+02\"", noon},
                             {"\"2026-01-31T07:00:00-05:30\"", noon},
                             {"\"2026-01-31T12:30:00-00:00\"", noon},
                             {"\"2026-02-01T06:30:00+18:00\"", noon},
                             {R"("2026-01-31\u005412:30:00Z")", noon},
                             {"\"2026-01-31T12:30:00.1Z\"", "1769862600100000"},
                             {"\"2026-01-31T12:30:00.123Z\"", "1769862600123000"},
                             {"\"2026-01-31T12:30:00.123456\"", "1769862600123456"},
                             {"\"2026-01-31T12:30:00.123456789Z\"", "1769862600123456"},
                             {"\"1969-12-31T23:59:59.999999999Z\"", "-1"},
                             {"1769862600123", "1769862600123000"},
                             {"0", "0"},
                             {"-1", "-1000"},
                             {"\"0001-01-01T00:00:00Z\"", "-62135596800000000"},
                             {"\"9999-12-31T23:59:59.999999Z\"", "253402300799999999"},
                             {"-62135596800000", "-62135596800000000"},
                             {"253402300799999", "253402300799999000"},
                             {"-62135596800001", "!bad_timestamp"},
                             {"253402300800000", "!bad_timestamp"},
                             {"9223372036854775807", "!bad_timestamp"},
                             {"1e12", "!bad_timestamp"},
                             {"1.5", "!bad_timestamp"},
                             {"\"0001-01-01T00:00:00+00:01\"", "!bad_timestamp"},
                             {"\"9999-12-31T23:59:59-00:01\"", "!bad_timestamp"},
                             {"\"0000-12-31T00:00:00Z\"", "!bad_timestamp"},
                             {"\"2026-01-31T24:00:00Z\"", "!bad_timestamp"},
                             {"\"2026-01-31T23:60:00Z\"", "!bad_timestamp"},
                             {"\"2016-12-31T23:59:60Z\"", "!bad_timestamp"},
                             {"\"2026-02-29T00:00:00Z\"", "!bad_timestamp"},
                             {"\"2026-01-31\"", "!bad_timestamp"},
                             {"\"2026-01-31T12\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:00.Z\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:00.1234567890Z\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:00,5Z\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:0Z\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:00+19:00\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:00+18:01\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:00+02:60\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:00+2\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:00+02:\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:00 Z\"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:00Z \"", "!bad_timestamp"},
                             {"\"2026-01-31T12:30:00ZZ\"", "!bad_timestamp"},
                             {"\"2026-01-31X12:30:00Z\"", "!bad_timestamp"},
                             {"\"1769862600123\"", "!bad_timestamp"},
                             {"\"\"", "!bad_timestamp"},
                             {"\"now\"", "!bad_timestamp"},
                             {"true", "!wrong_type"},
                             {"{}", "!wrong_type"},
                             {"null", "!missing_field"}});
}

TEST(AcceptedForms, nullable_fields_may_be_null_or_absent) {
  const auto config = pipeline(schema({"a BIGINT", "b INT", "c DOUBLE", "d DECIMAL(12,2)", "e VARCHAR", "f BOOLEAN",
                                       "g DATE", "h TIMESTAMP", "i DECIMAL(38,2)"}));
  const std::string all_null = "row: NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL";
  EXPECT_EQ(outcome(config, "{}"), all_null);
  EXPECT_EQ(outcome(config, "{ }"), all_null);
  EXPECT_EQ(outcome(config, R"({"a":null,"b":null,"c":null,"d":null,"e":null,"f":null,"g":null,"h":null,"i":null})"),
            all_null);
  EXPECT_EQ(outcome(config, R"({"i":"1.5","a":null,"e":"x"})"), "row: NULL|NULL|NULL|NULL|x|NULL|NULL|NULL|150");
}

TEST(AcceptedForms, keys_come_in_any_order_and_may_be_escaped) {
  const auto config = pipeline(schema({"first BIGINT!", "second BIGINT!", "a_name_longer_than_a_word BIGINT!"}));
  Decoder decoder(config);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(outcome(decoder, config, R"({"first":1,"second":2,"a_name_longer_than_a_word":3})"), "row: 1|2|3");
    EXPECT_EQ(outcome(decoder, config, R"({"a_name_longer_than_a_word":3,"second":2,"first":1})"), "row: 1|2|3");
    EXPECT_EQ(outcome(decoder, config, R"({"\u0066irst":1,"sec\u006fnd":2,"a_name_longer\u005fthan_a_word":3})"),
              "row: 1|2|3");
    EXPECT_EQ(outcome(decoder, config, R"({"x":0,"first":1,"y":[],"second":2,"a_name_longer_than_a_word":3,"z":{}})"),
              "row: 1|2|3");
  }
}

TEST(AcceptedForms, names_that_need_escapes_in_json_are_found) {
  const auto config = pipeline(schema({"quo\"te VARCHAR!", "back\\slash VARCHAR!", "ligne\n VARCHAR!", "é VARCHAR!"}));
  EXPECT_EQ(outcome(config, R"({"quo\"te":"1","back\\slash":"2","ligne\n":"3","é":"4"})"), "row: 1|2|3|4");
  EXPECT_EQ(outcome(config, R"({"quo\"te":"1","back\u005cslash":"2","ligne\u000A":"3","\u00e9":"4"})"), "row: 1|2|3|4");
}

TEST(AcceptedForms, names_match_by_case) {
  const auto config = pipeline(schema({"montant BIGINT!"}));
  EXPECT_EQ(outcome(config, R"({"Montant":1})"), "missing_field: montant");
  EXPECT_EQ(outcome(config, R"({"Montant":1,"montant":2})"), "row: 2");
}

TEST(AcceptedForms, ignored_fields_hold_anything_valid) {
  const auto config = pipeline(schema({"v BIGINT!"}));
  for (const std::string json :
       {"1e400", "-123456789012345678901234567890.5E-7", R"({"a":[1,{"b":null,"b":2},[[]],{}],"v":3})",
        R"("\ud83d\ude00")", "true", "null", "[]", "{}", "[ ]", "[{},{}]"}) {
    EXPECT_EQ(outcome(config, R"({"x":)" + json + R"(,"v":1})"), "row: 1") << json;
    EXPECT_EQ(outcome(config, R"({"v":1,"x" : )" + json + " } "), "row: 1") << json;
  }
}

TEST(AcceptedForms, timestamps_without_a_zone_are_of_the_pipelines) {
  auto config = pipeline(schema({"t TIMESTAMP!"}));
  config.timezone = "Europe/Paris";
  const auto micros = [&](std::string_view text) { return outcome(config, R"({"t":")" + std::string(text) + "\"}"); };
  EXPECT_EQ(micros("2026-01-31T13:30:00"), "row: 1769862600000000");
  EXPECT_EQ(micros("2026-01-31T12:30:00Z"), "row: 1769862600000000");
  EXPECT_EQ(micros("2026-07-01T00:00:00"), outcome(config, R"({"t":"2026-06-30T22:00:00Z"})"));
  EXPECT_EQ(micros("2026-10-25T02:30:00"), outcome(config, R"({"t":"2026-10-25T00:30:00Z"})")) << "the earlier one";
  EXPECT_EQ(micros("2026-03-29T02:30:00"), outcome(config, R"({"t":"2026-03-29T03:30:00+02:00"})")) << "carried over";
}

TEST(AcceptedForms, an_unknown_zone_is_an_error_of_the_configuration) {
  auto config = pipeline(schema({"t TIMESTAMP!"}));
  config.timezone = "Europe/Pariss";
  Decoder decoder(config);
  const testing::TextBatch input({R"({"t":0})"});
  const auto decoded = decoder.decode(input.batch, {});
  ASSERT_FALSE(decoded.is_ok());
  EXPECT_EQ(decoded.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(decoded.status().detail().id, "decode.bad_timezone");
}

}  // namespace
}  // namespace inlet::decode
