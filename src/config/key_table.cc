#include "config/key_table.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <type_traits>

#include "config/keys.h"
#include "config/units.h"

namespace inlet::config {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

Scalar to_scalar(const std::string& value) { return value; }
Scalar to_scalar(const std::vector<std::string>& value) { return value; }
Scalar to_scalar(bool value) { return value; }
Scalar to_scalar(double value) { return value; }
Scalar to_scalar(milliseconds value) { return std::int64_t{microseconds(value).count()}; }
Scalar to_scalar(microseconds value) { return std::int64_t{value.count()}; }
template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
Scalar to_scalar(T value) {
  return static_cast<std::int64_t>(value);
}
template <class T>
Scalar to_scalar(const std::optional<T>& value) {
  return value ? to_scalar(*value) : Scalar{};
}

// Preconditions: the scalar came out of read_value or read_text for the key, so its type is the member's.
void from_scalar(std::string& into, const Scalar& value) { into = std::get<std::string>(value); }
void from_scalar(std::vector<std::string>& into, const Scalar& value) {
  into = std::get<std::vector<std::string>>(value);
}
void from_scalar(bool& into, const Scalar& value) { into = std::get<bool>(value); }
void from_scalar(double& into, const Scalar& value) { into = std::get<double>(value); }
void from_scalar(milliseconds& into, const Scalar& value) {
  into = std::chrono::duration_cast<milliseconds>(microseconds(std::get<std::int64_t>(value)));
}
void from_scalar(microseconds& into, const Scalar& value) { into = microseconds(std::get<std::int64_t>(value)); }
template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
void from_scalar(T& into, const Scalar& value) {
  into = static_cast<T>(std::get<std::int64_t>(value));
}
template <class T>
void from_scalar(std::optional<T>& into, const Scalar& value) {
  into.emplace();
  from_scalar(*into, value);
}

// The two functions of a KeySpec that reach one member of the draft, or of its configuration.
#define INLET_DRAFT(path) \
  [](const Draft& d) { return to_scalar(d.path); }, [](Draft& d, const Scalar& value) { from_scalar(d.path, value); }
#define INLET_MEMBER(path) INLET_DRAFT(config.path)
// Of the table of a list that is being read: the newest. Its keys have no default that a Draft could show.
#define INLET_NEWEST(list, member) INLET_MEMBER(list.back().member)
#define INLET_EXPECTATION(member) INLET_NEWEST(expectations, member)
#define INLET_PANEL(member) INLET_NEWEST(page.panels, member)
#define INLET_FILTER(member) INLET_NEWEST(page.filters, member)

constexpr std::array<std::string_view, 3> kSourceKinds{"generator", "kafka", "file"};
constexpr std::array<std::string_view, 2> kStartingOffsets{"earliest", "latest"};
constexpr std::array<std::string_view, 2> kUnknownFields{"ignore", "refuse"};
constexpr std::array<std::string_view, 2> kLatePolicies{"apply", "divert"};
constexpr std::array<std::string_view, 3> kExpectActions{"warn", "quarantine", "stop"};
constexpr std::array<std::string_view, 6> kPanelKinds{"tiles", "ranking", "table", "bars", "timeseries", "share"};

constexpr double kMillisecond = 1e3;
constexpr double kSecond = 1e6;
constexpr double kMinute = 60 * kSecond;
constexpr double kHour = 60 * kMinute;
constexpr double kKibibyte = 1 << 10;
constexpr double kMebibyte = 1 << 20;
constexpr double kGibibyte = 1 << 30;
constexpr double kTebibyte = kGibibyte * 1024;
constexpr double kMany = 1e15;  // no limit of ours, and exact in a double

constexpr KeySpec key(std::string_view name, KeyType type, Scalar (*load)(const Draft&),
                      void (*store)(Draft&, const Scalar&), std::string_view meaning) {
  return {name, type, load, store, meaning, {}};
}

constexpr KeySpec open_key(std::string_view name, KeyType type, std::string_view meaning) {
  return {name, type, nullptr, nullptr, meaning, "none"};
}

// The documentation shows the keys in this order.
const std::array kKeys{
    key("pipeline.name", KeyType::kText, INLET_MEMBER(name),
        "Identity of the pipeline. The positions kept in the lake carry it, so another name begins anew. Letters, "
        "digits, `_`, `-` and `.`.")
        .note("required"),
    key("pipeline.timezone", KeyType::kText, INLET_MEMBER(timezone),
        "Time zone of timestamps that carry none: an IANA name such as `Europe/Paris`."),
    key("pipeline.freshness", KeyType::kDuration, INLET_MEMBER(freshness),
        "Objective: how soon an event that arrives is to be seen in the views' tables. A batch waits for a quarter of "
        "it, a view's table is published at most twice in it; `status` shows it beside what is.")
        .within(20 * kMillisecond, 24 * kHour),

    key("lake.path", KeyType::kText, INLET_MEMBER(lake),
        "Directory that holds the tables, relative to where the program is started, created when it is not there; or a "
        "place in an object store: `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, `abfss://…` or `gs://BUCKET/PREFIX` "
        "(docs/object-stores.md).")
        .note("required"),

    key("storage.endpoint", KeyType::kText, INLET_MEMBER(storage.endpoint),
        "Address of the service, for one that is not the provider's own: `http://127.0.0.1:7070`.")
        .note("the provider's"),
    key("storage.region", KeyType::kText, INLET_MEMBER(storage.region), "Region of the bucket.")
        .note("what the environment or the profile says"),
    key("storage.profile", KeyType::kText, INLET_MEMBER(storage.profile),
        "Profile of `~/.aws/credentials` and `~/.aws/config` whose keys, region and endpoint are taken.")
        .note("what the environment says"),
    key("storage.allow_http", KeyType::kBoolean, INLET_MEMBER(storage.allow_http),
        "Whether `endpoint` may be reached without TLS."),
    key("storage.virtual_hosted", KeyType::kBoolean, INLET_MEMBER(storage.virtual_hosted),
        "The bucket's name is a part of the host's, `BUCKET.endpoint`, instead of the first of the path."),
    key("storage.cache", KeyType::kText, INLET_MEMBER(storage.cache),
        "Directory of local disk for the files of lakes: what is written before it is put into the store, and what is "
        "fetched to be read. Each lake has a folder of its own in it.")
        .note("`$XDG_CACHE_HOME/inlet` or `~/.cache/inlet`"),
    key("storage.cache_size", KeyType::kBytes, INLET_MEMBER(storage.cache_size),
        "Bytes of data files that one lake may have in the cache. The least recently used go; those that are in use "
        "stay.")
        .within(kMebibyte, kMany),
    key("storage.timeout", KeyType::kDuration, INLET_MEMBER(storage.timeout), "Longest time of one request.")
        .within(100 * kMillisecond, kHour),
    key("storage.retry_timeout", KeyType::kDuration, INLET_MEMBER(storage.retry_timeout),
        "How long a request is tried again, with back-off, before it counts as failed. A run goes on trying after "
        "that; a command ends with exit code 69.")
        .within(100 * kMillisecond, kHour),
    key("storage.lease", KeyType::kDuration, INLET_MEMBER(storage.lease),
        "How long the lock of a process that died on another machine stands in the way.")
        .within(kSecond, kHour),

    key("source.kind", KeyType::kChoice, INLET_MEMBER(source.kind),
        "Where events come from. The sections of the other kinds may stay in the file.")
        .one_of(kSourceKinds),
    key("source.startingOffsets", KeyType::kChoice, INLET_MEMBER(source.starting_offsets),
        "Where a partition begins that has no position in the lake yet. `latest` is resolved once, at the first start.")
        .one_of(kStartingOffsets),
    key("source.failOnDataLoss", KeyType::kBoolean, INLET_MEMBER(source.fail_on_data_loss),
        "Stop with exit code 3 when events that were never read are gone: expired offsets, a recreated topic, a file "
        "that shrank. `false`: log the range and go on behind it."),
    key("source.maxOffsetsPerTrigger", KeyType::kInteger, INLET_MEMBER(source.max_offsets_per_trigger),
        "Most events in one batch, over all partitions.")
        .note("no limit")
        .within(1, kMany),

    key("source.generator.rate", KeyType::kNumber, INLET_MEMBER(source.generator.rate),
        "Events per second over all partitions; 0: as fast as they are taken.")
        .within(0, 1e9),
    key("source.generator.seed", KeyType::kInteger, INLET_MEMBER(source.generator.seed),
        "Event N of partition P depends on the seed, N and P alone: the same seed, the same events.")
        .within(0, 9.0e18),
    key("source.generator.partitions", KeyType::kInteger, INLET_MEMBER(source.generator.partitions),
        "Partitions the generated stream has.")
        .within(1, 10'000),
    key("source.generator.key", KeyType::kText, INLET_DRAFT(generator_key),
        "The entity whose first column is the record's key, and which `clients` multiplies.")
        .note("none"),
    key("source.generator.clients", KeyType::kInteger, INLET_MEMBER(source.generator.clients),
        "Rows of the key entity: those of the catalogue first, the others derived from them. 0: the catalogue's own.")
        .within(0, 1e9),
    key("source.generator.catalogue", KeyType::kText, INLET_MEMBER(source.generator.catalogue),
        "Which of the catalogues below is used."),
    key("source.generator.late_share", KeyType::kNumber, INLET_MEMBER(source.generator.late_share),
        "Share of events, 0 to 1, whose event time is moved back by up to `late_by`.")
        .within(0, 1),
    key("source.generator.late_by", KeyType::kDuration, INLET_MEMBER(source.generator.late_by),
        "How far at most a late event lies behind.")
        .within(kMillisecond, 24 * 366 * kHour),
    key("source.generator.malformed_share", KeyType::kNumber, INLET_MEMBER(source.generator.malformed_share),
        "Share of events, 0 to 1, that are broken in one of several ways; they end in quarantine.")
        .within(0, 1),
    key("source.generator.duplicate_share", KeyType::kNumber, INLET_MEMBER(source.generator.duplicate_share),
        "Share of events, 0 to 1, that repeat the content of the event before them.")
        .within(0, 1),
    key("source.generator.start_time", KeyType::kInstant, INLET_MEMBER(source.generator.start_time),
        "Event time of the first event, in UTC."),
    key("source.generator.event_interval", KeyType::kDuration, INLET_MEMBER(source.generator.event_interval),
        "Event time from one event to the next, whatever the rate. Events that end up in the future of the clock go to "
        "quarantine.")
        .within(1, 24 * kHour),
    open_key("source.generator.fields.*", KeyType::kGeneratedField,
             "What the generator writes under this name; see *Generated fields* below. The JSON object has the fields "
             "in this order."),
    open_key("source.generator.catalogues.*.*.columns", KeyType::kCatalogueColumns,
             "`catalogues.CATALOGUE.ENTITY.columns`: names of the entity's columns, its id first."),
    open_key("source.generator.catalogues.*.*.rows", KeyType::kCatalogueRows,
             "The entity's rows, each a list with a value per column. A column holds numbers or texts, not both."),

    key("source.kafka.bootstrap_servers", KeyType::kText, INLET_MEMBER(source.kafka.bootstrap_servers),
        "Brokers to begin with, `host:port` separated by commas. A user or password in front of them "
        "(`user:secret@`) is refused: they are `kafka.sasl.username` and `kafka.sasl.password`."),
    key("source.kafka.topic", KeyType::kText, INLET_MEMBER(source.kafka.topic), "The topic.")
        .note("required for `kind = \"kafka\"`"),
    key("source.kafka.group_id", KeyType::kText, INLET_MEMBER(source.kafka.group_id),
        "Consumer group that shares the partitions out among processes. Without one, one process holds them all.")
        .note("none"),
    open_key("source.kafka.kafka.*", KeyType::kVerbatim,
             "`\"kafka.NAME\" = VALUE` goes to librdkafka as NAME, verbatim: security, fetch sizes, time-outs. Those "
             "Inlet sets itself are refused; see below."),

    key("source.file.path", KeyType::kText, INLET_MEMBER(source.file.path),
        "Newline-delimited JSON: a file, a directory (its files in the order of their names) or `-` for standard "
        "input.")
        .note("required for `kind = \"file\"`"),

    key("event.event_time", KeyType::kText, INLET_MEMBER(event.event_time),
        "The TIMESTAMP field that says when the event happened.")
        .note("none"),
    key("event.unknown_fields", KeyType::kChoice, INLET_MEMBER(event.unknown_fields),
        "A field that is not declared below: `ignore` it, or `refuse` the event (it goes to quarantine).")
        .one_of(kUnknownFields),
    key("event.future_tolerance", KeyType::kDuration, INLET_MEMBER(event.future_tolerance),
        "An event whose time is ahead of the record's own timestamp by more goes to quarantine.")
        .within(0, 24 * 366 * kHour),
    key("event.max_event_bytes", KeyType::kBytes, INLET_MEMBER(event.max_event_bytes),
        "A larger event goes to quarantine.")
        .within(1, kGibibyte),
    key("event.max_depth", KeyType::kInteger, INLET_MEMBER(event.max_depth),
        "An event nested deeper goes to quarantine.")
        .within(1, 1000),
    open_key("event.fields.*", KeyType::kColumn,
             "`NAME = \"TYPE\"`, or `\"TYPE required\"`: a field of the event and column of the table. BIGINT, INT, "
             "DOUBLE, DECIMAL(p,s), VARCHAR, BOOLEAN, DATE or TIMESTAMP. The columns have this order."),

    key("bronze.table", KeyType::kText, INLET_MEMBER(bronze.table), "The table of events, below the lake's path.")
        .note("`\"bronze/NAME\"`, NAME being `pipeline.name`"),
    key("bronze.partition_by", KeyType::kText, INLET_DRAFT(partition_by),
        "`\"FUNCTION(FIELD) as NAME\"`: the column the table's files are partitioned by. `day`, `month`, `year` of a "
        "TIMESTAMP (in UTC) or DATE, `hour` of a TIMESTAMP, `identity` of a VARCHAR.")
        .note("not partitioned"),
    key("bronze.batch_interval", KeyType::kDuration, INLET_MEMBER(bronze.batch_interval),
        "A batch is committed this long after its first event at the latest.")
        .note("a quarter of `pipeline.freshness`")
        .within(kMillisecond, 24 * kHour),
    key("bronze.batch_rows", KeyType::kInteger, INLET_MEMBER(bronze.batch_rows),
        "A batch of this many events is committed at once.")
        .within(1, 1e9),
    key("bronze.batch_bytes", KeyType::kBytes, INLET_MEMBER(bronze.batch_bytes),
        "A batch of this many bytes of events is committed at once.")
        .within(1, kTebibyte),
    open_key("bronze.properties.*", KeyType::kVerbatim,
             "Delta table property, such as `\"delta.logRetentionDuration\" = \"interval 7 days\"`; set when the table "
             "is created."),

    key("quarantine.table", KeyType::kText, INLET_MEMBER(quarantine.table),
        "The table of events that could not be read, with the reason of each.")
        .note("`\"quarantine/NAME\"`, NAME being the last part of `bronze.table`"),
    key("quarantine.max_raw_bytes", KeyType::kBytes, INLET_MEMBER(quarantine.max_raw_bytes),
        "How much of a refused event is kept.")
        .within(1, kGibibyte),

    key("late.delay", KeyType::kDuration, INLET_MEMBER(late.delay),
        "An event is late when its time is behind the largest event time seen earlier in its partition by more than "
        "this.")
        .note("no event is late")
        .within(0, 24 * 366 * kHour),
    key("late.policy", KeyType::kChoice, INLET_MEMBER(late.policy),
        "`apply`: a late event becomes a row of the table like any other, and is counted. `divert`: it goes to the "
        "table of late events, until `inlet late apply`.")
        .one_of(kLatePolicies),
    key("late.table", KeyType::kText, INLET_MEMBER(late.table), "The table of late events that were diverted.")
        .note("`\"late/NAME\"`, NAME being the last part of `bronze.table`"),
    key("late.idle_timeout", KeyType::kDuration, INLET_MEMBER(late.idle_timeout),
        "A partition without events for this long no longer holds back the watermark that is shown.")
        .within(kMillisecond, 24 * 366 * kHour),

    key("expect[].name", KeyType::kText, INLET_EXPECTATION(name),
        "What the expectation is called in counts and messages. Letters, digits, `_` and `-`.")
        .note("required"),
    key("expect[].sql", KeyType::kText, INLET_EXPECTATION(sql),
        "A condition over the columns of the event, such as `\"amount >= 0\"`. It is not met where it is false, or "
        "cannot be computed; NULL counts as met.")
        .note("required"),
    key("expect[].action", KeyType::kChoice, INLET_EXPECTATION(action),
        "What becomes of an event that does not meet it: `warn` counts it, `quarantine` sets it aside, `stop` ends the "
        "run before it.")
        .note("`\"warn\"`")
        .one_of(kExpectActions),

    open_key("views.*.sql", KeyType::kView,
             "One SELECT over the bronze table (dimensions may be joined): the table it makes is kept up to date with "
             "every batch. What cannot be kept is refused by `inlet check`, with the reason."),
    open_key("views.*.table", KeyType::kView, "The table the view is published to, below the lake's path.")
        .note("`\"silver/NAME\"`"),
    open_key("views.*.partition_by", KeyType::kViewColumns,
             "Columns of the view that show a group key as it is; only the partitions that a batch touched are written "
             "again.")
        .note("not partitioned"),
    open_key("views.*.refresh", KeyType::kView,
             "A duration: the view is recomputed whole at this pace, instead of kept incrementally. Any SELECT is "
             "taken then.")
        .note("kept incrementally"),
    open_key("views.*.seal_after", KeyType::kView,
             "A duration: state of partitions whose time (the day, month or hour they stand for) is older than the "
             "newest partition's by more than this leaves the memory. It comes back from disk with the next event of "
             "theirs.")
        .note("never, but for room"),
    open_key("dimensions.*.path", KeyType::kView,
             "A CSV or Parquet file, relative to the pipeline file, that views may join under this name. It is read at "
             "the start; another content rebuilds the views that use it."),
    open_key("dimensions.*.table", KeyType::kView, "Instead of a file: a Delta table of the lake."),

    open_key("reports.*.sql", KeyType::kReport,
             "One SELECT: a question people ask of the tables, answered by `inlet report`."),
    open_key("reports.*.bar", KeyType::kReport,
             "A numeric column of the answer, drawn as a bar beside each row where a person reads it.")
        .note("no bar"),
    open_key("reports.*", KeyType::kReport, "`NAME = \"SELECT ...\"` is short for `[reports.NAME]` with its `sql`."),

    key("serve.enabled", KeyType::kBoolean, INLET_MEMBER(serve.enabled),
        "Whether a run serves HTTP: the live page, its API, metrics and health. `--no-serve` sets it to `false`."),
    key("serve.listen", KeyType::kText, INLET_MEMBER(serve.listen),
        "`HOST:PORT`, HOST being an IPv4 address, an IPv6 address in brackets or `localhost`; port 0 takes a free one. "
        "Where it is set and the port is taken, the run does not start; where it is not, another port is taken."),
    key("serve.token_file", KeyType::kText, INLET_MEMBER(serve.token_file),
        "File with the token that the API asks for, relative to where the program is started. Required when HOST is "
        "not a loopback address."),
    key("serve.query_timeout", KeyType::kDuration, INLET_MEMBER(serve.query_timeout),
        "A query of the page or the API that takes longer is cancelled.")
        .within(100 * kMillisecond, 5 * kMinute),
    key("serve.query_threads", KeyType::kInteger, INLET_MEMBER(serve.query_threads),
        "Queries that are answered at the same time.")
        .within(1, 16),
    key("serve.query_memory_limit", KeyType::kBytes, INLET_MEMBER(serve.query_memory_limit),
        "Memory DuckDB may use for them.")
        .within(32 * kMebibyte, kTebibyte),
    key("serve.max_connections", KeyType::kInteger, INLET_MEMBER(serve.max_connections),
        "Connections that are open at the same time; further ones are closed at once.")
        .within(16, 100'000),

    key("page.title", KeyType::kText, INLET_MEMBER(page.title), "What stands at the top of the live page.")
        .note("`pipeline.name`"),
    key("page.locale", KeyType::kText, INLET_MEMBER(page.locale),
        "Language tag (BCP 47) that numbers and dates are written in, such as `fr-FR`."),
    key("page.currency", KeyType::kText, INLET_MEMBER(page.currency),
        "Currency (ISO 4217) of the columns that are money, such as `EUR`; empty: they are plain numbers."),

    key("panel[].title", KeyType::kText, INLET_PANEL(title), "What stands above the panel; no other has the same.")
        .note("required"),
    key("panel[].id", KeyType::kText, INLET_PANEL(id),
        "The panel in addresses: `a` to `z`, `0` to `9` and `_`; no other has the same.")
        .note("the title in lower case, `_` for whatever else is in it"),
    key("panel[].kind", KeyType::kChoice, INLET_PANEL(kind), "How the rows are drawn; see below.")
        .note("`\"table\"`")
        .one_of(kPanelKinds),
    key("panel[].view", KeyType::kText, INLET_PANEL(view),
        "A table of this pipeline as SQL names it, `silver.NAME` or `bronze.NAME`: its rows under the page's filters "
        "are called `filtered`.")
        .note("required without `sql`"),
    key("panel[].sql", KeyType::kText, INLET_PANEL(sql), "One SELECT, over `filtered` or any table.")
        .note("every row of `view`"),
    key("panel[].label", KeyType::kText, INLET_PANEL(label), "Column that names a row.").note("the first text"),
    key("panel[].value", KeyType::kText, INLET_PANEL(value), "Column that a row is measured by.")
        .note("the last number"),
    key("panel[].time", KeyType::kText, INLET_PANEL(time), "Column of the time axis.").note("the first time"),
    key("panel[].series", KeyType::kText, INLET_PANEL(series), "Column with a line of its own for each value.")
        .note("one line for each number"),
    key("panel[].money", KeyType::kTextList, INLET_PANEL(money), "Columns that are shown with the currency.")
        .note("none"),
    key("panel[].wide", KeyType::kBoolean, INLET_PANEL(wide), "Takes two columns of the page instead of one.")
        .note("`false`"),
    key("panel[].filters", KeyType::kTextList, INLET_PANEL(filters), "Ids of the filters that apply to the panel.")
        .note("every filter whose column `view` has"),

    key("filter[].column", KeyType::kText, INLET_FILTER(column), "The column that has the value that was chosen.")
        .note("required"),
    key("filter[].id", KeyType::kText, INLET_FILTER(id),
        "The filter in addresses: letters, digits and `_`; no other has the same.")
        .note("`column`"),
    key("filter[].title", KeyType::kText, INLET_FILTER(title), "What stands beside the choice.").note("`column`"),
    key("filter[].values_from", KeyType::kText, INLET_FILTER(values_from),
        "A table of this pipeline, as SQL names it, whose values of the column are offered.")
        .note("required"),

    key("maintenance.enabled", KeyType::kBoolean, INLET_MEMBER(maintenance.enabled),
        "Look after the tables while the pipeline runs: bring small files together, vacuum, clean the logs."),
    key("maintenance.file_size", KeyType::kBytes, INLET_MEMBER(maintenance.file_size),
        "Objective: the size that the small files of a partition are brought together to. Files of three quarters of "
        "it and more stay as they are; `status` shows how many are smaller.")
        .within(kKibibyte, kTebibyte),
    key("maintenance.min_files", KeyType::kInteger, INLET_MEMBER(maintenance.min_files),
        "So many files of about one size in a partition are worth a rewrite; fewer wait.")
        .within(2, 10'000),
    key("maintenance.share", KeyType::kNumber, INLET_MEMBER(maintenance.share),
        "How much of one core may be spent on it; it rests after each piece of work.")
        .within(0.01, 1),
    key("maintenance.interval", KeyType::kDuration, INLET_MEMBER(maintenance.interval),
        "How often the tables are looked at; the first time so long after the start. What is left in a partition that "
        "nothing was added to for 60 times as long is brought together, however little it is.")
        .within(10 * kMillisecond, 24 * kHour),
    key("maintenance.vacuum_interval", KeyType::kDuration, INLET_MEMBER(maintenance.vacuum_interval),
        "How often files that no version within the retention needs are deleted and the logs are cleaned; the first "
        "time a minute after the start at the latest.")
        .within(10 * kMillisecond, 366 * 24 * kHour),

    key("resources.decode_threads", KeyType::kInteger, INLET_MEMBER(resources.decode_threads),
        "Threads that decode events; each owns partitions.")
        .within(1, 256),
    key("resources.duckdb_threads", KeyType::kInteger, INLET_MEMBER(resources.duckdb_threads),
        "Threads that write Parquet and run queries.")
        .within(1, 256),
    key("resources.duckdb_memory_limit", KeyType::kBytes, INLET_MEMBER(resources.duckdb_memory_limit),
        "Memory DuckDB may use.")
        .within(32 * kMebibyte, kTebibyte),
    key("resources.queue_bytes", KeyType::kBytes, INLET_MEMBER(resources.queue_bytes),
        "Events in memory between two stages; a full queue slows the source.")
        .within(64 * kKibibyte, kTebibyte),
    key("resources.view_memory_limit", KeyType::kBytes, INLET_MEMBER(resources.view_memory_limit),
        "Memory the state of one view may take. The partitions that were touched least lately are left on disk when "
        "the others need their room; a view of which one batch alone touches more is recomputed whole from then on, "
        "and says so.")
        .within(kMebibyte, kTebibyte),
};
#undef INLET_FILTER
#undef INLET_PANEL
#undef INLET_EXPECTATION
#undef INLET_NEWEST
#undef INLET_MEMBER
#undef INLET_DRAFT

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

// Up to the first dot; `rest` is what follows it.
std::string_view take_segment(std::string_view& rest) {
  const auto dot = rest.find('.');
  const auto segment = rest.substr(0, dot);
  rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
  return segment;
}

std::string_view last_segment(std::string_view name) { return name.substr(name.rfind('.') + 1); }

// A final star takes all that is left, dots included; any other star takes one segment.
bool matches(std::string_view pattern, std::string_view name) {
  while (!pattern.empty() && !name.empty()) {
    if (pattern == "*") return true;
    const auto wanted = take_segment(pattern);
    const auto found = take_segment(name);
    if (found.empty() || (wanted != "*" && wanted != found)) return false;
  }
  return pattern.empty() && name.empty();
}

bool begins_with_segments_of(std::string_view pattern, std::string_view section) {
  while (!section.empty()) {
    if (pattern.empty() || pattern == "*") return false;
    const auto wanted = take_segment(pattern);
    const auto found = take_segment(section);
    if (wanted != "*" && wanted != found) return false;
  }
  return !pattern.empty();
}

// Edits (insert, delete, replace, swap two neighbours) between two names, whatever their case.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = d[i - 1][j - 1] + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

// A slip is in one part of a name, mostly.
std::size_t near_enough(std::string_view name) { return std::max<std::size_t>(2, last_segment(name).size() / 3); }

std::string number_text(double value) {
  std::array<char, 400> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed).ptr;
  return {buffer.data(), end};
}

std::string amount_text(const KeySpec& spec, double amount) {
  if (spec.type == KeyType::kDuration) return duration_text(microseconds(static_cast<std::int64_t>(amount)));
  if (spec.type == KeyType::kBytes) return bytes_text(static_cast<std::int64_t>(amount));
  if (spec.type == KeyType::kInteger) return std::to_string(static_cast<std::int64_t>(amount));
  return number_text(amount);
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string choices_text(const KeySpec& spec) {
  std::string text;
  for (std::size_t i = 0; i < spec.choices.size(); ++i) {
    if (i > 0) text += i + 1 == spec.choices.size() ? " or " : ", ";
    text += quoted(spec.choices[i]);
  }
  return text;
}

Status wrong_type(const KeySpec& spec, const std::string& found) {
  return Status(StatusCode::kInvalidArgument, "config.wrong_type",
                std::string(spec.name) + " must be " + expected(spec))
      .because("found " + found);
}

Status out_of_range(const KeySpec& spec, const std::string& found) {
  return Status(StatusCode::kInvalidArgument, "config.out_of_range",
                std::string(spec.name) + " must be " + expected(spec))
      .because("found " + found);
}

template <class T>
Result<Scalar> within_limits(const KeySpec& spec, T value, const std::string& found) {
  const auto amount = static_cast<double>(value);
  if (!(amount >= spec.min && amount <= spec.max)) return out_of_range(spec, found);
  return Scalar(value);
}

bool is_milliseconds_key(const KeySpec& spec) { return spec.min == 0 || spec.min >= kMillisecond; }

// YYYY-MM-DDThh:mm:ss[.fff]Z, and a day there is.
bool is_utc_instant(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  if (text.size() < kShape.size() + 1 || text.back() != 'Z') return false;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return false;
  }
  const auto fraction = text.substr(kShape.size(), text.size() - kShape.size() - 1);
  if (!fraction.empty() && (fraction[0] != '.' || fraction.size() < 2 || fraction.size() > 7 ||
                            fraction.find_first_not_of("0123456789", 1) != std::string_view::npos)) {
    return false;
  }
  const auto at = [&](std::size_t from, std::size_t count) {
    int value = 0;
    std::from_chars(text.data() + from, text.data() + from + count, value);
    return value;
  };
  const std::chrono::year_month_day day{std::chrono::year(at(0, 4)),
                                        std::chrono::month(static_cast<unsigned>(at(5, 2))),
                                        std::chrono::day(static_cast<unsigned>(at(8, 2)))};
  return day.ok() && at(11, 2) < 24 && at(14, 2) < 60 && at(17, 2) < 60;
}

// The types whose value is written as text, in the file too.
Result<Scalar> read_written(const KeySpec& spec, std::string_view text, const std::string& found) {
  switch (spec.type) {
    case KeyType::kChoice: {
      const auto at = std::find(spec.choices.begin(), spec.choices.end(), text);
      if (at == spec.choices.end()) {
        const auto near = nearest(text, std::vector<std::string>(spec.choices.begin(), spec.choices.end()));
        Status status = out_of_range(spec, found);
        return near.empty() ? status : std::move(status).fix("did you mean " + quoted(near) + "?");
      }
      return Scalar(std::int64_t{at - spec.choices.begin()});
    }
    case KeyType::kDuration: {
      auto duration = parse_microseconds(text);
      if (!duration || (is_milliseconds_key(spec) && !parse_duration(text))) return wrong_type(spec, found);
      return within_limits(spec, std::int64_t{duration->count()}, found);
    }
    case KeyType::kBytes: {
      auto bytes = parse_bytes(text);
      if (!bytes) return wrong_type(spec, found);
      return within_limits(spec, *bytes, found);
    }
    case KeyType::kInstant:
      if (!is_utc_instant(text)) return wrong_type(spec, found);
      return Scalar(std::string(text));
    default: return Scalar(std::string(text));
  }
}

}  // namespace

std::span<const KeySpec> key_table() { return kKeys; }

const KeySpec* find_key(std::string_view name) {
  const auto at = std::find_if(kKeys.begin(), kKeys.end(), [&](const KeySpec& k) { return matches(k.name, name); });
  return at == kKeys.end() ? nullptr : &*at;
}

bool is_section(std::string_view name) {
  return std::any_of(kKeys.begin(), kKeys.end(),
                     [&](const KeySpec& k) { return begins_with_segments_of(k.name, name); });
}

bool is_list_section(std::string_view name) {
  const std::string prefix = std::string(name) + "[].";
  return std::any_of(kKeys.begin(), kKeys.end(), [&](const KeySpec& k) { return k.name.starts_with(prefix); });
}

std::string keys_beside(std::string_view name) {
  const auto dot = name.rfind('.');
  const std::string_view table = dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
  std::vector<std::string_view> keys;
  for (const auto& spec : kKeys) {
    if (!table.empty() && !begins_with_segments_of(spec.name, table)) continue;
    std::string_view rest = spec.name;
    for (std::string_view above = table; !above.empty();) {
      take_segment(above);
      take_segment(rest);
    }
    const auto key = take_segment(rest);
    if (key != "*" && std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
  std::string text;
  for (const auto key : keys) text += (text.empty() ? "" : ", ") + std::string(key);
  return text;
}

std::string_view open_part(const KeySpec& spec, std::string_view name) { return name.substr(spec.name.find('*')); }

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string nearest(std::string_view name, std::span<const std::string> names) {
  return nearest(name, names, near_enough(name));
}

std::string nearest(std::string_view name, std::span<const std::string> names, std::size_t furthest) {
  std::string best;
  std::size_t best_distance = furthest + 1;
  for (const auto& candidate : names) {
    const auto distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string nearest_key(std::string_view name) {
  std::vector<std::string> names;
  std::vector<std::string> spelled;  // those whose last part is one of ours, not one of `name` in place of a star
  const auto add = [](std::vector<std::string>& into, const std::string& candidate) {
    if (std::find(into.begin(), into.end(), candidate) == into.end()) into.push_back(candidate);
  };
  for (const auto& spec : kKeys) {
    std::string candidate;  // the key, with the name's own parts in place of stars
    std::string_view pattern = spec.name;
    std::string_view parts = name;
    while (!pattern.empty()) {
      const auto wanted = take_segment(pattern);
      const auto part = take_segment(parts);
      if (wanted == "*" && (part.empty() || pattern.empty())) break;
      if (!candidate.empty()) candidate += '.';
      candidate += wanted == "*" ? part : wanted;
      add(names, candidate);
      if (wanted != "*") add(spelled, candidate);
    }
  }
  const auto by_edits = nearest(name, names);
  if (!by_edits.empty() && edit_distance(by_edits, name) <= 2) return by_edits;
  // A right name in the wrong table.
  for (const auto& candidate : spelled) {
    if (same_name(last_segment(candidate), last_segment(name))) return candidate;
  }
  return by_edits;
}

namespace {

// What follows a type: from, to, and what comes between.
std::string limits_text(const KeySpec& spec, std::string_view before, std::string_view between) {
  const bool from = std::isfinite(spec.min);
  const bool to = std::isfinite(spec.max) && spec.max < kMany;
  if (from && to) {
    return std::string(before) + amount_text(spec, spec.min) + std::string(between) + amount_text(spec, spec.max);
  }
  return from ? ", at least " + amount_text(spec, spec.min) : std::string();
}

std::string documented_type(const KeySpec& spec) {
  std::string name;
  switch (spec.type) {
    case KeyType::kText: name = "text"; break;
    case KeyType::kVerbatim: name = "text, number or boolean"; break;
    case KeyType::kBoolean: name = "boolean"; break;
    case KeyType::kInteger: name = "integer"; break;
    case KeyType::kNumber: name = "number"; break;
    case KeyType::kDuration: name = "duration"; break;
    case KeyType::kBytes: name = "size"; break;
    case KeyType::kChoice: name = choices_text(spec); break;
    case KeyType::kInstant: name = "time in UTC"; break;
    case KeyType::kTextList: name = "list of texts"; break;
    case KeyType::kColumn: name = "text"; break;
    case KeyType::kGeneratedField: name = "text or list of texts"; break;
    case KeyType::kCatalogueColumns: name = "list of texts"; break;
    case KeyType::kCatalogueRows: name = "list of lists"; break;
    case KeyType::kReport:
    case KeyType::kView: name = "text"; break;
    case KeyType::kViewColumns: name = "list of texts"; break;
  }
  return name + limits_text(spec, ", ", " to ");
}

}  // namespace

std::string expected(const KeySpec& spec) {
  std::string text;
  switch (spec.type) {
    case KeyType::kText: text = "a text"; break;
    case KeyType::kVerbatim: text = "a text, a number or a boolean"; break;
    case KeyType::kBoolean: text = "true or false"; break;
    case KeyType::kInteger: text = "an integer"; break;
    case KeyType::kNumber: text = "a number"; break;
    case KeyType::kDuration: text = "a duration such as \"250ms\" or \"1h\""; break;
    case KeyType::kBytes: text = "a size such as \"64KiB\" or \"256MB\""; break;
    case KeyType::kChoice: text = choices_text(spec); break;
    case KeyType::kInstant: text = "a time in UTC such as \"2026-01-01T00:00:00Z\""; break;
    case KeyType::kTextList: text = "a list of texts"; break;
    case KeyType::kColumn: text = "a text such as \"BIGINT required\""; break;
    case KeyType::kGeneratedField: text = "a text such as \"sequence\", or a list of texts"; break;
    case KeyType::kCatalogueColumns: text = "a list of names"; break;
    case KeyType::kCatalogueRows: text = "a list of lists of values"; break;
    case KeyType::kReport: text = "a text: one SELECT"; break;
    case KeyType::kView: text = "a text"; break;
    case KeyType::kViewColumns: text = "a list of names of columns"; break;
  }
  return text + limits_text(spec, ", from ", " to ");
}

std::string default_text(const KeySpec& spec) {
  if (!spec.default_note.empty()) return std::string(spec.default_note);
  const Scalar value = spec.load(Draft{});
  switch (spec.type) {
    case KeyType::kBoolean: return std::get<bool>(value) ? "true" : "false";
    case KeyType::kNumber: return number_text(std::get<double>(value));
    case KeyType::kInteger: return std::to_string(std::get<std::int64_t>(value));
    case KeyType::kDuration:
    case KeyType::kBytes: return quoted(amount_text(spec, static_cast<double>(std::get<std::int64_t>(value))));
    case KeyType::kChoice: return quoted(spec.choices[static_cast<std::size_t>(std::get<std::int64_t>(value))]);
    default: return quoted(std::get<std::string>(value));
  }
}

Result<Scalar> read_value(const KeySpec& spec, const TomlValue& value) {
  using Kind = TomlValue::Kind;
  const std::string found = value.describe();
  switch (spec.type) {
    case KeyType::kBoolean:
      if (value.kind != Kind::kBoolean) return wrong_type(spec, found);
      return Scalar(value.boolean);
    case KeyType::kInteger:
      if (value.kind != Kind::kInteger) return wrong_type(spec, found);
      return within_limits(spec, value.integer, found);
    case KeyType::kNumber:
      if (value.kind != Kind::kInteger && value.kind != Kind::kNumber) return wrong_type(spec, found);
      return within_limits(spec, value.number, found);
    case KeyType::kBytes:
      if (value.kind == Kind::kInteger) return within_limits(spec, value.integer, found);
      break;
    case KeyType::kInstant:
      if (value.kind == Kind::kDateTime) return read_written(spec, value.text, found);
      break;
    case KeyType::kTextList: {
      std::vector<std::string> texts;
      const bool is_list = value.kind == Kind::kList;
      for (const auto& item : value.items) {
        if (item.kind == Kind::kText) texts.push_back(item.text);
      }
      if (!is_list || texts.size() != value.items.size())
        return wrong_type(spec, is_list ? found + " of something else" : found);
      return Scalar(std::move(texts));
    }
    default: break;
  }
  if (value.kind != Kind::kText) return wrong_type(spec, found);
  return read_written(spec, value.text, found);
}

Result<Scalar> read_text(const KeySpec& spec, std::string_view text) {
  const std::string found = "the text \"" + std::string(text) + "\"";
  switch (spec.type) {
    case KeyType::kTextList: return wrong_type(spec, found);  // none can be set from outside
    case KeyType::kBoolean:
      if (text != "true" && text != "false") return wrong_type(spec, found);
      return Scalar(text == "true");
    case KeyType::kInteger: {
      std::int64_t value = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc() || end != text.data() + text.size()) return wrong_type(spec, found);
      return within_limits(spec, value, found);
    }
    case KeyType::kNumber: {
      double value = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc() || end != text.data() + text.size()) return wrong_type(spec, found);
      return within_limits(spec, value, found);
    }
    default: return read_written(spec, text, found);
  }
}

std::vector<KeyDoc> known_keys() {
  std::vector<KeyDoc> docs;
  for (const auto& spec : kKeys) {
    docs.push_back({std::string(spec.name), documented_type(spec), default_text(spec), spec.default_note.empty(),
                    std::string(spec.meaning)});
  }
  return docs;
}

}  // namespace inlet::config
