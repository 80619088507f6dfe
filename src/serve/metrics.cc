#include "serve/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

namespace inlet::serve {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Buckets = prometheus::Histogram::BucketBoundaries;
using Labels = std::initializer_list<std::pair<const char*, std::string>>;

// Seconds. A batch closes every 250 ms by default, and its commit is a few fsyncs; an answer comes from memory.
const Buckets kBatchSeconds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
const Buckets kRequestSeconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};
const Buckets kBatchRows{1, 10, 100, 1e3, 2.5e3, 5e3, 1e4, 2.5e4, 5e4, 1e5, 2.5e5, 5e5, 1e6};

constexpr std::array kOutcomes{"ok", "error", "timeout", "cancelled", "cached"};

template <class Duration>
double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// A scrape with bytes that are not UTF-8 is refused whole, and a source may be named by any path.
std::string label_text(const std::string& text) {
  const auto repaired = parse_json(dump_json(Json(text)));
  return repaired ? repaired->get<std::string>() : std::string();
}

// The families made for one scrape.
class Scrape {
 public:
  explicit Scrape(std::string pipeline) : pipeline_(std::move(pipeline)) {}

  void counter(const char* name, const char* help) { begin(name, help, MetricType::Counter); }
  void gauge(const char* name, const char* help) { begin(name, help, MetricType::Gauge); }

