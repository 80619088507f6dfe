"""Rows of quarantine come back once the pipeline file is mended: each once, whatever is killed or runs beside it."""

from __future__ import annotations

import collections
import pathlib
import random
import re
import signal

import pytest

import delta_log
import generator
import oracle
import sales
from program import EXIT_OK, EXIT_RUNTIME, EXIT_USAGE, sets

CAUGHT_UP = ("--until", "caught-up")
REFUSE = sets("event.unknown_fields=refuse")

# The named points of a replay; test_crash.py asks that every point of the source stands in one of the two lists.
POINTS = ("replay.before_parquet", "replay.after_parquet", "replay.before_commit", "replay.after_commit")
# What a replay passes besides, on its way through the lake.
LAKE_POINTS = (
    "lake.before_sync_files",
    "lake.after_sync_files",
    "lake.before_commit_write",
    "lake.after_commit_write",
    "lake.after_commit_fsync",
    "lake.before_commit_link",
    "lake.after_commit_link",
    "lake.after_commit_dirsync",
)


def with_extra_field(number: int, rng: random.Random) -> sales.Event:
    """Refused where unknown fields are, a good row where they are ignored. `fate` is the row."""
    event = sales.sale(number, rng)
    assert event.value is not None
    return sales.Event(event.value[:-1] + b',"remise":0.1}', event.fate)


class Input:
    """A file of events for a pipeline that refuses unknown fields, and what each becomes once it ignores them."""

    def __init__(self, path: pathlib.Path, seed: int):
        self.path = path
        self.rng = random.Random(seed)
        self.events: list[sales.Event] = []
        path.write_bytes(b"")

    def add(self, count: int) -> None:
        for number in range(len(self.events) + 1, len(self.events) + count + 1):
            draw = self.rng.random()
            if draw < 0.2:
                self.events.append(with_extra_field(number, self.rng))
            elif draw < 0.3:
                self.events.append(sales.broken(self.rng.choice(sales.COMMON_BROKEN), number, self.rng))
            else:
                self.events.append(sales.sale(number, self.rng))
        self.path.write_bytes(sales.as_lines(self.events)[0])

    @property
    def arguments(self) -> list:
        return ["--source", "file", *sets(f"source.file.path={self.path}")]

    def fates(self) -> dict:
        """By offset: what the mended pipeline makes of it."""
        return sales.as_lines(self.events)[1]

    def truth_before(self, lake) -> oracle.Truth:
        """What the refusing pipeline makes of it."""
        found = []
        for event in self.events:
            is_extra = event.value is not None and event.value.endswith(b',"remise":0.1}')
            found.append(sales.Event(event.value, sales.Reject("unknown_field", event.value, "remise")) if is_extra else event)
        return oracle.file_truth(lake, {self.path.name: sales.as_lines(found)[1]})

    def refused(self) -> int:
        return sum(1 for event in self.events if event.value is not None and event.value.endswith(b',"remise":0.1}'))


def ingest(program, lake, source: Input) -> None:
    program.ingest(lake, *source.arguments, *REFUSE, *CAUGHT_UP, timeout=60).expect(EXIT_OK)


def replay(program, lake, *args, code: int = EXIT_OK, env=None) -> dict:
    return program.run("quarantine", "replay", program.pipeline, "--lake", lake, "--json", *args, env=env).expect(code).json()


def listed(program, lake, *args) -> dict:
    return program.run("quarantine", "list", program.pipeline, "--lake", lake, "--json", *args).expect(EXIT_OK).json()


def assert_replayed(lake, source: Input, markers_at: dict | None = None) -> oracle.LakeView:
    """Read by delta-rs: every event that the mended pipeline can read is one row of bronze, with the values it carried
    and the position it had; every row of quarantine is still there, once."""
    view = oracle.LakeView(lake)
    (partition,) = view.markers
    fates = source.fates()
    rows = collections.Counter(oracle.position(row) for row in view.bronze)
    assert set(rows.values()) <= {1}, "a position stands twice"
    good = {offset for offset, fate in fates.items() if isinstance(fate, sales.Row)}
    assert {offset for _, offset in rows} == good
    for row in view.bronze:
        fate = fates[row["_offset"]]
        assert all(row[name] == fate.values[name] for name in sales.COLUMNS), row
        assert row["jour"] == row["timestamp"].astimezone(sales.UTC).strftime("%Y-%m-%d")
        assert row["_kafka_timestamp"] is not None and row["date_ingestion"] is not None
    kept = collections.Counter(row["_offset"] for row in view.quarantine)
    assert set(kept.values()) <= {1} and len(kept) == source.refused() + len(fates) - len(good)
    times = {row["_offset"]: row["_kafka_timestamp"] for row in view.quarantine}
    for row in view.bronze:
        assert times.get(row["_offset"], row["_kafka_timestamp"]) == row["_kafka_timestamp"]
    if markers_at is not None:
        assert view.markers == markers_at
    assert partition[0].startswith("file:")
    return view


