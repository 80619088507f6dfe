"""Random pipelines for test_random_views.py: a schema, the events of it, and views over them, all from one seed.

A case is made of plain data: text of the pipeline file, bytes to append to the source's files step by step, settings of each
run, and for every view two queries: the one Inlet gets, and the one the judge asks a plain DuckDB. They are the same text but
for the aggregates that DuckDB alone does not answer the way the documents promise: averages of decimals (exact, half up) and
what a tie decides (first, last, arg_min, arg_max: by time and place). For these the judge's query lists the group's values,
and `Output.value` makes the result of them in Python.

Knows docs/views.md and docs/pipeline-file.md, and nothing of how Inlet keeps a view.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import fractions
import json
import random
from collections.abc import Callable

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
PIPELINE = "events"
TABLE = f"bronze.{PIPELINE}"
PLACE = ("_source", "_partition", "_offset")

# Where a run may be killed, and at most how many times it passes there before. Not every run passes as often: it then ends well.
KILL_POINTS = {
    "views.after_apply": 6,
    "views.before_publish_parquet": 3,
    "views.before_publish_commit": 3,
    "views.after_publish_commit": 3,
    "views.before_state_manifest": 3,
    "views.after_state_manifest": 3,
    "views.after_state_put_away": 2,
    "bronze.after_commit": 4,
    "pipeline.after_acknowledge": 3,
    "lake.after_commit_link": 9,
}

NAMES = ("amount", "Code", "select", "größe", "ville_名", "x1", "group", "n", "état", "order", "T2", "value", "label", "day")
TEXTS = ("", "a", "b", "B", "é", "e\u0301", "東京", "🙂", " ", "a/b", "x=y&z", "100%", "it's", 'say "no"', "NULL")
TEXTS += ("\\n", "line\nbreak")
LONG_TEXT = "a longer text that needs memory of its own, é and 東 in it"

# precision, scale, digits of the largest value before the point
DECIMALS = ((12, 2, 6), (5, 0, 5), (20, 4, 12), (18, 6, 12), (36, 6, 27), (38, 10, 20), (38, 0, 30), (4, 4, 0))


def microseconds(moment: datetime.datetime) -> int:
    return (moment - EPOCH) // datetime.timedelta(microseconds=1)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column that views may use; `kind` is BIGINT, INT, DOUBLE, DECIMAL, VARCHAR, BOOLEAN, DATE or TIMESTAMP."""

    name: str
    kind: str
    precision: int = 0
    scale: int = 0
    required: bool = False
    # Small enough for arithmetic and sums that fit; what is not is only looked at.
    moderate: bool = True
    values: tuple = ()

    @property
    def sql(self) -> str:
        return quoted(self.name)

    @property
    def declared(self) -> str:
        kind = f"DECIMAL({self.precision},{self.scale})" if self.kind == "DECIMAL" else self.kind
        return kind + (" required" if self.required else "")

    @property
    def published(self) -> str:
        return arrow_decimal(self.precision, self.scale) if self.kind == "DECIMAL" else ARROW_OF_KIND[self.kind]

    @property
    def listed(self) -> str:
        """As the judge's lists hold it."""
        return f"epoch_us({self.sql})" if self.kind == "TIMESTAMP" else self.sql


def arrow_decimal(precision: int, scale: int) -> str:
    return f"decimal128({precision}, {scale})"


ARROW_OF_KIND = {
    "BIGINT": "int64",
    "INT": "int32",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "BOOLEAN": "bool",
    "DATE": "date32[day]",
    "TIMESTAMP": "timestamp[us, tz=UTC]",
}


@dataclasses.dataclass(frozen=True)
class Output:
    """A column of a view. `judged` is the column of the judge's query that `value` makes it from."""

    name: str
    sql: str
    judged: str
    value: Callable = lambda x: x
    # The type it is published in; empty: what DuckDB says of the judged column, in Delta's types.
    published: str = ""
    # A DOUBLE that sums made: 1e-9 relative, and beside it 1e-12 of the largest term, where terms cancel each other out.
    is_exact: bool = True
    scale_sql: str = ""
    shows_key: bool = False


@dataclasses.dataclass(frozen=True)
class Condition:
    """HAVING: what Inlet gets, and what the judge decides by: the same, or a column of values and a predicate over it."""

    sql: str
    judged: str = ""
    holds: Callable | None = None


@dataclasses.dataclass(frozen=True)
class View:
    name: str
    sql: str
    outputs: tuple[Output, ...]
    judge_sql: str
    having: Condition | None
    partition_by: tuple[str, ...]
    # Of every view known to be one that cannot be kept.
    unsupported: bool
    features: frozenset[str]

    def toml(self) -> str:
        text = f"[views.{self.name}]\nsql = {json.dumps(self.sql, ensure_ascii=False)}\n"
        if self.partition_by:
            text += f"partition_by = {json.dumps(list(self.partition_by), ensure_ascii=False)}\n"
        return text


