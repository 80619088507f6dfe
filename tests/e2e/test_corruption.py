"""A lake with one damaged file, asked by the program: every command tells of it in an error that names the file, or answers
exactly as before. Many more cases, inside of one process, are in tests/pipeline/corruption_test.cc.

Environment: INLET_CORRUPTION_SEED=N runs the case of that seed alone.
"""

from __future__ import annotations

import collections
import os
import pathlib
import random
import shutil

import deltalake
import pytest

import generator
from generator import UNLIMITED
from program import EXIT_OK, Program, sets

FIRST = int(os.environ.get("INLET_CORRUPTION_SEED") or 1)
SEEDS = range(FIRST, FIRST + (1 if os.environ.get("INLET_CORRUPTION_SEED") else 14))
TABLES = ("bronze.ventes_stream", "silver.ventes_aggreges", "silver.ventes_par_pays")
EXIT_VERIFICATION = 4
BATCHES = sets("bronze.batch_interval=20ms", "bronze.batch_rows=200")


@pytest.fixture(scope="module")
def whole(binary, tmp_path_factory):
    """A program, a lake of dozens of versions with views and their states, and what its tables hold."""
    directory = tmp_path_factory.mktemp("corruption")
    program = Program(binary, directory / "processes")
    lake = directory / "lake"
    arguments = [*generator.EVENTS, *UNLIMITED, *BATCHES, "--quiet"]
    for events in (2000, 4000, 6000):
        program.run("run", program.pipeline, "--lake", lake, *arguments, "--events", events).expect(EXIT_OK)
    answers, errors = ask(program, lake)
    assert not errors and len(answers) == len(TABLES)
    return program, lake, answers


def ask(program: Program, lake: pathlib.Path) -> tuple[dict[str, str], list[dict]]:
    """What each table holds, and the errors of those that are not shown."""
    answers, errors = {}, []
    for table in TABLES:
        shown = "*" if table.startswith("bronze") else "* EXCLUDE (processing_time)"
        sql = f"SELECT count(*) AS n, sum(hash(t)::HUGEINT)::VARCHAR AS h FROM (SELECT {shown} FROM {table}) t"
        done = program.run("query", program.pipeline, sql, "--json", "--lake", lake)
        if done.code == EXIT_OK:
            answers[table] = str(done.json())
        else:
            errors.append(done.error())
    return answers, errors


