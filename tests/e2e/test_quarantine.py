"""No bad input stops the stream, none becomes a NULL: each is a row of quarantine, with its reason, exactly once."""

from __future__ import annotations

import datetime
import decimal
import json
import random

import pytest

import oracle
import sales
from program import EXIT_OK, sets

UTC = datetime.timezone.utc
CAUGHT_UP = ("--until", "caught-up")
LINE_KINDS = [kind for kind in sales.BROKEN if kind != "tombstone"]


def read_file(program, lake, path, *more: str):
    return program.ingest(lake, "--source", "file", *sets(f"source.file.path={path}", *more), *CAUGHT_UP, timeout=60)


def bad_among_good(kinds, rng: random.Random) -> list[sales.Event]:
    events = []
    for number, kind in enumerate(kinds):
        events += [sales.sale(1000 + number, rng), sales.broken(kind, number, rng)]
    return events + [sales.sale(9999, rng)]


def test_every_kind_of_bad_line(program, lake, tmp_path):
    path = tmp_path / "bad.jsonl"
    lines, fates = sales.as_lines(bad_among_good(LINE_KINDS, random.Random(1)))
    path.write_bytes(lines)
    read_file(program, lake, path).expect(EXIT_OK)
    view = oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))
    assert len(view.quarantine) == len(LINE_KINDS) and len(view.bronze) == len(LINE_KINDS) + 1


@pytest.mark.broker
def test_every_kind_of_bad_message(program, lake, broker):
    topic = broker.topic(2)
    topic.produce(bad_among_good(sales.BROKEN, random.Random(2)))
    program.ingest(lake, *topic.arguments(), *CAUGHT_UP).expect(EXIT_OK)
    view = oracle.assert_exact(lake, topic.truth)
    assert len(view.quarantine) == len(sales.BROKEN)
    # A field that is named is named; the tombstone has no bytes, the empty message has none either.
    reasons = {row["reason"] for row in view.quarantine}
    assert reasons == {reason for reason, _, _ in sales.BROKEN.values()}


def test_a_stream_of_nothing_but_bad_events_goes_on(program, lake, tmp_path):
    path = tmp_path / "bad.jsonl"
    rng = random.Random(3)
    lines, fates = sales.as_lines([sales.broken(rng.choice(sales.COMMON_BROKEN), n, rng) for n in range(3000)])
    path.write_bytes(lines)
    read_file(program, lake, path).expect(EXIT_OK)
    view = oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))
    assert len(view.quarantine) == 3000 and not view.bronze


def test_a_message_of_100_megabytes(program, lake, tmp_path):
    path = tmp_path / "large.jsonl"
    rng = random.Random(4)
    good = sales.sale(1, rng)
    huge = b'{"vente_id":1,"client_nom":"' + b"x" * (100 << 20) + b'"}'
    events = [good, sales.Event(huge, sales.Reject("too_large", huge)), sales.sale(2, rng)]
    lines, fates = sales.as_lines(events)
    path.write_bytes(lines)
    read_file(program, lake, path).expect(EXIT_OK)
    view = oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))
    (reject,) = view.quarantine
    assert reject["raw_bytes"] == len(huge) and reject["raw_cut"] and len(view.bronze) == 2


def test_the_limit_of_an_events_size_is_exact(program, lake, tmp_path):
    path = tmp_path / "limit.jsonl"
    rng = random.Random(5)
    event = sales.sale(1, rng)
    padded = [event.value[:-1] + b" " * (1000 - len(event.value) + extra) + b"}" for extra in (0, 1)]
    assert [len(value) for value in padded] == [1000, 1001]
    events = [sales.Event(padded[0], event.fate), sales.Event(padded[1], sales.Reject("too_large", padded[1]))]
    lines, fates = sales.as_lines(events)
    path.write_bytes(lines)
    read_file(program, lake, path, "event.max_event_bytes=1000").expect(EXIT_OK)
    oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))


