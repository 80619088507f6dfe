"""2,000 random views, each of which the state's own test (tests/views/differential_test.cc) keeps through random cuts, evictions,
damage and restarts, and publishes as a keeper does: every published table, read by delta-rs, is what the view's SQL says of all
events in a plain DuckDB. What is exact is compared by =, averages of decimals against exact arithmetic, the rest within 1e-9.

Environment: INLET_DIFFERENTIAL_SEED=N judges the case of that seed alone; INLET_DIFFERENTIAL_CASES=N as many as wanted, from
that seed or the first on.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pathlib
import shutil
import subprocess
import time

import deltalake
import pyarrow
import pyarrow.parquet
import pytest

import random_views
from random_views import Output, View
from view_judge import Judge, problems, read

FIRST = int(os.environ.get("INLET_DIFFERENTIAL_SEED") or 1000)
CASES = int(os.environ.get("INLET_DIFFERENTIAL_CASES") or (1 if os.environ.get("INLET_DIFFERENTIAL_SEED") else 2000))
SLICE = 250
SLICES = [range(first, min(first + SLICE, FIRST + CASES)) for first in range(FIRST, FIRST + CASES, SLICE)]
TIMEOUT = 900  # a slice takes half a minute


@pytest.fixture(scope="session")
def views_tests(binary) -> pathlib.Path:
    path = binary.parent / "tests" / "views" / "views_tests"
    if not path.is_file():
        pytest.fail(f"{path} is not there: build it with the preset `test`")
    return path


def view_of(lake: pathlib.Path, seed: int) -> View:
    """A case as the C++ side wrote it down, in the judge's words."""
    case = json.loads((lake / "cases" / f"{seed}.json").read_text("utf-8"))
    outputs, scales = [], ""
    for column in case["columns"]:
        name = column["name"]
        output = Output(name, column["sql"], column["sql"], is_exact=column["exact"])
        if "average_of" in column:
            precision, scale = column["average_of"]
            average = functools.partial(random_views.exact_average, precision=precision, scale=scale)
            published = random_views.arrow_decimal(min(38, precision + 4), scale + 4)
            output = Output(name, column["sql"], column["sql"], value=average, published=published)
        elif not column["exact"]:
            scales += f", 0e0 AS scale_{name}"  # no sums that cancel each other out but exactly
        outputs.append(output)
    judge_sql = case["judge_sql"].replace(" FROM bronze.events", scales + " FROM bronze.events", 1)
    return View(str(seed), case["sql"], tuple(outputs), judge_sql, None, tuple(case["partition_by"]), False, frozenset())


@functools.cache
def one_judge() -> Judge:
    """A DuckDB of its own for each case would take as long as judging it."""
    return Judge(pyarrow.table({"none": [0]}))


def judged(lake: pathlib.Path, seed: int) -> list[str]:
    one_judge().judge_by(pyarrow.parquet.read_table(lake / "events" / f"{seed}.parquet"))
    return [f"INLET_DIFFERENTIAL_SEED={seed}\n{problem}" for problem in problems(lake, one_judge(), [view_of(lake, seed)])]


