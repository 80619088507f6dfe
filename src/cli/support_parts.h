// What a support bundle is made of: its files as they are put together in memory, and what could not be made.
#pragma once

#include <cstddef>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "cli/support_commits.h"

namespace inlet::cli {

/// One thread.
class SupportParts {
 public:
  struct Part {
    std::string path;  // below the archive's folder
    std::string text;
    std::time_t modified = 0;
  };

  /// `mask` outlives it, and takes out the secrets. `now`: the time of what is no copy of a file.
  SupportParts(const RowValueMask& mask, std::time_t now) : mask_(mask), now_(now) {}

  /// One part, whatever becomes of it: what `maker` fails with, or throws, is a problem, and the others are made all
  /// the same.
  void make(const std::string& part, const std::function<Status()>& maker);
  /// Said in the archive and in the log, without secrets.
  void problem(const std::string& part, const std::string& why);

  /// `text` as it is: whoever puts it has taken out what must not be seen. Beyond a size of all parts it is left out,
  /// and so is what comes after it.
  void put(std::string path, std::string text, std::optional<std::time_t> modified = {});
  /// Without secrets, and indented: for people. The error that `made` is.
  Status put_document(const std::string& path, const Result<Json>& made);
  /// Before all others, whatever their size.
  void put_first(std::string path, std::string text);

  const std::vector<Part>& all() const { return parts_; }
  /// A line each.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  const RowValueMask& mask_;
  const std::time_t now_;
  std::vector<Part> parts_;
  std::vector<std::string> problems_;
  std::size_t bytes_ = 0;
  bool is_full_ = false;
};

}  // namespace inlet::cli
