// RAII over DuckDB's C API, and the one place where its errors become Status.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "duck/data_chunk.h"

namespace inlet::duck {

struct DatabaseOptions {
  int threads = 2;
  std::int64_t memory_limit_bytes = 256LL << 20;
  std::string temp_directory;  // where it may spill; empty: nowhere
};

/// A materialised result. Not thread safe; one reader.
class QueryResult {
 public:
  QueryResult();
  ~QueryResult();
  QueryResult(QueryResult&&) noexcept;
  QueryResult& operator=(QueryResult&&) noexcept;

  std::size_t rows() const;
  std::size_t columns() const;
  std::string column_name(std::size_t column) const;
  duckdb_type column_type(std::size_t column) const;
  /// DuckDB's own name of the column's type, "DECIMAL(12,2)".
  std::string column_type_name(std::size_t column) const;

  bool is_null(std::size_t row, std::size_t column) const;
  /// The value as DuckDB casts it to VARCHAR (session TimeZone UTC). Precondition: not null.
  std::string text(std::size_t row, std::size_t column) const;
  /// Precondition: an integer type that fits, not null.
  std::int64_t integer(std::size_t row, std::size_t column) const;

  /// Where the value stands: a vector, and its index in it. For readers of nested values; valid as long as the result.
  struct Element {
    duckdb_vector vector = nullptr;
    std::size_t index = 0;
  };
  Element element(std::size_t row, std::size_t column) const;

  /// The chunks the rows came in, for readers of many rows; valid as long as the result. Vectors are flat.
  std::size_t chunks() const;
  duckdb_data_chunk chunk(std::size_t index) const;

 private:
  friend class Connection;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Rows as they are computed, a chunk at a time: memory stays flat however long the result is. Not thread safe. While
/// it lives its connection runs nothing else, and outlives it.
class ResultStream {
 public:
  ~ResultStream();
  ResultStream(ResultStream&&) noexcept;
  ResultStream& operator=(ResultStream&&) noexcept;

  std::size_t columns() const;
  std::string column_name(std::size_t column) const;
  duckdb_type column_type(std::size_t column) const;
  std::string column_type_name(std::size_t column) const;

  /// Moves to the next chunk: the number of its rows, 0 when there are no more. Errors as Connection::query.
  Result<std::size_t> next();
  /// Of the current chunk. `row` counts from its start.
  bool is_null(std::size_t row, std::size_t column) const;
  std::string text(std::size_t row, std::size_t column) const;
  /// The current chunk itself, for readers of many rows; its vectors are flat.
  duckdb_data_chunk chunk() const;
  /// Appends the value as JSON (value_text.h says how each type is written).
  void append_json(std::string& json, std::size_t row, std::size_t column) const;

 private:
  friend class Connection;
  struct Impl;
  explicit ResultStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The chunks that `inlet_chunks()` scans on a connection: a batch, seen by DuckDB without a copy.
/// The chunks outlive every query over them and are not written meanwhile.
struct ChunkScan {
  Schema schema;
  std::span<const DataChunk* const> chunks;
};

/// One connection; not thread safe, except interrupt(). Outlived by its Database.
class Connection {
 public:
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  /// Runs one or more statements; the result is the last one's. Errors: InvalidArgument for SQL that does not parse or
  /// bind, Cancelled after interrupt(), Internal for I/O (message of the system kept) and everything else.
  Result<QueryResult> query(std::string_view sql);
  /// One statement, on this thread, in steps of some ten milliseconds. `between` is called after each: it may take its
  /// time and use other connections; what it returns other than Ok ends the query with that. For a database of one
  /// thread.
  Result<QueryResult> query_in_steps(std::string_view sql, const std::function<Status()>& between);
  Status execute(std::string_view sql);

  /// Runs what DuckDB itself takes for exactly one SELECT or EXPLAIN; InvalidArgument without running anything
  /// otherwise. A SELECT can still call a table function with an effect: see query/statement_check.h.
  Result<ResultStream> stream_select(std::string_view sql);

  /// Makes `inlet_chunks()` in this connection's SQL return the rows of `scan`, until the next call. Parallel:
  /// DuckDB's threads take chunks one by one, in no order. ConstantVector and dictionary columns stay what they are.
  void bind_chunks(const ChunkScan& scan);
  void unbind_chunks();

  /// From any thread: the running query ends with Cancelled.
  void interrupt();

  duckdb_connection get() const;

 private:
  friend class Database;
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// An in-memory DuckDB. Thread safe. Session TimeZone of every connection is UTC. Beside inlet_chunks() its SQL has
/// inlet_decimal_average_<s>() (decimal_average.h).
class Database {
 public:
  static Result<Database> open(const DatabaseOptions& options);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  Result<Connection> connect();
  /// Bytes that DuckDB holds, by its own account (duckdb_memory()); -1 when it cannot be asked. Thread safe.
  std::int64_t memory_in_use() const;
  static std::string version();

 private:
  struct Impl;
  static Result<Connection> connect_to(Impl& database);
  explicit Database(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// What a COPY ... TO (FORMAT parquet, RETURN_STATS) wrote.
struct ColumnStatistics {
  std::string column;
  // As DuckDB casts them to VARCHAR, BOOLEAN as 0 and 1; absent where the column is all NULL, or DuckDB has none.
  std::optional<std::string> min;
  std::optional<std::string> max;
  std::optional<std::int64_t> null_count;
};
struct WrittenFile {
  std::string path;  // absolute
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  std::vector<ColumnStatistics> statistics;  // not of the partition columns
  std::vector<std::pair<std::string, std::optional<std::string>>> partition_values;
};

struct ParquetOptions {
  std::string directory;  // absolute, exists
  std::vector<std::string> partition_columns;
  std::string file_name_pattern = "part-{uuid}";
  std::string compression = "zstd";
  std::function<Status()> between_steps = nullptr;  // Connection::query_in_steps; empty: in one go
};

/// COPY (select) TO directory: one or more files per partition `column=value/`, directly in `directory` without
/// partition columns; no file at all where there is no row. NULL goes to __HIVE_DEFAULT_PARTITION__ and is nullopt in
/// `partition_values`; other values are percent-encoded in the path only. Does not fsync: the lake does. On error some
/// files may have been left in `directory`; they are referenced by nobody.
Result<std::vector<WrittenFile>> copy_to_parquet(Connection& connection, std::string_view select,
                                                 const ParquetOptions& options);

/// 'it''s', "col""umn"
std::string quote_literal(std::string_view text);
std::string quote_identifier(std::string_view name);

}  // namespace inlet::duck
