#include "lake/data_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "lake/durable_files.h"
#include "lake/file_check.h"
#include "lake/files_select.h"
#include "lake/table.h"

namespace inlet::lake {
namespace {

namespace fs = std::filesystem;

class LocalDataFiles final : public DataFiles {
 public:
  explicit LocalDataFiles(std::string directory) : directory_(std::move(directory)) {}

  const std::string& directory() const override { return directory_; }

  Result<HeldFiles> hold(const std::vector<LiveFile>& files) const override {
    for (const auto& file : files) INLET_RETURN_IF_ERROR(check_file(absolute_path(directory_, file.path), file));
    return HeldFiles();
  }

  Status keep(const std::vector<std::string>& paths) const override { return flush_files(directory_, paths); }

  Result<std::size_t> count_gone(const std::vector<LiveFile>& files) const override {
    std::size_t gone = 0;
    for (const auto& file : files) {
      const std::string path = absolute_path(directory_, file.path);
      std::error_code failed;
      const auto status = fs::status(path, failed);
      if (status.type() == fs::file_type::not_found) {
        ++gone;
      } else if (failed) {
        return Status(StatusCode::kInternal, "lake.io", "cannot look at " + path).because(failed.message());
      }
    }
    return gone;
  }

  Result<std::vector<StandingFile>> list() const override {
    std::vector<StandingFile> files;
    INLET_RETURN_IF_ERROR(collect("", files));
    return files;
  }

  Status remove(const std::string& path) const override {
    const std::string absolute = directory_ + "/" + path;
    return ::unlink(absolute.c_str()) == 0 || errno == ENOENT ? Status::ok() : io_error("delete " + absolute, errno);
  }

 private:
  // nullopt: gone meanwhile.
  Result<std::optional<StandingFile>> look_at(const std::string& path) const {
    struct stat found {};
    if (::stat((directory_ + "/" + path).c_str(), &found) != 0) {
      if (errno == ENOENT) return std::optional<StandingFile>();
      return io_error("look at " + directory_ + "/" + path, errno);
    }
    StandingFile file;
    file.path = path;
    file.bytes = found.st_size;
    file.modified =
        Timestamp(std::chrono::seconds(found.st_mtim.tv_sec) + std::chrono::microseconds(found.st_mtim.tv_nsec / 1000));
    return std::optional(std::move(file));
  }

  Status collect(const std::string& below, std::vector<StandingFile>& files) const {
    std::error_code failed;
    fs::directory_iterator entries(directory_ + "/" + below, failed);
    for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
      const std::string name = entries->path().filename().string();
      if (is_hidden_name(name)) continue;
      std::error_code ignored;
      if (entries->is_directory(ignored) && !entries->is_symlink(ignored)) {
        INLET_RETURN_IF_ERROR(collect(below + name + "/", files));
      } else if (name.ends_with(".parquet")) {
        INLET_ASSIGN_OR_RETURN(auto file, look_at(below + name));
        if (file) files.push_back(std::move(*file));
      }
    }
    return failed ? io_error("list " + directory_ + "/" + below, failed.value()) : Status::ok();
  }

  const std::string directory_;
};

}  // namespace

std::shared_ptr<const DataFiles> local_data_files(const std::string& directory) {
  return std::make_shared<const LocalDataFiles>(directory);
}

bool is_hidden_name(const std::string& name) {
  return name.front() == '.' || (name.front() == '_' && name.find('=') == std::string::npos);
}

}  // namespace inlet::lake
