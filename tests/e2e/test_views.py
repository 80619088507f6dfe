"""Views, end to end: kept beside a run, published as Delta, proven by `verify` and by arithmetic that is not Inlet's.

Environment: INLET_CRASH_SEED replays the kills, INLET_VIEW_KILLS says how many (200).
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import shutil
import signal
import time

import deltalake
import pyarrow
import pyarrow.parquet
import pytest

import generator
import oracle
import silver
from generator import UNLIMITED
from program import EXIT_CONFIGURATION, EXIT_OK, SMALL_BATCHES, sets

SEED = int(os.environ.get("INLET_CRASH_SEED") or random.SystemRandom().randrange(2**32))
KILLS = int(os.environ.get("INLET_VIEW_KILLS") or 200)
EXIT_VERIFICATION = 4

POINTS = {
    "views.after_apply": 12,
    "views.before_publish_parquet": 6,
    "views.before_publish_commit": 6,
    "views.after_publish_commit": 6,
    "views.before_state_manifest": 3,
    "views.after_state_manifest": 3,
    "bronze.after_commit": 6,
    "pipeline.after_acknowledge": 6,
    "lake.after_commit_link": 20,
}


def keep(program, lake: pathlib.Path, *arguments, **options):
    """A run that keeps the views too."""
    return program.run("run", program.pipeline, "--lake", lake, *sets(*SMALL_BATCHES), *arguments, **options)


def verify(program, lake: pathlib.Path, *arguments):
    return program.run("verify", program.pipeline, *arguments, "--lake", lake, "--json")


def test_the_silver_tables_are_what_their_definitions_say(program, lake):
    done = keep(program, lake, *generator.EVENTS, *UNLIMITED, "--events", 20000, "--json").expect(EXIT_OK)
    assert {view["view"]: view["problem"] for view in done.json()["views"]} == dict.fromkeys(silver.VIEWS)
    silver.assert_exact(lake)
    reports = verify(program, lake).expect(EXIT_OK).json()
    assert [report["view"] for report in reports] == list(silver.VIEWS)
    assert all(report["ok"] and report["rows"] > 0 for report in reports)
    # At the end everything that bronze holds is published.
    newest = deltalake.DeltaTable(str(lake / silver.BRONZE)).version()
    assert {view: silver.reflects(lake, view) for view in silver.VIEWS} == dict.fromkeys(silver.VIEWS, newest)


def test_a_second_run_goes_on_from_the_saved_state(program, lake):
    keep(program, lake, *generator.EVENTS, *UNLIMITED, "--events", 5000).expect(EXIT_OK)
    assert (lake / "_inlet" / "ventes" / "views" / "ventes_aggreges" / "state.json").is_file()
    done = keep(program, lake, *generator.EVENTS, *UNLIMITED, "--events", 9000).expect(EXIT_OK)
    assert "built" not in done.stderr, done
    silver.assert_exact(lake)


def test_views_alone_follow_a_table_that_another_process_writes(program, lake):
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 3000).expect(EXIT_OK)
    assert silver.reflects(lake, "ventes_par_pays") is None if (lake / "silver").exists() else True
    keep(program, lake, "--only", "views", "--until", "caught-up").expect(EXIT_OK)
    silver.assert_exact(lake)
    with program.start("run", program.pipeline, "--lake", lake, "--only", "views") as keeper:
        program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 8000).expect(EXIT_OK)
        newest = deltalake.DeltaTable(str(lake / silver.BRONZE)).version()
        keeper.wait_until(lambda: silver.reflects(lake, "ventes_par_pays") == newest, 20, "the last version")
        keeper.signal(signal.SIGTERM)
        keeper.wait(8).expect(EXIT_OK)
    silver.assert_exact(lake)


@pytest.mark.parametrize("damage", ["gone", "manifest", "rows", "cut"])
def test_a_state_that_is_absent_or_damaged_is_built_again(program, lake, damage):
    keep(program, lake, *generator.EVENTS, *UNLIMITED, "--events", 4000).expect(EXIT_OK)
    state = lake / "_inlet" / "ventes" / "views" / "ventes_aggreges"
    if damage == "gone":
        shutil.rmtree(state)
    else:
        target = state / "state.json" if damage == "manifest" else sorted(state.glob("*.parquet"))[0]
        content = bytearray(target.read_bytes())
        content[len(content) // 2] ^= 1
        target.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    done = keep(program, lake, *generator.EVENTS, *UNLIMITED, "--events", 6000).expect(EXIT_OK)
    assert ("view ventes_aggreges: built" in done.stderr) or ("built anew" in done.stderr), done
    silver.assert_exact(lake)
    verify(program, lake).expect(EXIT_OK)


def test_a_changed_view_is_built_again_and_no_other(program, lake, tmp_path):
    keep(program, lake, *generator.EVENTS, *UNLIMITED, "--events", 4000).expect(EXIT_OK)
    changed = tmp_path / "changed.toml"
    changed.write_text(program.pipeline.read_text().replace("sum(montant) >= 500", "sum(montant) >= 900"))
    other = program.with_pipeline(changed)
    done = keep(other, lake, *generator.EVENTS, *UNLIMITED, "--events", 6000).expect(EXIT_OK)
    assert "view ventes_aggreges" in done.stderr and "view ventes_par_pays" not in done.stderr, done
    verify(other, lake).expect(EXIT_OK)
    # Held against what it was before, it is found out.
    reports = verify(program, lake, "ventes_aggreges").expect(EXIT_VERIFICATION).json()
    assert {value["column"] for row in reports[0]["first"] for value in row["values"]} == {"segment_depense"}


# --- verify can fail ---


def rewrite(lake: pathlib.Path, view: str, change) -> None:
    """The view's table, changed by somebody else through delta-rs."""
    table = deltalake.DeltaTable(str(lake / "silver" / view))
    rows = table.to_pyarrow_table()
    deltalake.write_deltalake(table, pyarrow.Table.from_pylist(change(rows.to_pylist()), schema=rows.schema), mode="overwrite")


