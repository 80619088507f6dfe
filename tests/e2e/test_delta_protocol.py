"""What the Delta protocol asks of whoever writes a table, a test for each, on the JSON of the log and by readers that are not
ours. Source: delta-io/delta, PROTOCOL.md; the section stands in each test.

The tables are of values that are easily written wrongly: texts with what a URL or a path would change, NULL and '', times with
and without a fraction of a second, days before 1970.
"""

from __future__ import annotations

import datetime
import decimal
import json
import pathlib
import re
import urllib.parse
import uuid

import deltalake
import pyarrow.compute
import pyarrow.parquet
import pytest

import duckdb_reader
from program import EXIT_OK, SMALL_BATCHES, Program, sets

SHOPS = ["a b", "c%2Fd", "é+:&?#", "x=y", "100%", "日本", "", None, "..", "tab\there", 'quote"d', "back\\slash"]
MOMENTS = ["2026-01-31T23:59:59.999999Z", "2026-02-01T00:00:00Z", "1969-12-31T12:00:00.5Z"]
BRONZE, SILVER = "bronze/odd", "silver/odd"
PARTITIONED = {BRONZE: ["place"], SILVER: ["shop", "moment", "due"]}


@pytest.fixture(scope="module")
def lake(binary, tmp_path_factory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("protocol")
    sales = directory / "sales.jsonl"
    pipeline = directory / "odd.toml"
    pipeline.write_text(
        f"""
[pipeline]
name = "odd"
[lake]
path = "{directory / 'lake'}"
[source]
kind = "file"
[source.file]
path = "{sales}"
[event]
event_time = "moment"
[event.fields]
id = "BIGINT required"
shop = "VARCHAR"
moment = "TIMESTAMP required"
due = "DATE"
price = "DECIMAL(12,2)"
weight = "DOUBLE"
[bronze]
table = "{BRONZE}"
partition_by = "identity(shop) as place"
[bronze.properties]
"delta.checkpointInterval" = "3"
[views.odd]
partition_by = ["shop", "moment", "due"]
sql = "SELECT shop, moment, due, count(*) AS n, sum(price) AS total, min(weight) AS lightest FROM odd GROUP BY shop, moment, due"
"""
    )
    program = Program(binary, directory / "processes")
    for begin in (0, 100, 200):
        with sales.open("a") as file:
            for i in range(begin, begin + 100):
                event = {"id": i, "shop": SHOPS[i % len(SHOPS)], "moment": MOMENTS[i % len(MOMENTS)]}
                event |= {"due": None if i % 4 == 0 else f"196{i % 10}-02-28", "price": f"{i - 150}.25", "weight": i / 7}
                file.write(json.dumps(event) + "\n")
        program.run("run", pipeline, "--until", "caught-up", "--quiet", *sets(*SMALL_BATCHES, "bronze.batch_rows=20")).expect(EXIT_OK)
    program.run("optimize", pipeline).expect(EXIT_OK)
    return directory / "lake"


@pytest.fixture(params=[BRONZE, SILVER])
def table(request, lake) -> pathlib.Path:
    return lake / request.param


def partition_columns(table: pathlib.Path) -> list[str]:
    return PARTITIONED[str(table.relative_to(table.parent.parent))]


def commits(table: pathlib.Path) -> list[list[dict]]:
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in sorted((table / "_delta_log").glob("0*.json"))]


def actions(table: pathlib.Path, kind: str) -> list[dict]:
    return [action[kind] for commit in commits(table) for action in commit if kind in action]


def live(table: pathlib.Path) -> list[dict]:
    files: dict[str, dict] = {}
    for commit in commits(table):
        for action in commit:
            if "remove" in action:
                files.pop(action["remove"]["path"])
        for action in commit:
            if "add" in action:
                files[action["add"]["path"]] = action["add"]
    return list(files.values())


def path_of(table: pathlib.Path, add: dict) -> pathlib.Path:
    return table / urllib.parse.unquote(add["path"])


def test_versions_follow_each_other_and_a_line_is_one_action(table):
    """Delta Log Entries."""
    names = [path.name for path in sorted((table / "_delta_log").glob("*.json"))]
    assert names == [f"{version:020}.json" for version in range(len(names))] and len(names) > 3
    known = {"commitInfo", "metaData", "protocol", "add", "remove", "txn"}
    assert all(len(action) == 1 and action.keys() <= known for commit in commits(table) for action in commit)


