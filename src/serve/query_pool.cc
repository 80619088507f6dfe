#include "serve/query_pool.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace inlet::serve {
namespace {

// Answers that are kept until the data changes: enough for every panel of a page under a few filters.
constexpr std::size_t kMostAnswers = 256;
constexpr std::size_t kMostAnswerBytes = 16U << 20U;

// The flow goes first where there are not cores enough for both.
constexpr int kNiceness = 5;

Status too_busy() {
  return Status(StatusCode::kUnavailable, "api.busy", "too many questions are waiting to be answered")
      .fix("ask again in a second");
}

Status too_slow(std::chrono::milliseconds timeout) {
  return Status(StatusCode::kUnavailable, "api.query_timeout",
                "the answer took longer than " + std::to_string(timeout.count()) + " ms")
      .fix("narrow it by a filter, keep a view for it, or raise serve.query_timeout");
}

std::string spill_directory(int thread) {
  std::error_code error;
  const auto temporary = std::filesystem::temp_directory_path(error);
  if (error) return {};
  return (temporary / ("inlet-serve-" + std::to_string(::getpid()) + "-" + std::to_string(thread))).string();
}

}  // namespace

struct QueryPool::Task {
  std::string key;
  Job job;
  std::chrono::steady_clock::time_point deadline;
  std::vector<std::pair<Ticket, Done>> waiters;
  Thread* runs_on = nullptr;
  bool is_late = false;
  std::uint64_t generation = 0;  // of the data when it began to run
};

struct QueryPool::Thread {
  int number = 0;
  std::thread thread;
  std::atomic<bool> has_ended{false};
  // The thread's own, opened with its first question. Others interrupt what runs.
  std::unique_ptr<lake::Lake> lake;
  std::unique_ptr<query::QuerySession> session;
  std::unique_ptr<views::ProvenanceReader> provenance;
  std::atomic<query::QuerySession*> running_session{nullptr};
  std::atomic<views::ProvenanceReader*> running_provenance{nullptr};

  void interrupt() {
    if (auto* const running = running_session.load()) running->interrupt();
    if (auto* const running = running_provenance.load()) running->interrupt();
  }
};

QueryPool::QueryPool(Options options, OnOutcome on_outcome, const Clock& clock)
    : options_(std::move(options)), on_outcome_(std::move(on_outcome)), clock_(clock) {
  for (int i = 0; i < options_.threads; ++i) {
    auto& thread = *threads_.emplace_back(std::make_unique<Thread>());
    thread.number = i;
    thread.thread = std::thread([this, &thread] { work(thread); });
  }
}

QueryPool::~QueryPool() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    waiting_.clear();
    for (auto& [key, task] : tasks_) task->waiters.clear();
  }
  wake_.notify_all();
  for (const auto& thread : threads_) {
    // An interrupt between two statements of a question goes unheard: it is repeated.
    while (!thread->has_ended) {
      thread->interrupt();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    thread->thread.join();
  }
}

QueryPool::Ticket QueryPool::submit(const std::string& key, Job job, const Done& done) {
  Body known;
  Status refused;
  Ticket ticket = 0;
  {
    const std::scoped_lock lock(mutex_);
    ticket = ++last_ticket_;
    const auto answer = answers_.find(key);
    const auto running = tasks_.find(key);
    if (answer != answers_.end() && answer->second.generation == generation_.load(std::memory_order_relaxed)) {
      known = answer->second.body;
    } else if (running != tasks_.end()) {
      running->second->waiters.emplace_back(ticket, done);
      asked_.emplace(ticket, running->second);
      return ticket;
    } else if (stopping_ || waiting_.size() >= options_.most_waiting) {
      refused = too_busy();
    } else {
      auto task = std::make_shared<Task>();
      task->key = key;
      task->job = std::move(job);
      task->deadline = clock_.steady_now() + options_.timeout;
      task->waiters.emplace_back(ticket, done);
      waiting_.push_back(task);
      asked_.emplace(ticket, task);
      tasks_.emplace(key, std::move(task));
    }
  }
  if (known) {
    on_outcome_("cached");
    done(std::move(known));
  } else if (!refused.is_ok()) {
    on_outcome_("busy");
    done(std::move(refused));
  } else {
    wake_.notify_one();
  }
  return ticket;
}

void QueryPool::cancel(Ticket ticket) {
  const std::scoped_lock lock(mutex_);
  const auto found = asked_.find(ticket);
  if (found == asked_.end()) return;
  const auto task = found->second;
  asked_.erase(found);
  std::erase_if(task->waiters, [&](const auto& waiter) { return waiter.first == ticket; });
  if (!task->waiters.empty()) return;
  if (task->runs_on != nullptr) {
    task->runs_on->interrupt();
  } else {
    std::erase(waiting_, task);
    tasks_.erase(task->key);
    on_outcome_("cancelled");
  }
}

