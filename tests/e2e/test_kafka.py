"""Everything a broker, a group or an operator may do to a topic while it is read."""

from __future__ import annotations

import decimal
import json
import random
import re
import signal
import threading
import time

import confluent_kafka
import pytest

import generator
import oracle
import sales
from generator import UNLIMITED
from program import EXIT_DATA_LOSS, EXIT_OK, EXIT_RUNTIME, EXIT_UNAVAILABLE, sets
from test_broker_harness import consume

pytestmark = pytest.mark.broker

CAUGHT_UP = ("--until", "caught-up")


def caught_up(program, lake, topic, *more: str):
    return program.ingest(lake, *topic.arguments(*more), *CAUGHT_UP)


def in_group(topic) -> list[str]:
    return topic.arguments(
        f"source.kafka.group_id={topic.name}",
        "source.kafka.kafka.session.timeout.ms=2000",
        "source.kafka.kafka.heartbeat.interval.ms=300",
    )


# --- reading ---


def test_reads_every_partition_to_its_end(program, lake, broker):
    rng = random.Random(1)
    topic = broker.topic(7)
    topic.produce(sales.stream(rng, 3000))
    topic.produce([sales.broken("tombstone", 1, rng), sales.broken("empty", 2, rng)], partition=6)
    caught_up(program, lake, topic).expect(EXIT_OK)
    view = oracle.assert_exact(lake, topic.truth)
    assert view.events == 3002 and len(view.markers) == 7


def test_the_records_time_is_kept(program, lake, broker):
    topic = broker.topic(1)
    topic.produce([sales.sale(1, random.Random(1))])
    caught_up(program, lake, topic).expect(EXIT_OK)
    (row,) = oracle.LakeView(lake).bronze
    assert abs(row["_kafka_timestamp"].timestamp() - time.time()) < 60
    assert abs(row["date_ingestion"].timestamp() - time.time()) < 60


def test_caught_up_means_the_ends_at_the_start(program, lake, broker):
    """A producer that never pauses does not keep the run from ending."""
    rng = random.Random(2)
    topic = broker.topic(2)
    topic.produce(sales.stream(rng, 2000))
    done = threading.Event()

    def go_on():
        number = 2001
        while not done.is_set():
            topic.produce(sales.stream(rng, 20, first=number))
            number += 20

    producer = threading.Thread(target=go_on)
    producer.start()
    try:
        caught_up(program, lake, topic).expect(EXIT_OK)
    finally:
        done.set()
        producer.join(30)
    assert oracle.events_committed(lake) >= 2000
    oracle.assert_exact(lake, topic.truth, complete=False)
    caught_up(program, lake, topic).expect(EXIT_OK)
    oracle.assert_exact(lake, topic.truth)


def test_an_empty_topic_is_caught_up_at_once(program, lake, broker):
    topic = broker.topic(3)
    assert caught_up(program, lake, topic).expect(EXIT_OK).seconds < 15
    assert oracle.events_committed(lake) == 0


def test_events_is_exact_over_restarts(program, lake, broker):
    topic = broker.topic(3)
    topic.produce(sales.stream(random.Random(3), 2000))
    for total in (500, 501, 1700):
        program.ingest(lake, *topic.arguments(), "--events", total).expect(EXIT_OK)
        assert oracle.assert_exact(lake, topic.truth, complete=False).events == total


def test_latest_is_resolved_once(program, lake, broker):
    rng = random.Random(4)
    topic = broker.topic(2)
    topic.produce(sales.stream(rng, 100))
    before = topic.counts()
    latest = "source.startingOffsets=latest"
    caught_up(program, lake, topic, latest).expect(EXIT_OK)
    assert {partition: marker for (_, partition), marker in oracle.markers(lake).items()} == {
        partition: count - 1 for partition, count in before.items()
    }
    # What comes while nobody reads is not skipped at the next start, though that says "latest" again.
    topic.produce(sales.stream(rng, 50, first=101))
    caught_up(program, lake, topic, latest).expect(EXIT_OK)
    truth = {
        (source, partition): {offset: fate for offset, fate in fates.items() if offset >= before[partition]}
        for (source, partition), fates in topic.truth.items()
    }
    assert oracle.assert_exact(lake, truth).events == 50


