#include <algorithm>
#include <array>
#include <utility>

#include "base/format.h"
#include "base/letter_case.h"
#include "views/maintained_plan.h"
#include "views/output_columns.h"
#include "views/row_origins.h"

namespace inlet::views {
namespace {

constexpr std::array<const char*, 3> kPlace{"_source", "_partition", "_offset"};

// The items as written, then where each row came from, unless that is among them.
Result<std::vector<SelectItem>> with_place(const ViewQuery& query, const Refusal& refuse) {
  std::vector<SelectItem> items = query.items;
  const std::string& events = query.from.events().alias;
  for (const char* name : kPlace) {
    const Tree column{{"class", "COLUMN_REF"},
                      {"type", "COLUMN_REF"},
                      {"alias", ""},
                      {"query_location", static_cast<std::uint64_t>(-1)},
                      {"column_names", {events, name}}};
    const auto same = std::find_if(items.begin(), items.end(),
                                   [&](const SelectItem& i) { return equal_ignoring_case(i.name, name); });
    if (same == items.end()) {
      items.push_back({name, column});
    } else if (expression_key(same->expression) != expression_key(column)) {
      return refuse.with_id("view.output_name", std::string("a column is named ") + name, &same->expression,
                            "a view without aggregates carries the event's own " + std::string(name),
                            "name it otherwise");
    } else {
      same->name = name;
    }
  }
  return items;
}

}  // namespace

Result<ViewPlan> plan_append_view(duck::Connection& connection, const PlannerInput& input, const ViewQuery& query,
                                  const Refusal& refuse, SqlTrees& trees) {
  INLET_ASSIGN_OR_RETURN(const auto items, with_place(query, refuse));
  std::vector<std::string> names;
  for (const auto& item : items) names.push_back(item.name);
  INLET_RETURN_IF_ERROR(check_output_names(names, refuse));

  std::string behind = " FROM " + query.from.sql;
  std::string where;
  if (query.where) {
    INLET_ASSIGN_OR_RETURN(where, trees.to_sql(*query.where));
    behind += " WHERE " + where;
  }
  ViewPlan plan;
  plan.kind = ViewPlan::Kind::kAppend;
  std::string list;
  std::string keys;
  for (const auto& item : items) {
    INLET_ASSIGN_OR_RETURN(const std::string sql, trees.to_sql(item.expression));
    const auto described =
        describe_columns(connection, empty_source(input.events), fmt::format("SELECT {} AS x{}", sql, behind));
    if (!described) return refuse.sql(described.status());
    const std::string& from = described->front().type;
    const auto type = published_type(from);
    if (!type) return refuse_output_type(item.name, from, &item.expression, refuse);
    const std::string value = cast_to(sql, from, *type);
    list += (list.empty() ? "" : ", ") + value + " AS " + duck::quote_identifier(item.name);
    keys += (keys.empty() ? "" : ", ") + value + " AS k" + std::to_string(plan.output.size());
    plan.origins.shown.emplace_back(plan.output.size());
    plan.origins.event_columns.push_back(event_column(query.from, item.expression));
    plan.output.push_back({{item.name, *type}, /*is_exact=*/true, std::nullopt});
  }
  plan.final_sql = "SELECT " + list + behind;
  plan.reference_sql = plan.final_sql;
  plan.origins.sql = origins_sql(query.from, keys, where);
  plan.origins.repeats = query.from.relations.size() > 1;
  return plan;
}

}  // namespace inlet::views
