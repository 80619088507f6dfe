#include "views/partition_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace inlet::views {
namespace {

// Blocks of keys double, so that many small partitions take little.
constexpr std::size_t kFirstArenaBlock = 4U << 10U;
constexpr std::size_t kArenaDoublings = 4;

// What a column of the key looks like: a mark, then nothing, a value of fixed width, or a length and a text.
constexpr char kNull = 0;
constexpr char kValue = 1;

void append_raw(std::string& bytes, const void* data, std::size_t size) {
  bytes.append(static_cast<const char*>(data), size);
}

std::uint32_t read_length(const char* at) {
  std::uint32_t length = 0;
  std::memcpy(&length, at, sizeof length);
  return length;
}

// One number for all that SQL takes for the same.
double canonical(double value) {
  if (std::isnan(value)) return std::numeric_limits<double>::quiet_NaN();
  return value == 0 ? 0.0 : value;
}

// Whether a distinct value is kept as a number.
bool is_packed(Physical physical) { return physical != Physical::kText && physical != Physical::kInt128; }

// Bytes of a key's column from its mark on.
std::size_t part_size(const char* at, Physical physical) {
  if (*at == kNull) return 1;
  if (physical == Physical::kText) return 1 + sizeof(std::uint32_t) + read_length(at + 1);
  return 1 + width_of(physical);
}

// 10^38: the first number that DECIMAL(38) does not hold.
Int128 decimal_limit() {
  Int128 limit = 1;
  for (int i = 0; i < 38; ++i) limit *= 10;
  return limit;
}

using Rows = std::span<const std::uint32_t>;

template <class T>
void merge_sum(StateColumn& column, Rows rows, const VectorReader& values, std::size_t from) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (values.is_null(from + i)) continue;
    T& cell = column.value<T>(rows[i]);
    const T value = values.value<T>(from + i);
    cell = column.is_null(rows[i]) ? value : cell + value;
    column.set_valid(rows[i]);
  }
}

// The first row that does not hold its sum.
std::optional<std::uint32_t> merge_decimal_sum(StateColumn& column, Rows rows, const VectorReader& values,
                                               std::size_t from) {
  static const Int128 limit = decimal_limit();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (values.is_null(from + i)) continue;
    auto& cell = column.value<duckdb_hugeint>(rows[i]);
    Int128 sum = to_int128(values.value<duckdb_hugeint>(from + i));
    if (!column.is_null(rows[i])) sum += to_int128(cell);
    if (sum >= limit || sum <= -limit) return rows[i];
    cell = to_hugeint(sum);
    column.set_valid(rows[i]);
  }
  return std::nullopt;
}

void merge_extreme(bool is_smallest, StateColumn& column, std::uint32_t row, const VectorReader& values,
                   std::size_t from) {
  if (values.is_null(from)) return;
  const int order = column.is_null(row) ? 0 : column.compare(row, values, from);
  if (column.is_null(row) || (is_smallest ? order > 0 : order < 0)) column.assign(row, values, from);
}

template <class T>
void merge_extreme_numbers(bool is_smallest, StateColumn& column, Rows rows, const VectorReader& values,
                           std::size_t from) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (values.is_null(from + i)) continue;
    T& cell = column.value<T>(rows[i]);
    const T value = values.value<T>(from + i);
    if (column.is_null(rows[i]) || (is_smallest ? value < cell : value > cell)) cell = value;
    column.set_valid(rows[i]);
  }
}

void merge_extremes(bool is_smallest, StateColumn& column, Rows rows, const VectorReader& values, std::size_t from) {
  switch (column.physical()) {
    case Physical::kInt32: return merge_extreme_numbers<std::int32_t>(is_smallest, column, rows, values, from);
    case Physical::kInt64: return merge_extreme_numbers<std::int64_t>(is_smallest, column, rows, values, from);
    default:
      for (std::size_t i = 0; i < rows.size(); ++i) merge_extreme(is_smallest, column, rows[i], values, from + i);
  }
}

