// Files to follow, a listener that begins where it is told, and what came out of a source.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "source/file_source.h"

namespace inlet::source::testing {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "inlet_file_XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string path(const std::string& name = {}) const { return name.empty() ? path_ : path_ + "/" + name; }
  void write(const std::string& name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << content;
  }
  void append(const std::string& name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary | std::ios::app) << content;
  }

 private:
  std::string path_;
};

/// Begins at 0, or where `positions` (by source id without the fingerprint) says.
class Positions final : public Listener {
 public:
  Result<std::vector<Assignment>> on_assigned(std::span<const TopicPartition> partitions) override {
    std::vector<Assignment> assignments;
    for (const auto& partition : partitions) {
      const std::string name = partition.source.substr(0, partition.source.rfind(':'));
      if (during_assignment) during_assignment(partition);
      assignments.push_back({partition, Generation{++generation}, Offset{positions[name]}});
      assigned.push_back(partition);
    }
    return assignments;
  }
  void on_revoked(std::span<const TopicPartition>) override {}

  std::map<std::string, std::int64_t> positions;
  std::vector<TopicPartition> assigned;
  std::function<void(const TopicPartition&)> during_assignment;
  std::uint64_t generation = 0;
};

struct Line {
  std::string name;
  std::int64_t offset = 0;
  std::string value;
  friend bool operator==(const Line&, const Line&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Line& line) {
    return out << line.name << "@" << line.offset << " '" << line.value << "'";
  }
};

/// Small blocks, so that every line of a test crosses one sooner or later.
inline FileSourceOptions small_blocks(std::size_t bytes = 64) {
  FileSourceOptions options;
  options.limits.block_bytes = bytes;
  return options;
}

struct Reading {
  explicit Reading(const std::string& path, bool until_caught_up = false,
                   std::map<std::string, std::int64_t> positions = {}, FileSourceOptions options = small_blocks()) {
    listener.positions = std::move(positions);
    source = make_file_source({path}, options);
    OpenOptions open;
    open.until_caught_up = until_caught_up;
    status = source->open(listener, open);
  }

  /// What comes until nothing comes for `quiet`, or an error.
  std::vector<Line> read(std::chrono::milliseconds quiet = std::chrono::milliseconds(60)) {
    std::vector<Line> lines;
    for (;;) {
      auto batch = source->poll(quiet);
      if (!batch.is_ok()) {
        error = batch.status().detail().id;
        message = batch.status().to_line();
        return lines;
      }
      if (!*batch) return lines;
      check(**batch);
      const std::string id = (*batch)->partition.source;
      for (const auto& record : (*batch)->records) {
        lines.push_back({id.substr(0, id.rfind(':')), record.offset.value, std::string(record.value)});
      }
      if (id.starts_with("stdin:") && source->exhausted()) return lines;
    }
  }

  /// Ranges follow each other without a gap, and records lie in theirs.
  void check(const RecordBatch& batch) {
    auto& next = next_offset[batch.partition.source];
    if (next == 0) next = listener.positions[batch.partition.source.substr(0, batch.partition.source.rfind(':'))];
    EXPECT_EQ(batch.range.first.value, next);
    EXPECT_GE(batch.range.last, batch.range.first);
    EXPECT_LE(batch.records.size(), RecordBatch::kMaxRecords);
    std::size_t bytes = 0;
    std::int64_t before = batch.range.first.value - 1;
    for (const auto& record : batch.records) {
      EXPECT_GT(record.offset.value, before);
      before = record.offset.value;
      bytes += record.value.size();
    }
    EXPECT_LE(before, batch.range.last.value);
    EXPECT_EQ(batch.bytes, bytes);
    next = batch.range.last.value + 1;
  }

  Positions listener;
  std::unique_ptr<Source> source;
  Status status;
  std::string error;
  std::string message;
  std::map<std::string, std::int64_t> next_offset;
};

}  // namespace inlet::source::testing
