"""A lake in an object store: a real S3 server, the program against it, and judges that are not Inlet.

Judged by delta-rs straight from the store, and by the oracle on a copy that pyarrow's S3 client made.
INLET_OBJECT_SEED replays the choices of the kill series; INLET_OBJECT_KILLS says how many kills it has in all (100).
"""

from __future__ import annotations

import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import threading
import time

import deltalake
import pytest

import delta_log
import generator
import object_server
import oracle
import silver
import test_crash
from generator import UNLIMITED
from object_server import CREDENTIALS, NOWHERE
from program import EXIT_CONFIGURATION, EXIT_DATA_LOSS, EXIT_OK, EXIT_RUNTIME, EXIT_UNAVAILABLE, SMALL_BATCHES, Program, sets
from test_maintenance import MINUTES, SHORT_RETENTION
from test_support_bundle import Bundle

SEED = int(os.environ.get("INLET_OBJECT_SEED") or random.SystemRandom().randrange(2**32))
KILLS = int(os.environ.get("INLET_OBJECT_KILLS") or 100)

BRONZE = "bronze/ventes_stream"
DAMAGED = 20  # a byte behind Parquet's magic


class Remote:
    """The program on one lake in one bucket, with a cache of its own."""

    def __init__(self, program: Program, bucket: object_server.Bucket, directory: pathlib.Path):
        self.program = program
        self.bucket = bucket
        self.cache = directory / "cache"
        self.copy = directory / "copy"

    def arguments(self, command: str, *args) -> list:
        words = [*command.split(), self.program.pipeline, *args, "--lake", self.bucket.lake]
        return [*words, *self.bucket.settings(self.cache)]

    def start(self, command: str, *args, env: dict[str, str] | None = None):
        return self.program.start(*self.arguments(command, *args), env=CREDENTIALS | (env or {}))

    def run(self, command: str, *args, env: dict[str, str] | None = None, timeout: float = 90):
        with self.start(command, *args, env=env) as running:
            return running.wait(timeout)

    def start_ingest(self, *args, env: dict[str, str] | None = None):
        return self.start("run", "--only", "bronze", *sets(*SMALL_BATCHES), *generator.EVENTS, *UNLIMITED, *args, env=env)

    def ingest(self, events: int, *args, env: dict[str, str] | None = None):
        with self.start_ingest("--events", events, *args, env=env) as running:
            return running.wait(90)

    def query(self, sql: str, *args) -> list[dict]:
        return self.run("query", sql, "--json", *args).expect(EXIT_OK).json()

    def count(self, *args) -> int:
        return self.query("SELECT count(*)::BIGINT AS n FROM bronze.ventes_stream", *args)[0]["n"]

    def table(self, name: str) -> deltalake.DeltaTable:
        return deltalake.DeltaTable(f"{self.bucket.lake}/{name}", storage_options=self.bucket.storage_options())

    def rows(self, name: str) -> list[dict]:
        return oracle.as_rows(self.table(name).to_pyarrow_table())

    def commits(self, name: str) -> list[delta_log.Commit]:
        return delta_log.read(self.bucket.copy_out(self.copy) / name)

    def newest_commit(self) -> str | None:
        names = [key for key in self.bucket.keys(f"lake/{BRONZE}/_delta_log") if key.endswith(".json")]
        return max(names, default=None)

    def events(self) -> int:
        """Of the pipeline's life, as the newest commits have it; 0 before the first."""
        names = sorted((k for k in self.bucket.keys(f"lake/{BRONZE}/_delta_log") if k.endswith(".json")), reverse=True)
        for name in names:
            for line in self.bucket.read(f"{BRONZE}/_delta_log/{name}").splitlines():
                txn = json.loads(line).get("txn") or {}
                if txn.get("appId") == "ventes#events":
                    return txn["version"]
        return 0

    def cached(self) -> list[pathlib.Path]:
        return sorted(path for path in self.cache.glob("*/lake/**/*.parquet") if "_inlet" not in path.parts)

    def assert_exact(self, reference: generator.Reference) -> oracle.LakeView:
        return reference.assert_exact(self.bucket.copy_out(self.copy))


