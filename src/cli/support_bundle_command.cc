#include "cli/support_bundle_command.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/format.h"
#include "base/json.h"
#include "base/log.h"
#include "base/storage_options.h"
#include "cli/history_command.h"
#include "cli/query_command.h"
#include "cli/status_command.h"
#include "cli/support_archive.h"
#include "cli/support_commits.h"
#include "cli/tables_command.h"
#include "config/keys.h"
#include "config/secrets.h"
#include "config/toml_document.h"
#include "lake/lock.h"
#include "serve/access.h"

namespace inlet::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostOfFile = std::size_t{4} << 20U;  // of one that is copied
constexpr std::size_t kMostInAll = std::size_t{64} << 20U;  // of all that is copied
constexpr std::size_t kMostActions = 1000;                  // of one commit
constexpr std::size_t kMostListed = 5000;                   // files of one directory
constexpr std::size_t kMostTables = 500;
constexpr int kDeepestTable = 5;

// Variables that the libraries of object stores take their secrets from.
constexpr std::array kStoreSecrets = {"AWS_ACCESS_KEY_ID",         "AWS_SECRET_ACCESS_KEY",    "AWS_SESSION_TOKEN",
                                      "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_KEY",
                                      "AZURE_STORAGE_SAS_TOKEN",   "AZURE_STORAGE_TOKEN",      "AZURE_CLIENT_SECRET",
                                      "GOOGLE_SERVICE_ACCOUNT_KEY"};

constexpr const char* kReadme =
    R"(What somebody who helps needs to see of an Inlet pipeline: made by `inlet support-bundle`.

problems.txt       what could not be read, and why; empty when everything could
pipeline.toml      the pipeline file, line for line
environment.txt    the INLET__ variables that are set: their names
versions.json      versions of Inlet and its libraries; kernel, cores, memory, disk, limits
check.json         as `inlet check --json`, without the source, and without a put into an object store
status.json        as `inlet status --json`
tables.json        as `inlet tables --json`
log/               the last lines that runs of this pipeline logged
tables/            of each table: the files of its _delta_log with sizes and times, and its newest commits; of one in an
                   object store, what `inlet history --json` says of those
state/             the files of the lake's _inlet directory, who holds its locks, and what the views have saved

Left out, and why
- Secrets. In pipeline.toml, values of keys that are not known to be harmless are <removed>: passwords, keys, tokens, user
  names, and whatever stands under a key that Inlet does not know. So are user and password of addresses. Comments are left
  out whole: a password that is commented out is one all the same. What was removed there or is set by a variable or flag is
  looked for, and removed, in every other file too, unless it is shorter than four characters.
- Rows. No data file is in here. Of commits, the smallest and largest values of columns are left out, and so are predicates
  and what other writers say of their users.
- Values of partitions. {values}

Still in here, so look before you pass it on: names of tables, columns, topics, servers and directories; the SQL of the
pipeline file with the values it names; the catalogue of a generator; host names and process ids; numbers of rows; and the
log lines as they were written, where a message may name one value, such as the group whose sum is too large.
)";

constexpr const char* kValuesNamed =
    R"(They stand in paths and commits as value-1, value-2, ...: the same name for the same value
  within this archive. Days and other times that a pipeline file partitions by are kept. --with-values keeps all.)";
constexpr const char* kValuesKept = "They are kept, and so are predicates: the archive was made with --with-values.";

std::string reason(int error) { return std::generic_category().message(error); }

Status unreadable(const std::string& path, const std::string& why) {
  return Status(StatusCode::kInternal, "bundle.unreadable", "cannot be read").at(path).because(why);
}

struct Text {
  std::string text;
  bool is_cut = false;
  std::time_t modified = 0;
};

// Of a regular file, no more than `most` bytes. `follow`: a link that the user named.
Result<Text> read_file(const std::string& path, std::size_t most, bool follow = false) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW));
  if (fd < 0) return unreadable(path, reason(errno));
  struct stat file {};
  Text read;
  int error = ::fstat(fd, &file) != 0 ? errno : 0;
  if (error == 0 && !S_ISREG(file.st_mode)) error = S_ISDIR(file.st_mode) ? EISDIR : EINVAL;
  read.modified = file.st_mtime;
  std::string block(std::size_t{1} << 16U, '\0');
  while (error == 0 && read.text.size() <= most) {
    const auto count = ::read(fd, block.data(), block.size());
    if (count < 0 && errno != EINTR) error = errno;
    if (count == 0) break;
    if (count > 0) read.text.append(block.data(), static_cast<std::size_t>(count));
  }
  ::close(fd);
  if (error != 0) return unreadable(path, reason(error));
  read.is_cut = read.text.size() > most;
  if (read.is_cut) read.text.resize(std::min(most, read.text.rfind('\n', most) + 1));
  return read;
}