def replay_commits(lake) -> list[delta_log.Commit]:
    return [c for c in delta_log.read(lake / "bronze" / "ventes_stream") if c.info.get("operation") == "QUARANTINE REPLAY"]


@pytest.fixture
def source(tmp_path) -> Input:
    made = Input(tmp_path / "ventes.jsonl", 1)
    made.add(400)
    return made


def test_rows_re_enter_once_the_pipeline_file_is_mended(program, lake, source):
    ingest(program, lake, source)
    before = oracle.assert_exact(lake, source.truth_before(lake))
    bad = len(before.quarantine) - source.refused()

    dry = replay(program, lake, "--dry-run")
    assert (dry["replayed"], dry["still_rejected"], dry["version"]) == (source.refused(), bad, None)
    assert oracle.LakeView(lake).bronze == before.bronze, "a dry run writes nothing"

    # Not mended yet: nothing re-enters, and nothing is committed.
    same = replay(program, lake, *REFUSE)
    assert same["replayed"] == 0 and same["still_rejected_by_reason"]["unknown_field"] == source.refused()
    assert replay_commits(lake) == []

    done = replay(program, lake)
    assert (done["replayed"], done["still_rejected"], done["already_replayed"]) == (source.refused(), bad, 0)
    view = assert_replayed(lake, source, before.markers)
    (commit,) = replay_commits(lake)
    assert commit.version == done["version"] and commit.transactions == {"ventes#quarantineReplay": 1}
    assert int(commit.info["operationMetrics"]["numOutputRows"]) == source.refused()
    assert sum(add.statistics["numRecords"] for add in commit.adds) == source.refused()
    untouched = {k: v for k, v in view.transactions.items() if k != "ventes#quarantineReplay"}
    assert untouched == before.transactions, "no marker and no largest event time moves"

    again = replay(program, lake)
    assert (again["replayed"], again["already_replayed"], again["version"]) == (0, source.refused(), None)
    assert_replayed(lake, source, before.markers)
    # The stream goes on behind it.
    source.add(200)
    ingest(program, lake, source)
    assert replay(program, lake)["already_replayed"] > 0
    assert_replayed(lake, source)


def test_only_one_reason_is_replayed(program, lake, source):
    ingest(program, lake, source)
    assert replay(program, lake, "--reason", "invalid_json")["replayed"] == 0
    assert replay(program, lake, "--reason", "unknown_field")["replayed"] == source.refused()
    assert_replayed(lake, source)


def test_a_replay_killed_at_any_point_is_made_whole_by_the_next(program, lake, source):
    ingest(program, lake, source)
    for point in (*POINTS, *LAKE_POINTS):
        source.add(60)  # so that there is something to replay
        ingest(program, lake, source)
        done = program.run(
            "quarantine", "replay", program.pipeline, "--lake", lake, env={"INLET_KILL_AT": f"{point}:1"}
        )
        assert done.code == -signal.SIGKILL, f"{point} was not reached\n{done}"
        replay(program, lake)
        assert_replayed(lake, source)


def test_two_replays_at_once_pass_once(program, lake, source):
    ingest(program, lake, source)
    # The first has chosen its rows and written its files when the second does the same, and commits.
    arguments = ("quarantine", "replay", program.pipeline, "--lake", lake, "--json")
    with program.start(*arguments, env={"INLET_STOP_AT": "replay.before_commit:1"}) as first:
        first.wait_until(first.is_stopped, 20, "a stop before the commit")
        assert replay(program, lake)["replayed"] == source.refused()
        first.signal(signal.SIGCONT)
        late = first.wait(20).expect(EXIT_OK).json()
    assert (late["replayed"], late["already_replayed"]) == (0, source.refused())
    assert len(replay_commits(lake)) == 1
    assert_replayed(lake, source)


