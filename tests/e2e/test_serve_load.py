"""Many watchers while much flows: the life sign stays quick, nothing grows, nobody is forgotten.

Kept short for every run of the tests; longer and stricter by the environment:
    INLET_LOAD_SECONDS   18      how long it is measured
    INLET_LOAD_READERS   500     event streams that are read
    INLET_LOAD_HALF_OPEN 1000    connections that begin a request and never end it
    INLET_LOAD_RATE      50000   events a second
    INLET_LOAD_LIVEZ_MS  300     the largest p99 of /livez; 100 on a machine with nothing else to do
bench/live.py measures what all this costs.
"""

from __future__ import annotations

import os
import statistics
import time

import pytest

import delta_log
import live
import shop
from live_load import Clients, allow_many_files
from program import EXIT_OK, Program, sets

SECONDS = float(os.environ.get("INLET_LOAD_SECONDS") or 18)
READERS = int(os.environ.get("INLET_LOAD_READERS") or 500)
HALF_OPEN = int(os.environ.get("INLET_LOAD_HALF_OPEN") or 1000)
RATE = int(os.environ.get("INLET_LOAD_RATE") or 50_000)
LIVEZ_MS = float(os.environ.get("INLET_LOAD_LIVEZ_MS") or 300)


@pytest.mark.slow
def test_many_watchers_while_much_flows(binary, tmp_path):
    allow_many_files()
    # Days pass slowly enough that the views' partitions stay as small as a real stream's.
    change = lambda text: text.replace('event_interval = "5s"', 'event_interval = "20ms"').replace('batch_interval = "50ms"', 'batch_interval = "250ms"')  # noqa: E731
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path, change))
    served = live.start(program, tmp_path / "lake", "--source", "generator", "--json", *sets(f"source.generator.rate={RATE}"))
    with served.running:
        served.wait_for(lambda: live.is_level(served, RATE, exactly=False), 30, "a flow")
        with (
            Clients("readers", served.address, READERS) as readers,
            Clients("half_open", served.address, HALF_OPEN) as half_open,
            Clients("probe", served.address, 50) as probe,
        ):
            time.sleep(1)
            first = served.metrics()
            started = time.monotonic()
            assert first.value("inlet_http_event_streams") >= READERS
            assert first.value("inlet_http_connections") >= READERS + HALF_OPEN * 0.9
            resident, queued, behind = [], [], []
            while time.monotonic() - started < SECONDS:
                resident.append(served.resident_bytes())
                metrics = served.metrics()
                queued.append(metrics.value("inlet_queue_rows"))
                behind.append(max(metrics.by("inlet_view_behind_seconds", "view").values()))
                time.sleep(0.25)
            seconds = time.monotonic() - started
            last = served.metrics()
            livez, read, opened = probe.end(), readers.end(), half_open.end()
        served.running.signal(15)
        summary = served.running.wait(30).expect(EXIT_OK).json()

    def thirds(values: list[float]) -> tuple[float, float]:
        third = len(values) // 3
        return statistics.median(values[third : 2 * third]), statistics.median(values[2 * third :])

    def grown(name: str) -> float:
        return last.value(name) - first.value(name)

    rate = grown("inlet_records_total") / seconds
    cpu = grown("process_cpu_seconds_total") / (grown("inlet_records_total") / 1e6)
    middle, end = thirds(resident)
    queue_middle, queue_end = thirds(queued)
    behind_middle, behind_end = thirds(behind)
    print(
        f"\n{rate:,.0f} events/s, {cpu:.2f} CPU-s per million, {READERS} readers, {opened['open']} half-open ({opened['opened']} in all)"
        f"\n/livez {livez}\nreaders {read}\nresident {middle / 1e6:.1f} MB, then {end / 1e6:.1f} MB"
        f"\nqueued rows {queue_middle:,.0f}, then {queue_end:,.0f}; views behind {behind_middle:.2f} s, then {behind_end:.2f} s"
        f"\nbatches p50 {summary['batch_ms_p50']:.0f} ms, p99 {summary['batch_ms_p99']:.0f} ms"
    )
    assert livez["failed"] == 0 and livez["asked"] > 10 * SECONDS
    assert livez["p99_ms"] <= LIVEZ_MS
    assert read["ended"] == 0 and read["least_events"] > 4 * SECONDS, "every reader gets its events"
    assert read["longest_silence"] < 5
    assert rate > RATE * 0.5, "the flow goes on"
    assert queue_end <= max(1.5 * queue_middle, RATE), "the queue does not grow"
    assert behind_end <= behind_middle + 1.5, "the views do not fall behind"
    assert end <= 1.15 * middle, "memory is flat"
    newest = delta_log.version(tmp_path / "lake" / "bronze" / "shop")
    assert {view["published"] for view in summary["views"]} == {newest}
