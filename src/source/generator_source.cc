#include "source/generator_source.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <utility>

#include "source/buffer_pool.h"
#include "source/generator_event.h"

namespace inlet::source {
namespace {

using std::chrono::steady_clock;

class PooledBuffer final : public RecordBacking {
 public:
  explicit PooledBuffer(std::shared_ptr<BufferPool> pool) : pool_(std::move(pool)), bytes_(pool_->take()) {}
  ~PooledBuffer() override { pool_->give_back(std::move(bytes_)); }
  PooledBuffer(const PooledBuffer&) = delete;
  PooledBuffer& operator=(const PooledBuffer&) = delete;
  char* bytes() { return bytes_.get(); }

 private:
  std::shared_ptr<BufferPool> pool_;
  std::unique_ptr<char[]> bytes_;
};

/// How many events are due. Event k is due at start + k / rate, the first one at once.
class Pacer {
 public:
  explicit Pacer(double rate) : rate_(rate) {
    constexpr double kQuantumSeconds = 0.01;  // at high rates, what is worth a batch
    constexpr double kOwedSeconds = 0.05;
    const double most = static_cast<double>(RecordBatch::kMaxRecords);
    quantum_ = static_cast<std::int64_t>(std::clamp(rate * kQuantumSeconds, 1.0, most));
    owed_at_most_ = std::max(1.0, rate * kOwedSeconds);
  }

  bool unlimited() const { return rate_ == 0; }
  std::int64_t quantum() const { return quantum_; }

  void start(steady_clock::time_point now) {
    start_ = now;
    delivered_ = 0;
  }

  std::int64_t due(steady_clock::time_point now) {
    if (unlimited()) return RecordBatch::kMaxRecords;
    const double elapsed = std::chrono::duration<double>(now - start_).count() * rate_;
    double owed = std::floor(elapsed) + 1 - static_cast<double>(delivered_);
    if (owed > owed_at_most_) {
      owed = std::floor(owed_at_most_);
      // As if the events owed were exactly those of the last moments.
      const auto behind = std::chrono::duration<double>((owed - 1) / rate_);
      start_ = now - std::chrono::duration_cast<steady_clock::duration>(behind);
      delivered_ = 0;
    }
    return static_cast<std::int64_t>(owed);
  }

  /// When `count` events will be owed.
  steady_clock::time_point when_due(std::int64_t count) const {
    const double seconds = static_cast<double>(delivered_ + count - 1) / rate_;
    return start_ + std::chrono::ceil<steady_clock::duration>(std::chrono::duration<double>(seconds));
  }

  void deliver(std::int64_t count) { delivered_ += count; }

 private:
  double rate_;
  std::int64_t quantum_ = 1;
  double owed_at_most_ = 1;
  steady_clock::time_point start_;
  std::int64_t delivered_ = 0;  // since start_
};

class GeneratorSource final : public Source {
 public:
  explicit GeneratorSource(const config::GeneratorConfig& config)
      : generator_(EventGenerator::create(config)), pacer_(std::max(config.rate, 0.0)) {}

  Status open(Listener& listener, const OpenOptions& options) override {
    INLET_RETURN_IF_ERROR(generator_.status());
    clock_ = options.clock;
    // A batch is written into one buffer; catalogues with very long texts get fewer records in it, not more memory.
    constexpr std::size_t kMostBufferBytes = 16U << 20U;
    batch_records_ =
        std::clamp<std::size_t>(kMostBufferBytes / generator_->max_event_bytes(), 1, RecordBatch::kMaxRecords);
    pool_ = std::make_shared<BufferPool>(batch_records_ * generator_->max_event_bytes());

    std::vector<TopicPartition> partitions;
    for (std::int32_t p = 0; p < generator_->partitions(); ++p) partitions.push_back({generator_->source_id(), p});
    INLET_ASSIGN_OR_RETURN(const auto assignments, listener.on_assigned(partitions));
    partitions_.assign(partitions.size(), {});
    for (const auto& assignment : assignments) {
      if (!is_ours(assignment.partition) || assignment.position.value < 0) {
        return Status(StatusCode::kInternal, "generator.assignment", "an assignment that was not offered")
            .at(assignment.partition.to_string());
      }
      partitions_[index(assignment.partition)] = {true, false, assignment.generation, assignment.position.value};
    }
    pacer_.start(clock_->steady_now());
    return Status::ok();
  }

