// The short forms a pipeline file declares things in: a column, a partition column, a generated field.
// A failed Status says what is wrong and what to write; the caller knows where it stands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "config/pipeline_config.h"

namespace inlet::config {

/// "BIGINT", "DECIMAL(12,2) required", "VARCHAR nullable".
Result<Column> parse_column(std::string_view name, std::string_view text);

/// "day(timestamp) as jour".
Result<DerivedColumn> parse_derived_column(std::string_view text);

/// "sequence", "event_time", "client.nom", "uniform 1..5", "uniform 0.50..99.99", "produit.prix * quantite".
Result<GeneratorField> parse_generated_field(std::string_view name, std::string_view text);

/// A name that a column may have in Delta and in Parquet, and a JSON field in an event.
bool is_column_name(std::string_view name);

}  // namespace inlet::config
