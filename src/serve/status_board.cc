#include "serve/status_board.h"

#include <utility>

namespace inlet::serve {
namespace {

constexpr std::chrono::seconds kLongestStall{60};

}  // namespace

StatusBoard::StatusBoard(LiveStatus first) : status_(std::make_shared<const LiveStatus>(std::move(first))) {}

void StatusBoard::update(LiveStatus status) {
  auto shared = std::make_shared<const LiveStatus>(std::move(status));
  const std::scoped_lock lock(mutex_);
  status_ = std::move(shared);
  has_begun_ = true;
}

void StatusBoard::begin_stop() {
  const std::scoped_lock lock(mutex_);
  is_stopping_ = true;
}

std::shared_ptr<const LiveStatus> StatusBoard::status() const {
  const std::scoped_lock lock(mutex_);
  return status_;
}

StatusBoard::Readiness StatusBoard::readiness() const {
  std::shared_ptr<const LiveStatus> status;
  bool has_begun = false;
  bool is_stopping = false;
  {
    const std::scoped_lock lock(mutex_);
    status = status_;
    has_begun = has_begun_;
    is_stopping = is_stopping_;
  }
  Json reasons = Json::array();
  const auto add = [&](const char* id, const std::string& what) { reasons.push_back({{"id", id}, {"what", what}}); };
  if (!has_begun) add("starting", "the run has not begun to read yet");
  if (is_stopping) add("stopping", "a stop was asked for");
  for (const auto& view : status->views) {
    if (!view.problem.is_ok()) add("view_failed", "the view " + view.name + " has stopped: " + view.problem.to_line());
  }
  const auto now = status->started + status->uptime;
  if (status->queued_rows > 0 && now - status->last_commit.value_or(status->started) > kLongestStall)
    add("stalled", "rows wait, and nothing was committed for a minute");
  const bool is_ready = reasons.empty();
  return {is_ready, Json{{"ready", is_ready}, {"reasons", std::move(reasons)}}};
}

}  // namespace inlet::serve
