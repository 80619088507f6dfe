#include "cli/support_commits.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace inlet::cli {
namespace {

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Json removed() { return Json(std::string(config::kRemoved)); }

// Delta's file paths are percent-encoded, and the values in the directories of Hive once more.
std::string decoded(std::string text) {
  for (int round = 0; round < 2; ++round) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
      unsigned byte = 0;
      if (text[i] == '%' && i + 2 < text.size()) {
        const char* const digits = text.data() + i + 1;
        if (std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
          plain += static_cast<char>(byte);
          i += 2;
          continue;
        }
      }
      plain += text[i];
    }
    text = std::move(plain);
  }
  return text;
}

// Of a file's statistics how many rows it has.
Json row_count(const Json& body) {
  const auto stats = parse_json(body.is_string() ? body.get<std::string>() : std::string());
  if (!stats.is_ok() || !stats->is_object() || !stats->contains("numRecords")) return removed();
  const auto& rows = stats->at("numRecords");
  return rows.is_number() ? Json(dump_json(Json{{"numRecords", rows}})) : removed();
}

bool is_plain(const Json& value) { return value.is_number() || value.is_boolean() || value.is_null(); }

}  // namespace

std::string RowValueMask::named(const std::string& column, const std::string& value) {
  if (options_.keep_values || options_.plain.contains(column) || value.empty() ||
      value == "__HIVE_DEFAULT_PARTITION__") {
    return options_.secrets(value);
  }
  const auto [found, is_new] = names_.emplace(value, "");
  if (is_new) found->second = "value-" + std::to_string(names_.size());
  return found->second;
}

std::string RowValueMask::path(const std::string& path) {
  if (options_.keep_values) return options_.secrets(path);
  std::string shown;
  for (std::string_view rest = path;;) {
    const auto slash = rest.find('/');
    const std::string part(rest.substr(0, slash));
    const auto equals = part.find('=');
    // Directories are COLUMN=VALUE; the last part is the file's own name.
    shown +=
        slash == std::string_view::npos || equals == std::string::npos
            ? part
            : part.substr(0, equals + 1) + named(decoded(part.substr(0, equals)), decoded(part.substr(equals + 1)));
    if (slash == std::string_view::npos) break;
    shown += '/';
    rest = rest.substr(slash + 1);
  }
  return options_.secrets(shown);
}

Json RowValueMask::file(const Json& body) {
  constexpr std::array<std::string_view, 8> kKept = {
      "size",      "modificationTime",   "deletionTimestamp",      "dataChange", "extendedFileMetadata",
      "baseRowId", "clusteringProvider", "defaultRowCommitVersion"};
  Json shown = Json::object();
  for (const auto& [key, value] : body.items()) {
    if (key == "path" && value.is_string()) {
      shown[key] = path(value.get<std::string>());
    } else if (key == "partitionValues" && value.is_object()) {
      shown[key] = Json::object();
      for (const auto& [column, of_file] : value.items())
        shown[key][column] = of_file.is_string() ? Json(named(column, of_file.get<std::string>()))
                             : of_file.is_null() ? of_file
                                                 : removed();
    } else if (key == "stats") {
      shown[key] = row_count(value);
    } else if (key == "tags" && value.is_object()) {
      shown[key] = Json::object();
      for (const auto& [tag, text] : value.items()) shown[key][tag] = tag == "inletDigest" ? text : removed();
    } else if (key == "deletionVector" && value.is_object()) {
      shown[key] = Json::object();  // an inline one is a list of rows, no data of them; long all the same
      for (const auto& [name, part] : value.items())
        shown[key][name] = is_plain(part) || name == "storageType" ? part : removed();
    } else {
      shown[key] = is_one_of(kKept, key) ? value : removed();
    }
  }
  return shown;
}

