// One record's text → one row of a chunk, or the fault that makes it none.
//
// One pass over the positions of StructuralIndex validates the whole document against RFC 8259, ignored fields and
// everything behind the last needed field included, and writes the declared fields into their columns as it meets them.
// What is no JSON is reported before a key that occurs twice, and that before what is wrong with a field; among the
// fields, the first in document order. A row is complete or not there: NULLs are written last, so a fault leaves
// nothing behind that the next record, which takes the same row, would not overwrite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/pipeline_config.h"
#include "decode/field_index.h"
#include "decode/partition_label.h"
#include "decode/reject.h"
#include "decode/structural_index.h"
#include "decode/timestamp_text.h"
#include "duck/data_chunk.h"

namespace inlet::decode {

/// Not thread safe.
class EventReader {
 public:
  enum class Outcome { kRow, kFault, kOutOfMemory };

  /// `event` outlives the reader. The derived column stands behind the declared ones.
  EventReader(const config::EventConfig& event, const std::optional<config::DerivedColumn>& derived, TimeZone zone);

  /// Rows go to `chunk` from now on; it has the declared columns first, then the derived one.
  void bind(duck::DataChunk& chunk);

  /// Fills `row`. `latest_event_time`: microseconds; an event time beyond it is a fault.
  Outcome read(std::string_view text, std::size_t row, std::int64_t latest_event_time);

  /// After kFault, once.
  Fault take_fault() { return std::move(*fault_); }
  /// After kRow: microseconds.
  std::optional<std::int64_t> event_time() const { return event_time_; }

 private:
  using Position = const std::uint32_t*;

  // A declared column while its chunk is filled.
  struct Sink {
    TypeKind kind = TypeKind::kVarchar;
    std::uint8_t precision = 0;
    std::uint8_t scale = 0;
    bool nullable = true;
    std::uint64_t filled_in = 0;  // number of the last event that gave it a value
    void* data = nullptr;         // of the vector

    template <class T>
    void set(std::size_t row, T value) {
      static_cast<T*>(data)[row] = value;
    }
  };
  enum class Put {
    kValue,
    kNull,
    kRefused,   // a fault was noted; the value may be anything, no JSON even
    kNotFinite  // a fault was noted; the value is one literal
  };

  bool walk(std::size_t row);
  bool complete(std::size_t row, std::int64_t latest_event_time);
  void write_derived(std::size_t row);

  // Fields.
  std::uint32_t field_at(std::uint32_t key, std::uint32_t colon, std::uint32_t guess);
  std::uint32_t find_field(std::uint32_t key, std::uint32_t colon, std::uint32_t guess);
  void look_for_twins_among_extra_keys();

  // Values. `value` is the position of its first byte, `next` the position after it.
  Put put(Sink& sink, std::size_t column, std::size_t row, std::uint32_t value, std::uint32_t next);
  Put put_decimal(Sink& sink, std::size_t row, std::uint32_t value, std::uint32_t next);
  void put_string(Sink& sink, std::size_t column, std::size_t row, std::string_view text);
  Put refuse(std::size_t column, std::uint32_t value, std::uint32_t next);
  std::string_view token(std::uint32_t value, std::uint32_t next) const;
  // Between the quotes; with escapes resolved into scratch_ where there are any. nullopt: a wrong escape.
  std::string_view string_content(std::uint32_t value, std::uint32_t next) const;
  std::optional<std::string_view> string_value(std::uint32_t value, std::uint32_t next);
  std::string describe(std::uint32_t value, std::uint32_t next) const;

  // Validation of what is not stored.
  bool skip_value(Position& at, int depth);
  bool scalar_is_valid(std::uint32_t value, std::uint32_t next);

  // Faults.
  bool malformed();
  bool malformed_at(std::uint32_t position, std::string_view what);
  void invalid_utf8();
  void document_fault(RejectReason reason, std::string message, std::string field = {});
  void duplicate_fault(std::string_view key);
  void field_fault(RejectReason reason, std::size_t column, std::string message);

  const config::EventConfig& config_;
  FieldIndex fields_;
  StructuralIndex index_;
  TimestampReader timestamps_;
  std::vector<Sink> sinks_;
  std::size_t event_time_column_ = SIZE_MAX;
  std::size_t derived_from_ = SIZE_MAX;
  PartitionLabel label_;

  duck::DataChunk* chunk_ = nullptr;
  std::uint64_t label_written_ = 0;  // renewals() of the label that label_cell_ holds; 0: none in this chunk
  duckdb_string_t label_cell_{};

  // The event being read.
  std::string_view text_;
  bool has_escapes_ = false;
  std::uint64_t event_ = 0;
  std::size_t filled_ = 0;
  std::uint32_t first_field_ = 0;
  std::optional<std::int64_t> event_time_;
  std::vector<std::string> extra_keys_;
  std::optional<Fault> fault_;
  std::string scratch_;
  std::vector<bool> nesting_;  // true: an object
};

}  // namespace inlet::decode
