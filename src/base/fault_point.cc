#include "base/fault_point.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>

namespace inlet {
namespace {

// "name:N" as given by an environment variable; N counts passages from 1.
struct ArmedPoint {
  std::string name;
  long passage = 0;
  int signal = 0;
  std::atomic<long> passed{0};

  ArmedPoint(const char* variable, int signal_number) : signal(signal_number) {
    const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): read once, before threads write it
    if (text == nullptr) return;
    const std::string_view spec(text);
    const auto colon = spec.rfind(':');
    name = std::string(spec.substr(0, colon));
    passage = colon == std::string_view::npos ? 1 : std::strtol(text + colon + 1, nullptr, 10);
  }

  void pass(const char* point) {
    if (name != point) return;
    if (passed.fetch_add(1) + 1 == passage) static_cast<void>(std::raise(signal));
  }
};

}  // namespace

void pass_fault_point(const char* name) {
  static ArmedPoint kill("INLET_KILL_AT", SIGKILL);
  static ArmedPoint stop("INLET_STOP_AT", SIGSTOP);
  kill.pass(name);
  stop.pass(name);
}

}  // namespace inlet
