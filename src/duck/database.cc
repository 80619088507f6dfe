#include "duck/database.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "duck/chunk_scan.h"
#include "duck/decimal_average.h"
#include "duck/error.h"
#include "duck/value_text.h"

namespace inlet::duck {

// ---- QueryResult ----------------------------------------------------------------------------------------------------

struct QueryResult::Impl {
  duckdb_result result{};
  struct ChunkDeleter {
    void operator()(duckdb_data_chunk chunk) const { duckdb_destroy_data_chunk(&chunk); }
  };
  std::vector<std::unique_ptr<_duckdb_data_chunk, ChunkDeleter>> chunks;
  std::vector<std::size_t> ends;  // of each chunk: the number of rows up to and including it
  std::vector<LogicalType> types;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    chunks.clear();
    duckdb_destroy_result(&result);
  }

  void fetch() {
    for (idx_t i = 0; i < duckdb_column_count(&result); ++i) types.emplace_back(duckdb_column_logical_type(&result, i));
    std::size_t rows = 0;
    while (duckdb_data_chunk chunk = duckdb_fetch_chunk(result)) {
      chunks.emplace_back(chunk);
      rows += duckdb_data_chunk_get_size(chunk);
      ends.push_back(rows);
    }
  }

  Element element(std::size_t row, std::size_t column) const {
    const auto chunk = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), row) - ends.begin());
    const std::size_t begin = chunk == 0 ? 0 : ends[chunk - 1];
    return {duckdb_data_chunk_get_vector(chunks[chunk].get(), column), row - begin};
  }
};

QueryResult::QueryResult() : impl_(std::make_unique<Impl>()) {}
QueryResult::~QueryResult() = default;
QueryResult::QueryResult(QueryResult&&) noexcept = default;
QueryResult& QueryResult::operator=(QueryResult&&) noexcept = default;

std::size_t QueryResult::rows() const { return impl_->ends.empty() ? 0 : impl_->ends.back(); }

std::size_t QueryResult::columns() const { return impl_->types.size(); }

std::string QueryResult::column_name(std::size_t column) const {
  const char* name = duckdb_column_name(&impl_->result, column);
  return name == nullptr ? "" : name;
}

duckdb_type QueryResult::column_type(std::size_t column) const {
  return duckdb_get_type_id(impl_->types[column].get());
}

std::string QueryResult::column_type_name(std::size_t column) const { return type_name(impl_->types[column].get()); }

QueryResult::Element QueryResult::element(std::size_t row, std::size_t column) const {
  return impl_->element(row, column);
}

bool QueryResult::is_null(std::size_t row, std::size_t column) const {
  const auto element = impl_->element(row, column);
  return element_is_null(element.vector, element.index);
}

std::string QueryResult::text(std::size_t row, std::size_t column) const {
  const auto element = impl_->element(row, column);
  return element_text(element.vector, impl_->types[column].get(), element.index);
}

std::int64_t QueryResult::integer(std::size_t row, std::size_t column) const {
  // By way of the text: the only path that is the same for every integer type, HUGEINT of sum() included.
  const std::string digits = text(row, column);
  std::int64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

std::size_t QueryResult::chunks() const { return impl_->chunks.size(); }

duckdb_data_chunk QueryResult::chunk(std::size_t index) const { return impl_->chunks[index].get(); }

// ---- ResultStream ---------------------------------------------------------------------------------------------------

struct ResultStream::Impl {
  // In this order: the result is destroyed before the statement it is computed by.
  duckdb_extracted_statements extracted = nullptr;
  duckdb_prepared_statement prepared = nullptr;
  duckdb_result result{};
  duckdb_data_chunk chunk = nullptr;
  std::vector<LogicalType> types;
  std::shared_ptr<const std::atomic<bool>> interrupted;  // the connection's: somebody asked for it

  // When one of DuckDB's threads fails, it interrupts the others, and now and then it is their "interrupted" that comes
  // out. The error behind it is found by running the statement again, up to that error.
  Status error_behind_interrupt() {
    duckdb_destroy_result(&result);
    if (duckdb_execute_prepared(prepared, &result) != DuckDBSuccess) {
      const char* message = duckdb_result_error(&result);
      return duck_error(duckdb_result_error_type(&result), message == nullptr ? "" : message);
    }
    return {StatusCode::kInternal, "duckdb.error", "the query failed, and succeeded when it was run again"};
  }

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    duckdb_destroy_data_chunk(&chunk);
    duckdb_destroy_result(&result);
    duckdb_destroy_prepare(&prepared);
    duckdb_destroy_extracted(&extracted);
  }
};

