#include "views/state_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <set>

#include "base/fault_point.h"
#include "base/json.h"
#include "base/log.h"
#include "lake/commit_id.h"
#include "lake/durable_files.h"
#include "views/checksum.h"

namespace inlet::views {
namespace {

namespace fs = std::filesystem;

// Raised when what a file means changes; an older state is rebuilt.
constexpr int kFormat = 2;
constexpr const char* kManifest = "state.json";

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4U];
    text += kDigits[static_cast<unsigned char>(c) & 15U];
  }
  return text;
}

std::string unhex(std::string_view text) {
  const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes += static_cast<char>((digit(text[i]) << 4U) | digit(text[i + 1]));
  return bytes;
}

Status damaged(const std::string& what) { return {StatusCode::kCorruption, "view.state_damaged", what}; }

constexpr const char* kRow = "r";

// k0…, p0…; the pairs restore the distinct counts.
Schema without_distinct_counts(const ViewPlan& plan) {
  Schema schema = plan.state;
  schema.columns.resize(schema.columns.size() - plan.distinct_counts.size());
  return schema;
}

Schema with_row(Schema schema) {
  schema.columns.push_back({kRow, {TypeKind::kBigint}, false});
  return schema;
}

std::vector<duck::DataChunk> numbered_rows(const PartitionState& partition, const ViewPlan& plan) {
  const Schema schema = with_row(plan.state);
  std::vector<duck::DataChunk> chunks;
  for (std::size_t begin = 0; begin < partition.rows(); begin += duck::DataChunk::kCapacity) {
    const std::size_t end = std::min(begin + duck::DataChunk::kCapacity, partition.rows());
    auto& chunk = chunks.emplace_back(schema);
    partition.write_rows(begin, end, chunk);
    auto* numbers = chunk.values<std::int64_t>(plan.state.columns.size());
    std::iota(numbers, numbers + (end - begin), static_cast<std::int64_t>(begin));
  }
  return chunks;
}

// At n of the result: where in `numbers` n stands. Corruption where it does not, exactly once.
Result<std::vector<std::uint32_t>> inverse(const std::vector<std::int64_t>& numbers) {
  constexpr std::uint32_t kNowhere = ~0U;
  std::vector<std::uint32_t> places(numbers.size(), kNowhere);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto number = static_cast<std::size_t>(numbers[i]);
    if (number >= places.size() || places[number] != kNowhere) return damaged("its rows are not numbered one by one");
    places[number] = static_cast<std::uint32_t>(i);
  }
  return places;
}

std::string column_list(const Schema& schema) {
  std::string list;
  for (const auto& column : schema.columns) list += (list.empty() ? "" : ", ") + duck::quote_identifier(column.name);
  return list;
}

}  // namespace

// ---- saving ---------------------------------------------------------------------------------------------------------

StateFiles::Pending StateFiles::prepare(ViewState& state, const ViewPlan& plan, const BronzePosition& bronze) {
  Pending pending;
  pending.bronze = bronze;
  for (auto& [key, partition] : state.partitions()) {
    auto& copy = pending.partitions.emplace_back();
    copy.key = key;
    copy.is_unpublished = partition.is_unpublished;
    copy.is_unsaved = partition.is_unsaved;
    if (!partition.is_unsaved) continue;
    copy.rows = numbered_rows(partition.rows, plan);
    for (std::size_t i = 0; i < plan.distinct_counts.size(); ++i)
      copy.distinct.push_back(partition.rows.distinct_pairs(i));
    partition.is_unsaved = false;
  }
  return pending;
}

Result<StateFiles::File> StateFiles::write_file(duck::Connection& connection, const Schema& schema,
                                                const Schema& chunks_schema,
                                                const std::vector<duck::DataChunk>& chunks) {
  File file;
  std::vector<const duck::DataChunk*> pointers;
  for (const auto& chunk : chunks) pointers.push_back(&chunk);
  if (pointers.empty()) return file;  // no pair at all: no file
  connection.bind_chunks({chunks_schema, pointers});
  duck::ParquetOptions options;
  options.directory = directory_;
  options.file_name_pattern = lake::new_uuid();
  options.compression = "lz4_raw";
  auto written = duck::copy_to_parquet(connection, "SELECT " + column_list(schema) + " FROM inlet_chunks()", options);
  connection.unbind_chunks();
  INLET_RETURN_IF_ERROR(written.status());
  if (written->size() != 1) return Status(StatusCode::kInternal, "view.state", "the state was not written as one file");
  file.name = fs::path(written->front().path).filename().string();
  file.bytes = written->front().bytes;
  INLET_ASSIGN_OR_RETURN(file.checksum, checksum_of_file(written->front().path));
  last_bytes_ += file.bytes;
  return file;
}

