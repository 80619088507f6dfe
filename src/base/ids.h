// Strong ids: the positions that exactly-once is argued with. A raw int64_t never names one of these.
// Thread safety: values.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace inlet {

/// Position of one record in a source partition. Kafka: the record's offset. File: the last byte of the line, its
/// newline included. Generator: the event number.
struct Offset {
  std::int64_t value = 0;
  friend auto operator<=>(const Offset&, const Offset&) = default;
  Offset next() const { return {value + 1}; }
  Offset previous() const { return {value - 1}; }
};

/// Version of a Delta table: the number in the name of its commit file.
struct TableVersion {
  std::int64_t value = 0;
  friend auto operator<=>(const TableVersion&, const TableVersion&) = default;
};

/// Count of assignments this process has seen. Records of an older generation of their partition are dropped.
struct Generation {
  std::uint64_t value = 0;
  friend auto operator<=>(const Generation&, const Generation&) = default;
};

/// One ordered log of records. `source` is the *source id*: it names what the offsets mean ("kafka:ventes_stream",
/// "file:sales.jsonl:9f3c…", "generator:seed=1,…"), so that another source never inherits a position.
struct TopicPartition {
  std::string source;
  std::int32_t partition = 0;
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
  /// "kafka:ventes_stream/3"
  std::string to_string() const { return source + "/" + std::to_string(partition); }
};

/// Inclusive and never empty: covers every offset from first to last, gaps of transactional or compacted topics
/// included.
struct OffsetRange {
  Offset first;
  Offset last;
  friend auto operator<=>(const OffsetRange&, const OffsetRange&) = default;
};

}  // namespace inlet

template <>
struct std::hash<inlet::TopicPartition> {
  std::size_t operator()(const inlet::TopicPartition& p) const noexcept {
    return std::hash<std::string>{}(p.source) * 31 + static_cast<std::size_t>(p.partition);
  }
};
