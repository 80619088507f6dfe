"""What the Kafka tests take for granted about the broker and about the truth they keep of a topic."""

from __future__ import annotations

import random

import confluent_kafka
import pytest

import sales

pytestmark = pytest.mark.broker


def consume(broker, topic: str, isolation: str = "read_committed") -> dict[tuple[int, int], bytes | None]:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "harness",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING) for p in partitions])
    found, ends = {}, set()
    while len(ends) < len(partitions):
        message = consumer.poll(10)
        assert message is not None, "the broker answers"
        if message.error():
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
            ends.add(message.partition())
        else:
            found[message.partition(), message.offset()] = message.value()
    consumer.close()
    return found


def test_the_truth_of_a_topic_is_what_a_reader_of_committed_records_sees(broker):
    rng = random.Random(1)
    topic = broker.topic(2)
    topic.produce(sales.stream(rng, 50) + [sales.broken("tombstone", 1, rng), sales.broken("empty", 2, rng)])
    topic.transaction(sales.stream(rng, 10, first=100), commit=True)
    topic.transaction(sales.stream(rng, 10, first=200), commit=False)
    topic.produce(sales.stream(rng, 5, first=300), partition=1)
    found = consume(broker, topic.name)
    expected = {(partition, offset) for (_, partition), fates in topic.truth.items() for offset in fates}
    assert found.keys() == expected and len(expected) == 67
    assert any(value is None for value in found.values()) and b"" in found.values()
    assert len(consume(broker, topic.name, "read_uncommitted")) == 77


def test_records_survive_a_killed_broker(broker):
    topic = broker.topic(1)
    topic.produce(sales.stream(random.Random(2), 100))
    broker.kill()
    broker.restart()
    assert len(consume(broker, topic.name)) == 100


def test_removes_records_as_retention_does(broker):
    topic = broker.topic(1)
    topic.produce(sales.stream(random.Random(3), 100))
    broker.delete_records(topic.name, 0, 40)
    assert min(offset for _, offset in consume(broker, topic.name)) == 40
