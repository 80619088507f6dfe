#include "views/view_state.h"

#include <algorithm>

#include "duck/value_text.h"

namespace inlet::views {
namespace {

Schema first_columns(const Schema& schema, std::size_t count) {
  return {{schema.columns.begin(), schema.columns.begin() + static_cast<std::ptrdiff_t>(count)}};
}

std::vector<ColumnType> types_of(const Schema& schema) {
  std::vector<ColumnType> types;
  for (const auto& column : schema.columns) types.push_back(column.type);
  return types;
}

}  // namespace

Result<EventPartials> EventPartials::of(const ViewPlan& plan, const Events& events) {
  EventPartials result;
  INLET_ASSIGN_OR_RETURN(result.partials, events.query(plan.partial_sql));
  for (const auto& distinct : plan.distinct_counts) {
    INLET_ASSIGN_OR_RETURN(auto pairs, events.query(distinct.sql));
    result.distinct.push_back(std::move(pairs));
  }
  return result;
}

ViewState::ViewState(const ViewPlan& plan)
    : plan_(plan),
      keys_(types_of(first_columns(plan.state, plan.keys))),
      key_schema_(first_columns(plan.state, plan.keys)),
      partial_schema_(first_columns(plan.state, plan.state.columns.size() - plan.distinct_counts.size())) {
  for (const auto& name : plan.partition_by) {
    for (const auto& output : plan.output) {
      if (output.column.name == name && output.key) partition_keys_.push_back(*output.key);
    }
  }
  if (plan.keys == 0) partition_of({}).rows.row_of({});
}

PartitionValues ViewState::values_of(std::string_view key) const {
  if (partition_keys_.empty()) return {};
  duck::DataChunk chunk(key_schema_);
  keys_.write(key, chunk, 0);
  chunk.set_rows(1);
  PartitionValues values;
  for (const auto index : partition_keys_) {
    const auto vector = chunk.column(index);
    const auto type = duck::logical_type(key_schema_.columns[index].type);
    std::optional<std::string> value;
    if (!duck::element_is_null(vector, 0)) value = duck::element_text(vector, type.get(), 0);
    if (value && value->empty()) value.reset();
    values.push_back(std::move(value));
  }
  return values;
}

ViewState::Partition& ViewState::partition_of(std::string_view key) {
  std::string bytes;
  for (const auto index : partition_keys_) keys_.append_part(bytes, key, index);
  if (last_ != nullptr && bytes == last_key_) return *last_;
  auto found = partitions_.find(bytes);
  if (found == partitions_.end()) {
    found = partitions_.try_emplace(bytes, plan_, keys_).first;
    found->second.values = values_of(key);
  }
  last_ = &found->second;
  last_key_ = std::move(bytes);
  return *last_;
}

std::string ViewState::group_text(std::string_view key) const {
  if (plan_.keys == 0) return "all rows";
  duck::DataChunk chunk(key_schema_);
  keys_.write(key, chunk, 0);
  chunk.set_rows(1);
  std::string text;
  for (std::size_t i = 0; i < plan_.keys; ++i) {
    const auto type = duck::logical_type(key_schema_.columns[i].type);
    text += text.empty() ? "" : ", ";
    text += duck::element_is_null(chunk.column(i), 0) ? "NULL" : duck::element_text(chunk.column(i), type.get(), 0);
  }
  return "(" + text + ")";
}

Status ViewState::merge_partials(duckdb_data_chunk rows) {
  const auto columns = readers_of(rows, partial_schema_);
  const std::vector<VectorReader> partials(columns.begin() + static_cast<std::ptrdiff_t>(plan_.keys), columns.end());
  const std::size_t count = duckdb_data_chunk_get_size(rows);
  std::string key;
  for (std::size_t row = 0; row < count; ++row) {
    key.clear();
    keys_.append(key, columns, row);
    auto& partition = partition_of(key);
    partition.is_unpublished = true;
    partition.is_unsaved = true;
    if (auto merged = partition.rows.merge(partition.rows.row_of(key), partials, row); !merged.is_ok()) {
      return std::move(merged).at("view " + plan_.name + ", group " + group_text(key));
    }
  }
  return Status::ok();
}

void ViewState::merge_distinct(std::size_t index, duckdb_data_chunk rows) {
  Schema schema = key_schema_;
  schema.columns.push_back({"v", plan_.distinct_counts[index].type, false});
  const auto columns = readers_of(rows, schema);
  const std::size_t count = duckdb_data_chunk_get_size(rows);
  std::string key;
  for (std::size_t row = 0; row < count; ++row) {
    key.clear();
    keys_.append(key, columns, row);
    auto& partition = partition_of(key);
    partition.rows.add_distinct(index, partition.rows.row_of(key), columns.back(), row);
  }
}

Status ViewState::merge(const EventPartials& events) {
  for (std::size_t i = 0; i < events.partials.chunks(); ++i)
    INLET_RETURN_IF_ERROR(merge_partials(events.partials.chunk(i)));
  for (std::size_t d = 0; d < events.distinct.size(); ++d) {
    for (std::size_t i = 0; i < events.distinct[d].chunks(); ++i) merge_distinct(d, events.distinct[d].chunk(i));
  }
  return Status::ok();
}

std::size_t ViewState::rows() const {
  std::size_t sum = 0;
  for (const auto& [key, partition] : partitions_) sum += partition.rows.rows();
  return sum;
}

std::size_t ViewState::bytes() const {
  std::size_t sum = 0;
  for (const auto& [key, partition] : partitions_) sum += partition.rows.bytes();
  return sum;
}

std::vector<duck::DataChunk> ViewState::rows_of(const Partition& partition) const {
  std::vector<duck::DataChunk> chunks;
  for (std::size_t begin = 0; begin < partition.rows.rows(); begin += duck::DataChunk::kCapacity) {
    const std::size_t end = std::min(begin + duck::DataChunk::kCapacity, partition.rows.rows());
    partition.rows.write_rows(begin, end, chunks.emplace_back(plan_.state));
  }
  return chunks;
}

}  // namespace inlet::views