@dataclasses.dataclass(frozen=True)
class Step:
    appended: dict[str, bytes]  # to which file
    settings: tuple[str, ...]
    kill_at: str | None


@dataclasses.dataclass(frozen=True)
class Case:
    seed: int
    columns: tuple[Column, ...]
    head: str  # the pipeline file but for its views; `source.file.path` is set from outside
    views: tuple[View, ...]
    steps: tuple[Step, ...]
    is_directory: bool
    dimension: tuple[tuple[str, str], ...]
    sent: tuple[tuple, ...]  # what the good lines hold, TIMESTAMPs in microseconds
    bad_lines: int

    def pipeline(self, views) -> str:
        return self.head + "\n" + "\n".join(view.toml() for view in views)


# --- what Python makes of listed values ---


def exact_average(values: list | None, precision: int, scale: int):
    """DECIMAL(min(38, p+4), s+4), half away from zero."""
    present = [fractions.Fraction(value) for value in values or [] if value is not None]
    if not present:
        return None
    digits = scale + 4
    scaled = sum(present) / len(present) * 10**digits
    whole = (2 * abs(scaled.numerator) + scaled.denominator) // (2 * scaled.denominator)
    with decimal.localcontext() as context:
        context.prec = 80
        result = decimal.Decimal(-whole if scaled < 0 else whole).scaleb(-digits)
    assert whole < 10 ** min(38, precision + 4), "the generator made an average that has no room"
    return result


def place_of(row: dict) -> tuple:
    return row["p"], row["f"], row["s"]


def first_of(rows: list[dict] | None, *, descending=False, nulls_first=False, last=False, value_nulls=True):
    """first / last / any_value(v ORDER BY o): the order is that of (o, place) as a whole, or its reverse."""
    rows = [row for row in rows or [] if value_nulls or row["v"] is not None]
    nulls = sorted((row for row in rows if row["o"] is None), key=place_of, reverse=descending)
    others = sorted((row for row in rows if row["o"] is not None), key=lambda row: (row["o"], place_of(row)), reverse=descending)
    ordered = nulls + others if nulls_first else others + nulls
    return (ordered[-1 if last else 0] if ordered else {"v": None})["v"]


def arg_extreme(rows: list[dict] | None, largest: bool):
    rows = [row for row in rows or [] if row["v"] is not None and row["o"] is not None]
    if not rows:
        return None
    return (max if largest else min)(rows, key=lambda row: (row["o"], place_of(row)))["v"]


# --- schema and events ---


def random_values(rng: random.Random, kind: str, spec: tuple[int, int, int], moderate: bool) -> tuple:
    """The values a column takes: few, so that rows share keys and tie, or many."""
    count = rng.choice((1, 2, 3, 5, 12, 60))

    def one():
        if kind in ("BIGINT", "INT"):
            if not moderate:
                bits = 63 if kind == "BIGINT" else 31
                return rng.choice((2**bits - 1, -(2**bits), 0, -1, rng.randrange(-(2**bits), 2**bits)))
            # INT: room for the arithmetic that views do; BIGINT: a sum over all events fits.
            most = 10**15 if kind == "BIGINT" else 10**6
            return rng.randint(*rng.choice(((-3, 3), (0, 20), (-1000, 1000), (-most, most))))
        if kind == "DECIMAL":
            precision, scale, before = spec
            digits = rng.choice((1, 2, before + scale, rng.randint(1, before + scale)))
            unscaled = rng.choice((1, -1)) * rng.choice((10**digits - 1, rng.randrange(10**digits), 5))
            with decimal.localcontext() as context:
                context.prec = 80
                return decimal.Decimal(unscaled).scaleb(-scale)
        if kind == "DOUBLE":
            if not moderate:
                return rng.choice((1.7976931348623157e308, -1.7e308, 5e-324, -0.0, 0.0, 1e-5, 123456789.123))
            return rng.choice((-0.0, 0.0, rng.randint(-8000, 8000) / 8, rng.uniform(-50, 100), rng.randint(-3, 3) / 2))
        if kind == "VARCHAR":
            others = (LONG_TEXT, "".join(rng.choices("abé东z_%", k=rng.randint(1, 9))))
            return rng.choice(TEXTS if rng.random() < 0.9 else others)
        if kind == "BOOLEAN":
            return rng.random() < 0.5
        if kind == "DATE":
            if rng.random() < 0.05:
                return rng.choice((datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.date(2024, 2, 29)))
            return datetime.date(2025, 1, 1) + datetime.timedelta(rng.randint(-40, 40))
        if rng.random() < 0.05:
            return rng.choice((EPOCH - datetime.timedelta(microseconds=1), datetime.datetime(1582, 10, 4, tzinfo=UTC)))
        seconds = rng.randint(-(10**6), 10**6) / rng.choice((1, 1, 1000))
        return datetime.datetime(2025, 1, 1, tzinfo=UTC) + datetime.timedelta(seconds=seconds)

    return tuple(one() for _ in range(count))


