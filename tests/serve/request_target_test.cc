#include "serve/request_target.h"

#include <gtest/gtest.h>

namespace inlet::serve {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

TEST(RequestTarget, is_taken_apart_into_decoded_segments_and_parameters) {
  const auto target = parse_target("/api/v1/panels/top%20clients?pays=C%C3%B4te+d%27Ivoire&jour=2025-01-01&vide=");
  ASSERT_TRUE(target.is_ok()) << target.status().to_line();
  EXPECT_EQ(target->path, (std::vector<std::string>{"api", "v1", "panels", "top clients"}));
  EXPECT_EQ(target->parameters, (Parameters{{"pays", "Côte d'Ivoire"}, {"jour", "2025-01-01"}, {"vide", ""}}));
  EXPECT_EQ(target->parameter("jour"), "2025-01-01");
  EXPECT_FALSE(target->parameter("segment").has_value());
}

TEST(RequestTarget, of_the_root_has_no_segment) {
  EXPECT_TRUE(parse_target("/")->path.empty());
  EXPECT_EQ(parse_target("/?jour=1")->parameter("jour"), "1");
}

TEST(RequestTarget, a_plus_is_a_space_in_parameters_only) {
  EXPECT_EQ(parse_target("/a+b?c=d+e%2Bf")->path.front(), "a+b");
  EXPECT_EQ(parse_target("/a+b?c=d+e%2Bf")->parameter("c"), "d e+f");
}

class BadTarget : public testing::TestWithParam<std::string_view> {};

TEST_P(BadTarget, is_refused) {
  const auto target = parse_target(GetParam());
  ASSERT_FALSE(target.is_ok());
  EXPECT_EQ(target.status().detail().id, "http.bad_target");
}

INSTANTIATE_TEST_SUITE_P(All, BadTarget,
                         testing::Values("", "livez", "http://evil/livez", "*", "//", "/a//b", "/a/", "/.", "/..",
                                         "/a/../b", "/%2e%2e/a", "/a/%2E/b", "/%2e%2e%2fetc", "/a%2fb", "/a%5cb",
                                         "/a\\b", "/%00", "/a%0d%0ab", "/\x01", "/a\x7f", "/%7f", "/%", "/%2", "/%zz",
                                         "/a?b=%", "/a?b=%c0%af", "/%c0%ae%c0%ae", "/%ed%a0%80", "/%f5%80%80%80",
                                         "/%80", "/%e2%82", "/a?=b", "/a?b=%00", "/a#b", "/a?x=\xff"));

TEST(RequestTarget, a_parameter_given_twice_is_refused_by_name) {
  const auto target = parse_target("/a?limit=1&limit=2");
  EXPECT_EQ(target.status().detail().id, "http.repeated_parameter");
  EXPECT_EQ(target.status().detail().where, "limit");
}

TEST(RequestTarget, is_bounded_in_length_and_parameters) {
  EXPECT_EQ(parse_target("/" + std::string(kLongestTarget, 'a')).status().detail().id, "http.target_too_long");
  EXPECT_TRUE(parse_target("/" + std::string(kLongestTarget - 1, 'a')).is_ok());
  std::string many = "/a?";
  for (int i = 0; i < 65; ++i) many += "p" + std::to_string(i) + "=1&";
  EXPECT_EQ(parse_target(many).status().detail().id, "http.bad_target");
}

TEST(CountParameter, takes_digits_within_its_range_and_nothing_else) {
  EXPECT_EQ(*parse_count("limit", "100", 1, 100), 100);
  for (const auto* text :
       {"", "0", "101", "-1", "+1", " 1", "1 ", "1e2", "0x10", "1.0", "99999999999999999999", "ten"}) {
    const auto count = parse_count("limit", text, 1, 100);
    ASSERT_FALSE(count.is_ok()) << text;
    EXPECT_EQ(count.status().detail().id, "api.bad_parameter");
  }
}

}  // namespace
}  // namespace inlet::serve
