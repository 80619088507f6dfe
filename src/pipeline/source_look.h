// What a source has, asked beside any run: joins no group, and reads no record but those that fingerprints are of.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "bronze/rewind.h"
#include "config/pipeline_config.h"
#include "source/source.h"

namespace inlet::pipeline {

/// What the source has, by partition.
Result<std::map<TopicPartition, source::OffsetBounds>> source_bounds(const config::PipelineConfig& config,
                                                                     const Clock& clock);

/// Whether a source still has the records behind a position that is to be gone back to (`restore --replay`).
struct Reach {
  bronze::Rewind rewind;
  std::string obstacle;  // why the source cannot serve it again; empty: it can
};

/// One for each of `rewinds`, in their order. Errors: those of the source; Transient "restore.source_away": nothing was
/// to be found out within a few seconds.
Result<std::vector<Reach>> ask_source(const config::PipelineConfig& config, const std::vector<bronze::Rewind>& rewinds);

}  // namespace inlet::pipeline
