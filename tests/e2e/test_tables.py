"""Tables over time: older versions, what differs between two, going back, compaction and clean-up; judged by delta-rs
and by DuckDB's own Delta reader, neither of which is Inlet.
"""

from __future__ import annotations

import collections
import datetime
import json
import os
import pathlib
import signal
import time
import urllib.parse

import deltalake
import pytest

import delta_log
import duckdb_reader
import generator
import oracle
import silver
from generator import UNLIMITED
from program import EXIT_OK, EXIT_RUNTIME, EXIT_USAGE, SMALL_BATCHES, Program, sets

BRONZE = "bronze/ventes_stream"
POSITION = ("_source", "_partition", "_offset")


def rows_at(lake: pathlib.Path, version: int | None = None, table: str = BRONZE) -> collections.Counter:
    """As delta-rs reads them: a multiset of rows."""
    read = deltalake.DeltaTable(str(lake / table), version=version).to_pyarrow_table().to_pylist()
    return collections.Counter(tuple(sorted((k, str(v)) for k, v in row.items())) for row in read)


def positions_at(lake: pathlib.Path, version: int | None = None) -> list[tuple]:
    columns = deltalake.DeltaTable(str(lake / BRONZE), version=version).to_pyarrow_table(columns=list(POSITION))
    return sorted(tuple(row[name] for name in POSITION) for row in columns.to_pylist())


def newest(lake: pathlib.Path, table: str = BRONZE) -> int:
    return deltalake.DeltaTable(str(lake / table)).version()


def timestamp_of(lake: pathlib.Path, version: int, table: str = BRONZE) -> str:
    milliseconds = delta_log.read(lake / table)[version].info["timestamp"]
    when = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"


@pytest.fixture(scope="module")
def filled(binary, tmp_path_factory):
    """A program and a lake of 4,000 events in many versions, views published, read only."""
    directory = tmp_path_factory.mktemp("tables")
    program = Program(binary, directory / "processes")
    lake = directory / "lake"
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 4000).expect(EXIT_OK)
    return program, lake


# --- older versions ---


def query_positions(program, lake, sql: str, *arguments) -> list[tuple]:
    done = program.run("query", program.pipeline, sql, "--json", "--lake", lake, *arguments).expect(EXIT_OK)
    return sorted(tuple(row[name] for name in POSITION) for row in done.json())


