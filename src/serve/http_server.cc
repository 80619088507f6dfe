#include "serve/http_server.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/log.h"

namespace inlet::serve {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using SteadyClock = std::chrono::steady_clock;
using Request = http::request<http::empty_body>;

constexpr std::uint32_t kLargestHeader = 16U << 10U;
constexpr std::size_t kMostBuffered = 32U << 10U;  // of what a client sends ahead
constexpr std::size_t kPiece = 256U << 10U;        // of a body that is written at once
constexpr std::size_t kEventPiece = 64U << 10U;    // of an event stream
constexpr int kEventSendBuffer = 64 << 10;         // what the system keeps for a stream whose reader is slow
constexpr std::size_t kMostDrained = 256U << 10U;  // read and thrown away behind a refused request
constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::seconds kDrainTime{1};
constexpr std::chrono::seconds kHeartbeat{10};
// Events are sent in rounds: the more streams, the longer a round, so that their cost stays a small share of a core.
constexpr std::chrono::microseconds kFlushPause{20'000};
constexpr std::chrono::microseconds kFlushPausePerStream{400};

constexpr std::string_view kSecurityHeaders =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src "
    "'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Frame-Options: DENY\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

Status refusal(std::string id, std::string what) {
  return {StatusCode::kInvalidArgument, std::move(id), std::move(what)};
}

std::string_view view_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string http_date() {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

// A process of many connections needs more files than the usual soft limit gives.
void raise_file_limit(std::size_t connections) {
  constexpr rlim_t kOtherFiles = 1024;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, connections + kOtherFiles);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool accepts_gzip(const Request& request) {
  const auto accepted = view_of(request[http::field::accept_encoding]);
  return accepted.find("gzip") != std::string_view::npos && accepted.find("gzip;q=0") == std::string_view::npos;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(Parts parts, Options options) : parts_(parts), options_(std::move(options)) {}
  ~Impl() { stop(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status start(config::ListenAddress address, std::optional<std::string> token);
  void stop();
  void wake();
  const config::ListenAddress& address() const { return address_; }

 private:
  class Connection;
  using ConnectionPtr = std::shared_ptr<Connection>;

  void accept();
  void admit(tcp::socket socket);
  bool make_room();
  void tick();
  void schedule_flush();
  void flush();
  void remove(const ConnectionPtr& connection);
  void show_counts();

  const Parts parts_;
  const Options options_;
  config::ListenAddress address_;
  std::optional<AccessRules> access_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  asio::steady_timer tick_timer_{io_};
  asio::steady_timer flush_timer_{io_};
  asio::steady_timer accept_timer_{io_};
  std::unordered_set<ConnectionPtr> connections_;
  std::size_t streams_ = 0;
  bool flush_is_scheduled_ = false;
  std::atomic<bool> wake_is_posted_{false};
  // Of the round of events that is being sent: streams that stand at the same event share one text.
  std::uint64_t shared_seen_ = 0;
  EventStream::Reading shared_reading_;
  std::shared_ptr<const std::string> shared_text_;
  std::thread thread_;
};

// ---- a connection -------------------------------------------------------------------------------------------------

class HttpServer::Impl::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Impl& server, tcp::socket socket) : server_(server), socket_(std::move(socket)) {}

  void begin() { wait_for_request(server_.options_.header_timeout); }

  bool is_idle() const { return state_ == State::kIdle || state_ == State::kHeader; }
  bool is_stream() const { return state_ == State::kStream; }
  bool was_answered() const { return question_ > 0; }
  SteadyClock::time_point idle_since() const { return idle_since_; }

  void check_deadline(SteadyClock::time_point now) {
    if (now < deadline_) return;
    if (state_ == State::kHeader) {
      // A sign for whoever looks; nobody waits for it to arrive.
      error_code ignored;
      socket_.non_blocking(true, ignored);
      constexpr std::string_view kTooSlow =
          "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
      socket_.write_some(asio::buffer(kTooSlow.data(), kTooSlow.size()), ignored);
    }
    close();
  }

  void close() {
    if (state_ == State::kClosed) return;
    const bool was_stream = is_stream();
    state_ = State::kClosed;
    if (ticket_) server_.parts_.api.cancel(*std::exchange(ticket_, std::nullopt));
    error_code ignored;
    socket_.close(ignored);
    if (was_stream) --server_.streams_;
    server_.remove(shared_from_this());
  }

  void send_events(SteadyClock::time_point now) {
    if (!is_stream() || is_writing_) return;
    if (server_.shared_seen_ != seen_ || !server_.shared_text_) {
      server_.shared_reading_ = server_.parts_.events.after(seen_, kEventPiece);
      server_.shared_seen_ = seen_;
      server_.shared_text_ = std::make_shared<const std::string>(server_.shared_reading_.text);
    }
    const auto& reading = server_.shared_reading_;
    if (!server_.shared_text_->empty()) {
      if (reading.was_reset && has_lagged_) server_.parts_.metrics.events_dropped();
      seen_ = reading.last;
      has_lagged_ = true;
      write_events(server_.shared_text_, now);
    } else if (now - last_event_ > kHeartbeat) {
      write_events(std::make_shared<const std::string>(": \n\n"), now);
    }
  }

 private:
  enum class State {
    kIdle,    // nothing of a request has come
    kHeader,  // some of it has
    kAnswer,  // it is being answered
    kStream,  // events flow
    kDrain,   // refused; what the client still sends is thrown away, so that it can read the refusal
    kClosed,
  };

  void set_deadline(SteadyClock::duration patience) { deadline_ = SteadyClock::now() + patience; }

  void wait_for_request(SteadyClock::duration patience) {
    state_ = State::kIdle;
    idle_since_ = SteadyClock::now();
    set_deadline(patience);
    if (!input_.empty()) return begin_header();
    read_more();
  }

  // One read at a time, whatever the state: it is also how a client that leaves is noticed.
  void read_more() {
    if (is_reading_ || input_.size() >= kMostBuffered) return;
    is_reading_ = true;
    socket_.async_read_some(asio::buffer(incoming_), [self = shared_from_this()](error_code error, std::size_t bytes) {
      self->is_reading_ = false;
      self->on_read(error, bytes);
    });
  }

  void on_read(error_code error, std::size_t bytes) {
    if (state_ == State::kClosed) return;
    if (error == asio::error::eof && state_ == State::kAnswer && !ticket_) {
      keep_alive_ = false;  // it will send no more, and may still read
      return;
    }
    if (error) return close();
    switch (state_) {
      case State::kIdle: input_.append(incoming_.data(), bytes); return begin_header();
      case State::kHeader: input_.append(incoming_.data(), bytes); return parse_header();
      case State::kAnswer:  // the next request, already
        input_.append(incoming_.data(), bytes);
        return read_more();
      case State::kStream:
      case State::kDrain: drained_ += bytes; return drained_ > kMostDrained ? close() : read_more();
      case State::kClosed: return;
    }
  }

  void begin_header() {
    state_ = State::kHeader;
    set_deadline(server_.options_.header_timeout);
    parser_.emplace();
    parser_->header_limit(kLargestHeader);
    parse_header();
  }

  void parse_header() {
    error_code error;
    const auto used = parser_->put(asio::buffer(input_), error);
    input_.erase(0, used);
    if (error == http::error::need_more || (!error && !parser_->is_header_done())) return read_more();
    on_header(error);
  }

  void on_header(error_code error) {
    started_ = SteadyClock::now();
    is_head_ = false;
    keep_alive_ = false;
    gzip_ = false;
    if (error) {
      if (error == http::error::header_limit)
        return refuse(refusal("http.header_too_large", "the header of the request is too large"));
      return refuse(refusal("http.bad_request", "this is not a request: " + error.message()));
    }
    const Request& request = parser_->get();
    is_head_ = request.method() == http::verb::head;
    if (const Status status = check(request); !status.is_ok()) return refuse(status);
    auto target = parse_target(view_of(request.target()));
    if (!target.is_ok()) return refuse(target.status());
    keep_alive_ = request.keep_alive();
    if (!Api::is_open(*target)) {
      const Status allowed = server_.access_->check_token(view_of(request[http::field::authorization]));
      if (!allowed.is_ok()) return answer_refusal(allowed);  // understood all the same: the connection stays
    }
    gzip_ = accepts_gzip(request);
    resume_after_ = std::string(request["Last-Event-ID"]);
    if (const auto given = target->parameter("last_event_id"); given && resume_after_.empty()) resume_after_ = *given;
    ask(*target);
  }

  Status check(const Request& request) const {
    if (request.version() != 10 && request.version() != 11)
      return refusal("http.bad_request", "this server speaks HTTP/1.1");
    const auto count = [&](const auto& name) {
      const auto [begin, end] = request.equal_range(name);
      return std::distance(begin, end);
    };
    if (count(http::field::host) != 1) return refusal("http.bad_host", "a request has exactly one Host header");
    INLET_RETURN_IF_ERROR(server_.access_->check_host(view_of(request[http::field::host])));
    if (count(http::field::authorization) > 1)
      return refusal("http.bad_request", "a request has at most one Authorization header");
    const bool has_length = count(http::field::content_length) > 0;
    const bool has_coding = count(http::field::transfer_encoding) > 0;
    if (has_length && has_coding)
      return refusal("http.bad_request", "Content-Length and Transfer-Encoding exclude each other");
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      if (count(http::field::origin) > 0)
        INLET_RETURN_IF_ERROR(server_.access_->check_origin(view_of(request[http::field::origin])));
      return refusal("http.bad_method", "only GET and HEAD are answered");
    }
    if (has_coding || (has_length && view_of(request[http::field::content_length]) != "0"))
      return refusal("http.body_refused", "a request has no body here");
    if (count(http::field::expect) > 0) return refusal("http.expectation", "nothing can be expected of this server");
    return Status::ok();
  }

  void ask(const RequestTarget& target) {
    state_ = State::kAnswer;
    deadline_ = SteadyClock::time_point::max();  // a question's time is the query pool's to bound
    const auto question = ++question_;
    const auto asked = server_.parts_.api.ask(target, [self = shared_from_this(), question](Answer answer) {
      asio::post(self->server_.io_, [self, question, answer = std::move(answer)] {
        if (self->state_ == State::kAnswer && self->question_ == question) self->write_answer(answer);
      });
    });
    route_ = asked.route;
    ticket_ = asked.ticket;
    read_more();
  }

  // Says why, and ends the connection: what follows a request that was not understood is not understood either.
  void refuse(const Status& status) {
    keep_alive_ = false;
    answer_refusal(status);
  }

  void answer_refusal(const Status& status) {
    state_ = State::kAnswer;
    route_ = "refused";
    write_answer(error_answer(status));
  }

  void write_answer(const Answer& answer) {
    ticket_.reset();
    if (answer.is_event_stream && !is_head_) return begin_stream();
    const bool is_packed = answer.asset != nullptr && gzip_ && !answer.asset->gzip.empty();
    body_ = answer.body;
    body_text_ = answer.asset == nullptr ? (body_ ? std::string_view(*body_) : std::string_view())
                 : is_packed             ? answer.asset->gzip
                                         : answer.asset->bytes;
    head_ = head_of(answer, is_packed, body_text_.size());
    if (is_head_) body_text_ = {};
    server_.parts_.metrics.request_done(
        route_, static_cast<int>(answer.status),
        std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - started_));
    write_piece();
  }

  std::string head_of(const Answer& answer, bool is_packed, std::size_t length) const {
    const auto* const asset = answer.asset;
    std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\n", answer.status,
                                   view_of(http::obsolete_reason(http::int_to_status(answer.status))), http_date(),
                                   answer.is_event_stream ? "text/event-stream"
                                   : asset != nullptr     ? asset->content_type
                                                          : answer.content_type);
    if (!answer.is_event_stream) head += fmt::format("Content-Length: {}\r\n", length);
    head += kSecurityHeaders;
    const bool is_document = asset == nullptr || asset->content_type == "application/json";
    head += is_document                  ? "Cache-Control: no-store\r\n"
            : asset->is_named_by_content ? "Cache-Control: public, max-age=31536000, immutable\r\n"
                                         : "Cache-Control: no-cache\r\n";
    if (asset != nullptr) head += "Vary: Accept-Encoding\r\n";
    if (is_packed) head += "Content-Encoding: gzip\r\n";
    if (answer.status == 401) head += "WWW-Authenticate: Bearer\r\n";
    if (answer.status == 405) head += "Allow: GET, HEAD\r\n";
    if (answer.status == 503) head += "Retry-After: 1\r\n";
    head += keep_alive_ && !answer.is_event_stream ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
    return head;
  }

