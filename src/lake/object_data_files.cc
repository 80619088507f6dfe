#include "lake/object_data_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "base/log.h"
#include "lake/file_check.h"
#include "lake/files_select.h"
#include "lake/table.h"

namespace inlet::lake {
namespace {

class ObjectDataFiles final : public DataFiles {
 public:
  ObjectDataFiles(std::shared_ptr<const ObjectStore> store, std::shared_ptr<FileCache> cache, std::string table)
      : store_(std::move(store)),
        cache_(std::move(cache)),
        table_(std::move(table)),
        directory_(cache_->files() + "/" + table_) {}

  const std::string& directory() const override { return directory_; }

  Result<HeldFiles> hold(const std::vector<LiveFile>& files) const override {
    std::vector<std::string> paths;
    paths.reserve(files.size());
    for (const auto& file : files) paths.push_back(absolute_path(directory_, file.path));
    // Held before it is looked at: what is there then stays.
    INLET_ASSIGN_OR_RETURN(auto held, cache_->hold(paths));
    std::vector<FileTransfer> wanted;
    std::int64_t bytes = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (is_there(paths[i], files[i])) continue;
      wanted.push_back(transfer(files[i].path, paths[i], files[i]));
      bytes += files[i].bytes;
    }
    if (wanted.empty()) return held;
    const auto fetched = store_->get_files(wanted);
    if (fetched.code() == StatusCode::kNotFound) {
      return Status(StatusCode::kNotFound, "lake.files_gone", "a data file of " + table_ + " is gone")
          .at(store_->url() + "/" + table_)
          .because(fetched.detail().what)
          .fix(
              "a version that is older than the table's retention cannot be read; otherwise restore the file from a "
              "copy");
    }
    if (fetched.code() == StatusCode::kCorruption) {
      return Status(StatusCode::kCorruption, "lake.file_damaged", "a data file is not what was written")
          .at(store_->url() + "/" + table_)
          .because(fetched.detail().what)
          .fix(
              "restore the object from a copy of the table; a view's table can be deleted, and is made from bronze "
              "again");
    }
    INLET_RETURN_IF_ERROR(fetched);
    cache_->grew(bytes);
    return held;
  }

  Status keep(const std::vector<std::string>& paths) const override {
    std::vector<FileTransfer> files;
    std::int64_t bytes = 0;
    for (const auto& path : paths) {
      const std::string absolute = directory_ + "/" + path;
      struct stat found {};
      if (::stat(absolute.c_str(), &found) == 0) bytes += found.st_size;
      files.push_back({table_ + "/" + path, absolute, 0, {}});
    }
    INLET_RETURN_IF_ERROR(store_->put_files(files));
    cache_->grew(bytes);
    return Status::ok();
  }

  Result<std::size_t> count_gone(const std::vector<LiveFile>& files) const override {
    std::vector<std::string> keys;
    keys.reserve(files.size());
    for (const auto& file : files) keys.push_back(table_ + "/" + file.path);
    INLET_ASSIGN_OR_RETURN(const auto gone, store_->missing(table_, keys));
    return gone.size();
  }

  Result<std::vector<StandingFile>> list() const override {
    INLET_ASSIGN_OR_RETURN(const auto objects, store_->list(table_));
    std::vector<StandingFile> files;
    for (const auto& object : objects) {
      const std::string path = object.key.substr(table_.size() + 1);
      if (path.ends_with(".parquet") && !is_hidden(path)) files.push_back({path, object.bytes, object.modified});
    }
    return files;
  }

  Status remove(const std::string& path) const override {
    INLET_RETURN_IF_ERROR(store_->remove(table_ + "/" + path));
    ::unlink((directory_ + "/" + path).c_str());  // or the cache throws it out one day
    return Status::ok();
  }

 private:
  static bool is_hidden(const std::string& path) {
    for (std::size_t begin = 0; begin < path.size();) {
      const auto end = std::min(path.find('/', begin), path.size());
      if (end > begin && is_hidden_name(path.substr(begin, end - begin))) return true;
      begin = end + 1;
    }
    return false;
  }

  FileTransfer transfer(const std::string& path, const std::string& absolute, const LiveFile& file) const {
    return {table_ + "/" + path, absolute, file.bytes, file.digest};
  }

  // What lies in the cache is the object; what is damaged there is fetched again.
  static bool is_there(const std::string& path, const LiveFile& file) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return false;
    const auto whole = found.st_size == file.bytes && check_file(path, file).is_ok();
    if (!whole) log::warn("lake", "{} in the cache is not what was written: it is fetched again", path);
    return whole;
  }

  const std::shared_ptr<const ObjectStore> store_;
  const std::shared_ptr<FileCache> cache_;
  const std::string table_;
  const std::string directory_;
};

}  // namespace

std::shared_ptr<const DataFiles> object_data_files(std::shared_ptr<const ObjectStore> store,
                                                   std::shared_ptr<FileCache> cache, const std::string& table) {
  return std::make_shared<const ObjectDataFiles>(std::move(store), std::move(cache), table);
}

}  // namespace inlet::lake