def test_every_version_is_what_delta_rs_reads_of_it(filled):
    program, lake = filled
    sql = f"SELECT {', '.join(POSITION)} FROM bronze.ventes_stream"
    last = newest(lake)
    assert last > 5
    for version in {0, 1, last // 3, last // 2, last - 1, last}:
        expected = positions_at(lake, version)
        assert query_positions(program, lake, sql, "--at", f"{BRONZE}={version}") == expected
        asked = f'SELECT {", ".join(POSITION)} FROM bronze."ventes_stream@v{version}"'
        assert query_positions(program, lake, asked) == expected


def test_an_instant_shows_every_table_as_it_was(filled):
    program, lake = filled
    sql = f"SELECT {', '.join(POSITION)} FROM bronze.ventes_stream"
    for version in (newest(lake) // 2, newest(lake)):
        when = timestamp_of(lake, version)
        of_that_instant = [c.version for c in delta_log.read(lake / BRONZE) if timestamp_of(lake, c.version) == when]
        assert query_positions(program, lake, sql, "--at", when) == positions_at(lake, of_that_instant[-1])
    before = "2001-01-01T00:00"
    done = program.run("query", program.pipeline, sql, "--json", "--lake", lake, "--at", before)
    assert done.expect(EXIT_RUNTIME).error()["id"] == "sql.no_table"


def test_what_cannot_be_shown_is_refused_with_what_can(filled):
    program, lake = filled

    def refused(*at: str, code: int = EXIT_RUNTIME) -> dict:
        arguments = [word for moment in at for word in ("--at", moment)]
        return program.run("query", program.pipeline, "SELECT 1", "--json", "--lake", lake, *arguments).expect(code).error()

    error = refused(f"{BRONZE}=100000")
    assert error["id"] == "lake.no_version" and f"from 0 to {newest(lake)}" in error["fix"]
    assert refused("bronze/none=1")["id"] == "lake.no_table"
    assert refused("12", code=EXIT_USAGE)["id"] == "query.bad_moment"
    assert refused("soon", code=EXIT_USAGE)["id"] == "query.bad_moment"
    assert refused(f"{BRONZE}=1", f"{BRONZE}=2", code=EXIT_USAGE)["id"] == "cli.at_twice"


# --- what differs, who did it ---


def diff(program, lake, table: str, before, after, *arguments) -> dict:
    done = program.run("diff", program.pipeline, table, str(before), str(after), "--json", "--lake", lake, *arguments)
    return done.expect(EXIT_OK).json()


def assert_differs_as_delta_rs_says(lake, table: str, found: dict, ignored: tuple[str, ...] = ()) -> None:
    def rows(version: int) -> collections.Counter:
        read = deltalake.DeltaTable(str(lake / table), version=version).to_pyarrow_table().to_pylist()
        return collections.Counter(tuple(sorted((k, str(v)) for k, v in r.items() if k not in ignored)) for r in read)

    before, after = rows(found["from"]), rows(found["to"])
    assert found["added"] + found["changed"] == (after - before).total(), found
    assert found["removed"] + found["changed"] == (before - after).total(), found


def test_a_difference_is_the_one_that_delta_rs_finds(filled):
    program, lake = filled
    last = newest(lake)
    for before, after in ((0, last), (last // 2, last), (last, last // 3), (last, last)):
        found = diff(program, lake, BRONZE, before, after)
        assert_differs_as_delta_rs_says(lake, BRONZE, found)
        assert found["key"] == list(POSITION) and found["changed"] == 0
        assert len(found["first"]) == min(20, found["added"] + found["removed"])
    shown = program.run("diff", program.pipeline, BRONZE, "0", str(last), "--lake", lake).expect(EXIT_OK).stdout
    assert f"version 0 → {last}" in shown and "rows added" in shown


def test_a_difference_of_a_views_table_is_told_by_its_keys(program, lake):
    run_views(program, lake, 2000)
    table = "silver/ventes_par_pays"
    before = newest(lake, table)
    run_views(program, lake, 5000)
    found = diff(program, lake, "ventes_par_pays", before, newest(lake, table))
    assert found["key"] == ["pays", "jour"] and found["changed"] > 0 and found["removed"] == 0
    assert_differs_as_delta_rs_says(lake, table, found, ignored=("processing_time",))
    example = next(row for row in found["first"] if row["kind"] == "changed")
    assert example["before"]["pays"] == example["after"]["pays"]
    assert int(example["before"]["total_transactions"]) <= int(example["after"]["total_transactions"])


def test_history_says_who_wrote_what(program, lake):
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 600).expect(EXIT_OK)
    table = deltalake.DeltaTable(str(lake / BRONZE))
    table.delete("_offset < 20")
    history = program.run("history", program.pipeline, BRONZE, "--json", "--lake", lake).expect(EXIT_OK).json()
    assert history[0]["operation"] == "DELETE" and "delta-rs" in history[0]["who"]
    claim = next(entry for entry in history if entry["operation"] == "CLAIM")
    assert claim["who"].startswith("Inlet/") and "@" in claim["who"]
    appended = next(entry for entry in history if entry["operation"] == "STREAMING UPDATE")
    assert appended["rows"] > 0 and appended["offsets"] and appended["added_files"] > 0
    shown = program.run("history", program.pipeline, BRONZE, "--lake", lake).expect(EXIT_OK).stdout
    assert "who" in shown.splitlines()[1] and "Inlet/" in shown


# --- going back ---


def run_views(program, lake, events: int, *arguments):
    return program.run(
        "run", program.pipeline, "--lake", lake, *sets(*SMALL_BATCHES), *generator.EVENTS, *UNLIMITED, "--events", events, *arguments, timeout=60
    ).expect(EXIT_OK)


def verify(program, lake) -> None:
    reports = program.run("verify", program.pipeline, "--lake", lake, "--json").expect(EXIT_OK).json()
    assert reports and all(report["ok"] for report in reports), reports


def restore(program, lake, table: str, to, *arguments):
    return program.run("restore", program.pipeline, table, "--to", str(to), "--json", "--lake", lake, *arguments)


def offsets_of(lake, version: int) -> dict[tuple[str, int], list[int]]:
    found = collections.defaultdict(list)
    for source, partition, offset in positions_at(lake, version):
        found[source, partition].append(offset)
    return found


def test_a_restored_table_has_the_rows_of_then_and_keeps_its_markers(program, lake):
    run_views(program, lake, 2000)
    then = newest(lake)
    run_views(program, lake, 5000)
    last, rows, markers = newest(lake), rows_at(lake, then), delta_log.newest_transactions(lake / BRONZE)

    planned = restore(program, lake, BRONZE, then, "--dry-run").expect(EXIT_OK).json()
    assert planned["version"] is None and newest(lake) == last
    done = restore(program, lake, BRONZE, then).expect(EXIT_OK).json()
    assert done["version"] == last + 1 == newest(lake)
    assert {**planned, "version": done["version"], "dry_run": False} == done
    assert rows_at(lake) == rows and rows_at(lake, last) != rows
    assert delta_log.newest_transactions(lake / BRONZE) == markers
    (count,) = program.query(lake, "SELECT count(*) AS n FROM bronze.ventes_stream")
    assert count["n"] == rows.total()

    # The ranges taken out hold every offset that went, and none that stayed.
    info = delta_log.read(lake / BRONZE)[-1].info
    before, after = offsets_of(lake, last), offsets_of(lake, then)
    for (source, partition), offsets in before.items():
        text = info[f"takenOut:{source}/{partition}"]
        assert done["taken_out"][f"{source}/{partition}"] == text
        ranges = [tuple(map(int, part.split(".."))) for part in text.split(",")]
        out = {o for o in offsets if any(first <= o <= last for first, last in ranges)}
        assert out == set(offsets) - set(after[source, partition])

    # What is out stays out; the views follow and can be proven.
    run_views(program, lake, 7000)
    verify(program, lake)
    silver.assert_exact(lake)
    assert set(positions_at(lake)) & (set(positions_at(lake, last)) - set(positions_at(lake, then))) == set()

    # And comes back by going back to where it was.
    again = restore(program, lake, BRONZE, last).expect(EXIT_OK).json()
    assert again["put_back"] == done["taken_out"]
    assert rows_at(lake) == rows_at(lake, last)
    run_views(program, lake, 7500)
    verify(program, lake)
    silver.assert_exact(lake)
    difference = diff(program, lake, BRONZE, last, done["version"])
    assert (difference["added"], difference["removed"]) == (0, done["rows_before"] - done["rows_after"])


def test_a_restore_under_a_running_pipeline_is_followed_by_it(program, lake):
    run_views(program, lake, 2000)
    then, rows = newest(lake), positions_at(lake)
    arguments = ["run", program.pipeline, "--lake", lake, *sets(*SMALL_BATCHES), *generator.EVENTS, *sets("source.generator.rate=3000")]
    with program.start(*arguments) as running:
        running.wait_until(lambda: newest(lake) > then + 10, 20, "ten more versions")
        done = restore(program, lake, BRONZE, then).expect(EXIT_OK).json()
        running.wait_until(lambda: newest(lake) > done["version"] + 10, 20, "ten versions behind the restore")
        running.signal(signal.SIGTERM)
        running.wait(10).expect(EXIT_OK)
    assert positions_at(lake, done["version"]) == rows
    program.run("run", program.pipeline, "--lake", lake, "--only", "views", "--until", "caught-up", timeout=60).expect(EXIT_OK)
    verify(program, lake)
    silver.assert_exact(lake)


def test_a_restore_that_cannot_be_right_is_refused(program, lake):
    run_views(program, lake, 1500)
    run_views(program, lake, 3000)
    table = "silver/ventes_par_pays"
    last = newest(lake, table)
    error = restore(program, lake, table, last - 1).expect(EXIT_RUNTIME).error()
    assert error["id"] == "restore.of_a_view" and newest(lake, table) == last
    assert restore(program, lake, BRONZE, 10**6).expect(EXIT_RUNTIME).error()["id"] == "lake.no_version"
    last = newest(lake)
    restore(program, lake, BRONZE, 0).expect(EXIT_OK)
    # Everything is out now; were its files gone, it could not come back.
    name = deltalake.DeltaTable(str(lake / BRONZE), version=last).file_uris()[0]
    pathlib.Path(urllib.parse.unquote(name.removeprefix("file://"))).unlink()
    error = restore(program, lake, BRONZE, last).expect(EXIT_RUNTIME).error()
    assert error["id"] == "lake.files_gone" and newest(lake) == last + 1


# --- compaction and clean-up ---


def optimize(program, lake, *arguments, code: int = EXIT_OK) -> dict:
    done = program.run("optimize", program.pipeline, "--json", "--lake", lake, *arguments, timeout=60).expect(code)
    return {table["table"]: table for table in done.json()["tables"]}


def vacuum(program, lake, *arguments, code: int = EXIT_OK) -> dict:
    done = program.run("vacuum", program.pipeline, "--json", "--lake", lake, *arguments, timeout=60).expect(code)
    return {table["table"]: table for table in done.json()["tables"]}


def data_files(lake, table: str = BRONZE) -> set[pathlib.Path]:
    return {p for p in (lake / table).rglob("*.parquet") if "_delta_log" not in p.parts}


def live_files(lake, version: int | None = None, table: str = BRONZE) -> set[pathlib.Path]:
    uris = deltalake.DeltaTable(str(lake / table), version=version).file_uris()
    return {pathlib.Path(urllib.parse.unquote(uri.removeprefix("file://"))) for uri in uris}


def duckdb_count(lake, table: str = BRONZE) -> int:
    return duckdb_reader.connect().execute(f"SELECT count(*) FROM delta_scan('{lake / table}')").fetchone()[0]


def age(paths, seconds: float) -> None:
    for path in paths:
        os.utime(path, (time.time() - seconds, time.time() - seconds))


def test_optimize_changes_files_and_no_row(program, lake):
    run_views(program, lake, 4000)
    before, rows, markers = newest(lake), rows_at(lake), delta_log.newest_transactions(lake / BRONZE)
    planned = optimize(program, lake, "--dry-run")
    assert planned[BRONZE]["removed_files"] > 5 and newest(lake) == before
    done = optimize(program, lake)
    assert done[BRONZE]["removed_files"] == planned[BRONZE]["removed_files"]
    assert done[BRONZE]["rows"] == rows.total() and done[BRONZE]["given_up"] == 0
    assert rows_at(lake) == rows == rows_at(lake, before) and duckdb_count(lake) == rows.total()
    assert delta_log.newest_transactions(lake / BRONZE) == markers
    days = {path.parent.name for path in live_files(lake)}
    assert len(live_files(lake)) == len(days) == done[BRONZE]["added_files"]

    commit = delta_log.read(lake / BRONZE)[done[BRONZE]["version"]]
    assert commit.info["operation"] == "OPTIMIZE" and not commit.transactions
    assert sum(add.statistics["numRecords"] for add in commit.adds) == rows.total()
    assert all(add.statistics["minValues"]["_offset"] <= add.statistics["maxValues"]["_offset"] for add in commit.adds)
    lines = (lake / BRONZE / "_delta_log" / f"{commit.version:020}.json").read_text().splitlines()
    actions = [action for line in lines for kind, action in json.loads(line).items() if kind in ("add", "remove")]
    assert actions and not any(action["dataChange"] for action in actions)
    assert optimize(program, lake)[BRONZE]["groups"] == 0

    # The views are what they were, and go on from there without being built anew.
    verify(program, lake)
    silver.assert_exact(lake)
    more = run_views(program, lake, 6000)
    assert "built" not in more.stderr, more
    verify(program, lake)
    silver.assert_exact(lake)


def test_vacuum_deletes_what_nobody_needs_and_nothing_else(program, lake):
    run_views(program, lake, 3000)
    before, rows = newest(lake), rows_at(lake)
    optimize(program, lake)
    run_views(program, lake, 4000)
    now, live = rows_at(lake), live_files(lake)
    assert vacuum(program, lake)[BRONZE]["deleted_files"] == 0, "a week is not over"
    assert rows_at(lake, before) == rows
    planned = vacuum(program, lake, "--retain", "0s", "--dry-run")
    assert planned[BRONZE]["deleted_files"] > 5 and rows_at(lake, before) == rows
    done = vacuum(program, lake, "--retain", "0s")
    assert done[BRONZE]["deleted_files"] == planned[BRONZE]["deleted_files"]
    assert data_files(lake) == live and rows_at(lake) == now and duckdb_count(lake) == now.total()
    gone = program.run("query", program.pipeline, "SELECT 1", "--json", "--lake", lake, "--at", f"{BRONZE}={before}")
    error = gone.expect(EXIT_RUNTIME).error()
    assert error["id"] == "lake.files_gone" and f"to {newest(lake)}" in error["fix"]
    verify(program, lake)
    run_views(program, lake, 4500)
    verify(program, lake)
    silver.assert_exact(lake)


def test_vacuum_keeps_what_a_view_that_is_behind_still_reads(program, lake):
    run_views(program, lake, 2000)
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 5000).expect(EXIT_OK)
    reflected = silver.reflects(lake, "ventes_par_pays")
    assert reflected < newest(lake)
    optimize(program, lake)
    rows = rows_at(lake, reflected)
    kept = vacuum(program, lake, "--retain", "0s")
    assert kept[BRONZE]["kept_files"] > 0
    assert rows_at(lake, reflected) == rows
    verify(program, lake)
    done = run_views(program, lake, 5500)
    assert "built" not in done.stderr, done
    verify(program, lake)
    silver.assert_exact(lake)
    assert vacuum(program, lake, "--retain", "0s")[BRONZE]["deleted_files"] > 0
    assert data_files(lake) == live_files(lake)


def test_vacuum_leaves_young_files_of_nobody_alone(program, lake):
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 600).expect(EXIT_OK)
    orphan = lake / BRONZE / "jour=2025-01-01" / "part-of-a-writer.parquet"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"PAR1")
    assert vacuum(program, lake, "--retain", "0s")[BRONZE]["deleted_files"] == 0
    age([orphan], 2 * 3600)
    with program.start_ingest(lake, *generator.EVENTS, *sets("source.generator.rate=200")) as running:
        running.wait_until(lambda: oracle.events_committed(lake) > 650, 20, "a commit")
        assert vacuum(program, lake, "--retain", "0s")[BRONZE]["deleted_files"] == 1, "the run began after it"
        young = orphan.with_name("part-younger.parquet")
        young.write_bytes(b"PAR1")
        time.sleep(0.1)
        assert vacuum(program, lake, "--retain", "0s")[BRONZE]["deleted_files"] == 0
        running.signal(signal.SIGTERM)
        running.wait(10).expect(EXIT_OK)
    assert young.exists() and not orphan.exists()


