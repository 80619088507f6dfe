#include "cli/support_tables.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>

#include "base/json.h"
#include "base/storage_options.h"
#include "cli/history_command.h"
#include "cli/query_command.h"
#include "cli/support_files.h"
#include "cli/tables_command.h"

namespace inlet::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostActions = 1000;  // of one commit
constexpr std::size_t kMostListed = 5000;   // files of one directory
constexpr std::size_t kMostTables = 500;

bool is_commit(const std::string& name) {
  constexpr std::size_t kDigits = 20;
  return name.size() == kDigits + 5 && name.ends_with(".json") &&
         std::all_of(name.begin(), name.begin() + kDigits, [](unsigned char c) { return std::isdigit(c) != 0; });
}

// The newest names where there are too many: those of a log say their order.
Json listing(const std::vector<ListedFile>& found) {
  Json files = Json::array();
  const std::size_t left_out = found.size() - std::min(found.size(), kMostListed);
  for (std::size_t i = left_out; i < found.size(); ++i)
    files.push_back({{"name", found[i].name}, {"bytes", found[i].bytes}, {"modified", utc(found[i].modified)}});
  return {{"files", files}, {"left_out", left_out}};
}

Json lock(const std::string& path) {
  Json shown = Json::object();
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return {{"unreadable", reason_of(errno)}};
  // For an instant; who takes one tries again.
  shown["held"] = ::flock(fd, LOCK_SH | LOCK_NB) != 0;
  ::close(fd);
  if (const auto read = read_some(path, 4096); read.is_ok()) {
    if (const auto holder = parse_json(read->text); holder.is_ok()) shown["last_holder"] = *holder;
  }
  return shown;
}

}  // namespace

// Once: to open one in an object store is several requests.
Result<lake::Lake*> SupportTables::open_lake() {
  if (!opened_) {
    config::PipelineConfig place;
    place.lake = pipeline_.lake;
    if (pipeline_.config) place.storage = pipeline_.config->storage;
    INLET_ASSIGN_OR_RETURN(opened_, open_existing_lake(place));
  }
  return opened_.get();
}

Status SupportTables::summaries() {
  INLET_ASSIGN_OR_RETURN(auto* const lake, open_lake());
  INLET_ASSIGN_OR_RETURN(const auto tables, summarize_tables(*lake));
  return parts_.put_document("tables.json", tables_json(tables));
}

void SupportTables::keep_most(std::vector<std::string>& tables) {
  if (tables.size() <= kMostTables) return;
  parts_.problem("tables", std::to_string(tables.size() - kMostTables) + " of them are left out");
  tables.resize(kMostTables);
}

Status SupportTables::logs() {
  const bool is_in_store = is_url(pipeline_.lake);
  std::vector<std::string> names;
  if (is_in_store) {
    INLET_ASSIGN_OR_RETURN(auto* const lake, open_lake());
    INLET_ASSIGN_OR_RETURN(names, lake->tables());
  } else {
    names = find_tables(pipeline_.lake, [&](const Status& why) { parts_.problem("tables", why.to_line()); });
  }
  keep_most(names);
  for (const auto& name : names) parts_.make("tables/" + name, [&] { return is_in_store ? history(name) : log(name); });
  return Status::ok();
}

// What the newest commits say, without the files they name.
Status SupportTables::history(const std::string& name) {
  INLET_ASSIGN_OR_RETURN(auto* const lake, open_lake());
  INLET_ASSIGN_OR_RETURN(const auto table, lake->open(name));
  INLET_ASSIGN_OR_RETURN(const auto newest, table->history(commits_));
  Json history = Json::array();
  for (const auto& entry : newest) {
    history.push_back(history_json(entry));
    for (const char* const said : {"parameters", "info"}) history.back().erase(said);  // predicates, users
  }
  return parts_.put_document("tables/" + name + "/history.json", history);
}

Status SupportTables::log(const std::string& table) {
  const std::string directory = pipeline_.lake + "/" + table + "/_delta_log";
  const std::string place = "tables/" + table + "/_delta_log/";
  INLET_ASSIGN_OR_RETURN(const auto files, list_files(directory, false));
  INLET_RETURN_IF_ERROR(parts_.put_document(place + "listing.json", listing(files)));
  std::vector<std::string> commits;
  for (const auto& file : files) {
    if (is_commit(file.name)) commits.push_back(file.name);
    if (file.name != "_last_checkpoint") continue;
    parts_.make(place + file.name, [&]() -> Status {
      INLET_ASSIGN_OR_RETURN(const auto read, read_some(directory + "/" + file.name, kMostOfSupportFile));
      INLET_ASSIGN_OR_RETURN(const auto parsed, parse_json(read.text));
      parts_.put(place + file.name, dump_json(mask_.clean(parsed)) + "\n", read.modified);
      return Status::ok();
    });
  }
  for (std::size_t i = commits.size() - std::min(commits.size(), commits_); i < commits.size(); ++i)
    parts_.make(place + commits[i], [&] { return commit(directory + "/" + commits[i], place + commits[i]); });
  return Status::ok();
}

Status SupportTables::commit(const std::string& path, const std::string& place) {
  INLET_ASSIGN_OR_RETURN(const auto read, read_some(path, kMostOfSupportFile));
  const auto shown = mask_.commit(read.text, kMostActions);
  if (read.text.empty()) parts_.problem(place, "the commit is empty");
  if (read.is_cut) parts_.problem(place, "cut: the commit is larger than 4 MiB");
  if (shown.damaged > 0)
    parts_.problem(place,
                   std::to_string(shown.damaged) + " lines of the commit are no JSON object; they are not copied");
  parts_.put(place, shown.text, read.modified);
  return Status::ok();
}

Status SupportTables::state() {
  const std::string directory = pipeline_.lake_root + "/_inlet";
  INLET_ASSIGN_OR_RETURN(const auto files, list_files(directory, true));
  INLET_RETURN_IF_ERROR(parts_.put_document("state/listing.json", listing(files)));
  Json locks = Json::object();
  for (const auto& file : files) {
    if (file.name.ends_with(".lock")) locks[file.name] = lock(directory + "/" + file.name);
    if (fs::path(file.name).filename() != "state.json") continue;
    parts_.make("state/" + file.name, [&] { return manifest(directory, file.name); });
  }
  return parts_.put_document("state/locks.json", locks);
}

Status SupportTables::manifest(const std::string& directory, const std::string& name) {
  INLET_ASSIGN_OR_RETURN(const auto read, read_some(directory + "/" + name, kMostOfSupportFile));
  if (read.is_cut) return unreadable(directory + "/" + name, "it is larger than 4 MiB");
  INLET_ASSIGN_OR_RETURN(const auto parsed,
                         parse_json(read.text.substr(std::min(read.text.find('\n'), read.text.size()))));
  std::vector<std::string> columns;
  if (pipeline_.config) {
    const std::string view = fs::path(name).parent_path().filename().string();
    for (const auto& known : pipeline_.config->views)
      if (known.name == view) columns = known.partition_by;
  }
  return parts_.put_document("state/" + name, mask_.manifest(parsed, columns));
}

}  // namespace inlet::cli
