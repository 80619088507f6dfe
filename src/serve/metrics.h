// What Prometheus is told: histograms and counters of this process, and at every scrape what the LiveStatus says.
//
//   batch_committed, view_published, request_done, …  →  counted here
//   text(LiveStatus)                                  →  the counted, and families made of the status for this scrape
//
// A number stands in one place: what the LiveStatus counts is not counted here again.
// Thread safety: every member may be called from any thread.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "serve/live_status.h"

namespace inlet::serve {

class Metrics {
 public:
  /// Every sample has the label pipeline=`pipeline`; `version` is Inlet's.
  explicit Metrics(const std::string& pipeline, const std::string& version);

  /// `took`: Parquet and commit of one batch of `rows` rows.
  void batch_committed(std::int64_t rows, std::chrono::microseconds took);
  void view_published(const std::string& view, std::chrono::microseconds took);

  /// `route`: the pattern that the request matched ("/api/v1/panels/{id}"), never a text from the client: every value
  /// stays a time series for as long as the process lives.
  void request_done(std::string_view route, int code, std::chrono::microseconds took);
  /// `outcome`: ok, error, timeout, cancelled or cached; another one counts as error.
  void query_done(std::string_view outcome);
  /// A client of the event stream was taken to the newest events.
  void events_dropped();
  void connections(std::int64_t now);
  void event_streams(std::int64_t now);

  /// Prometheus text format 0.0.4. A family of the status without a sample (no view, a source that knows no end) has
  /// its HELP and TYPE all the same; one that is counted here appears with its first sample.
  std::string text(const LiveStatus& status) const;

 private:
  const std::string pipeline_;
  const std::string version_;
  prometheus::Registry registry_;  // owns all that follows
  prometheus::Histogram& batch_duration_;
  prometheus::Histogram& batch_rows_;
  prometheus::Family<prometheus::Histogram>& publish_duration_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& request_duration_;
  prometheus::Family<prometheus::Counter>& queries_;
  prometheus::Counter& events_dropped_;
  prometheus::Gauge& connections_;
  prometheus::Gauge& event_streams_;
};

}  // namespace inlet::serve
