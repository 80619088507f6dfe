"""The support bundle: whole when things are broken, and without what nobody may see; the log that a run keeps for it."""

from __future__ import annotations

import json
import os
import pathlib
import random
import re
import string
import signal
import stat
import subprocess
import tarfile

import pytest

import oracle
from program import EXIT_CONFIGURATION, EXIT_OK, EXIT_RUNTIME, VENTES, Program, sets

PASSWORD = "Zq7-P4ss\"w0rd\\-6d1f"
TOKEN = "tok-5f3a9c0e7b1d4826-umlaut"
ENVIRONMENT = "env-s3cret-91c4"
ADDRESS = "addr-s3cret-55aa"
COMMENT = "comm3nt-s3cret-77bb"
TYPO = "typ0-s3cret-33cc"
SECRETS = (PASSWORD, TOKEN, ENVIRONMENT, ADDRESS, COMMENT, TYPO, json.dumps(PASSWORD)[1:-1])
ALWAYS = ("README.txt", "problems.txt", "environment.txt", "versions.json", "pipeline.toml")
FAST = ("source.generator.rate=0", "source.generator.malformed_share=0.01", "bronze.batch_rows=200")
LAKE = ("status.json", "check.json", "tables.json", "state/listing.json", "state/locks.json")


class Bundle:
    """What is in an archive, read by Python's own tarfile."""

    def __init__(self, path: pathlib.Path):
        self.size = path.stat().st_size
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        self.files: dict[str, bytes] = {}
        folders = set()
        with tarfile.open(path, "r:gz") as archive:
            for member in archive.getmembers():
                assert member.isfile() and not member.name.startswith("/") and ".." not in member.name, member
                folder, _, name = member.name.partition("/")
                folders.add(folder)
                assert name not in self.files
                self.files[name] = archive.extractfile(member).read()
        assert len(folders) == 1, folders

    def text(self, name: str) -> str:
        return self.files[name].decode()

    def json(self, name: str):
        return json.loads(self.files[name])

    @property
    def problems(self) -> str:
        return self.text("problems.txt")

    def commits(self, table: str) -> list[str]:
        return sorted(n for n in self.files if re.fullmatch(rf"tables/{table}/_delta_log/\d{{20}}\.json", n))

    def actions(self, table: str) -> list[dict]:
        return [json.loads(line) for name in self.commits(table) for line in self.text(name).splitlines()]

    def expect_none_of(self, *secrets: str) -> None:
        for name, content in self.files.items():
            for secret in secrets:
                assert secret.encode() not in content, f"{secret!r} is in {name}"


def bundle(program: Program, lake: pathlib.Path, path: pathlib.Path, *args, code: int = EXIT_OK, **options):
    done = program.run("support-bundle", program.pipeline, "--lake", lake, "--output", path, *args, **options).expect(code)
    return done, Bundle(path) if path.exists() else None


@pytest.fixture(scope="module")
def filled(binary, tmp_path_factory):
    """A lake with every table, read only."""
    directory = tmp_path_factory.mktemp("bundle")
    program = Program(binary, directory / "processes")
    lake = directory / "lake"
    program.run("run", program.pipeline, "--lake", lake, *sets(*FAST), "--events", 3000, "--quiet").expect(EXIT_OK)
    return program, lake


def test_everything_of_a_lake_is_there(filled, tmp_path):
    program, lake = filled
    done, found = bundle(program, lake, tmp_path / "b.tar.gz", "--json")
    assert found.problems == "" and found.size < 2 << 20
    assert set(ALWAYS + LAKE) <= set(found.files)
    report = done.json()
    assert report["file"] == str(tmp_path / "b.tar.gz") and report["bytes"] == found.size and report["problems"] == []
    assert {e["path"].partition("/")[2]: e["bytes"] for e in report["entries"]} == {n: len(c) for n, c in found.files.items()}
    assert found.json("status.json")["events"] == 3000
    assert found.json("check.json")["ok"] is True
    assert {t["name"] for t in found.json("tables.json")} >= {"bronze/ventes_stream", "silver/ventes_par_pays"}
    versions = found.json("versions.json")
    assert versions["version"] and versions["kernel"] and versions["cores"] >= 1 and versions["lake"]["writable"] is True
    assert found.commits("bronze/ventes_stream") and found.commits("silver/ventes_par_pays")
    listed = {f["name"] for f in found.json("tables/bronze/ventes_stream/_delta_log/listing.json")["files"]}
    assert listed == set(os.listdir(lake / "bronze" / "ventes_stream" / "_delta_log"))
    assert found.json("state/locks.json")["ventes.lock"]["held"] is False
    assert found.json("state/ventes/views/ventes_par_pays/state.json")["partitions"][0]["rowCount"] > 0


