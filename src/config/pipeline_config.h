// The validated pipeline file: everything the stages are driven by. Plain values; immutable once loaded.
//
// Every key is documented in docs/pipeline-file.md. Precedence: flag (--set) > environment (INLET__A__B) > file >
// default.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/storage_options.h"
#include "base/types.h"

namespace inlet::config {

enum class SourceKind { kGenerator, kKafka, kFile };
enum class StartingOffsets { kEarliest, kLatest };
enum class UnknownFields { kIgnore, kRefuse };
enum class LatePolicy { kApply, kDivert };
enum class ExpectAction { kWarn, kQuarantine, kStop };

/// One generated JSON field. What the generator writes is described here, never in code.
struct GeneratorField {
  enum class Kind {
    kSequence,        // number of the event over all partitions, from 1
    kAttribute,       // `entity`.`attribute` of the entity row picked for this event
    kUniformInt,      // integer in [min, max]
    kUniformDecimal,  // decimal with `scale` digits in [min, max] (both in units of 10^-scale)
    kChoice,          // one of `choices`
    kEventTime,       // ISO-8601 UTC with milliseconds
    kProduct,         // product of the numeric fields/attributes `factors`, exact decimal
  };
  std::string name;
  Kind kind = Kind::kSequence;
  std::string entity;     // kAttribute
  std::string attribute;  // kAttribute
  std::int64_t min = 0;   // kUniformInt, kUniformDecimal
  std::int64_t max = 0;
  int scale = 0;                     // kUniformDecimal
  std::vector<std::string> choices;  // kChoice
  std::vector<std::string> factors;  // kProduct: names of earlier fields, or "entity.attribute"
};

/// A table of things events are about. Rows beyond the catalogue's are derived: numeric attributes of the first column
/// count on, text gets the number appended, the others repeat.
struct GeneratorEntity {
  std::string name;
  bool is_key = false;                  // grows with source.generator.clients; its first attribute is the record key
  std::vector<std::string> attributes;  // first = id
  std::vector<std::vector<std::string>> rows;
  std::vector<bool> quoted;  // per attribute: JSON string (true) or number (false)
};

struct GeneratorConfig {
  std::uint64_t seed = 1;
  double rate = 1000;  // events per second over all partitions; 0 = unlimited
  std::int32_t partitions = 1;
  std::int64_t clients = 0;  // rows of the key entity; 0 = the catalogue's own
  std::string catalogue = "small";
  double late_share = 0;  // 0..1: event time moved back by up to `late_by`
  std::chrono::milliseconds late_by{std::chrono::hours(1)};
  double malformed_share = 0;                       // 0..1: broken in one of several ways
  double duplicate_share = 0;                       // 0..1: the content of the event before it, again
  std::string start_time = "2026-01-01T00:00:00Z";  // event time of event 0
  std::chrono::microseconds event_interval{1000};   // event time between two events of the pipeline
  std::vector<GeneratorEntity> entities;
  std::vector<GeneratorField> fields;
};

struct KafkaConfig {
  std::string bootstrap_servers = "localhost:9092";
  std::string topic;
  std::string group_id;                           // empty: no group, one process holds every partition
  std::map<std::string, std::string> librdkafka;  // keys `kafka.*`, without the prefix, verbatim
};

struct FileConfig {
  std::string path;  // file, directory, or "-" for stdin
};

struct SourceConfig {
  SourceKind kind = SourceKind::kGenerator;
  StartingOffsets starting_offsets = StartingOffsets::kEarliest;
  bool fail_on_data_loss = true;
  std::optional<std::int64_t> max_offsets_per_trigger;  // rows in one batch, all partitions
  GeneratorConfig generator;
  KafkaConfig kafka;
  FileConfig file;
};

struct EventConfig {
  Schema schema;           // the declared fields, in order; Column::nullable = not required
  std::string event_time;  // name of a TIMESTAMP column
  UnknownFields unknown_fields = UnknownFields::kIgnore;
  std::chrono::milliseconds future_tolerance{std::chrono::hours(1)};
  std::size_t max_event_bytes = 16U << 20U;  // larger: quarantine
  int max_depth = 64;                        // deeper nesting: quarantine
};

/// A column computed from the event by the decoder: the table's partition column.
struct DerivedColumn {
  enum class Function {
    kDay,
    kMonth,
    kYear,
    kHour,
    kIdentity
  };  // YYYY-MM-DD, YYYY-MM, YYYY, YYYY-MM-DD-HH (UTC); kIdentity: a VARCHAR column
  std::string name;
  Function function = Function::kDay;
  std::string column;
};

struct BronzeConfig {
  std::string table;  // below the lake root: "bronze/ventes_stream"
  std::optional<DerivedColumn> partition_by;
  std::chrono::milliseconds batch_interval{250};  // a quarter of the freshness, where it is not set
  std::int64_t batch_rows = 250'000;
  std::int64_t batch_bytes = 256LL << 20;
  std::map<std::string, std::string> properties;  // delta.*
};

struct QuarantineConfig {
  std::string table;
  std::size_t max_raw_bytes = 64U << 10U;
};

/// What is done with an event that comes late. A row is late when its event time is behind the largest one seen earlier
/// in its own partition by more than `delay`.
struct LateConfig {
  LatePolicy policy = LatePolicy::kApply;          // kDivert: to the table below instead of bronze
  std::optional<std::chrono::milliseconds> delay;  // nullopt: nothing is ever late
  std::string table;
  std::chrono::milliseconds idle_timeout{std::chrono::minutes(1)};  // of a partition, for the watermark that is shown

