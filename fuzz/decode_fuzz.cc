// Any bytes at all are one row or one reject, and a reject is fit to be stored.
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string_view>
#include <tuple>

#include "decode/decoder.h"
#include "decode/structural_index.h"
#include "fuzz/replay.h"

namespace {

using namespace inlet;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "decode_fuzz: %s\n", what);
  std::abort();
}

config::PipelineConfig pipeline(config::UnknownFields unknown) {
  config::PipelineConfig config;
  for (const auto& [name, type, nullable] : std::initializer_list<std::tuple<const char*, const char*, bool>>{
           {"vente_id", "BIGINT", false},
           {"client_id", "BIGINT", true},
           {"quantite", "INT", true},
           {"timestamp", "TIMESTAMP", true},
           {"montant", "DECIMAL(12,2)", true},
           {"taux", "DECIMAL(4,4)", true},
           {"total", "DECIMAL(38,10)", true},
           {"poids", "DOUBLE", true},
           {"pays", "VARCHAR", true},
           {"une description assez longue", "VARCHAR", true},
           {"fidele", "BOOLEAN", true},
           {"naissance", "DATE", true},
       }) {
    config.event.schema.columns.push_back({name, ColumnType::parse(type).value(), nullable});
  }
  config.timezone = "Europe/Paris";
  config.event.event_time = "timestamp";
  config.event.unknown_fields = unknown;
  config.event.max_depth = 16;
  config.event.max_event_bytes = 1U << 16U;
  config.quarantine.max_raw_bytes = 64;
  config.bronze.partition_by = config::DerivedColumn{"heure", config::DerivedColumn::Function::kHour, "timestamp"};
  return config;
}

void check(decode::Decoder& decoder, const config::PipelineConfig& config, std::string_view text) {
  source::RecordBatch batch;
  batch.partition = {"fuzz", 0};
  // Twice: what the first leaves behind must not change what becomes of the second.
  batch.records = {{{0}, 1'700'000'000'000, text, false}, {{1}, 1'700'000'000'000, text, false}};
  batch.range = {{0}, {1}};
  const auto decoded = decoder.decode(batch, {});
  require(decoded.is_ok(), "decoding a batch failed");
  require(decoded->chunk.rows() + decoded->rejects.size() == 2, "a record is neither row nor reject, or both");
  require(decoded->rejects.size() != 1, "the same bytes were a row and a reject");
  for (const decode::Reject& reject : decoded->rejects) {
    require(decode::is_valid_utf8(reject.message) && decode::is_valid_utf8(reject.field), "a message is no UTF-8");
    require(!reject.message.empty() && reject.message.size() <= 512, "a message is empty or too long");
    require(reject.field.size() <= 256, "a field's name is too long");
    require(decode::is_valid_utf8(reject.raw), "raw is no UTF-8");
    require(reject.raw.size() <= (config.quarantine.max_raw_bytes + 2) / 3 * 4, "raw is too long");
    require(reject.raw_bytes == static_cast<std::int64_t>(text.size()), "raw_bytes is not the size");
    require(reject.raw_is_base64 || text.starts_with(reject.raw), "raw is not what came");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const config::PipelineConfig kIgnoring = pipeline(config::UnknownFields::kIgnore);
  static const config::PipelineConfig kRefusing = pipeline(config::UnknownFields::kRefuse);
  static decode::Decoder ignoring(kIgnoring);
  static decode::Decoder refusing(kRefusing);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(ignoring, kIgnoring, text);
  check(refusing, kRefusing, text);
  return 0;
}