struct Found {
  std::string name;
  std::uintmax_t bytes = 0;
  std::time_t modified = 0;
};

// The entries of a directory that are no directories, by name; with `below`, those in directories below it too.
Result<std::vector<Found>> list(const std::string& directory, bool below) {
  std::vector<Found> found;
  std::error_code failed;
  fs::recursive_directory_iterator entries(directory, fs::directory_options::skip_permission_denied, failed);
  for (; !failed && entries != fs::recursive_directory_iterator(); entries.increment(failed)) {
    if (!below) entries.disable_recursion_pending();
    struct stat file {};
    // One that went in the meantime is not listed.
    if (::lstat(entries->path().c_str(), &file) != 0 || S_ISDIR(file.st_mode)) continue;
    found.push_back({entries->path().string().substr(directory.size() + 1), static_cast<std::uintmax_t>(file.st_size),
                     file.st_mtime});
  }
  if (failed) return unreadable(directory, failed.message());
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.name < b.name; });
  return found;
}

std::string utc(std::time_t time) { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(time)); }

// The newest names where there are too many: those of a log say their order.
Json listing(const std::vector<Found>& found, const RowValueMask& mask) {
  Json files = Json::array();
  const std::size_t left_out = found.size() - std::min(found.size(), kMostListed);
  for (std::size_t i = left_out; i < found.size(); ++i)
    files.push_back({{"name", found[i].name}, {"bytes", found[i].bytes}, {"modified", utc(found[i].modified)}});
  return mask.clean({{"files", files}, {"left_out", left_out}});
}

void collect_tables(const std::string& root, const std::string& prefix, int depth, std::vector<std::string>& names,
                    const std::function<void(const std::string&, const std::string&)>& problem) {
  std::error_code failed;
  fs::directory_iterator entries(root + "/" + prefix, failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    const std::string name = entries->path().filename().string();
    std::error_code ignored;
    if (name.front() == '_' || name.front() == '.' || !entries->is_directory(ignored)) continue;
    if (fs::exists(entries->path() / "_delta_log", ignored)) {
      names.push_back(prefix + name);
    } else if (depth < kDeepestTable) {
      collect_tables(root, prefix + name + "/", depth + 1, names, problem);
    }
  }
  if (failed) problem("tables", unreadable(root + "/" + prefix, failed.message()).to_line());
}

bool is_commit(const std::string& name) {
  constexpr std::size_t kDigits = 20;
  return name.size() == kDigits + 5 && name.ends_with(".json") &&
         std::all_of(name.begin(), name.begin() + kDigits, [](unsigned char c) { return std::isdigit(c) != 0; });
}

// A name that every program for archives, on every system, can make a file of.
std::string portable(std::string_view path) {
  std::string name;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = std::isalnum(byte) != 0 || std::string_view("/._-=#,@+").find(c) != std::string_view::npos;
    name += is_plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return name;
}

std::string text_at(const config::TomlValue& document, const std::string& table, const std::string& key) {
  for (const auto& entry : document.entries) {
    if (entry.key != table) continue;
    for (const auto& inner : entry.value.entries)
      if (inner.key == key && inner.value.kind == config::TomlValue::Kind::kText) return inner.value.text;
  }
  return {};
}

Json limit(rlim_t value) { return value == RLIM_INFINITY ? Json("unlimited") : Json(value); }

std::string first_line(const std::string& path) {
  const auto read = read_file(path, 4096, true);
  return read ? read->text.substr(0, read->text.find('\n')) : std::string();
}

class Bundle {
 public:
  Bundle(const std::string& file, const config::LoadOptions& options, const SupportBundleCommand& command)
      : file_(file), options_(options), command_(command) {}

  Result<Json> write() {
    now_ = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    read_pipeline();
    const std::string folder =
        "inlet-support-" + portable_name(name_) + "-" + fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(now_));
    const std::string path = command_.output_file.empty() ? folder + ".tar.gz" : command_.output_file;
    INLET_ASSIGN_OR_RETURN(const auto archive, SupportArchive::create(path, command_.force));

