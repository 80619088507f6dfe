"""The numbered rules of docs/exactly-once.md, one test or more each, named after the rule they prove.

Each closes one way to lose, repeat or alter a row, and fails when the rule is taken out. Rules 6, 7 and 11 speak of
views, of commits that replay and of restore, which are not there yet.
"""

from __future__ import annotations

import json
import pathlib
import random
import re
import signal
import time

import confluent_kafka
import deltalake
import pyarrow
import pytest

import delta_log
import generator
import oracle
import sales
from generator import UNLIMITED
from program import EXIT_CONFIGURATION, EXIT_DATA_LOSS, EXIT_OK, Running, sets

CAUGHT_UP = ("--until", "caught-up")
BRONZE = "bronze/ventes_stream"
QUARANTINE = "quarantine/ventes_stream"


def write_lines(path: pathlib.Path, events: list[sales.Event]) -> dict:
    """Appends to the file; the fates of the new lines."""
    lines, fates = sales.as_lines(events, path.stat().st_size if path.exists() else 0)
    with path.open("ab") as file:
        file.write(lines)
    return fates


def from_file(path: pathlib.Path, *more: str) -> list[str]:
    return ["--source", "file", *sets(f"source.file.path={path}", *more)]


def foreign_commit(table: pathlib.Path, **transactions: int) -> int:
    """A commit by somebody else, through delta-rs, that adds no row; its version."""
    delta = deltalake.DeltaTable(str(table))
    schema = pyarrow.schema(delta.schema().to_arrow())
    deltalake.write_deltalake(
        delta,
        pyarrow.Table.from_pylist([], schema=schema),
        mode="append",
        commit_properties=deltalake.CommitProperties(
            app_transactions=[deltalake.Transaction(name, version) for name, version in transactions.items()]
        ),
    )
    return delta_log.version(table)


def assert_exact_beside_foreign_commits(lake: pathlib.Path, reference: generator.Reference) -> None:
    # delta-rs gives its own commits no txnId; everything else must be as ever.
    problems = oracle.check(lake, reference.covering(lake), dense=True)
    assert [p for p in problems if not (p.kind == "log" and "txnId None" in p.text)] == []


def wait_for_stop(running: Running) -> None:
    running.wait_until(running.is_stopped, 20, "stop")


def stop_before_a_commit(program, lake: pathlib.Path) -> Running:
    """A run, frozen before its third bronze commit."""
    running = program.start_ingest(lake, *generator.EVENTS, *UNLIMITED, env={"INLET_STOP_AT": "bronze.before_commit:3"})
    wait_for_stop(running)
    return running


# --- rule 1: the bronze table is the truth ---


def test_rule_01_a_batch_without_one_good_row_still_moves_the_marker(program, lake, tmp_path):
    path, rng = tmp_path / "bad.jsonl", random.Random(1)
    fates = write_lines(path, [sales.broken(rng.choice(sales.COMMON_BROKEN), n, rng) for n in range(50)])
    program.ingest(lake, *from_file(path), *CAUGHT_UP).expect(EXIT_OK)
    view = oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))
    assert view.bronze == [] and view.events == 50
    assert set(view.markers.values()) == {max(fates)}
    # Read again, nothing is rejected a second time.
    program.ingest(lake, *from_file(path), *CAUGHT_UP).expect(EXIT_OK)
    assert len(oracle.LakeView(lake).quarantine) == 50


def test_rule_01_rows_and_markers_are_one_commit(program, lake, reference):
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 4000).expect(EXIT_OK)
    reference.assert_exact(lake)  # looks at every version alone
    for commit in delta_log.read(lake / BRONZE):
        assert not commit.adds or delta_log.markers(commit.transactions, "ventes"), commit


