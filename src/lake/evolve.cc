#include "lake/evolve.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/fault_point.h"
#include "base/json.h"
#include "base/log.h"

namespace inlet::lake {
namespace {

// A plan's refusal: another process was faster, and there is nothing left to do, or something else.
constexpr const char* kMoved = "evolve.moved";

bool can_evolve(const Snapshot& snapshot, const TableDefinition& definition) {
  return snapshot.partition_columns() == definition.partition_columns &&
         can_become(snapshot.schema(), definition.schema);
}

std::vector<std::string> new_columns(const Schema& before, const Schema& after) {
  std::vector<std::string> names;
  for (const auto& column : after.columns) {
    const auto is_known = [&](const Column& known) { return known.name == column.name; };
    if (std::none_of(before.columns.begin(), before.columns.end(), is_known)) names.push_back(column.name);
  }
  return names;
}

Commit evolving(const Snapshot& snapshot, const TableDefinition& definition) {
  const auto added = new_columns(snapshot.schema(), definition.schema);
  Commit commit;
  commit.operation = added.empty() ? "CHANGE COLUMNS" : "ADD COLUMNS";
  commit.operation_parameters = {{"columns", dump_json(Json(added))}};
  commit.change = {definition.schema, definition.partition_columns};
  commit.data_change = false;
  return commit;
}

}  // namespace

Result<std::unique_ptr<Table>> open_or_evolve(Lake& lake, const TableDefinition& definition) {
  INLET_RETURN_IF_ERROR(check_definition(definition));
  auto table = lake.open(definition.name);
  if (!table.is_ok() && table.status().code() != StatusCode::kNotFound) return table;
  if (table.is_ok() && !has_definition(*(*table)->snapshot(), definition) &&
      can_evolve(*(*table)->snapshot(), definition)) {
    const auto before = schema_difference((*table)->snapshot()->schema(), definition.schema);
    const auto plan = [&](const Snapshot& snapshot) -> Result<Commit> {
      if (has_definition(snapshot, definition) || !can_evolve(snapshot, definition))
        return Status(StatusCode::kConflict, kMoved, "another process changed the table");
      return evolving(snapshot, definition);
    };
    INLET_FAULT_POINT("tables.before_evolve");
    const auto committed = (*table)->commit(plan, [] { return false; });
    if (!committed.is_ok() && committed.status().detail().id != kMoved) return committed.status();
    if (committed.is_ok())
      log::info("lake", "{}: version {} has the columns of the pipeline file: {}", definition.name,
                committed->version.value, before);
    INLET_FAULT_POINT("tables.after_evolve");
  }
  if (table.is_ok() && has_definition(*(*table)->snapshot(), definition)) return table;
  return lake.open_or_create(definition);  // made, found to be the same by now, or refused with the difference
}

}  // namespace inlet::lake