  /// Of the family begun last.
  void sample(double value, Labels labels = {}) {
    ClientMetric metric;
    metric.label.push_back({"pipeline", pipeline_});
    for (const auto& [name, text] : labels) metric.label.push_back({name, label_text(text)});
    (families_.back().type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void sample(std::int64_t value, Labels labels = {}) { sample(static_cast<double>(value), labels); }
  /// What is not known has no sample: a zero would be a statement.
  void sample_if(const std::optional<std::int64_t>& value, Labels labels = {}) {
    if (value) sample(*value, labels);
  }

  std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  void begin(const char* name, const char* help, MetricType type) { families_.push_back({name, help, type, {}}); }

  const std::string pipeline_;
  std::vector<MetricFamily> families_;
};

void add_flow(Scrape& scrape, const LiveStatus& status) {
  scrape.counter("inlet_records_total", "Records committed by this process, rejects included");
  scrape.sample(status.events);
  scrape.counter("inlet_rows_total", "Rows committed to the bronze table by this process");
  scrape.sample(status.rows);
  scrape.counter("inlet_quarantined_total", "Records committed to the quarantine table");
  scrape.sample(status.quarantined);
  scrape.counter("inlet_late_total", "Rows behind the largest event time of their partition by more than late.delay");
  scrape.sample(status.late);
  scrape.counter("inlet_diverted_total", "Late rows committed to the late table instead of bronze");
  scrape.sample(status.diverted);
  scrape.counter("inlet_expectation_failures_total", "Records that did not meet an expectation of the pipeline file");
  for (const auto& [name, failed] : status.expectations) scrape.sample(failed, {{"expectation", name}});
  scrape.counter("inlet_source_bytes_total", "Bytes of the values of committed records");
  scrape.sample(status.source_bytes);
  scrape.counter("inlet_parquet_bytes_total", "Bytes of Parquet files written for bronze");
  scrape.sample(status.parquet_bytes);
  scrape.counter("inlet_batches_total", "Batches committed");
  scrape.sample(status.batches);
  scrape.gauge("inlet_queue_rows", "Rows read and not committed yet");
  scrape.sample(status.queued_rows);
  scrape.gauge("inlet_freshness_seconds", "Age of the oldest committed event that a view does not show yet");
  if (status.freshness) scrape.sample(seconds(*status.freshness));
  scrape.gauge("inlet_watermark_timestamp_seconds",
               "Smallest of the active partitions' largest event times, in seconds since 1970");
  if (status.watermark) scrape.sample(seconds(status.watermark->time_since_epoch()));
}

void add_partitions(Scrape& scrape, const LiveStatus& status) {
  const auto each = [&](std::optional<std::int64_t> LivePartition::*value) {
    for (const auto& p : status.partitions)
      scrape.sample_if(p.*value,
                       {{"source", p.partition.source}, {"partition", std::to_string(p.partition.partition)}});
  };
  scrape.gauge("inlet_partition_committed_offset", "Offset of the last record committed");
  each(&LivePartition::committed);
  scrape.gauge("inlet_partition_end_offset", "Offset after the last record of the source, where it has an end");
  each(&LivePartition::end);
  scrape.gauge("inlet_partition_lag", "Records of the source that are not committed yet");
  each(&LivePartition::lag);
}

void add_tables(Scrape& scrape, const LiveStatus& status) {
  scrape.gauge("inlet_table_version", "Version of the Delta table");
  for (const auto& table : status.tables) scrape.sample(table.version.value, {{"table", table.name}});
  scrape.gauge("inlet_table_files", "Files of the table's newest version");
  for (const auto& table : status.tables) scrape.sample(table.files, {{"table", table.name}});
  scrape.gauge("inlet_table_bytes", "Bytes of these files");
  for (const auto& table : status.tables) scrape.sample(table.bytes, {{"table", table.name}});
  scrape.gauge("inlet_table_small_files", "Files of them below three quarters of maintenance.file_size");
  for (const auto& table : status.tables) scrape.sample(table.small_files, {{"table", table.name}});
  scrape.gauge("inlet_table_rows", "Rows of these files, where every one has statistics");
  for (const auto& table : status.tables) scrape.sample_if(table.rows, {{"table", table.name}});
}

void add_views(Scrape& scrape, const LiveStatus& status) {
  const auto each = [&](const auto& value) {
    for (const auto& view : status.views) scrape.sample(value(view), {{"view", view.name}});
  };
  const auto each_version = [&](std::optional<TableVersion> views::ViewStatus::*version) {
    for (const auto& view : status.views)
      if (view.*version) scrape.sample((view.*version)->value, {{"view", view.name}});
  };
  scrape.gauge("inlet_view_rows", "Rows of the view's state");
  each([](const auto& view) { return static_cast<std::int64_t>(view.rows); });
  scrape.gauge("inlet_view_state_bytes", "Memory of the view's state");
  each([](const auto& view) { return static_cast<std::int64_t>(view.bytes); });
  scrape.gauge("inlet_view_applied_version", "Bronze version that the view's state reflects");
  each_version(&views::ViewStatus::applied);
  scrape.gauge("inlet_view_published_version", "Bronze version that the view's table shows");
  each_version(&views::ViewStatus::published);
  scrape.gauge("inlet_view_behind_seconds", "For how long the view's table has not shown all that is committed");
  each([](const auto& view) { return seconds(view.behind); });
  scrape.counter("inlet_view_publishes_total", "Commits to the view's table");
  each([](const auto& view) { return view.publishes; });
  scrape.counter("inlet_view_apply_seconds_total", "Time spent bringing the view's state forward");
  each([](const auto& view) { return seconds(view.apply_time); });
  scrape.counter("inlet_view_publish_seconds_total", "Time spent publishing the view's table");
  each([](const auto& view) { return seconds(view.publish_time); });
  scrape.gauge("inlet_view_last_apply_seconds", "Time of the last batch applied");
  each([](const auto& view) { return seconds(view.last_apply_time); });
  scrape.gauge("inlet_view_last_publish_seconds", "Time of the last publish");
  each([](const auto& view) { return seconds(view.last_publish_time); });
  scrape.gauge("inlet_view_failed", "1 when the view has stopped with an error, else 0");
  each([](const auto& view) { return std::int64_t{view.problem.is_ok() ? 0 : 1}; });
}

void add_maintenance(Scrape& scrape, const LiveStatus& status) {
  const auto& done = status.maintenance.done;
  scrape.gauge("inlet_objective_freshness_seconds", "The freshness that the pipeline file asks for");
  scrape.sample(seconds(status.freshness_objective));
  scrape.gauge("inlet_objective_file_bytes", "The size of files that the pipeline file asks for");
  scrape.sample(status.file_size_objective);
  scrape.counter("inlet_maintenance_compactions_total", "Groups of small files brought together by this process");
  scrape.sample(done.compactions);
  scrape.counter("inlet_maintenance_removed_files_total", "Small files that were brought together");
  scrape.sample(done.removed_files);
  scrape.counter("inlet_maintenance_added_files_total", "Files that they became");
  scrape.sample(done.added_files);
  scrape.counter("inlet_maintenance_rewritten_bytes_total", "Bytes of files that were brought together");
  scrape.sample(done.rewritten_bytes);
  scrape.counter("inlet_maintenance_vacuumed_files_total", "Files deleted that no version within the retention needs");
  scrape.sample(done.vacuumed_files);
  scrape.counter("inlet_maintenance_vacuumed_bytes_total", "Bytes of these files");
  scrape.sample(done.vacuumed_bytes);
  scrape.counter("inlet_maintenance_cleaned_log_files_total", "Files of logs that were cleaned up");
  scrape.sample(done.cleaned_log_files);
  scrape.counter("inlet_maintenance_cpu_seconds_total", "Time of a core spent on maintenance");
  scrape.sample(status.maintenance.cpu_seconds);
  scrape.gauge("inlet_maintenance_failing_tables", "Tables whose maintenance failed the last time");
  scrape.sample(static_cast<std::int64_t>(status.maintenance.problems.size()));
}

void add_process(Scrape& scrape, const LiveStatus& status) {
  scrape.gauge("inlet_duckdb_memory_bytes", "Memory in use by the embedded databases of the flow");
  scrape.sample_if(status.duckdb_bytes);
  scrape.counter("process_cpu_seconds_total", "User and system time of the process");
  scrape.sample(status.cpu_seconds);
  scrape.gauge("process_resident_memory_bytes", "Resident memory of the process");
  scrape.sample(status.resident_bytes);
  scrape.gauge("process_open_fds", "Open file descriptors of the process");
  scrape.sample(status.open_files);
  scrape.gauge("process_start_time_seconds", "When the process started, in seconds since 1970");
  scrape.sample(seconds(status.started.time_since_epoch()));
}

template <class Builder>
auto& family(Builder builder, const char* name, const char* help, const std::string& pipeline,
             prometheus::Registry& registry) {
  return builder.Name(name).Help(help).Labels({{"pipeline", pipeline}}).Register(registry);
}

}  // namespace

Metrics::Metrics(const std::string& pipeline, const std::string& version)
    : pipeline_(label_text(pipeline)),
      version_(version),
      batch_duration_(family(prometheus::BuildHistogram(), "inlet_batch_duration_seconds",
                             "Parquet and commit of one batch", pipeline_, registry_)
                          .Add({}, kBatchSeconds)),
      batch_rows_(family(prometheus::BuildHistogram(), "inlet_batch_rows", "Rows of one batch", pipeline_, registry_)
                      .Add({}, kBatchRows)),
      publish_duration_(family(prometheus::BuildHistogram(), "inlet_view_publish_duration_seconds",
                               "One publish of a view's table", pipeline_, registry_)),
      requests_(family(prometheus::BuildCounter(), "inlet_http_requests_total", "HTTP requests answered", pipeline_,
                       registry_)),
      request_duration_(family(prometheus::BuildHistogram(), "inlet_http_request_duration_seconds",
                               "From a request's last byte to its answer's last byte", pipeline_, registry_)),
      queries_(family(prometheus::BuildCounter(), "inlet_http_queries_total", "Queries asked for by HTTP requests",
                      pipeline_, registry_)),
      events_dropped_(family(prometheus::BuildCounter(), "inlet_http_events_dropped_total",
                             "Clients of the event stream that read too slowly and were taken to the newest events",
                             pipeline_, registry_)
                          .Add({})),
      connections_(
          family(prometheus::BuildGauge(), "inlet_http_connections", "Open HTTP connections", pipeline_, registry_)
              .Add({})),
      event_streams_(family(prometheus::BuildGauge(), "inlet_http_event_streams", "Clients of the event stream",
                            pipeline_, registry_)
                         .Add({})) {
  // From the start, so that a rate sees the first one.
  for (const char* outcome : kOutcomes) queries_.Add({{"outcome", outcome}});
}

void Metrics::batch_committed(std::int64_t rows, std::chrono::microseconds took) {
  batch_duration_.Observe(seconds(took));
  batch_rows_.Observe(static_cast<double>(rows));
}

void Metrics::view_published(const std::string& view, std::chrono::microseconds took) {
  publish_duration_.Add({{"view", label_text(view)}}, kBatchSeconds).Observe(seconds(took));
}

void Metrics::request_done(std::string_view route, int code, std::chrono::microseconds took) {
  const std::string route_text(route);
  requests_.Add({{"route", route_text}, {"code", std::to_string(code)}}).Increment();
  request_duration_.Add({{"route", route_text}}, kRequestSeconds).Observe(seconds(took));
}

void Metrics::query_done(std::string_view outcome) {
  const bool is_known = std::find(kOutcomes.begin(), kOutcomes.end(), outcome) != kOutcomes.end();
  queries_.Add({{"outcome", is_known ? std::string(outcome) : "error"}}).Increment();
}

void Metrics::events_dropped() { events_dropped_.Increment(); }

void Metrics::connections(std::int64_t now) { connections_.Set(static_cast<double>(now)); }

void Metrics::event_streams(std::int64_t now) { event_streams_.Set(static_cast<double>(now)); }

std::string Metrics::text(const LiveStatus& status) const {
  Scrape scrape(pipeline_);
  scrape.gauge("inlet_build_info", "Always 1; the label says which version of Inlet this is");
  scrape.sample(std::int64_t{1}, {{"version", version_}});
  scrape.gauge("inlet_uptime_seconds", "For how long the pipeline has been running");
  scrape.sample(seconds(status.uptime));
  add_flow(scrape, status);
  add_partitions(scrape, status);
  add_tables(scrape, status);
  add_views(scrape, status);
  add_maintenance(scrape, status);
  add_process(scrape, status);
  std::vector<MetricFamily> families = scrape.take();
  for (auto& counted : registry_.Collect()) families.push_back(std::move(counted));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace inlet::serve
