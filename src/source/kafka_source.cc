#include "source/kafka_source.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/log.h"
#include "source/kafka_client.h"
#include "source/kafka_fetch_nudge.h"
#include "source/kafka_topic_watch.h"

namespace inlet::source {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::string_view kStage = "kafka";

/// What open() gives a broker to answer before it leaves the waiting to poll().
constexpr milliseconds kOpenPatience{3000};
/// One question to the broker: its offsets, one record.
constexpr milliseconds kAnswerTimeout{5000};
/// Group offsets are advisory: one commit in this time is plenty.
constexpr milliseconds kCommitInterval{1000};
/// Leaving the group and closing connections.
constexpr milliseconds kCloseTimeout{4000};
/// After a broker's restart its end offset can lag for a moment: only after this long do we believe it.
constexpr milliseconds kBeyondEndPatience{3000};
constexpr milliseconds kRetryInterval{500};
/// How often the callbacks of the client that reads nothing continuously (errors, logs) are served.
constexpr milliseconds kServeInterval{100};
/// Prefetched bytes of all partitions together.
constexpr int kPrefetchKilobytes = 16 << 10;
/// Drained between two nudges: a quarter of the prefetch, so that fetching starts again before it is all gone.
constexpr std::size_t kNudgeBytes = std::size_t{kPrefetchKilobytes} * 1024 / 4;

SteadyTime steady_now() { return std::chrono::steady_clock::now(); }

KafkaPartitions new_list(std::size_t size) {
  return KafkaPartitions(rd_kafka_topic_partition_list_new(static_cast<int>(size)));
}

/// The setting as librdkafka will have it: the user's, or our default.
std::string setting_or(const config::KafkaConfig& config, const std::string& key, const std::string& fallback) {
  const auto users = config.librdkafka.find(key);
  return users == config.librdkafka.end() ? fallback : users->second;
}

std::string range_text(std::int64_t first, std::int64_t last) { return fmt::format("{}..{}", first, last); }

/// What poll() sleeps on: every queue of librdkafka and the topic watch ring it. Thread safe.
class Doorbell {
 public:
  void ring() {
    {
      const std::lock_guard lock(mutex_);
      rung_ = true;
    }
    bell_.notify_one();
  }
  void wait_until(SteadyTime deadline) {
    std::unique_lock lock(mutex_);
    bell_.wait_until(lock, deadline, [&] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable bell_;
  bool rung_ = false;  // guarded by mutex_
};

/// The messages a batch's records point into. Holds the client, too: librdkafka frees a client only after its messages.
class KafkaBacking : public RecordBacking {
 public:
  KafkaBacking(std::shared_ptr<KafkaClient> client, std::size_t size) : client_(std::move(client)) {
    messages_.reserve(size);
  }
  ~KafkaBacking() override {
    for (auto* message : messages_) rd_kafka_message_destroy(message);
  }
  KafkaBacking(const KafkaBacking&) = delete;
  KafkaBacking& operator=(const KafkaBacking&) = delete;
  void keep(rd_kafka_message_t* message) { messages_.push_back(message); }

 private:
  std::shared_ptr<KafkaClient> client_;
  std::vector<rd_kafka_message_t*> messages_;
};

/// Nothing reads this queue any more.
void empty(rd_kafka_queue_t* queue) {
  rd_kafka_queue_cb_event_enable(queue, nullptr, nullptr);
  while (const KafkaMessage left{rd_kafka_consume_queue(queue, 0)}) continue;
}

Record record_of(const rd_kafka_message_t& message) {
  Record record;
  record.offset = Offset{message.offset};
  record.timestamp_ms = rd_kafka_message_timestamp(&message, nullptr);
  record.value = {static_cast<const char*>(message.payload), message.len};
  record.is_tombstone = message.payload == nullptr;
  return record;
}

/// One partition that is ours. Its messages stay in a queue of their own (librdkafka's forwarding to the common
/// consumer queue is undone), so a paused partition is simply not read: nothing that was fetched is thrown away.
struct Stream {
  TopicPartition partition;
  Generation generation;
  Offset position;                    // next offset to deliver; the next range starts here
  rd_kafka_queue_t* queue = nullptr;  // owned by the source
  bool paused = false;
  /// Fetching stopped: the broker does not have `position`.
  bool out_of_range = false;
  std::optional<SteadyTime> beyond_end_since;
  SteadyTime look_again{};
};

class KafkaSource final : public Source {
 public:
  explicit KafkaSource(const config::SourceConfig& config)
      : config_(config), kafka_(config.kafka), source_id_(kafka_source_id(config.kafka.topic)) {}
  ~KafkaSource() override { close(); }

  Status open(Listener& listener, const OpenOptions& options) override;
  Result<std::optional<RecordBatch>> poll(milliseconds timeout) override;
  Result<OffsetBounds> bounds(const TopicPartition& partition) override;
  Result<std::optional<std::uint64_t>> fingerprint_at(const TopicPartition& partition, Offset offset) override;
  void pause(const TopicPartition& partition) override { set_paused(partition, true); }
  void resume(const TopicPartition& partition) override { set_paused(partition, false); }
  void committed(const TopicPartition& partition, Offset last) override;
  bool in_group() const override { return !kafka_.group_id.empty(); }
  void close() override;

 private:
  Status serve();
  Status start_consuming(int partitions);
  Status serve_consumer_queue();
  Status on_consumer_error(const rd_kafka_message_t& message);
  Status assign_new_partitions();
  Status claim_again();

  void on_rebalance(rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions);
  Status take_over(const std::vector<TopicPartition>& partitions);
  void give_up(const std::vector<TopicPartition>& partitions);
  Status fetch(const std::vector<Stream*>& streams, std::map<std::int32_t, Offset> elsewhere = {});
  Status stop_fetching(const std::vector<std::int32_t>& partitions);
  bool assigns_eagerly() const;
  std::vector<TopicPartition> ids_of(const rd_kafka_topic_partition_list_t& partitions) const;

  Result<std::optional<RecordBatch>> read(Stream& stream);
  Status look_at_ranges();
  Status look_at_range(Stream& stream);
  Status jump(Stream& stream, const OffsetBounds& bounds);
  Status error_in_stream(Stream& stream, const rd_kafka_message_t& message);

  rd_kafka_queue_t* take_queue(std::int32_t partition);
  Stream* find(std::int32_t partition);
  void set_paused(const TopicPartition& partition, bool paused);
  void commit_group_offsets();

  const config::SourceConfig config_;
  const config::KafkaConfig kafka_;
  const std::string source_id_;
  // Callbacks of librdkafka's threads may ring until their client is gone, so the doorbell outlives every client.
  std::shared_ptr<Doorbell> doorbell_ = std::make_shared<Doorbell>();
  Listener* listener_ = nullptr;
  std::shared_ptr<BrokerState> broker_;
  /// Answers questions: metadata, offsets, single records. Assigned nothing in between.
  std::shared_ptr<KafkaClient> reader_;
  /// Reads the stream; exists once the topic's partition count is known, by which its prefetch is sized.
  std::shared_ptr<KafkaClient> consumer_;
  std::unique_ptr<KafkaFetchNudge> nudge_;  // null where librdkafka needs none
  std::size_t drained_bytes_ = 0;           // since the last nudge
  KafkaQueue consumer_queue_;               // rebalances, errors; never a message
  std::unique_ptr<KafkaTopicWatch> watch_;
  /// The queue of every partition that ever was ours, to be emptied at the end: what is left in it keeps its partition,
  /// and that keeps librdkafka from ending.
  std::map<std::int32_t, KafkaQueue> queues_;
  std::vector<std::unique_ptr<Stream>> streams_;  // by partition number
  std::size_t next_stream_ = 0;                   // round robin
  int known_partitions_ = 0;                      // without a group: these were given to the listener
  std::map<std::int32_t, Offset> to_commit_;      // with a group: next offset
  SteadyTime last_commit_{};
  SteadyTime last_serve_{};
  Status rebalance_failure_;     // of the listener, in a callback that cannot return it
  int seen_absences_ = 0;        // of the topic
  std::set<std::int32_t> said_;  // errors that were logged once
  bool closed_ = false;
  bool was_assigned_ = false;  // by the group, if only no partition
};

Status KafkaSource::open(Listener& listener, const OpenOptions& /*options*/) {
  listener_ = &listener;
  broker_ = std::make_shared<BrokerState>(kafka_.bootstrap_servers, BrokerState::Judge::kAsks);
  const std::string refresh = setting_or(kafka_, "topic.metadata.refresh.interval.ms", "5000");

  KafkaClientOptions options;
  options.defaults = {{"topic.metadata.refresh.interval.ms", refresh},
                      {"isolation.level", "read_committed"},
                      {"fetch.wait.max.ms", "100"},
                      {"queued.min.messages", "1"}};
  options.fixed = {{"group.id", private_group_id()},
                   {"enable.auto.commit", "false"},
                   {"enable.auto.offset.store", "false"},
                   {"auto.offset.reset", "error"},
                   {"enable.partition.eof", "true"}};
  INLET_ASSIGN_OR_RETURN(reader_, KafkaClient::create(kafka_, std::move(options), broker_));

  KafkaTopicWatch::Options watch;
  const long interval = std::strtol(refresh.c_str(), nullptr, 10);
  if (interval > 0) watch.interval = milliseconds(interval);
  watch_ = std::make_unique<KafkaTopicWatch>(reader_, kafka_, watch, [bell = doorbell_] { bell->ring(); });

  const auto deadline = steady_now() + kOpenPatience;
  while (!consumer_ && steady_now() < deadline) {
    INLET_RETURN_IF_ERROR(serve());
    if (!consumer_) doorbell_->wait_until(std::min(deadline, steady_now() + kServeInterval));
  }
  if (!consumer_) broker_->unreachable("no answer yet");
  return Status::ok();
}

/// Everything but messages: callbacks, rebalances, what the topic watch found.
Status KafkaSource::serve() {
  const auto now = steady_now();
  if (now - last_serve_ >= kServeInterval) {
    last_serve_ = now;
    rd_kafka_poll(reader_->get(), 0);
    if (auto refusal = broker_->refusal()) return *refusal;
    if (broker_->take_suspicion()) watch_->ask_now();
    INLET_RETURN_IF_ERROR(watch_->verdict());
    const auto partitions = watch_->partitions();
    if (!consumer_ && partitions) INLET_RETURN_IF_ERROR(start_consuming(*partitions));
    if (consumer_ && !in_group() && *partitions > known_partitions_) INLET_RETURN_IF_ERROR(assign_new_partitions());
    if (watch_->absences() != seen_absences_) INLET_RETURN_IF_ERROR(claim_again());
    if (!to_commit_.empty() && now - last_commit_ >= kCommitInterval) commit_group_offsets();
  }
  if (!consumer_) return Status::ok();
  return serve_consumer_queue();
}

Status KafkaSource::start_consuming(int partitions) {
  const int kilobytes = std::clamp(kPrefetchKilobytes / std::max(partitions, 1), 1024, kPrefetchKilobytes);
  KafkaClientOptions options;
  options.defaults = {{"topic.metadata.refresh.interval.ms", "5000"},
                      {"isolation.level", "read_committed"},
                      {"partition.assignment.strategy", "cooperative-sticky"},
                      // A partition that was full joins the fetch again only when the current one has ended.
                      {"fetch.wait.max.ms", "100"},
                      // Bytes, not messages, bound the prefetch.
                      {"queued.min.messages", "10000000"},
                      {"queued.max.messages.kbytes", std::to_string(kilobytes)}};
  if (!fetch_needs_nudges()) options.defaults.push_back({"fetch.queue.backoff.ms", "10"});
  options.fixed = {{"group.id", in_group() ? kafka_.group_id : private_group_id()},
                   {"enable.auto.commit", "false"},
                   {"enable.auto.offset.store", "false"},
                   {"auto.offset.reset", "error"},
                   {"enable.partition.eof", "true"}};
  options.on_rebalance = [this](rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list) {
    on_rebalance(code, list);
  };
  INLET_ASSIGN_OR_RETURN(consumer_, KafkaClient::create(kafka_, std::move(options), broker_));
  if (fetch_needs_nudges()) nudge_ = std::make_unique<KafkaFetchNudge>(consumer_, kafka_.topic);
  rd_kafka_poll_set_consumer(consumer_->get());
  consumer_queue_.reset(rd_kafka_queue_get_consumer(consumer_->get()));
  rd_kafka_queue_cb_event_enable(
      consumer_queue_.get(), [](rd_kafka_t*, void* bell) { static_cast<Doorbell*>(bell)->ring(); }, doorbell_.get());
  if (!in_group()) return Status::ok();

  const auto topics = new_list(1);
  rd_kafka_topic_partition_list_add(topics.get(), kafka_.topic.c_str(), RD_KAFKA_PARTITION_UA);
  const auto error = rd_kafka_subscribe(consumer_->get(), topics.get());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::ok();
  return kafka_status(StatusCode::kInvalidArgument, "kafka.subscribe_failed", "cannot subscribe to " + kafka_.topic,
                      error);
}

Status KafkaSource::serve_consumer_queue() {
  std::array<rd_kafka_message_t*, 16> events{};
  // Callbacks run in here, on_rebalance among them.
  const auto count = rd_kafka_consume_batch_queue(consumer_queue_.get(), 0, events.data(), events.size());
  Status status = std::exchange(rebalance_failure_, Status::ok());
  bool stray = false;
  for (ssize_t i = 0; i < count; ++i) {
    const KafkaMessage event(events[static_cast<std::size_t>(i)]);
    if (event->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      stray = true;
    } else if (auto* stream = find(event->partition);
               stream != nullptr && event->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
      stream->out_of_range = true;
    } else if (status.is_ok()) {
      status = on_consumer_error(*event);
    }
  }
  // A record in the common queue: librdkafka reads a partition behind the back of its stream, because the topic was
  // made anew. It is read again from the position that the listener gives.
  if (status.is_ok() && stray) return claim_again();
  return status;
}

Status KafkaSource::on_consumer_error(const rd_kafka_message_t& message) {
  switch (message.err) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      watch_->reported_missing();  // its verdict ends the stream, if it is true
      return Status::ok();
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED: return topic_verdict({message.err, 0}, kafka_);
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      if (!in_group()) return Status::ok();  // the private group.id is never used
      return Status(StatusCode::kInvalidArgument, "kafka.not_authorized",
                    "the broker does not let us join the group \"" + kafka_.group_id + "\"")
          .at("source.kafka.group_id")
          .fix("Grant the user Read on the group, or remove group_id");
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
      log::warn(kStage, "left the group for a while: {}", rd_kafka_message_errstr(&message));
      return Status::ok();
    case RD_KAFKA_RESP_ERR__FATAL:
      return Status(StatusCode::kInvalidArgument, "kafka.fatal", "the consumer cannot go on")
          .because(rd_kafka_message_errstr(&message));
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:  // BrokerState says so
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: return Status::ok();
    default:
      if (said_.insert(message.err).second) {
        log::warn(kStage, "{}: {}", rd_kafka_err2name(message.err), rd_kafka_message_errstr(&message));
      }
      return Status::ok();
  }
}

// --- assignment ------------------------------------------------------------------------------------------------------

Status KafkaSource::assign_new_partitions() {
  const int partitions = watch_->partitions().value_or(0);
  std::vector<TopicPartition> added;
  for (int partition = known_partitions_; partition < partitions; ++partition) added.push_back({source_id_, partition});
  if (known_partitions_ > 0) log::info(kStage, "{} has {} new partitions", kafka_.topic, added.size());
  INLET_RETURN_IF_ERROR(take_over(added));
  known_partitions_ = partitions;
  return Status::ok();
}

/// The topic was missing for a moment and is there again: it may be another one of the same name, in which our
/// positions mean nothing. The listener looks at every partition as at any assignment, its fingerprint included.
Status KafkaSource::claim_again() {
  seen_absences_ = watch_->absences();
  std::vector<TopicPartition> ours;
  for (const auto& stream : streams_) ours.push_back(stream->partition);
  if (ours.empty()) return Status::ok();
  log::warn(kStage, "topic {} was missing and is there again; assigning its partitions anew", kafka_.topic);
  give_up(ours);
  return take_over(ours);
}

/// Called by librdkafka inside serve_consumer_queue() and close(), on the source thread. The messages of a partition
/// are never in the same queue, so none can be in flight around an assignment.
void KafkaSource::on_rebalance(rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions) {
  const auto ids = ids_of(*partitions);
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) was_assigned_ = true;
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !closed_) {
    auto status = take_over(ids);
    if (!status.is_ok() && rebalance_failure_.is_ok()) rebalance_failure_ = std::move(status);
    return;
  }
  if (rd_kafka_assignment_lost(consumer_->get()) != 0) {
    log::warn(kStage, "the group took {} partitions away without asking", ids.size());
  }
  give_up(ids);
}