def test_nesting_up_to_the_limit_is_read(program, lake, tmp_path):
    path = tmp_path / "deep.jsonl"
    event = sales.sale(1, random.Random(6))

    def nested(depth: int) -> bytes:  # the event's own object is level 1
        return event.value[:-1] + b',"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    events = [
        sales.Event(nested(64), event.fate),
        sales.Event(nested(65), sales.Reject("too_deep", nested(65))),
        # Brackets inside a string are no nesting.
        sales.Event(event.value[:-1] + b',"x":"' + b"[" * 1000 + b'"}', event.fate),
    ]
    lines, fates = sales.as_lines(events)
    path.write_bytes(lines)
    read_file(program, lake, path).expect(EXIT_OK)
    oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))


@pytest.mark.parametrize("text", ["é" * 500, "€" * 500, "🛒" * 500, "a" + "🛒" * 500])
def test_raw_text_is_cut_between_characters(program, lake, tmp_path, text):
    path = tmp_path / "cut.jsonl"
    raw = json.dumps(text, ensure_ascii=False).encode("utf-8")
    lines, fates = sales.as_lines([sales.Event(raw, sales.Reject("not_an_object", raw))])
    path.write_bytes(lines)
    read_file(program, lake, path, "quarantine.max_raw_bytes=301").expect(EXIT_OK)
    view = oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}), max_raw_bytes=301)
    assert view.quarantine[0]["raw_encoding"] == "utf8"


def test_bytes_that_are_no_text_are_kept_as_base64(program, lake, tmp_path):
    path = tmp_path / "bytes.jsonl"
    raw = bytes(byte for byte in range(256) if byte != 10) * 3
    lines, fates = sales.as_lines([sales.Event(raw, sales.Reject("invalid_utf8", raw))])
    path.write_bytes(lines)
    read_file(program, lake, path).expect(EXIT_OK)
    view = oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))
    assert view.quarantine[0]["raw_encoding"] == "base64"


def test_unknown_fields_are_ignored_or_refused_as_configured(program, tmp_path):
    path = tmp_path / "unknown.jsonl"
    event = sales.sale(1, random.Random(7))
    value = event.value[:-1] + b',"remise":0.1}'
    for choice, fate in (("ignore", event.fate), ("refuse", sales.Reject("unknown_field", value, "remise"))):
        lines, fates = sales.as_lines([sales.Event(value, fate)])
        path.write_bytes(lines)
        lake = tmp_path / choice
        read_file(program, lake, path, f"event.unknown_fields={choice}").expect(EXIT_OK)
        oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))


def test_a_duplicate_key_counts_even_where_it_is_not_a_column(program, lake, tmp_path):
    path = tmp_path / "duplicate.jsonl"
    value = sales.sale(1, random.Random(8)).value[:-1] + b',"x":1,"x":2}'
    lines, fates = sales.as_lines([sales.Event(value, sales.Reject("duplicate_key", value))])
    path.write_bytes(lines)
    read_file(program, lake, path).expect(EXIT_OK)
    oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))


def test_an_event_of_the_future_moves_nothing(program, lake, tmp_path):
    path = tmp_path / "future.jsonl"
    rng = random.Random(9)
    now = datetime.datetime.now(UTC).replace(microsecond=0)
    ahead = now + datetime.timedelta(hours=2)
    within = sales.sale(1, rng, now + datetime.timedelta(minutes=30))
    beyond = sales.sale(2, rng, ahead)
    events = [within, sales.Event(beyond.value, sales.Reject("future_event", beyond.value, "timestamp"))]
    lines, fates = sales.as_lines(events)
    path.write_bytes(lines)
    read_file(program, lake, path).expect(EXIT_OK)
    # The oracle compares the partition's largest event time with the rows: the rejected one is not in it.
    oracle.assert_exact(lake, oracle.file_truth(lake, {path.name: fates}))


@pytest.mark.broker
def test_the_future_is_measured_from_the_records_own_time(program, lake, broker):
    """A replay of old records decides as the first reading did: the clock has no say."""
    topic = broker.topic(1)
    now = datetime.datetime.now(UTC).replace(microsecond=0)
    event = sales.sale(1, random.Random(10), now - datetime.timedelta(days=1))
    early = sales.Event(event.value, sales.Reject("future_event", event.value, "timestamp"))
    topic.produce([early], timestamp=now - datetime.timedelta(days=1, hours=2))
    topic.produce([event], timestamp=now - datetime.timedelta(days=1, minutes=30))
    program.ingest(lake, *topic.arguments(), *CAUGHT_UP).expect(EXIT_OK)
    oracle.assert_exact(lake, topic.truth)


