#include "views/table_comparison.h"

#include <algorithm>

#include "base/format.h"

namespace inlet::views {
namespace {

using duck::quote_identifier;

constexpr const char* kTolerance = "1e-9";

// What a row is found by in both tables: the group keys, a row's own position, or, where the view does not show them
// all, every exact column.
std::vector<std::string> key_columns(const ViewPlan& plan) {
  std::vector<std::string> keys;
  if (plan.kind == ViewPlan::Kind::kAppend) return {"_source", "_partition", "_offset"};
  std::vector<bool> shown(plan.keys, false);
  for (const auto& output : plan.output) {
    if (!output.key) continue;
    keys.push_back(output.column.name);
    shown[*output.key] = true;
  }
  if (plan.kind == ViewPlan::Kind::kAggregate && std::all_of(shown.begin(), shown.end(), [](bool b) { return b; }))
    return keys;
  keys.clear();
  for (const auto& output : plan.output) {
    if (output.is_exact) keys.push_back(output.column.name);
  }
  return keys;
}

// Delta has one way to write a NULL and an empty partition value: the two count as one.
std::string shown(const ViewPlan& plan, const OutputColumn& output) {
  const std::string name = quote_identifier(output.column.name);
  const bool is_partition =
      std::find(plan.partition_by.begin(), plan.partition_by.end(), output.column.name) != plan.partition_by.end();
  if (is_partition && output.column.type.kind == TypeKind::kVarchar) return "nullif(" + name + ", '') AS " + name;
  return name;
}

std::string differs(const OutputColumn& output) {
  const std::string e = "e." + quote_identifier(output.column.name);
  const std::string a = "a." + quote_identifier(output.column.name);
  if (output.is_exact) return "(" + e + " IS DISTINCT FROM " + a + ")";
  // Equal, NULLs and NaNs included, or near enough.
  return "(" + e + " IS DISTINCT FROM " + a + " AND NOT coalesce(abs(" + e + " - " + a + ") <= " + kTolerance +
         " * greatest(abs(" + e + "), abs(" + a + "), 1e-300), false))";
}

std::string joined(const std::vector<std::string>& parts, const std::string& separator) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : separator) + part;
  return text;
}

std::string text_at(const duck::QueryResult& rows, std::size_t row, std::size_t column) {
  return rows.is_null(row, column) ? "NULL" : rows.text(row, column);
}

}  // namespace

std::string compared_columns(const ViewPlan& plan) {
  std::vector<std::string> all;
  for (const auto& output : plan.output) all.push_back(shown(plan, output));
  return joined(all, ", ");
}

Result<TableComparison> compare_tables(duck::Connection& connection, const ViewPlan& plan, std::size_t most) {
  TableComparison report;
  const auto keys = key_columns(plan);
  std::vector<std::string> partition;
  std::vector<std::string> join{"e.inlet_n = a.inlet_n"};  // the n-th row of a key with the n-th
  for (const auto& key : keys) {
    const std::string name = quote_identifier(key);
    partition.push_back(name);
    join.push_back(fmt::format("e.{0} IS NOT DISTINCT FROM a.{0}", name));
  }
  std::vector<std::string> order;
  std::vector<std::string> select;
  std::vector<std::string> any{"e.inlet_n IS NULL", "a.inlet_n IS NULL"};
  for (const auto& key : partition) select.push_back(fmt::format("coalesce(e.{0}, a.{0})::VARCHAR", key));
  select.insert(select.end(), {"e.inlet_n IS NULL", "a.inlet_n IS NULL"});
  std::vector<const OutputColumn*> compared;
  for (const auto& output : plan.output) {
    if (std::find(keys.begin(), keys.end(), output.column.name) != keys.end()) continue;
    compared.push_back(&output);
    const std::string name = quote_identifier(output.column.name);
    order.push_back(name);
    any.push_back(differs(output));
    select.insert(select.end(), {differs(output), "e." + name + "::VARCHAR", "a." + name + "::VARCHAR"});
  }
  const std::string numbered = "row_number() OVER (" +
                               (partition.empty() ? "" : "PARTITION BY " + joined(partition, ", ")) +
                               (order.empty() ? "" : " ORDER BY " + joined(order, ", ")) + ") AS inlet_n";
  const std::string from = "FROM (SELECT *, " + numbered + " FROM expected) e FULL OUTER JOIN (SELECT *, " + numbered +
                           " FROM actual) a ON " + joined(join, " AND ") + " WHERE " + joined(any, " OR ");
  INLET_ASSIGN_OR_RETURN(const auto counts,
                         connection.query("SELECT (SELECT count(*) FROM expected), (SELECT count(*) " + from + ")"));
  report.rows = counts.integer(0, 0);
  report.differences = counts.integer(0, 1);
  if (report.differences == 0) return report;

  std::vector<std::string> by_key;
  for (std::size_t i = 1; i <= std::max<std::size_t>(1, keys.size()); ++i) by_key.push_back(std::to_string(i));
  INLET_ASSIGN_OR_RETURN(const auto rows,
                         connection.query("SELECT " + joined(select, ", ") + " " + from + " ORDER BY " +
                                          joined(by_key, ", ") + " LIMIT " + std::to_string(most)));
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    Difference difference;
    for (std::size_t k = 0; k < keys.size(); ++k)
      difference.key += (k == 0 ? "" : ", ") + keys[k] + " = " + text_at(rows, row, k);
    const std::size_t sides = keys.size();
    if (rows.text(row, sides) == "true") {
      difference.kind = Difference::Kind::kUnexpected;
    } else if (rows.text(row, sides + 1) == "true") {
      difference.kind = Difference::Kind::kMissing;
    } else {
      for (std::size_t c = 0; c < compared.size(); ++c) {
        const std::size_t at = sides + 2 + 3 * c;
        if (rows.text(row, at) != "true") continue;
        difference.values.push_back({compared[c]->column.name, text_at(rows, row, at + 1), text_at(rows, row, at + 2)});
      }
    }
    report.first.push_back(std::move(difference));
  }
  return report;
}

}  // namespace inlet::views
