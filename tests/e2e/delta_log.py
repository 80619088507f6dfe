"""A Delta table's log in plain Python: every commit file, as it stands on disk (Delta protocol, "Delta Log Entries")."""

from __future__ import annotations

import dataclasses
import decimal
import functools
import json
import pathlib
import re
import urllib.parse


@dataclasses.dataclass(frozen=True)
class Add:
    path: str  # decoded, relative to the table
    partition_values: dict[str, str | None]
    size: int
    statistics: dict


@dataclasses.dataclass(frozen=True)
class Commit:
    version: int
    info: dict
    adds: list[Add]
    removes: list[str]
    transactions: dict[str, int]
    metadata: dict | None
    protocol: dict | None


class BrokenLog(Exception):
    pass


def _read_commit(path: pathlib.Path) -> Commit:
    version = int(path.stem)
    info, adds, removes, transactions, metadata, protocol = {}, [], [], {}, None, None
    text = path.read_text("utf-8")
    if not text.strip():
        raise BrokenLog(f"{path.name} is empty")
    for line in text.splitlines():
        try:
            action = json.loads(line)
        except ValueError as error:
            raise BrokenLog(f"{path.name} does not parse: {error}") from None
        if "commitInfo" in action:
            info = action["commitInfo"]
        elif "add" in action:
            add = action["add"]
            adds.append(
                Add(
                    urllib.parse.unquote(add["path"]),
                    add["partitionValues"],
                    add["size"],
                    json.loads(add.get("stats") or "{}", parse_float=decimal.Decimal),
                )
            )
        elif "remove" in action:
            removes.append(urllib.parse.unquote(action["remove"]["path"]))
        elif "txn" in action:
            app_id = action["txn"]["appId"]
            if app_id in transactions:
                raise BrokenLog(f"{path.name} has two txns of {app_id}")
            transactions[app_id] = action["txn"]["version"]
        elif "metaData" in action:
            metadata = action["metaData"]
        elif "protocol" in action:
            protocol = action["protocol"]
        else:
            raise BrokenLog(f"{path.name} has an unknown action {line[:80]}")
    return Commit(version, info, adds, removes, transactions, metadata, protocol)


def commit_files(table: pathlib.Path) -> list[pathlib.Path]:
    log = table / "_delta_log"
    return sorted(p for p in log.glob("*.json") if re.fullmatch(r"\d{20}", p.stem)) if log.is_dir() else []


def version(table: pathlib.Path) -> int:
    """The newest version; -1 where there is no table."""
    files = commit_files(table)
    return int(files[-1].stem) if files else -1


def read(table: pathlib.Path) -> list[Commit]:
    """Every commit from version 0. The tests' tables are young: nothing of their logs has been cleaned up yet."""
    commits = [_read_commit(path) for path in commit_files(table)]
    if [commit.version for commit in commits] != list(range(len(commits))):
        raise BrokenLog(f"versions have holes: {[commit.version for commit in commits]}")
    return commits


@functools.lru_cache(maxsize=50_000)
def _remembered(path: pathlib.Path) -> Commit:
    return _read_commit(path)


def remembered(table: pathlib.Path) -> list[Commit]:
    """As `read`, for a log that nobody damages: a file that was read once is not read again."""
    return [_remembered(path) for path in commit_files(table)]


@functools.lru_cache(maxsize=50_000)
def _transactions_of(path: pathlib.Path) -> dict[str, int]:
    return _read_commit(path).transactions


def newest_transactions(table: pathlib.Path) -> dict[str, int]:
    """The newest version of every application id. Quick to ask again: a commit file never changes."""
    newest: dict[str, int] = {}
    for path in commit_files(table):
        newest.update(_transactions_of(path))
    return newest


def transactions(commits: list[Commit]) -> dict[str, int]:
    """The newest version of every application id."""
    newest: dict[str, int] = {}
    for commit in commits:
        newest.update(commit.transactions)
    return newest


def markers(transactions: dict[str, int], pipeline: str) -> dict[tuple[str, int], int]:
    """(source id, partition) → last committed offset."""
    found = {}
    for app_id, value in transactions.items():
        match = re.fullmatch(re.escape(pipeline) + r"/(.*)/(\d+)", app_id)
        if match:
            found[match[1], int(match[2])] = value
    return found


def files_at(table: pathlib.Path, version: int) -> dict[str, Add]:
    """The live files, by their paths in the log."""
    files: dict[str, Add] = {}
    for commit in remembered(table)[: version + 1]:
        for path in commit.removes:
            files.pop(path, None)
        files |= {add.path: add for add in commit.adds}
    return files