  void write_piece() {
    set_deadline(server_.options_.write_timeout);
    const auto piece = body_text_.substr(0, kPiece);
    body_text_.remove_prefix(piece.size());
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(head_), asio::buffer(piece.data(), piece.size())};
    is_writing_ = true;
    asio::async_write(socket_, buffers, [self = shared_from_this()](error_code error, std::size_t) {
      self->is_writing_ = false;
      self->head_.clear();
      if (self->state_ == State::kClosed) return;
      if (error) return self->close();
      if (!self->body_text_.empty()) return self->write_piece();
      self->body_.reset();
      if (self->keep_alive_) return self->wait_for_request(self->server_.options_.idle_timeout);
      self->drain();
    });
  }

  // Closing with bytes unread would make the system reset the connection, and the answer might never be read.
  void drain() {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    state_ = State::kDrain;
    set_deadline(kDrainTime);
    drained_ = 0;
    input_.clear();
    read_more();
  }

  // ---- the event stream ----

  void begin_stream() {
    state_ = State::kStream;
    drained_ = 0;
    ++server_.streams_;
    server_.show_counts();
    error_code ignored;
    socket_.set_option(asio::socket_base::send_buffer_size(kEventSendBuffer), ignored);
    seen_ = server_.parts_.events.newest();
    if (!resume_after_.empty()) {
      // An id that is none of ours is one that is gone: the reader begins anew.
      std::uint64_t after = 0;
      const auto* const end = resume_after_.data() + resume_after_.size();
      const auto read = std::from_chars(resume_after_.data(), end, after);
      seen_ = read.ec == std::errc() && read.ptr == end ? after : 0;
    }
    has_lagged_ = false;
    Answer answer;
    answer.is_event_stream = true;
    server_.parts_.metrics.request_done(
        route_, 200, std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - started_));
    write_events(std::make_shared<const std::string>(head_of(answer, false, 0) + "retry: 1000\n\n"),
                 SteadyClock::now());
  }

  void write_events(std::shared_ptr<const std::string> text, SteadyClock::time_point now) {
    is_writing_ = true;
    last_event_ = now;
    deadline_ = now + server_.options_.event_write_timeout;
    const auto buffer = asio::buffer(*text);
    asio::async_write(socket_, buffer,
                      [self = shared_from_this(), text = std::move(text)](error_code error, std::size_t) {
                        self->is_writing_ = false;
                        if (self->state_ == State::kClosed) return;
                        if (error) return self->close();
                        self->deadline_ = SteadyClock::time_point::max();
                        if (self->server_.parts_.events.newest() != self->seen_) self->server_.schedule_flush();
                      });
  }

  Impl& server_;
  tcp::socket socket_;
  State state_ = State::kIdle;
  SteadyClock::time_point deadline_;
  SteadyClock::time_point idle_since_;
  std::array<char, 4096> incoming_{};  // of the one read that is on its way
  std::string input_;                  // what has come and is not understood yet
  std::size_t drained_ = 0;
  bool is_reading_ = false;
  bool is_writing_ = false;
  // Of the request that is answered.
  std::optional<http::request_parser<http::empty_body>> parser_;
  SteadyClock::time_point started_;
  bool is_head_ = false;
  bool keep_alive_ = false;
  bool gzip_ = false;
  std::string resume_after_;
  std::string_view route_;
  std::uint64_t question_ = 0;
  std::optional<QueryPool::Ticket> ticket_;
  // Of the answer.
  std::string head_;
  std::shared_ptr<const std::string> body_;
  std::string_view body_text_;  // what of it is not written yet
  // Of the event stream.
  std::uint64_t seen_ = 0;
  bool has_lagged_ = false;  // it has been level once: a reset now means that it was too slow
  SteadyClock::time_point last_event_;
};