  bool diverts() const { return delay.has_value() && policy == LatePolicy::kDivert; }
};

/// What is expected of every event, as SQL: a condition over its columns. NULL counts as met, as in a CHECK constraint.
struct ExpectConfig {
  std::string name;
  std::string sql;
  ExpectAction action = ExpectAction::kWarn;
  std::string where;  // of the SQL in the pipeline file, for messages
};

/// A question people ask of the tables, in SQL.
struct ReportConfig {
  std::string name;
  std::string sql;
  std::string bar;  // the numeric column that is drawn as a bar beside the rows; empty: none
};

/// A table kept by SQL over the bronze table.
struct ViewConfig {
  std::string name;
  std::string sql;
  std::string table;                                 // below the lake root; default "silver/NAME"
  std::vector<std::string> partition_by;             // output columns that show a group key
  std::optional<std::chrono::milliseconds> refresh;  // recomputed whole at this pace, instead of kept incrementally
  /// State of partitions that are older than the newest by more than this (event time) may leave the memory.
  std::optional<std::chrono::milliseconds> seal_after;
  std::string where;  // of the SQL in the pipeline file, for messages
};

enum class PanelKind { kTiles, kRanking, kTable, kBars, kTimeseries, kShare };

/// A piece of the live page: the rows of a table, or of SQL over it, and how they are drawn.
struct PanelConfig {
  std::string id;  // in addresses: [a-z0-9_]+
  std::string title;
  PanelKind kind = PanelKind::kTable;
  std::string view;  // a table as SQL names it, "silver.ventes_par_pays"; its rows under the filters are `filtered`
  std::string sql;   // empty: every row of `view`
  std::string label, value, time, series;           // columns of the result, by what they are drawn as; empty: none
  std::vector<std::string> money;                   // columns shown with the currency
  bool wide = false;                                // takes a whole row of the page
  std::optional<std::vector<std::string>> filters;  // ids; nullopt: every filter whose column `view` has
  std::string where;                                // in the pipeline file, for messages
};

/// A choice a person makes for the whole page: one value of a column.
struct FilterConfig {
  std::string id;
  std::string title;
  std::string column;
  std::string values_from;  // the table whose values are offered, as SQL names it
  std::string where;        // in the pipeline file, for messages
};

struct PageConfig {
  std::string title;                  // default: the pipeline's name
  std::string locale = "en";          // BCP 47, of numbers and dates
  std::string currency;               // ISO 4217; empty: money is shown as a number
  std::vector<PanelConfig> panels;    // in file order
  std::vector<FilterConfig> filters;  // in file order
};

/// The HTTP side of a run.
struct ServeConfig {
  bool enabled = true;
  std::string listen = "127.0.0.1:8080";
  bool listen_is_set = false;  // asked for by file, environment or flag: a port that is taken is an error then
  std::string token_file;      // needed for an address that is not loopback
  std::chrono::milliseconds query_timeout{5000};
  int query_threads = 1;
  std::int64_t query_memory_limit = 128LL << 20;
  int max_connections = 2048;
};

/// A small table that views may join: a CSV or Parquet file, or a Delta table of the lake.
struct DimensionConfig {
  std::string name;
  std::string path;   // absolute after loading; relative paths are relative to the pipeline file
  std::string table;  // or a table of the lake
};

struct ResourceConfig {
  int decode_threads = 2;
  int duckdb_threads = 2;
  std::int64_t duckdb_memory_limit = 256LL << 20;
  std::int64_t queue_bytes = 64LL << 20;
  std::int64_t view_memory_limit = 1LL << 30;
};

/// What a run does for its tables beside the flow.
struct MaintenanceConfig {
  bool enabled = true;
  std::int64_t file_size = 128'000'000;  // what small files are brought together to
  std::int64_t min_files = 16;           // fewer of about one size are not worth a rewrite
  double share = 0.25;                   // of one core
  std::chrono::milliseconds interval{10'000};
  std::chrono::milliseconds vacuum_interval{std::chrono::minutes(10)};
};

struct PipelineConfig {
  std::string name;
  std::string timezone = "UTC";               // of timestamps that carry none
  std::chrono::milliseconds freshness{1000};  // objective: from an event's arrival to its place in every view's table
  std::string lake;        // directory, absolute after loading (relative to the working directory); or a URL
  StorageOptions storage;  // of a lake in an object store
  SourceConfig source;
  EventConfig event;
  BronzeConfig bronze;
  QuarantineConfig quarantine;
  LateConfig late;
  std::vector<ExpectConfig> expectations;   // in file order
  std::vector<ViewConfig> views;            // in file order
  std::vector<DimensionConfig> dimensions;  // in file order
  MaintenanceConfig maintenance;
  ResourceConfig resources;
  std::vector<ReportConfig> reports;  // in file order
  ServeConfig serve;
  PageConfig page;
  std::string file;  // where it was loaded from, for messages
};

/// One `--set key.path=value`.
struct Override {
  std::string key;
  std::string value;
};

struct LoadOptions {
  std::vector<Override> overrides;                 // flags, in order; the last wins
  std::map<std::string, std::string> environment;  // INLET__… variables
};

/// One thing wrong with the configuration; `where` is "file:line:column", "--set key" or "environment NAME".
using Problem = ErrorDetail;

/// Either a configuration or every problem found, never the first only.
struct LoadOutcome {
  std::optional<PipelineConfig> config;
  std::vector<Problem> problems;
};

/// Reads and validates. Does no I/O but reading `path`. The caller exits 78 when there are problems.
LoadOutcome load_pipeline(const std::string& path, const LoadOptions& options);

/// The INLET__ variables of this process.
std::map<std::string, std::string> inlet_environment();

}  // namespace inlet::config