def random_columns(rng: random.Random) -> tuple[Column, ...]:
    names = rng.sample(NAMES, len(NAMES))
    kinds = list(ARROW_OF_KIND) + ["DECIMAL", "DECIMAL", "VARCHAR"]
    if rng.random() < 0.4:
        chosen = ["BIGINT", "INT", "DOUBLE", "DECIMAL", "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP"]
        rng.shuffle(chosen)
    else:
        chosen = rng.choices(kinds, k=rng.randint(2, 7))
    columns = []
    for name, kind in zip(names, chosen):
        spec = rng.choice(DECIMALS)
        moderate = rng.random() < 0.8 or kind not in ("BIGINT", "INT", "DOUBLE")
        precision, scale = spec[:2] if kind == "DECIMAL" else (0, 0)
        values = random_values(rng, kind, spec, moderate)
        columns.append(Column(name, kind, precision, scale, rng.random() < 0.35, moderate, values))
    return tuple(columns)


def json_value(rng: random.Random, value, kind: str) -> str:
    if value is None:
        return "null"
    if kind == "BOOLEAN":
        return "true" if value else "false"
    if kind == "DECIMAL":
        return f'"{value:f}"' if rng.random() < 0.1 else f"{value:f}"
    if kind == "DOUBLE":
        return repr(value)
    if kind == "DATE":
        return f'"{value.isoformat()}"'
    if kind == "TIMESTAMP":
        if value.microsecond % 1000 == 0 and rng.random() < 0.2:
            return str(microseconds(value) // 1000)
        if rng.random() < 0.2:
            return f'"{value.astimezone(datetime.timezone(datetime.timedelta(hours=rng.choice((-7, 2))))).isoformat()}"'
        return f'"{value.replace(tzinfo=None).isoformat()}Z"'
    if kind == "VARCHAR":
        return json.dumps(value, ensure_ascii=rng.random() < 0.3)
    return str(value)


class Events:
    """Lines, and what the good ones hold."""

    def __init__(self, rng: random.Random, columns: tuple[Column, ...], event_time: Column | None):
        self.rng = rng
        self.columns = columns
        self.event_time = event_time
        self.null_share = rng.choice((0, 0.1, 0.1, 0.5))
        self.bad_share = rng.choice((0, 0, 0.03))
        self.late_share = rng.choice((0, 0.05, 0.3))
        self.now = datetime.datetime(2025, 3, 1, 22, 0, tzinfo=UTC)
        self.pace = rng.choice((0, 1, 60, 900))
        self.sent: list[tuple] = []
        self.bad_lines = 0
        self.last: tuple[bytes, tuple] | None = None

    def value_of(self, column: Column):
        if not column.required and self.rng.random() < self.null_share:
            return None
        if column is self.event_time:
            self.now += datetime.timedelta(seconds=self.rng.randint(0, self.pace) if self.pace else 0)
            late = self.rng.random() < self.late_share
            return self.now - datetime.timedelta(seconds=self.rng.randint(1, 50_000)) if late else self.now
        return self.rng.choice(column.values)

    def line(self) -> bytes:
        rng = self.rng
        if rng.random() < self.bad_share:
            self.bad_lines += 1
            return rng.choice((b"", b"  ", b"{", b"nonsense", b'["a"]', b'{"a":1}}'))
        if self.last is not None and rng.random() < 0.05:
            self.sent.append(self.last[1])
            return self.last[0]
        values = [self.value_of(column) for column in self.columns]
        members = []
        for column, value in zip(self.columns, values):
            if value is None and rng.random() < 0.5:
                continue
            members.append(f"{json.dumps(column.name, ensure_ascii=False)}:{json_value(rng, value, column.kind)}")
        if rng.random() < 0.2:
            rng.shuffle(members)
        if rng.random() < 0.1:
            members.append('"_not_declared":[1,{"a":null}]')
        held = tuple(microseconds(v) if isinstance(v, datetime.datetime) else v for v in values)
        self.last = (("{" + ",".join(members) + "}").encode(), held)
        self.sent.append(held)
        return self.last[0]


def random_steps(rng: random.Random, events: Events, is_directory: bool) -> tuple[Step, ...]:
    files = ["a.jsonl", "b é.jsonl", "c.jsonl"] if is_directory else ["events.jsonl"]
    open_line: set[str] = set()  # files whose last line has no newline yet
    steps = []
    for n in range(rng.choice((2, 2, 3))):
        appended: dict[str, bytes] = {}
        for file in files if n == 0 or rng.random() < 0.5 else rng.sample(files, 1):
            lines = rng.choice((0, 1, 7, 40, 40, 150, 400)) if n or is_directory else rng.choice((0, 3, 40, 150, 400))
            made = [events.line() for _ in range(lines)]
            if rng.random() < 0.1:  # nothing but blank lines, in one stretch
                blank = rng.randint(1, 60)
                events.bad_lines += blank
                at = rng.randint(0, len(made))
                made[at:at] = [b""] * blank
            text = b"".join(line + (b"\r\n" if rng.random() < 0.02 else b"\n") for line in made)
            if file in open_line:
                text = b"\n" + text
                open_line.discard(file)
            if made and made[-1] and text.endswith(b"\n") and not text.endswith(b"\r\n") and rng.random() < 0.1:
                text = text[:-1]  # taken all the same by a run until caught-up
                open_line.add(file)
            appended[file] = text
        few = sum(text.count(b"\n") for text in appended.values()) < 60
        settings = [f"bronze.batch_rows={rng.choice((1, 7, 25, 100, 1000) if few else (25, 60, 200, 1000))}"]
        if rng.random() < 0.2:
            settings.append("resources.decode_threads=1")
        if rng.random() < 0.4:
            settings.append("resources.view_memory_limit=1MiB")
        kill_at = None
        if rng.random() < 0.35:
            point = rng.choice(sorted(KILL_POINTS))
            kill_at = f"{point}:{rng.randint(1, KILL_POINTS[point])}"
        steps.append(Step(appended, tuple(settings), kill_at))
    return tuple(steps)


# --- views ---

UNSUPPORTED = (
    "SELECT {k}, median({n}) AS m FROM bronze.events GROUP BY {k}",
    "SELECT {k}, count(*) AS n FROM bronze.events GROUP BY {k} LIMIT 3",
    "SELECT {k}, count(*) AS n, now() AS at FROM bronze.events GROUP BY {k}",
    "SELECT {k}, string_agg({k}, ',') AS l FROM bronze.events GROUP BY {k}",
    "SELECT DISTINCT {k} FROM bronze.events",
    "SELECT {k}, row_number() OVER () AS r FROM bronze.events",
    "SELECT {k}, first({n}) AS f FROM bronze.events GROUP BY {k}",
    "SELECT {k}, count(*) AS n FROM bronze.events GROUP BY ROLLUP ({k})",
    "SELECT {k}, sum(DISTINCT {n}) AS s FROM bronze.events GROUP BY {k}",
    "SELECT {k}, CASE WHEN stddev({n}) > 1 THEN 'wide' ELSE 'narrow' END AS w FROM bronze.events GROUP BY {k}",
)


class ViewMaker:
    def __init__(self, rng: random.Random, columns: tuple[Column, ...], label: Column | None, dimension: bool):
        self.rng = rng
        self.event_columns = columns
        place = (Column("_partition", "INT", required=True), Column("_offset", "BIGINT", required=True))
        times = [c for c in columns if c.kind == "TIMESTAMP"]
        self.keyable = (*columns, *columns, *times, *times, place[0], *((label,) * 3 if label else ()))
        self.columns = (*columns, place[1], *((label,) if label else ()))
        self.label = label
        self.has_dimension = dimension
        self.features: set[str] = set()

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def some(self, *kinds: str, moderate: bool = False) -> Column | None:
        fitting = [c for c in self.columns if (not kinds or c.kind in kinds) and (c.moderate or not moderate)]
        return self.rng.choice(fitting) if fitting else None

    def number(self) -> Column:
        """An exact number that can be summed."""
        return self.some("BIGINT", "INT", "DECIMAL", moderate=True)

    def constant(self, column: Column) -> str:
        value = self.rng.choice(column.values) if column.values else self.rng.randint(0, 3)
        if column.kind == "VARCHAR":
            return text_literal(value)
        if column.kind == "BOOLEAN":
            return "true" if value else "false"
        if column.kind == "DATE":
            return f"DATE '{value.isoformat()}'"
        if column.kind == "TIMESTAMP":
            return f"TIMESTAMPTZ '{value.replace(tzinfo=None).isoformat(' ')}+00'"
        if column.kind == "DECIMAL":
            return f"{value:f}"
        return repr(value) if column.kind != "DOUBLE" else f"CAST('{value!r}' AS DOUBLE)"

    def condition(self, depth: int = 1) -> str:
        rng = self.rng
        column = rng.choice(self.columns)
        forms = ["null", "compare", "compare", "in", "between", "distinct", "place"]
        if column.kind == "VARCHAR":
            forms += ["like", "length"]
        if depth:
            forms += ["and", "or", "not"]
        form = rng.choice(forms)
        if form == "null":
            return f"{column.sql} IS {rng.choice(('', 'NOT '))}NULL"
        if form == "compare":
            return f"{column.sql} {rng.choice(('=', '<>', '<', '<=', '>', '>='))} {self.constant(column)}"
        if form == "in":
            return f"{column.sql} {rng.choice(('', 'NOT '))}IN ({self.constant(column)}, {self.constant(column)})"
        if form == "between":
            return f"{column.sql} BETWEEN {self.constant(column)} AND {self.constant(column)}"
        if form == "distinct":
            return f"{column.sql} IS {rng.choice(('', 'NOT '))}DISTINCT FROM {self.constant(column)}"
        if form == "place":
            return f"_offset % {rng.randint(2, 4)} <> 1"
        if form == "like":
            return f"{column.sql} {rng.choice(('', 'NOT '))}LIKE {text_literal(rng.choice(('a%', '%é%', '_', '%', '%=%')))}"
        if form == "length":
            return f"length({column.sql}) > {rng.randint(0, 3)}"
        if form == "not":
            return f"NOT ({self.condition(depth - 1)})"
        return f"({self.condition(depth - 1)} {form.upper()} {self.condition(depth - 1)})"

    def filter(self) -> str:
        if not self.chance(0.25):
            return ""
        self.features.add("filter")
        return f" FILTER (WHERE {self.condition()})"

    def key(self) -> str:
        column = self.rng.choice(self.keyable)
        if self.chance(0.55):
            return column.sql
        expressions = {
            "TIMESTAMP": (
                "date_trunc('{part}', {c})",
                "date_trunc('{part}', {c})",
                "time_bucket(INTERVAL '{n} minutes', {c})",
                "year({c})",
                "CAST({c} AS DATE)",
                "extract(hour FROM {c})",
            ),
            "DATE": ("month({c})", "{c} - INTERVAL '1 day' < DATE '2025-01-05'", "dayofweek({c})"),
            "VARCHAR": (
                "upper({c})",
                "lower({c})",
                "length({c})",
                "left({c}, 1)",
                "coalesce({c}, '?')",
                "{c} || '-'",
                "nullif({c}, 'a')",
            ),
            "BOOLEAN": ("NOT {c}", "coalesce({c}, false)", "CASE WHEN {c} THEN 'yes' ELSE 'no' END"),
        }
        numbers = (
            "{c} % {n}",
            "{c} // {n}",
            "abs({c})",
            "CASE WHEN {c} > 0 THEN 'more' WHEN {c} = 0 THEN 'none' ELSE 'less' END",
            "{c} IS NULL",
            "sign({c})",
        )
        others = ("{c} IS NULL", "CASE WHEN {c} > 0 THEN 'more' ELSE 'less or null' END")
        if column.kind in expressions:
            forms = expressions[column.kind]
        else:
            forms = numbers if column.moderate and column.kind in ("BIGINT", "INT") else others
        form = self.rng.choice(forms)
        self.features.add("date_trunc" if "date_trunc" in form else "expression key")
        return form.format(c=column.sql, n=self.rng.choice((2, 3, 15)), part=self.rng.choice(("hour", "day", "month", "minute")))

    # An aggregate that a plain DuckDB answers exactly as promised.
    def exact(self) -> str:
        rng, number = self.rng, self.number()
        column = rng.choice(self.columns)
        forms = ["count(*)", "count_if", f"sum({number.sql})", f"sum({number.sql})"]
        forms += [f"{call}{column.sql})" for call in ("count(", "min(", "max(", "count(DISTINCT ")]
        if flag := self.some("BOOLEAN"):
            forms += [f"bool_and({flag.sql})", f"bool_or({flag.sql})"]
        if whole := self.some("INT", "BIGINT", moderate=True):
            forms += [f"sum({whole.sql} * 2 + 1)", f"sum(CASE WHEN {whole.sql} > 0 THEN 1 ELSE 0 END)"]
        form = rng.choice(forms)
        if form == "count_if":
            return f"count_if({self.condition()}){self.filter()}"
        if "DISTINCT" in form:
            self.features.add("count distinct")
        return form + self.filter()

    def integer(self) -> str:
        """An aggregate that is an integer, never NULL."""
        column = self.rng.choice(self.columns)
        return self.rng.choice(("count(*)", f"count({column.sql})", f"count(DISTINCT {column.sql})")) + self.filter()

    def listing(self, value: Column, order: Column, condition: str) -> str:
        row = f"{{'v': {value.listed}, 'o': {order.listed}, 'p': _partition, 'f': _offset, 's': _source}}"
        return f"list({row}){condition}"

    def pick(self, name: str) -> Output:
        rng = self.rng
        value, order = rng.choice(self.columns), rng.choice(self.columns)
        condition = self.filter()
        kind = rng.choice(("arg_max", "arg_min", "first", "last", "any_value", "max_by"))
        self.features.add({"max_by": "arg_max"}.get(kind, kind))
        listing = self.listing(value, order, condition)
        if kind in ("arg_max", "arg_min", "max_by"):
            largest = kind != "arg_min"
            sql = f"{kind}({value.sql}, {order.sql}){condition}"
            return Output(name, sql, listing, lambda rows: arg_extreme(rows, largest), value.published)
        descending = self.chance(0.25)
        nulls_first = self.chance(0.15)
        direction = (" DESC" if descending else "") + (" NULLS FIRST" if nulls_first else "")

        def chosen(rows):
            return first_of(
                rows,
                descending=descending,
                nulls_first=nulls_first,
                last=kind == "last",
                value_nulls=kind != "any_value",
            )

        return Output(name, f"{kind}({value.sql} ORDER BY {order.sql}{direction}){condition}", listing, chosen, value.published)

    def average(self, name: str) -> Output | None:
        column = self.some("DECIMAL")
        if column is None:
            return None
        self.features.add("decimal average")
        condition = self.filter()
        sql, listing = f"avg({column.sql}){condition}", f"list({column.sql}){condition}"
        precision, scale = column.precision, column.scale

        def average_of(values):
            return exact_average(values, precision, scale)

        if self.chance(0.25):
            bound = decimal.Decimal(self.constant(column))
            self.features.add("case")
            return Output(
                name,
                f"CASE WHEN {sql} > {bound:f} THEN 'above' WHEN {sql} IS NULL THEN 'none' ELSE 'below' END",
                listing,
                lambda values: "none" if average_of(values) is None else "above" if average_of(values) > bound else "below",
                "string",
            )
        return Output(name, sql, listing, average_of, arrow_decimal(min(38, precision + 4), scale + 4))

    def inexact(self, name: str) -> Output:
        rng = self.rng
        column = self.some("DOUBLE", "INT", moderate=True) or self.some("INT", "BIGINT", moderate=True)
        condition = self.filter()
        forms = ["stddev({c})", "stddev_pop({c})", "var_samp({c})", "var_pop({c})"]
        if column.kind == "DOUBLE":
            forms += ["sum({c})", "avg({c})", "sum({c} * 2)"]
        else:
            forms += ["avg({c})", "avg({c})"]
            if self.chance(0.3):
                column = self.some("BIGINT", moderate=True)
        form = rng.choice(forms).format(c=column.sql)
        self.features.add("stddev" if "stddev" in form or "var_" in form else "floating sum")
        power = 2 if "var_" in form else 1
        scale = f"max(pow(abs(CAST({column.sql} AS DOUBLE)), {power})){condition}"
        sql = form + condition
        if self.chance(0.2):
            sql = f"{sql} * 2 + 1"
        elif self.chance(0.15):
            sql = f"coalesce({sql}, 0)"
        return Output(name, sql, sql, is_exact=False, scale_sql=scale)

    def composite(self) -> str:
        rng, number = self.rng, self.number()
        self.features.add("composite")
        forms = ("CASE", "CASE", "count(*) * 2 + {i}", "coalesce(sum({n}), 0)", "max({n}) - min({n})", "{i} >= 2")
        form = rng.choice((*forms, "nullif({i}, 1)", "CAST(sum({n}) AS VARCHAR)", "greatest({i}, 2)"))
        if form == "CASE":
            self.features.add("case")
            form = "CASE WHEN sum({n}) >= {c} THEN 'Premium' WHEN {i} > 2 THEN 'Standard' WHEN {e} IS NULL THEN NULL ELSE 'é' END"
        made = {"{n}": lambda: number.sql, "{i}": self.integer, "{c}": lambda: self.constant(number), "{e}": self.exact}
        for field, make in made.items():
            if field in form:
                form = form.replace(field, make())
        return form

    def aggregate(self, name: str) -> Output:
        form = self.rng.choice(("exact", "exact", "exact", "average", "inexact", "pick", "pick", "composite"))
        if form == "pick":
            return self.pick(name)
        if form == "inexact":
            return self.inexact(name)
        if form == "average" and (made := self.average(name)):
            return made
        sql = self.composite() if form == "composite" else self.exact()
        return Output(name, sql, sql)

    def having(self, keys: list[str]) -> Condition:
        self.features.add("having")
        if self.chance(0.25) and (made := self.average("having")) and made.published.startswith("decimal"):
            bound = decimal.Decimal(self.rng.choice(("0", "1", "0.5", "-3.25")))

            def holds(values) -> bool:
                average = made.value(values)
                return average is not None and average > bound

            return Condition(f"{made.sql} > {bound}", made.judged, holds)
        number = self.number()
        forms = [
            f"{self.integer()} > {self.rng.randint(0, 4)}",
            f"sum({number.sql}) > {self.constant(number)}",
            f"max({self.rng.choice(self.columns).sql}) IS NOT NULL",
        ]
        if keys:
            forms.append(f"{self.rng.choice(keys)} IS NOT NULL AND {self.integer()} < 50")
        return Condition(self.rng.choice(forms))

    def source(self) -> tuple[str, bool]:
        text = [c for c in self.event_columns if c.kind == "VARCHAR"]
        if not (self.has_dimension and text and self.chance(0.5)):
            return TABLE, False
        self.features.add("dimension")
        join = self.rng.choice(("LEFT JOIN", "JOIN"))
        return f"{TABLE} {join} places ON places.place_code = {PIPELINE}.{self.rng.choice(text).sql}", True

    def make(self, name: str) -> View:
        self.features = set()
        if self.chance(0.05):
            key = self.rng.choice(self.event_columns)
            sql = self.rng.choice(UNSUPPORTED).format(k=key.sql, n=self.number().sql)
            return View(name, sql, (), "", None, (), True, frozenset({"unsupported"}))
        return self.make_append(name) if self.chance(0.2) else self.make_aggregate(name)

    def make_append(self, name: str) -> View:
        self.features.add("append")
        source, joined = self.source()
        where = f" WHERE {self.condition()}" if self.chance(0.7) else ""
        if not joined and self.chance(0.2):
            self.features.add("star")
            names = [c.name for c in self.event_columns] + ([self.label.name] if self.label else [])
            names += [*PLACE, "_kafka_timestamp", "date_ingestion"]
            select = "*"
            outputs = [Output(n, quoted(n), quoted(n), shows_key=True) for n in names]
        else:
            outputs = []
            for n in range(self.rng.randint(1, 4)):
                plain = self.chance(0.6)
                sql = self.rng.choice(self.columns).sql if plain else self.key()
                outputs.append(Output(f"o{n}", sql, sql, shows_key=plain))
            if joined:
                outputs.append(Output("region", "region", "region"))
            select = ", ".join(f"{o.sql} AS {quoted(o.name)}" for o in outputs)
            outputs += [Output(n, quoted(n), quoted(n)) for n in PLACE]
        partition_by = self.partitions(outputs)
        sql = f"SELECT {select} FROM {source}{where}"
        judge_sql = f"SELECT {', '.join(f'{o.judged} AS {quoted(o.name)}' for o in outputs)} FROM {source}{where}"
        return View(name, sql, tuple(outputs), judge_sql, None, partition_by, False, frozenset(self.features))

    def partitions(self, outputs: list[Output]) -> tuple[str, ...]:
        # delta-rs 1.6 cannot read a negative DECIMAL as a partition value, not even one that it wrote ("-1.-50").
        left_out = {c.sql for c in self.event_columns if c.kind == "DECIMAL"}

        def fits(output: Output) -> bool:
            is_place = output.name in (*PLACE, "_kafka_timestamp", "date_ingestion")
            return output.shows_key and not is_place and output.sql not in left_out

        keys = [o.name for o in outputs if fits(o)]
        if not keys or len(keys) == len(outputs) or not self.chance(0.4):
            return ()
        self.features.add("partition_by")
        return tuple(self.rng.sample(keys, min(len(keys), self.rng.choice((1, 1, 2)))))

    def make_aggregate(self, name: str) -> View:
        rng = self.rng
        source, joined = self.source()
        keys: list[str] = []
        for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3))):
            key = "region" if joined and self.chance(0.5) else self.key()
            if key not in keys:
                keys.append(key)
        self.features.add("keyed" if keys else "no key")
        grouping = rng.choice(("expressions", "expressions", "all", "positions", "aliases"))
        hidden = grouping == "expressions" and self.chance(0.2)
        shown = [key for key in keys if not (hidden and self.chance(0.5))]
        outputs = [Output(f"k{n}", key, key, shows_key=True) for n, key in enumerate(shown)]
        outputs += [self.aggregate(f"o{n}") for n in range(rng.randint(1, 5))]
        rng.shuffle(outputs)
        where = f" WHERE {self.condition()}" if self.chance(0.35) else ""
        if where:
            self.features.add("where")
        named = keys
        if grouping == "all":  # a column that HAVING names becomes a key of DuckDB's, and Inlet refuses that
            named = [key for key in keys if key == "region" or key in {c.sql for c in self.keyable}]
        having = self.having(named) if self.chance(0.25) else None
        select = ", ".join(f"{o.sql} AS {quoted(o.name)}" for o in outputs)
        group = {
            "expressions": ", ".join(keys),
            "all": "ALL",
            "positions": ", ".join(str(i + 1) for i, o in enumerate(outputs) if o.shows_key),
            "aliases": ", ".join(o.name for o in outputs if o.shows_key),
        }[grouping]
        by = f" GROUP BY {group}" if keys else ""
        sql = f"SELECT {select} FROM {source}{where}{by}" + (f" HAVING {having.sql}" if having else "")
        # The same, with other aggregates where `Output` says so, and behind them what else the judge needs.
        judged = [f"{o.judged} AS {quoted(o.name)}" for o in outputs]
        judged += [f"{o.scale_sql} AS scale_{o.name}" for o in outputs if o.scale_sql]
        condition = f" HAVING {having.sql}" if having else ""
        if having and having.holds:
            judged.append(f"{having.judged} AS having_values")
            condition = ""
        judge_sql = f"SELECT {', '.join(judged)} FROM {source}{where}{by}{condition}"
        return View(name, sql, tuple(outputs), judge_sql, having, self.partitions(outputs), False, frozenset(self.features))


