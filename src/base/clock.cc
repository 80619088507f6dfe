#include "base/clock.h"

#include "base/format.h"

namespace inlet {
namespace {

class SystemClock final : public Clock {
 public:
  Timestamp now() const override {
    return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  }
  std::chrono::steady_clock::time_point steady_now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace

const Clock& Clock::system() {
  static const SystemClock clock;
  return clock;
}

std::string iso_time(Timestamp time) {
  const auto micros = time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(micros);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(micros - seconds);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(seconds.count())),
                     millis.count());
}

}  // namespace inlet
