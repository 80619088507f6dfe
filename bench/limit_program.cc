// The limit program: poll + parse + Parquet, by the same libraries as Inlet, with nothing else. No Delta, no fsync, no
// quarantine, no ordering, no validation beyond what simdjson's lazy parser does by itself; the schema of the sales
// stream is compiled in. What Inlet reaches of this is the price of its promises.
//
//   limit_program generator PIPELINE EVENTS BATCH_ROWS DIR
//   limit_program file FILE EVENTS BATCH_ROWS DIR
//   limit_program kafka BOOTSTRAP/TOPIC EVENTS BATCH_ROWS DIR
//   limit_program dump PIPELINE EVENTS 0 -      writes the generator's events to stdout, for the file source
//
// Prints one JSON object: events, seconds, cpu_seconds (of this process, user + system), bytes.

#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <simdjson.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/queue.h"
#include "config/pipeline_config.h"
#include "duck/database.h"
#include "source/generator_event.h"

namespace {

using inlet::BoundedQueue;
using inlet::Schema;
using inlet::TypeKind;
using inlet::duck::DataChunk;

constexpr std::size_t kRows = DataChunk::kCapacity;

struct Block {
  std::vector<std::string_view> records;
  std::string text;                           // generator, file: what the records point into
  std::vector<rd_kafka_message_t*> messages;  // kafka
  ~Block() {
    for (auto* message : messages) rd_kafka_message_destroy(message);
  }
};
using BlockPtr = std::unique_ptr<Block>;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "limit_program: %s\n", what.c_str());
  std::exit(1);
}

template <class T>
T must(inlet::Result<T> result) {
  if (!result.is_ok()) fail(result.status().to_line());
  return std::move(result).value();
}

Schema sales_schema() {
  return {{{"vente_id", {TypeKind::kBigint}},
           {"client_id", {TypeKind::kBigint}},
           {"produit_id", {TypeKind::kBigint}},
           {"timestamp", {TypeKind::kTimestamp}},
           {"quantite", {TypeKind::kInt}},
           {"montant", {TypeKind::kDecimal, 12, 2}},
           {"client_nom", {TypeKind::kVarchar}},
           {"produit_nom", {TypeKind::kVarchar}},
           {"categorie", {TypeKind::kVarchar}},
           {"pays", {TypeKind::kVarchar}},
           {"segment", {TypeKind::kVarchar}},
           {"jour", {TypeKind::kVarchar}},
           {"_source", {TypeKind::kVarchar}},
           {"_partition", {TypeKind::kInt}},
           {"_offset", {TypeKind::kBigint}}}};
}

int two_digits(const char* at) { return (at[0] - '0') * 10 + (at[1] - '0'); }

// "2026-01-01T00:00:00.123Z" and nothing else.
std::int64_t micros(std::string_view text) {
  const int year = two_digits(text.data()) * 100 + two_digits(text.data() + 2);
  const std::chrono::sys_days day = std::chrono::year(year) / two_digits(text.data() + 5) / two_digits(text.data() + 8);
  std::int64_t value = std::chrono::duration_cast<std::chrono::microseconds>(day.time_since_epoch()).count();
  value += ((two_digits(text.data() + 11) * 60LL + two_digits(text.data() + 14)) * 60 + two_digits(text.data() + 17)) *
           1'000'000;
  if (text.size() > 20 && text[19] == '.') {
    std::int64_t scale = 100'000;
    for (std::size_t i = 20; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i, scale /= 10)
      value += (text[i] - '0') * scale;
  }
  return value;
}

std::int64_t cents(std::string_view text) {
  std::int64_t value = 0;
  int decimals = -1;
  for (const char c : text) {
    if (c == '.') {
      decimals = 0;
    } else if (c >= '0' && c <= '9' && decimals < 2) {
      value = value * 10 + (c - '0');
      if (decimals >= 0) ++decimals;
    }
  }
  for (int i = std::max(decimals, 0); i < 2; ++i) value *= 10;
  return value;
}

