#include "base/types.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace inlet {
namespace {

ColumnType type(std::string_view text) {
  auto parsed = ColumnType::parse(text);
  EXPECT_TRUE(parsed.is_ok()) << text;
  return parsed ? *parsed : ColumnType{};
}

TEST(ColumnTypes, have_one_name_on_each_side) {
  struct Names {
    std::string pipeline, duckdb, delta;
  };
  for (const auto& n : std::vector<Names>{{"BIGINT", "BIGINT", "long"},
                                          {"INT", "INTEGER", "integer"},
                                          {"DOUBLE", "DOUBLE", "double"},
                                          {"DECIMAL(12,2)", "DECIMAL(12,2)", "decimal(12,2)"},
                                          {"VARCHAR", "VARCHAR", "string"},
                                          {"BOOLEAN", "BOOLEAN", "boolean"},
                                          {"DATE", "DATE", "date"},
                                          {"TIMESTAMP", "TIMESTAMPTZ", "timestamp"}}) {
    EXPECT_EQ(type(n.pipeline).to_pipeline(), n.pipeline);
    EXPECT_EQ(type(n.pipeline).to_duckdb(), n.duckdb);
    EXPECT_EQ(type(n.pipeline).to_delta(), n.delta);
    const auto back = ColumnType::from_delta(n.delta);
    ASSERT_TRUE(back.is_ok()) << n.delta;
    EXPECT_EQ(*back, type(n.pipeline));
  }
}

TEST(ColumnTypes, are_read_in_any_case_with_spaces_and_by_their_aliases) {
  EXPECT_EQ(type("bigint"), type("BIGINT"));
  EXPECT_EQ(type(" Decimal ( 12 , 2 ) "), type("DECIMAL(12,2)"));
  EXPECT_EQ(type("INTEGER").kind, TypeKind::kInt);
  EXPECT_EQ(type("long").kind, TypeKind::kBigint);
  EXPECT_EQ(type("String").kind, TypeKind::kVarchar);
  EXPECT_EQ(type("text").kind, TypeKind::kVarchar);
}

TEST(ColumnTypes, decimals_keep_to_the_bounds_of_delta) {
  EXPECT_EQ(type("DECIMAL(38,38)").scale, 38);
  EXPECT_EQ(type("DECIMAL(1,0)").precision, 1);
  for (const auto* text :
       {"DECIMAL", "DECIMAL()", "DECIMAL(12)", "DECIMAL(0,0)", "DECIMAL(39,2)", "DECIMAL(4,5)", "DECIMAL(4,-1)",
        "DECIMAL(4,2", "DECIMAL(4,2)x", "DECIMAL(4,2,1)", "DECIMALS(4,2)", "DECIMAL(a,b)", "DECIMAL(99999999999,2)"}) {
    const auto parsed = ColumnType::parse(text);
    ASSERT_FALSE(parsed.is_ok()) << text;
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
  }
}

TEST(ColumnTypes, that_do_not_exist_are_refused_with_those_that_do) {
  for (const auto* text : {"", "INTERVAL", "BIG INT EGER", "INT(4)", "TIMESTAMP_NTZ"}) {
    const auto parsed = ColumnType::parse(text);
    ASSERT_FALSE(parsed.is_ok()) << text;
    EXPECT_NE(parsed.status().detail().fix.find("DECIMAL(p,s)"), std::string::npos);
  }
}

TEST(ColumnTypes, of_delta_that_inlet_does_not_write_are_not_found) {
  for (const auto* text : {"timestamp_ntz", "binary", "array", "decimal(40,2)", "LONG", "varchar", ""}) {
    const auto parsed = ColumnType::from_delta(text);
    ASSERT_FALSE(parsed.is_ok()) << text;
    EXPECT_EQ(parsed.status().code(), StatusCode::kNotFound);
  }
}

}  // namespace
}  // namespace inlet