def test_each_commit_says_what_it_was_for(table):
    """Commit Provenance Information."""
    for commit in commits(table):
        (info,) = [action["commitInfo"] for action in commit if "commitInfo" in action]
        assert info["operation"] and info["engineInfo"] and info["timestamp"] > 1_700_000_000_000


def test_a_file_stands_in_a_commit_once_as_added_or_as_removed(table):
    """Action Reconciliation: no commit has two actions of one path."""
    for commit in commits(table):
        paths = [action[kind]["path"] for action in commit for kind in ("add", "remove") if kind in action]
        assert len(paths) == len(set(paths))


def test_the_first_version_has_the_protocol_and_no_other_asks_for_more(table):
    """Protocol Evolution: nothing is used that readers of version 1 and writers of version 2 do not know."""
    assert [{"minReaderVersion": 1, "minWriterVersion": 2}] == actions(table, "protocol")
    assert any("protocol" in action for action in commits(table)[0])


def test_the_metadata_describes_the_table(table):
    """Change Metadata; Schema Serialization Format; Format Specification."""
    (metadata,) = actions(table, "metaData")
    uuid.UUID(metadata["id"])
    assert metadata["format"] == {"provider": "parquet", "options": {}}
    assert metadata["partitionColumns"] == partition_columns(table)
    schema = json.loads(metadata["schemaString"])
    assert schema["type"] == "struct"
    names = [field["name"] for field in schema["fields"]]
    assert len({name.lower() for name in names}) == len(names) and set(metadata["partitionColumns"]) < set(names)
    for field in schema["fields"]:
        assert field.keys() == {"name", "type", "nullable", "metadata"} and isinstance(field["nullable"], bool)
        assert re.fullmatch(r"string|integer|long|double|boolean|date|timestamp|decimal\(\d+,\d+\)", field["type"]), field
    assert all(isinstance(value, str) for value in metadata["configuration"].values())


def test_paths_are_relative_encoded_and_lead_to_files_of_that_size(table):
    """Add File and Remove File: a relative path is a URI, encoded as RFC 2396 says."""
    adds = actions(table, "add")
    assert adds
    for add in adds:
        assert re.fullmatch(r"([A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})+", add["path"]), add["path"]
        assert not add["path"].startswith("/") and ".." not in pathlib.PurePosixPath(urllib.parse.unquote(add["path"])).parts
        assert path_of(table, add).stat().st_size == add["size"] > 0
        assert 1_700_000_000_000 < add["modificationTime"] and isinstance(add["dataChange"], bool)


def test_a_removed_file_is_kept_as_a_tombstone(table):
    """Add File and Remove File: deletionTimestamp, and with extendedFileMetadata size and partitionValues."""
    added = {add["path"]: add for add in actions(table, "add")}
    removes = actions(table, "remove")
    assert removes, "the files of bronze were brought together, those of a view replaced"
    for remove in removes:
        assert remove["deletionTimestamp"] > 1_700_000_000_000 and isinstance(remove["dataChange"], bool)
        if remove.get("extendedFileMetadata"):
            assert remove["partitionValues"] == added[remove["path"]]["partitionValues"]
            assert remove["size"] == added[remove["path"]]["size"]


def test_bringing_files_together_changes_no_data(table):
    """Add File and Remove File: dataChange = false says that the rows were in the table already."""
    for commit in commits(table):
        (info,) = [action["commitInfo"] for action in commit if "commitInfo" in action]
        changes = {action[kind]["dataChange"] for action in commit for kind in ("add", "remove") if kind in action}
        assert changes <= {info["operation"] != "OPTIMIZE"}


def test_partition_values_are_of_every_partition_column_and_serialized_as_the_protocol_says(table):
    """Partition Value Serialization: NULL as null or '', dates as y-m-d, times as y-m-d h:m:s[.ffffff] or as ISO 8601 in UTC."""
    columns = partition_columns(table)
    for add in actions(table, "add"):
        values = add["partitionValues"]
        assert sorted(values) == sorted(columns)
        assert all(value is None or isinstance(value, str) for value in values.values())
        if values.get("due"):
            assert re.fullmatch(r"196\d-02-28", values["due"])
        if "moment" in columns:
            instant = r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}:\d{2}(\.\d{1,6})?|T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z)"
            assert re.fullmatch(instant, values["moment"]), values


