#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"
#include "delta_shim.h"
#include "lake/commit_id.h"
#include "lake/delta_table.h"
#include "lake/durable_files.h"
#include "lake/schema_json.h"
#include "lake/table.h"
#include "lake/table_definition.h"

namespace inlet::lake {
namespace {

namespace fs = std::filesystem;

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
      .at(table.directory())
      .because(std::move(difference))
      .fix(way_out(snapshot->schema(), definition.schema));
}

class LocalLake final : public Lake {
 public:
  explicit LocalLake(std::string root) : root_(std::move(root)) {}

  Result<std::unique_ptr<Table>> open_or_create(const TableDefinition& definition) override {
    INLET_RETURN_IF_ERROR(check_definition(definition));
    auto opened = open(definition.name);
    if (opened.status().code() == StatusCode::kNotFound) {
      const auto created = DeltaLog::create(root_ + "/" + definition.name, definition,
                                            schema_to_delta(definition.schema), new_uuid(), new_uuid());
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
    INLET_ASSIGN_OR_RETURN(auto table, DeltaTable::open(name, root_ + "/" + name));
    return std::unique_ptr<Table>(std::move(table));
  }

  Result<std::vector<std::string>> tables() override {
    std::vector<std::string> names;
    INLET_RETURN_IF_ERROR(collect("", names));
    std::sort(names.begin(), names.end());
    return names;
  }

  const std::string& root() const override { return root_; }

  Status sync_files(const std::string& table_directory, const std::vector<AddFile>& files) override {
    INLET_FAULT_POINT("lake.before_sync_files");
    std::vector<std::string> paths;
    paths.reserve(files.size());
    for (const auto& file : files) paths.push_back(file.path);
    INLET_RETURN_IF_ERROR(flush_files(table_directory, paths));
    INLET_FAULT_POINT("lake.after_sync_files");
    return Status::ok();
  }

 private:
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

/// Finds out now, with the system's reason, what would otherwise fail in the middle of the first batch.
Status check_writable(const std::string& root) {
  const std::string probe = root + "/.inlet-probe-" + new_uuid();
  const int fd = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return io_error("write into " + root, errno);
  ::close(fd);
  ::unlink(probe.c_str());
  return Status::ok();
}

}  // namespace

Result<std::unique_ptr<Lake>> open_lake(const std::string& root) {
  install_shim_hooks();
  if (root.empty()) return Status(StatusCode::kInvalidArgument, "lake.bad_root", "the lake has no directory");
  std::error_code failed;
  fs::path absolute = fs::absolute(root, failed).lexically_normal();
  if (failed) return io_error("resolve " + root, failed.value());
  if (!absolute.has_filename()) absolute = absolute.parent_path();  // "data/" is data
  INLET_RETURN_IF_ERROR(create_directories_durably(absolute.string()));
  INLET_RETURN_IF_ERROR(check_writable(absolute.string()));
  return std::unique_ptr<Lake>(std::make_unique<LocalLake>(absolute.string()));
}

}  // namespace inlet::lake