def files_of(lake: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    kinds = collections.defaultdict(list)
    for path in sorted(lake.rglob("*")):
        if not path.is_file() or path.stat().st_size == 0 or path.name.startswith("."):
            continue
        in_log = path.parent.name == "_delta_log"
        if in_log and path.name != "_last_checkpoint":
            kinds[{".json": "commit", ".parquet": "checkpoint", ".crc": "checksum"}[path.suffix]].append(path)
        elif in_log:
            kinds["hint"].append(path)
        elif path.suffix in (".parquet", ".json"):
            part = path.relative_to(lake).parts[0]
            kinds[part if part in ("bronze", "silver") else "state"].append(path)
    return kinds


def damage(rng: random.Random, path: pathlib.Path) -> str:
    """In a file of its own: the copies of the lake share all others with it."""
    held = bytearray(path.read_bytes())
    at = rng.randrange(len(held))
    digits = [i for i, byte in enumerate(held) if chr(byte).isdigit() and byte < 128] or [at]
    kind = rng.choice(("bit", "digit", "cut", "bit"))
    if kind == "bit":
        held[at] ^= 1 << rng.randrange(8)
    elif kind == "digit":
        at = rng.choice(digits)
        held[at] = ord("0") + (held[at] - ord("0") + rng.randint(1, 9)) % 10
    else:
        del held[at:]
    path.unlink()
    path.write_bytes(held)
    return f"{kind} at {at}"


def flip(path: pathlib.Path, at: int) -> None:
    """A bit, in this file alone: others may share its bytes."""
    held = bytearray(path.read_bytes())
    held[at] ^= 4
    path.unlink()
    path.write_bytes(held)


@pytest.fixture
def copy(whole, tmp_path):
    _, lake, _ = whole
    shutil.copytree(lake, tmp_path / "lake", copy_function=os.link)
    return tmp_path / "lake"


@pytest.mark.parametrize("seed", SEEDS)
def test_one_damaged_file_is_told_or_harmless(whole, copy, seed):
    program, _, answers = whole
    rng = random.Random(seed)
    kinds = files_of(copy)
    assert kinds.keys() == {"bronze", "silver", "commit", "checkpoint", "checksum", "hint", "state"}
    path = rng.choice(kinds[sorted(kinds)[seed % len(kinds)]])
    case = f"INLET_CORRUPTION_SEED={seed}: {damage(rng, path)} of {path}"

    found, errors = ask(program, copy)
    assert {table: answers[table] for table in found} == found, case
    for error in errors:
        assert path.name in str(error), f"{case}\n{error}"
    done = program.run("verify", program.pipeline, "--lake", copy, "--json")
    assert done.code != EXIT_VERIFICATION, f"{case}\n{done}"
    assert done.code == EXIT_OK or path.name in done.stderr, f"{case}\n{done}"
    # A restart that has nothing to read: it ends well or names the file, and the tables are what they were.
    arguments = [*generator.EVENTS, *UNLIMITED, *BATCHES, "--events", 1]
    done = program.run("run", program.pipeline, "--lake", copy, *arguments, "--only", "views", "--until", "caught-up")
    assert done.code == EXIT_OK or path.name in done.stderr, f"{case}\n{done}"
    found, errors = ask(program, copy)
    assert {table: answers[table] for table in found} == found, case
    assert all(path.name in str(error) for error in errors), case


def test_a_changed_digit_of_a_marker_stops_every_command(whole, copy):
    program, _, _ = whole
    log = sorted((copy / "bronze" / "ventes_stream" / "_delta_log").glob("*.json"))
    text = log[-1].read_text("utf-8")
    before, _, after = text.rpartition('"version":')
    digit = after[0]
    log[-1].unlink()
    log[-1].write_text(before + '"version":' + str((int(digit) + 1) % 10) + after[1:], "utf-8")
    ingest = program.ingest(copy, *generator.EVENTS, *UNLIMITED, "--events", 10)
    others = [program.run(command, program.pipeline, "--lake", copy) for command in ("verify", "optimize")]
    others.append(program.run("query", program.pipeline, f"SELECT count(*) FROM {TABLES[0]}", "--lake", copy))
    for done in (ingest, *others):
        assert done.code not in (EXIT_OK, EXIT_VERIFICATION) and log[-1].name in done.stderr and "lake.corrupt" in done.stderr, done


def test_a_changed_digit_of_a_checksum_file_is_told_and_nothing_is_missing_without_it(whole, copy):
    program, _, answers = whole
    path = max((copy / "bronze" / "ventes_stream" / "_delta_log").glob("*.crc"))
    text = path.read_text("utf-8")
    before, _, after = text.partition('"numFiles":')
    path.unlink()
    path.write_text(before + '"numFiles":' + str((int(after[0]) + 1) % 10) + after[1:], "utf-8")
    sql = f"SELECT count(*) FROM {TABLES[0]}"
    for arguments in (["query", program.pipeline, sql], ["verify", program.pipeline], ["optimize", program.pipeline]):
        done = program.run(*arguments, "--lake", copy)
        assert done.code not in (EXIT_OK, EXIT_VERIFICATION) and path.name in done.stderr and "lake.corrupt" in done.stderr, done
    path.unlink()
    assert ask(program, copy) == (answers, [])


def test_a_changed_bit_of_a_data_file_is_never_rewritten_as_if_it_were_right(whole, copy):
    program, _, _ = whole
    path = max(files_of(copy)["bronze"], key=lambda p: p.stat().st_size)
    flip(path, path.stat().st_size // 3)
    for command in ("optimize", "verify"):
        done = program.run(command, program.pipeline, "--lake", copy)
        assert done.code == 1 and "lake.file_damaged" in done.stderr and path.name in done.stderr, done


def old_checkpoint(lake: pathlib.Path) -> tuple[pathlib.Path, int]:
    """Of bronze, the first one, and a version that begins with it."""
    log = lake / "bronze" / "ventes_stream" / "_delta_log"
    versions = sorted(int(path.name.partition(".")[0]) for path in log.glob("*.checkpoint.parquet"))
    assert len(versions) > 1 and versions[1] > versions[0] + 1, versions
    return log / f"{versions[0]:020d}.checkpoint.parquet", versions[0] + 1


def test_an_old_version_tells_of_a_changed_byte_in_the_checkpoint_it_begins_with(whole, copy):
    program, _, answers = whole
    path, version = old_checkpoint(copy)
    sql = f"SELECT count(*) FROM {TABLES[0]}"
    at = ["--at", f"bronze/ventes_stream={version}"]
    program.run("query", program.pipeline, sql, "--lake", copy, *at).expect(EXIT_OK)
    flip(path, path.stat().st_size // 2)
    done = program.run("query", program.pipeline, sql, "--lake", copy, *at)
    assert done.code not in (EXIT_OK, EXIT_VERIFICATION) and path.name in done.stderr and "lake.corrupt" in done.stderr, done
    # The newest versions begin with another.
    assert ask(program, copy) == (answers, [])


def test_a_checkpoint_of_delta_rs_in_the_place_of_ours_is_no_damage(whole, copy):
    program, _, answers = whole
    ours, version = old_checkpoint(copy)
    sql = f"SELECT count(*) AS n FROM {TABLES[0]}"

    def count():
        done = program.run("query", program.pipeline, sql, "--json", "--lake", copy, "--at", f"bronze/ventes_stream={version}")
        return done.expect(EXIT_OK).json()

    expected, before = count(), ours.read_bytes()
    ours.unlink()  # delta-rs leaves what stands
    deltalake.DeltaTable(str(copy / "bronze" / "ventes_stream"), version=version - 1).create_checkpoint()
    assert ours.read_bytes() != before
    assert count() == expected
    assert ask(program, copy) == (answers, [])
