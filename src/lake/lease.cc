#include "lake/lease.h"

#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill() is POSIX
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "lake/commit_id.h"
#include "lake/lock_text.h"

namespace inlet::lake {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

// Renewed thrice in its life: two renewals may fail.
constexpr int kRenewals = 3;

struct LeaseText {
  std::string id;
  std::int64_t pid = 0;
  std::string host;
  std::string machine;
  std::string since;
  std::int64_t expires = 0;  // milliseconds since 1970; 0: given back
};

std::int64_t in_ms(Timestamp time) { return std::chrono::floor<milliseconds>(time.time_since_epoch()).count(); }

std::string text_of(const LeaseText& lease) {
  return dump_json(Json{{"id", lease.id},
                        {"pid", lease.pid},
                        {"host", lease.host},
                        {"machine", lease.machine},
                        {"since", lease.since},
                        {"expires", lease.expires}}) +
         "\n";
}

// What is no lease of ours is one that nobody holds.
LeaseText parse(const std::string& text) {
  LeaseText lease;
  const auto document = parse_json(text);
  if (!document.is_ok() || !document->is_object()) return lease;
  const auto read = [&](const char* key) {
    const auto it = document->find(key);
    return it != document->end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  const auto number = [&](const char* key) {
    const auto it = document->find(key);
    return it != document->end() && it->is_number_integer() ? it->get<std::int64_t>() : 0;
  };
  return {read("id"), number("pid"), read("host"), read("machine"), read("since"), number("expires")};
}

std::string first_line(const char* path) {
  std::string line;
  std::getline(std::ifstream(path) >> std::ws, line);
  return line;
}

// Processes of one kernel's life that see each other by their numbers. Empty: not known.
std::string this_machine() {
  std::array<char, 64> space{};
  const auto length = ::readlink("/proc/self/ns/pid", space.data(), space.size() - 1);
  const std::string boot = first_line("/proc/sys/kernel/random/boot_id");
  if (length <= 0 || boot.empty()) return {};
  return boot + "/" + std::string(space.data(), static_cast<std::size_t>(length));
}

// Nobody can be held up by a process that was killed on this machine: its number is free, or another's who began later.
bool is_dead_here(const LeaseText& lease) {
  const auto here = this_machine();
  if (here.empty() || lease.machine != here || lease.pid <= 0) return false;
  return ::kill(static_cast<pid_t>(lease.pid), 0) != 0 && errno == ESRCH;
}

}  // namespace

// The renewal, on a thread of its own.
class Lease::Keeper {
 public:
  Keeper(std::shared_ptr<const ObjectStore> store, std::string key, milliseconds duration, LeaseText text)
      : store_(std::move(store)), key_(std::move(key)), duration_(duration), text_(std::move(text)) {}

  Status take(const std::string& what) {
    INLET_ASSIGN_OR_RETURN(const auto there, store_->get(key_));
    const auto now = Clock::system().now();
    if (there) {
      const auto holder = parse(there->text);
      if (holder.expires > in_ms(now) && !is_dead_here(holder)) return locked(holder, now, what);
    }
    const auto asked = Clock::system().steady_now();
    INLET_ASSIGN_OR_RETURN(auto taken, put(there ? there->tag : std::string(), duration_));
    if (!taken) {
      // Another was faster, or the reply to our own put was lost.
      INLET_ASSIGN_OR_RETURN(const auto now_there, store_->get(key_));
      const auto holder = parse(now_there ? now_there->text : std::string());
      if (holder.id != text_.id) return locked(holder, now, what);
      taken = now_there->tag;
    }
    tag_ = *taken;
    good_until_ = asked + duration_;
    return Status::ok();
  }

  void start() {
    thread_ = std::thread([this] { renew_until_stopped(); });
    pthread_setname_np(thread_.native_handle(), "inlet-lease");
  }

  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
    if (!held().is_ok()) return;
    // Or it ends by itself.
    if (const auto given = put(tag_, milliseconds(0)); !given.is_ok())
      log::debug("lake", "{} was not given back: {}", key_, given.status().to_line());
  }

