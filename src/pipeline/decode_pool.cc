#include "pipeline/decode_pool.h"

#include <pthread.h>

#include <unordered_set>

#include "base/fault_point.h"

namespace inlet::pipeline {
namespace {

QueueWeight weight_of(const source::RecordBatch& batch) { return {batch.records.size() + 1, batch.bytes + 1}; }

}  // namespace

DecodePool::DecodePool(const config::PipelineConfig& config, const Assignments& assignments, const Options& options,
                       std::vector<decode::Expectations> expectations)
    : config_(config),
      assignments_(assignments),
      waiting_(options.waiting),
      done_(options.decoded),
      expectations_(std::move(expectations)),
      running_(options.threads) {
  for (int i = 0; i < options.threads; ++i) {
    auto* const own = expectations_.empty() ? nullptr : &expectations_[static_cast<std::size_t>(i)];
    threads_.emplace_back([this, own] { decode_until_closed(own); });
    pthread_setname_np(threads_.back().native_handle(), "inlet-decode");
  }
}

DecodePool::~DecodePool() {
  abandon();
  for (auto& thread : threads_) thread.join();
}

bool DecodePool::try_push(source::RecordBatch& batch) {
  const QueueWeight weight = weight_of(batch);
  Work work{pushed_, std::move(batch)};
  if (waiting_.try_push(work, weight)) {
    ++pushed_;
    return true;
  }
  batch = std::move(work.batch);
  return false;
}

void DecodePool::finish() { waiting_.close(); }

void DecodePool::abandon() {
  waiting_.close();
  done_.abandon();
}

void DecodePool::decode_until_closed(decode::Expectations* expectations) {
  static const std::unordered_set<std::int64_t> kNoneDecided;
  decode::Decoder decoder(config_);
  while (auto work = waiting_.pop()) {
    const QueueWeight weight = weight_of(work->batch);
    const auto decided = assignments_.decided(work->batch.partition);
    auto decoded = decoder.decode(work->batch, decided ? *decided : kNoneDecided);
    if (expectations != nullptr && decoded.is_ok()) {
      if (auto met = expectations->apply(work->batch, *decoded); !met.is_ok()) decoded = std::move(met);
    }
    INLET_FAULT_POINT("decode.after_decode");
    if (!done_.push(work->number, std::move(decoded), weight)) break;
  }
  if (running_.fetch_sub(1) == 1) done_.finish();
}

}  // namespace inlet::pipeline
