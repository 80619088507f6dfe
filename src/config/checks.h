// What must hold between keys once all of them are read. Every rule is looked at; each breach is one problem.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/key_table.h"
#include "config/pipeline_config.h"

namespace inlet::config {

/// Where a setting came from. Ordered as problems are reported: file from top to bottom, environment, flags.
struct Origin {
  int layer = 0;         // kFileLayer, kEnvironmentLayer, kFlagLayer
  std::size_t line = 1;  // in the other layers: the how manieth
  std::size_t column = 1;
  std::string where;  // "file:line:column", "environment NAME", "--set key"
};
inline constexpr int kFileLayer = 0;
inline constexpr int kEnvironmentLayer = 1;
inline constexpr int kFlagLayer = 2;

/// The problems found so far. Messages never hold a value of a `kafka.*` key: it may be a secret.
class ProblemList {
 public:
  void add(Origin at, Problem problem);
  void add(Origin at, std::string id, std::string what, std::string why = {}, std::string fix = {});
  void add(Origin at, const Status& status);
  bool empty() const { return entries_.empty(); }
  /// In the order of their origins.
  std::vector<Problem> sorted() &&;

 private:
  struct Entry {
    Origin at;
    Problem problem;
  };
  std::vector<Entry> entries_;
};

/// An entity as its catalogue declares it.
struct EntityDraft {
  std::string name;
  Origin at;
  std::vector<std::string> columns;
  std::vector<TomlValue> rows;  // each a list
};

/// Everything read, and where each piece stands.
struct ReadSettings {
  Draft draft;
  std::vector<Origin> column_origins;                                        // of draft.config.event.schema.columns
  std::vector<Origin> generated_origins;                                     // of draft.config.source.generator.fields
  std::vector<std::pair<std::string, std::vector<EntityDraft>>> catalogues;  // by name, in file order
  std::map<std::string, Origin, std::less<>> origins;  // of every key that was set, and of the file's tables
  std::set<std::string, std::less<>> unreadable;       // keys and tables in whose place something else stands

  /// Of `key`, or of the table it would stand in, or of the file's beginning.
  Origin origin_of(std::string_view key) const;
  bool is_set(std::string_view key) const { return origins.find(key) != origins.end(); }
  bool is_set_below(std::string_view table) const;
  /// True for a key that has a value, or stands in a table, that is a problem already: it is not also missing.
  bool is_unreadable(std::string_view key) const;
};

/// Fills in what follows from other keys (table names, the chosen catalogue, the partition column) and checks.
void complete_and_check(ReadSettings& settings, ProblemList& problems);

}  // namespace inlet::config
