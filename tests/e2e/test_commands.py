"""The commands beside run: what they print, for people and for programs, and how they fail."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import random
import re
import select
import signal
import subprocess
import time

import pytest

import generator
import oracle
import sales
from generator import UNLIMITED
from program import EXIT_CONFIGURATION, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE, VENTES, Program, sets

BRONZE = "bronze.ventes_stream"


@pytest.fixture(scope="module")
def filled(binary, tmp_path_factory):
    """A program and a lake of 3,000 events, read only."""
    directory = tmp_path_factory.mktemp("commands")
    program = Program(binary, directory / "processes")
    lake = directory / "lake"
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 3000).expect(EXIT_OK)
    return program, lake


# --- query ---


def test_query_json_is_an_array_of_objects(filled):
    program, lake = filled
    rows = program.query(lake, f"SELECT pays, count(*) AS n, sum(montant) AS total FROM {BRONZE} GROUP BY pays ORDER BY pays")
    expected: dict = {}
    for row in oracle.LakeView(lake).bronze:
        count, total = expected.get(row["pays"], (0, 0))
        expected[row["pays"]] = (count + 1, total + row["montant"])
    assert [row["pays"] for row in rows] == sorted(expected)
    for row in rows:
        assert int(row["n"]) == expected[row["pays"]][0]
        assert f"{float(row['total']):.2f}" == f"{expected[row['pays']][1]:.2f}"


def test_query_json_keeps_values_exact(filled):
    program, lake = filled
    view = oracle.LakeView(lake)
    rows = program.query(lake, f"SELECT vente_id, _partition, _offset, montant::VARCHAR AS m FROM {BRONZE} ORDER BY ALL")
    found = {(row["_partition"], row["_offset"]): (row["vente_id"], row["m"]) for row in rows}
    assert found == {(r["_partition"], r["_offset"]): (r["vente_id"], str(r["montant"])) for r in view.bronze}
    (row,) = program.query(lake, "SELECT NULL AS nothing, 'é\"\\' AS text, 9007199254740993 AS big, true AS yes")
    assert row == {"nothing": None, "text": 'é"\\', "big": 9007199254740993, "yes": True}


def test_query_csv_can_be_read_as_csv(filled):
    program, lake = filled
    sql = f"SELECT vente_id, 'a,\"b\"\nc' AS text FROM {BRONZE} ORDER BY vente_id, _offset, _partition LIMIT 3"
    done = program.run("query", program.pipeline, sql, "--csv", "--lake", lake).expect(EXIT_OK)
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert rows[0] == ["vente_id", "text"] and len(rows) == 4 and rows[1][1] == 'a,"b"\nc'


def test_query_shows_a_table_to_people(filled):
    program, lake = filled
    done = program.run("query", program.pipeline, f"SELECT count(*) AS ventes FROM {BRONZE}", "--lake", lake).expect(EXIT_OK)
    assert "ventes" in done.stdout and str(len(oracle.LakeView(lake).bronze)) in done.stdout


def test_query_sees_quarantine_too(filled):
    program, lake = filled
    (row,) = program.query(lake, "SELECT count(*) AS n FROM quarantine.ventes_stream")
    assert row["n"] == len(oracle.LakeView(lake).quarantine)


def test_query_reads_while_a_run_writes(program, lake):
    with program.start_ingest(lake, *generator.EVENTS, *sets("source.generator.rate=3000")) as running:
        running.wait_until(lambda: oracle.events_committed(lake) > 0, 20, "a commit")
        counts = [program.query(lake, f"SELECT count(*) AS n FROM {BRONZE}")[0]["n"] for _ in range(4)]
        running.signal(signal.SIGTERM)
        running.wait(5).expect(EXIT_OK)
    assert counts == sorted(counts) and counts[-1] > counts[0] > 0


def test_query_takes_sql_from_standard_input(filled, tmp_path):
    program, lake = filled
    script = tmp_path / "script"
    script.write_text(f"SELECT count(*)\n  AS how_many\nFROM {BRONZE};\n")
    with script.open("rb") as lines:
        done = program.run("query", program.pipeline, "--lake", lake, stdin=lines).expect(EXIT_OK)
    assert "how_many" in done.stdout and str(len(oracle.LakeView(lake).bronze)) in done.stdout, done


def test_query_at_a_terminal_takes_lines_commands_and_mistakes(filled):
    """At a pseudo-terminal, as a person would: several lines, a mistake, the dot commands, completion, and out."""
    program, lake = filled
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "dumb", "HOME": str(lake.parent)}
    process = subprocess.Popen(
        [str(program.binary), "query", str(program.pipeline), "--lake", str(lake)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""

    def type_and_expect(text: str, expected: str) -> None:
        nonlocal shown
        os.write(ours, text.encode())
        start, deadline = len(shown), time.monotonic() + 20
        while expected not in shown[start:]:
            assert time.monotonic() < deadline, f"no {expected!r} after {text!r}:\n{shown}"
            if select.select([ours], [], [], 0.2)[0]:
                shown += os.read(ours, 65536).decode("utf-8", "replace")

    try:
        type_and_expect(".tables\n", "ventes_stream")
        type_and_expect(f"SELECT count(*) + 1000000\n AS many\nFROM {BRONZE};\n", str(len(oracle.LakeView(lake).bronze) + 10**6))
        type_and_expect("SELECT nonsense;\n", "nonsense")
        type_and_expect(".schema\n", "date_ingestion")
        type_and_expect(".help\n", ".quit")
        type_and_expect("SELECT 17 * 3;\n", "51")
        os.write(ours, b".quit\n")
        assert process.wait(10) == EXIT_OK
    finally:
        process.kill()
        process.wait(10)
        os.close(ours)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{lake}/bronze/ventes_stream/_delta_log/00000000000000000001.json'",
        "COPY (SELECT 1) TO '{outside}/out.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('{outside}/secret.csv')",
        "SELECT * FROM '{outside}/secret.csv'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('https://127.0.0.1:1/x.parquet')",
        "SELECT getenv('HOME')",
        "ATTACH '{outside}/other.db'",
        "SET memory_limit = '10GB'",
        "SET lock_configuration = false",
        "RESET ALL",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "DROP VIEW bronze.ventes_stream",
        "DELETE FROM bronze.ventes_stream",
        "INSERT INTO bronze.ventes_stream SELECT * FROM bronze.ventes_stream",
        "PRAGMA database_list",
        "EXPORT DATABASE '{outside}/export'",
        "CALL pragma_version()",
        "SELECT 1; COPY (SELECT 1) TO '{outside}/out.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{outside}/out.csv'",
        "PREPARE p AS COPY (SELECT 1) TO '{outside}/out.csv'",
    ],
)
def test_query_can_read_the_lake_and_do_nothing_else(filled, tmp_path, sql):
    program, lake = filled
    (tmp_path / "secret.csv").write_text("a,b\nsecret,1\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    text = sql.format(lake=lake, outside=tmp_path)
    done = program.run("query", program.pipeline, text, "--lake", lake, "--json")
    assert done.code != EXIT_OK, f"{text}\n{done}"
    assert "secret,1" not in done.stdout and "root:" not in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert done.error()["what"], done


def test_query_names_the_mistake(filled):
    program, lake = filled
    done = program.run("query", program.pipeline, f"SELECT montent FROM {BRONZE}", "--json", "--lake", lake)
    assert done.code != EXIT_OK and done.stdout == ""
    assert "montant" in str(done.error()), "the column that was meant is named"
    done = program.run("query", program.pipeline, "SELEC 1", "--lake", lake)
    assert done.code != EXIT_OK and "SELEC" in done.stderr and not done.stderr.startswith("{")


# --- tables, history, status ---


def test_tables_lists_both_with_their_sizes(filled):
    program, lake = filled
    listed = program.run("tables", program.pipeline, "--json", "--lake", lake).expect(EXIT_OK).json()
    text = json.dumps(listed)
    assert "bronze/ventes_stream" in text or BRONZE in text
    assert "quarantine" in text
    assert str(len(oracle.LakeView(lake).bronze)) in text, "rows are counted"
    people = program.run("tables", program.pipeline, "--lake", lake).expect(EXIT_OK)
    assert "ventes_stream" in people.stdout


def test_history_tells_every_commit(filled):
    program, lake = filled
    log = oracle.LakeView(lake).bronze_log
    history = program.run("history", program.pipeline, BRONZE, "--json", "--lake", lake).expect(EXIT_OK).json()
    versions = [entry["version"] for entry in history]
    assert versions == sorted(versions, reverse=True) and versions[0] == log[-1].version
    assert {entry["version"]: entry["operation"] for entry in history}.items() <= {
        commit.version: commit.info["operation"] for commit in log
    }.items()
    people = program.run("history", program.pipeline, BRONZE, "--lake", lake).expect(EXIT_OK)
    assert log[-1].info["operation"] in people.stdout


def test_status_says_where_each_partition_stands(filled):
    program, lake = filled
    status = program.run("status", program.pipeline, *generator.EVENTS, "--json", "--lake", lake).expect(EXIT_OK).json()
    text = json.dumps(status)
    for (source, partition), marker in oracle.markers(lake).items():
        assert source in text and str(marker) in text, (partition, status)
    program.run("status", program.pipeline, *generator.EVENTS, "--lake", lake).expect(EXIT_OK)


@pytest.mark.broker
def test_status_says_the_lag_of_each_partition(program, lake, broker):
    topic = broker.topic(2)
    rng = random.Random(1)
    topic.produce(sales.stream(rng, 200), partition=0)
    topic.produce(sales.stream(rng, 100, first=201), partition=1)
    program.ingest(lake, *topic.arguments(), "--until", "caught-up").expect(EXIT_OK)
    topic.produce(sales.stream(rng, 37, first=301), partition=1)
    status = program.run("status", program.pipeline, *topic.arguments(), "--json", "--lake", lake).expect(EXIT_OK).json()
    partitions = {entry["partition"]: entry for entry in status["partitions"]}
    assert (partitions[0]["committed"], partitions[0]["end"], partitions[0]["lag"]) == (199, 200, 0), status
    assert (partitions[1]["committed"], partitions[1]["end"], partitions[1]["lag"]) == (99, 137, 37), status


def test_commands_on_a_lake_that_is_not_there_say_so(program, tmp_path):
    for arguments in (["query", program.pipeline, f"SELECT * FROM {BRONZE}"], ["history", program.pipeline, BRONZE]):
        done = program.run(*arguments, "--lake", tmp_path / "nowhere", "--json")
        assert done.code != EXIT_OK and done.error()["what"], done
    assert not (tmp_path / "nowhere").exists(), "looking makes no lake"


# --- check ---


def test_check_passes_where_all_is_well(program, lake):
    done = program.run("check", program.pipeline, "--lake", lake, "--json").expect(EXIT_OK)
    assert done.json()
    program.run("check", program.pipeline, "--lake", lake).expect(EXIT_OK)


def test_check_names_a_broker_that_is_away_and_a_fix(program, lake):
    away = ["--source", "kafka", *sets("source.kafka.bootstrap_servers=127.0.0.1:1")]
    done = program.run("check", program.pipeline, *away, "--lake", lake, timeout=40)
    assert done.code != EXIT_OK and "127.0.0.1:1" in done.stdout + done.stderr, done


@pytest.mark.broker
def test_check_names_a_topic_that_is_missing(program, lake, broker):
    missing = ["--source", "kafka", *sets(f"source.kafka.bootstrap_servers={broker.address}", "source.kafka.topic=missing")]
    done = program.run("check", program.pipeline, *missing, "--lake", lake, timeout=40)
    assert done.code != EXIT_OK and "missing" in done.stdout + done.stderr, done
    topic = broker.topic(1)
    program.run("check", program.pipeline, *topic.arguments(), "--lake", lake, timeout=40).expect(EXIT_OK)


def test_check_names_a_lake_that_cannot_be_written(program, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    done = program.run("check", program.pipeline, "--lake", blocked / "lake")
    assert done.code != EXIT_OK and "blocked" in done.stdout + done.stderr, done


def test_version_names_what_it_is_built_of(program):
    done = program.run("version").expect(EXIT_OK)
    assert re.search(r"\d+\.\d+\.\d+", done.stdout) and "DuckDB" in done.stdout and "librdkafka" in done.stdout, done
    document = program.run("version", "--json").expect(EXIT_OK).json()
    assert document["version"], document


# --- configuration and usage ---


def broken_pipeline(tmp_path, change) -> str:
    path = tmp_path / "broken.toml"
    path.write_text(change(VENTES.read_text()))
    return path


def line_of(path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_every_configuration_error_is_said_at_once(program, lake, tmp_path):
    def change(text: str) -> str:
        text = text.replace("rate = 1000 ", "rat = 1000 ")
        text = text.replace('unknown_fields = "ignore"', 'unknown_fields = "sometimes"')
        text = text.replace('batch_interval = "250ms"', "batch_interval = true")
        text = text.replace('montant     = "DECIMAL(12,2) required"', 'montant     = "DECIMAL(2,12) required"')
        return text.replace('event_time = "timestamp"', 'event_time = "pays"')

    path = broken_pipeline(tmp_path, change)
    done = program.run("run", path, "--lake", lake, "--for", "1s").expect(EXIT_CONFIGURATION)
    for text, word in (
        ("rat = 1000", "rate"),
        ("sometimes", "sometimes"),
        ("batch_interval = true", "batch_interval"),
        ("DECIMAL(2,12)", "DECIMAL(2,12)"),
        ('event_time = "pays"', "event_time"),
    ):
        line = line_of(path, text)
        assert re.search(rf"{re.escape(path.name)}:{line}:\d+", done.stderr), f"no place for {text}\n{done}"
        assert word in done.stderr, done
    assert not lake.exists()


def test_an_unknown_key_comes_with_the_nearest_known_one(program, lake):
    done = program.run("run", program.pipeline, "--lake", lake, *sets("source.genrator.rate=1")).expect(EXIT_CONFIGURATION)
    assert "source.generator.rate" in done.stderr, done
    env = {"INLET__SOURCE__GENERATOR__RAET": "5"}
    done = program.run("run", program.pipeline, "--lake", lake, env=env).expect(EXIT_CONFIGURATION)
    assert "INLET__SOURCE__GENERATOR__RAET" in done.stderr and "rate" in done.stderr, done


def test_a_flag_is_named_as_the_place_of_its_mistake(program, lake):
    done = program.run("run", program.pipeline, "--lake", lake, "--source", "pigeon", *sets("bronze.batch_rows=few"))
    done.expect(EXIT_CONFIGURATION)
    assert "source" in done.stderr and "pigeon" in done.stderr and "bronze.batch_rows" in done.stderr, done


def test_a_pipeline_file_that_is_not_there_or_not_toml(program, tmp_path):
    done = program.run("run", tmp_path / "none.toml").expect(EXIT_CONFIGURATION)
    assert "none.toml" in done.stderr
    path = broken_pipeline(tmp_path, lambda text: text + "\n[unclosed\n")
    done = program.run("run", path).expect(EXIT_CONFIGURATION)
    assert re.search(r"broken.toml:\d+:\d+", done.stderr), done


def test_flags_win_over_the_environment_and_the_environment_over_the_file(program, tmp_path):
    env = {"INLET__SOURCE__GENERATOR__RATE": "0", "INLET__SOURCE__GENERATOR__PARTITIONS": "5"}
    program.run("run", program.pipeline, "--lake", tmp_path / "one", "--events", 500, env=env).expect(EXIT_OK)
    assert len(oracle.markers(tmp_path / "one")) == 5
    flags = sets("source.generator.partitions=4")
    program.run("run", program.pipeline, "--lake", tmp_path / "two", "--events", 500, *flags, env=env).expect(EXIT_OK)
    assert len(oracle.markers(tmp_path / "two")) == 4


def test_a_table_of_another_schema_is_refused_with_the_difference(program, lake, tmp_path):
    program.ingest(lake, *UNLIMITED, "--events", 100).expect(EXIT_OK)
    path = broken_pipeline(tmp_path, lambda text: text.replace("DECIMAL(12,2) required", "DECIMAL(14,2) required"))
    done = program.run("run", path, "--lake", lake, *UNLIMITED, "--events", 200)
    assert done.code in (3, EXIT_CONFIGURATION), done
    assert "montant" in done.stderr and "12,2" in done.stderr and "14,2" in done.stderr, done
    assert oracle.events_committed(lake) == 100


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["run"],
        ["run", VENTES, "--no-such-flag"],
        ["run", VENTES, "--events", "many"],
        ["run", VENTES, "--events", "-1"],
        ["run", VENTES, "--for", "a while"],
        ["run", VENTES, "--until", "tomorrow"],
        ["run", VENTES, "--set", "no-equals-sign"],
    ],
)
def test_wrong_usage_is_told_from_wrong_configuration(program, tmp_path, arguments):
    done = program.run(*arguments, "--lake", tmp_path / "lake") if arguments[0] == "run" else program.run(*arguments)
    done.expect(EXIT_USAGE)
    assert done.stderr.strip() and not (tmp_path / "lake").exists()


def test_help_is_help(program):
    done = program.run("--help").expect(EXIT_OK)
    for command in ("run", "produce", "query", "tables", "history", "status", "check", "support-bundle", "version"):
        assert command in done.stdout
        assert program.run(command, "--help").expect(EXIT_OK).stdout.strip()


def test_errors_are_one_json_object_with_json(program, tmp_path):
    done = program.run("query", tmp_path / "none.toml", "SELECT 1", "--json").expect(EXIT_CONFIGURATION)
    assert done.stdout == "" and done.error()["id"], done
    away = ["--source", "kafka", *sets("source.kafka.bootstrap_servers=127.0.0.1:1")]
    done = program.run("check", VENTES, *away, "--lake", tmp_path / "lake", "--json", timeout=40)
    assert done.code in (1, EXIT_UNAVAILABLE), done
