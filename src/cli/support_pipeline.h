// The pipeline file of a support bundle: its text as it may be shown, and from it, its variables and its flags what the
// other parts need: first of all the secrets, which are looked for everywhere.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/pipeline_config.h"
#include "config/secrets.h"

namespace inlet::cli {

/// Of a file that is wrong, as much as can be told.
struct SupportPipeline {
  std::optional<std::string> text;               // without secrets; nullopt: it cannot be read
  std::optional<config::PipelineConfig> config;  // nullopt: it is wrong
  std::string name;                              // never empty
  std::string lake;                              // directory or URL; empty: not known
  std::string lake_root;                         // the local directory of it
  config::SecretRemover secrets;                 // of the file, its flags and variables, and those of object stores
  std::set<std::string> times;                   // partition columns whose values are times by their making
  /// What was wrong: of which part, and why. Not yet without secrets.
  std::vector<std::pair<std::string, std::string>> problems;
};

SupportPipeline read_support_pipeline(const std::string& file, const config::LoadOptions& options);

}  // namespace inlet::cli
