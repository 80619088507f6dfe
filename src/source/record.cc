#include "base/fnv.h"
#include "source/source.h"

namespace inlet::source {

void RecordBatch::truncate(std::size_t count) {
  if (count >= records.size()) return;
  records.resize(count);
  range.last = records.back().offset;
  bytes = 0;
  for (const auto& record : records) bytes += record.value.size();
}

RecordBatch RecordBatch::split_off(std::size_t count) {
  RecordBatch rest;
  rest.partition = partition;
  rest.generation = generation;
  rest.range = {records[count - 1].offset.next(), range.last};
  rest.records.assign(records.begin() + static_cast<std::ptrdiff_t>(count), records.end());
  rest.backing = backing;
  const std::size_t whole = bytes;
  truncate(count);
  rest.bytes = whole - bytes;
  return rest;
}

std::uint64_t record_fingerprint(const Record& record) {
  if (record.is_tombstone) return 0;
  constexpr std::size_t kHashedBytes = 4096;
  const std::uint64_t hash = fnv_step(fnv(record.value.substr(0, kHashedBytes)), record.value.size());
  return (hash & 0x7fffffffffffffffULL) | 1U;  // a Delta txn version is a signed long; 0 stays the tombstone's
}

}  // namespace inlet::source
