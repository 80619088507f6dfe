// What of a pipeline file strangers may see: its text without the values that are or may be secrets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/pipeline_config.h"

namespace inlet::config {

/// Settings of librdkafka whose value may be a secret: its own messages would repeat it.
bool may_hold_secret(std::string_view librdkafka_key);

/// What stands in the place of a secret.
inline constexpr std::string_view kRemoved = "<removed>";

/// Whether the value of this key ("source.kafka.topic") may be shown. Only of keys that are known to hold no secret: an
/// unknown key may be a misspelt password, and of librdkafka's settings those are shown that are known to be harmless.
bool may_be_shown(std::string_view key);

/// `text` without what stands between "://" and "@", and without the values of parameters such as token=…; what was
/// taken out is appended to `secrets`, where there is one. Rather too much is taken out than too little.
std::string without_credentials(std::string_view text, std::vector<std::string>* secrets = nullptr);

struct ShownPipeline {
  /// The file's own text, line for line, without its comments (a password that is commented out is one all the same)
  /// and with kRemoved for every value that may not be shown. Of a file that is no TOML: an outline without any value.
  std::string text;
  std::vector<std::string> secrets;  // the values that were taken out, to be looked for elsewhere
  bool is_whole = false;             // false: the outline
};
ShownPipeline shown_pipeline(std::string_view text);

/// The values of flags and variables that may not be shown.
std::vector<std::string> secrets_of(const LoadOptions& options);

/// Takes known secrets out of texts.
class SecretRemover {
 public:
  /// Too short ones are left alone: every text has them. Of one with several lines each line is looked for too.
  void add(std::string_view secret);
  void add(const std::vector<std::string>& secrets);
  /// Without the secrets, also as JSON writes them, and without_credentials.
  std::string operator()(std::string_view text) const;

 private:
  void add_form(std::string_view secret);

  std::vector<std::string> secrets_;  // longest first
};

}  // namespace inlet::config