def changed_amount(rows):
    rows[3]["total_depense"] += 1
    return rows


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (changed_amount, "different"),
        (lambda rows: rows[:2] + rows[3:], "missing"),
        (lambda rows: [*rows, rows[5]], "unexpected"),
    ],
)
def test_verify_finds_a_row_that_was_changed_lost_or_repeated(program, lake, change, kind):
    keep(program, lake, *generator.EVENTS, *UNLIMITED, "--events", 3000).expect(EXIT_OK)
    rewrite(lake, "ventes_aggreges", change)
    reports = verify(program, lake).expect(EXIT_VERIFICATION).json()
    assert [report["differences"] for report in reports] == [1] + [0] * (len(silver.VIEWS) - 1)
    assert [row["kind"] for row in reports[0]["first"]] == [kind]
    text = program.run("verify", program.pipeline, "ventes_aggreges", "--lake", lake)
    assert text.code == EXIT_VERIFICATION and "client_id = " in text.stdout, text
    # The next run sees that somebody else wrote to its table, and replaces all of it.
    keep(program, lake, *generator.EVENTS, *UNLIMITED, "--events", 3600).expect(EXIT_OK)
    verify(program, lake).expect(EXIT_OK)
    silver.assert_exact(lake)


def test_verify_finds_a_state_row_that_was_changed(program, lake):
    """A state whose checksum was made to fit its changed rows is believed: what it makes of bronze is not."""
    keep(program, lake, *generator.EVENTS, *UNLIMITED, "--events", 3000).expect(EXIT_OK)
    state = lake / "_inlet" / "ventes" / "views" / "ventes_par_pays"
    manifest = json.loads((state / "state.json").read_text().split("\n", 1)[1])
    file = state / manifest["partitions"][0]["rows"]["file"]
    rows = pyarrow.parquet.read_table(file)
    counts = [name for name in rows.column_names if name.startswith("p") and pyarrow.types.is_int64(rows[name].type)]
    assert counts, rows.schema
    pyarrow.parquet.write_table(
        rows.set_column(rows.column_names.index(counts[0]), counts[0], [pyarrow.array([v + 1 for v in rows[counts[0]].to_pylist()])]),
        file,
    )
    for partition in manifest["partitions"]:
        if partition["rows"]["file"] == file.name:
            partition["rows"]["checksum"] = checksum(file.read_bytes())
    body = json.dumps(manifest, separators=(",", ":"))
    (state / "state.json").write_text(checksum(body.encode()) + "\n" + body + "\n")
    keep(program, lake, *generator.EVENTS, *UNLIMITED, "--events", 9000).expect(EXIT_OK)
    reports = verify(program, lake, "ventes_par_pays").expect(EXIT_VERIFICATION).json()
    assert reports[0]["differences"] > 0