@pytest.fixture
def remote(program, bucket, tmp_path) -> Remote:
    return Remote(program, bucket, tmp_path)


# --- everything that works on local disk ---


def test_a_run_its_views_and_every_command_work_there_and_delta_rs_reads_the_same(remote):
    run = [*sets("source.generator.rate=0", "bronze.batch_rows=2000"), *generator.EVENTS]
    remote.run("run", "--events", 12_000, *run).expect(EXIT_OK)
    rows = remote.rows(BRONZE)
    assert remote.count() == len(rows) > 11_000
    ours = remote.query("SELECT _partition, _offset, montant::VARCHAR AS montant FROM bronze.ventes_stream ORDER BY 1, 2")
    assert [(r["_partition"], r["_offset"], r["montant"]) for r in ours] == sorted(
        (r["_partition"], r["_offset"], str(r["montant"])) for r in rows
    )
    remote.run("verify").expect(EXIT_OK)
    silver.assert_exact(remote.bucket.copy_out(remote.copy))

    history = remote.run("history", BRONZE, "--json").expect(EXIT_OK).json()
    assert len(history) == len(remote.commits(BRONZE))
    before = remote.table(BRONZE).version()
    earlier = before - 2
    expected = deltalake.DeltaTable(
        f"{remote.bucket.lake}/{BRONZE}", version=earlier, storage_options=remote.bucket.storage_options()
    ).to_pyarrow_table()
    assert remote.count("--at", f"{BRONZE}={earlier}") == expected.num_rows

    files_before = set(remote.table(BRONZE).file_uris())
    done = remote.run("optimize", "--json").expect(EXIT_OK).json()
    assert done, "something was brought together"
    files_after = set(remote.table(BRONZE).file_uris())
    assert len(files_after) < len(files_before)
    assert sorted(map(repr, remote.rows(BRONZE))) == sorted(map(repr, rows))
    remote.run("verify").expect(EXIT_OK)

    restored = remote.run("restore", BRONZE, "--to", earlier).expect(EXIT_OK)
    assert remote.count() == expected.num_rows, restored
    remote.run("restore", BRONZE, "--to", before).expect(EXIT_OK)
    assert remote.count() == len(rows)

    # Level again: no version before is needed by a view.
    remote.run("run", "--events", 13_000, *run).expect(EXIT_OK)
    remote.run("verify").expect(EXIT_OK)
    remote.run("optimize").expect(EXIT_OK)
    remote.run("run", "--events", 13_001, *run).expect(EXIT_OK)
    rows = remote.rows(BRONZE)
    objects = remote.bucket.keys(f"lake/{BRONZE}")
    remote.run("vacuum", "--retain", "0s", "--json").expect(EXIT_OK)
    left = remote.bucket.keys(f"lake/{BRONZE}")
    assert len(left) < len(objects)
    live = {uri.removeprefix(f"{remote.bucket.lake}/{BRONZE}/") for uri in remote.table(BRONZE).file_uris()}
    assert live <= set(left)
    assert remote.count() == len(rows)
    gone = remote.run("query", "SELECT count(*) FROM bronze.ventes_stream", "--json", "--at", f"{BRONZE}={earlier}")
    assert gone.code != EXIT_OK and gone.error()["id"] == "lake.files_gone"
    newest = remote.table(BRONZE).version()
    for command in (["tables"], ["status"], ["check"], ["report", "--all"], ["diff", BRONZE, str(newest - 1), str(newest)]):
        remote.run(*command).expect(EXIT_OK)
    # Where it left off, once more, with the states of the views from the cache.
    remote.run("run", "--events", 14_000, *run).expect(EXIT_OK)
    remote.run("verify").expect(EXIT_OK)