// Chan, Golub, LeVeque: Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, 1979.
void merge_moments(StateColumn* columns, std::size_t row, const VectorReader* values, std::size_t from) {
  if (values[0].is_null(from) || values[0].value<std::int64_t>(from) == 0) return;
  if (columns[0].is_null(row) || columns[0].value<std::int64_t>(row) == 0) {
    for (std::size_t i = 0; i < 3; ++i) columns[i].assign(row, values[i], from);
    return;
  }
  auto& n = columns[0].value<std::int64_t>(row);
  auto& mean = columns[1].value<double>(row);
  auto& m2 = columns[2].value<double>(row);
  const auto n_b = static_cast<double>(values[0].value<std::int64_t>(from));
  const auto n_a = static_cast<double>(n);
  const double delta = values[1].value<double>(from) - mean;
  const double total = n_a + n_b;
  m2 += values[2].value<double>(from) + delta * delta * n_a * n_b / total;
  mean += delta * n_b / total;
  n += values[0].value<std::int64_t>(from);
}

void merge_pick(const Merge& merge, StateColumn* columns, std::size_t row, const VectorReader* values,
                std::size_t from) {
  const std::size_t last = merge.width - 1;
  if (values[last].is_null(from)) return;
  if (!columns[last].is_null(row)) {
    int order = 0;
    for (std::size_t i = 1; i < merge.width && order == 0; ++i) order = columns[i].compare(row, values[i], from);
    if (merge.kind == Merge::Kind::kPickSmallest ? order <= 0 : order >= 0) return;
  }
  for (std::size_t i = 0; i < merge.width; ++i) columns[i].assign(row, values[i], from);
}

}  // namespace

// ---- KeyCodec -------------------------------------------------------------------------------------------------------

void KeyCodec::append(std::string& bytes, const std::vector<VectorReader>& columns, std::size_t row) const {
  for (std::size_t i = 0; i < types_.size(); ++i) append_column(bytes, columns, i, row);
}

void KeyCodec::append_column(std::string& bytes, const std::vector<VectorReader>& columns, std::size_t column,
                             std::size_t row) const {
  const auto& values = columns[column];
  if (values.is_null(row)) {
    bytes.push_back(kNull);
    return;
  }
  bytes.push_back(kValue);
  switch (values.physical()) {
    case Physical::kText: {
      const auto text = values.text(row);
      const auto length = static_cast<std::uint32_t>(text.size());
      append_raw(bytes, &length, sizeof length);
      bytes.append(text);
      break;
    }
    case Physical::kDouble: {
      const double value = canonical(values.value<double>(row));
      append_raw(bytes, &value, sizeof value);
      break;
    }
    default: append_raw(bytes, values.bytes(row), width_of(values.physical()));
  }
}

void KeyCodec::append_partition_column(std::string& bytes, const std::vector<VectorReader>& columns, std::size_t column,
                                       std::size_t row) const {
  const auto& values = columns[column];
  if (values.physical() == Physical::kText && !values.is_null(row) && values.text(row).empty()) {
    bytes.push_back(kNull);
  } else {
    append_column(bytes, columns, column, row);
  }
}

void KeyCodec::write(std::string_view key, duck::DataChunk& chunk, std::size_t row) const {
  const char* at = key.data();
  for (std::size_t i = 0; i < types_.size(); ++i) {
    const Physical physical = physical_of(types_[i]);
    if (*at == kNull) {
      chunk.set_null(i, row);
    } else if (physical == Physical::kText) {
      chunk.set_string(i, row, {at + 1 + sizeof(std::uint32_t), read_length(at + 1)});
    } else {
      write_cell(chunk, i, row, physical, reinterpret_cast<const std::byte*>(at + 1));
    }
    at += part_size(at, physical);
  }
}

// ---- PartitionState -------------------------------------------------------------------------------------------------

PartitionState::PartitionState(const ViewPlan& plan, const KeyCodec& keys)
    : plan_(plan),
      keys_(keys),
      distinct_counts_(plan.distinct_counts.size()),
      distinct_values_(distinct_counts_.size()) {
  const std::size_t partials_end = plan.state.columns.size() - plan.distinct_counts.size();
  for (std::size_t i = plan.keys; i < partials_end; ++i) columns_.emplace_back(plan.state.columns[i].type);
}

std::string_view PartitionState::key_at(KeyPointer pointer) {
  return {pointer + sizeof(std::uint32_t), read_length(pointer)};
}