ResultStream::ResultStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ResultStream::~ResultStream() = default;
ResultStream::ResultStream(ResultStream&&) noexcept = default;
ResultStream& ResultStream::operator=(ResultStream&&) noexcept = default;

std::size_t ResultStream::columns() const { return impl_->types.size(); }

std::string ResultStream::column_name(std::size_t column) const {
  const char* name = duckdb_column_name(&impl_->result, column);
  return name == nullptr ? "" : name;
}

duckdb_type ResultStream::column_type(std::size_t column) const {
  return duckdb_get_type_id(impl_->types[column].get());
}

std::string ResultStream::column_type_name(std::size_t column) const { return type_name(impl_->types[column].get()); }

Result<std::size_t> ResultStream::next() {
  duckdb_destroy_data_chunk(&impl_->chunk);
  impl_->chunk = duckdb_fetch_chunk(impl_->result);
  if (impl_->chunk != nullptr) return static_cast<std::size_t>(duckdb_data_chunk_get_size(impl_->chunk));
  const char* message = duckdb_result_error(&impl_->result);
  if (message == nullptr || *message == '\0') return std::size_t{0};
  auto error = duck_error(duckdb_result_error_type(&impl_->result), message);
  if (error.code() == StatusCode::kCancelled && !*impl_->interrupted) return impl_->error_behind_interrupt();
  return error;
}

duckdb_data_chunk ResultStream::chunk() const { return impl_->chunk; }

bool ResultStream::is_null(std::size_t row, std::size_t column) const {
  return element_is_null(duckdb_data_chunk_get_vector(impl_->chunk, column), row);
}

std::string ResultStream::text(std::size_t row, std::size_t column) const {
  return element_text(duckdb_data_chunk_get_vector(impl_->chunk, column), impl_->types[column].get(), row);
}

void ResultStream::append_json(std::string& json, std::size_t row, std::size_t column) const {
  duck::append_json(json, duckdb_data_chunk_get_vector(impl_->chunk, column), impl_->types[column].get(), row);
}

// ---- Connection -----------------------------------------------------------------------------------------------------

struct Connection::Impl {
  duckdb_connection connection = nullptr;
  std::shared_ptr<std::atomic<bool>> interrupted = std::make_shared<std::atomic<bool>>(false);  // since the last start
  std::uint64_t id = 0;
  std::shared_ptr<ChunkScans> scans;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (scans) scans->unbind(id);
    duckdb_disconnect(&connection);
  }
};

namespace {

// DuckDB's C API ends a text at the first NUL: what stands behind it must not go unseen.
Status check_no_nul(std::string_view sql) {
  if (sql.find('\0') == std::string_view::npos) return Status::ok();
  return {StatusCode::kInvalidArgument, "sql.nul_byte", "the SQL holds a NUL byte"};
}

// A statement that is run step by step.
struct Steps {
  duckdb_prepared_statement prepared = nullptr;
  duckdb_pending_result pending = nullptr;

  Steps() = default;
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;
  ~Steps() {
    duckdb_destroy_pending(&pending);
    duckdb_destroy_prepare(&prepared);
  }
};

}  // namespace

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Result<QueryResult> Connection::query(std::string_view sql) {
  INLET_RETURN_IF_ERROR(check_no_nul(sql));
  QueryResult result;
  if (duckdb_query(impl_->connection, std::string(sql).c_str(), &result.impl_->result) != DuckDBSuccess) {
    const char* message = duckdb_result_error(&result.impl_->result);
    return duck_error(duckdb_result_error_type(&result.impl_->result), message == nullptr ? "" : message);
  }
  result.impl_->fetch();
  return result;
}