// ---- the server ---------------------------------------------------------------------------------------------------

Status HttpServer::Impl::start(config::ListenAddress address, std::optional<std::string> token) {
  raise_file_limit(options_.most_connections);
  const auto failed = [&](const error_code& error) {
    const bool is_taken = error == asio::error::address_in_use;
    return Status(StatusCode::kUnavailable, is_taken ? "serve.port_taken" : "serve.listen",
                  is_taken ? "another program listens at this address" : "cannot listen at this address")
        .at(address.to_string())
        .because(error.message())
        .fix("choose another one: --listen 127.0.0.1:0 takes a free port, --no-serve serves nothing");
  };
  error_code error;
  const auto ip = asio::ip::make_address(address.host, error);
  if (error) return failed(error);
  const tcp::endpoint endpoint(ip, address.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed(error);
  address.port = acceptor_.local_endpoint(error).port();
  if (error) return failed(error);
  address_ = std::move(address);
  access_.emplace(address_, std::move(token));
  accept();
  tick();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "inlet-http");
    io_.run();
  });
  return Status::ok();
}

void HttpServer::Impl::stop() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] {
    error_code ignored;
    acceptor_.close(ignored);
    const std::vector<ConnectionPtr> open(connections_.begin(), connections_.end());
    for (const auto& connection : open) connection->close();
    io_.stop();
  });
  thread_.join();
}

