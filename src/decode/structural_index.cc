#include "decode/structural_index.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>

namespace inlet::decode {

struct StructuralIndex::Impl {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> scanner;
  std::size_t capacity = 0;

  // False when memory does not suffice.
  bool fit(std::size_t bytes) {
    const bool oversized = capacity > kKeptCapacity && bytes <= kKeptCapacity;
    if (scanner && bytes <= capacity && !oversized) return true;
    constexpr std::size_t kSmallest = 4096;
    capacity = 0;
    scanner.reset();
    const std::size_t wanted = std::max(kSmallest, bytes <= kKeptCapacity ? std::bit_ceil(bytes) : bytes);
    // The depth only sizes the stack of simdjson's second stage, which is not used.
    constexpr std::size_t kDepth = 1;
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(wanted, kDepth, scanner) !=
        simdjson::SUCCESS) {
      scanner.reset();
      return false;
    }
    capacity = wanted;
    return true;
  }
};

StructuralIndex::StructuralIndex() : impl_(std::make_unique<Impl>()) {}
StructuralIndex::~StructuralIndex() = default;
StructuralIndex::StructuralIndex(StructuralIndex&&) noexcept = default;
StructuralIndex& StructuralIndex::operator=(StructuralIndex&&) noexcept = default;

StructuralIndex::Outcome StructuralIndex::scan(std::string_view text) {
  begin_ = end_ = nullptr;
  if (text.empty()) return Outcome::kEmpty;
  if (text.size() >= simdjson::SIMDJSON_MAXSIZE_BYTES - 1) return Outcome::kTooLarge;
  if (!impl_->fit(text.size())) return Outcome::kOutOfMemory;
  auto& scanner = *impl_->scanner;
  const auto error =
      scanner.stage1(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), simdjson::stage1_mode::regular);
  if (error == simdjson::SUCCESS) [[likely]] {
    begin_ = scanner.structural_indexes.get();
    end_ = begin_ + scanner.n_structural_indexes;
    return Outcome::kOk;
  }
  // Several things can be wrong at once; which of them simdjson names depends on the machine. Ours does not.
  if (!is_valid_utf8(text)) return Outcome::kInvalidUtf8;
  switch (error) {
    case simdjson::EMPTY: return Outcome::kEmpty;
    case simdjson::UNCLOSED_STRING: return Outcome::kUnclosedString;
    case simdjson::MEMALLOC: return Outcome::kOutOfMemory;
    default: return Outcome::kControlCharacter;
  }
}

bool is_valid_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

}  // namespace inlet::decode
