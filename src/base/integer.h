// Integers out of text.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace inlet {

/// A decimal number, with a '-' in front or not, that is the whole of `text` and fits; nullopt: anything else.
std::optional<std::int64_t> parse_integer(std::string_view text);

}  // namespace inlet
