"""A run that serves, seen from outside: the program, a client that sends bytes as they are, a reader of its events.

Every document that `Live.get` is answered is held against docs/openapi.json, and every answer against what each must
carry. Nothing here knows how the server is made.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import pathlib
import re
import socket
import time
import urllib.parse

import jsonschema
import referencing
import referencing.jsonschema

import delta_log
import shop
from program import ROOT, Program, Running

OPENAPI = json.loads((ROOT / "docs" / "openapi.json").read_text())

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
EVERY_ANSWER = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}

# --- HTTP as bytes ---


class BadAnswer(AssertionError):
    """The server did not speak HTTP."""


@dataclasses.dataclass(frozen=True)
class Response:
    status: int
    headers: list[tuple[str, str]]  # names in lower case
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None

    @property
    def kind(self) -> str:
        return (self.header("content-type") or "").split(";")[0].strip()

    def json(self):
        return json.loads(self.body)

    def error(self) -> str:
        """The id of the error this is; it must be one, whole."""
        assert self.status >= 400 and self.kind == "application/json", self
        document = self.json()
        validate({"$ref": "#/components/schemas/Error"}, document)
        return document["error"]["id"]

    def assert_carries_what_every_answer_must(self) -> None:
        for name, value in EVERY_ANSWER.items():
            assert self.header(name) == value, f"{name}: {self.header(name)!r}\n{self}"
        assert not [name for name, _ in self.headers if name.startswith("access-control-")], self
        if self.kind == "application/json":
            assert self.header("cache-control") == "no-store", self

    def __str__(self) -> str:
        lines = "".join(f"\n  {name}: {value}" for name, value in self.headers)
        return f"{self.status}{lines}\n{self.body[:2000]!r}"


class _Cut(Exception):
    """The connection ended where more was to come."""


class Connection:
    """One TCP connection. What comes back is taken apart strictly."""

    def __init__(self, address: tuple[str, int], timeout: float = 5, small_buffers: bool = False):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if small_buffers:  # so that the kernels hold little of what is not read
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self._rest = b""
        self.received = 0

    def send(self, data: bytes) -> None:
        """As far as the server takes it: one that has closed already is no failure of the test."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def _more(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise _Cut
        self.received += len(data)
        self._rest += data

    def _until(self, end: bytes, limit: int) -> bytes:
        while end not in self._rest:
            if len(self._rest) > limit:
                raise BadAnswer(f"no {end!r} in {limit} bytes: {self._rest[:200]!r}")
            self._more()
        line, self._rest = self._rest.split(end, 1)
        return line

    def take(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._more()
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        """Status and headers. _Cut when nothing came at all."""
        try:
            text = self._until(b"\r\n\r\n", 65536).decode("latin-1")
        except _Cut:
            if self._rest:
                raise BadAnswer(f"a header that ends early: {self._rest[:200]!r}") from None
            raise
        first, *lines = text.split("\r\n")
        match = re.fullmatch(r"HTTP/1\.[01] ([1-5]\d\d) [\x20-\x7e]*", first)
        if not match:
            raise BadAnswer(f"no status line: {first[:200]!r}")
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(r"[^\t\x20-\x7e]", value):
                raise BadAnswer(f"no header: {line[:200]!r}")
            headers.append((name.lower(), value.strip(" \t")))
        return int(match[1]), headers

    def response(self, method: str = "GET") -> Response:
        status, headers = self.head()
        names = dict(headers)
        try:
            if method == "HEAD" or status in (204, 304) or status < 200:
                body = b""
            elif names.get("transfer-encoding", "").lower() == "chunked":
                body = b"".join(iter(self.chunk, b""))
            elif "content-length" in names:
                body = self.take(int(names["content-length"]))
            else:
                body = self.rest()
        except _Cut:
            raise BadAnswer(f"a body that ends early: {status} {headers}") from None
        return Response(status, headers, body)

    def chunk(self) -> bytes:
        size = int(self._until(b"\r\n", 64).split(b";")[0], 16)
        data = self.take(size)
        if self.take(2) != b"\r\n":
            raise BadAnswer("a chunk without its end")
        return data

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        with contextlib.suppress(_Cut):
            while True:
                self._more()
        data, self._rest = self._rest, b""
        return data

    def is_closed(self) -> bool:
        """Waits for the server to close; False when it does not within the time-out, or says more."""
        try:
            return self._rest == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_) -> None:
        self.close()


