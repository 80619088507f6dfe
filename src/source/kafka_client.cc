#include "source/kafka_client.h"

#include <algorithm>
#include <array>
#include <future>
#include <random>
#include <thread>

#include "base/log.h"
#include "config/secrets.h"

namespace inlet::source {
namespace {

constexpr std::string_view kStage = "kafka";

constexpr std::chrono::seconds kEndTimeout{3};

std::int64_t seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start).count();
}

/// Keys that the pipeline file has under a name of its own.
std::string_view own_key_of(std::string_view librdkafka_key) {
  if (librdkafka_key == "bootstrap.servers" || librdkafka_key == "metadata.broker.list") {
    return "source.kafka.bootstrap_servers";
  }
  if (librdkafka_key == "group.id") return "source.kafka.group_id";
  return {};
}

Status set(rd_kafka_conf_t* conf, const std::string& key, const std::string& value) {
  std::array<char, 512> reason{};
  const auto outcome = rd_kafka_conf_set(conf, key.c_str(), value.c_str(), reason.data(), reason.size());
  if (outcome == RD_KAFKA_CONF_OK) return Status::ok();
  if (outcome == RD_KAFKA_CONF_UNKNOWN) {
    return Status(StatusCode::kInvalidArgument, "kafka.unknown_option", "librdkafka knows no setting \"" + key + "\"")
        .at("kafka." + key)
        .fix("See the list of settings in librdkafka's CONFIGURATION.md");
  }
  return Status(StatusCode::kInvalidArgument, "kafka.invalid_option", "librdkafka refuses the value of \"" + key + "\"")
      .at("kafka." + key)
      .because(config::may_hold_secret(key) ? "the reason is not shown, because it repeats the value" : reason.data());
}

Status refusal_of(rd_kafka_resp_err_t code, const char* reason) {
  if (code == RD_KAFKA_RESP_ERR__SSL) {
    return Status(StatusCode::kInvalidArgument, "kafka.tls_failed", "no TLS connection to the broker")
        .because(reason)
        .fix("Check kafka.security.protocol, kafka.ssl.ca.location and the port");
  }
  return Status(StatusCode::kInvalidArgument, "kafka.authentication_failed", "the broker refuses our credentials")
      .because(reason)
      .fix("Check kafka.sasl.mechanism, kafka.sasl.username, kafka.sasl.password and kafka.security.protocol");
}

}  // namespace

void BrokerState::answered() {
  std::optional<std::int64_t> seconds;
  {
    const std::lock_guard lock(mutex_);
    ever_answered_ = true;
    refusal_.reset();
    if (away_) seconds = seconds_since(away_since_);
    away_ = false;
  }
  if (seconds) log::info(kStage, "broker {} is back after {} s", servers_, *seconds);
}

void BrokerState::unreachable(const std::string& reason) {
  std::string said;
  {
    const std::lock_guard lock(mutex_);
    if (away_) return;
    away_ = true;
    away_since_ = std::chrono::steady_clock::now();
    said = reason_.empty() ? reason : reason_;
  }
  log::warn(kStage, "waiting for broker {}: {}", servers_, said);
}

void BrokerState::all_down(const std::string& reason) {
  if (judge_ == Judge::kCallbacks) return unreachable(reason);
  const std::lock_guard lock(mutex_);
  suspected_ = true;
  if (reason_.empty()) reason_ = reason;
}

bool BrokerState::take_suspicion() {
  const std::lock_guard lock(mutex_);
  return std::exchange(suspected_, false);
}

void BrokerState::connection_failed(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  reason_ = reason;
}

void BrokerState::refused(Status refusal) {
  bool say = false;
  const std::string line = refusal.to_line();
  {
    const std::lock_guard lock(mutex_);
    // A broker that took our credentials before is restarting or being reconfigured: it is away, we are not wrong.
    if (ever_answered_) {
      reason_ = line;
      say = !away_;
      if (!away_) away_since_ = std::chrono::steady_clock::now();
      away_ = true;
    } else {
      refusal_ = std::move(refusal);
    }
  }
  if (say) log::warn(kStage, "waiting for broker {}: {}", servers_, line);
}

