// What flows in: the bytes of one record. What flows out: the positions of its JSON tokens, and the certainty that the
// bytes are UTF-8, that every string is closed and that no string holds a raw control character. The only include of
// simdjson.
//
// This is simdjson's first stage alone: it reads 64 bytes at a time with the widest instructions the machine has. The
// second stage is ours (event_reader.h): On-Demand leaves what is not asked for unvalidated, and the DOM builds a tree
// nobody needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace inlet::decode {

/// Not thread safe. Positions are valid until the next scan().
class StructuralIndex {
 public:
  enum class Outcome {
    kOk,
    kEmpty,             // nothing but whitespace
    kInvalidUtf8,       // somewhere, inside or outside of strings
    kUnclosedString,    // the text ends inside a string
    kControlCharacter,  // a character below U+0020 inside a string
    kTooLarge,          // beyond what positions of 32 bits can name
    kOutOfMemory,
  };

  StructuralIndex();
  ~StructuralIndex();
  StructuralIndex(StructuralIndex&&) noexcept;
  StructuralIndex& operator=(StructuralIndex&&) noexcept;

  /// Needs no padding behind `text`.
  ///
  /// A position is that of an operator `{}[]:,`, of a string's opening quote, or of the first byte of any other run of
  /// characters that are neither operators nor whitespace. So between a token's last byte and the next position there
  /// is whitespace only. Two control characters (0x0C, 0x1A) outside of strings are positions too: look at the byte.
  Outcome scan(std::string_view text);

  const std::uint32_t* begin() const { return begin_; }
  /// One past the last position; *end() may be read and is text.size().
  const std::uint32_t* end() const { return end_; }

  /// The memory of a record larger than this is given back at the next smaller one.
  static constexpr std::size_t kKeptCapacity = 256U << 10U;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  const std::uint32_t* begin_ = nullptr;
  const std::uint32_t* end_ = nullptr;
};

/// True when `text` is UTF-8 (no surrogates, no overlong forms).
bool is_valid_utf8(std::string_view text);

}  // namespace inlet::decode
