#include "serve/live_server.h"

#include <utility>

#include "base/log.h"
#include "serve/access.h"
#include "serve/api.h"
#include "serve/event_stream.h"
#include "serve/http_server.h"
#include "serve/metrics.h"
#include "serve/panel_check.h"
#include "serve/query_pool.h"
#include "serve/status_board.h"

namespace inlet::serve {
namespace {

// Ids of events begin above those of any earlier process: none has sent a thousand events a second all its life.
std::uint64_t first_event_id(Timestamp now) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
}

}  // namespace

// In the order in which they depend on each other: the last goes first.
struct LiveServer::Parts {
  Parts(const config::PipelineConfig& pipeline, const Schema& schema, std::vector<ViewInfo> described,
        std::vector<TableInfo> tables, LiveStatus first, const Clock& clock)
      : config(pipeline),
        bronze_schema(schema),
        views(std::move(described)),
        page(config, views, with_views(std::move(tables), views)),
        board(std::move(first)),
        events(first_event_id(clock.now())),
        metrics(config.name, INLET_VERSION),
        pool(std::make_unique<QueryPool>(
            pool_options(), [this](std::string_view outcome) { metrics.query_done(outcome); }, clock)),
        api({config, views, page, board, *pool, metrics}) {}

  ~Parts() {
    // The connections end first, so that nothing is asked any more; then whatever is asked; then what answers go to.
    if (http) http->stop();
    pool.reset();
  }

  QueryPool::Options pool_options() {
    QueryPool::Options options;
    options.lake = config.lake;
    options.storage = config.storage;
    options.threads = config.serve.query_threads;
    options.memory_limit_bytes = config.serve.query_memory_limit;
    options.timeout = config.serve.query_timeout;
    options.open_provenance = [this](lake::Lake& lake) {
      return views::ProvenanceReader::open(lake, config, bronze_schema,
                                           {.threads = 1, .memory_limit_bytes = config.serve.query_memory_limit});
    };
    return options;
  }

  void publish(std::string_view type, const Json& document) {
    events.publish(type, dump_json(document));
    http->wake();
  }

  const config::PipelineConfig& config;
  const Schema bronze_schema;
  const std::vector<ViewInfo> views;
  const PageModel page;
  StatusBoard board;
  EventStream events;
  Metrics metrics;
  std::unique_ptr<QueryPool> pool;
  Api api;
  std::unique_ptr<HttpServer> http;
};

LiveServer::LiveServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
LiveServer::~LiveServer() = default;

Result<std::unique_ptr<LiveServer>> LiveServer::start(const config::PipelineConfig& config, const Schema& bronze_schema,
                                                      std::vector<TableInfo> tables, LiveStatus first,
                                                      const Clock& clock) {
  INLET_ASSIGN_OR_RETURN(auto address, config::parse_listen_address(config.serve.listen));
  if (address.host == "localhost") address.host = "127.0.0.1";
  std::optional<std::string> token;
  if (!config.serve.token_file.empty()) {
    INLET_ASSIGN_OR_RETURN(token, read_token(config.serve.token_file));
  }
  INLET_ASSIGN_OR_RETURN(auto views, describe_views(config, bronze_schema));
  auto parts =
      std::make_unique<Parts>(config, bronze_schema, std::move(views), std::move(tables), std::move(first), clock);
  HttpServer::Options options;
  options.most_connections = static_cast<std::size_t>(config.serve.max_connections);
  options.several_times_a_second = [&pool = *parts->pool] { pool.enforce_deadlines(); };
  const auto serve_at = [&] {
    return HttpServer::start(address, token, {parts->api, parts->events, parts->metrics}, options);
  };
  auto http = serve_at();
  if (http.status().detail().id == "serve.port_taken" && !config.serve.listen_is_set) {
    log::warn("serve", "{} The live page is at a free port instead.", http.status().to_line());
    address.port = 0;
    http = serve_at();
  }
  if (!http.is_ok()) {
    ErrorDetail detail = http.status().detail();
    detail.id = "serve.listen";  // whatever the reason
    return Status(http.status().code(), std::move(detail));
  }
  parts->http = std::move(http).value();
  return std::unique_ptr<LiveServer>(new LiveServer(std::move(parts)));
}

std::string LiveServer::url() const { return "http://" + parts_->http->address().to_string() + "/"; }

bool LiveServer::asks_for_token() const { return !parts_->config.serve.token_file.empty(); }

void LiveServer::update(LiveStatus status) {
  const Json document = status_json(status);
  parts_->board.update(std::move(status));
  parts_->publish("status", document);
}

void LiveServer::committed(const CommittedVersion& version) {
  parts_->metrics.batch_committed(version.rows, version.took);
  parts_->pool->data_changed();
  parts_->publish("committed",
                  {{"version", version.version.value}, {"rows", version.rows}, {"at", iso_time(version.at)}});
}

void LiveServer::published(const PublishedVersion& version) {
  parts_->metrics.view_published(version.view, version.took);
  parts_->pool->data_changed();
  parts_->publish("published", {{"view", version.view},
                                {"version", version.version.value},
                                {"bronze_version", version.bronze_version.value},
                                {"at", iso_time(version.at)}});
}

void LiveServer::begin_stop() { parts_->board.begin_stop(); }

}  // namespace inlet::serve