Status KafkaSource::take_over(const std::vector<TopicPartition>& partitions) {
  Result<std::vector<Assignment>> assigned = std::vector<Assignment>{};
  if (!partitions.empty()) assigned = listener_->on_assigned(partitions);
  std::vector<Stream*> added;
  if (assigned.is_ok()) {
    for (const auto& assignment : *assigned) {
      auto stream = std::make_unique<Stream>();
      stream->partition = assignment.partition;
      stream->generation = assignment.generation;
      stream->position = assignment.position;
      stream->queue = take_queue(assignment.partition.partition);
      log::debug(kStage, "{} from offset {}", assignment.partition.to_string(), assignment.position.value);
      added.push_back(stream.get());
      streams_.push_back(std::move(stream));
    }
    std::sort(streams_.begin(), streams_.end(),
              [](const auto& a, const auto& b) { return a->partition < b->partition; });
  }
  // librdkafka waits for an answer to every rebalance, one of no partitions included.
  auto status = fetch(added);
  return assigned.is_ok() ? status : assigned.status();
}

/// The partition's own queue, asked for anew at every assignment: a topic that was made anew has another one.
rd_kafka_queue_t* KafkaSource::take_queue(std::int32_t partition) {
  auto& queue = queues_[partition];
  if (queue) empty(queue.get());
  queue.reset(rd_kafka_queue_get_partition(consumer_->get(), kafka_.topic.c_str(), partition));
  rd_kafka_queue_forward(queue.get(), nullptr);
  rd_kafka_queue_cb_event_enable(
      queue.get(), [](rd_kafka_t*, void* bell) { static_cast<Doorbell*>(bell)->ring(); }, doorbell_.get());
  return queue.get();
}

