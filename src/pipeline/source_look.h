// Whether a source still has the records behind positions that are to be gone back to (`restore --replay`).
//
// What flows in: the source of a pipeline file, partitions and where each stood. What flows out: for each whether it
// can be read on from there, or why not. Reads no record but those that the fingerprints are of; joins no group.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "bronze/rewind.h"
#include "config/pipeline_config.h"

namespace inlet::pipeline {

struct Reach {
  bronze::Rewind rewind;
  std::string obstacle;  // why the source cannot serve it again; empty: it can
};

/// One for each of `rewinds`, in their order. Errors: those of the source; Transient "restore.source_away": nothing was
/// to be found out within a few seconds.
Result<std::vector<Reach>> ask_source(const config::PipelineConfig& config, const std::vector<bronze::Rewind>& rewinds);

}  // namespace inlet::pipeline
