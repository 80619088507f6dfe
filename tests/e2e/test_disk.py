"""A disk that is full or broken: a clear error, exit 1, nothing committed half; once it is well again, it goes on."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

import generator
import oracle
from generator import UNLIMITED
from program import EXIT_OK, EXIT_RUNTIME

FULL = "No space left on device"
BROKEN = "Input/output error"


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 2 MiB, and a way to make it larger."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root; the injected variants below run everywhere")
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount_point)], capture_output=True, text=True, timeout=10
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs here: {mounted.stderr.strip()}")

    def grow() -> None:
        subprocess.run(["mount", "-o", "remount,size=64m", str(mount_point)], check=True, timeout=10)

    yield mount_point, grow
    subprocess.run(["umount", "-l", str(mount_point)], check=True, timeout=10)


def finish(program, lake: pathlib.Path, reference) -> None:
    total = oracle.events_committed(lake) + 3000
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", total, timeout=60).expect(EXIT_OK)
    assert reference.assert_exact(lake).events == total


def test_a_full_disk_stops_it_and_space_lets_it_go_on(program, small_disk, reference):
    mount_point, grow = small_disk
    lake = mount_point / "lake"
    done = program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--for", "25s", timeout=40).expect(EXIT_RUNTIME)
    assert FULL in done.stderr, done
    committed = oracle.events_committed(lake)
    assert committed > 0
    reference.assert_exact(lake)
    again = program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--for", "10s").expect(EXIT_RUNTIME)
    assert FULL in again.stderr, again
    grow()
    finish(program, lake, reference)
    assert oracle.events_committed(lake) > committed


def test_a_disk_that_is_full_from_the_start_is_said(program, small_disk):
    mount_point, _ = small_disk
    with (mount_point / "filler").open("wb") as filler, pytest.raises(OSError):
        while True:
            filler.write(b"\0" * 65536)
            filler.flush()
    done = program.ingest(mount_point / "lake", *UNLIMITED, "--for", "10s").expect(EXIT_RUNTIME)
    assert FULL in done.stderr, done


@pytest.fixture
def injected(inject_library, lake, tmp_path):
    """An environment in which calls below the lake fail as the rule says, until `well` is touched."""
    lake.mkdir()
    well = tmp_path / "well"

    def environment(rule: str) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(inject_library),
            "INLET_INJECT_PREFIX": str(lake),
            "INLET_INJECT": rule,
            "INLET_INJECT_UNTIL": str(well),
        }

    environment.well = well
    return environment


@pytest.mark.parametrize(
    "kind, call",
    # From the first call on, in the claim, and in the batches after it.
    [(kind, call) for kind in ("fsync", "link", "write", "open") for call in (1, 6, 23, 50)],
)
@pytest.mark.parametrize("error, text", [("ENOSPC", FULL), ("EIO", BROKEN)])
def test_calls_that_fail_for_good_stop_it_with_the_systems_reason(
    program, lake, reference, injected, kind, call, error, text
):
    arguments = [*generator.EVENTS, *UNLIMITED, "--for", "20s"]
    done = program.ingest(lake, *arguments, env=injected(f"{kind}:{call}:{error}:forever")).expect(EXIT_RUNTIME)
    assert text in done.stderr, done
    assert done.seconds < 15, "it does not hang"
    if oracle.is_there(lake):
        reference.assert_exact(lake)
    finish(program, lake, reference)


@pytest.mark.parametrize("kind", ["fsync", "link", "write", "open"])
@pytest.mark.parametrize("call", [3, 17, 31])
def test_one_call_that_fails_loses_and_repeats_nothing(program, lake, reference, injected, kind, call):
    """A single error may be outlived or may stop the run; the lake is right either way."""
    arguments = [*generator.EVENTS, *UNLIMITED, "--events", 4000]
    done = program.ingest(lake, *arguments, env=injected(f"{kind}:{call}:EIO"))
    assert done.code in (EXIT_OK, EXIT_RUNTIME), done
    assert done.code == EXIT_OK or BROKEN in done.stderr, done
    finish(program, lake, reference)


def test_it_says_where_and_what_to_do(program, lake, injected):
    done = program.ingest(lake, *UNLIMITED, "--for", "10s", env=injected("write:40:ENOSPC:forever")).expect(EXIT_RUNTIME)
    assert FULL in done.stderr and str(lake) in done.stderr, done


def test_a_lake_that_cannot_be_written_is_said_at_once(program, tmp_path):
    blocked = tmp_path / "a-file"
    blocked.write_text("not a directory")
    done = program.ingest(blocked / "lake", *UNLIMITED, "--for", "10s")
    assert done.code in (EXIT_RUNTIME, 78) and "a-file" in done.stderr and done.seconds < 5, done
