// Which version of a table a query means: as people write it, and as a value. Pure, but for version_of.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "lake/table.h"

namespace inlet::query {

/// A version, or the newest one that was committed at or before an instant.
using Moment = std::variant<TableVersion, Timestamp>;

/// "12", "v12", "2026-11-22", "2026-11-22T10:00", "2026-11-22 10:00:30.5", all UTC, or with "Z" or "+02:00" behind the
/// time. InvalidArgument: anything else.
Result<Moment> parse_moment(std::string_view text);

/// "version 12", "2026-11-22T10:00:00.000Z"
std::string moment_text(const Moment& moment);

/// The version of `table` that is meant, which need not be there (Table::snapshot_at says). Errors as lake::version_at.
Result<TableVersion> version_of(lake::Table& table, const Moment& moment);

/// What a session is asked to show instead of the newest versions.
struct TimeTravel {
  std::optional<Timestamp> instant;      // every table as of then; those that did not exist yet are absent
  std::map<std::string, Moment> tables;  // by name in the lake, over `instant`

  bool is_now() const { return !instant && tables.empty(); }
};

/// One --at: "TABLE=MOMENT", or an instant for all. `table` is empty for the latter.
struct AtOption {
  std::string table;
  Moment moment;
};
Result<AtOption> parse_at_option(std::string_view text);

/// A table's name in SQL with a moment behind it, as in "ventes@v12" or "ventes@2026-11-22T10:00"; nullopt: it has
/// none.
struct NameAtMoment {
  std::string name;
  Moment moment;
};
std::optional<NameAtMoment> split_name(std::string_view name);

}  // namespace inlet::query