void HttpServer::Impl::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      admit(std::move(socket));
      return accept();
    }
    // Out of files, most likely: an idle connection gives way, and a moment later there may be one.
    make_room();
    accept_timer_.expires_after(kTick);
    accept_timer_.async_wait([this](error_code cancelled) {
      if (!cancelled) accept();
    });
  });
}

void HttpServer::Impl::admit(tcp::socket socket) {
  if (connections_.size() >= options_.most_connections && !make_room()) {
    error_code ignored;
    socket.non_blocking(true, ignored);
    constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    socket.write_some(asio::buffer(kFull.data(), kFull.size()), ignored);
    return;
  }
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  auto connection = std::make_shared<Connection>(*this, std::move(socket));
  connections_.insert(connection);
  show_counts();
  connection->begin();
}

bool HttpServer::Impl::make_room() {
  // Strangers, who have asked nothing yet, before those who will ask again.
  const auto goes_before = [](const Connection& a, const Connection& b) {
    if (a.was_answered() != b.was_answered()) return !a.was_answered();
    return a.idle_since() < b.idle_since();
  };
  ConnectionPtr oldest;
  for (const auto& connection : connections_) {
    if (connection->is_idle() && (!oldest || goes_before(*connection, *oldest))) oldest = connection;
  }
  if (!oldest) return false;
  oldest->close();
  return true;
}

