"""Every way a run ends by itself or is asked to, and that what it says is committed is."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

import generator
import oracle
import sales
from generator import UNLIMITED
from program import EXIT_DATA_LOSS, EXIT_OK, sets


def rate(events_per_second: int) -> list[str]:
    return sets(f"source.generator.rate={events_per_second}")


# --- asked to stop ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("speed", [500, 20_000])
def test_a_signal_ends_it_within_five_seconds_with_all_it_read_committed(program, lake, reference, number, speed):
    with program.start_ingest(lake, *generator.EVENTS, *rate(speed)) as running:
        running.wait_until(lambda: oracle.events_committed(lake) > 200, 20, "commits")
        asked = time.monotonic()
        running.signal(number)
        running.wait(10).expect(EXIT_OK)
        assert time.monotonic() - asked < 5
    reference.assert_exact(lake)


def test_a_signal_finishes_the_batch_that_is_open(program, lake, reference):
    """Nothing would close this batch for a minute: the signal does, and its events are committed."""
    slow_batches = sets("bronze.batch_interval=60s", "bronze.batch_rows=1000000")
    with program.start_ingest(lake, *generator.EVENTS, *rate(1000), *slow_batches) as running:
        time.sleep(1.5)
        running.signal(signal.SIGTERM)
        running.wait(5).expect(EXIT_OK)
    assert oracle.events_committed(lake) > 300
    reference.assert_exact(lake)


def test_a_second_signal_ends_it_at_once_and_loses_nothing(program, lake, reference, inject_library):
    lake.mkdir()
    env = {"LD_PRELOAD": str(inject_library), "INLET_INJECT_PREFIX": str(lake), "INLET_INJECT": "fsync:40:delay:1000"}
    with program.start_ingest(lake, *generator.EVENTS, *rate(0), env=env) as running:
        running.wait_until(lambda: oracle.events_committed(lake) > 0, 20, "a commit")
        time.sleep(1)  # by now it sits in an fsync that takes three seconds
        running.signal(signal.SIGTERM)
        time.sleep(0.2)
        assert running.is_running(), "the first signal lets it finish"
        asked = time.monotonic()
        running.signal(signal.SIGTERM)
        done = running.wait(10)
        assert time.monotonic() - asked < 1, done
        assert done.code != EXIT_OK, "it did not finish, and says so"
    total = oracle.events_committed(lake) + 1000
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", total).expect(EXIT_OK)
    reference.assert_exact(lake)


# --- ends by itself ---


def test_events_counts_over_the_pipelines_whole_life(program, lake, reference):
    for total in (700, 701, 2500, 6000):
        program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", total).expect(EXIT_OK)
        assert reference.assert_exact(lake).events == total


def test_events_already_committed_end_the_run_at_once(program, lake):
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 1000).expect(EXIT_OK)
    done = program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 1000).expect(EXIT_OK)
    assert done.seconds < 5
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 500).expect(EXIT_OK)
    assert oracle.events_committed(lake) == 1000


def test_events_is_exact_at_a_low_rate(program, lake, reference):
    program.ingest(lake, *generator.EVENTS, *rate(200), "--events", 150).expect(EXIT_OK)
    assert reference.assert_exact(lake).events == 150


def test_for_ends_after_its_time(program, lake, reference):
    done = program.ingest(lake, *generator.EVENTS, *rate(500), "--for", "2s").expect(EXIT_OK)
    assert 2 <= done.seconds < 6
    assert reference.assert_exact(lake).events > 300


def test_a_slow_generator_still_commits(program, lake):
    program.ingest(lake, *rate(1), "--for", "3s").expect(EXIT_OK)
    assert 1 <= oracle.events_committed(lake) <= 5


# --- files ---


def reading(path: pathlib.Path, *more: str) -> list[str]:
    return ["--source", "file", *sets(f"source.file.path={path}", *more)]


def lines_of(count: int, seed: int = 1, start: int = 0, first: int = 1):
    return sales.as_lines(sales.stream(random.Random(seed), count, first=first), start)


def test_reads_a_file_that_grows(program, lake, tmp_path):
    path = tmp_path / "ventes.jsonl"
    lines, fates = lines_of(300)
    later, more = lines_of(200, seed=2, start=len(lines), first=301)
    path.write_bytes(lines)
    with program.start_ingest(lake, *reading(path)) as running:
        running.wait_until(lambda: oracle.events_committed(lake) == 300, 20, "300 events")
        with path.open("ab", buffering=0) as file:
            # Pieces that end anywhere: a line that is not yet whole waits.
            for at in range(0, len(later), 1021):
                file.write(later[at : at + 1021])
                time.sleep(0.002)
        running.wait_until(lambda: oracle.events_committed(lake) == 500, 20, "500 events")
        running.signal(signal.SIGTERM)
        running.wait(5).expect(EXIT_OK)
    oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates | more}))


def test_a_last_line_without_newline_waits(program, lake, tmp_path):
    path = tmp_path / "ventes.jsonl"
    lines, fates = lines_of(10)
    path.write_bytes(lines[:-1])
    with program.start_ingest(lake, *reading(path)) as running:
        running.wait_until(lambda: oracle.events_committed(lake) == 9, 20, "9 events")
        time.sleep(0.5)
        assert oracle.events_committed(lake) == 9
        with path.open("ab") as file:
            file.write(b"\n")
        running.wait_until(lambda: oracle.events_committed(lake) == 10, 20, "the last event")
        running.signal(signal.SIGTERM)
        running.wait(5).expect(EXIT_OK)
    oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))


def test_caught_up_takes_a_last_line_without_newline_once(program, lake, tmp_path):
    path = tmp_path / "ventes.jsonl"
    lines, fates = lines_of(10)
    path.write_bytes(lines[:-1])
    program.ingest(lake, *reading(path), "--until", "caught-up").expect(EXIT_OK)
    assert oracle.events_committed(lake) == 10
    program.ingest(lake, *reading(path), "--until", "caught-up").expect(EXIT_OK)
    assert oracle.events_committed(lake) == 10
    later, more = lines_of(5, seed=2, start=len(lines), first=11)
    with path.open("ab") as file:
        file.write(b"\n" + later)
    program.ingest(lake, *reading(path), "--until", "caught-up").expect(EXIT_OK)
    # Without its newline the line ended one byte earlier.
    fates[len(lines) - 2] = fates.pop(len(lines) - 1)
    view = oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates | more}))
    assert view.events == 15


def test_blank_lines_are_events_without_content(program, lake, tmp_path):
    """Nothing is dropped: an empty line is a reject, as an empty message is."""
    path = tmp_path / "ventes.jsonl"
    path.write_bytes(b"\n" + lines_of(1)[0] + b"\n")
    program.ingest(lake, *reading(path), "--until", "caught-up").expect(EXIT_OK)
    view = oracle.LakeView(lake)
    assert len(view.bronze) == 1 and [row["reason"] for row in view.quarantine] == ["empty", "empty"]
    assert view.events == 3


def test_lines_may_end_in_carriage_return_and_newline(program, lake, tmp_path):
    path = tmp_path / "ventes.jsonl"
    rng = random.Random(4)
    events = [sales.sale(number, rng) for number in range(20)]
    path.write_bytes(b"".join(event.value + b"\r\n" for event in events))
    program.ingest(lake, *reading(path), "--until", "caught-up").expect(EXIT_OK)
    view = oracle.LakeView(lake)
    assert sorted(row["vente_id"] for row in view.bronze) == list(range(20)) and not view.quarantine


def test_reads_the_files_of_a_directory_and_new_ones(program, lake, tmp_path):
    directory = tmp_path / "in"
    directory.mkdir()
    fates_of = {}
    for number, name in enumerate(("a.jsonl", "c.jsonl")):
        lines, fates_of[name] = lines_of(100, seed=number, first=1 + 100 * number)
        (directory / name).write_bytes(lines)
    with program.start_ingest(lake, *reading(directory)) as running:
        running.wait_until(lambda: oracle.events_committed(lake) == 200, 20, "200 events")
        lines, fates_of["b.jsonl"] = lines_of(100, seed=9, first=201)
        aside = tmp_path / "b.jsonl"
        aside.write_bytes(lines)
        aside.rename(directory / "b.jsonl")
        running.wait_until(lambda: oracle.events_committed(lake) == 300, 20, "300 events")
        running.signal(signal.SIGTERM)
        running.wait(5).expect(EXIT_OK)
    oracle.assert_exact(lake, oracle.file_truth(lake, fates_of))


def test_a_directory_is_caught_up_when_every_file_is(program, lake, tmp_path):
    directory = tmp_path / "in"
    directory.mkdir()
    fates_of = {}
    for number in range(12):
        lines, fates_of[f"{number}.jsonl"] = lines_of(40, seed=number, first=1 + 40 * number)
        (directory / f"{number}.jsonl").write_bytes(lines)
    program.ingest(lake, *reading(directory), "--until", "caught-up").expect(EXIT_OK)
    oracle.assert_exact(lake, oracle.file_truth(lake, fates_of))


def test_an_empty_file_is_caught_up_at_once(program, lake, tmp_path):
    path = tmp_path / "ventes.jsonl"
    path.touch()
    program.ingest(lake, *reading(path), "--until", "caught-up").expect(EXIT_OK)
    assert oracle.events_committed(lake) == 0


def test_reads_standard_input_to_its_end(program, lake):
    lines, fates = lines_of(500)
    reader, writer = os.pipe()
    with program.start_ingest(lake, *reading("-"), stdin=reader) as running:
        os.close(reader)
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(lines)
        running.wait(20).expect(EXIT_OK)
    view = oracle.LakeView(lake)
    (partition,) = view.markers
    oracle.assert_exact(lake, {partition: fates})


def test_a_file_that_shrank_stops_it(program, lake, tmp_path):
    path = tmp_path / "ventes.jsonl"
    lines, fates = lines_of(100)
    path.write_bytes(lines)
    program.ingest(lake, *reading(path), "--until", "caught-up").expect(EXIT_OK)
    kept = lines[: lines.index(b"\n", len(lines) // 2) + 1]
    path.write_bytes(kept)
    done = program.ingest(lake, *reading(path), "--until", "caught-up").expect(EXIT_DATA_LOSS)
    assert path.name in done.stderr and str(len(lines) - 1) in done.stderr, done
    oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))


def test_a_file_that_shrank_while_it_was_read_stops_it(program, lake, tmp_path):
    path = tmp_path / "ventes.jsonl"
    lines, fates = lines_of(100)
    path.write_bytes(lines)
    with program.start_ingest(lake, *reading(path)) as running:
        running.wait_until(lambda: oracle.events_committed(lake) == 100, 20, "100 events")
        os.truncate(path, len(lines) // 2)
        done = running.wait(20).expect(EXIT_DATA_LOSS)
    assert path.name in done.stderr, done
    oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))


def test_a_run_leaves_no_process_behind(program, lake):
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 100).expect(EXIT_OK)
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, timeout=10).stdout
    assert str(lake) not in listed