@dataclasses.dataclass(frozen=True)
class Exchange:
    """What came back for bytes that were sent, and whether the server closed the connection behind it."""

    responses: list[Response]
    closed: bool


def exchange(address: tuple[str, int], data: bytes, timeout: float = 5, quiet: float = 0.3, end: bool = False) -> Exchange:
    """Sends the bytes and takes every response, until the server closes or says nothing for `quiet` seconds after one.
    `end`: says that nothing more will be sent."""
    responses: list[Response] = []
    with Connection(address, timeout) as connection:
        connection.send(data)
        if end:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_WR)
        method = data.split(b" ", 1)[0].decode("latin-1")
        while True:
            try:
                responses.append(connection.response(method if not responses else "GET"))
            except _Cut:
                return Exchange(responses, True)
            except TimeoutError:
                return Exchange(responses, False)
            connection.socket.settimeout(quiet)


# --- server-sent events ---


@dataclasses.dataclass(frozen=True)
class ServerEvent:
    id: int | None
    kind: str
    data: str
    at: float  # time.time() when it had come

    def json(self):
        return json.loads(self.data)

    def key(self) -> tuple:
        return self.id, self.kind, self.data


class EventStream:
    """A reader of /api/v1/events (WHATWG HTML, 9.2), strict about the form."""

    def __init__(self, live: "Live", headers: dict[str, str] | None = None, query: str = "", small_buffers: bool = False):
        self.connection = Connection(live.address, 15, small_buffers)
        self.connection.send(live.request("GET", "/api/v1/events" + query, headers))
        self.status, self.headers = self.connection.head()
        names = dict(self.headers)
        self._chunked = names.get("transfer-encoding", "").lower() == "chunked"
        assert self.status == 200, f"{self.status} {names}"
        assert names["content-type"].split(";")[0] == "text/event-stream", names
        Response(self.status, self.headers, b"").assert_carries_what_every_answer_must()
        self._text = b""
        self.retry: int | None = None
        self.comments = 0
        self.blocks = 0

    def _more(self) -> None:
        if self._chunked:
            data = self.connection.chunk()
            if not data:
                raise _Cut
            self._text += data
        else:
            if not self.connection._rest:
                self.connection._more()
            self._text, self.connection._rest = self._text + self.connection._rest, b""

    def next(self, timeout: float = 10) -> ServerEvent:
        """The next event. AssertionError when none comes in time or the stream ends."""
        deadline = time.monotonic() + timeout
        while True:
            while b"\n\n" not in self._text:
                self.connection.socket.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    self._more()
                except TimeoutError:
                    raise AssertionError(f"no event in {timeout} s") from None
                except _Cut:
                    raise AssertionError("the stream ended") from None
            block, self._text = self._text.split(b"\n\n", 1)
            event = self._event(block.decode("utf-8"))
            if event:
                return event

    def _event(self, block: str) -> ServerEvent | None:
        self.blocks += 1
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            assert "\r" not in line and "\0" not in line, line
            if line.startswith(":"):
                self.comments += 1
                continue
            name, _, value = line.partition(": ")
            assert name in ("id", "event", "data", "retry") and name not in fields, line
            fields[name] = value
        if "retry" in fields:
            assert self.blocks == 1, "retry comes first"
            self.retry = int(fields["retry"])
        if "data" not in fields:
            return None
        number = int(fields["id"]) if "id" in fields else None
        return ServerEvent(number, fields.get("event", "message"), fields["data"], time.time())

    def until(self, wanted, timeout: float = 15) -> list[ServerEvent]:
        """Events up to the first for which `wanted` is true, that one included."""
        deadline = time.monotonic() + timeout
        found = []
        while not found or not wanted(found[-1]):
            assert time.monotonic() < deadline, f"not in {timeout} s; came: {[(e.id, e.kind) for e in found][-20:]}"
            found.append(self.next(max(0.1, deadline - time.monotonic())))
        return found

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> "EventStream":
        return self

    def __exit__(self, *_) -> None:
        self.close()