def test_rule_01_another_source_never_inherits_a_position(program, lake):
    for seed, partitions in ((1, 2), (2, 2), (1, 3)):
        identity = sets(f"source.generator.seed={seed}", f"source.generator.partitions={partitions}")
        # At full speed partitions are read in turns of 2,048 events: enough for each to have had one.
        total = oracle.events_committed(lake) + 7000
        program.ingest(lake, *identity, *UNLIMITED, "--events", total).expect(EXIT_OK)
    rows = oracle.LakeView(lake).bronze_at()
    assert len({source for source, _ in rows}) == 3
    assert len(rows) == 7 and all(min(offsets) == 0 for offsets in rows.values())
    assert sum(len(offsets) for offsets in rows.values()) == 21_000


@pytest.mark.broker
@pytest.mark.parametrize("group_offset", [0, 150, 300])
def test_rule_01_the_groups_offsets_are_advisory(program, lake, broker, group_offset):
    """Somebody moved the group's offsets back, or ahead of what the lake has: reading goes on behind the marker."""
    rng = random.Random(2)
    topic = broker.topic(1)
    topic.produce(sales.stream(rng, 200))
    arguments = topic.arguments(f"source.kafka.group_id={topic.name}")
    program.ingest(lake, *arguments, *CAUGHT_UP).expect(EXIT_OK)
    topic.produce(sales.stream(rng, 100, first=201))
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": topic.name})
    at = confluent_kafka.TopicPartition(topic.name, 0, group_offset)
    deadline = time.monotonic() + 20
    while True:
        try:
            consumer.commit(offsets=[at], asynchronous=False)
            break
        except confluent_kafka.KafkaException:  # the run's membership has not yet ended
            assert time.monotonic() < deadline
            time.sleep(0.2)
    consumer.close()
    program.ingest(lake, *arguments, *CAUGHT_UP).expect(EXIT_OK)
    oracle.assert_exact(lake, topic.truth)


# --- rule 2: claim before reading ---


def test_rule_02_every_start_claims_before_it_writes(program, lake):
    partitions = [f"ventes/{source}/{partition}" for source, partition in claims_after(program, lake, 3)]
    log = delta_log.read(lake / BRONZE)
    epochs = [commit.transactions[f"{partitions[0]}#epoch"] for commit in log if f"{partitions[0]}#epoch" in commit.transactions]
    assert epochs == [1, 2, 3], "one claim per start"
    claims = [commit for commit in log if any(name.endswith("#epoch") for name in commit.transactions)]
    assert not any(commit.adds for commit in claims)
    # The claim of a new partition says where it begins, before any of its rows is there.
    assert [claims[0].transactions[name] for name in partitions] == [-1] * 3
    first_rows = next(commit.version for commit in log if commit.adds)
    assert claims[0].version < first_rows
    # Quarantine is claimed as well, and the claim says who made it.
    quarantined = delta_log.newest_transactions(lake / QUARANTINE)
    assert [quarantined[f"{name}#epoch"] for name in partitions] == [3] * 3
    assert re.search(r"\d+", str({k: v for k, v in claims[0].info.items() if k not in ("timestamp", "txnId")}))


def claims_after(program, lake, starts: int) -> list[tuple[str, int]]:
    for _ in range(starts):
        total = oracle.events_committed(lake) + 800
        program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", total).expect(EXIT_OK)
    return sorted(oracle.markers(lake))


def test_rule_02_a_superseded_process_drops_what_it_holds(program, lake, reference):
    running = stop_before_a_commit(program, lake)
    with running:
        # Every partition is taken over: which of them the stopped batch holds is the source's affair.
        names = [f"ventes/{source}/{number}#epoch" for source, number in oracle.markers(lake)]
        foreign_commit(lake / BRONZE, **{name: oracle.newest_transactions(lake)[name] + 1 for name in names})
        before = oracle.newest_transactions(lake)
        running.signal(signal.SIGCONT)
        running.wait(20).expect(EXIT_DATA_LOSS)
        assert oracle.newest_transactions(lake) == before
    # Whoever starts next claims anew and goes on where the rows end.
    total = oracle.events_committed(lake) + 2000
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", total).expect(EXIT_OK)
    assert_exact_beside_foreign_commits(lake, reference)
    assert oracle.events_committed(lake) == total


# --- rule 3: compare on the very snapshot the commit builds on ---


