#include "views/refusal.h"

#include <utility>

namespace inlet::views {
namespace {

constexpr std::string_view kRecompute = "write refresh = \"30s\" to have it recomputed whole";

}  // namespace

Status Refusal::with_id(std::string id, std::string what, const Tree* expression, std::string why,
                        std::string fix) const {
  std::string where = view_.where;
  const auto at = expression == nullptr ? std::nullopt : location_of(*expression);
  if (at) where += (where.empty() ? "" : ", ") + ("SQL " + line_and_column(view_.sql, *at));
  return Status(StatusCode::kInvalidArgument, std::move(id), "view " + view_.name + ": " + std::move(what))
      .at(std::move(where))
      .because(std::move(why))
      .fix(std::move(fix));
}

Status Refusal::operator()(const Tree& expression, std::string why, std::string fix) const {
  return with_id("view.not_maintainable", trees_.describe(expression) + " cannot be kept up to date batch by batch",
                 &expression, std::move(why), fix.empty() ? std::string(kRecompute) : std::move(fix));
}

Status Refusal::of_part(std::string part, std::string why, std::string fix) const {
  return with_id("view.not_maintainable", std::move(part) + " cannot be kept up to date batch by batch", nullptr,
                 std::move(why), fix.empty() ? std::string(kRecompute) : std::move(fix));
}

Status Refusal::sql(const Status& from_duckdb) const {
  if (from_duckdb.code() != StatusCode::kInvalidArgument) return from_duckdb;
  const auto& detail = from_duckdb.detail();
  std::string where = view_.where;
  if (!detail.where.empty()) where += (where.empty() ? "" : ", ") + ("SQL " + detail.where);
  const bool has_reason = !detail.why.empty();
  return Status(StatusCode::kInvalidArgument, "view.sql",
                "view " + view_.name + ": " + (has_reason ? detail.what : "the SQL does not bind"))
      .at(std::move(where))
      .because(has_reason ? detail.why : detail.what)
      .fix(detail.fix.empty() ? "correct the SQL; `inlet query` runs it as well" : detail.fix);
}

}  // namespace inlet::views
