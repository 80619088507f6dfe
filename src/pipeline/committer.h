// The writer thread: closes batches on time, rows or bytes, and commits them.
//
// What flows in: decoded batches in order. What flows out: bronze versions, and acknowledgements to the source.
#pragma once

#include <functional>
#include <mutex>

#include "base/clock.h"
#include "bronze/late_rows.h"
#include "bronze/writer.h"
#include "config/pipeline_config.h"
#include "pipeline/assignments.h"
#include "pipeline/decode_pool.h"
#include "pipeline/intake.h"
#include "pipeline/pipeline.h"
#include "pipeline/watermark.h"

namespace inlet::pipeline {

class Committer {
 public:
  struct Parts {
    const config::PipelineConfig& config;
    bronze::Tables& tables;
    Assignments& assignments;
    DecodePool& decoders;
    Acknowledgements& acknowledgements;
    const Clock& clock;
    bool in_group = false;  // whether being superseded is an ordinary event (rule 12) or the end (rule 2)
  };
  Committer(Parts parts, bronze::Writer writer, std::function<void(const CommittedBatch&)> on_committed);

  /// Runs on the writer thread until the decoders are drained, or something failed. `give_up`: stop retrying a commit;
  /// `stop_draining`: commit the open batch and leave what is queued, which the next start reads again.
  Status run(const std::function<bool()>& give_up, const std::function<bool()>& stop_draining);

  /// Thread safe.
  Progress progress() const;

 private:
  bool is_full(const bronze::Batch& batch) const;
  /// Decides which rows are late, then adds them to the batch. Batches come in the order of their partitions' logs.
  Status add(bronze::Batch& batch, decode::DecodedBatch decoded);
  Status commit(bronze::Batch batch, const std::function<bool()>& give_up);
  /// Takes out what belongs to an assignment that is over.
  void drop_stale(bronze::Batch& batch) const;
  /// Takes out what another process has claimed meanwhile. Only in a group.
  Status drop_superseded(bronze::Batch& batch);
  void record(const bronze::Batch& batch, const bronze::WriteResult& result, std::chrono::microseconds took);

  Parts parts_;
  bronze::Writer writer_;
  std::function<void(const CommittedBatch&)> on_committed_;
  const std::size_t row_limit_;
  bronze::LateJudge late_judge_;  // the writer thread's
  mutable std::mutex mutex_;
  std::vector<std::chrono::microseconds> batch_times_;  // guarded by mutex_; a ring of the last ones
  Progress progress_;                                   // guarded by mutex_
  mutable Watermark watermark_;                         // guarded by mutex_
};

}  // namespace inlet::pipeline