void KafkaSource::give_up(const std::vector<TopicPartition>& partitions) {
  commit_group_offsets();
  if (!closed_ && !partitions.empty()) listener_->on_revoked(partitions);
  std::vector<std::int32_t> fetched;  // those the listener refused were never fetched
  for (const auto& partition : partitions) {
    if (find(partition.partition) == nullptr) continue;
    fetched.push_back(partition.partition);
    to_commit_.erase(partition.partition);
    std::erase_if(streams_, [&](const auto& stream) { return stream->partition == partition; });
  }
  auto status = stop_fetching(fetched);
  if (!status.is_ok()) log::debug(kStage, "{}", status.to_line());
}

bool KafkaSource::assigns_eagerly() const {
  const char* protocol = rd_kafka_rebalance_protocol(consumer_->get());
  return protocol != nullptr && std::string_view(protocol) == "EAGER";
}

/// Lets librdkafka fetch these streams from their positions, or from `elsewhere`.
Status KafkaSource::fetch(const std::vector<Stream*>& streams, std::map<std::int32_t, Offset> elsewhere) {
  const bool eager = assigns_eagerly();
  const auto list = new_list(streams_.size());
  const auto add = [&](const Stream& stream) {
    const auto other = elsewhere.find(stream.partition.partition);
    const Offset from = other == elsewhere.end() ? stream.position : other->second;
    rd_kafka_topic_partition_list_add(list.get(), kafka_.topic.c_str(), stream.partition.partition)->offset =
        from.value;
  };
  if (eager) {
    for (const auto& stream : streams_) add(*stream);
    const auto error = rd_kafka_assign(consumer_->get(), list.get());
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::ok();
    return kafka_status(StatusCode::kInternal, "kafka.assign_failed", "librdkafka refuses the assignment", error);
  }
  for (const auto* stream : streams) add(*stream);
  const KafkaError error(rd_kafka_incremental_assign(consumer_->get(), list.get()));
  if (!error) return Status::ok();
  return kafka_status(StatusCode::kInternal, "kafka.assign_failed", "librdkafka refuses the assignment",
                      rd_kafka_error_code(error.get()));
}

