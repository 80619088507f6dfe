// Every reason a record goes to quarantine for, and what quarantine is told.
#include <gtest/gtest.h>

#include <string>

#include "decode/reject.h"
#include "decode/structural_index.h"
#include "tests/decode/decoding.h"

namespace inlet::decode {
namespace {

using testing::outcome;
using testing::pipeline;
using testing::reject_of;
using testing::schema;

config::PipelineConfig one_bigint() { return pipeline(schema({"v BIGINT!"})); }

TEST(Reject, broken_json_anywhere_is_found) {
  const auto config = pipeline(schema({"v BIGINT"}));
  Decoder decoder(config);
  for (const std::string text : {
           R"({"v":1)",
           R"({"v":1}})",
           R"({"v":1} x)",
           R"({"v":1}{"v":2})",
           R"({"v":1},)",
           R"({"v":1}])",
           R"({"v":1,})",
           R"({,"v":1})",
           R"({"v":1,,"x":2})",
           R"({"v" 1})",
           R"({"v":})",
           R"({"v"})",
           R"({"v":1 "x":2})",
           R"({"v"::1})",
           R"({v:1})",
           R"({'v':1})",
           R"({"v":1;"x":2})",
           R"({1:2})",
           R"({"v":1 2})",
           "{",
           "}",
           "[",
           "{\"",
           "{\"v",
           "{\"v\"",
           "{\"v\":",
           "{\"v\":1,",
           "[1,2",
           "[1 2]",
           "[1,]",
           "hello",
           "tru",
           "nul",
           "'a'",
           "//",
           // Broken behind, and inside of, what is not needed.
           R"({"v":1,"x":01})",
           R"({"v":1,"x":1.})",
           R"({"v":1,"x":+1})",
           R"({"v":1,"x":.5})",
           R"({"v":1,"x":-})",
           R"({"v":1,"x":1e})",
           R"({"v":1,"x":0x10})",
           R"({"v":1,"x":NaN})",
           R"({"v":1,"x":Infinity})",
           R"({"v":1,"x":True})",
           R"({"v":1,"x":nulll})",
           R"({"v":1,"x":tru})",
           R"({"v":1,"x":undefined})",
           R"({"v":1,"x":[1,2})",
           R"({"v":1,"x":[1 2]})",
           R"({"v":1,"x":[1,]})",
           R"({"v":1,"x":{"a" 1}})",
           R"({"v":1,"x":{"a":}})",
           R"({"v":1,"x":{"a":1,}})",
           R"({"v":1,"x":{1:1}})",
           R"({"v":1,"x":[}]})",
           R"({"v":1,"x":{]}})",
           R"({"v":1,"x":"a"b})",
           R"({"v":1,"x":12"a"})",
           R"({"v":1,"x":"a""b"})",
           R"({"v":1,"x":"\x"})",
           R"({"v":1,"x":"\u12g4"})",
           R"({"v":1,"x":"\u12"})",
           R"({"v":1,"x":"\'"})",
           R"({"v":1,"x":"\ud83d"})",
           R"({"v":1,"x":"\ude00"})",
           R"({"v":1,"x":"\ud83dx"})",
           R"({"v":1,"x":"\ud83d\u0041"})",
           R"({"v":1,"x":"\ud83d\ud83d"})",
           R"({"v":1,"\x":1})",
           R"({"v":1,"x":["\x"]})",
           R"({"v":1,"x":{"\ud800":1}})",
           R"({"v":1,\"x":1})",
           // In the needed field itself.
           R"({"v":01})",
           R"({"v":1.})",
           R"({"v":+1})",
           R"({"v":-})",
           R"({"v":--1})",
           R"({"v":1x})",
           R"({"v":0123})",
           R"({"v":nan1})",
           R"({"v":"\x"})",
       }) {
    EXPECT_EQ(outcome(decoder, config, text), "invalid_json: ") << text;
    EXPECT_EQ(outcome(decoder, config, " " + text + "\n"), "invalid_json: ") << text;
  }
}

