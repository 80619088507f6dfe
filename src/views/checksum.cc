#include "views/checksum.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/fnv.h"
#include "lake/durable_files.h"

namespace inlet::views {

void Checksum::mix(std::uint64_t word) {
  hash_ = (hash_ ^ word) * 0x9E3779B97F4A7C15ULL;
  hash_ ^= hash_ >> 29U;
}

void Checksum::add(const char* data, std::size_t size) {
  for (; size >= sizeof(std::uint64_t); data += sizeof(std::uint64_t), size -= sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, data, sizeof word);
    mix(word);
  }
  std::uint64_t rest = size;
  for (std::size_t i = 0; i < size; ++i) rest = (rest << 8U) | static_cast<unsigned char>(data[i]);
  mix(rest);
}

std::string Checksum::text() const { return hexadecimal(hash_); }

Result<std::string> checksum_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return lake::io_error("read " + path, errno);
  Checksum sum;
  std::vector<char> block(1U << 20U);
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0)
    sum.add(block.data(), static_cast<std::size_t>(in.gcount()));
  if (in.bad()) return lake::io_error("read " + path, errno);
  return sum.text();
}

}  // namespace inlet::views
