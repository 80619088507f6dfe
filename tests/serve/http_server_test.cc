#include "serve/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "config/listen_address.h"

namespace inlet::serve {
namespace {

using namespace std::chrono_literals;

// A client that sends bytes as they are.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool is_connected() const { return is_connected_; }
  void send(const std::string& text) const {
    static_cast<void>(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL));
  }

  /// What comes until it holds `text`, the connection ends, or the time is over.
  std::string read_until(const std::string& text, std::chrono::milliseconds patience = 10s) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (received_.find(text) == std::string::npos && !has_ended_) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      pollfd waiting{socket_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) break;
      char bytes[4096];
      const auto count = ::recv(socket_, bytes, sizeof bytes, 0);
      has_ended_ = count <= 0;
      if (count > 0) received_.append(bytes, static_cast<std::size_t>(count));
    }
    return received_;
  }
  std::string read_to_the_end(std::chrono::milliseconds patience = 10s) { return read_until("\x01 never", patience); }
  bool has_ended() const { return has_ended_; }

 private:
  const int socket_;
  bool is_connected_ = false;
  std::string received_;
  bool has_ended_ = false;
};

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() : root_(std::filesystem::temp_directory_path() / ("inlet-http-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(root_);
    config_.name = "ventes";
    config_.lake = root_.string();
    config_.bronze.table = "bronze/ventes";
    config_.quarantine.table = "quarantine/ventes";
    page_.emplace(config_, views_, std::vector<TableInfo>());
    QueryPool::Options options;
    options.lake = config_.lake;
    pool_.emplace(
        options, [this](std::string_view outcome) { metrics_.query_done(outcome); }, Clock::system());
    api_.emplace(Api::Parts{config_, views_, *page_, board_, *pool_, metrics_});
  }
  ~HttpServerTest() override {
    if (server_) server_->stop();
    pool_.reset();
    server_.reset();
    std::filesystem::remove_all(root_);
  }

  void start(HttpServer::Options options = {}, std::optional<std::string> token = std::nullopt) {
    options.several_times_a_second = [this] { pool_->enforce_deadlines(); };
    auto server = HttpServer::start(config::parse_listen_address("127.0.0.1:0").value(), std::move(token),
                                    {*api_, events_, metrics_}, options);
    ASSERT_TRUE(server.is_ok()) << server.status().to_line();
    server_ = std::move(server).value();
  }

  std::uint16_t port() const { return server_->address().port; }
  std::string request(const std::string& target, const std::string& more = "") const {
    return "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port()) + "\r\n" + more + "\r\n";
  }
  std::string answer(const std::string& target, const std::string& more = "") const {
    Client client(port());
    client.send(request(target, "Connection: close\r\n" + more));
    return client.read_to_the_end();
  }
  void publish(const std::string& type) {
    events_.publish(type, "{}");
    server_->wake();
  }

  std::filesystem::path root_;
  config::PipelineConfig config_;
  const std::vector<ViewInfo> views_;
  std::optional<PageModel> page_;
  StatusBoard board_{LiveStatus{}};
  EventStream events_{1000};
  Metrics metrics_{"ventes", "0"};
  std::optional<QueryPool> pool_;
  std::optional<Api> api_;
  std::unique_ptr<HttpServer> server_;
};

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

