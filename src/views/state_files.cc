#include "views/state_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <numeric>
#include <set>
#include <system_error>

#include "base/fault_point.h"
#include "base/json.h"
#include "base/log.h"
#include "lake/commit_id.h"
#include "lake/durable_files.h"
#include "lake/files_select.h"
#include "views/checksum.h"

namespace inlet::views {
namespace {

namespace fs = std::filesystem;

// Raised when what a file means changes; an older state is rebuilt.
constexpr int kFormat = 3;
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

// From so many on they are read beside the rows.
constexpr std::size_t kPairsWorthAThread = 50'000;

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

std::vector<std::vector<duck::DataChunk>> all_pairs(const PartitionState& partition, const ViewPlan& plan) {
  std::vector<std::vector<duck::DataChunk>> pairs;
  for (std::size_t i = 0; i < plan.distinct_counts.size(); ++i) pairs.push_back(partition.distinct_pairs(i));
  return pairs;
}

std::string column_list(const Schema& schema) {
  std::string list;
  for (const auto& column : schema.columns) list += (list.empty() ? "" : ", ") + duck::quote_identifier(column.name);
  return list;
}

// Distinct pairs, of all counts.
std::size_t pairs_in(const StoredPartition::Content& content) {
  return content.entries - std::min(content.entries, content.row_count);
}

// Of one count, about: each pair takes some bytes of its file.
std::size_t pairs_in(const StoredPartition::Content& content, std::size_t count) {
  std::int64_t bytes = 0;
  for (const auto& file : content.distinct) bytes += file.bytes;
  const auto share =
      static_cast<double>(content.distinct[count].bytes) / static_cast<double>(std::max<std::int64_t>(1, bytes));
  return static_cast<std::size_t>(static_cast<double>(pairs_in(content)) * share);
}

Result<Json> parse_manifest(const std::string& text) {
  const auto newline = text.find('\n');
  if (newline == std::string::npos || text.back() != '\n') return damaged("the manifest is cut");
  const std::string body = text.substr(newline + 1, text.size() - newline - 2);
  Checksum sum;
  sum.add(body.data(), body.size());
  if (sum.text() != text.substr(0, newline)) return damaged("the manifest is not what was written");
  INLET_ASSIGN_OR_RETURN(auto manifest, parse_json(body));
  if (manifest.at("format") != kFormat) return damaged("it has another format");
  return manifest;
}

}  // namespace

// ---- writing --------------------------------------------------------------------------------------------------------

StateFiles::Pending StateFiles::prepare(const ViewState& state, const ViewPlan& plan, const BronzePosition& bronze) {
  Pending pending;
  pending.state = state.id();
  pending.bronze = bronze;
  for (const auto& [key, partition] : state.partitions()) {
    auto& copy = pending.partitions.emplace_back();
    copy.key = key;
    copy.values = partition.values;
    copy.is_unpublished = partition.is_unpublished;
    copy.is_on_disk = partition.is_on_disk();
    copy.touched = partition.touched;
    if (!partition.is_changed) {
      copy.stored = partition.stored;
      continue;
    }
    copy.rows = numbered_rows(*partition.rows, plan);
    copy.distinct = all_pairs(*partition.rows, plan);
    copy.entries = partition.rows->rows() + partition.rows->distinct_values();
    copy.memory = partition.rows->bytes();
  }
  return pending;
}

Result<StoredFile> StateFiles::write_file(duck::Connection& connection, const Schema& schema,
                                          const std::vector<duck::DataChunk>& chunks) {
  StoredFile file;
  std::vector<const duck::DataChunk*> pointers;
  for (const auto& chunk : chunks) pointers.push_back(&chunk);
  if (pointers.empty()) return file;  // no pair at all: no file
  duck::ParquetOptions options;
  options.directory = directory_->path();
  options.file_name_pattern = lake::new_uuid();
  options.compression = "lz4_raw";
  const std::string name = options.file_name_pattern + ".parquet";
  const auto write = [&]() -> Status {
    connection.bind_chunks({schema, pointers});
    auto written = duck::copy_to_parquet(connection, "SELECT " + column_list(schema) + " FROM inlet_chunks()", options);
    connection.unbind_chunks();
    INLET_RETURN_IF_ERROR(written.status());
    if (written->size() != 1 || fs::path(written->front().path).filename().string() != name)
      return {StatusCode::kInternal, "view.state", "the state was not written as one file"};
    file.bytes = written->front().bytes;
    INLET_ASSIGN_OR_RETURN(file.checksum, checksum_of_file(written->front().path));
    return Status::ok();
  };
  directory_->take(name);
  if (auto status = write(); !status.is_ok()) {
    directory_->give_up(name);
    return status;
  }
  file.name = name;
  return file;
}

Result<StoredPartitionPtr> StateFiles::write_chunks(duck::Connection& connection,
                                                    const std::vector<duck::DataChunk>& rows,
                                                    const std::vector<std::vector<duck::DataChunk>>& distinct,
                                                    std::size_t entries, std::size_t memory) {
  StoredPartition::Content content;
  content.entries = entries;
  content.memory = memory;
  for (const auto& chunk : rows) content.row_count += chunk.rows();
  const auto write = [&]() -> Status {
    INLET_ASSIGN_OR_RETURN(content.rows, write_file(connection, with_row(plan_.state), rows));
    for (std::size_t i = 0; i < distinct.size(); ++i) {
      INLET_ASSIGN_OR_RETURN(content.distinct.emplace_back(),
                             write_file(connection, PartitionState::pair_schema(plan_, i), distinct[i]));
    }
    return Status::ok();
  };
  const Status written = write();
  // What was written is given up with it where the rest could not be.
  StoredPartitionPtr stored = std::make_shared<const StoredPartition>(directory_, std::move(content));
  INLET_RETURN_IF_ERROR(written);
  return stored;
}

Result<StoredPartitionPtr> StateFiles::write(duck::Connection& connection, const PartitionState& partition) {
  INLET_RETURN_IF_ERROR(lake::create_directories_durably(directory_->path()));
  return write_chunks(connection, numbered_rows(partition, plan_), all_pairs(partition, plan_),
                      partition.rows() + partition.distinct_values(), partition.bytes());
}

Status StateFiles::save(duck::Connection& connection, Pending& pending) {
  last_bytes_ = 0;
  INLET_RETURN_IF_ERROR(lake::create_directories_durably(directory_->path()));
  std::vector<std::string> fresh;
  std::set<std::string> named{kManifest};
  for (auto& partition : pending.partitions) {
    if (!partition.stored) {
      INLET_ASSIGN_OR_RETURN(partition.stored, write_chunks(connection, partition.rows, partition.distinct,
                                                            partition.entries, partition.memory));
      partition.is_written = true;
      partition.rows.clear();
      partition.distinct.clear();
    }
    const auto& content = partition.stored->content();
    last_bytes_ += partition.is_written ? content.rows.bytes : 0;
    for (const auto& file : content.distinct) last_bytes_ += partition.is_written ? file.bytes : 0;
    for (auto& file : partition.stored->files()) {
      if (!directory_->is_in_manifest(file)) {
        std::error_code error;
        if (!fs::exists(directory_->path_of(file), error)) {
          pending.damaged = static_cast<std::size_t>(&partition - pending.partitions.data());
          return damaged(directory_->path_of(file) + " is gone");
        }
        fresh.push_back(file);
      }
      named.insert(std::move(file));
    }
  }
  INLET_RETURN_IF_ERROR(lake::flush_files(directory_->path(), fresh));
  INLET_FAULT_POINT("views.before_state_manifest");
  INLET_RETURN_IF_ERROR(write_manifest(pending));
  INLET_FAULT_POINT("views.after_state_manifest");
  directory_->set_manifest(std::move(named));
  directory_->delete_unneeded();
  return Status::ok();
}

void StateFiles::note_written(ViewState& state, const Pending& saved) {
  if (state.id() != saved.state) return;
  for (const auto& written : saved.partitions) {
    const auto found = state.partitions().find(written.key);
    if (!written.is_written || found == state.partitions().end()) continue;
    auto& partition = found->second;
    if (partition.is_on_disk() || partition.touched != written.touched) continue;
    partition.stored = written.stored;
    partition.is_changed = false;
  }
}

Status StateFiles::write_manifest(const Pending& pending) {
  const auto file_json = [](const StoredFile& file) {
    return Json{{"file", file.name}, {"bytes", file.bytes}, {"checksum", file.checksum}};
  };
  Json partitions = Json::array();
  for (const auto& partition : pending.partitions) {
    const auto& content = partition.stored->content();
    Json distinct = Json::array();
    for (const auto& file : content.distinct) distinct.push_back(file_json(file));
    Json values = Json::array();
    for (const auto& value : partition.values) values.push_back(value ? Json(*value) : Json(nullptr));
    partitions.push_back({{"key", hex(partition.key)},
                          {"values", std::move(values)},
                          {"published", !partition.is_unpublished},
                          {"inMemory", !partition.is_on_disk},
                          {"touched", partition.touched},
                          {"rowCount", content.row_count},
                          {"entries", content.entries},
                          {"memory", content.memory},
                          {"rows", file_json(content.rows)},
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

  const std::string path = directory_->path() + "/" + kManifest;
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
  return lake::flush_files(directory_->path(), {kManifest});
}

// ---- reading --------------------------------------------------------------------------------------------------------

Status StateFiles::check_file(const StoredFile& file) const {
  const std::string path = directory_->path_of(file.name);
  const auto checksum = checksum_of_file(path);
  if (!checksum.is_ok()) return damaged(path + " cannot be read: " + checksum.status().detail().what);
  if (*checksum != file.checksum) return damaged(path + " is not what was written");
  return Status::ok();
}

Status StateFiles::each_chunk(duck::Connection& connection, const StoredFile& file, const Schema& schema,
                              const std::function<Status(duckdb_data_chunk)>& use) const {
  if (file.name.empty()) return Status::ok();
  INLET_RETURN_IF_ERROR(check_file(file));
  INLET_ASSIGN_OR_RETURN(
      auto rows,
      connection.stream_select("SELECT " + column_list(schema) + " FROM read_parquet(" +
                               duck::quote_literal(lake::literal_pattern(directory_->path_of(file.name))) + ")"));
  while (true) {
    INLET_ASSIGN_OR_RETURN(const auto count, rows.next());
    if (count == 0) return Status::ok();
    INLET_RETURN_IF_ERROR(use(rows.chunk()));
  }
}

Result<StateConnections> StateConnections::open(duck::Database& database) {
  INLET_ASSIGN_OR_RETURN(auto rows, database.connect());
  INLET_ASSIGN_OR_RETURN(auto pairs, database.connect());
  return StateConnections{std::move(rows), std::move(pairs)};
}

Result<std::unique_ptr<PartitionState>> StateFiles::read(StateConnections& connections, ViewState& state,
                                                         const std::string& key, const StoredPartition& stored) const {
  const auto& content = stored.content();
  auto partition = state.empty_partition();
  partition->make_places(content.row_count);
  const auto read_pairs = [&]() -> Status {
    for (std::size_t i = 0; i < content.distinct.size(); ++i) {
      const Schema pairs = PartitionState::pair_schema(plan_, i);
      partition->expect_pairs(i, pairs_in(content, i));
      INLET_RETURN_IF_ERROR(
          each_chunk(connections.pairs, content.distinct[i], pairs, [&](duckdb_data_chunk chunk) -> Status {
            if (partition->add_pairs(i, chunk)) return Status::ok();
            return damaged("a distinct value belongs to no row");
          }));
    }
    return Status::ok();
  };
  const bool are_few = pairs_in(content) < kPairsWorthAThread;
  auto pairs = std::async(are_few ? std::launch::deferred : std::launch::async | std::launch::deferred, read_pairs);
  std::size_t placed = 0;
  const Schema rows = with_row(without_distinct_counts(plan_));
  const Status status = each_chunk(connections.rows, content.rows, rows, [&](duckdb_data_chunk chunk) {
    placed += duckdb_data_chunk_get_size(chunk);
    return state.put_saved(*partition, key, chunk);
  });
  const Status of_pairs = pairs.get();
  INLET_RETURN_IF_ERROR(status);
  INLET_RETURN_IF_ERROR(of_pairs);
  if (placed != content.row_count) return damaged("a partition has not as many rows as were written");
  return partition;
}

Result<std::string> StateFiles::rows_select(const StoredPartition& stored) const {
  const auto& file = stored.content().rows;
  INLET_RETURN_IF_ERROR(check_file(file));
  return "SELECT " + column_list(plan_.state) + " FROM read_parquet(" +
         duck::quote_literal(lake::literal_pattern(directory_->path_of(file.name))) + ")";
}

Status StateFiles::load_from(StateConnections& connections, const std::string& text, std::size_t most_bytes,
                             Loaded& loaded) {
  INLET_ASSIGN_OR_RETURN(const auto manifest, parse_manifest(text));
  if (manifest.at("fingerprint") != plan_.fingerprint) return damaged("it is of another definition of the view");
  const auto& bronze = manifest.at("bronze");
  loaded.bronze = {bronze.at("tableId").get<std::string>(), TableVersion{bronze.at("version").get<std::int64_t>()},
                   bronze.at("txnId").get<std::string>(),
                   Timestamp(std::chrono::microseconds(bronze.at("timestamp").get<std::int64_t>()))};

  const auto read_file = [](const Json& json) {
    return StoredFile{json.at("file").get<std::string>(), json.at("bytes").get<std::int64_t>(),
                      json.at("checksum").get<std::string>()};
  };
  auto state = std::make_unique<ViewState>(plan_);
  struct Kept {
    std::string key;
    bool is_in_memory = false;
    std::uint64_t touched = 0;
    StoredPartitionPtr stored;
  };
  std::vector<Kept> kept;
  std::set<std::string> named{kManifest};
  for (const auto& partition : manifest.at("partitions")) {
    const std::string key = unhex(partition.at("key").get<std::string>());
    StoredPartition::Content content;
    content.rows = read_file(partition.at("rows"));
    for (const auto& file : partition.at("distinct")) content.distinct.push_back(read_file(file));
    content.row_count = partition.at("rowCount").get<std::size_t>();
    content.entries = partition.at("entries").get<std::size_t>();
    content.memory = partition.at("memory").get<std::size_t>();
    PartitionValues values;
    for (const auto& value : partition.at("values"))
      values.push_back(value.is_null() ? std::nullopt : std::optional(value.get<std::string>()));
    const auto stored = std::make_shared<const StoredPartition>(directory_, std::move(content));
    for (auto& file : stored->files()) {
      directory_->take(file);
      named.insert(std::move(file));
    }
    const auto touched = partition.at("touched").get<std::uint64_t>();
    state->add_on_disk(key, std::move(values), stored, touched);
    state->partitions().at(key).is_unpublished = !partition.at("published").get<bool>();
    kept.push_back({key, partition.at("inMemory").get<bool>(), touched, stored});
  }
  directory_->set_manifest(std::move(named));  // before anything of it is given up
  // As it was left: what was in memory is again, the coldest excepted where there is no room any more.
  std::stable_sort(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) { return a.touched > b.touched; });
  for (const auto& partition : kept) {
    if (!partition.is_in_memory || state->bytes() + partition.stored->content().memory > most_bytes) continue;
    INLET_ASSIGN_OR_RETURN(auto rows, read(connections, *state, partition.key, *partition.stored));
    state->put_in_memory(partition.key, std::move(rows), /*is_changed=*/false);
  }
  directory_->delete_unneeded();  // of a process that was killed
  loaded.state = std::move(state);
  return Status::ok();
}

StateFiles::Loaded StateFiles::load(StateConnections& connections, std::size_t most_bytes) {
  Loaded loaded;
  std::ifstream in(directory_->path_of(kManifest), std::ios::binary);
  if (!in) return loaded;
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  Status status;
  try {
    status = load_from(connections, text, most_bytes, loaded);
  } catch (const std::exception& e) {  // a missing field, or a number of rows that there cannot be
    status = damaged(e.what());
  }
  if (!status.is_ok()) {
    loaded.state.reset();
    loaded.why_not = status.to_line();
  }
  return loaded;
}

std::string state_directory(const std::string& lake_root, const std::string& pipeline, const std::string& view) {
  return lake_root + "/_inlet/" + pipeline + "/views/" + view;
}

Result<SavedStateSummary> read_saved_state(const std::string& directory) {
  std::ifstream in(directory + "/" + kManifest, std::ios::binary);
  if (!in) return Status(StatusCode::kNotFound, "view.no_state", "no state is saved in " + directory);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  try {
    INLET_ASSIGN_OR_RETURN(const auto manifest, parse_manifest(text));
    SavedStateSummary summary;
    summary.bronze_version = TableVersion{manifest.at("bronze").at("version").get<std::int64_t>()};
    for (const auto& partition : manifest.at("partitions")) {
      ++summary.partitions;
      if (!partition.at("inMemory").get<bool>()) ++summary.on_disk;
    }
    return summary;
  } catch (const Json::exception& e) {
    return damaged(e.what());
  }
}

}  // namespace inlet::views