void HttpServer::Impl::remove(const ConnectionPtr& connection) {
  connections_.erase(connection);
  show_counts();
}

void HttpServer::Impl::show_counts() {
  parts_.metrics.connections(static_cast<std::int64_t>(connections_.size()));
  parts_.metrics.event_streams(static_cast<std::int64_t>(streams_));
}

void HttpServer::Impl::tick() {
  const auto now = SteadyClock::now();
  std::vector<ConnectionPtr> all(connections_.begin(), connections_.end());
  for (const auto& connection : all) connection->check_deadline(now);
  if (options_.several_times_a_second) options_.several_times_a_second();
  if (streams_ > 0) schedule_flush();  // for the heartbeats
  tick_timer_.expires_after(kTick);
  tick_timer_.async_wait([this](error_code cancelled) {
    if (!cancelled) tick();
  });
}

void HttpServer::Impl::wake() {
  if (wake_is_posted_.exchange(true)) return;
  asio::post(io_, [this] {
    wake_is_posted_ = false;
    if (streams_ > 0) schedule_flush();
  });
}

void HttpServer::Impl::schedule_flush() {
  if (flush_is_scheduled_) return;
  flush_is_scheduled_ = true;
  flush_timer_.expires_after(kFlushPause + kFlushPausePerStream * streams_);
  flush_timer_.async_wait([this](error_code cancelled) {
    flush_is_scheduled_ = false;
    if (!cancelled) flush();
  });
}

void HttpServer::Impl::flush() {
  const auto now = SteadyClock::now();
  shared_text_.reset();
  const std::vector<ConnectionPtr> all(connections_.begin(), connections_.end());
  for (const auto& connection : all) connection->send_events(now);
  shared_text_.reset();
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(const config::ListenAddress& address,
                                                      std::optional<std::string> token, Parts parts, Options options) {
  auto impl = std::make_unique<Impl>(parts, std::move(options));
  INLET_RETURN_IF_ERROR(impl->start(address, std::move(token)));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

const config::ListenAddress& HttpServer::address() const { return impl_->address(); }
void HttpServer::wake() { impl_->wake(); }
void HttpServer::stop() { impl_->stop(); }

}  // namespace inlet::serve
