#include <gtest/gtest.h>

#include "bronze/tables.h"
#include "bronze/writer.h"
#include "tests/fakes/fake_lake.h"
#include "tests/fakes/pipeline_configs.h"

namespace inlet::bronze {
namespace {

const TopicPartition kPartition{"kafka:sales", 0};

PartitionSlice slice(std::int64_t first, std::int64_t last) {
  PartitionSlice s;
  s.partition = kPartition;
  s.range = {{first}, {last}};
  return s;
}

fakes::FakeSnapshot snapshot(std::int64_t epoch, std::int64_t marker) {
  fakes::FakeSnapshot s;
  s.transactions_[epoch_id("p", kPartition)] = epoch;
  s.transactions_[marker_id("p", kPartition)] = marker;
  return s;
}

TEST(Rule03Compare, the_batch_that_continues_the_marker_under_the_current_epoch_is_committed) {
  EXPECT_TRUE(check_slice(snapshot(2, 9), "p", slice(10, 20), 2).is_ok());
}

TEST(Rule03Compare, a_superseded_epoch_writes_nothing_even_where_the_marker_fits) {
  EXPECT_EQ(check_slice(snapshot(3, 9), "p", slice(10, 20), 2).code(), StatusCode::kFenced);
}

TEST(Rule03Compare, a_marker_that_moved_either_way_is_refused) {
  EXPECT_EQ(check_slice(snapshot(2, 20), "p", slice(10, 20), 2).code(), StatusCode::kDataLoss);
  EXPECT_EQ(check_slice(snapshot(2, 8), "p", slice(10, 20), 2).code(), StatusCode::kDataLoss);
}

TEST(Rule03Compare, a_partition_nobody_claimed_is_refused) {
  EXPECT_FALSE(check_slice(fakes::FakeSnapshot(), "p", slice(0, 1), 1).is_ok());
}

TEST(Rule03Compare, the_comparison_is_made_again_on_the_snapshot_of_every_attempt) {
  auto log = std::make_shared<fakes::FakeLog>();
  log->newest = snapshot(2, 9);
  fakes::FakeTable table("bronze/t", log);
  // Between the plan and the write another process takes over and commits the very same range.
  bool taken_over = false;
  log->before_attempt = [&](fakes::FakeSnapshot& newest) {
    if (std::exchange(taken_over, true)) return;
    newest.version_.value += 1;
    newest.transactions_[epoch_id("p", kPartition)] = 3;
    newest.transactions_[marker_id("p", kPartition)] = 20;
  };
  const auto committed = table.commit(
      [&](const lake::Snapshot& s) -> Result<lake::Commit> {
        INLET_RETURN_IF_ERROR(check_slice(s, "p", slice(10, 20), 2));
        return lake::Commit{};
      },
      [] { return false; });
  EXPECT_EQ(committed.status().code(), StatusCode::kFenced);
  EXPECT_TRUE(log->commits.empty());
}

TEST(Rule10MetadataMoved, a_table_wider_than_the_configuration_stops_the_next_commit) {
  const auto definition = bronze_definition(fakes::small_pipeline("/nowhere"));
  auto log = std::make_shared<fakes::FakeLog>();
  log->newest.schema_ = definition.schema;
  log->newest.partition_columns_ = definition.partition_columns;
  SharedTable table(std::make_unique<fakes::FakeTable>("bronze/t", log), definition);
  const lake::CommitPlan plan = [](const lake::Snapshot&) -> Result<lake::Commit> { return lake::Commit{}; };
  ASSERT_TRUE(table.commit(plan, [] { return false; }).is_ok());
  log->newest.schema_.columns.push_back({"added_elsewhere", {TypeKind::kVarchar}, true});
  log->newest.version_.value += 1;
  const auto refused = table.commit(plan, [] { return false; });
  EXPECT_EQ(refused.status().code(), StatusCode::kDataLoss);
  EXPECT_NE(refused.status().to_line().find("added_elsewhere"), std::string::npos);
  EXPECT_EQ(log->commits.size(), 1U);
}

TEST(Rule10MetadataMoved, a_table_dropped_and_created_anew_stops_the_next_commit) {
  const auto definition = bronze_definition(fakes::small_pipeline("/nowhere"));
  auto log = std::make_shared<fakes::FakeLog>();
  log->newest.schema_ = definition.schema;
  log->newest.partition_columns_ = definition.partition_columns;
  SharedTable table(std::make_unique<fakes::FakeTable>("bronze/t", log), definition);
  log->newest.table_id_ = "table-2";
  log->newest.version_.value += 1;
  const auto refused =
      table.commit([](const lake::Snapshot&) -> Result<lake::Commit> { return lake::Commit{}; }, [] { return false; });
  EXPECT_EQ(refused.status().code(), StatusCode::kDataLoss);
}

TEST(Rule10MetadataMoved, a_table_that_lacks_columns_is_left_as_it_is_until_a_run_adds_them) {
  const auto definition = bronze_definition(fakes::small_pipeline("/nowhere"));
  auto log = std::make_shared<fakes::FakeLog>();
  log->newest.schema_ = definition.schema;
  log->newest.partition_columns_ = definition.partition_columns;
  auto wider = definition;
  wider.schema.columns.push_back({"new", {TypeKind::kVarchar}, true});
  SharedTable table(std::make_unique<fakes::FakeTable>("bronze/t", log), wider);
  const lake::CommitPlan plan = [](const lake::Snapshot&) -> Result<lake::Commit> { return lake::Commit{}; };
  const auto refused = table.commit(plan, [] { return false; });
  EXPECT_EQ(refused.status().detail().id, "lake.schema_differs");
  EXPECT_NE(refused.status().detail().fix.find("inlet run"), std::string::npos);
  log->newest.schema_ = wider.schema;
  log->newest.version_.value += 1;
  ASSERT_TRUE(table.refresh().is_ok());
  EXPECT_TRUE(table.commit(plan, [] { return false; }).is_ok());
}

}  // namespace
}  // namespace inlet::bronze
