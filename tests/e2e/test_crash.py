"""Killed again and again, at every step from poll to acknowledged commit, and nothing is lost, repeated or altered.

A series is one lake: the program is killed many times, ends once cleanly, and the oracle looks. Environment:
  INLET_CRASH_SEED    replays the choices of a run; every failure prints it
  INLET_CRASH_KILLS   how many kills in all (300)
  INLET_CRASH_LONG    1: ten times as many
"""

from __future__ import annotations

import collections
import math
import os
import pathlib
import random
import signal
import time

import pytest

import generator
import oracle
import program as program_module
import sales
import test_evolution
import test_maintenance
import test_replay
import test_tables
import test_views
from generator import UNLIMITED
from program import EXIT_OK, Program, sets

SEED = int(os.environ.get("INLET_CRASH_SEED") or random.SystemRandom().randrange(2**32))
KILLS = int(os.environ.get("INLET_CRASH_KILLS") or (3000 if os.environ.get("INLET_CRASH_LONG") == "1" else 300))

# Every named point of the program, and up to which passage a random kill waits. A point that is never reached fails
# test_dies_at_every_named_point; one that is not listed here fails test_knows_every_named_point.
POINTS = {
    "claim.before": 1,
    "claim.after_bronze": 1,
    "claim.after_quarantine": 1,
    "source.after_poll": 12,
    "decode.after_decode": 12,
    "pipeline.batch_closed": 6,
    "bronze.before_quarantine_commit": 5,
    "bronze.after_quarantine_commit": 5,
    "bronze.before_parquet": 6,
    "bronze.after_parquet": 6,
    "bronze.before_commit": 6,
    "bronze.after_commit": 6,
    "pipeline.after_acknowledge": 6,
    "lake.before_sync_files": 10,
    "lake.after_sync_files": 10,
    "lake.before_commit_write": 12,
    "lake.after_commit_write": 12,
    "lake.after_commit_fsync": 12,
    "lake.before_commit_link": 12,
    "lake.after_commit_link": 12,
    "lake.after_commit_dirsync": 12,
    "lake.before_checkpoint": 2,
    "lake.before_checksum_file": 2,
    "lake.after_checkpoint": 2,
}

# Those that only a pipeline passes that diverts late rows: test_late.py sees that each is reached.
LATE_POINTS = ("claim.after_late", "bronze.before_late_commit", "bronze.after_late_commit")

kills_by_kind: collections.Counter[str] = collections.Counter()


def share_of(kills_of_300: int) -> int:
    return max(1, math.ceil(kills_of_300 * KILLS / 300))


class Series:
    """Kills on one lake. Only a process that died by SIGKILL counts as one."""

    def __init__(self, kind: str, number: int, program: Program, lake: pathlib.Path):
        self.name = f"{kind}-{number}"
        self.kind = kind
        self.rng = random.Random(f"{SEED}/{self.name}")
        self.program = program
        self.lake = lake
        self.kills = 0
        self.start: float | None = None  # seconds from start to first commit, where kills are timed by it
        self.story: list[str] = []

    def run_to_death(self, what: str, args: list, env: dict[str, str], after: float | None = None) -> bool:
        """One run that should die: by itself, or from outside `after` so many seconds. False: it ended before."""
        with self.program.start_ingest(self.lake, *args, env=env) as running:
            if after is not None:
                time.sleep(after)
                running.signal(signal.SIGKILL)
            done = running.wait(30)
        if done.code == -signal.SIGKILL:
            self.count(what, done.seconds)
            return True
        self.story.append(f"{what}: ended by itself after {done.seconds:.2f} s")
        done.expect(EXIT_OK)
        return False

    def learn_how_long_a_start_takes(self, args: list) -> float:
        """Kills a run at its first commit; the seconds it took, so that later kills fall into starts and into work."""
        committed = oracle.events_committed(self.lake)
        with self.program.start_ingest(self.lake, *args) as running:
            running.wait_until(lambda: oracle.events_committed(self.lake) > committed, 30, "the first commit")
            seconds = running.kill().seconds
        self.count("at its first commit", seconds)
        return seconds

    def count(self, what: str, seconds: float) -> None:
        self.story.append(f"{what}: killed after {seconds:.2f} s")
        self.kills += 1
        kills_by_kind[self.kind] += 1

    def finish(self, *args) -> program_module.Finished:
        return self.program.ingest(self.lake, *args, timeout=60).expect(EXIT_OK)

    def __enter__(self) -> "Series":
        return self

    def __exit__(self, kind, error, _) -> None:
        if error is not None:
            error.add_note(f"series {self.name}, INLET_CRASH_SEED={SEED}, {self.kills} kills:\n  " + "\n  ".join(self.story))


