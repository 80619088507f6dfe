#include "serve/access.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cctype>
#include <charconv>
#include <fstream>
#include <utility>

#include "base/host_name.h"
#include "base/letter_case.h"

namespace inlet::serve {
namespace {

constexpr std::size_t kShortestToken = 16;
constexpr std::size_t kLongestToken = 4096;
constexpr std::string_view kBearer = "bearer ";

struct HostPort {
  std::string host;  // lower case, without brackets
  std::optional<std::uint16_t> port;
};

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || text.size() > 5 || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  HostPort parsed;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    parsed.host = lower_case(text.substr(1, close - 1));
    port = text.substr(close + 1);
    boost::system::error_code error;
    boost::asio::ip::make_address_v6(parsed.host, error);
    if (error) return std::nullopt;
  } else {
    const auto colon = text.find(':');
    parsed.host = lower_case(text.substr(0, colon));
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
    const bool is_name =
        !parsed.host.empty() && std::all_of(parsed.host.begin(), parsed.host.end(), [](unsigned char c) {
          return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
        });
    if (!is_name) return std::nullopt;
  }
  if (port.empty()) return parsed;
  if (port.front() != ':') return std::nullopt;
  parsed.port = parse_port(port.substr(1));
  return parsed.port ? std::optional(std::move(parsed)) : std::nullopt;
}

bool is_ip_address(const std::string& host) {
  boost::system::error_code error;
  boost::asio::ip::make_address(host, error);
  return !error;
}

}  // namespace

AccessRules::AccessRules(config::ListenAddress address, std::optional<std::string> token)
    : address_(std::move(address)), token_(std::move(token)) {}

Status AccessRules::check_host(std::string_view host) const {
  const auto parsed = parse_host_port(host);
  if (!parsed) return {StatusCode::kInvalidArgument, "http.bad_host", "the Host header is not a host and a port"};
  const std::uint16_t port = parsed->port.value_or(80);
  const bool is_port = port == address_.port;
  const bool is_own_name = parsed->host == address_.host || (address_.is_loopback && parsed->host == "localhost");
  const bool is_loopback_name =
      address_.is_loopback && (parsed->host == "127.0.0.1" || parsed->host == "::1" || parsed->host == "localhost");
  if (is_port && (is_own_name || is_loopback_name)) return Status::ok();
  // Behind a proxy, or on all addresses, the names this server goes by are not known to it; there is a token then.
  if (!address_.is_loopback &&
      (is_ip_address(parsed->host) || parsed->host == "localhost" || parsed->host == lower_case(host_name()))) {
    return Status::ok();
  }
  return Status(StatusCode::kInvalidArgument, "http.wrong_host", "this server does not go by that name")
      .fix("ask for " + address_.to_string());
}

Status AccessRules::check_origin(std::string_view origin) const {
  constexpr std::string_view kScheme = "http://";
  if (origin.starts_with(kScheme) && check_host(origin.substr(kScheme.size())).is_ok()) return Status::ok();
  return {StatusCode::kInvalidArgument, "http.wrong_origin", "a page from elsewhere may not ask for this"};
}

Status AccessRules::check_token(std::string_view authorization) const {
  if (!token_) return Status::ok();
  const bool is_bearer =
      authorization.size() > kBearer.size() && lower_case(authorization.substr(0, kBearer.size())) == kBearer;
  if (!is_bearer) {
    return Status(StatusCode::kInvalidArgument, "http.no_token", "this server asks for a token")
        .fix("send it as \"Authorization: Bearer TOKEN\"; open the page with ?token=TOKEN");
  }
  auto given = authorization.substr(kBearer.size());
  while (given.starts_with(' ')) given.remove_prefix(1);
  if (equal_in_constant_time(given, *token_)) return Status::ok();
  return {StatusCode::kInvalidArgument, "http.wrong_token", "that is not the token of this server"};
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  // Over the length of what was given, so that the time tells nothing of the other.
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference |= static_cast<unsigned char>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(other));
  }
  return difference == 0;
}

Result<std::string> read_token(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return Status(StatusCode::kInvalidArgument, "serve.bad_token", "the token file cannot be read")
        .at(path)
        .fix("make one: (umask 077; openssl rand -hex 32 > FILE)");
  }
  std::string text(kLongestToken + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  constexpr std::string_view kWhite = " \t\r\n";
  const auto begin = text.find_first_not_of(kWhite);
  const auto end = text.find_last_not_of(kWhite);
  std::string token = begin == std::string::npos ? std::string() : text.substr(begin, end - begin + 1);
  const bool is_printable =
      std::all_of(token.begin(), token.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; });
  if (token.size() < kShortestToken || token.size() > kLongestToken || !is_printable) {
    return Status(StatusCode::kInvalidArgument, "serve.bad_token", "the token file holds no usable token")
        .at(path)
        .because("a token has at least " + std::to_string(kShortestToken) + " printable ASCII characters and no blank")
        .fix("make one: (umask 077; openssl rand -hex 32 > FILE)");
  }
  return token;
}

}  // namespace inlet::serve
