#include "views/sample_check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/format.h"

namespace inlet::views {
namespace {

constexpr int kRows = 240;

// One of a few values by the row number `i`, NULL now and then. `salt` makes columns differ.
std::string sample_value(const Column& column, std::size_t salt, SampleTexts texts) {
  const std::string spread = "((i * 7919 + " + std::to_string(salt * 31) + ") % 97)";
  const std::string few = "(" + spread + " % " + std::to_string(2 + salt % 5) + ")";
  const auto nullable = [&](const std::string& value) {
    return "CASE WHEN (i + " + std::to_string(salt) + ") % 11 = 0 THEN NULL ELSE " + value + " END";
  };
  switch (column.type.kind) {
    case TypeKind::kBigint:
    case TypeKind::kInt: return nullable(salt % 2 == 0 ? few : spread + " - 40");
    case TypeKind::kDouble: return nullable("(" + spread + " - 30) / 8.0");
    case TypeKind::kDecimal: {
      // Three digits with the scale's own fraction: it fits whatever the precision is.
      const int digits = std::min(3, static_cast<int>(column.type.precision));
      const int limit = digits >= 3 ? 90 : (digits == 2 ? 40 : 4);
      return nullable("(" + few + " * 7 + " + spread + " % 5 - 9) % " + std::to_string(limit) + " / 1e" +
                      std::to_string(column.type.scale));
    }
    case TypeKind::kVarchar:
      if (texts == SampleTexts::kDigits) return nullable("CAST(" + few + " AS VARCHAR)");
      if (texts == SampleTexts::kDates)
        return nullable("CAST(DATE '2026-01-30' + CAST(" + few + " AS INTEGER) AS VARCHAR)");
      return nullable("(['ab', 'Zoë', '', 'ab ', '東', 'B'])[1 + " + few + " % 6]");
    case TypeKind::kBoolean: return nullable(spread + " % 3 = 0");
    case TypeKind::kDate: return nullable("DATE '2026-01-30' + CAST(" + few + " AS INTEGER)");
    case TypeKind::kTimestamp:
      return nullable("TIMESTAMPTZ '2026-01-31 23:00:00+00' + to_minutes(CAST(" + spread + " AS BIGINT))");
  }
  return "NULL";
}

std::string place_value(const Column& column) {
  if (column.name == "_source") return "'sample'";
  if (column.name == "_partition") return "i % 3";
  if (column.name == "_offset") return "i";
  return "";
}

// A SELECT with inlet_source being another SELECT.
std::string over(const std::string& source, const std::string& select) {
  return "(WITH inlet_source AS NOT MATERIALIZED (" + source + ") " + select + ")";
}

// Sums that cancel leave digits of no meaning: below 1 the difference itself is what counts.
bool is_close(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const double x = std::strtod(a.c_str(), nullptr);
  const double y = std::strtod(b.c_str(), nullptr);
  return std::fabs(x - y) <= 1e-9 * std::max({std::fabs(x), std::fabs(y), 1.0});
}

Result<duck::QueryResult> sorted_rows(duck::Connection& connection, const ViewPlan& plan, const std::string& select) {
  // Exact columns first: equal rows then meet, and only the last digits of the others differ.
  std::string order;
  for (const bool exact : {true, false}) {
    for (const auto& output : plan.output) {
      if (output.is_exact != exact) continue;
      order += (order.empty() ? "" : ", ") + duck::quote_identifier(output.column.name);
    }
  }
  return connection.query("SELECT * FROM (" + select + ") ORDER BY " + order);
}

std::string value_text(const duck::QueryResult& rows, std::size_t row, std::size_t column) {
  return rows.is_null(row, column) ? "NULL" : rows.text(row, column);
}

}  // namespace

std::string sample_events(const Schema& events, SampleTexts texts) {
  std::string columns;
  for (std::size_t i = 0; i < events.columns.size(); ++i) {
    const auto& column = events.columns[i];
    const std::string place = place_value(column);
    columns += (i == 0 ? "" : ", ") + ("CAST(" + (place.empty() ? sample_value(column, i, texts) : place)) + " AS " +
               column.type.to_duckdb() + ") AS " + duck::quote_identifier(column.name);
  }
  return "SELECT " + columns + " FROM range(" + std::to_string(kRows) + ") AS rows(i)";
}

std::string one_batch_sql(const ViewPlan& plan, const std::string& source) {
  std::string columns = "partials.*";
  std::string joins;
  for (std::size_t i = 0; i < plan.distinct_counts.size(); ++i) {
    const std::string name = "distinct" + std::to_string(i);
    std::string keys;
    std::string match;
    for (std::size_t k = 0; k < plan.keys; ++k) {
      const std::string key = "k" + std::to_string(k);
      keys += key + ", ";
      match += fmt::format("{}partials.{} IS NOT DISTINCT FROM {}.{}", k == 0 ? "" : " AND ", key, name, key);
    }
    columns += fmt::format(", coalesce({}.n, 0) AS d{}", name, i);
    joins += fmt::format(" LEFT JOIN (SELECT {}count(*) AS n FROM {}{}) AS {} ON {}", keys,
                         over(source, plan.distinct_counts[i].sql), plan.keys == 0 ? "" : " GROUP BY ALL", name,
                         match.empty() ? "true" : match);
  }
  const std::string state = "SELECT " + columns + " FROM " + over(source, plan.group_sql) + " AS partials" + joins;
  return "SELECT * FROM " + over(state, plan.final_sql);
}

Result<std::optional<std::string>> first_difference(duck::Connection& connection, const ViewPlan& plan,
                                                    const std::string& actual, const std::string& expected) {
  INLET_ASSIGN_OR_RETURN(const auto a, sorted_rows(connection, plan, actual));
  INLET_ASSIGN_OR_RETURN(const auto b, sorted_rows(connection, plan, expected));
  if (a.rows() != b.rows())
    return std::optional("there are " + std::to_string(a.rows()) + " rows for " + std::to_string(b.rows()));
  for (std::size_t row = 0; row < a.rows(); ++row) {
    for (std::size_t column = 0; column < plan.output.size(); ++column) {
      const std::string left = value_text(a, row, column);
      const std::string right = value_text(b, row, column);
      const bool is_same = plan.output[column].is_exact ? left == right : is_close(left, right);
      if (!is_same)
        return std::optional(fmt::format("column {} is {} for {}", plan.output[column].column.name, left, right));
    }
  }
  return std::optional<std::string>();
}

Status check_on_samples(duck::Connection& connection, const ViewPlan& plan, const Schema& events) {
  if (plan.kind != ViewPlan::Kind::kAggregate) return Status::ok();
  for (const auto texts : {SampleTexts::kWords, SampleTexts::kDigits, SampleTexts::kDates}) {
    const std::string source = sample_events(events, texts);
    const std::string reference = "SELECT * FROM " + over(source, plan.reference_sql);
    if (!connection.query(reference)) continue;
    INLET_ASSIGN_OR_RETURN(const auto difference,
                           first_difference(connection, plan, one_batch_sql(plan, source), reference));
    if (!difference) continue;
    return {StatusCode::kInvalidArgument, "view.not_maintainable", "over sample rows " + *difference};
  }
  return Status::ok();
}

}  // namespace inlet::views
