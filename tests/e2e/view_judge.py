"""The judge of views: what is published, as delta-rs reads it, against the view's own SQL in a DuckDB that never saw Inlet.

Knows a view as random_views.View describes it; averages of decimals and what a tie decides come from there.
"""

from __future__ import annotations

import collections
import pathlib

import deltalake
import duckdb
import pyarrow

import random_views
from random_views import TABLE, View


def read(table: pathlib.Path) -> pyarrow.Table:
    """By delta-rs; instants as microseconds, so that no time zone database comes into it."""
    delta = deltalake.DeltaTable(str(table))
    types = {field.name: str(field.type) for field in delta.schema().fields}
    if not any("decimal" in types[name] for name in delta.metadata().partition_columns):
        return delta.to_pyarrow_table()
    # deltalake 1.6.6 hands pyarrow '-1.-50' for a partition of -1.50; its own engine reads it right.
    rows = pyarrow.table(deltalake.QueryBuilder().register("t", delta).execute("SELECT * FROM t").read_all())
    texts = (pyarrow.string_view(), pyarrow.large_string())
    return rows.cast(pyarrow.schema([(f.name, pyarrow.string() if f.type in texts else f.type) for f in rows.schema]))


def plain(table: pyarrow.Table) -> list[dict]:
    for n, field in enumerate(table.schema):
        if pyarrow.types.is_timestamp(field.type):
            table = table.set_column(n, field.name, table[n].cast(pyarrow.int64()))
    return table.to_pylist()


def published_type(duckdb_type: str) -> str:
    """The Arrow type that delta-rs reads a column of DuckDB's type as, once it is in a Delta table."""
    if duckdb_type.startswith("DECIMAL"):
        return "decimal128" + duckdb_type.removeprefix("DECIMAL").replace(",", ", ")
    return {
        "BOOLEAN": "bool",
        "TINYINT": "int32",
        "SMALLINT": "int32",
        "INTEGER": "int32",
        "BIGINT": "int64",
        "HUGEINT": "int64",
        "DOUBLE": "double",
        "VARCHAR": "string",
        "DATE": "date32[day]",
        "TIMESTAMP WITH TIME ZONE": "timestamp[us, tz=UTC]",
    }[duckdb_type]


class Judge:
    """Bronze as delta-rs reads it, and the case's dimension, in a DuckDB that never saw Inlet."""

    def __init__(self, bronze: pyarrow.Table, dimension: tuple[tuple[str, str], ...] = ()):
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA bronze; CREATE TABLE places (place_code VARCHAR, region VARCHAR)")
        self.judge_by(bronze)
        if dimension:
            self.connection.executemany("INSERT INTO places VALUES (?, ?)", [list(row) for row in dimension])

    def judge_by(self, bronze: pyarrow.Table) -> None:
        self.connection.register("bronze_rows", bronze)
        self.connection.execute(f"CREATE OR REPLACE TABLE {TABLE} AS SELECT * FROM bronze_rows")
        self.connection.unregister("bronze_rows")

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_) -> None:
        self.connection.close()

    def expected(self, view: View) -> tuple[list[dict], dict[str, str]]:
        """The rows there should be, inexact values as (value, largest term), and the columns' types."""
        described = self.connection.execute("DESCRIBE " + view.judge_sql).fetchall()
        types = {name: kind for name, kind, *_ in described}
        read_as = {name: "epoch_us({})" if kind.startswith("TIMESTAMP") else "{}" for name, kind in types.items()}
        columns = ", ".join(form.format(random_views.quoted(name)) for name, form in read_as.items())
        rows = []
        for values in self.connection.execute(f"SELECT {columns} FROM ({view.judge_sql})").fetchall():
            judged = dict(zip(types, values))
            if view.having and view.having.holds and not view.having.holds(judged["having_values"]):
                continue
            row = {}
            for output in view.outputs:
                value = output.value(judged[output.name])
                if output.name in view.partition_by and value == "":
                    value = None  # docs/views.md: Delta knows one way to write both
                row[output.name] = value if output.is_exact else (value, judged["scale_" + output.name])
            rows.append(row)
        return rows, {o.name: o.published or published_type(types[o.name]) for o in view.outputs}


def is_near(expected: tuple, actual) -> bool:
    value, scale = expected
    if value is None or actual is None:
        return value is actual
    return abs(value - actual) <= 1e-9 * max(abs(value), abs(actual)) + 1e-12 * (scale or 0)


def differences(view: View, expected: list[dict], actual: list[dict]) -> list[str]:
    """The two as multisets of rows: exact columns by =, the others as `is_near` has it."""
    exact = [o.name for o in view.outputs if o.is_exact]
    inexact = [o.name for o in view.outputs if not o.is_exact]
    open_rows = collections.defaultdict(list)
    for row in actual:
        open_rows[tuple(row[name] for name in exact)].append(row)
    found = []
    for row in expected:
        candidates = open_rows[tuple(row[name] for name in exact)]
        match = next((c for c in candidates if all(is_near(row[name], c[name]) for name in inexact)), None)
        if match is None:
            found.append(f"missing     {row}")
        else:
            candidates.remove(match)
    return found + [f"unexpected  {row}" for rows in open_rows.values() for row in rows]


def problems(lake: pathlib.Path, judge: Judge, views: list[View]) -> list[str]:
    found = []
    for view in views:
        expected, types = judge.expected(view)
        table = lake / "silver" / view.name
        if not (table / "_delta_log").is_dir():
            found.append(f"{view.name} was never published, {len(expected)} rows expected\n  {view.sql}")
            continue
        published = read(table)
        shown = {field.name: str(field.type) for field in published.schema if field.name != "processing_time"}
        if shown != types:
            found.append(f"{view.name} has the columns {shown}, expected {types}\n  {view.sql}")
            continue
        wrong = differences(view, expected, plain(published))
        if wrong:
            rows = f"{published.num_rows} rows published, {len(expected)} expected"
            told = [f"{view.name}: {rows}", view.sql, f"partition_by {view.partition_by}", *sorted(wrong)[:12]]
            found.append("\n  ".join(told))
    return found
