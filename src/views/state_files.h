// The state of a view on disk: a cache of what could be computed from bronze again.
//
//   <lake>/_inlet/<pipeline>/views/<view>/state.json           which files, of which bronze version; replaced whole
//   <lake>/_inlet/<pipeline>/views/<view>/<uuid>.parquet       one partition's rows (k0…, p0…, r), or the distinct
//                                                              pairs of one count (r, v); r numbers the rows
//
// Only partitions that changed are written again. Files come first and are flushed, then the manifest is written aside,
// flushed and renamed; what no manifest names any more is deleted after that. Every file's size and checksum stand in
// the manifest: a state that is absent, damaged, of another format, plan or table is not loaded, never half loaded.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "duck/database.h"
#include "views/bronze_log.h"
#include "views/view_state.h"

namespace inlet::views {

/// Not thread safe: one owner per view.
class StateFiles {
 public:
  StateFiles(std::string directory, const ViewPlan& plan) : directory_(std::move(directory)), plan_(plan) {}

  struct Loaded {
    std::unique_ptr<ViewState> state;  // nullptr: nothing that could be loaded
    BronzePosition bronze;
    std::string why_not;  // for the log, when there is a state that was not loaded
  };
  /// `connection` reads the files.
  Loaded load(duck::Connection& connection);

  /// What one save writes: copies of the unsaved partitions, taken while nobody merges.
  struct Pending {
    struct Partition {
      std::string key;
      bool is_unpublished = true;
      bool is_unsaved = true;
      std::vector<duck::DataChunk> rows;
      std::vector<std::vector<duck::DataChunk>> distinct;
    };
    BronzePosition bronze;
    std::vector<Partition> partitions;  // all there are; the rows of the unsaved ones only
  };
  /// Marks what it copies as saved.
  static Pending prepare(ViewState& state, const ViewPlan& plan, const BronzePosition& bronze);
  /// Internal: the system's reason. The state before stays loadable then; the caller saves everything next time.
  Status save(duck::Connection& connection, const Pending& pending);

  /// Bytes the last save wrote.
  std::int64_t last_bytes() const { return last_bytes_; }

 private:
  struct File {
    std::string name;
    std::int64_t bytes = 0;
    std::string checksum;
  };
  struct SavedPartition {
    File rows;
    std::vector<File> distinct;
  };

  /// `schema`: of the file, columns of the chunks' own.
  Result<File> write_file(duck::Connection& connection, const Schema& schema, const Schema& chunks_schema,
                          const std::vector<duck::DataChunk>& chunks);
  Status write_manifest(const Pending& pending);
  void delete_unnamed() const;
  Status load_from(duck::Connection& connection, const std::string& text, Loaded& loaded);
  Status load_partition(duck::Connection& connection, const std::string& key, const SavedPartition& files,
                        ViewState& state) const;
  Status each_chunk(duck::Connection& connection, const File& file, const Schema& schema,
                    const std::function<Status(duckdb_data_chunk)>& use) const;
  Status check_file(const File& file) const;

  std::string directory_;
  const ViewPlan& plan_;
  std::map<std::string, SavedPartition> saved_;  // by partition key, as in the manifest on disk
  std::int64_t last_bytes_ = 0;
};

}  // namespace inlet::views
