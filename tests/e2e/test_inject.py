"""The preload library that the crash and disk tests rely on: it sees the calls, counts them and answers as told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

WRITER = """
import os, sys
root = sys.argv[1]
for number in range(1, 4):
    aside = f"{root}/aside{number}"
    fd = os.open(aside, os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"x" * 100)
    os.fsync(fd)
    os.close(fd)
    (os.link if number % 2 else os.rename)(aside, f"{root}/{number}")
    print(number, flush=True)
"""


@pytest.fixture
def write(inject_library, tmp_path):
    root = tmp_path / "below"
    root.mkdir()

    def run(rule: str, **env: str) -> subprocess.CompletedProcess:
        environment = os.environ | {
            "LD_PRELOAD": str(inject_library),
            "INLET_INJECT_PREFIX": str(root),
            "INLET_INJECT": rule,
            "INLET_INJECT_TRACE": str(tmp_path / "trace"),
        }
        return subprocess.run(
            [sys.executable, "-c", WRITER, str(root)], env=environment | env, capture_output=True, text=True, timeout=30
        )

    run.root = root
    run.trace = tmp_path / "trace"
    return run


def test_traces_the_calls_in_their_order(write):
    assert write("fsync:99:kill").returncode == 0
    kinds = [line.split()[0] for line in write.trace.read_text().splitlines()]
    assert kinds == ["open", "write", "fsync", "link", "open", "write", "fsync", "rename", "open", "write", "fsync", "link"]
    first_link = next(line for line in write.trace.read_text().splitlines() if line.startswith("link"))
    assert first_link == f"link {write.root}/1\t{write.root}/aside1"


@pytest.mark.parametrize("rule, linked", [("link:2:kill", False), ("link:2:after-kill", True)])
def test_kills_at_the_nth_call_or_right_after_it(write, rule, linked):
    assert write(rule).returncode == -signal.SIGKILL
    assert (write.root / "1").exists() and (write.root / "2").exists()
    assert (write.root / "3").exists() == linked


def test_leaves_half_a_write_behind(write):
    assert write("write:2:torn-kill").returncode == -signal.SIGKILL
    assert (write.root / "aside2").stat().st_size == 50


def test_fails_with_the_given_error(write):
    done = write("fsync:2:EIO")
    assert done.returncode == 1 and "Input/output error" in done.stderr and done.stdout == "1\n"


def test_reports_failure_of_a_call_that_was_made(write):
    done = write("link:1:unknown-EIO")
    assert done.returncode == 1 and "Input/output error" in done.stderr and (write.root / "1").exists()


def test_goes_on_failing_until_told_to_stop(write, tmp_path):
    assert "No space left" in write("write:1:ENOSPC:forever").stderr
    (tmp_path / "until").touch()
    assert write("write:1:ENOSPC:forever", INLET_INJECT_UNTIL=str(tmp_path / "until")).returncode == 0


def test_leaves_other_directories_alone(write, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    assert write("any:1:kill", INLET_INJECT_PREFIX=str(tmp_path / "elsewhere")).returncode == 0


def test_refuses_a_rule_it_does_not_understand(write):
    done = write("fsink:1:kill")
    assert done.returncode == 99 and "not a rule" in done.stderr
