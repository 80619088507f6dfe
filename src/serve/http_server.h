// The connections: one thread, one port, HTTP/1.1 as far as a live page, scrapers and scripts need it, and nothing that
// an untrusted client could make grow. RFC 9110, RFC 9112; on Boost.Beast.
//
//   accept ─▶ read one request ─▶ refuse it, or Api::ask ─▶ write the answer ─▶ read the next …
//                                                      └▶ the event stream: what is new, a few times a second
//
// Invariants: a request has no body; headers, targets, times and the number of connections are bounded; an event stream
// holds no more than one piece of text of its own. Where connections run out, an idle one gives way: first of those
// that have asked nothing yet, then the one that has been idle for longest.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "serve/access.h"
#include "serve/api.h"
#include "serve/event_stream.h"
#include "serve/metrics.h"

namespace inlet::serve {

class HttpServer {
 public:
  struct Options {
    std::size_t most_connections = 2048;
    std::chrono::seconds header_timeout{10};
    std::chrono::seconds idle_timeout{30};
    std::chrono::seconds write_timeout{15};        // of one answer, or one piece of it
    std::chrono::seconds event_write_timeout{60};  // of a stream whose reader has stopped reading
    std::function<void()> several_times_a_second;  // called on the server's thread
  };
  struct Parts {
    Api& api;
    EventStream& events;
    Metrics& metrics;
  };

  /// Binds and begins to serve on a thread of its own. Unavailable "serve.port_taken", "serve.listen".
  static Result<std::unique_ptr<HttpServer>> start(const config::ListenAddress& address,
                                                   std::optional<std::string> token, Parts parts, Options options);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// With the port that was taken.
  const config::ListenAddress& address() const;

  /// There are new events. Any thread.
  void wake();

  /// Closes every connection and ends the thread; the API is asked nothing more. Answers that are still on their way
  /// may come in until this object goes.
  void stop();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace inlet::serve
