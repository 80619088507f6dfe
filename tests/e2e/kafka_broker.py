"""The real broker, and topics that remember what was put into them. Independent of Inlet: confluent-kafka."""

from __future__ import annotations

import collections
import datetime
import time
import uuid

import confluent_kafka
import confluent_kafka.admin

import program
import sales
from local_server import LocalServer
from oracle import Truth

TIMEOUT = 30


class Broker(LocalServer):
    SCRIPT = program.ROOT / "scripts" / "kafka-broker.sh"

    # --- administration ---

    def _administer(self, operation: str, *args) -> None:
        # The client must outlive its answers.
        client = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.address, "log_level": 3})
        for future in getattr(client, operation)([*args], operation_timeout=TIMEOUT).values():
            future.result(TIMEOUT)

    def create_topic(self, name: str, partitions: int, **config: str) -> None:
        self._administer("create_topics", confluent_kafka.admin.NewTopic(name, partitions, 1, config=config))

    def delete_topic(self, name: str) -> None:
        self._administer("delete_topics", name)

    def add_partitions(self, name: str, total: int) -> None:
        self._administer("create_partitions", confluent_kafka.admin.NewPartitions(name, total))

    def delete_records(self, name: str, partition: int, before: int) -> None:
        """Removes every record below offset `before`, as retention does."""
        self._administer("delete_records", confluent_kafka.TopicPartition(name, partition, before))

    def topic(self, partitions: int, name: str | None = None, **config: str) -> "Topic":
        name = name or f"sales-{uuid.uuid4().hex[:8]}"
        self.create_topic(name, partitions, **config)
        return Topic(self, name, partitions)


class Topic:
    """A topic, and the truth about it: each offset's fate, as the delivery reports gave the offsets."""

    def __init__(self, broker: Broker, name: str, partitions: int):
        self.broker = broker
        self.name = name
        self.partitions = partitions
        self.source_id = f"kafka:{name}"
        self.truth: Truth = {(self.source_id, partition): {} for partition in range(partitions)}
        self._producer = None
        self._turn = 0

    def _new_producer(self, **config) -> confluent_kafka.Producer:
        settings = {"bootstrap.servers": self.broker.address, "enable.idempotence": True, "linger.ms": 2, "log_level": 3}
        settings["topic.metadata.refresh.interval.ms"] = 500  # so that added partitions are known soon
        return confluent_kafka.Producer(settings | config)

    def produce(
        self,
        events: list[sales.Event],
        partition: int | None = None,
        timestamp: datetime.datetime | None = None,
    ) -> None:
        """Puts the events there, round-robin unless a partition is named, and waits until the broker has them."""
        if self._producer is None:
            self._producer = self._new_producer()
        for chosen, offset, event in self._deliver(self._producer, events, partition, timestamp):
            self._remember(chosen, offset, event)

    def transaction(self, events: list[sales.Event], commit: bool, partition: int | None = None) -> None:
        """The same within one transaction; aborted ones leave gaps, and nothing else."""
        producer = self._new_producer(**{"transactional.id": f"tests-{uuid.uuid4().hex[:8]}"})
        producer.init_transactions(TIMEOUT)
        producer.begin_transaction()
        delivered = self._deliver(producer, events, partition)
        if commit:
            producer.commit_transaction(TIMEOUT)
            for chosen, offset, event in delivered:
                self._remember(chosen, offset, event)
        else:
            producer.abort_transaction(TIMEOUT)

    def _deliver(self, producer, events, partition, timestamp=None) -> list[tuple[int, int, sales.Event]]:
        delivered: list[tuple[int, int, sales.Event]] = []

        def on_delivery(event):
            def report(error, message):
                assert error is None, f"{self.name}: {error}"
                delivered.append((message.partition(), message.offset(), event))

            return report

        for event in events:
            chosen = partition
            if chosen is None:
                self._turn += 1
                chosen = self._turn % self.partitions
            millis = 0 if timestamp is None else round(timestamp.timestamp() * 1000)  # 0: now
            deadline = time.monotonic() + TIMEOUT
            while True:
                try:
                    producer.produce(
                        self.name, event.value, partition=chosen, on_delivery=on_delivery(event), timestamp=millis
                    )
                    break
                except confluent_kafka.KafkaException as error:
                    # A partition added a moment ago: the producer has yet to hear of it.
                    unknown = error.args[0].code() == confluent_kafka.KafkaError._UNKNOWN_PARTITION
                    if not unknown or time.monotonic() > deadline:
                        raise
                    producer.poll(0.2)
            producer.poll(0)
        assert producer.flush(TIMEOUT) == 0, f"{self.name}: not everything was delivered"
        assert len(delivered) == len(events)
        return delivered

    def add_partitions(self, total: int) -> None:
        self.broker.add_partitions(self.name, total)
        self.partitions = total
        self._producer = None  # the one there was would believe its old metadata for minutes

    def _remember(self, partition: int, offset: int, event: sales.Event) -> None:
        self.truth.setdefault((self.source_id, partition), {})[offset] = event.fate

    def counts(self) -> collections.Counter:
        return collections.Counter({partition: len(fates) for (_, partition), fates in self.truth.items()})

    def arguments(self, *more: str) -> list[str]:
        """What `inlet run` needs to read it, quick to answer."""
        return [
            "--source",
            "kafka",
            *program.sets(
                f"source.kafka.bootstrap_servers={self.broker.address}",
                f"source.kafka.topic={self.name}",
                "source.kafka.kafka.fetch.wait.max.ms=20",
                *more,
            ),
        ]
