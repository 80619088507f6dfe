#include "views/view_state.h"

#include <algorithm>
#include <span>

#include "duck/value_text.h"
#include "lake/file_statistics.h"

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

Schema with_values(Schema schema, const std::vector<DistinctCount>& distinct_counts) {
  for (std::size_t i = 0; i < distinct_counts.size(); ++i)
    schema.columns.push_back({"v" + std::to_string(i), distinct_counts[i].type});
  return schema;
}

}  // namespace

Result<GroupPartials> GroupPartials::of(const ViewPlan& plan, const Events& events) {
  GroupPartials result;
  INLET_ASSIGN_OR_RETURN(result.rows, events.query(plan.group_sql));
  for (const auto& distinct : plan.distinct_counts) {
    INLET_ASSIGN_OR_RETURN(auto pairs, events.query(distinct.sql));
    result.distinct.push_back(std::move(pairs));
  }
  return result;
}

Status for_each_event_chunk(const ViewPlan& plan, const Events& events,
                            const std::function<Status(duckdb_data_chunk)>& use) {
  INLET_ASSIGN_OR_RETURN(auto rows, events.stream(plan.event_sql));
  while (true) {
    INLET_ASSIGN_OR_RETURN(const auto count, rows.next());
    if (count == 0) return Status::ok();
    INLET_RETURN_IF_ERROR(use(rows.chunk()));
  }
}

ViewState::ViewState(const ViewPlan& plan)
    : plan_(plan),
      keys_(types_of(first_columns(plan.state, plan.keys))),
      key_schema_(first_columns(plan.state, plan.keys)),
      partial_schema_(first_columns(plan.state, plan.state.columns.size() - plan.distinct_counts.size())),
      event_schema_(with_values(partial_schema_, plan.distinct_counts)) {
  for (const auto& name : plan.partition_by) {
    for (const auto& output : plan.output) {
      if (output.column.name == name && output.key) partition_keys_.push_back(*output.key);
    }
  }
  if (plan.keys == 0) partition_of({}, 0).rows.row_of({});
}

PartitionValues ViewState::values_of(std::string_view key) const {
  duck::DataChunk chunk(key_schema_);
  keys_.write(key, chunk, 0);
  chunk.set_rows(1);
  PartitionValues values;
  for (const auto index : partition_keys_) {
    const auto vector = chunk.column(index);
    const auto type = duck::logical_type(key_schema_.columns[index].type);
    std::optional<std::string> value;
    if (!duck::element_is_null(vector, 0))
      value = lake::partition_value(key_schema_.columns[index].type, duck::element_text(vector, type.get(), 0));
    if (value && value->empty()) value.reset();
    values.push_back(std::move(value));
  }
  return values;
}

ViewState::Partition& ViewState::partition_of(const std::vector<VectorReader>& columns, std::size_t row) {
  partition_key_.clear();
  for (const auto index : partition_keys_) keys_.append_partition_column(partition_key_, columns, index, row);
  if (last_ != nullptr && partition_key_ == last_key_) return *last_;
  auto found = partitions_.find(partition_key_);
  if (found == partitions_.end()) {
    found = partitions_.try_emplace(partition_key_, plan_, keys_).first;
    if (!partition_keys_.empty()) {
      std::string key;
      keys_.append(key, columns, row);
      found->second.values = values_of(key);
    }
  }
  last_ = &found->second;
  last_key_ = partition_key_;
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

Status ViewState::merge_chunk(duckdb_data_chunk rows, const Schema& schema) {
  const auto columns = readers_of(rows, schema);
  const std::span<const VectorReader> partials(
      columns.begin() + static_cast<std::ptrdiff_t>(plan_.keys),
      columns.begin() + static_cast<std::ptrdiff_t>(partial_schema_.columns.size()));
  const std::span<const VectorReader> values(
      columns.begin() + static_cast<std::ptrdiff_t>(partial_schema_.columns.size()), columns.end());
  const std::size_t count = duckdb_data_chunk_get_size(rows);
  for (std::size_t begin = 0; begin < count;) {
    Partition& partition = partition_of(columns, begin);
    rows_of_run_.clear();
    std::size_t end = begin;
    do {
      key_.clear();
      keys_.append(key_, columns, end);
      rows_of_run_.push_back(partition.rows.row_of(key_));
      ++end;
    } while (end < count && &partition_of(columns, end) == &partition);
    partition.is_unpublished = true;
    partition.is_unsaved = true;
    if (const auto overflown = partition.rows.merge(rows_of_run_, partials, begin)) {
      return Status(StatusCode::kInvalidArgument, "view.sum_overflow", "a sum has more than 38 digits")
          .at("view " + plan_.name + ", group " + group_text(partition.rows.key(*overflown)));
    }
    for (std::size_t i = 0; i < values.size(); ++i) partition.rows.add_distinct(i, rows_of_run_, values[i], begin);
    begin = end;
  }
  return Status::ok();
}

void ViewState::merge_distinct(std::size_t index, duckdb_data_chunk rows) {
  Schema schema = key_schema_;
  schema.columns.push_back({"v", plan_.distinct_counts[index].type, false});
  const auto columns = readers_of(rows, schema);
  const std::size_t count = duckdb_data_chunk_get_size(rows);
  for (std::size_t row = 0; row < count; ++row) {
    key_.clear();
    keys_.append(key_, columns, row);
    auto& partition = partition_of(columns, row);
    const std::uint32_t place = partition.rows.row_of(key_);
    partition.rows.add_distinct(index, {&place, 1}, columns.back(), row);
  }
}

Status ViewState::merge(const GroupPartials& partials) {
  for (std::size_t i = 0; i < partials.rows.chunks(); ++i)
    INLET_RETURN_IF_ERROR(merge_partials(partials.rows.chunk(i)));
  for (std::size_t d = 0; d < partials.distinct.size(); ++d) {
    for (std::size_t i = 0; i < partials.distinct[d].chunks(); ++i) merge_distinct(d, partials.distinct[d].chunk(i));
  }
  return Status::ok();
}

std::size_t ViewState::rows() const {
  std::size_t sum = 0;
  for (const auto& [key, partition] : partitions_) sum += partition.rows.rows();
  return sum;
}

std::size_t ViewState::entries() const {
  std::size_t sum = 0;
  for (const auto& [key, partition] : partitions_) sum += partition.rows.rows() + partition.rows.distinct_values();
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
