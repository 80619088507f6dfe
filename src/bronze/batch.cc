#include "bronze/batch.h"

#include <algorithm>

namespace inlet::bronze {

Status Batch::add(decode::DecodedBatch decoded, LateRows late) {
  auto slice = std::find_if(slices_.begin(), slices_.end(),
                            [&](const PartitionSlice& s) { return s.partition == decoded.partition; });
  if (slice == slices_.end()) {
    slices_.push_back({decoded.partition, decoded.generation, decoded.range, 0, 0, std::nullopt, std::nullopt});
    slice = std::prev(slices_.end());
  } else if (slice->generation != decoded.generation || slice->range.last.next() != decoded.range.first) {
    return Status(StatusCode::kInternal, "batch.gap", "records of one partition do not follow each other")
        .at(decoded.partition.to_string() + "/" + std::to_string(decoded.range.first.value))
        .because("the batch ends at offset " + std::to_string(slice->range.last.value));
  }
  slice->range.last = decoded.range.last;
  slice->records += decoded.records;
  slice->late += late.count;
  slice->max_event_time = std::max(slice->max_event_time, decoded.max_event_time);
  slice->last_fingerprint = decoded.last_fingerprint;
  if (late.diverted) diverted_.push_back({decoded.partition, std::move(late.diverted)});
  decoded_.push_back(std::move(decoded));
  return Status::ok();
}

void Batch::drop_if(const std::function<bool(const PartitionSlice&)>& drop) {
  const auto dropped =
      std::stable_partition(slices_.begin(), slices_.end(), [&](const PartitionSlice& s) { return !drop(s); });
  const auto is_dropped = [&](const TopicPartition& partition) {
    return std::any_of(dropped, slices_.end(), [&](const PartitionSlice& s) { return s.partition == partition; });
  };
  std::erase_if(decoded_, [&](const decode::DecodedBatch& d) { return is_dropped(d.partition); });
  std::erase_if(diverted_, [&](const Diverted& d) { return is_dropped(d.partition); });
  slices_.erase(dropped, slices_.end());
}

std::size_t Batch::records() const {
  std::size_t sum = 0;
  for (const auto& slice : slices_) sum += slice.records;
  return sum;
}

std::size_t Batch::rows() const {
  std::size_t sum = 0;
  for (const auto& d : decoded_) sum += d.chunk.rows();
  return sum;
}

std::size_t Batch::rejects() const {
  std::size_t sum = 0;
  for (const auto& d : decoded_) sum += d.rejects.size();
  return sum;
}

std::size_t Batch::late() const {
  std::size_t sum = 0;
  for (const auto& slice : slices_) sum += slice.late;
  return sum;
}

std::size_t Batch::diverted() const {
  std::size_t sum = 0;
  for (const auto& d : diverted_) sum += d.chunk.rows();
  return sum;
}

std::vector<std::int64_t> Batch::expectation_failures() const {
  std::vector<std::int64_t> sums;
  for (const auto& d : decoded_) {
    sums.resize(std::max(sums.size(), d.expectation_failures.size()));
    for (std::size_t i = 0; i < d.expectation_failures.size(); ++i) sums[i] += d.expectation_failures[i];
  }
  return sums;
}

std::size_t Batch::bytes() const {
  std::size_t sum = 0;
  for (const auto& d : decoded_) sum += d.bytes;
  return sum;
}

}  // namespace inlet::bronze
