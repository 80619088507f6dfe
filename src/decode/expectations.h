// What the pipeline file expects of every event ([[expect]]), asked of each decoded chunk: a row that does not meet a
// condition is counted, set aside as a reject, or ends the run.
//
// The outcome is a function of the row alone, so that batches and restarts decide alike: conditions with aggregates,
// subqueries or functions of the time are refused before the first record is read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "config/pipeline_config.h"
#include "decode/decoder.h"
#include "duck/database.h"

namespace inlet::decode {

/// InvalidArgument "expect.invalid", with the place in the pipeline file, for a condition that does not parse or bind,
/// is no boolean, or whose outcome does not follow from the event alone. Nothing to do without expectations.
Status check_expectations(const config::PipelineConfig& config, duck::Connection& connection);

/// Not thread safe: one per decode thread, with a connection of its own. `config` outlives it.
class Expectations {
 public:
  /// Precondition: check_expectations has passed.
  Expectations(const config::PipelineConfig& config, duck::Connection connection);

  /// `decoded` is what `batch` was decoded to. Fills expectation_failures, and makes rejects of the rows that a
  /// `quarantine` expectation refuses. Internal "expect.stopped" where a row does not meet a `stop` expectation, with
  /// its offset and values; Internal when the conditions cannot be computed at all (memory).
  Status apply(const source::RecordBatch& batch, DecodedBatch& decoded);

 private:
  // A row that does not meet some of the expectations.
  struct Failure {
    std::uint32_t row = 0;
    std::vector<bool> not_met;  // per expectation
    std::string error;          // of DuckDB, where a condition could not be computed
  };
  Status find_failures(const duck::DataChunk& chunk, std::uint32_t first_row, std::vector<Failure>& failures);
  Status find_failures_one_by_one(const duck::DataChunk& chunk, std::uint32_t row, std::vector<Failure>& failures);
  Result<duck::QueryResult> run(const duck::DataChunk& chunk, const std::string& sql);
  Status stopped(const config::ExpectConfig& expectation, const source::RecordBatch& batch, Offset offset,
                 const Failure& failure) const;
  Status set_aside(const source::RecordBatch& batch, DecodedBatch& decoded, const std::vector<Failure>& failures);

  const config::PipelineConfig& config_;
  const Schema schema_;
  std::size_t offset_column_ = 0;
  std::optional<std::size_t> event_time_column_;
  std::string all_sql_;                  // the rows that fail any
  std::vector<std::string> single_sql_;  // whether the one row fails this one
  duck::Connection connection_;
};

}  // namespace inlet::decode
