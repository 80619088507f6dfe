#include "cli/support_bundle_command.h"

#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "base/format.h"
#include "base/json.h"
#include "base/storage_options.h"
#include "cli/status_command.h"
#include "cli/support_archive.h"
#include "cli/support_commits.h"
#include "cli/support_files.h"
#include "cli/support_parts.h"
#include "cli/support_pipeline.h"
#include "cli/support_tables.h"
#include "cli/tables_command.h"
#include "lake/lock.h"

namespace inlet::cli {
namespace {

namespace fs = std::filesystem;

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

Json limit(rlim_t value) { return value == RLIM_INFINITY ? Json("unlimited") : Json(value); }

RowValueMask::Options mask_options(const SupportPipeline& pipeline, const SupportBundleCommand& command) {
  return {.keep_values = command.with_values, .plain = pipeline.times, .secrets = pipeline.secrets};
}

class Bundle {
 public:
  Bundle(const std::string& file, const config::LoadOptions& options, const SupportBundleCommand& command)
      : options_(options),
        command_(command),
        pipeline_(read_support_pipeline(file, options)),
        mask_(mask_options(pipeline_, command)) {}

  Result<Json> write() {
    const std::string folder =
        "inlet-support-" + portable_name(pipeline_.name) + "-" + fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(now_));
    const std::string path = command_.output_file.empty() ? folder + ".tar.gz" : command_.output_file;
    for (const auto& [part, why] : pipeline_.problems) parts_.problem(part, why);
    if (pipeline_.text) parts_.put("pipeline.toml", *pipeline_.text);
    INLET_ASSIGN_OR_RETURN(const auto archive, SupportArchive::create(path, command_.force));
    parts_.make("environment.txt", [&] { return environment(); });
    parts_.make("versions.json", [&] { return versions(); });
    if (lake_can_be_read()) add_lake();

    std::string said;
    for (const auto& line : parts_.problems()) said += line + "\n";
    parts_.put_first("problems.txt", said);
    std::string readme = kReadme;
    const std::string mark = "{values}";
    readme.replace(readme.find(mark), mark.size(), command_.with_values ? kValuesKept : kValuesNamed);
    parts_.put_first("README.txt", readme);

    for (const auto& part : parts_.all())
      INLET_RETURN_IF_ERROR(archive->add(folder + "/" + portable(part.path), part.text, part.modified));
    INLET_RETURN_IF_ERROR(archive->finish());
    return report_on(path, *archive);
  }

 private:
  static std::string portable_name(std::string_view name) {
    std::string plain = portable(name);
    std::replace(plain.begin(), plain.end(), '/', '_');
    return plain;
  }

  bool lake_can_be_read() {
    const std::string& lake = pipeline_.lake;
    std::error_code failed;
    if (lake.empty()) {
      parts_.problem("lake", "where it is could not be found out; name it with --lake DIR");
    } else if (!is_url(lake) && !fs::is_directory(lake, failed)) {
      parts_.problem(
          "lake", lake + " is no directory that can be read: " + (failed ? failed.message() : "it is something else"));
    } else {
      return true;
    }
    return false;
  }

  void add_lake() {
    if (const auto& config = pipeline_.config) {
      parts_.make("status.json", [&] { return parts_.put_document("status.json", status_document(*config)); });
      parts_.make("check.json", [&] { return parts_.put_document("check.json", check_document(*config)); });
    }
    SupportTables tables(pipeline_, static_cast<std::size_t>(command_.commits), mask_, parts_);
    parts_.make("tables.json", [&] { return tables.summaries(); });
    parts_.make("log", [&] { return logs(); });
    parts_.make("tables", [&] { return tables.logs(); });
    parts_.make("state", [&] { return tables.state(); });
  }

  Status environment() {
    std::string names;
    for (const auto& [variable, value] : options_.environment) names += pipeline_.secrets(variable) + "\n";
    parts_.put("environment.txt", names.empty() ? "No INLET__ variable is set.\n" : names);
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
    if (!pipeline_.lake_root.empty() && ::statfs(pipeline_.lake_root.c_str(), &disk) == 0) {
      versions["lake"] = {{"path", pipeline_.lake},
                          {"file_system", fmt::format("0x{:x}", static_cast<std::uint64_t>(disk.f_type))},
                          {"free_bytes", static_cast<std::uint64_t>(disk.f_bavail) * disk.f_bsize},
                          {"bytes", static_cast<std::uint64_t>(disk.f_blocks) * disk.f_bsize},
                          {"free_inodes", disk.f_ffree},
                          {"writable", ::access(pipeline_.lake_root.c_str(), W_OK | X_OK) == 0}};
    }
    versions["made_at"] = utc(now_);
    return parts_.put_document("versions.json", versions);
  }

  Status logs() {
    const std::string log = lake::pipeline_log_path(pipeline_.lake_root, pipeline_.name);
    bool is_any = false;
    for (const std::string& path : {log + ".1", log}) {
      std::error_code ignored;
      if (!fs::exists(path, ignored)) continue;
      is_any = true;
      parts_.make("log", [&]() -> Status {
        INLET_ASSIGN_OR_RETURN(const auto read, read_some(path, kMostOfSupportFile));
        std::string lines;
        for (std::string_view rest = read.text; !rest.empty();) {
          const auto line = rest.substr(0, rest.find('\n'));
          rest.remove_prefix(std::min(line.size() + 1, rest.size()));
          const auto parsed = parse_json(line);
          lines += (parsed.is_ok() ? dump_json(mask_.clean(*parsed)) : pipeline_.secrets(line)) + "\n";
        }
        parts_.put("log/" + fs::path(path).filename().string(), std::move(lines), read.modified);
        return Status::ok();
      });
    }
    if (!is_any) parts_.problem("log", "no run has kept one here yet: " + log);
    return Status::ok();
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
                {"problems", parts_.problems()}};
  }

  const std::time_t now_ = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const config::LoadOptions& options_;
  const SupportBundleCommand& command_;
  const SupportPipeline pipeline_;
  RowValueMask mask_;
  SupportParts parts_{mask_, now_};
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
