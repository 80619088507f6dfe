#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"
#include "delta_shim.h"
#include "lake/commit_id.h"
#include "lake/delta_table.h"
#include "lake/durable_files.h"
#include "lake/file_cache.h"
#include "lake/object_data_files.h"
#include "lake/schema_json.h"
#include "lake/table.h"
#include "lake/table_definition.h"

namespace inlet::lake {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{5000};
constexpr std::chrono::milliseconds kTick{20};

/// Once a process; a test that wants another hook sets it after its first lake.
void install_shim_hooks() {
  static std::once_flag once;
  std::call_once(once, [] {
    delta_shim_set_warning_hook([](const char* message) { log::warn("lake", "{}", message); });
#ifdef INLET_FAULT_POINTS
    delta_shim_set_fault_hook([](const char* name) {
      pass_fault_point(name);
      return 0;
    });
#endif
  });
}

std::string joined(const std::vector<std::string>& names) {
  std::string list;
  for (const auto& name : names) list += (list.empty() ? "" : ", ") + name;
  return list.empty() ? "nothing" : list;
}

/// The table that stands there is the one that was asked for.
Status check_same(const TableDefinition& definition, const Table& table) {
  const auto snapshot = table.snapshot();
  std::string difference = schema_difference(snapshot->schema(), definition.schema);
  if (snapshot->partition_columns() != definition.partition_columns) {
    difference += (difference.empty() ? "" : "\n") + std::string("partitioned by ") +
                  joined(snapshot->partition_columns()) + " in the table, by " + joined(definition.partition_columns) +
                  " in the pipeline file";
  }
  if (difference.empty()) return Status::ok();
  return Status(StatusCode::kInvalidArgument, "lake.schema_differs",
                "the table " + definition.name + " exists with another schema")
      .at(table.location())
      .because(std::move(difference))
      .fix(way_out(snapshot->schema(), definition.schema));
}

/// What both kinds of lake have in common: how a table is opened and created.
class DeltaLake : public Lake {
 public:
  Result<std::unique_ptr<Table>> open_or_create(const TableDefinition& definition) override {
    INLET_RETURN_IF_ERROR(check_definition(definition));
    auto opened = open(definition.name);
    if (opened.status().code() == StatusCode::kNotFound) {
      const auto created = DeltaLog::create(place_of(definition.name), definition, schema_to_delta(definition.schema),
                                            new_uuid(), new_uuid());
      if (created.outcome == Outcome::kRefused) return created.error;
      // Whatever came of it, ours or another's: what stands there now is the table.
      opened = open(definition.name);
      if (created.outcome == Outcome::kUnknown && opened.status().code() == StatusCode::kNotFound) return created.error;
    }
    if (!opened.is_ok()) return opened;
    INLET_RETURN_IF_ERROR(check_same(definition, **opened));
    return opened;
  }

  Result<std::unique_ptr<Table>> open(const std::string& name) override {
    INLET_RETURN_IF_ERROR(check_name(name));
    INLET_ASSIGN_OR_RETURN(auto table, DeltaTable::open(place_of(name), data_files_of(name)));
    return std::unique_ptr<Table>(std::move(table));
  }

 private:
  virtual TablePlace place_of(const std::string& name) const = 0;
  virtual std::shared_ptr<const DataFiles> data_files_of(const std::string& name) const = 0;
};

class LocalLake final : public DeltaLake {
 public:
  explicit LocalLake(std::string root) : root_(std::move(root)) {}

  Result<std::vector<std::string>> tables() override {
    std::vector<std::string> names;
    INLET_RETURN_IF_ERROR(collect("", names));
    std::sort(names.begin(), names.end());
    return names;
  }

  const std::string& root() const override { return root_; }

 private:
  TablePlace place_of(const std::string& name) const override { return {nullptr, name, root_ + "/" + name}; }
  std::shared_ptr<const DataFiles> data_files_of(const std::string& name) const override {
    return local_data_files(root_ + "/" + name);
  }

  /// Tables below `prefix` ("" or "bronze/"). A table holds no tables.
  Status collect(const std::string& prefix, std::vector<std::string>& names) const {
    std::error_code failed;
    fs::directory_iterator entries(root_ + "/" + prefix, failed);
    for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
      const std::string name = entries->path().filename().string();
      if (name.front() == '_' || name.front() == '.' || !entries->is_directory()) continue;
      if (fs::is_directory(entries->path() / "_delta_log")) {
        names.push_back(prefix + name);
      } else {
        INLET_RETURN_IF_ERROR(collect(prefix + name + "/", names));
      }
    }
    return failed ? io_error("list " + root_ + "/" + prefix, failed.value()) : Status::ok();
  }