def test_the_rows_of_a_file_belong_to_its_partition_and_do_not_repeat_it(table):
    """Partition Value Serialization; Add File and Remove File: the columns of the partition are the log's to say."""
    for add in live(table):
        names = pyarrow.parquet.read_schema(path_of(table, add)).names
        assert not set(names) & set(partition_columns(table)), names


def test_statistics_are_those_of_the_file(table):
    """Per-file Statistics: numRecords and nullCount exact, minValues and maxValues bounds of every value."""
    for add in actions(table, "add"):
        stats = json.loads(add["stats"])
        rows = pyarrow.parquet.read_table(path_of(table, add))
        assert stats["numRecords"] == rows.num_rows
        bounded = 0
        for name in rows.column_names:
            column = rows[name]
            assert stats["nullCount"].get(name, column.null_count) == column.null_count, name
            for bound, holds in (("minValues", lambda b, v: b <= v), ("maxValues", lambda b, v: b >= v)):
                if name not in stats[bound]:
                    continue
                bounded += 1
                for value in column.drop_null().to_pylist():
                    assert holds(as_value(stats[bound][name], value), value), (name, bound, stats[bound][name], value)
        assert bounded > 2


def as_value(stated, like):
    """A bound of the statistics as the type of the values it bounds."""
    if isinstance(like, datetime.datetime):
        return datetime.datetime.fromisoformat(stated)
    if isinstance(like, datetime.date):
        return datetime.date.fromisoformat(stated)
    if isinstance(like, decimal.Decimal):
        return decimal.Decimal(str(stated))
    return stated


def test_transactions_of_an_application_are_numbered(table):
    """Transaction Identifiers: one version an application and commit."""
    assert actions(table, "txn")
    for commit in commits(table):
        applications = [action["txn"]["appId"] for action in commit if "txn" in action]
        assert len(applications) == len(set(applications))
        assert all(isinstance(action["txn"]["version"], int) for action in commit if "txn" in action)


def test_checkpoints_and_the_file_that_names_the_last(lake):
    """Checkpoints; Last Checkpoint File: the actions that are live, one row each, and how many."""
    log = lake / BRONZE / "_delta_log"
    hint = json.loads((log / "_last_checkpoint").read_text())
    rows = pyarrow.parquet.read_table(log / f"{hint['version']:020}.checkpoint.parquet").to_pylist()
    assert hint["size"] == len(rows)
    assert all(sum(value is not None for value in row.values()) == 1 for row in rows)
    assert sum(row["protocol"] is not None for row in rows) == sum(row["metaData"] is not None for row in rows) == 1
    at = deltalake.DeltaTable(str(lake / BRONZE), version=hint["version"])
    assert sum(row["add"] is not None for row in rows) == len(at.file_uris())


EXPECTED = {
    BRONZE: ["id", "shop", "epoch_us(moment)", "due", "price", "weight", "place"],
    SILVER: ["shop", "epoch_us(moment)", "due", "n", "total", "lightest"],
}


def test_delta_rs_and_duckdb_read_the_same_rows_and_they_are_the_events(lake, table):
    name = str(table.relative_to(lake))
    connection = duckdb_reader.connect()
    connection.execute("SET TimeZone = 'UTC'")
    columns = ", ".join(EXPECTED[name])
    by_duckdb = connection.execute(f"SELECT {columns} FROM delta_scan('{table}') ORDER BY ALL").fetchall()
    read = deltalake.DeltaTable(str(table)).to_pyarrow_table()  # noqa: F841, named in the SQL
    assert connection.execute(f"SELECT {columns} FROM read ORDER BY ALL").fetchall() == by_duckdb
    connection.execute(f"""CREATE TEMP TABLE events AS SELECT id, shop, nullif(shop, '') AS place, moment::TIMESTAMPTZ AS moment, due::DATE AS due,
        price::DECIMAL(12,2) AS price, weight::DOUBLE AS weight FROM read_json('{lake.parent / "sales.jsonl"}', columns = {{
        id: 'BIGINT', shop: 'VARCHAR', moment: 'VARCHAR', due: 'VARCHAR', price: 'VARCHAR', weight: 'DOUBLE'}})""")
    # Of '' and NULL a partition value is the same: the shops of `place`, and those of the view, which are its partitions.
    source = "events" if name == BRONZE else """(SELECT place AS shop, moment, due, count(*) AS n, sum(price) AS total,
        min(weight) AS lightest FROM events GROUP BY ALL)"""
    assert connection.execute(f"SELECT {columns} FROM {source} ORDER BY ALL").fetchall() == by_duckdb
