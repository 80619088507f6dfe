// Which functions the SQL of a maintained view may call: what is on no list here is refused, so that a function that a
// later DuckDB adds, or whose value changes from call to call, never slips in.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace inlet::views {

/// Functions of one row whose value depends on their arguments only, operators among them ("+", "~~" is LIKE).
std::span<const std::string_view> scalar_functions();
bool is_scalar_function(std::string_view name);

/// What the planner can keep from batch to batch. Aliases of DuckDB fold into one.
enum class AggregateFunction {
  kCountStar,
  kCount,
  kCountIf,
  kSum,
  kAvg,
  kMin,
  kMax,
  kBoolAnd,
  kBoolOr,
  kArgMin,
  kArgMax,
  kArgMinNull,
  kArgMaxNull,
  kFirst,
  kLast,
  kAnyValue,
  kVarSamp,
  kVarPop,
  kStddevSamp,
  kStddevPop,
};
std::optional<AggregateFunction> maintained_aggregate(std::string_view name);

/// An aggregate of DuckDB, maintained or not: for the reason a refusal gives.
bool is_known_aggregate(std::string_view name);

/// Whose value differs between two runs over the same rows, or that look outside the query.
bool is_volatile_function(std::string_view name);

/// Of those, what SQL writes without parentheses: current_date, user. A column reference that no table answers.
bool is_session_keyword(std::string_view name);

}  // namespace inlet::views
