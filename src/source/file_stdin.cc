#include "source/file_stdin.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "source/file_name.h"

namespace inlet::source {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Reads what is there, never waits, and remembers the end.
class StreamInput final : public ByteInput {
 public:
  explicit StreamInput(int fd) : fd_(fd) {}

  bool ended() const { return ended_; }

  /// True when there are bytes, the end, or an error to be read. False also on a signal.
  bool wait(milliseconds timeout) const {
    pollfd ready{fd_, POLLIN, 0};
    return ::poll(&ready, 1, static_cast<int>(timeout.count())) > 0;
  }

  Result<std::size_t> read(std::int64_t, std::span<char> into) override {
    if (ended_ || !wait(milliseconds(0))) return std::size_t{0};
    const ssize_t bytes = ::read(fd_, into.data(), into.size());
    if (bytes > 0) return static_cast<std::size_t>(bytes);
    if (bytes < 0) {
      if (errno == EINTR || errno == EAGAIN) return std::size_t{0};
      return file_error("read", "stdin", errno);
    }
    ended_ = true;
    return std::size_t{0};
  }

  bool rest_is_line() const override { return ended_; }

 private:
  int fd_;
  bool ended_ = false;
};

class StdinSource final : public Source {
 public:
  explicit StdinSource(const FileSourceOptions& options)
      : fail_on_data_loss_(options.fail_on_data_loss), input_(options.stdin_fd), lines_(options.limits) {}

  Status open(Listener& listener, const OpenOptions& options) override {
    listener_ = &listener;
    clock_ = options.clock;
    return Status::ok();
  }

  Result<std::optional<RecordBatch>> poll(milliseconds timeout) override {
    const auto deadline = steady_clock::now() + timeout;
    for (;;) {
      if (!paused_) {
        INLET_ASSIGN_OR_RETURN(auto batch, next());
        if (batch || drained_) return Result<std::optional<RecordBatch>>(std::move(batch));
      }
      const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
      if (left <= milliseconds(0)) return std::optional<RecordBatch>();
      // A stream that may not deliver is not looked at: readable bytes would make this loop spin.
      if (paused_ || (offered_ && !assigned_)) {
        ::poll(nullptr, 0, static_cast<int>(left.count()));
        return std::optional<RecordBatch>();
      }
      if (!input_.wait(left)) return std::optional<RecordBatch>();
    }
  }

  Result<OffsetBounds> bounds(const TopicPartition&) override { return OffsetBounds{{0}, OffsetBounds::kEndless}; }

  Result<std::optional<std::uint64_t>> fingerprint_at(const TopicPartition&, Offset offset) override {
    LineBuffer& buffer = lines_.buffer();
    if (offset.value < buffer.begin_offset()) {
      if (offset.value == last_dropped_.offset) return std::optional(last_dropped_.fingerprint);
      return std::optional<std::uint64_t>();
    }
    while (buffer.begin_offset() <= offset.value) {
      auto line = buffer.peek();
      if (!line && input_.ended()) line = buffer.rest();
      if (!line) {
        INLET_ASSIGN_OR_RETURN(const bool more, fill_within(milliseconds(200)));
        if (more) continue;
        if (!input_.ended()) {
          return Status(StatusCode::kTransient, "stdin.behind", "stdin has not come to the position to go on at yet");
        }
        if (buffer.pending().empty()) return Result<std::optional<std::uint64_t>>(ended_early(offset.value + 1));
        continue;
      }
      // The line that was taken without its newline: the position stands inside this one.
      const std::int64_t last = buffer.begin_offset() + static_cast<std::int64_t>(line->size) - 1;
      if (last > offset.value) {
        const auto taken = static_cast<std::size_t>(offset.value - buffer.begin_offset() + 1);
        std::string_view text = buffer.pending().substr(0, taken);
        if (text.ends_with('\r')) text.remove_suffix(1);
        drop(taken, line_fingerprint(text));
      } else {
        drop(line->size, line_fingerprint(line->text));
      }
    }
    return std::optional(last_dropped_.fingerprint);
  }

  void pause(const TopicPartition&) override { paused_ = true; }
  void resume(const TopicPartition&) override { paused_ = false; }
  void committed(const TopicPartition&, Offset) override {}
  bool exhausted() const override { return drained_; }
  void close() override {}

 private:
  struct Dropped {
    std::int64_t offset = -1;
    std::uint64_t fingerprint = 0;
    char byte = '\n';
  };