# --- documents ---


@functools.cache
def _registry() -> referencing.Registry:
    resource = referencing.Resource.from_contents(OPENAPI, default_specification=referencing.jsonschema.DRAFT202012)
    return referencing.Registry().with_resource("urn:openapi", resource)


def _anchored(schema):
    """References point into the OpenAPI document, wherever the schema stands."""
    if isinstance(schema, dict):
        return {k: "urn:openapi" + v if k == "$ref" and v.startswith("#") else _anchored(v) for k, v in schema.items()}
    return [_anchored(v) for v in schema] if isinstance(schema, list) else schema


def validate(schema: dict, document) -> None:
    validator = jsonschema.Draft202012Validator(_anchored(schema), registry=_registry())
    problems = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(document)]
    assert not problems, "\n".join(problems[:10]) + f"\nin {json.dumps(document)[:1500]}"


def operation(path: str) -> tuple[str, dict]:
    """The path of the OpenAPI document that a request's path is one of, and its GET."""
    for pattern, item in OPENAPI["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")), path):
            return pattern, item["get"]
    raise AssertionError(f"docs/openapi.json does not know {path}")


def resolved(node: dict) -> dict:
    while "$ref" in node:
        found = OPENAPI
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def validate_response(path: str, response: Response) -> None:
    """The status is one the route may answer, and the document is of its schema."""
    pattern, get = operation(urllib.parse.unquote(path.partition("?")[0]))
    described = get["responses"].get(str(response.status))
    if described is None:
        assert response.status >= 400, f"{pattern} answers {response.status}, which is not written down"
        described = get["responses"]["default"]
    contents = resolved(described)["content"]
    assert response.kind in contents, f"{pattern} answers {response.kind!r}, not {list(contents)}"
    if response.kind == "application/json":
        validate(contents["application/json"]["schema"], response.json())


# --- metrics ---