bool BrokerState::away() const {
  const std::lock_guard lock(mutex_);
  return away_;
}

bool BrokerState::ever_answered() const {
  const std::lock_guard lock(mutex_);
  return ever_answered_;
}

std::string BrokerState::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

std::optional<Status> BrokerState::refusal() const {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

Result<std::shared_ptr<KafkaClient>> KafkaClient::create(const config::KafkaConfig& config, KafkaClientOptions options,
                                                         std::shared_ptr<BrokerState> broker) {
  KafkaConf conf(rd_kafka_conf_new());
  INLET_RETURN_IF_ERROR(set(conf.get(), "client.id", "inlet"));
  INLET_RETURN_IF_ERROR(set(conf.get(), "bootstrap.servers", config.bootstrap_servers));
  // A broker that is back is found within a second, not within librdkafka's ten.
  INLET_RETURN_IF_ERROR(set(conf.get(), "reconnect.backoff.max.ms", "1000"));
  for (const auto& [key, value] : options.defaults) INLET_RETURN_IF_ERROR(set(conf.get(), key, value));
  for (const auto& [key, value] : config.librdkafka) {
    if (const auto own = own_key_of(key); !own.empty()) {
      return Status(StatusCode::kInvalidArgument, "kafka.reserved_option", "\"" + key + "\" has a name of its own")
          .at("kafka." + key)
          .fix("Set " + std::string(own) + " instead");
    }
    INLET_RETURN_IF_ERROR(set(conf.get(), key, value));
  }
  for (const auto& [key, value] : options.fixed) {
    const auto users = config.librdkafka.find(key);
    if (users != config.librdkafka.end() && users->second != value) {
      return Status(StatusCode::kInvalidArgument, "kafka.reserved_option", "\"" + key + "\" cannot be " + users->second)
          .at("kafka." + key)
          .because("positions are kept in the Delta log, so it is always " + value)
          .fix("Remove it");
    }
    INLET_RETURN_IF_ERROR(set(conf.get(), key, value));
  }

  std::shared_ptr<KafkaClient> client(new KafkaClient(std::move(options), std::move(broker)));
  rd_kafka_conf_set_opaque(conf.get(), client.get());
  rd_kafka_conf_set_error_cb(conf.get(), &KafkaClient::on_error);
  rd_kafka_conf_set_log_cb(conf.get(), &KafkaClient::on_log);
  rd_kafka_conf_set_stats_cb(conf.get(), &KafkaClient::on_statistics);
  if (client->options_.on_rebalance) {
    rd_kafka_conf_set_rebalance_cb(
        conf.get(), [](rd_kafka_t*, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions, void* self) {
          static_cast<KafkaClient*>(self)->options_.on_rebalance(code, partitions);
        });
  }
  if (client->options_.on_delivery) {
    rd_kafka_conf_set_dr_msg_cb(conf.get(), [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
      static_cast<KafkaClient*>(self)->options_.on_delivery(*message);
    });
  }

  std::array<char, 512> reason{};
  rd_kafka_t* handle = rd_kafka_new(client->options_.type, conf.get(), reason.data(), reason.size());
  if (handle == nullptr) {
    return Status(StatusCode::kInvalidArgument, "kafka.invalid_options", "librdkafka refuses the kafka.* settings")
        .because(reason.data());
  }
  static_cast<void>(conf.release());  // owned by the handle now
  client->client_ = handle;
  return client;
}

KafkaClient::~KafkaClient() {
  if (client_ == nullptr) return;
  if (left_behind_) return;  // nobody polls it any more, and so it calls nobody back
  // A consumer is closed by its source; closing here could wait for a broker that is away. Even so librdkafka can wait
  // for ever for a partition of a topic that was deleted under it: then it is left behind.
  auto done = std::make_shared<std::promise<void>>();
  const auto ended = done->get_future();
  std::thread end([client = client_, done] {
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    done->set_value();
  });
  if (ended.wait_for(kEndTimeout) == std::future_status::ready) {
    end.join();
  } else {
    end.detach();
    log::debug(kStage, "librdkafka did not end in time and is left behind");
  }
}

void KafkaClient::on_error(rd_kafka_t* client, int code, const char* reason, void* self) {
  auto& broker = *static_cast<KafkaClient*>(self)->broker_;
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  switch (error) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN: broker.all_down(reason); return;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE: broker.connection_failed(reason); return;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR__SSL: broker.refused(refusal_of(error, reason)); return;
    case RD_KAFKA_RESP_ERR__FATAL: {
      std::array<char, 512> text{};
      const auto fatal = rd_kafka_fatal_error(client, text.data(), text.size());
      broker.refused(kafka_status(StatusCode::kInvalidArgument, "kafka.fatal", text.data(), fatal));
      log::error(kStage, "{}: {}", rd_kafka_err2name(fatal), text.data());
      return;
    }
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:  // the topic watch decides whether the topic is gone
      log::debug(kStage, "{}: {}", rd_kafka_err2name(error), reason);
      return;
    default: log::warn(kStage, "{}: {}", rd_kafka_err2name(error), reason);
  }
}

