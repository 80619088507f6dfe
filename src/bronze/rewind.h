// Going back in the source too: what a restore of the table of events does to its transactions (docs/exactly-once.md,
// rule 11).
//
// What flows in: the snapshot that is gone back from and the one that is gone back to. What flows out: txn actions for
// the restoring commit. #lateApplied always becomes that of then, since it says which rows the table has. A marker goes
// up to that of then where the rows of then go beyond it, so that none is read twice, and goes down to it where the
// partition is read again; #fingerprint and #maxEventTime go with it. The counts of events become those of then where
// every marker does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "bronze/markers.h"
#include "lake/table.h"

namespace inlet::bronze {

/// A partition whose marker was lower then.
struct Rewind {
  TopicPartition partition;
  Offset from;                     // its marker now
  PartitionState then;             // a partition that came since: as it was claimed
  bool is_of_another_log = false;  // failOnDataLoss = false has gone on with this one since
};

/// Sorted by partition. Reads the log for partitions that came since `then`, an older version of `table`.
Result<std::vector<Rewind>> rewinds_to(lake::Table& table, const lake::Snapshot& now, const lake::Snapshot& then,
                                       const std::string& pipeline);

/// The transactions of a restore from `now` to `then` that reads the partitions of `rewinds` again. Pure.
std::vector<lake::AppTransaction> restored_transactions(const lake::Snapshot& now, const lake::Snapshot& then,
                                                        const std::string& pipeline,
                                                        const std::vector<Rewind>& rewinds);

}  // namespace inlet::bronze
