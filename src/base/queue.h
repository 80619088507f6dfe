// A queue between two stages, bounded in rows and bytes, so that a slow stage slows the one before and memory stays
// flat.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace inlet {

struct QueueLimits {
  std::size_t rows = 0;
  std::size_t bytes = 0;
};

/// What an item weighs against the limits; an item heavier than the limits is still taken when the queue is empty.
struct QueueWeight {
  std::size_t rows = 0;
  std::size_t bytes = 0;
};

/// Thread safe; any number of producers and consumers. `close` wakes everybody: pops drain what is left, then end.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(QueueLimits limits) : limits_(limits) {}

  /// Waits for room. False when the queue was closed; the item is then dropped.
  bool push(T item, QueueWeight weight) {
    std::unique_lock lock(mutex_);
    has_room_.wait(lock, [&] { return closed_ || fits(weight); });
    return push_locked(std::move(item), weight);
  }

  /// Never waits. False when full or closed; the item is then left as it was.
  bool try_push(T& item, QueueWeight weight) {
    const std::unique_lock lock(mutex_);
    if (!fits(weight)) return false;
    return push_locked(std::move(item), weight);
  }

  /// Waits for an item; nullopt once the queue is closed and empty.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    has_item_.wait(lock, [&] { return closed_ || !items_.empty(); });
    return pop_locked();
  }

  /// Waits at most until `deadline` (steady clock); nullopt when nothing came, or closed and empty.
  template <class TimePoint>
  std::optional<T> pop_until(TimePoint deadline) {
    std::unique_lock lock(mutex_);
    has_item_.wait_until(lock, deadline, [&] { return closed_ || !items_.empty(); });
    return pop_locked();
  }

  void close() {
    {
      const std::unique_lock lock(mutex_);
      closed_ = true;
    }
    has_item_.notify_all();
    has_room_.notify_all();
  }

  /// Drops every item for which `drop` holds.
  template <class Predicate>
  void erase_if(Predicate drop) {
    {
      const std::unique_lock lock(mutex_);
      for (auto it = items_.begin(); it != items_.end();) {
        if (drop(it->first)) {
          used_.rows -= it->second.rows;
          used_.bytes -= it->second.bytes;
          it = items_.erase(it);
        } else {
          ++it;
        }
      }
    }
    has_room_.notify_all();
  }

  bool closed() const {
    const std::unique_lock lock(mutex_);
    return closed_;
  }

  QueueWeight used() const {
    const std::unique_lock lock(mutex_);
    return used_;
  }

 private:
  bool fits(QueueWeight weight) const {
    if (items_.empty()) return true;
    return used_.rows + weight.rows <= limits_.rows && used_.bytes + weight.bytes <= limits_.bytes;
  }

  bool push_locked(T&& item, QueueWeight weight) {
    if (closed_) return false;
    items_.emplace_back(std::move(item), weight);
    used_.rows += weight.rows;
    used_.bytes += weight.bytes;
    has_item_.notify_one();
    return true;
  }

  std::optional<T> pop_locked() {
    if (items_.empty()) return std::nullopt;
    auto [item, weight] = std::move(items_.front());
    items_.pop_front();
    used_.rows -= weight.rows;
    used_.bytes -= weight.bytes;
    has_room_.notify_all();
    return std::optional<T>(std::move(item));
  }

  const QueueLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable has_item_;
  std::condition_variable has_room_;
  std::deque<std::pair<T, QueueWeight>> items_;  // guarded by mutex_
  QueueWeight used_;                             // guarded by mutex_
  bool closed_ = false;                          // guarded by mutex_
};

}  // namespace inlet
