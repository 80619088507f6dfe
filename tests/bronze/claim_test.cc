#include "bronze/claim.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_lake.h"

namespace inlet::bronze {
namespace {

const TopicPartition kPartition{"kafka:sales", 0};

std::map<std::string, std::int64_t> transactions(const lake::Commit& commit) {
  std::map<std::string, std::int64_t> all;
  for (const auto& txn : commit.transactions) all[txn.app_id] = txn.version;
  return all;
}

TEST(Rule02ClaimBeforeReading, a_new_partition_gets_its_start_minus_one_as_marker_in_the_same_commit) {
  const auto claimed = transactions(plan_claim(fakes::FakeSnapshot(), "p", {{kPartition, Offset{70}}}));
  EXPECT_EQ(claimed.at(epoch_id("p", kPartition)), 1);
  EXPECT_EQ(claimed.at(marker_id("p", kPartition)), 69);
}

TEST(Rule02ClaimBeforeReading, a_known_partition_keeps_its_marker_and_raises_the_epoch) {
  fakes::FakeSnapshot snapshot;
  snapshot.transactions_[epoch_id("p", kPartition)] = 4;
  snapshot.transactions_[marker_id("p", kPartition)] = 12;
  const auto claimed = transactions(plan_claim(snapshot, "p", {{kPartition, Offset{70}}}));
  EXPECT_EQ(claimed, (std::map<std::string, std::int64_t>{{epoch_id("p", kPartition), 5}}));
}

TEST(Rule02ClaimBeforeReading, a_claim_moves_no_data) {
  EXPECT_FALSE(plan_claim(fakes::FakeSnapshot(), "p", {{kPartition, Offset{0}}}).data_change);
}

PartitionState at(std::int64_t marker, std::optional<std::int64_t> fingerprint = std::nullopt) {
  PartitionState state;
  state.marker = Offset{marker};
  state.fingerprint = fingerprint;
  return state;
}

TEST(Rule09LossIsNeverSilent, nothing_is_lost_between_begin_and_end) {
  for (const std::int64_t marker : {9, 10, 50, 99}) {
    EXPECT_EQ(judge_loss(at(marker), Offset{10}, Offset{100}, std::nullopt).kind, LossVerdict::Kind::kNone) << marker;
  }
}

TEST(Rule09LossIsNeverSilent, expired_offsets_are_named_to_the_offset) {
  const auto verdict = judge_loss(at(4), Offset{10}, Offset{100}, std::nullopt);
  EXPECT_EQ(verdict.kind, LossVerdict::Kind::kExpired);
  EXPECT_EQ(verdict.lost, (OffsetRange{{5}, {9}}));
}

TEST(Rule09LossIsNeverSilent, a_marker_beyond_the_end_is_a_recreated_topic) {
  EXPECT_EQ(judge_loss(at(100), Offset{0}, Offset{100}, std::nullopt).kind, LossVerdict::Kind::kBeyondEnd);
  EXPECT_EQ(judge_loss(at(99), Offset{0}, Offset{100}, std::nullopt).kind, LossVerdict::Kind::kNone);
}

TEST(Rule09LossIsNeverSilent, another_record_at_the_marker_is_a_recreated_topic) {
  EXPECT_EQ(judge_loss(at(50, 111), Offset{0}, Offset{100}, 222).kind, LossVerdict::Kind::kOtherRecord);
  EXPECT_EQ(judge_loss(at(50, 111), Offset{0}, Offset{100}, 111).kind, LossVerdict::Kind::kNone);
}

TEST(Rule09LossIsNeverSilent, a_gap_at_the_marker_proves_nothing) {
  EXPECT_EQ(judge_loss(at(50, kNoRecordAtMarker), Offset{0}, Offset{100}, 222).kind, LossVerdict::Kind::kNone);
  EXPECT_EQ(judge_loss(at(50, 111), Offset{0}, Offset{100}, std::nullopt).kind, LossVerdict::Kind::kNone);
}

}  // namespace
}  // namespace inlet::bronze
