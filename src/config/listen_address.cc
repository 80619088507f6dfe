#include "config/listen_address.h"

#include <arpa/inet.h>

#include <charconv>
#include <optional>

namespace inlet::config {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

// nullopt: not an address.
std::optional<bool> is_loopback(const std::string& host, bool in_brackets) {
  in6_addr six{};
  if (in_brackets) {
    if (inet_pton(AF_INET6, host.c_str(), &six) != 1) return std::nullopt;
    return IN6_IS_ADDR_LOOPBACK(&six) != 0;
  }
  if (host == "localhost") return true;
  in_addr four{};
  if (inet_pton(AF_INET, host.c_str(), &four) != 1) return std::nullopt;
  return ntohl(four.s_addr) >> 24U == 127;
}

}  // namespace

std::string ListenAddress::to_string() const {
  const bool is_six = host.find(':') != std::string::npos;
  return (is_six ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find('\0') == std::string_view::npos) {
    std::string_view host = text.substr(0, colon);
    const bool in_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (in_brackets) host = host.substr(1, host.size() - 2);
    ListenAddress address{.host = std::string(host)};
    const auto port = parse_port(text.substr(colon + 1));
    const auto loopback = is_loopback(address.host, in_brackets);
    if (port && loopback) {
      address.port = *port;
      address.is_loopback = *loopback;
      return address;
    }
  }
  return Status(StatusCode::kInvalidArgument, "config.invalid_value",
                "\"" + std::string(text) + "\" is not an address to listen on")
      .fix(
          "write \"HOST:PORT\", such as \"127.0.0.1:8080\": an IPv4 address, an IPv6 address in brackets or localhost, "
          "and a port from 0 to 65535");
}

}  // namespace inlet::config
