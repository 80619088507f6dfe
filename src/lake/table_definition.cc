#include "lake/table_definition.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "base/letter_case.h"

namespace inlet::lake {
Status check_name(const std::string& name) {
  const std::filesystem::path path(name);
  bool fine = !name.empty() && path.is_relative() && name.find('\0') == std::string::npos;
  for (const auto& part : path) {
    const auto text = part.string();
    fine = fine && !text.empty() && text.front() != '.' && text.front() != '_';
  }
  if (fine) return Status::ok();
  return {StatusCode::kInvalidArgument, "lake.bad_name", "\"" + name + "\" is not a name of a table"};
}

Status check_definition(const TableDefinition& definition) {
  INLET_RETURN_IF_ERROR(check_name(definition.name));
  const auto wrong = [&](std::string what) {
    return Status(StatusCode::kInvalidArgument, "lake.bad_definition", std::move(what)).at(definition.name);
  };
  if (definition.schema.columns.empty()) return wrong("the table has no columns");
  std::set<std::string> names;
  for (const auto& column : definition.schema.columns) {
    if (column.name.empty()) return wrong("a column has no name");
    if (!names.insert(lower_case(column.name)).second) return wrong("two columns are named " + column.name);
    // Delta without column mapping: these cannot be names in Parquet.
    if (column.name.find_first_of(" ,;{}()\n\t=") != std::string::npos) {
      return wrong("the column name \"" + column.name + "\" has one of the characters  ,;{}()=, a tab or a newline");
    }
  }
  for (const auto& name : definition.partition_columns) {
    const auto& columns = definition.schema.columns;
    if (std::none_of(columns.begin(), columns.end(), [&](const Column& c) { return c.name == name; })) {
      return wrong("the partition column " + name + " is not a column");
    }
  }
  if (definition.partition_columns.size() >= definition.schema.columns.size()) {
    return wrong("every column is a partition column");
  }
  return Status::ok();
}

bool has_definition(const Snapshot& snapshot, const TableDefinition& definition) {
  return snapshot.schema() == definition.schema && snapshot.partition_columns() == definition.partition_columns;
}

bool can_become(const Schema& table, const Schema& wanted) {
  std::size_t known = 0;  // columns of the table come in their order, the new ones anywhere between them
  for (const auto& column : wanted.columns) {
    const bool is_known = known < table.columns.size() && table.columns[known].name == column.name;
    if (!is_known && !column.nullable) return false;
    if (!is_known) continue;
    const auto& there = table.columns[known++];
    if (!(there.type == column.type) || (there.nullable && !column.nullable)) return false;
  }
  return known == table.columns.size();
}

std::string way_out(const Schema& table, const Schema& wanted) {
  const auto find = [](const Schema& schema, const Column& column) {
    return std::find_if(schema.columns.begin(), schema.columns.end(),
                        [&](const Column& c) { return equal_ignoring_case(c.name, column.name); });
  };
  if (can_become(table, wanted)) return "start `inlet run` with this pipeline file: it gives the table the columns";
  std::string text;
  const auto add = [&](const std::string& way) { text += (text.empty() ? "" : "; ") + way; };
  for (const auto& column : wanted.columns) {
    const auto there = find(table, column);
    if (there == table.columns.end()) {
      if (!column.nullable)
        add("declare " + column.name + " without \"required\": rows that are there have no value of it");
    } else if (!(there->type == column.type)) {
      add("keep the type of " + column.name +
          ", or add a column of the new type under another name: Delta changes "
          "types only with the table feature typeWidening, which Inlet does not write");
    } else if (there->nullable && !column.nullable) {
      add("declare " + column.name + " without \"required\": rows that are there may lack it");
    }
  }
  for (const auto& column : table.columns) {
    if (find(wanted, column) == wanted.columns.end())
      add("keep " + column.name + " in the pipeline file (it is NULL where events lack it): a column is not taken out");
  }
  if (text.empty()) text = "make the pipeline file say what the table has";
  return text + "; or write to another table or lake (--lake DIR)";
}

}  // namespace inlet::lake
