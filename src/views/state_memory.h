// Keeps the state of one view within its memory: what a chunk of rows touches is in memory while it is merged, and the
// partitions that were touched least lately go to disk when the others need their room.
//
// Belongs to the thread that merges, once it is loaded; it alone puts partitions into memory and takes them out. The
// state's mutex is held for that moment only, never over a read or a write.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/status.h"
#include "duck/database.h"
#include "views/state_files.h"
#include "views/view_plan.h"
#include "views/view_state.h"

namespace inlet::views {

/// True of the status that says that a state does not fit, however much of it is put on disk.
bool is_too_large(const Status& status);
/// True of the status that says that a partition on disk is absent or damaged.
bool is_damaged(const Status& status);

class StateMemory {
 public:
  struct Options {
    std::size_t most_bytes = 1U << 30U;
    std::optional<std::chrono::milliseconds> seal_after;  // of event time
  };
  /// `plan`, `files` and `mutex`, which guards the states, outlive it.
  StateMemory(const ViewPlan& plan, StateFiles& files, StateConnections connections, std::mutex& mutex,
              const Options& options)
      : plan_(plan), files_(files), connections_(std::move(connections)), mutex_(mutex), options_(options) {}

  /// Makes a partition again, of which `stored` was found damaged, as it was before the pass.
  using Restore = std::function<Result<std::unique_ptr<PartitionState>>(const std::string& key)>;

  /// What was saved, in memory as far as it fits.
  StateFiles::Loaded load() { return files_.load(connections_, options_.most_bytes); }

  /// The merging of one batch, or of all events when a state is built.
  struct Pass {
    std::uint64_t began = 0;     // the last chunk before it
    std::size_t read_again = 0;  // bytes of partitions that had to leave and come back in it
    Restore restore;             // empty: there is no way
  };
  static Pass begin(const ViewState& state, Restore restore) { return {state.last_chunk(), 0, std::move(restore)}; }

  /// Merges a chunk of rows by `merge`, which is called with the mutex held. Errors: merge's own; is_too_large();
  /// is_damaged() where a partition cannot be restored; Internal: disk full.
  Status merge_chunk(ViewState& state, Pass& pass, duckdb_data_chunk rows, const std::function<Status()>& merge);

  /// After a pass. Errors as merge_chunk().
  Status make_room(ViewState& state) { return make_room(state, options_.most_bytes, nullptr); }
  /// Takes out of memory what is older than seal_after, saved, published and not touched since `pass` began.
  void put_sealed_away(ViewState& state, const Pass& pass);
  /// Puts one partition that is in memory on disk only.
  Status put_away(ViewState& state, const std::string& key);
  /// Loads, or restores, what somebody found damaged.
  Status restore_lost(ViewState& state, const Restore& restore);

  /// From any thread: what is read or written ends with Cancelled.
  void interrupt() { connections_.interrupt(); }

 private:
  Status bring_in(ViewState& state, Pass& pass, const ViewState::Needed& needed);
  Status load(ViewState& state, const std::string& key, const Restore& restore);
  Status make_room(ViewState& state, std::size_t for_bytes, const ViewState::Needed* keep);

  const ViewPlan& plan_;
  StateFiles& files_;
  StateConnections connections_;
  std::mutex& mutex_;
  const Options options_;
};

/// The beginning of the time that a partition stands for, by its values: the first column whose text is a date
/// ("2026", "2026-01", "2026-01-31", "2026-01-31-23") or an instant. nullopt: none is.
std::optional<Timestamp> partition_time(const PartitionValues& values);

}  // namespace inlet::views
