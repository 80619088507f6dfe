// Runs of a pipeline on a lake of their own, and what stands in its tables afterwards.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <utility>

#include "duck/database.h"
#include "lake/table.h"
#include "pipeline/pipeline.h"
#include "tests/fakes/scripted_source.h"

namespace inlet::pipeline {

// A lake in a directory of its own, gone with the test.
class TemporaryLake {
 public:
  TemporaryLake() {
    std::string pattern = (std::filesystem::temp_directory_path() / "inlet-pipeline-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryLake() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Partition and offset.
using Position = std::pair<std::int32_t, std::int64_t>;

inline lake::SnapshotPtr snapshot_of(const config::PipelineConfig& config, const std::string& table) {
  auto lake = lake::open_lake(config.lake);
  EXPECT_TRUE(lake.is_ok()) << lake.status().to_line();
  auto opened = (*lake)->open(table);
  EXPECT_TRUE(opened.is_ok()) << opened.status().to_line();
  return (*opened)->snapshot();
}

// Positions of all rows of a table, by its live files.
inline std::multiset<Position> positions_in(const config::PipelineConfig& config, const std::string& table) {
  std::multiset<Position> all;
  const auto files = snapshot_of(config, table)->files();
  EXPECT_TRUE(files.is_ok());
  auto database = duck::Database::open({});
  auto connection = database->connect();
  for (const auto& file : *files) {
    const auto rows = connection->query("SELECT _partition, _offset FROM read_parquet(" +
                                        duck::quote_literal(config.lake + "/" + table + "/" + file.path) +
                                        ", hive_partitioning = false)");
    EXPECT_TRUE(rows.is_ok()) << rows.status().to_line();
    for (std::size_t row = 0; row < rows->rows(); ++row) {
      all.insert({static_cast<std::int32_t>(rows->integer(row, 0)), rows->integer(row, 1)});
    }
  }
  return all;
}

inline std::multiset<Position> all_positions(const config::PipelineConfig& config) {
  auto all = positions_in(config, config.bronze.table);
  all.merge(positions_in(config, config.quarantine.table));
  return all;
}

inline Status run(const config::PipelineConfig& config, const fakes::ScriptedLog& log,
                  fakes::ScriptedSource::Mischief mischief, RunOptions options = {.until_caught_up = true}) {
  Pipeline pipeline(config, std::make_unique<fakes::ScriptedSource>(log, mischief));
  const StopSignal never;
  return pipeline.run(options, never, {});
}

}  // namespace inlet::pipeline