Status KafkaSource::stop_fetching(const std::vector<std::int32_t>& partitions) {
  if (assigns_eagerly()) {
    const auto error = rd_kafka_assign(consumer_->get(), nullptr);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::ok();
    return kafka_status(StatusCode::kInternal, "kafka.unassign_failed", "librdkafka keeps the assignment", error);
  }
  const auto list = new_list(partitions.size());
  for (const auto partition : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), kafka_.topic.c_str(), partition);
  }
  const KafkaError error(rd_kafka_incremental_unassign(consumer_->get(), list.get()));
  if (!error) return Status::ok();
  return kafka_status(StatusCode::kInternal, "kafka.unassign_failed", "librdkafka keeps the assignment",
                      rd_kafka_error_code(error.get()));
}

std::vector<TopicPartition> KafkaSource::ids_of(const rd_kafka_topic_partition_list_t& partitions) const {
  std::vector<TopicPartition> ids;
  for (int i = 0; i < partitions.cnt; ++i) ids.push_back({source_id_, partitions.elems[i].partition});
  return ids;
}

// --- reading ---------------------------------------------------------------------------------------------------------

Result<std::optional<RecordBatch>> KafkaSource::poll(milliseconds timeout) {
  const auto deadline = steady_now() + timeout;
  for (;;) {
    INLET_RETURN_IF_ERROR(serve());
    INLET_RETURN_IF_ERROR(look_at_ranges());
    auto wake = std::min(deadline, steady_now() + kServeInterval);
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      next_stream_ = (next_stream_ + 1) % streams_.size();
      auto& stream = *streams_[next_stream_];
      if (stream.paused || stream.out_of_range) continue;
      INLET_ASSIGN_OR_RETURN(auto batch, read(stream));
      if (batch) return std::optional<RecordBatch>(std::move(batch));
      if (stream.out_of_range) wake = steady_now();
    }
    if (steady_now() >= deadline) return std::optional<RecordBatch>();
    doorbell_->wait_until(wake);
  }
}

