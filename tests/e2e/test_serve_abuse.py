"""Hostile clients. Each request is a test of its own; after every one the server answers at once and sales are
committed as before.

Where HTTP or the specification leaves a choice, all that is safe is taken: the answers that are wrong are those that do
what was asked, those that are no HTTP, and those to a request that was hidden inside another.
"""

from __future__ import annotations

import dataclasses
import pathlib
import random
import select
import socket
import threading
import time

import pytest

import delta_log
import live
from live import BadAnswer, Connection, exchange, quote

SEED = 20260118


@pytest.fixture(autouse=True)
def unharmed(flowing):
    """After the test: an answer within a second, and another commit."""
    yield
    flowing.alive_within(1)
    bronze = flowing.lake / "bronze" / "shop"
    version = len(delta_log.commit_files(bronze))
    flowing.wait_for(lambda: len(delta_log.commit_files(bronze)) > version, 5, "commit after the attack")


@dataclasses.dataclass(frozen=True)
class Case:
    """Bytes with {host} for the right Host, and what may come back. No answer at all is one of the choices where
    `silence` is set; `closed`: the connection must not be used again."""

    data: bytes
    statuses: tuple[int, ...]
    error: str | None = None
    closed: bool = False
    silence: bool = False
    answers: int = 1


def assert_case(flowing, case: Case) -> None:
    data = case.data.replace(b"{host}", flowing.host.encode()).replace(b"{port}", str(flowing.port).encode())
    # One that need not be closed is told that nothing more comes, so that nobody waits.
    result = exchange(flowing.address, data, end=case.silence or not case.closed)
    statuses = [response.status for response in result.responses]
    assert len(statuses) <= case.answers, f"{len(statuses)} answers: {statuses}"
    if not statuses:
        assert case.silence and result.closed, "no answer"
        return
    assert set(statuses) <= set(case.statuses), f"{statuses}\n{result.responses[0]}"
    for response in result.responses:
        response.assert_carries_what_every_answer_must()
        if response.status >= 400 and response.body:
            error = response.error()
            assert case.error is None or response.status != case.statuses[0] or error == case.error, response
        assert b"root:" not in response.body and (b"<script" not in response.body or response.kind == "text/html")
    if case.closed:
        assert result.closed, f"{statuses}, and the connection stays"


def cases(table: dict[str, Case]):
    return pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in table.items()])


# --- targets ---


def target(text: str | bytes, *statuses: int, error: str | None = None) -> Case:
    raw = text if isinstance(text, bytes) else text.encode()
    return Case(b"GET " + raw + b" HTTP/1.1\r\nHost: {host}\r\n\r\n", statuses or (400,), error)


def bad(text: str | bytes) -> Case:
    return target(text, 400, error="http.bad_target")