    make("environment.txt", [&] { return environment(); });
    make("versions.json", [&] { return versions(); });
    if (lake_.empty()) {
      problem("lake", "where it is could not be found out; name it with --lake DIR");
    } else if (is_url(lake_)) {
      documents();
      make("log", [&] { return logs(); });
      make("tables", [&] { return histories(); });
      make("state", [&] { return state(); });
    } else if (std::error_code failed; !fs::is_directory(lake_, failed)) {
      problem("lake",
              lake_ + " is no directory that can be read: " + (failed ? failed.message() : "it is something else"));
    } else {
      documents();
      make("log", [&] { return logs(); });
      make("tables", [&] { return tables(); });
      make("state", [&] { return state(); });
    }
    std::string said;
    for (const auto& line : problems_) said += line + "\n";
    parts_.insert(parts_.begin(), {"problems.txt", said, now_});
    std::string readme = kReadme;
    const std::string mark = "{values}";
    readme.replace(readme.find(mark), mark.size(), command_.with_values ? kValuesKept : kValuesNamed);
    parts_.insert(parts_.begin(), {"README.txt", readme, now_});

    for (const auto& part : parts_)
      INLET_RETURN_IF_ERROR(archive->add(folder + "/" + portable(part.path), part.text, part.modified));
    INLET_RETURN_IF_ERROR(archive->finish());
    return report_on(path, *archive);
  }

 private:
  struct Part {
    std::string path;
    std::string text;
    std::time_t modified = 0;
  };

  static std::string portable_name(std::string_view name) {
    std::string plain = portable(name);
    std::replace(plain.begin(), plain.end(), '/', '_');
    return plain;
  }

  void problem(const std::string& part, const std::string& why) {
    const std::string line = part + ": " + (mask_ ? mask_->clean(Json(why)).get<std::string>() : secrets_(why));
    problems_.push_back(line);
    log::warn("support-bundle", "{}", line);
  }

  // One part, whatever becomes of it: the others are made all the same.
  void make(const std::string& part, const std::function<Status()>& maker) {
    try {
      if (const Status status = maker(); !status.is_ok()) problem(part, status.to_line());
    } catch (const std::exception& e) {
      problem(part, e.what());
    }
  }

  void put(std::string path, std::string text, std::optional<std::time_t> modified = {}) {
    if (text.size() > kMostInAll - std::min(kMostInAll, bytes_)) {
      if (!is_full_) problem(path, "left out, and what comes after it: the archive would be too large");
      is_full_ = true;
      return;
    }
    bytes_ += text.size();
    parts_.push_back({std::move(path), std::move(text), modified.value_or(now_)});
  }

  // Indented: for people.
  Status document(const std::string& path, const Result<Json>& made) {
    INLET_RETURN_IF_ERROR(made.status());
    put(path, mask_->clean(*made).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    return Status::ok();
  }

  // What the commands say of the lake.
  void documents() {
    if (config_) {
      make("status.json", [&] { return document("status.json", status_document(*config_)); });
      make("check.json", [&] { return document("check.json", check_document(*config_)); });
    }
    make("tables.json", [&] { return tables_document(); });
  }

  // The pipeline file, and from it what the others need: secrets first.
  void read_pipeline() {
    secrets_.add(config::secrets_of(options_));
    for (const char* const name : kStoreSecrets) {
      if (const char* const value = std::getenv(name); value != nullptr) secrets_.add(value);  // NOLINT: one thread
    }
    const auto text = read_file(file_, kMostOfFile, true);
    std::string token_file;
    if (text) {
      auto shown = config::shown_pipeline(text->text);
      secrets_.add(shown.secrets);
      const auto parsed = config::parse_toml(text->text);
      if (const auto* document = std::get_if<config::TomlValue>(&parsed)) {
        lake_ = text_at(*document, "lake", "path");
        name_ = text_at(*document, "pipeline", "name");
        token_file = text_at(*document, "serve", "token_file");
      }
      if (!shown.is_whole) problem("pipeline.toml", "an outline only: the file is no valid TOML");
      pipeline_text_ = std::move(shown.text);
    } else {
      problem("pipeline.toml", text.status().to_line());
    }
    for (const auto& [variable, value] : options_.environment)
      take(config::key_of_variable(variable), value, token_file);
    for (const auto& [key, value] : options_.overrides) take(key, value, token_file);
    if (!token_file.empty()) {
      if (const auto token = serve::read_token(token_file); token.is_ok()) secrets_.add(*token);
    }

    auto outcome = config::load_pipeline(file_, options_);
    RowValueMask::Options mask;
    mask.keep_values = command_.with_values;
    if (outcome.config) {
      config_ = std::move(outcome.config);
      lake_ = config_->lake;
      name_ = config_->name;
      const auto& partition = config_->bronze.partition_by;
      if (partition && partition->function != config::DerivedColumn::Function::kIdentity)
        mask.plain.insert(partition->name);
    }
    mask.secrets = secrets_;
    mask_.emplace(std::move(mask));
    if (text) {
      for (const auto& wrong : outcome.problems)
        problem("pipeline file", Status(StatusCode::kInvalidArgument, wrong).to_line());
    }
    if (name_.empty()) name_ = fs::path(file_).stem().string();
    if (!lake_.empty() && !is_url(lake_)) {
      std::error_code failed;
      fs::path absolute = fs::absolute(lake_, failed).lexically_normal();
      if (!absolute.has_filename()) absolute = absolute.parent_path();
      if (!failed) lake_ = absolute.string();
    }
    root_ = lake::local_root(lake_, config_ ? config_->storage : StorageOptions());
    if (pipeline_text_) put("pipeline.toml", secrets_(*pipeline_text_));
  }

  void take(const std::string& key, const std::string& value, std::string& token_file) {
    if (key == "lake.path") lake_ = value;
    if (key == "pipeline.name") name_ = value;
    if (key == "serve.token_file") token_file = value;
  }

  Status environment() {
    std::string names;
    for (const auto& [variable, value] : options_.environment) names += secrets_(variable) + "\n";
    put("environment.txt", names.empty() ? "No INLET__ variable is set.\n" : names);
    return Status::ok();
  }

  Status versions() {
    Json versions = version_document();
    utsname system{};
    if (::uname(&system) == 0) {
      versions["kernel"] = std::string(system.sysname) + " " + system.release;
      versions["machine"] = system.machine;
    }
    versions["cores"] = std::thread::hardware_concurrency();
    struct sysinfo memory {};
    if (::sysinfo(&memory) == 0) {
      versions["memory_bytes"] = static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit;
      versions["uptime_seconds"] = memory.uptime;
    }
    for (const auto& [name, path] : {std::pair("cgroup_memory_max", "/sys/fs/cgroup/memory.max"),
                                     std::pair("cgroup_cpu_max", "/sys/fs/cgroup/cpu.max")}) {
      if (const std::string line = first_line(path); !line.empty()) versions[name] = line;
    }
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0)
      versions["open_files"] = {{"soft", limit(files.rlim_cur)}, {"hard", limit(files.rlim_max)}};
    struct statfs disk {};
    if (!root_.empty() && ::statfs(root_.c_str(), &disk) == 0) {
      versions["lake"] = {{"path", lake_},
                          {"file_system", fmt::format("0x{:x}", static_cast<std::uint64_t>(disk.f_type))},
                          {"free_bytes", static_cast<std::uint64_t>(disk.f_bavail) * disk.f_bsize},
                          {"bytes", static_cast<std::uint64_t>(disk.f_blocks) * disk.f_bsize},
                          {"free_inodes", disk.f_ffree},
                          {"writable", ::access(root_.c_str(), W_OK | X_OK) == 0}};
    }
    versions["made_at"] = utc(now_);
    return document("versions.json", versions);
  }

  // Once: to open one in an object store is several requests.
  Result<lake::Lake*> open_lake() {
    if (!opened_) {
      config::PipelineConfig place;
      place.lake = lake_;
      if (config_) place.storage = config_->storage;
      INLET_ASSIGN_OR_RETURN(opened_, open_existing_lake(place));
    }
    return opened_.get();
  }

  Status tables_document() {
    INLET_ASSIGN_OR_RETURN(auto* const lake, open_lake());
    INLET_ASSIGN_OR_RETURN(const auto tables, summarize_tables(*lake));
    return document("tables.json", tables_json(tables));
  }

  Status logs() {
    const std::string log = lake::pipeline_log_path(root_, name_);
    bool is_any = false;
    for (const std::string& path : {log + ".1", log}) {
      std::error_code ignored;
      if (!fs::exists(path, ignored)) continue;
      is_any = true;
      make("log", [&]() -> Status {
        INLET_ASSIGN_OR_RETURN(const auto read, read_file(path, kMostOfFile));
        std::string lines;
        for (std::string_view rest = read.text; !rest.empty();) {
          const auto line = rest.substr(0, rest.find('\n'));
          rest.remove_prefix(std::min(line.size() + 1, rest.size()));
          const auto parsed = parse_json(line);
          lines += (parsed.is_ok() ? dump_json(mask_->clean(*parsed)) : secrets_(line)) + "\n";
        }
        put("log/" + fs::path(path).filename().string(), std::move(lines), read.modified);
        return Status::ok();
      });
    }
    if (!is_any) problem("log", "no run has kept one here yet: " + log);
    return Status::ok();
  }

  Status tables() {
    std::vector<std::string> names;
    collect_tables(lake_, "", 0, names, [&](const std::string& part, const std::string& why) { problem(part, why); });
    std::sort(names.begin(), names.end());
    keep_most(names);
    for (const auto& name : names) make("tables/" + name, [&] { return table(name); });
    return Status::ok();
  }

  // Of a lake in an object store: what the newest commits say, without the files they name.
  Status histories() {
    INLET_ASSIGN_OR_RETURN(auto* const lake, open_lake());
    INLET_ASSIGN_OR_RETURN(auto names, lake->tables());
    keep_most(names);
    for (const auto& name : names) {
      make("tables/" + name, [&]() -> Status {
        INLET_ASSIGN_OR_RETURN(const auto table, lake->open(name));
        INLET_ASSIGN_OR_RETURN(const auto newest, table->history(static_cast<std::size_t>(command_.commits)));
        Json history = Json::array();
        for (const auto& entry : newest) {
          history.push_back(history_json(entry));
          for (const char* const said : {"parameters", "info"}) history.back().erase(said);  // predicates, users
        }
        return document("tables/" + name + "/history.json", history);
      });
    }
    return Status::ok();
  }

  void keep_most(std::vector<std::string>& tables) {
    if (tables.size() <= kMostTables) return;
    problem("tables", std::to_string(tables.size() - kMostTables) + " of them are left out");
    tables.resize(kMostTables);
  }

  Status table(const std::string& name) {
    const std::string directory = lake_ + "/" + name + "/_delta_log";
    const std::string place = "tables/" + name + "/_delta_log/";
    INLET_ASSIGN_OR_RETURN(const auto files, list(directory, false));
    INLET_RETURN_IF_ERROR(document(place + "listing.json", listing(files, *mask_)));
    std::vector<std::string> commits;
    for (const auto& file : files) {
      if (is_commit(file.name)) commits.push_back(file.name);
      if (file.name != "_last_checkpoint") continue;
      make(place + file.name, [&]() -> Status {
        INLET_ASSIGN_OR_RETURN(const auto read, read_file(directory + "/" + file.name, kMostOfFile));
        INLET_ASSIGN_OR_RETURN(const auto parsed, parse_json(read.text));
        put(place + file.name, dump_json(mask_->clean(parsed)) + "\n", read.modified);
        return Status::ok();
      });
    }
    const auto most = static_cast<std::size_t>(command_.commits);
    for (std::size_t i = commits.size() - std::min(commits.size(), most); i < commits.size(); ++i)
      make(place + commits[i], [&] { return commit(directory + "/" + commits[i], place + commits[i]); });
    return Status::ok();
  }

  Status commit(const std::string& path, const std::string& place) {
    INLET_ASSIGN_OR_RETURN(const auto read, read_file(path, kMostOfFile));
    const auto shown = mask_->commit(read.text, kMostActions);
    if (read.text.empty()) problem(place, "the commit is empty");
    if (read.is_cut) problem(place, "cut: the commit is larger than 4 MiB");
    if (shown.damaged > 0)
      problem(place, std::to_string(shown.damaged) + " lines of the commit are no JSON object; they are not copied");
    put(place, shown.text, read.modified);
    return Status::ok();
  }

  Status state() {
    const std::string directory = root_ + "/_inlet";
    INLET_ASSIGN_OR_RETURN(const auto files, list(directory, true));
    INLET_RETURN_IF_ERROR(document("state/listing.json", listing(files, *mask_)));
    Json locks = Json::object();
    for (const auto& file : files) {
      if (file.name.ends_with(".lock")) locks[file.name] = lock(directory + "/" + file.name);
      if (fs::path(file.name).filename() != "state.json") continue;
      make("state/" + file.name, [&] { return manifest(directory, file.name); });
    }
    return document("state/locks.json", locks);
  }

  static Json lock(const std::string& path) {
    Json shown = Json::object();
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return {{"unreadable", reason(errno)}};
    // For an instant; who takes one tries again.
    shown["held"] = ::flock(fd, LOCK_SH | LOCK_NB) != 0;
    ::close(fd);
    if (const auto read = read_file(path, 4096); read.is_ok()) {
      if (const auto holder = parse_json(read->text); holder.is_ok()) shown["last_holder"] = *holder;
    }
    return shown;
  }

  Status manifest(const std::string& directory, const std::string& name) {
    INLET_ASSIGN_OR_RETURN(const auto read, read_file(directory + "/" + name, kMostOfFile));
    if (read.is_cut) return unreadable(directory + "/" + name, "it is larger than 4 MiB");
    INLET_ASSIGN_OR_RETURN(const auto parsed,
                           parse_json(read.text.substr(std::min(read.text.find('\n'), read.text.size()))));
    std::vector<std::string> columns;
    if (config_) {
      const std::string view = fs::path(name).parent_path().filename().string();
      for (const auto& known : config_->views)
        if (known.name == view) columns = known.partition_by;
    }
    return document("state/" + name, mask_->manifest(parsed, columns));
  }

  Result<Json> report_on(const std::string& path, const SupportArchive& archive) const {
    std::error_code failed;
    const auto size = fs::file_size(path, failed);
    Json entries = Json::array();
    for (const auto& entry : archive.entries()) entries.push_back({{"path", entry.path}, {"bytes", entry.bytes}});
    Json left_out = {"secrets and comments of the pipeline file", "values of variables",
                     "rows and the values of columns"};
    if (!command_.with_values) left_out.push_back("values of partitions (--with-values keeps them)");
    return Json{{"file", path},
                {"bytes", failed ? Json(nullptr) : Json(size)},
                {"entries", entries},
                {"left_out", left_out},
                {"problems", problems_}};
  }

  const std::string& file_;
  const config::LoadOptions& options_;
  const SupportBundleCommand& command_;
  std::time_t now_ = 0;
  std::optional<config::PipelineConfig> config_;  // absent: the pipeline file is wrong
  std::string lake_;                              // directory or URL; empty: not known
  std::string root_;                              // the local directory of it
  std::unique_ptr<lake::Lake> opened_;
  std::string name_;
  std::optional<std::string> pipeline_text_;
  config::SecretRemover secrets_;
  std::optional<RowValueMask> mask_;
  std::vector<Part> parts_;
  std::vector<std::string> problems_;
  std::size_t bytes_ = 0;
  bool is_full_ = false;
};

}  // namespace

