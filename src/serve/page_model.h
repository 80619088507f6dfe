// The page as a pipeline file describes it, resolved against the tables there are: which filters a panel takes, and the
// SQL of a panel under the filters a person chose.
//
// Thread safety: immutable once made.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/types.h"
#include "config/pipeline_config.h"

namespace inlet::serve {

/// A view of the pipeline, for people: `ViewDefinition` of dashboard/src/contract.ts.
struct ViewInfo {
  std::string name;
  std::string table;              // "silver/ventes_par_pays"
  Schema columns;                 // of its table, processing_time included
  std::vector<std::string> keys;  // the columns that show a group key
  std::string sql;                // as the pipeline file has it
  std::vector<std::string> partition_by;
};

/// A table of the pipeline and its columns.
struct TableInfo {
  std::string name;  // "bronze/ventes_stream"
  Schema columns;
};

/// "column" = value, or "column" IS NULL.
struct Condition {
  std::string column;
  std::optional<std::string> value;  // as text; nullopt: NULL
};

class PageModel {
 public:
  /// `tables`: every table of the pipeline, those of the views included.
  PageModel(const config::PipelineConfig& config, const std::vector<ViewInfo>& views,
            const std::vector<TableInfo>& tables);

  /// `Page` of dashboard/src/contract.ts.
  const std::string& document() const { return document_; }

  /// nullptr: there is none of that id.
  const config::PanelConfig* panel(std::string_view id) const;
  const config::FilterConfig* filter(std::string_view id) const;

  /// True when the panel takes the filter of that id.
  static bool takes(const config::PanelConfig& panel, std::string_view filter);

 private:
  std::vector<config::PanelConfig> panels_;  // with their filters resolved
  std::vector<config::FilterConfig> filters_;
  std::string document_;
};

/// "silver/ventes" and "silver.ventes" → "silver"."ventes"
std::string quoted_table(std::string_view name);

/// The rows of `table` that meet every condition: "(SELECT * FROM … WHERE …)" without the parentheses.
std::string conditional_select(std::string_view table, const std::vector<Condition>& conditions);

/// What a panel shows under these conditions on its `view`: one SELECT.
std::string panel_sql(const config::PanelConfig& panel, const std::vector<Condition>& conditions);

}  // namespace inlet::serve