const char* PartitionState::keep(std::string_view key) {
  const std::size_t size = sizeof(std::uint32_t) + key.size();
  if (arena_.empty() || arena_free_ < size) {
    arena_free_ = std::max(kFirstArenaBlock << std::min<std::size_t>(arena_.size(), kArenaDoublings), size);
    arena_.push_back(std::make_unique<char[]>(arena_free_));
    arena_used_ += arena_free_;
    block_end_ = arena_.back().get() + arena_free_;
  }
  char* at = block_end_ - arena_free_;
  const auto length = static_cast<std::uint32_t>(key.size());
  std::memcpy(at, &length, sizeof length);
  std::copy(key.begin(), key.end(), at + sizeof length);  // the key of a keyless view is empty
  arena_free_ -= size;
  return at;
}

std::uint32_t PartitionState::row_of(std::string_view key) {
  if (const auto found = index_.find(key); found != index_.end()) return found->second;
  const auto row = static_cast<std::uint32_t>(row_keys_.size());
  const char* kept = keep(key);
  index_.emplace(kept, row);
  row_keys_.push_back(kept);
  for (auto& column : columns_) column.append_null();
  for (auto& counts : distinct_counts_) counts.push_back(0);
  return row;
}

std::optional<PartitionState::Overflow> PartitionState::merge(Rows rows, std::span<const VectorReader> partials,
                                                              std::size_t from) {
  for (const auto& merge : plan_.merges) {
    const std::size_t first = merge.column - plan_.keys;
    auto& column = columns_[first];
    const auto& values = partials[first];
    switch (merge.kind) {
      case Merge::Kind::kSum:
        if (column.physical() == Physical::kInt64) {
          merge_sum<std::int64_t>(column, rows, values, from);
        } else if (column.physical() == Physical::kDouble) {
          merge_sum<double>(column, rows, values, from);
        } else if (const auto overflown = merge_decimal_sum(column, rows, values, from)) {
          return Overflow{*overflown, merge.column};
        }
        break;
      case Merge::Kind::kMin:
      case Merge::Kind::kMax: merge_extremes(merge.kind == Merge::Kind::kMin, column, rows, values, from); break;
      case Merge::Kind::kMoments:
        for (std::size_t i = 0; i < rows.size(); ++i) merge_moments(&column, rows[i], &values, from + i);
        break;
      case Merge::Kind::kPickSmallest:
      case Merge::Kind::kPickLargest:
        for (std::size_t i = 0; i < rows.size(); ++i) merge_pick(merge, &column, rows[i], &values, from + i);
        break;
    }
  }
  return std::nullopt;
}

void PartitionState::add_distinct(std::size_t index, Rows rows, const VectorReader& values, std::size_t from) {
  auto& distinct = distinct_values_[index];
  auto& counts = distinct_counts_[index];
  const Physical physical = values.physical();
  const std::size_t width = width_of(physical);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (values.is_null(from + i)) continue;
    bool is_new = false;
    if (!is_packed(physical)) {
      std::string entry(reinterpret_cast<const char*>(&rows[i]), sizeof rows[i]);
      if (physical == Physical::kText) {
        entry += values.text(from + i);
      } else {
        append_raw(entry, values.bytes(from + i), width);
      }
      const std::size_t size = entry.size();
      is_new = distinct.texts.insert(std::move(entry)).second;
      if (is_new && size > 15) distinct.text_bytes += size;
    } else {
      DistinctValues::Packed entry{0, rows[i]};
      if (physical == Physical::kDouble) {
        const double value = canonical(values.value<double>(from + i));
        std::memcpy(&entry.value, &value, sizeof value);
      } else {
        std::memcpy(&entry.value, values.bytes(from + i), width);
      }
      is_new = distinct.packed.insert(entry).second;
    }
    if (is_new) ++counts[rows[i]];
  }
}

std::size_t PartitionState::distinct_values() const {
  std::size_t sum = 0;
  for (const auto& distinct : distinct_values_) sum += distinct.packed.size() + distinct.texts.size();
  return sum;
}