ExitCode run_support_bundle(const std::string& pipeline_file, const config::LoadOptions& options,
                            const SupportBundleCommand& command) {
  const auto written = Bundle(pipeline_file, options, command).write();
  if (!written) {
    const ExitCode code = report(written.status(), command.output);
    return code == kExitConfiguration ? kExitRuntime : code;
  }
  if (command.output == Output::kJson) {
    fmt::print("{}\n", dump_json(*written));
    return kExitOk;
  }
  const auto& bytes = written->at("bytes");
  fmt::print("{}   {}, {} files\n", written->at("file").get<std::string>(),
             bytes.is_number() ? size_text(bytes.get<std::int64_t>()) : "-", written->at("entries").size());
  for (const auto& entry : written->at("entries")) {
    const auto path = entry.at("path").get<std::string>();
    fmt::print("  {:>10}  {}\n", size_text(entry.at("bytes").get<std::int64_t>()), path.substr(path.find('/') + 1));
  }
  fmt::print("left out:\n");
  for (const auto& what : written->at("left_out")) fmt::print("  {}\n", what.get<std::string>());
  if (!written->at("problems").empty())
    fmt::print("{} things could not be read: see problems.txt in it\n", written->at("problems").size());
  fmt::print("README.txt in it says what is still there: look before you pass it on\n");
  return kExitOk;
}

}  // namespace inlet::cli