  Status held() const {
    const std::scoped_lock lock(mutex_);
    if (!lost_.is_ok()) return lost_;
    if (Clock::system().steady_now() < good_until_) return Status::ok();
    // For good: whoever was told so has begun to end.
    lost_ = lost("it could not be renewed in time");
    return lost_;
  }

  const std::string& key() const { return key_; }

 private:
  Status locked(const LeaseText& holder, Timestamp now, const std::string& what) const {
    const auto left = (holder.expires - in_ms(now)) / 1000;
    return Status(StatusCode::kTransient, "lake.locked", what)
        .at(store_->url() + "/" + key_)
        .because("held by process " + std::to_string(holder.pid) + " on " + holder.host + " since " + holder.since +
                 (left > 0 ? "; if that is dead, its lease ends in " + std::to_string(left + 1) + " s" : ""));
  }

  Status lost(const std::string& why) const {
    return Status(StatusCode::kFenced, "lake.lease_lost", "the lock of this process is not its own any more")
        .at(store_->url() + "/" + key_)
        .because(why)
        .fix("nothing was written twice: start again, once the other process has ended");
  }

  // `for_how_long`: from now on; zero gives it back.
  Result<std::optional<std::string>> put(const std::string& tag, milliseconds for_how_long) {
    auto text = text_;
    text.expires = for_how_long.count() == 0 ? 0 : in_ms(Clock::system().now()) + for_how_long.count();
    return store_->put(key_, text_of(text), tag);
  }

  void renew_until_stopped() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      wake_.wait_for(lock, duration_ / kRenewals);
      if (stopping_) return;
      lock.unlock();
      const bool goes_on = renew();
      lock.lock();
      if (!goes_on) return;
    }
  }

  // False: it is lost for good.
  bool renew() {
    const auto asked = Clock::system().steady_now();
    auto renewed = put(tag_, duration_);
    if (renewed.is_ok() && !*renewed) {
      const auto there = store_->get(key_);
      if (!there.is_ok()) {
        renewed = there.status();
      } else if (*there && parse((*there)->text).id == text_.id) {
        renewed = std::optional((*there)->tag);
      } else {
        const std::scoped_lock lock(mutex_);
        const auto holder = parse(*there ? (*there)->text : std::string());
        lost_ =
            lost(*there ? "process " + std::to_string(holder.pid) + " on " + holder.host + " took it at " + holder.since
                        : "it was deleted");
        return false;
      }
    }
    if (!renewed.is_ok()) {
      log::warn("lake", "the lock {} could not be renewed: {}", key_, renewed.status().to_line());
      return true;  // it may still be good, and held() says when it is not
    }
    tag_ = **renewed;
    const std::scoped_lock lock(mutex_);
    good_until_ = asked + duration_;
    return true;
  }

  const std::shared_ptr<const ObjectStore> store_;
  const std::string key_;
  const milliseconds duration_;
  const LeaseText text_;
  std::string tag_;  // the thread's, once it runs
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  SteadyTime good_until_;  // guarded by mutex_
  mutable Status lost_;    // guarded by mutex_
  std::thread thread_;
};

Lease::Lease(std::unique_ptr<Keeper> keeper) : keeper_(std::move(keeper)) {}

Lease::~Lease() { keeper_->stop(); }

Result<std::unique_ptr<Lease>> Lease::acquire(std::shared_ptr<const ObjectStore> store, const std::string& key,
                                              milliseconds duration, const std::string& what) {
  LeaseText text{new_uuid(), ::getpid(), holder_host(), this_machine(), utc_now(), 0};
  auto keeper = std::make_unique<Keeper>(std::move(store), key, duration, std::move(text));
  INLET_RETURN_IF_ERROR(keeper->take(what));
  keeper->start();
  return std::unique_ptr<Lease>(new Lease(std::move(keeper)));  // NOLINT: the constructor is private
}

const std::string& Lease::key() const { return keeper_->key(); }

Status Lease::held() const { return keeper_->held(); }

std::optional<Timestamp> lease_holder_since(const std::string& text, Timestamp now) {
  const auto lease = parse(text);
  if (lease.expires <= in_ms(now) || is_dead_here(lease)) return std::nullopt;
  return parse_utc(lease.since).value_or(Timestamp());
}

}  // namespace inlet::lake
