// Event N of partition P as a pure function of (seed, N, P): what the generator source delivers, what `inlet produce`
// sends to Kafka, and what an independent check can recompute.
//
// What an event looks like is described by GeneratorConfig alone: entities (tables of things events are about) and
// fields. Randomness is counter based (splitmix64 of seed, partition, number, purpose): nothing is carried from one
// event to the next, so any position can be sought.
//
//   sequence      = N * partitions + P                      ("number of the event over all partitions", from 0)
//   creation time = start_time + sequence * event_interval  (the record's timestamp)
//   event time    = creation time, or up to `late_by` before it for a late event; never after it
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "config/pipeline_config.h"
#include "source/generator_text.h"

namespace inlet::source {

/// How a malformed event is broken. Each kind takes an equal part of `malformed_share`.
enum class Breakage {
  kTruncated,     // the second half is missing
  kWrongType,     // the first field's value is an array
  kMissingField,  // the first field is missing
  kNotANumber,    // the first field's value is the bare word NaN
  kInvalidUtf8,   // the first field's value is a string with bytes that are not UTF-8
  kEmptyMessage,  // no bytes at all
};
inline constexpr int kBreakages = 6;

/// Not thread safe: one per thread. A copy is cheap and shares the prepared catalogue.
///
/// Memory: proportional to the catalogue, not to `clients`. A row beyond the catalogue's differs from the one it
/// repeats only in its first attribute, which is written on the fly.
class EventGenerator {
 public:
  /// InvalidArgument: the description contradicts itself (unknown entity, a product that may not fit 64 bits, …).
  static Result<EventGenerator> create(const config::GeneratorConfig& config);

  /// Names what offsets mean: "generator:seed=1,partitions=2,clients=5,catalogue=small,shape=0123456789abcdef". `shape`
  /// hashes entities, fields, times and shares. The rate is not part of it: it changes when, not what.
  const std::string& source_id() const;
  std::int32_t partitions() const;

  /// Room that write() needs: an upper bound of one event's size, with slack for block copies.
  std::size_t max_event_bytes() const;

  /// Writes event `number` (from 0) of `partition` and returns its end. `out` has max_event_bytes() of room.
  char* write(std::int32_t partition, std::int64_t number, char* out);

  /// The same, in a string.
  std::string event(std::int32_t partition, std::int64_t number);

  /// The record key: the first attribute of the key entity's row, as text. Empty without a key entity.
  std::string key(std::int32_t partition, std::int64_t number) const;

  /// The creation time, in milliseconds since 1970, rounded down.
  std::int64_t timestamp_ms(std::int32_t partition, std::int64_t number) const;

  struct Plan;  // internal: the prepared description

 private:
  explicit EventGenerator(std::shared_ptr<const Plan> plan);

  std::shared_ptr<const Plan> plan_;
  text::InstantWriter instant_;
  // Of the event being written, kept here so that writing allocates nothing.
  std::vector<std::uint64_t> rows_;     // per entity: the row picked
  std::vector<std::uint64_t> repeats_;  // per entity: the catalogue row that it is, or repeats
  std::vector<std::int64_t> numbers_;   // per field: its value, in units of 10^-scale
};

}  // namespace inlet::source
