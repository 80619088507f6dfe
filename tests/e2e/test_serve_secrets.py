"""Who may ask: the token. And what is never told: every secret a run was given, in whatever it says or answers."""

from __future__ import annotations

import json
import socket
import time

import pytest

import live
import shop
from live import Live
from program import EXIT_CONFIGURATION, EXIT_OK, Program, sets

TOKEN = "tok-5f3a9c0e7b1d4826-with-ümlaut".replace("ü", "u")
PASSWORD = "sasl-P4ssw0rd-6d1f\"'\\&<x>"

ROUTES = (
    "/readyz",
    "/metrics",
    "/api/v1/openapi.json",
    "/api/v1/page",
    "/api/v1/status",
    "/api/v1/views",
    "/api/v1/views/per_country/rows",
    "/api/v1/panels/overview",
    "/api/v1/filters/country",
    "/api/v1/quarantine",
    "/api/v1/late",
    "/api/v1/history?table=bronze/shop",
    "/api/v1/provenance?view=per_country",
    "/api/v1/events",
)
OPEN = ("/", "/favicon.svg", "/livez")


def token_file(directory, content: str = TOKEN + "\n", mode: int = 0o600):
    path = directory / "token"
    path.write_text(content)
    path.chmod(mode)
    return path


@pytest.fixture(scope="module")
def guarded(binary, tmp_path_factory):
    """A run that asks for a token, on every address of the machine; the tests reach it by the loopback."""
    directory = tmp_path_factory.mktemp("guarded")
    program = Program(binary, directory / "processes", shop.write_pipeline(directory))
    words = ["--log-level", "debug"]  # before the command, as flags of the program are
    running = program.start(
        *words, "run", program.pipeline, "--lake", directory / "lake", "--source", "generator",
        "--listen", "0.0.0.0:0", "--token-file", token_file(directory),
    )  # fmt: skip
    with running:
        found = running.wait_until(lambda: "live page: http://" in running.stderr(), 20, "address")
        assert found
        served = Live(running, directory / "lake", TOKEN)
        served.wait_for(lambda: live.is_level(served, 1, exactly=False), 30, "the first sales published")
        yield served


@pytest.mark.parametrize("target", ROUTES)
def test_without_a_token_nothing_is_told(guarded, target):
    response = guarded.ask(target, headers={"Authorization": None})
    assert response.status == 401 and response.error() == "http.no_token"
    assert response.header("www-authenticate").split()[0] == "Bearer"


@pytest.mark.parametrize("target", ROUTES)
def test_with_another_token_nothing_is_told(guarded, target):
    response = guarded.ask(target, headers={"Authorization": "Bearer " + TOKEN[:-1] + "x"})
    assert response.status == 403 and response.error() == "http.wrong_token"


@pytest.mark.parametrize("target", ROUTES[:-1])
def test_with_the_token_each_route_answers(guarded, target):
    guarded.get(target)


@pytest.mark.parametrize("target", OPEN)
def test_the_page_and_its_life_sign_are_open(guarded, target):
    guarded.get(target, headers={"Authorization": None})


def test_events_come_with_the_token(guarded):
    with guarded.events() as stream:
        assert stream.next().kind in ("committed", "published", "status")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjp0b2s=",
        "Basic " + TOKEN,
        TOKEN,
        "Bearer " + TOKEN[:-1],
        "Bearer " + TOKEN + "x",
        "Bearer " + TOKEN.upper(),
        "Bearer " + TOKEN + ", Bearer x",
        "Bearer " + TOKEN + " " + TOKEN,
        "Bearer " + "x" * 5000,
        "Bearer x\x80\xff",
    ],
    ids=["empty", "scheme", "scheme_space", "basic", "basic_token", "bare", "shorter", "longer", "capitals", "list", "twice", "long", "bytes"],
)
def test_a_credential_that_is_nearly_right_is_wrong(guarded, value):
    response = guarded.ask("/api/v1/status", headers={"Authorization": value})
    assert response.status in ((401, 403) if value.isascii() else (400, 401, 403))
    assert response.error() and TOKEN.encode() not in response.body


def test_two_credentials_are_not_one(guarded):
    wrong = guarded.request("GET", "/api/v1/status").replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer x\r\n\r\n")
    (response,) = live.exchange(guarded.address, wrong).responses
    assert response.status in (400, 401, 403)


