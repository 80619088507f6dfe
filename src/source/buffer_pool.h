// Buffers that go out with record batches and come back when the batch is done with: a fresh buffer costs a page fault
// every 4 KiB, which is more than writing an event into it.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace inlet::source {

/// Thread safe: batches are freed on other threads than the source's. Lives as long as its last buffer.
class BufferPool {
 public:
  explicit BufferPool(std::size_t buffer_bytes) : buffer_bytes_(buffer_bytes) {}

  std::size_t buffer_bytes() const { return buffer_bytes_; }

  /// Its content is whatever was in it.
  std::unique_ptr<char[]> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        auto buffer = std::move(free_.back());
        free_.pop_back();
        return buffer;
      }
    }
    return std::unique_ptr<char[]>(new char[buffer_bytes_]);
  }

  void give_back(std::unique_ptr<char[]> buffer) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < kKept) free_.push_back(std::move(buffer));
  }

 private:
  static constexpr std::size_t kKept = 16;
  const std::size_t buffer_bytes_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<char[]>> free_;  // guarded by mutex_
};

}  // namespace inlet::source
