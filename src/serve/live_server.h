// The live side of a run, whole: the page, the API, the events, the metrics. Whoever runs the pipeline starts one,
// tells it what happens, and destroys it when the run is over.
//
// In: LiveStatus about once a second; every commit and publish as it happens. Out: HTTP on one port. Never in the way:
// every call returns at once, and what asks the lake runs on threads of its own. Thread safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "config/pipeline_config.h"
#include "serve/live_status.h"
#include "serve/page_model.h"

namespace inlet::serve {

/// What becomes known when a batch, or a view, has become a version of a table.
struct CommittedVersion {
  TableVersion version;  // of bronze
  std::int64_t rows = 0;
  Timestamp at;
  std::chrono::microseconds took{0};
};
struct PublishedVersion {
  std::string view;
  TableVersion version;  // of the view's table
  TableVersion bronze_version;
  Timestamp at;
  std::chrono::microseconds took{0};
};

class LiveServer {
 public:
  /// `config` outlives it. `tables`: bronze, quarantine and late, with their columns; those of the views are found
  /// here. Errors: Unavailable "serve.listen" (an address that nobody asked for and that is taken is replaced by a free
  /// port); InvalidArgument: the token file, or views that cannot be planned.
  static Result<std::unique_ptr<LiveServer>> start(const config::PipelineConfig& config, const Schema& bronze_schema,
                                                   std::vector<TableInfo> tables, LiveStatus first,
                                                   const Clock& clock = Clock::system());
  ~LiveServer();
  LiveServer(const LiveServer&) = delete;
  LiveServer& operator=(const LiveServer&) = delete;

  /// "http://127.0.0.1:8080/"
  std::string url() const;
  bool asks_for_token() const;

  void update(LiveStatus status);
  void committed(const CommittedVersion& version);
  void published(const PublishedVersion& version);
  /// The run is to end: /readyz says so from now on.
  void begin_stop();

 private:
  struct Parts;
  explicit LiveServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace inlet::serve