DataChunk parse(const Block& block, const Schema& schema, simdjson::ondemand::parser& parser, std::string& padded) {
  DataChunk chunk(schema);
  std::size_t row = 0;
  const auto text_field = [&](simdjson::ondemand::object& object, const char* name, std::size_t column) {
    std::string_view value;
    if (object.find_field(name).get_string().get(value) == simdjson::SUCCESS) chunk.set_string(column, row, value);
  };
  for (const auto record : block.records) {
    if (padded.size() < record.size() + simdjson::SIMDJSON_PADDING)
      padded.resize(2 * (record.size() + simdjson::SIMDJSON_PADDING));
    std::memcpy(padded.data(), record.data(), record.size());
    auto document = parser.iterate(padded.data(), record.size(), padded.size());
    simdjson::ondemand::object object;
    if (document.get_object().get(object) != simdjson::SUCCESS) continue;
    chunk.values<std::int64_t>(0)[row] = object.find_field("vente_id").get_int64();
    chunk.values<std::int64_t>(1)[row] = object.find_field("client_id").get_int64();
    chunk.values<std::int64_t>(2)[row] = object.find_field("produit_id").get_int64();
    const std::string_view instant = object.find_field("timestamp").get_string();
    chunk.values<std::int64_t>(3)[row] = micros(instant);
    chunk.set_string(11, row, instant.substr(0, 10));
    chunk.values<std::int32_t>(4)[row] =
        static_cast<std::int32_t>(std::int64_t(object.find_field("quantite").get_int64()));
    chunk.values<std::int64_t>(5)[row] = cents(object.find_field("montant").raw_json_token());
    text_field(object, "client_nom", 6);
    text_field(object, "produit_nom", 7);
    text_field(object, "categorie", 8);
    text_field(object, "pays", 9);
    text_field(object, "segment", 10);
    chunk.values<std::int64_t>(14)[row] = static_cast<std::int64_t>(row);
    ++row;
  }
  chunk.set_constant(12, "limit");
  chunk.set_constant(13, std::int32_t{0});
  chunk.set_rows(row);
  return chunk;
}

using BlockQueue = BoundedQueue<BlockPtr>;

void poll_generator(const std::string& pipeline, std::int64_t events, BlockQueue& blocks) {
  auto loaded = inlet::config::load_pipeline(pipeline, {});
  if (!loaded.config) fail("the pipeline file does not load");
  auto generator = must(inlet::source::EventGenerator::create(loaded.config->source.generator));
  for (std::int64_t number = 0; number < events;) {
    auto block = std::make_unique<Block>();
    block->text.resize(kRows * generator.max_event_bytes());
    char* out = block->text.data();
    for (; block->records.size() < kRows && number < events; ++number) {
      char* const end = generator.write(0, number, out);
      block->records.emplace_back(out, static_cast<std::size_t>(end - out));
      out = end;
    }
    const auto rows = block->records.size();
    blocks.push(std::move(block), {rows, 1});
  }
}

void poll_file(const std::string& path, std::int64_t events, BlockQueue& blocks) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("cannot open " + path);
  std::string rest;
  while (events > 0) {
    auto block = std::make_unique<Block>();
    block->text = std::move(rest);
    const std::size_t before = block->text.size();
    block->text.resize(before + (256U << 10U));
    const auto got = read(file, block->text.data() + before, block->text.size() - before);
    if (got <= 0) break;
    block->text.resize(before + static_cast<std::size_t>(got));
    const char* at = block->text.data();
    const char* const end = at + block->text.size();
    while (events > 0 && block->records.size() < kRows) {
      const char* const newline = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
      if (newline == nullptr) break;
      block->records.emplace_back(at, static_cast<std::size_t>(newline - at));
      at = newline + 1;
      --events;
    }
    rest.assign(at, static_cast<std::size_t>(end - at));
    const auto rows = block->records.size();
    blocks.push(std::move(block), {rows, 1});
  }
  close(file);
}

