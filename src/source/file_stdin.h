// Standard input as a source. It cannot be sought: to go on at a position is to read and drop the bytes before it.
#pragma once

#include <memory>

#include "source/file_source.h"

namespace inlet::source {

/// Assigned in poll(), once the first line is there; bytes are read only then, so that merely opening the source takes
/// nothing away from another reader. At its end a last line without a newline is a line, and exhausted() holds once all
/// is delivered; it also holds for a stream without a byte.
///
/// fingerprint_at() has to read up to `offset`: it can look ahead of the position only, and must be asked before
/// delivery begins. Transient: that far has not come yet.
std::unique_ptr<Source> make_stdin_source(FileSourceOptions options);

}  // namespace inlet::source
