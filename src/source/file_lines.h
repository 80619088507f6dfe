// Lines out of bytes: what regular files and stdin have in common.
//
// Flows in: bytes at known offsets. Flows out: record batches whose values point into the blocks the bytes were read
// into. Offset of a record = last byte of its line, the newline included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/ids.h"
#include "base/status.h"
#include "source/buffer_pool.h"
#include "source/source.h"

namespace inlet::source {

/// A piece of the input. What was read into it never changes or moves; new bytes only come behind.
class LineBlock {
 public:
  LineBlock(std::shared_ptr<BufferPool> pool, std::size_t capacity);
  ~LineBlock();
  LineBlock(const LineBlock&) = delete;
  LineBlock& operator=(const LineBlock&) = delete;

  char* data() { return bytes_.get(); }
  std::size_t capacity() const { return capacity_; }

 private:
  std::shared_ptr<BufferPool> pool_;  // null for a block of another size than the pool's
  std::size_t capacity_;
  std::unique_ptr<char[]> bytes_;
};

struct LineLimits {
  std::size_t block_bytes = 1U << 20U;
  std::size_t max_line_bytes = 1U << 30U;
};

/// The bytes between what was read and what was given out. Not thread safe.
class LineBuffer {
 public:
  struct Line {
    std::string_view text;  // without the newline, and without a '\r' before it
    std::size_t size = 0;   // in the input, newline included
  };

  explicit LineBuffer(LineLimits limits);

  /// Forgets its bytes; the next one to be added stands at `offset` of the input.
  void restart(std::int64_t offset);

  std::int64_t begin_offset() const { return offset_; }  // of the first byte not given out
  std::int64_t end_offset() const { return offset_ + static_cast<std::int64_t>(end_ - begin_); }
  std::string_view pending() const;

  /// Where to read to, never empty. InvalidArgument: the line that begins at begin_offset() is longer than the limit.
  Result<std::span<char>> room();
  /// That many bytes were read into room().
  void added(std::size_t bytes) { end_ += bytes; }

  /// The next complete line; stays until drop().
  std::optional<Line> peek();
  /// All pending bytes as the line they are when the input ends here; nullopt when there are none.
  std::optional<Line> rest() const;
  void drop(std::size_t bytes);

  /// The one that pending() and every line given out since the last room() point into.
  const std::shared_ptr<LineBlock>& block() const { return block_; }

 private:
  const LineLimits limits_;
  const std::shared_ptr<BufferPool> pool_;
  std::shared_ptr<LineBlock> block_;
  std::int64_t offset_ = 0;  // of begin_ in the input
  std::size_t begin_ = 0;    // first byte not given out
  std::size_t end_ = 0;      // behind the last byte read
  std::size_t scanned_ = 0;  // no newline stands in [begin_, scanned_)
};

/// Where bytes come from.
class ByteInput {
 public:
  virtual ~ByteInput() = default;
  /// Reads bytes at `offset` without waiting. 0: there are no more now.
  virtual Result<std::size_t> read(std::int64_t offset, std::span<char> into) = 0;
  /// After read() gave 0: whether what is left over is a line all the same.
  virtual bool rest_is_line() const = 0;
};

/// Batches of lines from a position on. Not thread safe.
class LineStream {
 public:
  explicit LineStream(LineLimits limits) : buffer_(limits) {}

  LineBuffer& buffer() { return buffer_; }
  const LineBuffer& buffer() const { return buffer_; }

  /// `position` is the next offset to deliver; the buffer stands there or is restarted. `after_newline`: whether the
  /// byte before it ends a line. If not, an earlier run took a last line without a newline: a newline that comes now
  /// is part of it and is skipped; anything else shows that the line was not complete.
  void begin(TopicPartition partition, Generation generation, std::int64_t position, bool after_newline);

  const TopicPartition& partition() const { return partition_; }
  std::int64_t position() const { return position_; }

  /// The next batch, full where there is enough; nullopt: no complete line now. A batch without records covers a
  /// newline that was skipped. `time_ms` becomes the records' timestamp.
  /// DataLoss "file.line_continued": see begin(); said once, then the rest of the line is delivered as a line.
  Result<std::optional<RecordBatch>> next(ByteInput& input, std::int64_t time_ms);

 private:
  Result<bool> fill(ByteInput& input);
  Result<bool> finish_line_taken_before(ByteInput& input);

  LineBuffer buffer_;
  TopicPartition partition_;
  Generation generation_;
  std::int64_t position_ = 0;
  bool after_newline_ = true;
};

}  // namespace inlet::source
