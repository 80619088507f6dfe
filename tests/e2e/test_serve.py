"""What a run serves: every route, its numbers against readers that are not Inlet's, events, health, metrics, logs."""

from __future__ import annotations

import collections
import datetime
import decimal
import json
import pathlib
import re
import select
import signal
import socket
import time

import deltalake
import pytest

import delta_log
import live
import shop
from live import EVERY_ANSWER, OPENAPI, EventStream, Live, quote
from program import EXIT_CONFIGURATION, EXIT_OK, EXIT_UNAVAILABLE, Program, sets

VIEWS = ("per_country", "per_client", "gifts")
ROUTES = {
    "/": "text/html",
    "/favicon.svg": "image/svg+xml",
    "/livez": "application/json",
    "/readyz": "application/json",
    "/metrics": "text/plain",
    "/api/v1/openapi.json": "application/json",
    "/api/v1/page": "application/json",
    "/api/v1/status": "application/json",
    "/api/v1/views": "application/json",
    "/api/v1/views/per_country/rows": "application/json",
    "/api/v1/panels/overview": "application/json",
    "/api/v1/filters/country": "application/json",
    "/api/v1/quarantine": "application/json",
    "/api/v1/late": "application/json",
    "/api/v1/history?table=bronze/shop": "application/json",
    "/api/v1/provenance?view=per_country": "application/json",
}


# --- values, as they are shown ---


def shown(value):
    """A value of Python as the API shows it."""
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, datetime.datetime):
        text = value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
        return text.rstrip("0").rstrip(".") + "Z"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value


def rows_of(document: dict) -> list[dict]:
    names = [column["name"] for column in document["columns"]]
    assert len(set(names)) == len(names)
    assert all(len(row) == len(names) for row in document["rows"])
    return [dict(zip(names, row)) for row in document["rows"]]


def as_set(rows) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def queried(served: Live, sql: str, columns: list[dict]) -> list[list]:
    """`inlet query`, with its numbers as the API shows values of these columns."""
    done = served.program.run("query", served.program.pipeline, sql, "--json", "--lake", served.lake).expect(EXIT_OK)
    rows = json.loads(done.stdout, parse_float=decimal.Decimal)
    kinds = {column["name"]: column["type"] for column in columns}

    def convert(name, value):
        if value is None or isinstance(value, bool):
            return value
        if kinds[name] == "DOUBLE":
            return float(value)
        if kinds[name].startswith("TIMESTAMP"):
            return value
        if kinds[name].startswith("DECIMAL"):
            return f"{decimal.Decimal(value):f}"
        return shown(value)

    assert not rows or list(rows[0]) == list(kinds), f"{list(rows[0])}, {list(kinds)}"
    return [[convert(name, value) for name, value in row.items()] for row in rows]


def read_table(path: pathlib.Path, version: int | None = None) -> list[dict]:
    return deltalake.DeltaTable(str(path), version=version).to_pyarrow_table().to_pylist()


def shown_rows(rows: list[dict]) -> list[dict]:
    return [{name: shown(value) for name, value in row.items()} for row in rows]


# --- every route ---


@pytest.mark.parametrize("target", ROUTES)
def test_each_route_answers_its_document(settled, target):
    response = settled.get(target)
    assert response.kind == ROUTES[target]
    if target.startswith("/api/") or target in ("/livez", "/readyz", "/metrics"):
        assert response.header("cache-control") == "no-store"
    assert response.header("date") is None or re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", response.header("date"))


@pytest.mark.parametrize("target", [*ROUTES, "/nothing"])
def test_head_is_get_without_the_body(settled, target):
    response = settled.ask(target, method="HEAD")
    assert response.status == (404 if target == "/nothing" else 200) and response.body == b""
    assert response.kind == ROUTES.get(target, "application/json")
    assert response.header("content-length") is None or int(response.header("content-length")) > 0


def test_the_openapi_document_is_the_one_of_the_repository_and_names_every_route(settled):
    assert settled.json("/api/v1/openapi.json") == OPENAPI
    covered = {live.operation(target.partition("?")[0])[0] for target in ROUTES}
    assert set(OPENAPI["paths"]) - covered == {"/assets/{name}", "/api/v1/events"}


def test_the_openapi_document_is_sound():
    ids = []
    for path, item in OPENAPI["paths"].items():
        assert set(item) == {"get"}, "GET alone is written down; HEAD is the same without a body"
        ids.append(item["get"]["operationId"])
        parameters = [live.resolved(parameter) for parameter in item["get"].get("parameters", [])]
        in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        for response in item["get"]["responses"].values():
            assert live.resolved(response)["content"]
    assert len(set(ids)) == len(ids)
    for match in re.findall(r'"\$ref": "([^"]+)"', json.dumps(OPENAPI)):
        assert live.resolved({"$ref": match})


def test_http_1_0_and_kept_connections(settled):
    with live.Connection(settled.address) as connection:
        for _ in range(3):
            connection.send(settled.request("GET", "/livez"))
            assert connection.response().status == 200
        connection.send(settled.request("GET", "/livez", {"Connection": "close"}))
        assert connection.response().status == 200 and connection.is_closed()
    with live.Connection(settled.address) as connection:
        connection.send(settled.request("GET", "/livez", version="1.0"))
        assert connection.response().status == 200 and connection.is_closed()


def test_the_page_is_whole_and_nothing_in_it_stands_inline(settled):
    html = settled.get("/").body.decode("utf-8")
    assert settled.get("/").header("content-type").lower().replace(" ", "") == "text/html;charset=utf-8"
    files = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert any(name.endswith(".js") for name in files) and any(name.endswith(".css") for name in files)
    for name in files:
        target = "/" + name.lstrip("./")
        response = settled.get(target)
        kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
        assert response.kind == kinds[name.rpartition(".")[2]] and len(response.body) > 100
    assert not re.search(r"<script(?![^>]*\ssrc=)", html) and not re.search(r"<style|\sstyle=|\son\w+=", html)
    assert not re.search(r"https?://(?!www\.w3\.org)", html), "nothing leaves the machine"
    assert settled.get("/?token=abc&country=France#pipeline".partition("#")[0]).body.decode() == html


def test_the_page_document_is_what_the_pipeline_file_says(settled):
    page = settled.json("/api/v1/page")
    assert (page["pipeline"], page["title"], page["locale"], page["currency"]) == ("shop", "Shop, live", "fr-FR", "EUR")
    assert page["filters"] == [
        {"id": "when", "title": "Day", "column": "day"},
        {"id": "country", "title": "country", "column": "country"},
        {"id": "who", "title": "Client", "column": "client"},
    ]
    found = {panel["id"]: (panel["kind"], panel["view"], panel.get("filters", [])) for panel in page["panels"]}
    assert found == shop.PANELS and list(found) == list(shop.PANELS)
    overview, top, *_ = page["panels"]
    assert overview["wide"] is True and overview["money"] == ["revenue"] and overview["title"] == "Overview"
    assert (top["label"], top["value"]) == ("client", "revenue") and not top.get("wide")


def test_the_views_are_defined_as_in_the_pipeline_file(settled):
    views = {view["name"]: view for view in settled.json("/api/v1/views")}
    assert tuple(views) == VIEWS
    assert views["per_country"]["keys"] == ["country", "day"] and views["per_country"]["partition_by"] == ["day"]
    assert views["per_client"]["keys"] == ["client"] and views["per_client"]["partition_by"] == []
    for name, view in views.items():
        assert view["table"] == f"silver/{name}"
        columns = [column if isinstance(column, str) else column["name"] for column in view["columns"]]
        table = deltalake.DeltaTable(str(settled.lake / "silver" / name))
        fields = [field.name for field in table.schema().fields]
        assert columns in (fields, fields[:-1]), "the columns of the table; processing_time may be left out"
        assert view["sql"].strip() in shop.PIPELINE


