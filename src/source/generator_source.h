// The embedded source: deterministic events at a chosen rate, so that Inlet shows and proves itself with no broker.
//
// Offset = event number in its partition, from 0. Every position can be sought; fingerprint_at() recomputes the event.
// Record timestamp = the event's creation time in the generated calendar, not the time of day, so that a run can be
// repeated byte for byte and the check for future events never fires by itself.
//
// Rate: over all partitions together, shared out round robin. What a consumer did not fetch in time is owed for at most
// 50 ms; beyond that it is forgiven, so that neither a restart nor a pause is followed by a burst.
#pragma once

#include <memory>

#include "config/pipeline_config.h"
#include "source/source.h"

namespace inlet::source {

/// Mistakes in the description come back from open() as InvalidArgument.
///
/// bounds(): from 0, endless. There is no end to catch up with, so `--until caught-up` is caught up at once; `--events
/// N` is the way to end a run.
std::unique_ptr<Source> make_generator_source(const config::GeneratorConfig& config);

}  // namespace inlet::source
