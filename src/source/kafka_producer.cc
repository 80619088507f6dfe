#include "source/kafka_producer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <utility>

#include "base/log.h"
#include "source/kafka_client.h"

namespace inlet::source {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kStage = "kafka";
/// How long one wait for room in librdkafka's queue lasts before stop() is looked at.
constexpr milliseconds kRoomWait{100};

using AdminOptions = std::unique_ptr<rd_kafka_AdminOptions_t, KafkaDeleter<rd_kafka_AdminOptions_destroy>>;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, KafkaDeleter<rd_kafka_NewTopic_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, KafkaDeleter<rd_kafka_event_destroy>>;

}  // namespace

class KafkaProducer::State {
 public:
  config::KafkaConfig config;
  std::shared_ptr<BrokerState> broker;
  std::shared_ptr<KafkaClient> client;
  KafkaTopic topic;
  std::atomic<std::int64_t> accepted = 0;
  std::atomic<std::int64_t> delivered = 0;
  std::atomic<std::int64_t> failed = 0;
  std::atomic<bool> stopped = false;
  mutable std::mutex mutex;
  Status last_failure;  // guarded by mutex

  void on_delivery(const rd_kafka_message_t& message) {
    if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      delivered.fetch_add(1, std::memory_order_relaxed);
      broker->answered();
      return;
    }
    fail(kafka_status(StatusCode::kInternal, "kafka.delivery_failed", "a record was not delivered", message.err)
             .at(kafka_source_id(config.topic) + "/" + std::to_string(message.partition)));
  }

  void fail(Status failure) {
    failed.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(mutex);
    last_failure = std::move(failure);
  }

  Status send(std::string_view key, const std::string_view* value, std::optional<std::int32_t> partition);
  Result<int> partitions_of_topic(milliseconds timeout) const;
};

KafkaProducer::KafkaProducer(std::unique_ptr<State> state) : state_(std::move(state)) {}

KafkaProducer::~KafkaProducer() {
  // What is still queued was not flushed on purpose; nothing waits for it.
  rd_kafka_purge(state_->client->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_poll(state_->client->get(), 0);
  state_->topic.reset();
}

Result<std::unique_ptr<KafkaProducer>> KafkaProducer::create(const config::KafkaConfig& config) {
  auto state = std::make_unique<State>();
  state->config = config;
  state->broker = std::make_shared<BrokerState>(config.bootstrap_servers, BrokerState::Judge::kCallbacks);
  KafkaClientOptions options;
  options.type = RD_KAFKA_PRODUCER;
  options.defaults = {{"compression.type", "lz4"},
                      {"linger.ms", "5"},
                      {"batch.size", "262144"},
                      {"queue.buffering.max.messages", "200000"},
                      {"queue.buffering.max.kbytes", "65536"},
                      // A broker that is away is waited for: flush() and stop() bound the wait, not the record's age.
                      {"message.timeout.ms", "0"},
                      {"partitioner", "murmur2_random"}};
  options.fixed = {{"enable.idempotence", "true"}, {"acks", "all"}};
  options.on_delivery = [raw = state.get()](const rd_kafka_message_t& message) { raw->on_delivery(message); };
  INLET_ASSIGN_OR_RETURN(state->client, KafkaClient::create(config, std::move(options), state->broker));
  state->topic.reset(rd_kafka_topic_new(state->client->get(), config.topic.c_str(), nullptr));
  if (!state->topic) {
    return kafka_status(StatusCode::kInvalidArgument, "kafka.topic_name", "\"" + config.topic + "\" is no topic",
                        rd_kafka_last_error());
  }
  return std::unique_ptr<KafkaProducer>(new KafkaProducer(std::move(state)));
}

Result<int> KafkaProducer::State::partitions_of_topic(milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  do {
    rd_kafka_poll(client->get(), 0);
    if (auto refusal = broker->refusal()) return *refusal;
    const auto answer = ask_topic(*client, topic.get(), std::min(timeout, milliseconds(1000)));
    if (!answer.is_ok()) continue;
    const auto verdict = topic_verdict(*answer, config);
    if (verdict.detail().id == "kafka.topic_not_found") return 0;
    INLET_RETURN_IF_ERROR(verdict);
    if (answer->partitions > 0) return answer->partitions;
  } while (std::chrono::steady_clock::now() < deadline && !stopped);
  return Status(StatusCode::kUnavailable, "kafka.unreachable", "no broker answers at " + config.bootstrap_servers)
      .because(broker->reason())
      .fix("Start the broker (make kafka starts one), or correct source.kafka.bootstrap_servers");
}

Result<int> KafkaProducer::ensure_topic(int partitions, milliseconds timeout, int replication_factor) {
  INLET_ASSIGN_OR_RETURN(const int there, state_->partitions_of_topic(timeout));
  if (there > 0) {
    if (there != partitions) {
      log::warn(kStage, "topic {} keeps its {} partitions (asked for {})", state_->config.topic, there, partitions);
    }
    return there;
  }

  auto* client = state_->client->get();
  std::array<char, 512> reason{};
  const NewTopic topic(rd_kafka_NewTopic_new(state_->config.topic.c_str(), partitions, replication_factor,
                                             reason.data(), reason.size()));
  if (!topic) {
    return Status(StatusCode::kInvalidArgument, "kafka.topic_refused", "no topic can be made so")
        .because(reason.data());
  }
  const AdminOptions options(rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS));
  const int timeout_ms = static_cast<int>(timeout.count());
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, reason.data(), reason.size());
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), timeout_ms, reason.data(), reason.size());
  const KafkaQueue queue(rd_kafka_queue_new(client));
  rd_kafka_NewTopic_t* wanted = topic.get();
  rd_kafka_CreateTopics(client, &wanted, 1, options.get(), queue.get());
  const Event event(rd_kafka_queue_poll(queue.get(), timeout_ms + 1000));
  if (!event || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Status(StatusCode::kUnavailable, "kafka.unreachable", "the broker did not make the topic in time")
        .because(event ? rd_kafka_event_error_string(event.get()) : "no answer");
  }
  std::size_t count = 0;
  const auto* topics = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto error = rd_kafka_topic_result_error(topics[i]);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) continue;
    const char* said = rd_kafka_topic_result_error_string(topics[i]);
    return Status(StatusCode::kInvalidArgument, "kafka.topic_refused",
                  "the broker does not make the topic \"" + state_->config.topic + "\"")
        .because(said != nullptr ? said : rd_kafka_err2str(error));
  }
  log::info(kStage, "topic {} made with {} partitions", state_->config.topic, partitions);
  // The brokers tell each other: wait until the topic is seen, so that the first record finds its partition.
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  int seen = 0;
  while (seen == 0 && std::chrono::steady_clock::now() < deadline) {
    INLET_ASSIGN_OR_RETURN(seen, state_->partitions_of_topic(timeout));
  }
  return seen > 0 ? seen : partitions;
}

