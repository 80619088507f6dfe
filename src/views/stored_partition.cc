#include "views/stored_partition.h"

#include <filesystem>
#include <system_error>

namespace inlet::views {

namespace fs = std::filesystem;

void StateDirectory::take(const std::string& file) {
  const std::scoped_lock lock(mutex_);
  taken_.insert(file);
}

void StateDirectory::give_up(const std::string& file) {
  const std::scoped_lock lock(mutex_);
  taken_.erase(file);
  if (manifest_.contains(file)) return;
  std::error_code ignored;
  fs::remove(path_of(file), ignored);
}

bool StateDirectory::is_in_manifest(const std::string& file) const {
  const std::scoped_lock lock(mutex_);
  return manifest_.contains(file);
}

void StateDirectory::set_manifest(std::set<std::string> files) {
  const std::scoped_lock lock(mutex_);
  manifest_ = std::move(files);
}

void StateDirectory::delete_unneeded() const {
  const std::scoped_lock lock(mutex_);
  std::error_code error;
  for (fs::directory_iterator entry(path_, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (!taken_.contains(name) && !manifest_.contains(name)) fs::remove(entry->path(), ignored);
  }
}

StoredPartition::~StoredPartition() {
  for (const auto& file : files()) directory_->give_up(file);
}

std::vector<std::string> StoredPartition::files() const {
  std::vector<std::string> names;
  if (!content_.rows.name.empty()) names.push_back(content_.rows.name);
  for (const auto& file : content_.distinct) {
    if (!file.name.empty()) names.push_back(file.name);
  }
  return names;
}

}  // namespace inlet::views
