#include "serve/status_board.h"

#include <gtest/gtest.h>

namespace inlet::serve {
namespace {

using namespace std::chrono_literals;

LiveStatus running() {
  LiveStatus status;
  status.started = Timestamp(1'000'000s);
  status.uptime = 5min;
  status.last_commit = status.started + 299s;
  return status;
}

std::vector<std::string> reasons(const StatusBoard& board) {
  const auto readiness = board.readiness();
  std::vector<std::string> ids;
  for (const auto& reason : readiness.document["reasons"]) ids.push_back(reason["id"]);
  EXPECT_EQ(readiness.is_ready, ids.empty());
  EXPECT_EQ(readiness.document["ready"], ids.empty());
  return ids;
}

using Ids = std::vector<std::string>;

TEST(Readiness, comes_with_the_first_status) {
  StatusBoard board(LiveStatus{});
  EXPECT_EQ(reasons(board), Ids{"starting"});
  board.update(running());
  EXPECT_EQ(reasons(board), Ids{});
}

TEST(Readiness, goes_when_a_view_has_failed_or_a_stop_was_asked_for) {
  StatusBoard board(LiveStatus{});
  auto status = running();
  auto& view = status.views.emplace_back();
  view.name = "par_pays";
  view.problem = Status(StatusCode::kInternal, "view.overflow", "a sum does not fit");
  board.update(status);
  EXPECT_EQ(reasons(board), Ids{"view_failed"});
  board.begin_stop();
  EXPECT_EQ(reasons(board), (Ids{"stopping", "view_failed"}));
}

TEST(Readiness, goes_when_rows_wait_and_nothing_is_committed) {
  StatusBoard board(LiveStatus{});
  auto status = running();
  status.queued_rows = 10;
  board.update(status);
  EXPECT_EQ(reasons(board), Ids{}) << "a second ago";
  status.last_commit = status.started + 1s;
  board.update(status);
  EXPECT_EQ(reasons(board), Ids{"stalled"});
  status.queued_rows = 0;
  board.update(status);
  EXPECT_EQ(reasons(board), Ids{}) << "nothing waits";
}

}  // namespace
}  // namespace inlet::serve