Result<std::optional<RecordBatch>> KafkaSource::read(Stream& stream) {
  std::array<rd_kafka_message_t*, RecordBatch::kMaxRecords> messages;
  const auto count = rd_kafka_consume_batch_queue(stream.queue, 0, messages.data(), messages.size());
  if (count <= 0) return std::optional<RecordBatch>();

  RecordBatch batch;
  auto backing = std::make_unique<KafkaBacking>(consumer_, static_cast<std::size_t>(count));
  batch.records.reserve(static_cast<std::size_t>(count));
  const Offset first = stream.position;
  Status failure;
  for (ssize_t i = 0; i < count; ++i) {
    rd_kafka_message_t* message = messages[static_cast<std::size_t>(i)];
    backing->keep(message);
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      // Everything before the end is delivered or can never be: transaction markers, aborted or compacted records.
      stream.position = std::max(stream.position, Offset{message->offset});
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (failure.is_ok()) failure = error_in_stream(stream, *message);
    } else if (message->offset >= stream.position.value) {
      batch.records.push_back(record_of(*message));
      batch.bytes += message->len;
      stream.position = Offset{message->offset + 1};
    }
  }
  if (!failure.is_ok()) return failure;
  drained_bytes_ += batch.bytes;
  if (nudge_ && drained_bytes_ >= kNudgeBytes) {
    drained_bytes_ = 0;
    nudge_->nudge(stream.partition.partition);
  }
  if (stream.position == first) return std::optional<RecordBatch>();
  batch.partition = stream.partition;
  batch.generation = stream.generation;
  batch.range = {first, stream.position.previous()};
  batch.backing = std::move(backing);
  return std::optional<RecordBatch>(std::move(batch));
}

