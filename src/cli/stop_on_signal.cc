#include "cli/stop_on_signal.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "cli/exit_code.h"

namespace inlet::cli {
namespace {

std::atomic<pipeline::StopSignal*> receiver{nullptr};

extern "C" void on_stop_signal(int /*signal*/) {
  pipeline::StopSignal* const stop = receiver.load();
  if (stop == nullptr || stop->requested()) _exit(kExitSecondSignal);
  stop->request();
}

}  // namespace

StopOnSignal::StopOnSignal(pipeline::StopSignal& stop) {
  receiver = &stop;
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

StopOnSignal::~StopOnSignal() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  receiver = nullptr;
}

}  // namespace inlet::cli
