// One view, kept: its state at a bronze version, brought forward, saved and published.
//
//   apply thread     load, start, catch_up, build, apply   state(V) + events of V+1 → state(V+1)
//   publish thread   publish_if_due, save_if_due  what changed since → the view's table, the state's files
//
// A partition of the state is in memory, or on disk where it was left out of memory (state_memory.h).
//
// Invariants: the state reflects exactly the bronze versions up to its position, each once (rule 6). What was handed to
// a publish that did not happen counts as unpublished again. A view that fails stops alone and keeps its reason.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "config/pipeline_config.h"
#include "views/bronze_log.h"
#include "views/publisher.h"
#include "views/state_files.h"
#include "views/state_memory.h"
#include "views/view_plan.h"
#include "views/view_state.h"

namespace inlet::views {

/// What people see of a view; a copy, taken whole.
struct ViewStatus {
  std::string name;
  std::string table;
  std::optional<TableVersion> applied;    // the bronze version the state reflects
  std::optional<TableVersion> published;  // the one the table reflects
  std::chrono::milliseconds behind{0};    // for how long the table has not shown what is committed
  std::size_t rows = 0;                   // of the state
  std::size_t bytes = 0;                  // of the state, in memory
  std::size_t evicted_partitions = 0;     // of the state, on disk only
  std::chrono::microseconds last_apply_time{0};
  std::chrono::microseconds last_publish_time{0};
  std::chrono::microseconds apply_time{0};  // in all
  std::chrono::microseconds publish_time{0};
  std::int64_t publishes = 0;
  bool is_recomputed = false;  // refresh = "…", or the state outgrew its memory
  Status problem;              // why it stopped
};

using ShouldStop = std::function<bool()>;

/// A view's table has a new version.
struct PublishedEvent {
  std::string view;
  TableVersion table_version;
  BronzePosition bronze;  // the one it reflects
  std::chrono::microseconds took{0};
};

class ViewKeeper {
 public:
  struct Options {
    std::chrono::milliseconds fastest_publish{500};
    std::chrono::milliseconds fastest_save{2000};
    /// Of the state, in memory. What one batch touches must fit: otherwise the view is recomputed from then on.
    std::size_t most_bytes = 1U << 30U;
    std::function<void(const PublishedEvent&)> on_published;  // publish thread, after every publish
  };
  struct Parts {
    const config::ViewConfig& view;
    const ViewPlan& plan;
    Publisher publisher;
    std::string state_directory;
    StateConnections state_connections;  // for what goes to disk and comes back while events are merged
    BronzeLog& restore_log;              // apply thread's: for what is damaged there
  };
  /// `plan` and `restore_log` outlive it.
  ViewKeeper(Parts parts, const Options& options, const Clock& clock);

  const std::string& name() const { return plan_.name; }

  // ---- apply thread ----
  /// Reads what was saved; on any one thread, before start().
  void load();
  /// Takes what was loaded, if it belongs to this table and plan.
  void start(BronzeLog& log);
  /// One step towards bronze version `to`, from the log, of a view that has its state. True: there are more to go.
  bool catch_up(BronzeLog& log, TableVersion to, const ShouldStop& should_stop);
  /// There is no state that could follow the log.
  bool needs_build() const { return has_state() && !failed_ && !state_; }
  /// Precondition: needs_build(). Makes it of bronze version `at`, or of the newest where files of that one are gone.
  /// `between`: called between steps, may use the log.
  void build(BronzeLog& log, TableVersion at, const ShouldStop& should_stop, const std::function<void()>& between);
  /// The events of exactly the version after the state's; any other position is passed over (catch_up will see to it).
  /// `rows`: how many events there are.
  void apply(const Events& events, std::size_t rows, const BronzePosition& position);

  /// Ends what load(), catch_up(), build() and apply() read and write of the state on disk; from any thread.
  void interrupt() { memory_.interrupt(); }
  /// Makes partitions of the state again that the publish thread found damaged on disk. Also by the publish thread
  /// once the apply thread has ended. False: there was none, or it could not be done.
  bool restore_damaged();

  /// Stops the view for this reason, if it goes on; from any thread.
  void stop(const Status& why) { fail("looking at bronze", why); }

  /// True when the state is not yet at `version`.
  bool is_behind(TableVersion version) const { return has_state() && !failed_ && position_.version < version; }