Status StateFiles::save(duck::Connection& connection, const Pending& pending) {
  last_bytes_ = 0;
  INLET_RETURN_IF_ERROR(lake::create_directories_durably(directory_));
  std::map<std::string, SavedPartition> saved;
  std::vector<std::string> fresh;
  const Schema row_schema = with_row(without_distinct_counts(plan_));
  const Schema row_chunks = with_row(plan_.state);
  for (const auto& partition : pending.partitions) {
    if (!partition.is_unsaved) {
      const auto before = saved_.find(partition.key);
      if (before == saved_.end())
        return {StatusCode::kInternal, "view.state", "a partition that counts as saved was never written"};
      saved.emplace(*before);
      continue;
    }
    SavedPartition now;
    INLET_ASSIGN_OR_RETURN(now.rows, write_file(connection, row_schema, row_chunks, partition.rows));
    fresh.push_back(now.rows.name);
    for (std::size_t i = 0; i < partition.distinct.size(); ++i) {
      const Schema pairs = PartitionState::pair_schema(plan_, i);
      INLET_ASSIGN_OR_RETURN(now.distinct.emplace_back(), write_file(connection, pairs, pairs, partition.distinct[i]));
      if (!now.distinct.back().name.empty()) fresh.push_back(now.distinct.back().name);
    }
    saved.emplace(partition.key, std::move(now));
  }
  INLET_RETURN_IF_ERROR(lake::flush_files(directory_, fresh));
  INLET_FAULT_POINT("views.before_state_manifest");
  std::swap(saved_, saved);
  if (auto written = write_manifest(pending); !written.is_ok()) {
    std::swap(saved_, saved);
    return written;
  }
  INLET_FAULT_POINT("views.after_state_manifest");
  delete_unnamed();
  return Status::ok();
}

Status StateFiles::write_manifest(const Pending& pending) {
  const auto file_json = [](const File& file) {
    return Json{{"file", file.name}, {"bytes", file.bytes}, {"checksum", file.checksum}};
  };
  Json partitions = Json::array();
  for (const auto& partition : pending.partitions) {
    const auto& saved = saved_.at(partition.key);
    Json distinct = Json::array();
    for (const auto& file : saved.distinct) distinct.push_back(file_json(file));
    partitions.push_back({{"key", hex(partition.key)},
                          {"published", !partition.is_unpublished},
                          {"rows", file_json(saved.rows)},
                          {"distinct", std::move(distinct)}});
  }
  Json manifest{{"format", kFormat},
                {"fingerprint", plan_.fingerprint},
                {"bronze",
                 {{"tableId", pending.bronze.table_id},
                  {"version", pending.bronze.version.value},
                  {"txnId", pending.bronze.txn_id},
                  {"timestamp", pending.bronze.timestamp.time_since_epoch().count()}}},
                {"partitions", std::move(partitions)}};
  Checksum sum;
  const std::string body = dump_json(manifest);
  sum.add(body.data(), body.size());
  const std::string text = sum.text() + "\n" + body + "\n";

  const std::string path = directory_ + "/" + kManifest;
  const std::string aside = path + ".new";
  const int fd = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return lake::io_error("create " + aside, errno);
  std::size_t done = 0;
  int failed = 0;
  while (done < text.size() && failed == 0) {
    const auto n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR) failed = errno;
    if (n > 0) done += static_cast<std::size_t>(n);
  }
  if (failed == 0 && ::fsync(fd) != 0) failed = errno;
  ::close(fd);
  if (failed != 0) return lake::io_error("write " + aside, failed);
  if (::rename(aside.c_str(), path.c_str()) != 0) return lake::io_error("rename " + aside, errno);
  return lake::flush_files(directory_, {kManifest});
}

