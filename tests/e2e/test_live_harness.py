"""What looks at the live side must see its faults: answers that are no HTTP, streams and metrics of a wrong form."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

import live
from live import BadAnswer, Connection, Metrics


@contextlib.contextmanager
def answering(data: bytes):
    """A server that says this to one client, whatever it asks, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(data)

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()
        thread.join()


def response_to(data: bytes) -> live.Response:
    with answering(data) as address, Connection(address) as connection:
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        return connection.response()


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: b\nX-B: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_seen(data):
    with pytest.raises(BadAnswer):
        response_to(data)


def test_http_is_read():
    response = response_to(b"HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\n\r\n")
    assert (response.status, response.body, response.header("a")) == (200, b"hello", "b")
    with pytest.raises(AssertionError):
        response.assert_carries_what_every_answer_must()


def test_every_answer_of_a_connection_is_taken():
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    with answering(one * 3) as address:
        result = live.exchange(address, b"GET / HTTP/1.1\r\n\r\n")
    assert [response.body for response in result.responses] == [b"hi"] * 3 and result.closed


@pytest.mark.parametrize(
    "text",
    [
        "a 1",
        "a 1\n",
        "# TYPE a counter\na 1\na 2\n",
        "# TYPE a counter\n# TYPE a gauge\na 1\n",
        '# TYPE a counter\na{x="1",x="2"} 1\n',
        '# TYPE a counter\na{x="\\z"} 1\n',
        "# TYPE a counter\na{x=1} 1\n",
        "# TYPE a counter\na one\n",
        "# TYPE a summary\na 1\n",
        "# TYPE a counter\n\na 1\n",
    ],
)
def test_metrics_of_a_wrong_form_are_seen(text):
    with pytest.raises((AssertionError, ValueError)):
        Metrics.read(text)


def test_metrics_are_read():
    text = '# HELP a of a\n# TYPE a counter\na{pipeline="p",x="q\\"\\\\\\n"} 1.5\n# TYPE h histogram\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'
    metrics = Metrics.read(text)
    assert metrics.value("a", pipeline="p") == 1.5 and metrics.by("a", "x") == {'q"\\\n': 1.5}
    assert metrics.value("h_bucket", le="+Inf") == 2 and metrics.names() == {"a", "h"}


def test_a_document_that_is_not_of_its_schema_is_seen():
    right = {"version": 1, "rows": 2, "at": "2026-01-02T03:04:05.123Z"}
    live.validate({"$ref": "#/components/schemas/CommittedEvent"}, right)
    for wrong in ({**right, "rows": "2"}, {**right, "more": 1}, {"version": 1, "rows": 2}, {**right, "at": "2026-01-02 03:04"}):
        with pytest.raises(AssertionError):
            live.validate({"$ref": "#/components/schemas/CommittedEvent"}, wrong)
    rows = {"view": "x", "columns": [], "rows": [[None, 1, "x", True]], "versions": {}, "truncated": False}
    live.validate({"$ref": "#/components/schemas/ViewRows"}, rows)
    for wrong in ({**rows, "more": 1}, {**rows, "rows": [[{}]]}, {**rows, "versions": {"a": "1"}}):
        with pytest.raises(AssertionError):
            live.validate({"$ref": "#/components/schemas/ViewRows"}, wrong)


def test_each_path_of_the_document_is_found():
    for path in live.OPENAPI["paths"]:
        assert live.operation(path.replace("{view}", "x").replace("{id}", "x").replace("{name}", "x"))[0] == path
    with pytest.raises(AssertionError):
        live.operation("/api/v1/nothing")