def test_a_replay_beside_a_run(program, lake, source):
    ingest(program, lake, source)
    with program.start_ingest(lake, *generator.EVENTS, *sets("source.generator.rate=5000")) as running:
        running.wait_until(lambda: oracle.events_committed(lake) > len(source.events) + 500, 30, "commits of the run")
        first = replay(program, lake)
        assert first["replayed"] == source.refused()
        for _ in range(3):
            assert replay(program, lake)["replayed"] == 0
        running.signal(signal.SIGTERM)
        running.wait(10).expect(EXIT_OK)
    versions = delta_log.read(lake / "bronze" / "ventes_stream")
    (commit,) = replay_commits(lake)
    assert versions[0].version < commit.version < versions[-1].version, "in the middle of the run"
    view = oracle.LakeView(lake)
    rows = collections.Counter(oracle.position(row) for row in view.bronze)
    assert set(rows.values()) == {1}
    of_file = {offset for (name, _), offset in rows if name.startswith("file:")}
    assert of_file == {offset for offset, fate in source.fates().items() if isinstance(fate, sales.Row)}
    assert view.events == len(view.bronze) + len(view.quarantine) - source.refused()


def test_a_replayed_row_is_shown_as_one(program, lake, source):
    ingest(program, lake, source)
    (reason,) = [r for r in listed(program, lake)["reasons"] if r["reason"] == "unknown_field"]
    assert (reason["rows"], reason["replayed"], reason["replayable"]) == (source.refused(), 0, source.refused())
    replay(program, lake)
    shown = listed(program, lake, "--reason", "unknown_field", "--limit", "1000")
    (reason,) = shown["reasons"]
    assert (reason["rows"], reason["replayed"], reason["replayable"]) == (source.refused(), source.refused(), 0)
    assert reason["first_seen"] <= reason["last_seen"]
    assert {row["state"] for row in shown["rows"]} == {"replayed"} and len(shown["rows"]) == source.refused()
    text = program.run("quarantine", "list", program.pipeline, "--lake", lake, "--limit", 3).expect(EXIT_OK).stdout
    assert "unknown_field" in text and "remise" in text and "3 shown" in text


def test_one_row_is_shown_whole_and_harmless(program, lake, tmp_path):
    path = tmp_path / "bad.jsonl"
    hostile = "{\"a\":\"\x1b[2J\x07\x7f\u009b31m\u202eevil\"".encode() + b"\xff\xfe"
    text = "{\"b\":\"\x1b]0;title\x07 \u009b31m é".encode()
    path.write_bytes(hostile + b"\n" + text + b"\n")
    program.ingest(lake, "--source", "file", *sets(f"source.file.path={path}"), *CAUGHT_UP).expect(EXIT_OK)
    for raw, offset in ((hostile, len(hostile)), (text, len(hostile) + len(text) + 1)):
        (listed_row,) = [r for r in listed(program, lake)["rows"] if r["offset"] == offset]
        position = f"{listed_row['source']}/{listed_row['partition']}/{offset}"
        for words in ([position], ["--offset", offset], ["--offset", offset, "--partition", 0]):
            done = program.run("quarantine", "show", program.pipeline, *words, "--lake", lake).expect(EXIT_OK)
            assert listed_row["reason"] in done.stdout and r"\x1b" in done.stdout
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.stdout), done
        done = program.run("quarantine", "show", program.pipeline, position, "--lake", lake, "--json").expect(EXIT_OK)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.stdout), done
        (row,) = done.json()
        assert row["raw_bytes"] == len(raw) and (row["raw"].encode() == raw or row["raw_encoding"] == "base64")
    program.run("quarantine", "show", program.pipeline, "nowhere/0/1", "--lake", lake).expect(EXIT_RUNTIME)
    program.run("quarantine", "show", program.pipeline, "nonsense", "--lake", lake).expect(EXIT_USAGE)


@pytest.mark.broker
def test_what_cannot_come_back_is_counted(program, lake, broker):
    topic = broker.topic(1)
    rng = random.Random(4)
    long = sales.sale(1, rng).value[:-1] + b',"x":"' + b"y" * 5000 + b'"}'
    topic.produce([sales.broken("tombstone", 1, rng), sales.Event(long, sales.Reject("unknown_field", long, "x"))])
    topic.produce([sales.broken("empty", 1, rng)])
    cut = sets("quarantine.max_raw_bytes=1KiB")
    program.ingest(lake, *topic.arguments(), *CAUGHT_UP, *REFUSE, *cut).expect(EXIT_OK)
    done = replay(program, lake, *topic.arguments())
    assert (done["replayed"], done["tombstones"], done["cut"], done["still_rejected"]) == (0, 1, 1, 1)


def test_there_is_nothing_to_replay_where_there_is_no_lake(program, lake):
    done = program.run("quarantine", "replay", program.pipeline, "--lake", lake, "--json").expect(EXIT_RUNTIME)
    assert done.error()["id"] == "lake.absent"
    assert not lake.exists()
