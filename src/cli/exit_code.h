// What the program's exit says to whoever started it. Documented in the README; stable.
#pragma once

#include "base/status.h"

namespace inlet::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitRuntime = 1,
  kExitUsage = 2,
  kExitDataLoss = 3,  // stopped to avoid losing or repeating rows
  kExitVerification = 4,
  kExitUnavailable = 69,
  kExitConfiguration = 78,
  kExitSecondSignal = 130,
};

ExitCode exit_code(const Status& status);

/// How errors and results are printed.
enum class Output { kHuman, kJson };

/// Prints the error on stderr and returns its exit code.
ExitCode report(const Status& status, Output output);

}  // namespace inlet::cli
