#include "bronze/quarantine_rows.h"

#include <algorithm>

#include "base/json.h"
#include "bronze/markers.h"
#include "duck/database.h"
#include "lake/files_select.h"

namespace inlet::bronze {
namespace {

// (source, partition, marker, reset_us) of every partition that this pipeline has claimed.
std::string known_partitions_sql(const lake::Snapshot& bronze, const std::string& pipeline) {
  std::string rows;
  for (const auto& partition : known_partitions(bronze, pipeline)) {
    const auto marker = bronze.transaction(marker_id(pipeline, partition));
    if (!marker) continue;
    const auto reset = bronze.transaction(reset_time_id(pipeline, partition)).value_or(0);
    rows += (rows.empty() ? "(" : ", (") + duck::quote_literal(partition.source) + ", " +
            std::to_string(partition.partition) + ", " + std::to_string(*marker) + ", " + std::to_string(reset) + ")";
  }
  if (rows.empty()) return "SELECT '' AS source, 0 AS part, 0::BIGINT AS marker, 0::BIGINT AS reset_us WHERE false";
  return "SELECT col0 AS source, col1 AS part, col2::BIGINT AS marker, col3::BIGINT AS reset_us FROM (VALUES " + rows +
         ")";
}

std::string no_rows_sql(const Schema& schema) {
  std::string columns;
  for (const Column& column : schema.columns)
    columns += "CAST(NULL AS " + column.type.to_duckdb() + ") AS " + duck::quote_identifier(column.name) + ", ";
  return "(SELECT " + columns + "'' AS state WHERE false)";
}

// The span of offsets that stand in quarantine; nullopt where a file's statistics do not say.
std::optional<OffsetBounds> span_of(const std::vector<lake::LiveFile>& files) {
  std::optional<OffsetBounds> span;
  for (const auto& file : files) {
    const auto bounds = offset_bounds(file);
    if (!bounds) return std::nullopt;
    if (!span) span = bounds;
    span->least = std::min(span->least, bounds->least);
    span->largest = std::max(span->largest, bounds->largest);
  }
  return span;
}

std::vector<std::string> paths_of(const std::vector<lake::LiveFile>& files) {
  std::vector<std::string> paths;
  paths.reserve(files.size());
  for (const auto& file : files) paths.push_back(file.path);
  return paths;
}

Result<std::vector<lake::LiveFile>> bronze_files_to_ask(const lake::Snapshot& bronze, const std::string& pipeline,
                                                        const std::optional<OffsetBounds>& span) {
  // Without a replay in its log bronze holds no position of quarantine: a record is decided once.
  if (!bronze.transaction(replays_id(pipeline))) return std::vector<lake::LiveFile>{};
  INLET_ASSIGN_OR_RETURN(const auto files, bronze.files());
  std::vector<lake::LiveFile> asked;
  for (const auto& file : files) {
    const auto bounds = offset_bounds(file);
    if (span && bounds && (bounds->largest < span->least || bounds->least > span->largest)) continue;
    asked.push_back(file);
  }
  return asked;
}

}  // namespace

std::string_view to_string(QuarantineState state) {
  switch (state) {
    case QuarantineState::kReplayable: return "replayable";
    case QuarantineState::kReplayed: return "replayed";
    case QuarantineState::kCut: return "cut";
    case QuarantineState::kTombstone: return "tombstone";
    case QuarantineState::kUncovered: return "uncovered";
    case QuarantineState::kEarlierLog: return "earlier_log";
  }
  return "replayable";
}

std::optional<OffsetBounds> offset_bounds(const lake::LiveFile& file) {
  const auto statistics = parse_json(file.statistics_json);
  if (!statistics.is_ok() || !statistics->is_object()) return std::nullopt;
  const auto bound = [&](const char* which) -> std::optional<std::int64_t> {
    const auto values = statistics->find(which);
    if (values == statistics->end() || !values->is_object()) return std::nullopt;
    const auto offset = values->find("_offset");
    if (offset == values->end() || !offset->is_number_integer()) return std::nullopt;
    return offset->get<std::int64_t>();
  };
  const auto least = bound("minValues");
  const auto largest = bound("maxValues");
  if (!least || !largest) return std::nullopt;
  return OffsetBounds{*least, *largest};
}

std::string read_files_sql(const std::string& directory, const std::vector<std::string>& paths) {
  std::vector<std::string> absolute;
  for (const auto& path : paths) absolute.push_back(lake::absolute_path(directory, path));
  return "read_parquet(" + lake::file_list_sql(absolute) + ", hive_partitioning = false)";
}

Result<QuarantineRows> quarantine_rows_sql(const QuarantineLook& look, const std::string& pipeline) {
  INLET_ASSIGN_OR_RETURN(const auto files, look.quarantine->files());
  QuarantineRows result;
  if (files.empty()) {
    result.sql = no_rows_sql(look.quarantine->schema());
    return result;
  }
  INLET_ASSIGN_OR_RETURN(result.held_quarantine, look.quarantine_files->hold(files));
  INLET_ASSIGN_OR_RETURN(const auto asked, bronze_files_to_ask(*look.bronze, pipeline, span_of(files)));

  INLET_ASSIGN_OR_RETURN(result.held_bronze, look.bronze_files->hold(asked));

  const std::string rows = read_files_sql(look.quarantine_files->directory(), paths_of(files));
  // Rows that were in bronze before a log was reset carry offsets of that log, as those of quarantine do.
  const std::string held =
      asked.empty() ? "SELECT '' AS _source, 0 AS _partition, 0::BIGINT AS _offset WHERE false"
                    : "SELECT DISTINCT b._source, b._partition, b._offset FROM " +
                          read_files_sql(look.bronze_files->directory(), paths_of(asked)) +
                          " b JOIN known k ON k.source = b._source AND k.part = b._partition SEMI JOIN " + rows +
                          " p ON p._source = b._source AND p._partition = b._partition AND p._offset = b._offset "
                          "WHERE epoch_us(b.date_ingestion) > k.reset_us";
  const auto named = [](QuarantineState state) { return duck::quote_literal(to_string(state)); };
  result.sql = "(WITH known AS (" + known_partitions_sql(*look.bronze, pipeline) + "), held AS (" + held +
               ") SELECT q.*, CASE WHEN epoch_us(q.quarantined_at) <= k.reset_us THEN " +
               named(QuarantineState::kEarlierLog) + " WHEN k.marker IS NULL OR q._offset > k.marker THEN " +
               named(QuarantineState::kUncovered) + " WHEN h._offset IS NOT NULL THEN " +
               named(QuarantineState::kReplayed) + " WHEN q.raw IS NULL THEN " + named(QuarantineState::kTombstone) +
               " WHEN q.raw_cut THEN " + named(QuarantineState::kCut) + " ELSE " + named(QuarantineState::kReplayable) +
               " END AS state FROM " + rows +
               " q LEFT JOIN known k ON k.source = q._source AND k.part = q._partition LEFT JOIN held h ON "
               "h._source = q._source AND h._partition = q._partition AND h._offset = q._offset)";
  return result;
}

}  // namespace inlet::bronze
