// The lake of a support bundle: its tables' logs, their newest commits, and what runs keep beside them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/support_commits.h"
#include "cli/support_parts.h"
#include "cli/support_pipeline.h"
#include "lake/table.h"

namespace inlet::cli {

/// Reads only. What is wrong with one table is a problem among the parts, and the others are there all the same.
class SupportTables {
 public:
  /// All outlive it; the pipeline has a lake. `commits`: of each table, the newest.
  SupportTables(const SupportPipeline& pipeline, std::size_t commits, RowValueMask& mask, SupportParts& parts)
      : pipeline_(pipeline), commits_(commits), mask_(mask), parts_(parts) {}

  /// tables.json, as `inlet tables --json`.
  Status summaries();
  /// tables/: of a lake in a directory the files of each _delta_log with sizes and times, and the newest commits; of
  /// one in an object store what `inlet history --json` says of those.
  Status logs();
  /// state/: the files of the lake's _inlet directory, who holds its locks, and what the views have saved.
  Status state();

 private:
  Result<lake::Lake*> open_lake();
  void keep_most(std::vector<std::string>& tables);
  Status history(const std::string& table);
  Status log(const std::string& table);
  Status commit(const std::string& path, const std::string& place);
  Status manifest(const std::string& directory, const std::string& name);

  const SupportPipeline& pipeline_;
  const std::size_t commits_;
  RowValueMask& mask_;
  SupportParts& parts_;
  std::unique_ptr<lake::Lake> opened_;
};

}  // namespace inlet::cli
