// How a lake in an object store is reached, and where its files lie on local disk meanwhile. Of no use for a lake that
// is a directory. Secrets are never among these: they come from the environment, a profile or the machine's role.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace inlet {

struct StorageOptions {
  std::string endpoint;         // of the service: "http://127.0.0.1:7070"; empty: the provider's own
  std::string region;           // empty: what the environment or the profile says
  std::string profile;          // of ~/.aws/credentials and ~/.aws/config; empty: what the environment says
  bool allow_http = false;      // without TLS
  bool virtual_hosted = false;  // BUCKET.endpoint instead of endpoint/BUCKET
  std::string cache;            // directory for all lakes' files; empty: $XDG_CACHE_HOME/inlet, or ~/.cache/inlet
  std::int64_t cache_size = 10'000'000'000;
  std::chrono::milliseconds timeout{30'000};        // of one request
  std::chrono::milliseconds retry_timeout{15'000};  // of a request with all its tries
  std::chrono::milliseconds lease{30'000};          // how long a lock outlives a process that does not renew it

  bool operator==(const StorageOptions&) const = default;
};

/// Whether a lake's path is the URL of an object store.
inline bool is_url(const std::string& path) { return path.find("://") != std::string::npos; }

}  // namespace inlet
