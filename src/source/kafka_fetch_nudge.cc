#include "source/kafka_fetch_nudge.h"

#include <pthread.h>

#include <utility>

namespace inlet::source {
namespace {

constexpr int kTimeoutMs = 500;
constexpr int kVersionWithBackoffSetting = 0x020200ff;

}  // namespace

bool fetch_needs_nudges() { return rd_kafka_version() < kVersionWithBackoffSetting; }

KafkaFetchNudge::KafkaFetchNudge(std::shared_ptr<KafkaClient> client, std::string topic)
    : client_(std::move(client)), topic_(std::move(topic)) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

KafkaFetchNudge::~KafkaFetchNudge() {
  thread_.request_stop();
  thread_.join();
}

void KafkaFetchNudge::nudge(std::int32_t partition) {
  {
    const std::lock_guard lock(mutex_);
    partition_ = partition;
  }
  wanted_.notify_one();
}

void KafkaFetchNudge::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "kafka nudge");
  for (;;) {
    std::int32_t partition = 0;
    {
      std::unique_lock lock(mutex_);
      if (!wanted_.wait(lock, stop, [&] { return partition_.has_value(); })) return;
      partition = *std::exchange(partition_, std::nullopt);
    }
    std::int64_t low = 0;
    std::int64_t high = 0;
    // Only the asking matters.
    static_cast<void>(
        rd_kafka_query_watermark_offsets(client_->get(), topic_.c_str(), partition, &low, &high, kTimeoutMs));
  }
}

}  // namespace inlet::source