def test_a_cleaned_log_is_read_by_everybody_and_gone_on_with(program, lake):
    run_views(program, lake, 8000)
    log = lake / BRONZE / "_delta_log"
    rows, markers = rows_at(lake), delta_log.newest_transactions(lake / BRONZE)
    last = newest(lake)
    age(log.glob("*.json"), 40 * 86400)
    planned = vacuum(program, lake, "--dry-run")[BRONZE]["log"]
    done = vacuum(program, lake)[BRONZE]["log"]
    assert done == planned and 0 < done["oldest_version"] <= last and done["deleted_files"] >= done["oldest_version"]
    names = {int(path.name[:20]) for path in log.glob("*.json")}
    assert names == set(range(done["oldest_version"], last + 1))
    assert rows_at(lake) == rows and duckdb_count(lake) == rows.total()
    assert rows_at(lake, done["oldest_version"]).total() > 0
    error = program.run(
        "query", program.pipeline, "SELECT 1", "--json", "--lake", lake, "--at", f"{BRONZE}={done['oldest_version'] - 1}"
    ).expect(EXIT_RUNTIME).error()
    assert error["id"] == "lake.no_version" and f"from {done['oldest_version']}" in error["fix"]
    verify(program, lake)
    run_views(program, lake, 9000)
    verify(program, lake)
    after = deltalake.DeltaTable(str(lake / BRONZE))
    assert {app: after.transaction_version(app) is not None for app in markers} == dict.fromkeys(markers, True)
    positions = positions_at(lake)
    assert len(positions) == len(set(positions)) and set(p for p in positions) >= set(positions_at(lake, last))


