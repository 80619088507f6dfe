// Record batches in, decoded batches out in the same order, decoded by several threads in between.
//
// The unit of work is one RecordBatch (at most 2,048 records), whatever its partition: a topic of one partition uses
// every thread too (docs/decisions/0001-decode-by-batch.md).
#pragma once

#include <cstdint>
#include <thread>
#include <vector>

#include "base/queue.h"
#include "decode/decoder.h"
#include "decode/expectations.h"
#include "pipeline/assignments.h"
#include "pipeline/ordered_queue.h"
#include "source/source.h"

namespace inlet::pipeline {

/// A finished decode: the batch, or why there is none.
using DecodeResult = Result<decode::DecodedBatch>;

/// push: one thread. pop: one thread. `config` and `assignments` outlive it.
class DecodePool {
 public:
  struct Options {
    int threads = 2;
    QueueLimits waiting;  // record batches not yet begun
    QueueLimits decoded;  // decoded batches not yet taken
  };
  /// `expectations`: one per thread, or none at all where none is configured.
  DecodePool(const config::PipelineConfig& config, const Assignments& assignments, const Options& options,
             std::vector<decode::Expectations> expectations = {});
  /// Abandons what is left and joins.
  ~DecodePool();

  /// False when full; the batch is then left as it was.
  bool try_push(source::RecordBatch& batch);
  /// Waits at most until `deadline`.
  std::optional<DecodeResult> pop_until(std::chrono::steady_clock::time_point deadline) {
    return done_.pop_until(deadline);
  }
  /// No push follows: pop drains what was pushed, then `drained`.
  void finish();
  bool drained() const { return done_.drained(); }
  /// The consumer has failed: everything is dropped.
  void abandon();

  std::size_t waiting_rows() const { return waiting_.used().rows + done_.used().rows; }

 private:
  struct Work {
    std::uint64_t number = 0;
    source::RecordBatch batch;
  };
  void decode_until_closed(decode::Expectations* expectations);

  const config::PipelineConfig& config_;
  const Assignments& assignments_;
  BoundedQueue<Work> waiting_;
  OrderedQueue<DecodeResult> done_;
  std::vector<decode::Expectations> expectations_;  // each a thread's
  std::uint64_t pushed_ = 0;
  std::atomic<int> running_;
  std::vector<std::thread> threads_;
};

}  // namespace inlet::pipeline
