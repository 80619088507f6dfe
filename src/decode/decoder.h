// What flows in: a batch of records. What flows out: one data chunk of typed columns, and a reject with a reason for
// every record that is not in it. Never a NULL in place of a value that could not be read, never a dropped record.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "config/pipeline_config.h"
#include "duck/data_chunk.h"
#include "source/source.h"

namespace inlet::decode {

/// Why a record went to quarantine. The names (to_string) are stored in the table and stable.
enum class RejectReason {
  kEmpty,         // "empty"
  kTombstone,     // "tombstone"
  kTooLarge,      // "too_large"
  kInvalidUtf8,   // "invalid_utf8"
  kInvalidJson,   // "invalid_json"
  kTooDeep,       // "too_deep"
  kNotAnObject,   // "not_an_object"
  kDuplicateKey,  // "duplicate_key"
  kUnknownField,  // "unknown_field"
  kMissingField,  // "missing_field": absent, or null where required
  kWrongType,     // "wrong_type"
  kOverflow,      // "overflow": does not fit the declared type, digits beyond the scale included
  kNotFinite,     // "not_finite"
  kBadTimestamp,  // "bad_timestamp"
  kFutureEvent,   // "future_event"
  kExpectation,   // "expectation": an [[expect]] with action = "quarantine" is not met (expectations.h)
};
std::string_view to_string(RejectReason reason);

struct Reject {
  Offset offset;
  std::int64_t timestamp_ms = 0;  // of the record
  RejectReason reason = RejectReason::kInvalidJson;
  std::string message;  // for a person: what was found, what was expected
  std::string field;    // empty where the record as a whole is wrong
  std::string raw;      // the value: text as it is, or base64 where it is not valid UTF-8; cut at max_raw_bytes
  bool raw_is_base64 = false;
  bool raw_is_cut = false;
  std::int64_t raw_bytes = 0;  // size of the whole value
};

/// One RecordBatch, decoded. Rows are in offset order; `chunk` has the columns of Decoder::chunk_schema().
struct DecodedBatch {
  TopicPartition partition;
  Generation generation;
  OffsetRange range;
  std::size_t records = 0;  // rows + rejects + skipped
  std::size_t bytes = 0;    // of the records' values
  duck::DataChunk chunk;    // rows() may be 0
  std::vector<Reject> rejects;
  std::optional<Timestamp> max_event_time;         // of the rows in the chunk
  std::vector<std::int64_t> expectation_failures;  // rows that did not meet it, per expectation; empty: none asked
  std::optional<std::uint64_t> last_fingerprint;   // of the record at range.last; nullopt when none stands there
};

/// Not thread safe: one Decoder per thread, it owns its parser and buffers. Decoding is a pure function of the batch
/// and the configuration (and, for files and generators, of the clock for `future_event`).
class Decoder {
 public:
  /// `config` outlives the decoder.
  explicit Decoder(const config::PipelineConfig& config, const Clock& clock = Clock::system());
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  /// `already_decided`: offsets of this batch's partition that stand in the quarantine or the late table above bronze's
  /// marker (rule 5): they are neither decoded nor rejected again. Fails only when memory does.
  Result<DecodedBatch> decode(const source::RecordBatch& batch,
                              const std::unordered_set<std::int64_t>& already_decided);

  /// Columns of the chunk, in order: the declared fields, the derived partition column if there is one, then
  /// `_source` VARCHAR, `_partition` INT, `_offset` BIGINT, `_kafka_timestamp` TIMESTAMP.
  static Schema chunk_schema(const config::PipelineConfig& config);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace inlet::decode
