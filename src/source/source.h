// What flows in: nothing. What flows out: records of ordered partitions, each batch contiguous.
//
// A Source knows nothing of Delta: it is told where to begin by the pipeline, at every assignment, and never remembers
// a position of its own (docs/exactly-once.md, rules 1 and 2). All members are called from one thread, the source
// thread; the Listener is called on that thread too, inside poll() or open().
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"

namespace inlet::source {

/// One record. The bytes belong to the batch that holds the record.
struct Record {
  Offset offset;
  std::int64_t timestamp_ms = 0;  // Kafka record timestamp; for other sources the time it was read
  std::string_view value;
  bool is_tombstone = false;  // Kafka: a null value
};

/// Bytes that records point into: Kafka messages, a read buffer. Freed with the batch, on whichever thread that is.
class RecordBacking {
 public:
  virtual ~RecordBacking() = default;
};

/// Records of one partition, in offset order, covering `range` without a hole: every offset of the range is either a
/// record here or exists in no consumable form (transaction markers, aborted or compacted records).
/// May hold no record at all: an end of partition behind trailing control records.
struct RecordBatch {
  /// Rows of one DuckDB vector: a batch decodes to exactly one data chunk.
  static constexpr std::size_t kMaxRecords = 2048;

  TopicPartition partition;
  Generation generation;
  OffsetRange range;
  std::vector<Record> records;  // at most kMaxRecords
  std::size_t bytes = 0;        // sum of the value sizes
  std::shared_ptr<RecordBacking> backing;

  /// Keeps the first `count` records; the range then ends at the last one kept. Precondition: 1 <= count <= records.
  void truncate(std::size_t count);
  /// Keeps the first `count` records and returns the others, with the rest of the range; both share the backing.
  /// Precondition: 1 <= count < records.
  RecordBatch split_off(std::size_t count);
};

/// What the source can deliver now: [begin, end). begin == end: nothing.
struct OffsetBounds {
  /// `end` of an input that has none to know of: the generator, stdin.
  static constexpr Offset kEndless{INT64_MAX};

  Offset begin;
  Offset end;
};

/// Where one partition begins, decided by the pipeline after its claim.
struct Assignment {
  TopicPartition partition;
  Generation generation;
  Offset position;  // the first offset to deliver
};

/// Implemented by the pipeline. A failed Status ends poll() with that Status.
class Listener {
 public:
  virtual ~Listener() = default;
  /// New partitions are ours: the pipeline claims them in the Delta log and says where each begins.
  virtual Result<std::vector<Assignment>> on_assigned(std::span<const TopicPartition> partitions) = 0;
  /// These are ours no longer. Records still queued must be dropped.
  virtual void on_revoked(std::span<const TopicPartition> partitions) = 0;
};

struct OpenOptions {
  /// `--until caught-up`: the end of the input is an end, so a file's last line without a newline is taken.
  bool until_caught_up = false;
  const Clock* clock = &Clock::system();
};

class Source {
 public:
  virtual ~Source() = default;

  /// Connects. Partitions arrive through the listener, here or in a later poll().
  /// InvalidArgument: cannot ever work (no such topic, no such file). `listener` outlives the source.
  virtual Status open(Listener& listener, const OpenOptions& options) = 0;

  /// Waits at most `timeout` for records of any partition that is not paused. nullopt: none came. A broker that is away
  /// is not an error: the source says so once in the log, and goes on waiting.
  virtual Result<std::optional<RecordBatch>> poll(std::chrono::milliseconds timeout) = 0;

  /// What can be read now. Transient: could not be found out.
  virtual Result<OffsetBounds> bounds(const TopicPartition& partition) = 0;

  /// Hash of the record that stands at exactly `offset` (see record_fingerprint); nullopt where no record stands there
  /// (a control record, compacted away). The pipeline compares it with the one kept beside the marker (rule 9).
  virtual Result<std::optional<std::uint64_t>> fingerprint_at(const TopicPartition& partition, Offset offset) = 0;

  /// Back-pressure: poll() delivers nothing of the partition until resumed, but goes on serving the others and the
  /// group.
  virtual void pause(const TopicPartition& partition) = 0;
  virtual void resume(const TopicPartition& partition) = 0;

  /// All up to and including `last` is committed in Delta. Advisory (Kafka: the group's offsets, asynchronously).
  virtual void committed(const TopicPartition& partition, Offset last) = 0;

  /// True when every record there will ever be has been delivered (stdin at its end).
  virtual bool exhausted() const { return false; }

  /// True when partitions are shared out by a group, so that another process may rightly read beside this one.
  virtual bool in_group() const { return false; }

  /// Leaves the group, closes connections. No call follows. Idempotent.
  virtual void close() = 0;
};

/// Positive 63-bit hash of a record's value; 0 for a tombstone. FNV-1a over at most the first 4 KiB, then the length:
/// stable across releases, because it is stored in the Delta log.
std::uint64_t record_fingerprint(const Record& record);

}  // namespace inlet::source
