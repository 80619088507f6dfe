// A decoder and batches of texts, for tests that read as: this text, that row.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "decode/decoder.h"

namespace inlet::decode::testing {

/// A clock that stands still.
class StoppedClock : public Clock {
 public:
  explicit StoppedClock(std::int64_t micros) : micros_(micros) {}
  Timestamp now() const override { return Timestamp(std::chrono::microseconds(micros_)); }
  std::chrono::steady_clock::time_point steady_now() const override { return {}; }

 private:
  std::int64_t micros_;
};

/// 2030-01-01T00:00:00Z, in milliseconds: later than the events of the tests.
inline constexpr std::int64_t kRecordTime = 1'893'456'000'000;

/// "name TYPE" is nullable, "name TYPE!" is required.
inline Schema schema(std::initializer_list<std::string_view> columns) {
  Schema result;
  for (std::string_view column : columns) {
    const bool required = column.back() == '!';
    if (required) column.remove_suffix(1);
    const auto space = column.rfind(' ');
    result.columns.push_back(
        {std::string(column.substr(0, space)), ColumnType::parse(column.substr(space + 1)).value(), !required});
  }
  return result;
}

inline config::PipelineConfig pipeline(Schema event_schema) {
  config::PipelineConfig config;
  config.event.schema = std::move(event_schema);
  return config;
}

/// The sales event of the reference pipeline.
inline config::PipelineConfig ventes() {
  config::PipelineConfig config =
      pipeline(schema({"vente_id BIGINT!", "client_id BIGINT!", "produit_id INT!", "timestamp TIMESTAMP!",
                       "quantite INT!", "montant DECIMAL(12,2)!", "client_nom VARCHAR", "produit_nom VARCHAR",
                       "categorie VARCHAR", "pays VARCHAR", "segment VARCHAR"}));
  config.event.event_time = "timestamp";
  config.bronze.partition_by = config::DerivedColumn{"jour", config::DerivedColumn::Function::kDay, "timestamp"};
  return config;
}

inline constexpr std::string_view kVente =
    R"({"vente_id": 17, "client_id": 2, "produit_id": 103, "timestamp": "2026-01-31T12:30:00.123Z", )"
    R"("quantite": 3, "montant": 89.97, "client_nom": "Benoît Lefèvre", "produit_nom": "Clavier", )"
    R"("categorie": "Informatique", "pays": "Belgique", "segment": "Standard"})";

/// A batch that owns its texts. Offsets count from `first`.
class TextBatch {
 public:
  TextBatch(std::vector<std::string> texts, std::int64_t first = 0, std::int64_t time_ms = kRecordTime)
      : texts_(std::make_unique<std::vector<std::string>>(std::move(texts))) {
    batch.partition = {"kafka:test", 3};
    batch.generation = {7};
    batch.range = {{first}, {first + static_cast<std::int64_t>(texts_->size()) - 1}};
    for (const std::string& text : *texts_) {
      batch.records.push_back({{first++}, time_ms, text, false});
      batch.bytes += text.size();
    }
  }
  source::RecordBatch batch;

 private:
  std::unique_ptr<std::vector<std::string>> texts_;
};

/// A value as text; "NULL". Timestamps are microseconds, dates are days, decimals are unscaled.
std::string cell(const duck::DataChunk& chunk, const Schema& schema, std::size_t column, std::size_t row);

/// Every declared and derived value of a row, in order, without the four position columns.
std::vector<std::string> row_of(const DecodedBatch& decoded, const config::PipelineConfig& config, std::size_t row);

/// Decodes one text: "row: a|b|c" or "reason: field".
std::string outcome(Decoder& decoder, const config::PipelineConfig& config, std::string_view text);
std::string outcome(const config::PipelineConfig& config, std::string_view text);

/// The reject of a text that must be rejected; an empty one after a failed expectation when it was not.
Reject reject_of(const config::PipelineConfig& config, std::string_view text);

}  // namespace inlet::decode::testing