def test_readers_beside_a_run_and_a_looping_optimize_never_miss_a_file(program, lake):
    """A run appends, optimize loops; delta-rs and DuckDB read all the while."""
    seconds = float(os.environ.get("INLET_UPKEEP_SECONDS") or 12)
    arguments = ["run", program.pipeline, "--lake", lake, *sets(*SMALL_BATCHES), *generator.EVENTS, *sets("source.generator.rate=5000")]
    counts: dict[str, list[int]] = {"delta-rs": [], "duckdb": []}
    optimized = []
    with program.start(*arguments) as running:
        running.wait_until(lambda: newest_or_none(lake) > 5, 30, "five versions")
        ends = time.monotonic() + seconds
        connection = duckdb_reader.connect()
        while time.monotonic() < ends:
            optimized.append(optimize(program, lake)[BRONZE])
            read = deltalake.DeltaTable(str(lake / BRONZE)).to_pyarrow_table(columns=["_offset", "_partition"])
            positions = set(zip(read["_partition"].to_pylist(), read["_offset"].to_pylist()))
            assert len(positions) == read.num_rows, "a row twice"
            counts["delta-rs"].append(read.num_rows)
            counts["duckdb"].append(connection.execute(f"SELECT count(*) FROM delta_scan('{lake / BRONZE}')").fetchone()[0])
        running.signal(signal.SIGTERM)
        done = running.wait(20).expect(EXIT_OK)
    for reader, seen in counts.items():
        assert seen == sorted(seen) and len(seen) >= 2 and seen[-1] > seen[0], (reader, seen)
    assert sum(round["groups"] for round in optimized) > 0
    assert "conflict" not in done.stderr.lower(), done
    program.run("run", program.pipeline, "--lake", lake, "--only", "views", "--until", "caught-up", timeout=60).expect(EXIT_OK)
    verify(program, lake)
    silver.assert_exact(lake)


