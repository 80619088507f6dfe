// Compaction: small files of a partition become one of the target size, in commits with dataChange = false (rule 7).
//
// What flows in: the live files of a table. What flows out: the same rows in fewer files. Invariants: an append never
// waits for it; a group of files whose every file is not live any more at the moment of the commit is given up; the
// rows written are counted against the rows read before anything is committed; no txn moves.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "duck/database.h"
#include "duck/file_values.h"
#include "lake/table.h"

namespace inlet::lake {

struct CompactionOptions {
  std::int64_t target_bytes = 128'000'000;
  std::size_t least_files = 2;  // fewer are not worth a rewrite
  bool dry_run = false;
  // Of the DuckDB that reads and writes the rows: one thread is one core's share.
  int threads = 1;
  std::int64_t memory_limit_bytes = 256LL << 20;
};

/// Files of one partition that are to be one.
struct CompactionGroup {
  std::map<std::string, std::optional<std::string>> partition_values;
  std::vector<LiveFile> files;  // oldest first
  std::int64_t bytes = 0;
};

/// Which files to bring together. Files of three quarters of the target and more stay as they are; the others of each
/// partition are taken oldest first until a group has the target's size. Pure.
std::vector<CompactionGroup> plan_compaction(const std::vector<LiveFile>& files, const CompactionOptions& options);

/// True for a file that compaction leaves as it is: three quarters of the target and more.
bool is_large_enough(const LiveFile& file, std::int64_t target_bytes);

struct TierOptions {
  std::int64_t target_bytes = 128'000'000;
  std::size_t least_files = 16;  // of a tier
  /// Of a partition whose newest file is older than this, what is left is brought together; nullopt: of none.
  std::optional<std::int64_t> quiet_before_ms;
};

/// Which files are worth bringing together while others keep coming. Pure.
///
/// The small files of a partition stand in tiers by size, a tier's files up to `least_files` times as large as those of
/// the next. A tier is brought together when it has `least_files` files, or a target's worth of them, along with
/// everything smaller: so each row is written again about once a tier (its logarithm of target ÷ first file), and a
/// partition has fewer than `least_files` files of each tier. Of a quiet partition without a full tier the small files
/// become one, but for those more than four times as large as all that are smaller: what trickles in late does not
/// rewrite what is there.
std::vector<CompactionGroup> plan_tiers(const std::vector<LiveFile>& files, const TierOptions& options);

struct CompactionResult {
  std::int64_t groups = 0;    // brought together; with dry_run: that would be
  std::int64_t given_up = 0;  // because another writer had removed a file meanwhile
  std::int64_t removed_files = 0;
  std::int64_t removed_bytes = 0;
  std::int64_t added_files = 0;         // with dry_run: one a group
  std::int64_t added_bytes = 0;         // 0 with dry_run: nobody knows before
  std::int64_t rows = 0;                // written again; 0 with dry_run
  std::optional<TableVersion> version;  // of the last commit
};

struct CompactionProgress {
  std::int64_t files = 0;  // done
  std::int64_t all_files = 0;
  std::int64_t bytes = 0;
  std::int64_t all_bytes = 0;
};

/// What is asked and told while files are brought together; all may be empty.
struct CompactionHooks {
  std::function<bool()> should_stop;
  std::function<void(const CompactionProgress&)> on_progress;
  /// Called between the steps in which rows are written, some ten milliseconds each. May take its time, and may have
  /// the same Compactor bring other files together, also of the same table. Only with a DuckDB of one thread.
  std::function<void()> between_steps;
};

/// What rows are read and written by, for those who compact again and again. One thread, but for interrupt().
class Compactor {
 public:
  static Result<Compactor> open(int threads, std::int64_t memory_limit_bytes);

  /// Brings together `groups` of live files of `snapshot`, a commit for every `target_bytes` of them. Ends early, with
  /// what is committed, when `should_stop` says so. Errors as compact(). Once more from its own between_steps, not from
  /// there again.
  Result<CompactionResult> run(Table& table, const SnapshotPtr& snapshot, std::vector<CompactionGroup> groups,
                               std::int64_t target_bytes, const CompactionHooks& hooks);

  /// From any thread: what is being written ends with Cancelled.
  void interrupt();

 private:
  Compactor(duck::Database database, duck::Connection connection, duck::Connection beside)
      : database_(std::move(database)), connections_{std::move(connection), std::move(beside)} {}

  duck::Database database_;
  std::array<duck::Connection, 2> connections_;  // the second for what is done between the steps of the first
  std::size_t runs_ = 0;                         // that are not done
  std::shared_ptr<duck::FileValues> file_values_ = std::make_shared<duck::FileValues>();
};

/// Brings the files of the newest snapshot together, a commit for every target's worth of rows. Ends early, with what
/// is committed, when `should_stop` says so. Errors: those of reading, writing and Table::commit; Corruption when the
/// files do not hold the rows that the log says they do, with nothing of that group committed.
Result<CompactionResult> compact(Table& table, const CompactionOptions& options, const CompactionHooks& hooks);

}  // namespace inlet::lake
