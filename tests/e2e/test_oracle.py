"""The oracle is itself tested: on tables written by delta-rs alone, it accepts the right lake and finds each damage."""

from __future__ import annotations

import base64
import copy
import datetime
import decimal
import pathlib
import random
import uuid

import deltalake
import pyarrow
import pytest

import oracle
import sales

SOURCE = "kafka:ventes_stream"
UTC = datetime.timezone.utc
NOW = datetime.datetime(2026, 2, 1, tzinfo=UTC)

_TIMESTAMP = pyarrow.timestamp("us", tz="UTC")
_ARROW = {
    "long": pyarrow.int64(),
    "integer": pyarrow.int32(),
    "string": pyarrow.string(),
    "boolean": pyarrow.bool_(),
    "timestamp": _TIMESTAMP,
    "decimal(12,2)": pyarrow.decimal128(12, 2),
}
_REQUIRED = {name for name, _, required in sales.FIELDS if required}
BRONZE = pyarrow.schema([pyarrow.field(n, _ARROW[t], nullable=n not in _REQUIRED) for n, t in oracle.BRONZE_TYPES.items()])
QUARANTINE = pyarrow.schema([pyarrow.field(n, _ARROW[t]) for n, t in oracle.QUARANTINE_TYPES.items()])


class Batch:
    """One batch as a right writer would commit it, open to damage before it is written."""

    def __init__(self):
        self.rows: list[dict] = []
        self.rejects: list[dict] = []
        self.markers: dict[int, int] = {}


def bronze_row(partition: int, offset: int, fate: sales.Row) -> dict:
    return fate.values | {
        "jour": fate.values["timestamp"].strftime("%Y-%m-%d"),
        "_source": SOURCE,
        "_partition": partition,
        "_offset": offset,
        "_kafka_timestamp": NOW,
        "date_ingestion": NOW,
    }


def quarantine_row(partition: int, offset: int, fate: sales.Reject) -> dict:
    raw = fate.raw or b""
    try:
        text, encoding = raw.decode("utf-8"), "utf8"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(raw).decode(), "base64"
    return {
        "reason": fate.reason,
        "message": "as planted",
        "field": fate.field,
        "raw": text,
        "raw_encoding": encoding,
        "raw_bytes": len(raw),
        "raw_cut": False,
        "_source": SOURCE,
        "_partition": partition,
        "_offset": offset,
        "_kafka_timestamp": NOW,
        "quarantined_at": NOW,
    }