# --- every type, its limits and its spellings ---

TYPES = """
[pipeline]
name = "types"
timezone = "Europe/Paris"
[lake]
path = "unused"
[source]
kind = "file"
[source.file]
path = "unused"
[event]
event_time = "at"
[event.fields]
at   = "TIMESTAMP required"
big  = "BIGINT"
int  = "INT"
dbl  = "DOUBLE"
dec  = "DECIMAL(38,10)"
txt  = "VARCHAR"
flag = "BOOLEAN"
day  = "DATE"
[bronze]
table = "bronze/types"
partition_by = "day(at) as jour"
"""

AT = '"2026-01-01T00:00:00Z"'
D = decimal.Decimal

GOOD_VALUES = [
    ("big", "-9223372036854775808", -(2**63)),
    ("big", "9223372036854775807", 2**63 - 1),
    ("big", "-0", 0),
    ("int", "2147483647", 2**31 - 1),
    ("dbl", "0.1", 0.1),
    ("dbl", "1.7976931348623157e308", 1.7976931348623157e308),
    ("dbl", "5e-324", 5e-324),
    ("dbl", "9007199254740993", 9007199254740992.0),
    ("dbl", "3", 3.0),
    ("dec", "0.1", D("0.1")),
    ("dec", "9999999999999999999999999999.9999999999", D("9999999999999999999999999999.9999999999")),
    ("dec", "-9999999999999999999999999999.9999999999", D("-9999999999999999999999999999.9999999999")),
    ("dec", "123456789012345678.0000000001", D("123456789012345678.0000000001")),
    ("dec", "1.50000000000000000000", D("1.5")),
    ("dec", "1e3", D("1000")),
    ("dec", "12.5E-1", D("1.25")),
    ("txt", '"\\u00e9\\ud83d\\uded2"', "é🛒"),
    ("txt", '""', ""),
    ("txt", '"a\\u0000b"', "a\0b"),
    ("txt", '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'),
    ("flag", "true", True),
    ("flag", "false", False),
    ("day", '"2024-02-29"', datetime.date(2024, 2, 29)),
    ("day", '"1969-12-31"', datetime.date(1969, 12, 31)),
    ("big", "null", None),
    ("txt", "null", None),
]

# Event times: text, and the instant in UTC. The pipeline's zone, Europe/Paris, counts where the text has none.
INSTANTS = [
    ('"2026-01-15T12:00:00Z"', "2026-01-15T12:00:00"),
    ('"2026-01-15T12:00:00"', "2026-01-15T11:00:00"),
    ('"2026-07-15T12:00:00"', "2026-07-15T10:00:00"),
    ('"2026-03-29T02:30:00"', "2026-03-29T01:30:00"),  # an hour that clocks skip is carried over the gap
    # An hour that does not occur moves forward, one that occurs twice is the first: as java.time, and so Spark.
    ('"2026-03-29T02:30:00"', "2026-03-29T01:30:00"),
    ('"2026-10-25T02:30:00"', "2026-10-25T00:30:00"),
    ('"2026-01-15T12:00:00+05:30"', "2026-01-15T06:30:00"),
    ('"2026-01-15T00:30:00+02:00"', "2026-01-14T22:30:00"),
    ('"2026-01-15 12:00:00Z"', "2026-01-15T12:00:00"),
    ('"2026-01-15T12:00:00.123456Z"', "2026-01-15T12:00:00.123456"),
    ('"2026-01-15T12:00:00.1Z"', "2026-01-15T12:00:00.100000"),
    ("1768478400000", "2026-01-15T12:00:00"),
    ("1768478400123", "2026-01-15T12:00:00.123000"),
    ("-1", "1969-12-31T23:59:59.999000"),
    ("0", "1970-01-01T00:00:00"),
]

