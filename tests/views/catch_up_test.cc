// A view that is far behind its log is of use before it is level: published, and saved, on the way.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "tests/views/kept_views.h"

namespace inlet::views {
namespace {

using CatchUp = KeptViews;

// A version large enough for a step of its own.
std::string sales(int version) {
  const std::string id = std::to_string(version);
  return "SELECT (hash(range, " + id + ") % 500)::BIGINT AS client, 'c' AS country, (hash(range, 1, " + id +
         ") % 1000000) / 100 AS amount, hash(range, 2, " + id +
         ")::DOUBLE AS weight, TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_milliseconds((hash(range, 3, " + id +
         ") % 80000000)::BIGINT) AS sold_at, 'kafka:t' AS _source, " + id + " AS _partition, range AS _offset " +
         "FROM range(500000)";
}

TEST_F(CatchUp, a_view_far_behind_is_published_on_the_way) {
  config_.freshness = std::chrono::milliseconds(20);
  add_view("clients",
           "SELECT client, count(*) AS n, sum(amount) AS total, count(DISTINCT sold_at) AS moments FROM sales "
           "GROUP BY client");
  append({{0, 0, "1, 'c', 1, 1, TIMESTAMPTZ '2026-01-01 00:00:00+00'"}});
  ASSERT_TRUE(keep().is_ok());  // from here on its state follows the log
  TableVersion newest;
  for (int version = 1; version <= 4; ++version) newest = append(sales(version));

  std::vector<TableVersion> published;
  ASSERT_TRUE(
      keep({.on_published = [&](const PublishedEvent& event) { published.push_back(event.bronze.version); }}).is_ok());
  ASSERT_GT(published.size(), 1U);
  for (std::size_t i = 1; i < published.size(); ++i) EXPECT_LT(published[i - 1], published[i]);
  EXPECT_EQ(published.back(), newest);
  EXPECT_EQ(differences(), "");
}

TEST_F(CatchUp, views_far_behind_take_turns_and_none_waits_until_another_is_level) {
  config_.freshness = std::chrono::milliseconds(20);
  add_view("clients", "SELECT client, count(*) AS n, sum(amount) AS total FROM sales GROUP BY client");
  add_view("countries", "SELECT country, count(*) AS n, count(DISTINCT client) AS clients FROM sales GROUP BY country");
  append({{0, 0, "1, 'c', 1, 1, TIMESTAMPTZ '2026-01-01 00:00:00+00'"}});
  ASSERT_TRUE(keep().is_ok());
  for (int version = 1; version <= 4; ++version) append(sales(version));

  std::vector<std::string> published;
  ASSERT_TRUE(keep({.on_published = [&](const PublishedEvent& event) { published.push_back(event.view); }}).is_ok());
  const auto first = [&](const std::string& view) { return std::find(published.begin(), published.end(), view); };
  const auto last = [&](const std::string& view) {
    return std::find(published.rbegin(), published.rend(), view).base() - 1;
  };
  ASSERT_NE(first("clients"), published.end());
  ASSERT_NE(first("countries"), published.end());
  EXPECT_LT(first("countries"), last("clients"));
  EXPECT_LT(first("clients"), last("countries"));
  EXPECT_EQ(differences(), "");
}

}  // namespace
}  // namespace inlet::views