# --- the generator, against a run that nothing disturbed ---


def finish_generator(series: Series, reference: generator.Reference) -> None:
    """Ends cleanly at an exact number of events of the pipeline's whole life, and the lake is judged."""
    events = oracle.events_committed(series.lake) + series.rng.randrange(300, 2500)
    series.finish(*generator.EVENTS, *UNLIMITED, "--events", events)
    view = reference.assert_exact(series.lake)
    assert view.events == events
    assert view.quarantine and len(view.markers) == 3


def kill_generator_at(series: Series, point: str, passage: int) -> bool:
    # Should the point not come, the run ends by itself after so many events.
    bound = oracle.events_committed(series.lake) + 40_000
    arguments = [*generator.EVENTS, *UNLIMITED, "--events", bound]
    return series.run_to_death(f"{point}:{passage}", arguments, {"INLET_KILL_AT": f"{point}:{passage}"})


def test_knows_every_named_point():
    """The list above is the source's, but for the points of replays, tables, views and evolution, at which their own tests kill."""
    found = set()
    for path in (program_module.ROOT / "src").rglob("*.cc"):
        for line in path.read_text().splitlines():
            if 'INLET_FAULT_POINT("' in line:
                found.add(line.split('INLET_FAULT_POINT("')[1].split('"')[0])
    found -= set(test_replay.POINTS) | set(test_tables.POINTS) | set(test_views.MEMORY_POINTS) | set(test_evolution.POINTS)
    found -= set(test_maintenance.POINTS)
    found -= {point for point in test_views.POINTS if point.startswith("views.")}
    listed = {*POINTS, *LATE_POINTS}
    assert found <= listed, f"not listed: {found - listed}"
    own = {point for point in listed if not point.startswith("lake.")}
    assert own <= found, f"no longer in the source: {own - found}"


def test_dies_at_every_named_point(program, lake, reference):
    with Series("every point", 0, program, lake) as series:
        never = [point for point in POINTS if not kill_generator_at(series, point, 1)]
        assert never == [], "these points were never reached"
        finish_generator(series, reference)


@pytest.mark.parametrize("number", range(4))
def test_generator_killed_at_random_points(program, lake, reference, number):
    with Series("generator, named points", number, program, lake) as series:
        wanted = share_of(16)
        while series.kills < wanted:
            point = series.rng.choice(list(POINTS))
            if not kill_generator_at(series, point, series.rng.randint(1, POINTS[point])):
                assert len(series.story) < 2 * wanted + 10, "too many runs end by themselves"
        finish_generator(series, reference)


@pytest.mark.parametrize("number", range(3))
def test_generator_killed_from_outside(program, lake, reference, number):
    with Series("generator, from outside", number, program, lake) as series:
        arguments = [*generator.EVENTS, *sets("source.generator.rate=20000")]
        series.start = series.learn_how_long_a_start_takes(arguments)
        while series.kills < share_of(17):
            assert series.run_to_death("from outside", arguments, {}, series.rng.uniform(0, 3 * series.start))
        finish_generator(series, reference)


# --- at the n-th system call ---

SYSTEM_CALLS = {
    "fsync": ("kill", "after-kill"),
    "link": ("kill", "after-kill"),
    "rename": ("kill", "after-kill"),
    "open": ("kill", "after-kill"),
    "write": ("kill", "after-kill", "torn-kill"),
}


@pytest.fixture(scope="module")
def calls_of_a_run(binary, inject_library, tmp_path_factory) -> collections.Counter:
    """How often a run of 5,000 events makes each kind of call: kills are drawn from what exists."""
    directory = tmp_path_factory.mktemp("calls")
    (directory / "lake").mkdir()
    env = {
        "LD_PRELOAD": str(inject_library),
        "INLET_INJECT_PREFIX": str(directory / "lake"),
        "INLET_INJECT_TRACE": str(directory / "trace"),
    }
    program = Program(binary, directory / "processes")
    program.ingest(directory / "lake", *generator.EVENTS, *UNLIMITED, "--events", 5000, env=env).expect(EXIT_OK)
    return collections.Counter(line.split(" ")[0] for line in (directory / "trace").read_text().splitlines())


def test_the_calls_of_a_commit_are_seen(calls_of_a_run):
    assert calls_of_a_run["fsync"] > 20 and calls_of_a_run["write"] > 20 and calls_of_a_run["open"] > 20
    assert calls_of_a_run["link"] + calls_of_a_run["rename"] > 5, "a commit file is put into place"