Status KafkaProducer::State::send(std::string_view key, const std::string_view* value,
                                  std::optional<std::int32_t> partition) {
  accepted.fetch_add(1, std::memory_order_relaxed);
  // librdkafka copies the value (RD_KAFKA_MSG_F_COPY) and never writes to it.
  void* payload = value == nullptr ? nullptr : const_cast<char*>(value->empty() ? "" : value->data());
  const std::size_t size = value == nullptr ? 0 : value->size();
  for (;;) {
    if (stopped) {
      accepted.fetch_sub(1, std::memory_order_relaxed);
      return Status(StatusCode::kCancelled, "kafka.stopped", "producing was stopped");
    }
    const int outcome = rd_kafka_produce(topic.get(), partition.value_or(RD_KAFKA_PARTITION_UA), RD_KAFKA_MSG_F_COPY,
                                         payload, size, key.data(), key.size(), nullptr);
    if (outcome == 0) {
      if ((accepted.load(std::memory_order_relaxed) & 255) == 0) rd_kafka_poll(client->get(), 0);
      return Status::ok();
    }
    const auto error = rd_kafka_last_error();
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(client->get(), static_cast<int>(kRoomWait.count()));
      if (auto refusal = broker->refusal()) {
        accepted.fetch_sub(1, std::memory_order_relaxed);
        return *refusal;
      }
      continue;
    }
    const bool is_fatal = error == RD_KAFKA_RESP_ERR__FATAL;
    auto failure = kafka_status(is_fatal ? StatusCode::kInternal : StatusCode::kInvalidArgument,
                                is_fatal ? "kafka.fatal" : "kafka.record_refused",
                                is_fatal ? "the producer cannot go on" : "the record cannot be sent", error);
    fail(failure);
    return failure;
  }
}

Status KafkaProducer::produce(std::string_view key, std::string_view value, std::optional<std::int32_t> partition) {
  return state_->send(key, &value, partition);
}

Status KafkaProducer::produce_tombstone(std::string_view key, std::optional<std::int32_t> partition) {
  return state_->send(key, nullptr, partition);
}

Status KafkaProducer::flush(milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto wait = std::clamp(left, milliseconds(0), kRoomWait);
    if (rd_kafka_flush(state_->client->get(), static_cast<int>(wait.count())) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      return Status::ok();
    }
    if (auto refusal = state_->broker->refusal()) return *refusal;
    if (left <= milliseconds(0) || state_->stopped) {
      return Status(StatusCode::kTransient, "kafka.not_flushed",
                    fmt::format("{} records are not acknowledged yet", rd_kafka_outq_len(state_->client->get())))
          .because(state_->broker->reason());
    }
  }
}

void KafkaProducer::stop() { state_->stopped = true; }

KafkaProducer::Progress KafkaProducer::progress() const {
  return {state_->accepted.load(std::memory_order_relaxed), state_->delivered.load(std::memory_order_relaxed),
          state_->failed.load(std::memory_order_relaxed)};
}

Status KafkaProducer::last_failure() const {
  const std::lock_guard lock(state_->mutex);
  return state_->last_failure;
}

}  // namespace inlet::source
