"""Maintenance beside a run: files stay few, nothing is lost or repeated, every reader reads; judged by delta-rs, DuckDB's
own Delta reader, and the oracle.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import threading
import time

import deltalake
import pytest

import delta_log
import duckdb_reader
import generator
import oracle
import silver
from generator import UNLIMITED
from program import EXIT_OK, SMALL_BATCHES, sets
from test_tables import BRONZE, POSITION, data_files, live_files, newest_or_none, optimize, rows_at, verify

# Points that only maintenance passes; test_crash.py knows them from here.
POINTS = ("maintenance.before_round", "maintenance.after_compaction", "maintenance.after_vacuum")

MINUTES = (
    "maintenance.interval=150ms",
    "maintenance.file_size=1MB",
    "maintenance.min_files=4",
    "maintenance.share=1",
    "maintenance.vacuum_interval=700ms",
)
SHORT_RETENTION = (
    "bronze.properties.delta.deletedFileRetentionDuration=interval 4 seconds",
    "bronze.properties.delta.logRetentionDuration=interval 3 seconds",
)


def optimizes(lake: pathlib.Path, table: str = BRONZE) -> list[delta_log.Commit]:
    return [c for c in delta_log.remembered(lake / table) if c.info["operation"] == "OPTIMIZE"]


class Reader(threading.Thread):
    """Opens the newest version again and again by delta-rs and DuckDB, and reads every file of it."""

    def __init__(self, lake: pathlib.Path):
        super().__init__()
        self.table = lake / BRONZE
        self.counts: dict[str, list[int]] = {"delta-rs": [], "duckdb": []}
        self.kept: dict[int, frozenset] = {}
        self.error: Exception | None = None
        self.stopping = threading.Event()

    def run(self) -> None:
        try:
            connection = duckdb_reader.connect()
            while not self.stopping.is_set():
                table = deltalake.DeltaTable(str(self.table))
                read = table.to_pyarrow_table(columns=list(POSITION))
                rows = list(zip(*(read[name].to_pylist() for name in POSITION)))
                positions = frozenset(rows)
                assert len(positions) == len(rows), "a row twice"
                self.kept[table.version()] = positions
                self.counts["delta-rs"].append(len(rows))
                self.counts["duckdb"].append(connection.execute(f"SELECT count(*) FROM delta_scan('{self.table}')").fetchone()[0])
        except Exception as error:  # told by the test
            self.error = error

    def finish(self) -> None:
        self.stopping.set()
        self.join(30)
        assert self.error is None, self.error
        for reader, seen in self.counts.items():
            assert seen == sorted(seen) and len(seen) >= 3 and seen[-1] > seen[0], (reader, seen)


def is_cleaned(lake: pathlib.Path, seen: set[pathlib.Path]) -> bool:
    """The log no longer begins at 0, and one of the files seen is gone."""
    begins = lake / BRONZE / "_delta_log" / f"{0:020}.json"
    return not begins.exists() and any(not path.exists() for path in seen)


def test_a_run_keeps_its_files_few_while_everybody_reads(program, lake):
    """Views, an outside reader and `optimize` by hand go on all the while."""
    seconds = float(os.environ.get("INLET_UPKEEP_SECONDS") or 14)
    flow = [*sets(*SMALL_BATCHES, *MINUTES, *SHORT_RETENTION, "serve.query_timeout=1s"), *generator.EVENTS, *sets("source.generator.rate=4000")]
    with program.start("run", program.pipeline, "--lake", lake, "--json", *flow) as running:
        running.wait_until(lambda: newest_or_none(lake) > 5, 30, "five versions")
        reader = Reader(lake)
        reader.start()
        files = []
        seen = live_files(lake)
        begins = time.monotonic()
        while time.monotonic() < begins + seconds or (not is_cleaned(lake, seen) and time.monotonic() < begins + 10 * seconds):
            time.sleep(0.5)
            files.append(len(live_files(lake)))
            if len(files) % 6 == 0:
                optimize(program, lake)
        status = program.run("status", program.pipeline, "--json", "--lake", lake, *flow).expect(EXIT_OK).json()
        reader.finish()
        running.signal(signal.SIGTERM)
        done = running.wait(20).expect(EXIT_OK)
    summary = done.json()
    kept = summary["maintenance"]
    assert kept["compactions"] > 5 and kept["removed_files"] > 50 and kept["problems"] == {}, kept
    assert kept["vacuumed_files"] > 0 and kept["cleaned_log_files"] > 0, kept
    # A file for each day and batch came, and no partition keeps more than a few of each size.
    days = {path.parent.name for path in live_files(lake)}
    assert max(files) <= len(days) * 60, (files, len(days))
    assert 2 * max(files) < kept["removed_files"] + len(live_files(lake)), (files, kept)
    assert "conflict" not in done.stderr.lower() and "built anew" not in done.stderr, done

    # What is, against what was asked for.
    assert status["objectives"]["freshness_ms"] == 1000 and status["objectives"]["file_size"] == 1_000_000
    bronze = next(table for table in status["tables"] if table["table"] == BRONZE)
    assert 0 < bronze["small_files"] <= bronze["files"] <= len(days) * 60 and bronze["bytes"] > 0
    fresh = {view["view"]: view["freshness_ms"] for view in status["views"]}
    assert all(0 < ms < 20_000 for ms in fresh.values() if ms is not None) and any(fresh.values()), fresh

    # Versions that were read while the run went on, and are within the retention, are still what they were.
    table = deltalake.DeltaTable(str(lake / BRONZE))
    log = lake / BRONZE / "_delta_log"
    oldest = min(int(path.name[:20]) for path in log.glob("*.json"))
    readable = [version for version in reader.kept if version >= oldest][-3:]
    for version in readable:
        read = deltalake.DeltaTable(str(lake / BRONZE), version=version).to_pyarrow_table(columns=list(POSITION))
        assert frozenset(zip(*(read[name].to_pylist() for name in POSITION))) == reader.kept[version]
    assert table.to_pyarrow_table().num_rows == summary["rows"]
    for commit in optimizes(lake):
        assert not commit.transactions
    program.run("run", program.pipeline, "--lake", lake, "--only", "views", "--until", "caught-up", timeout=60).expect(EXIT_OK)
    verify(program, lake)
    silver.assert_exact(lake)


def test_a_run_that_ends_at_once_leaves_the_tables_alone(program, lake):
    flow = [*sets(*SMALL_BATCHES), *generator.EVENTS, *UNLIMITED, "--events", 3000]
    done = program.run("run", program.pipeline, "--lake", lake, "--json", *flow, timeout=60).expect(EXIT_OK)
    assert done.json()["maintenance"]["rounds"] == 0 and optimizes(lake) == []


def test_switched_off_it_does_nothing(program, lake):
    flow = [*sets(*SMALL_BATCHES, *MINUTES, "maintenance.enabled=false"), *generator.EVENTS, *sets("source.generator.rate=3000")]
    done = program.run("run", program.pipeline, "--lake", lake, "--json", *flow, "--for", "2s", timeout=60).expect(EXIT_OK)
    assert done.json()["maintenance"] is None and optimizes(lake) == []


KILLED_AT = {
    "maintenance.before_round": 2,
    "maintenance.after_compaction": 2,
    "maintenance.after_vacuum": 3,
    "tables.before_compaction_parquet": 2,
    "tables.before_compaction_commit": 2,
    "tables.after_compaction_commit": 2,
    "tables.before_vacuum_file": 3,
    "tables.before_log_clean_up": 2,
    "lake.before_log_remove": 2,
}


def test_killed_at_every_point_of_maintenance_nothing_is_lost_or_repeated(program, lake, reference):
    at_once = ("serve.query_timeout=100ms", "serve.enabled=false")
    none_kept = [text.replace("4 seconds", "0 seconds").replace("3 seconds", "1 seconds") for text in SHORT_RETENTION]
    flow = [*sets(*SMALL_BATCHES, *MINUTES, *none_kept, *at_once), *generator.EVENTS, *sets("source.generator.rate=6000")]
    for point, passage in KILLED_AT.items():
        with program.start("run", program.pipeline, "--lake", lake, *flow, env={"INLET_KILL_AT": f"{point}:{passage}"}) as running:
            done = running.wait(90)
        assert done.code == -signal.SIGKILL, f"{point} was never reached\n{done}"
        table = deltalake.DeltaTable(str(lake / BRONZE))
        read = table.to_pyarrow_table(columns=list(POSITION))
        positions = set(zip(*(read[name].to_pylist() for name in POSITION)))
        assert len(positions) == read.num_rows, point
        assert duckdb_reader.connect().execute(f"SELECT count(*) FROM delta_scan('{lake / BRONZE}')").fetchone()[0] == read.num_rows
    events = oracle.events_committed(lake) + 1000
    program.run(
        "run", program.pipeline, "--lake", lake, *sets(*SMALL_BATCHES), *generator.EVENTS, *UNLIMITED, "--events", events, timeout=60
    ).expect(EXIT_OK)
    assert oracle.events_committed(lake) == events
    verify(program, lake)
    silver.assert_exact(lake)
