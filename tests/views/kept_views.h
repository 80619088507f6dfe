// A bronze table of sales that a test appends to, and its views, kept by a real engine on a lake of their own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/pipeline_config.h"
#include "duck/database.h"
#include "lake/file_statistics.h"
#include "lake/table.h"
#include "views/verify.h"
#include "views/view_engine.h"

namespace inlet::views {

class KeptViews : public ::testing::Test {
 protected:
  KeptViews() : database_(duck::Database::open({}).value()), connection_(database_.connect().value()) {
    static std::atomic<int> counter{0};
    root_ = std::filesystem::temp_directory_path() /
            ("inlet-kept-views-" + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1)));
    lake_ = lake::open_lake(root_.string()).value();
    config_.name = "p";
    config_.lake = root_.string();
    config_.bronze.table = "bronze/sales";
    config_.resources.duckdb_threads = 1;
    bronze_ = lake_->open_or_create(definition()).value();
  }
  ~KeptViews() override {
    bronze_.reset();
    std::filesystem::remove_all(root_);
  }

  static lake::TableDefinition definition() {
    const ColumnType varchar{TypeKind::kVarchar};
    const ColumnType bigint{TypeKind::kBigint};
    lake::TableDefinition wanted;
    wanted.name = "bronze/sales";
    wanted.schema.columns = {{"client", bigint},
                             {"country", varchar},
                             {"amount", {TypeKind::kDecimal, 12, 2}},
                             {"weight", {TypeKind::kDouble}},
                             {"sold_at", {TypeKind::kTimestamp}},
                             {"day", varchar},
                             {"_source", varchar},
                             {"_partition", {TypeKind::kInt}},
                             {"_offset", bigint},
                             {"_kafka_timestamp", {TypeKind::kTimestamp}},
                             {"date_ingestion", {TypeKind::kTimestamp}}};
    wanted.partition_columns = {"day"};
    return wanted;
  }
  static Schema schema() { return definition().schema; }

  config::ViewConfig& add_view(const std::string& name, const std::string& sql,
                               std::vector<std::string> partition_by = {}) {
    config::ViewConfig view;
    view.name = name;
    view.sql = sql;
    view.table = "silver/" + name;
    view.partition_by = std::move(partition_by);
    view.where = "pipeline.toml:1:1";
    return config_.views.emplace_back(std::move(view));
  }

  void add_dimension(const std::string& name, const std::string& csv) {
    const auto path = root_ / (name + ".csv");
    std::ofstream(path) << csv;
    config_.dimensions.push_back({name, path.string(), ""});
  }

  struct Sale {
    int partition = 0;
    std::int64_t offset = 0;
    std::string values;  // SQL: client, country, amount, weight, sold_at
  };

  /// One bronze version of these sales.
  TableVersion append(const std::vector<Sale>& sales) {
    std::string rows;
    for (const auto& sale : sales) {
      rows += rows.empty() ? "(" : ", (";
      rows += sale.values + ", 'kafka:t', " + std::to_string(sale.partition) + ", " + std::to_string(sale.offset) + ")";
    }
    return append("SELECT * FROM (VALUES " + rows +
                  ") AS v(client, country, amount, weight, sold_at, _source, _partition, _offset)");
  }

  /// One bronze version of the rows of a SELECT: client, country, amount, weight, sold_at, _source, _partition,
  /// _offset.
  TableVersion append(const std::string& select) {
    std::string columns;
    for (const auto& column : schema().columns) {
      const std::string name = duck::quote_identifier(column.name);
      std::string value = name;
      if (column.name == "day") value = "strftime(sold_at::TIMESTAMPTZ, '%Y-%m-%d')";
      if (column.name == "_kafka_timestamp" || column.name == "date_ingestion") value = "NULL";
      columns += (columns.empty() ? "CAST(" : ", CAST(") + value + " AS " + column.type.to_duckdb() + ") AS " + name;
    }
    const auto written = duck::copy_to_parquet(connection_, "SELECT " + columns + " FROM (" + select + ")",
                                               {.directory = bronze_->directory(), .partition_columns = {"day"}});
    EXPECT_TRUE(written.is_ok()) << written.status().to_line();
    lake::Commit commit;
    commit.operation = "STREAMING UPDATE";
    for (const auto& file : *written)
      commit.adds.push_back(lake::add_file(file, bronze_->directory(), schema(), ++modified_ms_));
    return commit_to_bronze(commit);
  }

  TableVersion commit_to_bronze(const lake::Commit& commit) {
    const auto committed =
        bronze_->commit([&](const lake::Snapshot&) -> Result<lake::Commit> { return commit; }, [] { return false; });
    EXPECT_TRUE(committed.is_ok()) << committed.status().to_line();
    return committed->version;
  }

  /// The views, brought level with bronze and published, by an engine that lives for that alone.
  Status keep(const ViewEngine::Options& options = {}) {
    INLET_ASSIGN_OR_RETURN(const auto engine, ViewEngine::start(config_, schema(), Clock::system(), options));
    const Status finished = engine->finish([] { return false; });
    for (auto& status : engine->status()) status_[status.name] = std::move(status);
    return finished;
  }
  /// Of a view, at the end of the last keep().
  const ViewStatus& status(const std::string& view) const { return status_.at(view); }

  /// Every published row against the views' own SQL, by DuckDB alone; "" when there is no difference.
  std::string differences() {
    const auto reports = verify_views(config_, schema(), {});
    if (!reports.is_ok()) return reports.status().to_line();
    std::string found;
    for (const auto& report : *reports) {
      if (!report.bronze_version) found += report.view + " was never published\n";
      if (report.bronze_version && *report.bronze_version != bronze_->refresh().value()->version())
        found += report.view + " is of version " + std::to_string(report.bronze_version->value) + "\n";
      for (const auto& difference : report.comparison.first)
        found += report.view + ": " + difference.key + " differs\n";
    }
    return found;
  }

  std::filesystem::path root_;
  std::unique_ptr<lake::Lake> lake_;
  std::unique_ptr<lake::Table> bronze_;
  config::PipelineConfig config_;
  duck::Database database_;
  duck::Connection connection_;
  std::map<std::string, ViewStatus> status_;
  std::int64_t modified_ms_ = 1'700'000'000'000;
};

}  // namespace inlet::views
