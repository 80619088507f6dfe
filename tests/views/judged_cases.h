// Random cases laid out for a judge of another language: each view published by the real Publisher, as a keeper
// publishes it, and beside it what the judge asks its own DuckDB.
//
//     DIRECTORY/silver/SEED          the view's Delta table
//     DIRECTORY/events/SEED.parquet  the whole bronze table
//     DIRECTORY/cases/SEED.json      the view's SQL, and the judge's; there once the table is what is to be judged
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "config/pipeline_config.h"
#include "duck/database.h"
#include "lake/table.h"
#include "views/publisher.h"
#include "views/state_files.h"
#include "views/view_state.h"

namespace inlet::views {

/// A column of the judge's query, which a DuckDB that knows nothing of Inlet answers.
struct JudgedColumn {
  std::string name;
  std::string sql;
  bool is_exact = true;                  // compared by =; otherwise 1e-9 relative
  std::optional<ColumnType> average_of;  // sql lists decimals: their average, exact and half up, is the value
};

struct JudgedView {
  std::string select;
  std::vector<JudgedColumn> columns;
};

class JudgedCases {
 public:
  explicit JudgedCases(const std::string& directory) : directory_(directory) {
    for (const auto* below : {"events", "cases"}) std::filesystem::create_directories(directory_ / below);
    lake_ = lake::open_lake(directory).value();
  }

  /// A view on its way. Not thread safe; the plan and the JudgedCases outlive it.
  class Case {
   public:
    /// Whether to publish between two batches. A seed says the same with and without a judge: what a case does is drawn
    /// elsewhere.
    bool is_time() { return random_() % 16 == 0; }

    /// As ViewKeeper::publish_state has it: the partitions that were touched since, or all of them.
    Status publish(ViewState& state, StateFiles& files, std::size_t events) {
      Publisher::Request request = request_at(events);
      request.mode = replace_all_ ? Publisher::Mode::kReplaceAll : Publisher::Mode::kReplacePartitions;
      std::vector<duck::DataChunk> rows;
      std::vector<StoredPartitionPtr> on_disk;
      for (auto& [key, partition] : state.partitions()) {
        if (!replace_all_ && !partition.is_unpublished) continue;
        request.partitions.insert(partition.values);
        partition.is_unpublished = false;
        if (partition.is_on_disk()) {
          on_disk.push_back(partition.stored);
        } else {
          for (auto& chunk : state.rows_of(partition)) rows.push_back(std::move(chunk));
        }
      }
      std::vector<const duck::DataChunk*> chunks;
      for (const auto& chunk : rows) chunks.push_back(&chunk);
      auto& connection = publisher_->connection();
      connection.bind_chunks({plan_.state, chunks});
      bool is_first = !chunks.empty();
      std::size_t next = 0;
      request.next_rows = [&]() -> Result<std::optional<std::string>> {
        std::string select = "SELECT * FROM inlet_chunks()";
        if (!std::exchange(is_first, false)) {
          if (next == on_disk.size()) return std::optional<std::string>();
          INLET_ASSIGN_OR_RETURN(select, files.rows_select(*on_disk[next++]));
        }
        return std::optional(Events(connection, select).over(plan_.final_sql));
      };
      const Status published = publish(request);
      connection.unbind_chunks();
      replace_all_ = false;
      return published;
    }

    /// As ViewKeeper::publish_recomputed has it, for a state that does not fit its memory.
    Status publish_recomputed(const std::string& events, std::size_t count) {
      Publisher::Request request = request_at(count);
      request.mode = Publisher::Mode::kReplaceAll;
      request.next_rows = Publisher::rows_of(Events(publisher_->connection(), events).over(plan_.reference_sql));
      return publish(request);
    }

    /// Another process, with the state that the last one saved.
    Status restart() {
      INLET_ASSIGN_OR_RETURN(auto another, open_());
      publisher_.emplace(std::move(another));
      INLET_ASSIGN_OR_RETURN(const auto published, publisher_->published());
      replace_all_ = !published || !published->is_unchanged;
      if (!replace_all_) publisher_->adopt(*published);
      return Status::ok();
    }

    /// Nothing more is published: the case may be judged.
    void finish() const {
      std::ofstream(path_) << told_;
      std::filesystem::rename(path_, path_.string() + ".json");
    }

   private:
    friend class JudgedCases;
    Case(std::function<Result<Publisher>()> open, Publisher publisher, const ViewPlan& plan, std::uint64_t seed,
         std::filesystem::path path, std::string told)
        : open_(std::move(open)),
          publisher_(std::move(publisher)),
          plan_(plan),
          random_(seed),
          path_(std::move(path)),
          told_(std::move(told)) {}

    static Publisher::Request request_at(std::size_t events) {
      Publisher::Request request;
      request.bronze = {"events", {static_cast<std::int64_t>(events)}, "x", {}};
      return request;
    }

    Status publish(const Publisher::Request& request) {
      INLET_ASSIGN_OR_RETURN(const auto outcome, publisher_->publish(request, [] { return false; }));
      if (outcome.kind == Publisher::Outcome::Kind::kPublished) return Status::ok();
      return {StatusCode::kInternal, "test.not_published", "nobody else publishes, and it was not published"};
    }

    std::function<Result<Publisher>()> open_;
    std::optional<Publisher> publisher_;
    const ViewPlan& plan_;
    std::mt19937_64 random_;
    bool replace_all_ = true;
    const std::filesystem::path path_;
    const std::string told_;
  };

  /// The events are those of the table `events` of the database.
  Result<Case> open(duck::Database& database, std::uint64_t seed, const config::ViewConfig& view, const ViewPlan& plan,
                    const JudgedView& judged) {
    const std::string name = std::to_string(seed);
    INLET_ASSIGN_OR_RETURN(auto connection, database.connect());
    INLET_RETURN_IF_ERROR(connection.execute(
        "COPY events TO " + duck::quote_literal((directory_ / "events" / (name + ".parquet")).string())));
    Json columns = Json::array();
    for (const auto& column : judged.columns) {
      Json told{{"name", column.name}, {"sql", column.sql}, {"exact", column.is_exact}};
      if (column.average_of) told["average_of"] = Json::array({column.average_of->precision, column.average_of->scale});
      columns.push_back(std::move(told));
    }
    const auto told = dump_json({{"sql", view.sql},
                                 {"partition_by", view.partition_by},
                                 {"judge_sql", judged.select},
                                 {"columns", std::move(columns)}});
    const auto make = [this, &database, view, &plan]() -> Result<Publisher> {
      INLET_ASSIGN_OR_RETURN(auto own, database.connect());
      return Publisher::open(*lake_, "differential", view, plan, std::move(own));
    };
    INLET_ASSIGN_OR_RETURN(auto publisher, make());
    return Case(make, std::move(publisher), plan, seed, directory_ / "cases" / name, told);
  }

 private:
  const std::filesystem::path directory_;
  std::unique_ptr<lake::Lake> lake_;
};

}  // namespace inlet::views
