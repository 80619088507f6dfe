#include "cli/support_parts.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/log.h"

namespace inlet::cli {
namespace {

constexpr std::size_t kMostInAll = std::size_t{64} << 20U;

}  // namespace

void SupportParts::make(const std::string& part, const std::function<Status()>& maker) {
  try {
    if (const Status status = maker(); !status.is_ok()) problem(part, status.to_line());
  } catch (const std::exception& e) {
    problem(part, e.what());
  }
}

void SupportParts::problem(const std::string& part, const std::string& why) {
  const std::string line = part + ": " + mask_.clean(Json(why)).get<std::string>();
  problems_.push_back(line);
  log::warn("support-bundle", "{}", line);
}

void SupportParts::put(std::string path, std::string text, std::optional<std::time_t> modified) {
  if (text.size() > kMostInAll - std::min(kMostInAll, bytes_)) {
    if (!is_full_) problem(path, "left out, and what comes after it: the archive would be too large");
    is_full_ = true;
    return;
  }
  bytes_ += text.size();
  parts_.push_back({std::move(path), std::move(text), modified.value_or(now_)});
}

Status SupportParts::put_document(const std::string& path, const Result<Json>& made) {
  INLET_RETURN_IF_ERROR(made.status());
  put(path, mask_.clean(*made).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  return Status::ok();
}

void SupportParts::put_first(std::string path, std::string text) {
  parts_.insert(parts_.begin(), {std::move(path), std::move(text), now_});
}

}  // namespace inlet::cli
