#include "serve/live_status.h"

#include <algorithm>
#include <cmath>

#include "base/format.h"

namespace inlet::serve {
namespace {

constexpr std::int64_t kLargestExact = std::int64_t{1} << 53;  // of the integers a double holds

template <class Duration>
double milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

template <class Duration>
Json milliseconds_or_null(const std::optional<Duration>& duration) {
  return duration ? Json(milliseconds(*duration)) : Json(nullptr);
}

Json integer_or_null(const std::optional<std::int64_t>& value) { return value ? exact_integer(*value) : Json(nullptr); }

Json instant_or_null(const std::optional<Timestamp>& time) { return time ? Json(iso_time(*time)) : Json(nullptr); }

Json source_json(const LiveStatus& status) {
  Json source{{"kind", status.source_kind}};
  if (!status.source_name.empty()) source["name"] = status.source_name;
  return source;
}

Json events_json(const LiveStatus& status) {
  // JSON has no infinity and no NaN: a rate over no time is none.
  const double rate = std::isfinite(status.events_per_second) ? status.events_per_second : 0;
  return Json{{"total", exact_integer(status.total_events)},
              {"this_run", exact_integer(status.events)},
              {"per_second", rate},
              {"rows", exact_integer(status.rows)},
              {"quarantined", exact_integer(status.quarantined)},
              {"late", exact_integer(status.late)},
              {"diverted", exact_integer(status.diverted)},
              {"queued_rows", exact_integer(status.queued_rows)}};
}

Json partition_json(const LivePartition& partition) {
  return Json{{"source", partition.partition.source},
              {"partition", partition.partition.partition},
              {"committed_offset", integer_or_null(partition.committed)},
              {"end_offset", integer_or_null(partition.end)},
              {"lag", integer_or_null(partition.lag)}};
}

Json table_json(const LiveTable& table) {
  return Json{{"name", table.name},
              {"version", exact_integer(table.version.value)},
              {"files", exact_integer(table.files)},
              {"bytes", exact_integer(table.bytes)},
              {"small_files", exact_integer(table.small_files)},
              {"rows", integer_or_null(table.rows)}};
}

Json maintenance_json(const LiveMaintenance& maintenance) {
  Json problems = Json::array();
  for (const auto& [table, problem] : maintenance.problems) problems.push_back({{"table", table}, {"error", problem}});
  return Json{{"compactions", exact_integer(maintenance.done.compactions)},
              {"removed_files", exact_integer(maintenance.done.removed_files)},
              {"added_files", exact_integer(maintenance.done.added_files)},
              {"rewritten_bytes", exact_integer(maintenance.done.rewritten_bytes)},
              {"vacuumed_files", exact_integer(maintenance.done.vacuumed_files)},
              {"vacuumed_bytes", exact_integer(maintenance.done.vacuumed_bytes)},
              {"cleaned_log_files", exact_integer(maintenance.done.cleaned_log_files)},
              {"cpu_s", maintenance.cpu_seconds},
              {"problems", std::move(problems)}};
}

std::string_view state_of(const views::ViewStatus& view, TableVersion bronze) {
  if (!view.problem.is_ok()) return "failed";
  if (!view.published) return "starting";
  return *view.published < bronze ? "behind" : "level";
}

Json view_json(const views::ViewStatus& view, const LiveStatus& status) {
  const auto table = std::find_if(status.tables.begin(), status.tables.end(),
                                  [&](const LiveTable& candidate) { return candidate.name == view.table; });
  const bool has_table = table != status.tables.end();
  // The state may hold more rows than the table shows (HAVING), and a view that is recomputed has no state.
  const std::optional<std::int64_t> rows = has_table ? table->rows : static_cast<std::int64_t>(view.rows);
  const std::int64_t lag = view.published ? status.bronze_version.value - view.published->value
                                          : status.bronze_version.value + 1;  // versions are counted from 0
  return Json{{"name", view.name},
              {"state", state_of(view, status.bronze_version)},
              {"bronze_version", view.published ? exact_integer(view.published->value) : Json(nullptr)},
              {"published_version", has_table ? exact_integer(table->version.value) : Json(nullptr)},
              {"lag_versions", exact_integer(std::max<std::int64_t>(0, lag))},
              {"freshness_ms", view.published || view.applied ? Json(milliseconds(view.behind)) : Json(nullptr)},
              {"rows", integer_or_null(rows)},
              {"evicted_partitions", view.evicted_partitions},
              {"publish_ms", view.publishes > 0 ? Json(milliseconds(view.last_publish_time)) : Json(nullptr)},
              {"apply_ms", view.last_apply_time.count() > 0 ? Json(milliseconds(view.last_apply_time)) : Json(nullptr)},
              {"error", view.problem.is_ok() ? Json(nullptr) : Json(view.problem.to_line())}};
}

template <class Items, class ToJson>
Json array_of(const Items& items, const ToJson& to_json) {
  Json array = Json::array();
  for (const auto& item : items) array.push_back(to_json(item));
  return array;
}

}  // namespace

Json exact_integer(std::int64_t value) {
  return value <= kLargestExact && value >= -kLargestExact ? Json(value) : Json(std::to_string(value));
}

Json status_json(const LiveStatus& status) {
  return Json{{"pipeline", status.pipeline},
              {"version", INLET_VERSION},
              {"uptime_s", milliseconds(status.uptime) / 1000},
              {"source", source_json(status)},
              {"events", events_json(status)},
              {"batch",
               {{"p50_ms", milliseconds_or_null(status.batch_p50)},
                {"p99_ms", milliseconds_or_null(status.batch_p99)},
                {"last_ms", milliseconds_or_null(status.batch_last)},
                {"count", exact_integer(status.batches)}}},
              {"watermark", instant_or_null(status.watermark)},
              {"freshness_ms", milliseconds_or_null(status.freshness)},
              {"objectives",
               {{"freshness_ms", milliseconds(status.freshness_objective)},
                {"file_size_bytes", exact_integer(status.file_size_objective)}}},
              {"maintenance", maintenance_json(status.maintenance)},
              {"partitions", array_of(status.partitions, partition_json)},
              {"tables", array_of(status.tables, table_json)},
              {"views", array_of(status.views, [&](const auto& view) { return view_json(view, status); })},
              {"expectations",
               array_of(status.expectations,
                        [](const auto& expectation) {
                          return Json{{"name", expectation.first}, {"failed", exact_integer(expectation.second)}};
                        })},
              {"process", {{"rss_bytes", exact_integer(status.resident_bytes)}, {"cpu_s", status.cpu_seconds}}}};
}

}  // namespace inlet::serve
