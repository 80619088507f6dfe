#!/usr/bin/env python3
"""Runs clang-tidy with the allow-list of .clang-tidy over src/, on every core.

    tidy.py BUILD_DIR CACHE_DIR     prints the findings; the last line counts; exits 1 when there are any

A file that was found clean is not looked at again until it changes, or a header it includes, or the way it is
compiled, or the checks do.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
CLANG_TIDY = "clang-tidy-16"
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def project_files(source: pathlib.Path) -> list[pathlib.Path]:
    """`source` and every header of the project it reaches; those of the system are pinned by their packages."""
    seen, todo = {source}, [source]
    while todo:
        for name in INCLUDE.findall(todo.pop().read_bytes()):
            for base in (ROOT / "src", ROOT, ROOT / "delta_shim" / "include"):
                header = base / name.decode()
                if header.is_file() and header not in seen:
                    seen.add(header)
                    todo.append(header)
    return sorted(seen)


def fingerprint(entry: dict, checks: bytes) -> str:
    """Of everything a verdict depends on. Paths are taken relative, so that another checkout shares the verdict."""
    digest = hashlib.sha256(checks)
    digest.update(entry["command"].replace(entry["directory"], "BUILD").replace(str(ROOT), "ROOT").encode())
    for file in project_files(pathlib.Path(entry["file"])):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def tidy(entry: dict, build: pathlib.Path) -> str:
    """The findings of one file; empty when it is clean."""
    done = subprocess.run(
        [CLANG_TIDY, "--quiet", "-p", str(build), "--extra-arg=-Wno-unknown-warning-option", entry["file"]],
        capture_output=True, text=True, check=False,
    )
    if done.returncode == 0 and not done.stdout.strip():
        return ""
    return done.stdout.strip() or done.stderr.strip() or f"{entry['file']}: {CLANG_TIDY} exited {done.returncode}"


def main() -> int:
    build, cache = (pathlib.Path(argument) for argument in sys.argv[1:3])
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([CLANG_TIDY, "--version"], capture_output=True, check=True).stdout
    checks = version + (ROOT / ".clang-tidy").read_bytes()
    entries = [
        entry for entry in json.loads((build / "compile_commands.json").read_text())
        if pathlib.Path(entry["file"]).is_relative_to(ROOT / "src")
    ]
    clean = {entry["file"]: cache / fingerprint(entry, checks) for entry in entries}
    todo = [entry for entry in entries if not clean[entry["file"]].exists()]

    findings = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(tidy, entry, build): entry["file"] for entry in todo}
        for future in concurrent.futures.as_completed(running):
            text = future.result()
            if text:
                findings += 1
                print(text, flush=True)
            else:
                clean[running[future]].touch()
    print(f"clang-tidy: {len(entries)} files, {len(todo)} looked at, {findings} with findings")
    return 1 if findings or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
