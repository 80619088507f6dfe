// The events of /api/v1/events: the last few are kept, and every reader takes them from where it stands. Nothing is
// queued per reader: one that falls behind what is kept is told to begin anew.
//
// Format: WHATWG HTML, section 9.2 "Server-sent events". Thread safe.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

namespace inlet::serve {

class EventStream {
 public:
  /// `before_first`: the id before the first event's. Ids of an earlier process must lie below it, so that a reader
  /// that outlived that process begins anew instead of waiting for ids that were given already.
  explicit EventStream(std::uint64_t before_first, std::size_t kept = 256);

  /// `data`: one line, as a JSON document is.
  void publish(std::string_view type, std::string_view data);

  std::uint64_t newest() const;

  struct Reading {
    std::string text;        // empty: there is nothing new
    std::uint64_t last = 0;  // what the reader has seen with it
    bool was_reset = false;  // events between are gone: `text` says so by a `reset` event
  };
  /// What came after event `seen`, at most about `most_bytes` of it, at least one event.
  Reading after(std::uint64_t seen, std::size_t most_bytes) const;

 private:
  struct Event {
    std::uint64_t id;
    std::string text;
  };
  const std::size_t kept_;
  mutable std::mutex mutex_;
  std::deque<Event> events_;  // guarded by mutex_; ids ascend by one
  std::uint64_t newest_;      // guarded by mutex_
};

}  // namespace inlet::serve
