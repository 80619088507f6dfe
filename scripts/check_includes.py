#!/usr/bin/env python3
"""Checks who includes whom: the direction between the stages of src/, and that one directory alone knows each library.

    check_includes.py [ROOT]     prints file:line: what is wrong, and exits 1 when anything is

A stage may include what it is built on, and what that is built on in turn; never the stage behind it.
"""

from __future__ import annotations

import pathlib
import re
import sys

# What each directory of src/ is built on; docs/architecture.md says why. Everything may include base.
BUILT_ON = {
    "base": [],
    "config": [],
    "duck": [],
    "lake": ["duck"],
    "source": ["config"],
    "decode": ["config", "duck", "source"],
    "bronze": ["decode", "lake"],
    "query": ["config", "lake", "duck"],
    "views": ["config", "lake", "duck"],
    "serve": ["config", "query", "views", "lake", "duck"],
    "pipeline": ["config", "source", "decode", "bronze", "query", "views", "lake", "duck"],
    "cli": ["pipeline", "serve"],
}

# The one directory of src/ that includes a library's headers, by how their names begin.
LIBRARY_OF = {
    "CLI/": "cli",
    "archive.h": "cli",
    "archive_entry.h": "cli",
    "boost/asio": "serve",
    "boost/beast": "serve",
    "boost/system": "serve",
    "boost/unordered/": "views",
    "delta_shim": "lake",
    "duckdb": "duck",
    "editline/": "cli",
    "fmt/": "base",
    "histedit.h": "cli",
    "librdkafka/": "source",
    "nlohmann/": "base",
    "prometheus/": "serve",
    "simdjson": "decode",
    "spdlog/": "base",
    "toml++/": "config",
}
TEST_LIBRARIES = ("gtest/", "gmock/")

# What the system provides. Standard C++ headers have neither a dot nor a slash.
SYSTEM = re.compile(
    r"[a-z0-9_]+|(sys|linux|net|netinet|arpa|asm)/[a-z0-9_/]+\.h|"
    r"(cxxabi|dirent|dlfcn|errno|fcntl|getopt|inttypes|langinfo|libgen|limits|locale|math|netdb|poll|pthread|pty|pwd|sched|"
    r"semaphore|signal|spawn|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|syslog|termios|time|"
    r"ucontext|unistd|wchar|execinfo|malloc|fnmatch|glob)\.h"
)

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def may_include(stage: str) -> set[str]:
    """The directories that `stage` may include: itself, base, and everything below it."""
    allowed = {stage, "base"}
    for below in BUILT_ON.get(stage, []):
        allowed |= may_include(below)
    return allowed


def complaint(root: pathlib.Path, file: pathlib.Path, name: str, quoted: bool) -> str | None:
    """What is wrong with `file` including `name`, or None."""
    tree, stage = file.parts[0], file.parts[1] if len(file.parts) > 2 else ""
    if tree == "src" and stage not in BUILT_ON:
        return f"src/{stage} is not in the table of scripts/check_includes.py: say what it is built on"
    for prefix, owner in LIBRARY_OF.items():
        if name.startswith(prefix):
            # Tests, benchmarks and fuzzers may look at a library directly: to drive it, or to compare with it.
            if tree == "src" and stage != owner:
                return f"<{name}> is included by src/{owner} only"
            return None
    if name.startswith(TEST_LIBRARIES):
        return f"<{name}> belongs in tests/" if tree == "src" else None
    if not quoted:
        return None if SYSTEM.fullmatch(name) else f"<{name}> is of no library in the table of scripts/check_includes.py"
    if name.startswith(("./", "../")) or "/../" in name:
        return f'"{name}": name headers from src/, as "stage/header.h"'
    if (root / "src" / name).is_file():
        target = pathlib.PurePath(name).parts[0]
        # A test sees what its stage sees; fakes and whole-program tests see everything.
        if (tree == "src" or stage in BUILT_ON) and target not in may_include(stage):
            known = ", ".join(sorted(may_include(stage)))
            return f'"{name}": {tree}/{stage} must not know {target}; it may include {known}'
        return None
    if (root / name).is_file():
        return None if tree != "src" else f'"{name}": src/ must not include {name.split("/")[0]}/'
    return f'"{name}" is no file below src/; name headers from there, as "stage/header.h"'


def complaints(root: pathlib.Path) -> list[str]:
    """Every violation below `root`, as file:line: text."""
    found = []
    trees = ("src", "tests", "bench", "fuzz")
    files = [f for tree in trees for f in sorted((root / tree).rglob("*")) if f.suffix in (".h", ".cc")]
    if not files:
        return [f"{root}: no C++ file below src/"]
    for path in files:
        text = COMMENT.sub(lambda match: "\n" * match.group().count("\n"), path.read_text("utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            file = path.relative_to(root)
            what = complaint(root, file, match.group(1) or match.group(2), match.group(1) is not None)
            if what:
                found.append(f"{file}:{number}: {what}")
    return found


def main() -> int:
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[1]
    found = complaints(root)
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
