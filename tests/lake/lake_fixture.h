// A lake in a directory of its own, and short ways to say what a test commits.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "lake/table.h"

namespace inlet::lake {

class LakeTest : public ::testing::Test {
 protected:
  LakeTest() {
    static std::atomic<int> counter{0};
    root_ = std::filesystem::temp_directory_path() /
            ("inlet-lake-" + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1)));
    auto lake = open_lake(root_.string());
    EXPECT_TRUE(lake.is_ok()) << lake.status().to_line();
    if (lake.is_ok()) lake_ = std::move(lake).value();
  }
  ~LakeTest() override { std::filesystem::remove_all(root_); }

  static TableDefinition definition(std::string name = "bronze/sales") {
    TableDefinition wanted;
    wanted.name = std::move(name);
    wanted.schema.columns = {{"sale_id", {TypeKind::kBigint}, false},
                             {"amount", {TypeKind::kDecimal, 12, 2}, true},
                             {"at", {TypeKind::kTimestamp}, true},
                             {"day", {TypeKind::kVarchar}, true}};
    wanted.partition_columns = {"day"};
    return wanted;
  }

  std::unique_ptr<Table> open_or_create(const TableDefinition& wanted = definition()) {
    auto table = lake_->open_or_create(wanted);
    EXPECT_TRUE(table.is_ok()) << table.status().to_line();
    return table.is_ok() ? std::move(table).value() : nullptr;
  }

  static AddFile file(std::string path, std::optional<std::string> day = "2024-01-01") {
    AddFile add;
    add.path = std::move(path);
    add.bytes = 100;
    add.modified_ms = 1'700'000'000'000;
    add.rows = 1;
    add.partition_values = {{"day", std::move(day)}};
    add.statistics_json = R"({"numRecords":1,"minValues":{"sale_id":1},"maxValues":{"sale_id":1},"nullCount":{}})";
    return add;
  }

  static Commit append(std::vector<AddFile> adds, std::vector<AppTransaction> transactions = {}) {
    Commit commit;
    commit.operation = "STREAMING UPDATE";
    commit.adds = std::move(adds);
    commit.transactions = std::move(transactions);
    return commit;
  }

  static Result<Committed> commit(Table& table, const Commit& what) {
    return table.commit([&](const Snapshot&) -> Result<Commit> { return what; }, [] { return false; });
  }

  std::filesystem::path log_of(const std::string& name) const { return root_ / name / "_delta_log"; }

  std::filesystem::path commit_path(const std::string& name, int version) const {
    const std::string digits = std::to_string(version);
    return log_of(name) / (std::string(20 - digits.size(), '0') + digits + ".json");
  }

  static std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  static void write(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }

  std::filesystem::path root_;
  std::unique_ptr<Lake> lake_;
};

}  // namespace inlet::lake
