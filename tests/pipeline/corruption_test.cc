// One file of a lake damaged at random, a thousand times: a query, one of an old version, a verification and a restart
// of the views tell of it, or say exactly what they said before. Never other rows.
//
// Damage: a flipped bit, a changed byte, a changed digit, a cut, a stretch of zeros; in data files, commits,
// checkpoints, `_last_checkpoint`, checksum files, ours and another writer's, saved states and their manifest.
// INLET_CORRUPTION_SEED=N runs that case alone, INLET_CORRUPTION_CASES=N as many as wanted from there on.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "query/query_session.h"
#include "tests/views/kept_views.h"
#include "views/state_files.h"

namespace inlet::views {
namespace {

namespace fs = std::filesystem;
using Random = std::mt19937_64;

constexpr std::uint64_t kFirstSeed = 1;
constexpr std::size_t kCases = 1'020;
constexpr std::size_t kSlices = 6;

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::size_t below(Random& random, std::size_t limit) { return static_cast<std::size_t>(random() % limit); }

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// The newest version that `log` has a checkpoint of; -1: none.
long newest_checkpoint(const fs::path& log) {
  long newest = -1;
  for (const auto& entry : fs::directory_iterator(log)) {
    const std::string name = entry.path().filename().string();
    if (name.find(".checkpoint.") != std::string::npos) newest = std::max(newest, std::stol(name));
  }
  return newest;
}

// What a file is for, by its path in the lake.
std::string kind_of(const fs::path& path) {
  const std::string name = path.filename().string();
  const bool is_log = path.parent_path().filename() == "_delta_log";
  if (is_log && name == "_last_checkpoint") return name;
  if (is_log && name.find(".checkpoint.") != std::string::npos) return "checkpoint";
  if (is_log && path.extension() == ".crc")
    return bytes_of(path).find("inletDigest") == std::string::npos ? "another's checksum file" : "checksum file";
  if (is_log) return std::stol(name) > newest_checkpoint(path.parent_path()) ? "newest commit" : "commit";
  if (name == "state.json") return "state manifest";
  if (path.string().find("/silver/") != std::string::npos) return "view's file";
  if (path.string().find("/bronze/") != std::string::npos) return "bronze file";
  return path.extension() == ".parquet" ? "state" : "";
}

struct Damage {
  std::string what;
  std::string bytes;
};

Damage damaged(Random& random, const std::string& whole) {
  Damage damage{"", whole};
  const std::size_t at = below(random, whole.size());
  const auto told = [&](const std::string& what) { damage.what = what + " at " + std::to_string(at); };
  std::vector<std::size_t> digits;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (std::isdigit(static_cast<unsigned char>(whole[i])) != 0) digits.push_back(i);
  }
  switch (below(random, 6)) {
    case 0:
      damage.bytes.resize(at);
      told("cut");
      break;
    case 1:
      damage.bytes[at] = static_cast<char>(static_cast<unsigned char>(whole[at]) + 1 + below(random, 255));
      told("another byte");
      break;
    case 2: {
      const std::size_t digit = digits.empty() ? at : digits[below(random, digits.size())];
      damage.bytes[digit] = static_cast<char>('0' + (whole[digit] - '0' + 1 + static_cast<int>(below(random, 9))) % 10);
      if (digits.empty()) damage.bytes[digit] = static_cast<char>(whole[digit] ^ 1);
      damage.what = "another digit at " + std::to_string(digit);
      break;
    }
    case 3:
      for (std::size_t i = at; i < std::min(whole.size(), at + 64); ++i) damage.bytes[i] = 0;
      told("zeros");
      break;
    default:
      damage.bytes[at] = static_cast<char>(static_cast<unsigned char>(whole[at]) ^ (1U << below(random, 8)));
      told("a bit");
  }
  return damage;
}

class SlowCorruption : public KeptViews, public ::testing::WithParamInterface<std::size_t> {
 protected:
  SlowCorruption() {
    add_view("days",
             "SELECT day, client, count(*) AS n, sum(amount) AS total, avg(amount) AS a, count(DISTINCT country) AS c, "
             "min(country) AS least, arg_max(country, sold_at) AS latest FROM sales GROUP BY day, client",
             {"day"});
    add_view("countries", "SELECT country, count(*) AS n, max(amount) AS most FROM sales GROUP BY country");
    for (int version = 0; version < 26; ++version) append_some();
    EXPECT_EQ(keep().to_line(), Status::ok().to_line());
    // Later versions are for a restart to catch up with.
    before_ = shown(root_);
    for (int version = 0; version < 6; ++version) append_some();
    write_checksum_file("silver/countries");
    bronze_ = lake_->open("bronze/sales").value();
    before_[0] = shown(root_)[0];
    for (std::int64_t version = 0; version <= bronze_->snapshot()->version().value; ++version)
      bronze_at_.push_back(shown(root_, "bronze/sales/", bronze_at(version))[0]);
    const auto copy = copy_of_lake();
    EXPECT_EQ(restart(copy).to_line(), Status::ok().to_line());
    after_ = shown(copy);
    fs::remove_all(copy);
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (!entry.is_regular_file() || entry.file_size() == 0) continue;
      if (const auto kind = kind_of(entry.path()); !kind.empty())
        files_[kind].push_back(fs::relative(entry.path(), root_));
    }
    for (auto& [kind, files] : files_) std::sort(files.begin(), files.end());
  }

