#include "serve/access.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace inlet::serve {
namespace {

const std::string kToken = "0123456789abcdef";

config::ListenAddress listening_at(const char* text) { return config::parse_listen_address(text).value(); }

TEST(Host, on_loopback_only_the_names_of_loopback_are_answered) {
  const AccessRules rules(listening_at("127.0.0.1:8080"), std::nullopt);
  for (const auto* host : {"127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"})
    EXPECT_TRUE(rules.check_host(host).is_ok()) << host;
  for (const auto* host : {"evil.example:8080", "127.0.0.1", "127.0.0.1:8081", "localhost.evil.example:8080",
                           "10.0.0.1:8080", "[::2]:8080", "0.0.0.0:8080"})
    EXPECT_EQ(rules.check_host(host).detail().id, "http.wrong_host") << host;
  for (const auto* host : {"", "a b:8080", "user@localhost:8080", "localhost:8080/", "localhost:x", "[::1",
                           "localhost:", "localhost:8080,evil", "localhost:999999", "http://localhost:8080"})
    EXPECT_EQ(rules.check_host(host).detail().id, "http.bad_host") << host;
}

TEST(Host, elsewhere_addresses_are_answered_and_foreign_names_are_not) {
  const AccessRules rules(listening_at("0.0.0.0:8080"), kToken);
  EXPECT_TRUE(rules.check_host("192.168.1.7:8080").is_ok());
  EXPECT_TRUE(rules.check_host("localhost:8080").is_ok());
  EXPECT_EQ(rules.check_host("evil.example:8080").detail().id, "http.wrong_host");
}

TEST(Origin, must_be_the_servers_own) {
  const AccessRules rules(listening_at("127.0.0.1:8080"), std::nullopt);
  EXPECT_TRUE(rules.check_origin("http://127.0.0.1:8080").is_ok());
  EXPECT_TRUE(rules.check_origin("http://localhost:8080").is_ok());
  for (const auto* origin :
       {"null", "", "http://evil.example", "https://127.0.0.1:8080", "http://127.0.0.1:8080.evil.example"})
    EXPECT_EQ(rules.check_origin(origin).detail().id, "http.wrong_origin") << origin;
}

TEST(Token, is_asked_for_only_where_there_is_one) {
  EXPECT_TRUE(AccessRules(listening_at("127.0.0.1:1"), std::nullopt).check_token("").is_ok());
  const AccessRules rules(listening_at("127.0.0.1:1"), kToken);
  EXPECT_TRUE(rules.check_token("Bearer " + kToken).is_ok());
  EXPECT_TRUE(rules.check_token("bearer  " + kToken).is_ok());
  for (const auto* none : {"", "Basic abc", "Bearer", "Bearer "})
    EXPECT_EQ(rules.check_token(none).detail().id, "http.no_token") << none;
  for (const auto& wrong : {kToken.substr(1), kToken + "0", std::string("0123456789abcdeF"), kToken + " "}) {
    const auto status = rules.check_token("Bearer " + wrong);
    EXPECT_EQ(status.detail().id, "http.wrong_token") << wrong;
    EXPECT_EQ(status.to_line().find(kToken), std::string::npos);
  }
}

TEST(Token, is_compared_whole) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abcabc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abcabc"));
  EXPECT_FALSE(equal_in_constant_time("a", ""));
  EXPECT_FALSE(equal_in_constant_time("", "a"));
}

TEST(TokenFile, holds_one_token_of_a_decent_length) {
  const auto path = std::filesystem::temp_directory_path() / ("inlet-token-" + std::to_string(::getpid()));
  const auto read = [&](const std::string& text) {
    std::ofstream(path) << text;
    return read_token(path.string());
  };
  EXPECT_EQ(*read("  " + kToken + "\n"), kToken);
  for (const auto& text :
       {std::string(), std::string("short"), kToken + " " + kToken, kToken + "\xc3\xa9", std::string(5000, 'a')}) {
    const auto token = read(text);
    ASSERT_FALSE(token.is_ok()) << text;
    EXPECT_EQ(token.status().detail().id, "serve.bad_token");
  }
  std::filesystem::remove(path);
  EXPECT_EQ(read_token(path.string()).status().detail().id, "serve.bad_token");
}

}  // namespace
}  // namespace inlet::serve