std::size_t PartitionState::bytes() const {
  std::size_t sum = arena_used_ + row_keys_.capacity() * sizeof(KeyPointer) +
                    index_.bucket_count() * (sizeof(std::pair<KeyPointer, std::uint32_t>) + 1);
  for (const auto& column : columns_) sum += column.bytes();
  for (const auto& counts : distinct_counts_) sum += counts.capacity() * sizeof(std::int64_t);
  for (const auto& distinct : distinct_values_) {
    sum += distinct.packed.bucket_count() * (sizeof(DistinctValues::Packed) + 1);
    sum += distinct.texts.bucket_count() * (sizeof(std::string) + 1) + distinct.text_bytes;
  }
  return sum;
}

void PartitionState::write_rows(std::size_t begin, std::size_t end, duck::DataChunk& chunk) const {
  for (std::size_t row = begin; row < end; ++row) keys_.write(key_at(row_keys_[row]), chunk, row - begin);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    for (std::size_t row = begin; row < end; ++row) columns_[i].write(row, chunk, plan_.keys + i, row - begin);
  }
  for (std::size_t i = 0; i < distinct_counts_.size(); ++i) {
    std::copy(distinct_counts_[i].begin() + static_cast<std::ptrdiff_t>(begin),
              distinct_counts_[i].begin() + static_cast<std::ptrdiff_t>(end),
              chunk.values<std::int64_t>(plan_.distinct_counts[i].column));
  }
  chunk.set_rows(end - begin);
}

Schema PartitionState::pair_schema(const ViewPlan& plan, std::size_t index) {
  return {{{"r", {TypeKind::kBigint}, false}, {"v", plan.distinct_counts[index].type, false}}};
}

std::vector<duck::DataChunk> PartitionState::distinct_pairs(std::size_t index) const {
  const Schema schema = pair_schema(plan_, index);
  const Physical physical = physical_of(plan_.distinct_counts[index].type);
  std::vector<duck::DataChunk> chunks;
  std::size_t to = duck::DataChunk::kCapacity;
  std::int64_t* pair_rows = nullptr;
  const auto next = [&](std::uint32_t row) {
    if (to == duck::DataChunk::kCapacity) {
      chunks.emplace_back(schema);
      pair_rows = chunks.back().values<std::int64_t>(0);
      to = 0;
    }
    pair_rows[to] = row;
    chunks.back().set_rows(++to);
  };
  const auto& distinct = distinct_values_[index];
  for (const auto& entry : distinct.packed) {
    next(entry.row);
    write_cell(chunks.back(), 1, to - 1, physical, reinterpret_cast<const std::byte*>(&entry.value));
  }
  for (const auto& entry : distinct.texts) {
    next(read_length(entry.data()));
    const auto value = std::string_view(entry).substr(sizeof(std::uint32_t));
    if (physical == Physical::kText) {
      chunks.back().set_string(1, to - 1, value);
    } else {
      write_cell(chunks.back(), 1, to - 1, physical, reinterpret_cast<const std::byte*>(value.data()));
    }
  }
  return chunks;
}

void PartitionState::make_places(std::size_t rows) {
  index_.reserve(rows);
  row_keys_.resize(rows);
  for (auto& column : columns_) column.resize(rows);
  for (auto& counts : distinct_counts_) counts.resize(rows);
}

void PartitionState::expect_pairs(std::size_t index, std::size_t count) {
  auto& values = distinct_values_[index];
  is_packed(physical_of(plan_.distinct_counts[index].type)) ? values.packed.reserve(count)
                                                            : values.texts.reserve(count);
}

bool PartitionState::place(std::size_t row, std::string_view key) {
  if (row >= row_keys_.size() || row_keys_[row] != nullptr) return false;
  row_keys_[row] = keep(key);
  return index_.emplace(row_keys_[row], static_cast<std::uint32_t>(row)).second;
}

bool PartitionState::add_pairs(std::size_t index, duckdb_data_chunk pairs) {
  const auto columns = readers_of(pairs, pair_schema(plan_, index));
  const std::size_t count = duckdb_data_chunk_get_size(pairs);
  std::vector<std::uint32_t> rows(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto row = columns[0].value<std::int64_t>(i);
    if (row < 0 || static_cast<std::size_t>(row) >= distinct_counts_[index].size()) return false;
    rows[i] = static_cast<std::uint32_t>(row);
  }
  add_distinct(index, rows, columns[1], 0);
  return true;
}

}  // namespace inlet::views
