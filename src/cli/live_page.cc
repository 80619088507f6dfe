#include "cli/live_page.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/log.h"
#include "bronze/markers.h"
#include "bronze/tables.h"
#include "lake/file_statistics.h"
#include "pipeline/maintenance.h"
#include "pipeline/source_look.h"
#include "pipeline/status.h"

namespace inlet::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStatusPause{1000};
constexpr milliseconds kPoll{200};
constexpr milliseconds kTablesPause{1000};
constexpr milliseconds kSourcePause{5000};
constexpr std::chrono::seconds kRateWindow{5};
// The list of a table's files is replayed from its log: at once where the table is at rest, seldom while it moves, and
// where they are many for at most 1/20 of the time.
constexpr milliseconds kCountPause{5000};
constexpr int kPauseForACount = 20;

const char* kind_text(config::SourceKind kind) {
  switch (kind) {
    case config::SourceKind::kGenerator: return "generator";
    case config::SourceKind::kKafka: return "kafka";
    case config::SourceKind::kFile: break;
  }
  return "file";
}

std::string source_name(const config::SourceConfig& source) {
  switch (source.kind) {
    case config::SourceKind::kGenerator: return {};
    case config::SourceKind::kKafka: return source.kafka.topic;
    case config::SourceKind::kFile: break;
  }
  return source.file.path;
}

// The source can be asked for its end beside the run that reads it.
bool has_end(const config::SourceConfig& source) {
  return source.kind == config::SourceKind::kKafka ||
         (source.kind == config::SourceKind::kFile && source.file.path != "-");
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t all = 0;
  std::int64_t resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::int64_t open_files() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  return error ? 0 : std::distance(begin(files), end(files));
}

serve::LiveMaintenance live_maintenance(const pipeline::MaintenanceStatus& maintenance) {
  serve::LiveMaintenance shown;
  shown.done = maintenance.done;
  shown.cpu_seconds = std::chrono::duration<double>(maintenance.worked).count();
  for (const auto& [table, problem] : maintenance.problems) shown.problems.emplace_back(table, problem.to_line());
  return shown;
}

}  // namespace

std::vector<serve::TableInfo> tables_of_the_flow(const config::PipelineConfig& config) {
  std::vector<lake::TableDefinition> definitions{bronze::bronze_definition(config),
                                                 bronze::quarantine_definition(config)};
  if (!config.late.table.empty()) definitions.push_back(bronze::late_definition(config));
  std::vector<serve::TableInfo> tables;
  for (auto& definition : definitions) tables.push_back({definition.name, std::move(definition.schema)});
  return tables;
}

// A table that is looked at again and again.
struct LivePage::TableLook {
  std::unique_ptr<lake::Table> table;
  serve::LiveTable shown;
  std::optional<TableVersion> counted;  // the version whose files were counted last
  std::chrono::steady_clock::time_point next_count;
};

Result<std::unique_ptr<LivePage>> LivePage::start(const config::PipelineConfig& config,
                                                  const pipeline::StopSignal& stop, const Clock& clock) {
  serve::LiveStatus first;
  first.pipeline = config.name;
  first.source_kind = kind_text(config.source.kind);
  first.source_name = source_name(config.source);
  first.started = clock.now();
  INLET_ASSIGN_OR_RETURN(auto server, serve::LiveServer::start(config, bronze::bronze_definition(config).schema,
                                                               tables_of_the_flow(config), std::move(first), clock));
  return std::unique_ptr<LivePage>(new LivePage(config, stop, clock, std::move(server)));
}

LivePage::LivePage(const config::PipelineConfig& config, const pipeline::StopSignal& stop, const Clock& clock,
                   std::unique_ptr<serve::LiveServer> server)
    : config_(config),
      stop_(stop),
      clock_(clock),
      started_(clock.now()),
      started_steady_(clock.steady_now()),
      server_(std::move(server)) {
  status_thread_ = std::thread([this] { keep_status(); });
  pthread_setname_np(status_thread_.native_handle(), "inlet-status");
  look_thread_ = std::thread([this] { keep_looking(); });
  pthread_setname_np(look_thread_.native_handle(), "inlet-look");
}

