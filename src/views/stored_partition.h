// A partition of a view's state as it stands on disk: written once and never changed, and gone when nobody needs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace inlet::views {

/// The directory of a view's saved state, and which of its files somebody needs: whoever holds a StoredPartition, and
/// the manifest that stands there. Thread safe.
class StateDirectory {
 public:
  explicit StateDirectory(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }
  std::string path_of(const std::string& file) const { return path_ + "/" + file; }

  /// From before it is written until give_up().
  void take(const std::string& file);
  /// Deletes it, unless the manifest names it.
  void give_up(const std::string& file);

  bool is_in_manifest(const std::string& file) const;
  /// What the manifest that stands on disk now names.
  void set_manifest(std::set<std::string> files);
  /// Deletes what nobody needs: of the manifest before, and of processes that were killed.
  void delete_unneeded() const;

 private:
  const std::string path_;
  mutable std::mutex mutex_;
  std::set<std::string> taken_;     // guarded by mutex_
  std::set<std::string> manifest_;  // guarded by mutex_
};

struct StoredFile {
  std::string name;  // empty: no row, and no file
  std::int64_t bytes = 0;
  std::string checksum;
};

/// Immutable; shared by the state, the save and the publish that need it. Its files go with the last of them.
class StoredPartition {
 public:
  struct Content {
    StoredFile rows;
    std::vector<StoredFile> distinct;  // per distinct count
    std::size_t row_count = 0;
    std::size_t entries = 0;  // rows and distinct values
    std::size_t memory = 0;   // that it takes when it is loaded, about
  };
  /// Every file of `content` has been taken from the directory.
  StoredPartition(std::shared_ptr<StateDirectory> directory, Content content)
      : directory_(std::move(directory)), content_(std::move(content)) {}
  ~StoredPartition();
  StoredPartition(const StoredPartition&) = delete;
  StoredPartition& operator=(const StoredPartition&) = delete;

  const Content& content() const { return content_; }
  std::vector<std::string> files() const;

 private:
  const std::shared_ptr<StateDirectory> directory_;
  const Content content_;
};

using StoredPartitionPtr = std::shared_ptr<const StoredPartition>;

}  // namespace inlet::views
