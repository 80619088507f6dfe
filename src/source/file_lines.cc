#include "source/file_lines.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace inlet::source {
namespace {

/// A batch ends here even when it has few records, so that long lines do not add up to gigabytes.
constexpr std::size_t kBatchBytes = 8U << 20U;

class LineBacking final : public RecordBacking {
 public:
  void add(const std::shared_ptr<LineBlock>& block) {
    if (blocks_.empty() || blocks_.back() != block) blocks_.push_back(block);
  }

 private:
  std::vector<std::shared_ptr<LineBlock>> blocks_;
};

std::string_view without_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

LineBlock::LineBlock(std::shared_ptr<BufferPool> pool, std::size_t capacity)
    : pool_(capacity == pool->buffer_bytes() ? std::move(pool) : nullptr),
      capacity_(capacity),
      bytes_(pool_ ? pool_->take() : std::unique_ptr<char[]>(new char[capacity])) {}

LineBlock::~LineBlock() {
  if (pool_) pool_->give_back(std::move(bytes_));
}

LineBuffer::LineBuffer(LineLimits limits) : limits_(limits), pool_(std::make_shared<BufferPool>(limits.block_bytes)) {}

void LineBuffer::restart(std::int64_t offset) {
  block_.reset();
  offset_ = offset;
  begin_ = end_ = scanned_ = 0;
}

std::string_view LineBuffer::pending() const {
  return block_ ? std::string_view(block_->data() + begin_, end_ - begin_) : std::string_view();
}

Result<std::span<char>> LineBuffer::room() {
  const std::size_t pending_bytes = end_ - begin_;
  if (pending_bytes > limits_.max_line_bytes) {
    return Status(StatusCode::kInvalidArgument, "file.line_too_long",
                  "a line is longer than " + std::to_string(limits_.max_line_bytes) + " bytes")
        .at("the line that begins at byte " + std::to_string(offset_))
        .because("one event is one line, and this cannot be one")
        .fix("is this newline-delimited JSON?");
  }
  const std::size_t free = block_ ? block_->capacity() - end_ : 0;
  if (free == 0 || free < block_->capacity() / 8) {
    auto next = std::make_shared<LineBlock>(pool_, std::max(limits_.block_bytes, 2 * pending_bytes));
    if (pending_bytes != 0) std::memcpy(next->data(), block_->data() + begin_, pending_bytes);
    block_ = std::move(next);
    scanned_ -= begin_;
    begin_ = 0;
    end_ = pending_bytes;
  }
  return std::span(block_->data() + end_, block_->capacity() - end_);
}

std::optional<LineBuffer::Line> LineBuffer::peek() {
  if (scanned_ == end_) return std::nullopt;
  const char* const data = block_->data();
  const void* const found = std::memchr(data + scanned_, '\n', end_ - scanned_);
  if (found == nullptr) {
    scanned_ = end_;
    return std::nullopt;
  }
  scanned_ = static_cast<std::size_t>(static_cast<const char*>(found) - data);
  const std::size_t size = scanned_ - begin_;
  return Line{without_return({data + begin_, size}), size + 1};
}

std::optional<LineBuffer::Line> LineBuffer::rest() const {
  const std::string_view bytes = pending();
  if (bytes.empty()) return std::nullopt;
  return Line{without_return(bytes), bytes.size()};
}

void LineBuffer::drop(std::size_t bytes) {
  begin_ += bytes;
  offset_ += static_cast<std::int64_t>(bytes);
  scanned_ = std::max(scanned_, begin_);
}

void LineStream::begin(TopicPartition partition, Generation generation, std::int64_t position, bool after_newline) {
  partition_ = std::move(partition);
  generation_ = generation;
  position_ = position;
  after_newline_ = after_newline;
  if (buffer_.begin_offset() != position) buffer_.restart(position);
}

Result<bool> LineStream::fill(ByteInput& input) {
  auto made = buffer_.room();
  if (!made.is_ok()) {
    Status status = made.status();
    return std::move(status).at(partition_.to_string() + ", " + made.status().detail().where);
  }
  const std::span<char> room = *made;
  INLET_ASSIGN_OR_RETURN(const std::size_t bytes, input.read(buffer_.end_offset(), room));
  buffer_.added(bytes);
  return bytes != 0;
}

/// False: what comes next is not there yet.
Result<bool> LineStream::finish_line_taken_before(ByteInput& input) {
  while (!after_newline_) {
    const std::string_view bytes = buffer_.pending();
    if (bytes.empty() || bytes == "\r") {
      INLET_ASSIGN_OR_RETURN(const bool more, fill(input));
      if (more) continue;
      if (bytes.empty() || !input.rest_is_line()) return false;
      buffer_.drop(1);  // half of a newline at the end of the input
      return true;
    }
    after_newline_ = true;
    if (bytes.starts_with('\n')) {
      buffer_.drop(1);
    } else if (bytes.starts_with("\r\n")) {
      buffer_.drop(2);
    } else {
      return Status(StatusCode::kDataLoss, "file.line_continued", "a line that was taken as the last one goes on")
          .at(partition_.to_string() + " at byte " + std::to_string(position_))
          .because(
              "with --until caught-up the end of the input ends its last line, newline or not; the file was then "
              "continued in the middle of that line, whose first part is committed already")
          .fix("write the file in whole lines, or accept a broken event with failOnDataLoss = false");
    }
  }
  return true;
}

Result<std::optional<RecordBatch>> LineStream::next(ByteInput& input, std::int64_t time_ms) {
  INLET_ASSIGN_OR_RETURN(const bool at_a_line, finish_line_taken_before(input));
  if (!at_a_line) return std::optional<RecordBatch>();

  RecordBatch batch;
  auto backing = std::make_unique<LineBacking>();
  while (batch.records.size() < RecordBatch::kMaxRecords && batch.bytes < kBatchBytes) {
    auto line = buffer_.peek();
    if (!line) {
      const auto more = fill(input);
      if (!more.is_ok() && !batch.records.empty()) break;  // what is there goes first; the next call says it again
      INLET_RETURN_IF_ERROR(more.status());
      if (*more) continue;
      if (!input.rest_is_line()) break;
      line = buffer_.rest();
      if (!line) break;
      after_newline_ = false;
    }
    if (batch.records.empty()) batch.records.reserve(RecordBatch::kMaxRecords);
    backing->add(buffer_.block());
    buffer_.drop(line->size);
    batch.records.push_back({{buffer_.begin_offset() - 1}, time_ms, line->text, false});
    batch.bytes += line->text.size();
    if (!after_newline_) break;
  }
  if (buffer_.begin_offset() == position_) return std::optional<RecordBatch>();
  batch.partition = partition_;
  batch.generation = generation_;
  batch.range = {{position_}, {buffer_.begin_offset() - 1}};
  batch.backing = std::move(backing);
  position_ = buffer_.begin_offset();
  return std::optional(std::move(batch));
}

}  // namespace inlet::source