@pytest.mark.parametrize("step", [+100, -100])
def test_rule_03_a_marker_that_moved_stops_the_commit(program, lake, step):
    """Forwards or backwards: the epoch is ours still, but the range no longer begins behind the marker."""
    running = stop_before_a_commit(program, lake)
    with running:
        markers = oracle.markers(lake)
        moved = foreign_commit(lake / BRONZE, **{f"ventes/{s}/{p}": marker + step for (s, p), marker in markers.items()})
        running.signal(signal.SIGCONT)
        done = running.wait(20).expect(EXIT_DATA_LOSS)
        assert delta_log.version(lake / BRONZE) == moved, "nothing was written onto a marker that moved"
        assert any(str(marker + step) in done.stderr for marker in markers.values()), done


def test_rule_03_the_comparison_is_made_again_at_every_attempt(program, lake):
    """The version this commit was going to be is taken by somebody who moved the marker: no retry on top of it."""
    env = {"INLET_STOP_AT": "lake.before_commit_link:8"}
    with program.start_ingest(lake, *generator.EVENTS, *UNLIMITED, env=env) as running:
        wait_for_stop(running)
        versions = [delta_log.version(lake / name) for name in (BRONZE, QUARANTINE)]
        for (source, partition), marker in oracle.markers(lake).items():
            foreign_commit(lake / BRONZE, **{f"ventes/{source}/{partition}": marker + 7})
        after = delta_log.version(lake / BRONZE)
        assert after == versions[0] + 3
        running.signal(signal.SIGCONT)
        running.wait(20).expect(EXIT_DATA_LOSS)
        assert delta_log.version(lake / BRONZE) == after


# --- rule 4: outcomes ---


def test_rule_04_a_version_taken_by_somebody_else_is_planned_anew(program, lake, reference):
    """A foreign commit that moves nothing of ours: the batch becomes the next version, once."""
    env = {"INLET_STOP_AT": "lake.before_commit_link:8"}
    total = 5000
    with program.start_ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", total, env=env) as running:
        wait_for_stop(running)
        for name in (BRONZE, QUARANTINE):
            foreign_commit(lake / name, someone=1)
        running.signal(signal.SIGCONT)
        running.wait(20).expect(EXIT_OK)
    assert_exact_beside_foreign_commits(lake, reference)
    assert oracle.events_committed(lake) == total


@pytest.mark.parametrize("call", [2, 5, 8, 9, 10, 11])
def test_rule_04_a_commit_that_succeeded_and_was_reported_as_failed_is_found(
    program, lake, reference, inject_library, call
):
    """The link that puts the commit into place happens and reports EIO: looking tells that it is ours."""
    lake.mkdir()
    env = {
        "LD_PRELOAD": str(inject_library),
        "INLET_INJECT_PREFIX": str(lake),
        "INLET_INJECT": f"link:{call}:unknown-EIO",
    }
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 5000, env=env).expect(EXIT_OK)
    assert reference.assert_exact(lake).events == 5000


# --- rule 5: secondary tables are decided once ---


def test_rule_05_what_was_rejected_once_is_not_decided_again(program, lake, tmp_path):
    """Killed between the two commits, and started again with rules under which the rejected events would be good."""
    path, rng = tmp_path / "ventes.jsonl", random.Random(5)
    good = [sales.sale(number, rng) for number in range(40)]
    unknown = [value[:-1] + b',"remise":1}' for value in (event.value for event in good[10:15])]
    events = good[:10] + [sales.Event(value, sales.Reject("unknown_field", value)) for value in unknown] + good[15:]
    fates = write_lines(path, events)
    strict = from_file(path, "event.unknown_fields=refuse")
    died = program.ingest(lake, *strict, *CAUGHT_UP, env={"INLET_KILL_AT": "bronze.after_quarantine_commit:1"})
    assert died.code == -signal.SIGKILL
    rejected = [oracle.position(row) for row in oracle.LakeView(lake).quarantine]
    assert len(rejected) == 5 and oracle.events_committed(lake) == 0
    largest = max(event.fate.values["timestamp"] for event in events if isinstance(event.fate, sales.Row))

    program.ingest(lake, *from_file(path, "event.unknown_fields=ignore"), *CAUGHT_UP).expect(EXIT_OK)
    # The truth is that of the first decision: in quarantine, once, and never in bronze.
    view = oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))
    assert [oracle.position(row) for row in view.quarantine] == rejected
    assert max(row["timestamp"] for row in view.bronze) == largest
    assert view.events == 40


