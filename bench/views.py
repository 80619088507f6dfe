#!/usr/bin/env python3
"""Views, measured: the sales pipeline with its three views, end to end.

    make bench-views
    bench/views.py --events 2000000 --clients 5,100000 --batches 100000

For each number of clients and rows a batch: events/s with and without the views (in turn), the time each stage took, the
size of the state, the time of a publish, and how long a start takes until the state is level again. With --latency: at
10,000 events/s, how old the published tables are.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
INLET = ROOT / "build" / "inlet"
PIPELINE = ROOT / "pipelines" / "ventes.toml"


def run(lake, *arguments):
    command = [str(a) for a in (INLET, "run", PIPELINE, "--json", "--lake", lake, *arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{' '.join(command)} failed")
    summary = json.loads(output)
    summary["cpu"] = usage.ru_utime + usage.ru_stime
    summary["rss_mb"] = usage.ru_maxrss / 1e3
    return summary


def stream(clients, batch):
    settings = {"source.generator.rate": 0, "source.generator.clients": clients, "bronze.batch_rows": batch}
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def sweep(clients, batch, events):
    with tempfile.TemporaryDirectory(prefix="inlet-bench-") as lake:
        bare = run(lake, *stream(clients, batch), "--only", "bronze", "--events", events)
    with tempfile.TemporaryDirectory(prefix="inlet-bench-") as lake:
        kept = run(lake, *stream(clients, batch), "--events", events)
        views = kept["views"]
        started = time.monotonic()
        run(lake, "--only", "views", "--until", "caught-up")
        restart = time.monotonic() - started
    apply = sum(v["apply_ms"] for v in views) / 1e3
    publish = sum(v["publish_ms"] for v in views) / 1e3
    print(f"{clients:>9,} {batch:>8,}  {bare['events'] / bare['seconds'] / 1e3:>6.0f} k/s  {kept['events'] / kept['seconds'] / 1e3:>6.0f} k/s"
          f"  {kept['cpu'] / kept['events'] * 1e6:>5.2f}  {apply / kept['seconds']:>6.0%}  {publish / kept['seconds']:>7.0%}"
          f"  {sum(v['rows'] for v in views):>9,}  {sum(v['state_bytes'] for v in views) / 1e6:>6.0f} MB"
          f"  {publish / max(1, sum(v['publishes'] for v in views)) * 1e3:>6.0f} ms  {restart:>5.1f} s  {kept['rss_mb']:>5.0f} MB", flush=True)


def latency(clients, seconds):
    """At 10,000 events/s: from the commit of a bronze version to the commit that shows it, by the logs' own times."""
    with tempfile.TemporaryDirectory(prefix="inlet-bench-") as lake:
        run(lake, *stream(clients, 250_000), "--set", "source.generator.rate=10000", "--for", f"{seconds}s")
        bronze = times(lake, "bronze/ventes_stream", lambda actions, version: version)
        for view in ("ventes_aggreges", "ventes_par_pays"):
            app = f"ventes/views/{view}"
            shown = times(lake, f"silver/{view}", lambda actions, _: next(
                (a["txn"]["version"] for a in actions if a.get("txn", {}).get("appId") == app), None))
            ages, published = [], sorted((v, t) for v, t in shown.items() if v is not None)
            for version, committed in sorted(bronze.items()):
                after = [t for v, t in published if v >= version]
                if after and version > 2:
                    ages.append(after[0] - committed)
            ages.sort()
            print(f"{clients:,} clients, 10,000 events/s, {view}: bronze commit -> shown p50 {ages[len(ages) // 2]} ms, p99 {ages[int(len(ages) * 0.99)]} ms")


def times(lake, table, key):
    found = {}
    for file in sorted((pathlib.Path(lake) / table / "_delta_log").glob("0*.json")):
        actions = [json.loads(line) for line in file.read_text().splitlines()]
        committed = next((a["commitInfo"]["timestamp"] for a in actions if "commitInfo" in a), None)
        found[key(actions, int(file.stem))] = committed
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(n) for n in text.split(",")]
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--clients", type=numbers, default=[5, 100_000, 1_000_000])
    parser.add_argument("--batches", type=numbers, default=[100_000, 250_000])
    parser.add_argument("--latency", type=int, default=20, help="seconds; 0 leaves it out")
    options = parser.parse_args()
    print(f"{options.events:,} events; three views")
    print("  clients    batch   bronze only   with views  CPU-s/M   apply  publish       rows      state  a publish  restart    RSS")
    for clients in options.clients:
        for batch in options.batches:
            sweep(clients, batch, options.events)
    if options.latency:
        latency(100_000, options.latency)


if __name__ == "__main__":
    main()
