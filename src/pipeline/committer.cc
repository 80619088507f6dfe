#include "pipeline/committer.h"

#include <algorithm>

#include "base/fault_point.h"
#include "base/log.h"
#include "bronze/markers.h"

namespace inlet::pipeline {
namespace {

constexpr std::chrono::milliseconds kIdleWait{100};
constexpr std::size_t kBatchTimesKept = 4096;

std::chrono::microseconds quantile(std::vector<std::chrono::microseconds> times, double q) {
  if (times.empty()) return {};
  const auto at = times.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(times.size() - 1));
  std::nth_element(times.begin(), at, times.end());
  return *at;
}

}  // namespace

Committer::Committer(Parts parts, bronze::Writer writer, std::function<void(const CommittedBatch&)> on_committed)
    : parts_(parts),
      writer_(std::move(writer)),
      on_committed_(std::move(on_committed)),
      row_limit_(rows_per_batch(parts.config)),
      late_judge_(parts.config),
      watermark_(parts.config.late.idle_timeout) {
  for (const auto& expectation : parts.config.expectations) progress_.expectations.emplace_back(expectation.name, 0);
  const auto bronze = parts.tables.bronze->snapshot();
  progress_.version = bronze->version();
  progress_.total_events = bronze->transaction(bronze::events_id(parts.config.name)).value_or(0);
}

bool Committer::is_full(const bronze::Batch& batch) const {
  return batch.records() >= row_limit_ || batch.bytes() >= static_cast<std::size_t>(parts_.config.bronze.batch_bytes);
}

Status Committer::run(const std::function<bool()>& give_up, const std::function<bool()>& stop_draining) {
  bronze::Batch batch;
  auto closes_at = parts_.clock.steady_now();
  while (!parts_.decoders.drained() && !stop_draining()) {
    const auto now = parts_.clock.steady_now();
    auto decoded = parts_.decoders.pop_until(batch.empty() ? now + kIdleWait : closes_at);
    if (decoded) {
      INLET_RETURN_IF_ERROR(decoded->status());
      if (parts_.assignments.is_current((*decoded)->partition, (*decoded)->generation)) {
        drop_stale(batch);  // what an earlier assignment of the same partition left in the open batch
        if (!batch.empty() && batch.records() + (*decoded)->records > row_limit_) {
          INLET_RETURN_IF_ERROR(commit(std::exchange(batch, {}), give_up));
        }
        if (batch.empty()) closes_at = parts_.clock.steady_now() + parts_.config.bronze.batch_interval;
        INLET_RETURN_IF_ERROR(add(batch, std::move(*decoded).value()));
      }
    }
    if (!batch.empty() && (is_full(batch) || parts_.clock.steady_now() >= closes_at)) {
      INLET_RETURN_IF_ERROR(commit(std::exchange(batch, {}), give_up));
    }
  }
  return commit(std::move(batch), give_up);
}

Status Committer::add(bronze::Batch& batch, decode::DecodedBatch decoded) {
  if (!late_judge_.is_on()) return batch.add(std::move(decoded));
  if (!late_judge_.has_begun(decoded.partition, decoded.generation)) {
    auto claim = parts_.assignments.claim_of(decoded.partition, decoded.generation);
    if (!claim) return Status::ok();  // revoked this very moment
    late_judge_.begin(decoded.partition, decoded.generation, claim->state.max_event_time_us,
                      std::move(claim->decided_late));
  }
  INLET_ASSIGN_OR_RETURN(auto late, late_judge_.judge(decoded));
  return batch.add(std::move(decoded), std::move(late));
}

void Committer::drop_stale(bronze::Batch& batch) const {
  batch.drop_if(
      [&](const bronze::PartitionSlice& s) { return !parts_.assignments.is_current(s.partition, s.generation); });
}

