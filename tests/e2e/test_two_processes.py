"""Two processes, one pipeline, one lake: one of them writes, and whoever lost its claim writes nothing more."""

from __future__ import annotations

import random
import signal
import time

import pytest

import delta_log
import generator
import oracle
import sales
from generator import UNLIMITED
from program import EXIT_DATA_LOSS, EXIT_OK, EXIT_RUNTIME, EXIT_UNAVAILABLE, sets

STEADY = sets("source.generator.rate=2000")
# Only test builds know it: it stands for a second machine, which an flock on this one does not stop.
OTHER_MACHINE = {"INLET_NO_LOCK": "1"}


def test_a_second_process_is_told_who_holds_the_pipeline(program, lake, reference):
    with program.start_ingest(lake, *generator.EVENTS, *STEADY) as first:
        first.wait_until(lambda: oracle.events_committed(lake) > 0, 20, "a commit")
        done = program.ingest(lake, *generator.EVENTS, *STEADY, "--for", "5s")
        assert done.code in (EXIT_UNAVAILABLE, EXIT_RUNTIME), done
        assert str(first.pid) in done.stderr, done
        assert done.seconds < 5, "it does not wait"
        before = oracle.events_committed(lake)
        first.wait_until(lambda: oracle.events_committed(lake) > before, 20, "further commits of the first")
        first.signal(signal.SIGTERM)
        first.wait(5).expect(EXIT_OK)
    view = reference.assert_exact(lake)
    epochs = {value for name, value in view.transactions.items() if name.endswith("#epoch")}
    assert epochs == {1}, "the second one claimed nothing"


def test_two_processes_started_together_do_not_both_write(program, lake, reference):
    arguments = [*generator.EVENTS, *STEADY, "--for", "2s"]
    with program.start_ingest(lake, *arguments) as one, program.start_ingest(lake, *arguments) as other:
        codes = sorted([one.wait(20).code, other.wait(20).code])
    assert codes[0] == EXIT_OK and codes[1] in (EXIT_UNAVAILABLE, EXIT_RUNTIME)
    reference.assert_exact(lake)


def test_another_pipeline_may_use_the_same_lake(program, lake, tmp_path):
    """The lock is the pipeline's, not the lake's."""
    text = program.pipeline.read_text().replace('name = "ventes"', 'name = "other"').replace("ventes_stream", "other")
    other_file = tmp_path / "other.toml"
    other_file.write_text(text)
    other = program.with_pipeline(other_file)
    with program.start_ingest(lake, *STEADY, "--for", "3s") as one, other.start_ingest(lake, *STEADY, "--for", "3s") as two:
        one.wait(20).expect(EXIT_OK)
        two.wait(20).expect(EXIT_OK)
    assert oracle.events_committed(lake) > 0
    assert oracle.events_committed(lake, pipeline="other", table="other") > 0


def test_a_killed_process_holds_nothing(program, lake, reference):
    with program.start_ingest(lake, *generator.EVENTS, *STEADY) as first:
        first.wait_until(lambda: oracle.events_committed(lake) > 0, 20, "a commit")
        first.kill()
    total = oracle.events_committed(lake) + 500
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", total).expect(EXIT_OK)
    assert reference.assert_exact(lake).events == total


@pytest.mark.parametrize(
    "point",
    [
        "pipeline.batch_closed:3",
        "bronze.before_quarantine_commit:3",
        "bronze.before_parquet:3",
        "bronze.before_commit:3",
        "lake.before_commit_write:8",
        "lake.before_commit_link:8",
        "lake.after_commit_link:8",
        "bronze.after_commit:3",
    ],
)
def test_a_stopped_process_whose_partitions_were_taken_over_writes_nothing_more(program, lake, reference, point):
    with program.start_ingest(lake, *generator.EVENTS, *UNLIMITED, env={"INLET_STOP_AT": point}) as stopped:
        stopped.wait_until(stopped.is_stopped, 20, f"stop at {point}")
        total = oracle.events_committed(lake) + 4000
        taking_over = [*generator.EVENTS, *UNLIMITED, "--events", total]
        program.ingest(lake, *taking_over, env=OTHER_MACHINE).expect(EXIT_OK)
        tables = (lake / "bronze/ventes_stream", lake / "quarantine/ventes_stream")
        before = [delta_log.version(table) for table in tables]
        stopped.signal(signal.SIGCONT)
        done = stopped.wait(20).expect(EXIT_DATA_LOSS)
        assert [delta_log.version(table) for table in tables] == before, "it wrote after it was superseded"
        assert done.stderr.strip(), "it says why it stops"
    assert reference.assert_exact(lake).events == total


@pytest.mark.parametrize("point", ["bronze.before_commit:3", "lake.before_commit_link:8"])
def test_a_process_frozen_while_another_one_still_writes_stays_out_of_its_way(program, lake, reference, point):
    with program.start_ingest(lake, *generator.EVENTS, *UNLIMITED, env={"INLET_STOP_AT": point}) as stopped:
        stopped.wait_until(stopped.is_stopped, 20, f"stop at {point}")
        at_stop = oracle.events_committed(lake)
        with program.start_ingest(lake, *generator.EVENTS, *STEADY, env=OTHER_MACHINE) as second:
            second.wait_until(lambda: oracle.events_committed(lake) > at_stop, 20, "commits of the second")
            stopped.signal(signal.SIGCONT)
            stopped.wait(20).expect(EXIT_DATA_LOSS)
            before = oracle.events_committed(lake)
            second.wait_until(lambda: oracle.events_committed(lake) > before, 20, "further commits of the second")
            second.signal(signal.SIGTERM)
            second.wait(5).expect(EXIT_OK)
    reference.assert_exact(lake)


@pytest.mark.broker
def test_within_a_group_a_stopped_process_goes_on_with_what_it_is_assigned(program, lake, broker):
    rng = random.Random(11)
    topic = broker.topic(4)
    topic.produce(sales.stream(rng, 2000))
    in_group = topic.arguments(f"source.kafka.group_id={topic.name}", "source.kafka.kafka.session.timeout.ms=2000")
    in_group += sets("source.kafka.kafka.heartbeat.interval.ms=300", "bronze.batch_rows=100")
    with program.start_ingest(lake, *in_group, env={"INLET_STOP_AT": "bronze.before_commit:3"}) as stopped:
        stopped.wait_until(stopped.is_stopped, 20, "stop")
        with program.start_ingest(lake, *in_group) as other:
            other.wait_until(lambda: oracle.events_committed(lake) == 2000, 40, "all committed by the other")
            stopped.signal(signal.SIGCONT)
            time.sleep(3)
            assert stopped.is_running(), stopped.stderr()
            # Both share the partitions again; kill the one that took over, so that the stopped one must carry on.
            topic.produce(sales.stream(rng, 500, first=2001))
            other.wait_until(lambda: oracle.events_committed(lake) == 2500, 20, "the next 500")
            other.kill()
        topic.produce(sales.stream(rng, 500, first=2501))
        stopped.wait_until(lambda: oracle.events_committed(lake) == 3000, 40, "the last 500, by the stopped one")
        stopped.signal(signal.SIGTERM)
        stopped.wait(5).expect(EXIT_OK)
    oracle.assert_exact(lake, topic.truth)
