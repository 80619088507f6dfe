#include "decode/field_index.h"

#include <algorithm>
#include <functional>

namespace inlet::decode {
namespace {

std::uint64_t low_bytes(std::size_t count) { return count >= 8 ? ~0ULL : (1ULL << (8 * count)) - 1; }

}  // namespace

FieldIndex::FieldIndex(const Schema& schema) {
  slots_.assign(16, kNone);
  if (schema.columns.empty()) insert("", Field::kIgnored);  // so that there is a field to guess
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    insert(schema.columns[i].name, static_cast<std::int32_t>(i));
    fields_.back().next = static_cast<std::uint32_t>(i + 1 < schema.columns.size() ? i + 1 : 0);
  }
}

std::uint32_t FieldIndex::find(std::string_view name) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = std::hash<std::string_view>{}(name)&mask;; slot = (slot + 1) & mask) {
    const std::uint32_t index = slots_[slot];
    if (index == kNone || fields_[index].name == name) return index;
  }
}

std::uint32_t FieldIndex::remember_ignored(std::string_view name) {
  if (ignored_ >= kMostIgnored || name.size() > kLongestIgnored) return kNone;
  ++ignored_;
  insert(name, Field::kIgnored);
  return static_cast<std::uint32_t>(fields_.size() - 1);
}

void FieldIndex::insert(std::string_view name, std::int32_t column) {
  Field field;
  field.name = name;
  field.column = column;
  field.plain = std::none_of(name.begin(), name.end(),
                             [](char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20; });
  const std::string quoted = field.name + '"';
  if (field.plain && quoted.size() <= 16) {
    const std::string padded = quoted + std::string(16 - quoted.size(), '\0');
    std::memcpy(&field.low, padded.data(), 8);
    std::memcpy(&field.high, padded.data() + 8, 8);
    field.low_mask = low_bytes(quoted.size());
    field.high_mask = quoted.size() > 8 ? low_bytes(quoted.size() - 8) : 0;
  }
  fields_.push_back(std::move(field));
  if (fields_.size() * 2 > slots_.size()) {
    slots_.assign(slots_.size() * 2, kNone);
    for (std::uint32_t i = 0; i < fields_.size(); ++i) place(i);
  } else {
    place(static_cast<std::uint32_t>(fields_.size() - 1));
  }
}

void FieldIndex::place(std::uint32_t index) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = std::hash<std::string_view>{}(fields_[index].name) & mask;
  while (slots_[slot] != kNone) slot = (slot + 1) & mask;
  slots_[slot] = index;
}

}  // namespace inlet::decode
