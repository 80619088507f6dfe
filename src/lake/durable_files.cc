#include "lake/durable_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>

namespace inlet::lake {
namespace {

Status flush(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return io_error("open " + path, errno);
  const int failed = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  return failed == 0 ? Status::ok() : io_error("fsync " + path, failed);
}

}  // namespace

Status io_error(const std::string& doing, int error_number) {
  return {StatusCode::kInternal, "lake.io", doing + ": " + std::generic_category().message(error_number)};
}

Status flush_files(const std::string& directory, const std::vector<std::string>& files) {
  std::set<std::string> directories{directory};
  for (const auto& file : files) {
    std::string path = directory;
    path.append("/").append(file);
    INLET_RETURN_IF_ERROR(flush(path, O_RDONLY));
    for (auto end = file.rfind('/'); end != std::string::npos && end > 0; end = file.rfind('/', end - 1)) {
      directories.insert(directory + "/" + file.substr(0, end));
    }
  }
  for (const auto& each : directories) INLET_RETURN_IF_ERROR(flush(each, O_RDONLY | O_DIRECTORY));
  return Status::ok();
}

Status create_directories_durably(const std::string& directory) {
  struct stat found {};
  if (::stat(directory.c_str(), &found) == 0) {
    return S_ISDIR(found.st_mode) ? Status::ok() : io_error("create " + directory, ENOTDIR);
  }
  if (errno != ENOENT) return io_error("look at " + directory, errno);
  const std::string parent = std::filesystem::path(directory).parent_path().string();
  INLET_RETURN_IF_ERROR(create_directories_durably(parent));
  if (::mkdir(directory.c_str(), 0777) != 0 && errno != EEXIST) return io_error("create " + directory, errno);
  return flush(parent, O_RDONLY | O_DIRECTORY);
}

}  // namespace inlet::lake