class Story:
    """Two partitions of 60 events each, committed in three batches of 20 offsets per partition."""

    def __init__(self):
        rng = random.Random(7)
        self.truth: oracle.Truth = {}
        self.batches = [Batch() for _ in range(3)]
        self.lost_events = 0  # how many of the pipeline's count are to be left out
        for partition in range(2):
            events = sales.stream(rng, 60, first=1 + 60 * partition, malformed=0.1)
            fates = {offset: event.fate for offset, event in enumerate(events)}
            self.truth[SOURCE, partition] = fates
            for offset, fate in fates.items():
                batch = self.batches[offset // 20]
                if isinstance(fate, sales.Row):
                    batch.rows.append(bronze_row(partition, offset, fate))
                else:
                    batch.rejects.append(quarantine_row(partition, offset, fate))
            for number, batch in enumerate(self.batches):
                batch.markers[partition] = 20 * number + 19

    def write(self, lake: pathlib.Path) -> pathlib.Path:
        bronze, quarantine = lake / "bronze/ventes_stream", lake / "quarantine/ventes_stream"
        self._commit(bronze, [], BRONZE, {f"{p}": -1 for p in range(2)} | {f"{p}#epoch": 1 for p in range(2)})
        self._commit(quarantine, [], QUARANTINE, {f"{p}#epoch": 1 for p in range(2)})
        events, largest = 0, {}
        for batch in self.batches:
            if batch.rejects:
                self._commit(quarantine, batch.rejects, QUARANTINE, {})
            events += len(batch.rows) + len(batch.rejects)
            for row in batch.rows:
                micros = (row["timestamp"] - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(microseconds=1)
                largest[row["_partition"]] = max(largest.get(row["_partition"], micros), micros)
            state = {f"{p}": marker for p, marker in batch.markers.items()}
            state |= {f"{p}#maxEventTime": micros for p, micros in largest.items()}
            self._commit(bronze, batch.rows, BRONZE, state, events - self.lost_events)
        return lake

    @staticmethod
    def _commit(path: pathlib.Path, rows: list[dict], schema, state: dict[str, int], events: int | None = None) -> None:
        transactions = [deltalake.Transaction(f"ventes/{SOURCE}/{name}", version) for name, version in state.items()]
        if events is not None:
            transactions.append(deltalake.Transaction("ventes#events", events))
        deltalake.write_deltalake(
            str(path),
            pyarrow.Table.from_pylist(rows, schema=schema),
            mode="append",
            partition_by=["jour"] if "jour" in schema.names else None,
            commit_properties=deltalake.CommitProperties(
                custom_metadata={"txnId": str(uuid.uuid4())}, app_transactions=transactions
            ),
        )


@pytest.fixture
def story() -> Story:
    return Story()


def kinds_found(story: Story, lake: pathlib.Path) -> set[str]:
    return {problem.kind for problem in oracle.check(story.write(lake), story.truth, dense=True)}


def test_accepts_a_lake_that_is_right(story, tmp_path):
    view = oracle.assert_exact(story.write(tmp_path), story.truth, dense=True)
    assert view.events == 120
    assert view.quarantine, "the story has rejects"


def test_a_right_lake_is_its_own_reference(story, tmp_path):
    story.write(tmp_path)
    oracle.assert_exact(tmp_path, oracle.truth_of(oracle.LakeView(tmp_path)), dense=True)


def test_finds_a_lost_row(story, tmp_path):
    del story.batches[1].rows[5]
    assert {"lost", "early_marker"} <= kinds_found(story, tmp_path)


def test_finds_a_row_that_stands_twice(story, tmp_path):
    story.batches[2].rows.append(copy.deepcopy(story.batches[2].rows[3]))
    assert "duplicate" in kinds_found(story, tmp_path)


def test_finds_a_row_written_again_by_a_later_version(story, tmp_path):
    story.batches[2].rows.append(copy.deepcopy(story.batches[0].rows[3]))
    assert {"duplicate", "version_range"} <= kinds_found(story, tmp_path)


@pytest.mark.parametrize("column", sales.COLUMNS)
def test_finds_a_changed_value(story, tmp_path, column):
    row = next(row for row in story.batches[1].rows if row[column] is not None and row["vente_id"] != 1)
    value = row[column]
    if isinstance(value, datetime.datetime):
        row[column] = value + datetime.timedelta(microseconds=1 if value.microsecond < 999_999 else -1)
    elif isinstance(value, str):
        row[column] = value + "\u200b"
    elif isinstance(value, int):
        row[column] = value - 1 if value > 0 else value + 1
    else:
        row[column] = value + decimal.Decimal("-0.01" if value > 0 else "0.01")
    assert kinds_found(story, tmp_path) & {"value", "partition_value"} == {"value"}


def test_finds_a_null_in_place_of_a_value(story, tmp_path):
    row = next(row for row in story.batches[0].rows if row["client_nom"])
    row["client_nom"] = None
    assert "value" in kinds_found(story, tmp_path)


def test_finds_a_row_in_the_wrong_partition(story, tmp_path):
    story.batches[0].rows[0]["jour"] = "2025-12-31"
    assert "partition_value" in kinds_found(story, tmp_path)


def test_finds_a_row_that_stands_in_both_tables(story, tmp_path):
    row = story.batches[1].rows[0]
    story.batches[1].rejects.append(quarantine_row(row["_partition"], row["_offset"], sales.Reject("invalid_json", b"x")))
    assert {"both_tables", "wrong_table"} <= kinds_found(story, tmp_path)


def test_finds_a_missing_quarantine_row(story, tmp_path):
    batch = next(batch for batch in story.batches if batch.rejects)
    batch.rejects.pop()
    assert "lost" in kinds_found(story, tmp_path)


def test_finds_a_quarantine_row_with_another_reason(story, tmp_path):
    next(batch for batch in story.batches if batch.rejects).rejects[0]["reason"] = "too_large"
    assert "reason" in kinds_found(story, tmp_path)


def test_finds_changed_raw_bytes(story, tmp_path):
    reject = next(batch for batch in story.batches if batch.rejects).rejects[0]
    reject["raw"] = "A" + reject["raw"][1:]
    assert "raw" in kinds_found(story, tmp_path)


def test_finds_an_early_marker(story, tmp_path):
    # The second version moves the marker of partition 1 past rows that only the third one brings: a kill between the
    # two would lose them, though the finished lake has every row.
    story.batches[1].markers[1] = 59
    found = kinds_found(story, tmp_path)
    assert {"early_marker", "version_range"} <= found
    assert not found & {"lost", "duplicate"}


def test_finds_a_row_beyond_the_marker(story, tmp_path):
    story.batches[2].markers[0] = 40
    assert "beyond_marker" in kinds_found(story, tmp_path)


def test_finds_a_row_that_was_never_produced(story, tmp_path):
    row = copy.deepcopy(story.batches[0].rows[0])
    row["_offset"] = 17_000
    story.batches[2].rows.append(row)
    story.batches[2].markers[row["_partition"]] = 17_000
    assert "unknown_offset" in kinds_found(story, tmp_path)


def test_finds_an_event_count_that_is_wrong(story, tmp_path):
    story.lost_events = 1
    assert kinds_found(story, tmp_path) == {"events"}


def test_finds_an_empty_commit_file(story, tmp_path):
    story.write(tmp_path)
    (tmp_path / "bronze/ventes_stream/_delta_log" / f"{2:020}.json").write_bytes(b"")
    assert [problem.kind for problem in oracle.check(tmp_path, story.truth)] == ["log"]


def test_says_when_the_end_was_not_reached(story, tmp_path):
    story.write(tmp_path)
    story.truth[SOURCE, 0][60] = sales.sale(61, random.Random(1)).fate
    with pytest.raises(oracle.NotExact, match="incomplete"):
        oracle.assert_exact(tmp_path, story.truth)
    oracle.assert_exact(tmp_path, story.truth, complete=False)


def test_compares_with_another_lake_of_the_same_source(story, tmp_path):
    truth = oracle.truth_of(oracle.LakeView(story.write(tmp_path / "reference")))
    other = Story()
    del other.batches[0].rows[0]
    other.write(tmp_path / "other")
    assert "lost" in {problem.kind for problem in oracle.check(tmp_path / "other", truth)}