Status Committer::commit(bronze::Batch batch, const std::function<bool()>& give_up) {
  INLET_FAULT_POINT("pipeline.batch_closed");
  const auto started = parts_.clock.steady_now();
  drop_stale(batch);
  while (!batch.empty()) {
    auto written = writer_.write(batch, parts_.assignments.epochs_of(batch.slices()), give_up);
    if (!written.is_ok() && written.status().code() == StatusCode::kFenced && parts_.in_group) {
      log::warn("bronze", "{}", written.status().to_line());
      INLET_RETURN_IF_ERROR(drop_superseded(batch));
      continue;
    }
    INLET_RETURN_IF_ERROR(written.status());
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(parts_.clock.steady_now() - started);
    record(batch, *written, took);
    parts_.acknowledgements.add(batch.slices());
    INLET_FAULT_POINT("pipeline.after_acknowledge");
    if (on_committed_) on_committed_({std::make_shared<const bronze::Batch>(std::move(batch)), *written, took});
    return Status::ok();
  }
  return Status::ok();
}

Status Committer::drop_superseded(bronze::Batch& batch) {
  INLET_ASSIGN_OR_RETURN(const auto bronze, parts_.tables.bronze->refresh());
  INLET_ASSIGN_OR_RETURN(const auto quarantine, parts_.tables.quarantine->refresh());
  lake::SnapshotPtr late;
  if (parts_.config.late.diverts()) {
    INLET_ASSIGN_OR_RETURN(late, parts_.tables.late->refresh());
  }
  drop_stale(batch);
  const auto epochs = parts_.assignments.epochs_of(batch.slices());
  std::vector<TopicPartition> superseded;
  for (const auto& slice : batch.slices()) {
    const auto own = epochs.find(slice.partition);
    const auto is_own = [&](const lake::Snapshot& snapshot) {
      return own != epochs.end() &&
             bronze::read_state(snapshot, parts_.config.name, slice.partition).epoch == own->second;
    };
    if (!is_own(*bronze) || !is_own(*quarantine) || (late && !is_own(*late))) superseded.push_back(slice.partition);
  }
  parts_.assignments.release(superseded);
  batch.drop_if([&](const bronze::PartitionSlice& s) {
    return std::find(superseded.begin(), superseded.end(), s.partition) != superseded.end();
  });
  return Status::ok();
}

void Committer::record(const bronze::Batch& batch, const bronze::WriteResult& result, std::chrono::microseconds took) {
  const std::scoped_lock lock(mutex_);
  progress_.events += static_cast<std::int64_t>(batch.records());
  progress_.rows += result.rows;
  progress_.rejects += result.rejects;
  progress_.late += result.late;
  progress_.diverted += result.diverted;
  for (std::size_t i = 0; i < result.expectation_failures.size(); ++i)
    progress_.expectations[i].second += result.expectation_failures[i];
  progress_.source_bytes += static_cast<std::int64_t>(batch.bytes());
  progress_.total_events = result.total_events;
  progress_.batches += 1;
  progress_.parquet_bytes += result.bytes;
  progress_.version = result.bronze.version;
  progress_.last_batch_time = took;
  const auto ring_place = static_cast<std::size_t>(progress_.batches - 1) % kBatchTimesKept;
  batch_times_.resize(std::max(batch_times_.size(), ring_place + 1));
  batch_times_[ring_place] = progress_.last_batch_time;
  const auto now = parts_.clock.steady_now();
  for (const auto& slice : batch.slices()) {
    if (slice.records > 0) watermark_.observe(slice.partition, slice.max_event_time, now);
  }
}

Progress Committer::progress() const {
  const std::scoped_lock lock(mutex_);
  Progress progress = progress_;
  progress.watermark = watermark_.at(parts_.clock.steady_now());
  progress.batch_time_p50 = quantile(batch_times_, 0.5);
  progress.batch_time_p99 = quantile(batch_times_, 0.99);
  return progress;
}

}  // namespace inlet::pipeline
