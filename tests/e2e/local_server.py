"""A server that a script of the project starts on a free port of loopback, with everything of it in one directory."""

from __future__ import annotations

import os
import pathlib
import subprocess


class LocalServer:
    SCRIPT: pathlib.Path  # see scripts/local-server.sh

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.address = ""
        self._is_running = False

    def _script(self, *args: str) -> str:
        # Its output goes to a file: the server it leaves behind would keep a pipe open.
        log = self.directory / "script.log"
        with log.open("w+") as output:
            done = subprocess.run(
                [str(self.SCRIPT), *args], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=300
            )
            output.seek(0)
            text = output.read()
        assert done.returncode == 0, f"{self.SCRIPT.name} {' '.join(args)}:\n{text}"
        return text.split()[-1] if text.split() else ""

    def start(self) -> None:
        self.address = self._script("start", str(self.directory), "--port", "0", "--owner", str(os.getpid()))
        self._is_running = True

    def stop(self) -> None:
        self._script("stop", str(self.directory))
        self._is_running = False

    def kill(self) -> None:
        self._script("kill", str(self.directory))
        self._is_running = False

    def restart(self) -> None:
        self._script("restart", str(self.directory), "--owner", str(os.getpid()))
        self._is_running = True

    def ensure_running(self) -> None:
        if not self._is_running:
            self.restart()