  // A few hundred sales of three days and some.
  void append_some() {
    const std::string first = std::to_string(offset_);
    offset_ += 120;
    append(
        "SELECT range % 7 AS client, 'c' || range % 5 AS country, (range * 7919 % 100000) / 100 AS amount, 1 AS "
        "weight, "
        "TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_seconds(range * 300) AS sold_at, 'kafka:t' AS _source, "
        "0 AS _partition, range AS _offset FROM range(" +
        first + ", " + std::to_string(offset_) + ")");
  }

  // As Spark leaves one beside each commit; the kernel takes the table's metadata from it.
  void write_checksum_file(const std::string& name_of_table) {
    const auto table = lake_->open(name_of_table).value();
    std::int64_t bytes = 0;
    const auto files = table->snapshot()->files().value();
    for (const auto& file : files) bytes += file.bytes;
    const auto log = fs::path(table->directory()) / "_delta_log";
    std::istringstream first(bytes_of(log / "00000000000000000000.json"));
    std::string metadata;
    std::string protocol;
    for (std::string line; std::getline(first, line);) {
      if (line.starts_with("{\"metaData\":")) metadata = line.substr(1, line.size() - 2);
      if (line.starts_with("{\"protocol\":")) protocol = line.substr(1, line.size() - 2);
    }
    metadata.replace(0, std::string("\"metaData\"").size(), "\"metadata\"");
    char name[32];
    std::snprintf(name, sizeof name, "%020lld.crc", static_cast<long long>(table->snapshot()->version().value));
    std::ofstream(log / name) << "{\"tableSizeBytes\":" << bytes << ",\"numFiles\":" << files.size()
                              << ",\"numMetadata\":1,\"numProtocol\":1," << metadata << "," << protocol << "}";
  }

  fs::path copy_of_lake() {
    auto copy = root_;
    copy += "-case";
    fs::remove_all(copy);
    fs::copy(root_, copy, fs::copy_options::recursive | fs::copy_options::create_hard_links);
    return copy;
  }

  static constexpr std::array kTables{"bronze.sales", "silver.days", "silver.countries"};

  static query::TimeTravel bronze_at(std::int64_t version) {
    query::TimeTravel at;
    at.tables.emplace("bronze/sales", TableVersion{version});
    return at;
  }

  // What the tables hold, in few letters; or the error. "" for those that no file of is at `only`, if there is one.
  static std::vector<std::string> shown(const fs::path& root, const fs::path& only = {}, query::TimeTravel at = {}) {
    std::vector<std::string> all;
    const auto lake = lake::open_lake(root.string());
    if (!lake.is_ok()) return std::vector<std::string>(kTables.size(), "error " + lake.status().to_line());
    auto session = query::QuerySession::open(**lake, {.threads = 1, .at = std::move(at)});
    for (const std::string table : kTables) {
      std::string directory = table + "/";
      std::replace(directory.begin(), directory.end(), '.', '/');
      if (!only.empty() && !only.string().starts_with(directory)) {
        all.emplace_back();
        continue;
      }
      const auto asked = [&]() -> Result<std::string> {
        INLET_RETURN_IF_ERROR(session.status());
        const std::string columns = table == "bronze.sales" ? "*" : "* EXCLUDE (processing_time)";
        std::string sql = "SELECT count(*), sum(hash(t)::HUGEINT)::VARCHAR FROM (SELECT ";
        sql.append(columns).append(" FROM ").append(table).append(") t");
        INLET_ASSIGN_OR_RETURN(auto rows, (*session)->run(sql));
        INLET_ASSIGN_OR_RETURN(const auto count, rows.next());
        return count == 1 ? rows.text(0, 0) + " rows, " + (rows.is_null(0, 1) ? "" : rows.text(0, 1)) : "no answer";
      };
      const auto answer = asked();
      all.push_back(answer.is_ok() ? *answer : "error " + answer.status().to_line());
    }
    return all;
  }

  config::PipelineConfig config_of(const fs::path& root) const {
    auto config = config_;
    config.lake = root.string();
    return config;
  }

  Status restart(const fs::path& root) const {
    const auto config = config_of(root);
    INLET_ASSIGN_OR_RETURN(const auto engine, ViewEngine::start(config, schema(), Clock::system(), {}));
    return engine->finish([] { return false; });
  }