@pytest.mark.parametrize("target", ["/api/v1/status", "/api/v1/events", "/metrics", "/readyz"])
def test_a_token_in_the_address_is_not_taken(guarded, target):
    response = guarded.ask(f"{target}?token={TOKEN}", headers={"Authorization": None})
    assert response.status in (400, 401) and TOKEN.encode() not in response.body
    response = guarded.ask(f"{target}?token={TOKEN}")
    assert response.status == 400 and TOKEN.encode() not in response.body


def test_the_token_comes_before_anything_else_is_looked_at(guarded):
    """Without it nobody learns which views, panels or tables there are."""
    for target in ("/api/v1/views/nothing/rows", "/api/v1/panels/nothing", "/api/v1/history?table=nothing", "/api/v1/nothing"):
        assert guarded.ask(target, headers={"Authorization": None}).status == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:{port}", 200), ("localhost:{port}", 200), ("10.1.2.3:{port}", 200), ("[::1]:{port}", 200), ("evil.example:{port}", 421), ("127.0.0.1.evil.example:{port}", 421)],
)
def test_by_any_address_of_the_machine_and_no_other_name(guarded, host, status):
    assert guarded.ask("/livez", headers={"Host": host.format(port=guarded.port)}).status == status


def test_the_name_of_the_machine_is_a_host(guarded):
    assert guarded.ask("/livez", headers={"Host": f"{socket.gethostname()}:{guarded.port}"}).status == 200


def test_wrong_tokens_take_as_long_as_right_ones_begun(guarded):
    """No proof of constant time, but a comparison that stops at the first difference of a long token would have to be
    looked for in nanoseconds: what is held here is that nothing grosser (a delay, a lookup) tells them apart."""

    def median(token: str) -> float:
        took = []
        for _ in range(60):
            started = time.perf_counter()
            assert guarded.ask("/api/v1/views", headers={"Authorization": f"Bearer {token}"}).status == 403
            took.append(time.perf_counter() - started)
        return sorted(took)[len(took) // 2]

    times = [median("x" * len(TOKEN)), median(TOKEN[:-1] + "y")]
    assert max(times) < 4 * min(times) + 0.002, times


# --- what asks for a token ---


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"])
def test_another_address_than_loopback_needs_a_token(binary, tmp_path, address):
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path))
    words = ["run", program.pipeline, "--lake", tmp_path / "lake", "--source", "generator", "--json", "--listen", address]
    done = program.run(*words).expect(EXIT_CONFIGURATION)
    assert "config.serve_needs_token" in done.stderr, done
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(
    ("content", "why"), [("", "empty"), ("short\n", "short"), ("   \n\t " + "x" * 15 + "  \n", "15 characters"), (None, "absent")]
)
def test_a_token_that_is_none_is_refused(binary, tmp_path, content, why):
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path))
    path = tmp_path / "token" if content is None else token_file(tmp_path, content)
    words = ["run", program.pipeline, "--lake", tmp_path / "lake", "--source", "generator", "--listen", "127.0.0.1:0"]
    done = program.run(*words, "--token-file", path, "--events", "100")
    assert done.code not in (EXIT_OK, 2) and "token" in done.stderr, (why, done)
    assert "x" * 15 not in done.stderr and not (tmp_path / "lake" / "bronze").exists()


def test_a_token_file_that_others_may_read_is_warned_of(binary, tmp_path):
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path))
    path = token_file(tmp_path, "  " + TOKEN + " \n", 0o644)
    served = live.start(program, tmp_path / "lake", "--source", "generator", "--token-file", path, token=TOKEN)
    with served.running:
        served.get("/api/v1/page")
        assert served.ask("/api/v1/page", headers={"Authorization": None}).status == 401, "on the loopback too"
        stderr = served.running.stderr()
        assert str(path) in stderr and "?token=" in stderr and TOKEN not in stderr


# --- nothing is ever told ---


