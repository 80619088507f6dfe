// A checksum of bytes: against damage, and to tell one content from another; not against forgery.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace inlet::views {

/// Pieces that are added one after the other count as they are cut: cut them alike, at multiples of eight bytes.
class Checksum {
 public:
  void add(const char* data, std::size_t size);
  std::string text() const;  // 16 hexadecimal digits

 private:
  void mix(std::uint64_t word);
  std::uint64_t hash_ = 0x243F6A8885A308D3ULL;
};

/// Internal "lake.io": the system's reason.
Result<std::string> checksum_of_file(const std::string& path);

}  // namespace inlet::views
