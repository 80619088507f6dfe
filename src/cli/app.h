// The command line: names, flags, help. What a command does is in its own *_command file.
#pragma once

namespace inlet::cli {

/// Parses, runs one command, returns the exit code of the program. The only place that includes CLI11.
int run_app(int argc, const char* const* argv);

}  // namespace inlet::cli