Result<QueryResult> Connection::query_in_steps(std::string_view sql, const std::function<Status()>& between) {
  INLET_RETURN_IF_ERROR(check_no_nul(sql));
  Steps steps;
  if (duckdb_prepare(impl_->connection, std::string(sql).c_str(), &steps.prepared) != DuckDBSuccess) {
    const char* error = duckdb_prepare_error(steps.prepared);
    return duck_error(error == nullptr ? "" : error);
  }
  if (duckdb_pending_prepared(steps.prepared, &steps.pending) != DuckDBSuccess) {
    const char* error = duckdb_pending_error(steps.pending);
    return duck_error(error == nullptr ? "" : error);
  }
  Status ended_by;
  for (;;) {
    const auto state = duckdb_pending_execute_task(steps.pending);
    if (duckdb_pending_execution_is_finished(state)) break;
    if (state == DUCKDB_PENDING_NO_TASKS_AVAILABLE) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!ended_by.is_ok()) continue;  // the interruption comes with the next step
    ended_by = between();
    if (!ended_by.is_ok()) duckdb_interrupt(impl_->connection);
  }
  QueryResult result;
  const bool is_ok = duckdb_execute_pending(steps.pending, &result.impl_->result) == DuckDBSuccess;
  INLET_RETURN_IF_ERROR(ended_by);
  if (!is_ok) {
    const char* message = duckdb_result_error(&result.impl_->result);
    return duck_error(duckdb_result_error_type(&result.impl_->result), message == nullptr ? "" : message);
  }
  result.impl_->fetch();
  return result;
}

Result<ResultStream> Connection::stream_select(std::string_view sql) {
  INLET_RETURN_IF_ERROR(check_no_nul(sql));
  auto impl = std::make_unique<ResultStream::Impl>();
  *impl_->interrupted = false;
  impl->interrupted = impl_->interrupted;
  const auto count = duckdb_extract_statements(impl_->connection, std::string(sql).c_str(), &impl->extracted);
  if (const char* error = duckdb_extract_statements_error(impl->extracted); error != nullptr) return duck_error(error);
  if (count != 1) return Status(StatusCode::kInvalidArgument, "sql.not_one_statement", "exactly one statement is run");
  if (duckdb_prepare_extracted_statement(impl_->connection, impl->extracted, 0, &impl->prepared) != DuckDBSuccess) {
    const char* error = duckdb_prepare_error(impl->prepared);
    return duck_error(error == nullptr ? "" : error);
  }
  const auto type = duckdb_prepared_statement_type(impl->prepared);
  if (type != DUCKDB_STATEMENT_TYPE_SELECT && type != DUCKDB_STATEMENT_TYPE_EXPLAIN)
    return Status(StatusCode::kInvalidArgument, "sql.not_select", "only SELECT and EXPLAIN are run here");
  if (duckdb_execute_prepared_streaming(impl->prepared, &impl->result) != DuckDBSuccess) {
    const char* message = duckdb_result_error(&impl->result);
    return duck_error(duckdb_result_error_type(&impl->result), message == nullptr ? "" : message);
  }
  for (idx_t i = 0; i < duckdb_column_count(&impl->result); ++i)
    impl->types.emplace_back(duckdb_column_logical_type(&impl->result, i));
  return ResultStream(std::move(impl));
}

Status Connection::execute(std::string_view sql) { return query(sql).status(); }

void Connection::bind_chunks(const ChunkScan& scan) { impl_->scans->bind(impl_->id, scan); }

void Connection::unbind_chunks() { impl_->scans->unbind(impl_->id); }

void Connection::interrupt() {
  *impl_->interrupted = true;
  duckdb_interrupt(impl_->connection);
}

duckdb_connection Connection::get() const { return impl_->connection; }

// ---- Database -------------------------------------------------------------------------------------------------------

