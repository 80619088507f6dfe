#include "tests/kafka/kafka_broker.h"

#include <librdkafka/rdkafka.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "source/kafka_client.h"

namespace inlet::testing {
namespace {

using source::KafkaDeleter;
using source::KafkaPartitions;
using source::KafkaQueue;

using Client = std::unique_ptr<rd_kafka_t, KafkaDeleter<rd_kafka_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, KafkaDeleter<rd_kafka_event_destroy>>;

constexpr int kAdminTimeoutMs = 20000;

/// Runs scripts/kafka-broker.sh; its standard output, without the newline.
Result<std::string> run_script(const std::string& arguments) {
  const std::string command = std::string(INLET_SOURCE_DIR) + "/scripts/kafka-broker.sh " + arguments;
  std::FILE* output = ::popen(command.c_str(), "r");
  if (output == nullptr) return Status(StatusCode::kInternal, "test.script", command);
  std::string text;
  std::array<char, 256> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), output) != nullptr) text += buffer.data();
  const int code = ::pclose(output);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (code != 0) return Status(StatusCode::kInternal, "test.script", command + " failed: " + text);
  return text;
}

Client producer_client(const std::string& address, const std::map<std::string, std::string>& settings = {}) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  std::array<char, 512> reason{};
  rd_kafka_conf_set(conf, "bootstrap.servers", address.c_str(), reason.data(), reason.size());
  rd_kafka_conf_set(conf, "log_level", "2", reason.data(), reason.size());
  for (const auto& [key, value] : settings) {
    rd_kafka_conf_set(conf, key.c_str(), value.c_str(), reason.data(), reason.size());
  }
  return Client(rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason.data(), reason.size()));
}

void must(rd_kafka_error_t* error, const char* what) {
  if (error == nullptr) return;
  std::fprintf(stderr, "%s: %s\n", what, rd_kafka_error_string(error));
  std::abort();
}

/// One request of the admin API and the error of its single result.
Status admin(const std::string& address, const std::string& what,
             const std::function<void(rd_kafka_t*, rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& request) {
  const Client client = producer_client(address);
  const std::unique_ptr<rd_kafka_AdminOptions_t, KafkaDeleter<rd_kafka_AdminOptions_destroy>> options(
      rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_ANY));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), kAdminTimeoutMs, nullptr, 0);
  const KafkaQueue queue(rd_kafka_queue_new(client.get()));
  request(client.get(), options.get(), queue.get());
  const Event event(rd_kafka_queue_poll(queue.get(), kAdminTimeoutMs));
  if (!event) return Status(StatusCode::kTransient, "test.admin", what + ": no answer");
  auto error = rd_kafka_event_error(event.get());
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results = nullptr;
  if (const auto* created = rd_kafka_event_CreateTopics_result(event.get())) {
    results = rd_kafka_CreateTopics_result_topics(created, &count);
  } else if (const auto* deleted = rd_kafka_event_DeleteTopics_result(event.get())) {
    results = rd_kafka_DeleteTopics_result_topics(deleted, &count);
  } else if (const auto* grown = rd_kafka_event_CreatePartitions_result(event.get())) {
    results = rd_kafka_CreatePartitions_result_topics(grown, &count);
  } else if (const auto* emptied = rd_kafka_event_DeleteRecords_result(event.get())) {
    const auto* partitions = rd_kafka_DeleteRecords_result_offsets(emptied);
    for (int i = 0; i < partitions->cnt; ++i) {
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = partitions->elems[i].err;
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = rd_kafka_topic_result_error(results[i]);
  }
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::ok();
  return source::kafka_status(StatusCode::kInternal, "test.admin", what, error);
}

}  // namespace

