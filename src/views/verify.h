// The proof of a view: its table held against what the view's own SQL says of bronze, by DuckDB alone.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "config/pipeline_config.h"
#include "duck/database.h"
#include "duck/file_values.h"
#include "lake/table.h"
#include "views/table_comparison.h"

namespace inlet::views {

struct VerifyReport {
  std::string view;
  std::string table;
  std::optional<TableVersion> table_version;
  std::optional<TableVersion> bronze_version;  // the one the table reflects; absent: never published
  std::string problem;  // why the rows cannot be compared: the table has other columns than the view
  TableComparison comparison;
  bool is_clean() const { return comparison.differences == 0 && bronze_version.has_value() && problem.empty(); }
};

struct VerifyOptions {
  std::string view;       // empty: every view
  std::size_t most = 20;  // differences told one by one
  std::int64_t memory_limit_bytes = 1LL << 30;
};

/// Reads only. Compares multisets of rows at the bronze version each table reflects; exact columns by IS NOT DISTINCT
/// FROM, inexact ones within 1e-9 relative; `processing_time` is outside. NotFound: no such view, no such table, or a
/// bronze version that is gone from the log. InvalidArgument: the pipeline file's views cannot be planned.
Result<std::vector<VerifyReport>> verify_views(const config::PipelineConfig& config, const Schema& bronze_schema,
                                               const VerifyOptions& options);

/// What more rows in bronze would change.
struct PreviewReport {
  std::string view;
  TableComparison comparison;  // expected: with the rows; found: without them
};

struct PreviewInput {
  duck::Connection& connection;  // where both SELECTs run
  lake::Lake& lake;
  duck::FileValues& file_values;  // what inlet_file_value() of that database looks into
  std::string before;             // SELECT of the rows of bronze
  std::string added;              // SELECT of the rows that would come to them
  std::size_t most = 20;          // changes told one by one
};

/// Reads only: every view recomputed without and with the rows. Errors as verify_views.
Result<std::vector<PreviewReport>> preview_views(const config::PipelineConfig& config, const Schema& bronze_schema,
                                                 const PreviewInput& input);

}  // namespace inlet::views
