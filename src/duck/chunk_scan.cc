#include "duck/chunk_scan.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace inlet::duck {
namespace {

using Bound = ChunkScans::Bound;

// What one execution of the function shares between its threads. The one that ends it may be none of those that scanned
// (an execution can end of an error elsewhere): `next_chunk` orders its end as ChunkScans::made_ready() does the scans.
struct Progress {
  ~Progress() { static_cast<void>(next_chunk.load(std::memory_order_acquire)); }
  void is_made() { next_chunk.store(0, std::memory_order_release); }

  std::atomic<std::size_t> next_chunk = 0;
  std::vector<idx_t> columns;  // projected, by index into the schema
};

void bind(duckdb_bind_info info) {
  auto* const scans = static_cast<ChunkScans*>(duckdb_bind_get_extra_info(info));
  duckdb_client_context context = nullptr;
  duckdb_table_function_get_client_context(info, &context);
  const auto connection_id = duckdb_client_context_get_connection_id(context);
  duckdb_destroy_client_context(&context);

  auto bound = scans->find(connection_id);
  if (!bound) {
    duckdb_bind_set_error(info, "inlet_chunks(): no chunks are bound to this connection");
    return;
  }
  for (const Column& column : bound->schema.columns) {
    const LogicalType type = logical_type(column.type);
    duckdb_bind_add_result_column(info, column.name.c_str(), type.get());
  }
  duckdb_bind_set_cardinality(info, bound->rows, true);
  auto holder = std::make_unique<std::shared_ptr<const Bound>>(std::move(bound));
  duckdb_bind_set_bind_data(info, holder.release(),
                            [](void* data) { delete static_cast<std::shared_ptr<const Bound>*>(data); });
  scans->made_ready();
}

void init(duckdb_init_info info) {
  auto* const scans = static_cast<ChunkScans*>(duckdb_init_get_extra_info(info));
  scans->taken_over();
  const auto& bound = *static_cast<std::shared_ptr<const Bound>*>(duckdb_init_get_bind_data(info));
  auto progress = std::make_unique<Progress>();
  for (idx_t i = 0; i < duckdb_init_get_column_count(info); ++i)
    progress->columns.push_back(duckdb_init_get_column_index(info, i));
  progress->is_made();
  duckdb_init_set_max_threads(info, std::max<idx_t>(1, bound->chunks.size()));
  duckdb_init_set_init_data(info, progress.release(), [](void* data) { delete static_cast<Progress*>(data); });
  scans->made_ready();
}

void scan(duckdb_function_info info, duckdb_data_chunk output) {
  static_cast<const ChunkScans*>(duckdb_function_get_extra_info(info))->taken_over();
  const auto& bound = *static_cast<std::shared_ptr<const Bound>*>(duckdb_function_get_bind_data(info));
  auto& progress = *static_cast<Progress*>(duckdb_function_get_init_data(info));
  const std::size_t index = progress.next_chunk.fetch_add(1);
  if (index >= bound->chunks.size()) {
    duckdb_data_chunk_set_size(output, 0);
    return;
  }
  const DataChunk& chunk = *bound->chunks[index];
  for (idx_t i = 0; i < progress.columns.size(); ++i) {
    // count(*) asks for a row id, which stands for no column: only the number of rows is looked at.
    if (progress.columns[i] >= bound->schema.columns.size()) continue;
    duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(output, i), chunk.column(progress.columns[i]));
  }
  duckdb_data_chunk_set_size(output, chunk.rows());
}

}  // namespace

void ChunkScans::bind(std::uint64_t connection_id, const ChunkScan& scan) {
  auto bound = std::make_shared<Bound>();
  bound->schema = scan.schema;
  for (const DataChunk* chunk : scan.chunks) {
    if (chunk->rows() == 0) continue;
    bound->rows += chunk->rows();
    bound->chunks.push_back(chunk);
  }
  const std::lock_guard lock(mutex_);
  bound_[connection_id] = std::move(bound);
}

void ChunkScans::unbind(std::uint64_t connection_id) {
  const std::lock_guard lock(mutex_);
  bound_.erase(connection_id);
}

std::shared_ptr<const Bound> ChunkScans::find(std::uint64_t connection_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = bound_.find(connection_id);
  return found == bound_.end() ? nullptr : found->second;
}

Status register_inlet_chunks(duckdb_connection connection, ChunkScans& scans) {
  duckdb_table_function function = duckdb_create_table_function();
  duckdb_table_function_set_name(function, "inlet_chunks");
  duckdb_table_function_set_extra_info(function, &scans, nullptr);
  duckdb_table_function_set_bind(function, bind);
  duckdb_table_function_set_init(function, init);
  duckdb_table_function_set_function(function, scan);
  duckdb_table_function_supports_projection_pushdown(function, true);
  const auto state = duckdb_register_table_function(connection, function);
  duckdb_destroy_table_function(&function);
  if (state != DuckDBSuccess) return {StatusCode::kInternal, "duckdb.register", "cannot register inlet_chunks()"};
  return Status::ok();
}

}  // namespace inlet::duck