  // "": it was told, or harmless; otherwise what was silently wrong.
  std::string run(std::uint64_t seed) {
    Random random(seed);
    auto kind = files_.begin();
    std::advance(kind, static_cast<std::ptrdiff_t>(below(random, files_.size())));
    const fs::path& file = kind->second[below(random, kind->second.size())];
    const std::string whole = bytes_of(root_ / file);
    const Damage damage = damaged(random, whole);
    const auto copy = copy_of_lake();
    fs::remove(copy / file);
    std::ofstream(copy / file, std::ios::binary) << damage.bytes;
    const std::string where = file.string() + ": " + damage.what;

    bool is_told = false;
    const auto wrong = [&](const std::vector<std::string>& found, const std::vector<std::string>& expected) {
      std::string problem;
      for (std::size_t i = 0; i < kTables.size(); ++i) {
        const bool is_error = found[i].starts_with("error ");
        is_told = is_told || is_error;
        if (is_error && found[i].find("[lake.") == std::string::npos && found[i].find("[sql.") == std::string::npos)
          problem.append("\n  ").append(kTables[i]).append(": an error without a clear code: ").append(found[i]);
        if (!is_error && !found[i].empty() && found[i] != expected[i])
          problem.append("\n  ").append(kTables[i]).append(" has ").append(found[i] + ", expected " + expected[i]);
      }
      return problem;
    };
    // The other tables have the files they had.
    std::string problem = wrong(shown(copy, file), before_);
    if (problem.empty() && file.string().starts_with("bronze/") && chance(random, 50)) {
      const std::size_t version = below(random, bronze_at_.size());
      auto expected = before_;
      expected[0] = bronze_at_[version];
      problem = wrong(shown(copy, file, bronze_at(static_cast<std::int64_t>(version))), expected);
      if (!problem.empty()) problem += "\n  at version " + std::to_string(version);
    }
    // The views' own look at the tables, a restart, and what it left.
    const bool is_state = kind->first.starts_with("state");
    if (problem.empty() && chance(random, 15)) {
      const auto reports = verify_views(config_of(copy), schema(), {});
      if (reports.is_ok()) {
        for (const auto& report : *reports) {
          if (report.comparison.differences != 0) problem += "\n  " + report.view + " is said to differ";
        }
      }
      is_told = is_told || !reports.is_ok();
    }
    if (problem.empty() && (is_state || chance(random, 15))) {
      const Status restarted = restart(copy);
      is_told = is_told || !restarted.is_ok();
      const auto left = shown(copy);
      // A view that could not be brought level says what it said, and the restart that it was not.
      auto expected = after_;
      for (std::size_t i = 0; i < kTables.size(); ++i) {
        if (!restarted.is_ok() && left[i] == before_[i]) expected[i] = before_[i];
      }
      problem = wrong(left, expected);
      if (!problem.empty()) problem += "\n  after a restart: " + restarted.to_line();
    }
    fs::remove_all(copy);
    ++tally_[kind->first].cases;
    if (is_told) ++tally_[kind->first].told;
    return problem.empty() ? problem : where + problem;
  }

  static bool chance(Random& random, unsigned percent) { return random() % 100 < percent; }

  struct Tally {
    std::size_t cases = 0;
    std::size_t told = 0;
  };
  std::map<std::string, Tally> tally_;                  // by kind
  std::map<std::string, std::vector<fs::path>> files_;  // by kind
  std::vector<std::string> bronze_at_;                  // by version
  std::vector<std::string> before_;                     // the restart
  std::vector<std::string> after_;
  std::int64_t offset_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Slices, SlowCorruption, ::testing::Range<std::size_t>(0, kSlices));

TEST_P(SlowCorruption, of_a_file_is_told_or_harmless) {
  const auto alone = number_of("INLET_CORRUPTION_SEED", 0);
  const std::size_t all = number_of("INLET_CORRUPTION_CASES", alone == 0 ? kCases : kSlices);
  const std::uint64_t first = (alone == 0 ? kFirstSeed : alone) + GetParam() * (all / kSlices);
  std::cout << "seeds from " << first << " on\n";
  std::size_t failures = 0;
  for (std::uint64_t seed = first; seed < first + all / kSlices && failures < 5; ++seed) {
    const std::string problem = run(seed);
    EXPECT_EQ(problem, "") << "INLET_CORRUPTION_SEED=" << seed;
    failures += problem.empty() ? 0 : 1;
  }
  for (const auto& [kind, tally] : tally_)
    std::cout << kind << ": " << tally.told << " of " << tally.cases << " told\n";
  if (all < kCases) return;
  EXPECT_EQ(tally_.size(), 10U);
  // Every file of bronze is read, and every commit since the checkpoint; commits before it and caches that are not
  // needed are not. A commit whose digest lost its name is one without a digest.
  EXPECT_EQ(tally_["bronze file"].told, tally_["bronze file"].cases);
  EXPECT_GE(tally_["newest commit"].told * 10, tally_["newest commit"].cases * 8);
  // The newest one of a table is looked at.
  EXPECT_GT(tally_["checksum file"].told, 0U);
}

}  // namespace
}  // namespace inlet::views