Json RowValueMask::commit_info(const Json& body) const {
  constexpr std::array<std::string_view, 16> kKept = {
      "timestamp",     "operation",   "readVersion",     "isolationLevel",    "isBlindAppend", "operationMetrics",
      "engineInfo",    "txnId",       "inletDigest",     "inCommitTimestamp", "host",          "pid",
      "bronzeTableId", "bronzeTxnId", "bronzeTimestamp", "viewFingerprint"};
  constexpr std::array<std::string_view, 5> kOffsets = {"offsets:", "takenOut:", "putBack:", "readAgain:", "replayed:"};
  constexpr std::array<std::string_view, 18> kParameters = {
      "partitionBy", "outputMode",        "queryId",  "epochId", "mode",    "version",
      "timestamp",   "targetSize",        "auto",     "batchId", "columns", "partition",
      "reason",      "quarantineVersion", "zOrderBy", "from",    "to",      "table"};
  Json shown = Json::object();
  for (const auto& [key, value] : body.items()) {
    const bool is_offsets = std::any_of(kOffsets.begin(), kOffsets.end(), [&, name = std::string_view(key)](auto mark) {
      return name.starts_with(mark);
    });
    if (key == "operationParameters" && value.is_object()) {
      shown[key] = Json::object();
      for (const auto& [name, parameter] : value.items())
        shown[key][name] =
            options_.keep_values || is_one_of(kParameters, name) || parameter == "[]" ? parameter : removed();
    } else {
      shown[key] = is_one_of(kKept, key) || is_offsets ? value : removed();
    }
  }
  return shown;
}

Json RowValueMask::action(const std::string& kind, const Json& body) {
  constexpr std::array<std::string_view, 3> kWhole = {"protocol", "metaData", "txn"};
  if (!body.is_object()) return removed();
  if (kind == "add" || kind == "remove" || kind == "cdc") return file(body);
  if (kind == "commitInfo") return commit_info(body);
  if (is_one_of(kWhole, kind)) return body;
  Json shown = Json::object();  // of an action that Inlet does not write: what is there
  for (const auto& [key, value] : body.items()) shown[key] = is_plain(value) || key == "domain" ? value : removed();
  return shown;
}

RowValueMask::Commit RowValueMask::commit(std::string_view text, std::size_t most_actions) {
  Commit shown;
  std::size_t number = 0;
  std::size_t actions = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    ++number;
    if (line.empty()) continue;
    const auto parsed = parse_json(line);
    if (!parsed.is_ok() || !parsed->is_object()) {
      ++shown.damaged;
      if (shown.damaged > most_actions) continue;
      shown.text += dump_json(Json{{"inlet_damaged_line", number}, {"bytes", line.size()}}) + "\n";
      continue;
    }
    if (++actions > most_actions) {
      ++shown.left_out;
      continue;
    }
    Json document = Json::object();
    for (const auto& [kind, body] : parsed->items()) document[kind] = action(kind, body);
    shown.text += dump_json(clean(std::move(document))) + "\n";
  }
  if (shown.left_out > 0) shown.text += dump_json(Json{{"inlet_actions_left_out", shown.left_out}}) + "\n";
  return shown;
}

Json RowValueMask::manifest(const Json& manifest, const std::vector<std::string>& columns) {
  constexpr std::array<std::string_view, 8> kKept = {"published", "inMemory", "touched", "rowCount",
                                                     "entries",   "memory",   "rows",    "distinct"};
  if (!manifest.is_object()) return removed();
  Json shown = Json::object();
  for (const auto& [key, value] : manifest.items()) {
    if (key != "partitions" || !value.is_array()) {
      shown[key] = key == "format" || key == "fingerprint" || key == "bronze" ? value : removed();
      continue;
    }
    shown[key] = Json::array();
    for (const auto& partition : value) {
      Json row = Json::object();  // its key is the values again, in bytes
      if (!partition.is_object()) continue;
      for (const auto& [name, part] : partition.items()) {
        if (is_one_of(kKept, name)) row[name] = part;
        if (name != "values" || !part.is_array()) continue;
        row[name] = Json::array();
        for (std::size_t i = 0; i < part.size(); ++i) {
          const std::string column = i < columns.size() ? columns[i] : std::string();
          const Json& item = part[i];
          row[name].push_back(item.is_string() ? Json(named(column, item.get<std::string>()))
                                               : (item.is_null() ? item : removed()));
        }
      }
      shown[key].push_back(std::move(row));
    }
  }
  return clean(std::move(shown));
}

Json RowValueMask::clean(Json document) const {
  if (document.is_string()) return options_.secrets(document.get<std::string>());
  if (document.is_array()) {
    for (auto& item : document) item = clean(std::move(item));
  } else if (document.is_object()) {
    Json shown = Json::object();
    for (auto& [key, value] : document.items()) shown[options_.secrets(key)] = clean(std::move(value));
    return shown;
  }
  return document;
}

}  // namespace inlet::cli