Status KafkaSource::error_in_stream(Stream& stream, const rd_kafka_message_t& message) {
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      // Before anything is said the broker's range is looked at: the message may be older than the assignment.
      stream.out_of_range = true;
      return Status::ok();
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
      // librdkafka would go on behind the record: a gap nobody would see.
      return Status(StatusCode::kCorruption, "kafka.bad_record", "a record cannot be read")
          .at(fmt::format("{} offset {}", stream.partition.to_string(), message.offset))
          .because(rd_kafka_message_errstr(&message))
          .fix("Look at the record on the broker; nothing behind it was taken");
    default: return on_consumer_error(message);
  }
}

Status KafkaSource::look_at_ranges() {
  std::vector<std::int32_t> unsure;
  for (const auto& stream : streams_) {
    if (stream->out_of_range && steady_now() >= stream->look_again) unsure.push_back(stream->partition.partition);
  }
  for (const auto partition : unsure) {  // a look can change streams_
    if (auto* stream = find(partition)) INLET_RETURN_IF_ERROR(look_at_range(*stream));
  }
  return Status::ok();
}

/// The broker does not have the position of the stream, or did not a moment ago.
Status KafkaSource::look_at_range(Stream& stream) {
  stream.look_again = steady_now() + kRetryInterval;
  const auto bounds = this->bounds(stream.partition);
  if (!bounds.is_ok()) return Status::ok();  // not now: looked at again
  const std::int64_t position = stream.position.value;

  if (position < bounds->begin.value) {
    if (!config_.fail_on_data_loss) return jump(stream, *bounds);
    return Status(StatusCode::kDataLoss, "kafka.offsets_expired",
                  fmt::format("offsets {} are gone from the broker", range_text(position, bounds->begin.value - 1)))
        .at(fmt::format("{} offset {}", stream.partition.to_string(), position))
        .because(fmt::format(
            "the broker has {}; retention or DeleteRecords removed what was not read yet",
            bounds->begin == bounds->end ? "no record" : range_text(bounds->begin.value, bounds->end.value - 1)))
        .fix("To go on without them: --set source.failOnDataLoss=false");
  }
  if (position > bounds->end.value) {
    if (!stream.beyond_end_since) stream.beyond_end_since = steady_now();
    if (steady_now() - *stream.beyond_end_since < kBeyondEndPatience) return Status::ok();
    if (config_.fail_on_data_loss) {
      return Status(StatusCode::kDataLoss, "kafka.offsets_beyond_end",
                    fmt::format("the broker's end, {}, is before our position", bounds->end.value))
          .at(fmt::format("{} offset {}", stream.partition.to_string(), position))
          .because("the topic was deleted and made anew, or the broker lost records it had acknowledged")
          .fix("To read what there is now: --set source.failOnDataLoss=false");
    }
    log::warn(kStage, "{}: position {} is beyond the broker's end {}; assigning it anew", stream.partition.to_string(),
              position, bounds->end.value);
    const std::vector<TopicPartition> again{stream.partition};
    give_up(again);
    return take_over(again);
  }
  // In range after all: fetch again.
  stream.out_of_range = false;
  stream.beyond_end_since.reset();
  INLET_RETURN_IF_ERROR(assigns_eagerly() ? Status::ok() : stop_fetching({stream.partition.partition}));
  return fetch({&stream});
}