# --- a case ---


def make(seed: int) -> Case:
    rng = random.Random(seed)
    columns = list(random_columns(rng))
    event_time = None
    if rng.random() < 0.85:
        midnight = datetime.datetime(2025, 3, 2, tzinfo=UTC)
        values = (midnight - datetime.timedelta(minutes=30), midnight)  # what conditions compare with
        event_time = Column("moment", "TIMESTAMP", required=rng.random() < 0.7, values=values)
        columns.insert(rng.randint(0, len(columns)), event_time)
    columns = tuple(columns)
    label = None
    partition = ""
    texts = [c for c in columns if c.kind == "VARCHAR"]
    choice = rng.choice(("none", "time", "text"))
    if choice == "time" and event_time:
        function, form = rng.choice((("day", "d"), ("hour", "h"), ("month", "m")))
        label = Column("part", "VARCHAR", values=("2025-03-01", "2025-03", "2025-03-01-22"))
        partition = f"{function}(moment) as part"
    elif choice == "text" and texts:
        column = rng.choice(texts)
        label = dataclasses.replace(column, name="part", required=False)
        partition = f"identity({column.name}) as part"
    events = Events(rng, columns, event_time)
    is_directory = rng.random() < 0.3
    steps = random_steps(rng, events, is_directory)

    dimension = ()
    if rng.random() < 0.35:
        codes = rng.sample(("a", "b", "B", "é", "東京", "a/b", "NULL"), 4)
        dimension = tuple((code, rng.choice(("north", "south", "été"))) for code in codes)
    maker = ViewMaker(rng, columns, label, bool(dimension))
    views = tuple(maker.make(f"v{n}") for n in range(rng.choice((3, 3, 4))))

    head = f'[pipeline]\nname = "{PIPELINE}"\n\n[lake]\npath = "lake"\n\n[source]\nkind = "file"\n\n[event]\n'
    if event_time:
        head += 'event_time = "moment"\n'
    head += "\n[event.fields]\n"
    for column in columns:
        head += f"{json.dumps(column.name, ensure_ascii=False)} = {json.dumps(column.declared)}\n"
    head += '\n[bronze]\nbatch_interval = "20ms"\n'
    if partition:
        head += f"partition_by = {json.dumps(partition, ensure_ascii=False)}\n"
    if event_time and rng.random() < 0.5:
        head += f'\n[late]\ndelay = "{rng.choice(("0s", "10m", "3h"))}"\npolicy = "{rng.choice(("apply", "apply", "divert"))}"\n'
    if dimension:
        head += '\n[dimensions.places]\npath = "places.csv"\n'
    return Case(seed, columns, head, views, steps, is_directory, dimension, tuple(events.sent), events.bad_lines)


def features(cases) -> collections.Counter:
    """How many views use what."""
    return collections.Counter(feature for case in cases for view in case.views for feature in view.features)
