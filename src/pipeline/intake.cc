#include "pipeline/intake.h"

#include <algorithm>
#include <thread>

#include "base/fault_point.h"
#include "base/log.h"
#include "bronze/markers.h"

namespace inlet::pipeline {
namespace {

constexpr std::chrono::milliseconds kPollTimeout{50};
constexpr std::chrono::milliseconds kTick{200};
constexpr std::chrono::seconds kFullBeforePause{1};
constexpr std::chrono::milliseconds kRetryPause{200};

std::string range_text(const TopicPartition& partition, const OffsetRange& range) {
  return partition.to_string() + " offsets " + std::to_string(range.first.value) + ".." +
         std::to_string(range.last.value);
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text;
}

}  // namespace

std::size_t rows_per_batch(const config::PipelineConfig& config) {
  const auto rows =
      std::min(config.bronze.batch_rows, config.source.max_offsets_per_trigger.value_or(config.bronze.batch_rows));
  return static_cast<std::size_t>(rows);
}

void Acknowledgements::add(const std::vector<bronze::PartitionSlice>& slices) {
  const std::scoped_lock lock(mutex_);
  for (const auto& slice : slices) last_[slice.partition] = slice.range.last;
}

std::map<TopicPartition, Offset> Acknowledgements::take() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(last_, {});
}

Intake::Intake(Parts parts, duck::Connection connection, const RunOptions& options, const StopSignal& stop)
    : parts_(parts),
      connection_(std::move(connection)),
      options_(options),
      stop_(stop),
      largest_piece_(std::min(source::RecordBatch::kMaxRecords, rows_per_batch(parts.config))) {
  if (options_.duration) ends_at_ = parts_.clock.steady_now() + *options_.duration;
}

template <class Ask>
auto Intake::patiently(Ask ask) -> decltype(ask()) {
  for (;;) {
    auto answer = ask();
    if (answer.is_ok() || answer.status().code() != StatusCode::kTransient) return answer;
    if (stop_.requested()) return Status(StatusCode::kCancelled, "run.stopped", "stopped while waiting for the source");
    std::this_thread::sleep_for(kRetryPause);
  }
}

Status Intake::run(const std::function<bool()>& failed, const std::function<void()>& tick) {
  const auto bronze = parts_.tables.bronze->snapshot();
  if (options_.events) {
    events_left_ = *options_.events - bronze->transaction(bronze::events_id(parts_.config.name)).value_or(0);
    if (*events_left_ <= 0) return Status::ok();
  }
  source::OpenOptions open;
  open.until_caught_up = options_.until_caught_up;
  open.clock = &parts_.clock;
  INLET_RETURN_IF_ERROR(parts_.source.open(*this, open));
  auto next_tick = parts_.clock.steady_now() + kTick;
  while (!failed() && !is_done()) {
    auto polled = parts_.source.poll(kPollTimeout);
    if (!polled.is_ok()) return polled.status();
    INLET_FAULT_POINT("source.after_poll");
    if (*polled) INLET_RETURN_IF_ERROR(hand_on_in_pieces(std::move(**polled), failed, tick));
    forward_acknowledgements();
    if (const auto now = parts_.clock.steady_now(); now >= next_tick) {
      tick();
      next_tick = now + kTick;
    }
  }
  return Status::ok();
}

bool Intake::is_done() const {
  if (stop_.requested() || parts_.source.exhausted()) return true;
  if (ends_at_ && parts_.clock.steady_now() >= *ends_at_) return true;
  if (events_left_ && *events_left_ <= 0) return true;
  return options_.until_caught_up && is_caught_up();
}

bool Intake::is_caught_up() const {
  if (parts_.source.in_group() && !was_assigned_) return false;
  return std::all_of(caught_up_at_.begin(), caught_up_at_.end(), [&](const auto& target) {
    const auto at = handed_on_.find(target.first);
    return at == handed_on_.end() || at->second >= target.second;  // no longer ours: another process's to finish
  });
}

Status Intake::hand_on_in_pieces(source::RecordBatch batch, const std::function<bool()>& failed,
                                 const std::function<void()>& tick) {
  while (batch.records.size() > largest_piece_) {
    auto rest = batch.split_off(largest_piece_);
    INLET_RETURN_IF_ERROR(hand_on(std::exchange(batch, std::move(rest)), failed, tick));
  }
  return hand_on(std::move(batch), failed, tick);
}

Status Intake::hand_on(source::RecordBatch batch, const std::function<bool()>& failed,
                       const std::function<void()>& tick) {
  if (!parts_.assignments.is_current(batch.partition, batch.generation)) return Status::ok();
  if (events_left_) {
    if (*events_left_ <= 0) return Status::ok();
    if (const auto left = static_cast<std::size_t>(*events_left_); batch.records.size() > left) batch.truncate(left);
    *events_left_ -= static_cast<std::int64_t>(batch.records.size());
  }
  handed_on_[batch.partition] = batch.range.last;
  const auto full_since = parts_.clock.steady_now();
  bool paused = false;
  std::vector<source::RecordBatch> polled_while_full;
  while (!parts_.decoders.try_push(batch)) {
    if (failed() || stop_.requested()) return Status::ok();  // what is not handed on is read again
    if (!paused && parts_.clock.steady_now() - full_since < kFullBeforePause) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    if (!paused) INLET_RETURN_IF_ERROR(set_paused(true));
    paused = true;
    tick();
    auto polled = parts_.source.poll(kPollTimeout);
    if (!polled.is_ok()) return polled.status();
    if (*polled) polled_while_full.push_back(std::move(**polled));  // what was under way before the pause
  }
  if (paused) INLET_RETURN_IF_ERROR(set_paused(false));
  for (auto& late : polled_while_full) INLET_RETURN_IF_ERROR(hand_on_in_pieces(std::move(late), failed, tick));
  return Status::ok();
}

