// Source ids of files, and their errors, worded alike for regular files and stdin.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace inlet::source {

/// '%', ':', '/' and control bytes as %XX, so that "file:<name>:" is a prefix of one file's ids only.
std::string escape_file_name(std::string_view name);

/// record_fingerprint of a line, as 16 hex digits.
std::string line_fingerprint_text(std::string_view line);
std::uint64_t line_fingerprint(std::string_view line);

/// Internal "file.io" with the system's reason.
Status file_error(std::string_view action, std::string_view path, int error_number);

/// For a loss that failOnDataLoss = false accepts.
void log_accepted_loss(const Status& loss);

}  // namespace inlet::source