@dataclasses.dataclass(frozen=True)
class Metrics:
    """Prometheus' text format 0.0.4, read strictly."""

    types: dict[str, str]
    samples: dict[str, dict[tuple[tuple[str, str], ...], float]]

    @staticmethod
    def read(text: str) -> "Metrics":
        types: dict[str, str] = {}
        helped: set[str] = set()
        samples: dict[str, dict] = {}
        assert text.endswith("\n")
        for line in text.split("\n")[:-1]:
            if match := re.fullmatch(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)", line):
                assert match[1] not in helped, f"two HELP of {match[1]}"
                helped.add(match[1])
                continue
            if match := re.fullmatch(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)", line):
                assert match[1] not in types, f"two TYPE of {match[1]}"
                types[match[1]] = match[2]
                continue
            match = re.fullmatch(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)", line)
            assert match, f"no line of metrics: {line!r}"
            labels = []
            rest = match[2] or ""
            while rest:
                label = re.match(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)', rest)
                assert label, f"no labels: {rest!r}"
                value = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], label[2])
                labels.append((label[1], value))
                rest = rest[label.end() :]
            assert len({name for name, _ in labels}) == len(labels), line
            base = re.sub(r"_(bucket|sum|count)$", "", match[1])
            assert match[1] in types or types.get(base) == "histogram", f"{match[1]} has no TYPE before it"
            series = samples.setdefault(match[1], {})
            key = tuple(sorted(labels))
            assert key not in series, f"twice: {line}"
            series[key] = float(match[3])
        return Metrics(types, samples)

    def all(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """By the labels but for the constant one."""
        return {tuple(l for l in key if l[0] != "pipeline"): value for key, value in self.samples.get(name, {}).items()}

    def value(self, name: str, **labels: str) -> float:
        found = [v for k, v in self.samples.get(name, {}).items() if labels.items() <= dict(k).items()]
        assert len(found) == 1, f"{name}{labels}: {len(found)} samples"
        return found[0]

    def by(self, name: str, label: str) -> dict[str, float]:
        return {dict(key)[label]: value for key, value in self.samples.get(name, {}).items()}

    def names(self) -> set[str]:
        return set(self.types)


# --- the run ---


def quote(text: str) -> str:
    return urllib.parse.quote(text, safe="")


class Live:
    """A run that has said where it serves."""

    program: Program  # what the fixtures of conftest.py add
    shop: shop.Shop
    truth: shop.Truth

    def __init__(self, running: Running, lake: pathlib.Path, token: str | None = None, timeout: float = 20):
        self.running = running
        self.lake = lake
        self.token = token
        found = running.wait_until(lambda: re.search(r"live page: (http://[^/\s\"]+/)", running.stderr()), timeout, "address")
        self.url = found[1]
        self.port = urllib.parse.urlsplit(self.url).port or 80
        self.address = ("127.0.0.1", self.port)
        self.host = f"127.0.0.1:{self.port}"

    def request(self, method: str, target: str, headers: dict[str, str] | None = None, version: str = "1.1") -> bytes:
        """The bytes of a request that is as it should be. A header of None is left out."""
        lines = {"Host": self.host}
        if self.token is not None:
            lines["Authorization"] = f"Bearer {self.token}"
        lines |= headers or {}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        return f"{method} {target} HTTP/{version}\r\n{head}\r\n".encode("latin-1")

    def ask(self, target: str, method: str = "GET", headers: dict[str, str] | None = None, timeout: float = 10) -> Response:
        """One request of its own connection, whatever comes back."""
        with Connection(self.address, timeout) as connection:
            connection.send(self.request(method, target, {"Connection": "close"} | (headers or {})))
            response = connection.response(method)
        response.assert_carries_what_every_answer_must()
        return response

    def get(self, target: str, status: int = 200, **options) -> Response:
        response = self.ask(target, **options)
        assert response.status == status, f"GET {target}: {response}"
        validate_response(target, response)
        return response

    def json(self, target: str, status: int = 200, **options):
        return self.get(target, status, **options).json()

    def refused(self, target: str, status: int, error: str, **options) -> None:
        response = self.get(target, status, **options)
        assert response.error() == error, f"GET {target}: {response}"

    def metrics(self) -> Metrics:
        response = self.get("/metrics")
        assert response.header("content-type").replace(" ", "").startswith("text/plain;version=0.0.4"), response
        return Metrics.read(response.body.decode("utf-8"))

    def events(self, last_id=None, **options) -> EventStream:
        headers = {} if last_id is None else {"Last-Event-ID": str(last_id)}
        return EventStream(self, headers, **options)

    def wait_for(self, condition, timeout: float, what: str):
        return self.running.wait_until(condition, timeout, what)

    def resident_bytes(self) -> int:
        text = pathlib.Path(f"/proc/{self.running.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024

    def alive_within(self, seconds: float) -> None:
        started = time.monotonic()
        assert self.ask("/livez", timeout=seconds).json() == {"status": "ok"}
        assert time.monotonic() - started < seconds


def start(program: Program, lake: pathlib.Path, *arguments, token: str | None = None, listen: str = "127.0.0.1:0", **options) -> Live:
    """`inlet run` with its live side. The caller ends it."""
    words = ["run", program.pipeline, "--lake", lake]
    if listen:
        words += ["--listen", listen]
    running = program.start(*words, *arguments, **options)
    try:
        return Live(running, lake, token)
    except BaseException:
        running.__exit__()
        raise


def is_level(live: Live, events: int, exactly: bool = True) -> bool:
    """So many events are committed, and every view shows them (or, when it need not be exact, some version); partitions
    and tables are shown as they are then."""
    status = live.json("/api/v1/status")
    committed = [partition["committed_offset"] for partition in status["partitions"]]
    if int(status["events"]["total"]) < events or not committed or None in committed:
        return False
    if not exactly:
        return all((view["bronze_version"] or 0) > 1 for view in status["views"])
    for table in status["tables"]:
        version = delta_log.version(live.lake / table["name"])
        if table["version"] != version or table["files"] != len(delta_log.files_at(live.lake / table["name"], version)):
            return False
    newest = delta_log.version(live.lake / "bronze" / status["pipeline"])
    return all(view["bronze_version"] == newest for view in status["views"]) and all(p["lag"] == 0 for p in status["partitions"])
