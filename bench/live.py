#!/usr/bin/env python3
"""What serving costs: the sales pipeline at a steady rate, in turn without the live side, with it and nobody there, and
with many watchers.

    make bench-live
    make bench-live ARGS="--pairs 5 --seconds 40 --readers 500 --half-open 1000 --rate 50000"

Prints for each run CPU-seconds per million events and the largest resident memory; for those that serve, how long /livez
took (asked by a process of its own), and the time from a commit to its event at a reader. The last lines compare each
run with the one without serving beside it: the median of the pairs counts, not the best.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
INLET = ROOT / "build" / "inlet"
PIPELINE = ROOT / "pipelines" / "ventes.toml"

sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from live_load import Clients, allow_many_files  # noqa: E402


def address_of(process, log, patience=20):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"live page: http://([^:/\s]+):(\d+)/", log.read_text())
        if found:
            return found[1], int(found[2])
        time.sleep(0.02)
    sys.exit(f"no address:\n{log.read_text()}")


def run(mode, options, directory):
    """One run of `seconds`; the load, if any, is there from its first second to its last."""
    log = pathlib.Path(directory) / "stderr"
    serve = ["--no-serve"] if mode == "none" else ["--listen", "127.0.0.1:0"]
    command = [INLET, "run", PIPELINE, "--json", "--lake", pathlib.Path(directory) / "lake", *serve, "--for", f"{options.seconds}s"]
    settings = {"source.generator.rate": options.rate, "source.generator.clients": options.clients}
    command += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    result = {"mode": mode}
    with log.open("wb") as stderr:
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=stderr, text=True)
    clients = []
    if mode != "none":
        address = address_of(process, log)
        clients = [("livez", Clients("probe", address, 50))]
        if mode == "watched":
            clients += [("readers", Clients("readers", address, options.readers)), ("half_open", Clients("half_open", address, options.half_open))]
        time.sleep(options.seconds - 3)
        for name, some in clients:
            result[name] = some.end()
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{' '.join(map(str, command))} failed\n{log.read_text()}")
    summary = json.loads(output)
    if summary["events"] == 0:
        sys.exit(f"nothing was committed in {options.seconds} s: the machine is too busy to measure anything")
    cpu = usage.ru_utime + usage.ru_stime
    return result | {
        "events": summary["events"],
        "rate": summary["events"] / summary["seconds"],
        "cpu_per_million": cpu / summary["events"] * 1e6,
        "rss_mb": usage.ru_maxrss / 1e3,
        "batch_p99_ms": summary["batch_ms_p99"],
    }


NAMES = {"none": "not serving", "idle": "serving, nobody there", "watched": "serving, watched"}


def show(result):
    print(
        f"{NAMES[result['mode']]:<22} {result['rate'] / 1e3:>6.1f} k/s {result['cpu_per_million']:>7.3f} CPU-s/M"
        f" {result['rss_mb']:>6.0f} MB  batches p99 {result['batch_p99_ms']:>5.0f} ms",
        end="",
    )
    if "livez" in result:
        livez = result["livez"]
        print(f"  /livez p50 {livez['p50_ms']:.1f} p95 {livez['p95_ms']:.1f} p99 {livez['p99_ms']:.1f} max {livez['max_ms']:.0f} ms", end="")
        if livez["failed"]:
            print(f", {livez['failed']} FAILED", end="")
    print(flush=True)
    if "readers" in result:
        read = result["readers"]
        print(
            f"{'':<22} {read['clients']} readers: {read['least_events']} to {read['most_events']} events each, {read['resets']} resets,"
            f" {read['ended']} ended; {result['half_open']['open']} half-open\n"
            f"{'':<22} commit to event p50 {read['committed_p50_ms']} p95 {read['committed_p95_ms']} ms;"
            f" publish to event p50 {read['published_p50_ms']} p95 {read['published_p95_ms']} ms",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rate", type=int, default=50_000)
    parser.add_argument("--clients", type=int, default=5, help="of the sales: how many keys the views have")
    parser.add_argument("--readers", type=int, default=500)
    parser.add_argument("--half-open", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="each run as a line of JSON as well")
    options = parser.parse_args()
    allow_many_files()
    print(f"{options.rate:,} events/s for {options.seconds} s; watched by {options.readers} readers and {options.half_open} half-open connections")
    more = {"idle": [], "watched": []}
    slow = 0
    for number in range(options.pairs):
        # Each order comes in turn, so that what drifts falls on all of them.
        modes = ["none", "idle", "watched"]
        results = {}
        for mode in modes[number % 3 :] + modes[: number % 3]:
            with tempfile.TemporaryDirectory(prefix="inlet-bench-") as directory:
                results[mode] = run(mode, options, directory)
            show(results[mode])
            slow += results[mode]["rate"] < 0.95 * options.rate
            if options.json:
                print(json.dumps(results[mode]), flush=True)
        for mode, ratios in more.items():
            ratios.append(results[mode]["cpu_per_million"] / results["none"]["cpu_per_million"] - 1)
    if slow:
        print(f"{slow} of the runs fell short of the rate by more than 5%: what is done by the clock weighs more on fewer events, so that"
              " they do not compare")
    for mode, ratios in more.items():
        print(f"{NAMES[mode]}: CPU per event {statistics.median(ratios):+.1%} (pairs: {', '.join(f'{r:+.1%}' for r in ratios)})")


if __name__ == "__main__":
    main()