def test_rule_05_quarantines_marker_never_justifies_skipping(program, lake, tmp_path):
    """Its commit came first and bronze's never: every good event of that batch is read again."""
    path, rng = tmp_path / "ventes.jsonl", random.Random(6)
    fates = write_lines(path, sales.stream(rng, 300, malformed=0.2))
    for _ in range(3):
        died = program.ingest(lake, *from_file(path), *CAUGHT_UP, env={"INLET_KILL_AT": "bronze.after_quarantine_commit:1"})
        if died.code == EXIT_OK:
            break  # nothing was left to reject, so that point did not come
        assert died.code == -signal.SIGKILL
    program.ingest(lake, *from_file(path), *CAUGHT_UP).expect(EXIT_OK)
    oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))


# --- rule 8: durable where it says so ---


def test_rule_08_all_is_flushed_in_the_order_that_a_power_cut_needs(program, lake, inject_library, tmp_path):
    """Data files, their directories, then the commit file aside, then its link, then the log's directory."""
    lake.mkdir()
    trace = tmp_path / "trace"
    env = {
        "LD_PRELOAD": str(inject_library),
        "INLET_INJECT_PREFIX": str(lake),
        "INLET_INJECT_TRACE": str(trace),
    }
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 6000, env=env).expect(EXIT_OK)
    calls = [line.split(" ", 1) for line in trace.read_text().splitlines()]
    linked = 0
    for name in (BRONZE, QUARANTINE):
        table = lake / name
        for commit in delta_log.read(table):
            target = str(table / "_delta_log" / f"{commit.version:020}.json")
            at, aside = next(
                (number, path.split("\t")[1])
                for number, (kind, path) in enumerate(calls)
                if kind in ("link", "rename") and path.split("\t")[0] == target
            )
            linked += 1
            flushed = {path for kind, path in calls[:at] if kind == "fsync"}
            assert aside in flushed, f"version {commit.version} of {name} is put into place before it is on disk"
            for add in commit.adds:
                data = table / add.path
                assert str(data) in flushed, f"{data} is committed before it is on disk"
                assert str(data.parent) in flushed, f"the directory of {data} is not flushed before the commit"
                writes = [n for n, (kind, path) in enumerate(calls) if kind == "write" and path == str(data)]
                last_flush = max(n for n, (kind, path) in enumerate(calls[:at]) if kind == "fsync" and path == str(data))
                assert not writes or max(writes) < last_flush, f"{data} is written after its last flush"
            later = [path for kind, path in calls[at:] if kind == "fsync"]
            assert str(table / "_delta_log") in later, f"the log's directory is not flushed after version {commit.version}"
    assert linked >= 10


def test_rule_08_no_commit_is_visible_before_it_is_whole(program, lake, inject_library):
    """Killed in the middle of every write of a commit file: no version is ever empty or torn."""
    lake.mkdir()
    for call in range(1, 25, 2):
        env = {
            "LD_PRELOAD": str(inject_library),
            "INLET_INJECT_PREFIX": str(lake / BRONZE / "_delta_log" if (lake / BRONZE / "_delta_log").exists() else lake),
            "INLET_INJECT": f"write:{call}:torn-kill",
        }
        program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 3000, env=env)
        for name in (BRONZE, QUARANTINE):
            delta_log.read(lake / name)  # raises where a file does not parse


def test_rule_08_the_put_is_put_if_absent(program, lake):
    """A version that stands is never replaced."""
    env = {"INLET_STOP_AT": "lake.before_commit_link:8"}
    with program.start_ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 4000, env=env) as running:
        wait_for_stop(running)
        foreign = [(name, foreign_commit(lake / name, someone=1)) for name in (BRONZE, QUARANTINE)]
        paths = [lake / name / "_delta_log" / f"{version:020}.json" for name, version in foreign]
        before = [path.read_bytes() for path in paths]
        running.signal(signal.SIGCONT)
        running.wait(20).expect(EXIT_OK)
    assert [path.read_bytes() for path in paths] == before


