// An object store below one URL, as calls with types.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/storage_options.h"

struct delta_shim_store;

namespace inlet::lake {

/// A file on local disk and the object it is, or will be; size and digest as the table's log has them.
struct FileTransfer {
  std::string key;   // below the lake
  std::string path;  // absolute
  std::int64_t bytes = 0;
  std::string digest;  // empty: not known
};

struct StoredObject {
  std::string key;  // below the lake
  std::int64_t bytes = 0;
  Timestamp modified;
};

/// A small object, and what tells it from what will stand there later.
struct SmallObject {
  std::string text;
  std::string tag;
};

/// Errors: Transient "lake.busy" (the store cannot be reached, is busy, or fails: it was tried again until
/// storage.retry_timeout was over), Unavailable "lake.store_denied" (the reason names the permission that is needed),
/// "lake.no_bucket", "lake.no_credentials". Of whatever puts, a commit and a lock among them, InvalidArgument
/// "lake.no_conditional_put" too: the store would let two writers overwrite each other's commits. It is tried before
/// the first put of a process, so that nothing was put then. Thread safe.
class ObjectStore {
 public:
  /// Asks the store nothing. InvalidArgument: no such kind of URL.
  static Result<std::shared_ptr<ObjectStore>> open(const std::string& url, const StorageOptions& options);

  const std::string& url() const { return url_; }
  delta_shim_store* handle() const { return store_.get(); }

  /// What the first put would come upon, without one: for who is going to write.
  Status check_writable() const;

  /// Whole, or not at all; a file that was put is read-only from then on.
  Status put_files(const std::vector<FileTransfer>& files) const;
  /// Held against size and digest, then put into place. NotFound, Corruption.
  Status get_files(const std::vector<FileTransfer>& files) const;
  /// Which of `keys`, all below `folder`, are no objects.
  Result<std::vector<std::string>> missing(const std::string& folder, const std::vector<std::string>& keys) const;
  Result<std::vector<StoredObject>> list(const std::string& folder) const;
  /// Names of all tables, sorted.
  Result<std::vector<std::string>> tables() const;
  Status remove(const std::string& key) const;

  Result<std::optional<SmallObject>> get(const std::string& key) const;
  /// Where nothing stands (`tag` empty) or what stands still has `tag`: the new tag. nullopt: it is not so; that can be
  /// this very put, whose reply was lost.
  Result<std::optional<std::string>> put(const std::string& key, const std::string& text, const std::string& tag) const;

 private:
  struct FreeStore {
    void operator()(delta_shim_store* store) const;
  };
  ObjectStore(std::string url, delta_shim_store* store) : url_(std::move(url)), store_(store) {}

  const std::string url_;
  const std::unique_ptr<delta_shim_store, FreeStore> store_;
};

}  // namespace inlet::lake
