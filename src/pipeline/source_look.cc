#include "pipeline/source_reach.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "bronze/claim.h"
#include "pipeline/pipeline.h"
#include "source/source.h"

namespace inlet::pipeline {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 10s;
constexpr auto kRetryPause = 200ms;
constexpr auto kPollTimeout = 100ms;

// Takes every partition as it comes, asks what there is of those that are wanted, and reads nothing.
class Asker final : public source::Listener {
 public:
  Asker(source::Source& source, const std::vector<bronze::Rewind>& rewinds) : source_(source) {
    for (const auto& rewind : rewinds) answers.push_back({rewind, "the source has no such partition"});
  }

  Result<std::vector<source::Assignment>> on_assigned(std::span<const TopicPartition> partitions) override {
    is_assigned = true;
    std::vector<source::Assignment> assignments;
    for (const auto& partition : partitions) {
      INLET_ASSIGN_OR_RETURN(const auto bounds, patiently([&] { return source_.bounds(partition); }));
      assignments.push_back({partition, {}, bounds.begin});
      for (auto& answer : answers) {
        if (answer.rewind.partition == partition) INLET_RETURN_IF_ERROR(judge(bounds, answer));
      }
    }
    return assignments;
  }
  void on_revoked(std::span<const TopicPartition> /*partitions*/) override {}

  std::vector<Reach> answers;
  bool is_assigned = false;

 private:
  template <typename Ask>
  auto patiently(Ask ask) -> decltype(ask()) {
    for (;;) {
      auto answer = ask();
      if (answer.is_ok() || answer.status().code() != StatusCode::kTransient) return answer;
      if (std::chrono::steady_clock::now() > until_) return answer;
      std::this_thread::sleep_for(kRetryPause);
    }
  }

  Status judge(source::OffsetBounds bounds, Reach& answer) {
    const auto& [partition, from, state, is_of_another_log] = answer.rewind;
    answer.obstacle.clear();
    if (is_of_another_log) {
      answer.obstacle = "its log was another one then: failOnDataLoss = false has gone on with this one";
      return Status::ok();
    }
    std::optional<std::uint64_t> there;
    const Offset marker = *state.marker;
    if (state.fingerprint.value_or(bronze::kNoRecordAtMarker) != bronze::kNoRecordAtMarker && marker >= bounds.begin &&
        marker < bounds.end) {
      INLET_ASSIGN_OR_RETURN(there, patiently([&] { return source_.fingerprint_at(partition, marker); }));
    }
    const auto verdict = bronze::judge_loss(state, bounds.begin, bounds.end, there);
    switch (verdict.kind) {
      case bronze::LossVerdict::Kind::kNone: break;
      case bronze::LossVerdict::Kind::kExpired:
        answer.obstacle = "the source begins at offset " + std::to_string(bounds.begin.value);
        break;
      case bronze::LossVerdict::Kind::kBeyondEnd:
        answer.obstacle = "the source ends at offset " + std::to_string(bounds.end.value);
        break;
      case bronze::LossVerdict::Kind::kOtherRecord:
        answer.obstacle = "the source has another record at offset " + std::to_string(marker.value);
        break;
    }
    return Status::ok();
  }

  source::Source& source_;
  const std::chrono::steady_clock::time_point until_ = std::chrono::steady_clock::now() + kPatience;
};

}  // namespace

Result<std::vector<Reach>> ask_source(const config::PipelineConfig& config,
                                      const std::vector<bronze::Rewind>& rewinds) {
  if (rewinds.empty()) return std::vector<Reach>();
  if (config.source.kind == config::SourceKind::kFile && config.source.file.path == "-") {
    std::vector<Reach> answers;
    for (const auto& rewind : rewinds) answers.push_back({rewind, "standard input cannot be read a second time"});
    return answers;
  }
  auto alone = config;
  alone.source.kafka.group_id.clear();  // every partition, and no other member is disturbed
  const auto source = make_source(alone);
  Asker asker(*source, rewinds);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  Status asked = source->open(asker, {});
  while (asked.is_ok() && !asker.is_assigned && std::chrono::steady_clock::now() < until)
    asked = source->poll(kPollTimeout).status();
  source->close();
  INLET_RETURN_IF_ERROR(asked);
  if (!asker.is_assigned)
    return Status(StatusCode::kTransient, "restore.source_away", "the source could not be asked what it still has")
        .because("no answer within " + std::to_string(kPatience.count()) + " s")
        .fix("see that the source can be reached, or restore without --replay");
  return std::move(asker.answers);
}

}  // namespace inlet::pipeline
