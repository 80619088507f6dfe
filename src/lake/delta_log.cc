#include "lake/delta_log.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "delta_shim.h"
#include "lake/schema_json.h"
#include "lake/shim_status.h"

namespace inlet::lake {
namespace {

constexpr const char* kEngineInfo = "Inlet/" INLET_VERSION;

Timestamp from_ms(std::int64_t ms) { return Timestamp(std::chrono::milliseconds(ms)); }

Result<LogAdvance> read_advance(const char* text, const std::string& where) {
  return read_document<LogAdvance>(text, where, [](const Json& document) {
    LogAdvance advance;
    advance.version = {document.at("version").get<std::int64_t>()};
    if (!document.at("timestamp").is_null()) {
      advance.timestamp = from_ms(document.at("timestamp").get<std::int64_t>());
    }
    const auto& transactions = document.at("transactions");
    for (auto it = transactions.begin(); it != transactions.end(); ++it) {
      advance.transactions.emplace(it.key(), it.value().get<std::int64_t>());
    }
    if (document.contains("table")) {
      const auto& table = document.at("table");
      auto& definition = advance.definition.emplace();
      definition.id = table.at("id").get<std::string>();
      definition.schema_json = table.at("schemaString").get<std::string>();
      definition.partition_columns = table.at("partitionColumns").get<std::vector<std::string>>();
      definition.properties = table.at("configuration").get<std::map<std::string, std::string>>();
    }
    return advance;
  });
}

std::optional<std::string> optional_text(const Json& value) {
  if (value.is_null()) return std::nullopt;
  return value.get<std::string>();
}

/// commitInfo of any writer: what is not a string is shown as the JSON it is.
std::string as_text(const Json& value) { return value.is_string() ? value.get<std::string>() : dump_json(value); }

std::map<std::string, std::string> as_texts(const Json& object) {
  std::map<std::string, std::string> texts;
  for (auto it = object.begin(); it != object.end(); ++it) texts.emplace(it.key(), as_text(it.value()));
  return texts;
}

std::string commit_document(const Commit& commit, const std::string& txn_id) {
  Json adds = Json::array();
  for (const auto& add : commit.adds) {
    Json values = Json::object();
    for (const auto& [column, value] : add.partition_values) {
      values[column] = value.has_value() ? Json(*value) : Json(nullptr);
    }
    Json file = {{"path", add.path},
                 {"size", add.bytes},
                 {"modificationTime", add.modified_ms},
                 {"partitionValues", std::move(values)}};
    if (!add.statistics_json.empty()) file["stats"] = add.statistics_json;
    if (!add.digest.empty()) file["digest"] = add.digest;
    adds.push_back(std::move(file));
  }
  Json transactions = Json::array();
  for (const auto& transaction : commit.transactions) {
    transactions.push_back({{"appId", transaction.app_id}, {"version", transaction.version}});
  }
  Json document{{"txnId", txn_id},
                {"operation", commit.operation},
                {"operationParameters", Json(commit.operation_parameters)},
                {"operationMetrics", Json(commit.operation_metrics)},
                {"info", Json(commit.info)},
                {"engineInfo", kEngineInfo},
                {"dataChange", commit.data_change},
                {"adds", std::move(adds)},
                {"removes", commit.removes},
                {"transactions", std::move(transactions)}};
  if (commit.change) {
    document["table"] = {{"schemaString", schema_to_delta(commit.change->schema)},
                         {"partitionColumns", commit.change->partition_columns}};
  }
  return dump_json(document);
}

LogWrite to_write(delta_shim_outcome outcome, delta_shim_error* error, const std::string& where) {
  LogWrite write;
  write.error = shim_status(error, where);
  switch (outcome) {
    case DELTA_SHIM_COMMITTED: write.outcome = Outcome::kCommitted; break;
    case DELTA_SHIM_CONFLICT: write.outcome = Outcome::kConflict; break;
    case DELTA_SHIM_UNKNOWN: write.outcome = Outcome::kUnknown; break;
    case DELTA_SHIM_REFUSED: write.outcome = Outcome::kRefused; break;
  }
  return write;
}

}  // namespace

void DeltaLog::FreeTable::operator()(delta_shim_table* table) const { delta_shim_table_free(table); }

Result<std::shared_ptr<DeltaLog>> DeltaLog::open(const TablePlace& place) {
  delta_shim_table* table = nullptr;
  INLET_RETURN_IF_ERROR(
      shim_status(delta_shim_table_open(place.store == nullptr ? nullptr : place.store->handle(), place.name.data(),
                                        place.name.size(), place.directory.data(), place.directory.size(), &table),
                  place.location()));
  return std::shared_ptr<DeltaLog>(new DeltaLog(place, table));  // NOLINT: the constructor is private
}

LogWrite DeltaLog::create(const TablePlace& place, const TableDefinition& definition, std::string_view schema_json,
                          const std::string& table_id, const std::string& txn_id) {
  const auto document = dump_json(Json{{"id", table_id},
                                       {"txnId", txn_id},
                                       {"engineInfo", kEngineInfo},
                                       {"name", definition.name},
                                       {"schemaString", schema_json},
                                       {"partitionColumns", definition.partition_columns},
                                       {"configuration", Json(definition.properties)}});
  delta_shim_error* error = nullptr;
  const auto outcome = delta_shim_table_create(place.store == nullptr ? nullptr : place.store->handle(),
                                               place.name.data(), place.name.size(), place.directory.data(),
                                               place.directory.size(), document.data(), document.size(), &error);
  return to_write(outcome, error, place.location());
}

Result<LogAdvance> DeltaLog::state() {
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(shim_status(delta_shim_table_state(table_.get(), &text), location_));
  return read_advance(ShimString(text).get(), location_);
}

Result<LogAdvance> DeltaLog::state_at(TableVersion version) {
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(shim_status(
      delta_shim_table_state_at(table_.get(), static_cast<std::uint64_t>(version.value), &text), location_));
  return read_advance(ShimString(text).get(), location_);
}

Result<VersionRange> DeltaLog::versions() {
  std::uint64_t oldest = 0;
  std::uint64_t newest = 0;
  INLET_RETURN_IF_ERROR(shim_status(delta_shim_table_versions(table_.get(), &oldest, &newest), location_));
  return VersionRange{{static_cast<std::int64_t>(oldest)}, {static_cast<std::int64_t>(newest)}};
}

Result<LogAdvance> DeltaLog::refresh() {
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(shim_status(delta_shim_table_refresh(table_.get(), &text), location_));
  return read_advance(ShimString(text).get(), location_);
}

LogWrite DeltaLog::write(TableVersion read_version, const Commit& commit, const std::string& txn_id) {
  const auto document = commit_document(commit, txn_id);
  char* text = nullptr;
  delta_shim_error* error = nullptr;
  const auto outcome = delta_shim_table_commit(table_.get(), static_cast<std::uint64_t>(read_version.value),
                                               document.data(), document.size(), &text, &error);
  const ShimString advance(text);
  auto write = to_write(outcome, error, location_ + "@" + std::to_string(read_version.value + 1));
  if (write.outcome == Outcome::kCommitted) {
    auto read = read_advance(advance.get(), location_);
    if (read.is_ok()) {
      write.advance = std::move(read).value();
    } else {
      write.outcome = Outcome::kUnknown;
      write.error = read.status();
    }
  }
  return write;
}

Result<LogLook> DeltaLog::look(TableVersion version, const std::string& txn_id) {
  delta_shim_standing standing = DELTA_SHIM_ABSENT;
  std::int64_t timestamp = 0;
  INLET_RETURN_IF_ERROR(shim_status(delta_shim_table_look(table_.get(), static_cast<std::uint64_t>(version.value),
                                                          txn_id.data(), txn_id.size(), &standing, &timestamp),
                                    location_));
  switch (standing) {
    case DELTA_SHIM_OURS: return LogLook{Standing::kOurs, from_ms(timestamp)};
    case DELTA_SHIM_ANOTHERS: return LogLook{Standing::kAnothers, {}};
    case DELTA_SHIM_ABSENT: break;
  }
  return LogLook{Standing::kAbsent, {}};
}

Result<HistoryEntry> DeltaLog::history_entry(TableVersion version) {
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(shim_status(
      delta_shim_table_read_commit(table_.get(), static_cast<std::uint64_t>(version.value), &text), location_));
  return read_document<HistoryEntry>(ShimString(text).get(), location_, [&](const Json& document) {
    HistoryEntry entry;
    entry.version = version;
    entry.timestamp = from_ms(document.at("timestamp").get<std::int64_t>());
    entry.added_files = document.at("addedFiles").get<std::int64_t>();
    entry.removed_files = document.at("removedFiles").get<std::int64_t>();
    for (const auto& transaction : document.at("transactions")) {
      entry.transactions.push_back(
          {transaction.at("appId").get<std::string>(), transaction.at("version").get<std::int64_t>()});
    }
    const auto& info = document.at("commitInfo");
    for (auto it = info.begin(); info.is_object() && it != info.end(); ++it) {
      const auto& [key, value] = std::pair<const std::string&, const Json&>(it.key(), it.value());
      if (key == "timestamp" || key == "inletDigest") continue;
      if (key == "operation") {
        entry.operation = as_text(value);
      } else if (key == "txnId") {
        entry.txn_id = as_text(value);
      } else if (key == "operationParameters" && value.is_object()) {
        entry.parameters = as_texts(value);
      } else if (key == "operationMetrics" && value.is_object()) {
        entry.metrics = as_texts(value);
      } else {
        entry.info.emplace(key, as_text(value));
      }
    }
    return entry;
  });
}

namespace {

std::vector<LiveFile> read_files(const Json& document) {
  std::vector<LiveFile> files;
  files.reserve(document.size());
  for (const auto& file : document) {
    LiveFile live;
    live.path = file.at("path").get<std::string>();
    live.bytes = file.at("size").get<std::int64_t>();
    live.modified_ms = file.at("modificationTime").get<std::int64_t>();
    const auto& values = file.at("partitionValues");
    for (auto it = values.begin(); it != values.end(); ++it) {
      live.partition_values.emplace(it.key(), optional_text(it.value()));
    }
    if (file.contains("stats")) live.statistics_json = file.at("stats").get<std::string>();
    if (file.contains("digest")) live.digest = file.at("digest").get<std::string>();
    files.push_back(std::move(live));
  }
  return files;
}

}  // namespace

Result<VersionChanges> DeltaLog::changes(TableVersion version) {
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(
      shim_status(delta_shim_table_changes(table_.get(), static_cast<std::uint64_t>(version.value), &text), location_));
  return read_document<VersionChanges>(ShimString(text).get(), location_, [&](const Json& document) {
    VersionChanges changes;
    changes.version = version;
    changes.txn_id = optional_text(document.at("txnId")).value_or("");
    const auto& timestamp = document.at("timestamp");
    if (timestamp.is_number_integer()) changes.timestamp = from_ms(timestamp.get<std::int64_t>());
    changes.added = read_files(document.at("adds"));
    changes.removed = document.at("removes").get<std::vector<std::string>>();
    changes.removes_rows = document.at("removesData").get<bool>();
    changes.changes_definition = document.at("changesTable").get<bool>();
    return changes;
  });
}

Result<std::vector<LiveFile>> DeltaLog::files(TableVersion version) {
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(
      shim_status(delta_shim_table_files(table_.get(), static_cast<std::uint64_t>(version.value), &text), location_));
  return read_document<std::vector<LiveFile>>(ShimString(text).get(), location_, read_files);
}

Result<std::vector<Tombstone>> DeltaLog::tombstones(TableVersion version) {
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(shim_status(
      delta_shim_table_tombstones(table_.get(), static_cast<std::uint64_t>(version.value), &text), location_));
  return read_document<std::vector<Tombstone>>(ShimString(text).get(), location_, [](const Json& document) {
    std::vector<Tombstone> tombstones;
    for (const auto& tombstone : document) {
      tombstones.push_back(
          {tombstone.at("path").get<std::string>(), from_ms(tombstone.at("deletionTimestamp").get<std::int64_t>())});
    }
    return tombstones;
  });
}

Result<CleanedLog> DeltaLog::clean_log(Timestamp expired_before, std::optional<TableVersion> keep_from, bool dry_run) {
  const auto before = std::chrono::floor<std::chrono::milliseconds>(expired_before.time_since_epoch()).count();
  const auto from = keep_from ? static_cast<std::uint64_t>(std::max<std::int64_t>(keep_from->value, 0))
                              : std::numeric_limits<std::uint64_t>::max();
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(
      shim_status(delta_shim_table_clean_log(table_.get(), before, from, dry_run ? 1 : 0, &text), location_));
  return read_document<CleanedLog>(ShimString(text).get(), location_, [](const Json& document) {
    return CleanedLog{{document.at("oldest").get<std::int64_t>()},
                      document.at("removedFiles").get<std::int64_t>(),
                      document.at("removedBytes").get<std::int64_t>()};
  });
}

Result<std::string> file_digest(const std::string& path) {
  char* text = nullptr;
  INLET_RETURN_IF_ERROR(shim_status(delta_shim_file_digest(path.data(), path.size(), &text), path));
  return std::string(ShimString(text).get());
}

}  // namespace inlet::lake