def test_a_support_bundle_says_what_the_commits_there_say_and_no_secret(remote, tmp_path):
    remote.ingest(3000).expect(EXIT_OK)
    remote.run("support-bundle", "--output", tmp_path / "bundle.tar.gz").expect(EXIT_OK)
    bundle = Bundle(tmp_path / "bundle.tar.gz")
    assert bundle.problems == ""
    history = bundle.json(f"tables/{BRONZE}/history.json")
    said = remote.run("history", BRONZE, "--json").expect(EXIT_OK).json()
    assert [entry["version"] for entry in history] == [entry["version"] for entry in said] and len(history) > 2
    assert history[0]["metrics"] == said[0]["metrics"] and "info" not in history[0]
    assert any(line["message"] == "ended" for line in map(json.loads, bundle.text("log/ventes.log").splitlines()))
    bundle.expect_none_of(CREDENTIALS["AWS_SECRET_ACCESS_KEY"])


def test_names_of_partitions_that_a_url_would_change_are_read_by_everybody(remote, tmp_path):
    pipeline = tmp_path / "odd.toml"
    sales = tmp_path / "sales.jsonl"
    names = ["a b", "c%2Fd", "é+:&", "x=y", "100%", "日本"]
    sales.write_text("".join(json.dumps({"id": i, "shop": names[i % len(names)]}) + "\n" for i in range(60)))
    pipeline.write_text(
        f"""
[pipeline]
name = "odd"
[lake]
path = "{remote.bucket.lake}"
[source]
kind = "file"
[source.file]
path = "{sales}"
[event.fields]
id = "bigint"
shop = "string"
[bronze]
table = "bronze/odd"
partition_by = "identity(shop) as place"
"""
    )
    odd = Remote(remote.program.with_pipeline(pipeline), remote.bucket, tmp_path)
    odd.run("run", "--until", "caught-up").expect(EXIT_OK)
    rows = {(row["id"], row["shop"]) for row in odd.rows("bronze/odd")}
    assert rows == {(i, names[i % len(names)]) for i in range(60)}
    shutil.rmtree(odd.cache)
    ours = odd.query("SELECT id, shop FROM bronze.odd")
    assert {(row["id"], row["shop"]) for row in ours} == rows


# --- who may write ---


def test_a_second_run_is_told_who_holds_the_lease_and_a_dead_ones_is_taken_over_at_once(remote, reference):
    with remote.start_ingest(*sets("source.generator.rate=2000")) as running:
        running.wait_until(lambda: remote.events() > 0, 30, "the first commit")
        second = remote.ingest(100, "--json").expect(EXIT_UNAVAILABLE)
        assert second.error()["id"] == "lake.locked"
        assert f"process {running.pid} on " in second.error()["why"]
        running.kill()
    remote.ingest(remote.events() + 500).expect(EXIT_OK)
    remote.assert_exact(reference)


def test_the_lease_of_another_machine_is_waited_for_and_one_that_is_lost_ends_the_run(remote, reference):
    def lease(seconds: float) -> bytes:
        holder = {"id": "theirs", "pid": 1, "host": "elsewhere", "machine": "another", "since": "2026-11-28T00:00:00Z"}
        return json.dumps(holder | {"expires": int((time.time() + seconds) * 1000)}).encode()

    remote.bucket.write("_inlet/ventes.lock", lease(4))
    until = time.monotonic() + 4
    error = remote.ingest(500, "--json").expect(EXIT_UNAVAILABLE).error()
    assert error["id"] == "lake.locked" and "elsewhere" in error["why"]
    time.sleep(max(0.0, until + 0.5 - time.monotonic()))
    remote.ingest(500).expect(EXIT_OK)

    with remote.start_ingest(*sets("source.generator.rate=2000", "storage.lease=3s"), "--json") as running:
        running.wait_until(lambda: remote.events() > 500, 30, "a commit")
        remote.bucket.write("_inlet/ventes.lock", lease(60))
        lost = running.wait(20).expect(EXIT_DATA_LOSS)
    assert lost.error()["id"] == "lake.lease_lost"
    remote.bucket.delete("_inlet/ventes.lock")
    remote.ingest(remote.events() + 500).expect(EXIT_OK)
    remote.assert_exact(reference)


