// What flows in: the records of one Kafka topic, committed transactions only. What flows out: RecordBatches of one
// partition each, whose ranges cover every offset, gaps of transactions and compaction included.
//
// With source.kafka.group_id the partitions are shared out by the group (cooperative rebalance), without it one process
// reads them all. Positions come from the listener at every assignment; Kafka's own group offsets are written, for
// people's tools, and never read.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "config/pipeline_config.h"
#include "source/source.h"

namespace inlet::source {

/// Errors of the returned source beside those source.h names:
///   kafka.topic_not_found, kafka.authentication_failed, kafka.tls_failed, kafka.not_authorized,
///   kafka.unknown_option, kafka.invalid_option, kafka.reserved_option        InvalidArgument
///   kafka.offsets_expired, kafka.offsets_beyond_end, kafka.topic_deleted     DataLoss
///   kafka.bad_record                                                         Corruption
/// open() asks the broker for a few seconds at most: when it is away, open() is ok and poll() goes on waiting, and
/// reports then what open() could not know.
/// With failOnDataLoss = false an expired range is jumped over: a warning names it and the next batch's range covers
/// it. Offsets beyond the end (a topic made anew) go through on_revoked and on_assigned again.
std::unique_ptr<Source> make_kafka_source(const config::SourceConfig& config);

/// What `inlet check` and `inlet status` ask of a broker, without reading records.
struct KafkaProbe {
  bool reachable = false;
  std::string unreachable_reason;        // when not reachable
  std::string cluster_id;                // may be empty
  std::vector<std::string> brokers;      // "1 at 127.0.0.1:9092"
  Status topic;                          // ok, or why the topic cannot be read (kafka.topic_not_found, ...)
  std::vector<OffsetBounds> partitions;  // by partition number; empty unless the topic can be read
};

/// Version of the librdkafka that is loaded: "2.0.2".
std::string kafka_client_version();

/// InvalidArgument: the settings are wrong or the broker refuses the credentials. A broker that is away is no error.
Result<KafkaProbe> probe_kafka(const config::SourceConfig& config, std::chrono::milliseconds timeout);

}  // namespace inlet::source
