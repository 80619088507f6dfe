// Loading a pipeline file that a test writes down: what came out of it, or what was said about it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "config/pipeline_config.h"

namespace inlet::config {

/// A file named p.toml that is gone after the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view text) {
    std::string pattern = (std::filesystem::temp_directory_path() / "inlet-config-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "no temporary directory";
    directory_ = pattern;
    std::ofstream(path(), std::ios::binary) << text;
  }
  ~TemporaryFile() { std::filesystem::remove_all(directory_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  std::string path() const { return (directory_ / "p.toml").string(); }

 private:
  std::filesystem::path directory_;
};

/// The smallest pipeline file there is: 10 lines, so that what a test appends begins at line 11.
inline constexpr std::string_view kMinimal = R"([pipeline]
name = "p"
[lake]
path = "/tmp/lake"
[source.generator.fields]
id = "sequence"
at = "event_time"
[event.fields]
id = "BIGINT required"
at = "TIMESTAMP"
)";

inline std::string with(std::string_view appended) { return std::string(kMinimal) + std::string(appended); }

/// "LINE:COLUMN id: what (why) [fix]", a line per problem; or "environment NAME id: ..." and "--set KEY id: ...".
inline std::string problems_of(std::string_view text, const LoadOptions& options = {}) {
  const TemporaryFile file(text);
  std::string lines;
  auto outcome = load_pipeline(file.path(), options);
  EXPECT_EQ(outcome.config.has_value(), outcome.problems.empty());
  for (const auto& problem : outcome.problems) {
    std::string where = problem.where;
    if (where.starts_with(file.path() + ":")) where = where.substr(file.path().size() + 1);
    std::string why = problem.why;
    if (const auto at = why.find(file.path() + ":"); at != std::string::npos) why.erase(at, file.path().size() + 1);
    lines += where + " " + problem.id + ": " + problem.what;
    if (!why.empty()) lines += " (" + why + ")";
    if (!problem.fix.empty()) lines += " [" + problem.fix + "]";
    lines += "\n";
  }
  return lines;
}

/// The configuration; a test failure when there are problems.
inline PipelineConfig loaded(std::string_view text, const LoadOptions& options = {}) {
  const TemporaryFile file(text);
  auto outcome = load_pipeline(file.path(), options);
  for (const auto& p : outcome.problems) ADD_FAILURE() << p.where << " " << p.id << ": " << p.what << ": " << p.why;
  return outcome.config.value_or(PipelineConfig{});
}

inline LoadOptions flags(std::vector<Override> overrides) { return {std::move(overrides), {}}; }
inline LoadOptions environment(std::map<std::string, std::string> variables) { return {{}, std::move(variables)}; }

}  // namespace inlet::config
