#include "bronze/late_rows.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace inlet::bronze {
namespace {

std::optional<std::int64_t> microseconds_of(const std::optional<std::chrono::milliseconds>& delay) {
  return delay ? std::optional<std::int64_t>(std::chrono::microseconds(*delay).count()) : std::nullopt;
}

Status out_of_memory() {
  return {StatusCode::kInternal, "late.out_of_memory", "memory does not suffice to set late rows apart"};
}

}  // namespace

Schema diverted_schema(const config::PipelineConfig& config) {
  Schema schema = decode::Decoder::chunk_schema(config);
  schema.columns.push_back({"max_event_time", {TypeKind::kTimestamp}, true});
  return schema;
}

LateJudge::LateJudge(const config::PipelineConfig& config)
    : delay_us_(microseconds_of(config.late.delay)),
      diverts_(config.late.diverts()),
      chunk_schema_(decode::Decoder::chunk_schema(config)),
      diverted_schema_(diverted_schema(config)) {
  const auto& columns = chunk_schema_.columns;
  const auto time = std::find_if(columns.begin(), columns.end(),
                                 [&](const Column& column) { return column.name == config.event.event_time; });
  event_time_column_ = static_cast<std::size_t>(time - columns.begin());
}

bool LateJudge::has_begun(const TopicPartition& partition, Generation generation) const {
  const auto found = running_.find(partition);
  return found != running_.end() && found->second.generation == generation;
}

void LateJudge::begin(const TopicPartition& partition, Generation generation,
                      std::optional<std::int64_t> max_event_time_us, std::vector<std::int64_t> decided_late) {
  running_.insert_or_assign(partition, Running{generation, max_event_time_us, std::move(decided_late), 0});
}

Result<LateRows> LateJudge::judge(decode::DecodedBatch& decoded) {
  auto& running = running_.at(decoded.partition);
  auto& largest = running.max_event_time_us;
  const std::size_t rows = decoded.chunk ? decoded.chunk.rows() : 0;
  LateRows late;
  auto& passed = running.decided_late_passed;
  for (; passed < running.decided_late.size() && running.decided_late[passed] <= decoded.range.last.value; ++passed) {
    ++late.count;
  }
  if (rows == 0) return late;
  const auto* const times = std::as_const(decoded.chunk).values<std::int64_t>(event_time_column_);
  std::vector<std::uint32_t> in_time;
  std::vector<std::uint32_t> diverted;
  std::vector<std::int64_t> judged_by;
  for (std::uint32_t row = 0; row < rows; ++row) {
    const bool has_time = !decoded.chunk.is_null(event_time_column_, row);
    const bool is_late = has_time && largest && *largest - times[row] > *delay_us_;
    if (has_time) largest = std::max(largest.value_or(times[row]), times[row]);
    if (is_late) ++late.count;
    if (!diverts_) continue;
    (is_late ? diverted : in_time).push_back(row);
    if (is_late) judged_by.push_back(*largest);  // a late row is behind it, and has not moved it
  }
  if (diverted.empty()) return late;
  late.diverted = decoded.chunk.copy_rows(diverted_schema_, diverted);
  if (!late.diverted) return out_of_memory();
  std::copy(judged_by.begin(), judged_by.end(), late.diverted.values<std::int64_t>(chunk_schema_.columns.size()));
  auto rest = decoded.chunk.copy_rows(chunk_schema_, in_time);
  if (!rest) return out_of_memory();
  decoded.chunk = std::move(rest);
  if (in_time.empty()) decoded.max_event_time.reset();
  return late;
}

}  // namespace inlet::bronze