struct Database::Impl {
  // Before the database: inlet_chunks() points to it for as long as the database lives.
  std::shared_ptr<ChunkScans> scans = std::make_shared<ChunkScans>();
  duckdb_database database = nullptr;
  std::mutex asking_mutex;
  std::optional<Connection> asking;  // guarded by asking_mutex: for what is asked of the database itself

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    asking.reset();
    duckdb_close(&database);
  }
};

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const DatabaseOptions& options) {
  // Nothing is loaded or fetched that is not compiled in. Rows of a batch carry their offset, so files need no order,
  // and COPY writes from all threads at once. The bytes of files are the system's to cache: a view and a compaction
  // read each of theirs once, and DuckDB's own cache would fill up to the limit with them.
  const std::array<std::pair<const char*, std::string>, 9> settings{{
      {"threads", std::to_string(std::max(1, options.threads))},
      {"memory_limit", std::to_string(options.memory_limit_bytes) + "B"},
      {"temp_directory", options.temp_directory},
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},
      {"allow_community_extensions", "false"},
      {"preserve_insertion_order", "false"},
      {"errors_as_json", "false"},
      {"enable_external_file_cache", "false"},
  }};
  duckdb_config config = nullptr;
  if (duckdb_create_config(&config) != DuckDBSuccess)
    return Status(StatusCode::kInternal, "duckdb.open", "cannot create DuckDB's configuration");
  const std::unique_ptr<_duckdb_config, void (*)(duckdb_config)> owned_config(
      config, [](duckdb_config c) { duckdb_destroy_config(&c); });
  for (const auto& [name, value] : settings) {
    if (duckdb_set_config(config, name, value.c_str()) != DuckDBSuccess)
      return Status(StatusCode::kInternal, "duckdb.open", std::string("DuckDB has no setting ") + name)
          .fix("use the DuckDB version Inlet is built for; see `inlet version`");
  }
  auto impl = std::make_unique<Impl>();
  char* message = nullptr;
  if (duckdb_open_ext(nullptr, &impl->database, config, &message) != DuckDBSuccess) {
    const std::string reason = message == nullptr ? "" : message;
    duckdb_free(message);
    return duck_error(DUCKDB_ERROR_INTERNAL, reason);
  }
  Database database(std::move(impl));
  INLET_ASSIGN_OR_RETURN(Connection connection, database.connect());
  INLET_RETURN_IF_ERROR(register_inlet_chunks(connection.get(), *database.impl_->scans));
  INLET_RETURN_IF_ERROR(register_decimal_average(connection.get()));
  return database;
}

Result<Connection> Database::connect() { return connect_to(*impl_); }

// COPY … PARTITION_BY holds so many rows back, on every thread, before it writes them out; DuckDB's own number is four
// times that, which by itself is more than the memory there is where rows are wide. 64 chunks: a row group and a bit.
constexpr const char* kFlushThreshold = "SET partitioned_write_flush_threshold = 131072";

Result<Connection> Database::connect_to(Impl& database) {
  auto impl = std::make_unique<Connection::Impl>();
  if (duckdb_connect(database.database, &impl->connection) != DuckDBSuccess)
    return Status(StatusCode::kInternal, "duckdb.connect", "cannot open a connection to DuckDB");
  duckdb_client_context context = nullptr;
  duckdb_connection_get_client_context(impl->connection, &context);
  impl->id = duckdb_client_context_get_connection_id(context);
  duckdb_destroy_client_context(&context);
  impl->scans = database.scans;
  Connection connection(std::move(impl));
  INLET_RETURN_IF_ERROR(connection.execute("SET TimeZone = 'UTC'"));
  INLET_RETURN_IF_ERROR(connection.execute(kFlushThreshold));
  return connection;
}

std::int64_t Database::memory_in_use() const {
  const std::scoped_lock lock(impl_->asking_mutex);
  if (!impl_->asking) {
    auto connection = Database::connect_to(*impl_);
    if (!connection.is_ok()) return -1;
    impl_->asking.emplace(std::move(*connection));
  }
  const auto sum = impl_->asking->query("SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory()");
  return sum.is_ok() && sum->rows() == 1 ? sum->integer(0, 0) : -1;
}

std::string Database::version() { return duckdb_library_version(); }

// ---- Quoting --------------------------------------------------------------------------------------------------------

namespace {

std::string quote(std::string_view text, char mark) {
  std::string quoted(1, mark);
  for (const char c : text) {
    if (c == mark) quoted += mark;
    quoted += c;
  }
  return quoted + mark;
}

}  // namespace

std::string quote_literal(std::string_view text) { return quote(text, '\''); }
std::string quote_identifier(std::string_view name) { return quote(name, '"'); }

}  // namespace inlet::duck
