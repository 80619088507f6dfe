#include <algorithm>
#include <string>
#include <vector>

#include "base/letter_case.h"

#include "lake/table.h"

namespace inlet::lake {
namespace {

/// Delta's names are the same whatever their case.
const Column* find(const Schema& schema, const std::string& name) {
  const auto it = std::find_if(schema.columns.begin(), schema.columns.end(),
                               [&](const Column& c) { return equal_ignoring_case(c.name, name); });
  return it == schema.columns.end() ? nullptr : &*it;
}

std::string described(const Column& column) { return column.type.to_pipeline() + (column.nullable ? "" : " NOT NULL"); }

std::string names(const Schema& schema) {
  std::string list;
  for (const auto& column : schema.columns) list += (list.empty() ? "" : ", ") + column.name;
  return list;
}

}  // namespace

std::string schema_difference(const Schema& table, const Schema& wanted) {
  std::vector<std::string> lines;
  for (const auto& column : wanted.columns) {
    const Column* found = find(table, column.name);
    if (found == nullptr) {
      lines.push_back("column " + column.name + ": not in the table, " + described(column) + " in the pipeline file");
    } else if (!(*found == column)) {
      const std::string spelled = found->name == column.name ? "" : " (spelled " + found->name + ")";
      lines.push_back("column " + column.name + ": " + described(*found) + spelled + " in the table, " +
                      described(column) + " in the pipeline file");
    }
  }
  for (const auto& column : table.columns) {
    if (find(wanted, column.name) == nullptr) {
      lines.push_back("column " + column.name + ": " + described(column) + " in the table, not in the pipeline file");
    }
  }
  if (lines.empty() && !(table == wanted)) {
    lines.push_back("order of the columns: " + names(table) + " in the table, " + names(wanted) +
                    " in the pipeline file");
  }
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

}  // namespace inlet::lake
