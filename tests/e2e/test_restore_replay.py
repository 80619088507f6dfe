"""`restore --replay`: the markers go back with the table, in one commit, and the next run reads again what was taken out:
each event once, wherever it went the first time. Judged by the generator's truth, as a run that nothing disturbed.
"""

from __future__ import annotations

import collections
import os
import random
import signal

import pytest

import delta_log
import generator
import oracle
import sales
import silver
from generator import UNLIMITED
from program import EXIT_OK, EXIT_RUNTIME, EXIT_UNAVAILABLE, sets
from sales import Row
from test_late import DIVERT, apply, assert_decided, assert_values, once, positions
from test_tables import BRONZE, newest, positions_at, restore, rows_at, run_views, verify

SEED = int(os.environ.get("INLET_RESTORE_SEED") or random.SystemRandom().randrange(1 << 30))
REPLAY = ("--replay", *generator.EVENTS)  # the source is asked, so it must be the one that was read


def markers_at(lake, version: int) -> dict:
    return delta_log.markers(delta_log.transactions(delta_log.read(lake / BRONZE)[: version + 1]), "ventes")


def versions_not_behind(lake) -> list:
    """With no partition's marker below the one it has now."""
    now = markers_at(lake, newest(lake))
    is_one = lambda then: all(then.get(partition, -1) >= marker for partition, marker in now.items())  # noqa: E731
    return [version for version in range(newest(lake) + 1) if is_one(markers_at(lake, version))]


def assert_each_once(lake, reference) -> None:
    """Up to the markers: every event in bronze or in quarantine, as the generator makes it. Whatever the log went through."""
    truth = reference.covering(lake)
    view = oracle.LakeView(lake)
    good, rejected = [], []
    for partition, marker in view.markers.items():
        for offset, fate in truth.get(partition, {}).items():
            if offset <= marker:
                (good if isinstance(fate, Row) else rejected).append((partition, offset))
    assert positions(view.bronze) == once(good)
    assert positions(view.quarantine) == once(rejected)
    assert_values(view.bronze, truth)
    assert view.events == len(good) + len(rejected)


def test_what_was_taken_out_is_read_again_and_the_table_is_what_it_was(program, lake, reference):
    run_views(program, lake, 2000)
    then = newest(lake)
    run_views(program, lake, 5000)
    last, taken = newest(lake), markers_at(lake, newest(lake))

    planned = restore(program, lake, BRONZE, then, *REPLAY, "--dry-run").expect(EXIT_OK).json()
    assert planned["version"] is None and newest(lake) == last
    done = restore(program, lake, BRONZE, then, *REPLAY).expect(EXIT_OK).json()
    assert {**planned, "version": done["version"], "dry_run": False} == done
    back = markers_at(lake, then)
    assert oracle.markers(lake) == back and rows_at(lake) == rows_at(lake, then)
    info = delta_log.read(lake / BRONZE)[-1].info
    assert len(done["read_again"]) >= 2
    for (source, partition), marker in back.items():
        if marker == taken[source, partition]:
            assert f"{source}/{partition}" not in done["read_again"]
            continue
        again = f"{marker + 1}..{taken[source, partition]}"
        assert done["read_again"][f"{source}/{partition}"] == info[f"readAgain:{source}/{partition}"] == again
    shown = program.run("history", program.pipeline, BRONZE, "--limit", 1, "--lake", lake).expect(EXIT_OK).stdout
    assert "again " in shown and "out " in shown
    assert oracle.events_committed(lake) == 2000

    run_views(program, lake, 7000)
    assert_each_once(lake, reference)
    verify(program, lake)
    silver.assert_exact(lake)


def test_markers_that_stayed_go_back_later(program, lake, reference):
    run_views(program, lake, 1000)
    then = newest(lake)
    run_views(program, lake, 3000)
    markers = oracle.markers(lake)
    restore(program, lake, BRONZE, then).expect(EXIT_OK)
    assert oracle.markers(lake) == markers
    done = restore(program, lake, BRONZE, then, *REPLAY).expect(EXIT_OK).json()
    assert done["read_again"] and done["removed_files"] == 0 and done["version"] == newest(lake)
    again = restore(program, lake, BRONZE, then, *REPLAY).expect(EXIT_OK).json()
    assert not again["read_again"] and again["version"] is None
    run_views(program, lake, 3000)
    assert_each_once(lake, reference)
    verify(program, lake)


def test_going_forward_over_a_replay_reads_nothing_twice(program, lake, reference):
    run_views(program, lake, 2000)
    then = newest(lake)
    run_views(program, lake, 5000)
    last = newest(lake)
    restore(program, lake, BRONZE, then, *REPLAY).expect(EXIT_OK)
    run_views(program, lake, 3000)
    restore(program, lake, BRONZE, last).expect(EXIT_OK)
    assert rows_at(lake) == rows_at(lake, last) and oracle.markers(lake) == markers_at(lake, last)
    assert oracle.events_committed(lake) == 5000
    run_views(program, lake, 6000)
    assert_each_once(lake, reference)
    verify(program, lake)


