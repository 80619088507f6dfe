"""Says whether a lake holds what was produced, exactly once. Independent of Inlet: tables are read by delta-rs, their
logs by plain Python (delta_log.py), and what should be there comes from the tests.

A truth says, per source partition, what each offset must have become. `check` compares a lake with it and returns every
problem found; `assert_exact` raises them. test_oracle.py plants each kind of damage and sees it found.
"""

from __future__ import annotations

import base64
import bisect
import collections
import dataclasses
import datetime
import pathlib

import deltalake
import pyarrow
import pyarrow.parquet

import delta_log
from sales import COLUMNS, FIELDS, Reject, Row

# (source id, partition) → offset → what it must have become
Truth = dict[tuple[str, int], dict[int, Row | Reject]]

BRONZE_TYPES = {
    "vente_id": "long",
    "client_id": "long",
    "produit_id": "long",
    "timestamp": "timestamp",
    "quantite": "integer",
    "montant": "decimal(12,2)",
    "client_nom": "string",
    "produit_nom": "string",
    "categorie": "string",
    "pays": "string",
    "segment": "string",
    "jour": "string",
    "_source": "string",
    "_partition": "integer",
    "_offset": "long",
    "_kafka_timestamp": "timestamp",
    "date_ingestion": "timestamp",
}
QUARANTINE_TYPES = {
    "reason": "string",
    "message": "string",
    "field": "string",
    "raw": "string",
    "raw_encoding": "string",
    "raw_bytes": "long",
    "raw_cut": "boolean",
    "_source": "string",
    "_partition": "integer",
    "_offset": "long",
    "_kafka_timestamp": "timestamp",
    "quarantined_at": "timestamp",
}


@dataclasses.dataclass(frozen=True)
class Problem:
    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"[{self.kind}] {self.where}: {self.text}"


