"""Tables over time: older versions, what differs between two, going back, compaction and clean-up; judged by delta-rs
and by DuckDB's own Delta reader, neither of which is Inlet.
"""

from __future__ import annotations

import collections
import datetime
import json
import pathlib

import deltalake
import pytest

import delta_log
import generator
import oracle
import silver
from generator import UNLIMITED
from program import EXIT_CONFIGURATION, EXIT_OK, EXIT_RUNTIME, EXIT_USAGE, Program, sets

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
