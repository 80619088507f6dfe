// Where questions to the lake run: on threads of their own, each with a DuckDB of its own, a few at a time, with a
// deadline. The thread that serves connections never waits for one.
//
//   submit ── same question already asked? join it ── answered since the data last changed? that answer
//          └─ otherwise: queue ──▶ worker ──▶ done, for everybody who asked
//
// Invariants: no more than `most_waiting` questions queue; a question nobody waits for any more is interrupted; every
// submit ends in exactly one call of its `done`, unless it was cancelled. Thread safe.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/storage_options.h"
#include "lake/table.h"
#include "query/query_session.h"
#include "views/provenance.h"

namespace inlet::serve {

class QueryPool {
 public:
  struct Options {
    std::string lake;  // where the tables are: a directory, or a URL
    StorageOptions storage;
    int threads = 1;
    std::int64_t memory_limit_bytes = 128LL << 20;  // of each thread's DuckDB
    std::chrono::milliseconds timeout{5000};        // from the asking to the answer
    std::size_t most_waiting = 64;
    std::function<Result<std::unique_ptr<views::ProvenanceReader>>(lake::Lake&)> open_provenance;
  };
  /// How a question ended: "ok", "error", "timeout", "cancelled", "busy", "cached".
  using OnOutcome = std::function<void(std::string_view)>;

  struct Thread;
  /// What a question is answered with. A worker thread's own.
  struct Worker {
    lake::Lake& lake;
    query::QuerySession& session;
    Thread& thread;
    const Options& options;
    /// Opened with the first question of its kind.
    Result<views::ProvenanceReader*> provenance();
  };
  using Body = std::shared_ptr<const std::string>;
  using Job = std::function<Result<std::string>(Worker&)>;
  using Done = std::function<void(Result<Body>)>;
  using Ticket = std::uint64_t;

  QueryPool(Options options, OnOutcome on_outcome, const Clock& clock);
  /// Interrupts what runs; whoever still waits hears nothing more.
  ~QueryPool();
  QueryPool(const QueryPool&) = delete;
  QueryPool& operator=(const QueryPool&) = delete;

  /// `key`: questions of one key have one answer. `done` is called at once, or later on a worker's thread. Errors,
  /// beside the job's own: Unavailable "api.busy", Unavailable "api.query_timeout".
  Ticket submit(const std::string& key, Job job, const Done& done);
  /// Whoever asked has gone: `done` is not called after this returns, unless it is running now.
  void cancel(Ticket ticket);

  /// The tables have new versions: answers given before are not given again.
  void data_changed() { generation_.fetch_add(1, std::memory_order_relaxed); }

  /// Ends what has taken too long. To be called several times a second.
  void enforce_deadlines();

 private:
  struct Task;
  struct Answer {
    Body body;
    std::uint64_t generation = 0;
  };

  void work(Thread& thread);
  static Result<std::string> run(Thread& thread, const Options& options, const Job& job);
  void finish(const std::shared_ptr<Task>& task, Result<std::string> result);
  std::vector<std::pair<Ticket, Done>> take_waiters(Task& task);
  void keep(const std::string& key, const Body& body, std::uint64_t generation);

  const Options options_;
  const OnOutcome on_outcome_;
  const Clock& clock_;
  std::atomic<std::uint64_t> generation_{0};

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_, as all below
  Ticket last_ticket_ = 0;
  std::deque<std::shared_ptr<Task>> waiting_;
  std::unordered_map<std::string, std::shared_ptr<Task>> tasks_;  // waiting or running, by key
  std::unordered_map<Ticket, std::shared_ptr<Task>> asked_;       // by everybody who waits
  std::unordered_map<std::string, Answer> answers_;
  std::size_t answer_bytes_ = 0;
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace inlet::serve