def test_partitions_added_while_it_runs_are_read(program, lake, broker):
    rng = random.Random(5)
    topic = broker.topic(1)
    topic.produce(sales.stream(rng, 100))
    quick = "source.kafka.kafka.topic.metadata.refresh.interval.ms=500"
    with program.start_ingest(lake, *topic.arguments(quick)) as running:
        running.wait_until(lambda: oracle.events_committed(lake) == 100, 20, "100 events")
        topic.add_partitions(3)
        for partition in range(3):
            topic.produce(sales.stream(rng, 50, first=1000 * partition), partition=partition)
        running.wait_until(lambda: oracle.events_committed(lake) == 250, 30, "the events of new partitions")
        running.signal(signal.SIGTERM)
        running.wait(5).expect(EXIT_OK)
    oracle.assert_exact(lake, topic.truth)


# --- transactions, compaction ---


def test_aborted_transactions_are_gaps_and_their_tails_are_covered(program, lake, broker):
    rng = random.Random(6)
    topic = broker.topic(2)
    for number in range(6):
        first = 1 + 100 * number
        topic.produce(sales.stream(rng, 20, first=first), partition=number % 2)
        topic.transaction(sales.stream(rng, 20, first=first + 20), commit=number % 3 != 0, partition=number % 2)
    topic.transaction(sales.stream(rng, 30, first=9000), commit=False, partition=0)  # nothing behind it but its marker
    caught_up(program, lake, topic).expect(EXIT_OK)
    oracle.assert_exact(lake, topic.truth)
    ends = {partition: watermark(broker, topic.name, partition) for partition in range(2)}
    assert {p: marker for (_, p), marker in oracle.markers(lake).items()} == {p: end - 1 for p, end in ends.items()}
    # And a restart finds nothing to complain about, and nothing to do.
    caught_up(program, lake, topic).expect(EXIT_OK)
    oracle.assert_exact(lake, topic.truth)


def test_a_topic_of_aborted_records_only_is_caught_up(program, lake, broker):
    topic = broker.topic(1)
    topic.transaction(sales.stream(random.Random(7), 50), commit=False)
    caught_up(program, lake, topic).expect(EXIT_OK)
    assert oracle.events_committed(lake) == 0
    assert oracle.markers(lake)[topic.source_id, 0] == watermark(broker, topic.name, 0) - 1


def test_an_open_transaction_is_not_read_until_it_commits(program, lake, broker):
    rng = random.Random(8)
    topic = broker.topic(1)
    topic.produce(sales.stream(rng, 10))
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": broker.address, "transactional.id": topic.name, "log_level": 3}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    late = sales.stream(rng, 10, first=11)
    for event in late:
        producer.produce(topic.name, event.value, partition=0)
    producer.flush(30)
    with program.start_ingest(lake, *topic.arguments()) as running:
        running.wait_until(lambda: oracle.events_committed(lake) == 10, 20, "what is before the transaction")
        time.sleep(0.5)
        assert oracle.events_committed(lake) == 10
        producer.commit_transaction(30)
        running.wait_until(lambda: oracle.events_committed(lake) == 20, 20, "the committed transaction")
        running.signal(signal.SIGTERM)
        running.wait(5).expect(EXIT_OK)
    topic.truth[topic.source_id, 0] |= {10 + number: event.fate for number, event in enumerate(late)}
    oracle.assert_exact(lake, topic.truth)


def watermark(broker, topic: str, partition: int) -> int:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": "watermarks"})
    _, high = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=30)
    consumer.close()
    return high


# --- the broker goes and comes ---