void KafkaClient::on_log(const rd_kafka_t*, int level, const char* facility, const char* text) {
  // It repeats what it was given, such as an address with a password in it.
  const std::string line = config::without_credentials(text);
  // Failed connections come through on_error, and are said once; hints about settings that concern the other kind of
  // client are no news, because one set of kafka.* keys serves consumers and producers.
  const std::string_view about(facility);
  const bool is_noise =
      about == "FAIL" || about == "ERROR" || about == "CONFWARN" || about == "GETPID" || about == "MAXPOLL";
  if (level <= 3 && !is_noise) {
    log::error(kStage, "{}: {}", facility, line);
  } else if (level == 4 && !is_noise) {
    log::warn(kStage, "{}: {}", facility, line);
  } else {
    log::debug(kStage, "{}: {}", facility, line);
  }
}

int KafkaClient::on_statistics(rd_kafka_t*, char* json, std::size_t size, void*) {
  log::debug(kStage, "statistics {}", std::string_view(json, size));
  return 0;  // librdkafka frees the text
}

std::string private_group_id() {
  std::random_device entropy;
  return fmt::format("inlet-no-group-{:08x}{:08x}", entropy(), entropy());
}

std::string kafka_source_id(const std::string& topic) { return "kafka:" + topic; }

Result<TopicAnswer> ask_topic(const KafkaClient& client, rd_kafka_topic_t* topic, std::chrono::milliseconds timeout) {
  const rd_kafka_metadata_t* raw = nullptr;
  const auto error = rd_kafka_metadata(client.get(), 0, topic, &raw, static_cast<int>(timeout.count()));
  const KafkaMetadata metadata(raw);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_status(StatusCode::kTransient, "kafka.unreachable", "the broker gave no metadata", error);
  }
  client.broker().answered();
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const auto& found = metadata->topics[i];
    if (std::string_view(found.topic) == rd_kafka_topic_name(topic)) return TopicAnswer{found.err, found.partition_cnt};
  }
  return TopicAnswer{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, 0};
}

Status topic_verdict(const TopicAnswer& answer, const config::KafkaConfig& config) {
  switch (answer.error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      return Status(StatusCode::kInvalidArgument, "kafka.topic_not_found",
                    "there is no topic \"" + config.topic + "\" at " + config.bootstrap_servers)
          .at(kafka_source_id(config.topic))
          .fix("Create it (inlet produce does), or correct source.kafka.topic");
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      return Status(StatusCode::kInvalidArgument, "kafka.topic_name", "\"" + config.topic + "\" is no name of a topic")
          .at("source.kafka.topic")
          .fix("Use letters, digits, '.', '_' and '-', at most 249 of them");
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return Status(StatusCode::kInvalidArgument, "kafka.not_authorized",
                    "the broker does not let us see the topic \"" + config.topic + "\"")
          .at(kafka_source_id(config.topic))
          .fix("Grant the user Describe and Read on the topic");
    default: return Status::ok();
  }
}

Status kafka_status(StatusCode code, std::string id, std::string what, rd_kafka_resp_err_t error) {
  return Status(code, std::move(id), std::move(what)).because(rd_kafka_err2str(error));
}

}  // namespace inlet::source