def test_a_pipeline_without_panels_gets_a_table_for_each_view(binary, tmp_path):
    pipeline = shop.write_pipeline(tmp_path, lambda text: text[: text.index("[page]")])
    program = Program(binary, tmp_path / "processes", pipeline)
    served = live.start(program, tmp_path / "lake", "--source", "generator")
    with served.running:
        page = served.json("/api/v1/page")
        assert (page["title"], page["locale"], page["currency"], page["filters"]) == ("shop", "en", "", [])
        assert [(panel["title"], panel["kind"]) for panel in page["panels"]] == [(name, "table") for name in VIEWS]
        for panel in page["panels"]:
            served.get(f"/api/v1/panels/{panel['id']}")


# --- rows of views ---


def truth_per_country(rows: list[dict]) -> dict[tuple, dict]:
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row["country"], row["day"]].append(row)
    return {
        key: {
            "sales": len(sales),
            "revenue": shown(sum(sale["amount"] for sale in sales)),
            "biggest": shown(max((sale["big"] for sale in sales if sale["big"] is not None), default=None)),
        }
        for key, sales in groups.items()
    }


def test_rows_of_a_view_are_what_was_sold(settled):
    document = settled.json("/api/v1/views/per_country/rows?limit=10000")
    expected = truth_per_country(settled.truth.rows)
    found = {(row["country"], row["day"]): row for row in rows_of(document)}
    assert found.keys() == expected.keys() and len(document["rows"]) == len(expected)
    for key, values in expected.items():
        assert {name: found[key][name] for name in values} == values, key
    assert document["view"] == "per_country" and document["truncated"] is False
    assert document["versions"] == {"silver/per_country": delta_log.version(settled.lake / "silver" / "per_country")}


@pytest.mark.parametrize("view", VIEWS)
def test_rows_of_a_view_equal_inlet_query(settled, view):
    document = settled.json(f"/api/v1/views/{view}/rows?limit=10000")
    names = ", ".join(column["name"] for column in document["columns"])
    assert as_set(document["rows"]) == as_set(queried(settled, f"SELECT {names} FROM silver.{view}", document["columns"]))


def test_verify_is_clean_while_it_serves(settled):
    reports = settled.program.run("verify", settled.program.pipeline, "--lake", settled.lake, "--json").expect(EXIT_OK).json()
    assert [report["view"] for report in reports] == list(VIEWS) and all(report["ok"] for report in reports)


def test_types_and_values_are_exact(settled):
    document = settled.json("/api/v1/panels/latest_sales")
    kinds = {column["name"]: column["type"] for column in document["columns"]}
    assert kinds == {
        "id": "BIGINT",
        "sold": "TIMESTAMP WITH TIME ZONE",
        "client": "VARCHAR",
        "product": "VARCHAR",
        "quantity": "INTEGER",
        "amount": "DECIMAL(12,2)",
        "big": "BIGINT",
        "weight": "DOUBLE",
        "gift": "BOOLEAN",
        "due": "DATE",
        "note": "VARCHAR",
    } or kinds["sold"] == "TIMESTAMPTZ"
    newest = sorted(settled.truth.rows, key=lambda row: -row["id"])[:100]
    assert document["rows"] == [[shown(row[name]) for name in kinds] for row in newest]
    assert {type(row[kind]) for row in rows_of(document) for kind in ("big",)} >= {int, str}


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("column", ["sales", "revenue", "client", "last_seen"])
def test_rows_are_sorted_by_the_value_and_not_by_its_text(settled, column, order):
    rows = rows_of(settled.json(f"/api/v1/views/per_client/rows?sort={column}&order={order}&limit=10000"))
    values = [decimal.Decimal(row[column]) if column == "revenue" else row[column] for row in rows]
    if column == "client":
        values = [value.encode() for value in values]
    assert values == sorted(values, reverse=order == "desc") and len(values) == len({r["client"] for r in settled.truth.rows})


def test_limit_and_offset_cut_one_list(settled):
    every = settled.json("/api/v1/views/per_client/rows?sort=client&limit=10000")["rows"]
    pieces = []
    for offset in range(0, len(every) + 7, 7):
        document = settled.json(f"/api/v1/views/per_client/rows?sort=client&limit=7&offset={offset}")
        assert document["truncated"] is (offset + 7 < len(every))
        pieces += document["rows"]
    assert pieces == every
    assert len(settled.json("/api/v1/views/gifts/rows")["rows"]) == 100, "the default limit"
    assert settled.json("/api/v1/views/gifts/rows?offset=1000000")["rows"] == []


@pytest.mark.parametrize(
    "where",
    [
        {"country": "France"},
        {"country": "Côte d'Ivoire", "day": "2025-03-01"},
        {"country": "nowhere"},
        {"day": "2025-03-02"},
        {"country": shop.HOSTILE["sql"]},
        {"country": shop.HOSTILE["script"], "day": "2025-03-01"},
        {"sales": "1"},
    ],
    ids=str,
)
def test_where_keeps_the_rows_of_that_value(settled, where):
    query = "&".join(f"where.{name}={quote(value)}" for name, value in where.items())
    found = rows_of(settled.json(f"/api/v1/views/per_country/rows?limit=10000&{query}"))
    every = rows_of(settled.json("/api/v1/views/per_country/rows?limit=10000"))
    assert as_set(found) == as_set(r for r in every if all(str(r[name]) == value for name, value in where.items()))


def test_rows_of_a_moving_view_are_those_of_the_version_they_name(flowing):
    """While sales flow: what is answered equals what delta-rs reads at that very version."""
    seen = set()
    for _ in range(5):
        for view in ("per_country", "per_client"):
            document = flowing.json(f"/api/v1/views/{view}/rows?limit=10000")
            version = document["versions"][f"silver/{view}"]
            seen.add((view, version))
            rows = shown_rows(read_table(flowing.lake / "silver" / view, version))
            names = [column["name"] for column in document["columns"]]
            assert as_set(rows_of(document)) == as_set({name: row[name] for name in names} for row in rows)
        time.sleep(0.4)
    assert len(seen) > 4, "it moved"


@pytest.mark.parametrize(
    ("target", "status", "error"),
    [
        ("/api/v1/views/nothing/rows", 404, "api.no_view"),
        ("/api/v1/views/shop/rows", 404, "api.no_view"),
        ("/api/v1/views/per_country/rows?sort=nothing", 400, "api.no_column"),
        ("/api/v1/views/per_country/rows?where.nothing=1", 400, "api.no_column"),
        ("/api/v1/panels/nothing", 404, "api.no_panel"),
        ("/api/v1/panels/shares?country=France", 400, "http.unknown_parameter"),
        ("/api/v1/panels/overview?who=Hugo", 400, "http.unknown_parameter"),
        ("/api/v1/panels/latest_sales?when=2025-03-01", 400, "http.unknown_parameter"),
        ("/api/v1/filters/nothing", 404, "api.no_filter"),
        ("/api/v1/filters/day", 404, "api.no_filter"),
        ("/api/v1/history?table=nothing", 404, "api.no_table"),
        ("/api/v1/provenance", 400, "api.missing_parameter"),
        ("/api/v1/provenance?view=nothing", 404, "api.no_view"),
        ("/api/v1/provenance?view=per_country&where.nothing=1", 400, "provenance.not_a_key"),
        ("/api/v1/provenance?view=per_country&where.sales=1", 400, "provenance.not_a_key"),
    ],
)
def test_what_is_not_there_is_named(settled, target, status, error):
    settled.refused(target, status, error)