/// failOnDataLoss = false: the stream goes on at the broker's begin; its position stays, so the next range covers what
/// is gone.
Status KafkaSource::jump(Stream& stream, const OffsetBounds& bounds) {
  log::warn(kStage, "{}: offsets {} are gone from the broker and skipped (failOnDataLoss = false)",
            stream.partition.to_string(), range_text(stream.position.value, bounds.begin.value - 1));
  stream.out_of_range = false;
  INLET_RETURN_IF_ERROR(assigns_eagerly() ? Status::ok() : stop_fetching({stream.partition.partition}));
  return fetch({&stream}, {{stream.partition.partition, bounds.begin}});
}

// --- questions -------------------------------------------------------------------------------------------------------

Result<OffsetBounds> watermarks(const KafkaClient& client, const std::string& topic, std::int32_t partition,
                                milliseconds timeout) {
  OffsetBounds bounds;
  const auto error = rd_kafka_query_watermark_offsets(client.get(), topic.c_str(), partition, &bounds.begin.value,
                                                      &bounds.end.value, static_cast<int>(timeout.count()));
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return bounds;
  return kafka_status(StatusCode::kTransient, "kafka.no_offsets", "the broker did not say which offsets it has", error)
      .at(kafka_source_id(topic) + "/" + std::to_string(partition));
}

Result<OffsetBounds> KafkaSource::bounds(const TopicPartition& partition) {
  return watermarks(*reader_, kafka_.topic, partition.partition, kAnswerTimeout);
}

Result<std::optional<std::uint64_t>> KafkaSource::fingerprint_at(const TopicPartition& partition, Offset offset) {
  const auto list = new_list(1);
  rd_kafka_topic_partition_list_add(list.get(), kafka_.topic.c_str(), partition.partition)->offset = offset.value;
  if (const auto error = rd_kafka_assign(reader_->get(), list.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_status(StatusCode::kInternal, "kafka.assign_failed", "librdkafka refuses the assignment", error);
  }
  Result<std::optional<std::uint64_t>> outcome =
      Status(StatusCode::kTransient, "kafka.no_record", "the broker did not give the record in time")
          .at(fmt::format("{} offset {}", partition.to_string(), offset.value));
  const auto deadline = steady_now() + kAnswerTimeout;
  while (steady_now() < deadline) {
    const KafkaMessage message(rd_kafka_consumer_poll(reader_->get(), 100));
    if (!message || message->partition != partition.partition) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (message->offset < offset.value) continue;
      outcome = message->offset == offset.value ? std::optional<std::uint64_t>(record_fingerprint(record_of(*message)))
                                                : std::nullopt;
      break;
    }
    // At the end, or out of the broker's range: no record stands there.
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
      outcome = std::optional<std::uint64_t>();
      break;
    }
  }
  rd_kafka_assign(reader_->get(), nullptr);
  return outcome;
}

// --- back-pressure, group offsets, the end ---------------------------------------------------------------------------

Stream* KafkaSource::find(std::int32_t partition) {
  for (const auto& stream : streams_) {
    if (stream->partition.partition == partition) return stream.get();
  }
  return nullptr;
}

void KafkaSource::set_paused(const TopicPartition& partition, bool paused) {
  if (auto* stream = find(partition.partition)) stream->paused = paused;
}

void KafkaSource::committed(const TopicPartition& partition, Offset last) {
  if (in_group() && find(partition.partition) != nullptr) to_commit_[partition.partition] = last.next();
}