TEST_F(HttpServerTest, answers_at_once_and_from_the_lake) {
  start();
  EXPECT_TRUE(answer("/livez").starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(answer("/").find("<!doctype html>") != std::string::npos);
  EXPECT_TRUE(answer("/api/v1/quarantine").ends_with("\"truncated\":false}"));
  EXPECT_TRUE(answer("/nowhere").starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(answer("/api/v1/history?table=../../etc").starts_with("HTTP/1.1 404 "));
}

TEST_F(HttpServerTest, requests_sent_ahead_are_answered_in_their_order) {
  start();
  Client client(port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += request(i % 2 == 0 ? "/livez" : "/nowhere");
  client.send(all + request("/api/v1/page", "Connection: close\r\n"));
  const auto text = client.read_to_the_end();
  EXPECT_EQ(count_of(text, "HTTP/1.1 200 "), 26U);
  EXPECT_EQ(count_of(text, "HTTP/1.1 404 "), 25U);
  EXPECT_LT(text.find("404"), text.rfind("\"status\":\"ok\""));
}

TEST_F(HttpServerTest, a_request_in_pieces_is_one_request) {
  start();
  Client client(port());
  for (const char c : request("/livez", "Connection: close\r\n")) client.send(std::string(1, c));
  EXPECT_TRUE(client.read_to_the_end().starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, what_is_no_request_is_refused_and_the_connection_ends) {
  start();
  const std::string host = "Host: 127.0.0.1:" + std::to_string(port()) + "\r\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"\x16\x03\x01\x02\x00\x01", "400"},
      {"GET /\r\n\r\n", "400"},
      {"GET /livez HTTP/2.0\r\n" + host + "\r\n", "400"},
      {"GET /livez HTTP/1.1\r\n\r\n", "400"},
      {"GET /livez HTTP/1.1\r\n" + host + host + "\r\n", "400"},
      {"GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"},
      {"GET /a/../b HTTP/1.1\r\n" + host + "\r\n", "400"},
      {"GET /" + std::string(5000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", "414"},
      {"GET /livez HTTP/1.1\r\n" + host + "X: " + std::string(20'000, 'a') + "\r\n\r\n", "431"},
      {"GET /livez HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", "413"},
      {"GET /livez HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "413"},
      {"GET /livez HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"GET /livez HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n\r\n", "417"},
      {"POST /livez HTTP/1.1\r\n" + host + "\r\n", "405"},
      {"POST /livez HTTP/1.1\r\n" + host + "Origin: http://evil.example\r\n\r\n", "403"},
  };
  for (const auto& [text, status] : cases) {
    Client client(port());
    client.send(text);
    const auto answered = client.read_to_the_end();
    EXPECT_TRUE(answered.starts_with("HTTP/1.1 " + status + " ")) << text.substr(0, 60) << "\n" << answered;
    EXPECT_TRUE(client.has_ended()) << text.substr(0, 60);
  }
  EXPECT_TRUE(answer("/livez").starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, a_token_opens_all_but_the_page_and_livez) {
  start({}, "0123456789abcdef");
  EXPECT_TRUE(answer("/livez").starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(answer("/").starts_with("HTTP/1.1 200 "));
  for (const auto* target : {"/readyz", "/metrics", "/api/v1/status", "/api/v1/events", "/api/v1/openapi.json"}) {
    EXPECT_TRUE(answer(target).starts_with("HTTP/1.1 401 ")) << target;
    EXPECT_TRUE(answer(target, "Authorization: Bearer 0123456789abcdeF\r\n").starts_with("HTTP/1.1 403 ")) << target;
    EXPECT_TRUE(answer(std::string(target) + "?token=0123456789abcdef").starts_with("HTTP/1.1 401 ")) << target;
  }
  EXPECT_TRUE(answer("/api/v1/status", "Authorization: Bearer 0123456789abcdef\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, a_header_that_does_not_end_in_time_ends_the_connection) {
  HttpServer::Options options;
  options.header_timeout = 1s;
  start(options);
  Client silent(port());
  Client slow(port());
  slow.send("GET /livez HTTP/1.1\r\n");
  EXPECT_TRUE(slow.read_to_the_end().starts_with("HTTP/1.1 408 "));
  EXPECT_TRUE(slow.has_ended());
  EXPECT_EQ(silent.read_to_the_end(), "");
  EXPECT_TRUE(silent.has_ended());
}

TEST_F(HttpServerTest, where_connections_run_out_the_longest_idle_one_gives_way) {
  HttpServer::Options options;
  options.most_connections = 20;
  start(options);
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 60; ++i) idle.push_back(std::make_unique<Client>(port()));
  EXPECT_TRUE(answer("/livez").starts_with("HTTP/1.1 200 "));
  idle.front()->read_to_the_end(2s);
  EXPECT_TRUE(idle.front()->has_ended());
}

TEST_F(HttpServerTest, where_streams_hold_every_connection_a_new_one_is_told_so) {
  HttpServer::Options options;
  options.most_connections = 3;
  start(options);
  std::vector<std::unique_ptr<Client>> streams;
  for (int i = 0; i < 3; ++i) {
    streams.push_back(std::make_unique<Client>(port()));
    streams.back()->send(request("/api/v1/events"));
    streams.back()->read_until("retry: 1000");
  }
  EXPECT_TRUE(answer("/livez").starts_with("HTTP/1.1 503 "));
  streams.pop_back();
  std::string text;
  for (int i = 0; i < 50 && !text.starts_with("HTTP/1.1 200 "); ++i) {
    std::this_thread::sleep_for(20ms);
    text = answer("/livez");
  }
  EXPECT_TRUE(text.starts_with("HTTP/1.1 200 ")) << text;
}

TEST_F(HttpServerTest, events_come_as_they_happen_and_from_where_a_reader_stood) {
  start();
  publish("before");
  Client client(port());
  client.send(request("/api/v1/events"));
  client.read_until("retry: 1000");
  publish("committed");
  auto text = client.read_until("event: committed");
  EXPECT_EQ(text.find("event: before"), std::string::npos);
  Client resumed(port());
  resumed.send(request("/api/v1/events", "Last-Event-ID: 1000\r\n"));
  text = resumed.read_until("event: committed");
  EXPECT_LT(text.find("id: 1001\nevent: before"), text.find("id: 1002\nevent: committed"));
  for (const auto* gone : {"7", "999999", "-1", "0x10", "evil"}) {
    Client lost(port());
    lost.send(request("/api/v1/events", std::string("Last-Event-ID: ") + gone + "\r\n"));
    EXPECT_NE(lost.read_until("event: reset").find("id: 1002\nevent: reset"), std::string::npos) << gone;
  }
}

TEST_F(HttpServerTest, ends_while_streams_questions_and_publishers_are_busy) {
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Client>(port()));
    clients.back()->send(request(i % 2 == 0 ? "/api/v1/events" : "/api/v1/history?limit=" + std::to_string(i + 1)));
  }
  std::atomic<bool> is_over{false};
  std::vector<std::thread> busy;
  for (int t = 0; t < 2; ++t) {
    busy.emplace_back([&] {
      while (!is_over) {
        publish("committed");
        pool_->data_changed();
        std::this_thread::sleep_for(1ms);
      }
    });
  }
  busy.emplace_back([&] {
    while (!is_over) static_cast<void>(answer("/api/v1/quarantine"));
  });
  std::this_thread::sleep_for(300ms);
  for (std::size_t i = 0; i < clients.size(); i += 3) clients[i].reset();
  std::this_thread::sleep_for(100ms);
  server_->stop();
  is_over = true;
  for (auto& thread : busy) thread.join();
}

}  // namespace
}  // namespace inlet::serve
