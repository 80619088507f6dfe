#include "source/kafka_topic_watch.h"

#include <pthread.h>

#include <utility>

namespace inlet::source {
namespace {

/// While something is unsure (no answer yet, broker away, topic missing), one question in this time.
constexpr std::chrono::milliseconds kImpatience{250};
constexpr std::chrono::milliseconds kAnswerTimeout{1000};
/// One answer that is late, from a busy broker, is not an outage.
constexpr std::chrono::seconds kOutage{3};

}  // namespace

KafkaTopicWatch::KafkaTopicWatch(std::shared_ptr<KafkaClient> client, config::KafkaConfig config, Options options,
                                 std::function<void()> on_change)
    : client_(std::move(client)), config_(std::move(config)), options_(options), on_change_(std::move(on_change)) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

KafkaTopicWatch::~KafkaTopicWatch() { stop(); }

void KafkaTopicWatch::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

std::optional<int> KafkaTopicWatch::partitions() const {
  const std::lock_guard lock(mutex_);
  return partitions_;
}

Status KafkaTopicWatch::verdict() const {
  const std::lock_guard lock(mutex_);
  return verdict_;
}

void KafkaTopicWatch::ask_now() {
  {
    const std::lock_guard lock(mutex_);
    ask_now_ = true;
  }
  asked_.notify_all();
}

void KafkaTopicWatch::reported_missing() {
  {
    const std::lock_guard lock(mutex_);
    if (!missing_since_) missing_since_ = std::chrono::steady_clock::now();
  }
  ask_now();
}

int KafkaTopicWatch::absences() const {
  const std::lock_guard lock(mutex_);
  return absences_;
}

void KafkaTopicWatch::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "kafka watch");
  const KafkaTopic topic(rd_kafka_topic_new(client_->get(), config_.topic.c_str(), nullptr));
  auto last_answer = std::chrono::steady_clock::now();
  bool asked = false;  // somebody suspects something
  while (!stop.stop_requested()) {
    const auto answer = ask_topic(*client_, topic.get(), kAnswerTimeout);
    const auto now = std::chrono::steady_clock::now();
    if (answer.is_ok()) {
      last_answer = now;
      judge(*answer);
    } else if (now - last_answer > kOutage || asked) {
      client_->broker().unreachable(answer.status().detail().why);
    }

    const bool away = client_->broker().away();
    std::unique_lock lock(mutex_);
    const bool unsure = away || !answer.is_ok() || !partitions_ || missing_since_;
    asked = asked_.wait_for(lock, stop, unsure ? kImpatience : options_.interval, [&] { return ask_now_; });
    if (asked) {
      // However many ask at once, the broker hears one question in kImpatience.
      asked_.wait_for(lock, stop, kImpatience, [] { return false; });
      ask_now_ = false;
    }
  }
}

void KafkaTopicWatch::judge(const TopicAnswer& answer) {
  const auto now = std::chrono::steady_clock::now();
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    auto verdict = topic_verdict(answer, config_);
    const bool missing = verdict.detail().id == "kafka.topic_not_found";
    if (!missing) {
      if (missing_since_ && partitions_) {
        ++absences_;
        changed = true;
      }
      missing_since_.reset();
    } else if (!missing_since_) {
      missing_since_ = now;
    }
    // A broker that has just started, or a topic that has just been created, may not be known everywhere yet.
    const auto patience = partitions_ ? options_.gone_after : 2 * kImpatience;
    if (missing && now - *missing_since_ < patience) verdict = Status::ok();
    if (missing && !verdict.is_ok() && partitions_) {
      verdict = Status(StatusCode::kDataLoss, "kafka.topic_deleted", "the topic \"" + config_.topic + "\" is gone")
                    .at(kafka_source_id(config_.topic))
                    .because("it was deleted while it was being read")
                    .fix("Create it again and read it as a new source, or stop this pipeline");
    }
    if (verdict.code() != verdict_.code()) {
      verdict_ = std::move(verdict);
      changed = true;
    }
    if (answer.error == RD_KAFKA_RESP_ERR_NO_ERROR && answer.partitions > partitions_.value_or(0)) {
      partitions_ = answer.partitions;
      changed = true;
    }
  }
  if (changed) on_change_();
}

}  // namespace inlet::source