LivePage::~LivePage() {
  {
    const std::scoped_lock lock(mutex_);
    is_ending_ = true;
  }
  ending_.notify_all();
  status_thread_.join();
  look_thread_.join();
}

std::string LivePage::invitation() const {
  std::string text = "live page: " + server_->url();
  if (server_->asks_for_token()) text += " (with ?token= and the token in " + config_.serve.token_file + ")";
  return text;
}

void LivePage::listen(pipeline::RunHooks& hooks) {
  hooks.on_progress = [this, next = std::move(hooks.on_progress)](const pipeline::Progress& progress) {
    if (next) next(progress);
    const std::scoped_lock lock(mutex_);
    progress_ = progress;
  };
  hooks.on_committed = [this, next = std::move(hooks.on_committed)](const pipeline::CommittedBatch& committed) {
    if (next) next(committed);
    const auto& bronze = committed.result.bronze;
    {
      const std::scoped_lock lock(mutex_);
      last_commit_ = bronze.timestamp;
    }
    server_->committed({bronze.version, committed.result.rows, bronze.timestamp, committed.took});
  };
  hooks.on_published = [this, next = std::move(hooks.on_published)](const views::PublishedEvent& event) {
    if (next) next(event);
    server_->published({event.view, event.table_version, event.bronze.version, clock_.now(), event.took});
  };
}

bool LivePage::sleep_for(milliseconds time) {
  std::unique_lock lock(mutex_);
  return !ending_.wait_for(lock, time, [this] { return is_ending_; });
}

// ---- the status thread --------------------------------------------------------------------------------------------

void LivePage::keep_status() {
  auto next = clock_.steady_now();
  bool said_stop = false;
  do {
    if (stop_.requested() && !said_stop) {
      said_stop = true;
      server_->begin_stop();
    }
    if (clock_.steady_now() < next) continue;
    next += kStatusPause;
    bool has_begun = false;
    {
      const std::scoped_lock lock(mutex_);
      has_begun = progress_.has_value();
    }
    if (has_begun) server_->update(current_status());
  } while (sleep_for(kPoll));
}

double LivePage::events_per_second(std::int64_t events) {
  const auto now = clock_.steady_now();
  rate_samples_.emplace_back(now, events);
  while (rate_samples_.size() > 2 && now - rate_samples_.front().first > kRateWindow)
    rate_samples_.erase(rate_samples_.begin());
  const auto& [then, before] = rate_samples_.front();
  const double seconds = std::chrono::duration<double>(now - then).count();
  return seconds > 0 ? static_cast<double>(events - before) / seconds : 0;
}

serve::LiveStatus LivePage::current_status() {
  serve::LiveStatus status;
  status.pipeline = config_.name;
  status.source_kind = kind_text(config_.source.kind);
  status.source_name = source_name(config_.source);
  status.started = started_;
  status.uptime = std::chrono::duration_cast<milliseconds>(clock_.steady_now() - started_steady_);
  pipeline::Progress progress;
  {
    const std::scoped_lock lock(mutex_);
    progress = *progress_;
    status.last_commit = last_commit_;
    status.tables = tables_;
    for (const auto& [partition, shown] : partitions_) status.partitions.push_back(shown);
  }
  status.total_events = progress.total_events;
  status.events = progress.events;
  status.rows = progress.rows;
  status.quarantined = progress.rejects;
  status.late = progress.late;
  status.diverted = progress.diverted;
  status.source_bytes = progress.source_bytes;
  status.parquet_bytes = progress.parquet_bytes;
  status.queued_rows = progress.queued_rows;
  status.events_per_second = events_per_second(progress.events);
  status.batches = progress.batches;
  if (progress.batches > 0) {
    status.batch_last = progress.last_batch_time;
    status.batch_p50 = progress.batch_time_p50;
    status.batch_p99 = progress.batch_time_p99;
    status.freshness = std::chrono::duration_cast<milliseconds>(progress.last_batch_time);
  }
  status.freshness_objective = config_.freshness;
  status.file_size_objective = config_.maintenance.file_size;
  if (progress.maintenance) status.maintenance = live_maintenance(*progress.maintenance);
  status.watermark = progress.watermark;
  status.bronze_version = progress.version;
  status.views = progress.views;
  if (!progress.views.empty()) {
    status.freshness = milliseconds(0);
    for (const auto& view : progress.views) status.freshness = std::max(*status.freshness, view.behind);
  }
  status.expectations = progress.expectations;
  status.resident_bytes = resident_bytes();
  status.cpu_seconds = cpu_seconds();
  status.open_files = open_files();
  if (progress.duckdb_bytes >= 0) status.duckdb_bytes = progress.duckdb_bytes;
  return status;
}