def test_it_waits_for_a_broker_that_was_killed_and_goes_on(program, lake, broker):
    rng = random.Random(9)
    topic = broker.topic(3)
    topic.produce(sales.stream(rng, 4000))
    small = sets("bronze.batch_rows=100", "source.maxOffsetsPerTrigger=100")
    with program.start_ingest(lake, *topic.arguments(), *small) as running:
        running.wait_until(lambda: oracle.events_committed(lake) > 100, 20, "the first batches")
        broker.kill()
        time.sleep(2)
        assert running.is_running(), running.stderr()
        assert re.search("broker|Kafka|connect", running.stderr(), re.IGNORECASE), "it says what it waits for"
        broker.restart()
        topic.produce(sales.stream(rng, 1000, first=4001))
        running.wait_until(lambda: oracle.events_committed(lake) == 5000, 40, "all events after the restart")
        running.signal(signal.SIGTERM)
        running.wait(5).expect(EXIT_OK)
    oracle.assert_exact(lake, topic.truth)


def test_it_stops_when_asked_while_the_broker_is_away(program, lake, broker):
    topic = broker.topic(2)
    topic.produce(sales.stream(random.Random(10), 500))
    with program.start_ingest(lake, *topic.arguments()) as running:
        running.wait_until(lambda: oracle.events_committed(lake) == 500, 20, "500 events")
        broker.kill()
        time.sleep(0.5)
        asked = time.monotonic()
        running.signal(signal.SIGTERM)
        running.wait(10).expect(EXIT_OK)
        assert time.monotonic() - asked < 5
    broker.restart()
    oracle.assert_exact(lake, topic.truth)


def test_a_topic_that_does_not_exist_is_named(program, lake, broker):
    arguments = ["--source", "kafka", *sets(f"source.kafka.bootstrap_servers={broker.address}", "source.kafka.topic=nowhere")]
    done = program.ingest(lake, *arguments, *CAUGHT_UP, timeout=40)
    assert done.code in (EXIT_RUNTIME, EXIT_UNAVAILABLE, 78) and "nowhere" in done.stderr, done


# --- a group on one lake ---


def test_a_killed_member_of_the_group_is_replaced_by_the_other(program, lake, broker):
    rng = random.Random(12)
    topic = broker.topic(4)
    topic.produce(sales.stream(rng, 1000))
    arguments = [*in_group(topic), *sets("bronze.batch_rows=100")]
    with program.start_ingest(lake, *arguments) as first:
        first.wait_until(lambda: oracle.events_committed(lake) == 1000, 30, "1,000 events by the first")
        with program.start_ingest(lake, *arguments) as second:
            # The second one's claims show that it was given something.
            second.wait_until(lambda: sum(epochs(lake, topic).values()) > 4, 30, "a partition for the second")
            topic.produce(sales.stream(rng, 1000, first=1001))
            first.wait_until(lambda: oracle.events_committed(lake) > 1000, 30, "commits after the rebalance")
            first.kill()
            topic.produce(sales.stream(rng, 1000, first=2001))
            second.wait_until(lambda: oracle.events_committed(lake) == 3000, 40, "everything, by the second alone")
            with program.start_ingest(lake, *arguments) as third:
                topic.produce(sales.stream(rng, 1000, first=3001))
                third.wait_until(lambda: oracle.events_committed(lake) == 4000, 40, "everything, by two again")
                third.signal(signal.SIGTERM)
                third.wait(5).expect(EXIT_OK)
            second.signal(signal.SIGTERM)
            second.wait(5).expect(EXIT_OK)
    oracle.assert_exact(lake, topic.truth)


def test_members_come_and_go_under_load(program, lake, broker):
    rng = random.Random(13)
    topic = broker.topic(6)
    arguments = [*in_group(topic), *sets("bronze.batch_rows=200")]
    members, produced = [], 0
    try:
        for step in range(8):
            topic.produce(sales.stream(rng, 400, first=produced + 1))
            produced += 400
            if len(members) < 3:
                members.append(program.start_ingest(lake, *arguments))
            time.sleep(rng.uniform(0.3, 1.2))
            if len(members) > 1 and rng.random() < 0.5:
                gone = members.pop(rng.randrange(len(members)))
                if rng.random() < 0.5:
                    gone.kill()
                else:
                    gone.signal(signal.SIGTERM)
                    gone.wait(8).expect(EXIT_OK)
        members[0].wait_until(lambda: oracle.events_committed(lake) == produced, 40, "everything")
        assert all(member.is_running() for member in members), [member.stderr() for member in members]
    finally:
        for member in members:
            if member.is_running():
                member.signal(signal.SIGTERM)
        ended = [member.wait(10) for member in members]
    assert {done.code for done in ended} == {EXIT_OK}, ended
    oracle.assert_exact(lake, topic.truth)