TARGETS = {
    "dot_dot": bad("/../etc/passwd"),
    "dot_dot_deep": bad("/assets/../../../../etc/passwd"),
    "dot_dot_at_the_end": bad("/assets/.."),
    "dot_dot_in_the_middle": bad("/livez/../metrics"),
    "dot": bad("/./livez"),
    "dot_at_the_end": bad("/livez/."),
    "encoded_dots": bad("/%2e%2e/etc/passwd"),
    "encoded_dots_capital": bad("/%2E%2E/etc/passwd"),
    "half_encoded_dots": bad("/.%2e/etc/passwd"),
    "encoded_slash": target("/..%2fetc%2fpasswd", 400, 404),
    "encoded_everything": target("/%2e%2e%2fetc%2fpasswd", 400, 404),
    "encoded_slash_before_a_route": target("/%2flivez", 400, 404),
    "encoded_slash_in_a_route": target("/api%2fv1%2fstatus", 400, 404),
    "doubly_encoded": target("/%252e%252e/etc/passwd", 400, 404),
    "doubly_encoded_slash": target("/assets/..%252f..%252fetc%252fpasswd", 400, 404),
    "three_times_encoded": target("/%25252e%25252e/etc/passwd", 400, 404),
    "backslash": bad("/..\\..\\windows\\win.ini"),
    "encoded_backslash": bad("/..%5c..%5cwindows%5cwin.ini"),
    "backslash_before_a_host": bad("/\\evil.example/"),
    "overlong_dot": bad("/%c0%ae%c0%ae/etc/passwd"),
    "overlong_slash": bad("/..%c0%afetc%c0%afpasswd"),
    "overlong_of_three": bad("/%e0%80%ae%e0%80%ae/etc/passwd"),
    "overlong_of_four": bad("/%f0%80%80%ae/etc/passwd"),
    "surrogate": bad("/%ed%a0%80"),
    "beyond_unicode": bad("/%f4%90%80%80"),
    "cut_utf8": bad("/%e2%82"),
    "latin1": bad("/caf%e9"),
    "byte_ff": bad("/%ff%fe"),
    "raw_utf8": target("/café", 400, 404),
    "raw_ff": bad(b"/\xff\xfe"),
    "nul": bad("/%00"),
    "nul_before_a_suffix": bad("/assets/index.js%00.css"),
    "raw_nul": target(b"/\0", 400),
    "newline": bad("/livez%0d%0aX-Injected:%201"),
    "raw_escape": target(b"/\x1b[2J", 400),
    "encoded_escape": bad("/%1b%5b2J"),
    "delete": bad("/%7f"),
    "percent": bad("/%"),
    "percent_one_digit": bad("/%2"),
    "percent_no_digit": bad("/%zz"),
    "percent_unicode": bad("/%u002e%u002e/"),
    "percent_signed": bad("/%+1%-1"),
    "two_slashes": bad("//etc/passwd"),
    "two_slashes_inside": bad("/api//v1/status"),
    "empty_segment": bad("/api/v1/views//rows"),
    "slash_at_the_end": target("/livez/", 400, 404),
    "full_width_dots": target("/%ef%bc%8e%ef%bc%8e/etc/passwd", 404),
    "dots_and_semicolon": target("/..;/metrics", 404, 400),
    "path_parameter": target("/livez;jsessionid=1", 404),
    "three_dots": target("/assets/.../x", 404),
    "many_dots": target("/" + "../" * 300, 400, 414),
    "space_encoded": target("/livez%20", 404),
    "capitals": target("/LIVEZ", 404),
    "file": target("/etc/passwd", 404),
    "proc": target("/proc/self/environ", 404),
    "git": target("/.git/config", 404),
    "fragment": target("/livez#x", 400, 404),
    "absolute_form": bad("http://evil.example/livez"),
    "absolute_form_of_this_server": bad("http://{host}/livez"),
    "absolute_form_of_a_file": bad("file:///etc/passwd"),
    "authority_form": bad("evil.example:80"),
    "asterisk": bad("*"),
    "no_slash": bad("livez"),
    "only_a_query": bad("?x=1"),
    "empty": Case(b"GET  HTTP/1.1\r\nHost: {host}\r\n\r\n", (400,)),
    "space_inside": Case(b"GET /live z HTTP/1.1\r\nHost: {host}\r\n\r\n", (400,)),
    "tab_inside": Case(b"GET\t/livez\tHTTP/1.1\r\nHost: {host}\r\n\r\n", (400,)),
    "at_the_limit": target("/" + "a" * 4095, 404),
    "over_the_limit": target("/" + "a" * 4096, 414),
    "huge": Case(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: {host}\r\n\r\n", (414, 431, 400), closed=True),
    "huge_query": Case(b"GET /livez?" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: {host}\r\n\r\n", (414, 431, 400), closed=True),
    "never_ending": Case(b"GET /" + b"a" * 4_000_000, (414, 431, 400), closed=True, silence=True),
    "deep": target("/" + "a/" * 2000 + "a", 404, 400),
    "encoded_at_the_limit": target("/" + "%61" * 1300, 404),
    "crlf_before_the_protocol": Case(b"GET /livez\r\nHost: {host}\r\n\r\n", (400,), silence=True),
}


@cases(TARGETS)
def test_target(flowing, case):
    assert_case(flowing, case)


PARAMETERS = {
    "unknown": ("/api/v1/status?x=1", "http.unknown_parameter"),
    "unknown_of_a_life_sign": ("/livez?x=1", "http.unknown_parameter"),
    "unknown_of_metrics": ("/metrics?name=1", "http.unknown_parameter"),
    "unknown_without_a_value": ("/api/v1/views?x", "http.unknown_parameter"),
    "unknown_capital": ("/api/v1/views/per_country/rows?LIMIT=1", "http.unknown_parameter"),
    "token": ("/api/v1/status?token=abc", "http.unknown_parameter"),
    "where_without_a_column": ("/api/v1/views/per_country/rows?where.=1", None),
    "where_alone": ("/api/v1/views/per_country/rows?where=1", "http.unknown_parameter"),
    "where_of_a_panel": ("/api/v1/panels/overview?where.country=France", "http.unknown_parameter"),
    "prototype": ("/api/v1/panels/overview?__proto__=1", "http.unknown_parameter"),
    "brackets": ("/api/v1/panels/overview?country[]=France", "http.unknown_parameter"),
    "twice": ("/api/v1/views/per_country/rows?limit=1&limit=2", "http.repeated_parameter"),
    "twice_the_same": ("/api/v1/views/per_country/rows?limit=1&limit=1", "http.repeated_parameter"),
    "twice_encoded": ("/api/v1/views/per_country/rows?limit=1&%6cimit=2", "http.repeated_parameter"),
    "twice_where": ("/api/v1/views/per_country/rows?where.country=a&where.country=b", "http.repeated_parameter"),
    "twice_a_filter": ("/api/v1/panels/overview?country=a&country=b", "http.repeated_parameter"),
    "twice_the_view": ("/api/v1/provenance?view=per_country&view=per_client", "http.repeated_parameter"),
    "twice_an_id": ("/api/v1/events?last_event_id=1&last_event_id=2", "http.repeated_parameter"),
    "many": ("/api/v1/views/per_country/rows?" + "&".join(f"where.c{i}=1" for i in range(65)), None),
    "empty_name": ("/api/v1/views/per_country/rows?=1", None),
    "bad_encoding": ("/api/v1/views/per_country/rows?where.country=%zz", "http.bad_target"),
    "bad_utf8": ("/api/v1/views/per_country/rows?where.country=%ff", "http.bad_target"),
    "overlong_utf8": ("/api/v1/views/per_country/rows?where.country=%c0%af", "http.bad_target"),
    "nul": ("/api/v1/views/per_country/rows?where.country=a%00b", "http.bad_target"),
    "control": ("/api/v1/views/per_country/rows?where.country=a%1bb", "http.bad_target"),
    "nul_in_a_name": ("/api/v1/views/per_country/rows?where.country%00=a", "http.bad_target"),
    "semicolon": ("/api/v1/views/per_country/rows?limit=1;offset=1", None),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter(flowing, name):
    text, error = PARAMETERS[name]
    response = flowing.ask(text)
    assert response.status == 400 and (error is None or response.error() == error), response


NUMBERS = ["0", "-1", "10001", "99999999999999999999", "18446744073709551617", "4294967297", "1.5", "1e3", "0x10", "+5", "%205", "5%20", "5%0a", "٣", "", "NaN", "true", "1,000", "--1", "5;6", "१"]


@pytest.mark.parametrize(
    ("where", "number"),
    [("rows", number) for number in NUMBERS] + [(where, n) for where in ("quarantine", "late", "history") for n in NUMBERS[:4]],
    ids=lambda text: text.encode("unicode-escape").decode() or "empty",
)
def test_a_limit_out_of_range_or_no_number(flowing, where, number):
    encoded = number if "%" in number else quote(number)
    path = {"rows": "views/per_country/rows?", "quarantine": "quarantine?", "late": "late?", "history": "history?table=bronze/shop&"}[where]
    response = flowing.get(f"/api/v1/{path}limit={encoded}", 400)
    assert response.error()


@pytest.mark.parametrize("limit", ["1001", "501", "10000"])
def test_each_route_has_a_limit_of_its_own(flowing, limit):
    statuses = [
        flowing.ask(f"/api/v1/{path}limit={limit}").status
        for path in ("views/per_country/rows?", "quarantine?", "late?", "history?table=bronze/shop&")
    ]
    number = int(limit)
    assert statuses == [200, *(200 if number <= most else 400 for most in (1000, 1000, 500))]


@pytest.mark.parametrize("number", ["-1", "1.5", "x", "99999999999999999999999", "%00", "0x1"])
def test_an_offset_that_is_none(flowing, number):
    assert flowing.ask(f"/api/v1/views/per_country/rows?offset={number}").status == 400


def test_the_largest_offset_is_a_number(flowing):
    response = flowing.ask(f"/api/v1/views/per_country/rows?offset={2**63 - 1}")
    assert response.status in (200, 400) and (response.status == 400 or response.json()["rows"] == [])


# --- SQL in every parameter ---

SQL = {
    "copy": "'; COPY (SELECT 1) TO '{probe}'; --",
    "copy_double": "\"; COPY (SELECT 1) TO '{probe}'; --",
    "or_true": "' OR '1'='1",
    "union": "' UNION SELECT * FROM bronze.shop --",
    "function": "read_csv('/etc/passwd')",
    "file_function": "'||(SELECT content FROM read_text('/etc/passwd'))||'",
    "comment": "/**/country/**/",
    "unicode_quotes": "\u2019 OR \u20181\u2019=\u20181",
    "dollar_quotes": "$$; DROP TABLE x; $$",
    "escape": "\\' OR 1=1 --",
    "semicolons": "; ; ; DROP VIEW bronze.shop; ;",
    "placeholder": "$1 ? :name",
    "position": "1",
    "star_regex": "COLUMNS('.*')",
    "null": "NULL",
    "long": "'" * 900,
}
PLACES = {
    # where the text goes: (target, statuses it may have)
    "sort": ("/api/v1/views/per_country/rows?sort={}", (400,)),
    "order": ("/api/v1/views/per_country/rows?sort=sales&order={}", (400,)),
    "limit": ("/api/v1/views/per_country/rows?limit={}", (400,)),
    "offset": ("/api/v1/views/per_country/rows?offset={}", (400,)),
    "where_value": ("/api/v1/views/per_country/rows?where.country={}", (200,)),
    "where_column": ("/api/v1/views/per_country/rows?where.{}=1", (400,)),
    "where_number": ("/api/v1/views/per_country/rows?where.sales={}", (200, 400)),
    "view": ("/api/v1/views/{}/rows", (404, 400)),
    "panel": ("/api/v1/panels/{}", (404, 400)),
    "filter": ("/api/v1/filters/{}", (404, 400)),
    "filter_value": ("/api/v1/panels/per_client?who={}", (200,)),
    "filter_of_bronze": ("/api/v1/panels/every_sale?country={}", (200,)),
    "filter_name": ("/api/v1/panels/overview?{}=1", (400,)),
    "table": ("/api/v1/history?table={}", (404, 400)),
    "reason": ("/api/v1/quarantine?reason={}", (200,)),
    "provenance_view": ("/api/v1/provenance?view={}", (404, 400)),
    "provenance_value": ("/api/v1/provenance?view=per_country&where.country={}", (200,)),
    "provenance_column": ("/api/v1/provenance?view=per_country&where.{}=1", (400,)),
    "event_id": ("/api/v1/events?last_event_id={}", (200, 400)),
}


@pytest.mark.parametrize("name", SQL)
@pytest.mark.parametrize("place", PLACES)
def test_sql_in_a_parameter_is_a_text(flowing, tmp_path, place, name):
    probe = tmp_path / "written"
    text = SQL[name].replace("{probe}", str(probe))
    pattern, statuses = PLACES[place]
    if (place, name) in {("limit", "position"), ("offset", "position"), ("where_number", "position")}:
        statuses = (200,)  # that one is a number
    target_text = pattern.format(quote(text))
    if place == "event_id":
        with Connection(flowing.address) as connection:
            connection.send(flowing.request("GET", target_text))
            assert connection.head()[0] in statuses
        return
    response = flowing.ask(target_text)
    if "\\" in text and response.status == 400 and response.error() == "http.bad_target":
        return  # a backslash may be refused wherever it stands
    assert response.status in statuses, response
    assert not probe.exists() and b"root:" not in response.body
    if response.status == 200:
        document = response.json()
        if place not in ("limit", "offset", "where_number"):
            assert document.get("rows", []) == [] and int(document.get("rows_total", 0)) == 0, "as a value it matches nothing"
    else:
        assert response.error()
        body = response.body.lower()
        assert b"parser error" not in body and b"syntax error" not in body and b"binder error" not in body, "it was taken for SQL"


# --- Host and Origin ---


def host(*lines: str | bytes, version: str = "1.1") -> bytes:
    text = b"".join((line if isinstance(line, bytes) else line.encode()) + b"\r\n" for line in lines)
    return f"GET /api/v1/status HTTP/{version}\r\n".encode() + text + b"\r\n"


HOSTS = {
    "missing": Case(host(), (400,), "http.bad_host"),
    "empty": Case(host("Host:"), (400,), "http.bad_host"),
    "doubled": Case(host("Host: {host}", "Host: {host}"), (400,), "http.bad_host"),
    "doubled_second_evil": Case(host("Host: {host}", "Host: evil.example"), (400,), "http.bad_host"),
    "doubled_first_evil": Case(host("Host: evil.example", "Host: {host}"), (400,), "http.bad_host"),
    "doubled_in_other_case": Case(host("Host: {host}", "hOsT: evil.example"), (400,), "http.bad_host"),
    "list": Case(host("Host: {host}, evil.example"), (400,), "http.bad_host"),
    "user": Case(host("Host: user@{host}"), (400,), "http.bad_host"),
    "user_evil": Case(host("Host: {host}@evil.example"), (400,), "http.bad_host"),
    "space_inside": Case(host("Host: 127.0.0.1 :{port}"), (400,), "http.bad_host"),
    "two_words": Case(host("Host: {host} evil.example"), (400,), "http.bad_host"),
    "path": Case(host("Host: {host}/x"), (400,), "http.bad_host"),
    "query": Case(host("Host: {host}?x"), (400,), "http.bad_host"),
    "scheme": Case(host("Host: http://{host}"), (400,), "http.bad_host"),
    "backslash": Case(host("Host: {host}\\evil.example"), (400,), "http.bad_host"),
    "no_port_behind_the_colon": Case(host("Host: 127.0.0.1:"), (400, 421)),
    "port_of_letters": Case(host("Host: 127.0.0.1:http"), (400,), "http.bad_host"),
    "port_too_large": Case(host("Host: 127.0.0.1:99999"), (400, 421)),
    "port_negative": Case(host("Host: 127.0.0.1:-1"), (400,), "http.bad_host"),
    "port_and_65536": Case(host("Host: 127.0.0.1:6553600"), (400, 421)),
    "bracket_open": Case(host("Host: [::1:{port}"), (400,), "http.bad_host"),
    "bracket_closed": Case(host("Host: ::1]:{port}"), (400,), "http.bad_host"),
    "zone": Case(host("Host: [::1%25lo]:{port}"), (400, 421)),
    "nul": Case(host(b"Host: {host}\0evil"), (400,)),
    "bytes": Case(host(b"Host: \xff\xfe"), (400,)),
    "markup": Case(host("Host: <script>alert(1)</script>"), (400,), "http.bad_host"),
    "long": Case(host("Host: " + "a" * 5000), (400, 421)),
    "rebinding": Case(host("Host: evil.example"), (421,), "http.wrong_host"),
    "rebinding_with_the_port": Case(host("Host: evil.example:{port}"), (421,), "http.wrong_host"),
    "rebinding_by_suffix": Case(host("Host: localhost.evil.example:{port}"), (421,), "http.wrong_host"),
    "rebinding_by_address_name": Case(host("Host: 127.0.0.1.nip.example:{port}"), (421,), "http.wrong_host"),
    "rebinding_by_prefix": Case(host("Host: evil-localhost:{port}"), (421,), "http.wrong_host"),
    "another_loopback": Case(host("Host: 127.0.0.2:{port}"), (421,), "http.wrong_host"),
    "any_address": Case(host("Host: 0.0.0.0:{port}"), (421,), "http.wrong_host"),
    "any_address_of_ipv6": Case(host("Host: [::]:{port}"), (421, 400)),
    "mapped_address": Case(host("Host: [::ffff:127.0.0.1]:{port}"), (421, 400)),
    "short_address": Case(host("Host: 127.1:{port}"), (421, 400)),
    "decimal_address": Case(host("Host: 2130706433:{port}"), (421, 400)),
    "hex_address": Case(host("Host: 0x7f000001:{port}"), (421, 400)),
    "octal_address": Case(host("Host: 0177.0.0.1:{port}"), (421, 400)),
    "wrong_port": Case(host("Host: 127.0.0.1:1"), (421,), "http.wrong_host"),
    "no_port": Case(host("Host: 127.0.0.1"), (421,), "http.wrong_host"),
    "localhost_without_port": Case(host("Host: localhost"), (421,), "http.wrong_host"),
    "dot_at_the_end": Case(host("Host: localhost.:{port}"), (421, 400, 200)),
    "folded": Case(host(b"Host: evil.example\r\n\t{host}"), (400, 421)),
    "forwarded": Case(host("Host: evil.example", "X-Forwarded-Host: {host}"), (421,), "http.wrong_host"),
    "old_without": Case(host(version="1.0"), (400, 200)),
    "old_evil": Case(host("Host: evil.example", version="1.0"), (421,), "http.wrong_host"),
    "of_the_life_sign": Case(b"GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", (421,), "http.wrong_host"),
    "of_the_page": Case(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", (421,), "http.wrong_host"),
    "of_the_events": Case(b"GET /api/v1/events HTTP/1.1\r\nHost: evil.example\r\n\r\n", (421,), "http.wrong_host"),
}


@cases(HOSTS)
def test_host(flowing, case):
    assert_case(flowing, case)


@pytest.mark.parametrize("name", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
def test_the_right_hosts_are_let_in(flowing, name):
    assert flowing.ask("/livez", headers={"Host": name.format(port=flowing.port)}).status == 200


METHODS = ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND")
ORIGINS = {
    "foreign": ("http://evil.example", 403),
    "null": ("null", 403),
    "prefix": ("http://{host}.evil.example", 403),
    "other_port": ("http://127.0.0.1:1", 403),
    "nonsense": ("<script>", 403),
    "own": ("http://{host}", 405),
    "none": (None, 405),
}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", METHODS)
def test_another_method_with_an_origin(flowing, method, origin):
    value, status = ORIGINS[origin]
    headers = {"Origin": value.format(host=flowing.host)} if value else {}
    response = flowing.ask("/api/v1/status", method=method, headers=headers)
    assert response.status == status and response.error()
    if status == 405:
        assert {word.strip() for word in response.header("allow").split(",")} == {"GET", "HEAD"}


def test_no_preflight_is_ever_granted(flowing):
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"}
    assert flowing.ask("/api/v1/status", method="OPTIONS", headers=headers).status == 403
    assert flowing.ask("/api/v1/status", headers={"Origin": "http://evil.example"}).header("access-control-allow-origin") is None


# --- methods and versions ---


def line(text: str | bytes, *statuses: int, closed: bool = False, silence: bool = False) -> Case:
    raw = text if isinstance(text, bytes) else text.encode()
    return Case(raw + b"\r\nHost: {host}\r\n\r\n", statuses, closed=closed, silence=silence)


REQUEST_LINES = {
    "trace": line("TRACE /livez HTTP/1.1", 405),
    "connect": line("CONNECT evil.example:443 HTTP/1.1", 405, 400),
    "connect_to_this": line("CONNECT {host} HTTP/1.1", 405, 400),
    "options_asterisk": line("OPTIONS * HTTP/1.1", 405, 400),
    "brew": line("BREW /livez HTTP/1.1", 405),
    "lower_case": line("get /livez HTTP/1.1", 405, 400),
    "get_and_more": line("GETX /livez HTTP/1.1", 405),
    "no_method": line(" /livez HTTP/1.1", 400),
    "method_with_a_colon": line("GE:T /livez HTTP/1.1", 400),
    "method_of_bytes": line(b"G\xc9T /livez HTTP/1.1", 400),
    "method_huge": line("A" * 12_000 + " /livez HTTP/1.1", 400, 405, 414, 431, closed=True),
    "search": line("SEARCH /api/v1/views HTTP/1.1", 405),
    "version_0_9": line("GET /livez HTTP/0.9", 400, 505),
    "version_1_2": line("GET /livez HTTP/1.2", 400, 505),
    "version_1_10": line("GET /livez HTTP/1.10", 400, 505),
    "version_2": line("GET /livez HTTP/2.0", 400, 505),
    "version_3": line("GET /livez HTTP/3", 400, 505),
    "version_of_letters": line("GET /livez HTTP/a.b", 400, 505),
    "version_small": line("GET /livez http/1.1", 400, 505),
    "version_missing": line("GET /livez", 400, silence=True),
    "version_and_more": line("GET /livez HTTP/1.1 x", 400),
    "another_protocol": line("GET /livez RTSP/1.0", 400, 505),
    "http_0_9": Case(b"GET /livez\r\n", (400,), silence=True, closed=True),
    "http_0_9_bare": Case(b"GET /livez\n", (400,), silence=True, closed=True),
    "http2_preface": Case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", (400, 505), closed=True),
    "http2_upgrade": Case(
        b"GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", (200,)
    ),
    "websocket": Case(
        b"GET /api/v1/status HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        (200,),
    ),
    "tls_client_hello": Case(
        bytes.fromhex("16030100c5010000c10303") + bytes(range(32)) + b"\x20" + bytes(32) + bytes.fromhex("0008130213031301c02f0100"),
        (400,),
        closed=True,
        silence=True,
    ),
    "ssh": Case(b"SSH-2.0-OpenSSH_9.2\r\n", (400,), closed=True, silence=True),
    "redis": Case(b"*1\r\n$4\r\nPING\r\n", (400,), closed=True, silence=True),
    "smtp": Case(b"EHLO evil.example\r\nMAIL FROM:<a@b>\r\n\r\n", (400,), closed=True, silence=True),
    "proxy_line": Case(b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n", (400,), closed=True, silence=True),
    "answer": Case(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (400, 405, 505), closed=True, silence=True),
    "empty_lines": Case(b"\r\n" * 5000 + b"GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n", (400, 431, 408), closed=True, silence=True),
    "one_empty_line": Case(b"\r\nGET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n", (200, 400)),
    "nuls": Case(b"\0" * 10_000, (400,), closed=True, silence=True),
    "json": Case(b'{"jsonrpc":"2.0","method":"x"}\r\n\r\n', (400,), closed=True, silence=True),
}


@cases(REQUEST_LINES)
def test_request_line(flowing, case):
    assert_case(flowing, case)


# --- headers ---


def header(*lines: str | bytes, statuses: tuple[int, ...] = (400,), closed: bool = False, path: bytes = b"/livez") -> Case:
    text = b"".join((text if isinstance(text, bytes) else text.encode("latin-1")) + b"\r\n" for text in lines)
    return Case(b"GET " + path + b" HTTP/1.1\r\nHost: {host}\r\n" + text + b"\r\n", statuses, closed=closed)


HEADERS = {
    "huge_value": header("X-Long: " + "a" * 20_000, statuses=(431,), closed=True),
    "huge_name": header("X" * 20_000 + ": a", statuses=(431,), closed=True),
    "ten_thousand": header(*(f"X-{i}: {i}" for i in range(10_000)), statuses=(431,), closed=True),
    "ten_thousand_empty": header(*(["X:"] * 10_000), statuses=(431,), closed=True),
    "many_but_small": header(*(f"X-{i}: {i}" for i in range(100)), statuses=(200, 431)),
    "below_the_limit": header("X-Long: " + "a" * 14_000, statuses=(200,)),
    "huge_cookie": header("Cookie: " + "a=b; " * 5_000, statuses=(431,), closed=True),
    "folded": header("X-A: b", " c", statuses=(200, 400)),
    "folded_by_tab": header("X-A: b", "\tc", statuses=(200, 400)),
    "folded_first": Case(b"GET /livez HTTP/1.1\r\n Host: {host}\r\n\r\n", (400,)),
    "space_before_the_colon": header("X-A : b"),
    "tab_before_the_colon": header("X-A\t: b"),
    "space_in_the_name": header("X A: b"),
    "no_colon": header("nonsense"),
    "no_name": header(": b"),
    "only_a_colon": header(":"),
    "name_in_brackets": header("(X): b"),
    "name_of_bytes": header(b"X-\xff: b"),
    "name_with_nul": header(b"X\0A: b"),
    "value_with_nul": header(b"X-A: a\0b"),
    "value_with_cr": header(b"X-A: a\rb"),
    "value_with_cr_and_header": header(b"X-A: a\rX-B: b"),
    "value_with_escape": header(b"X-A: a\x1b[2J", statuses=(400, 200)),
    "value_with_delete": header(b"X-A: a\x7f", statuses=(400, 200)),
    "value_of_bytes": header(b"X-A: \xe9\xff", statuses=(200, 400)),
    "bare_lf": Case(b"GET /livez HTTP/1.1\nHost: {host}\n\n", (400, 200), silence=True),
    "bare_lf_in_headers": Case(b"GET /livez HTTP/1.1\r\nHost: {host}\nX-A: b\r\n\r\n", (400, 200), silence=True),
    "bare_lf_at_the_end": Case(b"GET /livez HTTP/1.1\r\nHost: {host}\r\n\n", (400, 200), silence=True),
    "bare_cr": Case(b"GET /livez HTTP/1.1\rHost: {host}\r\r", (400,), silence=True),
    "crlf_in_the_wrong_order": Case(b"GET /livez HTTP/1.1\n\rHost: {host}\n\r\n\r", (400,), silence=True),
    "expect": header("Expect: 100-continue", statuses=(417,)),
    "expect_nonsense": header("Expect: nonsense", statuses=(417,)),
    "expect_empty": header("Expect:", statuses=(200, 417)),
    "override": header("X-HTTP-Method-Override: DELETE", statuses=(200,)),
    "rewrite": header("X-Original-URL: /metrics", "X-Rewrite-URL: /metrics", statuses=(200,)),
    "ranges": header("Range: bytes=0-0,1-1," + ",".join(f"{i}-{i}" for i in range(500)), statuses=(200, 206, 416, 431), path=b"/"),
    "range_backwards": header("Range: bytes=-18446744073709551615", statuses=(200, 206, 416), path=b"/"),
    "accept_encoding": header("Accept-Encoding: gzip;q=NaN, *;q=-1", statuses=(200,), path=b"/"),
    "connection_of_much": header("Connection: host, keep-alive, content-length, " + "x" * 3000, statuses=(200, 400)),
    "keep_alive": header("Keep-Alive: timeout=99999999, max=0", statuses=(200,)),
    "etag": header('If-None-Match: W/"' + "x" * 4000 + '", *', statuses=(200, 304), path=b"/"),
    "date": header("If-Modified-Since: Thu, 99 Foo 99999 99:99:99 GMT", statuses=(200, 304), path=b"/"),
    "event_id_huge": header("Last-Event-ID: " + "9" * 17_000, statuses=(431,), path=b"/api/v1/events", closed=True),
    "event_id_doubled": Case(b"GET /livez HTTP/1.1\r\nHost: {host}\r\nLast-Event-ID: 1\r\nLast-Event-ID: 2\r\n\r\n", (200, 400)),
    "never_ending": Case(b"GET /livez HTTP/1.1\r\nHost: {host}\r\nX-A: " + b"a" * 3_000_000, (431, 400), closed=True, silence=True),
    "never_ending_lines": Case(b"GET /livez HTTP/1.1\r\nHost: {host}\r\n" + b"X-A: b\r\n" * 400_000, (431, 400), closed=True, silence=True),
}


@cases(HEADERS)
def test_header(flowing, case):
    assert_case(flowing, case)


# --- bodies, and requests hidden in them ---

HIDDEN = b"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n"


def body(*lines: str | bytes, data: bytes = HIDDEN, statuses: tuple[int, ...] = (400,), error: str | None = None, version: bytes = b"1.1", method: bytes = b"GET") -> Case:
    """Whatever is said of the body's length: at most one answer, and the connection is not used again."""
    text = b"".join((text if isinstance(text, bytes) else text.encode("latin-1")) + b"\r\n" for text in lines)
    return Case(method + b" /livez HTTP/" + version + b"\r\nHost: {host}\r\n" + text + b"\r\n" + data, statuses, error, closed=True)


CHUNKED = "Transfer-Encoding: chunked"
REFUSED = {"statuses": (413,), "error": "http.body_refused"}
BODIES = {
    "length": body("Content-Length: 5", data=b"hello" + HIDDEN, **REFUSED),
    "length_without_body": body("Content-Length: 5", data=b"", **REFUSED),
    "length_with_spaces": body("Content-Length:   5  ", data=b"hello", **REFUSED),
    "length_with_zeros": body("Content-Length: 0005", data=b"hello", statuses=(413, 400)),
    "length_huge": body("Content-Length: 9223372036854775807", data=b"", statuses=(413, 400)),
    "length_2_64": body("Content-Length: 18446744073709551616", data=b"", statuses=(400, 413)),
    "length_30_digits": body("Content-Length: " + "9" * 30, data=b"", statuses=(400, 413)),
    "length_negative": body("Content-Length: -1", data=b""),
    "length_negative_zero": body("Content-Length: -0", data=b""),
    "length_signed": body("Content-Length: +5", data=b"hello"),
    "length_fraction": body("Content-Length: 5.0", data=b"hello"),
    "length_exponent": body("Content-Length: 1e1", data=b"0123456789"),
    "length_hex": body("Content-Length: 0x5", data=b"hello"),
    "length_empty": body("Content-Length:", data=HIDDEN),
    "length_of_letters": body("Content-Length: five", data=b"hello"),
    "length_with_nul": body(b"Content-Length: 5\0", data=b"hello"),
    "length_underscore": body("Content-Length: 1_0", data=b"hello"),
    "length_of_other_digits": body("Content-Length: ٥".encode(), data=b"hello"),
    "length_list_alike": body("Content-Length: 5, 5", data=b"hello" + HIDDEN, statuses=(400, 413)),
    "length_list_unlike": body("Content-Length: 5, 6", data=b"hello" + HIDDEN),
    "length_twice_alike": body("Content-Length: 5", "Content-Length: 5", data=b"hello" + HIDDEN, statuses=(400, 413)),
    "length_twice_unlike": body("Content-Length: 5", "Content-Length: 6", data=b"hello" + HIDDEN),
    "length_zero_and_five": body("Content-Length: 0", "Content-Length: 44", data=HIDDEN),
    "length_space_before_colon": body("Content-Length : 5", data=b"hello"),
    "length_folded": body("Content-Length:", " 5", data=b"hello", statuses=(400, 413)),
    "length_old": body("Content-Length: 5", data=b"hello", version=b"1.0", statuses=(413,)),
    "length_of_head": body("Content-Length: 5", data=b"hello" + HIDDEN, method=b"HEAD", statuses=(413,)),
    "length_of_post": body("Content-Length: 44", data=HIDDEN, method=b"POST", statuses=(405, 413, 403)),
    "both": body("Content-Length: 5", CHUNKED, data=b"0\r\n\r\n" + HIDDEN),
    "both_the_other_way": body(CHUNKED, "Content-Length: 5", data=b"0\r\n\r\n" + HIDDEN),
    "both_zero": body("Content-Length: 0", CHUNKED, data=b"0\r\n\r\n" + HIDDEN),
    "chunked": body(CHUNKED, data=b"5\r\nhello\r\n0\r\n\r\n" + HIDDEN, **REFUSED),
    "chunked_empty": body(CHUNKED, data=b"0\r\n\r\n" + HIDDEN, statuses=(413, 400)),
    "chunked_capitals": body("Transfer-Encoding: CHUNKED", data=b"0\r\n\r\n" + HIDDEN, statuses=(413, 400)),
    "chunked_old": body(CHUNKED, data=b"0\r\n\r\n" + HIDDEN, version=b"1.0", statuses=(413, 400)),
    "chunked_and_identity": body("Transfer-Encoding: chunked, identity", data=b"0\r\n\r\n" + HIDDEN, statuses=(400, 413, 501)),
    "identity_and_chunked": body("Transfer-Encoding: identity, chunked", data=b"0\r\n\r\n" + HIDDEN, statuses=(400, 413, 501)),
    "identity": body("Transfer-Encoding: identity", data=HIDDEN, statuses=(400, 413, 501)),
    "gzip": body("Transfer-Encoding: gzip", data=HIDDEN, statuses=(400, 413, 501)),
    "gzip_chunked": body("Transfer-Encoding: gzip, chunked", data=b"0\r\n\r\n" + HIDDEN, statuses=(400, 413, 501)),
    "xchunked": body("Transfer-Encoding: xchunked", data=b"0\r\n\r\n" + HIDDEN, statuses=(400, 413, 501)),
    "chunked_quoted": body('Transfer-Encoding: "chunked"', data=b"0\r\n\r\n" + HIDDEN, statuses=(400, 413, 501)),
    "chunked_with_parameter": body("Transfer-Encoding: chunked;x=1", data=b"0\r\n\r\n" + HIDDEN, statuses=(400, 413, 501)),
    "chunked_behind_a_control": body(b"Transfer-Encoding: \x0bchunked", data=b"0\r\n\r\n" + HIDDEN, statuses=(400, 413, 501)),
    "chunked_behind_a_tab": body("Transfer-Encoding:\tchunked", data=b"0\r\n\r\n" + HIDDEN, statuses=(413, 400)),
    "chunked_space_before_colon": body("Transfer-Encoding : chunked", data=b"0\r\n\r\n" + HIDDEN),
    "chunked_underscore": body("Transfer_Encoding: chunked", "Content-Length: 5", data=b"0\r\n\r\n" + HIDDEN, statuses=(413, 400)),
    "chunked_folded": body("Transfer-Encoding:", " chunked", data=b"0\r\n\r\n" + HIDDEN, statuses=(400, 413, 501)),
    "chunked_twice": body(CHUNKED, CHUNKED, data=b"0\r\n\r\n" + HIDDEN, statuses=(400, 413, 501)),
    "chunked_then_identity_apart": body(CHUNKED, "Transfer-Encoding: identity", data=b"0\r\n\r\n" + HIDDEN, statuses=(400, 413, 501)),
    "transfer_encoding_empty": body("Transfer-Encoding:", data=HIDDEN, statuses=(400, 413, 501)),
    "chunk_of_letters": body(CHUNKED, data=b"zz\r\nhello\r\n0\r\n\r\n" + HIDDEN, statuses=(400, 413)),
    "chunk_huge": body(CHUNKED, data=b"ffffffffffffffff\r\nhello", statuses=(400, 413)),
    "chunk_beyond_64_bits": body(CHUNKED, data=b"10000000000000000\r\n\r\n" + HIDDEN, statuses=(400, 413)),
    "chunk_negative": body(CHUNKED, data=b"-1\r\n\r\n" + HIDDEN, statuses=(400, 413)),
    "chunk_hex_prefix": body(CHUNKED, data=b"0x5\r\nhello\r\n0\r\n\r\n", statuses=(400, 413)),
    "chunk_with_spaces": body(CHUNKED, data=b" 5 \r\nhello\r\n0\r\n\r\n", statuses=(400, 413)),
    "chunk_with_long_extension": body(CHUNKED, data=b"5;" + b"x" * 100_000 + b"\r\nhello\r\n0\r\n\r\n", statuses=(400, 413)),
    "chunk_without_end": body(CHUNKED, data=b"5\r\nhelloXX0\r\n\r\n" + HIDDEN, statuses=(400, 413)),
    "chunk_with_bare_lf": body(CHUNKED, data=b"5\nhello\n0\n\n" + HIDDEN, statuses=(400, 413)),
    "chunk_trailers": body(CHUNKED, data=b"0\r\n" + b"X: y\r\n" * 10_000 + b"\r\n" + HIDDEN, statuses=(400, 413)),
    "chunk_trailer_host": body(CHUNKED, data=b"0\r\nHost: evil.example\r\n\r\n" + HIDDEN, statuses=(400, 413)),
    "body_of_a_megabyte": body("Content-Length: 1048576", data=b"a" * 1_048_576, statuses=(413,)),
    "form": body("Content-Length: 7", "Content-Type: application/x-www-form-urlencoded", data=b"limit=1", method=b"POST", statuses=(405, 413, 403)),
}


@cases(BODIES)
def test_body(flowing, case):
    assert_case(flowing, case)


def test_a_length_of_zero_is_no_body(flowing):
    result = exchange(flowing.address, flowing.request("GET", "/livez", {"Content-Length": "0"}))
    assert [response.status for response in result.responses] == [200]


# --- many requests at once ---


def test_five_hundred_requests_in_one_go_are_answered_in_order(flowing):
    targets = [("/livez", "/api/v1/page", f"/nothing-{i}")[i % 3] for i in range(500)]
    with Connection(flowing.address, 10) as connection:
        sender = threading.Thread(target=connection.send, args=(b"".join(flowing.request("GET", t) for t in targets),))
        sender.start()
        answers = [connection.response() for _ in targets]
        sender.join()
    assert [answer.status for answer in answers] == [404 if t.startswith("/nothing") else 200 for t in targets]
    assert all(answer.json() == {"status": "ok"} for answer in answers[::3])


def test_requests_behind_a_bad_one_are_not_answered(flowing):
    bad_one = b"GET /livez HTTP/1.1\r\nHost: {host}\r\nX A: b\r\n\r\n".replace(b"{host}", flowing.host.encode())
    result = exchange(flowing.address, flowing.request("GET", "/livez") + bad_one + flowing.request("GET", "/metrics") * 50)
    assert [response.status for response in result.responses] == [200, 400] and result.closed


def test_a_request_in_single_bytes_is_a_request(flowing):
    with Connection(flowing.address) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in flowing.request("GET", "/livez"):
            connection.send(bytes([byte]))
        assert connection.response().status == 200


def test_two_hundred_connections_that_say_nothing_and_leave(flowing):
    connections = [Connection(flowing.address) for _ in range(200)]
    for number, connection in enumerate(connections):
        if number % 2:
            connection.send(b"GET /liv")
        if number % 3 == 0:  # leave by a reset
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()
    flowing.wait_for(lambda: flowing.metrics().value("inlet_http_connections") < 50, 10, "fewer connections")


def test_clients_that_leave_while_they_are_answered(flowing):
    for number in range(30):
        with Connection(flowing.address) as connection:
            connection.send(flowing.request("GET", ("/api/v1/panels/every_sale", "/metrics", "/api/v1/events")[number % 3]))
            if number % 2:
                connection.socket.recv(10)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    flowing.wait_for(lambda: flowing.metrics().value("inlet_http_event_streams") == 0, 20, "end of the streams")


def test_more_connections_than_are_allowed(binary, tmp_path):
    """The limit holds, what is open goes on, and when they leave others are let in."""
    import shop
    from program import Program, sets

    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path))
    served = live.start(program, tmp_path / "lake", "--source", "generator", *sets("serve.max_connections=16"))
    with served.running:
        first = Connection(served.address)
        first.send(served.request("GET", "/livez"))
        assert first.response().status == 200
        others = []
        for _ in range(60):
            try:
                others.append(Connection(served.address, 1))
            except OSError:
                break
        first.send(served.request("GET", "/livez"))
        assert first.response().status == 200
        assert len(list(pathlib.Path(f"/proc/{served.running.pid}/fd").iterdir())) < 150
        for connection in [first, *others]:
            connection.close()
        served.wait_for(lambda: served.ask("/livez").status == 200, 5, "room again")


# --- bytes by chance ---


@pytest.mark.parametrize("number", range(24))
def test_random_bytes(flowing, number):
    """Noise, noise behind the beginning of a request, and requests with bytes changed: HTTP comes back, or nothing."""
    rng = random.Random(f"{SEED}/{number}")
    right = flowing.request("GET", "/api/v1/views/per_country/rows?limit=5&where.country=France", {"Accept": "application/json"})
    for _ in range(8):
        kind = rng.randrange(4)
        if kind == 0:
            data = rng.randbytes(rng.randrange(1, 3000))
        elif kind == 1:
            data = right[: rng.randrange(1, len(right))] + rng.randbytes(rng.randrange(1, 500))
        else:
            changed = bytearray(right)
            for _ in range(rng.randrange(1, 6)):
                at = rng.randrange(len(changed))
                changed[at : at + rng.randrange(2)] = rng.randbytes(rng.randrange(3)) if kind == 2 else rng.choice((b"\r\n", b" ", b":", b"\0", b"%", b"/"))
            data = bytes(changed)
        try:
            result = exchange(flowing.address, data, timeout=2, quiet=0.05, end=True)
        except BadAnswer as error:
            raise AssertionError(f"seed {SEED}/{number}, sent {data!r}: {error}") from None
        for response in result.responses:
            response.assert_carries_what_every_answer_must()
            assert response.status < 500, f"seed {SEED}/{number}, sent {data!r}: {response}"


# --- slow clients: all started at once, looked at in the end ---


@dataclasses.dataclass
class Slow:
    """How long the server bore it, and what it said."""

    seconds: float = 0
    received: bytes = b""
    error: str = ""


def _wait_closed(connection: Connection, slow: Slow, started: float, limit: float, drip: bytes = b"", every: float = 1.0) -> None:
    """Sends a byte of `drip` at a time until the server closes; everything that comes is kept."""
    position = 0
    while time.monotonic() - started < limit:
        readable, _, _ = select.select([connection.socket], [], [], every)
        if readable:
            try:
                data = connection.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                slow.seconds = time.monotonic() - started
                return
            slow.received += data
        elif drip:
            try:
                connection.socket.send(drip[position % len(drip) :][:1])
            except OSError:
                slow.seconds = time.monotonic() - started
                return
            position += 1
    slow.error = f"still open after {limit} s"


@pytest.fixture(scope="module", autouse=True)
def slow_clients(flowing):
    """Begun before the first test of this module; the tests at its end look at what became of them."""
    found = {name: Slow() for name in ("silent", "one_byte_a_second", "half_a_header", "idle", "slow_body", "no_reader", "trickle_reader")}

    def run(name: str) -> None:
        slow = found[name]
        try:
            with Connection(flowing.address, 60, small_buffers=name in ("no_reader", "trickle_reader")) as connection:
                started = time.monotonic()
                if name == "silent":
                    _wait_closed(connection, slow, started, 20)
                elif name == "one_byte_a_second":
                    connection.send(b"G")
                    _wait_closed(connection, slow, started, 20, drip=b"ET /livez HTTP/1.1\r\nX: " + b"a" * 100)
                elif name == "half_a_header":
                    connection.send(f"GET /livez HTTP/1.1\r\nHost: {flowing.host}\r\nX: ".encode())
                    _wait_closed(connection, slow, started, 20)
                elif name == "idle":
                    connection.send(flowing.request("GET", "/livez"))
                    assert connection.response().status == 200
                    started = time.monotonic()
                    _wait_closed(connection, slow, started, 45)
                elif name == "slow_body":
                    connection.send(flowing.request("POST", "/livez", {"Content-Length": "100000"}))
                    _wait_closed(connection, slow, started, 20, drip=b"a")
                elif name == "no_reader":
                    for _ in range(40):
                        connection.send(flowing.request("GET", "/api/v1/openapi.json"))
                    time.sleep(24)
                    connection.socket.settimeout(5)
                    slow.received = connection.rest()
                    slow.seconds = time.monotonic() - started
                elif name == "trickle_reader":
                    # Reads, but hardly: it makes progress, and is borne.
                    for _ in range(8):
                        connection.send(flowing.request("GET", "/api/v1/openapi.json"))
                    for _ in range(20):
                        slow.received += connection.socket.recv(200)
                        time.sleep(1)
                    slow.seconds = time.monotonic() - started
        except Exception as error:  # noqa: BLE001
            slow.error = repr(error)

    threads = {name: threading.Thread(target=run, args=(name,), daemon=True) for name in found}
    for thread in threads.values():
        thread.start()

    def result(name: str) -> Slow:
        threads[name].join(60)
        assert not threads[name].is_alive() and not found[name].error, found[name].error or "it still waits"
        return found[name]

    yield result


def test_slow_a_client_that_says_nothing_is_closed(slow_clients):
    slow = slow_clients("silent")
    assert 8 < slow.seconds < 13 and slow.received == b""


@pytest.mark.parametrize("name", ["one_byte_a_second", "half_a_header"])
def test_slow_a_header_must_be_whole_in_ten_seconds(slow_clients, name):
    slow = slow_clients(name)
    assert 8 < slow.seconds < 13
    assert slow.received == b"" or slow.received.startswith(b"HTTP/1.1 408 ")


def test_slow_a_body_is_not_waited_for(slow_clients):
    slow = slow_clients("slow_body")
    assert slow.seconds < 16 and slow.received.startswith(b"HTTP/1.1 4")


def test_slow_a_kept_connection_is_closed_after_half_a_minute(slow_clients):
    slow = slow_clients("idle")
    assert 27 < slow.seconds < 35 and slow.received == b""


def test_slow_a_client_that_does_not_read_is_given_up(slow_clients, flowing):
    slow = slow_clients("no_reader")
    whole = len(flowing.get("/api/v1/openapi.json").body)
    assert len(slow.received) < 40 * whole, "it was all sent into buffers; the test needs a smaller one"


def test_slow_a_client_that_reads_slowly_is_borne(slow_clients):
    slow = slow_clients("trickle_reader")
    assert slow.received.startswith(b"HTTP/1.1 200 ") and slow.seconds > 19
