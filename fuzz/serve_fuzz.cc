// Whatever stands in a request's target, Host, Origin or Authorization: no crash, and what is taken is plain text.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "duck/database.h"
#include "fuzz/replay.h"
#include "serve/access.h"
#include "serve/page_model.h"
#include "serve/request_target.h"

namespace {

using namespace inlet;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "serve_fuzz: %s\n", what);
  std::abort();
}

bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

// What is left of a quoted text once doubled quotes are taken out holds no quote but the two at its ends.
bool is_one_literal(std::string_view text, char quote) {
  if (text.size() < 2 || text.front() != quote || text.back() != quote) return false;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] != quote) continue;
    if (text[i + 1] != quote || i + 2 == text.size()) return false;
    ++i;
  }
  return true;
}

void check_target(std::string_view text) {
  const auto target = serve::parse_target(text);
  if (!target.is_ok()) {
    require(target.status().code() == StatusCode::kInvalidArgument, "a target was refused for another reason");
    return;
  }
  for (const auto& segment : target->path) {
    require(!segment.empty() && segment != "." && segment != ".." && is_plain(segment), "a segment is not plain");
    require(segment.find_first_of("/\\") == std::string::npos, "a segment holds a slash");
  }
  for (const auto& [name, value] : target->parameters) {
    require(!name.empty() && is_plain(name) && is_plain(value), "a parameter is not plain");
    require(target->parameter(name) == value, "a name stands for two values");
    require(is_one_literal(duck::quote_literal(value), '\''), "a value leaves its quotes");
    require(is_one_literal(duck::quote_identifier(name), '"'), "a name leaves its quotes");
    static_cast<void>(serve::conditional_select(name, {{name, value}}));
    const auto count = serve::parse_count("limit", value, 1, 1000);
    require(!count.is_ok() || (*count >= 1 && *count <= 1000), "a count is out of its range");
  }
}

void check_access(std::string_view text) {
  static const serve::AccessRules rules(config::parse_listen_address("127.0.0.1:8080").value(),
                                        "0123456789abcdef0123456789abcdef");
  if (rules.check_host(text).is_ok()) {
    require(text.ends_with(":8080") && text.find_first_of(" \t@/,") == std::string_view::npos,
            "a foreign Host was taken");
  }
  if (rules.check_origin(text).is_ok()) require(text.starts_with("http://"), "a foreign Origin was taken");
  if (rules.check_token(text).is_ok())
    require(text.ends_with(" 0123456789abcdef0123456789abcdef"), "a wrong token was taken");
  const auto address = config::parse_listen_address(text);
  if (address.is_ok())
    require(config::parse_listen_address(address->to_string())->to_string() == address->to_string(),
            "an address changes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_target(text);
  check_access(text);
  return 0;
}
