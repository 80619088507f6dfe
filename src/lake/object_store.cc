#include "lake/object_store.h"

#include "delta_shim.h"
#include "lake/shim_status.h"

namespace inlet::lake {
namespace {

std::string options_document(const StorageOptions& options) {
  Json document = Json::object();
  if (!options.endpoint.empty()) document["endpoint"] = options.endpoint;
  if (!options.region.empty()) document["region"] = options.region;
  if (!options.profile.empty()) document["profile"] = options.profile;
  document["allowHttp"] = options.allow_http;
  document["virtualHosted"] = options.virtual_hosted;
  document["timeoutMs"] = options.timeout.count();
  document["retryTimeoutMs"] = options.retry_timeout.count();
  return dump_json(document);
}

std::string files_document(const std::vector<FileTransfer>& files) {
  Json list = Json::array();
  for (const auto& file : files)
    list.push_back({{"key", file.key}, {"path", file.path}, {"size", file.bytes}, {"digest", file.digest}});
  return dump_json(list);
}

}  // namespace

void ObjectStore::FreeStore::operator()(delta_shim_store* store) const { delta_shim_store_free(store); }

Result<std::shared_ptr<ObjectStore>> ObjectStore::open(const std::string& url, const StorageOptions& options) {
  const auto document = options_document(options);
  delta_shim_store* store = nullptr;
  INLET_RETURN_IF_ERROR(
      shim_status(delta_shim_store_open(url.data(), url.size(), document.data(), document.size(), &store), url));
  return std::shared_ptr<ObjectStore>(new ObjectStore(url, store));  // NOLINT: the constructor is private
}

Status ObjectStore::check_writable() const { return shim_status(delta_shim_store_check_writable(store_.get()), url_); }

Status ObjectStore::put_files(const std::vector<FileTransfer>& files) const {
  const auto document = files_document(files);
  return shim_status(delta_shim_store_put_files(store_.get(), document.data(), document.size()), url_);
}

Status ObjectStore::get_files(const std::vector<FileTransfer>& files) const {
  const auto document = files_document(files);
  return shim_status(delta_shim_store_get_files(store_.get(), document.data(), document.size()), url_);
}

Result<std::vector<std::string>> ObjectStore::missing(const std::string& folder,
                                                      const std::vector<std::string>& keys) const {
  const auto wanted = dump_json(Json(keys));
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(shim_status(
      delta_shim_store_missing(store_.get(), folder.data(), folder.size(), wanted.data(), wanted.size(), &text), url_));
  return read_document<std::vector<std::string>>(
      ShimString(text).get(), url_, [](const Json& document) { return document.get<std::vector<std::string>>(); });
}

Result<std::vector<StoredObject>> ObjectStore::list(const std::string& folder) const {
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(shim_status(delta_shim_store_list(store_.get(), folder.data(), folder.size(), &text), url_));
  return read_document<std::vector<StoredObject>>(ShimString(text).get(), url_, [](const Json& document) {
    std::vector<StoredObject> objects;
    for (const auto& object : document) {
      objects.push_back({object.at("key").get<std::string>(), object.at("size").get<std::int64_t>(),
                         Timestamp(std::chrono::milliseconds(object.at("modifiedMs").get<std::int64_t>()))});
    }
    return objects;
  });
}

Result<std::vector<std::string>> ObjectStore::tables() const {
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(shim_status(delta_shim_store_tables(store_.get(), &text), url_));
  return read_document<std::vector<std::string>>(
      ShimString(text).get(), url_, [](const Json& document) { return document.get<std::vector<std::string>>(); });
}

Status ObjectStore::remove(const std::string& key) const {
  return shim_status(delta_shim_store_delete(store_.get(), key.data(), key.size()), url_ + "/" + key);
}

Result<std::optional<SmallObject>> ObjectStore::get(const std::string& key) const {
  const std::string where = url_ + "/" + key;
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(shim_status(delta_shim_store_get(store_.get(), key.data(), key.size(), &text), where));
  return read_document<std::optional<SmallObject>>(ShimString(text).get(), where, [](const Json& document) {
    if (document.is_null()) return std::optional<SmallObject>();
    return std::optional(SmallObject{document.at("text").get<std::string>(), document.at("tag").get<std::string>()});
  });
}

Result<std::optional<std::string>> ObjectStore::put(const std::string& key, const std::string& text,
                                                    const std::string& tag) const {
  const std::string where = url_ + "/" + key;
  char* new_tag = nullptr;
  delta_shim_error* error = nullptr;
  const auto outcome = delta_shim_store_put(store_.get(), key.data(), key.size(), text.data(), text.size(), tag.data(),
                                            tag.size(), &new_tag, &error);
  const ShimString owned(new_tag);
  INLET_RETURN_IF_ERROR(shim_status(error, where));
  if (outcome != DELTA_SHIM_COMMITTED) return std::optional<std::string>();
  return read_document<std::optional<std::string>>(
      owned.get(), where, [](const Json& document) { return std::optional(document.get<std::string>()); });
}

}  // namespace inlet::lake
