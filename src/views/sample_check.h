// The last word at `check`: the re-assembled pipeline of a plan gives, over sample rows, what the original query gives.
#pragma once

#include <string>

#include "base/status.h"
#include "base/types.h"
#include "duck/database.h"
#include "views/view_plan.h"

namespace inlet::views {

/// What the values of VARCHAR sample columns look like: SQL that casts them needs the right ones.
enum class SampleTexts { kWords, kDigits, kDates };

/// "SELECT …": a few hundred rows of the given columns, the same each time, with NULLs, negative numbers and repeated
/// values. `_offset` is unique; `_source`, `_partition` and `_offset` are never NULL.
std::string sample_events(const Schema& events, SampleTexts texts);

/// "SELECT …": the rows final_sql gives when the events of `source` (a SELECT) are one batch.
/// Precondition: plan.kind is kAggregate.
std::string one_batch_sql(const ViewPlan& plan, const std::string& source);

/// Ok where both sides agree, exact columns by `=` and the others within 1e-9 relative. Where the reference itself
/// fails on every kind of sample rows (a cast of text, say) there is nothing to compare, and it is ok as well.
/// InvalidArgument "view.not_maintainable" names the first difference.
Status check_on_samples(duck::Connection& connection, const ViewPlan& plan, const Schema& events);

/// Rows of two SELECTs over the plan's output columns, compared as multisets. The text names the first difference.
Result<std::optional<std::string>> first_difference(duck::Connection& connection, const ViewPlan& plan,
                                                    const std::string& actual, const std::string& expected);

}  // namespace inlet::views
