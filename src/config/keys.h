// What a pipeline file may say: one list for parsing, --set, the environment, completion and the documentation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace inlet::config {

struct KeyDoc {
  std::string name;           // "source.generator.rate"; `*` stands for names the user gives: "event.fields.*"
  std::string type;           // "integer, 1 to 256", "\"earliest\" or \"latest\"": what to show, not to parse
  std::string default_value;  // as it would be written in the file, or a few words: "required", "none"
  bool default_is_value;      // the first of the two
  std::string meaning;        // a sentence or two, in Markdown
};

/// Every key, in the order of the documentation. Made anew at each call.
std::vector<KeyDoc> known_keys();

/// The known key or section nearest to `name` ("source.genrator.rate" → "source.generator.rate"); empty when none is
/// near enough to be meant.
std::string nearest_key(std::string_view name);

/// The key that a variable sets, with or without its INLET__: SOURCE__KAFKA__BOOTSTRAP_SERVERS →
/// source.kafka.bootstrap_servers. Variables are upper case by custom and keys are not: known names are found whatever
/// the case; in a name the user gives, a part written in capitals alone is lower case.
std::string key_of_variable(std::string_view variable);

}  // namespace inlet::config
