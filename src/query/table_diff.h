// What differs between two versions of a table: a multiset difference of rows, computed by DuckDB from the files that
// one version has and the other has not (a file that both have holds the same rows in both).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "lake/table.h"

namespace inlet::query {

struct TableDiffOptions {
  /// A row that went and a row that came with equal values here are one row that changed; columns of the table. Empty:
  /// nothing changes, rows come and go.
  std::vector<std::string> key;
  std::vector<std::string> ignored;  // columns that are not compared, nor shown
  std::size_t most = 20;             // how many rows are kept as examples
  int threads = 2;
  std::int64_t memory_limit_bytes = 256LL << 20;
  std::string temp_directory;
};

struct RowDifference {
  enum class Kind { kAdded, kRemoved, kChanged } kind = Kind::kAdded;
  std::int64_t count = 1;                          // how many equal rows of the kind; 1 for changed ones
  std::vector<std::optional<std::string>> before;  // as DuckDB casts them to text; empty for added rows
  std::vector<std::optional<std::string>> after;   // empty for removed rows
};

struct TableDiff {
  TableVersion from;
  TableVersion to;
  std::vector<std::string> columns;
  std::int64_t added = 0;    // rows of `to` that are not in `from`, changed ones left out
  std::int64_t removed = 0;  // rows of `from` that are not in `to`, changed ones left out
  std::int64_t changed = 0;
  std::int64_t files_only_before = 0;
  std::int64_t files_only_after = 0;
  std::vector<RowDifference> first;  // changed, removed, added ones; by key, or by all columns

  bool is_same() const { return added + removed + changed == 0; }
};

/// Columns are those of `to`; one that only `from` has is compared as well. NotFound: no such version, or its files are
/// gone. InvalidArgument: a column of the key is not one of the table, or two versions gave one column other types.
Result<TableDiff> diff_versions(lake::Table& table, TableVersion from, TableVersion to,
                                const TableDiffOptions& options);

}  // namespace inlet::query