def epochs(lake, topic) -> dict[int, int]:
    found = oracle.newest_transactions(lake)
    return {p: found.get(f"ventes/{topic.source_id}/{p}#epoch", 0) for p in range(topic.partitions)}


# --- loss is never silent ---


def test_offsets_that_expired_unread_stop_it_with_the_exact_range(program, lake, broker):
    rng = random.Random(14)
    topic = broker.topic(2)
    topic.produce(sales.stream(rng, 300), partition=0)
    topic.produce(sales.stream(rng, 300, first=301), partition=1)
    caught_up(program, lake, topic).expect(EXIT_OK)
    topic.produce(sales.stream(rng, 300, first=601), partition=1)
    broker.delete_records(topic.name, 1, 450)
    done = caught_up(program, lake, topic).expect(EXIT_DATA_LOSS)
    assert topic.name in done.stderr and re.search(r"\b300\b.*\b449\b", done.stderr, re.DOTALL), done
    assert oracle.events_committed(lake) == 600

    # Told to go on, it says what it skips, and skips nothing else.
    done = caught_up(program, lake, topic, "source.failOnDataLoss=false").expect(EXIT_OK)
    assert re.search(r"\b300\b.*\b449\b", done.stderr, re.DOTALL), done
    fates = topic.truth[topic.source_id, 1]
    for offset in range(300, 450):
        del fates[offset]
    assert oracle.assert_exact(lake, topic.truth).events == 750
    # The loss is told once: the marker now stands behind it.
    caught_up(program, lake, topic).expect(EXIT_OK)
    oracle.assert_exact(lake, topic.truth)


def test_offsets_that_expired_before_the_first_start_are_no_loss(program, lake, broker):
    topic = broker.topic(1)
    topic.produce(sales.stream(random.Random(15), 100))
    broker.delete_records(topic.name, 0, 60)
    caught_up(program, lake, topic).expect(EXIT_OK)
    fates = topic.truth[topic.source_id, 0]
    topic.truth[topic.source_id, 0] = {offset: fate for offset, fate in fates.items() if offset >= 60}
    assert oracle.assert_exact(lake, topic.truth).events == 40


def test_offsets_that_expire_exactly_up_to_the_marker_are_no_loss(program, lake, broker):
    rng = random.Random(16)
    topic = broker.topic(1)
    topic.produce(sales.stream(rng, 100))
    caught_up(program, lake, topic).expect(EXIT_OK)
    topic.produce(sales.stream(rng, 20, first=101))
    broker.delete_records(topic.name, 0, 100)
    caught_up(program, lake, topic).expect(EXIT_OK)
    assert oracle.assert_exact(lake, topic.truth).events == 120


def test_offsets_that_expire_while_it_is_stopped_mid_run_stop_it(program, lake, broker):
    """The process is frozen while retention overtakes it: what it never read is gone when it wakes."""
    rng = random.Random(17)
    topic = broker.topic(1)
    topic.produce(sales.stream(rng, 200))
    with program.start_ingest(lake, *topic.arguments()) as running:
        running.wait_until(lambda: oracle.events_committed(lake) == 200, 20, "200 events")
        running.signal(signal.SIGSTOP)
        topic.produce(sales.stream(rng, 200, first=201))
        broker.delete_records(topic.name, 0, 300)
        running.signal(signal.SIGCONT)
        # What librdkafka had asked for before it froze may still have been answered: then nothing is lost.
        running.wait_until(
            lambda: not running.is_running() or oracle.events_committed(lake) == 400, 30, "an end, or all events"
        )
        if running.is_running():
            running.signal(signal.SIGTERM)
            running.wait(5).expect(EXIT_OK)
        else:
            done = running.wait(5).expect(EXIT_DATA_LOSS)
            assert re.search(r"\b299\b", done.stderr), done
    oracle.assert_exact(lake, topic.truth, complete=False)