@contextlib.contextmanager
def publishing(program: pathlib.Path, directory: pathlib.Path, seeds: range):
    """A process that keeps and publishes the views of these seeds, in DIRECTORY/lake."""
    (directory / "temporary").mkdir(parents=True)
    environment = os.environ | {
        "TMPDIR": str(directory / "temporary"),
        "INLET_DIFFERENTIAL_LAKE": str(directory / "lake"),
        "INLET_DIFFERENTIAL_SEED": str(seeds.start),
        "INLET_DIFFERENTIAL_CASES": str(len(seeds)),
    }
    with (directory / "output").open("wb") as output:
        command = [program, "--gtest_filter=Differential.*"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def publish(program: pathlib.Path, directory: pathlib.Path, seeds: range) -> pathlib.Path:
    with publishing(program, directory, seeds) as process:
        assert process.wait(TIMEOUT) == 0, (directory / "output").read_text("utf-8", "replace")[-4000:]
    return directory / "lake"


@pytest.mark.parametrize("seeds", SLICES, ids=lambda seeds: f"seeds_{seeds.start}_to_{seeds.stop - 1}")
def test_what_random_views_publish_is_what_their_sql_says(views_tests, tmp_path, seeds):
    half = seeds.start + len(seeds) // 2
    parts = [part for part in (range(seeds.start, half), range(half, seeds.stop)) if part]
    found, waiting = [], {seed: tmp_path / str(part.start) for part in parts for seed in part}
    deadline = time.monotonic() + TIMEOUT
    with contextlib.ExitStack() as running:
        processes = {tmp_path / str(p.start): running.enter_context(publishing(views_tests, tmp_path / str(p.start), p)) for p in parts}
        while waiting and time.monotonic() < deadline:
            are_over = all(process.poll() is not None for process in processes.values())
            # A case is judged as soon as it is there, while the next ones are made.
            ready = [seed for seed, part in waiting.items() if (part / "lake" / "cases" / f"{seed}.json").exists()]
            for seed in ready:
                part = waiting.pop(seed)
                found += judged(part / "lake", seed)
                if not found:
                    shutil.rmtree(part / "lake" / "silver" / str(seed))
            if are_over and not ready:
                break
            time.sleep(0.05)
        for directory, process in processes.items():
            output = (directory / "output").read_text("utf-8", "replace")
            assert process.wait(max(1, deadline - time.monotonic())) == 0, output[-4000:]
    assert found == [], f"files in {tmp_path}\n" + "\n\n".join(found)
    assert not waiting, f"never published: {sorted(waiting)}"


# --- the judge, put to the test ---


def test_a_published_value_that_was_changed_is_seen_and_so_is_a_row_that_was_lost(views_tests, tmp_path):
    """By another writer, whose table delta-rs reads as it reads ours; and the events beside it."""
    seeds = range(1, 31)
    lake = publish(views_tests, tmp_path, seeds)
    seen = {"value": 0, "row": 0, "events": 0}
    for seed in seeds:
        path = lake / "silver" / str(seed)
        published = read(path)
        assert judged(lake, seed) == []
        if published.num_rows == 0:
            continue

        def overwritten(table: pyarrow.Table) -> list[str]:
            deltalake.write_deltalake(str(path), table, mode="overwrite")
            return judged(lake, seed)

        middle = published.num_rows // 2
        for n, field in enumerate(published.schema):
            if pyarrow.types.is_integer(field.type):
                values = published[n].to_pylist()
                values[middle] = 0 if values[middle] is None else values[middle] + 1
                found = overwritten(published.set_column(n, field, pyarrow.array(values, field.type)))
                assert len(found) == 1 and "unexpected" in found[0], f"seed {seed}, {field.name}"
                seen["value"] += 1
        found = overwritten(pyarrow.concat_tables([published.slice(0, middle), published.slice(middle + 1)]))
        assert len(found) == 1 and "missing" in found[0], f"seed {seed}, a row"
        seen["row"] += 1
        assert overwritten(published) == []
        events = pyarrow.parquet.read_table(lake / "events" / f"{seed}.parquet")
        pyarrow.parquet.write_table(pyarrow.concat_tables([events, events]), lake / "events" / f"{seed}.parquet")
        seen["events"] += len(judged(lake, seed))  # not of every view: a minimum stays what it was
    assert seen["row"] > 12 and seen["value"] > 12 and seen["events"] > 8, seen


def test_a_case_that_is_never_published_is_seen(views_tests, tmp_path):
    lake = publish(views_tests, tmp_path, range(1, 2))
    assert judged(lake, 1) == []
    shutil.rmtree(lake / "silver" / "1")
    assert "never published" in judged(lake, 1)[0]
