// Rows of a query as the JSON of `ResultSet` in dashboard/src/contract.ts.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/status.h"
#include "duck/database.h"

namespace inlet::serve {

using TableVersions = std::vector<std::pair<std::string, TableVersion>>;

/// The rows as an array of arrays. DECIMAL, HUGEINT, and integers beyond 2^53 are strings, so that nothing is rounded
/// by whoever reads the JSON. `is_cut`: there were more than `most_rows`.
struct JsonRows {
  Json columns = Json::array();  // {"name", "type"}
  std::string rows = "[]";
  bool is_cut = false;
};
Result<JsonRows> json_rows(duck::ResultStream& stream, std::size_t most_rows);

/// `more`: fields in front, such as {"panel": …}.
std::string result_set_json(const Json& more, const JsonRows& rows, const TableVersions& versions,
                            std::chrono::steady_clock::duration took);

}  // namespace inlet::serve
