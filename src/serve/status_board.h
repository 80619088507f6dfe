// The newest LiveStatus, for everybody who asks, and whether the run is ready. Thread safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "serve/live_status.h"

namespace inlet::serve {

class StatusBoard {
 public:
  /// `first`: what there is to say before anything has happened.
  explicit StatusBoard(LiveStatus first);

  void update(LiveStatus status);
  void begin_stop();
  std::shared_ptr<const LiveStatus> status() const;

  struct Readiness {
    bool is_ready = false;
    Json document;  // {"ready": …, "reasons": [{"id", "what"}]}
  };
  Readiness readiness() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const LiveStatus> status_;  // guarded by mutex_
  bool has_begun_ = false;                    // guarded by mutex_
  bool is_stopping_ = false;                  // guarded by mutex_
};

}  // namespace inlet::serve
