#include "views/view_state.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <set>
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

std::uint64_t next_state() {
  static std::atomic<std::uint64_t> made{0};
  return ++made;
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
      id_(next_state()),
      keys_(types_of(first_columns(plan.state, plan.keys))),
      key_schema_(first_columns(plan.state, plan.keys)),
      partial_schema_(first_columns(plan.state, plan.state.columns.size() - plan.distinct_counts.size())),
      event_schema_(with_values(partial_schema_, plan.distinct_counts)) {
  for (const auto& name : plan.partition_by) {
    for (const auto& output : plan.output) {
      if (output.column.name == name && output.key) partition_keys_.push_back(*output.key);
    }
  }
  if (plan.keys == 0) measure(partition_of({}, 0));
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

const std::string& ViewState::partition_key(const std::vector<VectorReader>& columns, std::size_t row) {
  partition_key_.clear();
  for (const auto index : partition_keys_) keys_.append_partition_column(partition_key_, columns, index, row);
  return partition_key_;
}

ViewState::Partition& ViewState::partition_of(const std::vector<VectorReader>& columns, std::size_t row) {
  partition_key(columns, row);
  if (last_ != nullptr && partition_key_ == last_key_) return *last_;
  auto found = partitions_.find(partition_key_);
  if (found == partitions_.end()) {
    found = partitions_.try_emplace(partition_key_).first;
    found->second.rows = new_partition();
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

// ---- what a chunk touches -------------------------------------------------------------------------------------------

void ViewState::begin_chunk() {
  ++chunk_;
  touched_.clear();
}

void ViewState::touch(Partition& partition) {
  if (partition.touched == chunk_) return;
  partition.touched = chunk_;
  partition.is_unpublished = true;
  partition.is_changed = true;
  touched_.push_back(&partition);
}

void ViewState::end_chunk() {
  for (Partition* partition : touched_) measure(*partition);
}

void ViewState::measure(Partition& partition) {
  const std::size_t now = partition.rows == nullptr ? 0 : partition.rows->bytes();
  bytes_ += now - partition.bytes;
  partition.bytes = now;
}

ViewState::Needed ViewState::needed_by(duckdb_data_chunk rows) {
  const auto columns = readers_of(rows, key_schema_);
  const std::size_t count = duckdb_data_chunk_get_size(rows);
  Needed needed;
  std::set<std::string> seen;
  std::string last;
  for (std::size_t row = 0; row < count; ++row) {
    const auto& key = partition_key(columns, row);
    if (row > 0 && key == last) continue;
    last = key;
    if (!seen.insert(key).second) continue;
    const auto found = partitions_.find(key);
    if (found == partitions_.end()) continue;
    needed.partitions.push_back(key);
    if (found->second.is_on_disk()) needed.on_disk.push_back(key);
    needed.bytes += found->second.is_on_disk() ? found->second.stored->content().memory : found->second.bytes;
  }
  return needed;
}

// ---- memory and disk ------------------------------------------------------------------------------------------------

std::unique_ptr<PartitionState> ViewState::new_partition() const {
  auto partition = empty_partition();
  if (plan_.keys == 0) partition->row_of({});
  return partition;
}

void ViewState::add_on_disk(const std::string& key, PartitionValues values, StoredPartitionPtr stored,
                            std::uint64_t touched) {
  auto& partition = partitions_[key];
  partition.rows.reset();  // the one row of a view without keys
  measure(partition);
  partition.values = std::move(values);
  partition.stored = std::move(stored);
  partition.is_changed = false;
  partition.touched = touched;
  chunk_ = std::max(chunk_, touched);
  ++on_disk_;
}

void ViewState::put_in_memory(const std::string& key, std::unique_ptr<PartitionState> rows, bool is_changed) {
  auto& partition = partitions_.at(key);
  partition.rows = std::move(rows);
  partition.is_changed = is_changed;
  partition.is_lost = false;
  if (is_changed) partition.stored.reset();
  --on_disk_;
  measure(partition);
}

std::unique_ptr<PartitionState> ViewState::take_out_of_memory(const std::string& key) {
  auto& partition = partitions_.at(key);
  auto rows = std::move(partition.rows);
  ++on_disk_;
  measure(partition);
  return rows;
}

Status ViewState::put_saved(PartitionState& partition, const std::string& key, duckdb_data_chunk rows) {
  const auto damaged = [](const char* what) { return Status(StatusCode::kCorruption, "view.state_damaged", what); };
  const auto columns = readers_of(rows, partial_schema_);
  const VectorReader numbers(duckdb_data_chunk_get_vector(rows, columns.size()), {TypeKind::kBigint});
  rows_of_run_.clear();
  for (std::size_t row = 0; row < duckdb_data_chunk_get_size(rows); ++row) {
    if (partition_key(columns, row) != key) return damaged("a partition's rows belong to another");
    key_.clear();
    keys_.append(key_, columns, row);
    const auto number = numbers.value<std::int64_t>(row);
    if (number < 0 || !partition.place(static_cast<std::size_t>(number), key_))
      return damaged("its rows are not numbered one by one");
    rows_of_run_.push_back(static_cast<std::uint32_t>(number));
  }
  return merge_run(partition, 0, columns);
}

Status ViewState::merge_events_of(PartitionState& partition, const std::string& key, duckdb_data_chunk rows) {
  const auto columns = readers_of(rows, event_schema_);
  const std::size_t count = duckdb_data_chunk_get_size(rows);
  for (std::size_t begin = 0; begin < count;) {
    if (partition_key(columns, begin) != key) {
      ++begin;
      continue;
    }
    rows_of_run_.clear();
    std::size_t end = begin;
    do {
      key_.clear();
      keys_.append(key_, columns, end);
      rows_of_run_.push_back(partition.row_of(key_));
      ++end;
    } while (end < count && partition_key(columns, end) == key);
    INLET_RETURN_IF_ERROR(merge_run(partition, begin, columns));
    begin = end;
  }
  return Status::ok();
}

// ---- merging --------------------------------------------------------------------------------------------------------

// ", column total, twice": what shows a column of the state.
std::string ViewState::columns_of(std::size_t state_column) const {
  const std::string& wanted = plan_.state.columns[state_column].name;
  const auto is_part_of_a_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  std::string names;
  for (std::size_t i = 0; i < plan_.final_columns.size(); ++i) {
    const std::string& sql = plan_.final_columns[i].sql;
    bool is_there = false;
    for (auto at = sql.find(wanted); at != std::string::npos && !is_there; at = sql.find(wanted, at + 1)) {
      const auto end = at + wanted.size();
      is_there = (at == 0 || !is_part_of_a_word(sql[at - 1])) && (end == sql.size() || !is_part_of_a_word(sql[end]));
    }
    if (is_there) names += (names.empty() ? ", column " : ", ") + plan_.output[i].column.name;
  }
  return names;
}

std::string ViewState::group_text(std::string_view key) const {
  if (plan_.keys == 0) return "all rows";
  duck::DataChunk chunk(key_schema_);
  keys_.write(key, chunk, 0);
  chunk.set_rows(1);
  std::string text;
  for (std::size_t i = 0; i < plan_.keys; ++i) {
    const auto type = duck::logical_type(key_schema_.columns[i].type);
    text += (text.empty() ? "" : ", ") + plan_.key_names[i] + " = ";
    text += duck::element_is_null(chunk.column(i), 0) ? "NULL" : duck::element_text(chunk.column(i), type.get(), 0);
  }
  return "(" + text + ")";
}

// The rows from `begin` on, one for each of rows_of_run_.
Status ViewState::merge_run(PartitionState& partition, std::size_t begin, const std::vector<VectorReader>& columns) {
  const std::size_t partials_end = partial_schema_.columns.size();
  const std::span<const VectorReader> partials(columns.begin() + static_cast<std::ptrdiff_t>(plan_.keys),
                                               columns.begin() + static_cast<std::ptrdiff_t>(partials_end));
  if (const auto overflown = partition.merge(rows_of_run_, partials, begin)) {
    return Status(StatusCode::kInvalidArgument, "view.sum_overflow", "a sum has more than 38 digits")
        .at("view " + plan_.name + columns_of(overflown->column) + ", group " +
            group_text(partition.key(overflown->row)));
  }
  for (std::size_t i = partials_end; i < columns.size(); ++i)
    partition.add_distinct(i - partials_end, rows_of_run_, columns[i], begin);
  return Status::ok();
}

Status ViewState::merge_chunk(duckdb_data_chunk rows, const Schema& schema) {
  begin_chunk();
  const auto columns = readers_of(rows, schema);
  const std::size_t count = duckdb_data_chunk_get_size(rows);
  for (std::size_t begin = 0; begin < count;) {
    Partition& partition = partition_of(columns, begin);
    rows_of_run_.clear();
    std::size_t end = begin;
    do {
      key_.clear();
      keys_.append(key_, columns, end);
      rows_of_run_.push_back(partition.rows->row_of(key_));
      ++end;
    } while (end < count && &partition_of(columns, end) == &partition);
    touch(partition);
    INLET_RETURN_IF_ERROR(merge_run(*partition.rows, begin, columns));
    begin = end;
  }
  end_chunk();
  return Status::ok();
}

void ViewState::merge_distinct(std::size_t index, duckdb_data_chunk rows) {
  begin_chunk();
  Schema schema = key_schema_;
  schema.columns.push_back({"v", plan_.distinct_counts[index].type, false});
  const auto columns = readers_of(rows, schema);
  const std::size_t count = duckdb_data_chunk_get_size(rows);
  for (std::size_t row = 0; row < count; ++row) {
    key_.clear();
    keys_.append(key_, columns, row);
    auto& partition = partition_of(columns, row);
    touch(partition);
    const std::uint32_t place = partition.rows->row_of(key_);
    partition.rows->add_distinct(index, {&place, 1}, columns.back(), row);
  }
  end_chunk();
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
  for (const auto& [key, partition] : partitions_)
    sum += partition.is_on_disk() ? partition.stored->content().row_count : partition.rows->rows();
  return sum;
}

std::size_t ViewState::entries() const {
  std::size_t sum = 0;
  for (const auto& [key, partition] : partitions_) {
    sum += partition.is_on_disk() ? partition.stored->content().entries
                                  : partition.rows->rows() + partition.rows->distinct_values();
  }
  return sum;
}

std::vector<duck::DataChunk> ViewState::rows_of(const Partition& partition) const {
  std::vector<duck::DataChunk> chunks;
  for (std::size_t begin = 0; begin < partition.rows->rows(); begin += duck::DataChunk::kCapacity) {
    const std::size_t end = std::min(begin + duck::DataChunk::kCapacity, partition.rows->rows());
    partition.rows->write_rows(begin, end, chunks.emplace_back(plan_.state));
  }
  return chunks;
}

}  // namespace inlet::views