TEST(Reject, control_characters_are_refused_inside_and_outside_of_strings) {
  const auto config = one_bigint();
  for (int code = 0; code < 0x20; ++code) {
    const std::string c(1, static_cast<char>(code));
    EXPECT_EQ(outcome(config, R"({"v":1,"x":"a)" + c + "b\"}"), "invalid_json: ") << code;
    EXPECT_EQ(outcome(config, R"({"v":1,"x)" + c + "b\":1}"), "invalid_json: ") << code;
    const bool is_space = code == '\t' || code == '\n' || code == '\r';
    EXPECT_EQ(outcome(config, R"({"v":1)" + c + "}"), is_space ? "row: 1" : "invalid_json: ") << code;
    EXPECT_EQ(outcome(config, R"({"v":1})" + c), is_space ? "row: 1" : "invalid_json: ") << code;
    EXPECT_EQ(outcome(config, R"({"v")" + c + "1}"), "invalid_json: ") << code;
    EXPECT_EQ(outcome(config, R"({"v":1)" + c + "\"x\":2}"), "invalid_json: ") << code;
  }
}

TEST(Reject, utf8_is_validated_everywhere) {
  const auto config = one_bigint();
  for (const std::string bad :
       {"\xff", "\xc3", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "\xf8\x88\x80\x80\x80"}) {
    EXPECT_EQ(outcome(config, R"({"v":1,"x":")" + bad + "\"}"), "invalid_utf8: ");
    EXPECT_EQ(outcome(config, R"({"v":1,"x)" + bad + "\":2}"), "invalid_utf8: ");
    EXPECT_EQ(outcome(config, R"({"x":[{"y":")" + bad + "\"}],\"v\":1}"), "invalid_utf8: ");
    EXPECT_EQ(outcome(config, R"({"v":1})" + bad), "invalid_utf8: ");
    EXPECT_EQ(outcome(config, bad + R"({"v":1})"), "invalid_utf8: ");
    EXPECT_EQ(outcome(config, R"({"v":)" + bad + "1}"), "invalid_utf8: ");
    EXPECT_EQ(outcome(config, R"({"v":1,"x":")" + bad), "invalid_utf8: ") << "comes before what else is wrong";
  }
  EXPECT_EQ(outcome(config, "\xef\xbb\xbf{\"v\":1}"), "invalid_json: ") << "a byte order mark is no JSON";
}

TEST(Reject, a_key_may_occur_once) {
  auto config = one_bigint();
  Decoder decoder(config);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(outcome(decoder, config, R"({"v":1,"v":1})"), "duplicate_key: v");
    EXPECT_EQ(outcome(decoder, config, R"({"v":1,"\u0076":2})"), "duplicate_key: v");
    EXPECT_EQ(outcome(decoder, config, R"({"v":null,"v":2})"), "duplicate_key: v");
    EXPECT_EQ(outcome(decoder, config, R"({"x":1,"v":1,"x":2})"), "duplicate_key: x");
    EXPECT_EQ(outcome(decoder, config, R"({"x\n":1,"v":1,"x\u000a":2})"), "duplicate_key: x\n");
    EXPECT_EQ(outcome(decoder, config, R"({"":1,"v":1,"":2})"), "duplicate_key: ");
    EXPECT_EQ(outcome(decoder, config, R"({"v":1,"x":{"v":1,"v":2}})"), "row: 1") << "of the event itself only";
  }
}

TEST(Reject, a_key_may_occur_once_however_many_there_are) {
  const auto config = one_bigint();
  Decoder decoder(config);
  const auto many = [](int count, std::string_view last) {
    std::string text = "{\"v\":1";
    for (int i = 0; i < count; ++i) text += ",\"unknown key " + std::to_string(i) + "\":0";
    return text + std::string(last) + "}";
  };
  const std::string longer(300, 'k');
  EXPECT_EQ(outcome(decoder, config, many(5000, "")), "row: 1");
  EXPECT_EQ(outcome(decoder, config, many(5000, R"(,"unknown key 17":0)")), "duplicate_key: unknown key 17");
  EXPECT_EQ(outcome(decoder, config, many(5000, R"(,"unknown key 4999":0)")), "duplicate_key: unknown key 4999");
  EXPECT_EQ(outcome(decoder, config, many(0, ",\"" + longer + "\":0")), "row: 1");
  EXPECT_EQ(outcome(decoder, config, many(0, ",\"" + longer + "\":0,\"" + longer + "\":0")).substr(0, 18),
            "duplicate_key: kkk");
}

