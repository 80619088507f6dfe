// A table whose definition a commit changes, and which definitions it can take without its files being touched.
#include "lake/evolve.h"

#include <thread>

#include "lake/table_definition.h"
#include "tests/lake/lake_fixture.h"

namespace inlet::lake {
namespace {

class TableChangeTest : public LakeTest {
 protected:
  static Commit replacing(std::vector<std::string> removes, std::vector<AddFile> adds, const TableDefinition& wanted) {
    auto commit = append(std::move(adds), {{"app", 7}});
    commit.removes = std::move(removes);
    commit.change = {wanted.schema, wanted.partition_columns};
    return commit;
  }

  static TableDefinition other() {
    auto wanted = definition();
    wanted.schema.columns = {{"country", {TypeKind::kVarchar}}, {"amount", {TypeKind::kDouble}}};
    wanted.partition_columns = {"country"};
    return wanted;
  }
};

TEST_F(TableChangeTest, one_commit_replaces_the_rows_and_the_definition_and_the_version_before_stays) {
  const auto table = open_or_create();
  const auto id = table->snapshot()->table_id();
  ASSERT_TRUE(commit(*table, append({file("day=2024-01-01/a.parquet")}, {{"app", 6}, {"more", 1}})).is_ok());
  auto add = file("country=fr/b.parquet");
  add.partition_values = {{"country", "fr"}};
  ASSERT_TRUE(commit(*table, replacing({"day=2024-01-01/a.parquet"}, {add}, other())).is_ok());
  const auto reopened = lake_->open("bronze/sales");
  ASSERT_TRUE(reopened.is_ok());
  for (const auto& snapshot : {table->snapshot(), (*reopened)->snapshot()}) {
    EXPECT_EQ(snapshot->schema(), other().schema);
    EXPECT_EQ(snapshot->partition_columns(), other().partition_columns);
    EXPECT_EQ(snapshot->table_id(), id);
    EXPECT_EQ(snapshot->transaction("app"), 7);
    EXPECT_EQ(snapshot->transaction("more"), 1);
    ASSERT_EQ(snapshot->files()->size(), 1U);
    EXPECT_EQ(snapshot->files()->front().path, "country=fr/b.parquet");
  }
  const auto before = table->snapshot_at({1});
  ASSERT_TRUE(before.is_ok());
  EXPECT_EQ((*before)->schema(), definition().schema);
  EXPECT_EQ((*before)->files()->front().path, "day=2024-01-01/a.parquet");
  EXPECT_TRUE(table->changes({2})->changes_definition);
}

TEST_F(TableChangeTest, another_handle_sees_the_definition_with_its_next_look) {
  const auto table = open_or_create();
  const auto second = open_or_create();
  ASSERT_TRUE(commit(*table, replacing({}, {}, other())).is_ok());
  EXPECT_EQ(second->snapshot()->schema(), definition().schema);
  const auto looked = second->refresh();
  ASSERT_TRUE(looked.is_ok());
  EXPECT_EQ((*looked)->schema(), other().schema);
}

TEST_F(TableChangeTest, files_of_other_partitions_cannot_stay) {
  const auto table = open_or_create();
  ASSERT_TRUE(commit(*table, append({file("day=2024-01-01/a.parquet")})).is_ok());
  const auto refused = commit(*table, replacing({}, {}, other()));
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(table->refresh().value()->version(), TableVersion{1});
}

TEST_F(TableChangeTest, a_definition_that_no_table_can_have_is_not_committed) {
  const auto table = open_or_create();
  auto wrong = other();
  wrong.schema.columns[0].name = "a b";
  wrong.partition_columns.clear();
  EXPECT_EQ(commit(*table, replacing({}, {}, wrong)).status().detail().id, "lake.bad_definition");
  EXPECT_EQ(table->refresh().value()->version(), TableVersion{0});
}

TEST(CanBecome, nullable_columns_may_come_and_not_null_may_go) {
  const Schema table{{{"a", {TypeKind::kBigint}, false}, {"b", {TypeKind::kInt}, true}}};
  const Column a{"a", {TypeKind::kBigint}, false};
  const Column b{"b", {TypeKind::kInt}, true};
  const Column c{"c", {TypeKind::kVarchar}, true};
  const Column nullable_a{"a", {TypeKind::kBigint}, true};
  for (const Schema& wanted :
       {Schema{{a, b}}, Schema{{a, b, c}}, Schema{{c, a, b}}, Schema{{a, c, b}}, Schema{{nullable_a, b}}})
    EXPECT_TRUE(can_become(table, wanted));
  const Column required{"c", {TypeKind::kVarchar}, false};
  const Column wider{"b", {TypeKind::kBigint}, true};
  const Column not_null{"b", {TypeKind::kInt}, false};
  const Column spelled{"B", {TypeKind::kInt}, true};
  for (const Schema& wanted : {Schema{{a}}, Schema{{b, a}}, Schema{{a, b, required}}, Schema{{a, wider}},
                               Schema{{a, not_null}}, Schema{{a, spelled}}, Schema{{a, c}}})
    EXPECT_FALSE(can_become(table, wanted)) << schema_difference(table, wanted);
}

TEST(WayOut, every_difference_has_one) {
  const Schema table{
      {{"a", {TypeKind::kBigint}, true}, {"b", {TypeKind::kInt}, true}, {"gone", {TypeKind::kInt}, true}}};
  const Schema wanted{
      {{"a", {TypeKind::kBigint}, false}, {"b", {TypeKind::kBigint}, true}, {"new", {TypeKind::kInt}, false}}};
  const auto way = way_out(table, wanted);
  for (const char* part : {"declare a without \"required\"", "typeWidening", "declare new without", "keep gone"})
    EXPECT_NE(way.find(part), std::string::npos) << way;
}

class EvolveTest : public LakeTest {
 protected:
  static TableDefinition with_column(const std::string& name, bool nullable = true) {
    auto wanted = definition();
    wanted.schema.columns.insert(wanted.schema.columns.begin() + 1, {name, {TypeKind::kInt}, nullable});
    return wanted;
  }
};

TEST_F(EvolveTest, a_table_gets_the_columns_it_lacks_by_one_commit_that_touches_no_file) {
  auto table = open_or_create();
  ASSERT_TRUE(commit(*table, append({file("day=2024-01-01/a.parquet")}, {{"app", 6}})).is_ok());
  const auto wanted = with_column("channel");
  for (int start = 0; start < 3; ++start) {
    const auto evolved = open_or_evolve(*lake_, wanted);
    ASSERT_TRUE(evolved.is_ok()) << evolved.status().to_line();
    const auto snapshot = (*evolved)->snapshot();
    EXPECT_EQ(snapshot->version(), TableVersion{2}) << "once";
    EXPECT_EQ(snapshot->schema(), wanted.schema);
    EXPECT_EQ(snapshot->transaction("app"), 6);
    EXPECT_EQ(snapshot->files()->size(), 1U);
  }
  const auto changes = table->changes({2});
  EXPECT_TRUE(changes->changes_definition && changes->added.empty() && changes->removed.empty());
  EXPECT_EQ(table->history_entry({2})->operation, "ADD COLUMNS");
}

TEST_F(EvolveTest, a_table_that_is_not_there_is_made_with_all_columns) {
  const auto made = open_or_evolve(*lake_, with_column("channel"));
  ASSERT_TRUE(made.is_ok());
  EXPECT_EQ((*made)->snapshot()->version(), TableVersion{0});
}

TEST_F(EvolveTest, not_null_can_be_taken_away) {
  ASSERT_NE(open_or_create(), nullptr);
  auto wanted = definition();
  wanted.schema.columns[0].nullable = true;
  const auto evolved = open_or_evolve(*lake_, wanted);
  ASSERT_TRUE(evolved.is_ok()) << evolved.status().to_line();
  EXPECT_EQ((*evolved)->snapshot()->schema(), wanted.schema);
  EXPECT_EQ((*evolved)->history_entry({1})->operation, "CHANGE COLUMNS");
}

TEST_F(EvolveTest, whatever_needs_a_rewrite_is_refused_with_the_difference_and_the_way_out) {
  ASSERT_NE(open_or_create(), nullptr);
  std::vector<TableDefinition> wrong(5, definition());
  wrong[0].schema.columns[1].type = {TypeKind::kDecimal, 14, 2};
  wrong[1].schema.columns.erase(wrong[1].schema.columns.begin() + 1);
  wrong[2] = with_column("channel", false);
  wrong[3].partition_columns.clear();
  std::swap(wrong[4].schema.columns[0], wrong[4].schema.columns[1]);
  for (const auto& wanted : wrong) {
    const auto refused = open_or_evolve(*lake_, wanted);
    EXPECT_EQ(refused.status().detail().id, "lake.schema_differs");
    EXPECT_FALSE(refused.status().detail().why.empty());
    EXPECT_FALSE(refused.status().detail().fix.empty());
  }
  EXPECT_EQ(open_or_create()->snapshot()->version(), TableVersion{0});
}

TEST_F(EvolveTest, of_many_starts_at_once_one_changes_the_table_and_all_go_on) {
  for (int round = 0; round < 10; ++round) {
    const auto name = "bronze/t" + std::to_string(round);
    ASSERT_TRUE(lake_->open_or_create(definition(name)).is_ok());
    auto wanted = with_column("channel");
    wanted.name = name;
    std::vector<std::thread> starts;
    std::atomic<int> right{0};
    for (int i = 0; i < 4; ++i) {
      starts.emplace_back([&] {
        const auto evolved = open_or_evolve(*lake_, wanted);
        if (evolved.is_ok() && (*evolved)->snapshot()->schema() == wanted.schema) ++right;
      });
    }
    for (auto& start : starts) start.join();
    EXPECT_EQ(right, 4);
    EXPECT_EQ(lake_->open(name).value()->snapshot()->version(), TableVersion{1});
  }
}

}  // namespace
}  // namespace inlet::lake
