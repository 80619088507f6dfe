#include "pipeline/source_look.h"

#include <chrono>
#include <thread>

#include "bronze/claim.h"
#include "pipeline/pipeline.h"
#include "source/kafka_source.h"

namespace inlet::pipeline {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kSourcePatience{5};
constexpr std::chrono::seconds kRewindPatience{10};
constexpr std::chrono::milliseconds kRetryPause{200};
constexpr std::chrono::milliseconds kPollTimeout{100};

// To look at it is to consume it.
bool is_stdin(const config::PipelineConfig& config) {
  return config.source.kind == config::SourceKind::kFile && config.source.file.path == "-";
}

// Takes down what the source says it has, and begins at the end: nothing is read.
class BoundsListener final : public source::Listener {
 public:
  explicit BoundsListener(source::Source& source) : source_(source) {}

  Result<std::vector<source::Assignment>> on_assigned(std::span<const TopicPartition> partitions) override {
    std::vector<source::Assignment> assignments;
    for (const auto& partition : partitions) {
      INLET_ASSIGN_OR_RETURN(const auto available, source_.bounds(partition));
      bounds[partition] = available;
      assignments.push_back({partition, {}, available.begin});
    }
    return assignments;
  }
  void on_revoked(std::span<const TopicPartition> /*partitions*/) override {}

  std::map<TopicPartition, source::OffsetBounds> bounds;

 private:
  source::Source& source_;
};

// "": the source can be read on from where the partition stood then.
Result<std::string> obstacle_of(const bronze::Rewind& rewind, source::OffsetBounds bounds, source::Source& source) {
  const auto& [partition, from, state, is_of_another_log] = rewind;
  if (is_of_another_log)
    return std::string("its log was another one then: failOnDataLoss = false has gone on with this one");
  const Offset marker = *state.marker;
  std::optional<std::uint64_t> there;
  if (state.fingerprint.value_or(bronze::kNoRecordAtMarker) != bronze::kNoRecordAtMarker && marker >= bounds.begin &&
      marker < bounds.end) {
    INLET_ASSIGN_OR_RETURN(there, source.fingerprint_at(partition, marker));
  }
  switch (bronze::judge_loss(state, bounds.begin, bounds.end, there).kind) {
    case bronze::LossVerdict::Kind::kNone: break;
    case bronze::LossVerdict::Kind::kExpired:
      return "the source begins at offset " + std::to_string(bounds.begin.value);
    case bronze::LossVerdict::Kind::kBeyondEnd: return "the source ends at offset " + std::to_string(bounds.end.value);
    case bronze::LossVerdict::Kind::kOtherRecord:
      return "the source has another record at offset " + std::to_string(marker.value);
  }
  return std::string();
}

// One try.
Result<std::vector<Reach>> ask(source::Source& source, const std::vector<bronze::Rewind>& rewinds,
                               SteadyClock::time_point until) {
  BoundsListener listener(source);
  INLET_RETURN_IF_ERROR(source.open(listener, {}));
  while (listener.bounds.empty() && SteadyClock::now() < until)
    INLET_RETURN_IF_ERROR(source.poll(kPollTimeout).status());
  if (listener.bounds.empty())
    return Status(StatusCode::kTransient, "restore.source_away", "the source could not be asked what it still has")
        .because("no answer within " + std::to_string(kRewindPatience.count()) + " s")
        .fix("see that the source can be reached, or restore without --replay");
  std::vector<Reach> answers;
  for (const auto& rewind : rewinds) {
    Reach answer{rewind, "the source has no such partition"};
    if (const auto bounds = listener.bounds.find(rewind.partition); bounds != listener.bounds.end()) {
      INLET_ASSIGN_OR_RETURN(answer.obstacle, obstacle_of(rewind, bounds->second, source));
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace

Result<std::map<TopicPartition, source::OffsetBounds>> source_bounds(const config::PipelineConfig& config,
                                                                     const Clock& clock) {
  if (config.source.kind == config::SourceKind::kKafka) {
    INLET_ASSIGN_OR_RETURN(const auto probe, source::probe_kafka(config.source, kSourcePatience));
    if (!probe.reachable) {
      return Status(StatusCode::kUnavailable, "kafka.unreachable", "no broker answers")
          .at(config.source.kafka.bootstrap_servers)
          .because(probe.unreachable_reason);
    }
    INLET_RETURN_IF_ERROR(probe.topic);
    std::map<TopicPartition, source::OffsetBounds> bounds;
    for (std::size_t number = 0; number < probe.partitions.size(); ++number) {
      bounds[{"kafka:" + config.source.kafka.topic, static_cast<std::int32_t>(number)}] = probe.partitions[number];
    }
    return bounds;
  }
  if (is_stdin(config)) return std::map<TopicPartition, source::OffsetBounds>{};
  const auto source = make_source(config);
  BoundsListener listener(*source);
  source::OpenOptions options;
  options.clock = &clock;
  INLET_RETURN_IF_ERROR(source->open(listener, options));
  source->close();
  return listener.bounds;
}

Result<std::vector<Reach>> ask_source(const config::PipelineConfig& config,
                                      const std::vector<bronze::Rewind>& rewinds) {
  std::vector<Reach> answers;
  if (rewinds.empty()) return answers;
  if (is_stdin(config)) {
    for (const auto& rewind : rewinds) answers.push_back({rewind, "standard input cannot be read a second time"});
    return answers;
  }
  auto alone = config;
  alone.source.kafka.group_id.clear();  // every partition, and no other member is disturbed
  const auto until = SteadyClock::now() + kRewindPatience;
  for (;;) {
    const auto source = make_source(alone);
    auto asked = ask(*source, rewinds, until);
    source->close();
    if (asked.status().code() != StatusCode::kTransient || SteadyClock::now() >= until) return asked;
    std::this_thread::sleep_for(kRetryPause);
  }
}

}  // namespace inlet::pipeline
