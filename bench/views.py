#!/usr/bin/env python3
"""Views, measured: the sales pipeline with the three views of its business, end to end; without those that only its page needs.

    make bench-views
    make bench-views ARGS="--parts sweep --events 2000000 --clients 5,100000 --batches 100000"

The parts:
  sweep    for each number of clients and rows a batch: events/s without and with the views (in turn), the share of the
           time each stage took, the size of the state, the time of a publish, and of a start until the views are level
  flat     one lake from 5 M to 20 M events: events/s and CPU of each leg
  latency  at 10,000 events/s: from a bronze commit to the commit that shows it, by the logs' own times
  restart  SIGKILL at 10,000 events/s and at full speed, with 1 M clients: from the start to the first commits
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
INLET = ROOT / "build" / "inlet"
VENTES = ROOT / "pipelines" / "ventes.toml"
PIPELINE = None  # VENTES with VIEWS alone, written by main()
VIEWS = ("ventes_aggreges", "ventes_par_pays", "ventes_par_segment")


def run(lake, *arguments):
    command = [str(a) for a in (INLET, "run", PIPELINE, "--json", "--no-serve", "--lake", lake, *arguments)]
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


def flat(clients, batch):
    with tempfile.TemporaryDirectory(prefix="inlet-bench-") as lake:
        done = 0
        for total in (5_000_000, 10_000_000, 15_000_000, 20_000_000):
            leg = run(lake, *stream(clients, batch), "--events", total)
            print(f"  {done / 1e6:>4.0f} M to {total / 1e6:>3.0f} M events: {leg['events'] / leg['seconds'] / 1e3:>5.0f} k/s"
                  f"  {leg['cpu'] / leg['events'] * 1e6:.2f} CPU-s/M  {leg['rss_mb']:.0f} MB", flush=True)
            done = total


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def latency(clients, seconds):
    """From the commit of a bronze version to the commit that shows it, by the logs' own times."""
    with tempfile.TemporaryDirectory(prefix="inlet-bench-") as lake:
        run(lake, *stream(clients, 250_000), "--set", "source.generator.rate=10000", "--for", f"{seconds}s")
        bronze = times(lake, "bronze/ventes_stream", lambda actions, version: version)
        for view in VIEWS:
            shown = published(lake, view)
            ages = [min(t for v, t in shown if v >= version) - committed
                    for version, committed in bronze.items() if version > 2 and any(v >= version for v, _ in shown)]
            print(f"  {view}: bronze commit to published p50 {percentile(ages, 0.5)} ms, p99 {percentile(ages, 0.99)} ms"
                  f" ({len(shown)} publishes)", flush=True)


def published(lake, view):
    """[(bronze version, time of the commit that shows it)], oldest first."""
    app = f"ventes/views/{view}"
    shown = times(lake, f"silver/{view}", lambda actions, _: next(
        (a["txn"]["version"] for a in actions if a.get("txn", {}).get("appId") == app), None))
    return sorted((v, t) for v, t in shown.items() if v is not None)


def newest(lake, table):
    return max((int(f.stem) for f in (pathlib.Path(lake) / table / "_delta_log").glob("0*.json")), default=-1)


def restart(clients, rate):
    """Fills the state, kills a run in full flow, and watches the logs of the next one."""
    tables = ["bronze/ventes_stream"] + [f"silver/{v}" for v in VIEWS]
    with tempfile.TemporaryDirectory(prefix="inlet-bench-") as lake:
        run(lake, *stream(clients, 250_000), "--events", clients * 3)
        arguments = [str(a) for a in (INLET, "run", PIPELINE, "--quiet", "--lake", lake, *stream(clients, 250_000),
                                      "--set", f"source.generator.rate={rate}")]
        process = subprocess.Popen(arguments)
        time.sleep(12)
        process.kill()
        process.wait()
        before = {table: newest(lake, table) for table in tables}
        # The claim is a commit of its own; the first one with rows is the one that counts.
        started = time.monotonic()
        process = subprocess.Popen(arguments)
        seen = {}
        while len(seen) < len(tables) and time.monotonic() - started < 60:
            for table in tables:
                behind = 2 if table.startswith("bronze") else 1
                if table not in seen and newest(lake, table) >= before[table] + behind:
                    seen[table] = time.monotonic() - started
            time.sleep(0.005)
        process.terminate()
        process.wait()
        print(f"  killed at {f'{rate:,} events/s' if rate else 'full speed'}, {clients:,} clients: first commit after "
              + ", ".join(f"{seen.get(t, float('nan')):.1f} s ({t})" for t in tables), flush=True)


def times(lake, table, key):
    found = {}
    for file in sorted((pathlib.Path(lake) / table / "_delta_log").glob("0*.json")):
        actions = [json.loads(line) for line in file.read_text().splitlines()]
        committed = next((a["commitInfo"]["timestamp"] for a in actions if "commitInfo" in a), None)
        found[key(actions, int(file.stem))] = committed
    return found


def three_views(text):
    """The pipeline file without its other views, and without the page, which shows them."""
    sections = re.split(r"(?m)^(?=\[)", text)
    kept = tuple(f"[views.{view}]" for view in VIEWS)
    return "".join(s for s in sections if s.startswith(kept) or not s.startswith(("[views.", "[page]", "[[filter]]", "[[panel]]")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(n) for n in text.split(",")]
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--clients", type=numbers, default=[5, 100_000, 1_000_000])
    parser.add_argument("--batches", type=numbers, default=[100_000, 250_000])
    parser.add_argument("--parts", type=lambda text: text.split(","), default=["sweep", "flat", "latency", "restart"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="inlet-bench-") as folder:
        global PIPELINE
        PIPELINE = pathlib.Path(folder) / "ventes.toml"
        PIPELINE.write_text(three_views(VENTES.read_text()))
        measure(options)


def measure(options):
    if "sweep" in options.parts:
        print(f"{options.events:,} events; three views")
        print("  clients    batch   bronze only   with views  CPU-s/M   apply  publish       rows      state  a publish  restart    RSS")
        for clients in options.clients:
            for batch in options.batches:
                sweep(clients, batch, options.events)
    if "flat" in options.parts:
        print("100,000 clients, batches of 100,000")
        flat(100_000, 100_000)
    if "latency" in options.parts:
        print("100,000 clients at 10,000 events/s, for 30 s")
        latency(100_000, 30)
    if "restart" in options.parts:
        print("after a SIGKILL")
        for rate in (10_000, 0):
            restart(1_000_000, rate)


if __name__ == "__main__":
    main()