def test_no_row_is_in_it(filled, tmp_path):
    program, lake = filled
    _, found = bundle(program, lake, tmp_path / "b.tar.gz")
    for action in found.actions("bronze/ventes_stream"):
        if "add" in action:
            assert set(json.loads(action["add"]["stats"])) == {"numRecords"}
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", action["add"]["partitionValues"]["jour"])  # a day, by its making
    for name, content in found.files.items():
        if name.startswith(("tables", "state", "log")):
            assert b"Camille" not in content and b"minValues" not in content, name


def test_values_of_partitions_are_named_alike_everywhere(binary, tmp_path):
    program, lake = Program(binary, tmp_path / "processes"), tmp_path / "lake"
    pipeline = tmp_path / "pays.toml"
    text = VENTES.read_text().replace('partition_by = "day(timestamp) as jour"', 'partition_by = "identity(segment) as seg"')
    text = text[: text.index("[views.")]
    pipeline.write_text(text)
    program = program.with_pipeline(pipeline)
    run = ("run", pipeline, "--lake", lake, *sets(*FAST), "--events", 600, "--quiet")
    program.run(*run).expect(EXIT_OK)
    _, named = bundle(program, lake, tmp_path / "named.tar.gz")
    _, plain = bundle(program, lake, tmp_path / "plain.tar.gz", "--with-values")
    named_adds = [a["add"] for a in named.actions("bronze/ventes_stream") if "add" in a]
    plain_adds = [a["add"] for a in plain.actions("bronze/ventes_stream") if "add" in a]
    assert len(named_adds) == len(plain_adds) > 1
    names = {}
    for hidden, shown in zip(named_adds, plain_adds):
        value = shown["partitionValues"]["seg"]
        assert value in ("Particulier", "Professionnel")
        assert hidden["partitionValues"]["seg"] == names.setdefault(value, hidden["partitionValues"]["seg"])
        assert hidden["path"] == shown["path"].replace(f"seg={value}", f"seg={names[value]}")
        assert set(json.loads(shown["stats"])) == {"numRecords"}
    assert len(set(names.values())) == len(names) == 2
    for name, content in named.files.items():
        if name.startswith(("tables", "state", "log")):
            assert b"Particulier" not in content and b"Professionnel" not in content, name


def test_beside_a_run(program, lake, tmp_path):
    with program.start("run", program.pipeline, "--lake", lake, "--quiet") as running:
        running.wait_until(lambda: oracle.events_committed(lake) > 0, 30, "a commit")
        done, found = bundle(program, lake, tmp_path / "b.tar.gz")
        assert running.is_running()
        running.signal(signal.SIGTERM)
        running.wait(20).expect(EXIT_OK)
    assert found.problems == "", found.problems
    assert found.json("state/locks.json")["ventes.lock"]["held"] is True
    lines = [json.loads(line) for line in found.text("log/ventes.log").splitlines()]
    assert lines[0]["message"].startswith("begins: inlet ") and {line["pid"] for line in lines} == {running.pid}
    assert "b.tar.gz" in done.stdout and "left out" in done.stdout and "README.txt" in done.stdout


def secret_pipeline(tmp_path: pathlib.Path) -> pathlib.Path:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    pipeline = tmp_path / "secret.toml"
    text = VENTES.read_text().replace('topic = "ventes_stream"', f'''topic = "ventes_stream"
"kafka.sasl.password" = {json.dumps(PASSWORD)}
# "kafka.ssl.key.password" = "{COMMENT}"
''').replace('bootstrap_servers = "localhost:9092"', 'bootstrap_servers = "127.0.0.1:1"')
    pipeline.write_text(f'{text}\n[storage]\nendpoint = "https://me:{ADDRESS}@127.0.0.1:1"\n')
    return pipeline