def test_rule_08_checkpoints_hold_what_the_log_does(program, lake, reference, tmp_path):
    """delta-rs reads the table from its newest checkpoint, without the commits before it: the same rows and markers."""
    small = sets("bronze.batch_rows=100")
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, *small, "--events", 6000).expect(EXIT_OK)
    reference.assert_exact(lake)
    log = lake / BRONZE / "_delta_log"
    checkpoints = sorted(log.glob("*.checkpoint*.parquet"))
    assert checkpoints, "a checkpoint was written"
    whole = oracle.LakeView(lake)
    newest = int(checkpoints[-1].name.split(".")[0])
    for path in delta_log.commit_files(lake / BRONZE):
        if int(path.stem) < newest:
            path.rename(tmp_path / path.name)
    table = deltalake.DeltaTable(str(lake / BRONZE))
    assert table.version() == whole.bronze_log[-1].version
    rows = oracle.by_position(oracle.as_rows(table.to_pyarrow_table()))
    assert rows == whole.bronze_at()
    for name, version in whole.transactions.items():
        assert table.transaction_version(name) == version
    # And so does the program.
    total = whole.events + 500
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", total).expect(EXIT_OK)
    for path in tmp_path.glob("0*.json"):
        path.rename(log / path.name)
    assert reference.assert_exact(lake).events == total


def test_rule_08_the_checksum_file_of_a_checkpoint_says_what_delta_rs_and_the_log_say_of_its_version(program, lake):
    small = sets("bronze.batch_rows=100")
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, *small, "--events", 3000).expect(EXIT_OK)
    program.run("optimize", program.pipeline, BRONZE, "--lake", lake).expect(EXIT_OK)  # files that are removed are not counted
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, *small, "--events", 6000).expect(EXIT_OK)
    table = lake / BRONZE
    checkpoints, checksums = (sorted((table / "_delta_log").glob(f"*.{kind}")) for kind in ("checkpoint.parquet", "crc"))
    assert len(checksums) >= 2 and [path.name[:20] for path in checksums] == [path.name[:20] for path in checkpoints]
    commits = delta_log.read(table)
    for path in checksums:
        says, version = json.loads(path.read_text("utf-8")), int(path.stem)
        files = pyarrow.table(deltalake.DeltaTable(str(table), version=version).get_add_actions(flatten=True))
        assert (says["numFiles"], says["tableSizeBytes"]) == (files.num_rows, sum(files["size_bytes"].to_pylist())), path
        assert (says["numMetadata"], says["numProtocol"]) == (1, 1)
        metadata, protocol = ([getattr(c, kind) for c in commits[: version + 1] if getattr(c, kind)][-1] for kind in ("metadata", "protocol"))
        assert {key: value for key, value in says["metadata"].items() if value is not None} == metadata
        assert says["protocol"] == protocol
        assert "setTransactions" not in says, "whoever believes markers of a file whose digest it does not know"
    assert any(commit.removes for commit in commits[: int(checksums[-1].stem) + 1])


# --- rule 9: loss is never silent (test_kafka.py has expired offsets and recreated topics, test_stop.py shrunk files) ---


def test_rule_09_a_file_whose_consumed_part_changed_stops_it(program, lake, tmp_path):
    """The same size, another content at the marker: what was consumed is no longer what stands there."""
    path, rng = tmp_path / "ventes.jsonl", random.Random(9)
    fates = write_lines(path, [sales.sale(number, rng) for number in range(100)])
    program.ingest(lake, *from_file(path), *CAUGHT_UP).expect(EXIT_OK)
    content = path.read_bytes()
    at = content.rindex(b'"vente_id"', 0, len(content) - 1)
    at = content.index(b"9", at)
    path.write_bytes(content[:at] + b"8" + content[at + 1 :])
    done = program.ingest(lake, *from_file(path), *CAUGHT_UP).expect(EXIT_DATA_LOSS)
    assert path.name in done.stderr, done
    oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))


