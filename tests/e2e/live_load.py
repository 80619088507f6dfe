"""Clients by the hundred, each kind in a process of its own so that none disturbs what another measures:

    python live_load.py readers HOST PORT COUNT      event streams, all read
    python live_load.py half_open HOST PORT COUNT    connections that begin a request and never end it; one that the
                                                     server closes is opened anew
    python live_load.py probe HOST PORT PER_SECOND   /livez, each on a connection of its own, and how long it took

Each runs until its standard input ends, then prints one JSON object.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import resource
import selectors
import socket
import subprocess
import sys
import time


def percentile(values: list[float], share: float) -> float | None:
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


def allow_many_files(wanted: int = 8192) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted, hard))


class Clients:
    """One kind of client, as a process."""

    def __init__(self, kind: str, address: tuple[str, int], count: int):
        command = [sys.executable, "-B", __file__, kind, address[0], str(address[1]), str(count)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", f"{kind}: not ready"

    def end(self, timeout: float = 20) -> dict:
        output, _ = self.process.communicate("", timeout)
        return json.loads(output)

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _connect(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address, 10)
    connection.setblocking(False)
    return connection


class _Reader:
    """Counts events without reading them; `closely`: the time from a publish to its event as well."""

    def __init__(self, address, host: str, closely: bool):
        self.socket = _connect(address)
        self.socket.send(f"GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        self.tail = b""
        self.events = self.resets = self.bytes = 0
        self.last_at = 0.0
        self.closely = closely
        self.latencies: dict[str, list[float]] = {"committed": [], "published": []}
        self.ended = False

    def read(self) -> None:
        try:
            data = self.socket.recv(262_144)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return
        now = time.time()
        self.bytes += len(data)
        self.last_at = now
        text = self.tail + data
        blocks = text.split(b"\n\n")
        self.tail = blocks.pop()
        for block in blocks:
            at = block.find(b"event: ")
            if at < 0:
                continue
            kind = block[at + 7 : block.find(b"\n", at)].decode()
            self.events += 1
            self.resets += kind == "reset"
            if self.closely and kind in self.latencies:
                document = json.loads(block[block.index(b"data: ") + 6 :].split(b"\r\n")[0])
                self.latencies[kind].append(now - datetime.datetime.fromisoformat(document["at"]).timestamp())


def readers(address, host: str, count: int) -> dict:
    clients = [_Reader(address, host, number < 3) for number in range(count)]
    watch = selectors.DefaultSelector()
    for client in clients:
        watch.register(client.socket, selectors.EVENT_READ, client)
    watch.register(sys.stdin, selectors.EVENT_READ, None)
    print("ready", flush=True)
    started = time.time()
    ended = False
    while not ended:
        for key, _ in watch.select(1):
            if key.data is None:
                ended = True
            else:
                key.data.read()
                if key.data.ended:
                    watch.unregister(key.data.socket)
    latencies = {kind: [x for c in clients for x in c.latencies[kind]] for kind in ("committed", "published")}
    return {
        "clients": count,
        "ended": sum(client.ended for client in clients),
        "resets": sum(client.resets for client in clients),
        "events": sum(client.events for client in clients),
        "least_events": min(client.events for client in clients),
        "most_events": max(client.events for client in clients),
        "longest_silence": time.time() - min(client.last_at for client in clients),
        "bytes": sum(client.bytes for client in clients),
        "seconds": time.time() - started,
    } | {
        f"{kind}_{name}_ms": round(percentile(values, share) * 1000, 1) if values else None
        for kind, values in latencies.items()
        for name, share in (("p50", 0.5), ("p95", 0.95))
    }


def half_open(address, host: str, count: int) -> dict:
    watch = selectors.DefaultSelector()
    opened = refused = 0

    def begin() -> None:
        nonlocal opened, refused
        try:
            connection = _connect(address)
            if opened % 2:
                connection.send(f"GET /livez HTTP/1.1\r\nHost: {host}\r\nX-Wait: ".encode())
            watch.register(connection, selectors.EVENT_READ, "open")
            opened += 1
        except OSError:
            refused += 1

    for _ in range(count):
        begin()
    watch.register(sys.stdin, selectors.EVENT_READ, None)
    print("ready", flush=True)
    while True:
        for key, _ in watch.select(1):
            if key.data is None:
                return {"opened": opened, "refused": refused, "open": len(watch.get_map()) - 1}
            with contextlib.suppress(OSError):
                key.fileobj.recv(65536)
            watch.unregister(key.fileobj)
            key.fileobj.close()
            begin()


def probe(address, host: str, per_second: int) -> dict:
    request = f"GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    watch = selectors.DefaultSelector()
    watch.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    took: list[float] = []
    failed = 0
    while not watch.select(1 / per_second):
        started = time.perf_counter()
        try:
            with socket.create_connection(address, 5) as connection:
                connection.sendall(request)
                answer = b""
                while data := connection.recv(4096):
                    answer += data
            assert answer.startswith(b"HTTP/1.1 200 ")
        except (OSError, AssertionError):
            failed += 1
        took.append((time.perf_counter() - started) * 1000)
    return {"asked": len(took), "failed": failed} | {
        name: round(percentile(took, share), 2) for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99), ("max_ms", 1.0))
    }


def main() -> None:
    kind, host, port, count = sys.argv[1:]
    allow_many_files()
    run = {"readers": readers, "half_open": half_open, "probe": probe}[kind]
    print(json.dumps(run((host, int(port)), f"{host}:{port}", int(count))), flush=True)


if __name__ == "__main__":
    main()
