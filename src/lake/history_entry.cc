#include "base/integer.h"
#include "lake/table.h"

namespace inlet::lake {

std::optional<std::int64_t> HistoryEntry::metric(const std::string& name) const {
  const auto found = metrics.find(name);
  return found == metrics.end() ? std::nullopt : parse_integer(found->second);
}

std::string HistoryEntry::info_text(const std::string& name) const {
  const auto found = info.find(name);
  return found == info.end() ? std::string() : found->second;
}

}  // namespace inlet::lake