void poll_kafka(const std::string& where, std::int64_t events, BlockQueue& blocks) {
  const auto slash = where.find('/');
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const auto set = [&](const char* name, const std::string& value) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) fail(error);
  };
  set("bootstrap.servers", where.substr(0, slash));
  set("group.id", "limit-program");
  set("enable.auto.commit", "false");
  set("auto.offset.reset", "earliest");
  set("fetch.message.max.bytes", "4194304");
  rd_kafka_t* const consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
  if (consumer == nullptr) fail(error);
  rd_kafka_poll_set_consumer(consumer);
  const std::string topic = where.substr(slash + 1);
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_topic_t* const handle = rd_kafka_topic_new(consumer, topic.c_str(), nullptr);
  if (rd_kafka_metadata(consumer, 0, handle, &metadata, 10'000) != RD_KAFKA_RESP_ERR_NO_ERROR) fail("no metadata");
  rd_kafka_topic_partition_list_t* const all = rd_kafka_topic_partition_list_new(metadata->topics[0].partition_cnt);
  for (int p = 0; p < metadata->topics[0].partition_cnt; ++p) {
    rd_kafka_topic_partition_list_add(all, topic.c_str(), p)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(handle);
  rd_kafka_assign(consumer, all);
  rd_kafka_topic_partition_list_destroy(all);
  rd_kafka_queue_t* const queue = rd_kafka_queue_get_consumer(consumer);
  std::vector<rd_kafka_message_t*> messages(kRows);
  while (events > 0) {
    const auto got = rd_kafka_consume_batch_queue(queue, 100, messages.data(), messages.size());
    if (got <= 0) continue;
    auto block = std::make_unique<Block>();
    for (std::ptrdiff_t i = 0; i < got; ++i) {
      auto* const message = messages[static_cast<std::size_t>(i)];
      block->messages.push_back(message);
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      block->records.emplace_back(static_cast<const char*>(message->payload), message->len);
      --events;
    }
    const auto rows = block->records.size();
    blocks.push(std::move(block), {rows, 1});
  }
  blocks.close();
  // Blocks hold messages: the consumer is left to the end of the process.
  rd_kafka_queue_destroy(queue);
}

int dump_events(const std::string& pipeline, std::int64_t events) {
  auto loaded = inlet::config::load_pipeline(pipeline, {});
  if (!loaded.config) fail("the pipeline file does not load");
  auto generator = must(inlet::source::EventGenerator::create(loaded.config->source.generator));
  std::string line(generator.max_event_bytes() + 1, '\0');
  for (std::int64_t number = 0; number < events; ++number) {
    char* const end = generator.write(0, number, line.data());
    *end = '\n';
    const auto size = static_cast<std::size_t>(end + 1 - line.data());
    if (std::fwrite(line.data(), 1, size, stdout) != size) fail("stdout cannot be written");
  }
  return 0;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) fail("usage: limit_program generator|file|kafka WHERE EVENTS BATCH_ROWS DIR");
  const std::string kind = argv[1];
  const std::string where = argv[2];
  const std::int64_t events = std::strtoll(argv[3], nullptr, 10);
  const std::size_t batch_rows = std::strtoull(argv[4], nullptr, 10);
  if (kind == "dump") return dump_events(where, events);
  const Schema schema = sales_schema();
  auto database = must(inlet::duck::Database::open({}));
  auto connection = must(database.connect());
  inlet::duck::ParquetOptions parquet;
  parquet.directory = argv[5];
  parquet.partition_columns = {"jour"};

  BlockQueue blocks({64 * kRows, 1U << 30U});
  BoundedQueue<DataChunk> chunks({256 * kRows, 1U << 30U});
  const auto started = std::chrono::steady_clock::now();
  std::thread poller([&] {
    if (kind == "generator") {
      poll_generator(where, events, blocks);
    } else if (kind == "file") {
      poll_file(where, events, blocks);
    } else {
      poll_kafka(where, events, blocks);
    }
    blocks.close();
  });
  constexpr int kParsers = 2;
  std::atomic<int> parsing{kParsers};
  std::vector<std::thread> parsers;
  for (int i = 0; i < kParsers; ++i) {
    parsers.emplace_back([&] {
      simdjson::ondemand::parser parser;
      std::string padded;
      while (auto block = blocks.pop()) {
        auto chunk = parse(**block, schema, parser, padded);
        chunks.push(std::move(chunk), {kRows, 1});
      }
      if (parsing.fetch_sub(1) == 1) chunks.close();
    });
  }

  std::int64_t written = 0;
  std::int64_t bytes = 0;
  for (bool more = true; more;) {
    std::vector<DataChunk> batch;
    std::size_t rows = 0;
    while (rows < batch_rows) {
      auto chunk = chunks.pop();
      more = chunk.has_value();
      if (!more) break;
      rows += chunk->rows();
      batch.push_back(std::move(*chunk));
    }
    if (rows == 0) continue;
    std::vector<const DataChunk*> pointers;
    for (const auto& chunk : batch) pointers.push_back(&chunk);
    connection.bind_chunks({schema, pointers});
    for (const auto& file : must(inlet::duck::copy_to_parquet(connection, "SELECT * FROM inlet_chunks()", parquet))) {
      written += file.rows;
      bytes += file.bytes;
    }
    connection.unbind_chunks();
  }
  poller.join();
  for (auto& parser : parsers) parser.join();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf(R"({"events":%lld,"seconds":%.3f,"cpu_seconds":%.3f,"parquet_bytes":%lld,"rss_kb":%ld})"
              "\n",
              static_cast<long long>(written), seconds, cpu_seconds(), static_cast<long long>(bytes), usage.ru_maxrss);
  return 0;
}
