// What a person sees of a run: one line that is rewritten on a terminal, a line now and then elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "pipeline/pipeline.h"

namespace inlet::cli {

/// "1,234,567"
std::string with_thousands(std::int64_t number);
/// "412 k/s", "3.1 M/s", "87/s"
std::string per_second(double rate);

/// A line on stderr for whoever watches: as it is, or as a line of the log where that is JSON.
void tell(const std::string& line);

/// Not thread safe: called by the source thread's ticks.
class ProgressLine {
 public:
  /// `every`: the distance of the lines where stderr is no terminal. Quiet: nothing but finish().
  ProgressLine(bool quiet, std::chrono::seconds every);

  void show(const pipeline::Progress& progress);
  /// The last line, which stays: what was committed, at what rate, in which version.
  void finish(const pipeline::Progress& progress);

 private:
  std::string text(const pipeline::Progress& progress) const;

  const bool quiet_;
  const bool terminal_;
  const std::chrono::steady_clock::duration every_;
  std::chrono::steady_clock::duration next_;
  std::int64_t events_before_ = 0;
  std::chrono::steady_clock::duration elapsed_before_{0};
  double rate_ = 0;  // events per second, smoothed over about a second
};

}  // namespace inlet::cli