def test_of_two_writers_without_a_lock_one_goes_on_and_nothing_is_lost_or_repeated(remote, reference):
    no_lock = {"INLET_NO_LOCK": "1"}
    with remote.start_ingest(*sets("source.generator.rate=4000"), env=no_lock) as first:
        first.wait_until(lambda: remote.events() > 0, 30, "the first commit")
        done = remote.ingest(8000, env=no_lock).expect(EXIT_OK)
        lost = first.wait(30)
    assert lost.code == EXIT_DATA_LOSS, f"{lost}\n{done}"
    remote.assert_exact(reference)


def test_of_commits_that_race_for_a_version_exactly_one_wins_and_the_others_come_after(remote):
    """Two pipelines append to the same tables at full speed: every version is one's, and both have all their rows."""
    names, events = ("one", "two"), 4000
    writers = [
        remote.start_ingest(
            "--events", events, *sets(f"pipeline.name={name}", f"source.generator.seed={seed}", "bronze.batch_rows=50")
        )
        for seed, name in enumerate(names, 1)
    ]
    for writer in writers:
        with writer:
            writer.wait(120).expect(EXIT_OK)
    commits = remote.commits(BRONZE)
    assert [commit.version for commit in commits] == list(range(len(commits)))
    ids = [commit.info["txnId"] for commit in commits]
    assert len(set(ids)) == len(ids)
    owners = [
        name for commit in commits for name in names if any(app.startswith(f"{name}/") for app in commit.transactions)
    ]
    turns = sum(a != b for a, b in zip(owners, owners[1:]))
    assert turns >= 10, f"they hardly met: {turns} turns in {len(owners)} commits"
    view = oracle.LakeView(remote.copy)
    read: dict[str, set] = {}
    for row in [*view.bronze, *view.quarantine]:
        position = (row["_source"], row["_partition"], row["_offset"])
        own = read.setdefault(row["_source"], set())
        assert position not in own, "twice"
        own.add(position)
    assert sorted(len(positions) for positions in read.values()) == [events, events]


def test_a_run_looks_after_its_tables_there(remote):
    """Small files come together, what was removed is deleted and the log is cleaned, while delta-rs reads on."""
    upkeep = sets(*MINUTES, *SHORT_RETENTION, "serve.query_timeout=1s", "source.generator.rate=2000")
    with remote.start_ingest(*upkeep, "--json") as running:
        running.wait_until(lambda: (remote.newest_commit() or "") > f"{5:020}", 30, "five versions")
        first = remote.bucket.keys(f"lake/{BRONZE}")
        counts = []

        def is_cleaned() -> bool:
            counts.append(remote.table(BRONZE).to_pyarrow_table(columns=["_offset"]).num_rows)
            left = set(remote.bucket.keys(f"lake/{BRONZE}"))
            return f"_delta_log/{0:020}.json" not in left and any(k.endswith(".parquet") and k not in left for k in first)

        running.wait_until(is_cleaned, 60, "a vacuum and a clean log")
        running.signal(signal.SIGTERM)
        done = running.wait(30).expect(EXIT_OK)
    summary = done.json()
    kept = summary["maintenance"]
    assert kept["compactions"] > 0 and kept["vacuumed_files"] > 0 and kept["cleaned_log_files"] > 0, kept
    assert kept["problems"] == {} and counts == sorted(counts), (kept, counts)
    rows = remote.rows(BRONZE)
    assert len({(row["_partition"], row["_offset"]) for row in rows}) == len(rows) == summary["rows"] == remote.count()


# --- crashes and outages ---

# As on local disk, but for how a commit and its files come to last.
POINTS = {point: passage for point, passage in test_crash.POINTS.items() if not re.match(r"lake\.(before|after)_commit_", point)} | {
    "lake.before_upload_file": 10,
    "lake.after_upload_file": 10,
    "lake.before_commit_put": 12,
    "lake.after_commit_put": 12,
}


