// Ctrl-C and SIGTERM: the first asks the run to finish its batch, the second ends the program at once.
#pragma once

#include "pipeline/pipeline.h"

namespace inlet::cli {

/// While this lives, SIGINT and SIGTERM are directed to `stop`. One at a time in a process. Losing nothing at the
/// second signal is the Delta log's doing: what is not committed is read again.
class StopOnSignal {
 public:
  explicit StopOnSignal(pipeline::StopSignal& stop);
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
};

}  // namespace inlet::cli
