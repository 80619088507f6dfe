// A view that is far behind its log is of use before it is level: published, and saved, on the way.
#include <chrono>
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

}  // namespace
}  // namespace inlet::views
