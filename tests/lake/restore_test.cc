#include "lake/restore.h"

#include <algorithm>

#include "lake/evolve.h"
#include "tests/lake/rows_fixture.h"

namespace inlet::lake {
namespace {

class RestoreTest : public RowsTest {
 protected:
  static std::map<std::string, std::string> offsets(const std::string& range, const std::string& partition = "s/0") {
    return {{"offsets:" + partition, range}};
  }
  Result<Restored> restore_to(std::int64_t version) {
    return restore(*lake_, *table_, {version}, [] { return false; });
  }
  static std::string text(const SourceRanges& all) {
    std::string line;
    for (const auto& [partition, ranges] : all)
      line += (line.empty() ? "" : " ") + partition + ":" + ranges_text(ranges);
    return line;
  }
};

TEST_F(RestoreTest, the_table_has_the_rows_of_then_and_the_markers_of_now) {
  append_rows(0, 30, {{"m", 29}}, offsets("0..29"));
  append_rows(30, 30, {{"m", 59}}, offsets("30..59"));
  append_rows(60, 30, {{"m", 89}}, offsets("60..89"));
  const auto done = restore_to(1);
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  EXPECT_EQ(done->committed.version, TableVersion{4});
  EXPECT_EQ(rows_now(), rows_at({1}));
  EXPECT_EQ(table_->snapshot()->transaction("m"), 89);
  EXPECT_EQ(text(done->plan.taken_out), "s/0:30..89");
  const auto entry = table_->history_entry({4}).value();
  EXPECT_EQ(entry.operation, "RESTORE");
  EXPECT_EQ(entry.parameters.at("version"), "1");
  EXPECT_EQ(entry.info.at("takenOut:s/0"), "30..89");
  EXPECT_EQ(entry.metrics.at("numRemovedFiles"), "6");
  EXPECT_TRUE(table_->changes({4})->removes_rows) << "views have to see it";
  EXPECT_EQ(rows_at({3}), "90|4005|2") << "what was, stays readable";
}

TEST_F(RestoreTest, rows_that_were_taken_out_come_back_by_a_restore_to_the_version_that_had_them) {
  append_rows(0, 3, {}, offsets("0..2"));
  append_rows(3, 3, {}, offsets("3..5"));
  append_rows(6, 3, {}, offsets("6..8"));
  const auto three = rows_now();
  ASSERT_TRUE(restore_to(1).is_ok());       // 4
  append_rows(9, 3, {}, offsets("9..11"));  // 5
  const auto back = restore_to(3);          // 6
  ASSERT_TRUE(back.is_ok()) << back.status().to_line();
  EXPECT_EQ(rows_now(), three);
  EXPECT_EQ(text(back->plan.taken_out), "s/0:9..11");
  EXPECT_EQ(text(back->plan.put_back), "s/0:3..8");
  const auto before = restore_to(5);  // 7
  ASSERT_TRUE(before.is_ok());
  EXPECT_EQ(rows_now(), rows_at({5}));
  EXPECT_EQ(text(before->plan.taken_out), "s/0:3..8");
  EXPECT_EQ(text(before->plan.put_back), "s/0:9..11");
}

TEST_F(RestoreTest, ranges_are_listed_by_partition_and_joined_where_they_meet) {
  append_rows(0, 3, {}, {{"offsets:a/0", "0..4"}, {"offsets:b/1", "7..9"}});
  append_rows(3, 3, {}, {{"offsets:a/0", "5..5"}});
  append_rows(6, 3, {}, {{"offsets:a/0", "8..9"}});
  EXPECT_EQ(text(plan_restore(*table_, *table_->snapshot(), {0})->taken_out), "a/0:0..5,8..9 b/1:7..9");
}

TEST_F(RestoreTest, what_another_writer_appends_meanwhile_is_taken_out_too) {
  append_rows(0, 30);
  const auto other = lake_->open("bronze/sales").value();
  ASSERT_TRUE(commit(*other, append(write_rows(sales(30, 30), *other), {{"m", 59}})).is_ok());
  ASSERT_EQ(table_->snapshot()->version(), TableVersion{1}) << "this handle has not seen it";
  const auto done = restore_to(0);
  ASSERT_TRUE(done.is_ok()) << done.status().to_line();
  EXPECT_EQ(done->committed.version, TableVersion{3});
  EXPECT_EQ(done->plan.from, TableVersion{2}) << "planned again on what is there";
  EXPECT_EQ(rows_now(), "0|0|0");
  EXPECT_EQ(table_->snapshot()->transaction("m"), 59);
}

TEST_F(RestoreTest, a_restore_is_refused_when_files_of_then_are_gone) {
  append_rows(0, 3);
  append_rows(3, 3);
  ASSERT_TRUE(restore_to(1).is_ok());
  const auto removed = files_at(2);
  const auto kept = files_at(1);
  for (const auto& file : removed) {
    const bool is_kept =
        std::any_of(kept.begin(), kept.end(), [&](const LiveFile& other) { return other.path == file.path; });
    if (!is_kept) std::filesystem::remove(absolute_path(table_->directory(), file.path));
  }
  const auto refused = restore_to(2);
  EXPECT_EQ(refused.status().detail().id, "lake.files_gone");
  EXPECT_EQ(table_->refresh().value()->version(), TableVersion{3}) << "nothing was committed";
}

TEST_F(RestoreTest, a_restore_to_another_definition_is_refused_with_the_difference) {
  append_rows(0, 3);
  const std::string created = read(commit_path("bronze/sales", 0));
  std::string other = created.substr(created.find("{\"metaData\""));
  const std::string type = R"(\"type\":\"decimal(12,2)\")";
  other.replace(other.find(type), type.size(), R"(\"type\":\"decimal(14,2)\")");
  write(commit_path("bronze/sales", 2), other);
  table_ = lake_->open("bronze/sales").value();
  const auto refused = restore_to(1);
  EXPECT_EQ(refused.status().detail().id, "restore.other_definition");
  EXPECT_NE(refused.status().detail().why.find("DECIMAL(14,2)"), std::string::npos) << refused.status().to_line();
}

TEST_F(RestoreTest, columns_that_came_since_stay_and_are_null_in_the_rows_of_then) {
  append_rows(0, 3);
  auto wider = definition();
  wider.schema.columns.push_back({"more", {TypeKind::kBigint}, true});
  table_ = open_or_evolve(*lake_, wider).value();
  const auto restored = restore_to(1);
  ASSERT_TRUE(restored.is_ok()) << restored.status().to_line();
  EXPECT_EQ(table_->snapshot()->schema(), wider.schema);
  EXPECT_EQ(table_->snapshot()->files()->size(), table_->files_at({1})->size());
}

TEST_F(RestoreTest, a_table_of_a_view_is_refused) {
  append_rows(0, 3, {{"p/views/by_day", 7}});
  EXPECT_EQ(restore_to(0).status().detail().id, "restore.of_a_view");
}

TEST_F(RestoreTest, a_version_that_is_not_there_is_refused) {
  append_rows(0, 3);
  EXPECT_EQ(restore_to(9).status().detail().id, "lake.no_version");
}

}  // namespace
}  // namespace inlet::lake
