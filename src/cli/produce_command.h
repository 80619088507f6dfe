// `inlet produce`: the generator's events into a real Kafka topic.
#pragma once

#include <cstdint>

#include "cli/exit_code.h"
#include "config/pipeline_config.h"

namespace inlet::cli {

struct ProduceCommand {
  std::int64_t count = 0;  // events; 0: until stopped
  std::int64_t from = 0;   // sequence of the first event, so that a second call can continue the first
  int partitions = 1;      // of the topic, should it not exist yet
  double rate = 0;         // events per second; 0: as fast as the broker takes them
  bool quiet = false;
  Output output = Output::kHuman;
};

/// Exit 0 only when every event was acknowledged by the broker. Ctrl-C stops producing and waits for what is queued.
ExitCode run_produce(const config::PipelineConfig& config, const ProduceCommand& command);

}  // namespace inlet::cli