@pytest.mark.parametrize("records", [20, 100, 500])
def test_a_recreated_topic_stops_it(program, lake, broker, records):
    """Shorter than the marker, exactly as long, and longer: the record at the marker is another one."""
    rng = random.Random(18)
    topic = broker.topic(1)
    topic.produce(sales.stream(rng, 100, malformed=0))
    caught_up(program, lake, topic).expect(EXIT_OK)
    broker.delete_topic(topic.name)
    again = recreate(broker, topic.name)
    again.produce(sales.stream(rng, records, first=10_000, malformed=0))
    done = caught_up(program, lake, topic).expect(EXIT_DATA_LOSS)
    assert topic.name in done.stderr, done
    oracle.assert_exact(lake, topic.truth)


def test_a_topic_recreated_while_it_is_read_stops_it(program, lake, broker):
    rng = random.Random(19)
    topic = broker.topic(1)
    topic.produce(sales.stream(rng, 100))
    quick = "source.kafka.kafka.topic.metadata.refresh.interval.ms=500"
    with program.start_ingest(lake, *topic.arguments(quick)) as running:
        running.wait_until(lambda: oracle.events_committed(lake) == 100, 20, "100 events")
        broker.delete_topic(topic.name)
        # Shorter than what was read. One that is longer, and made within a moment, is seen at the next start only:
        # librdkafka 2.0 knows a topic by its name (docs/exactly-once.md, rule 9).
        recreate(broker, topic.name).produce(sales.stream(rng, 50, first=10_000))
        running.wait(40).expect(EXIT_DATA_LOSS)
    oracle.assert_exact(lake, topic.truth)


def recreate(broker, name: str):
    deadline = time.monotonic() + 20
    while True:
        try:
            return broker.topic(1, name=name)
        except confluent_kafka.KafkaException:
            assert time.monotonic() < deadline
            time.sleep(0.2)


# --- inlet produce ---


def test_produce_puts_the_generators_events_into_a_topic_it_creates(program, lake, broker, tmp_path):
    topic = f"made-{random.SystemRandom().randrange(10**9)}"
    kafka = sets(f"source.kafka.bootstrap_servers={broker.address}", f"source.kafka.topic={topic}")
    done = program.run(
        "produce", program.pipeline, *kafka, *generator.EVENTS, "--count", 3000, "--rate", 0, "--partitions", 3
    ).expect(EXIT_OK)
    assert "3000" in (done.stdout + done.stderr).replace(",", "").replace(" ", ""), done
    found = consume(broker, topic)
    assert len(found) == 3000 and {partition for partition, _ in found} == {0, 1, 2}
    # The same events, parsed by Python from the bytes in the topic and by Inlet from its own generator.
    # At full speed partitions are read in turns of 2,048 events: after so many, events 0..2999 are all there.
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 6144).expect(EXIT_OK)
    generated = {row["vente_id"]: row for row in oracle.LakeView(lake).bronze}
    parsed = {}
    for value in found.values():
        try:
            event = json.loads(value, parse_float=decimal.Decimal)
            parsed[event["vente_id"]] = event
        except (ValueError, TypeError, KeyError):
            continue
    common = generated.keys() & parsed.keys()
    assert len(common) > 2500
    for number in common:
        for column in ("client_id", "produit_id", "montant", "client_nom", "produit_nom", "pays"):
            if parsed[number].get(column) != generated[number][column]:
                assert type(parsed[number].get(column)) is not type(generated[number][column]), (number, column)


def test_produce_says_when_the_broker_is_not_there(program):
    kafka = sets("source.kafka.bootstrap_servers=127.0.0.1:1", "source.kafka.topic=none")
    done = program.run("produce", program.pipeline, *kafka, "--count", 10, timeout=60)
    assert done.code in (EXIT_RUNTIME, EXIT_UNAVAILABLE) and "127.0.0.1:1" in done.stderr, done