def checksum(data: bytes) -> str:
    """As src/views/checksum.h has it: eight bytes at a time, then the rest with its length."""
    mask, value = 2**64 - 1, 0x243F6A8885A308D3

    def mix(word: int) -> None:
        nonlocal value
        value = ((value ^ word) * 0x9E3779B97F4A7C15) & mask
        value ^= value >> 29

    for begin in range(0, len(data), 1 << 20):
        block = data[begin : begin + (1 << 20)]
        whole = len(block) // 8 * 8
        for at in range(0, whole, 8):
            mix(int.from_bytes(block[at : at + 8], "little"))
        rest = len(block) - whole
        for byte in block[whole:]:
            rest = ((rest << 8) | byte) & mask
        mix(rest)
    return f"{value:016x}"


# --- what cannot be kept ---


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT pays, median(montant) AS m FROM bronze.ventes_stream GROUP BY pays", "median"),
        ("SELECT pays, count(*) AS n FROM bronze.ventes_stream GROUP BY pays LIMIT 3", "LIMIT"),
        ("SELECT pays, now() AS n FROM bronze.ventes_stream GROUP BY pays", "now"),
        ("SELECT pays FROM bronze.ventes_stream GROUP BY", "syntax"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_check_and_run(program, lake, sql, reason):
    for command in ("check", "run"):
        done = program.run(command, program.pipeline, "--lake", lake, *sets(f"views.ventes_par_pays.sql={sql}"))
        assert done.code == EXIT_CONFIGURATION, done
        assert reason.lower() in (done.stdout + done.stderr).lower(), done


# --- kills ---


def test_killed_again_and_again_the_views_end_in_the_same_tables(program, lake):
    """Kills at every step of apply, publish and save, and from outside; proven after each and at the end."""
    rng = random.Random(f"{SEED}/views")
    arguments = [*generator.EVENTS, *UNLIMITED]
    kills, story = 0, []
    try:
        keep(program, lake, *arguments, "--events", 1000, timeout=60).expect(EXIT_OK)  # every table is published
        while kills < KILLS:
            env = {}
            if rng.random() < 0.6:
                point = rng.choice(sorted(POINTS))
                env = {"INLET_KILL_AT": f"{point}:{rng.randint(1, POINTS[point])}"}
            pace = sets("source.generator.rate=8000")
            with program.start("run", program.pipeline, "--lake", lake, *sets(*SMALL_BATCHES), *arguments, *pace, env=env) as run:
                limit = rng.uniform(0.05, 0.6) if not env else 0.8
                started = time.monotonic()
                while run.is_running() and time.monotonic() - started < limit:
                    time.sleep(0.01)
                run.signal(signal.SIGKILL)
                done = run.wait(10)
            assert done.code == -signal.SIGKILL, done
            kills += 1
            story.append(f"{env or 'from outside'} after {done.seconds:.2f} s")
            verify(program, lake).expect(EXIT_OK)
        events = oracle.events_committed(lake) + 1000
        keep(program, lake, *arguments, "--events", events, timeout=60).expect(EXIT_OK)
        verify(program, lake).expect(EXIT_OK)
        silver.assert_exact(lake)
    except BaseException as error:
        error.add_note(f"INLET_CRASH_SEED={SEED}, {kills} kills:\n  " + "\n  ".join(story[-40:]))
        raise


# Where partitions of a state leave the memory.
MEMORY_POINTS = {"views.after_state_put_away": 12}

# A hundred days: twice what fits in memory, and more.
MANY_DAYS = sets(
    "source.generator.seed=11",
    "source.generator.event_interval=6m",
    "source.generator.clients=5000",
    "source.generator.late_share=0.02",
    "source.generator.late_by=9d",
    "resources.view_memory_limit=4MiB",
)


def evicted(done) -> dict[str, int]:
    views = {view["view"]: view for view in done.json()["views"]}
    assert not any(view["recomputed"] for view in views.values()), done
    return {name: view["evicted_partitions"] for name, view in views.items()}


def test_views_with_more_state_than_memory_are_right_through_kills_and_restarts(program, lake):
    rng = random.Random(f"{SEED}/memory")
    story = []
    points = MEMORY_POINTS | POINTS
    try:
        first = keep(program, lake, *MANY_DAYS, *UNLIMITED, "--events", 24000, "--json", timeout=90).expect(EXIT_OK)
        assert evicted(first)["ventes_aggreges"] > 20
        for _ in range(10):
            point = rng.choice([*MEMORY_POINTS, *sorted(points)])
            env = {"INLET_KILL_AT": f"{point}:{rng.randint(1, points[point])}"}
            events = oracle.events_committed(lake) + 1500
            killed = keep(program, lake, *MANY_DAYS, *UNLIMITED, "--events", events, env=env, timeout=90)
            assert killed.code in (EXIT_OK, -signal.SIGKILL), killed
            story.append(f"{env}: exit {killed.code}")
        events = oracle.events_committed(lake) + 500
        last = keep(program, lake, *MANY_DAYS, *UNLIMITED, "--events", events, "--json", timeout=90).expect(EXIT_OK)
        on_disk = evicted(last)["ventes_aggreges"]
        assert on_disk > 20
        verify(program, lake).expect(EXIT_OK)
        silver.assert_exact(lake)
        status = program.run("status", program.pipeline, "--lake", lake, "--json").expect(EXIT_OK).json()
        assert {view["view"]: view["evicted_partitions"] for view in status["views"]}["ventes_aggreges"] == on_disk
    except BaseException as error:
        error.add_note(f"INLET_CRASH_SEED={SEED}:\n  " + "\n  ".join(story))
        raise


# --- another pipeline, and late rows ---


def test_a_pipeline_of_its_own_joins_buckets_and_filters(program, lake):
    """pipelines/requests.toml: nothing of it is known to the program. Held against DuckDB's own Python, on bronze alone."""
    import duckdb

    other = program.with_pipeline(program.pipeline.parent / "requests.toml")
    run = ["run", other.pipeline, "--lake", lake, *UNLIMITED, *sets("bronze.batch_rows=700", "bronze.batch_interval=20ms")]
    env = {"INLET_KILL_AT": "views.before_publish_commit:4"}
    assert other.run(*run, "--events", 9000, env=env).code == -signal.SIGKILL
    other.run(*run, "--events", 12000).expect(EXIT_OK)
    reports = other.run("verify", other.pipeline, "--lake", lake, "--json").expect(EXIT_OK).json()
    assert {report["view"] for report in reports} == {"per_minute", "last_answer", "failures"}

    requests = deltalake.DeltaTable(str(lake / "bronze" / "requests")).to_pyarrow_table()
    regions = duckdb.read_csv(str(other.pipeline.parent / "requests_regions.csv"))
    assert len(regions) == 5
    expected = duckdb.sql("""
        SELECT day, epoch_us(time_bucket(INTERVAL '1 minute', moment)) AS minute, coalesce(region, 'elsewhere') AS region,
               count(*) AS requests, count(*) FILTER (WHERE status >= 500) AS failures,
               count(DISTINCT visitor) AS visitors, sum(bytes)::BIGINT AS bytes, max(seconds) AS slowest
        FROM requests LEFT JOIN regions USING (country) GROUP BY ALL ORDER BY ALL""").fetchall()
    shown = deltalake.DeltaTable(str(lake / "silver" / "per_minute")).to_pyarrow_table()
    assert shown.num_rows == len(expected)
    columns = "day, epoch_us(minute) AS minute, region, requests, failures, visitors, bytes, slowest"
    assert duckdb.sql(f"SELECT {columns} FROM shown ORDER BY ALL").fetchall() == expected
    failures = deltalake.DeltaTable(str(lake / "silver" / "failures")).to_pyarrow_table()
    columns = "request_id, epoch_us(moment) AS moment, path, visitor, status, _source, _partition, _offset"
    assert (
        duckdb.sql(f"SELECT {columns} FROM failures ORDER BY ALL").fetchall()
        == duckdb.sql(f"SELECT {columns} FROM requests WHERE status >= 500 ORDER BY ALL").fetchall()
    )


def test_a_dimension_with_another_content_rebuilds_the_views_that_join_it(program, lake, tmp_path):
    source = program.pipeline.parent
    (tmp_path / "requests.toml").write_text((source / "requests.toml").read_text())
    regions = tmp_path / "requests_regions.csv"
    regions.write_text((source / "requests_regions.csv").read_text())
    other = program.with_pipeline(tmp_path / "requests.toml")
    run = ["run", other.pipeline, "--lake", lake, *UNLIMITED]
    other.run(*run, "--events", 5000).expect(EXIT_OK)
    regions.write_text(regions.read_text() + "JP,Asia\n")
    done = other.run(*run, "--events", 6000).expect(EXIT_OK)
    assert "view per_minute" in done.stderr and "view last_answer" not in done.stderr, done
    other.run("verify", other.pipeline, "--lake", lake).expect(EXIT_OK)
    rows = silver.read(lake / "silver" / "per_minute")
    assert {row["region"] for row in rows} == {"Europe", "America", "Asia"}


def test_late_rows_are_previewed_then_applied_and_the_views_restate(program, lake):
    divert = sets("late.policy=divert", "late.delay=30m")
    keep(program, lake, *generator.EVENTS, *UNLIMITED, *divert, "--events", 6000).expect(EXIT_OK)
    before = {row["pays"]: row for row in silver.read(lake / "silver" / "ventes_par_pays") if row["jour"] == "2025-01-01"}
    previews = program.run("late", "preview", program.pipeline, "--lake", lake, *divert, "--json").expect(EXIT_OK).json()
    promised = {preview["view"]: preview for preview in previews}["ventes_par_pays"]
    assert promised["changes"] > 0
    program.run("late", "apply", program.pipeline, "--lake", lake, *divert).expect(EXIT_OK)
    keep(program, lake, "--only", "views", "--until", "caught-up").expect(EXIT_OK)
    silver.assert_exact(lake)
    after = {(row["pays"], row["jour"]): row for row in silver.read(lake / "silver" / "ventes_par_pays")}
    assert before
    for change in promised["first"]:
        key = dict(part.split(" = ") for part in change["key"].split(", "))
        row = after[key["pays"], key["jour"]]
        for value in change["values"]:
            assert str(row[value["column"]]) == value["expected"], (change, row)
    nothing_left = program.run("late", "preview", program.pipeline, "--lake", lake, *divert, "--json").expect(EXIT_OK).json()
    assert [preview["changes"] for preview in nothing_left] == [0] * len(silver.VIEWS)