void StateFiles::delete_unnamed() const {
  std::set<std::string> named{kManifest};
  for (const auto& [key, partition] : saved_) {
    named.insert(partition.rows.name);
    for (const auto& file : partition.distinct) named.insert(file.name);
  }
  std::error_code error;
  for (fs::directory_iterator entry(directory_, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    std::error_code ignored;
    if (!named.contains(entry->path().filename().string())) fs::remove(entry->path(), ignored);
  }
}

// ---- loading --------------------------------------------------------------------------------------------------------

Status StateFiles::check_file(const File& file) const {
  const std::string path = directory_ + "/" + file.name;
  INLET_ASSIGN_OR_RETURN(const auto checksum, checksum_of_file(path));
  if (checksum != file.checksum) return damaged(path + " is not what was written");
  return Status::ok();
}

Status StateFiles::each_chunk(duck::Connection& connection, const File& file, const Schema& schema,
                              const std::function<Status(duckdb_data_chunk)>& use) const {
  if (file.name.empty()) return Status::ok();
  INLET_RETURN_IF_ERROR(check_file(file));
  INLET_ASSIGN_OR_RETURN(auto rows, connection.stream_select("SELECT " + column_list(schema) + " FROM read_parquet(" +
                                                             duck::quote_literal(directory_ + "/" + file.name) + ")"));
  while (true) {
    INLET_ASSIGN_OR_RETURN(const auto count, rows.next());
    if (count == 0) return Status::ok();
    INLET_RETURN_IF_ERROR(use(rows.chunk()));
  }
}

Status StateFiles::load_partition(duck::Connection& connection, const std::string& key, const SavedPartition& files,
                                  ViewState& state) const {
  // The pairs name a row by the number it was saved under. Here it gets the next one, in whatever order they come.
  const Schema rows = without_distinct_counts(plan_);
  std::vector<std::int64_t> numbers;
  INLET_RETURN_IF_ERROR(each_chunk(connection, files.rows, with_row(rows), [&](duckdb_data_chunk chunk) {
    const VectorReader column(duckdb_data_chunk_get_vector(chunk, rows.columns.size()), {TypeKind::kBigint});
    for (std::size_t i = 0; i < duckdb_data_chunk_get_size(chunk); ++i)
      numbers.push_back(column.value<std::int64_t>(i));
    return state.merge_partials(chunk);
  }));
  const auto loaded = state.partitions().find(key);
  if (loaded == state.partitions().end() || loaded->second.rows.rows() != numbers.size())
    return damaged("a partition's rows belong to another");
  INLET_ASSIGN_OR_RETURN(const auto places, inverse(numbers));
  for (std::size_t i = 0; i < files.distinct.size(); ++i) {
    const Schema pairs = PartitionState::pair_schema(plan_, i);
    INLET_RETURN_IF_ERROR(each_chunk(connection, files.distinct[i], pairs, [&](duckdb_data_chunk chunk) -> Status {
      if (loaded->second.rows.add_pairs(i, chunk, places)) return Status::ok();
      return damaged("a distinct value belongs to no row");
    }));
  }
  return Status::ok();
}

Status StateFiles::load_from(duck::Connection& connection, const std::string& text, Loaded& loaded) {
  const auto newline = text.find('\n');
  if (newline == std::string::npos || text.back() != '\n') return damaged("the manifest is cut");
  const std::string body = text.substr(newline + 1, text.size() - newline - 2);
  Checksum sum;
  sum.add(body.data(), body.size());
  if (sum.text() != text.substr(0, newline)) return damaged("the manifest is not what was written");
  INLET_ASSIGN_OR_RETURN(const auto manifest, parse_json(body));
  if (manifest.at("format") != kFormat) return damaged("it has another format");
  if (manifest.at("fingerprint") != plan_.fingerprint) return damaged("it is of another definition of the view");
  const auto& bronze = manifest.at("bronze");
  loaded.bronze = {bronze.at("tableId").get<std::string>(), TableVersion{bronze.at("version").get<std::int64_t>()},
                   bronze.at("txnId").get<std::string>(),
                   Timestamp(std::chrono::microseconds(bronze.at("timestamp").get<std::int64_t>()))};

  const auto read_file = [](const Json& json) {
    return File{json.at("file").get<std::string>(), json.at("bytes").get<std::int64_t>(),
                json.at("checksum").get<std::string>()};
  };
  auto state = std::make_unique<ViewState>(plan_);
  std::map<std::string, SavedPartition> saved;
  std::set<std::string> published;
  for (const auto& partition : manifest.at("partitions")) {
    const std::string key = unhex(partition.at("key").get<std::string>());
    SavedPartition files;
    files.rows = read_file(partition.at("rows"));
    for (const auto& file : partition.at("distinct")) files.distinct.push_back(read_file(file));
    INLET_RETURN_IF_ERROR(load_partition(connection, key, files, *state));
    if (partition.at("published").get<bool>()) published.insert(key);
    saved.emplace(key, std::move(files));
  }
  for (auto& [key, partition] : state->partitions()) {
    if (!saved.contains(key)) return damaged("a partition's rows belong to another");
    partition.is_unsaved = false;
    partition.is_unpublished = !published.contains(key);
  }
  saved_ = std::move(saved);
  loaded.state = std::move(state);
  return Status::ok();
}

StateFiles::Loaded StateFiles::load(duck::Connection& connection) {
  Loaded loaded;
  std::ifstream in(directory_ + "/" + kManifest, std::ios::binary);
  if (!in) return loaded;
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  Status status;
  try {
    status = load_from(connection, text, loaded);
  } catch (const Json::exception& e) {  // nlohmann reports a missing field by throwing
    status = damaged(e.what());
  }
  if (!status.is_ok()) {
    loaded.state.reset();
    loaded.why_not = status.to_line();
  }
  return loaded;
}

}  // namespace inlet::views
