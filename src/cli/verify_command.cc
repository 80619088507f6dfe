#include "cli/verify_command.h"

#include "base/format.h"
#include "base/json.h"
#include "bronze/late_table.h"
#include "bronze/tables.h"
#include "cli/progress_line.h"
#include "views/verify.h"

namespace inlet::cli {
namespace {

const char* kind_text(views::Difference::Kind kind) {
  switch (kind) {
    case views::Difference::Kind::kMissing: return "missing";
    case views::Difference::Kind::kUnexpected: return "unexpected";
    case views::Difference::Kind::kOther: break;
  }
  return "different";
}

Json version_json(const std::optional<TableVersion>& version) { return version ? Json(version->value) : Json(nullptr); }

Json differences_json(const views::TableComparison& comparison) {
  Json first = Json::array();
  for (const auto& difference : comparison.first) {
    Json values = Json::array();
    for (const auto& value : difference.values)
      values.push_back({{"column", value.column}, {"expected", value.expected}, {"found", value.found}});
    first.push_back({{"key", difference.key}, {"kind", kind_text(difference.kind)}, {"values", values}});
  }
  return first;
}

Json report_json(const views::VerifyReport& report) {
  return {{"view", report.view},
          {"table", report.table},
          {"table_version", version_json(report.table_version)},
          {"bronze_version", version_json(report.bronze_version)},
          {"rows", report.comparison.rows},
          {"differences", report.comparison.differences},
          {"ok", report.is_clean()},
          {"problem", report.problem.empty() ? Json(nullptr) : Json(report.problem)},
          {"first", differences_json(report.comparison)}};
}

void print_report(const views::VerifyReport& report) {
  if (!report.bronze_version) {
    fmt::print("FAIL  {}: {} was never published; run the pipeline first\n", report.view, report.table);
    return;
  }
  if (!report.problem.empty()) {
    fmt::print("FAIL  {}: {} version {} is of another definition of the view; a run builds it anew\n      {}\n",
               report.view, report.table, report.table_version->value, report.problem);
    return;
  }
  fmt::print("{}  {}: {} rows of {} version {} are{} what its SQL says of bronze version {}\n",
             report.is_clean() ? "ok  " : "FAIL", report.view, with_thousands(report.comparison.rows), report.table,
             report.table_version->value, report.is_clean() ? "" : " not", report.bronze_version->value);
  if (report.is_clean()) return;
  fmt::print("      {} rows differ{}\n", with_thousands(report.comparison.differences),
             report.comparison.differences > static_cast<std::int64_t>(report.comparison.first.size())
                 ? fmt::format("; the first {}:", report.comparison.first.size())
                 : std::string(":"));
  for (const auto& difference : report.comparison.first) {
    const std::string key = difference.key.empty() ? "the one row" : difference.key;
    switch (difference.kind) {
      case views::Difference::Kind::kMissing: fmt::print("      {}: not in the table\n", key); break;
      case views::Difference::Kind::kUnexpected: fmt::print("      {}: should not be in the table\n", key); break;
      case views::Difference::Kind::kOther:
        for (const auto& value : difference.values)
          fmt::print("      {}: {} is {}, should be {}\n", key, value.column, value.found, value.expected);
    }
  }
}

void print_preview(const views::PreviewReport& report) {
  fmt::print("{}: {} rows would change\n", report.view, with_thousands(report.comparison.differences));
  for (const auto& difference : report.comparison.first) {
    const std::string key = difference.key.empty() ? "the one row" : difference.key;
    switch (difference.kind) {
      case views::Difference::Kind::kMissing: fmt::print("  {}: new\n", key); break;
      case views::Difference::Kind::kUnexpected: fmt::print("  {}: gone\n", key); break;
      case views::Difference::Kind::kOther:
        for (const auto& value : difference.values)
          fmt::print("  {}: {} {} → {}\n", key, value.column, value.found, value.expected);
    }
  }
}

}  // namespace

ExitCode run_late_preview(const config::PipelineConfig& config, Output output) {
  const auto table = bronze::LateTable::open(config);
  if (table.status().code() == StatusCode::kNotFound) {
    fmt::print("{}\n", output == Output::kJson ? "[]" : "nothing was ever diverted");
    return kExitOk;
  }
  const auto preview = [&]() -> Result<std::vector<views::PreviewReport>> {
    INLET_RETURN_IF_ERROR(table.status());
    auto& late = **table;
    INLET_ASSIGN_OR_RETURN(const auto view, late.look());
    INLET_ASSIGN_OR_RETURN(auto before, late.bronze_sql());
    return views::preview_views(config, bronze::bronze_definition(config).schema,
                                {late.connection(), late.lake(), late.file_values(), std::move(before),
                                 late.pending_as_bronze(view, Clock::system().now())});
  };
  const auto reports = preview();
  if (!reports.is_ok()) return report(reports.status(), output);
  Json document = Json::array();
  for (const auto& report : *reports) {
    if (output == Output::kHuman) print_preview(report);
    document.push_back({{"view", report.view},
                        {"changes", report.comparison.differences},
                        {"first", differences_json(report.comparison)}});
  }
  if (output == Output::kJson) fmt::print("{}\n", dump_json(document));
  return kExitOk;
}

ExitCode run_verify(const config::PipelineConfig& config, const std::string& view, Output output) {
  views::VerifyOptions options;
  options.view = view;
  const auto reports = views::verify_views(config, bronze::bronze_definition(config).schema, options);
  if (!reports.is_ok()) return report(reports.status(), output);
  bool clean = true;
  Json document = Json::array();
  for (const auto& report : *reports) {
    clean = clean && report.is_clean();
    if (output == Output::kJson) {
      document.push_back(report_json(report));
    } else {
      print_report(report);
    }
  }
  if (output == Output::kJson) fmt::print("{}\n", dump_json(document));
  return clean ? kExitOk : kExitVerification;
}

}  // namespace inlet::cli