def newest_or_none(lake) -> int:
    return delta_log.version(lake / BRONZE)


# --- killed ---

# Points that only these commands pass; test_crash.py knows them from here.
POINTS = (
    "tables.before_restore",
    "tables.before_compaction_parquet",
    "tables.before_compaction_commit",
    "tables.after_compaction_commit",
    "tables.before_vacuum_file",
    "tables.before_log_clean_up",
)


def test_a_restore_that_is_killed_is_done_whole_or_not_at_all(program, lake):
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 3000).expect(EXIT_OK)
    then = newest(lake) // 2
    for point in ("tables.before_restore", "lake.before_commit_link", "lake.after_commit_link", "lake.after_commit_dirsync"):
        before, rows = newest(lake), rows_at(lake)
        done = restore_killed(program, lake, then, point)
        assert done.code == -signal.SIGKILL, done
        if newest(lake) == before:
            assert rows_at(lake) == rows
        else:
            assert newest(lake) == before + 1 and rows_at(lake) == rows_at(lake, then)
        restore(program, lake, BRONZE, then).expect(EXIT_OK)
        assert rows_at(lake) == rows_at(lake, then)
        then = before


def restore_killed(program, lake, to: int, point: str):
    arguments = ("restore", program.pipeline, BRONZE, "--to", str(to), "--lake", lake)
    return program.run(*arguments, env={"INLET_KILL_AT": f"{point}:1"})


