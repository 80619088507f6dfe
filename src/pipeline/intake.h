// The source thread: polls, claims at every assignment, hands batches to the decoders, and knows when the input is
// done.
//
// What flows in: a Source. What flows out: record batches, in order per partition, of claimed partitions only.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "bronze/tables.h"
#include "config/pipeline_config.h"
#include "duck/database.h"
#include "pipeline/assignments.h"
#include "pipeline/decode_pool.h"
#include "pipeline/pipeline.h"
#include "source/source.h"

namespace inlet::pipeline {

/// Offsets that were committed, on their way from the writer back to the source. Thread safe.
class Acknowledgements {
 public:
  void add(const std::vector<bronze::PartitionSlice>& slices);
  std::map<TopicPartition, Offset> take();

 private:
  std::mutex mutex_;
  std::map<TopicPartition, Offset> last_;  // guarded by mutex_
};

/// The most records one commit may hold: bronze.batch_rows, or source.maxOffsetsPerTrigger where that is less.
std::size_t rows_per_batch(const config::PipelineConfig& config);

/// All members are called on the source thread.
class Intake final : public source::Listener {
 public:
  struct Parts {
    const config::PipelineConfig& config;
    source::Source& source;
    bronze::Tables& tables;
    Assignments& assignments;
    DecodePool& decoders;
    Acknowledgements& acknowledgements;
    const Clock& clock;
  };
  Intake(Parts parts, duck::Connection connection, const RunOptions& options, const StopSignal& stop);

  /// Polls until there is no more to read: stopped, duration over, events reached, caught up, or `failed`.
  /// `tick` is called about five times a second.
  Status run(const std::function<bool()>& failed, const std::function<void()>& tick);

  Result<std::vector<source::Assignment>> on_assigned(std::span<const TopicPartition> partitions) override;
  void on_revoked(std::span<const TopicPartition> partitions) override;

 private:
  bool is_done() const;
  bool is_caught_up() const;
  /// Hands the batch on; while the decoders are full, partitions pause and the group goes on being served (rule 12).
  Status hand_on_in_pieces(source::RecordBatch batch, const std::function<bool()>& failed,
                           const std::function<void()>& tick);
  Status hand_on(source::RecordBatch batch, const std::function<bool()>& failed, const std::function<void()>& tick);
  Status set_paused(bool paused);
  void forward_acknowledgements();

  /// Retries while the source answers Transient: a broker that is away is waited for.
  template <class Ask>
  auto patiently(Ask ask) -> decltype(ask());

  Status check_same_file(const TopicPartition& partition) const;
  /// Rule 9. May move the claim's marker when failOnDataLoss is false. Adds a line per loss to `losses`.
  Status check_loss(bronze::Claim& claim, source::OffsetBounds bounds, std::vector<std::string>& losses);

  Parts parts_;
  duck::Connection connection_;
  const RunOptions options_;
  const StopSignal& stop_;
  const std::size_t largest_piece_;  // so that a batch never has more rows than it may
  std::optional<std::chrono::steady_clock::time_point> ends_at_;

  bool was_assigned_ = false;
  std::map<TopicPartition, Offset> handed_on_;     // last offset handed to the decoders, or the marker
  std::map<TopicPartition, Offset> caught_up_at_;  // last offset that stood in the source at the start
  std::optional<std::int64_t> events_left_;        // of --events
};

}  // namespace inlet::pipeline