  // ---- publish thread ----
  /// `log` reads bronze for views that have no state.
  void publish_if_due(BronzeLog& log, const ShouldStop& should_stop) { publish(log, should_stop, false); }
  void publish_now(BronzeLog& log, const ShouldStop& should_stop) { publish(log, should_stop, true); }
  void save_if_due(duck::Connection& connection) { save(connection, false); }
  void save_now(duck::Connection& connection) { save(connection, true); }

  // ---- any thread ----
  ViewStatus status() const;
  std::size_t rows() const;  // of the state
  bool failed() const { return failed_; }

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;

  std::int64_t milliseconds_since(SteadyTime started) const;
  bool has_state() const { return plan_.kind == ViewPlan::Kind::kAggregate && !gave_up_state_; }
  Status to_be_built();
  Status step_towards(BronzeLog& log, TableVersion to, const ShouldStop& should_stop);
  void settle(const Status& status);
  StateMemory::Restore restorer();
  Result<std::unique_ptr<PartitionState>> restore(const std::string& key);
  Status merge_into(ViewState& state, StateMemory::Pass& pass, const Events& events, const GroupPartials* partials);
  /// nullopt: the events go one by one.
  Result<std::optional<GroupPartials>> partials_of(const ViewState& state, const Events& events,
                                                   std::size_t rows) const;
  void drop_state();
  Status rebuild(BronzeLog& log, TableVersion at, const ShouldStop& should_stop, const std::function<void()>& between);
  /// Merges, then moves: nobody is shown rows of one version under the number of another. `rows`: about how many
  /// events.
  Status merge(const Events& events, std::size_t rows, const BronzePosition& position, SteadyTime started);
  void moved_to(const BronzePosition& position, SteadyTime started);  // mutex_ is held
  void show_state();                                                  // mutex_ is held
  void fail(const char* doing, const Status& status);
  void give_up_state(const std::string& why);

  void publish(BronzeLog& log, const ShouldStop& should_stop, bool now);
  Status publish_state(const ShouldStop& should_stop);
  struct OnDisk;
  bool is_waiting_for_state();                 // mutex_ is held
  void note_damaged(const OnDisk& partition);  // mutex_ is held
  Status failed_to_publish(const Status& status, const Events& rows);
  Status publish_appended(BronzeLog& log, const ShouldStop& should_stop);
  Status publish_recomputed(BronzeLog& log, const ShouldStop& should_stop);
  Result<bool> shows_all_of(BronzeLog& log);
  void published_at(const BronzePosition& position, TableVersion table_version, SteadyTime started);
  /// Another process has published meanwhile: goes on from what the table says now.
  Status overtaken();
  void save(duck::Connection& connection, bool now);

  const config::ViewConfig view_;
  const ViewPlan& plan_;
  const Options options_;
  const Clock& clock_;
  Publisher publisher_;  // publish thread's, after start
  StateFiles files_;     // the publish thread saves by it, after start
  std::atomic<bool> failed_{false};
  std::atomic<bool> gave_up_state_{false};
  std::atomic<bool> has_damaged_{false};    // a partition on disk could not be read
  std::atomic<bool> is_waited_for_{false};  // the publish thread found the state half merged
  StateFiles::Loaded loaded_;               // between load() and start()
  int damaged_builds_ = 0;                  // apply thread's: in a row

  mutable std::mutex mutex_;                 // held over a merge and over the copying of rows, never over SQL or I/O
  std::unique_ptr<ViewState> state_;         // guarded by mutex_; changed by the apply thread only
  BronzePosition position_;                  // guarded by mutex_: of the state
  bool is_half_merged_ = false;              // guarded by mutex_: the state is between two positions
  bool replace_all_ = true;                  // guarded by mutex_: the table is not known to be this state's
  std::optional<BronzePosition> published_;  // guarded by mutex_
  std::optional<SteadyTime> behind_since_;   // guarded by mutex_
  bool has_unsaved_ = false;                 // guarded by mutex_
  ViewStatus shown_;                         // guarded by mutex_

  StateMemory memory_;      // apply thread's
  BronzeLog& restore_log_;  // apply thread's

  TableVersion shown_rows_of_;             // publish thread's: of bronze, a version with the rows of the published one
  SteadyTime next_publish_;                // publish thread's
  SteadyTime next_save_;                   // publish thread's
  SteadyTime::duration last_save_took_{};  // publish thread's
};

}  // namespace inlet::views