Status Intake::set_paused(bool paused) {
  for (const auto& partition : parts_.assignments.partitions()) {
    paused ? parts_.source.pause(partition) : parts_.source.resume(partition);
  }
  return Status::ok();
}

void Intake::forward_acknowledgements() {
  for (const auto& [partition, last] : parts_.acknowledgements.take()) parts_.source.committed(partition, last);
}

Result<std::vector<source::Assignment>> Intake::on_assigned(std::span<const TopicPartition> partitions) {
  was_assigned_ = true;
  if (partitions.empty()) return std::vector<source::Assignment>{};
  std::vector<source::OffsetBounds> bounds;
  std::vector<bronze::ClaimRequest> requests;
  for (const auto& partition : partitions) {
    INLET_RETURN_IF_ERROR(check_same_file(partition));
    INLET_ASSIGN_OR_RETURN(const auto available, patiently([&] { return parts_.source.bounds(partition); }));
    bounds.push_back(available);
    const bool from_latest = parts_.config.source.starting_offsets == config::StartingOffsets::kLatest &&
                             available.end != source::OffsetBounds::kEndless;
    requests.push_back({partition, from_latest ? available.end : available.begin});
  }
  INLET_ASSIGN_OR_RETURN(auto claims, bronze::claim_partitions(parts_.tables, parts_.config.name, requests, connection_,
                                                               [&] { return stop_.requested(); }));
  std::vector<std::string> losses;
  for (std::size_t i = 0; i < claims.size(); ++i) INLET_RETURN_IF_ERROR(check_loss(claims[i], bounds[i], losses));
  if (!losses.empty()) {
    return Status(StatusCode::kDataLoss, "source.data_lost", "the source no longer has what comes next")
        .at(joined(losses))
        .because("going on would leave these offsets out without a word")
        .fix("restore the source, or accept the loss with --set source.failOnDataLoss=false");
  }
  std::vector<source::Assignment> assignments;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const Offset marker = *claims[i].state.marker;
    assignments.push_back({partitions[i], {}, marker.next()});
    handed_on_[partitions[i]] = marker;
    if (bounds[i].end != source::OffsetBounds::kEndless)
      caught_up_at_.try_emplace(partitions[i], bounds[i].end.previous());
  }
  const Generation generation = parts_.assignments.hold(std::move(claims));
  for (auto& assignment : assignments) assignment.generation = generation;
  return assignments;
}

void Intake::on_revoked(std::span<const TopicPartition> partitions) {
  parts_.assignments.release(partitions);
  for (const auto& partition : partitions) handed_on_.erase(partition);
}

// The fingerprint is the last part of a file's source id: "file:<name>:<fingerprint>".
Status Intake::check_same_file(const TopicPartition& partition) const {
  if (parts_.config.source.kind != config::SourceKind::kFile) return Status::ok();
  const std::string name = partition.source.substr(0, partition.source.rfind(':') + 1);
  const auto snapshot = parts_.tables.bronze->snapshot();
  for (const auto& known : bronze::known_partitions(*snapshot, parts_.config.name)) {
    if (known.source == partition.source || !known.source.starts_with(name) ||
        known.source.size() != partition.source.size())
      continue;
    const auto changed =
        Status(StatusCode::kDataLoss, "file.changed", "a file that was read before has another beginning now")
            .at(partition.source)
            .because("it was ingested as " + known.source)
            .fix("give new data a new file name, or take it as a new file with --set source.failOnDataLoss=false");
    if (parts_.config.source.fail_on_data_loss) return changed;
    log::warn("source", "{}", changed.to_line());
  }
  return Status::ok();
}

Status Intake::check_loss(bronze::Claim& claim, source::OffsetBounds bounds, std::vector<std::string>& losses) {
  const Offset marker = *claim.state.marker;
  std::optional<std::uint64_t> there;
  const bool comparable = claim.state.fingerprint.value_or(bronze::kNoRecordAtMarker) != bronze::kNoRecordAtMarker;
  if (comparable && marker >= bounds.begin && marker < bounds.end) {
    INLET_ASSIGN_OR_RETURN(there, patiently([&] { return parts_.source.fingerprint_at(claim.partition, marker); }));
  }
  const auto verdict = bronze::judge_loss(claim.state, bounds.begin, bounds.end, there);
  std::string loss;
  switch (verdict.kind) {
    case bronze::LossVerdict::Kind::kNone: return Status::ok();
    case bronze::LossVerdict::Kind::kExpired:
      loss = range_text(claim.partition, verdict.lost) + " are gone (the source begins at " +
             std::to_string(bounds.begin.value) + ")";
      break;
    case bronze::LossVerdict::Kind::kBeyondEnd:
      loss = claim.partition.to_string() + " ends at offset " + std::to_string(bounds.end.value) +
             ", before the marker " + std::to_string(marker.value) + " (recreated or cut)";
      break;
    case bronze::LossVerdict::Kind::kOtherRecord:
      loss = claim.partition.to_string() + " holds another record at offset " + std::to_string(marker.value) +
             " than the one committed (recreated)";
      break;
  }
  if (parts_.config.source.fail_on_data_loss) {
    losses.push_back(loss);
    return Status::ok();
  }
  log::warn("source", "going on in spite of data loss (failOnDataLoss = false): {}", loss);
  if (verdict.kind == bronze::LossVerdict::Kind::kExpired) return Status::ok();  // the next range covers the gap
  return bronze::reset_marker(parts_.tables, parts_.config.name, claim, bounds.begin,
                              [&] { return stop_.requested(); });
}

}  // namespace inlet::pipeline