@pytest.mark.parametrize("target", ["/nothing", "/api", "/api/v1", "/api/v2/status", "/api/v1/views/per_country", "/assets/nothing.js", "/assets"])
def test_another_path_is_not_found(settled, target):
    response = settled.ask(target)
    assert response.status == 404 and response.error() == "http.not_found"


# --- panels and filters ---


PANEL_SQL = {
    "overview": ("silver.per_country", "SELECT sum(revenue) AS revenue, sum(sales)::BIGINT AS sales FROM filtered"),
    "top_clients": ("silver.per_client", "SELECT client, revenue, last_seen FROM filtered ORDER BY revenue DESC, client LIMIT 5"),
    "countries": (
        "silver.per_country",
        "SELECT country, sum(revenue) AS revenue FROM filtered GROUP BY country ORDER BY revenue DESC, country",
    ),
    "sales_a_day": (
        "bronze.shop",
        "SELECT date_trunc('day', sold) AS day, country, count(*) AS sales FROM filtered GROUP BY ALL ORDER BY ALL",
    ),
    "shares": (None, "SELECT country, sum(sales)::BIGINT AS sales FROM silver.per_country GROUP BY country ORDER BY country"),
    "per_client": ("silver.per_client", "SELECT * FROM filtered"),
}


@pytest.mark.parametrize(
    ("panel", "filters"),
    [(panel, {}) for panel in PANEL_SQL]
    + [
        ("overview", {"country": "France"}),
        ("overview", {"country": "France", "when": "2025-03-01"}),
        ("overview", {"country": "nowhere"}),
        ("countries", {"when": "2025-03-02"}),
        ("countries", {"country": shop.HOSTILE["quotes"]}),
        ("sales_a_day", {"who": "Client 7"}),
        ("sales_a_day", {"who": shop.HOSTILE["sql"], "country": shop.HOSTILE["sql"]}),
        ("top_clients", {"who": shop.HOSTILE["image"]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value) or "whole",
)
def test_a_panel_shows_what_inlet_query_answers(settled, panel, filters):
    document = settled.json(f"/api/v1/panels/{panel}?" + "&".join(f"{quote(k)}={quote(v)}" for k, v in filters.items()))
    view, sql = PANEL_SQL[panel]
    columns = {"when": "day", "country": "country", "who": "client"}
    conditions = [f"{columns[name]} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in filters.items()]
    if view:
        rows = f"SELECT * FROM {view}" + (" WHERE " + " AND ".join(conditions) if conditions else "")
        sql = f"WITH filtered AS ({rows}) {sql}"
    expected = queried(settled, sql, document["columns"])
    if "ORDER BY" in sql:
        assert document["rows"] == expected
    else:
        assert as_set(document["rows"]) == as_set(expected)
    assert document["panel"] == panel and document["truncated"] is False
    for table, version in document["versions"].items():
        assert version == delta_log.version(settled.lake / table)
    assert set(document["versions"]) == {(view or "silver.per_country").replace(".", "/")}


def test_a_panel_shows_a_thousand_rows_at_most_and_says_so(settled):
    document = settled.json("/api/v1/panels/every_sale")
    assert len(document["rows"]) == 1000 < len(settled.truth.rows) and document["truncated"] is True
    offsets = {row["_offset"] for row in settled.truth.rows}
    assert {row["_offset"] for row in rows_of(document)} <= offsets


def test_a_filter_offers_its_values_once_and_sorted(settled):
    rows = settled.truth.rows
    for name, column in (("when", "day"), ("country", "country"), ("who", "client")):
        values = settled.json(f"/api/v1/filters/{name}")["values"]
        known = [value for value in values if value is not None]
        assert sorted(known) == sorted({row[column] for row in rows} - {None})
        assert [value.encode() for value in known] == sorted(value.encode() for value in known), "sorted by code point"


# --- rejects ---


def test_quarantine_shows_counts_and_the_newest_rows(settled):
    document = settled.json("/api/v1/quarantine?limit=1000")
    counts = collections.Counter(reason for reason, _ in settled.truth.rejects)
    assert {count["reason"]: count["rows"] for count in document["counts"]} == counts
    assert sorted(row["raw"] for row in rows_of(document)) == sorted(raw for _, raw in settled.truth.rejects)
    times = [row["quarantined_at"] for row in rows_of(document)]
    assert times == sorted(times, reverse=True)
    few = settled.json("/api/v1/quarantine?limit=3")
    assert few["rows"] == document["rows"][:3] and few["counts"] == document["counts"]
    only = settled.json("/api/v1/quarantine?reason=missing_field&limit=1000")
    assert {row["reason"] for row in rows_of(only)} == {"missing_field"} and len(only["rows"]) == counts["missing_field"]
    assert settled.json("/api/v1/quarantine?reason=nothing")["rows"] == []


def test_late_shows_what_was_diverted(settled):
    document = settled.json("/api/v1/late?limit=1000")
    assert sorted(row["_offset"] for row in rows_of(document)) == sorted(row["_offset"] for row in settled.truth.late)
    assert sum(count["rows"] for count in document["counts"]) == len(settled.truth.late)
    assert len(settled.json("/api/v1/late?limit=5")["rows"]) == 5


# --- history ---


@pytest.mark.parametrize("table", ["bronze/shop", "quarantine/shop", "late/shop", "silver/per_country", "silver/gifts"])
def test_history_lists_the_commits_of_the_log(settled, table):
    commits = settled.json(f"/api/v1/history?table={quote(table)}&limit=500")
    log = delta_log.remembered(settled.lake / table)
    assert [commit["version"] for commit in commits] == [commit.version for commit in reversed(log)]
    for commit, logged in zip(commits, reversed(log)):
        assert commit["operation"] == logged.info["operation"]
        millis = datetime.datetime.fromisoformat(commit["timestamp"]).timestamp() * 1000 if isinstance(commit["timestamp"], str) else commit["timestamp"]
        assert round(millis) == logged.info["timestamp"]
        rows = sum(add.statistics["numRecords"] for add in logged.adds)
        assert commit.get("rows") in (rows, None) if logged.version else True
        if logged.adds:
            assert commit["rows"] == rows
    assert settled.json(f"/api/v1/history?table={quote(table)}&limit=1") == commits[:1]


# --- provenance ---


def bronze_of(served: Live, version: int) -> list[dict]:
    return read_table(served.lake / "bronze" / "shop", version)


def assert_provenance(served: Live, document: dict, where: dict[str, object], view_filter=lambda row: True) -> None:
    """Own arithmetic over the log and the rows as delta-rs reads them."""
    view, bronze = document["view"], document["bronze_version"]
    logs = delta_log.remembered(served.lake / "silver" / view)
    reflected = next(
        commit.transactions[f"shop/views/{view}"]
        for commit in reversed(logs[: document["view_version"] + 1])
        if f"shop/views/{view}" in commit.transactions
    )
    assert bronze == reflected, "the bronze version that this version of the view reflects"
    commit = delta_log.remembered(served.lake / "bronze" / "shop")[bronze]
    told = datetime.datetime.fromisoformat(document["bronze_commit_time"]).timestamp() * 1000
    assert round(told) == commit.info["timestamp"] and document["bronze_table"] == "bronze/shop"

    rows = [r for r in bronze_of(served, bronze) if view_filter(r) and all(r[name] == value for name, value in where.items())]
    assert int(document["rows_total"]) == len(rows)
    expected: dict = collections.defaultdict(list)
    for row in rows:
        expected[row["_source"], row["_partition"]].append(row["_offset"])
    found: dict = collections.defaultdict(list)
    for part in document["ranges"]:
        found[part["source"], part["partition"]].append((int(part["first_offset"]), int(part["last_offset"]), int(part["rows"])))
    assert found.keys() == expected.keys()
    for partition, ranges in found.items():
        offsets = sorted(expected[partition])
        assert ranges == sorted(ranges) and all(a[1] < b[0] for a, b in zip(ranges, ranges[1:])), "apart and in order"
        for first, last, count in ranges:
            inside = [offset for offset in offsets if first <= offset <= last]
            assert inside and (inside[0], inside[-1], len(inside)) == (first, last, count), partition
        assert sum(count for _, _, count in ranges) == len(offsets)

    live_files = delta_log.files_at(served.lake / "bronze" / "shop", bronze)
    days = {row["day"] for row in rows}
    for file in document["files"]:
        add = live_files[file["path"]]
        assert file["bytes"] == add.size and file["partition"] == add.partition_values
        assert file["rows"] in (None, add.statistics["numRecords"]) or file["rows"] <= add.statistics["numRecords"]
    if document["files_total"] == len(document["files"]):
        assert {file["partition"]["day"] for file in document["files"]} >= days
        if not where and view != "gifts":
            assert {file["path"] for file in document["files"]} == set(live_files)
    assert document["files_total"] >= len(document["files"])


@pytest.mark.parametrize(
    ("view", "where"),
    [
        ("per_country", {}),
        ("per_country", {"country": "France"}),
        ("per_country", {"country": "日本", "day": "2025-03-02"}),
        ("per_country", {"day": "2025-03-01"}),
        ("per_country", {"country": shop.HOSTILE["script"]}),
        ("per_country", {"country": "nowhere"}),
        ("per_client", {"client": "Client 7"}),
        ("per_client", {"client": shop.HOSTILE["sql"]}),
    ],
    ids=str,
)
def test_provenance_leads_to_the_events(settled, view, where):
    query = "".join(f"&where.{name}={quote(value)}" for name, value in where.items())
    document = settled.json(f"/api/v1/provenance?view={view}{query}")
    assert document["view_version"] == delta_log.version(settled.lake / "silver" / view)
    assert_provenance(settled, document, where)
    sold = [row for row in settled.truth.rows if all(row[name] == value for name, value in where.items())]
    assert int(document["rows_total"]) == len(sold)


def test_provenance_of_a_view_that_filters_counts_the_rows_it_took(settled):
    document = settled.json("/api/v1/provenance?view=gifts")
    assert int(document["rows_total"]) == sum(row["gift"] is True for row in settled.truth.rows)
    assert_provenance(settled, document, {}, lambda row: row["gift"] is True)


def test_provenance_while_sales_flow(flowing):
    for where in ({}, {"country": "France"}):
        query = "".join(f"&where.{name}={quote(value)}" for name, value in where.items())
        document = flowing.json(f"/api/v1/provenance?view=per_country{query}")
        assert_provenance(flowing, document, where)
        assert {part["partition"] for part in document["ranges"]} == {0, 1}


# --- status ---


def test_status_equals_inlet_status_and_what_was_sold(settled):
    status, truth = settled.json("/api/v1/status"), settled.truth
    said = settled.program.run(
        "status", settled.program.pipeline, "--json", "--lake", settled.lake, *sets(f"source.file.path={settled.shop.path}")
    )
    said = said.expect(EXIT_OK).json()
    assert status["pipeline"] == said["pipeline"] == "shop" and status["source"]["kind"] == "file"
    events = status["events"]
    assert events["total"] == events["this_run"] == said["events"] == truth.lines
    assert events["rows"] == len(truth.rows) and events["quarantined"] == len(truth.rejects)
    assert events["late"] == events["diverted"] == said["late"] == len(truth.late) and events["queued_rows"] == 0
    (partition,) = status["partitions"]
    (told,) = said["partitions"]
    names = (("source", "source"), ("partition", "partition"), ("committed_offset", "committed"), ("end_offset", "end"), ("lag", "lag"))
    assert {name: partition[name] for name, _ in names} == {name: told[other] for name, other in names}
    assert partition["committed_offset"] == truth.bytes - 1 and partition["lag"] == 0
    assert status["expectations"] == [{"name": "amount_positive", "failed": truth.not_positive}]
    assert status["watermark"][:19] == said["watermark"][:19]
    assert status["batch"]["count"] >= 1 and status["batch"]["p50_ms"] > 0 and status["uptime_s"] > 0
    assert status["process"]["rss_bytes"] > 10e6 and status["process"]["cpu_s"] > 0
    version = settled.program.run("version", "--json").expect(EXIT_OK).json()
    assert status["version"] == version["version"]

    tables = {table["name"]: table for table in status["tables"]}
    listed = settled.program.run("tables", settled.program.pipeline, "--json", "--lake", settled.lake).expect(EXIT_OK).json()
    shared = ("name", "version", "files", "bytes", "rows")
    assert {name: {k: table[k] for k in shared} for name, table in tables.items()} == {t["name"]: {k: t[k] for k in shared} for t in listed}
    for view in status["views"]:
        assert view["state"] == "level" and view["lag_versions"] == 0 and view["error"] is None
        assert view["published_version"] == tables[f"silver/{view['name']}"]["version"]
        assert view["rows"] == tables[f"silver/{view['name']}"]["rows"]
    assert [view["name"] for view in status["views"]] == list(VIEWS)


def test_status_moves_while_sales_flow(flowing):
    before = flowing.json("/api/v1/status")
    time.sleep(1.2)
    after = flowing.json("/api/v1/status")
    assert after["events"]["total"] > before["events"]["total"] and after["events"]["per_second"] > 0
    assert after["uptime_s"] > before["uptime_s"] and after["freshness_ms"] is not None
    assert [p["end_offset"] for p in after["partitions"]] == [None, None], "the generator's partitions have no end"
    assert all(after["partitions"][i]["committed_offset"] > before["partitions"][i]["committed_offset"] for i in (0, 1))


# --- events ---


def check_event(event: live.ServerEvent, lake: pathlib.Path) -> None:
    name = {"committed": "CommittedEvent", "published": "PublishedEvent", "status": "Status", "reset": "ResetEvent"}[event.kind]
    document = event.json()
    live.validate({"$ref": f"#/components/schemas/{name}"}, document)
    if event.kind == "committed":
        commit = delta_log.remembered(lake / "bronze" / "shop")[document["version"]]
        assert document["rows"] == sum(add.statistics["numRecords"] for add in commit.adds)
    if event.kind == "published":
        commit = delta_log.remembered(lake / "silver" / document["view"])[document["version"]]
        assert commit.transactions[f"shop/views/{document['view']}"] == document["bronze_version"]


def told_versions(lake: pathlib.Path, table: str, first: int, count: int) -> list[int]:
    """Of the commits from `first` on, those with rows that are new: what was brought together is no news."""
    commits = delta_log.remembered(lake / table)[first:]
    return [commit.version for commit in commits if commit.info["operation"] != "OPTIMIZE"][:count]


def test_events_tell_every_commit_and_publish_as_the_logs_have_them(flowing):
    with flowing.events() as stream:
        events = stream.until(lambda e: e.kind == "status" and e.id > 0, 15)
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            events.append(stream.next())
    assert stream.retry == 1000
    ids = [event.id for event in events]
    assert None not in ids and all(a < b for a, b in zip(ids, ids[1:])), ids
    assert {event.kind for event in events} == {"committed", "published", "status"}
    for event in events[:: max(1, len(events) // 25)]:
        check_event(event, flowing.lake)
    versions = [event.json()["version"] for event in events if event.kind == "committed"]
    assert versions == told_versions(flowing.lake, "bronze/shop", versions[0], len(versions)), "no commit is passed over"
    for view in VIEWS:
        published = [event.json()["version"] for event in events if event.kind == "published" and event.json()["view"] == view]
        assert len(published) >= 2 and published == told_versions(flowing.lake, f"silver/{view}", published[0], len(published))
    status = [event.at for event in events if event.kind == "status"]
    assert 3 <= len(status) <= 7, "about one a second"
    assert all(event.at - datetime.datetime.fromisoformat(event.json()["at"]).timestamp() < 2 for event in events if event.kind == "committed")


@pytest.mark.parametrize("how", ["header", "parameter"])
def test_a_reader_that_comes_back_gets_what_it_missed_and_nothing_twice(flowing, how):
    with flowing.events() as whole:
        first = flowing.events()
        seen = [first.next() for _ in range(10)]
        while seen[-1].id is None or seen[-1].kind == "reset":
            seen.append(first.next())
        first.close()
        time.sleep(1.0)
        last = seen[-1].id
        stream = flowing.events(last) if how == "header" else flowing.events(query=f"?last_event_id={last}")
        with stream:
            seen += [stream.next() for _ in range(60)]
        every = whole.until(lambda e: e.id >= seen[-1].id)
    by_id = {event.id: event.key() for event in every}
    ids = [event.id for event in seen]
    assert len(set(ids)) == len(ids) and "reset" not in {event.kind for event in seen}
    missing = set(by_id) & set(range(ids[0], ids[-1] + 1)) - set(ids)
    assert not missing, f"gap: {sorted(missing)}"
    assert all(by_id.get(event.id, event.key()) == event.key() for event in seen), "the same to every reader"


@pytest.mark.parametrize("last", ["999999999999", "1", "-1", "abc", "1e3", "9" * 40, "<script>"])
def test_an_id_that_is_not_kept_is_answered_by_reset(flowing, last):
    if last == "1":
        flowing.wait_for(lambda: flowing.json("/api/v1/status")["batch"]["count"] > 260, 60, "more events than are kept")
    with flowing.events(last) as stream:
        event = stream.next()
        assert event.kind == "reset", event
        check_event(event, flowing.lake)
        later = [stream.next() for _ in range(5)]
        assert "reset" not in {e.kind for e in later}
        assert all(a.id < b.id for a, b in zip(later, later[1:]))


def test_a_reader_that_stops_reading_is_taken_to_the_newest_and_costs_no_memory(binary, tmp_path):
    """Five hundred readers stop; when far more has happened than is kept for them, they read on."""
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path))
    # Many partitions make the status large, so that what the kernels hold for a reader is full in a moment.
    flow = sets("source.generator.partitions=200", "source.generator.rate=2000", "bronze.batch_interval=10ms")
    flow += sets("maintenance.enabled=false")  # bringing 200 partitions together takes more memory than is looked for here
    served = live.start(program, tmp_path / "lake", "--source", "generator", *flow)
    with served.running, served.events() as brisk:
        brisk.until(lambda e: e.kind == "published", 30)
        streams = [served.events(small_buffers=True) for _ in range(500)]
        try:
            for stream in streams:
                stream.next()
            brisk.until(lambda e: e.kind == "status")
            before, passed, events = served.resident_bytes(), 0, 0
            deadline = time.monotonic() + 100
            while passed < 200_000 or events < 280:
                assert time.monotonic() < deadline, f"{events} events, {passed} bytes"
                passed += len(brisk.next().data)
                events += passed > 150_000
            grown = served.resident_bytes() - before
            newest = brisk.next().id
            for stream in streams[:10]:
                seen = stream.until(lambda e: e.kind == "reset", 10)
                ids = [event.id for event in seen if event.id is not None]
                assert ids == sorted(ids)
                after = stream.next()
                assert after.id >= newest - 1, "the newest, not what was missed"
            assert served.metrics().value("inlet_http_events_dropped_total") >= 10
            print(f"{len(streams)} readers did not read {passed / 1e3:.0f} kB each: {grown / 1e6:+.1f} MB")
            assert grown < 0.6 * len(streams) * passed
        finally:
            for stream in streams:
                stream.close()
        served.alive_within(1)


def test_a_quiet_stream_says_that_it_is_there(settled):
    """The status comes once a second, also when nothing happens; ids ascend over it."""
    with settled.events() as stream:
        events = [stream.next() for _ in range(3)]
    assert {event.kind for event in events} == {"status"} and [e.id for e in events] == sorted({e.id for e in events})


def test_events_come_to_many_readers_alike(flowing):
    streams = [flowing.events() for _ in range(30)]
    try:
        heads = [stream.next().id for stream in streams]
        goal = max(heads) + 20
        told = [{e.id: e.key() for e in stream.until(lambda e: e.id >= goal)} for stream in streams]
        shared = set.intersection(*(set(events) for events in told))
        assert len(shared) >= 15
        assert all(len({events[number] for events in told}) == 1 for number in shared)
    finally:
        for stream in streams:
            stream.close()


def test_events_follow_the_sales(binary, tmp_path):
    """Three sales more: a commit of three rows, and every view that they touch published at that version."""
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path))
    sold = shop.Shop(tmp_path / "sales.jsonl")
    sold.write([sold.sale() for _ in range(10)])
    served = live.start(program, tmp_path / "lake", *sets(f"source.file.path={sold.path}"))
    with served.running:
        served.wait_for(lambda: live.is_level(served, 10), 20, "ten sales published")
        with served.events() as stream:
            stream.next()
            sold.write([sold.sale(country="France") for _ in range(3)])
            events = stream.until(lambda e: e.kind == "published" and e.json()["view"] == "per_client")
            rows = sum(e.json()["rows"] for e in events if e.kind == "committed")
            assert rows == 3
            status = stream.until(lambda e: e.kind == "status")[-1].json()
            assert int(status["events"]["total"]) == 13
            served.running.signal(signal.SIGTERM)
            assert stream.connection.rest() is not None, "the end of the run ends the stream"
        served.running.wait(10).expect(EXIT_OK)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(served.address, 1)


# --- health ---


def reasons(served: Live) -> list[str]:
    response = served.ask("/readyz")
    live.validate_response("/readyz", response)
    document = response.json()
    assert document["ready"] is (response.status == 200)
    return [reason["id"] for reason in document["reasons"]]


def test_it_is_ready_when_all_is_read_and_published(settled, flowing):
    assert reasons(settled) == [] and reasons(flowing) == []


def test_it_is_not_ready_before_it_has_looked_at_its_source(binary, tmp_path):
    """A broker that takes the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path))
        broker = sets(f"source.kafka.bootstrap_servers=127.0.0.1:{silent.getsockname()[1]}", "source.kafka.topic=shop")
        served = live.start(program, tmp_path / "lake", "--source", "kafka", *broker)
        with served.running:
            assert len(reasons(served)) == 1
            served.alive_within(1)
            for target in ("/api/v1/status", "/api/v1/page", "/api/v1/views", "/metrics"):
                served.get(target)
            for target in ("views/per_country/rows", "panels/overview", "filters/country", "quarantine", "late"):
                document = served.json(f"/api/v1/{target}")
                assert document.get("rows", []) == [] and document.get("values", []) == [] and document.get("counts", []) == []


def test_a_view_that_failed_is_told(binary, tmp_path):
    """A sum that does not fit a BIGINT stops its view, and no other."""
    total = "[views.total]\nsql = \"SELECT count(*) AS sales, sum(big) AS total FROM bronze.shop\"\n\n[serve]"
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path, lambda text: text.replace("[serve]", total)))
    sold = shop.Shop(tmp_path / "sales.jsonl")
    sold.write([sold.sale(big=1)])
    served = live.start(program, tmp_path / "lake", *sets(f"source.file.path={sold.path}"))
    with served.running:
        served.wait_for(lambda: live.is_level(served, 1), 20, "a sale published")
        assert reasons(served) == []
        with served.events() as stream:
            stream.next()
            sold.write([sold.sale(big=2**63 - 1) for _ in range(3)])
            event = stream.until(lambda e: e.kind == "status" and any(v["state"] == "failed" for v in e.json()["views"]))[-1]
        failed = {view["name"]: view for view in event.json()["views"]}["total"]
        assert failed["error"] and served.ask("/readyz").status == 503
        (reason,) = served.ask("/readyz").json()["reasons"]
        assert "total" in reason["what"]
        metrics = served.metrics()
        assert metrics.by("inlet_view_failed", "view") == {"per_country": 0, "per_client": 0, "gifts": 0, "total": 1}
        # What it showed stays readable, and the others go on.
        assert rows_of(served.json("/api/v1/views/total/rows"))[0]["total"] == 1
        served.wait_for(lambda: served.json("/api/v1/panels/overview")["rows"][0][1] == 4, 10, "the other views")


def test_a_run_that_is_asked_to_stop_is_not_ready(binary, tmp_path, inject_library):
    lake = tmp_path / "lake"
    lake.mkdir()
    env = {"LD_PRELOAD": str(inject_library), "INLET_INJECT_PREFIX": str(lake), "INLET_INJECT": "fsync:90:delay:4"}
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path))
    served = live.start(program, lake, "--source", "generator", env=env)
    with served.running:
        versions = [0]

        def is_stuck() -> bool:
            """In an fsync that takes three seconds."""
            versions.append(delta_log.version(lake / "bronze" / "shop"))
            time.sleep(0.1)
            return len(versions) > 8 and versions[-1] == versions[-8] > 0

        served.wait_for(is_stuck, 30, "a slow disk")
        assert reasons(served) == []
        served.running.signal(signal.SIGTERM)
        served.wait_for(lambda: reasons(served), 2, "a reason")
        served.running.wait(60).expect(EXIT_OK)


def test_heavy_queries_end_in_time_and_are_cancelled_when_nobody_waits(binary, tmp_path):
    """Queries that would take hours: one is ended by its limit, one by its client's leaving, many are refused; all the
    while the server answers and sales are committed."""
    heavy = """
        SELECT sum(hash(a.id, b.id, c.id, d.id) % 7) AS n, (SELECT count(*) FROM filtered) AS m
        FROM bronze.shop a, bronze.shop b, bronze.shop c, bronze.shop d"""
    panel = f'[[panel]]\ntitle = "Heavy"\nkind = "tiles"\nview = "bronze.shop"\nsql = \'\'\'{heavy}\'\'\'\n'
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path, lambda text: text + panel))
    served = live.start(program, tmp_path / "lake", "--source", "generator", *sets("source.generator.rate=3000", "serve.query_timeout=1500ms"))
    with served.running:
        served.wait_for(lambda: int(served.json("/api/v1/status")["events"]["total"]) > 3000, 30, "sales")
        before = served.metrics().by("inlet_http_queries_total", "outcome")
        started = time.monotonic()
        served.refused("/api/v1/panels/heavy", 504, "api.query_timeout")
        assert 1.2 < time.monotonic() - started < 5
        assert served.metrics().by("inlet_http_queries_total", "outcome")["timeout"] > before.get("timeout", 0)

        cancelled = served.metrics().by("inlet_http_queries_total", "outcome").get("cancelled", 0)
        with live.Connection(served.address) as connection:
            connection.send(served.request("GET", "/api/v1/panels/heavy"))
            time.sleep(0.3)
        served.wait_for(
            lambda: served.metrics().by("inlet_http_queries_total", "outcome").get("cancelled", 0) > cancelled, 5, "a cancelled query"
        )

        version = delta_log.version(tmp_path / "lake" / "bronze" / "shop")
        connections = [live.Connection(served.address, 20) for _ in range(150)]
        for number, connection in enumerate(connections):  # no two alike: nobody is served with another's answer
            connection.send(served.request("GET", f"/api/v1/panels/heavy?who={number}"))
        slowest = 0.0
        for _ in range(10):
            started = time.monotonic()
            served.alive_within(1)
            slowest = max(slowest, time.monotonic() - started)
        ready, _, _ = select.select([connection.socket for connection in connections], [], [], 0)
        answers = [connection.response() for connection in connections if connection.socket in ready]
        served.wait_for(lambda: delta_log.version(tmp_path / "lake" / "bronze" / "shop") > version, 10, "sales committed meanwhile")
        for connection in connections:
            connection.close()
        busy = [answer for answer in answers if answer.status == 503]
        assert busy and {answer.error() for answer in busy} == {"api.busy"}
        assert {answer.header("retry-after") for answer in busy} == {"1"}
        print(f"/livez took {slowest * 1000:.0f} ms at most beside 150 heavy queries, {len(busy)} of them refused")
        served.wait_for(lambda: served.ask("/api/v1/panels/overview").status == 200, 15, "an answer when they are gone")


# --- metrics ---

METRICS = {
    "inlet_build_info": "gauge",
    "inlet_uptime_seconds": "gauge",
    "inlet_records_total": "counter",
    "inlet_rows_total": "counter",
    "inlet_quarantined_total": "counter",
    "inlet_late_total": "counter",
    "inlet_diverted_total": "counter",
    "inlet_expectation_failures_total": "counter",
    "inlet_source_bytes_total": "counter",
    "inlet_parquet_bytes_total": "counter",
    "inlet_batches_total": "counter",
    "inlet_batch_duration_seconds": "histogram",
    "inlet_batch_rows": "histogram",
    "inlet_queue_rows": "gauge",
    "inlet_freshness_seconds": "gauge",
    "inlet_watermark_timestamp_seconds": "gauge",
    "inlet_partition_committed_offset": "gauge",
    "inlet_partition_end_offset": "gauge",
    "inlet_partition_lag": "gauge",
    "inlet_table_version": "gauge",
    "inlet_table_files": "gauge",
    "inlet_table_bytes": "gauge",
    "inlet_table_rows": "gauge",
    "inlet_table_small_files": "gauge",
    "inlet_maintenance_added_files_total": "counter",
    "inlet_maintenance_cleaned_log_files_total": "counter",
    "inlet_maintenance_compactions_total": "counter",
    "inlet_maintenance_cpu_seconds_total": "counter",
    "inlet_maintenance_failing_tables": "gauge",
    "inlet_maintenance_removed_files_total": "counter",
    "inlet_maintenance_rewritten_bytes_total": "counter",
    "inlet_maintenance_vacuumed_bytes_total": "counter",
    "inlet_maintenance_vacuumed_files_total": "counter",
    "inlet_objective_file_bytes": "gauge",
    "inlet_objective_freshness_seconds": "gauge",
    "inlet_view_rows": "gauge",
    "inlet_view_state_bytes": "gauge",
    "inlet_view_applied_version": "gauge",
    "inlet_view_published_version": "gauge",
    "inlet_view_behind_seconds": "gauge",
    "inlet_view_publishes_total": "counter",
    "inlet_view_apply_seconds_total": "counter",
    "inlet_view_publish_seconds_total": "counter",
    "inlet_view_last_apply_seconds": "gauge",
    "inlet_view_last_publish_seconds": "gauge",
    "inlet_view_failed": "gauge",
    "inlet_view_publish_duration_seconds": "histogram",
    "inlet_duckdb_memory_bytes": "gauge",
    "process_cpu_seconds_total": "counter",
    "process_resident_memory_bytes": "gauge",
    "process_open_fds": "gauge",
    "process_start_time_seconds": "gauge",
    "inlet_http_requests_total": "counter",
    "inlet_http_request_duration_seconds": "histogram",
    "inlet_http_connections": "gauge",
    "inlet_http_event_streams": "gauge",
    "inlet_http_events_dropped_total": "counter",
    "inlet_http_queries_total": "counter",
}


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_is_there(settled, name):
    metrics = settled.metrics()
    assert metrics.types.get(name) == METRICS[name]
    samples = metrics.samples.get(name) or metrics.samples.get(f"{name}_count")
    assert samples, "a type without a sample"
    assert all(("pipeline", "shop") in key for key in samples)


def test_no_metric_is_undocumented(settled):
    assert settled.metrics().names() <= METRICS.keys()


def test_metrics_count_what_was_sold(settled):
    metrics, truth = settled.metrics(), settled.truth
    assert metrics.value("inlet_records_total") == truth.lines
    assert metrics.value("inlet_rows_total") == len(truth.rows)
    assert metrics.value("inlet_quarantined_total") == len(truth.rejects)
    assert metrics.value("inlet_late_total") == metrics.value("inlet_diverted_total") == len(truth.late)
    assert metrics.by("inlet_expectation_failures_total", "expectation") == {"amount_positive": truth.not_positive}
    assert metrics.value("inlet_queue_rows") == 0
    assert metrics.value("inlet_batches_total") == metrics.value("inlet_batch_duration_seconds_count") >= 1
    assert metrics.value("inlet_batch_rows_sum") in (truth.lines, len(truth.rows))
    assert metrics.value("inlet_partition_committed_offset", partition="0") == truth.bytes - 1
    assert metrics.value("inlet_partition_end_offset", partition="0") == truth.bytes
    assert metrics.value("inlet_partition_lag", partition="0") == 0
    assert metrics.value("inlet_source_bytes_total") == truth.bytes - truth.lines, "the lines without their newlines"
    watermark = max(row["sold"] for row in truth.rows).timestamp()
    assert abs(metrics.value("inlet_watermark_timestamp_seconds") - watermark) < 0.01
    for table in ("bronze/shop", "quarantine/shop", "late/shop", *(f"silver/{view}" for view in VIEWS)):
        files = delta_log.files_at(settled.lake / table, delta_log.version(settled.lake / table))
        assert metrics.value("inlet_table_version", table=table) == delta_log.version(settled.lake / table)
        assert metrics.value("inlet_table_files", table=table) == len(files)
        assert metrics.value("inlet_table_bytes", table=table) == sum(add.size for add in files.values())
        assert metrics.value("inlet_table_rows", table=table) == sum(add.statistics["numRecords"] for add in files.values())
    newest = delta_log.version(settled.lake / "bronze" / "shop")
    assert metrics.value("inlet_view_published_version", view="per_client") == newest
    assert metrics.value("inlet_view_rows", view="per_client") == len({row["client"] for row in truth.rows})
    assert set(metrics.by("inlet_view_failed", "view").values()) == {0}
    now = time.time()
    assert now - 600 < metrics.value("process_start_time_seconds") < now
    assert abs(metrics.value("process_resident_memory_bytes") / settled.resident_bytes() - 1) < 0.3
    assert 5 < metrics.value("process_open_fds") < 500


def test_histograms_are_cumulative(settled):
    metrics = settled.metrics()
    for name, kind in METRICS.items():
        if kind != "histogram":
            continue
        series = collections.defaultdict(dict)
        for key, value in metrics.samples[f"{name}_bucket"].items():
            labels = dict(key)
            series[tuple(sorted((k, v) for k, v in labels.items() if k != "le"))][float(labels["le"])] = value
        for labels, buckets in series.items():
            counts = [buckets[edge] for edge in sorted(buckets)]
            assert counts == sorted(counts) and float("inf") in buckets
            assert counts[-1] == metrics.samples[f"{name}_count"][labels]
            assert metrics.samples[f"{name}_sum"][labels] >= 0


def test_requests_and_streams_are_counted_by_route_and_code(settled):
    def count(metrics, **labels):
        return sum(v for k, v in metrics.samples["inlet_http_requests_total"].items() if labels.items() <= dict(k).items())

    before = settled.metrics()
    for _ in range(3):
        settled.get("/api/v1/views/per_client/rows?limit=2")
    settled.get("/api/v1/views/nothing/rows", 404)
    for name in ("a", "b", "c", "d", "e"):
        settled.ask(f"/nothing-{name}")
    with settled.events():
        settled.wait_for(lambda: settled.metrics().value("inlet_http_event_streams") == 1, 5, "a stream in the metrics")
        assert settled.metrics().value("inlet_http_connections") >= 2
    settled.wait_for(lambda: settled.metrics().value("inlet_http_event_streams") == 0, 5, "its end in the metrics")
    after = settled.metrics()
    assert count(after) - count(before) >= 9
    assert count(after, code="404") - count(before, code="404") == 6
    assert not any("nothing" in dict(key)["route"] for key in after.samples["inlet_http_requests_total"]), "no label from outside"
    assert len({dict(key)["route"] for key in after.samples["inlet_http_requests_total"]}) < 30


def test_metrics_end_where_the_summary_of_the_run_ends(binary, tmp_path):
    program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path))
    sold = shop.Shop(tmp_path / "sales.jsonl")
    sold.fill()
    served = live.start(program, tmp_path / "lake", "--json", *sets(f"source.file.path={sold.path}", "bronze.batch_rows=200"))
    with served.running:
        served.wait_for(lambda: live.is_level(served, sold.truth.lines), 30, "everything published")
        metrics = served.metrics()
        served.running.signal(signal.SIGTERM)
        summary = served.running.wait(10).expect(EXIT_OK).json()
    assert summary["events"] == metrics.value("inlet_records_total") == sold.truth.lines
    assert summary["rows"] == metrics.value("inlet_rows_total")
    assert summary["quarantined"] == metrics.value("inlet_quarantined_total")
    assert summary["diverted"] == metrics.value("inlet_diverted_total")
    assert summary["batches"] == metrics.value("inlet_batches_total") == metrics.value("inlet_batch_rows_count")
    assert summary["source_bytes"] == metrics.value("inlet_source_bytes_total")
    assert summary["parquet_bytes"] == metrics.value("inlet_parquet_bytes_total")
    views = {view["view"]: view for view in summary["views"]}
    for name, view in views.items():
        assert view["publishes"] >= metrics.value("inlet_view_publishes_total", view=name) >= 1
        assert view["published"] == metrics.value("inlet_view_published_version", view=name)


# --- where it listens ---


def listening(pid: int) -> list[tuple[str, int]]:
    """The addresses that a process listens on, as the kernel says."""
    sockets = set()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink()))
        except OSError:
            continue
        if match:
            sockets.add(match[1])
    found = []
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in sockets:
            address, port = fields[1].split(":")
            found.append((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)))
    for line in pathlib.Path("/proc/net/tcp6").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in sockets:
            found.append(("::", int(fields[1].split(":")[1], 16)))
    return found


SERVING = {"INLET__SERVE__ENABLED": "true"}  # the tests' runs do not, unless they are asked for by their address


@pytest.fixture
def shop_program(binary, tmp_path):
    return Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path))


def test_only_the_loopback_is_listened_on(settled):
    assert listening(settled.running.pid) == [settled.address]
    assert settled.url == f"http://127.0.0.1:{settled.port}/"


@pytest.mark.parametrize("command", ["run", "demo"])
def test_it_serves_by_default_and_a_taken_default_port_is_no_failure(shop_program, tmp_path, command):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8080))
            taken.listen()
        except OSError:
            pass  # somebody else's: as good
        words = [command, shop_program.pipeline, "--lake", tmp_path / "lake", "--source", "generator"]
        running = shop_program.start(*words, env=SERVING)
        with running:
            served = Live(running, tmp_path / "lake")
            assert served.port != 8080 and "serve.port_taken" in running.stderr()
            assert listening(running.pid) == [served.address]
            served.alive_within(2)


@pytest.mark.parametrize("how", ["flag", "file", "environment"])
def test_a_taken_port_that_was_asked_for_ends_it_before_anything_is_read(binary, tmp_path, how):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        change = (lambda text: text.replace("[serve]", f'[serve]\nlisten = "{address}"')) if how == "file" else (lambda text: text)
        program = Program(binary, tmp_path / "processes", shop.write_pipeline(tmp_path, change))
        words = ["run", program.pipeline, "--lake", tmp_path / "lake", "--source", "generator", "--json"]
        words += ["--listen", address] if how == "flag" else []
        env = SERVING | ({"INLET__SERVE__LISTEN": address} if how == "environment" else {})
        done = program.run(*words, env=env).expect(EXIT_UNAVAILABLE)
    assert done.error()["id"] == "serve.listen"
    assert not (tmp_path / "lake" / "bronze").exists()


@pytest.mark.parametrize("how", ["flag", "key"])
def test_without_serving_no_port_is_opened(shop_program, tmp_path, how):
    off = ["--no-serve"] if how == "flag" else sets("serve.enabled=false")
    words = ["run", shop_program.pipeline, "--lake", tmp_path / "lake", "--source", "generator", *off]
    with shop_program.start(*words, env=SERVING if how == "flag" else None) as running:
        running.wait_until(lambda: delta_log.version(tmp_path / "lake" / "bronze" / "shop") > 3, 20, "commits")
        assert listening(running.pid) == [] and "live page" not in running.stderr()


def test_quiet_says_nothing_and_serves(shop_program, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = ["run", shop_program.pipeline, "--lake", tmp_path / "lake", "--source", "generator", "--quiet"]
    with shop_program.start(*words, "--listen", f"127.0.0.1:{port}") as running:
        running.wait_until(lambda: listening(running.pid), 20, "a port")
        assert listening(running.pid) == [("127.0.0.1", port)] and "live page" not in running.stderr()


def test_the_loopback_of_ipv6(shop_program, tmp_path):
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as probe:
            port = probe.getsockname()[1]
    except OSError:
        port = None
    if port is None:
        done = shop_program.run("run", shop_program.pipeline, "--lake", tmp_path / "lake", "--listen", "[::1]:0", "--json")
        done.expect(EXIT_UNAVAILABLE)
        return
    words = ["run", shop_program.pipeline, "--lake", tmp_path / "lake", "--source", "generator", "--listen", f"[::1]:{port}"]
    with shop_program.start(*words) as running:
        running.wait_until(lambda: f"live page: http://[::1]:{port}/" in running.stderr(), 20, "address")
        with socket.create_connection(("::1", port), 5) as connection:
            connection.sendall(f"GET /livez HTTP/1.1\r\nHost: [::1]:{port}\r\nConnection: close\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("value", ["8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", ":8080x", "host name:80", "[::1:80", "127.0.0.1:80:80", ""])
def test_an_address_that_is_none_is_refused(shop_program, tmp_path, value):
    done = shop_program.run("run", shop_program.pipeline, "--lake", tmp_path / "lake", "--listen", value, "--events", "10", "--source", "generator")
    assert done.code in (2, EXIT_CONFIGURATION), done
    assert not (tmp_path / "lake").exists()


# --- logs ---


def test_with_log_json_every_line_of_stderr_is_json(shop_program, tmp_path):
    words = ["--log-json", "--log-level", "debug", "run", shop_program.pipeline, "--lake", tmp_path / "lake", "--source", "generator", "--json"]
    with shop_program.start(*words, "--listen", "127.0.0.1:0") as running:
        served = Live(running, tmp_path / "lake")
        served.ask("/nothing")
        served.get("/api/v1/views/nothing/rows", 404)
        with served.events() as stream:
            stream.next()
        live.exchange(served.address, b"\x16\x03\x01 hello\r\n\r\n")
        running.signal(signal.SIGTERM)
        done = running.wait(10).expect(EXIT_OK)
    log = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(set(entry) >= {"ts", "level", "stage", "message"} for entry in log)
    assert sum(f"http://127.0.0.1:{served.port}/" in entry["message"] for entry in log) == 1


def test_a_log_line_is_one_line_whatever_a_client_sends(shop_program, tmp_path):
    """No target or header of a client makes a line of its own, nor drives a terminal."""
    words = ["--log-level", "debug", "run", shop_program.pipeline, "--lake", tmp_path / "lake", "--source", "generator", "--listen", "127.0.0.1:0"]
    with shop_program.start(*words) as running:
        served = Live(running, tmp_path / "lake")
        served.ask("/api/v1/views/%0A2026-01-01%20forged/rows")
        served.ask("/%1b[31mred")
        live.exchange(served.address, b"GET /\x1b[2Jforged HTTP/1.1\r\nHost: x\r\n\r\n")
        served.ask("/livez", headers={"User-Agent": "forged \x7f"})
        served.ask("/api/v1/views/x/rows", headers={"Last-Event-ID": "forged"})
        running.signal(signal.SIGTERM)
        done = running.wait(10).expect(EXIT_OK)
    assert not re.search(r"^[^\n]{0,12}forged", done.stderr, re.M), done
    assert "\x1b[2J" not in done.stderr and "\x1b[31mred" not in done.stderr


# --- nothing of an event becomes anything but text ---


@pytest.mark.parametrize("name", shop.HOSTILE)
@pytest.mark.parametrize("field", shop.FIELDS)
def test_text_of_an_event_stays_text(settled, field, name):
    text = shop.HOSTILE[name]
    target = {
        "client": "/api/v1/views/per_client/rows?limit=10000",
        "country": "/api/v1/views/per_country/rows?limit=10000",
        "note": "/api/v1/views/gifts/rows?limit=10000",
        "product": "/api/v1/panels/every_sale?country=" + quote(text),
    }[field]
    if field == "product" and (re.search(r"[\0-\x1f\x7f\\]", text) or len(quote(text)) > 3000):
        target = None  # such a text does not pass a target; the first thousand rows hold it as well
    response = settled.get(target or "/api/v1/panels/every_sale")
    assert response.kind == "application/json" and response.header("x-content-type-options") == "nosniff"
    values = [row[field] for row in rows_of(response.json())]
    if target:
        assert values.count(text) == 1
    assert not re.search(rb"[\0-\x08\x0b\x0c\x0e-\x1f]", response.body), "no raw control character in JSON"


@pytest.mark.parametrize("name", shop.HOSTILE)
def test_text_of_a_reject_and_of_a_filter_stays_text(settled, name):
    text = shop.HOSTILE[name]
    rows = rows_of(settled.json("/api/v1/quarantine?limit=1000"))
    assert sum(row["raw"] == json.dumps({"id": 1, "note": text}) for row in rows) == 1
    assert settled.json("/api/v1/filters/who")["values"].count(text) == 1


def test_every_answer_carries_the_headers_that_keep_a_page_safe(settled):
    with live.Connection(settled.address) as connection:
        for target in ("/", "/nothing", "/livez", "/api/v1/panels/nothing", "/%00"):
            connection.send(settled.request("GET", target))
            response = connection.response()
            assert {name: response.header(name) for name in EVERY_ANSWER} == EVERY_ANSWER
            if response.status == 400:
                break


def test_a_stream_has_the_form_of_server_sent_events(settled):
    stream: EventStream = settled.events()
    with stream:
        assert dict(stream.headers)["cache-control"] == "no-store"
        stream.next()
        assert stream.retry == 1000
