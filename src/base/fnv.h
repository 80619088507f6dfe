// FNV-1a, 64 bits: for names and fingerprints, never against an adversary. Its values stand in logs and on disk: they
// are the same in every release.
// Source: http://www.isthe.com/chongo/tech/comp/fnv/
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace inlet {

inline constexpr std::uint64_t kFnvOffset = 14695981039346656037ULL;

/// One step: `value` is a byte, as a rule.
constexpr std::uint64_t fnv_step(std::uint64_t hash, std::uint64_t value) { return (hash ^ value) * 1099511628211ULL; }

/// `hash`: of what stands before.
constexpr std::uint64_t fnv(std::string_view bytes, std::uint64_t hash = kFnvOffset) {
  for (const char byte : bytes) hash = fnv_step(hash, static_cast<unsigned char>(byte));
  return hash;
}

/// "00af…": sixteen digits.
std::string hexadecimal(std::uint64_t value);

}  // namespace inlet
