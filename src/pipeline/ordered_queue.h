// Puts what several threads finish in any order back into the order it was begun in.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/queue.h"

namespace inlet::pipeline {

/// Thread safe; any number of producers, one consumer. Items are numbered from 0 without a hole; the consumer receives
/// them by number. Bounded: a producer ahead of the consumer waits, the one whose turn it is never does.
template <class T>
class OrderedQueue {
 public:
  explicit OrderedQueue(QueueLimits limits) : limits_(limits) {}

  /// False when closed by `abandon`; the item is then dropped.
  bool push(std::uint64_t number, T item, QueueWeight weight) {
    std::unique_lock lock(mutex_);
    has_room_.wait(lock, [&] { return abandoned_ || number == next_ || fits(weight); });
    if (abandoned_) return false;
    items_.emplace(number, std::make_pair(std::move(item), weight));
    used_.rows += weight.rows;
    used_.bytes += weight.bytes;
    if (number == next_) has_item_.notify_one();
    return true;
  }

  /// The next item by number, waiting at most until `deadline`; nullopt when it did not come, or never will.
  template <class TimePoint>
  std::optional<T> pop_until(TimePoint deadline) {
    std::unique_lock lock(mutex_);
    has_item_.wait_until(lock, deadline, [&] { return finished_ || abandoned_ || is_next_here(); });
    if (abandoned_ || !is_next_here()) return std::nullopt;
    auto node = items_.extract(items_.begin());
    auto& [item, weight] = node.mapped();
    used_.rows -= weight.rows;
    used_.bytes -= weight.bytes;
    ++next_;
    has_room_.notify_all();
    return std::optional<T>(std::move(item));
  }

  /// No push follows. The consumer drains what is there.
  void finish() {
    const std::scoped_lock lock(mutex_);
    finished_ = true;
    has_item_.notify_all();
  }

  /// Drops everything and wakes everybody: the consumer has failed.
  void abandon() {
    const std::scoped_lock lock(mutex_);
    abandoned_ = true;
    has_item_.notify_all();
    has_room_.notify_all();
  }

  bool drained() const {
    const std::scoped_lock lock(mutex_);
    return abandoned_ || (finished_ && items_.empty());
  }

  QueueWeight used() const {
    const std::scoped_lock lock(mutex_);
    return used_;
  }

 private:
  bool fits(QueueWeight weight) const {
    return used_.rows + weight.rows <= limits_.rows && used_.bytes + weight.bytes <= limits_.bytes;
  }
  bool is_next_here() const { return !items_.empty() && items_.begin()->first == next_; }

  const QueueLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable has_item_;
  std::condition_variable has_room_;
  std::map<std::uint64_t, std::pair<T, QueueWeight>> items_;  // guarded by mutex_
  std::uint64_t next_ = 0;                                    // guarded by mutex_
  QueueWeight used_;                                          // guarded by mutex_
  bool finished_ = false;                                     // guarded by mutex_
  bool abandoned_ = false;                                    // guarded by mutex_
};

}  // namespace inlet::pipeline
