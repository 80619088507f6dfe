// The table function inlet_chunks(): the chunks bound to the connection that asks, handed to DuckDB by reference.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "duck/database.h"

namespace inlet::duck {

/// Which chunks each connection of a database sees. Thread safe. The function is registered once per database, since
/// DuckDB keeps functions in the catalog; the connection's id says whose chunks are meant.
class ChunkScans {
 public:
  void bind(std::uint64_t connection_id, const ChunkScan& scan);
  void unbind(std::uint64_t connection_id);

  struct Bound {
    Schema schema;
    std::vector<const DataChunk*> chunks;  // none of them empty: an empty one would end the scan
    std::size_t rows = 0;
  };
  /// nullptr: nothing bound. What a running query holds stays alive after unbind.
  std::shared_ptr<const Bound> find(std::uint64_t connection_id) const;

  /// DuckDB hands what bind() made over to init(), and what init() made to the threads that scan, in an order that
  /// ThreadSanitizer cannot see into; these two say it.
  void made_ready() { executions_.fetch_add(1, std::memory_order_release); }
  void taken_over() const { static_cast<void>(executions_.load(std::memory_order_acquire)); }

 private:
  mutable std::mutex mutex_;
  std::atomic<std::uint64_t> executions_{0};
  std::map<std::uint64_t, std::shared_ptr<const Bound>> bound_;
};

/// Registers inlet_chunks() in the connection's database. `scans` outlives the database.
Status register_inlet_chunks(duckdb_connection connection, ChunkScans& scans);

}  // namespace inlet::duck
