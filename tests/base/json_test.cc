#include "base/json.h"

#include <gtest/gtest.h>

namespace inlet {
namespace {

TEST(JsonDocuments, keep_the_order_of_their_keys) {
  const Json document{{"z", 1}, {"a", Json::array({1.5, nullptr, true})}};
  EXPECT_EQ(dump_json(document), R"({"z":1,"a":[1.5,null,true]})");
  EXPECT_EQ(dump_json(parse_json(R"( {"b" : 1, "a" : "x"} )").value()), R"({"b":1,"a":"x"})");
}

TEST(JsonDocuments, that_are_none_are_corruption_and_no_exception) {
  for (const auto* text : {"", "{", "{\"a\":1}x", "nul", "\"\\x\""}) {
    const auto parsed = parse_json(text);
    ASSERT_FALSE(parsed.is_ok()) << text;
    EXPECT_EQ(parsed.status().code(), StatusCode::kCorruption);
    EXPECT_FALSE(parsed.status().detail().why.empty());
  }
}

TEST(JsonDocuments, keep_integers_whole) {
  EXPECT_EQ(parse_json("9223372036854775807").value().get<std::int64_t>(), 9223372036854775807LL);
  EXPECT_EQ(dump_json(parse_json("-9007199254740993").value()), "-9007199254740993");
}

TEST(JsonDocuments, replace_bytes_that_are_not_utf8) {
  EXPECT_EQ(dump_json(Json{{"k",
                            "a\xff"
                            "b"}}),
            "{\"k\":\"a\xEF\xBF\xBD"
            "b\"}");
  EXPECT_EQ(dump_json(Json{{"k", "é\n\"\\"}}), "{\"k\":\"é\\n\\\"\\\\\"}");
}

TEST(JsonDocuments, of_errors_have_an_id_a_code_and_what_is_known) {
  EXPECT_EQ(dump_json(error_json(Status(StatusCode::kTransient, "lake.locked", "locked"))),
            R"({"error":{"id":"lake.locked","code":"transient","what":"locked"}})");
  EXPECT_EQ(
      dump_json(error_json(
          Status(StatusCode::kInternal, "lake.io", "cannot write").at("t@3").because("disk full").fix("make room"))),
      R"({"error":{"id":"lake.io","code":"internal","what":"cannot write","where":"t@3","why":"disk full","fix":"make room"}})");
}

}  // namespace
}  // namespace inlet
