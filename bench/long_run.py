#!/usr/bin/env python3
"""A long life of a lake, compressed: many small commits with maintenance on, while an outside reader loops.

    make bench-long
    make bench-long ARGS="--commits 5000 --events-a-commit 200"

Prints the curve (commits, files, log, snapshot load, query against a freshly written copy, bytes an event, RSS), then each
goal, met or missed. The snapshot is loaded with the run and the reader stopped for that moment: what it takes, and not what is
left of two cores beside a writer. Time is compressed: 30 commits come in a second where a pipeline's `batch_interval` makes
four (--rate 0: as many as can be), the tables are looked at, vacuumed and their logs cleaned 25 times as often, what was
removed is kept that much shorter, and the share of a core that maintenance may take is lifted: `cpu` says what it took.
"Growth" is the median of the last quarter over that of the second one. RSS is looked at ten times a second: its median since
the line before and its most, since a large group that is being written takes some 100 MB for some seconds.
"""
import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import deltalake
import duckdb

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENTES = ROOT / "pipelines" / "ventes.toml"
BRONZE = "bronze/ventes_stream"
QUERY = "SELECT pays, count(*), sum(montant), epoch_us(max(timestamp)) FROM {rows} GROUP BY pays ORDER BY pays"

COMPRESSED = {
    "maintenance.interval": "400ms",
    "maintenance.vacuum_interval": "4s",
    "bronze.properties.delta.deletedFileRetentionDuration": "interval 10 seconds",
    "bronze.properties.delta.logRetentionDuration": "interval 15 seconds",
}


class Reader(threading.Thread):
    """Opens the newest version again and again, and reads a column of every file of it."""

    def __init__(self, table):
        super().__init__(daemon=True)
        self.table, self.reads, self.rows, self.error, self.stopping = table, 0, 0, None, threading.Event()
        self.reading = threading.Lock()  # held over each read

    def run(self):
        try:
            while not self.stopping.is_set():
                with self.reading:
                    read = deltalake.DeltaTable(str(self.table)).to_pyarrow_table(columns=["_offset"])
                if read.num_rows < self.rows:
                    raise AssertionError(f"{read.num_rows} rows after {self.rows}")
                self.rows, self.reads = read.num_rows, self.reads + 1
                self.stopping.wait(0.1)
        except Exception as error:
            self.error = error


def live_files(lake, table):
    files = deltalake.DeltaTable(str(lake / table)).file_uris()
    return [urllib.parse.unquote(uri.removeprefix("file://")) for uri in files]


def log_of(lake, table):
    sizes = []
    for path in (lake / table / "_delta_log").iterdir():
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            pass
    return len(sizes), sum(sizes)


def rss_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def rows_of(files):
    return "read_parquet([" + ", ".join("'" + f.replace("'", "''") + "'" for f in files) + "], hive_partitioning = false)"


def fastest(connection, sql, times=9):
    best = []
    for _ in range(times):
        began = time.perf_counter()
        connection.execute(sql).fetchall()
        best.append(time.perf_counter() - began)
    return min(best) * 1000


