#include "cli/produce_command.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "base/format.h"
#include "base/json.h"
#include "cli/progress_line.h"
#include "cli/stop_on_signal.h"
#include "source/generator_event.h"
#include "source/kafka_producer.h"

namespace inlet::cli {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kTopicPatience{15};
constexpr std::chrono::seconds kFlushPatience{30};
constexpr std::chrono::seconds kStopPatience{2};  // of a record that waits for room in the queue
constexpr std::chrono::milliseconds kLongestSleep{50};
constexpr std::int64_t kEventsPerLook = 256;  // between two looks at the clock when unpaced

class ProduceLine {
 public:
  ProduceLine(bool quiet, std::int64_t count) : quiet_(quiet || isatty(STDERR_FILENO) != 1), count_(count) {}

  void show(const source::KafkaProducer::Progress& progress, steady_clock::duration elapsed) const {
    if (quiet_) return;
    const double seconds = std::chrono::duration<double>(elapsed).count();
    const std::string of = count_ > 0 ? " of " + with_thousands(count_) : "";
    const std::string failed = progress.failed > 0 ? "  failed " + with_thousands(progress.failed) : "";
    fmt::print(stderr, "\r\033[K{:6.1f} s  {}{} delivered  {}{}", seconds, with_thousands(progress.delivered), of,
               per_second(seconds > 0 ? static_cast<double>(progress.delivered) / seconds : 0), failed);
    std::fflush(stderr);
  }
  void clear() const {
    if (!quiet_) std::fputs("\r\033[K", stderr);
  }

 private:
  const bool quiet_;
  const std::int64_t count_;
};

// Sends until done or stopped; a failed Status is one that ends the producer, not a failed delivery.
Status send_events(source::KafkaProducer& producer, source::EventGenerator& generator, const ProduceCommand& command,
                   const pipeline::StopSignal& stop, const ProduceLine& line) {
  // produce() waits while the queue is full, for as long as the broker is away: a stop must reach it there too.
  const std::jthread stopper([&](const std::stop_token& done) {
    while (!done.stop_requested() && !stop.requested()) std::this_thread::sleep_for(kLongestSleep);
    const auto gives_up = steady_clock::now() + kStopPatience;
    while (!done.stop_requested() && steady_clock::now() < gives_up) std::this_thread::sleep_for(kLongestSleep);
    if (!done.stop_requested()) producer.stop();
  });
  std::string value(generator.max_event_bytes(), '\0');
  const auto started = steady_clock::now();
  auto next_line = started;
  for (std::int64_t sent = 0; (command.count == 0 || sent < command.count) && !stop.requested(); ++sent) {
    if (command.rate > 0) {
      const auto due = started + std::chrono::duration_cast<steady_clock::duration>(
                                     std::chrono::duration<double>(static_cast<double>(sent) / command.rate));
      while (steady_clock::now() < due && !stop.requested()) {
        std::this_thread::sleep_for(std::min<steady_clock::duration>(due - steady_clock::now(), kLongestSleep));
      }
    }
    const std::int64_t sequence = command.from + sent;
    const auto partition = static_cast<std::int32_t>(sequence % generator.partitions());
    const std::int64_t number = sequence / generator.partitions();
    const char* const end = generator.write(partition, number, value.data());
    INLET_RETURN_IF_ERROR(producer.produce(generator.key(partition, number),
                                           {value.data(), static_cast<std::size_t>(end - value.data())}));
    if (command.rate > 0 || sent % kEventsPerLook == 0) {
      if (const auto now = steady_clock::now(); now >= next_line) {
        line.show(producer.progress(), now - started);
        next_line = now + std::chrono::milliseconds(200);
      }
    }
  }
  return Status::ok();
}

}  // namespace

ExitCode run_produce(const config::PipelineConfig& config, const ProduceCommand& command) {
  auto generator = source::EventGenerator::create(config.source.generator);
  if (!generator.is_ok()) return report(generator.status(), command.output);
  auto producer = source::KafkaProducer::create(config.source.kafka);
  if (!producer.is_ok()) return report(producer.status(), command.output);
  const auto partitions = (*producer)->ensure_topic(command.partitions, kTopicPatience);
  if (!partitions.is_ok()) return report(partitions.status(), command.output);

  pipeline::StopSignal stop;
  const StopOnSignal signals(stop);
  const ProduceLine line(command.quiet || command.output == Output::kJson, command.count);
  const auto started = steady_clock::now();
  const Status sent = send_events(**producer, *generator, command, stop, line);
  const Status flushed = (*producer)->flush(kFlushPatience);
  line.clear();

  const auto progress = (*producer)->progress();
  const double seconds = std::chrono::duration<double>(steady_clock::now() - started).count();
  if (command.output == Output::kJson) {
    fmt::print("{}\n", dump_json(Json{{"topic", config.source.kafka.topic},
                                      {"partitions", *partitions},
                                      {"accepted", progress.accepted},
                                      {"delivered", progress.delivered},
                                      {"failed", progress.failed},
                                      {"seconds", seconds}}));
  } else {
    fmt::print(stderr, "{} events delivered to {} ({} partitions) in {:.1f} s ({}), {} failed\n",
               with_thousands(progress.delivered), config.source.kafka.topic, *partitions, seconds,
               per_second(seconds > 0 ? static_cast<double>(progress.delivered) / seconds : 0),
               with_thousands(progress.failed));
  }
  const bool was_stopped = sent.code() == StatusCode::kCancelled && stop.requested();
  for (const auto& status : {was_stopped ? Status::ok() : sent, flushed, (*producer)->last_failure()}) {
    if (!status.is_ok()) return report(status, command.output);
  }
  return kExitOk;
}

}  // namespace inlet::cli
