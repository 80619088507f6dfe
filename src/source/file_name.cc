#include "source/file_name.h"

#include <system_error>

#include "base/format.h"
#include "base/log.h"
#include "source/source.h"

namespace inlet::source {

std::string escape_file_name(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '%' || c == ':' || c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::uint64_t line_fingerprint(std::string_view line) { return record_fingerprint({{}, 0, line, false}); }

std::string line_fingerprint_text(std::string_view line) { return fmt::format("{:016x}", line_fingerprint(line)); }

Status file_error(std::string_view action, std::string_view path, int error_number) {
  return Status(StatusCode::kInternal, "file.io", fmt::format("cannot {} the input", action))
      .at(std::string(path))
      .because(std::generic_category().message(error_number));
}

void log_accepted_loss(const Status& loss) {
  log::warn("file", "going on in spite of data loss (failOnDataLoss = false): {}", loss.to_line());
}

}  // namespace inlet::source
