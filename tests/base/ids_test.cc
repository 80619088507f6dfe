#include "base/ids.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace inlet {
namespace {

TEST(Ids, offsets_are_ordered_and_have_neighbours) {
  EXPECT_LT(Offset{3}, Offset{4});
  EXPECT_EQ(Offset{3}.next(), Offset{4});
  EXPECT_EQ(Offset{0}.previous(), Offset{-1});
}

TEST(Ids, partitions_of_different_sources_are_different) {
  const TopicPartition a{"kafka:ventes_stream", 3};
  const TopicPartition b{"file:ventes_stream", 3};
  EXPECT_EQ(a.to_string(), "kafka:ventes_stream/3");
  EXPECT_NE(a, b);
  const std::unordered_set<TopicPartition> set{a, b, a};
  EXPECT_EQ(set.size(), 2U);
}

}  // namespace
}  // namespace inlet
