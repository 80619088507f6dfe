#include "cli/upkeep_tables.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/clock.h"
#include "base/format.h"
#include "cli/history_command.h"
#include "pipeline/maintenance.h"

namespace inlet::cli {

Result<std::vector<std::string>> upkeep_tables(const config::PipelineConfig& config, lake::Lake& lake,
                                               const std::string& asked_for) {
  INLET_ASSIGN_OR_RETURN(const auto there, lake.tables());
  if (!asked_for.empty()) {
    INLET_ASSIGN_OR_RETURN(auto table, find_table(there, asked_for));
    return std::vector<std::string>{std::move(table)};
  }
  auto names = pipeline::maintained_tables(config);
  std::erase_if(names, [&](const auto& name) { return std::find(there.begin(), there.end(), name) == there.end(); });
  return names;
}

ExitCode finish_upkeep(const Status& status, const Json& tables, bool dry_run, Output output) {
  if (status.is_ok()) {
    if (output == Output::kJson) fmt::print("{}\n", dump_json(Json{{"dry_run", dry_run}, {"tables", tables}}));
    return kExitOk;
  }
  const ExitCode code = report(status, output);
  return code == kExitConfiguration ? kExitRuntime : code;
}

UpkeepLine::UpkeepLine() : terminal_(isatty(STDERR_FILENO) == 1) {}

UpkeepLine::~UpkeepLine() {
  if (terminal_) std::fputs("\r\033[K", stderr);
}

void UpkeepLine::show(const std::string& text) {
  if (!terminal_) return;
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::system().steady_now().time_since_epoch()).count();
  if (now - shown_at_ms_ < 100) return;
  shown_at_ms_ = now;
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
}

}  // namespace inlet::cli
