"""A pipeline of orders whose fields and views change from start to start, and what its tables must hold, in plain Python.

Reads every table by delta-rs. Knows what the SQL of the views below means and nothing of how Inlet keeps them.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import json
import pathlib
import random

import deltalake

import delta_log

BRONZE = "bronze/orders"
LATE = "late/orders"
QUARANTINE = "quarantine/orders"
VIEW = "silver/per_country"
UTC = datetime.timezone.utc
FIRST = datetime.datetime(2026, 3, 1, tzinfo=UTC)

FIELDS = {"id": "BIGINT required", "at": "TIMESTAMP required", "country": "VARCHAR", "amount": "DECIMAL(12,2) required"}

# Every column that a view may show, as SQL and as arithmetic over the rows of a group.
COLUMNS = {
    "country": ("country", lambda rows: rows[0]["country"]),
    "day": ("day", lambda rows: rows[0]["day"]),
    "orders": ("count(*)", len),
    "revenue": ("sum(amount)", lambda rows: sum(row["amount"] for row in rows)),
    "largest": ("max(amount)", lambda rows: max(row["amount"] for row in rows)),
    "channels": ("count(DISTINCT channel)", lambda rows: len({row["channel"] for row in rows} - {None})),
    "first": ("min(id)", lambda rows: min(row["id"] for row in rows)),
}

PIPELINE = """
[pipeline]
name = "orders"
[lake]
path = "lake"
[source]
kind = "file"
[source.file]
path = "orders.jsonl"
[event]
event_time = "at"
[event.fields]
{fields}
[bronze]
partition_by = "day(at) as day"
batch_interval = "20ms"
batch_rows = 100
{late}
{views}
"""


def select(*columns: str, casts: dict[str, str] | None = None) -> str:
    """A view of these columns, a group for each of the keys among them."""
    shown = ", ".join(f"{(casts or {}).get(name, COLUMNS[name][0])} AS {name}" for name in columns)
    keys = ", ".join(name for name in columns if name in ("country", "day"))
    return f"SELECT {shown} FROM bronze.orders GROUP BY {keys}"


PLAIN = {"per_country": (select("country", "day", "orders", "revenue"), ["day"])}


class Orders:
    """The file of events and the pipeline files beside it."""

    def __init__(self, directory: pathlib.Path, seed: int):
        self.directory = directory
        self.path = directory / "orders.jsonl"
        self.path.touch()
        self.count = 0
        self._rng = random.Random(seed)
        self._files = 0

    def write(self, count: int, **more) -> None:
        """Appends events; `more`: name → function of the number of the event, for further fields."""
        with self.path.open("a") as file:
            for _ in range(count):
                event = {
                    "id": self.count,
                    "at": (FIRST + datetime.timedelta(minutes=17 * self.count)).isoformat(),
                    "country": self._rng.choice(["fr", "be", "ca", None]),
                    "amount": f"{self._rng.randint(1, 99999) / 100:.2f}",
                }
                file.write(json.dumps(event | {name: of(self.count) for name, of in more.items()}) + "\n")
                self.count += 1

    def raw(self, *lines: str) -> None:
        with self.path.open("a") as file:
            file.writelines(line + "\n" for line in lines)

    def pipeline(self, program, views: dict | None = None, fields: dict | None = None, late: str = ""):
        """The program with a pipeline file of these views and fields."""
        text = ""
        for name, (sql, partition_by) in (PLAIN if views is None else views).items():
            text += f'[views.{name}]\nsql = "{sql}"\n' + (f"partition_by = {json.dumps(partition_by)}\n" if partition_by else "")
        self._files += 1
        file = self.directory / f"orders-{self._files}.toml"
        declared = "\n".join(f'{name} = "{kind}"' for name, kind in (fields or FIELDS).items())
        file.write_text(PIPELINE.format(fields=declared, views=text, late=late).replace("orders.jsonl", str(self.path)))
        return program.with_pipeline(file)


def run(program, lake: pathlib.Path, *arguments, **options):
    """Takes everything that stands in the file."""
    return program.run("run", program.pipeline, "--lake", lake, *(arguments or ("--until", "caught-up")), **options)


def verify(program, lake: pathlib.Path) -> None:
    reports = program.run("verify", program.pipeline, "--lake", lake, "--json").expect(0).json()
    assert reports and all(report["ok"] for report in reports), reports


def read(table: pathlib.Path, version: int | None = None) -> list[dict]:
    return deltalake.DeltaTable(str(table), version=version).to_pyarrow_table().to_pylist()


def columns(table: pathlib.Path, version: int | None = None) -> list[str]:
    return [field.name for field in deltalake.DeltaTable(str(table), version=version).schema().fields]


def count(lake: pathlib.Path, table: str = BRONZE) -> int:
    """How many rows there are; 0 where the table is still to come."""
    try:
        return len(read(lake / table))
    except deltalake.exceptions.TableNotFoundError:
        return 0


def newest(lake: pathlib.Path, table: str = BRONZE) -> int:
    return deltalake.DeltaTable(str(lake / table)).version()


def reflects(lake: pathlib.Path, view: str = "per_country") -> int | None:
    """The bronze version that the view's table reflects."""
    return delta_log.newest_transactions(lake / "silver" / view).get(f"orders/views/{view}")


def _comparable(value):
    """Numbers by their value, whatever type a column has: 3 is 3.0, and 1.10 is 1.1."""
    return decimal.Decimal(str(value)).normalize() if isinstance(value, (int, float, decimal.Decimal)) else value


def assert_view(lake: pathlib.Path, shown: tuple[str, ...], view: str = "per_country") -> None:
    """The view's table is what its SQL says of the bronze rows there are now."""
    keys = [name for name in shown if name in ("country", "day")]
    groups = collections.defaultdict(list)
    for row in read(lake / BRONZE):
        groups[tuple(row[key] for key in keys)].append({"channel": None} | row)
    expected = collections.Counter(tuple((name, _comparable(COLUMNS[name][1](rows))) for name in shown) for rows in groups.values())
    assert columns(lake / "silver" / view) == [*shown, "processing_time"]
    actual = collections.Counter(tuple((name, _comparable(row[name])) for name in shown) for row in read(lake / "silver" / view))
    assert actual == expected, f"{view}: unexpected {actual - expected}, missing {expected - actual}"
