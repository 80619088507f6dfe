#!/usr/bin/env python3
"""Ingest, measured: Inlet beside the limit program, in turn, so that a machine that drifts drifts for both.

    make bench-ingest                     generator, file and Kafka, and latency at 10,000 events/s
    bench/ingest.py --events 2000000 --pairs 5 --only generator

The limit program (bench/limit_program.cc) polls, parses and writes Parquet with the same libraries and does nothing else.
Prints one row a source: medians over the pairs, and the ratio of events per CPU-second pair by pair.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
INLET = ROOT / "build" / "inlet"
LIMIT = ROOT / "build" / "bench" / "bench" / "limit_program"
PIPELINE = ROOT / "pipelines" / "ventes.toml"
TIMEOUT_SECONDS = 600


def run(command):
    """Runs a command; its stdout, wall and CPU seconds, and its largest resident set in kB."""
    started = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return output, time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def inlet_run(source, events, batch_rows, lake, sets):
    command = [INLET, "run", PIPELINE, "--only", "bronze", "--json", "--lake", lake, "--source", source, "--set", f"bronze.batch_rows={batch_rows}"]
    for key, value in sets.items():
        command += ["--set", f"{key}={value}"]
    command += ["--events", events]
    output, _, cpu, rss = run(command)
    summary = json.loads(output)
    return {
        "events": summary["events"], "seconds": summary["seconds"], "cpu": cpu, "rss": rss,
        "bytes": summary["source_bytes"], "p50": summary["batch_ms_p50"], "p99": summary["batch_ms_p99"],
    }


def limit_run(kind, where, events, batch_rows, directory):
    output, _, cpu, rss = run([LIMIT, kind, where, events, batch_rows, directory])
    summary = json.loads(output)
    return {"events": summary["events"], "seconds": summary["seconds"], "cpu": cpu, "rss": rss}


def measure(source, where, events, batch_rows, pairs, sets):
    ours, limits = [], []
    for _ in range(pairs):
        with tempfile.TemporaryDirectory(prefix="inlet-bench-") as lake:
            ours.append(inlet_run(source, events, batch_rows, lake, sets))
        with tempfile.TemporaryDirectory(prefix="inlet-bench-") as directory:
            limits.append(limit_run(source, where, events, batch_rows, directory))
    ratios = [(o["events"] / o["cpu"]) / (l["events"] / l["cpu"]) for o, l in zip(ours, limits)]
    median = lambda rows, of: statistics.median(of(r) for r in rows)
    print(f"{source:<10} {batch_rows:>8} "
          f"{median(ours, lambda r: r['events'] / r['seconds']) / 1e3:>9.0f} k/s "
          f"{median(ours, lambda r: r['bytes'] / r['seconds']) / 1e6:>7.0f} MB/s "
          f"{median(ours, lambda r: r['cpu'] / r['events'] * 1e6):>6.2f} CPU-s/M "
          f"{median(ours, lambda r: r['rss']) / 1e3:>6.0f} MB "
          f"{median(ours, lambda r: r['p50']):>6.0f} ms {median(ours, lambda r: r['p99']):>6.0f} ms   "
          f"{median(limits, lambda r: r['events'] / r['seconds']) / 1e3:>7.0f} k/s "
          f"{median(limits, lambda r: r['cpu'] / r['events'] * 1e6):>6.2f} CPU-s/M   "
          f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})", flush=True)


def latency(bootstrap, seconds, rate):
    """p50 and p99 from the record's timestamp at the producer to the commit of its row, in milliseconds."""
    import duckdb

    sets = {"source.kafka.bootstrap_servers": bootstrap, "source.kafka.topic": "latency"}
    with tempfile.TemporaryDirectory(prefix="inlet-bench-") as lake:
        flags = [f for k, v in sets.items() for f in ("--set", f"{k}={v}")]
        run([INLET, "produce", PIPELINE, "--count", 1, "--partitions", 2, "--quiet", *flags])
        ingest = subprocess.Popen([str(INLET), "run", str(PIPELINE), "--only", "bronze", "--quiet", "--lake", lake, "--source", "kafka", *flags,
                                   "--for", f"{seconds + 5}s"])
        time.sleep(2)
        run([INLET, "produce", PIPELINE, "--count", rate * seconds, "--rate", rate, "--quiet", *flags])
        ingest.wait(timeout=TIMEOUT_SECONDS)
        table = pathlib.Path(lake) / "bronze" / "ventes_stream"
        rows = []
        for commit in sorted((table / "_delta_log").glob("0*.json")):
            actions = [json.loads(line) for line in commit.read_text().splitlines()]
            committed = next(a["commitInfo"]["timestamp"] for a in actions if "commitInfo" in a)
            for action in actions:
                if "add" in action:
                    rows.append((str(table / action["add"]["path"]), committed))
        values = ", ".join(f"('{path}', {committed})" for path, committed in rows)
        p50, p99, count = duckdb.sql(f"""
            WITH committed(filename, commit_ms) AS (VALUES {values})
            SELECT quantile_cont(commit_ms - epoch_ms(_kafka_timestamp), 0.5), quantile_cont(commit_ms - epoch_ms(_kafka_timestamp), 0.99), count(*)
            FROM read_parquet({[path for path, _ in rows]}, filename = true, hive_partitioning = false) JOIN committed USING (filename)
            WHERE _offset > 0""").fetchone()
        print(f"\nKafka at {rate:,} events/s for {seconds} s: produce -> committed p50 {p50:.0f} ms, p99 {p99:.0f} ms ({count:,} events)")


class Broker:
    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="inlet-bench-kafka-")
        started = subprocess.run([str(ROOT / "scripts" / "kafka-broker.sh"), "start", self.directory, "--port", "0"],
                                 check=True, capture_output=True, text=True)
        self.bootstrap = started.stdout.strip().splitlines()[-1]
        return self

    def __exit__(self, *_):
        subprocess.run([str(ROOT / "scripts" / "kafka-broker.sh"), "stop", self.directory], check=False, capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--only", choices=["generator", "file", "kafka", "latency"])
    options = parser.parse_args()
    wanted = [options.only] if options.only else ["generator", "file", "kafka", "latency"]
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    print(f"{options.events:,} events a run, {options.pairs} pairs; medians. Ratio: Inlet's events per CPU-second over the limit program's.")
    print("source        batch      Inlet       bytes     CPU           RSS   batch p50    p99       limit       CPU          ratio")
    if "generator" in wanted:
        measure("generator", PIPELINE, options.events, 250_000, options.pairs, {"source.generator.rate": 0, "source.generator.partitions": 1})
    with tempfile.TemporaryDirectory(prefix="inlet-bench-") as work, Broker() as broker:
        kafka = {"source.kafka.bootstrap_servers": broker.bootstrap, "source.kafka.topic": "bench"}
        if {"file", "kafka"} & set(wanted):
            flags = [f for k, v in kafka.items() for f in ("--set", f"{k}={v}")]
            run([INLET, "produce", PIPELINE, "--count", options.events, "--partitions", 4, "--quiet", *flags])
        if "file" in wanted:
            path = pathlib.Path(work) / "events.jsonl"
            with path.open("wb") as out:
                subprocess.run([str(LIMIT), "dump", str(PIPELINE), str(options.events), "0", "-"], check=True, stdout=out)
            measure("file", path, options.events, 250_000, options.pairs, {"source.file.path": path})
        if "kafka" in wanted:
            measure("kafka", f"{broker.bootstrap}/bench", options.events, 100_000, options.pairs, kafka)
        if "latency" in wanted:
            latency(broker.bootstrap, 20, 10_000)


if __name__ == "__main__":
    main()