Result<std::unique_ptr<KafkaBroker>> KafkaBroker::start() {
  std::string directory = (std::filesystem::temp_directory_path() / "inlet-kafka-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return Status(StatusCode::kInternal, "test.directory", directory);
  std::unique_ptr<KafkaBroker> broker(new KafkaBroker(directory));
  INLET_ASSIGN_OR_RETURN(broker->address_,
                         run_script("start " + directory + " --sasl-port 0 --owner " + std::to_string(::getpid())));
  return broker;
}

KafkaBroker& KafkaBroker::shared() {
  static const std::unique_ptr<KafkaBroker> broker = [] {
    auto started = start();
    if (!started.is_ok()) {
      std::fprintf(stderr, "%s\n", started.status().to_line().c_str());
      std::exit(1);
    }
    return std::move(started).value();
  }();
  return *broker;
}

KafkaBroker::~KafkaBroker() {
  static_cast<void>(kill());
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string KafkaBroker::sasl_address() const {
  std::ifstream properties(directory_ + "/server.properties");
  const std::string mark = "SASL://";
  for (std::string line; std::getline(properties, line);) {
    if (const auto at = line.find(mark); line.starts_with("advertised.listeners=") && at != std::string::npos) {
      return line.substr(at + mark.size());
    }
  }
  return {};
}

std::int64_t KafkaBroker::group_offset(const std::string& group, const std::string& topic, int partition) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", address_.c_str(), nullptr, 0);
  rd_kafka_conf_set(conf, "group.id", group.c_str(), nullptr, 0);
  const Client client(rd_kafka_new(RD_KAFKA_CONSUMER, conf, nullptr, 0));
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
  const auto error = rd_kafka_committed(client.get(), list.get(), kAdminTimeoutMs);
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? list->elems[0].offset : -1;
}

Status KafkaBroker::stop() { return run_script("stop " + directory_).status(); }
Status KafkaBroker::kill() { return run_script("kill " + directory_).status(); }
Status KafkaBroker::restart() {
  return run_script("restart " + directory_ + " --owner " + std::to_string(::getpid())).status();
}

Status KafkaBroker::create_topic(const std::string& topic, int partitions,
                                 const std::map<std::string, std::string>& config) {
  const std::unique_ptr<rd_kafka_NewTopic_t, KafkaDeleter<rd_kafka_NewTopic_destroy>> wanted(
      rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, nullptr, 0));
  for (const auto& [key, value] : config) rd_kafka_NewTopic_set_config(wanted.get(), key.c_str(), value.c_str());
  auto* raw = wanted.get();
  return admin(address_, "create " + topic, [&](auto* client, auto* options, auto* queue) {
    rd_kafka_CreateTopics(client, &raw, 1, options, queue);
  });
}

Status KafkaBroker::delete_topic(const std::string& topic) {
  const std::unique_ptr<rd_kafka_DeleteTopic_t, KafkaDeleter<rd_kafka_DeleteTopic_destroy>> wanted(
      rd_kafka_DeleteTopic_new(topic.c_str()));
  auto* raw = wanted.get();
  return admin(address_, "delete " + topic, [&](auto* client, auto* options, auto* queue) {
    rd_kafka_DeleteTopics(client, &raw, 1, options, queue);
  });
}

Status KafkaBroker::add_partitions(const std::string& topic, int total) {
  const std::unique_ptr<rd_kafka_NewPartitions_t, KafkaDeleter<rd_kafka_NewPartitions_destroy>> wanted(
      rd_kafka_NewPartitions_new(topic.c_str(), static_cast<std::size_t>(total), nullptr, 0));
  auto* raw = wanted.get();
  return admin(address_, "add partitions to " + topic, [&](auto* client, auto* options, auto* queue) {
    rd_kafka_CreatePartitions(client, &raw, 1, options, queue);
  });
}

Status KafkaBroker::delete_records(const std::string& topic, int partition, std::int64_t offset) {
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = offset;
  const std::unique_ptr<rd_kafka_DeleteRecords_t, KafkaDeleter<rd_kafka_DeleteRecords_destroy>> wanted(
      rd_kafka_DeleteRecords_new(list.get()));
  auto* raw = wanted.get();
  return admin(address_, "delete records of " + topic, [&](auto* client, auto* options, auto* queue) {
    rd_kafka_DeleteRecords(client, &raw, 1, options, queue);
  });
}

struct TransactionalProducer::Handle {
  Client client;
};

TransactionalProducer::TransactionalProducer(const std::string& address, const std::string& transactional_id)
    : handle_(std::make_unique<Handle>()) {
  handle_->client = producer_client(address, {{"transactional.id", transactional_id}, {"linger.ms", "1"}});
  must(rd_kafka_init_transactions(handle_->client.get(), kAdminTimeoutMs), "init_transactions");
}

TransactionalProducer::~TransactionalProducer() = default;

void TransactionalProducer::begin() { must(rd_kafka_begin_transaction(handle_->client.get()), "begin_transaction"); }

void TransactionalProducer::send(const std::string& topic, int partition, const std::string& value) {
  const auto error = rd_kafka_producev(handle_->client.get(), RD_KAFKA_V_TOPIC(topic.c_str()),
                                       RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                       RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) must(rd_kafka_error_new(error, "%s", rd_kafka_err2str(error)), "producev");
}

void TransactionalProducer::commit() {
  must(rd_kafka_commit_transaction(handle_->client.get(), kAdminTimeoutMs), "commit_transaction");
}

void TransactionalProducer::abort() {
  // Records that never left would not be in the log at all.
  rd_kafka_flush(handle_->client.get(), kAdminTimeoutMs);
  must(rd_kafka_abort_transaction(handle_->client.get(), kAdminTimeoutMs), "abort_transaction");
}

}  // namespace inlet::testing
