// librdkafka behind RAII: the one place where its handles are owned, its settings made and its errors become Status.
// Internal to source/: the rest of Inlet sees kafka_source.h and kafka_producer.h.
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "config/pipeline_config.h"

namespace inlet::source {

template <auto Destroy>
struct KafkaDeleter {
  template <class T>
  void operator()(T* handle) const {
    Destroy(handle);
  }
};
using KafkaConf = std::unique_ptr<rd_kafka_conf_t, KafkaDeleter<rd_kafka_conf_destroy>>;
using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, KafkaDeleter<rd_kafka_queue_destroy>>;
using KafkaTopic = std::unique_ptr<rd_kafka_topic_t, KafkaDeleter<rd_kafka_topic_destroy>>;
using KafkaError = std::unique_ptr<rd_kafka_error_t, KafkaDeleter<rd_kafka_error_destroy>>;
using KafkaMessage = std::unique_ptr<rd_kafka_message_t, KafkaDeleter<rd_kafka_message_destroy>>;
using KafkaPartitions =
    std::unique_ptr<rd_kafka_topic_partition_list_t, KafkaDeleter<rd_kafka_topic_partition_list_destroy>>;
using KafkaMetadata = std::unique_ptr<const rd_kafka_metadata_t, KafkaDeleter<rd_kafka_metadata_destroy>>;

/// Whether the brokers answer. Says so in the log once when they stop, and once when they are back.
/// Thread safe: told by librdkafka's callbacks and by the threads that ask brokers.
class BrokerState {
 public:
  /// kAsks: somebody asks the brokers regularly (KafkaTopicWatch) and calls unreachable() and answered(); what
  /// librdkafka's callbacks say, which can be old when it is served, is then only a reason to ask.
  enum class Judge { kAsks, kCallbacks };
  BrokerState(std::string servers, Judge judge) : servers_(std::move(servers)), judge_(judge) {}

  /// An answer came: whatever was refused before was a passing trouble.
  void answered();
  /// No broker can be reached; `reason` as librdkafka gives it.
  void unreachable(const std::string& reason);
  /// librdkafka's callback says that no broker is connected.
  void all_down(const std::string& reason);
  /// Whether all_down() was called since the last time.
  bool take_suspicion();
  /// One connection failed: remembered as the reason, not yet said.
  void connection_failed(const std::string& reason);
  /// A broker refused us (authentication, TLS). Until a first answer came, this is for good.
  void refused(Status refusal);

  bool away() const;
  bool ever_answered() const;
  std::string reason() const;
  /// The refusal, while no broker ever answered: trying again cannot help.
  std::optional<Status> refusal() const;

 private:
  const std::string servers_;
  const Judge judge_;
  mutable std::mutex mutex_;
  bool away_ = false;  // guarded by mutex_, as all below
  bool ever_answered_ = false;
  bool suspected_ = false;
  std::string reason_;
  std::optional<Status> refusal_;
  std::chrono::steady_clock::time_point away_since_;
};

/// One setting of librdkafka.
struct KafkaSetting {
  std::string key;
  std::string value;
};

struct KafkaClientOptions {
  rd_kafka_type_t type = RD_KAFKA_CONSUMER;
  /// A user's `kafka.*` key overrides these...
  std::vector<KafkaSetting> defaults;
  /// ...and is refused where it contradicts one of these: exactly-once rests on them.
  std::vector<KafkaSetting> fixed;
  /// Served by the thread that polls.
  std::function<void(rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*)> on_rebalance;
  std::function<void(const rd_kafka_message_t&)> on_delivery;
};

/// One rd_kafka_t with its callbacks. Shared: whoever holds messages holds their client, because librdkafka must not be
/// destroyed before its last message is. Thread safe as librdkafka is; the callbacks are set before it exists.
class KafkaClient {
 public:
  /// InvalidArgument names the key that librdkafka does not know or whose value it refuses; the value of a key that
  /// may hold a secret never appears.
  static Result<std::shared_ptr<KafkaClient>> create(const config::KafkaConfig& config, KafkaClientOptions options,
                                                     std::shared_ptr<BrokerState> broker);
  ~KafkaClient();
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;

  rd_kafka_t* get() const { return client_; }
  BrokerState& broker() const { return *broker_; }

  /// From here on the end of this object leaves librdkafka's own behind instead of ending it. For the one state in
  /// which librdkafka before 2.3 aborts the program when it is ended: a member of a cooperative group that leads it and
  /// has never got an assignment (librdkafka's issue 4312).
  void leave_behind() { left_behind_ = true; }

 private:
  KafkaClient(KafkaClientOptions options, std::shared_ptr<BrokerState> broker)
      : options_(std::move(options)), broker_(std::move(broker)) {}

  static void on_error(rd_kafka_t* client, int code, const char* reason, void* self);
  static void on_log(const rd_kafka_t* client, int level, const char* facility, const char* line);
  static int on_statistics(rd_kafka_t* client, char* json, std::size_t size, void* self);

  KafkaClientOptions options_;
  std::shared_ptr<BrokerState> broker_;
  rd_kafka_t* client_ = nullptr;
  bool left_behind_ = false;
};

/// A name no other process uses, for clients that need a group.id and take part in no group.
std::string private_group_id();

/// "kafka:<topic>": what the offsets of a topic's partitions belong to.
std::string kafka_source_id(const std::string& topic);

/// What the cluster says of one topic. Transient: nothing could be found out within `timeout`.
struct TopicAnswer {
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;  // of the topic
  int partitions = 0;
};
Result<TopicAnswer> ask_topic(const KafkaClient& client, rd_kafka_topic_t* topic, std::chrono::milliseconds timeout);

/// What the answer means to somebody who needs the topic; ok where it can be read.
Status topic_verdict(const TopicAnswer& answer, const config::KafkaConfig& config);

/// A failed call of librdkafka as a Status of this code, with librdkafka's own words as the reason.
Status kafka_status(StatusCode code, std::string id, std::string what, rd_kafka_resp_err_t error);

}  // namespace inlet::source