def test_an_optimize_or_vacuum_that_is_killed_harms_nothing(program, lake):
    """At every point it passes: no row is lost or repeated, and the next one finishes the work.

    INLET_UPKEEP_PASSAGES says at which passages, "1" by default.
    """
    events = 2000
    run_views(program, lake, events)
    for passage in map(int, os.environ.get("INLET_UPKEEP_PASSAGES", "1").split(",")):
        for command, points in {
            "optimize": [
                "tables.before_compaction_parquet",
                "tables.before_compaction_commit",
                "tables.after_compaction_commit",
                "lake.after_sync_files",
                "lake.before_commit_link",
                "lake.after_commit_link",
            ],
            "vacuum": ["tables.before_vacuum_file", "tables.before_log_clean_up", "lake.before_log_remove"],
        }.items():
            for point in points:
                events += 300
                run_views(program, lake, events)
                if command == "vacuum":
                    optimize(program, lake)
                    age((lake / BRONZE / "_delta_log").glob("*.json"), 40 * 86400)
                rows = rows_at(lake)
                extra = ("--retain", "0s") if command == "vacuum" else ()
                killed = program.run(command, program.pipeline, "--lake", lake, *extra, env={"INLET_KILL_AT": f"{point}:{passage}"})
                assert killed.code in (-signal.SIGKILL, EXIT_OK), killed
                assert passage > 1 or killed.code == -signal.SIGKILL, f"{point} was never reached"
                assert rows_at(lake) == rows and duckdb_count(lake) == rows.total()
    verify(program, lake)
    silver.assert_exact(lake)
    optimize(program, lake)
    run_views(program, lake, events + 300)  # the views read no version before the optimize any more
    age(data_files(lake) - live_files(lake), 3 * 3600)
    vacuum(program, lake, "--retain", "0s")
    assert data_files(lake) == live_files(lake), "what the killed ones left is gone"
    verify(program, lake)