def test_rule_09_fail_on_data_loss_false_says_what_it_skips_and_goes_on(program, lake, tmp_path):
    path, rng = tmp_path / "ventes.jsonl", random.Random(10)
    write_lines(path, [sales.sale(number, rng) for number in range(100)])
    program.ingest(lake, *from_file(path), *CAUGHT_UP).expect(EXIT_OK)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:50]))
    program.ingest(lake, *from_file(path), *CAUGHT_UP).expect(EXIT_DATA_LOSS)
    done = program.ingest(lake, *from_file(path, "source.failOnDataLoss=false"), *CAUGHT_UP).expect(EXIT_OK)
    assert path.name in done.stderr, done


# --- rule 10: metadata moved ---


def test_rule_10_a_column_added_by_somebody_else_stops_the_next_commit(program, lake, reference):
    running = stop_before_a_commit(program, lake)
    with running:
        field = deltalake.Field("canal", deltalake.schema.PrimitiveType("string"), nullable=True)
        deltalake.DeltaTable(str(lake / BRONZE)).alter.add_columns([field])
        version = delta_log.version(lake / BRONZE)
        running.signal(signal.SIGCONT)
        running.wait(20).expect(EXIT_DATA_LOSS)
        assert delta_log.version(lake / BRONZE) == version
    # At the next start too: a table wider than the configuration would get NULLs over real values.
    done = program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 10_000)
    assert done.code in (EXIT_DATA_LOSS, EXIT_CONFIGURATION) and "canal" in done.stderr, done
    assert delta_log.version(lake / BRONZE) == version


def test_rule_10_a_table_that_was_replaced_stops_the_next_commit(program, lake, tmp_path):
    """Another table stands in its place, with the same columns: not ours to append to."""
    running = stop_before_a_commit(program, lake)
    with running:
        table = lake / BRONZE
        delta = deltalake.DeltaTable(str(table))
        empty = pyarrow.Table.from_pylist([], schema=pyarrow.schema(delta.schema().to_arrow()))
        table.rename(tmp_path / "the-first")
        deltalake.write_deltalake(str(table), empty, partition_by=["jour"])
        running.signal(signal.SIGCONT)
        done = running.wait(20)
        assert done.code not in (EXIT_OK, -signal.SIGKILL), done
    assert not any(commit.adds for commit in delta_log.read(table))


# --- rule 12: a rebalance is an ordinary event ---


@pytest.mark.broker
def test_rule_12_a_slow_disk_keeps_the_group_and_rebalances_drop_what_moved(program, lake, broker, inject_library):
    """Full queues behind flushes of three seconds, with a poll interval of six: polling goes on, and a partition that
    moves to another process meanwhile is written by that one alone."""
    rng = random.Random(12)
    topic = broker.topic(4)
    topic.produce(sales.stream(rng, 3000))
    arguments = topic.arguments(
        f"source.kafka.group_id={topic.name}",
        "source.kafka.kafka.session.timeout.ms=2000",
        "source.kafka.kafka.heartbeat.interval.ms=300",
        "source.kafka.kafka.max.poll.interval.ms=6000",
        "resources.queue_bytes=65536",
        "bronze.batch_rows=200",
    )
    lake.mkdir()
    slow = {
        "LD_PRELOAD": str(inject_library),
        "INLET_INJECT_PREFIX": str(lake),
        "INLET_INJECT": "fsync:30:delay:4",
    }
    with program.start_ingest(lake, *arguments, env=slow) as first:
        first.wait_until(lambda: oracle.events_committed(lake) > 0, 20, "a commit")
        with program.start_ingest(lake, *arguments) as second:
            second.wait_until(lambda: oracle.events_committed(lake) == 3000, 50, "all events")
            assert first.is_running(), first.stderr()
            for running in (first, second):
                running.signal(signal.SIGTERM)
                running.wait(10).expect(EXIT_OK)
    oracle.assert_exact(lake, topic.truth)