std::vector<std::pair<QueryPool::Ticket, QueryPool::Done>> QueryPool::take_waiters(Task& task) {
  for (const auto& [ticket, done] : task.waiters) asked_.erase(ticket);
  return std::exchange(task.waiters, {});
}

void QueryPool::enforce_deadlines() {
  std::vector<std::pair<Ticket, Done>> overdue;
  {
    const std::scoped_lock lock(mutex_);
    const auto now = clock_.steady_now();
    for (auto& [key, task] : tasks_) {
      if (task->runs_on == nullptr) continue;
      if (task->waiters.empty() || now >= task->deadline) {
        task->is_late = task->is_late || now >= task->deadline;
        task->runs_on->interrupt();
      }
    }
    while (!waiting_.empty() && now >= waiting_.front()->deadline) {
      const auto task = waiting_.front();
      waiting_.pop_front();
      tasks_.erase(task->key);
      for (auto& waiter : take_waiters(*task)) overdue.push_back(std::move(waiter));
    }
  }
  for (const auto& [ticket, done] : overdue) {
    on_outcome_("busy");
    done(too_busy());
  }
}

void QueryPool::work(Thread& thread) {
  pthread_setname_np(pthread_self(), "inlet-query");
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
  for (;;) {
    std::shared_ptr<Task> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (stopping_) break;
      task = waiting_.front();
      waiting_.pop_front();
      task->runs_on = &thread;
      task->generation = generation_.load(std::memory_order_relaxed);
    }
    finish(task, run(thread, options_, task->job));
  }
  thread.has_ended = true;
}

Result<std::string> QueryPool::run(Thread& thread, const Options& options, const Job& job) {
  if (!thread.session) {
    INLET_ASSIGN_OR_RETURN(thread.lake, lake::open_lake(options.lake, options.storage));
    INLET_ASSIGN_OR_RETURN(thread.session,
                           query::QuerySession::open(*thread.lake, {.threads = 1,
                                                                    .memory_limit_bytes = options.memory_limit_bytes,
                                                                    .temp_directory = spill_directory(thread.number)}));
  }
  thread.running_session = thread.session.get();
  Worker worker{*thread.lake, *thread.session, thread, options};
  return job(worker);
}

Result<views::ProvenanceReader*> QueryPool::Worker::provenance() {
  if (!thread.provenance) {
    INLET_ASSIGN_OR_RETURN(thread.provenance, options.open_provenance(lake));
  }
  thread.running_provenance = thread.provenance.get();
  return thread.provenance.get();
}

void QueryPool::finish(const std::shared_ptr<Task>& task, Result<std::string> result) {
  const Status outcome = result.status();
  const bool was_interrupted = outcome.code() == StatusCode::kCancelled;
  std::vector<std::pair<Ticket, Done>> waiters;
  Body body;
  bool is_late = false;
  {
    const std::scoped_lock lock(mutex_);
    task->runs_on->running_session = nullptr;
    task->runs_on->running_provenance = nullptr;
    if (was_interrupted && !task->is_late && !task->waiters.empty() && !stopping_) {
      // Somebody asked the same in the moment in which the last one to wait for it had gone.
      task->runs_on = nullptr;
      task->deadline = clock_.steady_now() + options_.timeout;
      waiting_.push_back(task);
      wake_.notify_one();
      return;
    }
    tasks_.erase(task->key);
    waiters = take_waiters(*task);
    is_late = task->is_late;
    if (outcome.is_ok()) {
      body = std::make_shared<const std::string>(std::move(result).value());
      keep(task->key, body, task->generation);
    }
  }
  if (body) {
    on_outcome_("ok");
    for (const auto& [ticket, done] : waiters) done(body);
    return;
  }
  const Status status = was_interrupted && is_late ? too_slow(options_.timeout) : outcome;
  on_outcome_(!was_interrupted ? "error" : is_late ? "timeout" : "cancelled");
  for (const auto& [ticket, done] : waiters) done(status);
}

void QueryPool::keep(const std::string& key, const Body& body, std::uint64_t generation) {
  const auto now = generation_.load(std::memory_order_relaxed);
  if (generation != now || body->size() > kMostAnswerBytes / 8) return;
  if (answers_.size() >= kMostAnswers || answer_bytes_ + body->size() > kMostAnswerBytes) {
    answers_.clear();
    answer_bytes_ = 0;
  }
  Answer& answer = answers_[key];
  if (answer.body) answer_bytes_ -= answer.body->size();
  answer = {body, generation};
  answer_bytes_ += body->size();
}

}  // namespace inlet::serve
