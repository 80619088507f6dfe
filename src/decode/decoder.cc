#include "decode/decoder.h"

#include <new>
#include <utility>

#include "decode/calendar.h"
#include "decode/event_reader.h"
#include "decode/reject.h"
#include "decode/time_zone.h"

namespace inlet::decode {
namespace {

constexpr std::int64_t kMicrosPerMilli = 1000;

// Kafka leaves the time to the producer: absent (-1, or 0 where a client filled in nothing) and absurd values happen.
std::optional<std::int64_t> record_micros(const source::Record& record) {
  std::int64_t micros = 0;
  if (record.timestamp_ms <= 0 || !TimestampReader::from_milliseconds(record.timestamp_ms, micros)) return std::nullopt;
  return micros;
}

Status out_of_memory() {
  return {StatusCode::kInternal, "decode.out_of_memory", "memory does not suffice to decode a batch"};
}

}  // namespace

struct Decoder::Impl {
  const config::PipelineConfig* config;
  const Clock* clock;
  Schema schema;
  Status zone_status;  // of the pipeline's time zone
  std::optional<EventReader> reader;
  std::size_t source_column = 0;  // `_source`; the other positions follow

  Impl(const config::PipelineConfig& c, const Clock& k)
      : config(&c), clock(&k), schema(chunk_schema(c)), source_column(schema.columns.size() - 4) {
    auto zone = TimeZone::load(c.timezone);
    if (!zone) {
      zone_status = zone.status();
      return;
    }
    reader.emplace(c.event, c.bronze.partition_by, std::move(zone).value());
  }

  // What needs no look inside.
  std::optional<Fault> fault_of_whole(const source::Record& record) const {
    if (record.is_tombstone) return Fault{RejectReason::kTombstone, "the message has no value (a tombstone)", {}};
    if (record.value.size() > config->event.max_event_bytes) {
      return Fault{RejectReason::kTooLarge,
                   "the message has " + std::to_string(record.value.size()) + " bytes, " +
                       std::to_string(config->event.max_event_bytes) + " are allowed",
                   {}};
    }
    return std::nullopt;
  }

  Result<DecodedBatch> decode(const source::RecordBatch& batch,
                              const std::unordered_set<std::int64_t>& already_decided) {
    INLET_RETURN_IF_ERROR(zone_status);
    if (batch.records.size() > source::RecordBatch::kMaxRecords) {
      return Status(StatusCode::kInternal, "decode.batch_too_long",
                    "a batch holds " + std::to_string(batch.records.size()) + " records")
          .at(batch.partition.to_string());
    }
    DecodedBatch decoded;
    decoded.partition = batch.partition;
    decoded.generation = batch.generation;
    decoded.range = batch.range;
    decoded.records = batch.records.size();
    decoded.chunk = duck::DataChunk(schema);
    if (!decoded.chunk) return out_of_memory();
    reader->bind(decoded.chunk);
    auto* const offsets = decoded.chunk.values<std::int64_t>(source_column + 2);
    auto* const record_times = decoded.chunk.values<std::int64_t>(source_column + 3);
    const std::int64_t tolerance = config->event.future_tolerance.count() * kMicrosPerMilli;
    const std::int64_t now = clock->now().time_since_epoch().count();

    std::size_t row = 0;
    std::optional<std::int64_t> max_event_time;
    for (const source::Record& record : batch.records) {
      decoded.bytes += record.value.size();
      if (!already_decided.empty() && already_decided.contains(record.offset.value)) continue;
      auto fault = fault_of_whole(record);
      if (!fault) {
        const auto time = record_micros(record);
        switch (reader->read(record.value, row, time.value_or(now) + tolerance)) {
          case EventReader::Outcome::kOutOfMemory: return out_of_memory();
          case EventReader::Outcome::kFault: fault = reader->take_fault(); break;
          case EventReader::Outcome::kRow:
            offsets[row] = record.offset.value;
            if (time) {
              record_times[row] = *time;
            } else {
              decoded.chunk.set_null(source_column + 3, row);
            }
            max_event_time = std::max(max_event_time, reader->event_time());
            ++row;
            break;
        }
      }
      if (fault) {
        decoded.rejects.push_back(make_reject(record, std::move(*fault), config->quarantine.max_raw_bytes));
      }
    }
    decoded.chunk.set_rows(row);
    decoded.chunk.set_constant(source_column, batch.partition.source);
    decoded.chunk.set_constant(source_column + 1, batch.partition.partition);
    if (max_event_time) decoded.max_event_time = Timestamp(std::chrono::microseconds(*max_event_time));
    if (!batch.records.empty() && batch.records.back().offset == batch.range.last) {
      decoded.last_fingerprint = source::record_fingerprint(batch.records.back());
    }
    return decoded;
  }
};

Decoder::Decoder(const config::PipelineConfig& config, const Clock& clock)
    : impl_(std::make_unique<Impl>(config, clock)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

Result<DecodedBatch> Decoder::decode(const source::RecordBatch& batch,
                                     const std::unordered_set<std::int64_t>& already_decided) {
  try {
    return impl_->decode(batch, already_decided);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

Schema Decoder::chunk_schema(const config::PipelineConfig& config) {
  Schema schema = config.event.schema;
  if (const auto& derived = config.bronze.partition_by) {
    bool nullable = true;
    for (const Column& column : config.event.schema.columns) {
      // The empty text of a VARCHAR is NULL in a partition column.
      if (column.name == derived->column) nullable = column.nullable || column.type.kind == TypeKind::kVarchar;
    }
    schema.columns.push_back({derived->name, {TypeKind::kVarchar, 0, 0}, nullable});
  }
  schema.columns.push_back({"_source", {TypeKind::kVarchar, 0, 0}, false});
  schema.columns.push_back({"_partition", {TypeKind::kInt, 0, 0}, false});
  schema.columns.push_back({"_offset", {TypeKind::kBigint, 0, 0}, false});
  schema.columns.push_back({"_kafka_timestamp", {TypeKind::kTimestamp, 0, 0}, true});
  return schema;
}

}  // namespace inlet::decode