BAD_VALUES = [
    ("big", "9223372036854775808", "overflow"),
    ("big", '"12"', "wrong_type"),
    ("big", "1.5", "wrong_type"),
    ("big", "[1]", "wrong_type"),
    ("int", "2147483648", "overflow"),
    ("dbl", "1e309", "overflow"),
    ("dbl", "NaN", "not_finite"),
    ("dbl", "Infinity", "not_finite"),
    ("dbl", "-Infinity", "not_finite"),
    ("dbl", '"1.0"', "wrong_type"),
    ("dec", "0.00000000001", "overflow"),
    ("dec", "1e28", "overflow"),
    ("dec", "1e999999999", "overflow"),
    ("dec", "NaN", "not_finite"),
    ("txt", "1", "wrong_type"),
    ("txt", "true", "wrong_type"),
    ("txt", '["a"]', "wrong_type"),
    ("txt", '"\\ud800"', "invalid_json"),
    ("flag", "1", "wrong_type"),
    ("flag", '"true"', "wrong_type"),
    ("day", '"2023-02-29"', "bad_timestamp"),
    ("day", '"hello"', "bad_timestamp"),
    ("day", "20240101", "wrong_type"),
    ("at", '"2026-01-15"x', "invalid_json"),
    ("at", "true", "wrong_type"),
    ("at", "null", "missing_field"),
    ("at", '"2026-13-01T00:00:00Z"', "bad_timestamp"),
    ("at", '"2026-01-15T12:00:00+25:00"', "bad_timestamp"),
    ("at", '""', "bad_timestamp"),
    ("big", "01", "invalid_json"),
    ("big", "+1", "invalid_json"),
    ("dbl", ".5", "invalid_json"),
    ("dbl", "1.", "invalid_json"),
    ("big", "0x10", "invalid_json"),
    ("flag", "True", "invalid_json"),
    ("txt", "'a'", "invalid_json"),
]


@pytest.fixture
def types(program, tmp_path):
    pipeline = tmp_path / "types.toml"
    pipeline.write_text(TYPES)
    return program.with_pipeline(pipeline)


def typed_lines(values) -> bytes:
    lines = []
    for name, text, *_ in values:
        members = {"at": AT} | {name: text}
        lines.append("{" + ",".join(f'"{key}":{value}' for key, value in members.items()) + "}")
    return ("\n".join(lines) + "\n").encode("utf-8")


def test_every_type_keeps_its_values_to_the_limits(types, lake, tmp_path):
    path = tmp_path / "good.jsonl"
    path.write_bytes(typed_lines(GOOD_VALUES))
    read_file(types, lake, path).expect(EXIT_OK)
    view = oracle.LakeView(lake, "types", "types")
    assert [(row["reason"], row["raw"], row["message"]) for row in view.quarantine] == []
    rows = sorted(view.bronze, key=lambda row: row["_offset"])
    for (name, text, value), row in zip(GOOD_VALUES, rows, strict=True):
        assert row[name] == value and type(row[name]) is type(value), (name, text, row[name])
        assert all(row[other] is None for other in ("big", "int", "dbl", "dec", "txt", "flag", "day") if other != name)


def test_instants_of_every_spelling(types, lake, tmp_path):
    path = tmp_path / "instants.jsonl"
    path.write_bytes(typed_lines([("at", text) for text, _ in INSTANTS]))
    read_file(types, lake, path).expect(EXIT_OK)
    view = oracle.LakeView(lake, "types", "types")
    assert [(row["reason"], row["raw"], row["message"]) for row in view.quarantine] == []
    rows = sorted(view.bronze, key=lambda row: row["_offset"])
    for (text, expected), row in zip(INSTANTS, rows, strict=True):
        instant = datetime.datetime.fromisoformat(expected).replace(tzinfo=UTC)
        assert row["at"] == instant, text
        assert row["jour"] == instant.strftime("%Y-%m-%d"), text


def test_values_of_every_type_that_do_not_fit_are_rejected(types, lake, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(typed_lines(BAD_VALUES))
    read_file(types, lake, path).expect(EXIT_OK)
    view = oracle.LakeView(lake, "types", "types")
    assert view.bronze == []
    rows = sorted(view.quarantine, key=lambda row: row["_offset"])
    found = [(name, text, row["reason"]) for (name, text, _), row in zip(BAD_VALUES, rows, strict=True)]
    assert found == BAD_VALUES
