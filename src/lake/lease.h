// A lock in an object store: an object that its holder renews, and that ends by itself when it does not.
//
//   {"id":uuid,"pid":n,"host":"…","machine":"…","since":"…Z","expires":ms since 1970}
//
// It is put where nothing stands, or on the condition that what stands there is still what was looked at: another's
// that has expired by our clock, or whose process is dead on this very machine. Clocks that differ by more than the
// rest of a lease can hand it over early. Like the flock it is no fence: epochs are what supersedes a process (rule 2).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "lake/object_store.h"

namespace inlet::lake {

class Lease {
 public:
  /// Transient "lake.locked", with `what` as what happened: somebody holds it, and until when.
  static Result<std::unique_ptr<Lease>> acquire(std::shared_ptr<const ObjectStore> store, const std::string& key,
                                                std::chrono::milliseconds duration, const std::string& what);
  ~Lease();  // gives it back, if the store can be reached

  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  const std::string& key() const;

  /// Ok while it is held. Fenced "lake.lease_lost": another process took it, or it could not be renewed in time.
  Status held() const;

 private:
  class Keeper;
  explicit Lease(std::unique_ptr<Keeper> keeper);
  std::unique_ptr<Keeper> keeper_;
};

/// Since when the holder of the lease that `text` is has run; nullopt: it has expired, was given back, or is none.
std::optional<Timestamp> lease_holder_since(const std::string& text, Timestamp now);

}  // namespace inlet::lake
