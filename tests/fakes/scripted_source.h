// A source of partitions that a test writes, with seeded mischief: small and uneven batches, rebalances, pauses.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "source/source.h"

namespace inlet::fakes {

/// The log of one partition: values at offsets, with holes where a test leaves them out.
struct ScriptedPartition {
  std::map<std::int64_t, std::string> records;
  std::int64_t begin = 0;
  std::int64_t end = 0;  // exclusive; offsets without a record before it are gaps
};

using ScriptedLog = std::map<TopicPartition, ScriptedPartition>;

class ScriptedSource final : public source::Source {
 public:
  struct Mischief {
    std::uint64_t seed = 1;
    double rebalance = 0;      // chance per poll that all partitions are revoked and assigned again
    int most_rebalances = 40;  // so that a run gets to its end
    std::size_t largest_batch = 50;
    bool in_group = false;
  };

  ScriptedSource(ScriptedLog log, Mischief mischief)
      : log_(std::move(log)), mischief_(mischief), random_(mischief.seed) {}

  Status open(source::Listener& listener, const source::OpenOptions& /*options*/) override {
    listener_ = &listener;
    return assign_all();
  }

  Result<std::optional<source::RecordBatch>> poll(std::chrono::milliseconds /*timeout*/) override {
    if (rebalances_ < mischief_.most_rebalances &&
        std::uniform_real_distribution<>(0, 1)(random_) < mischief_.rebalance) {
      ++rebalances_;
      std::vector<TopicPartition> all;
      for (const auto& [partition, assignment] : assigned_) all.push_back(partition);
      listener_->on_revoked(all);
      assigned_.clear();
      INLET_RETURN_IF_ERROR(assign_all());
    }
    if (assigned_.empty()) return std::optional<source::RecordBatch>();
    auto picked = std::next(assigned_.begin(), std::uniform_int_distribution<std::ptrdiff_t>(
                                                   0, static_cast<std::ptrdiff_t>(assigned_.size()) - 1)(random_));
    return next_batch(picked->second);
  }

  Result<source::OffsetBounds> bounds(const TopicPartition& partition) override {
    const auto& log = log_.at(partition);
    return source::OffsetBounds{{log.begin}, {log.end}};
  }

  Result<std::optional<std::uint64_t>> fingerprint_at(const TopicPartition& partition, Offset offset) override {
    const auto& records = log_.at(partition).records;
    const auto found = records.find(offset.value);
    if (found == records.end()) return std::optional<std::uint64_t>();
    source::Record record;
    record.value = found->second;
    return std::optional(source::record_fingerprint(record));
  }

  void pause(const TopicPartition& partition) override { paused_.insert(partition); }
  void resume(const TopicPartition& partition) override { paused_.erase(partition); }
  void committed(const TopicPartition& partition, Offset last) override { acknowledged_[partition] = last; }
  bool in_group() const override { return mischief_.in_group; }
  void close() override {}

  const std::map<TopicPartition, Offset>& acknowledged() const { return acknowledged_; }

 private:
  struct TextBacking final : source::RecordBacking {
    std::vector<std::string> values;
  };

  Status assign_all() {
    std::vector<TopicPartition> all;
    for (const auto& [partition, log] : log_) all.push_back(partition);
    INLET_ASSIGN_OR_RETURN(const auto assignments, listener_->on_assigned(all));
    for (const auto& assignment : assignments) assigned_.insert_or_assign(assignment.partition, assignment);
    return Status::ok();
  }

  std::optional<source::RecordBatch> next_batch(source::Assignment& assignment) {
    const auto& log = log_.at(assignment.partition);
    const auto position = std::max(assignment.position.value, log.begin);
    if (assignment.position.value >= log.end || paused_.contains(assignment.partition)) return std::nullopt;
    const auto length =
        std::uniform_int_distribution<std::int64_t>(1, static_cast<std::int64_t>(mischief_.largest_batch))(random_);
    const auto last = std::min(position + length, log.end) - 1;
    source::RecordBatch batch;
    batch.partition = assignment.partition;
    batch.generation = assignment.generation;
    batch.range = {assignment.position, {last}};
    auto backing = std::make_unique<TextBacking>();
    for (auto at = log.records.lower_bound(position); at != log.records.end() && at->first <= last; ++at) {
      backing->values.push_back(at->second);
      batch.records.push_back({{at->first}, 1'767'225'600'000, {}, false});
    }
    for (std::size_t i = 0; i < batch.records.size(); ++i) {
      batch.records[i].value = backing->values[i];
      batch.bytes += backing->values[i].size();
    }
    batch.backing = std::move(backing);
    assignment.position = {last + 1};
    return batch;
  }

  const ScriptedLog log_;
  const Mischief mischief_;
  std::mt19937_64 random_;
  int rebalances_ = 0;
  source::Listener* listener_ = nullptr;
  std::map<TopicPartition, source::Assignment> assigned_;
  std::set<TopicPartition> paused_;
  std::map<TopicPartition, Offset> acknowledged_;
};

}  // namespace inlet::fakes
