"""Random pipelines, random events, random views, runs in several steps and killed in between: what is published is what the
view's own SQL says of bronze. Judged without any reader of Inlet's: both tables are read by delta-rs, the SQL is asked of a
plain DuckDB, averages of decimals and what a tie decides are made in Python (random_views.py).

Environment: INLET_RANDOM_VIEWS_SEED=N replays the case of that seed alone; INLET_RANDOM_VIEWS_CASES=N makes as many cases as
wanted, from that seed or the first on.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import math
import os
import pathlib
import signal

import duckdb
import pyarrow
import pytest

import random_views
from program import EXIT_CONFIGURATION, EXIT_OK, Program, sets
from random_views import PIPELINE, TABLE, Case, View
from view_judge import Judge, differences, plain, problems, read

FIRST = int(os.environ.get("INLET_RANDOM_VIEWS_SEED") or 1)
DEFAULT_CASES = 1 if os.environ.get("INLET_RANDOM_VIEWS_SEED") else 20
CASES = int(os.environ.get("INLET_RANDOM_VIEWS_CASES") or DEFAULT_CASES)
SEEDS = range(FIRST, FIRST + CASES)
BRONZE = "bronze/" + PIPELINE

# A run takes a third of a second; a machine that has much else to do may take a hundred times that.
TIMEOUT = 120

# seed → (views that were made, views that were refused)
tally: dict[int, tuple[int, int]] = {}


def problems_of_bronze(case: Case, lake: pathlib.Path, bronze: pyarrow.Table) -> list[str]:
    """Every good line is a row of bronze or a late one, as it was sent; every other line is in quarantine."""
    names = [column.name for column in case.columns]

    def rows(table: pyarrow.Table) -> list[tuple]:
        return [tuple(row[name] for name in names) for row in plain(table)]

    late = lake / "late" / PIPELINE
    held = collections.Counter(rows(bronze) + (rows(read(late)) if (late / "_delta_log").is_dir() else []))
    sent = collections.Counter(case.sent)
    found = [f"lost   {row}" for row in (sent - held).elements()] + [f"extra  {row}" for row in (held - sent).elements()]
    quarantine = lake / "quarantine" / PIPELINE
    refused = read(quarantine).num_rows if (quarantine / "_delta_log").is_dir() else 0
    if refused != case.bad_lines:
        found.append(f"{refused} lines in quarantine, expected {case.bad_lines}")
    return found


# --- a case, run ---


class Run:
    """One case in a directory of its own."""

    def __init__(self, binary: pathlib.Path, directory: pathlib.Path, seed: int):
        self.case = random_views.make(seed)
        self.directory = directory
        self.lake = directory / "lake"
        self.input = directory / "input"
        self.pipeline = directory / "events.toml"
        self.program = Program(binary, directory / "processes", self.pipeline)
        self.views = list(self.case.views)
        self.refused: list[tuple[View, dict]] = []
        self.story: list[str] = []

    def source(self) -> pathlib.Path:
        return self.input if self.case.is_directory else self.input / "events.jsonl"

    def append(self, appended: dict[str, bytes]) -> None:
        self.input.mkdir(parents=True, exist_ok=True)
        for name, text in appended.items():
            with (self.input / name).open("ab") as file:
                file.write(text)

    def check(self) -> None:
        """Leaves the views that can be kept; of each other one there is what `check` said."""
        if self.case.dimension:
            rows = [f'"{code}","{region}"' for code, region in self.case.dimension]
            (self.directory / "places.csv").write_text("\n".join(["place_code,region", *rows, ""]))
        self.pipeline.write_text(self.case.pipeline(self.views))
        source = sets(f"source.file.path={self.source()}")
        done = self.program.run("check", self.pipeline, "--lake", self.lake, "--json", *source, timeout=TIMEOUT)
        errors = [check["error"] for check in done.json()["checks"] if not check["ok"]]
        assert done.code == (EXIT_CONFIGURATION if errors else EXIT_OK), done
        for error in errors:
            refused = [view for view in self.views if error["what"].startswith(f"view {view.name}: ")]
            assert len(refused) == 1 and error["id"].startswith("view."), error
            assert error["where"] and error["why"] and error["fix"], error
            self.views.remove(refused[0])
            self.refused.append((refused[0], error))
        kept = [view.sql for view in self.views if view.unsupported]
        assert not kept, f"cannot be kept, and was not refused: {kept}"
        self.pipeline.write_text(self.case.pipeline(self.views))

    def step(self, step: random_views.Step) -> None:
        self.append(step.appended)
        arguments = ["run", self.pipeline, "--lake", self.lake, "--source", "file", "--until", "caught-up", "--quiet"]
        arguments += sets(f"source.file.path={self.source()}", *step.settings)
        if step.kill_at:
            killed = self.program.run(*arguments, env={"INLET_KILL_AT": step.kill_at}, timeout=TIMEOUT)
            self.story.append(f"INLET_KILL_AT={step.kill_at} → {killed.code}")
            assert killed.code in (-signal.SIGKILL, EXIT_OK), killed
            if killed.code == EXIT_OK:
                return
        done = self.program.run(*arguments, timeout=TIMEOUT).expect(EXIT_OK)
        self.story.append(f"inlet {' '.join(done.args)}")

    def whole(self) -> None:
        """All steps; at the end, and now and then in between, the published tables are what bronze says."""
        try:
            self.append(dict.fromkeys(self.case.steps[0].appended, b""))
            self.check()
            for n, step in enumerate(self.case.steps, 1):
                self.step(step)
                if n < len(self.case.steps) and (self.case.seed + n) % 3:
                    continue  # delta-rs takes as long to read as a run to write
                bronze = read(self.lake / BRONZE)
                with Judge(bronze, self.case.dimension) as judge:
                    found = problems(self.lake, judge, self.views)
                assert found == [], "\n\n".join(found)
            found = problems_of_bronze(self.case, self.lake, bronze)
            assert found == [], "\n".join(found[:10])
        except BaseException as error:
            told = [f"INLET_RANDOM_VIEWS_SEED={self.case.seed}, files in {self.directory}", *self.story]
            error.add_note("\n".join([*told, self.case.pipeline(self.case.views)]))
            raise


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_published_is_what_the_sql_says_of_bronze(binary, tmp_path, seed):
    run = Run(binary, tmp_path, seed)
    run.whole()
    tally[seed] = (len(run.case.views), len(run.refused))


def test_at_least_seven_views_of_ten_are_kept():
    if len(tally) < 15:
        pytest.skip("too few cases ran to their end")
    made, refused = (sum(column) for column in zip(*tally.values()))
    assert refused <= 0.3 * made, f"{refused} of {made} views were refused"


# --- what random cases have found ---


def small_run(binary, directory: pathlib.Path, fields: str, rest: str, lines: list[str]):
    """One run over these lines, with [event.fields] and what comes behind."""
    (directory / "events.jsonl").write_text("\n".join([*lines, ""]))
    pipeline = directory / "events.toml"
    head = '[pipeline]\nname = "events"\n[lake]\npath = "lake"\n[source]\nkind = "file"\n[event.fields]\n'
    pipeline.write_text(f"{head}{fields}\n{rest}")
    arguments = sets(f"source.file.path={directory / 'events.jsonl'}")
    program = Program(binary, directory / f"processes-{len(lines)}", pipeline)
    return program.run("run", pipeline, "--lake", directory / "lake", "--until", "caught-up", "--quiet", *arguments, timeout=TIMEOUT)


def test_a_decimal_without_digits_before_the_point_is_committed(binary, tmp_path):
    small_run(binary, tmp_path, 'rate = "DECIMAL(4,4)"', "", ['{"rate":0.5}', '{"rate":-0.25}']).expect(EXIT_OK)
    assert {row["rate"] for row in plain(read(tmp_path / "lake" / BRONZE))} == {decimal.Decimal("0.5"), decimal.Decimal("-0.25")}


def test_a_view_partitioned_by_an_instant_is_read_by_others(binary, tmp_path):
    view = '[views.v]\npartition_by = ["moment"]\nsql = "SELECT moment, count(*) AS n FROM bronze.events GROUP BY moment"\n'
    lines = ['{"moment":"2025-03-01T22:11:37.000001Z"}', '{"moment":"1969-12-31T23:59:59Z"}', '{"moment":null}']
    small_run(binary, tmp_path, 'moment = "TIMESTAMP"', view, lines).expect(EXIT_OK)
    rows = {row["moment"]: row["n"] for row in plain(read(tmp_path / "lake" / "silver" / "v"))}
    assert rows == {1740867097000001: 1, -1000000: 1, None: 1}


def test_a_view_by_an_empty_partition_label_is_what_bronze_says(binary, tmp_path):
    rest = '[bronze]\npartition_by = "identity(city) as part"\n'
    rest += '[views.v]\nsql = "SELECT part, count(*) AS n FROM bronze.events GROUP BY part"\n'
    small_run(binary, tmp_path, 'city = "VARCHAR"', rest, ['{"city":""}', '{"city":null}', '{"city":"a"}']).expect(EXIT_OK)
    labels = collections.Counter(row["part"] for row in plain(read(tmp_path / "lake" / BRONZE)))
    shown = collections.Counter((row["part"], row["n"]) for row in plain(read(tmp_path / "lake" / "silver" / "v")))
    assert shown == collections.Counter(labels.items())


def test_count_if_of_nothing_is_what_duckdb_says(binary, tmp_path):
    sql = "SELECT k, count_if(n > 1) AS c, count_if(n > 1) FILTER (WHERE n < 0) AS f FROM bronze.events GROUP BY k"
    lines = ['{"k":"a","n":2}', '{"k":"b","n":null}', '{"k":"c","n":-1}']
    small_run(binary, tmp_path, 'k = "VARCHAR"\nn = "INT"', f'[views.v]\nsql = "{sql}"\n', lines).expect(EXIT_OK)
    bronze = read(tmp_path / "lake" / BRONZE)
    expected = duckdb.sql(sql.replace(TABLE, "bronze")).fetchall()
    assert bronze.num_rows == 3 and sorted(expected) == [("a", 1, None), ("b", None, None), ("c", 0, 0)]
    shown = [(row["k"], row["c"], row["f"]) for row in plain(read(tmp_path / "lake" / "silver" / "v"))]
    assert sorted(shown) == sorted(expected)


def test_an_empty_and_a_null_partition_are_published_apart(binary, tmp_path):
    view = '[views.v]\npartition_by = ["k"]\nsql = "SELECT k, count(*) AS n FROM bronze.events GROUP BY k"\n'
    lines = ['{"k":""}', '{"k":null}', '{"k":"a"}']
    for _ in range(2):
        small_run(binary, tmp_path, 'k = "VARCHAR"', view, lines).expect(EXIT_OK)
        lines.append('{"k":null}')
    shown = [(row["k"], row["n"]) for row in plain(read(tmp_path / "lake" / "silver" / "v"))]
    assert sorted(shown, key=str) == [("a", 1), (None, 1), (None, 2)]


def test_having_under_group_by_all_means_what_it_means_to_duckdb(binary, tmp_path):
    sql = "SELECT n % 2 AS k, count(*) AS c FROM bronze.events GROUP BY ALL HAVING n % 2 IS NOT NULL"
    lines = [f'{{"n":{n}}}' for n in range(6)]
    done = small_run(binary, tmp_path, 'n = "INT"', f'[views.v]\nsql = "{sql}"\n', lines)
    if done.code == EXIT_CONFIGURATION:
        return  # a refusal is right as well
    bronze = read(tmp_path / "lake" / BRONZE)
    expected = duckdb.sql(sql.replace(TABLE, "bronze")).fetchall()
    assert bronze.num_rows == 6 and len(expected) == 6
    assert sorted((row["k"], row["c"]) for row in plain(read(tmp_path / "lake" / "silver" / "v"))) == sorted(expected)


# --- the generator and the judge, put to the test ---


def test_a_seed_says_everything():
    def shown(case: Case):
        return case.pipeline(case.views), case.steps, case.sent, [view.judge_sql for view in case.views]

    for seed in range(1, 8):
        assert shown(random_views.make(seed)) == shown(random_views.make(seed))


def test_the_generator_makes_all_of_the_grammar():
    cases = [random_views.make(seed) for seed in range(1, 81)]
    made = random_views.features(cases)
    wanted = """append, star, no key, keyed, where, having, filter, case, composite, count distinct, decimal average, stddev,
        floating sum, arg_max, arg_min, first, last, any_value, date_trunc, expression key, partition_by, dimension, unsupported"""
    assert {feature: made[feature] for feature in map(str.strip, wanted.split(",")) if made[feature] < 3} == {}
    assert {column.kind for case in cases for column in case.columns} == {*random_views.ARROW_OF_KIND, "DECIMAL"}
    assert any(step.kill_at for case in cases for step in case.steps)
    assert any(case.bad_lines for case in cases) and any(case.is_directory for case in cases)
    assert any("[late]" in case.head for case in cases)


@pytest.mark.parametrize(
    ("values", "precision", "scale", "average"),
    [
        (["0.01", "0.02"], 12, 2, "0.015000"),
        (["0.00", "0.00", "0.01"], 12, 2, "0.003333"),
        (["-0.01", "-0.01", "0.00"], 12, 2, "-0.006667"),
        # The seventh digit is a five: away from zero, both ways.
        (["0.01"] + ["0.00"] * 15999, 12, 2, "0.000001"),
        (["0.01"] + ["0.00"] * 19999, 12, 2, "0.000001"),
        (["-0.01"] + ["0.00"] * 19999, 12, 2, "-0.000001"),
        (["99999999999999999999999999.9"] * 2 + [None], 36, 1, "99999999999999999999999999.90000"),
        ([None], 12, 2, None),
        (None, 12, 2, None),
    ],
)
def test_the_judges_average_is_exact_and_half_up(values, precision, scale, average):
    numbers = None if values is None else [None if value is None else decimal.Decimal(value) for value in values]
    result = random_views.exact_average(numbers, precision, scale)
    assert (None if result is None else f"{result:f}") == average


def test_the_judge_breaks_ties_by_place():
    def row(v, o, p, f):
        return {"v": v, "o": o, "p": p, "f": f, "s": "file:a"}

    rows = [row("c", 2, 1, 5), row("a", 1, 0, 9), row("b", 1, 1, 3), row(None, 2, 1, 7), row("d", None, 0, 1)]
    assert random_views.first_of(rows) == "a"
    assert random_views.first_of(rows, last=True) == "d"
    assert random_views.first_of(rows, last=True, nulls_first=True) is None
    assert random_views.first_of(rows, descending=True) is None
    assert random_views.first_of(rows, descending=True, value_nulls=False) == "c"
    assert random_views.arg_extreme(rows, largest=True) == "c"
    assert random_views.arg_extreme(rows, largest=False) == "a"
    assert random_views.arg_extreme(None, largest=True) is None


def other(value, is_exact: bool):
    """A value that differs, as little as its type lets it; an inexact one by more than is allowed."""
    if value is None:
        return 0
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "\u0301"
    if isinstance(value, datetime.date):
        return value.replace(day=value.day % 28 + 1)
    if isinstance(value, decimal.Decimal):
        return value + decimal.Decimal((0, (1,), value.as_tuple().exponent))
    if isinstance(value, float):
        return math.nextafter(value, 0 if value else 1) if is_exact else value * (1 + 1e-7) + 1e-3
    return value + 1


def test_the_judge_finds_a_value_that_was_changed_and_a_row_that_was_lost_or_repeated(binary, tmp_path):
    planted = collections.Counter()
    for seed in (2, 3, 5):
        run = Run(binary, tmp_path / str(seed), seed)
        run.whole()
        with Judge(read(run.lake / BRONZE), run.case.dimension) as judge:
            for view in run.views:
                expected, types = judge.expected(view)
                rows = plain(read(run.lake / "silver" / view.name))
                assert differences(view, expected, rows) == []
                if not rows:
                    continue
                middle = len(rows) // 2
                assert len(differences(view, expected, rows[:middle] + rows[middle + 1 :])) == 1
                assert len(differences(view, expected, [*rows, rows[middle]])) == 1
                planted["row"] += 1
                for name, kind in types.items():
                    is_exact = next(output.is_exact for output in view.outputs if output.name == name)
                    row = {**rows[middle], name: other(rows[middle][name], is_exact)}
                    found = differences(view, expected, [*rows[:middle], row, *rows[middle + 1 :]])
                    assert len(found) == 2, f"seed {seed}, {view.sql}\n{name} of {rows[middle]} was made {row[name]}"
                    planted[kind.partition("(")[0]] += 1
    assert planted["row"] >= 5 and {"int64", "double", "string"} <= planted.keys(), planted
