// What a fuzz target defines, for libFuzzer and for replay.cc alike.
#pragma once

#include <cstddef>
#include <cstdint>

/// Looks at `size` bytes; aborts when an invariant does not hold. Always 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
