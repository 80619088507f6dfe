#include "bronze/markers.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_lake.h"

namespace inlet::bronze {
namespace {

const TopicPartition kPartition{"kafka:sales", 3};

TEST(Markers, names_are_those_that_stand_in_tables_already_written) {
  EXPECT_EQ(marker_id("p", kPartition), "p/kafka:sales/3");
  EXPECT_EQ(epoch_id("p", kPartition), "p/kafka:sales/3#epoch");
  EXPECT_EQ(max_event_time_id("p", kPartition), "p/kafka:sales/3#maxEventTime");
  EXPECT_EQ(fingerprint_id("p", kPartition), "p/kafka:sales/3#fingerprint");
  EXPECT_EQ(events_id("p"), "p#events");
}

TEST(Markers, another_source_never_inherits_a_position) {
  fakes::FakeSnapshot snapshot;
  snapshot.transactions_[marker_id("p", kPartition)] = 41;
  EXPECT_EQ(read_state(snapshot, "p", kPartition).marker, Offset{41});
  EXPECT_FALSE(read_state(snapshot, "p", {"kafka:other", 3}).marker);
  EXPECT_FALSE(read_state(snapshot, "p", {"kafka:sales", 4}).marker);
  EXPECT_FALSE(read_state(snapshot, "q", kPartition).marker);
}

TEST(Markers, known_partitions_are_found_whatever_stands_in_the_source_id) {
  fakes::FakeSnapshot snapshot;
  const TopicPartition file{"file:a/b#c.jsonl:9f", 0};
  snapshot.transactions_[epoch_id("p", file)] = 1;
  snapshot.transactions_[epoch_id("p", kPartition)] = 1;
  snapshot.transactions_[marker_id("p", kPartition)] = 1;
  snapshot.transactions_[epoch_id("other", kPartition)] = 1;
  EXPECT_EQ(known_partitions(snapshot, "p"), (std::vector<TopicPartition>{file, kPartition}));
}

}  // namespace
}  // namespace inlet::bronze