def test_no_secret_is_in_it(binary, tmp_path, lake):
    pipeline = secret_pipeline(tmp_path)
    program = Program(binary, tmp_path / "processes", pipeline)
    program.run("run", pipeline, "--lake", lake, *sets(*FAST), "--events", 500, "--quiet").expect(EXIT_OK)
    # As if a library had said them.
    with (lake / "_inlet" / "ventes.log").open("a") as log:
        for secret in SECRETS:
            log.write(json.dumps({"message": f"refused {secret}"}) + "\n" + f"plain {secret}\n")
    env = {"INLET__SOURCE__KAFKA__KAFKA__SSL__KEY__PASSWORD": ENVIRONMENT}
    token = ("serve.token_file=" + str(tmp_path / "token"), f"source.kafka.\"kafka.sasl.username\"={TYPO}")
    done, found = bundle(program, lake, tmp_path / "b.tar.gz", *sets(*token), "--source", "kafka", env=env, timeout=60)
    found.expect_none_of(*(s for s in SECRETS if s != COMMENT))
    assert COMMENT not in found.text("pipeline.toml")
    for secret in SECRETS:
        assert secret not in done.stdout + done.stderr
    assert "INLET__SOURCE__KAFKA__KAFKA__SSL__KEY__PASSWORD" in found.text("environment.txt")
    shown, written = found.text("pipeline.toml"), pipeline.read_text()
    assert shown.count("\n") == written.count("\n")
    assert '"kafka.sasl.password" = "<removed>"' in shown and "https://<removed>@127.0.0.1:1" in shown
    assert found.json("status.json")["source_problem"]  # the broker is away: the rest is there


@pytest.mark.parametrize("servers", [f"me:{ADDRESS}@127.0.0.1:1", f"SASL_SSL://127.0.0.1:2,sasl://me:{ADDRESS}@127.0.0.1:1"])
@pytest.mark.parametrize("given_by", ["file", "flag", "variable"])
def test_a_password_in_the_address_of_a_broker_is_refused_and_shown_by_nothing(filled, tmp_path, servers, given_by):
    program, lake = filled
    flags, env = [], {}
    if given_by == "file":
        pipeline = tmp_path / "secret.toml"
        pipeline.write_text(VENTES.read_text().replace('"localhost:9092"', json.dumps(servers)))
        program = Program(program.binary, tmp_path / "processes", pipeline)
    elif given_by == "flag":
        flags = sets(f"source.kafka.bootstrap_servers={servers}")
    else:
        env = {"INLET__SOURCE__KAFKA__BOOTSTRAP_SERVERS": servers}
    for command in (["check"], ["status"], ["run"], ["quarantine", "list"]):
        done = program.run(*command, program.pipeline, "--lake", lake, *flags, env=env).expect(EXIT_CONFIGURATION)
        assert "config.secret_in_address" in done.stderr and ADDRESS not in done.stdout + done.stderr
    done, found = bundle(program, lake, tmp_path / "b.tar.gz", *flags, env=env)
    found.expect_none_of(ADDRESS)
    assert ADDRESS not in done.stdout + done.stderr and "config.secret_in_address" in found.problems


KEYS = (
    "kafka.sasl.password", "kafka.sasl.username", "kafka.ssl.key.password", "kafka.ssl.key.pem", "kafka.ssl.keystore.password",
    "kafka.sasl.oauthbearer.config", "kafka.sasl.oauthbearer.client.secret", "kafka.sasl.pasword", "password", "api_token",
)  # fmt: skip


