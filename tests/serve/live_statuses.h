// A status with something in every field.
#pragma once

#include "serve/live_status.h"

namespace inlet::serve {

inline Timestamp at_second(std::int64_t second) { return Timestamp(std::chrono::seconds(second)); }

inline views::ViewStatus a_view(const std::string& name) {
  views::ViewStatus view;
  view.name = name;
  view.table = "silver/" + name;
  view.applied = TableVersion{12};
  view.published = TableVersion{11};
  view.behind = std::chrono::milliseconds(340);
  view.rows = 25;
  view.bytes = 4096;
  view.last_apply_time = std::chrono::microseconds(3100);
  view.last_publish_time = std::chrono::microseconds(11200);
  view.apply_time = std::chrono::milliseconds(500);
  view.publish_time = std::chrono::milliseconds(1500);
  view.publishes = 9;
  return view;
}

inline LiveStatus a_live_status() {
  LiveStatus status;
  status.pipeline = "ventes";
  status.source_kind = "kafka";
  status.source_name = "ventes_stream";
  status.started = at_second(1767323000);
  status.uptime = std::chrono::milliseconds(61500);
  status.total_events = 5000;
  status.events = 1000;
  status.rows = 990;
  status.quarantined = 10;
  status.late = 7;
  status.diverted = 3;
  status.source_bytes = 268000;
  status.parquet_bytes = 12000;
  status.queued_rows = 120;
  status.events_per_second = 987.5;
  status.batches = 4;
  status.batch_last = std::chrono::microseconds(34250);
  status.batch_p50 = std::chrono::microseconds(38000);
  status.batch_p99 = std::chrono::microseconds(96000);
  status.watermark = Timestamp(std::chrono::microseconds(1767323045123456));
  status.last_commit = at_second(1767323046);
  status.freshness = std::chrono::milliseconds(320);
  status.partitions = {{{"kafka:ventes_stream", 0}, 499, 520, 20}, {{"kafka:ventes_stream", 1}, 498, {}, {}}};
  status.tables = {{"bronze/ventes_stream", {12}, 8, 12000, 6, 990}, {"silver/par_pays", {9}, 5, 11900, 5, {}}};
  status.bronze_version = {12};
  status.views = {a_view("par_pays")};
  status.freshness_objective = std::chrono::milliseconds(500);
  status.file_size_objective = 128000000;
  status.maintenance = {{3, 48, 3, 480000, 40, 400000, 70}, 1.5, {{"silver/par_pays", "lake.io: disk full"}}};
  status.expectations = {{"montant_positif", 3}};
  status.resident_bytes = 187400000;
  status.cpu_seconds = 12.5;
  status.open_files = 41;
  status.duckdb_bytes = 33554432;
  return status;
}

}  // namespace inlet::serve
