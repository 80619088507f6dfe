#include "views/verify.h"

#include <algorithm>
#include <memory>

#include "duck/database.h"
#include "duck/file_values.h"
#include "lake/files_select.h"
#include "views/bronze_log.h"
#include "views/planned_views.h"
#include "views/publisher.h"
#include "views/table_comparison.h"

namespace inlet::views {
namespace {

class Verifier {
 public:
  Verifier(const config::PipelineConfig& config, lake::Lake& lake, duck::Database& database,
           std::shared_ptr<duck::FileValues> file_values, const Schema& bronze_schema, const VerifyOptions& options)
      : config_(config),
        lake_(lake),
        database_(database),
        file_values_(std::move(file_values)),
        bronze_schema_(bronze_schema),
        options_(options) {}

  Result<VerifyReport> verify(const PlannedView& view) {
    VerifyReport report;
    report.view = view.plan.name;
    report.table = view.config->table;
    INLET_ASSIGN_OR_RETURN(const auto table, lake_.open(view.config->table));
    INLET_ASSIGN_OR_RETURN(const auto published, read_published(*table, config_.name, view.plan.name));
    report.table_version = table->snapshot()->version();
    if (!published) return report;
    report.bronze_version = published->bronze.version;
    const auto wanted = view_definition(*view.config, view.plan);
    report.problem = lake::schema_difference(table->snapshot()->schema(), wanted.schema);
    if (report.problem.empty() && table->snapshot()->partition_columns() != wanted.partition_columns)
      report.problem = "the table is partitioned otherwise";
    if (!report.problem.empty()) return report;

    INLET_ASSIGN_OR_RETURN(auto connection, database_.connect());
    INLET_ASSIGN_OR_RETURN(auto bronze_connection, database_.connect());
    INLET_ASSIGN_OR_RETURN(auto bronze,
                           BronzeLog::open(lake_, config_.bronze.table, bronze_schema_, std::move(bronze_connection),
                                           std::make_shared<FilesInUse>(file_values_)));
    if (bronze.table_id() != published->bronze.table_id) {
      return Status(StatusCode::kNotFound, "verify.other_bronze",
                    "the bronze table is not the one the view was made of")
          .at(view.config->table)
          .because("it was dropped and created anew")
          .fix("run the pipeline: the view is then built from the table there is");
    }
    INLET_ASSIGN_OR_RETURN(const auto files, bronze.files_at(published->bronze.version));
    INLET_RETURN_IF_ERROR(bronze.with_events(files, [&](const Events& events) {
      return connection.execute("CREATE OR REPLACE TEMP TABLE expected AS SELECT " + compared_columns(view.plan) +
                                " FROM (" + events.over(view.plan.reference_sql) + ")");
    }));
    INLET_RETURN_IF_ERROR(read_table(connection, *table, view.plan));
    INLET_ASSIGN_OR_RETURN(report.comparison, compare_tables(connection, view.plan, options_.most));
    return report;
  }

 private:
  Status read_table(duck::Connection& connection, lake::Table& table, const ViewPlan& plan) {
    const auto snapshot = table.snapshot();
    INLET_ASSIGN_OR_RETURN(const auto files, snapshot->files());
    INLET_ASSIGN_OR_RETURN(const auto held, table.data_files()->hold(files));
    return connection.execute("CREATE OR REPLACE TEMP TABLE actual AS SELECT " + compared_columns(plan) + " FROM (" +
                              lake::files_select_sql(table.directory(), snapshot->schema(),
                                                     snapshot->partition_columns(), files, *file_values_) +
                              ")");
  }

  const config::PipelineConfig& config_;
  lake::Lake& lake_;
  duck::Database& database_;
  std::shared_ptr<duck::FileValues> file_values_;
  const Schema& bronze_schema_;
  const VerifyOptions& options_;
};

}  // namespace

Result<std::vector<PreviewReport>> preview_views(const config::PipelineConfig& config, const Schema& bronze_schema,
                                                 const PreviewInput& input) {
  INLET_ASSIGN_OR_RETURN(const auto planned,
                         plan_views(input.connection, input.lake, input.file_values, config, bronze_schema));
  if (!planned.problems.empty()) return planned.problems.front();
  std::vector<PreviewReport> reports;
  for (const auto& view : planned.views) {
    const auto make = [&](const char* table, const std::string& events) {
      const Events source(input.connection, events);
      return input.connection.execute("CREATE OR REPLACE TEMP TABLE " + std::string(table) + " AS SELECT " +
                                      compared_columns(view->plan) + " FROM (" + source.over(view->plan.reference_sql) +
                                      ")");
    };
    INLET_RETURN_IF_ERROR(make("expected", input.before + " UNION ALL BY NAME " + input.added));
    INLET_RETURN_IF_ERROR(make("actual", input.before));
    INLET_ASSIGN_OR_RETURN(auto comparison, compare_tables(input.connection, view->plan, input.most));
    reports.push_back({view->plan.name, std::move(comparison)});
  }
  return reports;
}

Result<std::vector<VerifyReport>> verify_views(const config::PipelineConfig& config, const Schema& bronze_schema,
                                               const VerifyOptions& options) {
  const auto is_asked_for = [&](const config::ViewConfig& view) {
    return options.view.empty() || options.view == view.name || options.view == view.table;
  };
  if (std::none_of(config.views.begin(), config.views.end(), is_asked_for)) {
    std::string names;
    for (const auto& view : config.views) names += (names.empty() ? "" : ", ") + view.name;
    return Status(StatusCode::kNotFound, "verify.no_view",
                  options.view.empty() ? "the pipeline file has no view" : "there is no view \"" + options.view + "\"")
        .at(config.file)
        .fix(names.empty() ? "add one: [views.NAME] sql = \"SELECT ...\"" : "the views are: " + names);
  }
  INLET_ASSIGN_OR_RETURN(const auto lake, lake::open_lake(config.lake, config.storage));
  duck::DatabaseOptions database_options;
  database_options.threads = config.resources.duckdb_threads;
  database_options.memory_limit_bytes = std::max(options.memory_limit_bytes, config.resources.duckdb_memory_limit);
  INLET_ASSIGN_OR_RETURN(auto database, duck::Database::open(database_options));
  INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
  const auto file_values = std::make_shared<duck::FileValues>();
  INLET_RETURN_IF_ERROR(duck::register_file_values(connection, file_values));
  INLET_ASSIGN_OR_RETURN(const auto planned, plan_views(connection, *lake, *file_values, config, bronze_schema));
  if (!planned.problems.empty()) return planned.problems.front();
  Verifier verifier(config, *lake, database, file_values, bronze_schema, options);
  std::vector<VerifyReport> reports;
  for (const auto& view : planned.views) {
    if (!is_asked_for(*view->config)) continue;
    INLET_ASSIGN_OR_RETURN(auto report, verifier.verify(*view));
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace inlet::views