class NotExact(AssertionError):
    def __init__(self, lake: pathlib.Path, problems: list[Problem]):
        counts = collections.Counter(problem.kind for problem in problems)
        shown = "\n".join(f"  {problem}" for problem in problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        super().__init__(f"{lake} is not what was produced: {dict(counts)}\n{shown}{more}")
        self.problems = problems


def as_rows(table: pyarrow.Table) -> list[dict]:
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


class LakeView:
    """One pipeline's two tables, as they are now, read by delta-rs, and their logs."""

    def __init__(self, lake: pathlib.Path, pipeline: str = "ventes", table: str = "ventes_stream"):
        self.lake = lake
        self.pipeline = pipeline
        self.bronze_path = lake / "bronze" / table
        self.quarantine_path = lake / "quarantine" / table
        self.bronze_log = delta_log.read(self.bronze_path)
        self.quarantine_log = delta_log.read(self.quarantine_path)
        self.bronze_table = deltalake.DeltaTable(str(self.bronze_path))
        self.quarantine_table = deltalake.DeltaTable(str(self.quarantine_path))
        self.bronze = as_rows(self.bronze_table.to_pyarrow_table())
        self.quarantine = as_rows(self.quarantine_table.to_pyarrow_table())
        self.transactions = delta_log.transactions(self.bronze_log)
        self.markers = delta_log.markers(self.transactions, pipeline)

    @property
    def events(self) -> int:
        """Events of the pipeline's life, as the log counts them."""
        return self.transactions.get(f"{self.pipeline}#events", 0)

    def bronze_at(self) -> dict[tuple[str, int], dict[int, dict]]:
        return by_position(self.bronze)

    def quarantine_at(self) -> dict[tuple[str, int], dict[int, dict]]:
        return by_position(self.quarantine)


def position(row: dict) -> tuple[tuple[str, int], int]:
    return (row["_source"], row["_partition"]), row["_offset"]


def by_position(rows: list[dict]) -> dict[tuple[str, int], dict[int, dict]]:
    found: dict[tuple[str, int], dict[int, dict]] = collections.defaultdict(dict)
    for row in rows:
        partition, offset = position(row)
        found[partition][offset] = row
    return found


def newest_transactions(lake: pathlib.Path, table: str = "ventes_stream") -> dict[str, int]:
    """Every application id of the bronze log with its newest version; empty where there is no table yet."""
    return delta_log.newest_transactions(lake / "bronze" / table)


def events_committed(lake: pathlib.Path, pipeline: str = "ventes", table: str = "ventes_stream") -> int:
    """The pipeline's event count in the log; 0 where nothing was committed yet."""
    return newest_transactions(lake, table).get(f"{pipeline}#events", 0)


def markers(lake: pathlib.Path, pipeline: str = "ventes", table: str = "ventes_stream") -> dict[tuple[str, int], int]:
    return delta_log.markers(newest_transactions(lake, table), pipeline)


class _Check:
    def __init__(self, view: LakeView, truth: Truth, dense: bool, max_raw_bytes: int):
        self.view = view
        self.truth = truth
        self.dense = dense
        self.max_raw_bytes = max_raw_bytes
        self.problems: list[Problem] = []

    def problem(self, kind: str, where: str, text: str) -> None:
        self.problems.append(Problem(kind, where, text))

    def run(self) -> list[Problem]:
        self.schemas()
        self.positions()
        self.values()
        self.rejects()
        self.counts()
        self.commits()
        self.files()
        self.partition_state()
        return self.problems

    # --- tables ---

    def schemas(self) -> None:
        required = {name for name, _, is_required in FIELDS if is_required}
        for name, table, wanted in (
            ("bronze", self.view.bronze_table, BRONZE_TYPES),
            ("quarantine", self.view.quarantine_table, QUARANTINE_TYPES),
        ):
            found = {field.name: str(field.type.type) for field in table.schema().fields}
            if list(found.items()) != list(wanted.items()):
                self.problem("schema", name, f"{found}")
        for field in self.view.bronze_table.schema().fields:
            if field.name in required and field.nullable:
                self.problem("schema", "bronze", f"{field.name} is required by the pipeline, and nullable in the table")
        if self.view.bronze_table.metadata().partition_columns != ["jour"]:
            self.problem("schema", "bronze", f"partitioned by {self.view.bronze_table.metadata().partition_columns}")

    # --- every offset exactly once ---

    def positions(self) -> None:
        where: dict[tuple, list[str]] = collections.defaultdict(list)
        for table, rows in (("bronze", self.view.bronze), ("quarantine", self.view.quarantine)):
            for row in rows:
                where[position(row)].append(table)
        for (partition, offset), tables in where.items():
            place = f"{partition[0]}/{partition[1]}@{offset}"
            if len(tables) > 1:
                both = len(set(tables)) > 1
                self.problem("both_tables" if both else "duplicate", place, f"stands {len(tables)} times, in {tables}")
            marker = self.view.markers.get(partition)
            if partition not in self.truth:
                self.problem("unknown_partition", place, "nothing was produced there")
                continue
            if offset not in self.truth[partition]:
                self.problem("unknown_offset", place, f"in {tables[0]}, but nothing was produced there")
            if marker is None:
                self.problem("no_marker", place, "rows without a marker")
            elif offset > marker and "bronze" in tables:
                # In quarantine it may stand: decided by a process that died before its bronze commit (rule 5).
                self.problem("beyond_marker", place, f"the marker is {marker}")
        for partition, marker in self.view.markers.items():
            expected = self.truth.get(partition)
            if expected is None:
                self.problem("unknown_partition", f"{partition}", f"has marker {marker}, nothing was produced there")
                continue
            for offset in expected:
                if offset <= marker and (partition, offset) not in where:
                    self.problem("lost", f"{partition[0]}/{partition[1]}@{offset}", f"nowhere; the marker is {marker}")
            if self.dense:
                for offset in range(marker + 1):
                    if offset not in expected:
                        self.problem("truth", f"{partition}@{offset}", "the truth ends before the marker")
                        break

    def values(self) -> None:
        for row in self.view.bronze:
            partition, offset = position(row)
            fate = self.truth.get(partition, {}).get(offset)
            place = f"bronze {partition[0]}/{partition[1]}@{offset}"
            if row["jour"] != row["timestamp"].astimezone(datetime.timezone.utc).strftime("%Y-%m-%d"):
                self.problem("partition_value", place, f"jour {row['jour']} of {row['timestamp']}")
            if row["date_ingestion"] is None:
                self.problem("value", place, "date_ingestion is NULL")
            if isinstance(fate, Reject):
                self.problem("wrong_table", place, f"should be rejected as {fate.reason}")
            elif isinstance(fate, Row):
                for name in COLUMNS:
                    if row[name] != fate.values[name] or type(row[name]) is not type(fate.values[name]):
                        self.problem("value", place, f"{name} is {row[name]!r}, was {fate.values[name]!r}")

    def rejects(self) -> None:
        for row in self.view.quarantine:
            partition, offset = position(row)
            fate = self.truth.get(partition, {}).get(offset)
            place = f"quarantine {partition[0]}/{partition[1]}@{offset}"
            if not row["message"] or row["quarantined_at"] is None:
                self.problem("value", place, "no message or no time")
            if isinstance(fate, Row):
                self.problem("wrong_table", place, f"a good event, rejected as {row['reason']}: {row['message']}")
            elif isinstance(fate, Reject):
                self.reject(row, fate, place)

    def reject(self, row: dict, fate: Reject, place: str) -> None:
        if row["reason"] != fate.reason:
            self.problem("reason", place, f"{row['reason']} ({row['message']}), expected {fate.reason}")
        if fate.field is not None and row["field"] != fate.field:
            self.problem("reason", place, f"field {row['field']!r}, expected {fate.field!r}")
        if fate.raw is None:
            if row["raw_bytes"] != 0 or row["raw"] or row["raw_cut"]:
                self.problem("raw", place, f"a tombstone with {row['raw_bytes']} bytes")
            return
        if row["raw_bytes"] != len(fate.raw):
            self.problem("raw", place, f"raw_bytes {row['raw_bytes']}, were {len(fate.raw)}")
        kept = base64.b64decode(row["raw"]) if row["raw_encoding"] == "base64" else (row["raw"] or "").encode("utf-8")
        if row["raw_cut"] != (len(kept) < len(fate.raw)) or not fate.raw.startswith(kept):
            self.problem("raw", place, f"raw is {kept[:60]!r} ({len(kept)} bytes), was {fate.raw[:60]!r}")
        # A cut may fall back by the bytes of one character.
        if row["raw_cut"] and not self.max_raw_bytes - 3 <= len(kept) <= self.max_raw_bytes:
            self.problem("raw", place, f"cut at {len(kept)} bytes, not at {self.max_raw_bytes}")

    def counts(self) -> None:
        rows = sum(1 for row in self.view.bronze)
        rejects = sum(
            1
            for row in self.view.quarantine
            if (marker := self.view.markers.get(position(row)[0])) is not None and row["_offset"] <= marker
        )
        if self.view.events != rows + rejects:
            self.problem("events", f"{self.view.pipeline}#events", f"{self.view.events}, but {rows} + {rejects} rows")

    # --- logs ---

    def commits(self) -> None:
        """Every bronze version alone is right: its rows are those of the ranges by which it moves the markers."""
        decided = {position(row) for row in self.view.quarantine}
        before: dict[tuple[str, int], int] = {}
        produced = {partition: sorted(fates) for partition, fates in self.truth.items()}
        rows_of = {add.path: None for commit in self.view.bronze_log for add in commit.adds}
        for path in rows_of:
            rows_of[path] = self.file_positions(self.view.bronze_path / path)
        for commit in self.view.bronze_log:
            moved = delta_log.markers(commit.transactions, self.view.pipeline)
            found = collections.Counter(at for add in commit.adds for at in rows_of[add.path])
            place = f"bronze version {commit.version}"
            if commit.info.get("operation") == "OPTIMIZE":
                continue  # rows of before in fewer files: that none is gone or twice is seen in the newest version
            for (partition, offset), _ in found.items():
                first = before.get(partition)
                last = moved.get(partition)
                if first is None or last is None or not first < offset <= last:
                    self.problem("version_range", place, f"{partition}@{offset} is not in ({first}, {last}]")
            for partition, last in moved.items():
                first = before.get(partition)
                if first is None:
                    continue  # the claim of a new partition
                if last < first:
                    self.problem("version_range", place, f"the marker of {partition} went back from {first} to {last}")
                offsets = produced.get(partition, [])
                for offset in offsets[bisect.bisect_right(offsets, first) : bisect.bisect_right(offsets, last)]:
                    if (partition, offset) not in found and (partition, offset) not in decided:
                        self.problem("early_marker", place, f"moves past {partition}@{offset}, which is not there")
            before.update(moved)

    @staticmethod
    def file_positions(path: pathlib.Path) -> list[tuple[tuple[str, int], int]]:
        if not path.is_file():
            return []  # reported by files()
        table = pyarrow.parquet.ParquetFile(path).read(["_source", "_partition", "_offset"])
        return [position(row) for row in as_rows(table)]

    def files(self) -> None:
        """The log says of each file what is in it, and no identity stands twice."""
        for name, path, log in (
            ("bronze", self.view.bronze_path, self.view.bronze_log),
            ("quarantine", self.view.quarantine_path, self.view.quarantine_log),
        ):
            # A commit by another writer, which some tests make, need not have one.
            ours = [commit for commit in log if str(commit.info.get("engineInfo", "Inlet")).startswith("Inlet")]
            identities = collections.Counter(commit.info.get("txnId") for commit in ours)
            for identity, count in identities.items():
                if identity is None or count > 1:
                    self.problem("log", name, f"txnId {identity} in {count} commits")
            added = collections.Counter(add.path for commit in log for add in commit.adds)
            for file, count in added.items():
                if count > 1:
                    self.problem("log", name, f"{file} added {count} times")
            for commit in log:
                for add in commit.adds:
                    self.file(f"{name} version {commit.version} {add.path}", path / add.path, add)

    def file(self, place: str, path: pathlib.Path, add: delta_log.Add) -> None:
        if not path.is_file() or path.stat().st_size != add.size:
            self.problem("log", place, "the file is not there, or of another size")
            return
        parquet = pyarrow.parquet.ParquetFile(path)
        if add.statistics.get("numRecords") != parquet.metadata.num_rows:
            self.problem("statistics", place, f"numRecords of {parquet.metadata.num_rows} rows: {add.statistics}")
            return
        if not {"minValues", "maxValues", "nullCount"} <= add.statistics.keys():
            self.problem("statistics", place, f"are missing: {list(add.statistics)}")
            return
        table = parquet.read()
        for column in ("vente_id", "timestamp", "montant", "pays", "_offset", "reason"):
            if column in table.column_names:
                self.column_statistics(place, add.statistics, column, table.column(column).to_pylist())

    def column_statistics(self, place: str, statistics: dict, column: str, values: list) -> None:
        present = [value for value in values if value is not None]
        if statistics["nullCount"].get(column, len(values) - len(present)) != len(values) - len(present):
            self.problem("statistics", place, f"nullCount of {column}: {statistics['nullCount'].get(column)}")
        if not present:
            return
        low, high = statistics["minValues"].get(column), statistics["maxValues"].get(column)
        if column in ("vente_id", "_offset") and (low is None or high is None):
            self.problem("statistics", place, f"no bounds of {column}")
        if low is not None and not _not_above(low, min(present)):
            self.problem("statistics", place, f"minimum of {column} {low!r} is above {min(present)!r}")
        if high is not None and not _not_below(high, max(present)):
            self.problem("statistics", place, f"maximum of {column} {high!r} is below {max(present)!r}")

    def partition_state(self) -> None:
        largest: dict[tuple[str, int], datetime.datetime] = {}
        for row in self.view.bronze:
            partition, _ = position(row)
            largest[partition] = max(row["timestamp"], largest.get(partition, row["timestamp"]))
        for partition, at in largest.items():
            app_id = f"{self.view.pipeline}/{partition[0]}/{partition[1]}#maxEventTime"
            micros = (at - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)
            if self.view.transactions.get(app_id) != micros:
                self.problem("watermark", app_id, f"{self.view.transactions.get(app_id)}, the rows say {micros}")
        for partition in self.view.markers:
            app_id = f"{self.view.pipeline}/{partition[0]}/{partition[1]}#epoch"
            if self.view.transactions.get(app_id, 0) < 1:
                self.problem("epoch", app_id, "was never claimed")


def _statistic(text, like):
    """A statistic as it stands in the log, as a value of the column's type."""
    if isinstance(like, datetime.datetime):
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return type(like)(str(text)) if not isinstance(like, str) else text


def _not_above(low, smallest) -> bool:
    return _statistic(low, smallest) <= smallest


def _not_below(high, largest) -> bool:
    bound = _statistic(high, largest)
    if isinstance(largest, datetime.datetime):
        # The protocol truncates timestamp statistics to milliseconds.
        return bound + datetime.timedelta(microseconds=999) >= largest
    return bound >= largest


def check(
    lake: pathlib.Path,
    truth: Truth,
    dense: bool = False,
    pipeline: str = "ventes",
    table: str = "ventes_stream",
    max_raw_bytes: int = 64 << 10,
) -> list[Problem]:
    """Every problem of a sales lake. dense: offsets have no gaps, so the truth must cover 0..marker."""
    try:
        view = LakeView(lake, pipeline, table)
    except delta_log.BrokenLog as error:
        return [Problem("log", str(lake), str(error))]
    return _Check(view, truth, dense, max_raw_bytes).run()


def assert_exact(
    lake: pathlib.Path, truth: Truth, complete: bool = True, dense: bool = False, max_raw_bytes: int = 64 << 10
) -> LakeView:
    """Raises NotExact unless the lake is what was produced. complete: the markers stand at the truth's ends too."""
    view = LakeView(lake)
    problems = _Check(view, truth, dense, max_raw_bytes).run()
    if complete and not problems:
        for partition, fates in truth.items():
            if fates and view.markers.get(partition, -1) < max(fates):
                problems.append(Problem("incomplete", f"{partition}", f"{view.markers.get(partition)} of {max(fates)}"))
    if problems:
        raise NotExact(lake, problems)
    return view


def truth_of(view: LakeView) -> Truth:
    """What a lake that is known to be right says of each offset: the reference for another one of the same source."""
    truth: Truth = collections.defaultdict(dict)
    for row in view.bronze:
        partition, offset = position(row)
        truth[partition][offset] = Row({name: row[name] for name in COLUMNS})
    for row in view.quarantine:
        partition, offset = position(row)
        raw = base64.b64decode(row["raw"]) if row["raw_encoding"] == "base64" else (row["raw"] or "").encode("utf-8")
        truth[partition][offset] = Reject(row["reason"], None if row["reason"] == "tombstone" else raw, row["field"])
    return truth


def file_truth(lake: pathlib.Path, fates_of: dict[str, dict[int, Row | Reject]], **where) -> Truth:
    """The truth about files by name: the source id "file:NAME:FINGERPRINT" is found in the log."""
    truth: Truth = {}
    for partition in markers(lake, **where):
        for name, fates in fates_of.items():
            if partition[0].startswith(f"file:{name}:"):
                truth[partition] = fates
    assert len(truth) == len(fates_of), f"markers {list(markers(lake, **where))} of files {list(fates_of)}"
    return truth


def is_there(lake: pathlib.Path) -> bool:
    """Whether both tables exist: a process that died early may have made none, or one."""
    return all(delta_log.commit_files(lake / name / "ventes_stream") for name in ("bronze", "quarantine"))