def probe(served: Live) -> list[str]:
    """Every answer there is to be had, errors too, as text."""
    answers = []
    targets = [
        *ROUTES[:-1], *OPEN, "/nothing", "/api/v1/views/nothing/rows", "/api/v1/panels/nothing", "/api/v1/history?table=x",
        "/api/v1/views/per_country/rows?sort=x", "/api/v1/status?x=1", "/%00", "/api/v1/provenance",
        "/api/v1/views/per_country/rows?limit=x", "/api/v1/panels/overview?nothing=1", "/api/v1/quarantine?limit=-1",
    ]  # fmt: skip
    for target in targets:
        for headers in ({}, {"Authorization": "Bearer wrong-token-wrong-token"}, {"Host": "evil.example"}, {"Expect": "100-continue"}):
            response = served.ask(target, headers=headers)
            answers.append(str(response.headers) + response.body.decode("utf-8", "replace"))
    for data in (b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", served.request("POST", "/api/v1/status", {"Content-Length": "5"}) + b"hello"):
        answers += [str(response) for response in live.exchange(served.address, data).responses]
    with served.events() as stream:
        answers += [str(stream.headers), stream.until(lambda e: e.kind == "status")[-1].data]
    return answers


def leaks(texts: list[str]) -> list[str]:
    """Where a secret stands, in any of the ways it could be written."""
    forms = {secret for plain in (TOKEN, PASSWORD) for secret in (plain, json.dumps(plain)[1:-1], live.quote(plain), plain[5:17])}
    return [f"{form!r} in {text[max(0, text.index(form) - 80) : text.index(form) + 40]!r}" for text in texts for form in forms if form in text]


@pytest.mark.parametrize("form", ["human", "json"])
@pytest.mark.parametrize("given", ["environment", "flag", "file"])
def test_no_secret_is_told(binary, tmp_path, given, form):
    """The password of a broker that is away, and the token: in the log at its most talkative, on stdout, in any answer."""
    secret = {"INLET__SOURCE__KAFKA__KAFKA__SASL__PASSWORD": PASSWORD}
    line = f'"kafka.sasl.password" = {json.dumps(PASSWORD)}\n'
    change = (lambda text: text.replace("[source.generator]", f"[source.kafka]\n{line}\n[source.generator]", 1)) if given == "file" else (lambda text: text)
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path, change))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = sets(
            f"source.kafka.bootstrap_servers=127.0.0.1:{silent.getsockname()[1]},127.0.0.1:1",
            "source.kafka.topic=shop",
            "source.kafka.kafka.security.protocol=SASL_PLAINTEXT",
            "source.kafka.kafka.sasl.mechanism=PLAIN",
            "source.kafka.kafka.sasl.username=inlet",
            "source.kafka.kafka.debug=security,broker",
        )
        if given == "flag":
            broker += sets(f"source.kafka.kafka.sasl.password={PASSWORD}")
        before = ["--log-level", "debug"] + (["--log-json"] if form == "json" else [])
        after = ["--json"] if form == "json" else []
        words = [*before, "run", program.pipeline, "--lake", tmp_path / "lake", "--source", "kafka", "--listen", "127.0.0.1:0"]
        words += ["--token-file", token_file(tmp_path), *broker, *after]
        with program.start(*words, env=secret if given == "environment" else None) as running:
            served = Live(running, tmp_path / "lake", TOKEN)
            answers = probe(served)
            if running.is_running():
                running.signal(15)
            done = running.wait(60)
    found = leaks([*answers, done.stdout, done.stderr])
    assert not found, "\n".join(found)
    assert len(answers) > 80 and done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        "source.kafka.kafka.security.protocol=NONSENSE",
        "source.kafka.kafka.no.such.key=1",
        "source.kafka.kafka.enable.idempotence=true",
        "serve.query_threads=99",
        "serve.nonsense=1",
        "bronze.batch_rows=x",
    ],
)
def test_no_secret_is_told_by_a_refusal(binary, tmp_path, wrong):
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path))
    arguments = ["--lake", tmp_path / "lake", "--source", "kafka", "--token-file", token_file(tmp_path)]
    arguments += sets("source.kafka.topic=shop", "source.kafka.bootstrap_servers=127.0.0.1:1", f"source.kafka.kafka.sasl.password={PASSWORD}", wrong)
    for more in ([], ["--json"]):
        done = program.run("--log-level", "debug", "run", program.pipeline, *arguments, "--listen", "127.0.0.1:0", *more, timeout=60)
        assert done.code != EXIT_OK
        assert not leaks([done.stdout, done.stderr]), done


def test_the_guarded_run_said_nothing_of_its_token(guarded):
    answers = probe(guarded)
    assert not leaks([*answers, guarded.running.stderr()])
    assert "?token=" in guarded.running.stderr(), "how the page is opened is said, without the token"