  Result<std::optional<RecordBatch>> poll(std::chrono::milliseconds timeout) override {
    const auto deadline = clock_->steady_now() + timeout;
    for (;;) {
      const auto now = clock_->steady_now();
      const auto partition = next_partition();
      const std::int64_t due = pacer_.due(now);
      if (partition && due > 0 && (due >= pacer_.quantum() || now >= deadline)) {
        return std::optional(batch_of(*partition, static_cast<std::size_t>(due)));
      }
      if (now >= deadline) return std::optional<RecordBatch>();
      const auto wake = partition ? std::min(deadline, pacer_.when_due(pacer_.quantum())) : deadline;
      std::this_thread::sleep_for(wake - now);
    }
  }

  Result<OffsetBounds> bounds(const TopicPartition& partition) override {
    if (!is_ours(partition)) return not_ours(partition);
    return OffsetBounds{{0}, OffsetBounds::kEndless};
  }

  Result<std::optional<std::uint64_t>> fingerprint_at(const TopicPartition& partition, Offset offset) override {
    if (!is_ours(partition)) return not_ours(partition);
    if (offset.value < 0) return std::optional<std::uint64_t>();
    const std::string value = generator_->event(partition.partition, offset.value);
    return std::optional(record_fingerprint({offset, 0, value, false}));
  }

  void pause(const TopicPartition& partition) override { set_paused(partition, true); }
  void resume(const TopicPartition& partition) override { set_paused(partition, false); }
  void committed(const TopicPartition&, Offset) override {}
  void close() override {}

 private:
  struct Partition {
    bool assigned = false;
    bool paused = false;
    Generation generation;
    std::int64_t position = 0;  // number of the next event
  };

  // The listener may ask for bounds while it is being told of the partitions: they are known by then.
  bool is_ours(const TopicPartition& partition) {
    if (!generator_.is_ok() || partition.source != generator_->source_id()) return false;
    if (partitions_.empty()) partitions_.resize(static_cast<std::size_t>(generator_->partitions()));
    return partition.partition >= 0 && partition.partition < generator_->partitions();
  }

  static std::size_t index(const TopicPartition& partition) { return static_cast<std::size_t>(partition.partition); }

  static Status not_ours(const TopicPartition& partition) {
    return Status(StatusCode::kNotFound, "generator.partition", "not a partition of this generator")
        .at(partition.to_string());
  }

  void set_paused(const TopicPartition& partition, bool paused) {
    if (is_ours(partition)) partitions_[index(partition)].paused = paused;
  }

  /// Round robin over those that may deliver.
  std::optional<std::size_t> next_partition() {
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
      const std::size_t candidate = (turn_ + i) % partitions_.size();
      if (!partitions_[candidate].assigned || partitions_[candidate].paused) continue;
      turn_ = candidate;
      return candidate;
    }
    return std::nullopt;
  }

  RecordBatch batch_of(std::size_t partition_index, std::size_t due) {
    Partition& partition = partitions_[partition_index];
    const std::size_t count = std::min(due, batch_records_);
    const auto number = static_cast<std::int32_t>(partition_index);
    auto buffer = std::make_unique<PooledBuffer>(pool_);

    RecordBatch batch;
    batch.partition = {generator_->source_id(), number};
    batch.generation = partition.generation;
    batch.range = {{partition.position}, {partition.position + static_cast<std::int64_t>(count) - 1}};
    batch.records.reserve(count);
    char* out = buffer->bytes();
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t event = partition.position++;
      char* const end = generator_->write(number, event, out);
      batch.records.push_back(
          {{event}, generator_->timestamp_ms(number, event), {out, static_cast<std::size_t>(end - out)}, false});
      out = end;
    }
    batch.bytes = static_cast<std::size_t>(out - buffer->bytes());
    batch.backing = std::move(buffer);
    pacer_.deliver(static_cast<std::int64_t>(count));
    turn_ = (partition_index + 1) % partitions_.size();
    return batch;
  }

  Result<EventGenerator> generator_;
  Pacer pacer_;
  const Clock* clock_ = &Clock::system();
  std::size_t batch_records_ = 1;
  std::shared_ptr<BufferPool> pool_;
  std::vector<Partition> partitions_;  // by number
  std::size_t turn_ = 0;               // where the round robin goes on
};

}  // namespace

std::unique_ptr<Source> make_generator_source(const config::GeneratorConfig& config) {
  return std::make_unique<GeneratorSource>(config);
}

}  // namespace inlet::source