def kill_at(remote: Remote, point: str, passage: int, story: list[str]) -> bool:
    done = remote.ingest(remote.events() + 20_000, env={"INLET_KILL_AT": f"{point}:{passage}"})
    story.append(f"{point}:{passage}: exit {done.code} after {done.seconds:.2f} s")
    if done.code == -signal.SIGKILL:
        return True
    done.expect(EXIT_OK)
    return False


def finish(remote: Remote, reference: generator.Reference, story: list[str], rng: random.Random) -> None:
    try:
        events = remote.events() + rng.randrange(300, 2000)
        remote.ingest(events).expect(EXIT_OK)
        assert remote.assert_exact(reference).events == events
    except BaseException as error:
        error.add_note(f"INLET_OBJECT_SEED={SEED}\n  " + "\n  ".join(story))
        raise


def test_dies_at_every_named_point_there(remote, reference):
    story: list[str] = []
    never = [point for point in POINTS if not kill_at(remote, point, 1, story)]
    assert never == [], "these points were never reached"
    finish(remote, reference, story, random.Random(SEED))


@pytest.mark.parametrize("number", range(4))
def test_killed_again_and_again_at_random_points(remote, reference, number):
    rng, story, kills = random.Random(f"{SEED}/{number}"), [], 0
    while kills < (KILLS + 3) // 4:
        point = rng.choice(list(POINTS))
        kills += kill_at(remote, point, rng.randint(1, POINTS[point]), story)
        assert len(story) < KILLS + 10, "too many runs end by themselves"
    finish(remote, reference, story, rng)


def test_a_large_file_that_is_put_in_pieces_is_whole_or_not_there(remote):
    """A file above 8 MB goes up in pieces; a kill before the last step leaves no object."""
    large = ["--only", "bronze", *UNLIMITED, *sets("bronze.batch_rows=1000000", "bronze.batch_bytes=1GB", "bronze.batch_interval=60s")]
    large += sets("source.generator.clients=100000", "resources.duckdb_memory_limit=1GB", "resources.queue_bytes=1GB")
    done = remote.run("run", "--events", 1_000_000, *large, env={"INLET_KILL_AT": "lake.before_upload_complete:1"})
    assert done.code == -signal.SIGKILL, done
    assert not [key for key in remote.bucket.keys(f"lake/{BRONZE}") if key.endswith(".parquet")]
    remote.run("run", "--events", 1_000_000, *large).expect(EXIT_OK)
    assert max(remote.bucket.keys(f"lake/{BRONZE}").values()) > 8 << 20
    shutil.rmtree(remote.cache)
    assert remote.count() == 1_000_000


def test_a_run_outlasts_a_server_that_goes_away_and_comes_back(remote, reference):
    server = remote.bucket.server
    with remote.start_ingest("--events", 12_000, *sets("source.generator.rate=3000", "storage.lease=20s")) as running:
        for outage in (1.0, 4.0):
            events = remote.events()
            running.wait_until(lambda: remote.events() > events, 30, "a commit")
            server.kill()
            time.sleep(outage)
            assert running.is_running()
            server.restart()
        running.wait(90).expect(EXIT_OK)
    assert remote.assert_exact(reference).events == 12_000


# --- who may only read ---


def reading_commands(remote: Remote, directory: pathlib.Path) -> list[list]:
    newest = remote.table(BRONZE).version()
    return [
        ["query", "SELECT count(*) FROM bronze.ventes_stream"],
        ["query", "SELECT count(*) FROM bronze.ventes_stream", "--at", f"{BRONZE}={newest - 1}"],
        ["tables"],
        ["history", BRONZE],
        ["status"],
        ["verify"],
        ["report", "--all"],
        ["diff", BRONZE, str(newest - 1), str(newest)],
        ["quarantine list"],
        ["late list"],
        ["optimize", "--dry-run"],
        ["vacuum", "--dry-run"],
        ["restore", BRONZE, "--to", str(newest - 1), "--dry-run"],
        ["support-bundle", "--output", directory / "bundle.tar.gz", "--force"],
    ]


