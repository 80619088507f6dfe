// From a key's text to its field, fast because keys of one producer come in one order.
//
// Every field remembers which one followed it last time; that one is compared first, and found without hashing as long
// as the order holds. Keys the schema does not name are remembered too, up to a bound: so they are recognised as fast,
// and a key seen twice in an event is a comparison of two numbers, whether it is declared or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace inlet::decode {

struct Field {
  static constexpr std::int32_t kIgnored = -1;

  std::string name;
  std::int32_t column = kIgnored;  // index in the schema
  std::uint64_t seen_in = 0;       // number of the last event that had it
  std::uint32_t next = 0;          // index of the field that followed it last
  // Name and closing quote as two words, for names short enough; else both masks are zero.
  std::uint64_t low = 0, high = 0, low_mask = 0, high_mask = 0;
  bool plain = true;  // no character of the name is escaped in JSON

  /// True when the 16 bytes at `text` begin with the name and a quote. False for long names and escaped ones.
  bool is_at(const char* text) const {
    std::uint64_t words[2];
    std::memcpy(words, text, sizeof(words));
    return low_mask != 0 && (((words[0] & low_mask) ^ low) | ((words[1] & high_mask) ^ high)) == 0;
  }
};

/// Not thread safe.
class FieldIndex {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  static constexpr std::size_t kMostIgnored = 1024;
  static constexpr std::size_t kLongestIgnored = 128;  // bytes of a name

  explicit FieldIndex(const Schema& schema);

  Field& operator[](std::uint32_t index) { return fields_[index]; }
  std::uint32_t find(std::string_view name) const;
  /// Adds a key the schema does not name; kNone when it is too long or there are too many.
  std::uint32_t remember_ignored(std::string_view name);

 private:
  void insert(std::string_view name, std::int32_t column);
  void place(std::uint32_t index);

  std::vector<Field> fields_;
  std::vector<std::uint32_t> slots_;  // open addressing, a power of two, at most half full
  std::size_t ignored_ = 0;
};

}  // namespace inlet::decode
