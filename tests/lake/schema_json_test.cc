#include "lake/schema_json.h"

#include <gtest/gtest.h>

#include "lake/commit_id.h"

namespace inlet::lake {
namespace {

TEST(SchemaJsonTest, a_schema_of_every_type_comes_back_as_it_was) {
  const Schema schema{{{"a", {TypeKind::kBigint}, false},
                       {"b", {TypeKind::kInt}, true},
                       {"c", {TypeKind::kDouble}, true},
                       {"d", {TypeKind::kDecimal, 38, 38}, true},
                       {"e", {TypeKind::kVarchar}, true},
                       {"f", {TypeKind::kBoolean}, false},
                       {"g", {TypeKind::kDate}, true},
                       {"été", {TypeKind::kTimestamp}, true}}};
  const auto back = schema_from_delta(schema_to_delta(schema));
  ASSERT_TRUE(back.is_ok()) << back.status().to_line();
  EXPECT_EQ(*back, schema);
}

TEST(SchemaJsonTest, a_column_is_written_as_delta_has_it) {
  const Schema schema{{{"n", {TypeKind::kDecimal, 12, 2}, true}}};
  const std::string expected =
      R"json({"type":"struct","fields":[{"name":"n","type":"decimal(12,2)","nullable":true,"metadata":{}}]})json";
  EXPECT_EQ(schema_to_delta(schema), expected);
}

TEST(SchemaJsonTest, every_unknown_type_is_named) {
  const auto refused = schema_from_delta(
      R"({"type":"struct","fields":[{"name":"a","type":"short","nullable":true,"metadata":{}},
          {"name":"b","type":{"type":"array","elementType":"long","containsNull":true},"nullable":true,"metadata":{}},
          {"name":"c","type":"long","nullable":true,"metadata":{}}]})");
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused.status().detail().why, "column a: short\ncolumn b: array");
}

TEST(SchemaJsonTest, what_is_no_schema_is_corruption) {
  for (const char* text :
       {"", "[]", "{}", R"({"fields":[{}]})", R"({"fields":[{"name":1,"nullable":true,"type":"long"}]})"}) {
    EXPECT_EQ(schema_from_delta(text).status().code(), StatusCode::kCorruption) << text;
  }
}

TEST(CommitIdTest, ids_are_uuids_and_differ) {
  const auto one = new_uuid();
  EXPECT_NE(one, new_uuid());
  ASSERT_EQ(one.size(), 36U);
  EXPECT_EQ(one[14], '4');
  EXPECT_EQ(one[8], '-');
}

}  // namespace
}  // namespace inlet::lake