TEST(Reject, nesting_is_bounded_whatever_is_nested) {
  auto config = one_bigint();
  config.event.max_depth = 4;
  const auto nested = [](std::size_t depth) {
    return R"({"v":1,"x":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(outcome(config, nested(3)), "row: 1");
  EXPECT_EQ(outcome(config, nested(4)), "too_deep: ");
  EXPECT_EQ(outcome(config, nested(10'000)), "too_deep: ");
  EXPECT_EQ(outcome(config, R"({"v":1,"x":{"a":{"b":1}}})"), "row: 1");
  EXPECT_EQ(outcome(config, R"({"v":1,"x":{"a":{"b":{}}}})"), "row: 1");
  EXPECT_EQ(outcome(config, R"({"v":1,"x":{"a":{"b":{"c":{}}}}})"), "too_deep: ");
  EXPECT_EQ(outcome(config, R"({"v":)" + std::string(10'000, '[')), "too_deep: ");
  EXPECT_EQ(outcome(config, std::string(10'000, '[')), "too_deep: ");
  config.event.max_depth = 100'000;
  EXPECT_EQ(outcome(config, nested(90'000)), "row: 1") << "the bound is a number, not our stack";
}

TEST(Reject, only_objects_are_events) {
  const auto config = one_bigint();
  for (const std::string text : {"[]", "[1,2]", R"("text")", "42", "-1.5e3", "true", "null", "[{\"v\":1}]"}) {
    EXPECT_EQ(outcome(config, text), "not_an_object: ") << text;
  }
  EXPECT_EQ(reject_of(config, " [1]").message, "found an array, expected an object");
  EXPECT_EQ(reject_of(config, R"("text" )").message, "found string \"text\", expected an object");
}

TEST(Reject, empty_messages_are_told_from_tombstones) {
  const auto config = one_bigint();
  EXPECT_EQ(outcome(config, ""), "empty: ");
  EXPECT_EQ(outcome(config, " \n\t\r "), "empty: ");
  testing::TextBatch input({""});
  input.batch.records[0].is_tombstone = true;
  Decoder decoder(config);
  const auto decoded = decoder.decode(input.batch, {});
  ASSERT_TRUE(decoded.is_ok());
  ASSERT_EQ(decoded->rejects.size(), 1U);
  EXPECT_EQ(decoded->rejects[0].reason, RejectReason::kTombstone);
  EXPECT_EQ(decoded->last_fingerprint, 0U);
}

TEST(Reject, a_message_beyond_the_bound_is_not_looked_into) {
  auto config = one_bigint();
  config.event.max_event_bytes = 20;
  EXPECT_EQ(outcome(config, "{\"v\":1}             "), "row: 1");
  EXPECT_EQ(outcome(config, "{\"v\":1}              "), "too_large: ");
  EXPECT_EQ(outcome(config, std::string(21, '\xff')), "too_large: ");
}

TEST(Reject, a_hundred_megabytes_are_survived) {
  auto config = one_bigint();
  const std::string huge = R"({"v":1,"x":")" + std::string(100U << 20U, 'a') + "\"}";
  const Reject reject = reject_of(config, huge);
  EXPECT_EQ(reject.reason, RejectReason::kTooLarge);
  EXPECT_EQ(reject.raw_bytes, static_cast<std::int64_t>(huge.size()));
  EXPECT_EQ(reject.raw.size(), config.quarantine.max_raw_bytes);
  EXPECT_TRUE(reject.raw_is_cut);
  config.event.max_event_bytes = 20U << 20U;
  EXPECT_EQ(outcome(config, R"({"v":1,"x":")" + std::string(19U << 20U, 'a') + "\"}"), "row: 1");
  EXPECT_EQ(outcome(config, std::string(20U << 20U, '[')), "too_deep: ");
}

TEST(Reject, unknown_fields_are_refused_where_asked) {
  auto config = one_bigint();
  config.event.unknown_fields = config::UnknownFields::kRefuse;
  Decoder decoder(config);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(outcome(decoder, config, R"({"v":1})"), "row: 1");
    EXPECT_EQ(outcome(decoder, config, R"({"v":1,"x":2})"), "unknown_field: x");
    EXPECT_EQ(outcome(decoder, config, R"({"x":2,"v":"wrong"})"), "unknown_field: x") << "the first in the document";
    EXPECT_EQ(outcome(decoder, config, R"({"v":"wrong","x":2})"), "wrong_type: v");
    EXPECT_EQ(outcome(decoder, config, R"({"v":1,"x":2)"), "invalid_json: ") << "the document comes first";
  }
  const Reject reject = reject_of(config, "{\"v\":1,\"" + std::string(1000, 'k') + "\":2}");
  EXPECT_EQ(reject.reason, RejectReason::kUnknownField);
  EXPECT_LE(reject.field.size(), 140U);
  EXPECT_LE(reject.message.size(), 300U);
}

TEST(Reject, what_is_wrong_with_the_document_comes_before_its_fields) {
  const auto config = pipeline(schema({"v BIGINT!", "w DECIMAL(12,2)!"}));
  EXPECT_EQ(outcome(config, R"({"v":"a","w":"b"})"), "wrong_type: v");
  EXPECT_EQ(outcome(config, R"({"w":"b","v":"a"})"), "wrong_type: w");
  EXPECT_EQ(outcome(config, R"({"v":"a"})"), "wrong_type: v");
  EXPECT_EQ(outcome(config, R"({"v":"a","w":1)"), "invalid_json: ");
  EXPECT_EQ(outcome(config, R"({"v":NaN,"w":1)"), "invalid_json: ");
  EXPECT_EQ(outcome(config, R"({"v":NaN,"w":Infinity})"), "not_finite: v");
  EXPECT_EQ(outcome(config, R"({"v":NaN,"x":NaN,"w":1})"), "invalid_json: ") << "only a numeric field's is forgiven";
  EXPECT_EQ(outcome(config, R"({"v":"a","v":1,"w":1})"), "duplicate_key: v");
  EXPECT_EQ(outcome(config, R"({"v":1,"v":1,"w":"a"})"), "duplicate_key: v");
  EXPECT_EQ(outcome(config, R"({"v":1,"v":1,"w":1)"), "invalid_json: ");
  EXPECT_EQ(outcome(config, R"({"w":1,"v":1,"v":1,"w":1})"), "duplicate_key: v") << "the first that occurs again";
  EXPECT_EQ(outcome(config, R"({"x":1})"), "missing_field: v");
  EXPECT_EQ(outcome(config, R"({"v":1})"), "missing_field: w");
}

TEST(Reject, an_event_of_the_future_is_measured_against_its_record) {
  auto config = testing::ventes();
  config.event.schema = schema({"timestamp TIMESTAMP"});
  config.event.future_tolerance = std::chrono::hours(1);
  const testing::StoppedClock clock(1'500'000'000'000'000);
  Decoder decoder(config, clock);
  const auto reason_at = [&](std::int64_t record_ms, std::int64_t event_ms) -> std::string {
    const testing::TextBatch input({"{\"timestamp\":" + std::to_string(event_ms) + "}"}, 0, record_ms);
    const auto decoded = decoder.decode(input.batch, {});
    if (decoded->rejects.empty()) return "row";
    return std::string(to_string(decoded->rejects[0].reason)) + " " + decoded->rejects[0].field;
  };
  constexpr std::int64_t kHour = 3'600'000;
  const std::int64_t record = 1'700'000'000'000;
  EXPECT_EQ(reason_at(record, record + kHour), "row");
  EXPECT_EQ(reason_at(record, record + kHour + 1), "future_event timestamp");
  EXPECT_EQ(reason_at(record, record - 1000 * kHour), "row");
  const std::int64_t now = 1'500'000'000'000;
  for (const std::int64_t without : {std::int64_t{0}, std::int64_t{-1}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(reason_at(without, now + kHour), "row");
    EXPECT_EQ(reason_at(without, now + kHour + 1), "future_event timestamp");
  }
  const testing::TextBatch input({"{}"}, 0, record);
  EXPECT_EQ(decoder.decode(input.batch, {})->chunk.rows(), 1U) << "no event time, no future";
}

TEST(Reject, messages_are_for_a_person) {
  const auto config = testing::ventes();
  const auto with = [](std::string_view field, std::string_view value) {
    std::string text(testing::kVente);
    const auto key = text.find("\"" + std::string(field) + "\": ") + field.size() + 4;
    text.replace(key, text.find_first_of(",}", key) - key, value);
    return text;
  };
  EXPECT_EQ(reject_of(config, with("montant", "\"abc\"")).message,
            "field montant: found string \"abc\", expected DECIMAL(12,2)");
  EXPECT_EQ(reject_of(config, with("montant", "12.345")).message,
            "field montant: found number 12.345, which does not fit DECIMAL(12,2)");
  EXPECT_EQ(reject_of(config, with("montant", "\"12.345\"")).message,
            "field montant: found string \"12.345\", which does not fit DECIMAL(12,2)");
  EXPECT_EQ(reject_of(config, with("quantite", "99999999999")).message,
            "field quantite: found number 99999999999, which does not fit INT");
  EXPECT_EQ(reject_of(config, with("quantite", "1.5")).message, "field quantite: found number 1.5, expected INT");
  EXPECT_EQ(reject_of(config, with("quantite", "null")).message, "field quantite: it is required, and null");
  EXPECT_EQ(reject_of(config, with("montant", "NaN")).message, "field montant: found NaN, expected DECIMAL(12,2)");
  EXPECT_EQ(reject_of(config, with("pays", "{\"code\":\"FR\"}")).message,
            "field pays: found an object, expected VARCHAR");
  EXPECT_EQ(reject_of(config, with("timestamp", "\"yesterday\"")).message,
            "field timestamp: found string \"yesterday\", expected a timestamp such as 2026-01-31T12:30:00.123Z");
  EXPECT_EQ(reject_of(config, R"({"vente_id": 1)").message, "not JSON at byte 14: the message ends too early");
  EXPECT_EQ(reject_of(config, R"({"vente_id": 1x})").message, "not JSON at byte 13: expected a value");
  EXPECT_EQ(reject_of(config, R"({"vente_id": 1} 2)").message, "not JSON at byte 16: text follows the value");
  EXPECT_EQ(reject_of(config, "{}").message, "field vente_id: it is required, and absent");
}

TEST(Reject, messages_are_bounded_and_cut_between_characters) {
  const auto config = pipeline(schema({"v BIGINT!"}));
  std::string text = "{\"v\":\"";
  for (int i = 0; i < 10'000; ++i) text += "é";
  const Reject reject = reject_of(config, text + "\"}");
  EXPECT_LE(reject.message.size(), 200U);
  EXPECT_TRUE(is_valid_utf8(reject.message));
  EXPECT_NE(reject.message.find("éé…"), std::string::npos);
  EXPECT_TRUE(is_valid_utf8(reject_of(config, "{\"v\":\"a" + text.substr(6) + "\"}").message));
}

TEST(Reject, raw_bytes_are_kept_as_text_where_they_are_text) {
  auto config = one_bigint();
  config.quarantine.max_raw_bytes = 12;
  const Reject text = reject_of(config, "{\"v\":\"é\"}");
  EXPECT_EQ(text.raw, "{\"v\":\"é\"}");
  EXPECT_FALSE(text.raw_is_base64);
  EXPECT_FALSE(text.raw_is_cut);
  EXPECT_EQ(text.raw_bytes, 10);

  const Reject bytes = reject_of(config, "{\"v\":\"\xff\"}");
  EXPECT_EQ(bytes.raw, "eyJ2Ijoi/yJ9");
  EXPECT_TRUE(bytes.raw_is_base64);

  const Reject cut = reject_of(config, "{\"v\":\"12345é\"}");
  EXPECT_EQ(cut.raw, "{\"v\":\"12345") << "not half of a character";
  EXPECT_TRUE(cut.raw_is_cut);
  EXPECT_FALSE(cut.raw_is_base64);
  EXPECT_EQ(cut.raw_bytes, 15);

  const Reject cut_bytes = reject_of(config, std::string(20, '\xff'));
  EXPECT_EQ(cut_bytes.raw, "////////////////");
  EXPECT_TRUE(cut_bytes.raw_is_base64);
  EXPECT_TRUE(cut_bytes.raw_is_cut);
}

TEST(Reject, base64_is_that_of_rfc_4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64(std::string("\xfb\xff\x00", 3)), "+/8A");
}

TEST(Reject, base64_is_read_back_and_nothing_else_is) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(from_base64(base64(bytes)), bytes) << i;
    bytes.push_back(static_cast<char>(i * 7));
  }
  for (const char* text : {"A", "AAA", "AAAA=", "A===", "====", "AA=A", "AA\nA", "AA=AAAAA", "A-_A"})
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
}

TEST(Reject, reasons_have_stable_names) {
  std::string names;
  for (int i = 0; i <= static_cast<int>(RejectReason::kExpectation); ++i) {
    names += std::string(to_string(static_cast<RejectReason>(i))) + " ";
  }
  EXPECT_EQ(names,
            "empty tombstone too_large invalid_utf8 invalid_json too_deep not_an_object duplicate_key unknown_field "
            "missing_field wrong_type overflow not_finite bad_timestamp future_event expectation ");
}

}  // namespace
}  // namespace inlet::decode