def test_who_may_only_read_runs_every_command_that_only_reads_and_a_run_names_the_permission(remote, tmp_path):
    remote.run("run", "--events", 3000, *sets("source.generator.rate=0", "bronze.batch_rows=1000"), *generator.EVENTS).expect(EXIT_OK)
    remote.bucket.delete("_inlet/probe")
    remote.bucket.let_read()
    shutil.rmtree(remote.cache)
    before = remote.bucket.written()
    for env in (object_server.READER, CREDENTIALS):
        for command in reading_commands(remote, tmp_path):
            remote.run(*command, env=env).expect(EXIT_OK)
    # What a run keeps on this machine alone is gone with the cache.
    problems = Bundle(tmp_path / "bundle.tar.gz").problems
    assert all(line.startswith(("log: ", "state: ")) for line in problems.splitlines()), problems

    refused = [
        ["run", "--events", 4000, *generator.EVENTS],
        ["run", "--only", "views", "--until", "caught-up"],
        ["optimize"],
        ["vacuum"],
    ]
    for command in refused:
        error = remote.run(*command, "--json", env=object_server.READER).expect(EXIT_UNAVAILABLE).error()
        assert error["id"] == "lake.store_denied" and "s3:PutObject" in error["why"], (command, error)
    checks = remote.run("check", "--json", env=object_server.READER).expect(EXIT_UNAVAILABLE).json()["checks"]
    wrong = [check for check in checks if not check["ok"]]
    assert [check["check"] for check in wrong] == ["lake is writable"] and "s3:PutObject" in wrong[0]["error"]["why"], checks
    # The least a run puts is the probe, and then it finds out.
    assert remote.bucket.written() == before
    remote.run("check").expect(EXIT_OK)
    assert set(remote.bucket.keys("lake/_inlet")) >= {"probe"}


