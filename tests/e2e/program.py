"""Starts the program under test, kills it, and reads what it said. Knows nothing of what is right."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENTES = ROOT / "pipelines" / "ventes.toml"

EXIT_OK = 0
EXIT_RUNTIME = 1
EXIT_USAGE = 2
EXIT_DATA_LOSS = 3
EXIT_UNAVAILABLE = 69
EXIT_CONFIGURATION = 78

# Small batches, so that a short run passes every step many times.
SMALL_BATCHES = ("bronze.batch_interval=20ms", "bronze.batch_rows=500")


def sets(*assignments: str) -> list[str]:
    """`--set` for each "key=value"."""
    return [argument for assignment in assignments for argument in ("--set", assignment)]


@dataclasses.dataclass(frozen=True)
class Finished:
    args: list[str]
    code: int
    stdout: str
    stderr: str
    seconds: float

    def json(self):
        return json.loads(self.stdout)

    def error(self) -> dict:
        """The one JSON object that `--json` leaves on stderr, wherever log lines stand around it."""
        for line in self.stderr.splitlines():
            if line.startswith("{") and '"error"' in line:
                return json.loads(line)["error"]
        raise AssertionError(f"no JSON error on stderr:\n{self}")

    def expect(self, code: int) -> "Finished":
        assert self.code == code, f"exit {self.code}, expected {code}\n{self}"
        return self

    def __str__(self) -> str:
        return (
            f"$ inlet {' '.join(self.args)}\nexit {self.code} after {self.seconds:.2f} s\n"
            f"stdout: {self.stdout[-2000:]}\nstderr: {self.stderr[-4000:]}"
        )


class Running:
    """One process. Its output goes to files: a full pipe never stops it."""

    def __init__(self, args: list[str], command: list[str], env: dict[str, str], directory: pathlib.Path, stdin):
        self.args = args
        self._stdout = directory / "stdout"
        self._stderr = directory / "stderr"
        self._started = time.monotonic()
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self.process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL if stdin is None else stdin, stdout=out, stderr=err, cwd=ROOT
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def stderr(self) -> str:
        return self._stderr.read_text("utf-8", "replace")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> Finished:
        self.process.kill()
        return self.wait(10)

    def is_running(self) -> bool:
        return self.process.poll() is None

    def is_stopped(self) -> bool:
        """Stopped by SIGSTOP, as the kernel says."""
        try:
            return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except FileNotFoundError:
            return False

    def wait(self, timeout: float) -> Finished:
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise AssertionError(f"did not end in {timeout} s, killed\n{self._finished(-signal.SIGKILL)}") from None
        return self._finished(code)

    def _finished(self, code: int) -> Finished:
        return Finished(
            self.args,
            code,
            self._stdout.read_text("utf-8", "replace"),
            self.stderr(),
            time.monotonic() - self._started,
        )

    def wait_until(self, condition, timeout: float, what: str):
        """Polls `condition`; its first true value. Fails when the process ends before."""
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if not self.is_running():
                value = condition()
                if value:
                    return value
                raise AssertionError(f"ended before {what}\n{self._finished(self.process.returncode)}")
            if time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"no {what} in {timeout} s\n{self.wait(10)}")
            time.sleep(0.01)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_) -> None:
        if self.is_running():
            self.process.kill()
            self.process.wait(10)


class Program:
    """The binary, with a directory for what its processes say."""

    def __init__(self, binary: pathlib.Path, directory: pathlib.Path, pipeline: pathlib.Path = VENTES):
        self.binary = binary
        self.pipeline = pipeline
        self.directory = directory
        self._count = 0

    def with_pipeline(self, pipeline: pathlib.Path) -> "Program":
        return Program(self.binary, self.directory / f"with-{pipeline.stem}", pipeline)

    def start(self, *args, env: dict[str, str] | None = None, stdin=None) -> Running:
        words = [str(argument) for argument in args]
        self._count += 1
        directory = self.directory / f"{self._count:04d}"
        directory.mkdir(parents=True)
        # Runs that are not asked for by their address serve nothing: many run side by side, and there is one port 8080.
        quiet = {} if "--listen" in words else {"INLET__SERVE__ENABLED": "false"}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("INLET_")} | quiet | (env or {})
        return Running(words, [str(self.binary), *words], environment, directory, stdin)

    def run(self, *args, timeout: float = 30, env: dict[str, str] | None = None, stdin=None) -> Finished:
        with self.start(*args, env=env, stdin=stdin) as running:
            return running.wait(timeout)

    def ingest_arguments(self, lake: pathlib.Path, *args) -> list:
        """A run of ingest alone: the views have tests of their own."""
        return ["run", self.pipeline, "--lake", lake, "--only", "bronze", *sets(*SMALL_BATCHES), *args]

    def start_ingest(self, lake: pathlib.Path, *args, **options) -> Running:
        return self.start(*self.ingest_arguments(lake, *args), **options)

    def ingest(self, lake: pathlib.Path, *args, **options) -> Finished:
        return self.run(*self.ingest_arguments(lake, *args), **options)

    def query(self, lake: pathlib.Path, sql: str) -> list[dict]:
        return self.run("query", self.pipeline, sql, "--json", "--lake", lake).expect(EXIT_OK).json()