void KafkaSource::commit_group_offsets() {
  last_commit_ = steady_now();
  if (to_commit_.empty()) return;
  const auto list = new_list(to_commit_.size());
  for (const auto& [partition, next] : to_commit_) {
    rd_kafka_topic_partition_list_add(list.get(), kafka_.topic.c_str(), partition)->offset = next.value;
  }
  to_commit_.clear();
  const auto error = rd_kafka_commit(consumer_->get(), list.get(), /*async=*/1);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) log::debug(kStage, "group offsets: {}", rd_kafka_err2str(error));
}

void KafkaSource::close() {
  if (std::exchange(closed_, true)) return;
  if (watch_) watch_->stop();
  nudge_.reset();
  if (consumer_) {
    commit_group_offsets();
    streams_.clear();
    for (const auto& [partition, queue] : queues_) rd_kafka_queue_cb_event_enable(queue.get(), nullptr, nullptr);
    rd_kafka_queue_cb_event_enable(consumer_queue_.get(), nullptr, nullptr);
    consumer_queue_.reset();
    {
      const KafkaQueue farewell(rd_kafka_queue_new(consumer_->get()));
      const KafkaError error(rd_kafka_consumer_close_queue(consumer_->get(), farewell.get()));
      const auto deadline = steady_now() + kCloseTimeout;
      while (!error && rd_kafka_consumer_closed(consumer_->get()) == 0 && steady_now() < deadline) {
        const KafkaMessage unread(rd_kafka_consume_queue(farewell.get(), 50));
      }
    }
    for (const auto& [partition, queue] : queues_) empty(queue.get());
    queues_.clear();
    if (in_group() && !was_assigned_) consumer_->leave_behind();
    consumer_.reset();  // batches that are still held keep it
  }
  watch_.reset();
  reader_.reset();
}

}  // namespace

std::unique_ptr<Source> make_kafka_source(const config::SourceConfig& config) {
  return std::make_unique<KafkaSource>(config);
}

Result<KafkaProbe> probe_kafka(const config::SourceConfig& config, milliseconds timeout) {
  const auto deadline = steady_now() + timeout;
  const auto left = [&] {
    return std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(deadline - steady_now()));
  };
  const auto broker = std::make_shared<BrokerState>(config.kafka.bootstrap_servers, BrokerState::Judge::kAsks);
  KafkaClientOptions options;
  options.defaults = {{"isolation.level", "read_committed"}};
  options.fixed = {{"group.id", private_group_id()}};
  INLET_ASSIGN_OR_RETURN(const auto client, KafkaClient::create(config.kafka, std::move(options), broker));
  const KafkaTopic topic(rd_kafka_topic_new(client->get(), config.kafka.topic.c_str(), nullptr));

  KafkaProbe probe;
  Result<TopicAnswer> answer = Status(StatusCode::kTransient, "kafka.unreachable", "no answer");
  do {
    answer = ask_topic(*client, topic.get(), std::min(left(), milliseconds(500)));
    rd_kafka_poll(client->get(), 0);
    if (auto refusal = broker->refusal()) return *refusal;
  } while (!answer.is_ok() && steady_now() < deadline);
  if (!answer.is_ok()) {
    probe.unreachable_reason = broker->reason().empty() ? answer.status().detail().why : broker->reason();
    return probe;
  }

  probe.reachable = true;
  probe.topic = topic_verdict(*answer, config.kafka);
  if (const std::unique_ptr<char, void (*)(void*)> id(
          rd_kafka_clusterid(client->get(), static_cast<int>(left().count())),
          [](void* text) { rd_kafka_mem_free(nullptr, text); });
      id != nullptr) {
    probe.cluster_id = id.get();
  }
  const rd_kafka_metadata_t* raw = nullptr;
  if (rd_kafka_metadata(client->get(), 0, topic.get(), &raw, static_cast<int>(left().count())) ==
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    const KafkaMetadata metadata(raw);
    for (int i = 0; i < metadata->broker_cnt; ++i) {
      const auto& found = metadata->brokers[i];
      probe.brokers.push_back(fmt::format("{} at {}:{}", found.id, found.host, found.port));
    }
  }
  for (int partition = 0; probe.topic.is_ok() && partition < answer->partitions; ++partition) {
    INLET_ASSIGN_OR_RETURN(auto bounds, watermarks(*client, config.kafka.topic, partition, left()));
    probe.partitions.push_back(bounds);
  }
  return probe;
}

std::string kafka_client_version() { return rd_kafka_version_str(); }

}  // namespace inlet::source