class TakesEveryPut(http.server.BaseHTTPRequestHandler):
    """A store that knows no conditions. Holds nothing: who asks for more than a put is answered that there is none."""

    puts: list[str]

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.puts.append(self.path)
        self.answer(200)

    def do_GET(self):
        self.answer(404)

    do_HEAD = do_DELETE = do_POST = do_GET

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("only", [[], ["--only", "bronze"], ["--only", "views"]])
def test_a_store_without_conditional_puts_is_refused_before_a_run_reads_an_event(remote, only):
    handler = type("Handler", (TakesEveryPut,), {"puts": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there = sets(f"storage.endpoint=http://127.0.0.1:{server.server_port}")
        words = [*remote.arguments("run", *only, "--events", 100, "--json"), *there]
        done = remote.program.run(*words, env=CREDENTIALS, timeout=30).expect(EXIT_CONFIGURATION)
        server.shutdown()
    assert done.error()["id"] == "lake.no_conditional_put"
    assert handler.puts == [f"/{remote.bucket.name}/lake/_inlet/probe"] * 2
    assert not list(remote.cache.glob("**/*.parquet")), "no event was written on local disk either"


# --- what is wrong is said ---


def test_what_is_wrong_with_the_store_is_said_and_nothing_hangs(remote):
    def fails(code: int, *args, env: dict[str, str] = CREDENTIALS, lake: str = remote.bucket.lake) -> dict:
        words = [remote.program.pipeline, "--json", "--lake", lake, *remote.bucket.settings(remote.cache), *args]
        read = remote.program.run("status", *words, env=env, timeout=30).expect(code).error()
        run = remote.program.run("run", *words, "--events", 10, env=env, timeout=30).expect(code).error()
        assert read["id"] == run["id"], (read, run)
        return run

    wrong = fails(EXIT_UNAVAILABLE, env=CREDENTIALS | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert wrong["id"] == "lake.store_denied" and "AWS_ACCESS_KEY_ID" in wrong["why"]
    none = fails(EXIT_UNAVAILABLE, env=NOWHERE)
    assert none["id"] == "lake.no_credentials"
    bucket = fails(EXIT_UNAVAILABLE, lake="s3://no-such-bucket-here/lake")
    assert bucket["id"] == "lake.no_bucket"
    away = fails(EXIT_UNAVAILABLE, *sets("storage.endpoint=http://127.0.0.1:1"))
    assert away["id"] == "lake.busy"
    for lake in ("ftp://bucket/lake", "s3://", "s3://bucket/lake?key=secret", "s3://bucket//lake"):
        assert fails(EXIT_CONFIGURATION, lake=lake)["id"] == "config.invalid"
    assert fails(EXIT_CONFIGURATION, *sets("storage.allow_http=false"))["id"] == "config.invalid"


def test_credentials_come_from_a_profile_too(remote, tmp_path):
    (tmp_path / "credentials").write_text(
        f"[shop]\naws_access_key_id = {object_server.KEY}\naws_secret_access_key = {object_server.SECRET}\n"
    )
    env = NOWHERE | {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    run = ["run", remote.program.pipeline, "--lake", remote.bucket.lake, "--only", "bronze", "--events", 100, *UNLIMITED]
    run += remote.bucket.settings(remote.cache)
    remote.program.run(*run, *sets("storage.profile=shop"), env=env).expect(EXIT_OK)
    remote.program.run(*run, env=env | {"AWS_PROFILE": "shop"}).expect(EXIT_OK)
    unknown = remote.program.run(*run, "--json", *sets("storage.profile=none"), env=env).expect(EXIT_CONFIGURATION)
    assert "none" in unknown.error()["what"]


# --- the cache ---


def test_the_cache_is_bounded_and_may_be_deleted_or_damaged(remote):
    many = sets("bronze.batch_rows=20000", "source.generator.rate=0", "source.generator.clients=50000")
    remote.run("run", "--only", "bronze", "--events", 200_000, *many, *sets("storage.cache_size=1MiB")).expect(EXIT_OK)
    total = sum(size for key, size in remote.bucket.keys(f"lake/{BRONZE}").items() if key.startswith("jour=") and key.endswith(".parquet"))
    cached = sum(path.stat().st_size for path in remote.cached())
    assert total > 2 << 20 and cached < 1.3 * (1 << 20), (total, cached)

    shutil.rmtree(remote.cache)
    assert remote.count() == 200_000
    cached = remote.cached()
    assert sum(path.stat().st_size for path in cached) == total
    damaged = cached[0]
    data = bytearray(damaged.read_bytes())
    data[DAMAGED] ^= 1
    damaged.chmod(0o600)
    damaged.write_bytes(data)
    again = remote.run("query", "SELECT count(*) AS n, sum(montant) FROM bronze.ventes_stream", "--json").expect(EXIT_OK)
    assert again.json()[0]["n"] == 200_000
    assert "fetched again" in again.stderr
    data[DAMAGED] ^= 1
    assert damaged.read_bytes() == bytes(data)


def test_an_object_that_was_damaged_is_told_and_never_read(remote):
    remote.ingest(2000).expect(EXIT_OK)
    key = next(key for key in remote.bucket.keys() if key.startswith(f"{BRONZE}/jour=") and key.endswith(".parquet"))
    data = bytearray(remote.bucket.read(key))
    data[DAMAGED] ^= 1
    remote.bucket.write(key, bytes(data))
    shutil.rmtree(remote.cache)
    done = remote.run("query", "SELECT sum(montant) FROM bronze.ventes_stream", "--json").expect(EXIT_RUNTIME)
    assert done.error()["id"] == "lake.file_damaged" and key.rsplit("/", 1)[1] in done.error()["why"]
    remote.bucket.delete(key)
    done = remote.run("query", "SELECT sum(montant) FROM bronze.ventes_stream", "--json").expect(EXIT_RUNTIME)
    assert done.error()["id"] == "lake.files_gone"


def test_the_cache_of_views_may_be_deleted_between_runs(remote):
    run = [*sets("source.generator.rate=0", "bronze.batch_rows=1000"), *generator.EVENTS]
    remote.run("run", "--events", 4000, *run).expect(EXIT_OK)
    shutil.rmtree(remote.cache)
    remote.run("run", "--events", 8000, *run).expect(EXIT_OK)
    remote.run("verify").expect(EXIT_OK)
