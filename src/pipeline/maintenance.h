// Looks after the tables of a pipeline while it runs: small files together, vacuum, clean logs; within its share of a
// core.
//
// What flows in: bronze, quarantine, late and the tables of the views, as anybody sees them: through a log of its own,
// so that no append waits for it. What flows out: commits with dataChange = false, and less on disk. Invariants: those
// of lake/compaction.h and lake/vacuum.h; one process of a pipeline at a time does it; whatever fails is tried again
// later and fails nothing else.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "config/pipeline_config.h"
#include "lake/compaction.h"
#include "lake/lock.h"
#include "lake/table.h"
#include "lake/upkeep_counts.h"

namespace inlet::pipeline {

/// Bronze, quarantine, late and the tables of the views, each once, whether they are there or not.
std::vector<std::string> maintained_tables(const config::PipelineConfig& config);

/// The lowest version of `table` that a view, or the late table's owner, still reads; nullopt: nobody reads an old one.
Result<std::optional<TableVersion>> needed_from(const config::PipelineConfig& config, lake::Lake& lake,
                                                const std::string& table);

/// How long to rest after work that took so much of a core, to have spent `share` of one.
std::chrono::nanoseconds rest_after(std::chrono::nanoseconds worked, double share);

/// The files of a table against the objective.
struct FileSizes {
  std::string table;
  std::int64_t files = 0;
  std::int64_t bytes = 0;
  std::int64_t small_files = 0;  // below three quarters of maintenance.file_size
};
FileSizes file_sizes(std::string table, const std::vector<lake::LiveFile>& files, std::int64_t file_size);

/// What has been done by this process; a copy, taken whole.
struct MaintenanceStatus {
  bool is_keeper = false;     // false: another process does it, or the first round is not due yet
  std::int64_t rounds = 0;    // over all tables
  std::int64_t given_up = 0;  // groups of files that were not brought together: another writer had removed one
  lake::UpkeepCounts done;
  std::chrono::nanoseconds worked{0};      // of a core
  std::map<std::string, Status> problems;  // by table: what the last try at it ended with
};

class Maintenance {
 public:
  struct Parts {
    const config::PipelineConfig& config;
    const Clock& clock;
    /// Processes may write that hold no lock (a consumer group): what they have not committed is left alone for a day.
    bool has_unseen_writers = false;
    /// True while a view of this process may read any version of bronze; nullptr: none does.
    std::function<bool()> may_read_all;
  };
  /// Begins one maintenance.interval later. `parts` outlive it.
  explicit Maintenance(Parts parts);
  ~Maintenance();
  Maintenance(const Maintenance&) = delete;
  Maintenance& operator=(const Maintenance&) = delete;

  /// Cuts short what is being done; what is committed stays, what is not is nobody's. Once it returns nothing is done
  /// any more.
  void stop();

  /// Any thread.
  MaintenanceStatus status() const;

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct Care;
  struct Plan;
  struct Rewrite;

  void run();
  /// False: it is time to stop.
  bool sleep_until(SteadyTime time);
  void look_at_all(bool vacuum_too);
  bool is_keeper();
  void look_after(Care& care, bool vacuum_too);
  Status open_lake();
  Status open(Care& care);
  Status compact(Care& care);
  void look_beside();
  Status compact_beside(Care& care);
  Status plan_for(Care& care, Plan& plan);
  Status bring_together(Care& care, Plan plan, const std::function<void()>& between_steps);
  Status vacuum(Care& care);
  void note(Care& care, const Status& status);
  /// Runs `work`, then rests for it.
  Status paced(const std::function<Status()>& work);
  void rest();

  const Parts parts_;
  const config::MaintenanceConfig& config_;
  const Timestamp started_;
  const std::vector<std::string> names_;

  // The thread's.
  std::unique_ptr<lake::Lake> lake_;
  std::optional<lake::PipelineLock> lock_;
  std::map<std::string, Care> cares_;
  std::unique_ptr<Rewrite> rewrite_;       // while there is one
  std::chrono::nanoseconds rested_at_{0};  // of the thread's processor time: it has rested for what was before

  mutable std::mutex mutex_;
  std::condition_variable ending_;
  std::optional<lake::Compactor> compactor_;  // guarded by mutex_ while it is made or interrupted; used by the thread
  MaintenanceStatus status_;                  // guarded by mutex_
  std::atomic<bool> stopping_{false};
  std::atomic<bool> is_done_{false};
  std::thread thread_;
};

}  // namespace inlet::pipeline