def test_rejected_and_late_events_stay_where_they_stand_however_often_it_goes_back(program, lake, reference):
    rng = random.Random(SEED)
    print(f"INLET_RESTORE_SEED={SEED}")

    def ingest(events: int) -> None:
        program.ingest(lake, *generator.EVENTS, *UNLIMITED, *DIVERT, "--events", events).expect(EXIT_OK)

    furthest: dict = {}

    def is_beyond() -> bool:
        """Above its marker, a partition has rows in quarantine and in the late table that were decided before it went back."""
        return all(oracle.markers(lake)[partition] >= marker for partition, marker in furthest.items())

    for _ in range(6):
        ingest(oracle.events_committed(lake) + rng.randint(500, 2500))
        for partition, marker in oracle.markers(lake).items():
            furthest[partition] = max(marker, furthest.get(partition, -1))
        if rng.random() < 0.4:
            apply(program, lake)
        version = rng.randint(1, newest(lake))
        arguments = REPLAY if rng.random() < 0.7 else ()
        if not arguments:  # forward in every partition, or not at all: what stays out is not asked for here
            version = max(versions_not_behind(lake), key=lambda v: sum(markers_at(lake, v).values()))
        restore(program, lake, BRONZE, version, *arguments, *DIVERT).expect(EXIT_OK)
    apply(program, lake)
    ingest(oracle.events_committed(lake) + 8000)  # in one run, so that every partition has its turn
    for _ in range(5):
        if not is_beyond():
            ingest(oracle.events_committed(lake) + 8000)
    assert is_beyond()
    apply(program, lake)
    assert_decided(lake, reference.covering(lake), applied=True)


def test_late_rows_that_went_are_to_be_applied_once_more(program, lake):
    arguments = [*generator.EVENTS, *UNLIMITED, *DIVERT, "--events", 3000]
    program.ingest(lake, *arguments).expect(EXIT_OK)
    then = newest(lake)
    applied = apply(program, lake)["rows"]
    last = newest(lake)
    restore(program, lake, BRONZE, then).expect(EXIT_OK)
    assert applied > 0 and apply(program, lake, "--dry-run")["rows"] == applied
    restore(program, lake, BRONZE, last).expect(EXIT_OK)
    assert apply(program, lake)["rows"] == 0
    assert all(count == 1 for count in collections.Counter(positions_at(lake)).values())


def test_it_is_refused_under_a_run_and_for_other_tables(program, lake):
    run_views(program, lake, 1000)
    then = newest(lake)
    arguments = ["run", program.pipeline, "--lake", lake, *generator.EVENTS, *sets("source.generator.rate=2000")]
    with program.start(*arguments) as running:
        running.wait_until(lambda: newest(lake) > then + 3, 20, "three more versions")
        error = restore(program, lake, BRONZE, then, *REPLAY).expect(EXIT_UNAVAILABLE).error()
        assert error["id"] == "lake.locked"
        running.signal(signal.SIGTERM)
        running.wait(10).expect(EXIT_OK)
    error = restore(program, lake, "quarantine/ventes_stream", 0, *REPLAY).expect(EXIT_RUNTIME).error()
    assert error["id"] == "restore.replay_of_bronze"


@pytest.mark.parametrize("fate", ["grown", "gone", "changed"])
def test_a_marker_stays_where_the_source_cannot_serve_its_records_again(program, lake, tmp_path, fate):
    rng = random.Random(5)
    path = tmp_path / "sales.jsonl"

    def add(count: int) -> None:
        with path.open("ab") as file:
            for number in range(count):
                file.write(sales.sale(number, rng).value + b"\n")

    source = ["--source", "file", *sets(f"source.file.path={path}")]
    run = ["run", program.pipeline, "--lake", lake, *source, "--until", "caught-up"]
    add(200)
    program.run(*run).expect(EXIT_OK)
    then = newest(lake)
    add(200)
    program.run(*run).expect(EXIT_OK)
    last, rows, markers = newest(lake), positions_at(lake), oracle.markers(lake)
    if fate == "grown":
        add(50)
    elif fate == "gone":
        path.unlink()
        path.with_suffix(".other").write_bytes(b"{}\n")
        source = ["--source", "file", *sets(f"source.file.path={path.with_suffix('.other')}")]
    else:
        path.write_bytes(path.read_bytes()[::-1])

    done = restore(program, lake, BRONZE, then, "--replay", *source).expect(EXIT_OK).json()
    if fate == "grown":
        assert done["read_again"] and not done["not_servable"]
        program.run(*run).expect(EXIT_OK)
        assert positions_at(lake)[: len(rows)] == rows and len(positions_at(lake)) > len(rows)
        return
    assert not done["read_again"]
    (kept,) = done["not_servable"].values()
    assert kept["reason"] and oracle.markers(lake) == markers
    restore(program, lake, BRONZE, last).expect(EXIT_OK)
    assert positions_at(lake) == rows
