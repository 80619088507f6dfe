// The data files of a table in an object store.
#pragma once

#include <memory>
#include <string>

#include "lake/data_files.h"
#include "lake/file_cache.h"
#include "lake/object_store.h"

namespace inlet::lake {

/// `table`: its name below the lake. Thread safe.
std::shared_ptr<const DataFiles> object_data_files(std::shared_ptr<const ObjectStore> store,
                                                   std::shared_ptr<FileCache> cache, const std::string& table);

}  // namespace inlet::lake
