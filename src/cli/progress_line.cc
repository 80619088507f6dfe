#include "cli/progress_line.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/format.h"
#include "base/log.h"

namespace inlet::cli {
namespace {

double seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

std::string with_thousands(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

std::string per_second(double rate) {
  if (rate >= 1e6) return fmt::format("{:.2f} M/s", rate / 1e6);
  if (rate >= 1e4) return fmt::format("{:.0f} k/s", rate / 1e3);
  return rate >= 10 ? fmt::format("{:.0f}/s", rate) : fmt::format("{:.1f}/s", rate);
}

void tell(const std::string& line) {
  if (log::format() == log::Format::kJson) {
    log::info("run", "{}", line);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
}

ProgressLine::ProgressLine(bool quiet, std::chrono::seconds every)
    : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1), every_(every), next_(every) {}

std::string ProgressLine::text(const pipeline::Progress& progress) const {
  std::string line = fmt::format("{:6.1f} s  {} events  {}  version {}", seconds(progress.elapsed),
                                 with_thousands(progress.events), per_second(rate_), progress.version.value);
  if (progress.rejects > 0) line += fmt::format("  quarantined {}", with_thousands(progress.rejects));
  if (progress.late > 0) line += fmt::format("  late {}", with_thousands(progress.late));
  if (progress.watermark) {
    const auto at = std::chrono::floor<std::chrono::seconds>(*progress.watermark);
    line += fmt::format("  watermark {:%Y-%m-%dT%H:%M:%S}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(at)));
  }
  if (progress.queued_rows > 0) line += fmt::format("  queued {}", with_thousands(progress.queued_rows));
  if (progress.batches > 0)
    line += fmt::format("  batch {:.0f} ms", static_cast<double>(progress.last_batch_time.count()) / 1e3);
  std::chrono::milliseconds behind{0};
  for (const auto& view : progress.views) behind = std::max(behind, view.behind);
  if (!progress.views.empty())
    line += fmt::format("  views {:.1f} s behind", static_cast<double>(behind.count()) / 1e3);
  return line;
}

void ProgressLine::show(const pipeline::Progress& progress) {
  if (quiet_) return;
  const double passed = seconds(progress.elapsed - elapsed_before_);
  if (passed >= 0.15) {
    const double now = static_cast<double>(progress.events - events_before_) / passed;
    const double weight = elapsed_before_.count() == 0 ? 1.0 : std::min(1.0, passed);
    rate_ += (now - rate_) * weight;
    events_before_ = progress.events;
    elapsed_before_ = progress.elapsed;
  }
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", text(progress).c_str());
    std::fflush(stderr);
  } else if (progress.elapsed >= next_) {
    tell(text(progress));
    next_ = progress.elapsed + every_;
  }
}

void ProgressLine::finish(const pipeline::Progress& progress) {
  if (terminal_ && !quiet_) std::fputs("\r\033[K", stderr);
  const double elapsed = seconds(progress.elapsed);
  const double rate = elapsed > 0 ? static_cast<double>(progress.events) / elapsed : 0;
  tell(fmt::format("{} events committed in {:.1f} s ({}), {} in bronze, {} in quarantine; version {}, {} events in all",
                   with_thousands(progress.events), elapsed, per_second(rate), with_thousands(progress.rows),
                   with_thousands(progress.rejects), progress.version.value, with_thousands(progress.total_events)));
  if (progress.late > 0) {
    tell(fmt::format("{} came late, {} of them diverted", with_thousands(progress.late),
                     with_thousands(progress.diverted)));
  }
  for (const auto& [name, not_met] : progress.expectations) {
    if (not_met > 0) tell(fmt::format("{} did not meet {}", with_thousands(not_met), name));
  }
}

}  // namespace inlet::cli
