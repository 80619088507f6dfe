// The logs of tables and the manifests of views' states as a support bundle shows them: what was done to which files,
// without what stands in their rows.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "config/secrets.h"

namespace inlet::cli {

/// Takes out of Delta's actions what is data of rows: the smallest and largest values of columns, predicates, what
/// other writers say of their users. Values of partitions get a name, "value-1", "value-2" and so on, the same one
/// wherever the value stands in one bundle: what belongs together is seen, and what it is cannot be guessed by trying,
/// as from a hash. Only fields that are known to hold no data are copied at all.
class RowValueMask {
 public:
  struct Options {
    bool keep_values = false;     // of partitions and predicates; never of the statistics
    std::set<std::string> plain;  // partition columns whose values are times by their making
    config::SecretRemover secrets;
  };
  explicit RowValueMask(Options options) : options_(std::move(options)) {}

  struct Commit {
    std::string text;          // JSON lines
    std::size_t damaged = 0;   // lines that are no action; said in their place, not copied
    std::size_t left_out = 0;  // actions beyond `most_actions`
  };
  /// One file of a _delta_log.
  Commit commit(std::string_view text, std::size_t most_actions);
  /// The state.json of a view, after its first line (a checksum). `columns`: the view's partition columns, as far as
  /// they are known.
  Json manifest(const Json& manifest, const std::vector<std::string>& columns);
  /// Every text in it without secrets.
  Json clean(Json document) const;

 private:
  Json action(const std::string& kind, const Json& body);
  Json file(const Json& body);
  Json commit_info(const Json& body) const;
  std::string path(const std::string& path);
  std::string named(const std::string& column, const std::string& value);

  Options options_;
  std::map<std::string, std::string> names_;  // of values
};

}  // namespace inlet::cli
