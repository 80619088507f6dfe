"""A shop: a pipeline that shows every kind of panel and value, events for it, and what must be made of them.

The events are chosen here, full of what would hurt a page or a query that took text for anything else.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import pathlib
import random

SEED = 20260117
SALES = 1500
UTC = datetime.timezone.utc
FIRST = datetime.datetime(2025, 3, 1, tzinfo=UTC)
EVERY = datetime.timedelta(seconds=97, milliseconds=123)

# Text that a page, a log, a query or a stream must show as it is.
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "script_end": "</script><script>alert(1)//",
    "image": "<img src=x onerror=alert(1)>",
    "svg": "<svg/onload=alert(1)>",
    "quotes": "\"'`\\",
    "entities": "&lt;script&gt; &#60; &amp;",
    "comment": "<!-- --!> ]]>",
    "line_separators": "a\u2028b\u2029c",
    "nul": "a\0b",
    "controls": "\x01\b\f\n\r\t\x1b[31m\x7f",
    "template": "${alert(1)} {{7*7}} #{x} %s",
    "link": "javascript:alert(1)",
    "right_to_left": "\u202etxt.exe\u2066",
    "emoji": "🛒👩‍👩‍👧",
    "json": '","admin":true,"x":"',
    "event_stream": "x\n\nevent: reset\ndata: {}\n\n",
    "header": "x\r\nSet-Cookie: a=b\r\n\r\n<b>",
    "sql": "'; DROP TABLE x; --",
    "format": "{} {0} %n%n%n",
    "long": "é" * 3000,
}
FIELDS = ("client", "country", "product", "note")  # that can hold it

PIPELINE = r'''
[pipeline]
name = "shop"

[lake]
path = "lake"

[source]
kind = "file"

[source.file]
path = "sales.jsonl"

[source.generator]
rate = 400
seed = 3
partitions = 2
catalogue = "small"
start_time = "2025-03-01T00:00:00Z"
event_interval = "5s"
late_share = 0.02
late_by = "5h"
malformed_share = 0.02

[source.generator.fields]
id = "sequence"
sold = "event_time"
client = "client.name"
country = "client.country"
product = ["lamp", "desk", "chair"]
quantity = "uniform 1..5"
amount = "uniform 0.01..99.99"

[source.generator.catalogues.small.client]
columns = ["id", "name", "country"]
rows = [[1, "Manon", "Belgium"], [2, "Hugo", "France"], [3, "Chloé", "France"], [4, "Liam", "Canada"]]

[event]
event_time = "sold"

[event.fields]
id = "BIGINT required"
sold = "TIMESTAMP required"
client = "VARCHAR required"
country = "VARCHAR"
product = "VARCHAR"
quantity = "INT required"
amount = "DECIMAL(12,2) required"
big = "BIGINT"
weight = "DOUBLE"
gift = "BOOLEAN"
due = "DATE"
note = "VARCHAR"

[bronze]
partition_by = "day(sold) as day"
batch_interval = "50ms"

[late]
delay = "1h"
policy = "divert"

[[expect]]
name = "amount_positive"
sql = "amount > 0"
action = "warn"

[views.per_country]
partition_by = ["day"]
sql = """
  SELECT country, day, count(*) AS sales, sum(amount) AS revenue, avg(amount) AS mean, max(big) AS biggest
  FROM bronze.shop GROUP BY country, day"""

[views.per_client]
sql = """
  SELECT client, count(*) AS sales, sum(amount) AS revenue, max(sold) AS last_seen, max(due) AS last_due,
         count(DISTINCT product) AS products, bool_or(gift) AS gifts, max(weight) AS heaviest
  FROM bronze.shop GROUP BY client"""

[views.gifts]
sql = "SELECT id, sold, client, note, amount FROM bronze.shop WHERE gift"

[serve]
query_timeout = "10s"

[page]
title = "Shop, live"
locale = "fr-FR"
currency = "EUR"

[[filter]]
id = "when"
title = "Day"
column = "day"
values_from = "silver.per_country"

[[filter]]
column = "country"
values_from = "silver.per_country"

[[filter]]
id = "who"
title = "Client"
column = "client"
values_from = "silver.per_client"

[[panel]]
title = "Overview"
kind = "tiles"
view = "silver.per_country"
sql = "SELECT sum(revenue) AS revenue, sum(sales)::BIGINT AS sales FROM filtered"
money = ["revenue"]
wide = true

[[panel]]
title = "Top clients"
kind = "ranking"
view = "silver.per_client"
sql = "SELECT client, revenue, last_seen FROM filtered ORDER BY revenue DESC, client LIMIT 5"
label = "client"
value = "revenue"
money = ["revenue"]

[[panel]]
id = "countries"
title = "Revenue by country"
kind = "bars"
view = "silver.per_country"
sql = "SELECT country, sum(revenue) AS revenue FROM filtered GROUP BY country ORDER BY revenue DESC, country"
label = "country"
value = "revenue"

[[panel]]
title = "Sales a day"
kind = "timeseries"
view = "bronze.shop"
sql = "SELECT date_trunc('day', sold) AS day, country, count(*) AS sales FROM filtered GROUP BY ALL ORDER BY ALL"
time = "day"
value = "sales"
series = "country"

[[panel]]
title = "Shares"
kind = "share"
sql = "SELECT country, sum(sales)::BIGINT AS sales FROM silver.per_country GROUP BY country ORDER BY country"
label = "country"
value = "sales"

[[panel]]
title = "Every sale"
kind = "table"
view = "bronze.shop"

[[panel]]
title = "Latest sales"
kind = "table"
view = "bronze.shop"
sql = "SELECT id, sold, client, product, quantity, amount, big, weight, gift, due, note FROM filtered ORDER BY id DESC LIMIT 100"
money = ["amount"]
filters = ["country"]

[[panel]]
title = "Per client"
kind = "table"
view = "silver.per_client"
'''

PANELS = {
    # id: (kind, view, filters it takes)
    "overview": ("tiles", "silver.per_country", ["when", "country"]),
    "top_clients": ("ranking", "silver.per_client", ["who"]),
    "countries": ("bars", "silver.per_country", ["when", "country"]),
    "sales_a_day": ("timeseries", "bronze.shop", ["when", "country", "who"]),
    "shares": ("share", None, []),
    "every_sale": ("table", "bronze.shop", ["when", "country", "who"]),
    "latest_sales": ("table", "bronze.shop", ["country"]),
    "per_client": ("table", "silver.per_client", ["who"]),
}


def write_pipeline(directory: pathlib.Path, change=lambda text: text) -> pathlib.Path:
    path = directory / "shop.toml"
    path.write_text(change(PIPELINE))
    return path


@dataclasses.dataclass
class Truth:
    """What the lines of the file must become."""

    rows: list[dict] = dataclasses.field(default_factory=list)  # in bronze, with `_offset` and `day`
    late: list[dict] = dataclasses.field(default_factory=list)
    rejects: list[tuple[str, str]] = dataclasses.field(default_factory=list)  # (reason, raw), oldest first
    lines: int = 0
    bytes: int = 0

    @property
    def not_positive(self) -> int:
        return sum(row["amount"] <= 0 for row in self.rows)


class Shop:
    """The file of sales, and the truth beside it. More can be sold while a run reads it."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.truth = Truth()
        self._random = random.Random(SEED)
        self._number = 0

    def write(self, lines: list[bytes]) -> None:
        with self.path.open("ab") as file:
            file.write(b"".join(lines))

    def _line(self, value: bytes) -> int:
        """The offset of a line that is added: its last byte, the newline."""
        self.truth.lines += 1
        self.truth.bytes += len(value) + 1
        return self.truth.bytes - 1

    def sale(self, **changes) -> bytes:
        """One more good sale; it becomes a row."""
        row = self._values() | changes
        value = self._text(row)
        row |= {"_offset": self._line(value), "day": row["sold"].strftime("%Y-%m-%d")}
        self.truth.rows.append(row)
        return value + b"\n"

    def late_sale(self) -> bytes:
        row = self._values()
        row["sold"] -= datetime.timedelta(hours=3)
        value = self._text(row)
        self.truth.late.append(row | {"_offset": self._line(value)})
        return value + b"\n"

    def reject(self, reason: str, raw: str) -> bytes:
        value = raw.encode()
        assert b"\n" not in value
        self._line(value)
        self.truth.rejects.append((reason, raw))
        return value + b"\n"

    def _values(self) -> dict:
        rng = self._random
        self._number += 1
        number = self._number
        return {
            "id": number,
            "sold": FIRST + number * EVERY,
            "client": f"Client {rng.randrange(40)}",
            "country": rng.choice(("France", "Côte d'Ivoire", "België", "日本", None)),
            "product": rng.choice(("lamp", "desk", "chair", None)),
            "quantity": rng.randrange(1, 6),
            "amount": decimal.Decimal(rng.choice((rng.randrange(1, 100_000), 10**12 - 1, 1, 10))).scaleb(-2),
            "big": rng.choice((7, 2**53 - 1, 2**53 + 1, 2**63 - 1, -(2**63), None)),
            "weight": rng.choice((0.5, 1e-9, 3.0, None)),
            "gift": rng.choice((True, False, None)),
            "due": rng.choice((datetime.date(2025, 12, 24), datetime.date(1999, 1, 1), None)),
            "note": None,
        }

    @staticmethod
    def _text(row: dict) -> bytes:
        members = []
        for name, value in row.items():
            if value is None:
                continue
            if isinstance(value, datetime.datetime):
                text = json.dumps(value.isoformat())
            elif isinstance(value, datetime.date):
                text = json.dumps(value.isoformat())
            elif isinstance(value, decimal.Decimal):
                text = f"{value:f}"
            else:
                text = json.dumps(value)
            members.append(f"{json.dumps(name)}:{text}")
        return ("{" + ",".join(members) + "}").encode()

    def fill(self) -> None:
        """The hostile texts in every field, ordinary sales around them, some late, some broken."""
        lines = [self.sale() for _ in range(20)]
        for name, text in HOSTILE.items():
            lines.append(self.sale(gift=True, **{field: text for field in FIELDS}))
            lines.append(self.reject("missing_field", json.dumps({"id": 1, "note": text})))
            lines.append(self.reject("invalid_json", json.dumps({"name": name, "note": text})[:-1] + " <script>"))
        while len(self.truth.rows) < SALES:
            draw = self._random.random()
            if draw < 0.02:
                lines.append(self.late_sale())
            elif draw < 0.03:
                lines.append(self.sale(amount=decimal.Decimal("-1.50")))
            else:
                lines.append(self.sale())
        self.write(lines)