@pytest.mark.parametrize("number", range(4))
def test_generator_killed_in_a_system_call(program, lake, reference, inject_library, calls_of_a_run, number):
    with Series("generator, system calls", number, program, lake) as series:
        lake.mkdir()
        wanted = share_of(16)
        while series.kills < wanted:
            kind = series.rng.choice([kind for kind in SYSTEM_CALLS if calls_of_a_run[kind] > 0])
            call = series.rng.randint(1, calls_of_a_run[kind])
            rule = f"{kind}:{call}:{series.rng.choice(SYSTEM_CALLS[kind])}"
            env = {"LD_PRELOAD": str(inject_library), "INLET_INJECT_PREFIX": str(lake), "INLET_INJECT": rule}
            bound = oracle.events_committed(lake) + 20_000
            series.run_to_death(rule, [*generator.EVENTS, *UNLIMITED, "--events", bound], env)
            assert len(series.story) < 2 * wanted + 10, "too many runs end by themselves"
        finish_generator(series, reference)


# --- Kafka and files, against what was put into them ---

KAFKA_BATCHES = sets("bronze.batch_rows=100")


def kill_reader_at(series: Series, arguments: list) -> None:
    point = series.rng.choice(list(POINTS))
    passage = series.rng.randint(1, min(POINTS[point], 3))
    series.run_to_death(
        f"{point}:{passage}", [*arguments, "--until", "caught-up"], {"INLET_KILL_AT": f"{point}:{passage}"}
    )


def kill_reader_from_outside(series: Series, arguments: list) -> None:
    if series.start is None:
        series.start = series.learn_how_long_a_start_takes(arguments)
    else:
        series.run_to_death("from outside", arguments, {}, series.rng.uniform(0, 2 * series.start))


def kill_kafka_reader(series: Series, broker, kills: int, kill) -> None:
    topic = broker.topic(3)
    arguments = [*topic.arguments(), *KAFKA_BATCHES]
    produced = 0
    while series.kills < kills:
        # New input before each run, so that there is something to be killed at. Some of it in transactions, and some
        # of those aborted: offsets without records, which ranges must cover.
        events = sales.stream(series.rng, 400, first=produced + 1)
        events += [sales.broken(kind, produced + 401, series.rng) for kind in ("tombstone", "empty")]
        produced += 500
        topic.produce(events)
        if series.rng.random() < 0.3:
            topic.transaction(sales.stream(series.rng, 30, first=produced), commit=series.rng.random() < 0.5)
        kill(series, arguments)
        assert len(series.story) < 3 * kills + 10, "too many runs end by themselves"
    series.finish(*arguments, "--until", "caught-up")
    view = oracle.assert_exact(series.lake, topic.truth)
    assert view.events == sum(topic.counts().values())
    assert {row["reason"] for row in view.quarantine} >= {"tombstone", "empty"}


@pytest.mark.broker
@pytest.mark.parametrize("number", range(4))
def test_kafka_killed_at_random_points(program, lake, broker, number):
    with Series("kafka, named points", number, program, lake) as series:
        kill_kafka_reader(series, broker, share_of(13), kill_reader_at)


@pytest.mark.broker
@pytest.mark.parametrize("number", range(3))
def test_kafka_killed_from_outside(program, lake, broker, number):
    with Series("kafka, from outside", number, program, lake) as series:
        kill_kafka_reader(series, broker, share_of(12), kill_reader_from_outside)


@pytest.mark.parametrize("number, kill", [(0, kill_reader_at), (1, kill_reader_from_outside)])
def test_file_killed(program, lake, tmp_path, number, kill):
    path = tmp_path / "ventes.jsonl"
    fates: dict = {}
    with Series("file", number, program, lake) as series:
        arguments = ["--source", "file", *sets(f"source.file.path={path}"), *KAFKA_BATCHES]
        kills = share_of(7)
        while series.kills < kills:
            start = path.stat().st_size if path.exists() else 0
            lines, more = sales.as_lines(sales.stream(series.rng, 400, first=len(fates) + 1), start)
            with path.open("ab") as file:
                file.write(lines)
            fates |= more
            kill(series, arguments)
            assert len(series.story) < 3 * kills + 10, "too many runs end by themselves"
        series.finish(*arguments, "--until", "caught-up")
        oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))


def test_enough_kills_happened(request):
    """Counts the kills that were seen to happen, not the attempts."""
    module_tests = {item.nodeid for item in request.session.items if item.path == request.path}
    if len(module_tests) < 20:
        pytest.skip("only some of the series were run")
    total = sum(kills_by_kind.values())
    print(f"\n{total} kills (INLET_CRASH_SEED={SEED}): {dict(kills_by_kind)}")
    assert total >= KILLS, f"INLET_CRASH_SEED={SEED}: {dict(kills_by_kind)}"
