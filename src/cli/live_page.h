// The live page of a run: tells serve/ what the pipeline does, and looks at what the pipeline itself does not watch:
// the source's end, the size of the tables, the process.
//
//   pipeline's threads ── on_progress, on_committed, on_published ──▶ LiveServer
//   status thread       once a second: LiveStatus, out of the newest of everything
//   look thread         every few seconds: the tables' logs and the source's end; may take its time
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "config/pipeline_config.h"
#include "pipeline/pipeline.h"
#include "serve/live_server.h"

namespace inlet::cli {

/// Bronze, quarantine and late, with their columns: what panels may read beside the views' tables.
std::vector<serve::TableInfo> tables_of_the_flow(const config::PipelineConfig& config);

class LivePage {
 public:
  /// Serves from now on. Errors as LiveServer::start. `config` and `stop` outlive it.
  static Result<std::unique_ptr<LivePage>> start(const config::PipelineConfig& config, const pipeline::StopSignal& stop,
                                                 const Clock& clock = Clock::system());
  ~LivePage();
  LivePage(const LivePage&) = delete;
  LivePage& operator=(const LivePage&) = delete;

  /// What a person is told: the address, and how to come in where a token is asked for.
  std::string invitation() const;

  /// Adds to `hooks` what the page has to hear; the hooks run no longer than this lives.
  void listen(pipeline::RunHooks& hooks);

 private:
  struct TableLook;

  LivePage(const config::PipelineConfig& config, const pipeline::StopSignal& stop, const Clock& clock,
           std::unique_ptr<serve::LiveServer> server);

  void keep_status();
  void keep_looking();
  /// False when the page is to end.
  bool sleep_for(std::chrono::milliseconds time);
  serve::LiveStatus current_status();
  void look_at_tables(lake::Lake& lake, std::map<std::string, TableLook>& looks);
  void count_files(const lake::Snapshot& snapshot, TableLook& look);
  void look_at_source();
  double events_per_second(std::int64_t events);

  const config::PipelineConfig& config_;
  const pipeline::StopSignal& stop_;
  const Clock& clock_;
  const Timestamp started_;
  const std::chrono::steady_clock::time_point started_steady_;
  std::unique_ptr<serve::LiveServer> server_;

  std::mutex mutex_;
  std::condition_variable ending_;
  bool is_ending_ = false;                      // guarded by mutex_, as all below
  std::optional<pipeline::Progress> progress_;  // nullopt: nothing has begun
  std::optional<Timestamp> last_commit_;
  std::vector<serve::LiveTable> tables_;
  std::map<TopicPartition, serve::LivePartition> partitions_;
  std::map<TopicPartition, source::OffsetBounds> bounds_;

  // The status thread's: events at the last few looks.
  std::vector<std::pair<std::chrono::steady_clock::time_point, std::int64_t>> rate_samples_;

  std::thread status_thread_;
  std::thread look_thread_;
};

}  // namespace inlet::cli
