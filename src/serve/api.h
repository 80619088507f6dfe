// What stands at each path: the page, health, metrics, and the documents of /api/v1 (docs/openapi.json).
//
// In: a request's target that was found well formed. Out: an answer, at once or, for whatever asks the lake, from a
// thread of the query pool. Knows nothing of sockets. Thread safety: one caller (the thread of the connections).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/pipeline_config.h"
#include "serve/metrics.h"
#include "serve/page_assets.h"
#include "serve/page_model.h"
#include "serve/query_pool.h"
#include "serve/request_target.h"
#include "serve/status_board.h"

namespace inlet::serve {

struct Answer {
  unsigned status = 200;
  std::string_view content_type = "application/json";
  std::shared_ptr<const std::string> body;  // or:
  const PageAsset* asset = nullptr;
  bool is_event_stream = false;  // no body: the events from now on
};

/// The HTTP status of an error, by its id (request_target.h, access.h, query_pool.h, and the ids of this API).
unsigned http_status(const Status& status);
/// {"error": {"id", "what", "why", "fix"}}
Answer error_answer(const Status& status);

class Api {
 public:
  struct Parts {
    const config::PipelineConfig& config;
    const std::vector<ViewInfo>& views;
    const PageModel& page;
    const StatusBoard& board;
    QueryPool& pool;
    Metrics& metrics;
  };
  explicit Api(Parts parts);

  using Done = std::function<void(Answer)>;
  struct Asked {
    std::string_view route;                   // as the metrics call it; lives as long as the program
    std::optional<QueryPool::Ticket> ticket;  // the answer may still be on its way
  };
  /// `done` is called once: before this returns, or on another thread.
  Asked ask(const RequestTarget& target, const Done& done);
  void cancel(QueryPool::Ticket ticket) { parts_.pool.cancel(ticket); }

  /// True for what is answered without a token: the page itself, which holds no data, and /livez.
  static bool is_open(const RequestTarget& target);

 private:
  struct Route;
  using Ticket = std::optional<QueryPool::Ticket>;
  static const std::vector<Route>& routes();

  Ticket submit(const RequestTarget& target, QueryPool::Job job, const Done& done);
  static Ticket reply(const Done& done, std::string body, unsigned status = 200,
                      std::string_view content_type = "application/json");
  static Ticket refuse(const Done& done, const Status& status);

  Ticket livez(const RequestTarget& target, const Done& done);
  Ticket readyz(const RequestTarget& target, const Done& done);
  Ticket metrics(const RequestTarget& target, const Done& done);
  Ticket page(const RequestTarget& target, const Done& done);
  Ticket status(const RequestTarget& target, const Done& done);
  Ticket views(const RequestTarget& target, const Done& done);
  Ticket view_rows(const RequestTarget& target, const Done& done);
  Ticket panel(const RequestTarget& target, const Done& done);
  Ticket filter(const RequestTarget& target, const Done& done);
  Ticket quarantine(const RequestTarget& target, const Done& done);
  Ticket late(const RequestTarget& target, const Done& done);
  Ticket history(const RequestTarget& target, const Done& done);
  Ticket provenance(const RequestTarget& target, const Done& done);
  Ticket events(const RequestTarget& target, const Done& done);

  Ticket rejects(const RequestTarget& target, const Done& done, const std::string& table, const std::string& columns,
                 const std::string& newest_first, const std::string& reason);

  Parts parts_;
};

}  // namespace inlet::serve