def test_random_secrets_in_random_places_are_in_no_byte_of_it(filled, tmp_path):
    program, lake = filled
    seed = random.SystemRandom().getrandbits(32)
    print("seed", seed)
    choose = random.Random(seed)
    for attempt in range(8):
        secrets = []

        def secret() -> str:
            odd = "".join(choose.choice("#=[]{},.:/@&;-_+*!?<>|~^%$'\"\\ é") for _ in range(choose.randrange(6)))
            letters = "".join(choose.choice(string.ascii_letters) for _ in range(12))
            text = letters + odd + "".join(choose.choice(string.digits) for _ in range(8))
            secrets.append(text)
            return text

        lines = "".join(f'{json.dumps(key)} = {json.dumps(secret(), ensure_ascii=False)}\n' for key in choose.sample(KEYS, 4))
        broken = choose.choice(["", "x = = 1\n", "[unknown]\n" + f"value = {json.dumps(secret(), ensure_ascii=False)}\n"])
        pipeline = tmp_path / f"{attempt}.toml"
        pipeline.write_text(VENTES.read_text().replace("[source.kafka]\n", "[source.kafka]\n" + lines) + "\n" + broken)
        env = {"INLET__SOURCE__KAFKA__KAFKA__SASL__JAAS__CONFIG": secret(), "INLET__SORCE__X": secret()} if attempt % 2 else {}
        flags = sets("source.kafka.kafka.ssl.certificate.pem=" + secret()) if choose.random() < 0.5 else []
        done, found = bundle(program.with_pipeline(pipeline), lake, tmp_path / f"{attempt}.tar.gz", *flags, env=env)
        for text in secrets:
            found.expect_none_of(text, text[:12], text[-8:])
            assert text[:12] not in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["syntax", "unknown_key"])
def test_with_a_broken_pipeline_file(filled, tmp_path, kind):
    program, lake = filled
    pipeline = tmp_path / "broken.toml"
    text = VENTES.read_text().replace('topic = "ventes_stream"', f'topic = "ventes_stream"\n"kafka.sasl.pasword" = {json.dumps(PASSWORD)}')
    pipeline.write_text(text + (f'\n[serve\nx = "{TYPO}"\n' if kind == "syntax" else f'\n[srve]\ntoken = "{TYPO}"\n'))
    program = Program(program.binary, tmp_path / "processes", pipeline)
    done, found = bundle(program, lake, tmp_path / "b.tar.gz")
    found.expect_none_of(PASSWORD, TYPO)
    assert "config." in found.problems and "config." in done.stderr and TYPO not in done.stderr
    assert found.commits("bronze/ventes_stream") and found.json("tables.json")
    if kind == "syntax":
        assert "source.kafka.topic" in found.text("pipeline.toml") and "localhost" not in found.text("pipeline.toml")
    else:
        assert 'topic = "ventes_stream"' in found.text("pipeline.toml")
        assert "log/ventes.log" in found.files


def test_without_a_pipeline_file_and_without_a_lake(program, tmp_path, lake):
    _, found = bundle(program, lake, tmp_path / "b.tar.gz")
    assert set(found.files) == set(ALWAYS) and "lake" in found.problems
    assert not lake.exists()
    missing = Program(program.binary, tmp_path / "p2", tmp_path / "nothing.toml")
    _, found = bundle(missing, lake, tmp_path / "c.tar.gz")
    assert set(found.files) == set(ALWAYS) - {"pipeline.toml"} and "nothing.toml" in found.problems


def test_with_a_damaged_commit(program, lake, tmp_path):
    program.run("run", program.pipeline, "--lake", lake, *sets(*FAST), "--events", 500, "--quiet").expect(EXIT_OK)
    log = lake / "bronze" / "ventes_stream" / "_delta_log"
    newest = max(log.glob("*.json"))
    newest.write_bytes(newest.read_bytes()[:200] + b"\n\xff\xfe\0Camille")
    (lake / "silver" / "ventes_par_pays" / "_delta_log" / "_last_checkpoint").write_text("{")
    _, found = bundle(program, lake, tmp_path / "b.tar.gz")
    assert f"tables/bronze/ventes_stream/_delta_log/{newest.name}: 2 lines" in found.problems
    assert "_last_checkpoint" in found.problems and "status.json" in found.problems
    assert "inlet_damaged_line" in found.text(f"tables/bronze/ventes_stream/_delta_log/{newest.name}")
    assert found.commits("silver/ventes_par_pays") and "log/ventes.log" in found.files
    for name, content in found.files.items():
        assert name == "pipeline.toml" or b"Camille" not in content, name


