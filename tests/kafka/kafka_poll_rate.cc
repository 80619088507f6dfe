// How fast poll() alone is: fills a topic of a real broker, then reads it and nothing else.
//   kafka_poll_rate [RECORDS] [PARTITIONS] [LIMIT in records/s: a consumer that takes no more]
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "source/kafka_producer.h"
#include "source/kafka_source.h"
#include "tests/kafka/kafka_broker.h"

namespace {

using namespace inlet;          // NOLINT(google-build-using-namespace): a program of one file
using namespace inlet::source;  // NOLINT(google-build-using-namespace)

class FromTheStart : public Listener {
 public:
  Result<std::vector<Assignment>> on_assigned(std::span<const TopicPartition> partitions) override {
    std::vector<Assignment> assignments;
    for (const auto& partition : partitions) assignments.push_back({partition, Generation{1}, Offset{0}});
    return assignments;
  }
  void on_revoked(std::span<const TopicPartition>) override {}
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int fail(const Status& status) {
  std::fprintf(stderr, "%s\n", status.to_line().c_str());
  return 1;
}

int run(std::int64_t records, int partitions, double limit) {
  config::SourceConfig config;
  config.kafka.bootstrap_servers = testing::KafkaBroker::shared().address();
  config.kafka.topic = "rate";
  auto producer = KafkaProducer::create(config.kafka);
  if (!producer.is_ok()) return fail(producer.status());
  if (auto topic = (*producer)->ensure_topic(partitions, std::chrono::seconds(10)); !topic.is_ok()) {
    return fail(topic.status());
  }
  const auto filled_from = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < records; ++i) {
    std::string value = "{\"vente_id\":" + std::to_string(i) + ",\"padding\":\"";
    for (int word = 0; value.size() < 260; ++word) value += std::to_string((i * 7919 + word * 104729) % 9973);
    value += "\"}";
    if (auto status = (*producer)->produce(std::to_string(i % 997), value); !status.is_ok()) return fail(status);
  }
  if (auto status = (*producer)->flush(std::chrono::seconds(60)); !status.is_ok()) return fail(status);
  const std::chrono::duration<double> filled = std::chrono::steady_clock::now() - filled_from;
  std::printf("produced %lld records in %.2f s: %.0f/s\n", static_cast<long long>(records), filled.count(),
              static_cast<double>(records) / filled.count());

  FromTheStart listener;
  const auto source = make_kafka_source(config);
  if (auto status = source->open(listener, {}); !status.is_ok()) return fail(status);
  std::int64_t read = 0;
  std::int64_t batches = 0;
  double bytes = 0;
  const double cpu_before = cpu_seconds();
  const auto from = std::chrono::steady_clock::now();
  while (read < records) {
    auto batch = source->poll(std::chrono::milliseconds(100));
    if (!batch.is_ok()) return fail(batch.status());
    if (!*batch) continue;
    read += static_cast<std::int64_t>((*batch)->records.size());
    bytes += static_cast<double>((*batch)->bytes);
    ++batches;
    // A consumer that needs so long for every record, and cannot catch up.
    const std::chrono::duration<double> busy(limit > 0 ? static_cast<double>((*batch)->records.size()) / limit : 0);
    const auto until = std::chrono::steady_clock::now() + busy;
    if (limit > 0) std::this_thread::sleep_until(until);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf(
      "read %lld records in %.2f s: %.0f/s, %.0f MB/s, %.2f CPU-us a record, %.0f records a batch, RSS %ld MB\n",
      static_cast<long long>(read), took.count(), static_cast<double>(read) / took.count(), bytes / took.count() / 1e6,
      (cpu_seconds() - cpu_before) * 1e6 / static_cast<double>(read),
      static_cast<double>(read) / static_cast<double>(batches), usage.ru_maxrss / 1024);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t records = argc > 1 ? std::atoll(argv[1]) : 1'000'000;
  const int partitions = argc > 2 ? std::atoi(argv[2]) : 4;
  const double limit = argc > 3 ? std::atof(argv[3]) : 0;
  return run(records, partitions, limit);
}