  const std::string root_;
};

class ObjectLake final : public DeltaLake {
 public:
  ObjectLake(std::shared_ptr<const ObjectStore> store, std::shared_ptr<FileCache> cache,
             std::chrono::milliseconds lease)
      : store_(std::move(store)), cache_(std::move(cache)), lease_(lease) {}

  Result<std::unique_ptr<Table>> open(const std::string& name) override {
    INLET_RETURN_IF_ERROR(check_name(name));
    // Rows are written there before anything was read.
    std::error_code failed;
    fs::create_directories(root() + "/" + name, failed);
    if (failed) return io_error("create " + root() + "/" + name, failed.value());
    return DeltaLake::open(name);
  }

  Result<std::vector<std::string>> tables() override { return store_->tables(); }
  const std::string& root() const override { return cache_->files(); }
  const std::string& location() const override { return store_->url(); }
  Status check_writable() const override { return store_->check_writable(); }
  std::shared_ptr<const ObjectStore> object_store() const override { return store_; }
  std::chrono::milliseconds lease() const override { return lease_; }

 private:
  TablePlace place_of(const std::string& name) const override { return {store_, name, root() + "/" + name}; }
  std::shared_ptr<const DataFiles> data_files_of(const std::string& name) const override {
    return object_data_files(store_, cache_, name);
  }

  const std::shared_ptr<const ObjectStore> store_;
  const std::shared_ptr<FileCache> cache_;
  const std::chrono::milliseconds lease_;
};

/// Finds out now, with the system's reason, what would otherwise fail in the middle of the first batch.
Status try_to_write(const std::string& root) {
  const std::string probe = root + "/.inlet-probe-" + new_uuid();
  const int fd = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return io_error("write into " + root, errno);
  ::close(fd);
  ::unlink(probe.c_str());
  return Status::ok();
}

}  // namespace

Status sync_files(const DataFiles& table, const std::vector<AddFile>& files) {
  INLET_FAULT_POINT("lake.before_sync_files");
  std::vector<std::string> paths;
  paths.reserve(files.size());
  for (const auto& file : files) paths.push_back(file.path);
  INLET_RETURN_IF_ERROR(table.keep(paths));
  INLET_FAULT_POINT("lake.after_sync_files");
  return Status::ok();
}

Status sync_files_until(const DataFiles& table, const std::vector<AddFile>& files,
                        const std::function<bool()>& should_stop) {
  for (auto pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    auto status = sync_files(table, files);
    if (status.code() != StatusCode::kTransient) return status;
    log::warn("lake", "the files of a batch could not be put into the store, and are put again: {}", status.to_line());
    for (auto waited = std::chrono::milliseconds(0); waited < pause && !should_stop(); waited += kTick)
      std::this_thread::sleep_for(kTick);
    if (should_stop()) return {StatusCode::kCancelled, "lake.commit_cancelled", "stopped while files could not be put"};
  }
}

Result<std::unique_ptr<Lake>> open_lake(const std::string& root, const StorageOptions& storage) {
  install_shim_hooks();
  if (root.empty()) return Status(StatusCode::kInvalidArgument, "lake.bad_root", "the lake has no directory");
  if (is_url(root)) {
    INLET_ASSIGN_OR_RETURN(auto store, ObjectStore::open(root, storage));
    INLET_ASSIGN_OR_RETURN(
        auto cache, FileCache::open(cache_directory(storage.cache, root, storage.endpoint), root, storage.cache_size));
    return std::unique_ptr<Lake>(std::make_unique<ObjectLake>(std::move(store), std::move(cache), storage.lease));
  }
  std::error_code failed;
  fs::path absolute = fs::absolute(root, failed).lexically_normal();
  if (failed) return io_error("resolve " + root, failed.value());
  if (!absolute.has_filename()) absolute = absolute.parent_path();  // "data/" is data
  INLET_RETURN_IF_ERROR(create_directories_durably(absolute.string()));
  INLET_RETURN_IF_ERROR(try_to_write(absolute.string()));
  return std::unique_ptr<Lake>(std::make_unique<LocalLake>(absolute.string()));
}

}  // namespace inlet::lake
