// Two tables of one view's rows, held against each other: what `verify` finds wrong, what `late preview` would change.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "duck/database.h"
#include "views/view_plan.h"

namespace inlet::views {

struct Difference {
  std::string key;  // "client_id = 3, jour = 2025-01-01"
  enum class Kind { kMissing, kUnexpected, kOther } kind = Kind::kOther;
  struct Value {
    std::string column;
    std::string expected;  // as text; "NULL"
    std::string found;
  };
  std::vector<Value> values;  // kOther: the columns that differ
};

struct TableComparison {
  std::int64_t rows = 0;          // that there should be
  std::int64_t differences = 0;   // rows that differ, are missing, or should not be there
  std::vector<Difference> first;  // by key
};

/// SELECT list of the columns that are compared, for the two tables to be made of.
std::string compared_columns(const ViewPlan& plan);

/// Compares the temporary tables `expected` and `actual` of the connection as multisets of rows: exact columns by IS
/// NOT DISTINCT FROM, inexact ones within 1e-9 relative. Tells the first `most` differences one by one.
Result<TableComparison> compare_tables(duck::Connection& connection, const ViewPlan& plan, std::size_t most);

}  // namespace inlet::views
