#include "serve/live_status.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/serve/live_statuses.h"

namespace inlet::serve {
namespace {

TEST(LiveStatusTest, a_running_pipeline_is_told_as_the_contract_of_the_page_has_it) {
  EXPECT_EQ(status_json(a_live_status()), *parse_json(R"({
    "pipeline": "ventes", "version": ")" INLET_VERSION R"(", "uptime_s": 61.5,
    "source": {"kind": "kafka", "name": "ventes_stream"},
    "events": {"total": 5000, "this_run": 1000, "per_second": 987.5, "rows": 990, "quarantined": 10, "late": 7,
               "diverted": 3, "queued_rows": 120},
    "batch": {"p50_ms": 38.0, "p99_ms": 96.0, "last_ms": 34.25, "count": 4},
    "watermark": "2026-01-02T03:04:05.123Z", "freshness_ms": 320.0,
    "objectives": {"freshness_ms": 500.0, "file_size_bytes": 128000000},
    "maintenance": {"compactions": 3, "removed_files": 48, "added_files": 3, "rewritten_bytes": 480000,
                    "vacuumed_files": 40, "vacuumed_bytes": 400000, "cleaned_log_files": 70, "cpu_s": 1.5,
                    "problems": [{"table": "silver/par_pays", "error": "lake.io: disk full"}]},
    "partitions": [
      {"source": "kafka:ventes_stream", "partition": 0, "committed_offset": 499, "end_offset": 520, "lag": 20},
      {"source": "kafka:ventes_stream", "partition": 1, "committed_offset": 498, "end_offset": null, "lag": null}],
    "tables": [
      {"name": "bronze/ventes_stream", "version": 12, "files": 8, "bytes": 12000, "small_files": 6, "rows": 990},
      {"name": "silver/par_pays", "version": 9, "files": 5, "bytes": 11900, "small_files": 5, "rows": null}],
    "views": [
      {"name": "par_pays", "state": "behind", "bronze_version": 11, "published_version": 9, "lag_versions": 1,
       "freshness_ms": 340.0, "rows": null, "evicted_partitions": 0, "publish_ms": 11.2, "apply_ms": 3.1, "error": null}],
    "expectations": [{"name": "montant_positif", "failed": 3}],
    "process": {"rss_bytes": 187400000, "cpu_s": 12.5}})"));
}

TEST(LiveStatusTest, what_is_not_known_before_the_first_batch_is_null) {
  LiveStatus status;
  status.source_kind = "generator";
  status.views = {{}};
  status.views[0].name = "par_pays";
  const Json json = status_json(status);
  for (const char* field : {"/watermark", "/freshness_ms", "/batch/p50_ms", "/batch/p99_ms", "/batch/last_ms",
                            "/views/0/bronze_version", "/views/0/published_version", "/views/0/freshness_ms",
                            "/views/0/publish_ms", "/views/0/apply_ms", "/views/0/error"}) {
    ASSERT_TRUE(json.contains(Json::json_pointer(field))) << field;
    EXPECT_TRUE(json.at(Json::json_pointer(field)).is_null()) << field;
  }
  EXPECT_EQ(json["views"][0]["state"], "starting");
  EXPECT_EQ(json["source"], (Json{{"kind", "generator"}}));
  for (const char* list : {"partitions", "tables", "expectations"}) EXPECT_EQ(json[list], Json::array()) << list;
}

TEST(LiveStatusTest, a_view_is_level_when_its_table_shows_the_newest_bronze_version) {
  LiveStatus status = a_live_status();
  status.views[0].published = status.bronze_version;
  EXPECT_EQ(status_json(status)["views"][0]["state"], "level");
  EXPECT_EQ(status_json(status)["views"][0]["lag_versions"], 0);
}

TEST(LiveStatusTest, a_view_that_stopped_says_why) {
  LiveStatus status = a_live_status();
  status.views[0].problem = Status(StatusCode::kInternal, "views.sum_overflow", "a sum is too large");
  const Json view = status_json(status)["views"][0];
  EXPECT_EQ(view["state"], "failed");
  EXPECT_EQ(view["error"], "[views.sum_overflow] a sum is too large");
}

TEST(LiveStatusTest, integers_that_javascript_would_round_are_strings) {
  constexpr std::int64_t kExact = 9007199254740992;
  EXPECT_EQ(exact_integer(kExact), Json(kExact));
  EXPECT_EQ(exact_integer(-kExact), Json(-kExact));
  EXPECT_EQ(exact_integer(kExact + 1), Json("9007199254740993"));
  EXPECT_EQ(exact_integer(-kExact - 1), Json("-9007199254740993"));
  EXPECT_EQ(exact_integer(std::numeric_limits<std::int64_t>::min()), Json("-9223372036854775808"));

  LiveStatus status = a_live_status();
  status.total_events = kExact + 1;
  status.partitions[0].committed = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(status_json(status)["events"]["total"], "9007199254740993");
  EXPECT_EQ(status_json(status)["partitions"][0]["committed_offset"], "9223372036854775807");
}

TEST(LiveStatusTest, a_rate_that_is_no_number_is_zero) {
  LiveStatus status = a_live_status();
  status.events_per_second = std::numeric_limits<double>::infinity();
  EXPECT_EQ(status_json(status)["events"]["per_second"], 0.0);
}

}  // namespace
}  // namespace inlet::serve
