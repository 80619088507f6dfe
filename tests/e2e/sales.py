"""Events of the sales pipeline, made here: the bytes, and beside them what must become of them.

Nothing here comes from Inlet: the values are chosen first and written as JSON, in many legal spellings.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import random

UTC = datetime.timezone.utc
FIRST_DAY = datetime.datetime(2026, 1, 1, tzinfo=UTC)

# The event's columns, as the design's reference workload has them: name, type, required.
FIELDS = (
    ("vente_id", "BIGINT", True),
    ("client_id", "BIGINT", True),
    ("produit_id", "BIGINT", True),
    ("timestamp", "TIMESTAMP", True),
    ("quantite", "INT", True),
    ("montant", "DECIMAL(12,2)", True),
    ("client_nom", "VARCHAR", False),
    ("produit_nom", "VARCHAR", False),
    ("categorie", "VARCHAR", False),
    ("pays", "VARCHAR", False),
    ("segment", "VARCHAR", False),
)
COLUMNS = tuple(name for name, _, _ in FIELDS)


@dataclasses.dataclass(frozen=True)
class Row:
    """An event that belongs into bronze, by column."""

    values: dict


@dataclasses.dataclass(frozen=True)
class Reject:
    """An event that belongs into quarantine. `field` None: not compared."""

    reason: str
    raw: bytes | None  # None: a tombstone
    field: str | None = None


@dataclasses.dataclass(frozen=True)
class Event:
    """What is produced: `value` None is a tombstone."""

    value: bytes | None
    fate: Row | Reject


_NAMES = ("Alice Martin", "Zoë Ærøskøbing", "李小龍", "O'Neil \"Bob\"", "back\\slash", "tab\tand\nline", "🛒 кошик", "", "é" * 40)
_COUNTRIES = ("France", "Côte d'Ivoire", "België", "日本", None)


def _timestamp_text(at: datetime.datetime, rng: random.Random):
    """One of the legal spellings of an instant."""
    millis = round((at - datetime.datetime(1970, 1, 1, tzinfo=UTC)) / datetime.timedelta(milliseconds=1))
    spelling = rng.randrange(5)
    if spelling == 0 and at.microsecond % 1000 == 0:
        return millis
    if spelling == 1:  # another zone
        offset = datetime.timezone(datetime.timedelta(hours=rng.choice((-5, 2)), minutes=rng.choice((0, 30))))
        return at.astimezone(offset).isoformat()
    if spelling == 2:  # no zone: the pipeline's, UTC
        return at.replace(tzinfo=None).isoformat()
    if spelling == 3:
        return at.replace(tzinfo=None).isoformat() + "Z"
    return at.isoformat()


def _object_text(members: list[tuple[str, str]], rng: random.Random) -> bytes:
    """Members as they are, with legal white space, in any order."""
    if rng.random() < 0.3:
        rng.shuffle(members)
    comma, colon = rng.choice(((",", ":"), (", ", ": "), (" ,\t", " :  ")))
    return ("{" + comma.join(json.dumps(k) + colon + v for k, v in members) + "}").encode("utf-8")


def values(number: int, rng: random.Random, at: datetime.datetime | None = None) -> dict:
    if at is None:
        at = FIRST_DAY + datetime.timedelta(
            microseconds=rng.randrange(3 * 86_400) * 1_000_000 + rng.choice((0, 999_999, rng.randrange(1_000_000)))
        )
    return {
        "vente_id": number,
        "client_id": rng.choice((1, 5, 2**53 + 1, 2**63 - 1, -(2**63))),
        "produit_id": rng.randrange(1, 7),
        "timestamp": at,
        "quantite": rng.choice((1, 2, 3, 0, -(2**31), 2**31 - 1)),
        "montant": decimal.Decimal(rng.choice((rng.randrange(100_000), 10**12 - 1, -(10**12 - 1), 1, 10))).scaleb(-2),
        "client_nom": rng.choice(_NAMES),
        "produit_nom": rng.choice(_NAMES),
        "categorie": rng.choice(("Électronique", "Livres")),
        "pays": rng.choice(_COUNTRIES),
        "segment": rng.choice(("Premium", "Standard", None)),
    }


def members(row: dict, rng: random.Random) -> list[tuple[str, str]]:
    """The JSON members of a row: a NULL is null or absent, text is escaped or not, a decimal keeps its digits."""
    found = []
    for name, value in row.items():
        if value is None:
            if rng.random() < 0.5:
                found.append((name, "null"))
        elif isinstance(value, datetime.datetime):
            found.append((name, json.dumps(_timestamp_text(value, rng))))
        elif isinstance(value, decimal.Decimal):
            text = f"{value:f}"
            if rng.random() < 0.3 and text.endswith("0"):
                text = text[:-1]
            found.append((name, text))
        elif isinstance(value, str):
            found.append((name, json.dumps(value, ensure_ascii=rng.random() < 0.5)))
        else:
            found.append((name, str(value)))
    return found


def sale(number: int, rng: random.Random, at: datetime.datetime | None = None) -> Event:
    row = values(number, rng, at)
    return Event(_object_text(members(row, rng), rng), Row(row))


def _changed(number: int, rng: random.Random, **changes: str | None) -> bytes:
    """A sale whose members are replaced by the given JSON text, or left out (None)."""
    row = dict(members(values(number, rng), rng))
    for name, text in changes.items():
        if text is None:
            row.pop(name, None)
        else:
            row[name] = text
    return _object_text(list(row.items()), rng)


def broken(kind: str, number: int, rng: random.Random) -> Event:
    """One bad event of the kind; the kinds are the keys of BROKEN."""
    reason, field, make = BROKEN[kind]
    raw = make(number, rng)
    return Event(raw, Reject(reason, raw, field))


def _good(number: int, rng: random.Random) -> bytes:
    value = sale(number, rng).value
    assert value is not None
    return value


def _insert(number: int, rng: random.Random, extra: bytes) -> bytes:
    return _good(number, rng)[:-1] + b"," + extra + b"}"


# kind: (reason, field or None where any will do, bytes)
BROKEN = {
    "tombstone": ("tombstone", None, lambda n, r: None),
    "empty": ("empty", None, lambda n, r: b""),
    "broken_json": ("invalid_json", None, lambda n, r: _good(n, r)[:-1]),
    "json_with_tail": ("invalid_json", None, lambda n, r: _good(n, r) + b" x"),
    "two_objects": ("invalid_json", None, lambda n, r: _good(n, r) + _good(n, r)),
    "text": ("invalid_json", None, lambda n, r: b"hello, world"),
    "bad_escape": ("invalid_json", None, lambda n, r: _changed(n, r, client_nom=r'"\x"')),
    "control_character": ("invalid_json", None, lambda n, r: _changed(n, r, client_nom='"a\x01b"')),
    "invalid_utf8": ("invalid_utf8", None, lambda n, r: _changed(n, r, client_nom='"@@"').replace(b"@@", b"\xff\xc0")),
    "cut_utf8": ("invalid_utf8", None, lambda n, r: _changed(n, r, client_nom='"@@"').replace(b"@@", b"\xe2\x82")),
    "surrogate_utf8": ("invalid_utf8", None, lambda n, r: _changed(n, r, pays='"@@"').replace(b"@@", b"\xed\xa0\x80")),
    "array": ("not_an_object", None, lambda n, r: b"[" + _good(n, r) + b"]"),
    "number": ("not_an_object", None, lambda n, r: b"42"),
    "string": ("not_an_object", None, lambda n, r: b'"sale"'),
    "null": ("not_an_object", None, lambda n, r: b"null"),
    "deep": ("too_deep", None, lambda n, r: _insert(n, r, b'"x":' + b"[" * 10_000 + b"]" * 10_000)),
    "deep_objects": ("too_deep", None, lambda n, r: _insert(n, r, b'"x":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000)),
    "duplicate_key": ("duplicate_key", "quantite", lambda n, r: _insert(n, r, b'"quantite":1')),
    "duplicate_key_escaped": ("duplicate_key", "quantite", lambda n, r: _insert(n, r, rb'"quantit\u0065":1')),
    "missing": ("missing_field", "montant", lambda n, r: _changed(n, r, montant=None)),
    "null_required": ("missing_field", "client_id", lambda n, r: _changed(n, r, client_id="null")),
    "empty_object": ("missing_field", None, lambda n, r: b"{}"),
    "text_for_bigint": ("wrong_type", "vente_id", lambda n, r: _changed(n, r, vente_id='"twelve"')),
    "fraction_for_int": ("wrong_type", "quantite", lambda n, r: _changed(n, r, quantite="1.5")),
    "bool_for_decimal": ("wrong_type", "montant", lambda n, r: _changed(n, r, montant="true")),
    "number_for_text": ("wrong_type", "pays", lambda n, r: _changed(n, r, pays="7")),
    "object_for_text": ("wrong_type", "pays", lambda n, r: _changed(n, r, pays='{"code":"FR"}')),
    "bigint_overflow": ("overflow", "vente_id", lambda n, r: _changed(n, r, vente_id=str(2**63))),
    "int_overflow": ("overflow", "quantite", lambda n, r: _changed(n, r, quantite=str(-(2**31) - 1))),
    "decimal_overflow": ("overflow", "montant", lambda n, r: _changed(n, r, montant="10000000000.00")),
    "decimal_scale": ("overflow", "montant", lambda n, r: _changed(n, r, montant="0.001")),
    "nan": ("not_finite", "montant", lambda n, r: _changed(n, r, montant="NaN")),
    "infinity": ("not_finite", "montant", lambda n, r: _changed(n, r, montant="-Infinity")),
    "no_timestamp": ("bad_timestamp", "timestamp", lambda n, r: _changed(n, r, timestamp='"yesterday"')),
    "february_30": ("bad_timestamp", "timestamp", lambda n, r: _changed(n, r, timestamp='"2026-02-30T00:00:00Z"')),
    "hour_25": ("bad_timestamp", "timestamp", lambda n, r: _changed(n, r, timestamp='"2026-01-01T25:00:00Z"')),
    "future": ("future_event", "timestamp", lambda n, r: _changed(n, r, timestamp='"9000-01-01T00:00:00Z"')),
}

# The quick ones, for mixing into long streams; no tombstone and no empty value, which a file's lines cannot be.
COMMON_BROKEN = tuple(kind for kind in BROKEN if kind not in ("tombstone", "empty", "deep", "deep_objects"))


def stream(rng: random.Random, count: int, first: int = 1, malformed: float = 0.03, repeated: float = 0.03) -> list[Event]:
    """A stretch of events: mostly good ones, some broken, some the content of the one before again."""
    events: list[Event] = []
    for number in range(first, first + count):
        draw = rng.random()
        if draw < malformed:
            events.append(broken(rng.choice(COMMON_BROKEN), number, rng))
        elif draw < malformed + repeated and events and isinstance(events[-1].fate, Row):
            events.append(events[-1])
        else:
            events.append(sale(number, rng))
    return events


def as_lines(events: list[Event], start: int = 0) -> tuple[bytes, dict[int, Row | Reject]]:
    """Newline-delimited bytes, and by offset what becomes of each: a line's offset is its last byte, the newline."""
    parts, fates, position = [], {}, start
    for event in events:
        assert event.value is not None and b"\n" not in event.value
        parts.append(event.value + b"\n")
        position += len(parts[-1])
        fates[position - 1] = event.fate
    return b"".join(parts), fates