def test_commits_are_as_many_as_asked_for_and_the_newest(filled, tmp_path):
    program, lake = filled
    there = sorted(p.name for p in (lake / "bronze" / "ventes_stream" / "_delta_log").glob("*.json"))
    for count in (0, 2):
        _, found = bundle(program, lake, tmp_path / f"{count}.tar.gz", "--commits", count)
        names = [n.rpartition("/")[2] for n in found.commits("bronze/ventes_stream")]
        assert names == there[len(there) - count:]


def test_a_file_is_not_written_over_unless_it_is_asked_for(filled, tmp_path):
    program, lake = filled
    path = tmp_path / "b.tar.gz"
    path.write_text("mine")
    done = program.run("support-bundle", program.pipeline, "--lake", lake, "--output", path, "--json").expect(EXIT_RUNTIME)
    assert done.error()["id"] == "bundle.exists" and path.read_text() == "mine"
    assert bundle(program, lake, path, "--force")[1].problems == ""
    done = program.run("support-bundle", program.pipeline, "--lake", lake, "--output", tmp_path / "no" / "b", "--json").expect(EXIT_RUNTIME)
    assert done.error()["id"] == "bundle.not_written"
    assert [p.name for p in tmp_path.iterdir()] == ["b.tar.gz"]


def test_the_name_says_pipeline_and_time(filled, tmp_path):
    program, lake = filled
    words = [program.binary, "support-bundle", program.pipeline, "--lake", lake]
    subprocess.run(words, cwd=tmp_path, check=True, timeout=60, capture_output=True)
    (path,) = tmp_path.iterdir()
    assert re.fullmatch(r"inlet-support-ventes-\d{8}T\d{6}Z\.tar\.gz", path.name)
    assert Bundle(path).problems == ""


# --- the log of a run ---


def log_lines(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_keeps_its_log_and_the_next_goes_on_there(filled, tmp_path, lake, program):
    for events in (200, 400):
        program.run("run", program.pipeline, "--lake", lake, *sets(*FAST), "--events", events, "--quiet").expect(EXIT_OK)
    lines = log_lines(lake / "_inlet" / "ventes.log")
    assert len({line["pid"] for line in lines}) == 2
    assert [line["message"] for line in lines if line["message"] == "ended"] == ["ended"] * 2
    assert all(set(line) == {"ts", "level", "pid", "stage", "message"} for line in lines)


def test_why_a_run_failed_is_in_its_log(program, lake):
    program.run("run", program.pipeline, "--lake", lake, *sets(*FAST), "--events", 200, "--quiet").expect(EXIT_OK)
    with program.start("run", program.pipeline, "--lake", lake, "--quiet") as running:
        running.wait_until(lambda: oracle.events_committed(lake) > 200, 30, "a commit")
        assert program.run("run", program.pipeline, "--lake", lake, "--quiet").code != EXIT_OK
        running.signal(signal.SIGTERM)
        running.wait(20).expect(EXIT_OK)
    (line,) = [line for line in log_lines(lake / "_inlet" / "ventes.log") if line["level"] == "error"]
    assert line["message"].startswith("ended: ") and "lake.locked" in line["message"] and line["pid"] != running.pid


def test_a_full_log_is_put_aside(program, lake):
    (lake / "_inlet").mkdir(parents=True)
    log = lake / "_inlet" / "ventes.log"
    log.write_text("old\n" * 300_000)
    program.run("run", program.pipeline, "--lake", lake, *sets(*FAST), "--events", 200, "--quiet").expect(EXIT_OK)
    assert (lake / "_inlet" / "ventes.log.1").read_text().startswith("old\n")
    assert log_lines(log)[0]["message"].startswith("begins")
    tables = program.run("tables", program.pipeline, "--lake", lake, "--json").expect(EXIT_OK).json()
    assert {t["name"].partition("/")[0] for t in tables} <= {"bronze", "silver", "quarantine", "late"}
    program.run("vacuum", program.pipeline, "--lake", lake).expect(EXIT_OK)
    assert log.exists()


def test_a_run_goes_on_where_its_log_cannot_be_kept(program, lake):
    (lake / "_inlet" / "ventes.log").mkdir(parents=True)
    done = program.run("run", program.pipeline, "--lake", lake, *sets(*FAST), "--events", 200, "--quiet").expect(EXIT_OK)
    assert "log.file" in done.stderr and done.stderr.count("log.file") == 1
    assert oracle.events_committed(lake) == 200