// ---- the look thread ----------------------------------------------------------------------------------------------

void LivePage::keep_looking() {
  std::unique_ptr<lake::Lake> lake;
  std::map<std::string, TableLook> looks;
  std::chrono::steady_clock::time_point next_source;
  do {
    if (!lake) {
      auto opened = lake::open_lake(config_.lake, config_.storage);
      if (!opened.is_ok()) continue;
      lake = std::move(opened).value();
    }
    if (has_end(config_.source) && clock_.steady_now() >= next_source) {
      look_at_source();
      next_source = clock_.steady_now() + kSourcePause;
    }
    look_at_tables(*lake, looks);
  } while (sleep_for(kTablesPause));
}

void LivePage::look_at_source() {
  auto bounds = pipeline::source_bounds(config_, clock_);
  const std::scoped_lock lock(mutex_);
  // A source that is away has no end that could be told.
  bounds_ = bounds.is_ok() ? std::move(bounds).value() : std::map<TopicPartition, source::OffsetBounds>();
}

void LivePage::count_files(const lake::Snapshot& snapshot, TableLook& look) {
  const auto began = clock_.steady_now();
  if (const auto files = snapshot.files(); files.is_ok()) {
    const auto sizes = pipeline::file_sizes(look.shown.name, *files, config_.maintenance.file_size);
    look.shown.files = sizes.files;
    look.shown.bytes = sizes.bytes;
    look.shown.small_files = sizes.small_files;
    look.shown.rows = lake::recorded_rows(*files);
    look.counted = look.shown.version;
  }
  const auto ended = clock_.steady_now();
  look.next_count = ended + kPauseForACount * (ended - began);
}

void LivePage::look_at_tables(lake::Lake& lake, std::map<std::string, TableLook>& looks) {
  std::vector<serve::LiveTable> tables;
  lake::SnapshotPtr bronze;
  for (const auto& name : pipeline::maintained_tables(config_)) {
    TableLook& look = looks[name];
    if (!look.table) {
      auto opened = lake.open(name);
      if (!opened.is_ok()) continue;  // not there yet
      look.table = std::move(opened).value();
      look.shown.name = name;
    }
    const auto snapshot = look.table->refresh();
    if (!snapshot.is_ok()) {
      look.table.reset();
      continue;
    }
    if (name == config_.bronze.table) bronze = *snapshot;
    const bool is_at_rest = look.shown.version == (*snapshot)->version();
    look.shown.version = (*snapshot)->version();
    if (look.counted != look.shown.version &&
        clock_.steady_now() >= look.next_count + (is_at_rest ? milliseconds(0) : kCountPause))
      count_files(**snapshot, look);
    tables.push_back(look.shown);
  }

  const std::scoped_lock lock(mutex_);
  tables_ = std::move(tables);
  std::map<TopicPartition, pipeline::PartitionStatus> rows;
  for (const auto& [partition, available] : bounds_) rows[partition].available = available;
  if (bronze) {
    for (const auto& partition : bronze::known_partitions(*bronze, config_.name))
      rows[partition].committed = bronze::read_state(*bronze, config_.name, partition).marker;
  }
  partitions_.clear();
  for (const auto& [partition, row] : rows) {
    auto& shown = partitions_[partition];
    shown.partition = partition;
    if (row.committed) shown.committed = row.committed->value;
    if (row.available && row.available->end != source::OffsetBounds::kEndless) shown.end = row.available->end.value;
    shown.lag = row.lag();
  }
}

}  // namespace inlet::cli