def query_ms(files, directory):
    """Over the files as they are, and over the same rows written afresh, a file a partition up to the target size."""
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    copy = pathlib.Path(directory) / "copy.parquet"
    connection.execute(f"COPY (FROM {rows_of(files)} ORDER BY _partition, _offset) TO '{copy}' (FORMAT parquet, COMPRESSION zstd)")
    there, fresh = [], []
    for _ in range(3):  # in turn: the machine is not the same for long
        there.append(fastest(connection, QUERY.format(rows=rows_of(files))))
        fresh.append(fastest(connection, QUERY.format(rows=rows_of([str(copy)]))))
    return min(there), min(fresh)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=20_000)
    parser.add_argument("--events-a-commit", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=30, help="commits a second; 0: as many as can be")
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--min-files", type=int, default=16)
    parser.add_argument("--bin", default=str(ROOT / "build" / "inlet"))
    parser.add_argument("--snapshot-load", default=str(ROOT / "build" / "bench" / "bench" / "snapshot_load"))
    parser.add_argument("--json", action="store_true", help="the goals as JSON on the last line")
    parser.add_argument("--settings", nargs="*", default=[], help="more KEY=VALUE of the pipeline file")
    arguments = parser.parse_args()

    directory = tempfile.TemporaryDirectory(prefix="inlet-bench-")
    lake = pathlib.Path(directory.name) / "lake"
    settings = {
        "source.generator.rate": int(arguments.rate * arguments.events_a_commit),
        "source.generator.partitions": 1,
        "bronze.batch_rows": arguments.events_a_commit,
        "serve.enabled": "false",
        "serve.query_timeout": "5s",
        "maintenance.share": arguments.share,
        "maintenance.min_files": arguments.min_files,
        **COMPRESSED,
    }
    words = [w for k, v in settings.items() for w in ("--set", f"{k}={v}")] + [w for s in arguments.settings for w in ("--set", s)]
    events = arguments.commits * arguments.events_a_commit
    command = [arguments.bin, "run", str(VENTES), "--json", "--lake", str(lake), *words, "--events", str(events)]
    load = lambda: json.loads(subprocess.run([arguments.snapshot_load, str(lake), BRONZE], check=True, capture_output=True, text=True).stdout)  # noqa: E731

    began = time.monotonic()
    stderr = tempfile.TemporaryFile("w+")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    output = []
    drain = threading.Thread(target=lambda: output.append(process.stdout.read()), daemon=True)
    drain.start()
    while not (lake / BRONZE / "_delta_log" / f"{5:020}.json").exists():
        if process.poll() is not None or time.monotonic() - began > 60:
            stderr.seek(0)
            sys.exit(f"the run did not begin: {stderr.read()[-2000:]}")
        time.sleep(0.02)
    reader = Reader(lake / BRONZE)
    reader.start()
    print(f"{'seconds':>8} {'version':>8} {'files':>6} {'log files':>10} {'log KB':>8} {'load ms':>8} {'views: files':>13} {'views: log':>11} {'RSS MB':>7} {'most':>5}", flush=True)
    curve = []
    views = sorted(p.parent for p in lake.glob("silver/*/_delta_log")) or []
    step = max(1, arguments.commits // 20)
    next_at = step
    resident = []
    while process.poll() is None:
        try:
            resident.append(rss_mb(process.pid))
        except (FileNotFoundError, ProcessLookupError):
            break
        version = deltalake.DeltaTable(str(lake / BRONZE)).version()
        if version < next_at:
            time.sleep(0.1)
            continue
        next_at = version + step
        views = sorted(p.parent for p in lake.glob("silver/*/_delta_log"))
        with reader.reading:
            process.send_signal(signal.SIGSTOP)
            try:
                loaded_ms = load()["open_and_list_ms"]
            finally:
                process.send_signal(signal.SIGCONT)
        log_files, log_bytes = log_of(lake, BRONZE)
        files = live_files(lake, BRONZE)
        point = {
            "seconds": time.monotonic() - began,
            "version": version,
            "files": len(files),
            "files_a_partition": len(files) / len({pathlib.Path(f).parent for f in files}),
            "log_files": log_files,
            "log_kb": log_bytes / 1000,
            "load_ms": loaded_ms,
            "view_files": sum(len(live_files(lake, v.relative_to(lake))) for v in views),
            "view_log_files": sum(log_of(lake, v.relative_to(lake))[0] for v in views),
            "rss_mb": statistics.median(resident),
            "rss_mb_most": max(resident),
        }
        resident = []
        curve.append(point)
        print(f"{point['seconds']:>8.1f} {version:>8} {point['files']:>6} {log_files:>10} {log_bytes / 1000:>8.0f} {point['load_ms']:>8.1f}"
              f" {point['view_files']:>13} {point['view_log_files']:>11} {point['rss_mb']:>7.0f} {point['rss_mb_most']:>5.0f}", flush=True)
    drain.join(30)
    reader.stopping.set()
    reader.join(60)
    if process.returncode != 0:
        stderr.seek(0)
        sys.exit(f"the run failed: {stderr.read()[-4000:]}")
    summary = json.loads(output[0])
    done = summary["maintenance"]
    loaded = load()
    files = live_files(lake, BRONZE)
    live_bytes = sum(pathlib.Path(f).stat().st_size for f in files)
    disk_bytes = sum(p.stat().st_size for p in (lake / BRONZE).rglob("*") if p.is_file())
    there, fresh = query_ms(files, directory.name)
    verified = subprocess.run([arguments.bin, "verify", str(VENTES), "--lake", str(lake), "--json"], capture_output=True, text=True)

    quarter = max(1, len(curve) // 4)
    growth = lambda name: (statistics.median(p[name] for p in curve[-quarter:])  # noqa: E731
                           / statistics.median(p[name] for p in curve[quarter:2 * quarter] or curve))
    loads = [p["load_ms"] for p in curve] + [loaded["open_and_list_ms"]]
    print(f"\n{summary['batches']} commits of {arguments.events_a_commit} events in {summary['seconds']:.0f} s ({summary['batches'] / summary['seconds']:.0f} commits/s,"
          f" batch p50 {summary['batch_ms_p50']:.1f} ms, p99 {summary['batch_ms_p99']:.1f} ms)")
    print(f"maintenance: {done['compactions']} groups, {done['removed_files']} files became {done['added_files']}, {done['given_up']} given up, {done['rewritten_bytes'] / 1e6:.0f} MB rewritten"
          f" ({done['rewritten_bytes'] / max(1, summary['parquet_bytes']):.1f} x what was written), {done['cpu_seconds']:.1f} s of a core ({done['cpu_seconds'] / summary['seconds']:.1%}),"
          f" {done['vacuumed_files']} files and {done['cleaned_log_files']} log files deleted")
    print(f"bronze: {len(files)} files, {live_bytes / events:.1f} bytes an event live, {disk_bytes / events:.1f} on disk with all that is kept; reader: {reader.reads} reads")
    goals = {
        "files_growth": (growth("files_a_partition"), "<=", 1.25),
        "log_files_growth": (growth("log_files"), "<=", 1.25),
        "snapshot_load_ms": (statistics.median(loads), "<=", 50),
        "query_ratio": (there / fresh, "<=", 1.2),
        "bytes_an_event": (live_bytes / events, "<=", 60),
        "rss_growth": (growth("rss_mb"), "<=", 1.1),
        "reader_errors": (0 if reader.error is None and reader.reads > 0 else 1, "<=", 0),
        "views_differ": (verified.returncode, "<=", 0),
    }
    detail = {"query_ratio": f"   {there:.1f} ms against {fresh:.1f} ms",
              "rss_growth": f"   most {max(p['rss_mb_most'] for p in curve):.0f} MB",
              "files_growth": f"   most {max(p['files'] for p in curve)}",
              "log_files_growth": f"   most {max(p['log_files'] for p in curve)}",
              "snapshot_load_ms": f"   the median of {len(loads)}; most {max(loads):.1f} ms"}
    if reader.error is not None:
        print(f"the reader: {reader.error}")
    for name, (value, _, most) in goals.items():
        print(f"  {'met   ' if value <= most else 'MISSED'}  {name:<18} {value:>8.2f}  (at most {most})" + detail.get(name, ""))
    if arguments.json:
        print(json.dumps({"goals": {name: value for name, (value, _, _) in goals.items()}, "met": {name: value <= most for name, (value, _, most) in goals.items()}, "curve": curve}))
    return 0 if all(value <= most for value, _, most in goals.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