  Result<bool> fill() {
    LineBuffer& buffer = lines_.buffer();
    INLET_ASSIGN_OR_RETURN(const auto room, buffer.room());
    INLET_ASSIGN_OR_RETURN(const std::size_t bytes, input_.read(buffer.end_offset(), room));
    buffer.added(bytes);
    return bytes != 0;
  }

  Result<bool> fill_within(milliseconds timeout) {
    if (!input_.ended()) input_.wait(timeout);
    return fill();
  }

  void drop(std::size_t bytes, std::uint64_t fingerprint) {
    LineBuffer& buffer = lines_.buffer();
    const char last = buffer.pending()[bytes - 1];
    buffer.drop(bytes);
    last_dropped_ = {buffer.begin_offset() - 1, fingerprint, last};
  }

  Result<std::optional<RecordBatch>> next() {
    if (drained_) return std::optional<RecordBatch>();
    if (!offered_) INLET_RETURN_IF_ERROR(assign());
    if (assigned_ && !at_position_) INLET_RETURN_IF_ERROR(drop_to_position());
    if (!at_position_) return std::optional<RecordBatch>();
    const std::int64_t now = std::chrono::floor<milliseconds>(clock_->now()).time_since_epoch().count();
    auto batch = lines_.next(input_, now);
    if (!batch.is_ok() && batch.status().code() == StatusCode::kDataLoss && !fail_on_data_loss_) {
      log_accepted_loss(batch.status());
      batch = lines_.next(input_, now);
    }
    INLET_RETURN_IF_ERROR(batch.status());
    drained_ = !*batch && input_.ended();
    return batch;
  }

  /// Asks for a position as soon as the first line is complete.
  Status assign() {
    LineBuffer& buffer = lines_.buffer();
    auto first = buffer.peek();
    while (!first) {
      INLET_ASSIGN_OR_RETURN(const bool more, fill());
      first = buffer.peek();
      if (first || more) continue;
      if (!input_.ended()) return Status::ok();
      first = buffer.rest();
      if (!first) {
        drained_ = true;
        return Status::ok();
      }
    }
    const TopicPartition partition{"stdin:" + line_fingerprint_text(first->text), 0};
    INLET_ASSIGN_OR_RETURN(const auto assignments, listener_->on_assigned(std::span(&partition, 1)));
    offered_ = true;
    if (assignments.empty()) return Status::ok();
    assigned_ = true;
    assignment_ = assignments.front();
    if (assignment_.position.value >= buffer.begin_offset()) return Status::ok();
    return Status(StatusCode::kDataLoss, "stdin.not_seekable", "stdin cannot go back")
        .at(partition.to_string() + " at byte " + std::to_string(assignment_.position.value))
        .fix("give a file in place of stdin");
  }

  Status drop_to_position() {
    LineBuffer& buffer = lines_.buffer();
    const std::int64_t position = assignment_.position.value;
    while (buffer.begin_offset() < position) {
      const auto there = static_cast<std::int64_t>(buffer.pending().size());
      if (there > 0) {
        drop(static_cast<std::size_t>(std::min(there, position - buffer.begin_offset())), 0);
        continue;
      }
      INLET_ASSIGN_OR_RETURN(const bool more, fill());
      if (more) continue;
      if (!input_.ended()) return Status::ok();
      const Status lost = ended_early(position);
      if (fail_on_data_loss_) return lost;
      log_accepted_loss(lost);
      drained_ = true;
      return Status::ok();
    }
    lines_.begin(assignment_.partition, assignment_.generation, position, last_dropped_.byte == '\n');
    at_position_ = true;
    return Status::ok();
  }

  Status ended_early(std::int64_t position) {
    return Status(StatusCode::kDataLoss, "stdin.ended_early", "stdin ended before the position to go on at")
        .at("stdin at byte " + std::to_string(lines_.buffer().begin_offset()))
        .because(std::to_string(position) + " bytes of a stream with the same first line are committed already")
        .fix("feed the same stream again, or the whole of it");
  }

  const bool fail_on_data_loss_;
  StreamInput input_;
  LineStream lines_;
  Listener* listener_ = nullptr;
  const Clock* clock_ = &Clock::system();
  Assignment assignment_;
  Dropped last_dropped_;   // where reading stands before delivery begins
  bool offered_ = false;   // to the listener
  bool assigned_ = false;  // by it
  bool at_position_ = false;
  bool paused_ = false;
  bool drained_ = false;
};

}  // namespace

std::unique_ptr<Source> make_stdin_source(FileSourceOptions options) { return std::make_unique<StdinSource>(options); }

}  // namespace inlet::source
